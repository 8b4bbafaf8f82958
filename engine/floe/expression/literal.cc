#include "floe/expression/literal.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "floe/error.h"

namespace floe {
namespace {

// A number as written: (-1)^negative * digits * 10^exponent. `digits` has no leading zeros; zero has none at all.
struct Number {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<Number> parse_number(std::string_view text) {
  Number number;
  size_t i = 0;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) number.negative = text[i++] == '-';
  bool any = false;
  for (bool fraction = false; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    any = true;
    if (fraction) --number.exponent;
    if (text[i] != '0' || !number.digits.empty()) number.digits += text[i];
  }
  if (!any) return std::nullopt;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && text[i] == '+') ++i;
    int32_t exponent = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), exponent);
    if (error == std::errc::invalid_argument || end != text.data() + text.size()) return std::nullopt;
    if (error == std::errc::result_out_of_range) exponent = text[i] == '-' ? -1'000'000'000 : 1'000'000'000;
    number.exponent += exponent;
    i = text.size();
  }
  return i == text.size() ? std::optional(number) : std::nullopt;
}

// The digits of a finite double's exact value.
Number exact(double value) {
  std::string text(2048, '\0');
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, /*precision=*/1074);
  if (error != std::errc()) throw Error("a double does not print");
  return parse_number(std::string_view(text.data(), end)).value();
}

// number * 10^scale cut to its integral part, if that has no more than 38 digits.
struct Scaled {
  Int128 magnitude = 0;
  bool exact = true;  // nothing was cut off
};
std::optional<Scaled> scaled_magnitude(const Number& number, int scale) {
  if (number.digits.empty()) return Scaled{};
  const int64_t shift = number.exponent + scale;
  const int64_t integral = static_cast<int64_t>(number.digits.size()) + shift;
  if (integral > 38) return std::nullopt;
  Scaled result;
  for (int64_t i = 0; i < integral; ++i) {
    const bool written = i < static_cast<int64_t>(number.digits.size());
    result.magnitude = result.magnitude * 10 + (written ? number.digits[i] - '0' : 0);
  }
  const size_t cut = static_cast<size_t>(std::max<int64_t>(integral, 0));
  result.exact = number.digits.find_first_not_of('0', std::min(cut, number.digits.size())) == std::string::npos;
  return result;
}

TypedLiteral outside(bool below) { return {below ? TypedLiteral::kBelow : TypedLiteral::kAbove, {}}; }

// The number times 10^scale as a value of [min, max], the range of the unscaled type.
template <typename Make>
TypedLiteral within(const Number& number, int scale, Int128 min, Int128 max, Make make) {
  const auto scaled = scaled_magnitude(number, scale);
  if (!scaled) return outside(number.negative);
  Int128 floor = number.negative ? -scaled->magnitude : scaled->magnitude;
  if (number.negative && !scaled->exact) --floor;
  if (floor < min || floor > max) return outside(floor < min);
  return {scaled->exact ? TypedLiteral::kExact : TypedLiteral::kBetween, make(floor)};
}

