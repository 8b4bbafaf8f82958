"""PyIceberg's row filters as the JSON of the Iceberg REST protocol, which the engine reads."""

from __future__ import annotations

import json
import math
from typing import Any
from uuid import UUID

from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNaN,
    IsNull,
    LessThan,
    LessThanOrEqual,
    LiteralPredicate,
    Not,
    NotEqualTo,
    NotIn,
    NotNaN,
    NotNull,
    NotStartsWith,
    Or,
    Reference,
    SetPredicate,
    StartsWith,
    UnaryPredicate,
)
from pyiceberg.expressions.literals import (
    BinaryLiteral,
    DateLiteral,
    DecimalLiteral,
    FixedLiteral,
    Literal,
    TimeLiteral,
    TimestampLiteral,
    UUIDLiteral,
)
from pyiceberg.utils.datetime import days_to_date, micros_to_time, micros_to_timestamp

import floe_engine
from floe_iceberg.errors import InvalidArgumentError

_NAMES: dict[type[BooleanExpression], str] = {
    IsNull: "is-null",
    NotNull: "not-null",
    IsNaN: "is-nan",
    NotNaN: "not-nan",
    LessThan: "lt",
    LessThanOrEqual: "lt-eq",
    GreaterThan: "gt",
    GreaterThanOrEqual: "gt-eq",
    EqualTo: "eq",
    NotEqualTo: "not-eq",
    StartsWith: "starts-with",
    NotStartsWith: "not-starts-with",
    In: "in",
    NotIn: "not-in",
}


def filter_json(row_filter: str | BooleanExpression | None) -> str:
    """A filter as users give it, as the engine takes it: JSON text, or nothing where every row matches.

    >>> filter_json("a > 1")
    '{"type":"gt","term":"a","value":1}'

    Raises:
        InvalidArgumentError: It does not parse.
    """
    if row_filter is None or isinstance(row_filter, AlwaysTrue):
        return ""
    return floe_engine.filter_to_json(row_filter) if isinstance(row_filter, str) else to_json(row_filter)


def to_json(expression: BooleanExpression) -> str:
    """The filter as JSON text.

    >>> from pyiceberg.expressions import GreaterThan
    >>> to_json(GreaterThan("dep_delay", 60))
    '{"type": "gt", "term": "dep_delay", "value": 60}'

    Raises:
        InvalidArgumentError: The expression is bound already, of a class that PyIceberg does not have, or too deep.
    """
    try:
        return json.dumps(_value(expression), allow_nan=False)
    except RecursionError as error:
        raise InvalidArgumentError("the filter is nested too deeply") from error


def _value(expression: BooleanExpression) -> Any:
    match expression:
        case AlwaysTrue():
            return True
        case AlwaysFalse():
            return False
        case And():
            return {"type": "and", "left": _value(expression.left), "right": _value(expression.right)}
        case Or():
            return {"type": "or", "left": _value(expression.left), "right": _value(expression.right)}
        case Not():
            return {"type": "not", "child": _value(expression.child)}
        case UnaryPredicate():
            return {"type": _name(expression), "term": _term(expression)}
        case LiteralPredicate():
            return {"type": _name(expression), "term": _term(expression), "value": _literal(expression.literal)}
        case SetPredicate():
            values = [_literal(literal) for literal in expression.literals]
            return {"type": _name(expression), "term": _term(expression), "values": values}
    raise InvalidArgumentError(f"a {type(expression).__name__} cannot be a row filter: pass unbound expressions")


def _name(expression: BooleanExpression) -> str:
    try:
        return _NAMES[type(expression)]
    except KeyError:
        raise InvalidArgumentError(f"a {type(expression).__name__} cannot be a row filter") from None


def _term(predicate: UnaryPredicate | LiteralPredicate | SetPredicate) -> str:
    if isinstance(predicate.term, Reference):
        return predicate.term.name
    raise InvalidArgumentError(f"a row filter names columns, not {predicate.term!r}")


def _literal(literal: Literal[Any]) -> Any:
    value = literal.value
    match literal:
        case DateLiteral():
            return days_to_date(value).isoformat()
        case TimeLiteral():
            return micros_to_time(value).isoformat()
        case TimestampLiteral():
            return micros_to_timestamp(value).isoformat()
        case DecimalLiteral():
            return str(value)
        case UUIDLiteral():
            return str(UUID(bytes=value))
        case FixedLiteral() | BinaryLiteral():
            return value.hex()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
