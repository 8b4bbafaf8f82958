// Values as text: for people, in JSON, and read from literals.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "floe/error.h"
#include "floe/spec/held.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/utf8.h"
#include "floe/spec/value.h"
#include "floe/spec/wkt.h"

namespace floe {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;
constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int kMaxDigits = 38;
constexpr Int128 kFull = power_of_ten(kMaxDigits - 1);  // from here on another digit does not fit

bool is_tz(TypeKind kind) { return kind == TypeKind::kTimestampTz || kind == TypeKind::kTimestampTzNs; }
bool is_nanos(TypeKind kind) { return kind == TypeKind::kTimestampNs || kind == TypeKind::kTimestampTzNs; }

// ---- writing

std::string date_text(int64_t days) {
  const CivilDate date = civil_from_days(days);
  const std::string_view sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  return fmt::format("{}{:04}-{:02}-{:02}", sign, date.year < 0 ? -date.year : date.year, date.month, date.day);
}

// "22:31:08", with all digits of the fraction if there is one.
std::string time_text(int64_t units, int64_t per_second) {
  const int64_t seconds = units / per_second;
  std::string out = fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (const int64_t fraction = units % per_second; fraction != 0) {
    out += fmt::format(".{:0{}}", fraction, per_second == kMicrosPerSecond ? 6 : 9);
  }
  return out;
}

std::string timestamp_text(int64_t value, TypeKind kind) {
  const int64_t per_second = is_nanos(kind) ? kNanosPerSecond : kMicrosPerSecond;
  const int64_t seconds = floor_div(value, per_second);
  const int64_t days = floor_div(seconds, kSecondsPerDay);
  const int64_t fraction = (value % per_second + per_second) % per_second;  // value - seconds * per_second may overflow
  const int64_t time = (seconds - days * kSecondsPerDay) * per_second + fraction;
  return fmt::format("{}T{}{}", date_text(days), time_text(time, per_second), is_tz(kind) ? "+00:00" : "");
}

// Without the sign.
std::string digits_of(Int128 value) {
  unsigned __int128 magnitude = static_cast<unsigned __int128>(value);
  if (value < 0) magnitude = -magnitude;
  std::string out;
  do {
    out += static_cast<char>('0' + static_cast<int>(magnitude % 10));
    magnitude /= 10;
  } while (magnitude != 0);
  return {out.rbegin(), out.rend()};
}

std::string decimal_text(Int128 unscaled, int32_t scale) {
  std::string digits = digits_of(unscaled);
  if (scale > 0) {
    const auto places = static_cast<size_t>(scale);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, ".");
  }
  return (unscaled < 0 ? "-" : "") + digits;
}

// As Java's BigDecimal and Python's Decimal print: with an exponent where plain digits would begin with many zeros.
std::string decimal_for_people(Int128 unscaled, int32_t scale) {
  std::string digits = digits_of(unscaled);
  const int exponent = static_cast<int>(digits.size()) - 1 - scale;
  if (exponent >= -6) return decimal_text(unscaled, scale);
  if (digits.size() > 1) digits.insert(1, ".");
  return fmt::format("{}{}E{}", unscaled < 0 ? "-" : "", digits, exponent);
}

// The shortest digits that read back as the same number, and a sign that it is no integer.
template <typename T>
std::string float_text(T value) {
  std::string out = fmt::format("{}", value);
  if (std::isfinite(value) && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<uint8_t>(c));
  return out;
}

std::string uuid_text(std::string_view bytes) {
  std::string out = hex(bytes);
  if (bytes.size() != 16) return out;
  for (const size_t at : {20, 16, 12, 8}) out.insert(at, "-");
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = i; k < i + 3; ++k) group = group << 8 | (k < bytes.size() ? static_cast<uint8_t>(bytes[k]) : 0);
    for (const int shift : {18, 12, 6, 0}) out += kDigits[group >> shift & 63];
  }
  const size_t missing = (3 - bytes.size() % 3) % 3;
  out.replace(out.size() - missing, missing, missing, '=');
  return out;
}

