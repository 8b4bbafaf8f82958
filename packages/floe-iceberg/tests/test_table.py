"""Tables and scans: what runs in the engine, what is PyIceberg's own, and what is refused."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pyiceberg.expressions
import pytest
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionKey, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, DataScan, FileScanTask, Table
from pyiceberg.table.locations import SimpleLocationProvider
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    UUIDType,
)

import floe_engine
from floe_iceberg import FloeCatalog, FloeScan, FloeTable
from floe_iceberg.changes import FloeUpsertResult
from floe_iceberg.errors import InvalidArgumentError, is_out_of_reach
from floe_iceberg.table import FloeStaticTable

ex: Any = pyiceberg.expressions  # whose constructors take more than they are typed for
SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "text", StringType()))
SPEC = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "text"))


def rows(*ids: int, text: str | None = "a") -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "text": [text] * len(ids)})


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    made = FloeCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    made.create_namespace("ns")
    return made


@pytest.fixture(params=["1", "2"])
def table(catalog: FloeCatalog, request: pytest.FixtureRequest) -> FloeTable:
    return catalog.create_table("ns.t", SCHEMA, properties={"format-version": request.param})


@pytest.fixture
def three(table: FloeTable) -> FloeTable:
    """Three snapshots of one file each."""
    for i in range(3):
        table.append(rows(i))
    return table


def ids(scan: DataScan) -> list[int]:
    return sorted(scan.to_arrow().column("id").to_pylist())


# --- reading ---


def test_every_way_to_read(three: FloeTable) -> None:
    scan = three.scan("id > 0")
    assert isinstance(scan, FloeScan)
    assert ids(scan) == [1, 2]
    assert scan.count() == 2
    assert sorted(row["id"] for batch in scan.to_arrow_batch_reader() for row in batch.to_pylist()) == [1, 2]
    assert sorted(scan.to_pandas()["id"]) == [1, 2]
    frame = scan.to_polars()
    assert isinstance(frame, pl.DataFrame)
    assert sorted(frame["id"]) == [1, 2]
    assert scan.to_duckdb("t").execute("SELECT sum(id) FROM t").fetchall() == [(3,)]
    assert sorted(pa.table(scan).column("id").to_pylist()) == [1, 2]
    assert duckdb.from_arrow(pa.RecordBatchReader.from_stream(scan)).count("id").fetchall() == [(2,)]
    assert isinstance(three.to_polars(), pl.LazyFrame)


def test_scans_are_changed_as_pyicebergs(three: FloeTable) -> None:
    scan = three.scan().filter("id >= 1").filter(ex.LessThan("id", 2)).select("id")
    assert type(scan) is FloeScan
    assert scan.to_arrow().to_pydict() == {"id": [1]}
    assert ids(three.scan().with_case_sensitive(False).filter("ID = 2")) == [2]
    assert three.scan(limit=2).to_arrow().num_rows == 2
    assert three.scan(limit=2).count() == 2


def test_a_scan_shows_the_state_it_was_made_of(three: FloeTable) -> None:
    scan = three.scan()
    three.append(rows(9))
    assert ids(scan) == [0, 1, 2]
    assert ids(three.scan()) == [0, 1, 2, 9]


def test_looking_back(three: FloeTable) -> None:
    first, second, third = three.history()
    assert ids(three.scan(snapshot_id=first.snapshot_id)) == [0]
    assert ids(three.scan(as_of=second.timestamp_ms)) in ([0, 1], [0, 1, 2])  # two commits may share a millisecond
    moment = dt.datetime.fromtimestamp(third.timestamp_ms / 1000 + 1, dt.UTC)
    assert ids(three.scan(as_of=moment)) == [0, 1, 2]
    three.manage_snapshots().create_tag(first.snapshot_id, "begin").create_branch(second.snapshot_id, "work").commit()
    assert ids(three.scan(ref="begin")) == [0]
    assert ids(three.scan().use_ref("work")) == [0, 1]
    three.append(rows(7), branch="work")
    assert ids(three.scan(ref="work")) == [0, 1, 7]
    assert ids(three.scan()) == [0, 1, 2]
    for wrong in ({"ref": "none"}, {"as_of": 1}, {"snapshot_id": 12345}):
        with pytest.raises(floe_engine.NotFound) as caught:
            three.scan(**wrong).to_arrow()
        assert isinstance(caught.value, ValueError)
    with pytest.raises(ValueError, match="one of snapshot_id, as_of and ref"):
        three.scan(ref="begin", as_of=1)
    with pytest.raises(ValueError, match="time zone"):
        three.scan(as_of=dt.datetime(2026, 1, 1))


def test_options_are_taken_or_refused(three: FloeTable) -> None:
    options = {"floe.scan.batch-rows": "1", "floe.scan.read-ahead-bytes": "1", "floe.scan.ordered": "true"}
    three.append(rows(*range(10, 20)))
    assert {batch.num_rows for batch in three.scan(options=options).to_arrow_batch_reader()} == {1}
    with pytest.raises(ValueError, match=r"floe\.scan\.batch-rows"):
        three.scan(options={"floe.scan.batch-rows": "many"})
    with pytest.raises(ValueError, match="no option something"):
        three.scan(options={"something": "1"})
    assert len(list(three.scan(options={"include_empty_files": "true"}).plan_files())) == 4


def test_an_empty_table(table: FloeTable) -> None:
    assert table.scan().to_arrow().schema.names == ["id", "text"]
    assert table.scan().count() == 0
    assert list(table.scan().plan_files()) == []
    assert pa.table(table.scan().plan()).num_rows == 0
    assert list(table.scan().to_arrow_batch_reader()) == []


TYPES = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "text", StringType()),
    NestedField(3, "price", DecimalType(9, 2)),
    NestedField(4, "day", DateType()),
    NestedField(5, "at", TimestampType()),
    NestedField(6, "atz", TimestamptzType()),
    NestedField(7, "key", UUIDType()),
    NestedField(8, "blob", BinaryType()),
    NestedField(9, "x", DoubleType()),
)
KEY = UUID(int=7)
AT = dt.datetime(2020, 2, 29, 23, 59, 59, 999999)
FILTERS: list[BooleanExpression] = [
    ex.EqualTo("price", Decimal("-1.28")),
    ex.EqualTo("day", dt.date(1969, 12, 31)),
    ex.EqualTo("at", AT),
    ex.EqualTo("atz", AT.replace(tzinfo=dt.UTC)),
    ex.EqualTo("key", KEY),
    ex.EqualTo("blob", b"\xff\x00"),
    ex.LessThanOrEqual("x", float("-inf")),
    ex.And(ex.NotNaN("x"), ex.Not(ex.GreaterThan("x", 0.0))),
    ex.StartsWith("text", "ü'"),
    ex.In("id", [1, 2**70]),
    ex.And(ex.GreaterThan("id", -(2**80)), ex.In("text", {"ü'x"})),
    ex.Or(ex.AlwaysFalse(), ex.NotIn("id", (2, 3))),
    ex.And(ex.NotStartsWith("text", "q"), ex.EqualTo("id", 1)),
]


@pytest.mark.parametrize("row_filter", FILTERS, ids=str)
def test_filters_of_every_type_of_literal(catalog: FloeCatalog, row_filter: BooleanExpression) -> None:
    table = catalog.create_table("ns.types", TYPES)
    matching = {
        "id": 1, "text": "ü'x", "price": Decimal("-1.28"), "day": dt.date(1969, 12, 31), "at": AT,
        "atz": AT.replace(tzinfo=dt.UTC), "key": KEY.bytes, "blob": b"\xff\x00", "x": float("-inf"),
    }  # fmt: skip
    other = {
        "id": 2, "text": "q", "price": Decimal("1.28"), "day": dt.date(1970, 1, 1), "at": dt.datetime(2021, 1, 1),
        "atz": dt.datetime(2021, 1, 1, tzinfo=dt.UTC), "key": UUID(int=8).bytes, "blob": b"", "x": 1.0,
    }  # fmt: skip
    nothing = {"id": 3, "x": float("nan")}
    schema = TYPES.as_arrow()
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in (matching, other, nothing)]
        if field.name == "key":
            columns.append(pa.ExtensionArray.from_storage(pa.uuid(), pa.array(values, pa.binary(16))))
        else:
            columns.append(pa.array(values, field.type))
    table.append(pa.Table.from_arrays(columns, schema=schema))
    assert ids(table.scan(row_filter)) == [1]
    assert DataScan(table.metadata, table.io, row_filter).to_arrow().column("id").to_pylist() == [1]


def test_filters_that_cannot_be(three: FloeTable) -> None:
    bound = ex.EqualTo("id", 1).bind(three.schema())
    with pytest.raises(ValueError, match="BoundEqualTo cannot be a row filter"):
        three.scan(bound).plan()
    deep = ex.EqualTo("id", 1)
    for i in range(5_000):
        deep = ex.Or(deep, ex.EqualTo("id", i)) if i % 2 else ex.And(deep, ex.EqualTo("text", "a"))
    with pytest.raises(ValueError, match="nested too deep"):
        three.scan(deep).plan()
    with pytest.raises(ValueError, match="character 5"):
        three.scan("id >")
    with pytest.raises(ValueError, match="256 parentheses"):
        three.scan("(" * 100_000)
    with pytest.raises(ValueError, match="nothing_here"):
        three.scan(ex.IsNull("nothing_here")).plan()


# --- planning ---


def test_a_plan_says_what_it_left_out(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.p", SCHEMA, partition_spec=SPEC)
    table.append(pa.concat_tables([rows(1, 2, text="a"), rows(3, text="b"), rows(4, 5, text="c")]))
    table.append(rows(6, text="d"))
    plan = table.scan("text = 'a' and id < 2").plan()
    assert (plan.files, plan.rows) == (1, 2)
    assert (plan.manifests_total, plan.manifests_pruned) == (2, 1)
    assert (plan.files_total, plan.files_pruned) == (3, 2)
    (planned,) = pa.table(plan).to_pylist()
    assert planned["record_count"] == 2
    reader = plan.read()
    assert pa.table(reader).num_rows == 1
    assert reader.counters["files_read"] == 1
    assert plan.count() == 1


def test_tasks_are_pyicebergs_and_filled_when_looked_at(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.p", SCHEMA, partition_spec=SPEC)
    table.append(pa.concat_tables([rows(1, 2, text="a"), rows(3, text="b")]))
    scan = table.scan("text = 'a' and id > 1")
    theirs = DataScan(table.metadata, table.io, scan.row_filter)
    (task,), (other,) = scan.plan_files(), theirs.plan_files()
    assert isinstance(task, FileScanTask)
    assert "_file" not in task.__dict__
    assert task.file == other.file
    assert task.file.spec_id == other.file.spec_id
    assert isinstance(task.file, DataFile)
    assert (task.residual, task.delete_files) == (other.residual, other.delete_files)
    assert task.file is task.file


def test_the_residual_of_a_null_partition(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.p", SCHEMA, partition_spec=SPEC)
    table.append(rows(1, text=None))
    scan = table.scan("text >= 'a' or id > 0")
    (task,) = scan.plan_files()
    assert task.residual == scan.row_filter


# --- what PyIceberg's own code does, committed by the engine ---


def test_changes_that_are_pyicebergs_own(three: FloeTable) -> None:
    three.delete("id = 0")
    assert ids(three.scan()) == [1, 2]
    three.overwrite(rows(10), overwrite_filter="id = 1")
    assert ids(three.scan()) == [2, 10]
    result = three.upsert(rows(10, 11, text="b"), join_cols=["id"])
    assert (result.rows_updated, result.rows_inserted) == (1, 1)
    assert ids(three.scan("text = 'b'")) == [10, 11]
    with three.update_schema() as update:
        update.add_column("more", LongType())
        update.rename_column("text", "words")
    assert three.scan().to_arrow().schema.names == ["id", "words", "more"]
    with three.update_spec() as spec:
        spec.add_field("words", IdentityTransform())
    three.append(pa.table({"id": [20], "words": ["z"], "more": [7]}))
    assert three.scan("words = 'z'").plan().files == 1
    with three.transaction() as transaction:
        transaction.set_properties(owner="me")
        transaction.append(pa.table({"id": [21], "words": ["z"], "more": [8]}))
    assert three.properties["owner"] == "me"
    assert ids(three.scan("more > 6")) == [20, 21]
    assert three.refresh().inspect.snapshots().num_rows == len(three.snapshots())
    three.maintenance.expire_snapshots().older_than(dt.datetime.now()).commit()
    assert len(three.snapshots()) == 1


def test_the_engine_reads_on_after_pyiceberg_wrote(three: FloeTable) -> None:
    with three.transaction() as transaction:
        transaction.delete("id = 1")
        transaction.append(rows(5))
    assert ids(three.scan()) == [0, 2, 5]
    assert three.scan().plan().files == 3


def test_what_the_engine_does_not_read_is_pyicebergs(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(rows(1, 2))
    with mock.patch.object(FloeScan, "plan", side_effect=floe_engine.NotSupported("format ORC")):
        assert ids(table.scan()) == [1, 2]
        assert table.scan().count() == 2
        assert [batch.num_rows for batch in table.scan().to_arrow_batch_reader()] == [2]
    version_3 = catalog.create_table("ns.v3", SCHEMA, properties={"format-version": "3"})
    with (
        mock.patch.object(FloeScan, "plan", side_effect=floe_engine.NotSupported("format ORC")),
        pytest.raises(floe_engine.NotSupported, match="format ORC"),
    ):
        version_3.scan().to_arrow()


def test_metadata_columns_are_selected_by_name(three: FloeTable) -> None:
    found = three.scan(selected_fields=("*", "_file", "_pos")).to_arrow()
    assert found.column_names[-2:] == ["_file", "_pos"]
    assert set(found["_file"].to_pylist()) == {task.file.file_path for task in three.scan().plan_files()}
    assert "_pos" not in three.scan().to_arrow().column_names
    with pytest.raises(floe_engine.NotSupported, match="_pos"):
        three.scan("_pos > 1").plan()


def test_columns_come_as_dictionaries_if_asked(three: FloeTable) -> None:
    with three.transaction() as tx:
        tx.upgrade_table_version(3)  # PyIceberg reads none of these
    plain = three.scan().to_arrow()
    found = three.scan().to_arrow(dictionary_columns=("text",))
    assert found.schema.field("text").type == pa.dictionary(pa.int32(), pa.string())
    assert found.schema.field("text").metadata == plain.schema.field("text").metadata
    assert found["text"].cast(pa.string()) == plain["text"]
    assert found.drop_columns("text") == plain.drop_columns("text")
    assert len({tuple(chunk.dictionary.to_pylist()) for chunk in found["text"].chunks}) == 1, "one dictionary for all"
    stream = three.scan("id < 0").to_arrow_batch_reader(dictionary_columns=("text",))
    assert stream.schema == found.schema
    assert stream.read_all().num_rows == 0
    for wrong in (("id",), ("other",), "text"):
        with pytest.raises(InvalidArgumentError, match=r"dictionary_columns"):
            three.scan().to_arrow(dictionary_columns=wrong)  # type: ignore[arg-type]


def test_manifest_merging_is_pyicebergs(catalog: FloeCatalog) -> None:
    properties = {"commit.manifest-merge.enabled": "true", "commit.manifest.min-count-to-merge": "2"}
    table = catalog.create_table("ns.t", SCHEMA, properties=properties)
    for i in range(3):
        table.append(rows(i))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(table.io)) == 1
    assert ids(table.scan()) == [0, 1, 2]


class Elsewhere(SimpleLocationProvider):
    """A location provider that somebody wrote for PyIceberg."""

    def new_data_location(self, data_file_name: str, partition_key: PartitionKey | None = None) -> str:
        return f"{self.table_location}/elsewhere/{data_file_name}"


@pytest.mark.parametrize(
    ("key", "value", "folder"),
    [
        ("py-io-impl", "pyiceberg.io.pyarrow.PyArrowFileIO", "data"),
        ("write.py-location-provider.impl", f"{__name__}.Elsewhere", "elsewhere"),
    ],
)
def test_python_classes_named_in_properties_are_used(
    catalog: FloeCatalog, monkeypatch: pytest.MonkeyPatch, key: str, value: str, folder: str
) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, mock.Mock(Elsewhere=Elsewhere)))
    table = catalog.create_table("ns.t", SCHEMA, properties={key: value})
    with mock.patch.object(floe_engine.Transaction, "append", side_effect=AssertionError("the engine appends")):
        table.append(rows(1))
    (task,) = table.scan().plan_files()
    assert f"/{folder}/" in task.file.file_path
    assert ids(table.scan()) == [1]


def test_version_3_takes_the_engines_changes_and_none_of_pyicebergs(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.v3", SCHEMA, properties={"format-version": "3"})
    table.append(rows(1))
    table.append(rows(2), snapshot_properties={"run": "7"})
    assert ids(table.scan()) == [1, 2]
    assert table.format_version == 3
    assert table.upsert(rows(2, 3, text="b"), join_cols=["id"]) == FloeUpsertResult(rows_updated=1, rows_inserted=1)
    table.delete("id = 1", mode="merge-on-read")
    table.overwrite(rows(4), "id = 3")
    with table.transaction() as changes:
        changes.append(rows(5))
        changes.delete("id = 2")
    assert ids(table.scan()) == [4, 5]
    refused: list[Any] = [
        lambda: table.transaction().update_snapshot().fast_append(),
        lambda: catalog.purge_table("ns.v3"),
    ]
    for change in refused:
        with pytest.raises(NotImplementedError, match="version 3"):
            change()
    with table.transaction() as transaction:
        transaction.set_properties(owner="me")
        transaction.update_schema().add_column("more", LongType(), required=True, default_value=7).commit()
    assert catalog.load_table("ns.v3").scan().to_arrow()["more"].to_pylist() == [7, 7]


def test_a_uuid_is_a_default(catalog: FloeCatalog) -> None:
    first, second = UUID(int=1), UUID(int=2)
    table = catalog.create_table("ns.t", SCHEMA, properties={"format-version": "3"})
    with table.update_schema() as update:
        update.add_column("key", UUIDType(), default_value=first)
    with table.update_schema() as update:
        update.set_default_value("key", second)
    key = table.schema().find_field("key")
    assert (key.initial_default, key.write_default) == (first, second)
    with pytest.raises(ValueError, match="Invalid default value: badly formed"):
        table.update_schema().set_default_value("key", "abc")


def test_a_file_that_is_not_there_is_what_python_calls_it(catalog: FloeCatalog, tmp_path: Path) -> None:
    table = catalog.create_table("ns.t", SCHEMA)
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet") as refused:
        table.add_files([f"file://{tmp_path}/gone.parquet"])
    assert isinstance(refused.value, ValueError)
    assert not is_out_of_reach(refused.value)


def test_an_upsert_takes_a_budget_of_memory(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(rows(*range(2_000)))
    source = rows(*range(1_000, 3_000), text="b")
    counts = table.upsert(source, join_cols=["id"], source_bytes=10_000)
    assert counts == FloeUpsertResult(rows_updated=1_000, rows_inserted=1_000)
    assert table.scan().count() == 3_000
    with table.transaction() as transaction:
        again = transaction.upsert(source, join_cols=["id"], source_bytes=10_000)
    assert again == FloeUpsertResult(rows_updated=0, rows_inserted=0, rows_unchanged=2_000)
    with table.transaction() as transaction:
        transaction.set_properties({"write.py-location-provider.impl": "some.where.Provider"})
    with pytest.raises(NotImplementedError, match="source_bytes"):
        table.upsert(source, join_cols=["id"], source_bytes=10_000)


@pytest.mark.parametrize("given", ["property", "argument"])
@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("delete", lambda table, **level: table.delete("id = 1", **level)),
        ("update", lambda table, **level: table.overwrite(rows(1, text="c"), "id = 1", **level)),
        ("merge", lambda table, **level: table.upsert(rows(3, text="b"), ["id"], mode="merge-on-read", **level)),
    ],
)
def test_isolation_is_what_the_table_or_the_caller_says(
    catalog: FloeCatalog, operation: str, change: Callable[..., Any], given: str
) -> None:
    for level in ("serializable", "snapshot"):
        properties = {f"write.{operation}.isolation-level": level} if given == "property" else {}
        arguments = {"isolation": level} if given == "argument" else {}
        table = catalog.create_table(f"ns.{level}", SCHEMA, properties=properties)
        table.append(rows(1, 2, 3))
        transaction = table.transaction()
        change(transaction, **arguments)
        other = catalog.load_table(f"ns.{level}")
        if operation == "merge":  # rows of a file in which keys matched
            other.delete("id = 2", mode="merge-on-read")
        else:
            other.append(rows(1, text="of another writer"))
        if level == "serializable":
            with pytest.raises(ValidationException):
                transaction.commit_transaction()
        else:
            transaction.commit_transaction()
            assert 2 not in ids(other.refresh().scan()) or operation != "merge"


def delete_files(table: FloeTable) -> int:
    return len(table.inspect.delete_files(columns=["file_path"]))


@pytest.mark.parametrize(
    ("properties", "merges"),
    [
        ({}, False),
        ({"write.delete.mode": "merge-on-read"}, True),
        ({"write.update.mode": "merge-on-read"}, True),
        ({"write.delete.mode": "merge-on-read", "write.update.mode": "copy-on-write"}, False),
    ],
)
def test_an_overwrite_is_done_in_the_mode_of_updates_or_else_of_deletes(
    catalog: FloeCatalog, properties: dict[str, str], merges: bool
) -> None:
    table = catalog.create_table("ns.t", SCHEMA, properties=properties)
    table.append(rows(1, 2, 3))
    table.overwrite(rows(4), "id = 1")
    assert ids(table.scan()) == [2, 3, 4]
    assert delete_files(table) == merges


def test_what_cannot_be_is_refused_by_table_and_property(catalog: FloeCatalog) -> None:
    nonsense = dict.fromkeys(("write.update.mode", "write.delete.mode", "write.merge.mode"), "nonsense")
    table = catalog.create_table("ns.t", SCHEMA, properties={**nonsense, "write.target-file-size-bytes": "much"})
    calls: dict[str, Callable[[], object]] = {
        "write.target-file-size-bytes": lambda: table.append(rows(1)),
        "write.update.mode": lambda: table.overwrite(rows(1), "id = 1"),
        "write.delete.mode": lambda: table.delete("id = 1"),
        "write.merge.mode": lambda: table.upsert(rows(1), ["id"]),
        "source_bytes is 0": lambda: table.upsert(rows(1), ["id"], source_bytes=0, mode="copy-on-write"),
        "limit=-1": lambda: table.scan(limit=-1).to_arrow(),
        "no_such_column": lambda: table.scan("no_such_column = 1").to_arrow(),
    }
    for said, call in calls.items():
        with pytest.raises(InvalidArgumentError, match=rf"ns\.t.*{said}"):
            call()
    old = catalog.create_table("ns.old", SCHEMA, properties={"format-version": "1"})
    old.append(rows(1, 2))
    changes: list[Callable[[], object]] = [
        lambda: old.delete("id = 1", mode="merge-on-read"),
        lambda: old.overwrite(rows(3), "id = 1", mode="merge-on-read"),
        lambda: old.upsert(rows(1, text="b"), ["id"], mode="merge-on-read"),
    ]
    for change in changes:
        with pytest.raises(floe_engine.NotSupported, match=r"ns\.old: format version 1 has no delete files"):
            change()
    assert len(old.snapshots()) == 1


def test_one_text_in_the_place_of_several_is_refused(table: FloeTable) -> None:
    table.append(rows(1))
    calls: list[Callable[[], object]] = [
        lambda: table.upsert(rows(1), join_cols="id"),  # type: ignore[arg-type]
        lambda: table.apply_changes(rows(1), key_cols="id"),  # type: ignore[arg-type]
        lambda: table.add_files("a.parquet"),  # type: ignore[arg-type]
        lambda: table.scan(selected_fields="id"),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match=r"it has to be a list: \['"):
            call()


def test_a_delete_of_nothing_warns_where_it_was_called(table: FloeTable) -> None:
    table.append(rows(1))
    with pytest.warns(UserWarning, match=r"^Delete operation did not match any records: ns\.t") as warned:
        table.delete("id = 9")
    assert [warning.filename for warning in warned] == [__file__]


def test_a_table_with_rows_and_deletes_moves_to_later_versions(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.old", SCHEMA, properties={"format-version": "1"})
    table.append(rows(1, 2, 3))
    for version in (2, 3):
        with table.transaction() as transaction:
            transaction.upgrade_table_version(version)
            transaction.set_properties({"write.delete.mode": "merge-on-read"})
        assert catalog.load_table("ns.old").format_version == version
        table.delete(f"id = {version - 1}")
    assert ids(table.scan()) == [3]
    assert table.inspect.delete_files()["file_format"].to_pylist() == ["PUFFIN"]
    table.append(rows(4))
    found = table.scan(selected_fields=("id", "_row_id")).to_arrow().sort_by("id")
    assert found["id"].to_pylist() == [3, 4]
    assert found["_row_id"].null_count == 0
    with (
        pytest.raises(floe_engine.InvalidArgument, match=r"old: cannot go back from format version 3 to 2"),
        table.transaction() as transaction,
    ):
        transaction.upgrade_table_version(2)
    with pytest.raises(floe_engine.InvalidArgument, match="4"), table.transaction() as transaction:
        transaction.upgrade_table_version(4)


@pytest.mark.parametrize("version", [2, 3])
def test_every_change_can_be_staged_without_a_branch(catalog: FloeCatalog, version: int) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.int32())])
    table = catalog.create_table("ns.staged", schema, properties={"format-version": str(version)})
    with table.update_spec() as spec:
        spec.add_identity("day")

    def days(*ids: int) -> pa.Table:
        return pa.table({"id": ids, "day": [i // 10 for i in ids]}, schema=schema)

    table.append(days(1, 2, 11))
    head = table.current_snapshot()
    assert head is not None
    changes: dict[str, Callable[[], object]] = {
        "append": lambda: table.append(days(3), branch=None),
        "overwrite": lambda: table.overwrite(days(4), "id = 1", branch=None),
        "dynamic": lambda: table.dynamic_partition_overwrite(days(5), branch=None),
        "delete": lambda: table.delete("id = 2", branch=None, mode="merge-on-read"),
        "upsert": lambda: table.upsert(days(2, 6), ["id", "day"], branch=None),
        "changes": lambda: table.apply_changes(days(1), days(11), ["id", "day"], branch=None),
    }
    expected = {
        "append": [1, 2, 3, 11],
        "overwrite": [2, 4, 11],
        "dynamic": [5, 11],
        "delete": [1, 11],
        "upsert": [1, 2, 6, 11],
        "changes": [1, 2],
    }
    for name, change in changes.items():
        before = {snapshot.snapshot_id for snapshot in table.snapshots()}
        change()
        (staged,) = [snapshot for snapshot in table.snapshots() if snapshot.snapshot_id not in before]
        assert staged.parent_snapshot_id == head.snapshot_id
        found = table.scan(snapshot_id=staged.snapshot_id).to_arrow()["id"].to_pylist()
        assert sorted(found) == expected[name], name
        assert table.current_snapshot() == head
        assert sorted(table.scan().to_arrow()["id"].to_pylist()) == [1, 2, 11]
    assert list(table.refs()) == ["main"]


def test_nothing_is_left_of_a_transaction_that_fails(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(rows(1, 2))
    files = set(Path(table.location().removeprefix("file://")).rglob("*"))
    transaction = table.transaction()

    def change() -> None:
        with transaction:
            transaction.append(rows(3))
            transaction.delete("id = 1")
            assert ids(transaction._scan()) == [2, 3]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert set(Path(table.location().removeprefix("file://")).rglob("*")) == files
    assert ids(table.refresh().scan()) == [1, 2]
    with pytest.raises(RuntimeError, match="cannot be reused"):
        transaction.commit_transaction()


def test_conflicting_changes_are_refused_by_name(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(rows(1, 2))
    stale = catalog.load_table("ns.t")
    table.append(rows(1))
    with pytest.raises(CommitFailedException) as refused:
        stale.overwrite(rows(9), "id = 1")
    assert isinstance(refused.value, ValidationException)
    assert ids(table.refresh().scan()) == [1, 1, 2]


# --- commits ---


class Watched(FloeCatalog):
    commits = 0

    def commit_table(self, *arguments: Any, **named: Any) -> CommitTableResponse:
        type(self).commits += 1
        return super().commit_table(*arguments, **named)


def test_a_commit_table_in_the_place_of_ours_sees_every_commit(catalog: FloeCatalog) -> None:
    catalog.create_table("ns.t", SCHEMA)
    table = Watched(catalog.name, **catalog.properties).load_table("ns.t")
    table.append(rows(1))
    with table.transaction() as transaction:
        transaction.set_properties(owner="me")
    assert Watched.commits == 2
    assert ids(table.scan()) == [1]
    assert table.properties["owner"] == "me"
    ours = catalog.load_table("ns.t")
    with (
        mock.patch.object(catalog, "commit_table", side_effect=CommitFailedException("patched")),
        pytest.raises(CommitFailedException, match="patched"),
    ):
        ours.append(rows(2))


def test_writers_at_once_all_land(three: FloeTable) -> None:
    from concurrent.futures import ThreadPoolExecutor

    catalog = three.catalog

    def append(i: int) -> None:
        catalog.load_table(three.name()).append(rows(i))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(100, 116)))
    assert ids(three.refresh().scan()) == [0, 1, 2, *range(100, 116)]


def test_a_table_that_took_anothers_name_is_not_it(three: FloeTable) -> None:
    three.catalog.drop_table(three.name())
    three.catalog.create_table(three.name(), SCHEMA)
    with pytest.raises(ValueError, match="UUID does not match"):
        three.refresh()


# --- appending ---


@pytest.mark.parametrize(
    "source",
    [
        rows(1, 2),
        rows(1, 2).to_batches()[0],
        pl.DataFrame({"id": [1, 2], "text": ["a", "a"]}),
        duckdb.sql("SELECT unnest([1, 2]::BIGINT[]) AS id, 'a' AS text"),
    ],
    ids=["pyarrow table", "pyarrow batch", "polars", "duckdb"],
)
def test_any_arrow_stream_is_appended(table: FloeTable, source: Any) -> None:
    table.append(source)
    assert ids(table.scan()) == [1, 2]


def test_what_is_no_arrow_stream(table: FloeTable) -> None:
    with pytest.raises(ValueError, match=r"pa\.RecordBatchReader, got: \[1\]; any other Arrow stream"):
        table.append([1])


def test_a_stream_of_no_rows_is_a_snapshot(table: FloeTable) -> None:
    table.append(rows())
    assert len(table.snapshots()) == 1
    assert table.scan().count() == 0


# --- metadata is parsed when it is asked for ---


def test_appending_and_scanning_do_not_parse_metadata(catalog: FloeCatalog) -> None:
    catalog.create_table("ns.t", SCHEMA)
    with mock.patch("floe_iceberg.state.TableMetadataUtil.parse_raw", side_effect=AssertionError("parsed")):
        table = catalog.load_table("ns.t")
        table.append(rows(1))
        scan = table.scan("id = 1").select("id").update(limit=1)
        assert scan.to_arrow().num_rows == 1
        assert len(list(scan.plan_files())) == 1
        table.refresh()
    assert len(table.metadata.snapshots) == 1


def test_a_static_table(three: FloeTable) -> None:
    static = FloeStaticTable.from_metadata(three.metadata_location)
    assert isinstance(static, Table)
    assert ids(static.scan("id > 0")) == [1, 2]
    with pytest.raises(NotImplementedError):
        static.refresh()
