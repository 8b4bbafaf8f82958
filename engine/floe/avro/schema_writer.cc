#include <fmt/format.h>

#include <boost/json.hpp>
#include <set>

#include "floe/avro/schema.h"
#include "floe/error.h"
#include "floe/spec/json.h"

namespace floe::avro {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

class SchemaWriter {
 public:
  object record(std::string name, const std::vector<Field>& fields);

 private:
  value type_of(const Type& type, int32_t field_id);
  object field(const Field& field, std::set<std::string>& sibling_names);
  object map_of(const Type& type);
  object named(const char* kind, std::string name, int32_t field_id);

  std::set<std::string> names_;  // of named types, each of which is defined once
};

value optional(const Field& field, value type) {
  if (field.required || field.type.kind == TypeKind::kUnknown) return type;
  if (null_comes_first(field)) return array{"null", std::move(type)};
  return array{std::move(type), "null"};
}

object annotated(const char* type, const char* logical_type) { return {{"type", type}, {"logicalType", logical_type}}; }

object timestamp(const char* logical_type, bool utc) {
  object type = annotated("long", logical_type);
  type["adjust-to-utc"] = utc;
  return type;
}

// Avro writes bytes in JSON as a string of code points 0 to 255.
std::string bytes_as_text(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      text.push_back(c);
    } else {
      text.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      text.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return text;
}

std::string decimal_text(Int128 unscaled, int32_t precision) {
  std::string bytes(static_cast<size_t>(decimal_bytes(precision)), '\0');
  for (size_t i = bytes.size(); i-- > 0; unscaled >>= 8) bytes[i] = static_cast<char>(unscaled & 0xff);
  return bytes_as_text(bytes);
}

value default_of(const Type& type, const Value& v) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return v.as<bool>();
    case TypeKind::kInt:
    case TypeKind::kDate:
      return v.as<int32_t>();
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return v.as<int64_t>();
    case TypeKind::kFloat:
      return static_cast<double>(v.as<float>());
    case TypeKind::kDouble:
      return v.as<double>();
    case TypeKind::kDecimal:
      return value(decimal_text(v.as<Int128>(), type.precision));
    case TypeKind::kString:
      return value(v.as<std::string>());
    case TypeKind::kUuid:
    case TypeKind::kFixed:
    case TypeKind::kBinary:
      return value(bytes_as_text(v.as<std::string>()));
    case TypeKind::kStruct: {
      object fields;
      for (const Field& child : *type.children) {
        fields[make_avro_name(child.name)] =
            child.initial_default.is_null() ? value(nullptr) : default_of(child.type, child.initial_default);
      }
      return fields;
    }
    case TypeKind::kList:
    case TypeKind::kMap:
      if (v.as<std::vector<Value>>().empty()) return array{};
      break;
    default:
      break;
  }
  throw NotSupported(fmt::format("a default value of type {} cannot be written to an Avro schema", to_string(type)));
}

object SchemaWriter::record(std::string name, const std::vector<Field>& fields) {
  object record = named("record", std::move(name), 0);
  array items;
  std::set<std::string> sibling_names;
  for (const Field& child : fields) items.push_back(field(child, sibling_names));
  record["fields"] = std::move(items);
  return record;
}

