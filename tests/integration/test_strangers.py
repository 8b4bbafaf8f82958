"""Strangers read our tables and we read theirs: equal row by row."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    GeometryType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampNanoType,
    TimestampType,
    TimestamptzNanoType,
    TimestamptzType,
    TimeType,
    UnknownType,
    UUIDType,
)

from tests.integration.strangers import Warehouse, rows

UTC = dt.UTC

SCHEMA = Schema(
    NestedField(1, "boolean", BooleanType()),
    NestedField(2, "int", IntegerType()),
    NestedField(3, "long", LongType()),
    NestedField(4, "float", FloatType()),
    NestedField(5, "double", DoubleType()),
    NestedField(6, "decimal_9", DecimalType(9, 2)),
    NestedField(7, "decimal_18", DecimalType(18, 4)),
    NestedField(8, "decimal_38", DecimalType(38, 10)),
    NestedField(9, "date", DateType()),
    NestedField(10, "time", TimeType()),
    NestedField(11, "timestamp", TimestampType()),
    NestedField(12, "timestamptz", TimestamptzType()),
    NestedField(13, "string", StringType()),
    NestedField(14, "uuid", UUIDType()),
    NestedField(15, "fixed", FixedType(5)),
    NestedField(16, "binary", BinaryType()),
    NestedField(17, "struct", StructType(NestedField(20, "a", IntegerType()), NestedField(21, "b", StringType()))),
    NestedField(18, "list", ListType(22, LongType(), element_required=False)),
    NestedField(19, "map", MapType(23, StringType(), 24, DoubleType(), value_required=False)),
)

#: Extremes of every type, one row each; missing columns are null.
ROWS: list[dict[str, Any]] = [
    {},
    {
        "boolean": True, "int": -(2**31), "long": -(2**63), "float": float("nan"), "double": float("nan"),
        "decimal_9": Decimal("-9999999.99"), "decimal_18": Decimal("-1.2800"), "decimal_38": Decimal("-3.2768000000"),
        "date": dt.date(1969, 12, 31), "time": dt.time(0), "timestamp": dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        "timestamptz": dt.datetime(1, 1, 2, tzinfo=UTC), "string": "", "uuid": uuid.UUID(int=0), "fixed": b"\0" * 5,
        "binary": b"", "struct": {"a": None, "b": ""}, "list": [], "map": [],
    },
    {
        "boolean": False, "int": 2**31 - 1, "long": 2**63 - 1, "float": -0.0, "double": -0.0,
        "decimal_9": Decimal("9999999.99"), "decimal_18": Decimal("99999999999999.9999"),
        "decimal_38": Decimal("9999999999999999999999999999.9999999999"),
        "date": dt.date(9999, 12, 31), "time": dt.time(23, 59, 59, 999999), "timestamp": dt.datetime(9999, 12, 31, 23),
        "timestamptz": dt.datetime(2262, 4, 12, tzinfo=UTC), "string": "\U0001f600 über " * 10,
        "uuid": uuid.UUID(int=2**128 - 1), "fixed": b"\xff" * 5, "binary": b"\xff" * 40,
        "struct": {"a": 1, "b": "x"}, "list": [1, None, -(2**63)], "map": [("k", 1.5), ("n", None)],
    },
    {
        "float": float("inf"), "double": float("-inf"), "decimal_9": Decimal("-0.01"), "decimal_18": Decimal("0"),
        "date": dt.date(1, 1, 1), "timestamp": dt.datetime(2013, 1, 1, 5), "string": "\U0010ffff" * 20, "struct": None,
        "list": None, "map": None, "int": 0, "long": 0,
    },
]  # fmt: skip


def arrow_rows(schema: Schema, values: list[dict[str, Any]]) -> pa.Table:
    arrow = schema.as_arrow()
    columns = []
    for field in arrow:
        column = [row.get(field.name) for row in values]
        if field.name == "uuid":
            storage = pa.array([v.bytes if v else None for v in column], pa.binary(16))
            columns.append(pa.ExtensionArray.from_storage(pa.uuid(), storage) if field.type == pa.uuid() else storage)
        else:
            columns.append(pa.array(column, field.type))
    return pa.Table.from_arrays(columns, schema=arrow)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


@pytest.mark.parametrize("version", ["1", "2"])
def test_every_type_reads_equal_by_everyone(warehouse: Warehouse, version: str) -> None:
    data = arrow_rows(SCHEMA, ROWS)
    table = warehouse.ours.create_table("ns.types", schema=SCHEMA, properties={"format-version": version})
    table.append(data)
    expected = rows(data)
    assert rows(table.scan().to_arrow()) == expected
    assert rows(warehouse.theirs.load_table("ns.types").scan().to_arrow()) == expected
    assert rows(warehouse.duckdb("ns.types")) == expected


NANOS = [-1, None, 1_700_000_000_123_456_789]
POINT = bytes.fromhex("0101000000000000000000f03f0000000000000040")

#: Types of format version 3: the values, and the strangers that can read them. PyIceberg 0.12 reads no geometry and no
#: geography ("Cannot promote an binary to geometry"); DuckDB 1.5.5 knows no timestamptz_ns, unknown and geography.
#: Neither PyIceberg nor DuckDB's Arrow output has a type for variant.
VERSION_3: list[tuple[PrimitiveType, pa.Array, set[str]]] = [
    (TimestampNanoType(), pa.array(NANOS, pa.timestamp("ns")), {"pyiceberg", "duckdb"}),
    (TimestamptzNanoType(), pa.array(NANOS, pa.timestamp("ns", "UTC")), {"pyiceberg"}),
    (UnknownType(), pa.nulls(3), {"pyiceberg"}),
    (GeometryType(), pa.array([POINT, None, POINT], pa.binary()), {"duckdb"}),
]


@pytest.mark.parametrize(("column_type", "values", "readers"), VERSION_3, ids=[str(t) for t, _, _ in VERSION_3])
def test_types_of_version_3(
    warehouse: Warehouse, column_type: PrimitiveType, values: pa.Array, readers: set[str]
) -> None:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "value", column_type))
    table = warehouse.ours.create_table("ns.v3", schema=schema, properties={"format-version": "3"})
    table.append(pa.table({"id": [1, 2, 3], "value": values}))
    assert table.scan().to_arrow()["value"].to_pylist() == values.to_pylist()
    if "pyiceberg" in readers:
        theirs = warehouse.theirs.load_table("ns.v3").scan().to_arrow()
        assert theirs.sort_by("id")["value"].to_pylist() == values.to_pylist()
    if "duckdb" in readers:
        assert warehouse.duckdb("ns.v3").sort_by("id")["value"].to_pylist() == values.to_pylist()


def test_we_read_what_pyiceberg_wrote(warehouse: Warehouse) -> None:
    data = arrow_rows(SCHEMA, ROWS)
    theirs = warehouse.theirs.create_table("ns.theirs", schema=SCHEMA)
    theirs.append(data)
    theirs.append(data.slice(1, 2))
    ours = warehouse.ours.load_table("ns.theirs")
    assert rows(ours.scan().to_arrow()) == rows(theirs.scan().to_arrow())
    assert ours.scan().count() == len(ROWS) + 2


def test_both_append_to_one_table_in_turn(warehouse: Warehouse) -> None:
    data = arrow_rows(SCHEMA, ROWS)
    warehouse.ours.create_table("ns.shared", schema=SCHEMA)
    for catalog in (warehouse.ours, warehouse.theirs, warehouse.ours, warehouse.theirs):
        catalog.load_table("ns.shared").append(data)
    expected = rows(pa.concat_tables([data] * 4))
    assert rows(warehouse.ours.load_table("ns.shared").scan().to_arrow()) == expected
    assert rows(warehouse.theirs.load_table("ns.shared").scan().to_arrow()) == expected
    assert rows(warehouse.duckdb("ns.shared")) == expected
    snapshot = warehouse.theirs.load_table("ns.shared").current_snapshot()
    assert snapshot is not None
    summary = snapshot.summary
    assert summary is not None
    assert summary["total-records"] == str(4 * len(ROWS))
    assert summary["total-data-files"] == "4"


IDENTITY = ("boolean", "int", "long", "decimal_9", "date", "string", "timestamp", "timestamptz")
BUCKET = (*IDENTITY[1:], "decimal_38", "time", "uuid", "fixed", "binary")
TRANSFORMS: list[tuple[str, Transform[Any, Any]]] = [
    *((c, IdentityTransform()) for c in IDENTITY),
    *((c, BucketTransform(4)) for c in BUCKET),
    *((c, TruncateTransform(3)) for c in ("int", "long", "decimal_9", "decimal_38", "string")),
    *((c, YearTransform()) for c in ("date", "timestamp", "timestamptz")),
    *((c, MonthTransform()) for c in ("date", "timestamp", "timestamptz")),
    *((c, DayTransform()) for c in ("date", "timestamp", "timestamptz")),
    *((c, HourTransform()) for c in ("timestamp", "timestamptz")),
    ("int", VoidTransform()),
]


@pytest.mark.parametrize(("column", "transform"), TRANSFORMS, ids=[f"{t}({c})" for c, t in TRANSFORMS])
def test_each_transform_partitions_as_pyiceberg_does(
    warehouse: Warehouse, column: str, transform: Transform[Any, Any]
) -> None:
    source = SCHEMA.find_field(column).field_id
    spec = PartitionSpec(PartitionField(source, 1000, transform, "part"))
    values = ROWS
    if isinstance(transform, TruncateTransform):  # the least values would be truncated to less than the least
        values = [
            row | {"int": max(row.get("int", 0), -(2**31) + 2), "long": max(row.get("long", 0), -(2**62))}
            for row in ROWS
        ]
    data = arrow_rows(SCHEMA, values)
    table = warehouse.ours.create_table("ns.ours", schema=SCHEMA, partition_spec=spec)
    table.append(data)
    assert rows(table.scan().to_arrow()) == rows(data)
    theirs = warehouse.theirs.load_table("ns.ours")
    assert rows(theirs.scan().to_arrow()) == rows(data)
    assert rows(warehouse.duckdb("ns.ours")) == rows(data)
    # PyIceberg computes each row's partition value itself: it must be the one that our manifest holds for the file.
    apply = transform.transform(SCHEMA.find_field(column).field_type)
    for task in theirs.scan().plan_files():
        values = pa_values(task.file.file_path, column)
        assert {apply(v) for v in values} == {task.file.partition[0]}, task.file.file_path


def pa_values(path: str, column: str) -> list[Any]:
    """A column's values in one data file, in PyIceberg's internal representation."""
    import pyarrow.parquet as pq
    from pyiceberg.utils.datetime import date_to_days, datetime_to_micros, time_to_micros

    out: list[Any] = []
    for value in pq.read_table(path.removeprefix("file://")).column(column).to_pylist():
        match value:
            case dt.datetime():
                out.append(datetime_to_micros(value.replace(tzinfo=None)))
            case dt.date():
                out.append(date_to_days(value))
            case dt.time():
                out.append(time_to_micros(value))
            case uuid.UUID():
                out.append(value.bytes)
            case _:
                out.append(value)
    return out


def test_our_metrics_are_pyicebergs(warehouse: Warehouse) -> None:
    """Counts and bounds of one file, as PyIceberg computes them for the same rows."""
    data = arrow_rows(SCHEMA, ROWS[1:3])
    ours = warehouse.ours.create_table("ns.ours", schema=SCHEMA)
    ours.append(data)
    theirs = warehouse.theirs.create_table("ns.theirs", schema=SCHEMA)
    theirs.append(data)
    (a,) = (task.file for task in warehouse.theirs.load_table("ns.ours").scan().plan_files())
    (b,) = (task.file for task in theirs.scan().plan_files())
    assert a.record_count == b.record_count
    # Within lists and maps PyIceberg counts elements; we keep no metrics there, as Java does.
    repeated = {22, 23, 24}
    assert a.value_counts == {k: v for k, v in b.value_counts.items() if k not in repeated}
    assert a.null_value_counts == {k: v for k, v in b.null_value_counts.items() if k not in repeated}
    for ours_bounds, theirs_bounds in ((a.lower_bounds, b.lower_bounds), (a.upper_bounds, b.upper_bounds)):
        for field_id, bound in theirs_bounds.items():
            field = SCHEMA.find_field(field_id)
            if isinstance(field.field_type, FloatType | DoubleType):
                continue  # PyIceberg keeps -0.0 and drops NaN by Parquet's rules; ours are checked below
            if field.field_type == StringType() or field.field_type == BinaryType():
                assert ours_bounds[field_id].startswith(bound[:1]) or ours_bounds[field_id] >= bound[:16]
                continue
            assert ours_bounds[field_id] == bound, field.name
    assert a.nan_value_counts == {4: 1, 5: 1}
    assert struct.unpack("<d", a.lower_bounds[5])[0] == 0.0
    assert a.file_size_in_bytes == Path(a.file_path.removeprefix("file://")).stat().st_size
