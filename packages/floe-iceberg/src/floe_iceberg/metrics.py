"""What a table stores: rows, files, bytes, what could be given back, and how it grew. All of it from metadata."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from pyiceberg.table import TableProperties
from pyiceberg.utils.properties import property_as_int

if TYPE_CHECKING:
    import pyarrow as pa

    from floe_iceberg.table import FloeTable

SMALL_FILE_RATIO = 0.75  # of the target size: below it, compaction takes a file


class GrowthPoint(BaseModel):
    """What a snapshot's summary says that the table had. None: it does not say."""

    model_config = ConfigDict(frozen=True)

    at: dt.datetime
    snapshot_id: int
    operation: str | None
    records: int | None = Field(description="In data files.")
    data_files: int | None
    bytes: int | None = Field(description="Of data and delete files.")


class StorageMetrics(BaseModel):
    """What a table stores in its current snapshot, and what keeping older ones costs.

    >>> metrics = table.storage_metrics()  # doctest: +SKIP
    >>> metrics.small_file_ratio, metrics.reclaimable_bytes  # doctest: +SKIP
    (0.93, 1204381)
    """

    model_config = ConfigDict(frozen=True)

    table: str
    snapshot_id: int | None = Field(description="The current snapshot. None: the table has none.")
    measured_at: dt.datetime

    records: int = Field(description="Rows in data files, those that delete files take out included.")
    data_files: int
    data_bytes: int
    target_file_bytes: int = Field(description="write.target-file-size-bytes, or its default.")
    small_files: int = Field(description=f"Data files of less than {SMALL_FILE_RATIO:.0%} of the target size.")

    position_deletes: int = Field(description="Rows taken out by position delete files and deletion vectors.")
    equality_deletes: int = Field(description="Keys in equality delete files.")
    position_delete_files: int
    deletion_vectors: int
    equality_delete_files: int
    delete_bytes: int

    partitions: int = Field(description="With files. 1 for a table without partitions that has some.")
    largest_partition_bytes: int = Field(description="Of its data files.")

    snapshots: int
    branches: int
    tags: int
    oldest_snapshot_at: dt.datetime | None
    manifests: int = Field(description="Of the current snapshot.")
    manifest_bytes: int = Field(description="Of the current snapshot.")
    all_manifest_bytes: int = Field(description="Of all snapshots.")
    metadata_bytes: int = Field(description="Of the current metadata file.")

    old_snapshot_bytes: int = Field(
        description="Of data and delete files that no branch or tag has any more: what expiring snapshots can free."
    )
    growth: tuple[GrowthPoint, ...] = Field(description="By snapshot, the oldest first.")

    @property
    def small_file_ratio(self) -> float:
        """Of the data files, those that are small. 0 without files."""
        return self.small_files / self.data_files if self.data_files else 0.0

    @property
    def delete_ratio(self) -> float:
        """Of the rows in data files, those that are taken out by position. 0 without rows."""
        return self.position_deletes / self.records if self.records else 0.0

    @property
    def partition_skew(self) -> float:
        """How many times the average partition's bytes the largest one has. 1: all are alike, or there are none."""
        return self.largest_partition_bytes * self.partitions / self.data_bytes if self.data_bytes else 1.0

    @property
    def deleted_row_bytes(self) -> int:
        """What compaction can free, estimated: deleted rows' share of the data files, and the delete files."""
        return round(self.data_bytes * min(self.delete_ratio, 1.0)) + self.delete_bytes

    @property
    def reclaimable_bytes(self) -> int:
        """What expiry and compaction can free, estimated."""
        return self.old_snapshot_bytes + self.deleted_row_bytes