// A value whose type is not known any more, by how it is held.
std::string untyped_text(const Value& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(int32_t n) const { return fmt::format("{}", n); }
    std::string operator()(int64_t n) const { return fmt::format("{}", n); }
    std::string operator()(float n) const { return float_text(n); }
    std::string operator()(double n) const { return float_text(n); }
    std::string operator()(Int128 n) const { return decimal_text(n, 0); }
    std::string operator()(const std::string& s) const { return s; }
    std::string operator()(const std::vector<Value>& members) const {
      return fmt::format("({} values)", members.size());
    }
  };
  return std::visit(Visitor(), value.data);
}

// ---- reading

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Text from which parts are taken at the front; `ok` turns false at the first that is not there.
struct Scanner {
  std::string_view rest;
  bool ok = true;

  bool take(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char c) { ok = take(c) && ok; }
  char peek() const { return rest.empty() ? '\0' : rest.front(); }

  // A number of `least` to `most` digits.
  int64_t number(size_t least, size_t most) {
    int64_t value = 0;
    size_t count = 0;
    for (; count < most && is_digit(peek()); ++count, rest.remove_prefix(1)) value = value * 10 + (peek() - '0');
    ok = ok && count >= least;
    return value;
  }
  int64_t number_below(int64_t limit) {
    const int64_t value = number(2, 2);
    ok = ok && value < limit;
    return value;
  }
};

int32_t scan_date(Scanner& in) {
  const bool negative = in.take('-');
  const bool positive = !negative && in.take('+');
  const int64_t year = (negative ? -1 : 1) * in.number(4, negative || positive ? 7 : 4);
  in.expect('-');
  const int64_t month = in.number_below(13);
  in.expect('-');
  const int64_t day = in.number_below(32);
  if (!in.ok || month == 0 || day == 0) {
    in.ok = false;
    return 0;
  }
  // A day that its month does not have, and a year out of range, come back as another date.
  const int32_t days = days_from_civil(year, static_cast<int>(month), static_cast<int>(day));
  const CivilDate date = civil_from_days(days);
  in.ok = date.year == year && date.month == month && date.day == day;
  return days;
}

// Nanoseconds of the day: "22:31", "22:31:08", "22:31:08.123456789".
int64_t scan_time(Scanner& in) {
  int64_t seconds = in.number_below(24) * 3600;
  in.expect(':');
  seconds += in.number_below(60) * 60;
  if (in.take(':')) seconds += in.number_below(60);
  int64_t nanos = 0;
  if (in.take('.')) {
    const size_t before = in.rest.size();
    nanos = in.number(1, 9);
    for (size_t count = before - in.rest.size(); count < 9; ++count) nanos *= 10;
  }
  return seconds * kNanosPerSecond + nanos;
}

// Seconds east of UTC: "Z", "+01:00", "-0730", "+01"; none if there is no offset.
std::optional<int64_t> scan_offset(Scanner& in) {
  if (in.rest.empty()) return std::nullopt;
  if (in.take('Z') || in.take('z')) return 0;
  const bool west = in.take('-');
  if (!west) in.expect('+');
  int64_t seconds = in.number_below(24) * 3600;
  if (in.take(':') || is_digit(in.peek())) seconds += in.number_below(60) * 60;
  return west ? -seconds : seconds;
}

std::optional<Value> to_unit(Int128 nanos, bool keep_nanos) {
  if (!keep_nanos) {
    if (nanos % 1000 != 0) return std::nullopt;
    nanos /= 1000;
  }
  if (nanos < std::numeric_limits<int64_t>::min() || nanos > std::numeric_limits<int64_t>::max()) return std::nullopt;
  return Value(static_cast<int64_t>(nanos));
}

std::optional<Value> parse_date(std::string_view text) {
  Scanner in{text};
  const int32_t days = scan_date(in);
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  return Value(days);
}

