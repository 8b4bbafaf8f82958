#include "floe/spec/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "floe/error.h"
#include "floe/spec/json_codec.h"

namespace floe {
namespace {

constexpr std::pair<TypeKind, std::string_view> kPlainNames[] = {
    {TypeKind::kUnknown, "unknown"},
    {TypeKind::kBoolean, "boolean"},
    {TypeKind::kInt, "int"},
    {TypeKind::kLong, "long"},
    {TypeKind::kFloat, "float"},
    {TypeKind::kDouble, "double"},
    {TypeKind::kDate, "date"},
    {TypeKind::kTime, "time"},
    {TypeKind::kTimestamp, "timestamp"},
    {TypeKind::kTimestampTz, "timestamptz"},
    {TypeKind::kTimestampNs, "timestamp_ns"},
    {TypeKind::kTimestampTzNs, "timestamptz_ns"},
    {TypeKind::kString, "string"},
    {TypeKind::kUuid, "uuid"},
    {TypeKind::kBinary, "binary"},
    {TypeKind::kVariant, "variant"},
};

constexpr std::string_view kDefaultCrs = "OGC:CRS84";
constexpr std::string_view kDefaultAlgorithm = "spherical";
constexpr std::string_view kAlgorithms[] = {"spherical", "vincenty", "thomas", "andoyer", "karney"};
constexpr int kMaxPrecision = 38;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// PyIceberg puts the parameters of the geo types into quotes.
std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front()) {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

[[noreturn]] void fail(std::string_view text, std::string_view problem) {
  throw InvalidArgument(fmt::format("the type \"{}\" {}", text, problem));
}

// "name(a, b)" or "name[a]" taken apart.
struct ParsedName {
  std::string name;                        // lower case
  char bracket = 0;                        // '(' or '[', 0 if there are no parameters
  std::string_view inside{};               // all between the brackets, trimmed
  std::vector<std::string_view> params{};  // the same, split at commas
};

ParsedName take_apart(std::string_view text) {
  const std::string_view all = trim(text);
  const size_t open = all.find_first_of("([");
  if (open == std::string_view::npos) return {lower(all)};
  ParsedName out{.name = lower(trim(all.substr(0, open))), .bracket = all[open]};
  if (all.back() != (out.bracket == '(' ? ')' : ']')) fail(text, "lacks its closing bracket");
  out.inside = trim(all.substr(open + 1, all.size() - open - 2));
  std::string_view rest = out.inside;
  for (size_t comma; (comma = rest.find(',')) != std::string_view::npos; rest.remove_prefix(comma + 1)) {
    out.params.push_back(trim(rest.substr(0, comma)));
  }
  out.params.push_back(trim(rest));
  return out;
}

int32_t parse_number(std::string_view text, std::string_view number) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size()) fail(text, "has a parameter that is no number");
  return value;
}

// A reference system's name may have commas; an algorithm's has none.
Type parse_geo(std::string_view text, const ParsedName& parsed) {
  if (parsed.bracket == '[') fail(text, "must have its parameters in round brackets");
  if (parsed.name == "geometry") return geometry_type(std::string(unquote(parsed.inside)));
  if (parsed.params.size() < 2) return geography_type(std::string(unquote(parsed.inside)));
  const std::string_view crs = trim(parsed.inside.substr(0, parsed.inside.rfind(',')));
  return geography_type(std::string(unquote(crs)), lower(unquote(parsed.params.back())));
}

bool children_equal(const Type& a, const Type& b) {
  return a.children == b.children || children_of(a) == children_of(b);
}

std::string describe(const Field& field, bool numbered) {
  std::string type = to_string(field.type);
  if (!numbered) return type;
  return fmt::format("{}: {}: {} {}", field.id, field.name, field.required ? "required" : "optional", type);
}

}  // namespace

const std::vector<Field>& children_of(const Type& type) {
  static const std::vector<Field> kNone;
  return type.children ? *type.children : kNone;
}

bool operator==(const Type& a, const Type& b) {
  return a.kind == b.kind && a.precision == b.precision && a.scale == b.scale && a.length == b.length &&
         a.crs == b.crs && a.algorithm == b.algorithm && children_equal(a, b);
}

bool operator==(const Field& a, const Field& b) {
  return a.id == b.id && a.name == b.name && a.required == b.required && a.doc == b.doc &&
         a.initial_default == b.initial_default && a.write_default == b.write_default && a.type == b.type;
}

Type primitive(TypeKind kind) {
  Type type;
  type.kind = kind;
  return type;
}

