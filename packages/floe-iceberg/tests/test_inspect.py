"""Metadata tables beside PyIceberg's own: the same rows, under the names and types of Java's.

What differs, and why:

* Types are Java's: `content` and `status` are int32 (PyIceberg: int8), times are timestamps with the zone UTC in
  microseconds (PyIceberg: milliseconds without a zone), `file_format` and `type` of refs are strings (PyIceberg:
  dictionaries).
* Columns that PyIceberg lacks: `first_row_id`, `referenced_data_file`, `content_offset`, `content_size_in_bytes`, and
  `spec_id` of entries.
* `readable_metrics` has Java's columns, those of primitive types at any depth ("point.x") in the order of their names.
  PyIceberg has the table's top-level columns, of which nested ones have no metrics.
* Statistics that a file does not have are null in entries, as in files; PyIceberg has empty maps there.
* Partitions of files have the fields of all specs by their ids, under the newest name. PyIceberg looks for each file's
  own names, so that a field that was renamed is null in older files.
* The bounds of summaries that are empty texts are empty texts; PyIceberg takes them for absent.
* A table without snapshots has no entries and no partitions; PyIceberg raises ValueError.
* `snapshots` has null where a snapshot has no operation; PyIceberg has the text "None".
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table.inspect import InspectTable
from pyiceberg.transforms import BucketTransform, DayTransform

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from floe_iceberg.errors import InvalidArgumentError, NotFoundError

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("day", pa.date32()),
        pa.field("name", pa.string()),
        pa.field("price", pa.float64()),
        pa.field("amount", pa.decimal128(12, 2)),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("raw", pa.binary()),
        pa.field("point", pa.struct([pa.field("x", pa.int32())])),
    ]
)


def rows(start: int, n: int = 4) -> pa.Table:
    ids = range(start, start + n)
    return pa.table(
        {
            "id": list(ids),
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i % 2) for i in ids],
            "name": [None if i % 3 == 0 else f"name {i}" for i in ids],
            "price": [float("nan") if i % 4 == 0 else i / 2 for i in ids],
            "amount": [None] * n,
            "at": [dt.datetime(2024, 1, 1, i % 24, tzinfo=dt.UTC) for i in ids],
            "raw": [bytes([i % 256]) for i in ids],
            "point": [{"x": i} for i in ids],
        },
        SCHEMA,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    catalog = load_catalog("floe", type="sql", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/w")
    catalog.create_namespace("ns")
    return catalog


@pytest.fixture(params=["1", "2"])
def table(catalog: FloeCatalog, request: pytest.FixtureRequest) -> FloeTable:
    """Appends, an evolved spec and schema, deletes, a branch and a tag."""
    made = catalog.create_table("ns.t", SCHEMA, properties={"format-version": request.param})
    made.append(rows(0))
    with made.update_spec() as spec:
        spec.add_field("day", DayTransform(), "by_day")
    made = catalog.load_table("ns.t")
    made.append(rows(10))
    with made.update_schema() as update:
        update.rename_column("name", "title")
    with made.update_spec() as spec:
        spec.add_field("id", BucketTransform(4), "id_bucket")
    made = catalog.load_table("ns.t")
    made.append(rows(20).rename_columns([n.replace("name", "title") for n in SCHEMA.names]))
    made.delete("id = 11", mode="merge-on-read" if request.param == "2" else "copy-on-write")
    made = catalog.load_table("ns.t")
    with made.manage_snapshots() as manage:
        manage.create_tag(made.history()[0].snapshot_id, "first")
        manage.create_branch(made.history()[1].snapshot_id, "audit")
    made = catalog.load_table("ns.t")
    made.append(rows(30).rename_columns([n.replace("name", "title") for n in SCHEMA.names]), branch="audit")
    return catalog.load_table("ns.t")


def plain(value: Any) -> Any:
    """A value without what the list above says: zones, empty maps, the order of maps."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return sorted(value)
    if isinstance(value, list):
        return [plain(each) for each in value] or None
    return value


