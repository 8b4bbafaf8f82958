"""What lineage events say of a table: facets of OpenLineage's datasets, made of metadata. Who sends them is the caller.

>>> facets = dataset_facets(table)  # doctest: +SKIP
>>> facets["icebergSnapshot"]["operation"], facets["outputStatistics"]["rowCount"]  # doctest: +SKIP
('append', 2)
"""

from __future__ import annotations

from typing import Any

from pyiceberg.table import Table

from floe_core.models import SnapshotInfo
from floe_iceberg.errors import SnapshotNotFoundError

_PRODUCER = "floe"
_SCHEMA_URL = "https://openlineage.io/spec/facets/1-1-1/SchemaDatasetFacet.json"
_STATISTICS_URL = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
_SNAPSHOT_URL = "https://floe.dev/lineage/facets/v1/IcebergSnapshotFacet.json"


def dataset_facets(table: Table, snapshot_id: int | None = None) -> dict[str, dict[str, Any]]:
    """The facets of a table as a snapshot left it: ``schema``, ``icebergSnapshot`` and ``outputStatistics``.

    The last has what the snapshot added: ``rowCount``, ``size`` and ``fileCount``. A table without snapshots has the
    first alone.

    Args:
        table: The table, which may be PyIceberg's own.
        snapshot_id: The snapshot. None: the current one.

    Raises:
        SnapshotNotFoundError: There is no such snapshot.
    """
    snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    name = ".".join(table.name())
    if snapshot is None and snapshot_id is not None:
        raise SnapshotNotFoundError(f"{name}: there is no snapshot {snapshot_id}", name, snapshot_id)
    known = None if snapshot is None or snapshot.schema_id is None else table.schemas().get(snapshot.schema_id)
    columns = [
        {"name": field.name, "type": str(field.field_type), **({"description": field.doc} if field.doc else {})}
        for field in (known or table.schema()).fields
    ]
    schema = _facet(_SCHEMA_URL, fields=columns)
    if snapshot is None:
        return {"schema": schema}
    info = SnapshotInfo.from_pyiceberg_snapshot(snapshot)
    return {
        "schema": schema,
        "icebergSnapshot": _facet(
            _SNAPSHOT_URL,
            snapshot_id=info.snapshot_id,
            timestamp_ms=info.timestamp_ms,
            operation=str(info.operation),
            summary=info.summary,
        ),
        "outputStatistics": _facet(
            _STATISTICS_URL,
            rowCount=info.added_records,
            size=int(info.summary.get("added-files-size", 0)),
            fileCount=info.added_files,
        ),
    }


def _facet(url: str, **fields: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": url, **fields}
