// Filters projected through partition transforms, and residuals.
//
// Every projection rests on one of three facts about a transform T (v is a row's value, L a literal):
// * T keeps null and nothing else null (all but void);
// * T is a function: v = L implies T(v) = T(L), and T(v) != T(L) implies v != L (all);
// * T is monotone: v <= L implies T(v) <= T(L) (truncate and dates; identity keeps the whole order).
#include <algorithm>
#include <limits>
#include <optional>

#include "floe/error.h"
#include "floe/expression/expression.h"
#include "floe/expression/literal.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

// The neighbour of a value of a discrete type; nullopt if the type ends there.
std::optional<Value> neighbour(const Value& value, int step) {
  const auto moved = [&](auto v) -> std::optional<Value> {
    using T = decltype(v);
    if (v == (step > 0 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min())) return std::nullopt;
    return Value(static_cast<T>(v + step));
  };
  if (const auto* v = std::get_if<int32_t>(&value.data)) return moved(*v);
  if (const auto* v = std::get_if<int64_t>(&value.data)) return moved(*v);
  return Value(static_cast<Int128>(value.as<Int128>() + step));  // decimals end far within 128 bits
}

// Truncating the least ints can leave the type's range: the writer's arithmetic then wraps round to a great value.
struct Wrap {
  Int128 least_unwrapped;  // values below it wrap
  Value partition;         // what they become
};
std::optional<Wrap> truncation_wrap(const Transform& transform, const Type& source) {
  if (transform.kind != TransformKind::kTruncate) return std::nullopt;
  const auto wrap = [&](auto least) -> std::optional<Wrap> {
    using T = decltype(least);
    using U = std::make_unsigned_t<T>;
    const T width = transform.width;
    const T rest = static_cast<T>(((least % width) + width) % width);
    if (rest == 0) return std::nullopt;
    return Wrap{static_cast<Int128>(least) + (width - rest),
                Value(static_cast<T>(static_cast<U>(least) - static_cast<U>(rest)))};
  };
  if (source.kind == TypeKind::kInt) return wrap(std::numeric_limits<int32_t>::min());
  if (source.kind == TypeKind::kLong) return wrap(std::numeric_limits<int64_t>::min());
  return std::nullopt;
}

bool wraps(const std::optional<Wrap>& wrap, const Value& value) {
  if (!wrap) return false;
  const auto* narrow = std::get_if<int32_t>(&value.data);
  return (narrow != nullptr ? Int128{*narrow} : Int128{value.as<int64_t>()}) < wrap->least_unwrapped;
}

// The projection of predicates on one column onto one partition field.
class Projection {
 public:
  Projection(const PartitionField& field, const Type& source, bool strict)
      : field_(field),
        source_(source),
        result_(result_type(field.transform, source)),
        strict_(strict),
        wrap_(truncation_wrap(field.transform, source)) {}

  BoundExpression project(const BoundPredicate& p) const {
    try {
      return projected(p);
    } catch (const InvalidArgument&) {  // the transformed literal is out of range, such as the hour of a far year
      return nothing();
    }
  }

 private:
  BoundExpression projected(const BoundPredicate& p) const {
    if (p.transform == field_.transform) return make(p.op, p.literals);  // identity on identity, day(ts) on day(ts)
    if (p.transform.kind != TransformKind::kIdentity) return nothing();
    if (p.op == Op::kIsNull || p.op == Op::kNotNull) return make(p.op, {});
    if (p.op == Op::kEqual || p.op == Op::kIn) return strict_ ? nothing() : make(p.op, transformed(p.literals));
    if (p.op == Op::kNotEqual || p.op == Op::kNotIn) return strict_ ? make(p.op, transformed(p.literals)) : nothing();
    if (field_.transform.kind == TransformKind::kBucket) return nothing();
    if (p.op == Op::kStartsWith || p.op == Op::kNotStartsWith) return prefix(p);
    if (p.op < Op::kLess || p.op > Op::kGreaterEqual) return nothing();
    const bool discrete = source_.kind != TypeKind::kString && source_.kind != TypeKind::kBinary;
    if (discrete) return strict_ ? strict_range(p) : inclusive_range(p);
    return strict_ ? strict_text_range(p) : inclusive_text_range(p);
  }