def same(ours: pa.Table, theirs: pa.Table) -> None:
    """PyIceberg's columns have the same values in ours, in whatever order the rows come."""

    def row(found: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
        return {
            name: row(found[name], value) if name in ("data_file", "partition") else plain(found[name])
            for name, value in like.items()
            if name != "readable_metrics"
        }

    expected = theirs.to_pylist()
    assert ours.num_rows == theirs.num_rows
    ours.validate(full=True)

    def sort_key(found: dict[str, Any]) -> str:
        file = found.get("data_file", found)
        keys = ("file_path", "path", "snapshot_id", "reference_snapshot_id", "partition", "name", "file", "timestamp")
        return repr([plain(file.get(key)) for key in keys])

    pairs = list(zip(sorted(ours.to_pylist(), key=sort_key), sorted(expected, key=sort_key), strict=True))
    for mine, other in pairs:
        assert row(mine, other) == row(other, other)
        for name, metrics in (other.get("readable_metrics") or {}).items():
            if name != "point":
                assert repr(plain(mine["readable_metrics"][name])) == repr(plain(metrics))


def theirs(table: FloeTable) -> InspectTable:
    return InspectTable(table)


OF_METADATA = ["snapshots", "history", "refs", "metadata_log_entries"]
OF_A_SNAPSHOT = ["entries", "files", "data_files", "delete_files", "partitions"]
OF_ALL = ["all_manifests", "all_files", "all_data_files", "all_delete_files"]


@pytest.mark.parametrize("name", [*OF_METADATA, "manifests", *OF_A_SNAPSHOT, *OF_ALL])
def test_the_same_rows_as_pyicebergs(table: FloeTable, name: str) -> None:
    expected = getattr(theirs(table), name)()
    ours = getattr(table.inspect, name)()
    assert set(expected.column_names) <= set(ours.column_names)
    same(ours, expected)


@pytest.mark.parametrize("name", OF_A_SNAPSHOT)
def test_earlier_snapshots_as_pyiceberg_has_them(table: FloeTable, name: str) -> None:
    for entry in table.history():
        same(getattr(table.inspect, name)(entry.snapshot_id), getattr(theirs(table), name)(entry.snapshot_id))
    first = table.history()[0]
    method = getattr(table.inspect, name)
    assert method(ref="first").equals(method(first.snapshot_id))
    assert method(as_of=first.timestamp_ms).equals(method(snapshot_id=first.snapshot_id))
    assert method(as_of=dt.datetime.now(dt.UTC)).equals(method())


@pytest.mark.parametrize("row_filter", ["id = 11", "day = '2024-01-02'", "price > 100"])
def test_partitions_of_rows(table: FloeTable, row_filter: str) -> None:
    same(table.inspect.partitions(row_filter=row_filter), theirs(table).partitions(row_filter=row_filter))


def test_columns_have_javas_types(table: FloeTable) -> None:
    files = table.inspect.files().schema
    assert files.field("content").type == pa.int32()
    assert files.field("file_format").type == pa.string()
    assert table.inspect.snapshots().schema.field("committed_at").type == pa.timestamp("us", tz="UTC")
    metrics = files.field("readable_metrics").type
    assert [metrics.field(i).name for i in range(metrics.num_fields)] == sorted(
        ["id", "day", "title", "price", "amount", "at", "raw", "point.x"]
    )
    assert metrics.field("amount").type.field("lower_bound").type == pa.decimal128(12, 2)


def test_bounds_of_nested_columns_are_readable(table: FloeTable) -> None:
    found = table.inspect.data_files(columns=["file_path", "readable_metrics.point.x"]).to_pylist()
    assert {tuple(row) for row in found} == {("file_path", "readable_metrics")}
    bounds = [row["readable_metrics"]["point.x"]["lower_bound"] for row in found]
    assert min(bounds) == 0
    assert max(bounds) >= 20


@pytest.mark.parametrize("version", ["2", "3"])
def test_position_deletes_are_the_rows_that_are_gone(catalog: FloeCatalog, version: str) -> None:
    table = catalog.create_table("ns.deleted", SCHEMA, properties={"format-version": version})
    table.append(rows(0, 100))
    table.delete("id = 7 or id = 99", mode="merge-on-read")
    found = table.inspect.position_deletes()
    assert found["pos"].to_pylist() == [7, 99]
    assert set(found["file_path"].to_pylist()) == set(table.inspect.data_files()["file_path"].to_pylist())
    assert set(found["delete_file_path"].to_pylist()) == set(table.inspect.delete_files()["file_path"].to_pylist())
    assert ("content_offset" in found.column_names) == (version == "3")
    if version == "3":
        assert table.inspect.data_files()["first_row_id"].to_pylist() == [0]
        assert found["content_offset"].to_pylist() == table.inspect.delete_files()["content_offset"].to_pylist() * 2


def test_every_table_streams_and_has_a_method(table: FloeTable) -> None:
    for name in floe_engine.metadata_table_names():
        streamed = pa.RecordBatchReader.from_stream(table.inspect.stream(name)).read_all()
        assert streamed.equals(getattr(table.inspect, name)())


def test_a_table_without_snapshots_has_no_rows(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.empty", SCHEMA)
    for name in floe_engine.metadata_table_names():
        assert getattr(table.inspect, name)().num_rows == (1 if name == "metadata_log_entries" else 0)


def test_what_cannot_be_asked_is_refused(table: FloeTable) -> None:
    with pytest.raises(ValueError, match="no snapshot 5"):
        table.inspect.files(5)
    with pytest.raises(NotFoundError, match="nothing"):
        table.inspect.files(ref="nothing")
    with pytest.raises(NotFoundError, match="no metadata table nothing"):
        table.inspect.stream("nothing")
    with pytest.raises(InvalidArgumentError, match="no column nothing"):
        table.inspect.files(columns=["nothing"])
    with pytest.raises(InvalidArgumentError, match="one of snapshot_id, as_of and ref"):
        table.inspect.files(1, ref="first")
    with pytest.raises(InvalidArgumentError, match="not of one snapshot"):
        table.inspect.stream("all_files", ref="first")
    with pytest.raises(InvalidArgumentError, match="no filter"):
        table.inspect.stream("refs", row_filter="id = 1")


def test_without_a_catalog(table: FloeTable) -> None:
    from floe_iceberg.table import FloeStaticTable

    static = FloeStaticTable.from_metadata(table.metadata_location)
    assert static.inspect.files().equals(table.inspect.files())
