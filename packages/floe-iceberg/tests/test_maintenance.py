"""Upkeep of tables, against what lies on disk."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import datasketches
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.table import StaticTable
from pyiceberg.table.maintenance import MaintenanceTable
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import ExpireSnapshots

from floe_iceberg import FloeTable, load_catalog
from floe_iceberg.errors import InvalidArgumentError, NotFoundError
from floe_iceberg.maintenance import to_milliseconds

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.int32())])
EVER = 2**62


@pytest.fixture
def table(tmp_path: Path) -> FloeTable:
    """Three snapshots: rows 0 and 1, replaced by 10 and 11, and 20 and 21 beside them."""
    catalog = load_catalog("m", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(rows(range(2)))
    table.overwrite(rows(range(10, 12)))
    table.append(rows(range(20, 22)))
    return table


def rows(ids: range, day: int = 1) -> pa.Table:
    return pa.table({"id": list(ids), "day": [day] * len(ids)}, schema=SCHEMA)


def ids(table: FloeTable) -> list[int]:
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def parquet_files(folder: Path) -> int:
    return len(list(folder.rglob("*.parquet")))


def test_expiry_removes_what_only_old_snapshots_have(table: FloeTable, tmp_path: Path) -> None:
    before = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    result = table.maintenance.expire_snapshots(older_than=EVER)
    assert len(table.snapshots()) == 1
    assert ids(table) == [10, 11, 20, 21]
    assert result.deleted_data_files_count == 1
    assert parquet_files(tmp_path) == 2
    assert result.deleted_manifest_lists_count == len(result.snapshots)
    assert result.deleted_bytes > before - sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert (result.failed, result.problems, result.files) == (0, [], None)
    assert result.to_arrow()["deleted_data_files_count"].to_pylist() == [1]
    assert repr(result).startswith("<ns.t: removed ")
    assert len(repr(result)) < 100


def test_a_dry_run_lists_and_changes_nothing(table: FloeTable, tmp_path: Path) -> None:
    there = sorted(tmp_path.rglob("*"))
    location = table.metadata_location
    result = table.maintenance.expire_snapshots(older_than=EVER, dry_run=True)
    assert (sorted(tmp_path.rglob("*")), table.metadata_location) == (there, location)
    assert result.files is not None
    assert result.files.schema.names == ["location", "kind", "size"]
    assert result.files["kind"].to_pylist().count("data") == 1
    done = table.maintenance.expire_snapshots(older_than=EVER)
    assert (done.deleted_files_count, done.deleted_bytes) == (result.deleted_files_count, result.deleted_bytes)
    assert not any(Path(file.removeprefix("file://")).exists() for file in result.files["location"].to_pylist())


def test_the_table_says_what_it_keeps(table: FloeTable) -> None:
    snapshots = len(table.snapshots())
    assert table.maintenance.expire_snapshots(dry_run=False).snapshots == []  # five days
    with table.transaction() as transaction:
        transaction.set_properties(
            {"history.expire.max-snapshot-age-ms": "-1000000", "history.expire.min-snapshots-to-keep": "2"}
        )
    assert len(table.maintenance.expire_snapshots(dry_run=True).snapshots) == snapshots - 2
    assert len(table.maintenance.expire_snapshots(retain_last=1).snapshots) == snapshots - 1


def test_tags_keep_what_they_name(table: FloeTable, tmp_path: Path) -> None:
    first = table.snapshots()[0].snapshot_id
    table.manage_snapshots().create_tag(first, "first").commit()
    with pytest.raises(InvalidArgumentError, match=r"Cannot expire \d+. Still referenced by refs: \[first\]"):
        table.maintenance.expire_snapshots(snapshot_ids=[first])
    table.maintenance.expire_snapshots(older_than=EVER)
    assert sorted(table.scan(ref="first").to_arrow()["id"].to_pylist()) == [0, 1]
    assert parquet_files(tmp_path) == 3
    table.manage_snapshots().set_retention("first", max_ref_age_ms=1).commit()
    result = table.maintenance.expire_snapshots(older_than=EVER)
    assert result.refs == ["first"]
    assert parquet_files(tmp_path) == 2


def test_files_may_stay(table: FloeTable, tmp_path: Path) -> None:
    table.maintenance.expire_snapshots(older_than=EVER, delete_files=False)
    assert len(table.snapshots()) == 1
    assert parquet_files(tmp_path) == 3


def test_a_table_whose_files_are_others_too_refuses(table: FloeTable) -> None:
    with table.transaction() as transaction:
        transaction.set_properties({"gc.enabled": "false"})
    with pytest.raises(InvalidArgumentError, match="GC is disabled"):
        table.maintenance.expire_snapshots(older_than=EVER)


def test_wrong_arguments_are_refused(table: FloeTable) -> None:
    with pytest.raises(TypeError, match="stream_results"):
        table.maintenance.expire_snapshots(stream_results=True)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgumentError, match="has no time zone"):
        table.maintenance.expire_snapshots(older_than=dt.datetime(2026, 1, 1))
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        table.maintenance.expire_snapshots(retain_last=0)
    with pytest.raises(NotFoundError, match="no snapshot 77"):
        table.maintenance.expire_snapshots(snapshot_ids=[77])
    assert to_milliseconds(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "x") == 1767225600000


def test_pyicebergs_builder(table: FloeTable, tmp_path: Path) -> None:
    assert isinstance(table.maintenance, MaintenanceTable)
    builder = table.maintenance.expire_snapshots()
    assert isinstance(builder, ExpireSnapshots)
    first, *between, last = [snapshot.snapshot_id for snapshot in table.snapshots()]
    with pytest.raises(ValueError, match="is protected"):
        builder.by_id(last)
    with pytest.raises(ValueError, match="does not exist"):
        builder.by_id(77)
    table.maintenance.expire_snapshots().commit()
    assert len(table.snapshots()) == len(between) + 2
    builder.by_id(first).commit()
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [*between, last]
    with table.maintenance.expire_snapshots() as expiry:
        expiry.older_than(dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [last]
    assert parquet_files(tmp_path) == 2


def test_progress_is_told_and_may_end_it(table: FloeTable) -> None:
    told: list[tuple[str, int, int]] = []
    table.maintenance.expire_snapshots(older_than=EVER, dry_run=True, progress=lambda *how_far: told.append(how_far))
    assert {"manifest lists to keep", "manifest lists to remove", "manifests to remove"} <= {
        phase for phase, *_ in told
    }

    def fail(*_: object) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        table.maintenance.expire_snapshots(older_than=EVER, progress=fail)
    assert ids(table.refresh()) == [10, 11, 20, 21]


def test_a_stale_handle_expires_what_the_table_is_now(table: FloeTable) -> None:
    stale = table.catalog.load_table("ns.t")
    assert isinstance(stale, FloeTable)
    table.append(rows(range(30, 32)))
    stale.maintenance.expire_snapshots(older_than=EVER)
    assert ids(stale) == [10, 11, 20, 21, 30, 31]
    assert ids(table.refresh()) == [10, 11, 20, 21, 30, 31]


# --- orphan files ---


def leave(table: FloeTable, name: str, days: float) -> Path:
    """A file that nothing mentions, so many days old."""
    path = Path(table.location().removeprefix("file://")) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left")
    then = dt.datetime.now().timestamp() - days * 86400
    os.utime(path, (then, then))
    return path


def test_orphans_are_what_is_old_and_not_mentioned(table: FloeTable) -> None:
    old, young = leave(table, "data/day=1/old.parquet", 4), leave(table, "data/young.parquet", 2)
    for path in Path(table.location().removeprefix("file://")).rglob("*"):
        if path not in (young, old):
            os.utime(path, (0, 0))
    dry = table.maintenance.remove_orphan_files(dry_run=True)
    assert dry.files["orphan_file_location"].to_pylist() == [f"file://{old}"]
    assert (dry.orphan_files_count, dry.orphan_bytes, dry.removed) == (1, 4, 0)
    assert old.exists()
    assert repr(dry) == f"<ns.t: 1 of {dry.looked_at} files are orphans of 4 bytes>"
    assert table.maintenance.remove_orphan_files().removed == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert ids(table) == [10, 11, 20, 21]
    for snapshot in table.snapshots():
        table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()


def test_recent_orphans_have_to_be_asked_for(table: FloeTable) -> None:
    left = leave(table, "data/left", 0.5)
    now = dt.datetime.now(dt.UTC)
    with pytest.raises(InvalidArgumentError, match="less than 24 hours"):
        table.maintenance.remove_orphan_files(older_than=now)
    assert table.maintenance.remove_orphan_files(older_than=now, allow_recent=True).removed >= 1
    assert not left.exists()


def test_orphans_can_go_into_the_trash(table: FloeTable, tmp_path: Path) -> None:
    left = leave(table, "data/left", 4)
    table.maintenance.remove_orphan_files(trash=f"file://{tmp_path}/trash")
    assert not left.exists()
    assert (tmp_path / "trash" / left.relative_to("/")).read_text() == "left"


def test_orphans_after_an_expiry_that_left_files(table: FloeTable, tmp_path: Path) -> None:
    table.maintenance.expire_snapshots(older_than=EVER, delete_files=False)
    assert parquet_files(tmp_path) == 3
    result = table.maintenance.remove_orphan_files(older_than=EVER, allow_recent=True)
    assert parquet_files(tmp_path) == 2
    assert result.removed == result.orphan_files_count > 3
    assert ids(table) == [10, 11, 20, 21]


def test_wrong_places_of_orphans_are_refused(table: FloeTable, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="above the table's location"):
        table.maintenance.remove_orphan_files(location=f"file://{tmp_path}")
    with pytest.raises(InvalidArgumentError, match="prefix_mismatch_mode"):
        table.maintenance.remove_orphan_files(prefix_mismatch_mode="none")
    with pytest.raises(TypeError, match="file_list_view"):
        table.maintenance.remove_orphan_files(file_list_view="x")  # type: ignore[call-arg]


# --- manifests ---


def test_manifests_become_one(table: FloeTable) -> None:
    before = table.inspect.entries(columns=["sequence_number", "file_sequence_number", "snapshot_id"]).to_pylist()
    snapshots = len(table.snapshots())
    result = table.maintenance.rewrite_manifests(snapshot_properties={"why": "because"})
    assert result.added_manifests_count == 1
    assert result.rewritten_manifests_count >= 2
    assert result.to_arrow().num_rows == 1
    assert table.inspect.manifests().num_rows == 1
    assert len(table.snapshots()) == snapshots + 1
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation == Operation.REPLACE
    assert snapshot.summary["why"] == "because"
    after = table.inspect.entries(columns=["sequence_number", "file_sequence_number", "snapshot_id"]).to_pylist()
    live = [entry for entry in before if entry in after]
    assert len(live) == len(after) == 2
    assert ids(table) == [10, 11, 20, 21]
    assert table.maintenance.rewrite_manifests().added_manifests_count == 0
    assert len(table.snapshots()) == snapshots + 1


def test_manifests_of_what_is_not_there(table: FloeTable) -> None:
    with pytest.raises(InvalidArgumentError, match="no partition spec 7"):
        table.maintenance.rewrite_manifests(spec_id=7)
    with pytest.raises(NotFoundError, match="no branch nowhere"):
        table.maintenance.rewrite_manifests(branch="nowhere")


# --- statistics ---


def test_partition_statistics_are_there_until_their_snapshot_expires(table: FloeTable) -> None:
    with pytest.raises(InvalidArgumentError, match="not partitioned"):
        table.maintenance.compute_partition_stats()
    table.update_spec().add_identity("day").commit()
    table.append(rows(range(30, 33), day=7))
    of = table.current_snapshot()
    assert of is not None
    result = table.maintenance.compute_partition_stats()
    assert [file.snapshot_id for file in table.metadata.partition_statistics] == [of.snapshot_id]
    path = table.metadata.partition_statistics[0].statistics_path
    assert result.partition_statistics_file == path
    assert result.to_arrow()["partition_statistics_file"].to_pylist() == [path]
    file = Path(path.removeprefix("file://"))
    assert file.stat().st_size == table.metadata.partition_statistics[0].file_size_in_bytes
    found = pq.read_table(file).to_pylist()
    assert [(row["partition"]["day"], row["spec_id"], row["data_record_count"]) for row in found] == [
        (None, 0, 4),
        (7, 1, 3),
    ]
    assert table.maintenance.compute_partition_stats() == result
    table.append(rows(range(40, 41)))
    table.maintenance.expire_snapshots(older_than=EVER)
    assert not file.exists()
    assert table.metadata.partition_statistics == []


def test_partition_statistics_of_snapshots(table: FloeTable) -> None:
    table.update_spec().add_identity("day").commit()
    first = table.snapshots()[0].snapshot_id
    result = table.maintenance.compute_partition_stats(snapshot_id=first)
    assert result.partition_statistics_file is not None
    assert pq.read_table(result.partition_statistics_file.removeprefix("file://"))["data_file_count"].to_pylist() == [1]
    with pytest.raises(NotFoundError, match="no snapshot 7"):
        table.maintenance.compute_partition_stats(snapshot_id=7)


def blobs_of(location: str) -> list[tuple[dict[str, Any], bytes]]:
    """What the footer of a Puffin file says of each blob, and its content."""
    content = Path(location.removeprefix("file://")).read_bytes()
    footer = json.loads(content[-12 - int.from_bytes(content[-12:-8], "little") : -12])
    return [(blob, content[blob["offset"] : blob["offset"] + blob["length"]]) for blob in footer["blobs"]]


@pytest.mark.parametrize("count", [0, 1, 2, 4096, 4097, 50_000])
def test_sketches_are_those_that_datasketches_makes(tmp_path: Path, count: int) -> None:
    catalog = load_catalog("m", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    values = [value % count for value in range(7, 2 * count + 7)]
    data = pa.table(
        {
            "text": pa.array([*(f"value {value}" for value in values), None], pa.string()),
            "number": pa.array([*values, None], pa.int64()),
            "real": pa.array([*values, None], pa.float64()),
        }
    )
    table = catalog.create_table("ns.s", data.schema)
    table.append(data)
    table.maintenance.compute_table_stats()
    [file] = table.metadata.statistics
    for (blob, content), metadata in zip(blobs_of(file.statistics_path), file.blob_metadata, strict=True):
        expected = datasketches.update_theta_sketch()
        for value in data[table.schema().find_column_name(blob["fields"][0])].to_pylist():
            if value is not None:
                expected.update(value)
        expected.trim()
        found = datasketches.compact_theta_sketch.deserialize(content)
        assert (list(found), found.theta64) == (list(expected.compact()), expected.theta64)
        assert (found.is_empty(), found.is_ordered()) == (count == 0, True)
        assert blob["properties"] == metadata.properties == {"ndv": str(int(found.get_estimate()))}
        both = datasketches.theta_union()
        both.update(found)
        both.update(expected.compact())
        assert both.get_result().get_estimate() == found.get_estimate()


def test_table_statistics_are_there_until_their_snapshot_expires(table: FloeTable) -> None:
    table.append(pa.table({"id": [30, 31], "day": [None, 7]}, schema=SCHEMA))
    of = table.current_snapshot()
    assert of is not None
    result = table.maintenance.compute_table_stats()
    [file] = table.metadata.statistics
    assert (file.snapshot_id, file.statistics_path) == (of.snapshot_id, result.statistics_file)
    assert result.to_arrow()["statistics_file"].to_pylist() == [file.statistics_path]
    path = Path(file.statistics_path.removeprefix("file://"))
    assert path.stat().st_size == file.file_size_in_bytes
    assert path.read_bytes()[-file.file_footer_size_in_bytes :].startswith(b'PFA1{"blobs"')
    assert StaticTable.from_metadata(table.metadata_location).metadata.statistics == [file]
    blobs = [blob for blob, _ in blobs_of(file.statistics_path)]
    assert [(blob["fields"], blob["properties"]["ndv"]) for blob in blobs] == [([1], "6"), ([2], "2")]
    assert {blob["sequence-number"] for blob in blobs} == {of.sequence_number}
    [row] = table.inspect.statistics_files().to_pylist()
    assert [(blob["fields"], dict(blob["properties"])) for blob in row["blob_metadata"]] == [
        ([1], {"ndv": "6"}),
        ([2], {"ndv": "2"}),
    ]
    table.append(rows(range(40, 41)))
    table.maintenance.expire_snapshots(older_than=EVER)
    assert not path.exists()
    assert table.metadata.statistics == []


def test_table_statistics_of_columns_and_snapshots(table: FloeTable) -> None:
    first = table.snapshots()[0].snapshot_id
    table.maintenance.compute_table_stats(columns=["id"], snapshot_id=first)
    [file] = table.metadata.statistics
    assert [(blob.fields, blob.properties) for blob in file.blob_metadata] == [([1], {"ndv": "2"})]
    table.update_statistics().remove_statistics(first).commit()
    assert table.metadata.statistics == []
    with pytest.raises(NotFoundError, match="no snapshot 7"):
        table.maintenance.compute_table_stats(snapshot_id=7)
    with pytest.raises(InvalidArgumentError, match=r"ns\.t: it has no column none"):
        table.maintenance.compute_table_stats(columns=["none"])
    with pytest.raises(InvalidArgumentError, match="list of names"):
        table.maintenance.compute_table_stats(columns="id")
    empty = table.catalog.create_table("ns.empty", SCHEMA)
    assert isinstance(empty, FloeTable)
    assert empty.maintenance.compute_table_stats().statistics_file is None
    assert empty.maintenance.compute_table_stats().to_arrow().num_rows == 0
