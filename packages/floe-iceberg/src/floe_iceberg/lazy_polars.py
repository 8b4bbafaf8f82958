"""Lazy Polars frames of scans: a query tells the engine which columns, which rows and how many of them it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import polars as pl
from polars.io.plugins import register_io_source

if TYPE_CHECKING:
    from floe_iceberg.scan import FloeScan


def lazy_frame(scan: FloeScan) -> pl.LazyFrame:
    """The scan's rows as a frame that is read when it is collected, and no more of it than the query needs."""
    schema = pl.Schema(scan._arrow_schema())

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        # Rows are counted before they are filtered, here as in Polars.
        pushed, whole = (None, True) if predicate is None else _pushed(predicate, schema)
        if pushed is not None and (n_rows is not None or scan.limit is not None):
            pushed, whole = None, False
        needed = columns
        if columns is not None and predicate is not None and not whole:
            needed = list(dict.fromkeys([*columns, *predicate.meta.root_names()]))
        limit = min((n for n in (n_rows, scan.limit) if n is not None), default=None)
        filter_json = "" if pushed is None else json.dumps(pushed, allow_nan=False)
        if needed == []:
            yield pl.DataFrame(height=scan._plan(filter_json=filter_json, limit=limit).count())
            return
        plan = scan._plan(columns=needed, filter_json=filter_json, limit=limit, batch_rows=batch_size)
        for batch in scan._batches_of(plan):
            frame = cast(pl.DataFrame, pl.from_arrow(batch))
            if predicate is not None and not whole:
                frame = frame.filter(predicate)
            yield frame if columns is None else frame.select(columns)

    return register_io_source(read, schema=schema, is_pure=True, explain_name="ICEBERG")


# --- Polars' predicates as the JSON of the REST protocol ---
#
# A predicate is looked at in its serialized form, which may change with any version of Polars: what is not known is
# left to Polars. So is what the two do not say in the very same way. Null is true for neither in what is translated.


class _NotKnownError(Exception):
    """A predicate, or a part of one, that stays with Polars."""


def _pushed(predicate: pl.Expr, schema: pl.Schema) -> tuple[Any | None, bool]:
    """What the engine can check of a predicate, and whether that is the whole of it."""
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, ValueError, RecursionError):
        return None, False
    pushed, whole = None, True
    for part in _conjuncts(tree):
        try:
            translated = _translated(part, schema)
        except (_NotKnownError, LookupError, TypeError, ValueError, RecursionError):
            whole = False
            continue
        pushed = translated if pushed is None else {"type": "and", "left": pushed, "right": translated}
    return pushed, whole


def _conjuncts(tree: Any) -> Iterator[Any]:
    pending = [tree]
    while pending:
        match pending.pop():
            case {"BinaryExpr": {"op": "And", "left": left, "right": right}}:
                pending += [right, left]
            case part:
                yield part


_COMPARISONS = {"Lt": "lt", "LtEq": "lt-eq", "Gt": "gt", "GtEq": "gt-eq", "Eq": "eq", "NotEq": "not-eq"}


def _translated(tree: Any, schema: pl.Schema) -> Any:
    match tree:
        case {"BinaryExpr": {"op": "And" | "Or" as op, "left": left, "right": right}}:
            return {"type": op.lower(), "left": _translated(left, schema), "right": _translated(right, schema)}
        case {"BinaryExpr": {"op": op, "left": left, "right": {"Literal": {"Scalar": scalar}}}}:
            return _comparison(_COMPARISONS[op], left, scalar, schema)
        case {"Function": {"input": [operand], "function": {"Boolean": test}}}:
            return _test(test, operand, schema)
        case {
            "Function": {"input": [operand, {"Literal": {"Scalar": values}}], "function": {"Boolean": {"IsIn": how}}}
        }:
            return _membership(operand, values, how, schema)
        case {"Function": {"input": [operand, low, high], "function": {"Boolean": {"IsBetween": {"closed": closed}}}}}:
            above = "gt-eq" if closed in ("Both", "Left") else "gt"
            below = "lt-eq" if closed in ("Both", "Right") else "lt"
            return {
                "type": "and",
                "left": _comparison(above, operand, low["Literal"]["Scalar"], schema),
                "right": _comparison(below, operand, high["Literal"]["Scalar"], schema),
            }
        case {
            "Function": {
                "input": [operand, {"Literal": {"Scalar": {"String": prefix}}}],
                "function": {"StringExpr": "StartsWith"},
            }
        }:
            return {"type": "starts-with", "term": _column(operand, schema, pl.String), "value": prefix}
        case {"Literal": {"Scalar": {"Boolean": answer}}}:
            return bool(answer)
    return {"type": "eq", "term": _column(tree, schema, pl.Boolean), "value": True}


