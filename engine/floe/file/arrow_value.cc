#include "floe/file/arrow_value.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>

#include "floe/arrow_status.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using DataTypePtr = std::shared_ptr<arrow::DataType>;
using Values = std::vector<Value>;

constexpr std::string_view kWhat = "making a column of values";

arrow::Decimal128 to_decimal(Int128 unscaled) {
  return arrow::Decimal128(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled));
}

std::shared_ptr<arrow::Scalar> to_scalar(const Value& value, const Type& type, const DataTypePtr& arrow_type) {
  if (value.is_null()) return arrow::MakeNullScalar(arrow_type);
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
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
      throw NotSupported(fmt::format("a value other than null of type {}", to_string(type)));
    default:  // long, time and the timestamps
      return check(arrow::MakeScalar(arrow_type, value.as<int64_t>()), kWhat);
  }
}

ArrayPtr primitive_array(const Values& values, const Type& type, const DataTypePtr& arrow_type) {
  std::unique_ptr<arrow::ArrayBuilder> builder;
  check(arrow::MakeBuilder(arrow::default_memory_pool(), arrow_type, &builder), kWhat);
  for (const Value& value : values) check(builder->AppendScalar(*to_scalar(value, type, arrow_type)), kWhat);
  return check(builder->Finish(), kWhat);
}

struct Validity {
  std::shared_ptr<arrow::Buffer> bits;
  int64_t nulls = 0;
};

Validity validity_of(const Values& values) {
  arrow::TypedBufferBuilder<bool> builder;
  for (const Value& value : values) check(builder.Append(!value.is_null()), kWhat);
  const int64_t nulls = builder.false_count();
  return {check(builder.Finish(), kWhat), nulls};
}

ArrayPtr struct_array(const Values& values, const std::vector<Field>& fields, const DataTypePtr& arrow_type) {
  arrow::ArrayVector children;
  for (size_t i = 0; i < fields.size(); ++i) {
    Values members;
    for (const Value& value : values) {
      members.push_back(value.is_null() || value.as<Values>().size() <= i ? Value() : value.as<Values>()[i]);
    }
    children.push_back(to_array(members, fields[i].type, arrow_type->field(static_cast<int>(i))->type()));
  }
  const Validity validity = validity_of(values);
  return std::make_shared<arrow::StructArray>(arrow_type, static_cast<int64_t>(values.size()), std::move(children),
                                              validity.bits, validity.nulls);
}

// Where the items of each list (`width` values each: a map's are key and value) begin and end.
std::shared_ptr<arrow::Buffer> offsets_of(const Values& values, size_t width) {
  arrow::TypedBufferBuilder<int32_t> builder;
  int32_t at = 0;
  check(builder.Append(at), kWhat);
  for (const Value& value : values) {
    if (!value.is_null()) at += static_cast<int32_t>(value.as<Values>().size() / width);
    check(builder.Append(at), kWhat);
  }
  return check(builder.Finish(), kWhat);
}

// Every width-th item of the lists, from `first`.
Values items_of(const Values& values, size_t first, size_t width) {
  Values items;
  for (const Value& value : values) {
    if (value.is_null()) continue;
    const Values& list = value.as<Values>();
    for (size_t i = first; i < list.size(); i += width) items.push_back(list[i]);
  }
  return items;
}

ArrayPtr list_array(const Values& values, const Field& element, const DataTypePtr& arrow_type) {
  const Validity validity = validity_of(values);
  return std::make_shared<arrow::ListArray>(
      arrow_type, static_cast<int64_t>(values.size()), offsets_of(values, 1),
      to_array(items_of(values, 0, 1), element.type, arrow_type->field(0)->type()), validity.bits, validity.nulls);
}

ArrayPtr map_array(const Values& values, const std::vector<Field>& entry, const DataTypePtr& arrow_type) {
  const auto& map = static_cast<const arrow::MapType&>(*arrow_type);
  const Validity validity = validity_of(values);
  return std::make_shared<arrow::MapArray>(arrow_type, static_cast<int64_t>(values.size()), offsets_of(values, 2),
                                           to_array(items_of(values, 0, 2), entry[0].type, map.key_type()),
                                           to_array(items_of(values, 1, 2), entry[1].type, map.item_type()),
                                           validity.bits, validity.nulls);
}

}  // namespace

ArrayPtr to_array(const Values& values, const Type& type, const DataTypePtr& arrow_type) {
  if (arrow_type->id() == arrow::Type::EXTENSION && type.kind != TypeKind::kVariant) {
    const auto& storage = static_cast<const arrow::ExtensionType&>(*arrow_type).storage_type();
    return arrow::ExtensionType::WrapArray(arrow_type, to_array(values, type, storage));
  }
  switch (type.kind) {
    case TypeKind::kStruct:
      return struct_array(values, *type.children, arrow_type);
    case TypeKind::kList:
      return list_array(values, type.children->front(), arrow_type);
    case TypeKind::kMap:
      return map_array(values, *type.children, arrow_type);
    case TypeKind::kUnknown:
    case TypeKind::kVariant:
      for (const Value& value : values) to_scalar(value, type, arrow_type);  // refuses all but null
      return check(arrow::MakeArrayOfNull(arrow_type, static_cast<int64_t>(values.size())), kWhat);
    default:
      return primitive_array(values, type, arrow_type);
  }
}

ArrayPtr repeat(const Value& value, const Type& type, const DataTypePtr& arrow_type, int64_t length) {
  if (value.is_null()) return check(arrow::MakeArrayOfNull(arrow_type, length), kWhat);
  const auto one = check(to_array({value}, type, arrow_type)->GetScalar(0), kWhat);
  return check(arrow::MakeArrayFromScalar(*one, length), kWhat);
}

Value value_at(const arrow::Array& array, int64_t row, const Type& type) {
  if (array.type_id() == arrow::Type::EXTENSION) {
    return value_at(*static_cast<const arrow::ExtensionArray&>(array).storage(), row, type);
  }
  if (array.IsNull(row)) return {};
  switch (type.kind) {
    case TypeKind::kUnknown:
      return {};
    case TypeKind::kBoolean:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case TypeKind::kInt:
    case TypeKind::kDate:
      return array.data()->GetValues<int32_t>(1)[row];
    case TypeKind::kFloat:
      return static_cast<const arrow::FloatArray&>(array).Value(row);
    case TypeKind::kDouble:
      return static_cast<const arrow::DoubleArray&>(array).Value(row);
    case TypeKind::kDecimal: {
      const arrow::Decimal128 value(static_cast<const arrow::Decimal128Array&>(array).GetValue(row));
      return static_cast<Int128>(value.high_bits()) << 64 | value.low_bits();
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    case TypeKind::kFixed:
    case TypeKind::kUuid:
      return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
    case TypeKind::kVariant:
    case TypeKind::kStruct:
    case TypeKind::kList:
    case TypeKind::kMap:
      throw NotSupported(fmt::format("a single value of type {}", to_string(type)));
    default:  // long, time and the timestamps
      return array.data()->GetValues<int64_t>(1)[row];
  }
}

std::shared_ptr<arrow::ArrayData> relabel(const arrow::ArrayData& data, const DataTypePtr& type) {
  auto out = data.Copy();
  out->type = type;
  const bool extension = type->id() == arrow::Type::EXTENSION;
  const arrow::DataType& storage = extension ? *static_cast<const arrow::ExtensionType&>(*type).storage_type() : *type;
  for (size_t i = 0; i < out->child_data.size(); ++i) {
    out->child_data[i] = relabel(*out->child_data[i], storage.field(static_cast<int>(i))->type());
  }
  return out;
}

}  // namespace floe
