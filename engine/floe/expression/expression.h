// Row filters: as a user writes them (names and literals of no type yet), and bound to a schema (field ids and typed
// values). Both are trees of one shape.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "floe/spec/partition_spec.h"
#include "floe/spec/schema.h"
#include "floe/spec/transform.h"

namespace floe {

enum class Op : uint8_t {
  kIsNull,
  kNotNull,
  kIsNan,
  kNotNan,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kStartsWith,
  kNotStartsWith,
  kIn,
  kNotIn,
};

// A literal as it was written; its type is the column's, found on binding. Decimals, dates, times and uuids are text.
using UnboundLiteral = std::variant<bool, int64_t, double, std::string>;

struct Predicate {
  Op op = Op::kIsNull;
  std::string column;                    // a full name
  Transform transform;                   // identity, or a term such as day(ts) in the REST protocol's expressions
  std::vector<UnboundLiteral> literals;  // none for kIsNull..kNotNan, one otherwise, any number for kIn and kNotIn
  bool operator==(const Predicate&) const = default;
};

struct BoundPredicate {
  Op op = Op::kIsNull;
  int32_t field_id = 0;  // of a column; of a partition field after projection
  Type type;             // of what is compared: the result of `transform`
  Transform transform;   // applied to the column first; identity almost always
  std::vector<Value> literals;
  bool operator==(const BoundPredicate&) const = default;
};

enum class ExprKind : uint8_t { kTrue, kFalse, kAnd, kOr, kNot, kPredicate };

template <typename P>
struct BasicExpression {
  ExprKind kind = ExprKind::kTrue;
  std::vector<BasicExpression> operands;  // kAnd, kOr: two or more; kNot: one
  P predicate;                            // kPredicate only
  bool operator==(const BasicExpression&) const = default;
};
using Expression = BasicExpression<Predicate>;
using BoundExpression = BasicExpression<BoundPredicate>;

// Building. `both`, `either` and `negate` simplify with true and false.
template <typename P>
BasicExpression<P> always(bool answer);
template <typename P>
BasicExpression<P> both(BasicExpression<P> a, BasicExpression<P> b);
template <typename P>
BasicExpression<P> either(BasicExpression<P> a, BasicExpression<P> b);
template <typename P>
BasicExpression<P> negate(BasicExpression<P> a);

// Parses the text of a filter in PyIceberg's grammar: `a > 5 and (b is not null or c like 'x%') and not d in (1, 2)`.
// Throws InvalidArgument with the position and what was expected. Nesting is bounded.
Expression parse_filter(std::string_view text);

// The REST protocol's JSON form (schema `Expression` in rest-catalog-open-api.yaml).
Expression expression_from_json(std::string_view json);
std::string to_json(const Expression& expression);

// For messages: `(a > 5) and (b is not null)`. Literals are shown.
std::string to_string(const Expression& expression);

// Binds names to fields and literals to their types, and drops negations (rewriting predicates). A literal out of the
// type's range makes its predicate true or false; one that cannot be read as the type throws InvalidArgument, as does
// an unknown column (the message lists the columns there are), or a nested one that is not within structs.
BoundExpression bind(const Expression& expression, const Schema& schema, bool case_sensitive = true);

// The ids of all columns that the filter reads.
std::vector<int32_t> field_ids(const BoundExpression& expression);

// The filter projected onto a spec's partition fields (predicates then name partition field ids). Inclusive: true for
// every partition that has a matching row. Strict: true only for partitions whose rows all match.
BoundExpression project_inclusive(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema);
BoundExpression project_strict(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema);

// What is left of the filter for the rows of one partition (one value per field of the spec).
BoundExpression residual(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema,
                         const std::vector<Value>& partition);

// Whether one row's values make the filter true, with SQL's three-valued logic as PyIceberg reads it.
// `value_of` gives a column's value by field id.
bool matches(const BoundExpression& filter, const std::function<Value(int32_t field_id)>& value_of);

}  // namespace floe