Int128 power_of_ten(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

TypedLiteral int_literal(const Number& number) {
  return within(number, 0, INT32_MIN, INT32_MAX, [](Int128 v) { return Value(static_cast<int32_t>(v)); });
}

TypedLiteral long_literal(const Number& number) {
  return within(number, 0, INT64_MIN, INT64_MAX, [](Int128 v) { return Value(static_cast<int64_t>(v)); });
}

TypedLiteral decimal_literal(const Number& number, const Type& type) {
  const Int128 max = power_of_ten(type.precision) - 1;
  return within(number, type.scale, -max, max, [](Int128 v) { return Value(v); });
}

// Rounds a double half up (away from zero) to the scale, so that 1.1 means 1.10 and not its nearest binary fraction.
TypedLiteral decimal_literal(double value, const Type& type) {
  if (std::isinf(value)) return outside(value < 0);
  const Number number = exact(value);
  auto scaled = scaled_magnitude(number, type.scale + 1);
  Int128 magnitude = 0;
  if (scaled) {
    magnitude = (scaled->magnitude + 5) / 10;
  } else {
    scaled = scaled_magnitude(number, type.scale);
    if (!scaled) return outside(number.negative);
    magnitude = scaled->magnitude;
  }
  if (magnitude >= power_of_ten(type.precision)) return outside(number.negative);
  return {TypedLiteral::kExact, Value(number.negative ? -magnitude : magnitude)};
}

TypedLiteral floating_literal(double value, const Type& type) {
  if (value == 0) value = 0;  // -0.0 equals 0.0 in filters: one form only
  if (type.kind == TypeKind::kDouble) return {TypedLiteral::kExact, Value(value)};
  constexpr float kMax = std::numeric_limits<float>::max();
  // Beyond the finite floats there is still infinity, so such a literal is between two values and not outside.
  if (std::isfinite(value) && value > kMax) return {TypedLiteral::kBetween, Value(kMax)};
  if (std::isfinite(value) && value < -kMax)
    return {TypedLiteral::kBetween, Value(-std::numeric_limits<float>::infinity())};
  const float narrow = static_cast<float>(value);
  return {TypedLiteral::kExact, Value(narrow == 0 ? 0.0f : narrow)};
}

std::optional<double> parse_double(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const auto number = parse_number(text);
    if (!number) return std::nullopt;
    const bool huge = static_cast<int64_t>(number->digits.size()) + number->exponent > 0;
    value = huge ? std::numeric_limits<double>::infinity() : 0;
    if (number->negative) value = -value;
  }
  return value;
}

// Bytes as hexadecimal digits, or as a uuid.
std::optional<Value> parse_bytes(std::string text, const Type& type) {
  if (text.size() == 36) std::erase(text, '-');
  return parse_value(text, type);
}

std::optional<Value> parse_timestamp(std::string_view text, const Type& type) {
  if (auto value = parse_value(text, type)) return value;
  const bool zoned = type.kind == TypeKind::kTimestampTz || type.kind == TypeKind::kTimestampTzNs;
  if (zoned) {
    if (auto value = parse_value(fmt::format("{}+00:00", text), type)) return value;
  }
  if (text.find('T') != std::string_view::npos || text.find(' ') != std::string_view::npos) return std::nullopt;
  return parse_value(fmt::format("{}T00:00:00{}", text, zoned ? "+00:00" : ""), type);
}

std::optional<Value> parse_date(std::string_view text, const Type& type) {
  if (text.find('T') == std::string_view::npos) return parse_value(text, type);
  auto micros = parse_timestamp(text, primitive(TypeKind::kTimestamp));
  if (!micros) micros = parse_timestamp(text, primitive(TypeKind::kTimestampTz));
  if (!micros) return std::nullopt;
  return apply(Transform{.kind = TransformKind::kDay}, primitive(TypeKind::kTimestamp), *micros);
}

std::optional<TypedLiteral> exactly(std::optional<Value> value) {
  if (!value) return std::nullopt;
  return TypedLiteral{TypedLiteral::kExact, std::move(*value)};
}

std::optional<TypedLiteral> from_text(const std::string& text, const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kDecimal: {
      const auto number = parse_number(text);
      if (!number) return std::nullopt;
      if (type.kind == TypeKind::kInt) return int_literal(*number);
      return type.kind == TypeKind::kLong ? long_literal(*number) : decimal_literal(*number, type);
    }
    case TypeKind::kFloat:
    case TypeKind::kDouble: {
      const auto number = parse_double(text);
      if (!number || std::isnan(*number)) return std::nullopt;
      return floating_literal(*number, type);
    }
    case TypeKind::kDate:
      return exactly(parse_date(text, type));
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return exactly(parse_timestamp(text, type));
    case TypeKind::kString:
      if (!simdjson::validate_utf8(text.data(), text.size())) return std::nullopt;
      return exactly(Value(text));
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return exactly(parse_bytes(text, type));
    default:
      return exactly(parse_value(text, type));
  }
}

std::optional<TypedLiteral> from_integer(int64_t value, const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kDate:  // days
      if (value < INT32_MIN || value > INT32_MAX) return outside(value < 0);
      return exactly(Value(static_cast<int32_t>(value)));
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return exactly(Value(value));
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return floating_literal(static_cast<double>(value), type);
    case TypeKind::kDecimal:
      return decimal_literal(parse_number(fmt::to_string(value)).value(), type);
    default:
      return std::nullopt;
  }
}