std::optional<Value> parse_time(std::string_view text) {
  Scanner in{text};
  const int64_t nanos = scan_time(in);
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  return to_unit(nanos, false);
}

// `utc_only`: an offset must be zero, as in JSON.
std::optional<Value> parse_timestamp(std::string_view text, TypeKind kind, bool utc_only) {
  Scanner in{text};
  const int64_t days = scan_date(in);
  if (!in.take(' ') && !in.take('t')) in.expect('T');
  const int64_t time = scan_time(in);
  const std::optional<int64_t> offset = scan_offset(in);
  if (!in.ok || !in.rest.empty() || offset.has_value() != is_tz(kind)) return std::nullopt;
  if (utc_only && offset.value_or(0) != 0) return std::nullopt;
  const Int128 seconds = Int128{days} * kSecondsPerDay - offset.value_or(0);
  return to_unit(seconds * kNanosPerSecond + time, is_nanos(kind));
}

// The number times 10^scale, if that is an integer of at most kMaxDigits digits.
std::optional<Int128> parse_scaled(std::string_view text, int32_t scale) {
  Scanner in{text};
  const bool negative = in.take('-');
  if (!negative) in.take('+');
  Int128 value = 0;
  int64_t digits = 0;
  int64_t shift = scale;  // powers of ten still to multiply by
  const auto take_digits = [&](int64_t places) {
    for (; is_digit(in.peek()); in.rest.remove_prefix(1), ++digits, shift -= places) {
      if (value >= kFull) in.ok = false;
      if (in.ok) value = value * 10 + (in.peek() - '0');
    }
  };
  take_digits(0);
  if (in.take('.')) take_digits(1);
  if (digits == 0) return std::nullopt;
  if (in.take('e') || in.take('E')) {
    const bool down = in.take('-');
    if (!down) in.take('+');
    const int64_t exponent = in.number(1, 9);
    shift += down ? -exponent : exponent;
  }
  if (!in.ok || !in.rest.empty()) return std::nullopt;
  if (value == 0) return 0;
  if (shift < -kMaxDigits || shift > kMaxDigits) return std::nullopt;
  for (; shift < 0; ++shift) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  for (; shift > 0; --shift) {
    if (value >= kFull) return std::nullopt;
    value *= 10;
  }
  return negative ? -value : value;
}

template <typename T>
std::optional<Value> parse_integer(std::string_view text) {
  const std::optional<Int128> value = parse_scaled(text, 0);
  if (!value || *value < std::numeric_limits<T>::min() || *value > std::numeric_limits<T>::max()) return std::nullopt;
  return Value(static_cast<T>(*value));
}

template <typename T>
std::optional<Value> parse_float(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(value)) return std::nullopt;
  return Value(value);
}

std::optional<Value> parse_decimal(std::string_view text, const Type& type) {
  const std::optional<Int128> unscaled = parse_scaled(text, type.scale);
  if (!unscaled || !fits(*unscaled, type)) return std::nullopt;
  return Value(*unscaled);
}

std::optional<Value> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 2) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return Value(std::move(out));
}

std::optional<Value> parse_uuid(std::string_view text) {
  std::string digits(text);
  if (text.size() == 36) {
    for (const size_t at : {23, 18, 13, 8}) {
      if (digits[at] != '-') return std::nullopt;
      digits.erase(at, 1);
    }
  }
  if (digits.size() != 32) return std::nullopt;
  return parse_hex(digits);
}

std::optional<Value> parse_boolean(std::string_view text) {
  const std::string folded = fold_case(text);
  if (folded == "true") return Value(true);
  if (folded == "false") return Value(false);
  return std::nullopt;
}

}  // namespace