Type decimal_type(int32_t precision, int32_t scale) {
  if (precision < 1 || precision > kMaxPrecision || scale < 0 || scale > precision) {
    throw InvalidArgument(
        fmt::format("decimal({}, {}) does not exist: the precision must be 1 to {}, the scale 0 to the precision",
                    precision, scale, kMaxPrecision));
  }
  Type type = primitive(TypeKind::kDecimal);
  type.precision = precision;
  type.scale = scale;
  return type;
}

Type fixed_type(int32_t length) {
  if (length < 1) throw InvalidArgument(fmt::format("fixed[{}] does not exist: the length must be positive", length));
  Type type = primitive(TypeKind::kFixed);
  type.length = length;
  return type;
}

Type geometry_type(std::string crs) {
  Type type = primitive(TypeKind::kGeometry);
  if (lower(crs) != lower(kDefaultCrs)) type.crs = std::move(crs);
  return type;
}

Type geography_type(std::string crs, std::string algorithm) {
  if (algorithm == kDefaultAlgorithm) algorithm.clear();
  if (!algorithm.empty() && std::ranges::find(kAlgorithms, algorithm) == std::end(kAlgorithms)) {
    throw InvalidArgument(fmt::format("geography has no edge interpolation \"{}\"; there are: {}", algorithm,
                                      fmt::join(kAlgorithms, ", ")));
  }
  Type type = geometry_type(std::move(crs));
  type.kind = TypeKind::kGeography;
  type.algorithm = std::move(algorithm);
  return type;
}

Type struct_type(std::vector<Field> fields) {
  Type type = primitive(TypeKind::kStruct);
  type.children = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

Type list_type(int32_t element_id, Type element, bool element_required) {
  Field field{.id = element_id, .name = "element", .required = element_required, .type = std::move(element)};
  Type type = primitive(TypeKind::kList);
  type.children = std::make_shared<const std::vector<Field>>(1, std::move(field));
  return type;
}

Type map_type(int32_t key_id, Type key, int32_t value_id, Type value, bool value_required) {
  std::vector<Field> fields(2);
  fields[0] = {.id = key_id, .name = "key", .required = true, .type = std::move(key)};
  fields[1] = {.id = value_id, .name = "value", .required = value_required, .type = std::move(value)};
  Type type = primitive(TypeKind::kMap);
  type.children = std::make_shared<const std::vector<Field>>(std::move(fields));
  return type;
}

std::string to_string(const Type& type) {
  std::vector<std::string> parts;
  for (const Field& child : children_of(type)) {
    parts.push_back(describe(child, type.kind == TypeKind::kStruct));
  }
  switch (type.kind) {
    case TypeKind::kDecimal:
      return fmt::format("decimal({}, {})", type.precision, type.scale);
    case TypeKind::kFixed:
      return fmt::format("fixed[{}]", type.length);
    case TypeKind::kGeometry:
      return type.crs.empty() ? "geometry" : fmt::format("geometry({})", type.crs);
    case TypeKind::kGeography:
      if (type.algorithm.empty()) return type.crs.empty() ? "geography" : fmt::format("geography({})", type.crs);
      return fmt::format("geography({}, {})", type.crs.empty() ? kDefaultCrs : type.crs, type.algorithm);
    case TypeKind::kStruct:
      return fmt::format("struct<{}>", fmt::join(parts, ", "));
    case TypeKind::kList:
      return fmt::format("list<{}>", fmt::join(parts, ", "));
    case TypeKind::kMap:
      return fmt::format("map<{}>", fmt::join(parts, ", "));
    default:
      break;
  }
  for (const auto& [kind, name] : kPlainNames) {
    if (kind == type.kind) return std::string(name);
  }
  throw InvalidArgument(fmt::format("type kind {} does not exist", static_cast<int>(type.kind)));
}

Type parse_primitive(std::string_view text) {
  const ParsedName parsed = take_apart(text);
  if (parsed.name == "decimal") {
    if (parsed.bracket != '(' || parsed.params.size() != 2) fail(text, "must be like decimal(9, 2)");
    return decimal_type(parse_number(text, parsed.params[0]), parse_number(text, parsed.params[1]));
  }
  if (parsed.name == "fixed") {
    if (parsed.bracket != '[' || parsed.params.size() != 1) fail(text, "must be like fixed[16]");
    return fixed_type(parse_number(text, parsed.params[0]));
  }
  if (parsed.name == "geometry" || parsed.name == "geography") return parse_geo(text, parsed);
  for (const auto& [kind, name] : kPlainNames) {
    if (name == parsed.name && parsed.bracket == 0) return primitive(kind);
  }
  fail(text, "is not one that Iceberg has up to format version 3");
}

int32_t minimum_format_version(const Type& type) {
  switch (type.kind) {
    case TypeKind::kUnknown:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
    case TypeKind::kVariant:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return 3;
    default:
      break;
  }
  int32_t version = 1;
  for (const Field& child : children_of(type)) version = std::max(version, minimum_format_version(child.type));
  return version;
}

bool can_promote(const Type& from, const Type& to, int32_t format_version) {
  if (from == to) return true;
  switch (from.kind) {
    case TypeKind::kInt:
      return to.kind == TypeKind::kLong;
    case TypeKind::kFloat:
      return to.kind == TypeKind::kDouble;
    case TypeKind::kDecimal:
      return to.kind == TypeKind::kDecimal && to.scale == from.scale && to.precision > from.precision;
    case TypeKind::kDate:
      return format_version >= 3 && (to.kind == TypeKind::kTimestamp || to.kind == TypeKind::kTimestampNs);
    case TypeKind::kUnknown:
      return format_version >= 3;
    default:
      return false;
  }
}

}  // namespace floe

