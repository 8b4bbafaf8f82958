"""Upkeep of tables, against what lies on disk."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table.maintenance import MaintenanceTable
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
