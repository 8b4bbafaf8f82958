// A single value of any Iceberg type, and its binary and JSON forms ("Appendix D: Single-value serialization").
// A value does not know its type; the functions take it beside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace floe {

struct Type;

using Int128 = __int128;

// | type                                   | held as                                        |
// | boolean                                | bool                                           |
// | int, date (days since 1970)            | int32_t                                        |
// | long, time (us), timestamps (us or ns) | int64_t                                        |
// | float, double                          | float, double                                  |
// | decimal                                | Int128, the unscaled value                     |
// | string (UTF-8), uuid (16 bytes, big-endian), fixed, binary, geometry, geography (WKB), variant | std::string |
// | struct (in field order), list, map (key, value, key, value, ...)  | std::vector<Value>  |
// | null of any type                       | std::monostate                                 |
struct Value {
  using Storage =
      std::variant<std::monostate, bool, int32_t, int64_t, float, double, Int128, std::string, std::vector<Value>>;
  Storage data;

  Value() = default;
  template <typename T>
    requires(!std::is_same_v<std::decay_t<T>, Value> &&
             std::is_constructible_v<Storage, std::in_place_type_t<std::decay_t<T>>, T>)
  Value(T&& value) : data(std::in_place_type<std::decay_t<T>>, std::forward<T>(value)) {}  // NOLINT: a value is a value

  bool is_null() const { return data.index() == 0; }
  template <typename T>
  const T& as() const {
    return std::get<T>(data);
  }
  // Equality of representation: NaN equals itself, and -0.0 differs from +0.0.
  friend bool operator==(const Value& a, const Value& b);
};

// Whether the value is one of the type: held as the table above says and within its range, at every depth. Null fits
// every type.
bool fits(const Value& value, const Type& type);

// Total order of two non-null values of one primitive type: numbers by value with -0.0 before +0.0 and NaN last,
// strings, uuids and bytes as unsigned bytes (which for UTF-8 is code point order). Returns <0, 0 or >0.
int compare(const Value& a, const Value& b, const Type& type);

// Here and below a value that is held as another type's throws InvalidArgument.

// Binary form, of bounds and of partition summaries. `value` is not null and `type` is primitive.
std::string to_bytes(const Value& value, const Type& type);

// Reads the binary form. Bounds written before a type promotion are accepted by their length: 4 bytes under long are an
// int, under double a float, under a timestamp without zone a date. Bytes of geometries and variants are taken as they
// are; a value of type unknown is null. Throws CorruptFile if the length fits no such type.
Value from_bytes(std::string_view bytes, const Type& type);

// JSON form as text, e.g. `"2017-11-16"`, `"14.20"`, `34`, `{"1": 1, "2": "bar"}`; null is `null`, and null fields of a
// struct are left out. Reading throws CorruptFile if the JSON is no value of the type.
std::string to_json(const Value& value, const Type& type);
Value value_from_json(std::string_view json, const Type& type);

// What people read: `2017-11-16`, `2017-11-16T22:31:08.000001+00:00`, `14.20`, uuids with dashes, bytes as base64.
// Partition paths are made of these ("null" for null).
std::string to_human_string(const Value& value, const Type& type);

// Parses the text of a literal as `type` asks: numbers, `2017-11-16`, ISO times and timestamps (with an offset, which
// is applied, where the type has a time zone and only there), uuids, decimals, bytes as hexadecimal digits.
// std::nullopt if it does not fit (out of range, too many decimal places, no such date) or is NaN.
std::optional<Value> parse_value(std::string_view text, const Type& type);

// Calendar arithmetic on the proleptic Gregorian calendar, for dates and transforms.
int32_t days_from_civil(int64_t year, int month, int day);
struct CivilDate {
  int64_t year;
  int month, day;
};
CivilDate civil_from_days(int64_t days);

}  // namespace floe
