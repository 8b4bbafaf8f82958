#include "floe/file/arrow_value.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>

#include "floe/arrow_status.h"

namespace floe {
namespace {

using arrow::DataType;
using arrow::Scalar;
using DataTypePtr = std::shared_ptr<DataType>;
using ScalarPtr = std::shared_ptr<Scalar>;

constexpr std::string_view kWhat = "making a column of one value";

arrow::Decimal128 to_decimal(Int128 unscaled) {
  return arrow::Decimal128(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled));
}

std::shared_ptr<arrow::Array> to_array(const std::vector<Value>& values, const Type& type,
                                       const DataTypePtr& arrow_type) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  check(arrow::MakeBuilder(arrow::default_memory_pool(), arrow_type, &builder), kWhat);
  for (const Value& value : values) check(builder->AppendScalar(*to_scalar(value, type, arrow_type)), kWhat);
  return check(builder->Finish(), kWhat);
}

ScalarPtr struct_scalar(const Value& value, const Type& type, const DataTypePtr& arrow_type) {
  const auto& items = value.as<std::vector<Value>>();
  arrow::ScalarVector fields;
  for (size_t i = 0; i < type.children->size(); ++i) {
    const Value item = i < items.size() ? items[i] : Value();
    fields.push_back(to_scalar(item, (*type.children)[i].type, arrow_type->field(static_cast<int>(i))->type()));
  }
  return std::make_shared<arrow::StructScalar>(std::move(fields), arrow_type);
}

ScalarPtr list_scalar(const Value& value, const Type& type, const DataTypePtr& arrow_type) {
  return std::make_shared<arrow::ListScalar>(
      to_array(value.as<std::vector<Value>>(), type.children->front().type, arrow_type->field(0)->type()), arrow_type);
}

ScalarPtr map_scalar(const Value& value, const Type& type, const DataTypePtr& arrow_type) {
  const auto& map = static_cast<const arrow::MapType&>(*arrow_type);
  std::vector<Value> keys, values;
  const auto& items = value.as<std::vector<Value>>();
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    keys.push_back(items[i]);
    values.push_back(items[i + 1]);
  }
  auto entries = check(arrow::StructArray::Make({to_array(keys, (*type.children)[0].type, map.key_type()),
                                                 to_array(values, (*type.children)[1].type, map.item_type())},
                                                {map.key_field(), map.item_field()}),
                       kWhat);
  return std::make_shared<arrow::MapScalar>(entries, arrow_type);
}

}  // namespace

ScalarPtr to_scalar(const Value& value, const Type& type, const DataTypePtr& arrow_type) {
  if (value.is_null()) return arrow::MakeNullScalar(arrow_type);
  if (arrow_type->id() == arrow::Type::EXTENSION) {
    const auto& extension = static_cast<const arrow::ExtensionType&>(*arrow_type);
    return std::make_shared<arrow::ExtensionScalar>(to_scalar(value, type, extension.storage_type()), arrow_type);
  }
  switch (type.kind) {
    case TypeKind::kBoolean:
      return arrow::MakeScalar(value.as<bool>());
    case TypeKind::kInt:
    case TypeKind::kDate:
      return check(arrow::MakeScalar(arrow_type, value.as<int32_t>()), kWhat);
    case TypeKind::kFloat:
      return arrow::MakeScalar(value.as<float>());
    case TypeKind::kDouble:
      return arrow::MakeScalar(value.as<double>());
    case TypeKind::kDecimal:
      return std::make_shared<arrow::Decimal128Scalar>(to_decimal(value.as<Int128>()), arrow_type);
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
    case TypeKind::kUuid:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return check(arrow::MakeScalar(arrow_type, arrow::Buffer::FromString(value.as<std::string>())), kWhat);
    case TypeKind::kStruct:
      return struct_scalar(value, type, arrow_type);
    case TypeKind::kList:
      return list_scalar(value, type, arrow_type);
    case TypeKind::kMap:
      return map_scalar(value, type, arrow_type);
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
      throw NotSupported(fmt::format("a value other than null of type {}", to_string(type)));
    default:  // long, time and the timestamps
      return check(arrow::MakeScalar(arrow_type, value.as<int64_t>()), kWhat);
  }
}

std::shared_ptr<arrow::Array> repeat(const Value& value, const Type& type, const DataTypePtr& arrow_type,
                                     int64_t length) {
  if (value.is_null()) return check(arrow::MakeArrayOfNull(arrow_type, length), kWhat);
  if (arrow_type->id() == arrow::Type::EXTENSION) {
    const auto& storage = static_cast<const arrow::ExtensionType&>(*arrow_type).storage_type();
    return arrow::ExtensionType::WrapArray(arrow_type, repeat(value, type, storage, length));
  }
  return check(arrow::MakeArrayFromScalar(*to_scalar(value, type, arrow_type), length), kWhat);
}

}  // namespace floe
