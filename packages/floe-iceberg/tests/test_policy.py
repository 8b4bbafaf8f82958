"""Upkeep by policy, against what the table looks like afterwards."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from floe_iceberg import FloeTable, load_catalog
from floe_iceberg.policy import (
    CompactionPolicy,
    ExpiryPolicy,
    MaintenancePolicy,
    ManifestPolicy,
    OrphanPolicy,
    maintain,
)

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])
EVERYTHING = MaintenancePolicy(
    manifests=ManifestPolicy(min_manifests=2),
    expiry=ExpiryPolicy(older_than=dt.timedelta(0)),
    orphans=OrphanPolicy(),
)


@pytest.fixture
def table(tmp_path: Path) -> FloeTable:
    catalog = load_catalog("p", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    return catalog.create_table("ns.t", SCHEMA)


def fill(table: FloeTable, appends: int = 8) -> None:
    for i in range(appends):
        table.append(pa.table({"id": [i]}, schema=SCHEMA))


def folder(table: FloeTable) -> Path:
    return Path(table.location().removeprefix("file://"))


def test_a_new_table_needs_nothing(table: FloeTable) -> None:
    report = maintain(table, EVERYTHING)
    assert report.actions == ()
    assert str(report) == "ns.t: did 0 things"


def test_a_dry_run_says_what_and_why_and_changes_nothing(table: FloeTable) -> None:
    fill(table)
    before = (table.metadata_location, sorted(folder(table).rglob("*")))
    report = maintain(table, EVERYTHING, dry_run=True)
    assert [action.name for action in report.actions] == ["rewrite_data_files", "rewrite_manifests", "expire_snapshots"]
    assert all(action.result is None for action in report.actions)
    lines = str(report).splitlines()
    assert lines[0] == "ns.t: would do 3 things"
    assert "8 files of " in lines[1]
    assert "in 1 groups" in lines[1]
    assert "up to 8 manifests" in lines[2]
    assert "7 snapshots are no longer kept" in lines[3]
    assert (table.refresh().metadata_location, sorted(folder(table).rglob("*"))) == before


def test_what_it_says_it_does(table: FloeTable) -> None:
    fill(table)
    left = folder(table) / "data" / "left.parquet"
    left.write_text("left")
    os.utime(left, (0, 0))
    report = maintain(table, EVERYTHING)
    names = ["rewrite_data_files", "rewrite_manifests", "expire_snapshots", "remove_orphan_files"]
    assert [action.name for action in report.actions if action.name != "rewrite_manifests"] == [
        name for name in names if name != "rewrite_manifests"
    ]
    assert not left.exists()
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(8))
    metrics = table.storage_metrics()
    assert (metrics.data_files, metrics.snapshots, metrics.old_snapshot_bytes) == (1, 1, 0)
    assert len(list(folder(table).rglob("*.parquet"))) == 1
    assert maintain(table, EVERYTHING).actions == ()


def test_only_what_the_policy_has(table: FloeTable) -> None:
    fill(table)
    nothing = MaintenancePolicy(compaction=None, manifests=None, expiry=None)
    assert maintain(table, nothing).actions == ()
    compaction = MaintenancePolicy(
        compaction=CompactionPolicy(options={"min-input-files": 9}), manifests=None, expiry=None
    )
    assert maintain(table, compaction).actions == ()
    assert len(table.snapshots()) == 8


def test_policies_that_cannot_be() -> None:
    with pytest.raises(ValidationError, match="older_than"):
        ExpiryPolicy(older_than=dt.timedelta(days=-1))
    with pytest.raises(ValidationError, match="compact"):
        MaintenancePolicy.model_validate({"compact": True})
    assert MaintenancePolicy.model_validate_json(EVERYTHING.model_dump_json()) == EVERYTHING
