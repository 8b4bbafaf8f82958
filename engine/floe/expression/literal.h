// Literals of filters: reading them as a column's type asks, and comparing values as filters do.
#pragma once

#include <string>

#include "floe/expression/expression.h"

namespace floe {

inline bool is_floating(const Type& type) { return type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble; }
bool is_nan(const Value& value);

// Orders two values of a primitive type; neither is null or NaN. As compare(), but -0.0 equals 0.0.
int order(const Value& a, const Value& b, const Type& type);

// A literal as the nearest value of a type.
struct TypedLiteral {
  enum Fit {
    kExact,    // `value` is the literal
    kBetween,  // `value` is the greatest value of the type that is less than the literal
    kBelow,    // the literal is less than every value of the type
    kAbove,    // the literal is greater than every value of the type
  };
  Fit fit = kExact;
  Value value;
};

// Throws InvalidArgument naming `column` if the literal cannot be read as the type.
TypedLiteral typed_literal(const UnboundLiteral& literal, const Type& type, const std::string& column);

// As people write it: 5, 1.5e0, true, 'it''s'.
std::string literal_text(const UnboundLiteral& literal);

// Sorts, drops duplicates, and makes the predicate that says it: of no literals true or false, of one = or !=.
BoundExpression set_predicate(BoundPredicate predicate);

}  // namespace floe