object SchemaWriter::named(const char* kind, std::string name, int32_t field_id) {
  if (!names_.insert(name).second) {
    name = fmt::format("{}_{}", name, field_id);
    for (int i = 2; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", name, i);
  }
  return {{"type", kind}, {"name", name}};
}

object SchemaWriter::field(const Field& field, std::set<std::string>& sibling_names) {
  std::string name = make_avro_name(field.name);
  if (!sibling_names.insert(name).second) {
    name = fmt::format("{}_{}", name, field.id);
    sibling_names.insert(name);
  }
  object result = {{"name", name}, {"type", optional(field, type_of(field.type, field.id))}};
  if (!field.initial_default.is_null()) {
    result["default"] = default_of(field.type, field.initial_default);
  } else if (!field.required) {
    result["default"] = nullptr;
  }
  if (field.doc) result["doc"] = *field.doc;
  if (name != field.name) result["iceberg-field-name"] = field.name;
  result["field-id"] = field.id;
  return result;
}

object SchemaWriter::map_of(const Type& type) {
  const Field& key = type.children->at(0);
  const Field& item = type.children->at(1);
  object entry = named("record", fmt::format("k{}_v{}", key.id, item.id), key.id);
  object value_field = {
      {"name", "value"}, {"type", optional(item, type_of(item.type, item.id))}, {"field-id", item.id}};
  if (!item.required) value_field["default"] = nullptr;
  entry["fields"] =
      array{object{{"name", "key"}, {"type", type_of(key.type, key.id)}, {"field-id", key.id}}, std::move(value_field)};
  return {{"type", "array"}, {"logicalType", "map"}, {"items", std::move(entry)}};
}

value SchemaWriter::type_of(const Type& type, int32_t field_id) {
  switch (type.kind) {
    case TypeKind::kUnknown:
      return "null";
    case TypeKind::kBoolean:
      return "boolean";
    case TypeKind::kInt:
      return "int";
    case TypeKind::kLong:
      return "long";
    case TypeKind::kFloat:
      return "float";
    case TypeKind::kDouble:
      return "double";
    case TypeKind::kDecimal: {
      object decimal = named("fixed", fmt::format("decimal_{}_{}", type.precision, type.scale), field_id);
      decimal["size"] = decimal_bytes(type.precision);
      decimal["logicalType"] = "decimal";
      decimal["precision"] = type.precision;
      decimal["scale"] = type.scale;
      return decimal;
    }
    case TypeKind::kDate:
      return annotated("int", "date");
    case TypeKind::kTime:
      return annotated("long", "time-micros");
    case TypeKind::kTimestamp:
      return timestamp("timestamp-micros", false);
    case TypeKind::kTimestampTz:
      return timestamp("timestamp-micros", true);
    case TypeKind::kTimestampNs:
      return timestamp("timestamp-nanos", false);
    case TypeKind::kTimestampTzNs:
      return timestamp("timestamp-nanos", true);
    case TypeKind::kString:
      return "string";
    case TypeKind::kUuid: {
      object uuid = named("fixed", "uuid_fixed", field_id);
      uuid["size"] = 16;
      uuid["logicalType"] = "uuid";
      return uuid;
    }
    case TypeKind::kFixed: {
      object fixed = named("fixed", fmt::format("fixed_{}", type.length), field_id);
      fixed["size"] = type.length;
      return fixed;
    }
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return "bytes";
    case TypeKind::kVariant: {
      object variant = named("record", fmt::format("r{}", field_id), field_id);
      variant["fields"] =
          array{object{{"name", "metadata"}, {"type", "bytes"}}, object{{"name", "value"}, {"type", "bytes"}}};
      return variant;
    }
    case TypeKind::kStruct:
      return record(fmt::format("r{}", field_id), *type.children);
    case TypeKind::kList: {
      const Field& element = type.children->at(0);
      return object{{"type", "array"},
                    {"items", optional(element, type_of(element.type, element.id))},
                    {"element-id", element.id}};
    }
    case TypeKind::kMap:
      return map_of(type);
  }
  throw NotSupported(fmt::format("type {} has no form in Avro", to_string(type)));
}

}  // namespace

bool null_comes_first(const Field& field) { return field.initial_default.is_null(); }

std::string to_avro_schema(const std::vector<Field>& fields, std::string_view record_name) {
  return json::serialize(SchemaWriter().record(std::string(record_name), fields));
}

std::string make_avro_name(std::string_view name) {
  std::string result;
  for (size_t i = 0; i < name.size();) {
    // The code point that starts here; bytes that are no UTF-8 stand for themselves.
    const auto byte = static_cast<uint8_t>(name[i]);
    const size_t length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    uint32_t code_point = length == 1 ? byte : byte & (0x7f >> length);
    for (size_t k = 1; k < length && i + k < name.size(); ++k) code_point = code_point << 6 | (name[i + k] & 0x3f);
    const bool digit = byte >= '0' && byte <= '9';
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || (digit && i > 0)) {
      result.push_back(name[i]);
    } else if (digit) {
      result.append({'_', name[i]});
    } else {
      result += fmt::format("_x{:X}", code_point);
    }
    i += length;
  }
  return result.empty() ? "_" : result;
}

int32_t decimal_bytes(int32_t precision) {
  int32_t bits = 1;  // the sign
  Int128 highest = 1;
  for (int32_t i = 0; i < precision; ++i) highest *= 10;
  for (highest -= 1; highest > 0; highest >>= 1) ++bits;
  return (bits + 7) / 8;
}

}  // namespace floe::avro
