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

// A literal as it was written; its type is the column's, found on binding. Text is what strings, decimals, dates,
// times, timestamps and uuids are, bytes as hexadecimal digits, and integers that int64 cannot hold.
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
  int32_t field_id = 0;         // of a column; of a partition field after projection
  Type type;                    // of what is compared: the result of `transform`
  Transform transform;          // applied to the column first; identity almost always
  std::vector<Value> literals;  // of kIn and kNotIn: two or more, ascending, no duplicates
  Type source;                  // of the column itself; differs from `type` only under a transform
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

// The deepest nesting of expressions that the functions here accept; chains of `and` and `or` count once, however long.
inline constexpr int kMaxExpressionDepth = 256;

// Building. `both`, `either` and `negate` simplify with true and false, and keep chains flat: a & (b & c) is one kAnd
// of three.
template <typename P>
BasicExpression<P> always(bool answer);
template <typename P>
BasicExpression<P> both(BasicExpression<P> a, BasicExpression<P> b);
template <typename P>
BasicExpression<P> either(BasicExpression<P> a, BasicExpression<P> b);
template <typename P>
BasicExpression<P> negate(BasicExpression<P> a);

// The literal that binds to exactly this value of a column of the type: one that filters compare, neither null nor NaN.
UnboundLiteral to_literal(const Value& value, const Type& type);

// Parses the text of a filter in PyIceberg's grammar: `a > 5 and (b is not null or c like 'x%') and not d in (1, 2)`.
// Beyond what PyIceberg takes: true and false inside longer filters, exponents (`1.5e3`, a double), numbers of several
// kinds in one list, dots and doubled quotes in quoted names, UTF-8 in bare names, line breaks in strings.
// Throws InvalidArgument with the position and what was expected, or if nesting exceeds kMaxExpressionDepth.
Expression parse_filter(std::string_view text);

// The REST protocol's JSON form (schema `Predicate` in rest-catalog-open-api.yaml), as PyIceberg dumps it too. Reads
// the current form and the deprecated one ("term" and "value"), and writes the latter, which every server knows. Long
// chains become balanced trees. Throws InvalidArgument if it is malformed or a literal is null (PyIceberg dumps
// infinity so), NotSupported for references by field id, functions other than date transforms, and comparisons of two
// columns.
Expression expression_from_json(std::string_view json);
std::string to_json(const Expression& expression);

// For messages: `(a > 5) and (b is not null)`, with literals. parse_filter reads it again, but for terms with a
// transform and strings that end in a backslash, which its grammar lacks.
std::string to_string(const Expression& expression);

// Binds names to fields and literals to their types, and drops negations (rewriting predicates; `not f < 5` of a float
// column becomes `f >= 5 or f is nan`, so that exactly the same rows match).
// Numbers are compared exactly with integer and decimal columns: `i > 1.5` means `i > 1`, `i = 1.5` is false, and
// `i != 1.5` is `i is not null`. (A double literal is first rounded to the decimal column's scale, as PyIceberg does.)
// An integer, decimal or date literal out of the type's range makes its predicate true or false, for null too, as in
// PyIceberg and Java. Timestamps without an offset are UTC; a timestamp is cut to its day for a date column.
// Throws InvalidArgument if a literal cannot be read as the type, is NaN or none where one is needed, if a column is
// unknown (the message lists the columns there are) or within a list or map, or if nesting exceeds kMaxExpressionDepth.
BoundExpression bind(const Expression& expression, const Schema& schema, bool case_sensitive = true);

// The ids of all columns that the filter reads.
std::vector<int32_t> field_ids(const BoundExpression& expression);

// The filter projected onto a spec's partition fields (predicates then name partition field ids). Inclusive: true for
// every partition that has a matching row. Strict: true only for partitions whose rows all match. Transforms that are
// unknown or void, or of several arguments, tell nothing.
BoundExpression project_inclusive(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema);
BoundExpression project_strict(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema);

// What is left of the filter for the rows of one partition (one value per field of the spec).
BoundExpression residual(const BoundExpression& filter, const PartitionSpec& spec, const Schema& schema,
                         const std::vector<Value>& partition);

// Whether one row's values make the filter true. `value_of` gives a column's value by field id.
//
// Rows match as in PyIceberg's scans, which are SQL's with three exceptions that its users know:
// * Null matches only `is null`, and `not in` of two or more different values (`not in (1)` is `!= 1`, which it does
// not).
//   It does not match `is not nan` of a float column.
// * NaN equals nothing, not even NaN, and is neither less nor greater: it matches `!=`, `not in`, `is nan`, and the
//   negation of a comparison (`not f < 5`).
// * -0.0 equals 0.0, in lists too (where PyIceberg misses it).
bool matches(const BoundExpression& filter, const std::function<Value(int32_t field_id)>& value_of);

}  // namespace floe
