#include "floe/expression/from_arrow.h"

#include <arrow/compute/api_scalar.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace floe {
namespace {

namespace cp = arrow::compute;

std::optional<std::string> column_name(const cp::Expression& expression) {
  const arrow::FieldRef* ref = expression.field_ref();
  if (ref == nullptr) return std::nullopt;
  const auto step = [](const arrow::FieldRef& of) -> std::optional<std::string> {
    if (of.name() == nullptr || of.name()->find('.') != std::string::npos) return std::nullopt;
    return *of.name();
  };
  const std::vector<arrow::FieldRef>* steps = ref->nested_refs();
  if (steps == nullptr) return step(*ref);
  std::string path;
  for (const arrow::FieldRef& of : *steps) {
    const auto name = step(of);
    if (!name) return std::nullopt;
    path += path.empty() ? *name : "." + *name;
  }
  return path;
}

std::optional<UnboundLiteral> timestamp_literal(const arrow::TimestampScalar& scalar) {
  const auto& type = static_cast<const arrow::TimestampType&>(*scalar.type);
  const bool zoned = !type.timezone().empty();
  if (type.unit() == arrow::TimeUnit::NANO) {
    const TypeKind kind = zoned ? TypeKind::kTimestampTzNs : TypeKind::kTimestampNs;
    return to_human_string(Value(scalar.value), primitive(kind));
  }
  int64_t scale = 1;
  if (type.unit() == arrow::TimeUnit::MILLI) scale = 1'000;
  if (type.unit() == arrow::TimeUnit::SECOND) scale = 1'000'000;
  int64_t micros = 0;
  if (__builtin_mul_overflow(scalar.value, scale, &micros)) return std::nullopt;
  return to_human_string(Value(micros), primitive(zoned ? TypeKind::kTimestampTz : TypeKind::kTimestamp));
}

std::optional<UnboundLiteral> floating_literal(double value) {
  if (std::isnan(value)) return std::nullopt;
  return value;
}

std::optional<UnboundLiteral> literal_of(const cp::Expression& expression) {
  const arrow::Datum* datum = expression.literal();
  if (datum == nullptr || !datum->is_scalar() || !datum->scalar()->is_valid) return std::nullopt;
  const arrow::Scalar& scalar = *datum->scalar();
  switch (scalar.type->id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanScalar&>(scalar).value;
    case arrow::Type::INT8:
      return int64_t{static_cast<const arrow::Int8Scalar&>(scalar).value};
    case arrow::Type::INT16:
      return int64_t{static_cast<const arrow::Int16Scalar&>(scalar).value};
    case arrow::Type::INT32:
      return int64_t{static_cast<const arrow::Int32Scalar&>(scalar).value};
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Scalar&>(scalar).value;
    case arrow::Type::FLOAT:
      return floating_literal(static_cast<const arrow::FloatScalar&>(scalar).value);
    case arrow::Type::DOUBLE:
      return floating_literal(static_cast<const arrow::DoubleScalar&>(scalar).value);
    case arrow::Type::DECIMAL128: {
      const auto& type = static_cast<const arrow::Decimal128Type&>(*scalar.type);
      return static_cast<const arrow::Decimal128Scalar&>(scalar).value.ToString(type.scale());
    }
    case arrow::Type::DATE32:
      return to_human_string(Value(static_cast<const arrow::Date32Scalar&>(scalar).value), primitive(TypeKind::kDate));
    case arrow::Type::TIME64: {
      if (static_cast<const arrow::Time64Type&>(*scalar.type).unit() != arrow::TimeUnit::MICRO) return std::nullopt;
      const int64_t micros = static_cast<const arrow::Time64Scalar&>(scalar).value;
      return to_human_string(Value(micros), primitive(TypeKind::kTime));
    }
    case arrow::Type::TIMESTAMP:
      return timestamp_literal(static_cast<const arrow::TimestampScalar&>(scalar));
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return std::string(static_cast<const arrow::BaseBinaryScalar&>(scalar).view());
    default:
      return std::nullopt;
  }
}

std::optional<Op> comparison_named(std::string_view function) {
  constexpr std::pair<std::string_view, Op> kComparisons[] = {
      {"equal", Op::kEqual},     {"not_equal", Op::kNotEqual},   {"less", Op::kLess},
      {"greater", Op::kGreater}, {"less_equal", Op::kLessEqual}, {"greater_equal", Op::kGreaterEqual}};
  for (const auto& [name, op] : kComparisons) {
    if (name == function) return op;
  }
  return std::nullopt;
}

Expression predicate(Op op, std::string column, std::vector<UnboundLiteral> literals = {}) {
  return {.kind = ExprKind::kPredicate,
          .operands = {},
          .predicate = {.op = op, .column = std::move(column), .transform = {}, .literals = std::move(literals)}};
}

std::optional<Expression> comparison(Op op, const cp::Expression::Call& call, NanOrder nan) {
  if (call.arguments.size() != 2) return std::nullopt;
  auto column = column_name(call.arguments[0]);
  auto literal = literal_of(call.arguments[1]);
  if (!column || !literal) return std::nullopt;
  const bool with_nan = nan == NanOrder::kGreatest && std::holds_alternative<double>(*literal) &&
                        (op == Op::kGreater || op == Op::kGreaterEqual);
  Expression compared = predicate(op, *column, {std::move(*literal)});
  return with_nan ? either(std::move(compared), predicate(Op::kIsNan, *column)) : std::move(compared);
}

// Of the functions of one column: whether it is null, NaN, or starts with a text.
std::optional<Expression> test_of_column(const cp::Expression::Call& call) {
  if (call.arguments.size() != 1) return std::nullopt;
  auto column = column_name(call.arguments[0]);
  if (!column) return std::nullopt;
  if (call.function_name == "is_valid") return predicate(Op::kNotNull, *column);
  if (call.function_name == "is_nan") return predicate(Op::kIsNan, *column);
  if (call.function_name == "is_null") {
    const auto* options = dynamic_cast<const cp::NullOptions*>(call.options.get());
    if (options != nullptr && options->nan_is_null) return std::nullopt;
    return predicate(Op::kIsNull, *column);
  }
  if (call.function_name == "starts_with") {
    const auto* options = dynamic_cast<const cp::MatchSubstringOptions*>(call.options.get());
    if (options == nullptr || options->ignore_case) return std::nullopt;
    return predicate(Op::kStartsWith, *column, {options->pattern});
  }
  return std::nullopt;
}

std::optional<Expression> from_arrow(const cp::Expression& expression, NanOrder nan, int depth) {
  if (depth > kMaxExpressionDepth) return std::nullopt;
  if (const cp::Expression::Call* call = expression.call()) {
    const std::string_view function = call->function_name;
    if (function == "and_kleene" || function == "or_kleene") {
      if (call->arguments.size() != 2) return std::nullopt;
      auto left = from_arrow(call->arguments[0], nan, depth + 1);
      auto right = from_arrow(call->arguments[1], nan, depth + 1);
      if (!left || !right) return std::nullopt;
      return function == "and_kleene" ? both(std::move(*left), std::move(*right))
                                      : either(std::move(*left), std::move(*right));
    }
    if (function == "invert") {
      if (call->arguments.size() != 1) return std::nullopt;
      auto inner = from_arrow(call->arguments[0], nan, depth + 1);
      if (!inner) return std::nullopt;
      return negate(std::move(*inner));
    }
    if (const auto op = comparison_named(function)) return comparison(*op, *call, nan);
    return test_of_column(*call);
  }
  if (auto column = column_name(expression)) return predicate(Op::kEqual, std::move(*column), {true});
  const auto literal = literal_of(expression);
  if (!literal || !std::holds_alternative<bool>(*literal)) return std::nullopt;
  return always<Predicate>(std::get<bool>(*literal));
}

}  // namespace

std::optional<Expression> from_arrow(const arrow::compute::Expression& expression, NanOrder nan) {
  return from_arrow(expression, nan, 0);
}

}  // namespace floe
