"""Dagster's assets as Iceberg tables: written, read, repeated, and backfilled by real runs."""

import datetime as dt
import os
import subprocess
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo

from floe_iceberg import FloeScan, FloeTable
from floe_iceberg.dagster import layout
from floe_iceberg.dagster.layout import parse_term
from floe_iceberg.errors import CommitFailedError, InvalidArgumentError, NoSuchTableError
from floe_iceberg.io_manager import IcebergIOManager, TableIOManager, create_iceberg_io_manager
from floe_iceberg.plugin import IcebergStoragePlugin
from floe_iceberg.stores import S3StorageConfig, S3StoragePlugin

ROWS = pa.table({"id": [1, 2], "carrier": ["UA", "AA"]})
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
BY_DAY = {"iceberg_partition_column": "day"}


@pytest.fixture
def lake(tmp_path: Path) -> IcebergIOManager:
    return make_lake(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def make_lake(folder: Path, **more: Any) -> IcebergIOManager:
    catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    return IcebergIOManager(namespace="lake", catalog=catalog, **more)


def run(lake: Any, *assets: Any, **more: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(list(assets), resources={"io_manager": lake}, **more)


def table_of(lake: IcebergIOManager, *path: str) -> FloeTable:
    return lake.tables.load_table(path)


def rows_of(lake: IcebergIOManager, *path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table_of(lake, *path).scan().to_arrow().to_pylist()
    return found


def made(function: Callable[..., Any], **more: Any) -> dg.AssetsDefinition:
    asset: dg.AssetsDefinition = dg.asset(**more)(function)
    return asset


def asset_of(value: Callable[[], Any], **more: Any) -> dg.AssetsDefinition:
    def rows() -> dg.Output[Any]:
        return dg.Output(value())

    return made(rows, **more)


def day_asset(rows: int = 2, **more: Any) -> dg.AssetsDefinition:
    def days(context: dg.AssetExecutionContext) -> pa.Table:
        keys = [dt.date.fromisoformat(key) for key in context.partition_keys]
        return pa.table({"day": keys * rows, "n": list(range(len(keys) * rows))})

    return made(days, **{"partitions_def": DAYS, "metadata": BY_DAY, **more})


# --- what an output may be ---


def batches() -> Iterator[pa.RecordBatch]:
    yield from ROWS.slice(0, 1).to_batches()
    yield from ROWS.slice(1, 1).to_batches()


OUTPUTS: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: ROWS,
    "pyarrow.RecordBatch": lambda: ROWS.to_batches()[0],
    "pyarrow.RecordBatchReader": lambda: ROWS.to_reader(),
    "pandas": lambda: ROWS.to_pandas(),
    "pandas, with an index that has a name": lambda: ROWS.to_pandas().set_index("id"),
    "pandas, filtered, so that the index is no range": lambda: pd.concat([ROWS.to_pandas()] * 2).iloc[2:][::1],
    "polars": lambda: pl.from_arrow(ROWS),
    "polars lazy": lambda: pl.from_arrow(ROWS).lazy().filter(pl.col("id") > 0),  # type: ignore[union-attr]
    "duckdb relation": lambda: duckdb.from_arrow(ROWS).filter("id > 0"),
    "iterator of batches": lambda: iter(ROWS.to_batches()),
    "generator of batches": batches,
    "list of polars frames": lambda: [pl.from_arrow(ROWS[:1]), pl.from_arrow(ROWS[1:])],
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_rows_of_every_kind_are_written(lake: IcebergIOManager, kind: str) -> None:
    run(lake, asset_of(OUTPUTS[kind]))
    assert sorted(rows_of(lake, "rows"), key=lambda row: row["id"]) == ROWS.to_pylist()
    assert set(table_of(lake, "rows").schema().column_names) == {"id", "carrier"}


def test_a_scan_of_another_table_is_written_as_a_stream(lake: IcebergIOManager) -> None:
    @dg.asset
    def late(rows: FloeScan) -> FloeScan:
        return rows.filter("id > 1")

    run(lake, asset_of(lambda: ROWS), late)
    assert rows_of(lake, "late") == [{"id": 2, "carrier": "AA"}]


@pytest.mark.parametrize("value", ["text", 7, {"id": 1}, [1, 2]])
def test_what_has_no_rows_is_refused_and_leaves_no_table(lake: IcebergIOManager, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="rows"):
        run(lake, asset_of(lambda: value))
    assert not lake.tables.catalog.table_exists("lake.rows")


def test_an_iterator_that_fails_midway_leaves_neither_rows_nor_a_table(lake: IcebergIOManager) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from ROWS.to_batches()
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        run(lake, asset_of(broken))
    assert not lake.tables.catalog.table_exists("lake.rows")


def test_columns_of_types_that_iceberg_lacks_become_those_that_hold_them(lake: IcebergIOManager) -> None:
    frame = pl.DataFrame(
        {
            "kind": pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
            "count": pl.Series([4_000_000_000], dtype=pl.UInt32),
            "at": pl.Series([dt.datetime(2024, 1, 1)], dtype=pl.Datetime("ns", "America/New_York")),
            "nested": [{"time": dt.time(1, 2)}],
        }
    )
    run(lake, asset_of(lambda: frame))
    (row,) = rows_of(lake, "rows")
    assert row["kind"] == "a"
    assert row["count"] == 4_000_000_000
    assert row["at"] == frame["at"][0]
    assert row["nested"] == {"time": dt.time(1, 2)}


def test_none_leaves_the_table_as_it_is(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: None))
    assert not lake.tables.catalog.table_exists("lake.rows")
    run(lake, asset_of(lambda: ROWS))
    run(lake, asset_of(lambda: None, metadata={"iceberg_write_mode": "overwrite"}))
    assert rows_of(lake, "rows") == ROWS.to_pylist()


@pytest.mark.parametrize("empty", [lambda: ROWS.slice(0, 0), lambda: iter(())])
def test_an_empty_output_replaces_by_nothing(lake: IcebergIOManager, empty: Callable[[], Any]) -> None:
    run(lake, asset_of(empty))
    assert lake.tables.catalog.table_exists("lake.rows") == isinstance(empty(), pa.Table)
    run(lake, asset_of(lambda: ROWS))
    run(lake, asset_of(empty))
    assert rows_of(lake, "rows") == ROWS.to_pylist()
    run(lake, asset_of(empty, metadata={"iceberg_write_mode": "overwrite"}))
    assert rows_of(lake, "rows") == []


# --- what an input may be ---


@pytest.mark.parametrize(
    ("annotation", "read"),
    [
        (pa.Table, lambda got: got.to_pylist()),
        (Any, lambda got: got.to_pylist()),
        (Optional[pa.Table], lambda got: got.to_pylist()),  # noqa: UP045
        (pa.RecordBatchReader, lambda got: got.read_all().to_pylist()),
        (pd.DataFrame, lambda got: got.to_dict("records")),
        (pl.DataFrame, lambda got: got.to_dicts()),
        (pl.LazyFrame, lambda got: got.collect().to_dicts()),
        (duckdb.DuckDBPyRelation, lambda got: got.to_arrow_table().to_pylist()),
        (FloeScan, lambda got: got.to_arrow().to_pylist()),
        (FloeTable, lambda got: got.scan().to_arrow().to_pylist()),
    ],
)
def test_an_input_is_what_it_is_annotated_with(
    lake: IcebergIOManager, annotation: Any, read: Callable[[Any], Any]
) -> None:
    seen: list[Any] = []

    def reader(rows: Any) -> None:
        assert annotation in (Any, Optional[pa.Table]) or isinstance(rows, annotation)  # noqa: UP045
        seen.extend(read(rows))

    reader.__annotations__ = {"rows": annotation, "return": None}
    run(lake, asset_of(lambda: ROWS), dg.asset(reader))
    assert seen == ROWS.to_pylist()


SPARK = """
import datetime as dt, sys
import dagster as dg
from pyspark.sql import DataFrame, SparkSession
from floe_iceberg.io_manager import IcebergIOManager

settings = {"ui.enabled": "false", "driver.host": "127.0.0.1", "driver.bindAddress": "127.0.0.1"}
builder = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
for key, value in settings.items():
    builder = builder.config(f"spark.{key}", value)
session = builder.getOrCreate()

@dg.asset
def flights() -> DataFrame:
    rows = [(1, "UA", dt.datetime(2024, 1, 1, 12), [1, 2]), (2, None, None, None)]
    return session.createDataFrame(rows, "id bigint, carrier string, at timestamp, stops array<int>")

@dg.asset
def late(flights: DataFrame) -> DataFrame:
    assert dict(flights.dtypes)["at"] == "timestamp"
    return flights.where("id > 1")

folder = sys.argv[1]
catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
dg.materialize([flights, late], resources={"io_manager": IcebergIOManager(namespace="lake", catalog=catalog)})
session.stop()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pyspark_frames_are_written_and_read(lake: IcebergIOManager, tmp_path: Path) -> None:
    home = Path(__file__).parents[3] / "build/spark"
    if not (home / ".ready").exists():
        pytest.skip("no Spark: run `make spark`")
    libraries = next(home.glob("venv/lib/python*/site-packages"))
    environment = os.environ | {"TZ": "UTC", "PYTHONPATH": str(libraries)}
    command = [sys.executable, "-c", SPARK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=550)
    assert done.returncode == 0, done.stderr[-3000:]
    noon = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    assert rows_of(lake, "flights") == [
        {"id": 1, "carrier": "UA", "at": noon, "stops": [1, 2]},
        {"id": 2, "carrier": None, "at": None, "stops": None},
    ]
    assert [row["id"] for row in rows_of(lake, "late")] == [2]


def test_an_iterator_gives_batches(lake: IcebergIOManager) -> None:
    seen: list[int] = []

    @dg.asset
    def reader(rows: Iterator) -> None:  # type: ignore[type-arg]  # Dagster knows no other
        seen.extend(batch.num_rows for batch in rows)

    run(lake, asset_of(lambda: ROWS), reader)
    assert sum(seen) == 2


def test_an_input_of_a_type_without_rows_is_refused_by_name(lake: IcebergIOManager) -> None:
    @dg.asset
    def reader(rows: str) -> None: ...

    with pytest.raises(InvalidArgumentError, match="cannot be a builtins"):
        run(lake, asset_of(lambda: ROWS), reader)


def test_an_input_may_be_columns_rows_a_snapshot_or_a_branch(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: ROWS))
    table = table_of(lake, "rows")
    first = table.current_snapshot()
    assert first is not None
    table.append(pa.table({"id": [3], "carrier": ["DL"]}))
    table.append(pa.table({"id": [4], "carrier": ["B6"]}), branch="audit")
    seen: dict[str, Any] = {}

    def reader(name: str, **metadata: Any) -> dg.AssetsDefinition:
        @dg.asset(name=name, ins={"rows": dg.AssetIn(metadata=metadata)})
        def read(rows: pa.Table) -> None:
            seen[name] = rows.to_pylist()

        return read

    run(
        lake,
        asset_of(lambda: None),
        reader("columns", iceberg_columns=["carrier"], iceberg_filter="id >= 2"),
        reader("snapshot", iceberg_snapshot_id=first.snapshot_id, iceberg_columns="id"),
        reader("branch", iceberg_branch="audit", iceberg_filter="id > 3"),
    )
    assert sorted(row["carrier"] for row in seen["columns"]) == ["AA", "DL"]
    assert seen["snapshot"] == [{"id": 1}, {"id": 2}]
    assert seen["branch"] == [{"id": 4, "carrier": "B6"}]


def test_a_key_of_metadata_that_is_not_known_is_refused(lake: IcebergIOManager) -> None:
    with pytest.raises(InvalidArgumentError, match="iceberg_write_mod"):
        run(lake, asset_of(lambda: ROWS, metadata={"iceberg_write_mod": "append"}))
    with pytest.raises(InvalidArgumentError, match="iceberg_write_mode"):
        run(lake, asset_of(lambda: ROWS, metadata={"iceberg_write_mode": "replace"}))


# --- modes ---


@pytest.mark.parametrize(("mode", "rows"), [(None, 4), ("append", 4), ("overwrite", 2)])
def test_modes_of_the_resource(tmp_path: Path, mode: str | None, rows: int) -> None:
    lake = make_lake(tmp_path, write_mode=mode)
    run(lake, asset_of(lambda: ROWS))
    run(lake, asset_of(lambda: ROWS))
    assert len(rows_of(lake, "rows")) == rows


def test_an_assets_mode_beats_the_resources_and_an_outputs_that(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, write_mode="append")
    overwrite = {"iceberg_write_mode": "overwrite"}
    run(lake, asset_of(lambda: ROWS, metadata=overwrite))
    run(lake, asset_of(lambda: ROWS, metadata=overwrite))
    assert len(rows_of(lake, "rows")) == 2

    @dg.asset(name="rows", metadata=overwrite)
    def rows() -> dg.Output[pa.Table]:
        return dg.Output(ROWS, metadata={"iceberg_write_mode": dg.MetadataValue.text("append")})

    run(lake, rows)
    assert len(rows_of(lake, "rows")) == 4


def test_upserts_replace_rows_by_key(lake: IcebergIOManager) -> None:
    metadata = {"iceberg_write_mode": "upsert", "iceberg_upsert_keys": ["id"]}
    run(lake, asset_of(lambda: ROWS, metadata=metadata))
    run(lake, asset_of(lambda: pa.table({"id": [2, 3], "carrier": ["DL", "B6"]}), metadata=metadata))
    assert sorted(rows_of(lake, "rows"), key=lambda row: row["id"]) == [
        {"id": 1, "carrier": "UA"},
        {"id": 2, "carrier": "DL"},
        {"id": 3, "carrier": "B6"},
    ]


def test_an_overwrite_replaces_what_a_filter_names(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: ROWS))
    metadata = {"iceberg_write_mode": "overwrite", "iceberg_partition_filter": "carrier = 'AA'"}
    run(lake, asset_of(lambda: pa.table({"id": [9], "carrier": ["AA"]}), metadata=metadata))
    assert sorted(row["id"] for row in rows_of(lake, "rows")) == [1, 9]


# --- names ---


def test_prefixes_of_keys_are_namespaces(lake: IcebergIOManager) -> None:
    @dg.asset(key=["a", "x"])
    def one() -> pa.Table:
        return ROWS.slice(0, 1)

    @dg.asset(key=["b", "x"])
    def other() -> pa.Table:
        return ROWS

    run(lake, one, other)
    assert len(rows_of(lake, "a", "x")) == 1
    assert len(rows_of(lake, "b", "x")) == 2
    assert lake.tables.catalog.table_exists("lake.b.x")


def test_metadata_names_the_table_and_the_namespace_for_output_and_input(lake: IcebergIOManager) -> None:
    named = {"iceberg_table": "departures", "iceberg_namespace": "air.raw"}
    seen = []

    @dg.asset
    def reader(rows: pa.Table) -> None:
        seen.append(rows.num_rows)

    run(lake, asset_of(lambda: ROWS, key_prefix=None, metadata=named), reader)
    assert lake.tables.catalog.load_table("air.raw.departures").scan().count() == 2
    assert seen == [2]


def test_ops_of_jobs_have_tables_too(lake: IcebergIOManager) -> None:
    seen = []

    @dg.op
    def departures() -> pa.Table:
        return ROWS

    @dg.op(out=dg.Out(io_manager_key="io_manager", metadata={"iceberg_table": "chosen"}))
    def other() -> pa.Table:
        return ROWS

    @dg.op
    def reader(departures: pa.Table, other: pl.DataFrame) -> None:
        seen.append((departures.num_rows, other.height))

    @dg.job(resource_defs={"io_manager": lake})
    def job() -> None:
        reader(departures(), other())

    assert job.execute_in_process().success
    assert seen == [(2, 2)]
    assert lake.tables.catalog.list_tables("lake") == [("lake", "chosen"), ("lake", "departures")]


def test_without_inference_a_table_has_to_be_there(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, infer_schema_from_data=False)
    with pytest.raises(NoSuchTableError):
        run(lake, asset_of(lambda: ROWS))


# --- partitions ---


def test_materializing_a_partition_again_replaces_it_alone(
    lake: IcebergIOManager, instance: dg.DagsterInstance
) -> None:
    for key, rows in (("2024-01-01", 2), ("2024-01-02", 3), ("2024-01-01", 1)):
        run(lake, day_asset(rows), partition_key=key, instance=instance)
    counts = table_of(lake, "days").scan().to_pandas()["day"].value_counts().to_dict()
    assert counts == {dt.date(2024, 1, 1): 1, dt.date(2024, 1, 2): 3}
    assert str(table_of(lake, "days").spec().fields[0].transform) == "day"


def test_a_mode_that_is_asked_for_appends_to_a_partition(lake: IcebergIOManager) -> None:
    days = day_asset(metadata={**BY_DAY, "iceberg_write_mode": "append"})
    for _ in range(2):
        run(lake, days, partition_key="2024-01-01")
    assert len(rows_of(lake, "days")) == 4


def test_a_range_of_partitions_in_one_run_is_one_commit(lake: IcebergIOManager) -> None:
    days = day_asset(backfill_policy=dg.BackfillPolicy.single_run())
    run(lake, day_asset(5), partition_key="2024-01-05")
    run(
        lake,
        days,
        tags={"dagster/asset_partition_range_start": "2024-01-02", "dagster/asset_partition_range_end": "2024-01-04"},
    )
    run(
        lake,
        days,
        tags={"dagster/asset_partition_range_start": "2024-01-03", "dagster/asset_partition_range_end": "2024-01-05"},
    )
    table = table_of(lake, "days")
    assert len(table.snapshots()) == 3
    assert table.scan().to_pandas()["day"].value_counts().to_dict() == {dt.date(2024, 1, d): 2 for d in (2, 3, 4, 5)}
    told = table.snapshots()[-1].summary
    assert told is not None
    assert told["dagster.partition_key"] == "2024-01-03...2024-01-05 (3 partitions)"


def test_overwriting_a_partition_that_no_column_tells_is_refused(lake: IcebergIOManager) -> None:
    days = day_asset(metadata={"iceberg_write_mode": "overwrite"})
    with pytest.raises(InvalidArgumentError, match="iceberg_partition_column"):
        run(lake, days, partition_key="2024-01-01")
    assert not lake.tables.catalog.table_exists("lake.days")


def test_a_row_of_another_partition_is_refused(lake: IcebergIOManager) -> None:
    @dg.asset(partitions_def=DAYS, metadata=BY_DAY)
    def days() -> pa.Table:
        return pa.table({"day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]})

    with pytest.raises(InvalidArgumentError, match="another partition: day = 2024-01-02"):
        run(lake, days, partition_key="2024-01-01")
    assert not lake.tables.catalog.table_exists("lake.days")


def test_an_empty_partition_empties_it_alone(lake: IcebergIOManager) -> None:
    run(lake, day_asset(), partition_key="2024-01-01")
    run(lake, day_asset(), partition_key="2024-01-02")
    run(lake, day_asset(0), partition_key="2024-01-01")
    assert {row["day"] for row in rows_of(lake, "days")} == {dt.date(2024, 1, 2)}


def test_an_input_is_read_partition_by_partition(lake: IcebergIOManager) -> None:
    seen: dict[str, set[dt.date]] = {}

    def reader(name: str, **more: Any) -> dg.AssetsDefinition:
        def read(days: pa.Table) -> None:
            seen[name] = set(days["day"].to_pylist())

        return made(read, name=name, **more)

    weeks = dg.WeeklyPartitionsDefinition("2024-01-01", day_offset=1)
    before = dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))
    readers = [
        reader("same", partitions_def=DAYS),
        reader("before", partitions_def=DAYS, ins={"days": before}),
        reader("week", partitions_def=weeks),
        reader("every"),
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in range(1, 10):
            run(lake, day_asset(), partition_key=f"2024-01-0{day}", instance=instance)
        more: dict[str, Any] = {"instance": instance}
        run(lake, day_asset(), *readers, selection=["same", "before"], partition_key="2024-01-05", **more)
        run(lake, day_asset(), *readers, selection=["week"], partition_key="2024-01-01", **more)
        run(lake, day_asset(), *readers, selection=["every"], **more)
    assert seen["same"] == {dt.date(2024, 1, 5)}
    assert seen["before"] == {dt.date(2024, 1, 4)}
    assert seen["week"] == {dt.date(2024, 1, day) for day in range(1, 8)}
    assert seen["every"] == {dt.date(2024, 1, day) for day in range(1, 10)}


STATIC: list[tuple[str, pa.DataType, Any]] = [
    ("UA", pa.string(), "UA"),
    ("it's", pa.string(), "it's"),
    ("7", pa.int32(), 7),
    ("-7", pa.int64(), -7),
    ("1.5", pa.float32(), 1.5),
    ("1.5", pa.float64(), 1.5),
    ("true", pa.bool_(), True),
    ("1.5", pa.decimal128(9, 2), Decimal("1.50")),
    ("2024-01-02", pa.date32(), dt.date(2024, 1, 2)),
    ("10:30:00", pa.time64("us"), dt.time(10, 30)),
    ("2024-01-02T03:00:00", pa.timestamp("us"), dt.datetime(2024, 1, 2, 3)),
    ("2024-01-02T03:00:00+00:00", pa.timestamp("us", "UTC"), dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)),
    (
        "f79c3e09-677c-4bbd-a479-3f349cb785e7",
        pa.uuid(),
        uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes,
    ),
    ("ab", pa.binary(), b"ab"),
    ("ab", pa.binary(2), b"ab"),
]


@pytest.mark.parametrize(("key", "type_", "value"), STATIC, ids=[f"{type_}-{key}" for key, type_, _ in STATIC])
def test_static_partitions_of_a_column_of_any_type(
    lake: IcebergIOManager, key: str, type_: pa.DataType, value: Any
) -> None:
    others = {"other": pa.nulls(1, type_)}

    @dg.asset(
        name="parts",
        partitions_def=dg.StaticPartitionsDefinition([key]),
        metadata={"iceberg_partition_column": "part"},
    )
    def parts() -> pa.Table:
        return pa.table({"part": pa.array([value], type_)})

    run(lake, parts, partition_key=key)
    table_of(lake, "parts").append(pa.table({"part": others["other"]}))
    run(lake, parts, partition_key=key)
    assert table_of(lake, "parts").scan().count() == 2
    assert len(table_of(lake, "parts").spec().fields) == 1


def test_a_key_that_is_no_value_of_the_column_is_refused(lake: IcebergIOManager) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["seven"]), metadata={"iceberg_partition_column": "part"})
    def parts() -> pa.Table:
        return pa.table({"part": pa.array([7], pa.int32())})

    with pytest.raises(InvalidArgumentError, match="seven is no value of column part, which is of type int"):
        run(lake, parts, partition_key="seven")


def test_dynamic_partitions(lake: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    airports = dg.DynamicPartitionsDefinition(name="airports")

    @dg.asset(partitions_def=airports, metadata={"iceberg_partition_column": "origin"})
    def departures(context: dg.AssetExecutionContext) -> pa.Table:
        return pa.table({"origin": [context.partition_key]})

    instance.add_dynamic_partitions("airports", ["JFK", "EWR"])
    for key in ("JFK", "EWR", "JFK"):
        run(lake, departures, partition_key=key, instance=instance)
    assert sorted(row["origin"] for row in rows_of(lake, "departures")) == ["EWR", "JFK"]


def test_partitions_of_two_dimensions(lake: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    both = dg.MultiPartitionsDefinition({"day": DAYS, "origin": dg.StaticPartitionsDefinition(["EWR", "JFK"])})
    columns = {"day": "departed", "origin": "airport"}

    def departures(rows: int) -> dg.AssetsDefinition:
        @dg.asset(name="departures", partitions_def=both, metadata={"iceberg_partition_column": columns})
        def write(context: dg.AssetExecutionContext) -> pa.Table:
            keys = [both.get_partition_key_from_str(key).keys_by_dimension for key in context.partition_keys]
            days = [dt.datetime.fromisoformat(key["day"]).replace(tzinfo=dt.UTC) for key in keys]
            return pa.table({"departed": days * rows, "airport": [key["origin"] for key in keys] * rows})

        return write

    for day, origin, rows in (("01", "JFK", 2), ("02", "JFK", 2), ("01", "EWR", 2), ("01", "JFK", 1)):
        key = dg.MultiPartitionKey({"day": f"2024-01-{day}", "origin": origin})
        run(lake, departures(rows), partition_key=key, instance=instance)
    table = table_of(lake, "departures")
    assert table.scan().count() == 5
    assert table.scan(EqualTo("airport", "JFK")).count() == 3  # type: ignore[call-arg]
    assert [str(field.transform) for field in table.spec().fields] == ["day", "identity"]

    with pytest.raises(InvalidArgumentError, match="day, origin"):
        run(
            lake,
            dg.asset(name="other", partitions_def=both, metadata=BY_DAY)(lambda: ROWS),
            partition_key="2024-01-01|EWR",
        )


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize("column_type", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32()])
def test_days_of_a_time_zone_have_23_or_25_hours(
    lake: IcebergIOManager, instance: dg.DagsterInstance, column_type: pa.DataType
) -> None:
    local = dg.DailyPartitionsDefinition("2024-03-09", end_date="2024-11-10", timezone="America/New_York")

    @dg.asset(partitions_def=local, metadata={"iceberg_partition_column": "at"})
    def hours(context: dg.AssetExecutionContext) -> pa.Table:
        window = context.partition_time_window
        moments = pd.date_range(
            window.start.astimezone(dt.UTC), window.end.astimezone(dt.UTC), freq="h", inclusive="left"
        )
        if column_type == pa.timestamp("us", "UTC"):
            return pa.table({"at": pa.array(moments.to_pydatetime(), column_type)})
        walls = [moment.astimezone(NEW_YORK).replace(tzinfo=None) for moment in moments.to_pydatetime()]
        dates = [wall.date() for wall in walls]
        return pa.table({"at": pa.array(dates if column_type == pa.date32() else walls, column_type)})

    keys = ["2024-03-09", "2024-03-10", "2024-03-11", "2024-11-02", "2024-11-03", "2024-11-04"]
    for key in [*keys, *keys]:
        run(lake, hours, partition_key=key, instance=instance)
    assert table_of(lake, "hours").scan().count() == 24 + 23 + 24 + 24 + 25 + 24


def test_hours_that_clocks_show_twice_are_two_partitions(lake: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    local = dg.HourlyPartitionsDefinition("2024-11-03-00:00", end_date="2024-11-03-04:00", timezone="America/New_York")
    twice = ["2024-11-03-01:00", "2024-11-03-01:00-0500"]
    assert local.get_partition_keys()[1:3] == twice

    def hour(type_: pa.DataType) -> dg.AssetsDefinition:
        @dg.asset(
            name="hour" if type_.tz else "wall", partitions_def=local, metadata={"iceberg_partition_column": "at"}
        )
        def write(context: dg.AssetExecutionContext) -> pa.Table:
            at = context.partition_time_window.start
            return pa.table({"at": pa.array([at if type_.tz else at.replace(tzinfo=None)], type_)})

        return write

    for key in [*twice, *twice]:
        run(lake, hour(pa.timestamp("us", "UTC")), partition_key=key, instance=instance)
    assert sorted(row["at"].hour for row in rows_of(lake, "hour")) == [5, 6]
    run(lake, hour(pa.timestamp("us")), partition_key="2024-11-03-00:00", instance=instance)
    for key in twice:
        with pytest.raises(InvalidArgumentError, match="timestamptz"):
            run(lake, hour(pa.timestamp("us")), partition_key=key, instance=instance)


def test_a_column_of_dates_cannot_tell_hours(lake: IcebergIOManager) -> None:
    hours = dg.HourlyPartitionsDefinition("2024-01-01-00:00", end_date="2024-01-02-00:00")

    @dg.asset(partitions_def=hours, metadata={**BY_DAY, "iceberg_partition_spec": ["day"]})
    def rows() -> pa.Table:
        return pa.table({"day": [dt.date(2024, 1, 1)]})

    with pytest.raises(InvalidArgumentError, match="cannot tell such partitions apart"):
        run(lake, rows, partition_key="2024-01-01-05:00")


@pytest.mark.parametrize(
    ("partitions", "key", "transform"),
    [
        (dg.HourlyPartitionsDefinition("2024-01-01-00:00"), "2024-01-01-05:00", "hour"),
        (dg.WeeklyPartitionsDefinition("2024-01-01"), "2024-01-07", "day"),
        (dg.MonthlyPartitionsDefinition("2024-01-01"), "2024-01-01", "month"),
    ],
)
def test_a_new_table_is_grouped_as_the_schedule_is(
    lake: IcebergIOManager, partitions: dg.TimeWindowPartitionsDefinition, key: str, transform: str
) -> None:
    @dg.asset(partitions_def=partitions, metadata={"iceberg_partition_column": "at"})
    def rows(context: dg.AssetExecutionContext) -> pa.Table:
        return pa.table({"at": pa.array([context.partition_time_window.start], pa.timestamp("us", "UTC"))})

    run(lake, rows, partition_key=key)
    assert [str(field.transform) for field in table_of(lake, "rows").spec().fields] == [transform]


# --- columns that change ---


def test_new_columns_fail_are_added_or_united(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: pa.table({"id": pa.array([1], pa.int32())})))
    more = pa.table({"id": pa.array([2], pa.int32()), "gate": ["A"]})
    with pytest.raises(InvalidArgumentError, match=r"the table lacks: gate; .* iceberg_schema_evolution = add"):
        run(lake, asset_of(lambda: more))
    run(lake, asset_of(lambda: more, metadata={"iceberg_schema_evolution": "add"}))
    wider = pa.table({"id": pa.array([2**40]), "gate": ["B"]})
    with pytest.raises(InvalidArgumentError, match="id"):
        run(lake, asset_of(lambda: wider, metadata={"iceberg_schema_evolution": "add"}))
    run(lake, asset_of(lambda: wider, metadata={"iceberg_schema_evolution": "union"}))
    assert sorted(rows_of(lake, "rows"), key=lambda row: row["id"]) == [
        {"id": 1, "gate": None},
        {"id": 2, "gate": "A"},
        {"id": 2**40, "gate": "B"},
    ]


def test_schema_spec_properties_and_rows_are_one_commit(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: ROWS))
    before = len(table_of(lake, "rows").metadata.metadata_log)
    metadata = {
        "iceberg_schema_evolution": "union",
        "iceberg_partition_spec": ["bucket(4, id)", "carrier"],
        "iceberg_table_properties": {"owner": "air", "format-version": "3"},
        "iceberg_snapshot_props": {"ticket": "F-7"},
    }
    changed = asset_of(lambda: ROWS.append_column("gate", pa.array(["A", "B"])), metadata=metadata)
    run(lake, changed)
    table = table_of(lake, "rows")
    assert len(table.metadata.metadata_log) == before + 1
    assert table.format_version == 3
    assert table.properties["owner"] == "air"
    assert [str(field.transform) for field in table.spec().fields] == ["bucket[4]", "identity"]
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["ticket"] == "F-7"
    run(lake, changed)
    assert len(table_of(lake, "rows").metadata.specs()) == 2, "nothing changes when nothing has to"


def test_a_failure_leaves_the_schema_too(lake: IcebergIOManager) -> None:
    run(lake, asset_of(lambda: ROWS))
    before = table_of(lake, "rows").metadata_location

    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [3], "gate": ["A"]})
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        run(lake, asset_of(broken, metadata={"iceberg_schema_evolution": "add"}))
    assert table_of(lake, "rows").metadata_location == before


@pytest.mark.parametrize("term", ["month(", "bucket(x, id)", "", "a(b(c))", "week(day)", "bucket(id)"])
def test_a_partition_field_that_is_none_is_refused(term: str) -> None:
    with pytest.raises(InvalidArgumentError, match="iceberg_partition_spec"):
        parse_term(term)


def test_a_new_table_and_its_rows_are_one_commit(lake: IcebergIOManager) -> None:
    run(lake, day_asset(), partition_key="2024-01-01")
    table = table_of(lake, "days")
    assert len(table.snapshots()) == 1
    assert table.metadata.metadata_log == []


def test_when_two_runs_make_a_table_at_once_both_write(lake: IcebergIOManager, monkeypatch: pytest.MonkeyPatch) -> None:
    make, other = layout.new_table, make_lake(Path(lake.catalog["warehouse"].removeprefix("file://")).parent)

    def late(*arguments: Any) -> Any:
        creation = make(*arguments)
        monkeypatch.setattr(layout, "new_table", make)
        run(other, day_asset(), partition_key="2024-01-02")
        return creation

    monkeypatch.setattr(layout, "new_table", late)
    run(lake, day_asset(), partition_key="2024-01-01")
    assert {row["day"].day for row in rows_of(lake, "days")} == {1, 2}

    def first_again(*arguments: Any) -> Any:
        creation = make(*arguments)
        monkeypatch.setattr(layout, "new_table", make)
        run(other, asset_of(lambda: ROWS))
        return creation

    monkeypatch.setattr(layout, "new_table", first_again)
    with pytest.raises(CommitFailedError):
        run(lake, asset_of(batches))  # which can be read but once
    assert len(rows_of(lake, "rows")) == 2


def test_a_new_table_is_made_as_the_metadata_says(lake: IcebergIOManager) -> None:
    metadata = {
        "iceberg_partition_spec": ["truncate(1, carrier)"],
        "iceberg_table_properties": {"format-version": "3", "write.format.default": "avro"},
    }
    run(lake, asset_of(lambda: ROWS, metadata=metadata))
    table = table_of(lake, "rows")
    assert table.format_version == 3
    assert str(table.spec().fields[0].transform) == "truncate[1]"
    assert table.inspect.files(columns=["file_format"])["file_format"].to_pylist()[0].lower() == "avro"


# --- once and only once ---


def test_a_step_that_is_retried_after_it_wrote_does_not_write_twice(lake: IcebergIOManager) -> None:
    class Flaky(IcebergIOManager):
        def create_io_manager(self, context: Any) -> Any:
            tables = self.tables
            write = tables.handle_output
            attempts = []

            def fail_once(output: dg.OutputContext, obj: Any) -> None:
                write(output, obj)
                attempts.append(1)
                if len(attempts) == 1:
                    raise RuntimeError("the worker was lost after the commit")

            tables.handle_output = fail_once  # type: ignore[assignment, method-assign]
            return tables

    flaky = Flaky(namespace=lake.namespace, catalog=lake.catalog)
    asset = asset_of(lambda: ROWS, retry_policy=dg.RetryPolicy(max_retries=2))
    result = run(flaky, asset)
    assert len(rows_of(lake, "rows")) == 2
    (told,) = result.asset_materializations_for_node("rows")
    assert told.metadata["dagster/row_count"].value == 2
    run(lake, asset)
    assert len(rows_of(lake, "rows")) == 4, "another run is another output"


def test_a_run_that_dagster_repeats_does_not_write_twice_what_it_wrote(lake: IcebergIOManager) -> None:
    first = run(lake, asset_of(lambda: ROWS)).run_id
    tags = {"dagster/retry_number": "1", "dagster/root_run_id": first, "dagster/parent_run_id": first}
    run(lake, asset_of(lambda: ROWS), tags=tags)
    assert len(rows_of(lake, "rows")) == 2


def test_the_summary_tells_where_rows_come_from(lake: IcebergIOManager) -> None:
    result = run(lake, day_asset(), partition_key="2024-01-01")
    snapshot = table_of(lake, "days").current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    told = snapshot.summary.additional_properties
    assert told["dagster.run_id"] == result.run_id
    assert told["dagster.asset_key"] == "days"
    assert told["dagster.partition_key"] == "2024-01-01"
    assert told["dagster.step_key"] == "days"


# --- what Dagster is told ---


def test_a_materialization_tells_counts_columns_and_growth(lake: IcebergIOManager) -> None:
    run(lake, day_asset(3), partition_key="2024-01-01")
    result = run(lake, day_asset(2), partition_key="2024-01-02")
    (told,) = result.asset_materializations_for_node("days")
    values: dict[str, Any] = {key: value.value for key, value in told.metadata.items()}
    assert values["dagster/row_count"] == 5
    assert values["dagster/partition_row_count"] == 2
    assert values["dagster/table_name"] == "lake.days"
    assert [(c.name, c.type) for c in values["dagster/column_schema"].columns] == [("day", "date"), ("n", "long")]
    snapshot = table_of(lake, "days").current_snapshot()
    assert snapshot is not None
    assert values["iceberg/snapshot_id"] == str(snapshot.snapshot_id)
    assert values["iceberg/files_added"] == 1
    assert values["iceberg/files"] == 2
    assert values["iceberg/bytes"] > 0
    assert values["iceberg/duration_seconds"] >= 0
    assert values["iceberg/growth"].startswith("![rows by snapshot](data:image/svg+xml;base64,")


def test_an_output_that_changes_nothing_does_not_tell_of_what_others_changed(lake: IcebergIOManager) -> None:
    upsert = asset_of(lambda: ROWS, metadata={"iceberg_write_mode": "upsert", "iceberg_upsert_keys": ["id"]})
    for added in (2, 0):
        (told,) = run(lake, upsert).asset_materializations_for_node("rows")
        assert told.metadata["iceberg/rows_added"].value == added
        assert told.metadata["dagster/row_count"].value == 2


def test_a_new_partition_is_no_reason_for_a_warning(lake: IcebergIOManager) -> None:
    run(lake, day_asset(), partition_key="2024-01-01")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*did not match any records")
        run(lake, day_asset(), partition_key="2024-01-02")


def test_rows_that_delete_files_take_out_are_not_counted(lake: IcebergIOManager) -> None:
    metadata = {
        "iceberg_write_mode": "upsert",
        "iceberg_upsert_keys": ["id"],
        "iceberg_table_properties": {"write.merge.mode": "merge-on-read"},
    }
    run(lake, asset_of(lambda: ROWS, metadata=metadata))
    result = run(lake, asset_of(lambda: ROWS.set_column(1, "carrier", pa.array(["X", "Y"])), metadata=metadata))
    (told,) = result.asset_materializations_for_node("rows")
    assert told.metadata["dagster/row_count"].value == 2


# --- ways to make one ---


def test_over_a_plugin_that_is_there_already(lake: IcebergIOManager) -> None:
    plugin = IcebergStoragePlugin(catalog=lake.tables.catalog)
    manager = create_iceberg_io_manager(plugin, "silver", default_write_mode="overwrite")
    for _ in range(2):
        run(manager, asset_of(lambda: ROWS))
    assert lake.tables.catalog.load_table("silver.rows").scan().count() == 2
    with pytest.raises(TypeError, match="object without a catalog"):
        create_iceberg_io_manager(object(), "silver")


def test_over_a_catalog_that_pyiceberg_keeps(tmp_path: Path) -> None:
    properties = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    catalog = SqlCatalog("theirs", **properties)
    run(create_iceberg_io_manager(SimpleNamespace(catalog=catalog), "lake"), asset_of(lambda: ROWS))
    assert catalog.load_table("lake.rows").scan().to_arrow().to_pylist() == ROWS.to_pylist()


def test_environment_variables_configure_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URI", f"sqlite:///{tmp_path}/catalog.db")
    monkeypatch.setenv("LAKE_NAMESPACE", "gold")
    catalog: dict[str, Any] = {
        "type": "sql",
        "uri": dg.EnvVar("LAKE_URI"),
        "warehouse": f"file://{tmp_path}/warehouse",
    }
    lake = IcebergIOManager(namespace=dg.EnvVar("LAKE_NAMESPACE"), catalog=catalog)
    run(lake, asset_of(lambda: ROWS))
    there = IcebergIOManager(namespace="gold", catalog={**catalog, "uri": f"sqlite:///{tmp_path}/catalog.db"})
    assert len(rows_of(there, "rows")) == 2


def test_a_stores_fragment_configures_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_KEY", "me")
    monkeypatch.setenv("LAKE_SECRET", "geheim")
    store = S3StoragePlugin(
        S3StorageConfig.model_validate(
            {"bucket": "lake", "access_key_id": {"env": "LAKE_KEY"}, "secret_access_key": {"env": "LAKE_SECRET"}}
        )
    )
    catalog = {**store.get_dagster_io_manager_config()["storage_options"], **make_lake(tmp_path).catalog}
    seen: list[dict[str, str]] = []

    @dg.asset
    def look(io_manager: dg.ResourceParam[TableIOManager]) -> None:
        seen.append(dict(io_manager.catalog.properties))

    run(IcebergIOManager(namespace="lake", catalog=catalog), look)
    configured = {"resources": {"io_manager": {"config": {"namespace": "lake", "catalog": catalog}}}}
    run(IcebergIOManager.configure_at_launch(), look, run_config=configured)
    for properties in seen:
        assert (properties["s3.access-key-id"], properties["s3.secret-access-key"]) == ("me", "geheim")
    assert len(seen) == 2


def test_a_mode_that_is_none_is_refused_when_it_is_configured(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write_mode"):
        IcebergIOManager(namespace="lake", write_mode="replace")
    plugin = IcebergStoragePlugin(catalog=SqlCatalog("x", uri=f"sqlite:///{tmp_path}/catalog.db"))
    mode: Any = "replace"
    with pytest.raises(InvalidArgumentError, match="write_mode is 'replace'; it has to be append, overwrite or upsert"):
        create_iceberg_io_manager(plugin, "lake", mode)
    with pytest.raises(InvalidArgumentError, match=r"namespace 'lake\.' has a level without a name"):
        create_iceberg_io_manager(plugin, "lake.")


def test_without_dagster_the_import_says_what_to_install() -> None:
    program = "import sys; sys.modules['dagster'] = None; import floe_iceberg, floe_iceberg.io_manager"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'floe-iceberg[dagster]'" in done.stderr
