#include "floe/spec/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "floe/error.h"
#include "floe/spec/held.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

constexpr std::pair<TransformKind, std::string_view> kNames[] = {
    {TransformKind::kIdentity, "identity"}, {TransformKind::kBucket, "bucket"}, {TransformKind::kTruncate, "truncate"},
    {TransformKind::kYear, "year"},         {TransformKind::kMonth, "month"},   {TransformKind::kDay, "day"},
    {TransformKind::kHour, "hour"},         {TransformKind::kVoid, "void"},
};

constexpr int64_t kHoursPerDay = 24;
constexpr int64_t kMicrosPerHour = 3'600'000'000;
constexpr int64_t kNanosPerMicro = 1000;
constexpr int kEpochYear = 1970;

bool takes_width(TransformKind kind) { return kind == TransformKind::kBucket || kind == TransformKind::kTruncate; }

bool is_micros(TypeKind kind) { return kind == TypeKind::kTimestamp || kind == TypeKind::kTimestampTz; }
bool is_nanos(TypeKind kind) { return kind == TypeKind::kTimestampNs || kind == TypeKind::kTimestampTzNs; }

template <typename T>
Value narrowed(Int128 value, const Transform& transform) {
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
    throw InvalidArgument(fmt::format("{} of the value is out of range: it has no partition", to_string(transform)));
  }
  return static_cast<T>(value);
}

// The greatest multiple of the width that is not above the value.
Int128 truncated(Int128 value, int32_t width) {
  Int128 out = 0;
  if (__builtin_sub_overflow(value, ((value % width) + width) % width, &out)) {
    throw InvalidArgument("a decimal is out of range");
  }
  return out;
}

Value truncate(const Transform& transform, const Type& source, const Value& value) {
  switch (source.kind) {
    case TypeKind::kInt:
      return narrowed<int32_t>(truncated(held<int32_t>(value, source), transform.width), transform);
    case TypeKind::kLong:
      return narrowed<int64_t>(truncated(held<int64_t>(value, source), transform.width), transform);
    case TypeKind::kDecimal:
      return truncated(held<Int128>(value, source), transform.width);
    case TypeKind::kString:
      return std::string(first_code_points(held<std::string>(value, source), static_cast<size_t>(transform.width)));
    default:
      return held<std::string>(value, source).substr(0, static_cast<size_t>(transform.width));
  }
}

// Whole hours since 1970; of a date, its first.
int64_t hours_of(const Type& source, const Value& value) {
  if (source.kind == TypeKind::kDate) return int64_t{held<int32_t>(value, source)} * kHoursPerDay;
  const int64_t unit = is_nanos(source.kind) ? kMicrosPerHour * kNanosPerMicro : kMicrosPerHour;
  return floor_div(held<int64_t>(value, source), unit);
}

Value apply_time(const Transform& transform, const Type& source, const Value& value) {
  const int64_t hours = hours_of(source, value);
  if (transform.kind == TransformKind::kHour) return narrowed<int32_t>(hours, transform);
  const int64_t days = floor_div(hours, kHoursPerDay);
  if (transform.kind == TransformKind::kDay) return narrowed<int32_t>(days, transform);
  const CivilDate date = civil_from_days(days);
  const int64_t years = date.year - kEpochYear;
  return narrowed<int32_t>(transform.kind == TransformKind::kYear ? years : years * 12 + date.month - 1, transform);
}

uint32_t hash_long(int64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  return murmur3_32({bytes, sizeof(bytes)});
}

std::string year_month(int64_t year, int64_t month) { return fmt::format("{:04}-{:02}", year, month); }

}  // namespace

Transform parse_transform(std::string_view text) {
  const std::string lower = fold_case(text);
  const size_t bracket = std::min(lower.find('['), lower.size());
  const std::string_view name = std::string_view(lower).substr(0, bracket);
  for (const auto& [kind, known] : kNames) {
    if (known != name) continue;
    if (!takes_width(kind)) {
      if (bracket != lower.size()) break;
      return {.kind = kind};
    }
    int32_t width = 0;
    const char* const begin = lower.data() + bracket + 1;
    const char* const end = lower.data() + lower.size() - 1;
    const bool bracketed = bracket + 2 < lower.size() && lower.back() == ']';
    if (!bracketed || std::from_chars(begin, end, width).ptr != end || width <= 0) {
      throw InvalidArgument(fmt::format("the transform \"{}\" needs a positive number, as in {}[16]", text, name));
    }
    return {.kind = kind, .width = width};
  }
  return {.kind = TransformKind::kUnknown, .text = std::string(text)};
}

std::string to_string(const Transform& transform) {
  for (const auto& [kind, name] : kNames) {
    if (kind != transform.kind) continue;
    return takes_width(kind) ? fmt::format("{}[{}]", name, transform.width) : std::string(name);
  }
  return transform.text;
}

