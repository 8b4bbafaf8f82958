// What the code on values shares. Internal to spec/.
#pragma once

#include <fmt/format.h>

#include <string>
#include <variant>

#include "floe/error.h"
#include "floe/spec/type.h"
#include "floe/spec/value.h"

namespace floe {

// Throws InvalidArgument if the value is null or held as another type's.
template <typename T>
const T& held(const Value& value, const Type& type) {
  if (const T* data = std::get_if<T>(&value.data)) return *data;
  throw InvalidArgument(fmt::format("{} was given where a value of type {} was expected",
                                    value.is_null() ? "null" : "a value of another type", to_string(type)));
}

// Rounds towards minus infinity, as times before 1970 need it; `b` is positive.
inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// 10^exponent, for exponents of 0 to 38.
constexpr Int128 power_of_ten(int exponent) {
  Int128 out = 1;
  for (; exponent > 0; --exponent) out *= 10;
  return out;
}

}  // namespace floe
