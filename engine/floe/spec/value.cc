#include "floe/spec/value.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "floe/spec/held.h"

namespace floe {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;
constexpr int64_t kMicrosPerDay = kSecondsPerDay * 1'000'000;
constexpr int64_t kNanosPerDay = kMicrosPerDay * 1000;
constexpr size_t kMaxDecimalBytes = 16;
constexpr size_t kUuidBytes = 16;

template <typename T>
bool same_float(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <typename T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// -0.0 before +0.0, NaN last and equal to itself.
template <typename T>
int compare_floats(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return three_way(std::isnan(a), std::isnan(b));
  if (a == 0 && b == 0) return three_way(std::signbit(b), std::signbit(a));
  return three_way(a, b);
}

// Little-endian, as wide as T.
template <typename T>
std::string little_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

template <typename T>
T read_little_endian(std::string_view bytes) {
  T value;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof(T));
  return value;
}

// Two's complement, big-endian, no byte more than the sign needs.
std::string decimal_bytes(Int128 value) {
  std::string out(kMaxDecimalBytes, '\0');
  for (size_t i = kMaxDecimalBytes; i-- > 0; value >>= 8) out[i] = static_cast<char>(value);
  const auto negative = [](char c) { return (static_cast<uint8_t>(c) & 0x80U) != 0; };
  size_t skip = 0;
  const char sign = negative(out[0]) ? '\xFF' : '\0';
  while (skip + 1 < kMaxDecimalBytes && out[skip] == sign && negative(out[skip + 1]) == negative(sign)) ++skip;
  return out.substr(skip);
}

// Longer forms than ours are taken as long as the value fits.
std::optional<Int128> read_decimal(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const Int128 sign = static_cast<int8_t>(bytes[0]) < 0 ? -1 : 0;
  while (bytes.size() > kMaxDecimalBytes) {
    if (bytes[0] != static_cast<char>(sign)) return std::nullopt;
    bytes.remove_prefix(1);
  }
  auto value = static_cast<unsigned __int128>(sign);
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  const auto out = static_cast<Int128>(value);
  return (out < 0) == (sign < 0) ? std::optional(out) : std::nullopt;
}

[[noreturn]] void bad_length(std::string_view bytes, const Type& type) {
  throw CorruptFile(fmt::format("{} bytes are no value of type {}", bytes.size(), to_string(type)));
}

// A date where a timestamp is asked for: a bound written before the column was promoted.
Value promoted_date(std::string_view bytes, const Type& type) {
  const int64_t days = read_little_endian<int32_t>(bytes);
  const int64_t unit = type.kind == TypeKind::kTimestamp ? kMicrosPerDay : kNanosPerDay;
  int64_t out = 0;
  if (__builtin_mul_overflow(days, unit, &out)) {
    throw CorruptFile(fmt::format("day {} is out of the range of {}", days, to_string(type)));
  }
  return out;
}

bool fits_members(const std::vector<Value>& members, const Type& type) {
  const std::vector<Field>& children = children_of(type);
  if (children.empty() || (type.kind == TypeKind::kStruct && members.size() != children.size())) return members.empty();
  if (members.size() % (type.kind == TypeKind::kMap ? 2 : 1) != 0) return false;
  for (size_t i = 0; i < members.size(); ++i) {
    const Field& child = children[i % children.size()];
    if (!fits(members[i], child.type)) return false;
    if (type.kind != TypeKind::kStruct && child.required && members[i].is_null()) return false;
  }
  return true;
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.data.index() != b.data.index()) return false;
  if (const float* number = std::get_if<float>(&a.data)) return same_float(*number, b.as<float>());
  if (const double* number = std::get_if<double>(&a.data)) return same_float(*number, b.as<double>());
  return a.data == b.data;
}

bool fits(const Value& value, const Type& type) {
  if (value.is_null()) return true;
  const auto* bytes = std::get_if<std::string>(&value.data);
  switch (type.kind) {
    case TypeKind::kUnknown:
      return false;
    case TypeKind::kBoolean:
      return std::holds_alternative<bool>(value.data);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return std::holds_alternative<int32_t>(value.data);
    case TypeKind::kTime: {
      const auto* micros = std::get_if<int64_t>(&value.data);
      return micros != nullptr && *micros >= 0 && *micros < kMicrosPerDay;
    }
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return std::holds_alternative<int64_t>(value.data);
    case TypeKind::kFloat:
      return std::holds_alternative<float>(value.data);
    case TypeKind::kDouble:
      return std::holds_alternative<double>(value.data);
    case TypeKind::kDecimal: {
      const auto* unscaled = std::get_if<Int128>(&value.data);
      const Int128 limit = power_of_ten(type.precision);
      return unscaled != nullptr && *unscaled > -limit && *unscaled < limit;
    }
    case TypeKind::kString:
      return bytes != nullptr && simdjson::validate_utf8(*bytes);
    case TypeKind::kUuid:
      return bytes != nullptr && bytes->size() == kUuidBytes;
    case TypeKind::kFixed:
      return bytes != nullptr && bytes->size() == static_cast<size_t>(type.length);
    case TypeKind::kBinary:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return bytes != nullptr;
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap: {
      const auto* members = std::get_if<std::vector<Value>>(&value.data);
      return members != nullptr && fits_members(*members, type);
    }
  }
  return false;
}

