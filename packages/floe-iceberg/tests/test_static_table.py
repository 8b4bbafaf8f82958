"""Tables that are opened without their catalog: where they are found, and that they are only read."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable as PyIcebergStaticTable
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.types import StringType

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, StaticTable


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "text": pa.array(["a"] * len(ids), pa.string())})


@pytest.fixture(params=["1", "2", "3"])
def table(tmp_path: Path, request: pytest.FixtureRequest) -> FloeTable:
    catalog = FloeCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("ns")
    made = catalog.create_table("ns.t", rows().schema, properties={"format-version": request.param})
    made.append(rows(1, 2, 3))
    made.append(rows(4))
    return made


@pytest.fixture
def folder(table: FloeTable) -> Path:
    return Path(table.location().removeprefix("file://"))


def ids(table: FloeTable, *args: Any, **options: Any) -> list[int]:
    return sorted(table.scan(*args, **options).to_arrow().column("id").to_pylist())


def test_a_table_by_its_metadata_file(table: FloeTable) -> None:
    static = StaticTable.from_metadata(table.metadata_location)
    assert isinstance(static, FloeTable)
    assert isinstance(static, PyIcebergStaticTable)
    assert static.name() == ("static-table", table.metadata_location)
    assert static.metadata_location == table.metadata_location
    assert static.metadata == table.metadata
    assert ids(static) == [1, 2, 3, 4]
    assert ids(static, "id > 1", limit=1)
    assert static.scan("id >= 3").count() == 2
    assert static.inspect.files().equals(table.inspect.files())
    assert static.inspect.snapshots().num_rows == 2


def test_looking_back(table: FloeTable) -> None:
    first = table.snapshots()[0]
    table.manage_snapshots().create_tag(first.snapshot_id, "first").commit()
    static = StaticTable.from_metadata(table.metadata_location)
    assert ids(static, snapshot_id=first.snapshot_id) == [1, 2, 3]
    assert ids(static, as_of=first.timestamp_ms) == [1, 2, 3]
    assert ids(static, ref="first") == [1, 2, 3]
    assert static.inspect.files(ref="first").num_rows == 1


def test_it_stays_as_it_was_found(table: FloeTable, folder: Path) -> None:
    static = StaticTable.from_metadata(folder)
    table.append(rows(5))
    assert ids(static) == [1, 2, 3, 4]
    with pytest.raises(NotImplementedError, match="stays as it was found"):
        static.refresh()
    assert ids(StaticTable.from_metadata(folder)) == [1, 2, 3, 4, 5]


def test_a_table_by_its_folder(table: FloeTable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for location in (table.location(), table.location() + "/", str(folder), folder):
        assert StaticTable.from_metadata(location).metadata_location.endswith(
            table.metadata_location.removeprefix("file://")
        )
    monkeypatch.chdir(folder.parent)
    assert ids(StaticTable.from_metadata(folder.name)) == [1, 2, 3, 4]


def test_the_hint_decides(table: FloeTable, folder: Path) -> None:
    older = Path(table.metadata.metadata_log[-1].metadata_file).name
    hint = folder / "metadata" / "version-hint.text"
    for text in (older, older.removesuffix(".metadata.json")):
        hint.write_text(text)
        assert ids(StaticTable.from_metadata(folder)) == [1, 2, 3]
    hint.write_text("7")
    with pytest.raises(floe_engine.NotFound, match=r"version-hint\.text names the metadata file 7, which is not there"):
        StaticTable.from_metadata(folder)
    (folder / "metadata" / "v7.metadata.json").write_bytes((folder / "metadata" / older).read_bytes())
    assert ids(StaticTable.from_metadata(folder)) == [1, 2, 3]


@pytest.mark.parametrize("name", ["00099-x.gz.metadata.json", "00099-x.metadata.json.gz", "v99.gz.metadata.json"])
def test_compressed_metadata(table: FloeTable, folder: Path, name: str) -> None:
    newest = Path(table.metadata_location.removeprefix("file://"))
    (folder / "metadata" / name).write_bytes(gzip.compress(newest.read_bytes()))
    newest.unlink()
    assert StaticTable.from_metadata(folder).metadata_location.endswith(name)
    assert ids(StaticTable.from_metadata(folder / "metadata" / name)) == [1, 2, 3, 4]


def test_folders_without_a_table_say_so(tmp_path: Path) -> None:
    for location in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(floe_engine.NotFound, match=f"there is no table: {tmp_path}.*/metadata has neither"):
            StaticTable.from_metadata(location)
    with pytest.raises(floe_engine.NotFound, match=r"gone\.metadata\.json"):
        StaticTable.from_metadata(tmp_path / "gone.metadata.json")
    broken = tmp_path / "metadata" / "v1.metadata.json"
    broken.parent.mkdir()
    broken.write_text("{")
    with pytest.raises(floe_engine.CorruptFile, match=r"v1\.metadata\.json"):
        StaticTable.from_metadata(tmp_path)
    with pytest.raises(NotImplementedError, match="nosuch"):
        StaticTable.from_metadata("nosuch://bucket/t/v1.metadata.json")


CHANGES: dict[str, Callable[[FloeTable], object]] = {
    "append": lambda t: t.append(rows(9)),
    "overwrite": lambda t: t.overwrite(rows(9)),
    "dynamic_partition_overwrite": lambda t: t.dynamic_partition_overwrite(rows(9)),
    "delete": lambda t: t.delete("id = 1"),
    "upsert": lambda t: t.upsert(rows(1), join_cols=["id"]),
    "upsert into a branch": lambda t: t.upsert(rows(1), join_cols=["id"], branch="main"),
    "apply_changes": lambda t: t.apply_changes(upserts=rows(1), key_cols=["id"]),
    "add_files": lambda t: t.add_files(["file:///x.parquet"]),
    "transaction": lambda t: t.transaction(),
    "update_schema": lambda t: t.update_schema().add_column("more", StringType()).commit(),
    "update_spec": lambda t: t.update_spec().add_identity("id").commit(),
    "update_sort_order": lambda t: t.update_sort_order(),
    "manage_snapshots": lambda t: t.manage_snapshots().create_tag(1, "x").commit(),
    "update_statistics": lambda t: (
        t.update_statistics()
        .set_statistics(
            StatisticsFile(
                snapshot_id=t.metadata.current_snapshot_id,
                statistics_path="x",
                file_size_in_bytes=1,
                file_footer_size_in_bytes=1,
                blob_metadata=[],
            )
        )
        .commit()
    ),
    "expire_snapshots": lambda t: t.maintenance.expire_snapshots().by_id(t.metadata.snapshots[0].snapshot_id).commit(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_refused(table: FloeTable, folder: Path, change: str) -> None:
    static = StaticTable.from_metadata(table.metadata_location)
    before = sorted(folder.rglob("*"))
    with pytest.raises(NotImplementedError, match="a table without its catalog is only read"):
        CHANGES[change](static)
    assert sorted(folder.rglob("*")) == before
    assert ids(static) == [1, 2, 3, 4]


def test_it_travels_to_other_processes(table: FloeTable) -> None:
    static = StaticTable.from_metadata(table.metadata_location)
    copy = pickle.loads(pickle.dumps(static))
    assert type(copy) is StaticTable
    assert copy.metadata_location == static.metadata_location
    assert ids(copy) == [1, 2, 3, 4]
    with pytest.raises(NotImplementedError, match="is only read"):
        copy.append(rows(9))


def test_it_can_be_registered_and_changed_then(table: FloeTable, tmp_path: Path) -> None:
    found = StaticTable.from_metadata(os.path.dirname(os.path.dirname(table.metadata_location)))
    other = FloeCatalog("o", uri=f"sqlite:///{tmp_path}/other.db", warehouse=f"file://{tmp_path}/other")
    other.create_namespace("ns")
    registered = other.register_table("ns.t", found.metadata_location)
    registered.append(rows(5))
    assert ids(registered) == [1, 2, 3, 4, 5]
