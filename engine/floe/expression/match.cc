// Filters on one row's values.
#include <algorithm>
#include <optional>

#include "floe/error.h"
#include "floe/expression/expression.h"
#include "floe/expression/literal.h"

namespace floe {
namespace {

using Answer = std::optional<bool>;  // nullopt: null, neither true nor false

Answer compared(const BoundPredicate& predicate, const Value& value) {
  const auto position = [&] { return order(value, predicate.literals.front(), predicate.type); };
  switch (predicate.op) {
    case Op::kLess:
      return position() < 0;
    case Op::kLessEqual:
      return position() <= 0;
    case Op::kGreater:
      return position() > 0;
    case Op::kGreaterEqual:
      return position() >= 0;
    case Op::kEqual:
      return position() == 0;
    case Op::kNotEqual:
      return position() != 0;
    case Op::kStartsWith:
      return value.as<std::string>().starts_with(predicate.literals.front().as<std::string>());
    case Op::kNotStartsWith:
      return !value.as<std::string>().starts_with(predicate.literals.front().as<std::string>());
    case Op::kIn:
    case Op::kNotIn: {
      const auto less = [&](const Value& a, const Value& b) { return order(a, b, predicate.type) < 0; };
      return std::ranges::binary_search(predicate.literals, value, less) == (predicate.op == Op::kIn);
    }
    default:
      throw Error("a comparison of no known kind");
  }
}

Answer answer(const BoundPredicate& predicate, const Value& value) {
  if (predicate.op == Op::kIsNull) return value.is_null();
  if (predicate.op == Op::kNotNull) return !value.is_null();
  if (value.is_null()) {
    if (predicate.op == Op::kIn) return false;
    if (predicate.op == Op::kNotIn) return true;
    return std::nullopt;
  }
  const bool nan = is_nan(value);
  if (predicate.op == Op::kIsNan) return nan;
  if (predicate.op == Op::kNotNan) return !nan;
  if (nan) return predicate.op == Op::kNotEqual || predicate.op == Op::kNotIn;
  return compared(predicate, value);
}

Answer answer(const BoundExpression& filter, const std::function<Value(int32_t)>& value_of) {
  switch (filter.kind) {
    case ExprKind::kTrue:
      return true;
    case ExprKind::kFalse:
      return false;
    case ExprKind::kPredicate: {
      const BoundPredicate& predicate = filter.predicate;
      const Value value = value_of(predicate.field_id);
      if (predicate.transform.kind == TransformKind::kIdentity) return answer(predicate, value);
      return answer(predicate, apply(predicate.transform, predicate.source, value));
    }
    case ExprKind::kNot: {
      const Answer inner = answer(filter.operands.front(), value_of);
      return inner ? Answer(!*inner) : std::nullopt;
    }
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool decisive = filter.kind == ExprKind::kOr;
      Answer result = !decisive;
      for (const auto& operand : filter.operands) {
        const Answer one = answer(operand, value_of);
        if (one == decisive) return one;
        if (!one) result = std::nullopt;
      }
      return result;
    }
  }
  throw Error("an expression of no known kind");
}

}  // namespace

bool matches(const BoundExpression& filter, const std::function<Value(int32_t field_id)>& value_of) {
  return answer(filter, value_of) == true;
}

}  // namespace floe
