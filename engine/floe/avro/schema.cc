#include "floe/avro/schema.h"

#include <map>
#include <utility>

#include "floe/avro/encoding.h"
#include "floe/spec/json.h"

namespace floe::avro {

void corrupt(const char* problem) { throw CorruptFile(problem); }

namespace {

// An Avro schema nests two levels, a type and its union, for each level of the table's, which has a hundred at most.
constexpr int kMaxDepth = 256;
constexpr size_t kMaxTypes = 200'000;
constexpr int64_t kMaxFixedSize = 1 << 20;

class SchemaParser {
 public:
  AvroTypePtr parse(const json::Node& node, const std::string& space, int depth);

 private:
  AvroTypePtr parse_name(const json::Node& node, const std::string& space);
  AvroTypePtr parse_object(const json::Node& node, const std::string& space, int depth);
  void parse_fields(const json::Node& node, const std::string& space, int depth, AvroType& type);
  void parse_logical_type(const json::Node& node, AvroType& type);

  std::map<std::string, AvroTypePtr, std::less<>> named_;  // null while its definition is being read
  size_t types_ = 0;
};

std::optional<Kind> primitive_kind(std::string_view name) {
  static const std::map<std::string_view, Kind> kinds = {
      {"null", Kind::kNull},   {"boolean", Kind::kBoolean}, {"int", Kind::kInt},     {"long", Kind::kLong},
      {"float", Kind::kFloat}, {"double", Kind::kDouble},   {"bytes", Kind::kBytes}, {"string", Kind::kString}};
  const auto found = kinds.find(name);
  return found == kinds.end() ? std::nullopt : std::optional(found->second);
}

AvroTypePtr SchemaParser::parse(const json::Node& node, const std::string& space, int depth) {
  if (depth > kMaxDepth) node.fail("is nested too deeply");
  if (++types_ > kMaxTypes) node.fail("has too many types");
  if (node.is_string()) return parse_name(node, space);
  if (node.is_object()) return parse_object(node, space, depth);
  AvroType type{.kind = Kind::kUnion};
  node.for_each([&](const json::Node& branch) {
    if (branch.is_array()) branch.fail("is a union within a union");
    type.inner.push_back(parse(branch, space, depth + 1));
  });
  if (type.inner.empty()) node.fail("is a union without branches");
  return std::make_shared<AvroType>(std::move(type));
}

AvroTypePtr SchemaParser::parse_name(const json::Node& node, const std::string& space) {
  const std::string_view name = node.string();
  if (const auto kind = primitive_kind(name)) return std::make_shared<AvroType>(AvroType{.kind = *kind});
  auto found = named_.end();
  if (!space.empty() && name.find('.') == std::string_view::npos) {
    found = named_.find(space + '.' + std::string(name));
  }
  if (found == named_.end()) found = named_.find(name);
  if (found == named_.end()) node.fail("is neither a type of Avro nor one that was defined before");
  if (found->second == nullptr) node.fail("contains itself, which no Iceberg schema does");
  return found->second;
}

AvroTypePtr SchemaParser::parse_object(const json::Node& node, const std::string& space, int depth) {
  const json::Node type_node = node.at("type");
  if (!type_node.is_string()) return parse(type_node, space, depth + 1);  // {"type": {...}}: one layer too many

  const std::string_view name = type_node.string();
  AvroType type;
  if (const auto kind = primitive_kind(name)) {
    type.kind = *kind;
    parse_logical_type(node, type);
    return std::make_shared<AvroType>(std::move(type));
  }
  if (name == "array") {
    type.kind = Kind::kArray;
    type.inner.push_back(parse(node.at("items"), space, depth + 1));
    if (const auto id = node.find("element-id")) type.element_id = id->int32();
    parse_logical_type(node, type);
    return std::make_shared<AvroType>(std::move(type));
  }
  if (name == "map") {
    type.kind = Kind::kMap;
    type.inner.push_back(parse(node.at("values"), space, depth + 1));
    if (const auto id = node.find("key-id")) type.key_id = id->int32();
    if (const auto id = node.find("value-id")) type.value_id = id->int32();
    return std::make_shared<AvroType>(std::move(type));
  }
  if (name != "record" && name != "error" && name != "fixed" && name != "enum") return parse_name(type_node, space);

  type.name = node.at("name").string();
  std::string own_space = space;
  if (const size_t dot = type.name.rfind('.'); dot != std::string::npos) {
    own_space = type.name.substr(0, dot);
  } else {
    if (const auto given = node.find("namespace")) own_space = given->string();
    if (!own_space.empty()) type.name = own_space + '.' + type.name;
  }
  const std::string full_name = type.name;
  named_[full_name] = nullptr;
  if (name == "fixed") {
    type.kind = Kind::kFixed;
    type.size = node.at("size").int64();
    if (type.size < 0 || type.size > kMaxFixedSize) node.at("size").fail("is no size that can be used");
    parse_logical_type(node, type);
  } else if (name == "enum") {
    type.kind = Kind::kEnum;
    node.at("symbols").for_each([&](const json::Node& symbol) { type.symbols.emplace_back(symbol.string()); });
  } else {
    type.kind = Kind::kRecord;
    parse_fields(node, own_space, depth, type);
  }
  return named_[full_name] = std::make_shared<AvroType>(std::move(type));
}

void SchemaParser::parse_fields(const json::Node& node, const std::string& space, int depth, AvroType& type) {
  node.at("fields").for_each([&](const json::Node& item) {
    AvroField field;
    const auto original = item.find("iceberg-field-name");
    field.name = (original ? *original : item.at("name")).string();
    if (const auto id = item.find("field-id")) field.id = id->int32();
    field.type = parse(item.at("type"), space, depth + 1);
    type.fields.push_back(std::move(field));
  });
}

// An annotation that does not fit is ignored, as Avro asks for.
void SchemaParser::parse_logical_type(const json::Node& node, AvroType& type) {
  const auto logical = node.find("logicalType");
  if (!logical || !logical->is_string()) return;
  type.logical_type = logical->string();
  if (const auto utc = node.find("adjust-to-utc")) type.adjust_to_utc = utc->boolean();
  if (type.logical_type != "decimal") return;
  type.precision = node.at("precision").int32();
  if (const auto scale = node.find("scale")) type.scale = scale->int32();
  if (type.precision < 1 || type.precision > 38 || type.scale < 0 || type.scale > type.precision) {
    type.logical_type.clear();
    type.precision = type.scale = 0;
  }
}

}  // namespace

AvroTypePtr parse_schema(std::string_view text) {
  const json::Document document(text, "the Avro schema");
  return SchemaParser().parse(document.root(), "", 0);
}

Type to_iceberg_primitive(const AvroType& type) {
  const std::string& logical = type.logical_type;
  switch (type.kind) {
    case Kind::kNull:
      return primitive(TypeKind::kUnknown);
    case Kind::kBoolean:
      return primitive(TypeKind::kBoolean);
    case Kind::kInt:
      if (logical == "date") return primitive(TypeKind::kDate);
      if (logical == "time-millis") return primitive(TypeKind::kTime);
      return primitive(TypeKind::kInt);
    case Kind::kLong:
      if (logical == "time-micros") return primitive(TypeKind::kTime);
      if (logical == "timestamp-micros" || logical == "timestamp-millis") {
        return primitive(type.adjust_to_utc ? TypeKind::kTimestampTz : TypeKind::kTimestamp);
      }
      if (logical == "timestamp-nanos") {
        return primitive(type.adjust_to_utc ? TypeKind::kTimestampTzNs : TypeKind::kTimestampNs);
      }
      if (logical == "local-timestamp-micros" || logical == "local-timestamp-millis") {
        return primitive(TypeKind::kTimestamp);
      }
      if (logical == "local-timestamp-nanos") return primitive(TypeKind::kTimestampNs);
      return primitive(TypeKind::kLong);
    case Kind::kFloat:
      return primitive(TypeKind::kFloat);
    case Kind::kDouble:
      return primitive(TypeKind::kDouble);
    case Kind::kBytes:
      if (logical == "decimal") return decimal_type(type.precision, type.scale);
      return primitive(TypeKind::kBinary);
    case Kind::kFixed:
      if (logical == "decimal") return decimal_type(type.precision, type.scale);
      if (logical == "uuid" && type.size == 16) return primitive(TypeKind::kUuid);
      return fixed_type(static_cast<int32_t>(type.size));
    case Kind::kString:
      return primitive(logical == "uuid" ? TypeKind::kUuid : TypeKind::kString);
    case Kind::kEnum:
      return primitive(TypeKind::kString);
    case Kind::kUnion: {
      const AvroType* value = nullptr;
      for (const AvroTypePtr& branch : type.inner) {
        if (branch->kind == Kind::kNull) continue;
        if (value != nullptr) throw NotSupported("an Avro union of several types is no Iceberg type");
        value = branch.get();
      }
      return value == nullptr ? primitive(TypeKind::kUnknown) : to_iceberg_primitive(*value);
    }
    case Kind::kArray:
    case Kind::kMap:
    case Kind::kRecord:
      throw NotSupported("an Avro record, array or map is no primitive Iceberg type");
  }
  throw NotSupported("unknown Avro type");
}

}  // namespace floe::avro
