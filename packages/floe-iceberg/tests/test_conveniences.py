"""Scans and tables as other libraries take them: Polars, DuckDB, pandas, and whatever takes Arrow streams."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from unittest import mock
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from polars.testing import assert_frame_equal
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

import floe_engine
from floe_iceberg import FloeCatalog, FloeScan, FloeTable
from floe_iceberg.arrow_dataset import ScanDataset

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "small", IntegerType()),
    NestedField(3, "flag", BooleanType()),
    NestedField(4, "real", FloatType()),
    NestedField(5, "double", DoubleType()),
    NestedField(6, "price", DecimalType(9, 2)),
    NestedField(7, "day", DateType()),
    NestedField(8, "at", TimeType()),
    NestedField(9, "local", TimestampType()),
    NestedField(10, "moment", TimestamptzType()),
    NestedField(11, "text", StringType()),
    NestedField(12, "bytes", BinaryType()),
    NestedField(13, "uuid", UUIDType()),
    NestedField(14, "list", ListType(15, IntegerType(), element_required=False)),
    NestedField(16, "struct", StructType(NestedField(17, "x", IntegerType()), NestedField(18, "y", StringType()))),
)
NAN = float("nan")


def rows(first: int, count: int) -> pa.Table:
    """Rows of every type, every seventh of nulls; floats with NaN, infinities and both zeros."""
    doubles = [0.0, -0.0, NAN, math.inf, -math.inf, 1.5]

    def row(i: int) -> dict[str, Any]:
        if i % 7 == 6:
            return {"id": i}
        moment = dt.datetime(2020, 1, 1) + dt.timedelta(hours=i)
        return {
            "id": i,
            "small": i % 10,
            "flag": i % 3 == 0,
            "real": doubles[i % 6],
            "double": doubles[(i + 1) % 6] if i % 4 else float(i),
            "price": Decimal(i) / 4,
            "day": moment.date(),
            "at": moment.time(),
            "local": moment,
            "moment": moment.replace(tzinfo=dt.UTC),
            "text": f"{'abc'[i % 3]}{i}",
            "bytes": bytes([i % 256]),
            "uuid": bytes(15) + bytes([i % 256]),
            "list": [i, None],
            "struct": {"x": i % 5, "y": None},
        }

    made = [row(i) for i in range(first, first + count)]
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("small", pa.int32()),
            ("flag", pa.bool_()),
            ("real", pa.float32()),
            ("double", pa.float64()),
            ("price", pa.decimal128(9, 2)),
            ("day", pa.date32()),
            ("at", pa.time64("us")),
            ("local", pa.timestamp("us")),
            ("moment", pa.timestamp("us", "UTC")),
            ("text", pa.string()),
            ("bytes", pa.binary()),
            ("uuid", pa.binary(16)),
            ("list", pa.list_(pa.int32())),
            ("struct", pa.struct([("x", pa.int32()), ("y", pa.string())])),
        ]
    )
    return pa.Table.from_pylist(made, schema=schema)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> FloeTable:
    """Ten files of fifty rows."""
    folder = tmp_path_factory.mktemp("warehouse")
    catalog = FloeCatalog("c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("ns")
    made = catalog.create_table("ns.t", SCHEMA)
    for first in range(0, 500, 50):
        made.append(rows(first, 50))
    made.delete("id = 3", mode="merge-on-read")
    return made


@pytest.fixture
def plans() -> Iterator[list[Any]]:
    """Each plan that a scan makes: its arguments and what came out."""
    made: list[Any] = []
    original = FloeScan._plan

    def plan(self: FloeScan, **options: Any) -> floe_engine.Plan:
        result = original(self, **options)
        if options.get("filter_json") != "false":  # to learn the schema
            made.append((options, result))
        return result

    with mock.patch.object(FloeScan, "_plan", plan):
        yield made


def frame_of(table: FloeTable) -> pl.DataFrame:
    return table.scan().to_polars()


# --- Arrow streams ---


def test_a_table_and_a_scan_are_arrow_streams(table: FloeTable) -> None:
    whole = frame_of(table)
    for source in (table, table.scan()):
        assert_frame_equal(cast(pl.DataFrame, pl.from_arrow(pa.table(source))), whole)
        assert pa.RecordBatchReader.from_stream(source).read_all().num_rows == whole.height
        assert_frame_equal(pl.DataFrame(source), whole)
        assert duckdb.sql("SELECT count(*) FROM source").fetchall() == [(whole.height,)]
        assert duckdb.sql("SELECT max(id) FROM source WHERE small = 3").fetchall() == [(493,)]
    assert sum(pa.table(table.scan(selected_fields=("id",)))["id"].to_pylist()) == sum(range(500)) - 3


def test_a_table_is_appended_to_another(table: FloeTable) -> None:
    copy = table.catalog.create_table("ns.copy", SCHEMA)
    copy.append(table)
    copy.append(table.scan("id < 10"))
    assert copy.scan().count() == 499 + 9


# --- changed copies of scans ---


def test_a_scan_moves_to_a_ref(table: FloeTable) -> None:
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().create_tag(first, "first").commit()
    assert table.scan().use_ref("first").count() == 50
    with pytest.raises(ValueError, match="unknown ref=none"):
        table.scan().use_ref("none")
    with pytest.raises(ValueError, match="already set snapshot"):
        table.scan(snapshot_id=first).use_ref("first")


def test_frames_of_pandas_and_polars(table: FloeTable) -> None:
    scan = table.scan("id < 100 and small = 3", selected_fields=("id", "text"))
    expected = [i for i in range(100) if i % 10 == 3 and i % 7 != 6 and i != 3]
    assert sorted(scan.to_pandas()["id"]) == expected
    assert sorted(scan.to_polars()["id"]) == expected
    assert scan.count() == len(expected)


# --- lazy Polars frames ---

c = pl.col
NOON = dt.time(12)
SOME_DAY = dt.datetime(2020, 1, 3, 7)

# What the engine takes over as a whole, and says in the very same way.
PUSHED: dict[str, pl.Expr] = {
    "equal": c("id") == 77,
    "not equal": c("small") != 3,
    "int of another width": c("small") == 4,
    "chain": (c("id") > 10) & (c("id") <= 200) & (c("text") < "b2"),
    "alternative": (c("id") < 10) | (c("text") >= "c") | c("price").is_null(),
    "mirrored": pl.lit(300) < c("id"),
    "flag": c("flag"),
    "no flag": ~c("flag"),
    "flag is true": c("flag") == True,  # noqa: E712
    "float less": c("real") < 1,
    "float less or equal": c("double") <= 0.0,
    "float greater": c("real") > 1,
    "float greater or equal": c("double") >= 0.0,
    "float equal": c("real") == 0.0,
    "float not equal": c("double") != -0.0,
    "nan": c("real").is_nan(),
    "no nan": c("double").is_not_nan(),
    "decimal": c("price") > Decimal("1.25"),
    "decimal of more digits": c("price") <= Decimal("1.251"),
    "decimal and int": c("price") >= 7,
    "date": c("day") == dt.date(2020, 1, 3),
    "time": c("at") >= NOON,
    "timestamp": c("local") >= SOME_DAY,
    "timestamp with zone": c("moment") < SOME_DAY.replace(tzinfo=dt.UTC),
    "null": c("text").is_null(),
    "no null": c("text").is_not_null(),
    "not null": ~c("text").is_null(),
    "in": c("id").is_in([1, 3, 5, 499, 1000]),
    "not in": ~c("text").is_in(["a0", "b1"]),
    "in of one": c("small").is_in([3]),
    "not in of one": ~c("small").is_in([3]),
    "in nothing": c("id").is_in([]),
    "between": c("id").is_between(10, 20),
    "between, open": c("id").is_between(10, 20, closed="none"),
    "starts with": c("text").str.starts_with("b1"),
    "starts not with": ~c("text").str.starts_with("b1"),
    "field": c("struct").struct.field("x") == 2,
    "field is null": c("struct").struct.field("x").is_null(),
    "negated": ~((c("id") > 5) & (c("small") < 7)),
}

# What Polars does itself.
LEFT: dict[str, pl.Expr] = {
    "two columns": c("id") == c("small"),
    "arithmetic": c("id") + 1 > 400,
    "cast": c("id").cast(pl.Float64) > 400.5,
    "nan literal": c("double") == NAN,
    "infinity": c("double") >= math.inf,
    "null in a list": c("text").is_in(["a0", None]),
    "missing equals": c("text").eq_missing(c("text")),
    "contains": c("text").str.contains("1"),
    "exclusive or": (c("id") > 5).xor(c("small") < 7),
    "list": c("list").list.first() > 400,
    "binary": c("bytes") == b"\x05",
    "other zone": c("moment").dt.convert_time_zone("Asia/Tokyo")
    > dt.datetime(2020, 1, 3, tzinfo=ZoneInfo("Asia/Tokyo")),
    "out of range": c("small") == 5_000_000_000,
}


@pytest.mark.parametrize("name", [*PUSHED, *LEFT])
def test_a_lazy_frame_filters_as_polars_does(table: FloeTable, name: str, plans: list[Any]) -> None:
    predicate = {**PUSHED, **LEFT}[name]
    expected = frame_of(table).filter(predicate)
    plans.clear()
    lazy = table.scan().to_polars_lazy()
    assert_frame_equal(lazy.filter(predicate).collect(), expected)
    assert_frame_equal(lazy.filter(predicate).collect(engine="streaming"), expected)
    assert_frame_equal(lazy.filter(predicate).select("id").collect(), expected.select("id"))
    pushed = {options["filter_json"] != "" for options, _ in plans}
    if name in PUSHED and plans:  # Polars reads nothing for what is surely false
        assert pushed == {True}
    if name in LEFT:
        assert pushed <= {False}


def test_a_part_of_a_filter_is_pushed_down(table: FloeTable, plans: list[Any]) -> None:
    predicate = (c("id") >= 450) & (c("id") % 2 == 0)
    expected = frame_of(table).filter(predicate).select("text")
    plans.clear()
    assert_frame_equal(table.scan().to_polars_lazy().filter(predicate).select("text").collect(), expected)
    [(options, plan)] = plans
    assert plan.files == 1
    assert set(options["columns"]) == {"id", "text"}


def test_columns_and_limits_are_pushed_down(table: FloeTable, plans: list[Any]) -> None:
    lazy = table.scan().to_polars_lazy()
    assert lazy.select("price").head(3).collect().height == 3
    [(options, _)] = plans
    assert options["columns"] == ["price"]
    assert options["limit"] == 3
    plans.clear()
    assert lazy.select(pl.len()).collect().item() == 499
    assert len(plans[0][0]["columns"] or ()) <= 1


def test_rows_are_counted_before_they_are_filtered(table: FloeTable) -> None:
    frame, lazy = frame_of(table), table.scan().to_polars_lazy()
    odd = c("id") % 2 == 1
    assert_frame_equal(lazy.head(60).filter(c("id") > 55).collect(), frame.head(60).filter(c("id") > 55))
    assert_frame_equal(lazy.filter(c("id") > 55).head(5).collect(), frame.filter(c("id") > 55).head(5))
    assert_frame_equal(lazy.filter(odd).head(5).collect(), frame.filter(odd).head(5))
    limited = table.scan(limit=60).to_polars_lazy()
    assert_frame_equal(limited.filter(c("id") > 55).collect(), frame.head(60).filter(c("id") > 55))
    assert limited.select(pl.len()).collect().item() == 60
    assert limited.head(100).collect().height == 60
    assert_frame_equal(lazy.slice(70, 9).collect(), frame.slice(70, 9))
    assert_frame_equal(lazy.tail(9).collect(), frame.tail(9))


def test_a_lazy_frame_is_of_its_scan(table: FloeTable) -> None:
    scan = table.scan("id < 100", selected_fields=("id", "struct.x", "_file"))
    lazy = scan.to_polars_lazy()
    assert lazy.collect_schema() == scan.to_polars().schema
    assert lazy.filter(c("id") >= 90).collect()["id"].to_list() == list(range(90, 100))
    assert lazy.select("struct").collect().schema == {"struct": pl.Struct({"x": pl.Int32})}
    path = lazy.select("_file").unique().collect()["_file"].sort()[0]
    assert lazy.filter(c("_file") == path).collect().height in (49, 50)
    folded = table.scan("ID < 100", selected_fields=("ID", "Struct.X"), case_sensitive=False).to_polars_lazy()
    assert folded.filter(c("id") >= 98).select("struct").collect().height == 2
    first = table.snapshots()[0].snapshot_id
    assert table.scan(snapshot_id=first).to_polars_lazy().select(pl.len()).collect().item() == 50


def test_errors_come_out_of_polars(table: FloeTable, tmp_path: Path) -> None:
    with pytest.raises(floe_engine.InvalidArgument, match="nothing"):
        table.scan("nothing = 1").to_polars_lazy()
    catalog = FloeCatalog("d", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    broken = catalog.create_table("ns.broken", SCHEMA)
    broken.append(rows(0, 5))
    lazy = broken.scan().to_polars_lazy()
    [file] = tmp_path.rglob("*.parquet")
    file.unlink()
    with pytest.raises((floe_engine.NotFound, pl.exceptions.ComputeError), match=file.name):
        lazy.collect()


def test_an_empty_table(tmp_path: Path) -> None:
    catalog = FloeCatalog("d", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    empty = catalog.create_table("ns.empty", SCHEMA)
    lazy = empty.scan().to_polars_lazy()
    assert lazy.filter(c("id") > 1).collect().schema == lazy.collect_schema()
    assert empty.scan().to_duckdb("t").sql("SELECT count(*), max(id) FROM t WHERE id > 1").fetchall() == [(0, None)]
    assert pa.table(empty).num_rows == 0


def test_a_stream_is_left_early_in_bounded_memory(table: FloeTable) -> None:
    lazy = table.scan(options={"floe.scan.read-ahead-bytes": "1"}).to_polars_lazy()
    tracemalloc.start()
    assert lazy.head(1).collect().height == 1
    assert sum(frame.height for frame in lazy.select("id").collect_batches(chunk_size=50)) == 499
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


# --- DuckDB ---

QUERIES: dict[str, tuple[str, bool]] = {  # and whether fewer files are planned
    "all": ("true", False),
    "equal": ("id = 77", True),
    "chain": ("id > 100 AND id <= 200 AND text < 'b2'", True),
    "alternative": ("id < 10 OR id > 480", True),
    "in": ("id IN (1, 3, 499)", False),
    "not": ("NOT (id = 5) AND small IS NOT NULL", False),
    "null": ("text IS NULL", False),
    "float": ('"double" > 1', False),
    "float and NaN": ("real >= 'nan'::FLOAT", False),
    "zero": ("real = 0", False),
    "decimal": ("price < 2.25", False),  # which DuckDB pushes down to no dataset
    "date": ("day = DATE '2020-01-03'", True),
    "time": ("\"at\" >= TIME '12:00:00'", False),
    "timestamp": ("local >= TIMESTAMP '2020-01-20 00:00:00'", True),
    "timestamp with zone": ("moment < TIMESTAMPTZ '2020-01-03 07:00:00+00'", True),
    "text": ("text LIKE 'b1%'", False),
    "field": ("struct.x = 2", False),
    "expression": ("id + small = 100", False),
    "binary": ("bytes = '\\x05'::BLOB", False),
    "flag": ("flag AND id < 50", True),
}


@pytest.mark.parametrize("name", QUERIES)
def test_duckdb_filters_as_it_does_itself(table: FloeTable, name: str, plans: list[Any]) -> None:
    condition, pruned = QUERIES[name]
    connection = table.scan().to_duckdb("t")
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("arrow", table.scan().to_arrow())
    connection.execute("CREATE TABLE own AS SELECT * FROM arrow")  # where NaN is compared by DuckDB itself
    plans.clear()
    query = "SELECT id, text, struct FROM {} WHERE {} ORDER BY id"
    found = connection.sql(query.format("t", condition)).fetchall()
    assert found == connection.sql(query.format("own", condition)).fetchall()
    assert (plans[-1][1].files < 10) == pruned


def test_duckdb_asks_again_and_again(table: FloeTable, plans: list[Any]) -> None:
    connection = duckdb.connect()
    assert table.scan("id < 100").to_duckdb("t", connection) is connection
    for _ in range(2):
        assert connection.sql("SELECT count(*) FROM t").fetchall() == [(99,)]
    assert connection.sql("SELECT count(*) FROM t AS a JOIN t AS b USING (id)").fetchall() == [(99,)]
    plans.clear()
    assert connection.sql("SELECT text FROM t WHERE id = 7").fetchall() == [("b7",)]
    assert {"id", "text"} == set(plans[-1][0]["columns"])
    limited = table.scan(limit=60).to_duckdb("l")
    assert limited.sql("SELECT count(*) FROM l").fetchall() == [(60,)]
    assert limited.sql("SELECT count(*) FROM l WHERE id >= 0").fetchall() == [(60,)]


def test_duckdb_filters_metadata_columns_itself(table: FloeTable) -> None:
    connection = table.scan(selected_fields=("id", "_file", "_pos")).to_duckdb("t")
    [(path,)] = connection.sql("SELECT _file FROM t WHERE id = 70").fetchall()
    assert connection.execute("SELECT count(*) FROM t WHERE _file = ?", [path]).fetchall() == [(50,)]
    assert connection.sql("SELECT count(*) FROM t WHERE _pos = 0 AND id > 100").fetchall() == [(7,)]


def test_duckdb_tells_what_is_wrong(table: FloeTable, tmp_path: Path) -> None:
    with pytest.raises(floe_engine.InvalidArgument, match="nothing"):
        table.scan("nothing = 1").to_duckdb("t")
    catalog = FloeCatalog("d", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    broken = catalog.create_table("ns.broken", SCHEMA)
    broken.append(rows(0, 5))
    connection = broken.scan().to_duckdb("t")
    [file] = tmp_path.rglob("*.parquet")
    file.unlink()
    with pytest.raises(Exception, match=file.name):
        connection.sql("SELECT sum(id) FROM t").fetchall()


DATASET: dict[str, Callable[[ScanDataset], Any]] = {
    "to_table": lambda d: d.to_table(columns=["id"], filter=pc.field("id") < 5)["id"].to_pylist(),
    "not pushed": lambda d: d.to_table(columns=["id"], filter=pc.field("id") + 1 < 6)["id"].to_pylist(),
    "batches": lambda d: [i for b in d.to_batches(filter=pc.field("id") < 5) for i in b["id"].to_pylist()],
}


@pytest.mark.parametrize("name", DATASET)
def test_the_dataset_that_duckdb_sees(table: FloeTable, name: str) -> None:
    dataset = ScanDataset(table.scan())
    assert dataset.schema.names == [field.name for field in SCHEMA.fields]
    assert sorted(DATASET[name](dataset)) == [0, 1, 2, 4]
    assert dataset.count_rows() == 499
    assert dataset.head(3).num_rows == 3
    with pytest.raises(NotImplementedError):
        dataset.get_fragments()


def test_scans_travel(table: FloeTable) -> None:
    assert pickle.loads(pickle.dumps(table)).scan("id < 5").to_polars_lazy().collect().height == 4
