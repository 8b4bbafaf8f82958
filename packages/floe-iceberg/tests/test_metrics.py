"""Storage metrics, each figure against what lies on disk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from floe_iceberg import FloeTable, load_catalog
from floe_iceberg.errors import InvalidArgumentError

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.int32())])


def make(folder: Path, version: int = 2, **properties: str) -> FloeTable:
    catalog = load_catalog("m", type="in-memory", warehouse=f"file://{folder}")
    catalog.create_namespace("ns")
    return catalog.create_table("ns.t", SCHEMA, properties={"format-version": str(version), **properties})


def rows(ids: range, day: int = 1) -> pa.Table:
    return pa.table({"id": list(ids), "day": [day] * len(ids)}, schema=SCHEMA)


def size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern))


@pytest.mark.requirement("REQ-050")
def test_a_table_without_snapshots_has_nothing(tmp_path: Path) -> None:
    metrics = make(tmp_path).storage_metrics()
    assert metrics.table == "ns.t"
    assert metrics.snapshot_id is None
    assert metrics.oldest_snapshot_at is None
    assert metrics.growth == ()
    assert metrics.metadata_bytes == size(tmp_path, "*.metadata.json")
    assert (metrics.small_file_ratio, metrics.delete_ratio, metrics.partition_skew) == (0, 0, 1)
    assert metrics.reclaimable_bytes == 0


@pytest.mark.requirement("REQ-050")
def test_what_is_on_disk(tmp_path: Path) -> None:
    table = make(tmp_path)
    started = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    for i in range(3):
        table.append(rows(range(10 * i, 10 * i + 10)))
    metrics = table.storage_metrics()
    assert (metrics.records, metrics.data_files, metrics.small_files) == (30, 3, 3)
    assert metrics.data_bytes == size(tmp_path, "*.parquet")
    assert metrics.manifest_bytes == metrics.all_manifest_bytes == size(tmp_path, "*-m*.avro")
    assert (metrics.snapshots, metrics.branches, metrics.tags, metrics.manifests) == (3, 1, 0, 3)
    assert metrics.partitions == 1
    assert metrics.partition_skew == 1
    assert metrics.reclaimable_bytes == 0
    assert [(point.records, point.data_files) for point in metrics.growth] == [(10, 1), (20, 2), (30, 3)]
    assert [point.bytes for point in metrics.growth][-1] == metrics.data_bytes
    assert metrics.oldest_snapshot_at is not None
    assert started < metrics.oldest_snapshot_at <= metrics.measured_at
    assert metrics == type(metrics).model_validate_json(metrics.model_dump_json())


@pytest.mark.parametrize("version", [2, 3])
def test_deletes_are_counted_and_what_they_free(tmp_path: Path, version: int) -> None:
    merge_on_read = {"write.delete.mode": "merge-on-read"}
    table = make(tmp_path, version, **merge_on_read)
    table.append(rows(range(100)))
    table.append(rows(range(100, 200)))
    table.delete("id in (1, 2, 3, 104)")
    metrics = table.storage_metrics()
    assert (metrics.records, metrics.position_deletes) == (200, 4)
    assert metrics.delete_ratio == 4 / 200
    assert (metrics.deletion_vectors, metrics.position_delete_files) == ((2, 0) if version == 3 else (0, 1))
    assert 0 < metrics.delete_bytes <= size(tmp_path, "*.puffin") + size(tmp_path, "*deletes*")
    assert metrics.deleted_row_bytes == round(metrics.data_bytes * 0.02) + metrics.delete_bytes
    assert metrics.old_snapshot_bytes == 0


def test_what_only_old_snapshots_have(tmp_path: Path) -> None:
    table = make(tmp_path)
    table.append(rows(range(10)))
    first = size(tmp_path, "*.parquet")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "kept").commit()  # type: ignore[union-attr]
    table.overwrite(rows(range(20)))
    second = size(tmp_path, "*.parquet") - first
    table.overwrite(rows(range(30)))
    assert table.storage_metrics().old_snapshot_bytes == second
    table.manage_snapshots().remove_tag("kept").commit()
    assert table.storage_metrics().old_snapshot_bytes == first + second


def test_a_large_partition_is_skew(tmp_path: Path) -> None:
    table = make(tmp_path)
    with table.update_spec() as update:
        update.add_identity("day")
    table.append(pa.concat_tables([rows(range(10), 1), rows(range(10), 2), rows(range(100_000), 3)]))
    metrics = table.storage_metrics()
    assert metrics.partitions == 3
    assert 2 < metrics.partition_skew < 3


def test_a_target_size_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises((InvalidArgumentError, ValueError), match="target-file-size-bytes"):
        make(tmp_path, 2, **{"write.target-file-size-bytes": "large"}).storage_metrics()