std::optional<TypedLiteral> from_double(double value, const Type& type) {
  if (std::isnan(value)) return std::nullopt;
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
      if (std::isinf(value)) return outside(value < 0);
      return type.kind == TypeKind::kInt ? int_literal(exact(value)) : long_literal(exact(value));
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      return floating_literal(value, type);
    case TypeKind::kDecimal:
      return decimal_literal(value, type);
    default:
      return std::nullopt;
  }
}

template <typename T>
int three_way(T a, T b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

}  // namespace

bool is_nan(const Value& value) {
  if (const auto* f = std::get_if<float>(&value.data)) return std::isnan(*f);
  if (const auto* d = std::get_if<double>(&value.data)) return std::isnan(*d);
  return false;
}

int order(const Value& a, const Value& b, const Type& type) {
  if (type.kind == TypeKind::kFloat) return three_way(a.as<float>(), b.as<float>());
  if (type.kind == TypeKind::kDouble) return three_way(a.as<double>(), b.as<double>());
  return compare(a, b, type);
}

TypedLiteral typed_literal(const UnboundLiteral& literal, const Type& type, const std::string& column) {
  std::optional<TypedLiteral> typed;
  if (const auto* flag = std::get_if<bool>(&literal)) {
    if (type.kind == TypeKind::kBoolean) typed = exactly(Value(*flag));
  } else if (const auto* integer = std::get_if<int64_t>(&literal)) {
    typed = from_integer(*integer, type);
  } else if (const auto* number = std::get_if<double>(&literal)) {
    if (std::isnan(*number)) {
      throw InvalidArgument(
          fmt::format("a filter on column \"{0}\" compares with NaN, which equals nothing: write "
                      "`{0} is nan` or `{0} is not nan`",
                      column));
    }
    typed = from_double(*number, type);
  } else {
    typed = from_text(std::get<std::string>(literal), type);
  }
  if (!typed) {
    throw InvalidArgument(fmt::format("a filter compares column \"{}\" with {}, which cannot be read as its type {}",
                                      column, literal_text(literal), to_string(type)));
  }
  return std::move(*typed);
}

std::string literal_text(const UnboundLiteral& literal) {
  if (const auto* flag = std::get_if<bool>(&literal)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&literal)) return fmt::to_string(*integer);
  if (const auto* number = std::get_if<double>(&literal)) {
    std::string text = fmt::format("{}", *number);
    if (std::isfinite(*number) && text.find('e') == std::string::npos) text += "e0";  // else it would read as a decimal
    return text;
  }
  // A quote is doubled, unless a backslash stands before it: parse_filter keeps both then.
  std::string text = "'";
  bool escaped = false;
  for (const char c : std::get<std::string>(literal)) {
    text.append(c == '\'' && !escaped ? 2 : 1, c);
    escaped = c == '\\' && !escaped;
  }
  return text + "'";
}

UnboundLiteral to_literal(const Value& value, const Type& type) {
  if (const auto* flag = std::get_if<bool>(&value.data)) return *flag;
  if (const auto* narrow = std::get_if<int32_t>(&value.data)) return int64_t{*narrow};
  if (const auto* wide = std::get_if<int64_t>(&value.data)) return *wide;
  if (const auto* narrow = std::get_if<float>(&value.data)) return double{*narrow};
  if (const auto* wide = std::get_if<double>(&value.data)) return *wide;
  if (type.kind == TypeKind::kString) return value.as<std::string>();
  if (type.kind == TypeKind::kDecimal) return to_human_string(value, type);
  std::string hex;
  for (const unsigned char byte : value.as<std::string>()) hex += fmt::format("{:02x}", byte);
  return hex;
}

BoundExpression set_predicate(BoundPredicate predicate) {
  auto& literals = predicate.literals;
  const auto less = [&](const Value& a, const Value& b) { return order(a, b, predicate.type) < 0; };
  std::ranges::sort(literals, less);
  const auto same = [&](const Value& a, const Value& b) { return order(a, b, predicate.type) == 0; };
  const auto rest = std::ranges::unique(literals, same);
  literals.erase(rest.begin(), rest.end());
  if (literals.empty()) return always<BoundPredicate>(predicate.op == Op::kNotIn);
  if (literals.size() == 1) predicate.op = predicate.op == Op::kIn ? Op::kEqual : Op::kNotEqual;
  return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = std::move(predicate)};
}

}  // namespace floe
