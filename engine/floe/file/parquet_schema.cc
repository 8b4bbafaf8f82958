#include "floe/file/parquet_schema.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "floe/error.h"

namespace floe {
namespace {

using parquet::LogicalType;
using parquet::Repetition;
using parquet::schema::GroupNode;
using parquet::schema::NodePtr;
using parquet::schema::NodeVector;
using parquet::schema::PrimitiveNode;

// The bytes that the greatest unscaled value of so many digits needs.
int decimal_bytes(int32_t precision) {
  Int128 greatest = 1;
  for (int32_t i = 0; i < precision; ++i) greatest *= 10;
  int bytes = 1;
  while (bytes < 16 && (greatest - 1) >> (8 * bytes - 1) != 0) ++bytes;
  return bytes;
}

NodePtr annotated(const Field& field, Repetition::type repetition, std::shared_ptr<const LogicalType> logical,
                  parquet::Type::type physical, int length = -1) {
  return PrimitiveNode::Make(field.name, repetition, std::move(logical), physical, length, field.id);
}

NodePtr decimal_node(const Field& field, Repetition::type repetition) {
  const auto logical = LogicalType::Decimal(field.type.precision, field.type.scale);
  if (field.type.precision <= 9) return annotated(field, repetition, logical, parquet::Type::INT32);
  if (field.type.precision <= 18) return annotated(field, repetition, logical, parquet::Type::INT64);
  return annotated(field, repetition, logical, parquet::Type::FIXED_LEN_BYTE_ARRAY,
                   decimal_bytes(field.type.precision));
}

NodePtr geography_node(const Field& field, Repetition::type repetition) {
  using Edges = LogicalType::EdgeInterpolationAlgorithm;
  constexpr std::pair<std::string_view, Edges> kEdges[] = {
      {"", Edges::SPHERICAL},    {"spherical", Edges::SPHERICAL}, {"vincenty", Edges::VINCENTY},
      {"thomas", Edges::THOMAS}, {"andoyer", Edges::ANDOYER},     {"karney", Edges::KARNEY}};
  for (const auto& [name, edges] : kEdges) {
    if (field.type.algorithm == name)
      return annotated(field, repetition, LogicalType::Geography(field.type.crs, edges), parquet::Type::BYTE_ARRAY);
  }
  throw NotSupported(
      fmt::format("column {}: Parquet has no edge interpolation '{}'", field.name, field.type.algorithm));
}

NodePtr to_node(const Field& field);

NodeVector to_nodes(const std::vector<Field>& fields) {
  NodeVector nodes;
  for (const Field& field : fields) nodes.push_back(to_node(field));
  return nodes;
}

NodePtr to_node(const Field& field) {
  using P = parquet::Type;
  const Repetition::type repetition = field.required ? Repetition::REQUIRED : Repetition::OPTIONAL;
  const auto plain = [&](P::type physical, int length = -1) {
    return annotated(field, repetition, LogicalType::None(), physical, length);
  };
  const auto timestamp = [&](bool utc, LogicalType::TimeUnit::unit unit) {
    return annotated(field, repetition, LogicalType::Timestamp(utc, unit), P::INT64);
  };
  switch (field.type.kind) {
    case TypeKind::kBoolean:
      return plain(P::BOOLEAN);
    case TypeKind::kInt:
      return plain(P::INT32);
    case TypeKind::kLong:
      return plain(P::INT64);
    case TypeKind::kFloat:
      return plain(P::FLOAT);
    case TypeKind::kDouble:
      return plain(P::DOUBLE);
    case TypeKind::kDecimal:
      return decimal_node(field, repetition);
    case TypeKind::kDate:
      return annotated(field, repetition, LogicalType::Date(), P::INT32);
    case TypeKind::kTime:
      return annotated(field, repetition, LogicalType::Time(false, LogicalType::TimeUnit::MICROS), P::INT64);
    case TypeKind::kTimestamp:
      return timestamp(false, LogicalType::TimeUnit::MICROS);
    case TypeKind::kTimestampTz:
      return timestamp(true, LogicalType::TimeUnit::MICROS);
    case TypeKind::kTimestampNs:
      return timestamp(false, LogicalType::TimeUnit::NANOS);
    case TypeKind::kTimestampTzNs:
      return timestamp(true, LogicalType::TimeUnit::NANOS);
    case TypeKind::kString:
      return annotated(field, repetition, LogicalType::String(), P::BYTE_ARRAY);
    case TypeKind::kUuid:
      return annotated(field, repetition, LogicalType::UUID(), P::FIXED_LEN_BYTE_ARRAY, 16);
    case TypeKind::kFixed:
      return plain(P::FIXED_LEN_BYTE_ARRAY, field.type.length);
    case TypeKind::kBinary:
      return plain(P::BYTE_ARRAY);
    case TypeKind::kGeometry:
      return annotated(field, repetition, LogicalType::Geometry(field.type.crs), P::BYTE_ARRAY);
    case TypeKind::kGeography:
      return geography_node(field, repetition);
    case TypeKind::kVariant: {
      const auto part = [](const char* name) { return PrimitiveNode::Make(name, Repetition::REQUIRED, P::BYTE_ARRAY); };
      return GroupNode::Make(field.name, repetition, {part("metadata"), part("value")}, LogicalType::Variant(),
                             field.id);
    }
    case TypeKind::kStruct:
      return GroupNode::Make(field.name, repetition, to_nodes(*field.type.children), nullptr, field.id);
    case TypeKind::kList: {
      const NodePtr list = GroupNode::Make("list", Repetition::REPEATED, to_nodes(*field.type.children));
      return GroupNode::Make(field.name, repetition, {list}, LogicalType::List(), field.id);
    }
    case TypeKind::kMap: {
      const NodePtr entries = GroupNode::Make("key_value", Repetition::REPEATED, to_nodes(*field.type.children));
      return GroupNode::Make(field.name, repetition, {entries}, LogicalType::Map(), field.id);
    }
    case TypeKind::kUnknown:
      break;
  }
  throw NotSupported(fmt::format("column {}: {} cannot be written to Parquet", field.name, to_string(field.type)));
}

std::vector<Field> known_fields(const std::vector<Field>& fields, const std::string& parent, bool all_needed) {
  std::vector<Field> out;
  for (const Field& field : fields) {
    if (field.type.kind == TypeKind::kUnknown && !all_needed) continue;
    const std::string path = parent.empty() ? field.name : parent + "." + field.name;
    if (field.type.kind == TypeKind::kUnknown)
      throw NotSupported(fmt::format("column {} is unknown, of which Parquet has no lists or maps", path));
    out.push_back(field);
    if (field.type.is_nested()) {
      const bool all = field.type.kind != TypeKind::kStruct;
      out.back().type.children =
          std::make_shared<const std::vector<Field>>(known_fields(*field.type.children, path, all));
    }
  }
  if (out.empty())
    throw NotSupported(fmt::format("{} has no column that Parquet can hold; add one that is not unknown",
                                   parent.empty() ? "the table" : "struct " + parent));
  return out;
}

}  // namespace

Schema without_unknown(const Schema& schema) {
  Schema out = schema;
  out.fields = known_fields(schema.fields, "", false);
  return out;
}

std::shared_ptr<GroupNode> to_parquet_schema(const Schema& schema) {
  return std::static_pointer_cast<GroupNode>(GroupNode::Make("table", Repetition::REQUIRED, to_nodes(schema.fields)));
}

}  // namespace floe
