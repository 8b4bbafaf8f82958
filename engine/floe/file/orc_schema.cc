#include "floe/file/orc_schema.h"

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

constexpr int64_t kLastMicros = INT64_MAX / 1000;  // that nanoseconds of 64 bits reach

std::shared_ptr<arrow::Field> to_orc_field(const Field& field, const std::string& parent) {
  const std::string path = parent.empty() ? field.name : parent + "." + field.name;
  std::vector<std::string> keys = {"iceberg.id", "iceberg.required"};
  std::vector<std::string> values = {std::to_string(field.id), field.required ? "true" : "false"};
  const auto attribute = [&](const char* key, std::string value) {
    keys.emplace_back(key);
    values.push_back(std::move(value));
  };
  std::shared_ptr<arrow::DataType> type;
  const auto child = [&](size_t i) { return to_orc_field((*field.type.children)[i], path); };
  switch (field.type.kind) {
    case TypeKind::kTime:
      attribute("iceberg.long-type", "TIME");
      type = arrow::int64();
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      attribute("iceberg.timestamp-unit", "MICROS");
      break;
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      attribute("iceberg.timestamp-unit", "NANOS");
      break;
    case TypeKind::kUuid:
      attribute("iceberg.binary-type", "UUID");
      type = arrow::fixed_size_binary(16);
      break;
    case TypeKind::kFixed:
      attribute("iceberg.binary-type", "FIXED");
      attribute("iceberg.length", std::to_string(field.type.length));
      break;
    case TypeKind::kGeometry:
      attribute("iceberg.binary-type", "GEOMETRY");
      break;
    case TypeKind::kGeography:
      attribute("iceberg.binary-type", "GEOGRAPHY");
      break;
    case TypeKind::kVariant:
      throw NotSupported(
          fmt::format("column {} is a variant, which this engine does not write to ORC; set "
                      "write.format.default to parquet or avro",
                      path));
    case TypeKind::kStruct: {
      arrow::FieldVector fields;
      for (size_t i = 0; i < field.type.children->size(); ++i) fields.push_back(child(i));
      type = arrow::struct_(fields);
      break;
    }
    case TypeKind::kList:
      type = arrow::list(child(0));
      break;
    case TypeKind::kMap:
      type = std::make_shared<arrow::MapType>(child(0), child(1));
      break;
    default:
      break;
  }
  if (!type) type = to_arrow_type(field.type);
  return arrow::field(field.name, type, !field.required, arrow::key_value_metadata(std::move(keys), std::move(values)));
}

void check_timestamps(const arrow::ArrayData& data, const std::string& name) {
  if (data.type->id() == arrow::Type::TIMESTAMP &&
      static_cast<const arrow::TimestampType&>(*data.type).unit() == arrow::TimeUnit::MICRO) {
    const arrow::TimestampArray array(data.Copy());
    for (int64_t i = 0; i < array.length(); ++i) {
      if (!array.IsNull(i) && (array.Value(i) > kLastMicros || array.Value(i) < -kLastMicros)) {
        throw InvalidArgument(
            fmt::format("column {} has a timestamp outside the years 1677 to 2262, which ORC files of this engine "
                        "cannot hold; set write.format.default to parquet or avro",
                        name));
      }
    }
  }
  for (const auto& child : data.child_data) check_timestamps(*child, name);
}

}  // namespace

std::shared_ptr<arrow::Schema> to_orc_schema(const Schema& schema) {
  arrow::FieldVector fields;
  for (const Field& field : schema.fields) fields.push_back(to_orc_field(field, ""));
  return arrow::schema(std::move(fields));
}

std::shared_ptr<arrow::Array> to_orc(const arrow::Array& column, const std::shared_ptr<arrow::DataType>& orc_type,
                                     const std::string& name) {
  check_timestamps(*column.data(), name);
  return arrow::MakeArray(relabel(*column.data(), orc_type));
}

}  // namespace floe