  BoundExpression nothing() const { return always<BoundPredicate>(!strict_); }

  Value transformed(const Value& literal) const {
    if (wraps(wrap_, literal)) return wrap_->partition;
    return apply(field_.transform, source_, literal);
  }

  std::vector<Value> transformed(const std::vector<Value>& literals) const {
    std::vector<Value> result;
    for (const auto& literal : literals) result.push_back(transformed(literal));
    return result;
  }

  BoundExpression make(Op op, std::vector<Value> literals) const {
    BoundPredicate predicate{.op = op,
                             .field_id = field_.field_id,
                             .type = result_,
                             .transform = {},
                             .literals = std::move(literals),
                             .source = result_};
    if (op == Op::kIn || op == Op::kNotIn) return set_predicate(std::move(predicate));
    return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = std::move(predicate)};
  }

  // v < L means v <= L - 1, and v > L means v >= L + 1.
  BoundExpression inclusive_range(const BoundPredicate& p) const {
    const bool less = p.op == Op::kLess || p.op == Op::kLessEqual;
    std::optional<Value> end = p.literals.front();
    if (p.op == Op::kLess) end = neighbour(*end, -1);
    if (p.op == Op::kGreater) end = neighbour(*end, 1);
    if (!end) return always<BoundPredicate>(false);
    if (wraps(wrap_, *end)) return less ? make(Op::kEqual, {wrap_->partition}) : nothing();
    BoundExpression range = make(less ? Op::kLessEqual : Op::kGreaterEqual, {transformed(*end)});
    return less && wrap_ ? either(std::move(range), make(Op::kEqual, {wrap_->partition})) : range;
  }

  // v < L holds if T(v) < T(L); v <= L means v < L + 1; and so on.
  BoundExpression strict_range(const BoundPredicate& p) const {
    const bool less = p.op == Op::kLess || p.op == Op::kLessEqual;
    std::optional<Value> end = p.literals.front();
    if (p.op == Op::kLessEqual) end = neighbour(*end, 1);
    if (p.op == Op::kGreaterEqual) end = neighbour(*end, -1);
    if (!end) return make(Op::kNotNull, {});  // every value
    if (wraps(wrap_, *end)) return nothing();
    BoundExpression range = make(less ? Op::kLess : Op::kGreater, {transformed(*end)});
    return !less && wrap_ ? both(std::move(range), make(Op::kNotEqual, {wrap_->partition})) : range;
  }

  // Between two strings there is always another. A literal that truncation leaves alone gives the tighter bound.
  BoundExpression inclusive_text_range(const BoundPredicate& p) const {
    const Value& literal = p.literals.front();
    const Value end = transformed(literal);
    if (p.op == Op::kLess && end == literal) return make(Op::kLess, {end});
    const bool less = p.op == Op::kLess || p.op == Op::kLessEqual;
    return make(less ? Op::kLessEqual : Op::kGreaterEqual, {end});
  }

  BoundExpression strict_text_range(const BoundPredicate& p) const {
    const Value& literal = p.literals.front();
    const Value end = transformed(literal);
    if (p.op == Op::kGreaterEqual && end == literal) return make(Op::kGreaterEqual, {end});
    const bool less = p.op == Op::kLess || p.op == Op::kLessEqual;
    return make(less ? Op::kLess : Op::kGreater, {end});
  }

  // A prefix no longer than what truncation keeps can be seen in the partition; of a longer one only its beginning.
  BoundExpression prefix(const BoundPredicate& p) const {
    if (field_.transform.kind != TransformKind::kTruncate) return nothing();
    const bool negated = p.op == Op::kNotStartsWith;
    const Value& literal = p.literals.front();
    const std::string& text = literal.as<std::string>();
    const auto width = static_cast<size_t>(field_.transform.width);
    const bool shorter = first_code_points(text, width - 1).size() == text.size();
    const bool longer = first_code_points(text, width).size() < text.size();
    if (shorter) return make(p.op, {literal});
    if (longer && strict_ != negated) return nothing();
    return make(negated ? Op::kNotEqual : Op::kEqual, {transformed(literal)});
  }

  const PartitionField& field_;
  const Type& source_;
  Type result_;
  bool strict_;
  std::optional<Wrap> wrap_;
};

