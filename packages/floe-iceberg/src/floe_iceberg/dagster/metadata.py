"""What a materialization tells Dagster of a table: counts, columns, and how it grew, as its pages show them."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableSchema

from floe_iceberg.metrics import GrowthPoint, growth_point

if TYPE_CHECKING:
    from floe_iceberg.table import FloeTable

_WIDTH, _HEIGHT, _MARGIN = 640, 220, 48
_POINTS = 200  # of a plot, so that events stay small


def column_schema(table: FloeTable) -> TableSchema:
    """The table's columns, with their Iceberg types."""
    return TableSchema(
        [
            TableColumn(
                field.name,
                str(field.field_type),
                field.doc,
                TableColumnConstraints(nullable=not field.required),
            )
            for field in table.schema().fields
        ]
    )


def row_count(summary: Mapping[str, str]) -> int | None:
    """A snapshot's rows by its summary. None: it does not say, or deletes by key make it unknown without reading."""
    counts = [summary.get(f"total-{what}", "") for what in ("records", "position-deletes", "equality-deletes")]
    if not all(count.isdecimal() for count in counts) or int(counts[2]):
        return None
    return int(counts[0]) - int(counts[1])


def materialization_metadata(
    table: FloeTable,
    branch: str,
    seconds: float,
    *,
    is_partitioned: bool,
    written: int | None,
    marks: Mapping[str, str],
) -> dict[str, Any]:
    """What is told of an output that was written.

    Args:
        table: The table as the output left it.
        branch: The branch that was written.
        seconds: How long it took.
        is_partitioned: Whether the output was one of several partitions.
        written: How many rows came. None: not known.
        marks: What the summary of the output's snapshot has. An output that changed nothing made none.
    """
    snapshots = snapshot_rows(table)
    current = table._state.handle.snapshot_of_ref(branch)
    summary: dict[str, str] = next((row["summary"] for row in snapshots if row["snapshot_id"] == current), {})
    summaries = (row["summary"] for row in reversed(snapshots))
    change: dict[str, str] = next((each for each in summaries if marks.items() <= each.items()), {_ADDED: "0"})
    counts = {
        "dagster/row_count": row_count(summary),
        "dagster/partition_row_count": written if is_partitioned else None,
        **_counts(change, _OF_CHANGE),
        **_counts(summary, _OF_TABLE),
    }
    return {
        "dagster/table_name": table._full_name,
        "dagster/storage_kind": "iceberg",
        "dagster/column_schema": column_schema(table),
        **{key: count for key, count in counts.items() if count is not None},
        "iceberg/snapshot_id": str(current),  # a text: browsers do not count that far
        "iceberg/branch": branch,
        "iceberg/location": MetadataValue.path(table.location()),
        "iceberg/duration_seconds": round(seconds, 3),
        "iceberg/growth": growth_plot([growth_point(row) for row in snapshots]),
    }


def snapshot_rows(table: FloeTable) -> list[dict[str, Any]]:
    """The table's snapshots, the oldest first."""
    rows = table.inspect.snapshots(
        columns=["committed_at", "snapshot_id", "parent_id", "operation", "summary"]
    ).to_pylist()
    return sorted(({**row, "summary": dict(row["summary"] or ())} for row in rows), key=lambda row: row["committed_at"])


_ADDED = "added-records"
_OF_CHANGE = {
    "rows_added": _ADDED,
    "rows_deleted": "deleted-records",
    "files_added": "added-data-files",
    "files_removed": "deleted-data-files",
    "bytes_added": "added-files-size",
}
_OF_TABLE = {"files": "total-data-files", "bytes": "total-files-size"}


def _counts(summary: Mapping[str, str], names: Mapping[str, str]) -> dict[str, int]:
    return {f"iceberg/{name}": int(summary[key]) for name, key in names.items() if summary.get(key, "").isdecimal()}


def growth_plot(points: Sequence[GrowthPoint]) -> MetadataValue[Any]:
    """An image of how many rows the table had, snapshot by snapshot."""
    svg = growth_svg(points)
    encoded = base64.b64encode(svg.encode()).decode()
    return MetadataValue.md(f"![rows by snapshot](data:image/svg+xml;base64,{encoded})")


def growth_svg(points: Sequence[GrowthPoint]) -> str:
    """The plot as SVG: rows over time, the last two hundred snapshots."""
    known = [(point.at, point.records) for point in points[-_POINTS:] if point.records is not None]
    first, last = (known[0][0], known[-1][0]) if known else (dt.datetime.now(dt.UTC),) * 2
    most = max((records for _, records in known), default=0)
    span = (last - first).total_seconds()

    def place(at: dt.datetime, records: int) -> tuple[float, float]:
        share = (at - first).total_seconds() / span if span else 1.0
        height = records / most if most else 0.0
        return (
            round(_MARGIN + share * (_WIDTH - 2 * _MARGIN), 1),
            round(_HEIGHT - _MARGIN - height * (_HEIGHT - 2 * _MARGIN), 1),
        )

    places = [place(*each) for each in known]
    # The rows stay what they are until the next snapshot: steps.
    steps = " ".join(f"{'M' if i == 0 else f'H{x} V'}{f'{x} {y}' if i == 0 else y}" for i, (x, y) in enumerate(places))
    bottom, right = _HEIGHT - _MARGIN, _WIDTH - _MARGIN
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
            _text(_MARGIN, 24, "start", f"rows by snapshot: {most:,} at most, {len(known)} snapshots"),
            f'<path d="M{_MARGIN} {_MARGIN} V{bottom} H{right}" fill="none" stroke="#9aa4b2"/>',
            f'<path d="{steps}" fill="none" stroke="#2563eb" stroke-width="2"/>' if steps else "",
            *(f'<circle cx="{x}" cy="{y}" r="3" fill="#2563eb"/>' for x, y in places),
            _text(_MARGIN - 6, _MARGIN + 4, "end", _short(most)),
            _text(_MARGIN - 6, bottom + 4, "end", "0"),
            _text(_MARGIN, bottom + 18, "start", f"{first:%Y-%m-%d %H:%M:%S}"),
            _text(right, bottom + 18, "end", f"{last:%Y-%m-%d %H:%M:%S} UTC"),
            "</svg>",
        ]
    )


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#334155">{escape(text)}</text>'


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)
