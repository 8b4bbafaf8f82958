"""Reports of scans and commits, with the names that Iceberg's metrics reporting has.

The server of a REST catalog gets them if it takes them, unless ``rest-metrics-reporting-enabled`` is ``false``; other
than that, nothing happens unless somebody listens.

Example:
    >>> with listening(lambda report: print(report.to_json())):  # doctest: +SKIP
    ...     table.append(rows)
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import floe_engine
    from floe_iceberg.scan import FloeScan


@dataclass(frozen=True)
class ScanReport:
    """How a scan was planned.

    Attributes:
        table_name: The table's full name.
        snapshot_id: The snapshot; None of an empty table.
        filter: As the REST protocol has expressions, without the values, which may be confidential.
        schema_id: Of the schema that the columns are of.
        projected_field_ids: The columns that come out.
        projected_field_names: Their names.
        durations: In nanoseconds: ``total-planning-duration``.
        counters: ``result-data-files``, ``skipped-data-files`` (in the manifests that were read), ``total-manifests``,
            ``scanned-manifests``, ``skipped-manifests``, ``result-records`` (in the files, before the filter).
    """

    table_name: str
    snapshot_id: int | None
    filter: Any
    schema_id: int
    projected_field_ids: tuple[int, ...]
    projected_field_names: tuple[str, ...]
    durations: Mapping[str, int]
    counters: Mapping[str, int]

    def to_json(self) -> str:
        """The report as the REST protocol has it (``ReportMetricsRequest``)."""
        return json.dumps(
            {
                "report-type": "scan-report",
                "table-name": self.table_name,
                "snapshot-id": -1 if self.snapshot_id is None else self.snapshot_id,
                "filter": self.filter,
                "schema-id": self.schema_id,
                "projected-field-ids": self.projected_field_ids,
                "projected-field-names": self.projected_field_names,
                "metrics": _metrics(self.durations, self.counters),
            }
        )


@dataclass(frozen=True)
class CommitReport:
    """A snapshot that a commit made.

    Attributes:
        table_name: The table's full name.
        snapshot_id: The snapshot.
        sequence_number: Its sequence number.
        operation: ``append``, ``overwrite``, ``delete`` or ``replace``.
        durations: In nanoseconds: ``total-duration``, of the commit and its retries; not of writing data files.
        counters: What the snapshot added, removed and has, such as ``added-data-files`` and ``total-records``.
    """

    table_name: str
    snapshot_id: int
    sequence_number: int
    operation: str
    durations: Mapping[str, int]
    counters: Mapping[str, int]

    def to_json(self) -> str:
        """The report as the REST protocol has it (``ReportMetricsRequest``)."""
        return json.dumps(
            {
                "report-type": "commit-report",
                "table-name": self.table_name,
                "snapshot-id": self.snapshot_id,
                "sequence-number": self.sequence_number,
                "operation": self.operation,
                "metrics": _metrics(self.durations, self.counters),
            }
        )


Listener = Callable[[ScanReport | CommitReport], object]

_LISTENERS: list[Listener] = []
_LOG = logging.getLogger("floe_iceberg")

# What Iceberg's reports call what its summaries call otherwise.
_NAMES = {
    "deleted-data-files": "removed-data-files",
    "deleted-records": "removed-records",
    "added-position-delete-files": "added-positional-delete-files",
    "removed-position-delete-files": "removed-positional-delete-files",
    "added-position-deletes": "added-positional-deletes",
    "removed-position-deletes": "removed-positional-deletes",
    "total-position-deletes": "total-positional-deletes",
    "added-files-size": "added-files-size-bytes",
    "removed-files-size": "removed-files-size-bytes",
    "total-files-size": "total-files-size-bytes",
}


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have reports of all tables of this process while in the block, or ever: ``listening(f).__enter__()``.

    Scans are reported when they are planned; commits of transactions and of single changes of rows, whose snapshots are
    told one by one, when they are done. The listener is called by the thread that did it; what it raises is logged.
    """
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def planned(scan: FloeScan, engine_scan: floe_engine.Scan, filter_json: str) -> floe_engine.Plan:
    """Plan a scan, and report it. With a listener, the plan is complete before its first file is used."""
    if filter_json == "false":  # a look at the schema
        return engine_scan.plan()
    shown = "true"
    if filter_json and (_LISTENERS or engine_scan.takes_reports):
        shown = json.dumps(_without_values(json.loads(filter_json)))
    started = time.perf_counter_ns()
    made = engine_scan.plan(shown if engine_scan.takes_reports else "")
    if not _LISTENERS:
        return made
    files = made.files
    duration = time.perf_counter_ns() - started
    fields = made.projected_fields
    report = ScanReport(
        table_name=scan._full_name,
        snapshot_id=made.snapshot_id,
        filter=json.loads(shown),
        schema_id=made.schema_id,
        projected_field_ids=tuple(field_id for field_id, _ in fields),
        projected_field_names=tuple(name for _, name in fields),
        durations={"total-planning-duration": duration},
        counters={
            "result-data-files": files,
            "skipped-data-files": made.files_pruned,
            "total-manifests": made.manifests_total,
            "scanned-manifests": made.manifests_total - made.manifests_pruned,
            "skipped-manifests": made.manifests_pruned,
            "result-records": made.rows,
        },
    )
    _tell(report)
    return made


