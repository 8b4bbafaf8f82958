#include "floe/file/arrow_schema.h"

#include <arrow/extension/parquet_variant.h>
#include <arrow/extension/uuid.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/error.h"

namespace floe {
namespace {

constexpr std::string_view kParquetFieldId = "PARQUET:field_id";
constexpr std::string_view kOrcFieldId = "iceberg.id";
constexpr std::string_view kDoc = "doc";
constexpr std::string_view kExtensionName = "ARROW:extension:name";
constexpr int kMaxDepth = 100;  // of nested types in an Arrow schema from outside

std::shared_ptr<arrow::Field> to_arrow_field(const Field& field) {
  std::vector<std::string> keys, values;
  const auto add = [&](std::string_view key, std::string value) {
    keys.emplace_back(key);
    values.push_back(std::move(value));
  };
  if (field.doc && !field.doc->empty()) add(kDoc, *field.doc);
  add(kParquetFieldId, std::to_string(field.id));
  return arrow::field(field.name, to_arrow_type(field.type), !field.required,
                      arrow::key_value_metadata(std::move(keys), std::move(values)));
}

std::string_view metadata_of(const arrow::Field& field, std::string_view key) {
  if (!field.metadata()) return {};
  const int at = field.metadata()->FindKey(key);
  return at < 0 ? std::string_view() : std::string_view(field.metadata()->value(at));
}

class FromArrow {
 public:
  FromArrow(int32_t format_version, bool fresh_ids) : format_version_(format_version), fresh_ids_(fresh_ids) {}

  std::vector<Field> fields(const arrow::FieldVector& fields, const std::string& parent, int depth) {
    std::vector<Field> out;
    out.reserve(fields.size());
    for (const auto& field : fields)
      out.push_back(this->field(*field, parent.empty() ? field->name() : parent + "." + field->name(), depth));
    return out;
  }

 private:
  Field field(const arrow::Field& field, const std::string& path, int depth) {
    if (depth > kMaxDepth)
      throw InvalidArgument(fmt::format("the schema nests types more than {} deep at {}", kMaxDepth, path));
    Field out;
    out.id = id_of(field, path);
    out.name = field.name();
    out.required = !field.nullable();
    if (const std::string_view doc = metadata_of(field, kDoc); !doc.empty()) out.doc = std::string(doc);
    // A reader of C data that knows no extension types sees their names as metadata of the storage.
    const std::string_view extension = metadata_of(field, kExtensionName);
    out.type = extension.empty() || field.type()->id() == arrow::Type::EXTENSION
                   ? type(*field.type(), path, depth)
                   : extension_type(extension, *field.type(), path, depth);
    return out;
  }

  int32_t id_of(const arrow::Field& field, const std::string& path) {
    if (fresh_ids_) return ++placeholder_;
    std::string_view text = metadata_of(field, kParquetFieldId);
    if (text.empty()) text = metadata_of(field, kOrcFieldId);
    if (text.empty())
      throw InvalidArgument(fmt::format("column {} has no field id ({} in its metadata)", path, kParquetFieldId));
    int32_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size() || id < 0)
      throw InvalidArgument(fmt::format("column {} has '{}' as its field id, which is not a number", path, text));
    return id;
  }

  // The element of a list, or the key or value of a map, under the name that Iceberg gives it.
  Field child(const arrow::Field& from, const char* name, const std::string& path, int depth) {
    Field out = field(from, path + "." + name, depth + 1);
    out.name = name;
    out.doc.reset();
    return out;
  }

