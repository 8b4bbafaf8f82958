#include "floe/expression/arrow.h"

#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <span>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/expression/literal.h"

namespace floe {
namespace {

namespace cp = arrow::compute;

// What the values of a column are compared as: its Arrow type, or what it is stored as.
std::shared_ptr<arrow::DataType> storage_type(const Type& type) {
  switch (type.kind) {
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
      return arrow::fixed_size_binary(16);
    case TypeKind::kFixed:
      return arrow::fixed_size_binary(type.length);
    case TypeKind::kBinary:
      return arrow::binary();
    default:
      throw Error(fmt::format("a filter compares with a literal of type {}", to_string(type)));
  }
}

std::shared_ptr<arrow::Scalar> to_scalar(const Value& value, const Type& type) {
  const auto arrow_type = storage_type(type);
  switch (type.kind) {
    case TypeKind::kBoolean:
      return std::make_shared<arrow::BooleanScalar>(value.as<bool>());
    case TypeKind::kInt:
      return std::make_shared<arrow::Int32Scalar>(value.as<int32_t>());
    case TypeKind::kLong:
      return std::make_shared<arrow::Int64Scalar>(value.as<int64_t>());
    case TypeKind::kFloat:
      return std::make_shared<arrow::FloatScalar>(value.as<float>());
    case TypeKind::kDouble:
      return std::make_shared<arrow::DoubleScalar>(value.as<double>());
    case TypeKind::kDecimal: {
      const Int128 unscaled = value.as<Int128>();
      const arrow::Decimal128 decimal(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled));
      return std::make_shared<arrow::Decimal128Scalar>(decimal, arrow_type);
    }
    case TypeKind::kDate:
      return std::make_shared<arrow::Date32Scalar>(value.as<int32_t>());
    case TypeKind::kTime:
      return std::make_shared<arrow::Time64Scalar>(value.as<int64_t>(), arrow_type);
    case TypeKind::kString:
      return std::make_shared<arrow::StringScalar>(value.as<std::string>());
    case TypeKind::kBinary:
      return std::make_shared<arrow::BinaryScalar>(value.as<std::string>());
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return std::make_shared<arrow::FixedSizeBinaryScalar>(arrow::Buffer::FromString(value.as<std::string>()),
                                                            arrow_type);
    default:
      return std::make_shared<arrow::TimestampScalar>(value.as<int64_t>(), arrow_type);
  }
}

// The positions of the column and of the structs around it.
cp::Expression column_ref(const Schema& schema, int32_t field_id) {
  const auto path = path_to(schema, field_id);
  if (path.empty()) {
    throw InvalidArgument(fmt::format("a filter reads the column with id {}, which is not in the schema", field_id));
  }
  std::vector<int> positions;
  const std::vector<Field>* siblings = &schema.fields;
  for (const Field* step : path) {
    positions.push_back(static_cast<int>(step - siblings->data()));
    siblings = step->type.children.get();
  }
  return cp::field_ref(arrow::FieldRef(arrow::FieldPath(std::move(positions))));
}

// Zero stands for both zeros: equality takes them as one, Arrow's sets do not.
std::shared_ptr<arrow::Array> value_set(const BoundPredicate& predicate) {
  auto builder = check(arrow::MakeBuilder(storage_type(predicate.type)), "a filter's list");
  for (const auto& literal : predicate.literals) {
    check(builder->AppendScalar(*to_scalar(literal, predicate.type)), "a filter's list");
    if (literal == Value(0.0)) check(builder->AppendScalar(arrow::DoubleScalar(-0.0)), "a filter's list");
    if (literal == Value(0.0f)) check(builder->AppendScalar(arrow::FloatScalar(-0.0f)), "a filter's list");
  }
  return check(builder->Finish(), "a filter's list");
}

cp::Expression negation(cp::Expression expression) { return cp::call("invert", {std::move(expression)}); }

cp::Expression compared(const BoundPredicate& predicate, cp::Expression column) {
  if (predicate.type.kind == TypeKind::kUuid) {  // an extension type, which no comparison takes
    column = cp::call("cast", {std::move(column)}, cp::CastOptions::Safe(storage_type(predicate.type)));
  }
  const auto comparison = [&](const char* function) {
    return cp::call(function, {column, cp::literal(to_scalar(predicate.literals.front(), predicate.type))});
  };
  const auto starts_with = [&] {
    return cp::call("starts_with", {column}, cp::MatchSubstringOptions(predicate.literals.front().as<std::string>()));
  };
  const auto is_in = [&] { return cp::call("is_in", {column}, cp::SetLookupOptions(value_set(predicate))); };
  switch (predicate.op) {
    case Op::kLess:
      return comparison("less");
    case Op::kLessEqual:
      return comparison("less_equal");
    case Op::kGreater:
      return comparison("greater");
    case Op::kGreaterEqual:
      return comparison("greater_equal");
    case Op::kEqual:
      return comparison("equal");
    case Op::kNotEqual:
      return comparison("not_equal");
    case Op::kStartsWith:
      return starts_with();
    case Op::kNotStartsWith:
      return negation(starts_with());
    case Op::kIn:
      return is_in();
    case Op::kNotIn:
      return negation(is_in());
    default:
      throw Error("a comparison of no known kind");
  }
}

cp::Expression from_predicate(const BoundPredicate& predicate, const Schema& schema) {
  if (predicate.transform.kind != TransformKind::kIdentity) {
    throw NotSupported(fmt::format("rows cannot be filtered by {} of column \"{}\"", to_string(predicate.transform),
                                   full_name(schema, predicate.field_id)));
  }
  cp::Expression column = column_ref(schema, predicate.field_id);
  switch (predicate.op) {
    case Op::kIsNull:
      return cp::is_null(std::move(column), /*nan_is_null=*/false);
    case Op::kNotNull:
      return cp::is_valid(std::move(column));
    case Op::kIsNan:
      return cp::call("is_nan", {std::move(column)});
    case Op::kNotNan:
      return negation(cp::call("is_nan", {std::move(column)}));
    default:
      return compared(predicate, std::move(column));
  }
}

cp::Expression from_expression(const BoundExpression& filter, const Schema& schema);

// A balanced tree, because Arrow walks expressions by recursion.
cp::Expression from_operands(const char* function, std::span<const BoundExpression> operands, const Schema& schema) {
  if (operands.size() == 1) return from_expression(operands.front(), schema);
  const size_t half = operands.size() / 2;
  return cp::call(function, {from_operands(function, operands.first(half), schema),
                             from_operands(function, operands.subspan(half), schema)});
}

cp::Expression from_expression(const BoundExpression& filter, const Schema& schema) {
  switch (filter.kind) {
    case ExprKind::kTrue:
    case ExprKind::kFalse:
      return cp::literal(filter.kind == ExprKind::kTrue);
    case ExprKind::kNot:
      return negation(from_expression(filter.operands.front(), schema));
    case ExprKind::kAnd:
      return from_operands("and_kleene", filter.operands, schema);
    case ExprKind::kOr:
      return from_operands("or_kleene", filter.operands, schema);
    case ExprKind::kPredicate:
      return from_predicate(filter.predicate, schema);
  }
  throw Error("an expression of no known kind");
}

}  // namespace

cp::Expression to_arrow(const BoundExpression& filter, const Schema& schema) {
  static const arrow::Status registered = cp::Initialize();  // most kernels live in a library of their own
  check(registered, "Arrow's compute functions");
  return from_expression(filter, schema);
}

}  // namespace floe
