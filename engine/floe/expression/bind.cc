// Filters bound to a schema: names become field ids, literals become values, negations go.
#include <fmt/format.h>

#include <algorithm>

#include "floe/error.h"
#include "floe/expression/expression.h"
#include "floe/expression/literal.h"

namespace floe {
namespace {

Op negated(Op op) {
  switch (op) {
    case Op::kIsNull:
      return Op::kNotNull;
    case Op::kNotNull:
      return Op::kIsNull;
    case Op::kIsNan:
      return Op::kNotNan;
    case Op::kNotNan:
      return Op::kIsNan;
    case Op::kLess:
      return Op::kGreaterEqual;
    case Op::kLessEqual:
      return Op::kGreater;
    case Op::kGreater:
      return Op::kLessEqual;
    case Op::kGreaterEqual:
      return Op::kLess;
    case Op::kEqual:
      return Op::kNotEqual;
    case Op::kNotEqual:
      return Op::kEqual;
    case Op::kStartsWith:
      return Op::kNotStartsWith;
    case Op::kNotStartsWith:
      return Op::kStartsWith;
    case Op::kIn:
      return Op::kNotIn;
    case Op::kNotIn:
      return Op::kIn;
  }
  throw Error("a predicate of no known kind");
}

bool is_ordering(Op op) { return op >= Op::kLess && op <= Op::kGreaterEqual; }

std::string column_list(const Schema& schema) {
  std::string list;
  for_each_field(schema.fields, [&](const Field& field) {
    if (list.size() > 1000) return;
    list += (list.empty() ? "" : ", ") + full_name(schema, field.id);
    if (list.size() > 1000) list += ", ...";
  });
  return list;
}

struct Column {
  const Field* field;
  bool required;  // and so are all structs around it
};

Column find_column(const Schema& schema, const std::string& name, bool case_sensitive) {
  const Field* field = find_field(schema, name, case_sensitive);
  if (field == nullptr) {
    throw InvalidArgument(
        fmt::format("a filter names the column \"{}\", which is not there; there are: {}", name, column_list(schema)));
  }
  bool required = true;
  for (const Field* step : path_to(schema, field->id)) {
    required = required && step->required;
    if (step != field && step->type.kind != TypeKind::kStruct) {
      throw InvalidArgument(
          fmt::format("a filter names \"{}\", which is within a list or map: it has no single value in a "
                      "row and cannot be filtered on",
                      name));
    }
  }
  return {field, required};
}

BoundExpression leaf(BoundPredicate predicate) {
  return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = std::move(predicate)};
}

BoundExpression with(BoundPredicate predicate, Op op) {
  predicate.op = op;
  return leaf(std::move(predicate));
}

BoundExpression with(BoundPredicate predicate, Op op, Value literal) {
  predicate.literals = {std::move(literal)};
  return with(std::move(predicate), op);
}

BoundExpression null_check(const BoundPredicate& bound, const Column& column) {
  const bool is_null = bound.op == Op::kIsNull;
  if (bound.type.kind == TypeKind::kUnknown) return always<BoundPredicate>(is_null);
  if (column.required) return always<BoundPredicate>(!is_null);
  BoundPredicate plain = bound;  // transforms keep null and nothing else null
  plain.transform = {};
  plain.type = plain.source;
  return leaf(std::move(plain));
}

// A literal that lies between two values of the type, `floor` the lower one.
BoundExpression between_values(const BoundPredicate& bound, Value floor) {
  switch (bound.op) {
    case Op::kLess:
    case Op::kLessEqual:
      return with(bound, Op::kLessEqual, std::move(floor));
    case Op::kGreater:
    case Op::kGreaterEqual:
      return with(bound, Op::kGreater, std::move(floor));
    case Op::kEqual:
      return always<BoundPredicate>(false);
    default:
      return with(bound, Op::kNotNull);
  }
}

BoundExpression compare_with(const BoundPredicate& bound, const UnboundLiteral& literal, const std::string& name) {
  TypedLiteral typed = typed_literal(literal, bound.type, name);
  switch (typed.fit) {
    case TypedLiteral::kExact:
      return with(bound, bound.op, std::move(typed.value));
    case TypedLiteral::kBetween:
      return between_values(bound, std::move(typed.value));
    case TypedLiteral::kAbove:
      return always<BoundPredicate>(bound.op == Op::kLess || bound.op == Op::kLessEqual || bound.op == Op::kNotEqual);
    case TypedLiteral::kBelow:
      return always<BoundPredicate>(bound.op == Op::kGreater || bound.op == Op::kGreaterEqual ||
                                    bound.op == Op::kNotEqual);
  }
  throw Error("a literal of no known fit");
}

BoundExpression one_of(BoundPredicate bound, const Predicate& predicate) {
  for (const auto& literal : predicate.literals) {
    TypedLiteral typed = typed_literal(literal, bound.type, predicate.column);
    if (typed.fit == TypedLiteral::kExact)
      bound.literals.push_back(std::move(typed.value));  // nothing equals the others
  }
  return set_predicate(std::move(bound));
}

void check_literals(const Predicate& predicate) {
  const size_t n = predicate.literals.size();
  const bool set = predicate.op == Op::kIn || predicate.op == Op::kNotIn;
  const size_t wanted = predicate.op <= Op::kNotNan ? 0 : 1;
  if (!set && n != wanted) {
    throw InvalidArgument(fmt::format("a predicate on column \"{}\" has {} literals where {} is wanted: {}",
                                      predicate.column, n, wanted, to_string({ExprKind::kPredicate, {}, predicate})));
  }
}

Type term_type(const Predicate& predicate, const Type& source) {
  const Transform& transform = predicate.transform;
  if (transform.kind == TransformKind::kIdentity) return source;
  if (transform.kind == TransformKind::kUnknown || transform.kind == TransformKind::kVoid ||
      !can_transform(transform, source)) {
    throw InvalidArgument(fmt::format("a filter applies {} to column \"{}\" of type {}, which it cannot take",
                                      to_string(transform), predicate.column, to_string(source)));
  }
  return result_type(transform, source);
}

bool has_literals_of(const Type& type) { return type.kind >= TypeKind::kBoolean && type.kind <= TypeKind::kBinary; }

// `op` is the predicate's, or its negation's.
BoundExpression bind_predicate(const Predicate& predicate, Op op, const Schema& schema, bool case_sensitive) {
  check_literals(predicate);
  const Column column = find_column(schema, predicate.column, case_sensitive);
  const BoundPredicate bound{.op = op,
                             .field_id = column.field->id,
                             .type = term_type(predicate, column.field->type),
                             .transform = predicate.transform,
                             .literals = {},
                             .source = column.field->type};
  if (op == Op::kIsNull || op == Op::kNotNull) return null_check(bound, column);
  if (op == Op::kIsNan || op == Op::kNotNan) {
    return is_floating(bound.type) ? leaf(bound) : always<BoundPredicate>(op == Op::kNotNan);
  }
  if (bound.type.kind == TypeKind::kUnknown) return always<BoundPredicate>(false);  // always null
  if (!has_literals_of(bound.type)) {
    throw InvalidArgument(
        fmt::format("a filter compares column \"{}\" of type {}, which has no order: only `is null` and "
                    "`is not null` can be asked of it",
                    predicate.column, to_string(bound.type)));
  }
  if (op == Op::kIn || op == Op::kNotIn) return one_of(bound, predicate);
  if ((op == Op::kStartsWith || op == Op::kNotStartsWith) &&
      (bound.type.kind != TypeKind::kString || !std::holds_alternative<std::string>(predicate.literals.front()))) {
    throw InvalidArgument(
        fmt::format("a filter asks what column \"{}\" of type {} starts with; only strings start with "
                    "something, and only with strings",
                    predicate.column, to_string(bound.type)));
  }
  return compare_with(bound, predicate.literals.front(), predicate.column);
}

BoundExpression negated_predicate(const Predicate& predicate, const Schema& schema, bool case_sensitive) {
  BoundExpression bound = bind_predicate(predicate, negated(predicate.op), schema, case_sensitive);
  // NaN is neither less than 5 nor not less: `not f < 5` is true of it and `f >= 5` is not.
  if (bound.kind != ExprKind::kPredicate || !is_ordering(bound.predicate.op) || !is_floating(bound.predicate.type)) {
    return bound;
  }
  BoundPredicate nan = bound.predicate;
  nan.literals.clear();
  return either(std::move(bound), with(std::move(nan), Op::kIsNan));
}

BoundExpression bind_expression(const Expression& expression, const Schema& schema, bool case_sensitive, bool negate_it,
                                int depth) {
  if (depth > kMaxExpressionDepth) {
    throw InvalidArgument(fmt::format("a filter nests deeper than {} levels", kMaxExpressionDepth));
  }
  switch (expression.kind) {
    case ExprKind::kTrue:
    case ExprKind::kFalse:
      return always<BoundPredicate>((expression.kind == ExprKind::kTrue) != negate_it);
    case ExprKind::kNot:
      return bind_expression(expression.operands.front(), schema, case_sensitive, !negate_it, depth + 1);
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool conjunction = (expression.kind == ExprKind::kAnd) != negate_it;
      BoundExpression result = always<BoundPredicate>(conjunction);
      for (const auto& operand : expression.operands) {
        BoundExpression bound = bind_expression(operand, schema, case_sensitive, negate_it, depth + 1);
        result = conjunction ? both(std::move(result), std::move(bound)) : either(std::move(result), std::move(bound));
      }
      return result;
    }
    case ExprKind::kPredicate:
      return negate_it ? negated_predicate(expression.predicate, schema, case_sensitive)
                       : bind_predicate(expression.predicate, expression.predicate.op, schema, case_sensitive);
  }
  throw Error("an expression of no known kind");
}

}  // namespace

BoundExpression bind(const Expression& expression, const Schema& schema, bool case_sensitive) {
  return bind_expression(expression, schema, case_sensitive, false, 0);
}

}  // namespace floe