  Type type(const arrow::DataType& type, const std::string& path, int depth) {
    switch (type.id()) {
      case arrow::Type::BOOL:
        return primitive(TypeKind::kBoolean);
      case arrow::Type::INT8:
      case arrow::Type::INT16:
      case arrow::Type::INT32:
      case arrow::Type::UINT8:
      case arrow::Type::UINT16:
        return primitive(TypeKind::kInt);
      case arrow::Type::UINT32:
      case arrow::Type::INT64:
        return primitive(TypeKind::kLong);
      case arrow::Type::HALF_FLOAT:
      case arrow::Type::FLOAT:
        return primitive(TypeKind::kFloat);
      case arrow::Type::DOUBLE:
        return primitive(TypeKind::kDouble);
      case arrow::Type::DECIMAL32:
      case arrow::Type::DECIMAL64:
      case arrow::Type::DECIMAL128:
      case arrow::Type::DECIMAL256: {
        const auto& decimal = static_cast<const arrow::DecimalType&>(type);
        if (decimal.precision() > 38 || decimal.scale() < 0 || decimal.scale() > decimal.precision())
          refuse(type, path,
                 "decimals have at most 38 digits and a scale from 0 to the precision; cast it to such a one");
        return decimal_type(decimal.precision(), decimal.scale());
      }
      case arrow::Type::DATE32:
        return primitive(TypeKind::kDate);
      case arrow::Type::TIME32:
        return primitive(TypeKind::kTime);
      case arrow::Type::TIME64:
        if (static_cast<const arrow::Time64Type&>(type).unit() != arrow::TimeUnit::MICRO)
          refuse(type, path, "times are in microseconds; cast it to time64[us]");
        return primitive(TypeKind::kTime);
      case arrow::Type::TIMESTAMP:
        return timestamp(static_cast<const arrow::TimestampType&>(type), path);
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::STRING_VIEW:
        return primitive(TypeKind::kString);
      case arrow::Type::BINARY:
      case arrow::Type::LARGE_BINARY:
      case arrow::Type::BINARY_VIEW:
        return primitive(TypeKind::kBinary);
      case arrow::Type::FIXED_SIZE_BINARY:
        return fixed_type(static_cast<const arrow::FixedSizeBinaryType&>(type).byte_width());
      case arrow::Type::NA:
        if (format_version_ < 3)
          refuse(type, path, "columns of nothing but nulls need format version 3; cast it to a type such as string");
        return primitive(TypeKind::kUnknown);
      case arrow::Type::DICTIONARY:
        return this->type(*static_cast<const arrow::DictionaryType&>(type).value_type(), path, depth + 1);
      case arrow::Type::STRUCT:
        return struct_type(fields(type.fields(), path, depth + 1));
      case arrow::Type::LIST:
      case arrow::Type::LARGE_LIST:
      case arrow::Type::FIXED_SIZE_LIST:
      case arrow::Type::LIST_VIEW:
      case arrow::Type::LARGE_LIST_VIEW: {
        Field element = child(*type.field(0), "element", path, depth);
        return list_type(element.id, std::move(element.type), element.required);
      }
      case arrow::Type::MAP: {
        const auto& map = static_cast<const arrow::MapType&>(type);
        Field key = child(*map.key_field(), "key", path, depth);
        Field value = child(*map.item_field(), "value", path, depth);
        return map_type(key.id, std::move(key.type), value.id, std::move(value.type), value.required);
      }
      case arrow::Type::EXTENSION: {
        const auto& extension = static_cast<const arrow::ExtensionType&>(type);
        return extension_type(extension.extension_name(), *extension.storage_type(), path, depth);
      }
      case arrow::Type::UINT64:
        refuse(type, path, "there are no unsigned 64-bit integers; cast it to int64 or decimal128(20, 0)");
      case arrow::Type::DATE64:
        refuse(type, path, "dates are whole days; cast it to date32, or to timestamp[us]");
      case arrow::Type::DURATION:
        refuse(type, path, "there are no durations; cast it to int64");
      default:
        refuse(type, path, "Iceberg has no such type; cast it to one that it has");
    }
  }

  Type timestamp(const arrow::TimestampType& type, const std::string& path) {
    if (!type.timezone().empty() && !is_utc(type.timezone()))
      refuse(type, path, "timestamps with a time zone are in UTC; cast it to timestamp[us, UTC] (the instants stay)");
    const bool tz = !type.timezone().empty();
    if (type.unit() != arrow::TimeUnit::NANO) return primitive(tz ? TypeKind::kTimestampTz : TypeKind::kTimestamp);
    if (format_version_ < 3)
      refuse(type, path, "nanoseconds need format version 3; cast it to timestamp[us], or create the table with it");
    return primitive(tz ? TypeKind::kTimestampTzNs : TypeKind::kTimestampNs);
  }

