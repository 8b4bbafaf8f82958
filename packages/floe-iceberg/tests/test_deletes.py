"""Tables with position deletes, as PyIceberg's own code plans and reads them and as the engine does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io import OutputFile
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import DataScan
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField

from floe_iceberg import FloeCatalog, FloeTable

FILE_PATH, POS = 2147483546, 2147483545


class DeleteManifestWriter(ManifestWriterV2):
    """PyIceberg writes no delete manifests; this much makes it."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def position_deletes(path: Path, deletes: dict[str, list[int]], **more: Any) -> DataFile:
    fields = [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(FILE_PATH)}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(POS)}),
    ]
    pairs = [(file, row) for file, rows in sorted(deletes.items()) for row in rows]
    columns = [pa.array(column) for column in zip(*pairs, strict=True)]
    pq.write_table(pa.Table.from_arrays(columns, schema=pa.schema(fields)), path)
    paths = sorted(deletes)
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(pairs),
        file_size_in_bytes=path.stat().st_size,
        lower_bounds={FILE_PATH: paths[0].encode()},
        upper_bounds={FILE_PATH: paths[-1].encode()},
        **more,
    )
    file.spec_id = 0
    return file


def commit_deletes(table: FloeTable, folder: Path, deletes: list[DataFile]) -> None:
    snapshot_id, io = 4711, PyArrowFileIO()
    current = table.current_snapshot()
    assert current is not None
    sequence_number = table.last_sequence_number + 1

    def output(name: str) -> OutputFile:
        return io.new_output(f"file://{folder}/{name}")

    manifest = output("deletes.avro")
    with DeleteManifestWriter(UNPARTITIONED_PARTITION_SPEC, table.schema(), manifest, snapshot_id, "deflate") as writer:
        for file in deletes:
            writer.add_entry(
                ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=file)
            )
    listed = output("list.avro")
    with write_manifest_list(2, listed, snapshot_id, current.snapshot_id, sequence_number, "deflate") as manifests:
        manifests.add_manifests([writer.to_manifest_file(), *current.manifests(table.io)])
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=current.snapshot_id,
        sequence_number=sequence_number,
        timestamp_ms=current.timestamp_ms + 1000,
        manifest_list=listed.location,
        summary=Summary(Operation.DELETE),
        schema_id=table.schema().schema_id,
    )
    any_update: Any = SetSnapshotRefUpdate  # which takes fewer arguments than it is typed for
    table.catalog.commit_table(
        table,
        (),
        (
            AddSnapshotUpdate(snapshot=snapshot),
            any_update(ref_name="main", type="branch", snapshot_id=snapshot_id),
        ),
    )
    table.refresh()


@pytest.fixture
def table(tmp_path: Path) -> FloeTable:
    """Three files of ten rows, of which the first and the second have deletes."""
    catalog = FloeCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("ns")
    made = catalog.create_table("ns.t", Schema(NestedField(1, "id", LongType())))
    for i in range(3):
        made.append(pa.table({"id": range(10 * i, 10 * i + 10)}))
    first, second, _ = sorted((task.file for task in made.scan().plan_files()), key=lambda file: file.lower_bounds[1])
    both = position_deletes(tmp_path / "both.parquet", {first.file_path: [0, 3], second.file_path: [9]})
    one = position_deletes(tmp_path / "one.parquet", {second.file_path: [1]})
    commit_deletes(made, tmp_path, [both, one])
    return made


def theirs(table: FloeTable, **parameters: Any) -> DataScan:
    return DataScan(table_metadata=table.metadata, io=table.io, **parameters)


def test_pyiceberg_and_the_engine_read_the_same_rows(table: FloeTable) -> None:
    for where in ("id >= 0", "id < 5", "id > 8 and id < 20", "id = 3", "id in (11, 12, 29)"):
        ours = sorted(table.scan(where).to_arrow()["id"].to_pylist())
        assert ours == sorted(theirs(table, row_filter=where).to_arrow()["id"].to_pylist())
        assert table.scan(where).count() == len(ours)
    assert table.scan().count() == 26


def test_tasks_have_the_delete_files_that_pyiceberg_plans(table: FloeTable) -> None:
    def planned(scan: DataScan) -> dict[str, set[tuple[Any, ...]]]:
        return {
            task.file.file_path: {
                (file.file_path, file.content, file.file_format, file.record_count, file.equality_ids, file.spec_id)
                for file in task.delete_files
            }
            for task in scan.plan_files()
        }

    ours = planned(table.scan())
    assert ours == planned(theirs(table))
    # The third file has one too where its path happens to lie between those of the others.
    assert sorted(len(files) for files in ours.values()) in ([0, 1, 2], [1, 1, 2])
    listed = pa.table(table.scan().plan())
    assert {row["file_path"]: set(row["delete_files"]) for row in listed.to_pylist()} == {
        path: {file[0] for file in files} for path, files in ours.items()
    }


def test_deleted_rows_are_marked_for_who_asks(table: FloeTable) -> None:
    found = table.scan(selected_fields=("id", "_deleted", "_pos")).to_arrow().to_pylist()
    assert len(found) == 30
    assert sorted(row["id"] for row in found if row["_deleted"]) == [0, 3, 11, 19]
    assert all(row["id"] % 10 == row["_pos"] for row in found)