int compare(const Value& a, const Value& b, const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return three_way(held<bool>(a, type), held<bool>(b, type));
    case TypeKind::kInt:
    case TypeKind::kDate:
      return three_way(held<int32_t>(a, type), held<int32_t>(b, type));
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return three_way(held<int64_t>(a, type), held<int64_t>(b, type));
    case TypeKind::kFloat:
      return compare_floats(held<float>(a, type), held<float>(b, type));
    case TypeKind::kDouble:
      return compare_floats(held<double>(a, type), held<double>(b, type));
    case TypeKind::kDecimal:
      return three_way(held<Int128>(a, type), held<Int128>(b, type));
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return held<std::string>(a, type).compare(held<std::string>(b, type));  // char_traits compares unsigned
    default:
      throw InvalidArgument(fmt::format("values of type {} have no order", to_string(type)));
  }
}

std::string to_bytes(const Value& value, const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return std::string(1, held<bool>(value, type) ? '\1' : '\0');
    case TypeKind::kInt:
    case TypeKind::kDate:
      return little_endian(held<int32_t>(value, type));
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return little_endian(held<int64_t>(value, type));
    case TypeKind::kFloat:
      return little_endian(held<float>(value, type));
    case TypeKind::kDouble:
      return little_endian(held<double>(value, type));
    case TypeKind::kDecimal:
      return decimal_bytes(held<Int128>(value, type));
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return held<std::string>(value, type);
    default:
      throw InvalidArgument(fmt::format("values of type {} have no binary form", to_string(type)));
  }
}

Value from_bytes(std::string_view bytes, const Type& type) {
  const auto need = [&](bool ok) {
    if (!ok) bad_length(bytes, type);
  };
  switch (type.kind) {
    case TypeKind::kUnknown:
      return {};
    case TypeKind::kBoolean:
      need(bytes.size() == 1);
      return bytes[0] != 0;
    case TypeKind::kInt:
    case TypeKind::kDate:
      need(bytes.size() == 4);
      return read_little_endian<int32_t>(bytes);
    case TypeKind::kLong:
      if (bytes.size() == 4) return int64_t{read_little_endian<int32_t>(bytes)};
      need(bytes.size() == 8);
      return read_little_endian<int64_t>(bytes);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNs:
      if (bytes.size() == 4) return promoted_date(bytes, type);
      [[fallthrough]];
    case TypeKind::kTime:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampTzNs:
      need(bytes.size() == 8);
      return read_little_endian<int64_t>(bytes);
    case TypeKind::kFloat:
      need(bytes.size() == 4);
      return read_little_endian<float>(bytes);
    case TypeKind::kDouble:
      if (bytes.size() == 4) return double{read_little_endian<float>(bytes)};
      need(bytes.size() == 8);
      return read_little_endian<double>(bytes);
    case TypeKind::kDecimal: {
      const std::optional<Int128> unscaled = read_decimal(bytes);
      if (!unscaled) bad_length(bytes, type);
      return *unscaled;
    }
    case TypeKind::kUuid:
      need(bytes.size() == kUuidBytes);
      return std::string(bytes);
    case TypeKind::kFixed:  // a bound may be cut shorter
      need(bytes.size() <= static_cast<size_t>(type.length));
      return std::string(bytes);
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return std::string(bytes);
    default:
      throw InvalidArgument(fmt::format("values of type {} have no binary form", to_string(type)));
  }
}

// Both directions count years from March, so that the leap day is the last of its year, in eras of 400 years.
int32_t days_from_civil(int64_t year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t year_of_era = y - era * 400;
  const int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<int32_t>(era * 146097 + day_of_era - 719468);
}

CivilDate civil_from_days(int64_t days) {
  const int64_t shifted = days + 719468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * day_of_year + 2) / 153;  // March is 0
  return {.year = year_of_era + era * 400 + (month >= 10 ? 1 : 0),
          .month = static_cast<int>(month < 10 ? month + 3 : month - 9),
          .day = static_cast<int>(day_of_year - (153 * month + 2) / 5 + 1)};
}

}  // namespace floe