bool tells_something(const PartitionField& field, const Type& source) {
  return field.transform.kind != TransformKind::kVoid && field.transform.kind != TransformKind::kUnknown &&
         can_transform(field.transform, source);
}

// Inclusive: all of a column's projections hold for a partition with a matching row. Strict: any of them is enough.
BoundExpression project_predicate(const BoundPredicate& predicate, const PartitionSpec& spec, const Schema& schema,
                                  bool strict) {
  BoundExpression result = always<BoundPredicate>(!strict);
  const Field* column = find_field(schema, predicate.field_id);
  if (column == nullptr) return result;
  for (const auto& field : spec.fields) {
    if (field.source_ids.size() != 1 || field.source_id() != predicate.field_id) continue;
    if (!tells_something(field, column->type)) continue;
    BoundExpression projected = Projection(field, column->type, strict).project(predicate);
    result = strict ? either(std::move(result), std::move(projected)) : both(std::move(result), std::move(projected));
  }
  return result;
}

// Rebuilds the filter with `leaf` in place of each predicate, simplified. Negations, which bound filters lack, become
// `of_not`.
template <typename F>
BoundExpression rebuild(const BoundExpression& filter, const BoundExpression& of_not, const F& leaf) {
  switch (filter.kind) {
    case ExprKind::kTrue:
    case ExprKind::kFalse:
      return filter;
    case ExprKind::kNot:
      return of_not;
    case ExprKind::kPredicate:
      return leaf(filter.predicate);
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool conjunction = filter.kind == ExprKind::kAnd;
      BoundExpression result = always<BoundPredicate>(conjunction);
      for (const auto& operand : filter.operands) {
        BoundExpression one = rebuild(operand, of_not, leaf);
        result = conjunction ? both(std::move(result), std::move(one)) : either(std::move(result), std::move(one));
      }
      return result;
    }
  }
  throw Error("an expression of no known kind");
}

BoundExpression project(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema, bool strict) {
  return rebuild(filter, always<BoundPredicate>(!strict),
                 [&](const BoundPredicate& predicate) { return project_predicate(predicate, spec, schema, strict); });
}

}  // namespace

BoundExpression project_inclusive(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema) {
  return project(filter, spec, schema, false);
}

BoundExpression project_strict(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema) {
  return project(filter, spec, schema, true);
}

BoundExpression residual(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema,
                         const std::vector<Value>& partition) {
  if (partition.size() != spec.fields.size()) {
    throw InvalidArgument("a partition has " + std::to_string(partition.size()) + " values, its spec " +
                          std::to_string(spec.fields.size()) + " fields");
  }
  const auto value_of = [&](int32_t field_id) {
    for (size_t i = 0; i < partition.size(); ++i) {
      if (spec.fields[i].field_id == field_id) return partition[i];
    }
    return Value();
  };
  return rebuild(filter, filter, [&](const BoundPredicate& predicate) {
    if (!matches(project_predicate(predicate, spec, schema, false), value_of)) return always<BoundPredicate>(false);
    if (matches(project_predicate(predicate, spec, schema, true), value_of)) return always<BoundPredicate>(true);
    return BoundExpression{.kind = ExprKind::kPredicate, .operands = {}, .predicate = predicate};
  });
}

}  // namespace floe