std::string to_human_string(const Value& value, const Type& type) {
  if (value.is_null()) return "null";
  switch (type.kind) {
    case TypeKind::kUnknown:
      return untyped_text(value);
    case TypeKind::kBoolean:
      return held<bool>(value, type) ? "true" : "false";
    case TypeKind::kInt:
      return fmt::format("{}", held<int32_t>(value, type));
    case TypeKind::kLong:
      return fmt::format("{}", held<int64_t>(value, type));
    case TypeKind::kFloat:
      return float_text(held<float>(value, type));
    case TypeKind::kDouble:
      return float_text(held<double>(value, type));
    case TypeKind::kDecimal:
      return decimal_for_people(held<Int128>(value, type), type.scale);
    case TypeKind::kDate:
      return date_text(held<int32_t>(value, type));
    case TypeKind::kTime:
      return time_text(held<int64_t>(value, type), kMicrosPerSecond);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return timestamp_text(held<int64_t>(value, type), type.kind);
    case TypeKind::kString:
      return held<std::string>(value, type);
    case TypeKind::kUuid:
      return uuid_text(held<std::string>(value, type));
    case TypeKind::kFixed:
    case TypeKind::kBinary:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return base64(held<std::string>(value, type));
    default:
      return to_json(value, type);
  }
}