def storage_metrics(table: FloeTable) -> StorageMetrics:
    """What a table stores, of the state that ``table`` has loaded.

    Reads all manifests of all snapshots once, and the sizes of files; no data. Memory in proportion to the number of
    files, of which the paths are compared.
    """
    inspect, state = table.inspect, table._state
    target = property_as_int(
        state.properties,
        TableProperties.WRITE_TARGET_FILE_SIZE_BYTES,
        TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT,
    )
    assert target is not None
    refs = inspect.refs().to_pylist()
    snapshots = inspect.snapshots(columns=["committed_at", "snapshot_id", "operation", "summary"]).to_pylist()
    snapshots.sort(key=lambda snapshot: snapshot["committed_at"])
    manifests = inspect.manifests(columns=["length"])["length"]
    partitions = inspect.partitions(columns=["total_data_file_size_in_bytes"])["total_data_file_size_in_bytes"]
    return StorageMetrics(
        table=table._full_name,
        snapshot_id=next((ref["snapshot_id"] for ref in refs if ref["name"] == "main"), None),
        measured_at=dt.datetime.now(dt.UTC),
        target_file_bytes=target,
        **_file_counts(table, round(target * SMALL_FILE_RATIO)),
        partitions=len(partitions),
        largest_partition_bytes=max(partitions.to_pylist(), default=0),
        snapshots=len(snapshots),
        branches=sum(ref["type"] == "BRANCH" for ref in refs),
        tags=sum(ref["type"] == "TAG" for ref in refs),
        oldest_snapshot_at=snapshots[0]["committed_at"] if snapshots else None,
        manifests=len(manifests),
        manifest_bytes=sum(manifests.to_pylist()),
        all_manifest_bytes=_all_manifest_bytes(table),
        metadata_bytes=len(state.io.new_input(state.metadata_location)),
        old_snapshot_bytes=_old_snapshot_bytes(table, [ref["name"] for ref in refs]),
        growth=tuple(map(growth_point, snapshots)),
    )


_FILE_COUNTS = (
    "records",
    "data_files",
    "data_bytes",
    "small_files",
    "position_deletes",
    "equality_deletes",
    "position_delete_files",
    "deletion_vectors",
    "equality_delete_files",
    "delete_bytes",
)


def _file_counts(table: FloeTable, small: int) -> dict[str, int]:
    import pyarrow.compute as pc

    counts = dict.fromkeys(_FILE_COUNTS, 0)
    columns = ["content", "file_format", "record_count", "file_size_in_bytes", "content_size_in_bytes"]
    for batch in _batches(table.inspect.stream("files", columns=columns)):
        # A Puffin file holds several vectors: each counts its own bytes.
        size = pc.coalesce(batch["content_size_in_bytes"], batch["file_size_in_bytes"])
        is_vector = pc.equal(pc.ascii_upper(batch["file_format"]), "PUFFIN")
        is_data, is_position, is_equality = (pc.equal(batch["content"], content) for content in range(3))
        counts["records"] += _sum(batch["record_count"], is_data)
        counts["data_files"] += _true(is_data)
        counts["data_bytes"] += _sum(size, is_data)
        counts["small_files"] += _true(pc.and_(is_data, pc.less(size, small)))
        counts["position_deletes"] += _sum(batch["record_count"], is_position)
        counts["equality_deletes"] += _sum(batch["record_count"], is_equality)
        counts["position_delete_files"] += _true(pc.and_not(is_position, is_vector))
        counts["deletion_vectors"] += _true(is_vector)
        counts["equality_delete_files"] += _true(is_equality)
        counts["delete_bytes"] += _sum(size, pc.invert(is_data))
    return counts


def _all_manifest_bytes(table: FloeTable) -> int:
    import pyarrow.compute as pc

    manifests = table.inspect.all_manifests(columns=["path", "length"])
    return pc.sum(manifests.group_by("path").aggregate([("length", "max")])["length_max"]).as_py() or 0


def _old_snapshot_bytes(table: FloeTable, refs: list[str]) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    files = table.inspect.all_files(columns=["file_path", "file_size_in_bytes"])
    files = files.group_by("file_path").aggregate([("file_size_in_bytes", "max")])
    for ref in refs:
        kept = table.inspect.files(ref=ref, columns=["file_path"])["file_path"]
        files = files.filter(pc.invert(pc.is_in(files["file_path"], value_set=kept.cast(pa.string()))))
    return pc.sum(files["file_size_in_bytes_max"]).as_py() or 0


def growth_point(snapshot: dict[str, Any]) -> GrowthPoint:
    """Of a row of the metadata table ``snapshots``."""
    summary = dict(snapshot["summary"] or ())

    def total(key: str) -> int | None:
        text = summary.get(key, "")
        return int(text) if text.isdecimal() else None

    return GrowthPoint(
        at=snapshot["committed_at"],
        snapshot_id=snapshot["snapshot_id"],
        operation=snapshot["operation"],
        records=total("total-records"),
        data_files=total("total-data-files"),
        bytes=total("total-files-size"),
    )


def _batches(stream: Any) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_stream(stream)


def _true(mask: pa.BooleanArray) -> int:
    return int(mask.true_count)


def _sum(values: pa.Array, mask: pa.BooleanArray) -> int:
    import pyarrow.compute as pc

    return pc.sum(values.filter(mask)).as_py() or 0