def newest(before: floe_engine.Table, after: floe_engine.Table) -> list[int]:
    """The snapshot that a commit of one snapshot made."""
    if not _LISTENERS and not after.takes_reports:
        return []
    known = set(before.snapshot_ids)
    return [snapshot_id for snapshot_id in after.snapshot_ids if snapshot_id not in known][-1:]


def committed(table: floe_engine.Table, snapshots: list[int], nanoseconds: int) -> None:
    """Report the snapshots that a commit made."""
    to_server = table.takes_reports
    if not snapshots or not (_LISTENERS or to_server):
        return
    name = ".".join(table.identifier)
    in_order = [snapshot_id for snapshot_id in table.snapshot_ids if snapshot_id in snapshots]
    for text in map(table.snapshot_json, in_order):
        if text is None:
            continue
        snapshot = json.loads(text)
        summary = snapshot.get("summary", {})
        counters = {
            _NAMES.get(key, key): int(value)
            for key, value in summary.items()
            if key.startswith(("added-", "deleted-", "removed-", "total-", "manifests-")) and value.isdecimal()
        }
        report = CommitReport(
            table_name=name,
            snapshot_id=snapshot["snapshot-id"],
            sequence_number=snapshot.get("sequence-number", 0),
            operation=summary.get("operation", ""),
            durations={"total-duration": nanoseconds},
            counters=counters,
        )
        _tell(report)
        if to_server:
            table.report(report.to_json())
    if trouble := table.report_trouble():
        _LOG.warning(
            "%s: the catalog's server does not get reports, of which later ones may be lost, too: %s", name, trouble
        )


def _tell(report: ScanReport | CommitReport) -> None:
    for listener in tuple(_LISTENERS):
        try:
            listener(report)
        except Exception:  # what is reported has been done
            _LOG.exception("a listener to reports of %s failed", report.table_name)


def _metrics(durations: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, Any]:
    timers = {k: {"count": 1, "time-unit": "nanoseconds", "total-duration": v} for k, v in durations.items()}
    return timers | {k: {"unit": "bytes" if k.endswith("-bytes") else "count", "value": v} for k, v in counters.items()}


def _without_values(expression: Any) -> Any:
    if not isinstance(expression, dict):
        return expression
    hidden: dict[str, Any] = {"value": "(value)", "values": ["(value)"]}
    return {key: hidden[key] if key in hidden else _without_values(part) for key, part in expression.items()}