std::optional<Value> parse_value(std::string_view text, const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return parse_boolean(text);
    case TypeKind::kInt:
      return parse_integer<int32_t>(text);
    case TypeKind::kLong:
      return parse_integer<int64_t>(text);
    case TypeKind::kFloat:
      return parse_float<float>(text);
    case TypeKind::kDouble:
      return parse_float<double>(text);
    case TypeKind::kDecimal:
      return parse_decimal(text, type);
    case TypeKind::kDate:
      return parse_date(text);
    case TypeKind::kTime:
      return parse_time(text);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return parse_timestamp(text, type.kind, false);
    case TypeKind::kString:
      return Value(std::string(text));
    case TypeKind::kUuid:
      return parse_uuid(text);
    case TypeKind::kBinary:
      return parse_hex(text);
    case TypeKind::kFixed: {
      std::optional<Value> bytes = parse_hex(text);
      return bytes && fits(*bytes, type) ? bytes : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::string to_json(const Value& value, const Type& type) { return json::serialize(json::to_value(value, type)); }

Value value_from_json(std::string_view json, const Type& type) {
  const json::Document document(json, "value");
  return json::value_from_node(document.root(), type);
}

}  // namespace floe

namespace floe::json {
namespace {

Value string_value(const Node& node, const Type& type) {
  const std::string_view text = node.string();
  const bool timestamp = type.kind >= TypeKind::kTimestamp && type.kind <= TypeKind::kTimestampTzNs;
  const std::optional<Value> value =
      timestamp ? parse_timestamp(text, type.kind, /*utc_only=*/true) : parse_value(text, type);
  if (!value) node.fail(fmt::format("is no {}: \"{}\"", to_string(type), first_code_points(text, 100)));
  return *value;
}

Value geo_value(const Node& node) {
  try {
    return wkb_from_wkt(node.string());
  } catch (const InvalidArgument& e) {
    node.fail(fmt::format("cannot be read: {}", e.what()));
  }
}

Value struct_value(const Node& node, const Type& type) {
  const std::vector<Field>& fields = children_of(type);
  std::unordered_map<std::string, size_t> positions;
  for (size_t i = 0; i < fields.size(); ++i) positions.emplace(std::to_string(fields[i].id), i);
  std::vector<Value> values(fields.size());
  node.for_each_member([&](std::string_view id, const Node& member) {
    const auto found = positions.find(std::string(id));
    if (found == positions.end()) member.fail("is no field of the struct");
    values[found->second] = value_from_node(member, fields[found->second].type);
  });
  return values;
}

Value list_value(const Node& node, const Type& element) {
  std::vector<Value> values;
  node.for_each([&](const Node& item) { values.push_back(value_from_node(item, element)); });
  return values;
}

Value map_value(const Node& node, const Type& type) {
  Value keys = list_value(node.at("keys"), children_of(type).at(0).type);
  Value values = list_value(node.at("values"), children_of(type).at(1).type);
  auto& key_list = std::get<std::vector<Value>>(keys.data);
  auto& value_list = std::get<std::vector<Value>>(values.data);
  if (key_list.size() != value_list.size()) {
    node.fail(fmt::format("has {} keys, but {} values", key_list.size(), value_list.size()));
  }
  std::vector<Value> out;
  for (size_t i = 0; i < key_list.size(); ++i) {
    if (key_list[i].is_null()) node.fail("has a null key");
    out.push_back(std::move(key_list[i]));
    out.push_back(std::move(value_list[i]));
  }
  return out;
}

boost::json::value members_to_value(const std::vector<Value>& members, const Type& type) {
  const std::vector<Field>& children = children_of(type);
  if (type.kind == TypeKind::kStruct) {
    if (members.size() != children.size()) throw InvalidArgument("a struct's value does not have one member a field");
    boost::json::object out;
    for (size_t i = 0; i < members.size(); ++i) {
      if (!members[i].is_null()) out[std::to_string(children[i].id)] = to_value(members[i], children[i].type);
    }
    return out;
  }
  boost::json::array lists[2];
  for (size_t i = 0; i < members.size(); ++i) {
    const size_t child = i % children.size();
    lists[child].push_back(to_value(members[i], children[child].type));
  }
  if (type.kind == TypeKind::kList) return lists[0];
  return boost::json::object{{"keys", std::move(lists[0])}, {"values", std::move(lists[1])}};
}

// The double with the float's own shortest digits, so that 0.1f is written 0.1.
double shortest_double(float value) {
  const std::string digits = fmt::format("{}", value);
  double out = value;
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

}  // namespace

Value value_from_node(const Node& node, const Type& type) {
  if (node.is_null()) return {};
  switch (type.kind) {
    case TypeKind::kBoolean:
      return node.boolean();
    case TypeKind::kInt:
      return node.int32();
    case TypeKind::kLong:
      return node.int64();
    case TypeKind::kFloat: {
      const double number = node.number();
      if (std::abs(number) > std::numeric_limits<float>::max()) node.fail("is out of the range of float");
      return static_cast<float>(number);
    }
    case TypeKind::kDouble:
      return node.number();
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return geo_value(node);
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
      node.fail(fmt::format("must be null, as every JSON value of type {}", to_string(type)));
    case TypeKind::kStruct:
      return struct_value(node, type);
    case TypeKind::kList:
      return list_value(node, children_of(type).at(0).type);
    case TypeKind::kMap:
      return map_value(node, type);
    default:
      return string_value(node, type);
  }
}

boost::json::value to_value(const Value& value, const Type& type) {
  if (value.is_null()) return nullptr;
  switch (type.kind) {
    case TypeKind::kBoolean:
      return held<bool>(value, type);
    case TypeKind::kInt:
      return held<int32_t>(value, type);
    case TypeKind::kLong:
      return held<int64_t>(value, type);
    case TypeKind::kFloat:
      return shortest_double(held<float>(value, type));
    case TypeKind::kDouble:
      return held<double>(value, type);
    case TypeKind::kDecimal:
      return boost::json::string(decimal_text(held<Int128>(value, type), type.scale));
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return boost::json::string(hex(held<std::string>(value, type)));
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return boost::json::string(wkt_from_wkb(held<std::string>(value, type)));
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
      throw InvalidArgument(fmt::format("values of type {} have no JSON form", to_string(type)));
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap:
      return members_to_value(held<std::vector<Value>>(value, type), type);
    case TypeKind::kString:
      if (!simdjson::validate_utf8(held<std::string>(value, type))) throw InvalidArgument("a string is not UTF-8");
      return boost::json::string(held<std::string>(value, type));
    default:
      return boost::json::string(to_human_string(value, type));
  }
}

}  // namespace floe::json