namespace floe::json {
namespace {

Type type_at_depth(const Node& node, int depth);

// A default value needs the field's type; an absent one and null are the same.
Value default_from_node(const Node& field, std::string_view key, const Type& type) {
  const std::optional<Node> node = field.find(key);
  return node ? value_from_node(*node, type) : Value();
}

Field field_from_node(const Node& node, int depth) {
  Field field{.id = node.at("id").int32(),
              .name = std::string(node.at("name").string()),
              .required = node.at("required").boolean(),
              .type = type_at_depth(node.at("type"), depth + 1)};
  if (const auto doc = node.find("doc")) field.doc = std::string(doc->string());
  field.initial_default = default_from_node(node, "initial-default", field.type);
  field.write_default = default_from_node(node, "write-default", field.type);
  return field;
}

Type type_at_depth(const Node& node, int depth) {
  if (depth > kMaxTypeDepth) node.fail(fmt::format("nests types deeper than {} levels", kMaxTypeDepth));
  if (node.is_string()) {
    try {
      return parse_primitive(node.string());
    } catch (const InvalidArgument& e) {
      node.fail(fmt::format("cannot be read: {}", e.what()));
    }
  }
  const std::string_view kind = node.at("type").string();
  if (kind == "struct") {
    std::vector<Field> fields;
    node.at("fields").for_each([&](const Node& field) { fields.push_back(field_from_node(field, depth)); });
    return struct_type(std::move(fields));
  }
  if (kind == "list") {
    return list_type(node.at("element-id").int32(), type_at_depth(node.at("element"), depth + 1),
                     node.at("element-required").boolean());
  }
  if (kind == "map") {
    return map_type(node.at("key-id").int32(), type_at_depth(node.at("key"), depth + 1), node.at("value-id").int32(),
                    type_at_depth(node.at("value"), depth + 1), node.at("value-required").boolean());
  }
  node.fail(fmt::format("has the type \"{}\", which is none of struct, list and map", kind));
}

boost::json::object field_to_object(const Field& field) {
  boost::json::object out{
      {"id", field.id}, {"name", field.name}, {"required", field.required}, {"type", to_value(field.type)}};
  if (field.doc) out["doc"] = *field.doc;
  if (!field.initial_default.is_null()) out["initial-default"] = to_value(field.initial_default, field.type);
  if (!field.write_default.is_null()) out["write-default"] = to_value(field.write_default, field.type);
  return out;
}

}  // namespace

std::vector<Field> fields_from_node(const Node& array) {
  std::vector<Field> fields;
  array.for_each([&](const Node& field) { fields.push_back(field_from_node(field, 1)); });
  return fields;
}

std::vector<int32_t> int32s_from_node(const Node& array) {
  std::vector<int32_t> out;
  array.for_each([&](const Node& item) { out.push_back(item.int32()); });
  return out;
}

Type type_from_node(const Node& node) { return type_at_depth(node, 1); }

boost::json::value to_value(const Type& type) {
  switch (type.kind) {
    case TypeKind::kStruct: {
      boost::json::array fields;
      for (const Field& field : children_of(type)) fields.push_back(field_to_object(field));
      return boost::json::object{{"type", "struct"}, {"fields", std::move(fields)}};
    }
    case TypeKind::kList: {
      const Field& element = children_of(type).at(0);
      return boost::json::object{{"type", "list"},
                                 {"element-id", element.id},
                                 {"element", to_value(element.type)},
                                 {"element-required", element.required}};
    }
    case TypeKind::kMap: {
      const Field& key = children_of(type).at(0);
      const Field& value = children_of(type).at(1);
      return boost::json::object{{"type", "map"},
                                 {"key-id", key.id},
                                 {"key", to_value(key.type)},
                                 {"value-id", value.id},
                                 {"value", to_value(value.type)},
                                 {"value-required", value.required}};
    }
    default:
      return boost::json::string(to_string(type));
  }
}

}  // namespace floe::json
