"""Facets of lineage events: what a snapshot made of a table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType

from floe_iceberg import load_catalog
from floe_iceberg.errors import SnapshotNotFoundError
from floe_iceberg.lineage import dataset_facets


def test_facets_are_of_a_snapshot_and_the_schema_that_it_had(tmp_path: Path) -> None:
    properties = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    catalog = load_catalog("c", type="sql", **properties)
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", pa.schema([("id", pa.int64())]))
    assert list(dataset_facets(table)) == ["schema"]
    table.append(pa.table({"id": [1, 2]}), {"ticket": "F-7"})
    first = table.current_snapshot()
    assert first is not None
    with table.update_schema() as update:
        update.add_column("gate", StringType(), doc="where it leaves")
    table.append(pa.table({"id": [3], "gate": ["A"]}))

    facets = dataset_facets(table, first.snapshot_id)
    assert json.loads(json.dumps(facets)) == facets
    assert [field["name"] for field in facets["schema"]["fields"]] == ["id"]
    snapshot = facets["icebergSnapshot"]
    assert (snapshot["snapshot_id"], snapshot["operation"]) == (first.snapshot_id, "append")
    assert snapshot["summary"]["ticket"] == "F-7"
    statistics = facets["outputStatistics"]
    assert (statistics["rowCount"], statistics["fileCount"]) == (2, 1)
    assert statistics["size"] > 0

    now = dataset_facets(SqlCatalog("c", **properties).load_table("ns.t"))
    assert now["outputStatistics"]["rowCount"] == 1
    assert now["schema"]["fields"][1] == {"name": "gate", "type": "string", "description": "where it leaves"}
    with pytest.raises(SnapshotNotFoundError, match=r"ns\.t: there is no snapshot 5"):
        dataset_facets(table, 5)
