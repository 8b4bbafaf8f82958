"""Random tables and random filters: a planned, pruned read gives the rows of a full read that match, judged one by one.

Tables of every primitive type, of files of several formats, under specs, names and types that changed in between, with
bounds of every length, nulls, NaN, both zeros and rows that were deleted.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyiceberg import expressions as ex
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from floe_iceberg import FloeCatalog, FloeTable
from tests.integration.strangers import plain

FLOATS = [0.0, -0.0, 0.5, -1.5, 2.0**70, math.inf, -math.inf, math.nan]
TEXTS = ["", "a", "ab", "abcdef" * 3, "abcdef" * 3 + "x", "abcdefé", "é", "\U0001f600", "\U0010ffff" * 20, "zz"]
BYTES = [b"", b"a", b"\xff", b"\xff" * 20, b"\xff" * 20 + b"\x00", b"\x00", b"ab" * 9]
EPOCH = dt.datetime(1970, 1, 1)

#: A column's type, the one that it is widened to, and its values.
COLUMNS: dict[str, tuple[IcebergType, IcebergType | None, st.SearchStrategy[Any]]] = {
    "boolean": (BooleanType(), None, st.booleans()),
    "int": (IntegerType(), LongType(), st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1])),
    "long": (LongType(), None, st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1, 2**40])),
    "float": (FloatType(), DoubleType(), st.sampled_from(FLOATS)),
    "double": (DoubleType(), None, st.sampled_from(FLOATS)),
    "decimal": (DecimalType(9, 2), DecimalType(20, 2), st.integers(-300, 300).map(lambda n: Decimal(n).scaleb(-2))),
    "date": (DateType(), None, st.dates(dt.date(1969, 12, 25), dt.date(1970, 1, 5))),
    "time": (TimeType(), None, st.times(dt.time(0), dt.time(0, 1))),
    "timestamp": (TimestampType(), None, st.datetimes(EPOCH - dt.timedelta(hours=4), EPOCH + dt.timedelta(hours=4))),
    "timestamptz": (
        TimestamptzType(),
        None,
        st.datetimes(EPOCH - dt.timedelta(days=60), EPOCH + dt.timedelta(days=60)).map(
            lambda moment: moment.replace(tzinfo=dt.UTC)
        ),
    ),
    "string": (StringType(), None, st.sampled_from(TEXTS)),
    "uuid": (UUIDType(), None, st.integers(0, 3).map(lambda n: uuid.UUID(int=n << 126 | n))),
    "fixed": (FixedType(2), None, st.sampled_from([b"\x00\x00", b"ab", b"\xff\xff"])),
    "binary": (BinaryType(), None, st.sampled_from(BYTES)),
}
SCHEMA = Schema(*(NestedField(i, name, of) for i, (name, (of, _, _)) in enumerate(COLUMNS.items(), start=1)))
WIDENED = {name: wide for name, (_, wide, _) in COLUMNS.items() if wide is not None}
RENAMED = {name: f"{name}2" for name in ("int", "string", "double", "fixed")}
TRANSFORMS = {
    "identity": set(COLUMNS) - {"float", "double"},
    "bucket[3]": set(COLUMNS) - {"boolean", "float", "double"},
    "truncate[2]": {"int", "long", "decimal", "string", "binary"},
    "year": {"date", "timestamp", "timestamptz"},
    "month": {"date", "timestamp", "timestamptz"},
    "day": {"date", "timestamp", "timestamptz"},
    "hour": {"timestamp", "timestamptz"},
}
SPECS = st.lists(
    st.sampled_from([(column, transform) for transform, columns in TRANSFORMS.items() for column in sorted(columns)]),
    max_size=2,
    unique_by=lambda field: field[0],
)
METRICS = st.sampled_from(["none", "counts", "full", "truncate(1)", "truncate(2)", "truncate(16)"])
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, _, values) in COLUMNS.items()}),
    min_size=1,
    max_size=8,
)


def predicates() -> st.SearchStrategy[ex.BooleanExpression]:
    def of(column: str) -> st.SearchStrategy[ex.BooleanExpression]:
        value = COLUMNS[column][2].filter(lambda v: v == v)  # no NaN literals
        kinds: list[st.SearchStrategy[ex.BooleanExpression]] = [
            st.builds(lambda kind: kind(column), st.sampled_from([ex.IsNull, ex.NotNull])),
            st.builds(
                lambda kind, v: kind(column, v),
                st.sampled_from(
                    [
                        ex.LessThan,
                        ex.LessThanOrEqual,
                        ex.GreaterThan,
                        ex.GreaterThanOrEqual,
                        ex.EqualTo,
                        ex.NotEqualTo,
                    ]
                ),
                value,
            ),
            st.builds(
                lambda kind, v: kind(column, v),
                st.sampled_from([ex.In, ex.NotIn]),
                st.lists(value, min_size=2, max_size=3),
            ),
        ]
        if column in ("float", "double"):
            kinds.append(st.builds(lambda kind: kind(column), st.sampled_from([ex.IsNaN, ex.NotNaN])))
        if column == "string":
            kinds.append(
                st.builds(lambda kind, v: kind(column, v), st.sampled_from([ex.StartsWith, ex.NotStartsWith]), value)
            )
        return st.one_of(kinds)

    return st.one_of([of(column) for column in COLUMNS])


FILTERS = st.recursive(
    predicates(),
    lambda inner: st.one_of(st.builds(ex.And, inner, inner), st.builds(ex.Or, inner, inner), st.builds(ex.Not, inner)),
    max_leaves=4,
)


def holds(expression: Any, row: dict[str, Any]) -> bool | None:
    """Whether a row matches, as engine/floe/expression/expression.h has it; None: null, which does not."""
    match expression:
        case ex.AlwaysTrue():
            return True
        case ex.AlwaysFalse():
            return False
        case ex.And():
            sides = holds(expression.left, row), holds(expression.right, row)
            return False if False in sides else None if None in sides else True
        case ex.Or():
            sides = holds(expression.left, row), holds(expression.right, row)
            return True if True in sides else None if None in sides else False
        case ex.Not():
            inner = holds(expression.child, row)
            return None if inner is None else not inner
    value = row[expression.term.name]
    match expression:
        case ex.IsNull():
            return value is None
        case ex.NotNull():
            return value is not None
        case ex.In() | ex.NotIn():
            listed = [of_literal(literal) for literal in expression.literals]
            if value is None and len(set(listed)) < 2:
                return None
            return (value in listed) == isinstance(expression, ex.In)
    if value is None:
        return None
    match expression:
        case ex.IsNaN():
            return bool(math.isnan(value))
        case ex.NotNaN():
            return not math.isnan(value)
    literal = of_literal(expression.literal)
    match expression:
        case ex.StartsWith():
            return bool(value.startswith(literal))
        case ex.NotStartsWith():
            return not value.startswith(literal)
        case ex.EqualTo():
            return bool(value == literal)
        case ex.NotEqualTo():
            return bool(value != literal)
        case ex.LessThan():
            return bool(value < literal)
        case ex.LessThanOrEqual():
            return bool(value <= literal)
        case ex.GreaterThan():
            return bool(value > literal)
        case ex.GreaterThanOrEqual():
            return bool(value >= literal)
    raise AssertionError(expression)


def of_literal(literal: Any) -> Any:
    """A literal as rows have values: text by its UTF-8, moments and days by number."""
    return key(literal.value)


def key(value: Any) -> Any:
    """A value that compares as Iceberg orders values of its type."""
    match value:
        case str():
            return value.encode()
        case dt.datetime():
            return (value.replace(tzinfo=None) - EPOCH) // dt.timedelta(microseconds=1)
        case dt.date():
            return (value - EPOCH.date()).days
        case dt.time():
            return (value.hour * 3600 + value.minute * 60 + value.second) * 10**6 + value.microsecond
        case uuid.UUID():
            return value.bytes
        case _:
            return value


def arrow(rows: list[dict[str, Any]], table: FloeTable) -> pa.Table:
    schema = table.schema().as_arrow()
    storage = pa.schema(
        [pa.field(f.name, f.type.storage_type if isinstance(f.type, pa.BaseExtensionType) else f.type) for f in schema]
    )
    plain_rows = [{k: v.bytes if isinstance(v, uuid.UUID) else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(plain_rows, storage)


def comparable(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted((tuple(plain(row[column]) for column in sorted(row)) for row in rows), key=repr)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> FloeCatalog:
    folder: Path = tmp_path_factory.mktemp("random")
    made = FloeCatalog("random", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    made.create_namespace("ns")
    return made


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return (f"ns.t{n}" for n in itertools.count())


def check(catalog: FloeCatalog, name: str, data: st.DataObject) -> None:
    draw = data.draw
    version = draw(st.sampled_from(["1", "2", "3"]), label="format version")
    properties = {"format-version": version, "write.metadata.metrics.default": draw(METRICS, label="metrics")}
    table = catalog.create_table(name, SCHEMA, properties=properties)
    model: list[dict[str, Any]] = []
    for step in range(draw(st.integers(1, 3), label="files")):
        if step == 1:
            with table.update_schema() as schema:
                for column, wide in WIDENED.items():
                    schema.update_column(column, wide)
                for old, new in RENAMED.items():
                    schema.rename_column(old, new)
            model = [{RENAMED.get(column, column): value for column, value in row.items()} for row in model]
        names = {column: RENAMED.get(column, column) if step else column for column in COLUMNS}
        with table.update_spec() as spec:
            for field in table.spec().fields:
                spec.remove_field(field.name)
            for column, transform in draw(SPECS, label="spec"):
                spec.add_field(names[column], transform, f"p{step}_{column}")
        file_format = draw(st.sampled_from(["parquet", "avro", "orc"]), label="format")
        with table.transaction() as transaction:
            transaction.set_properties({"write.format.default": file_format})
        rows = [{names[column]: value for column, value in row.items()} for row in draw(ROWS, label="rows")]
        table.append(arrow(rows, table))
        model += rows
    judged = [({column: key(value) for column, value in row.items()}, row) for row in model]

    def renamed(row_filter: ex.BooleanExpression) -> ex.BooleanExpression:
        return row_filter if "int" in table.schema().column_names else with_new_names(row_filter)

    if draw(st.booleans(), label="deletes"):
        gone = renamed(draw(FILTERS, label="deleted"))
        table.delete(gone, mode="copy-on-write" if version == "1" else "merge-on-read")
        judged = [(judge, row) for judge, row in judged if holds(gone, judge) is not True]
    assert comparable(table.scan().to_arrow().to_pylist()) == comparable([row for _, row in judged])
    for row_filter in draw(st.lists(FILTERS, min_size=8, max_size=8), label="filters"):
        row_filter = renamed(row_filter)
        expected = comparable([row for judge, row in judged if holds(row_filter, judge) is True])
        assert comparable(table.scan(row_filter).to_arrow().to_pylist()) == expected, row_filter
        assert table.scan(row_filter).count() == len(expected), row_filter


def with_new_names(expression: Any) -> ex.BooleanExpression:
    match expression:
        case ex.And():
            return ex.And(with_new_names(expression.left), with_new_names(expression.right))
        case ex.Or():
            return ex.Or(with_new_names(expression.left), with_new_names(expression.right))
        case ex.Not():
            return ex.Not(with_new_names(expression.child))
        case ex.AlwaysTrue() | ex.AlwaysFalse():
            return expression
    kind, column = type(expression), RENAMED.get(expression.term.name, expression.term.name)
    match expression:
        case ex.UnaryPredicate():
            return cast(ex.BooleanExpression, kind(column))
        case ex.SetPredicate():
            return cast(ex.BooleanExpression, kind(column, expression.literals))
        case _:
            return cast(ex.BooleanExpression, kind(column, expression.literal))


pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
EXAMPLES = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes longer than a test may
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(EXAMPLES, max_examples=60)
@given(data=st.data())
def test_pruned_reads_give_the_rows_that_match(catalog: FloeCatalog, names: Iterator[str], data: st.DataObject) -> None:
    check(catalog, next(names), data)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(EXAMPLES, max_examples=300)
@given(data=st.data())
def test_many_more_pruned_reads(catalog: FloeCatalog, names: Iterator[str], data: st.DataObject) -> None:
    check(catalog, next(names), data)