  Type extension_type(std::string_view name, const arrow::DataType& storage, const std::string& path, int depth) {
    if (name == "arrow.uuid" && storage.id() == arrow::Type::FIXED_SIZE_BINARY) return primitive(TypeKind::kUuid);
    if (name == "arrow.parquet.variant") {
      needs_v3(path, "variant");
      return primitive(TypeKind::kVariant);
    }
    if (name == "arrow.json" || name == "arrow.opaque") return type(storage, path, depth + 1);
    throw InvalidArgument(
        fmt::format("column {} has the extension type {}, which Iceberg lacks: cast it to its storage, {}", path, name,
                    storage.ToString()));
  }

  void needs_v3(const std::string& path, std::string_view type) const {
    if (format_version_ < 3)
      throw InvalidArgument(fmt::format("column {} is a {}, which needs format version 3", path, type));
  }

  [[noreturn]] static void refuse(const arrow::DataType& type, const std::string& path, std::string_view advice) {
    throw InvalidArgument(fmt::format("column {} has type {}: {}", path, type.ToString(), advice));
  }

  const int32_t format_version_;
  const bool fresh_ids_;
  int32_t placeholder_ = 0;
};

}  // namespace

bool is_utc(std::string_view zone) { return zone == "UTC" || zone == "+00:00" || zone == "Etc/UTC" || zone == "Z"; }

std::shared_ptr<arrow::Schema> to_arrow_schema(const Schema& schema) {
  arrow::FieldVector fields;
  fields.reserve(schema.fields.size());
  for (const Field& field : schema.fields) fields.push_back(to_arrow_field(field));
  return arrow::schema(std::move(fields));
}

std::shared_ptr<arrow::DataType> to_arrow_type(const Type& type) {
  switch (type.kind) {
    case TypeKind::kUnknown:
      return arrow::null();
    case TypeKind::kBoolean:
      return arrow::boolean();
    case TypeKind::kInt:
      return arrow::int32();
    case TypeKind::kLong:
      return arrow::int64();
    case TypeKind::kFloat:
      return arrow::float32();
    case TypeKind::kDouble:
      return arrow::float64();
    case TypeKind::kDecimal:
      return arrow::decimal128(type.precision, type.scale);
    case TypeKind::kDate:
      return arrow::date32();
    case TypeKind::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kTimestampNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case TypeKind::kTimestampTzNs:
      return arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
    case TypeKind::kString:
      return arrow::utf8();
    case TypeKind::kUuid:
      return arrow::extension::uuid();
    case TypeKind::kFixed:
      return arrow::fixed_size_binary(type.length);
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return arrow::binary();
    case TypeKind::kVariant:
      return arrow::extension::variant(arrow::struct_(
          {arrow::field("metadata", arrow::binary(), false), arrow::field("value", arrow::binary(), false)}));
    case TypeKind::kStruct: {
      arrow::FieldVector fields;
      for (const Field& field : *type.children) fields.push_back(to_arrow_field(field));
      return arrow::struct_(fields);
    }
    case TypeKind::kList:
      return arrow::list(to_arrow_field(type.children->at(0)));
    case TypeKind::kMap:
      return std::make_shared<arrow::MapType>(to_arrow_field(type.children->at(0)),
                                              to_arrow_field(type.children->at(1)));
  }
  throw InvalidArgument(fmt::format("no Arrow type for {}", to_string(type)));
}

Schema from_arrow_schema(const arrow::Schema& schema, int32_t format_version, bool fresh_ids) {
  Schema out;
  out.fields = FromArrow(format_version, fresh_ids).fields(schema.fields(), "", 0);
  if (!fresh_ids) return out;
  int32_t last_id = 0;
  return assign_fresh_ids(out, last_id);
}

}  // namespace floe
