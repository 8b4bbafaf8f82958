"""Reports of scans and commits."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from floe_iceberg import FloeTable, load_catalog
from floe_iceberg.reports import CommitReport, ScanReport, listening

ROWS = pa.table({"id": [1, 2, 3], "part": ["a", "a", "b"]})
Reports = list[ScanReport | CommitReport]


@pytest.fixture
def table(tmp_path: Path) -> FloeTable:
    catalog = load_catalog("r", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", ROWS.schema)
    table.update_spec().add_identity("part").commit()
    table.append(ROWS)
    return table


@pytest.fixture
def reports() -> Iterator[Reports]:
    told: Reports = []
    with listening(told.append):
        yield told


def test_a_scan_tells_what_it_pruned_and_no_values(table: FloeTable, reports: Reports) -> None:
    table.append(pa.table({"id": [9], "part": ["secret"]}))
    reports.clear()
    table.scan("part = 'secret' and id > 7", selected_fields=("id",)).to_arrow()
    (report,) = reports
    assert isinstance(report, ScanReport)
    assert (report.table_name, report.snapshot_id) == ("ns.t", table.metadata.current_snapshot_id)
    assert (report.projected_field_ids, report.projected_field_names) == ((1,), ("id",))
    assert report.counters["result-data-files"] == 1
    assert report.counters["result-records"] == 1
    assert report.counters["skipped-manifests"] + report.counters["skipped-data-files"] >= 1
    assert report.counters["total-manifests"] == 2
    text = report.to_json()
    assert "secret" not in text
    told = json.loads(text)
    assert told["report-type"] == "scan-report"
    assert told["filter"]["type"] == "and"
    assert told["metrics"]["result-data-files"] == {"unit": "count", "value": 1}
    assert told["metrics"]["total-planning-duration"]["total-duration"] > 0


def test_a_scan_of_nothing(tmp_path: Path, reports: Reports) -> None:
    catalog = load_catalog("r", type="in-memory", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("ns")
    catalog.create_table("ns.empty", ROWS.schema).scan().to_arrow()
    (report,) = reports
    assert isinstance(report, ScanReport)
    assert report.snapshot_id is None
    assert json.loads(report.to_json())["snapshot-id"] == -1
    assert json.loads(report.to_json())["filter"] is True


def test_each_snapshot_of_a_commit_is_told(table: FloeTable, reports: Reports) -> None:
    with table.transaction() as transaction:
        transaction.append(ROWS)
        transaction.delete("part = 'b'")
        transaction.set_properties({"a": "b"})
    commits = [report for report in reports if isinstance(report, CommitReport)]
    assert [report.operation for report in commits] == ["append", "delete"]
    assert [report.snapshot_id for report in commits] == [s.snapshot_id for s in table.snapshots()[-2:]]
    assert commits[0].counters["added-records"] == 3
    assert commits[1].counters["removed-data-files"] == 2
    assert commits[1].counters["total-records"] == 4
    told = json.loads(commits[1].to_json())
    assert told["report-type"] == "commit-report"
    assert told["sequence-number"] == table.snapshots()[-1].sequence_number
    assert told["metrics"]["total-files-size-bytes"]["unit"] == "bytes"


def test_an_upsert_is_told(table: FloeTable, reports: Reports) -> None:
    table.upsert(pa.table({"id": [1], "part": ["z"]}), join_cols=["id"])
    (report,) = [report for report in reports if isinstance(report, CommitReport)]
    assert report.snapshot_id == table.metadata.current_snapshot_id
    reports.clear()
    table.upsert(pa.table({"id": [1], "part": ["z"]}), join_cols=["id"])  # as it is already
    assert [report for report in reports if isinstance(report, CommitReport)] == []


def test_a_listener_that_fails_fails_nothing(table: FloeTable, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: ScanReport | CommitReport) -> None:
        raise RuntimeError("broken")

    with listening(fail), caplog.at_level(logging.ERROR, "floe_iceberg"):
        table.append(ROWS)
        assert table.scan().count() == 6
    assert "reports of ns.t" in caplog.text
    table.append(ROWS)


def test_what_the_store_was_asked_for_is_counted(table: FloeTable) -> None:
    before = table._state.handle.io_counters
    table.append(ROWS)
    after = table._state.handle.io_counters
    assert after["files_written"] > before["files_written"]
    assert after["bytes_written"] > before["bytes_written"]
    table.scan().to_arrow()
    assert table._state.handle.io_counters["bytes_read"] > after["bytes_read"]