def _test(test: Any, operand: Any, schema: pl.Schema) -> Any:
    match test:
        case "IsNull" | "IsNotNull":
            return {"type": "is-null" if test == "IsNull" else "not-null", "term": _column(operand, schema)}
        case "IsNan" | "IsNotNan":
            return {"type": "is-nan" if test == "IsNan" else "not-nan", "term": _column(operand, schema)}
        case "Not":
            if _is_column(operand):
                return {"type": "eq", "term": _column(operand, schema, pl.Boolean), "value": False}
            negated = _translated(operand, schema)
            if negated["type"] == "in":  # which null is not true for, and not false either
                present = {"type": "not-null", "term": negated["term"]}
                return {"type": "and", "left": present, "right": {**negated, "type": "not-in"}}
            if negated["type"] == "starts-with":
                return {**negated, "type": "not-starts-with"}
    raise _NotKnownError


def _comparison(op: str, operand: Any, scalar: Any, schema: pl.Schema) -> Any:
    [(kind, written)] = scalar.items()
    term = _column(operand, schema)
    dtype = _dtype(operand, schema)
    compared = {"type": op, "term": term, "value": _literal(kind, written, dtype)}
    if dtype.is_float() and op in ("gt", "gt-eq"):  # Polars takes NaN for greater than every number
        return {"type": "or", "left": compared, "right": {"type": "is-nan", "term": term}}
    return compared


def _literal(kind: str, written: Any, dtype: pl.DataType) -> Any:
    """A literal of a column's very own type."""
    match kind, written, dtype:
        case ("Boolean", bool(), pl.Boolean()) | ("String", str(), pl.String()):
            return written
        case ("Int32", int(), pl.Int32()) | ("Int64", int(), pl.Int64()) | ("Date", int(), pl.Date()):
            return written
        case ("Float32", float() | int(), pl.Float32()) | ("Float64", float() | int(), pl.Float64()):
            return float(written)
        case "Decimal", [int(unscaled), _, int(scale)], pl.Decimal():
            return str(Decimal(unscaled).scaleb(-scale))
        case "Time", int(nanoseconds), pl.Time() if nanoseconds % 1000 == 0:
            return nanoseconds // 1000
        case "Datetime", [int(value), unit, zone], pl.Datetime():
            ours = {"us": "Microseconds", "ns": "Nanoseconds"}[dtype.time_unit]
            if unit == ours and (zone["inner"] if zone else None) == dtype.time_zone:
                return value
    raise _NotKnownError


def _membership(operand: Any, values: Any, how: Any, schema: pl.Schema) -> Any:
    import pyarrow as pa

    dtype = _dtype(operand, schema)
    if dtype not in (pl.Int32, pl.Int64, pl.String) or how != {"nulls_equal": False}:
        raise _NotKnownError
    listed = pa.ipc.open_stream(bytes(values["List"])).read_all().column(0).to_pylist()
    if None in listed:
        raise _NotKnownError
    return {"type": "in", "term": _column(operand, schema), "values": listed}


def _is_column(tree: Any) -> bool:
    return isinstance(tree, dict) and tree.keys() == {"Column"}


def _path(tree: Any) -> list[str]:
    match tree:
        case {"Column": str(name)}:
            return [name]
        case {"Function": {"input": [parent], "function": {"StructExpr": {"FieldByName": str(name)}}}}:
            return [*_path(parent), name]
    raise _NotKnownError


def _column(tree: Any, schema: pl.Schema, dtype: type[pl.DataType] | None = None) -> str:
    """The full name of a column of the table, or of a field of one."""
    path = _path(tree)
    if any("." in name for name in path) or path[0].startswith("_"):  # which may be a metadata column
        raise _NotKnownError
    if dtype is not None and _dtype(tree, schema) != dtype:
        raise _NotKnownError
    return ".".join(path)


def _dtype(tree: Any, schema: pl.Schema) -> pl.DataType:
    first, *rest = _path(tree)
    dtype: Any = schema[first]
    for name in rest:
        dtype = {field.name: field.dtype for field in dtype.fields}[name]
    return cast(pl.DataType, dtype)