bool can_transform(const Transform& transform, const Type& source) {
  const TypeKind kind = source.kind;
  const bool timestamp = is_micros(kind) || is_nanos(kind);
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return source.is_primitive() && kind != TypeKind::kVariant && kind != TypeKind::kGeometry &&
             kind != TypeKind::kGeography;
    case TransformKind::kBucket:
      return timestamp || kind == TypeKind::kInt || kind == TypeKind::kLong || kind == TypeKind::kDecimal ||
             kind == TypeKind::kDate || kind == TypeKind::kTime || kind == TypeKind::kString ||
             kind == TypeKind::kUuid || kind == TypeKind::kFixed || kind == TypeKind::kBinary;
    case TransformKind::kTruncate:
      return kind == TypeKind::kInt || kind == TypeKind::kLong || kind == TypeKind::kDecimal ||
             kind == TypeKind::kString || kind == TypeKind::kBinary;
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
      return timestamp || kind == TypeKind::kDate;
    case TransformKind::kHour:
      return timestamp;
    case TransformKind::kVoid:
      return true;
    case TransformKind::kUnknown:
      return false;
  }
  return false;
}

Type result_type(const Transform& transform, const Type& source) {
  switch (transform.kind) {
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return primitive(TypeKind::kInt);
    case TransformKind::kDay:
      return primitive(TypeKind::kDate);
    case TransformKind::kUnknown:
      return primitive(TypeKind::kString);
    default:
      return source;
  }
}

Value apply(const Transform& transform, const Type& source, const Value& value) {
  if (value.is_null() || transform.kind == TransformKind::kVoid) return {};
  if (transform.kind == TransformKind::kUnknown) {
    throw NotSupported(
        fmt::format("the transform \"{}\" is not known, so nothing can be written with it", transform.text));
  }
  if (!can_transform(transform, source)) {
    throw InvalidArgument(fmt::format("the transform {} does not take {}", to_string(transform), to_string(source)));
  }
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return value;
    case TransformKind::kBucket:
      return static_cast<int32_t>((bucket_hash(value, source) & 0x7FFFFFFFU) % static_cast<uint32_t>(transform.width));
    case TransformKind::kTruncate:
      return truncate(transform, source, value);
    default:
      return apply_time(transform, source, value);
  }
}

std::string to_human_string(const Transform& transform, const Type& source, const Value& value) {
  const Type type = result_type(transform, source);
  const int32_t* number = std::get_if<int32_t>(&value.data);
  if (number == nullptr) return to_human_string(value, type);
  switch (transform.kind) {
    case TransformKind::kYear:
      return fmt::format("{:04}", int64_t{kEpochYear} + *number);
    case TransformKind::kMonth:
      return year_month(kEpochYear + floor_div(*number, 12), *number - floor_div(*number, 12) * 12 + 1);
    case TransformKind::kHour: {
      const int64_t day = floor_div(*number, kHoursPerDay);
      const CivilDate date = civil_from_days(day);
      return fmt::format("{}-{:02}-{:02}", year_month(date.year, date.month), date.day, *number - day * kHoursPerDay);
    }
    default:
      return to_human_string(value, type);
  }
}

uint32_t murmur3_32(std::string_view bytes) {
  constexpr uint32_t kC1 = 0xCC9E2D51;
  constexpr uint32_t kC2 = 0x1B873593;
  const auto rotate = [](uint32_t x, int r) { return x << r | x >> (32 - r); };
  const auto byte = [&](size_t i) { return uint32_t{static_cast<uint8_t>(bytes[i])}; };
  const size_t whole = bytes.size() / 4 * 4;
  uint32_t hash = 0;
  for (size_t i = 0; i < whole; i += 4) {
    uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k = rotate(k * kC1, 15) * kC2;
    hash = rotate(hash ^ k, 13) * 5 + 0xE6546B64;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > whole; --i) tail = tail << 8 | byte(i - 1);
  hash ^= rotate(tail * kC1, 15) * kC2;
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85EBCA6B;
  hash = (hash ^ hash >> 13) * 0xC2B2AE35;
  return hash ^ hash >> 16;
}

uint32_t bucket_hash(const Value& value, const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kDate:
      return hash_long(held<int32_t>(value, type));
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      return hash_long(held<int64_t>(value, type));
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return hash_long(floor_div(held<int64_t>(value, type), kNanosPerMicro));
    case TypeKind::kDecimal:
      return murmur3_32(to_bytes(value, type));
    case TypeKind::kString:
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return murmur3_32(held<std::string>(value, type));
    default:
      throw InvalidArgument(fmt::format("bucket does not take {}", to_string(type)));
  }
}

}  // namespace floe
