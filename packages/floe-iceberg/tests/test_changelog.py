"""Changelogs: the rows that came and went between two snapshots, whatever operations and modes there were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from floe_iceberg import ChangelogScan, FloeCatalog, FloeTable, load_catalog
from floe_iceberg.errors import InvalidArgumentError

SCHEMA = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "value", StringType()))
ARROW = pa.schema([pa.field("id", pa.int64(), nullable=False), ("value", pa.string())])


def some(*rows: tuple[int, str]) -> pa.Table:
    return pa.Table.from_pylist([{"id": i, "value": value} for i, value in rows], schema=ARROW)


def changed(scan: ChangelogScan) -> list[tuple[Any, ...]]:
    found = scan.to_arrow()
    rows = found.select(["_change_ordinal", "_change_type", "id", "value"])
    return sorted(tuple(row.values()) for row in rows.to_pylist())


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    catalog = load_catalog("local", type="sql", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    assert isinstance(catalog, FloeCatalog)
    catalog.create_namespace("ns")
    return catalog


@pytest.fixture(params=["copy-on-write", "merge-on-read"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["2", "3"])
def table(request: pytest.FixtureRequest, mode: str, catalog: FloeCatalog) -> FloeTable:
    properties = {"format-version": request.param, **{f"write.{name}.mode": mode for name in ("delete", "merge")}}
    table = catalog.create_table("ns.changed", SCHEMA, properties=properties)
    table.append(some((1, "a"), (2, "b"), (3, "c"), (4, "d")))
    return table


def start(table: FloeTable) -> int:
    return table.snapshots()[0].snapshot_id


def test_every_kind_of_change_comes_out(table: FloeTable) -> None:
    table.delete("id = 1")
    table.upsert(some((2, "x"), (9, "i")), join_cols=["id"])
    table.append(some((10, "j")))
    table.overwrite(some((3, "c"), (11, "k")), "id = 3")
    before = start(table)
    assert changed(table.incremental_changelog_scan(from_snapshot_id_exclusive=before)) == [
        (0, "DELETE", 1, "a"),
        (1, "DELETE", 2, "b"),
        (1, "INSERT", 2, "x"),
        (1, "INSERT", 9, "i"),
        (2, "INSERT", 10, "j"),
        (3, "INSERT", 11, "k"),
    ]
    whole = table.incremental_changelog_scan().to_arrow()
    assert whole.filter(pc.equal(whole["_change_ordinal"], 0)).num_rows == 4
    ids = [snapshot.snapshot_id for snapshot in table.snapshots()]
    assert set(whole["_commit_snapshot_id"].to_pylist()) == set(ids)
    end = table.incremental_changelog_scan(from_snapshot_id_exclusive=ids[1], to_snapshot_id_inclusive=ids[2])
    assert {row[0] for row in changed(end)} == {0}
    assert end.to_arrow_batch_reader().read_all().num_rows == pa.table(end).num_rows == len(end.to_polars()) == 3
    some_columns = table.incremental_changelog_scan(row_filter="id = 2", selected_fields=("value",), limit=2).to_arrow()
    assert some_columns.column_names == ["value", "_change_type", "_change_ordinal", "_commit_snapshot_id"]
    assert some_columns.num_rows == 2


def test_updates_are_pairs_of_one_identifier(table: FloeTable) -> None:
    table.upsert(some((2, "x"), (9, "i")), join_cols=["id"])
    expected = [(0, "INSERT", 9, "i"), (0, "UPDATE_AFTER", 2, "x"), (0, "UPDATE_BEFORE", 2, "b")]
    before = start(table)
    by_id = table.incremental_changelog_scan(from_snapshot_id_exclusive=before, identifier_columns=["id"])
    assert changed(by_id) == expected
    updates: dict[str, Any] = {"from_snapshot_id_exclusive": before, "compute_updates": True}
    if table.format_version == 3:
        assert changed(table.incremental_changelog_scan(**updates)) == expected, "by row ids"
    else:
        with pytest.raises(InvalidArgumentError, match=r"ns\.changed.*identifier"):
            table.incremental_changelog_scan(**updates)
    with table.update_schema() as update:
        update.set_identifier_fields("id")
    assert changed(table.incremental_changelog_scan(**updates)) == expected, "by the schema's identifier fields"


def test_compactions_and_changes_of_the_schema_change_no_rows(table: FloeTable) -> None:
    table.append(some((5, "e")))
    table.delete("id = 4")
    with table.update_schema() as update:
        update.add_column("more", StringType())
        update.rename_column("value", "text")
    table.maintenance.rewrite_data_files(options={"rewrite-all": "true"})
    assert table.current_snapshot().summary.operation.value == "replace"  # type: ignore[union-attr]
    table.delete("id = 3")
    found = table.incremental_changelog_scan(from_snapshot_id_exclusive=start(table)).to_arrow().to_pylist()
    assert [(row["_change_ordinal"], row["_change_type"], row["id"], row["text"], row["more"]) for row in found] == [
        (0, "INSERT", 5, "e", None),
        (1, "DELETE", 4, "d", None),
        (2, "DELETE", 3, "c", None),
    ]


def test_what_cannot_be_is_refused(table: FloeTable) -> None:
    before = start(table)
    table.append(some((5, "e")))
    wrongs: tuple[dict[str, Any], ...] = (
        {"from_snapshot_id_exclusive": 7},
        {"from_snapshot_id_exclusive": table.snapshots()[1].snapshot_id, "to_snapshot_id_inclusive": before},
        {"to_snapshot_id_inclusive": 7},
        {"selected_fields": ("other",)},
        {"identifier_columns": "id"},
        {"identifier_columns": ["other"]},
        {"identifier_columns": ["id"], "compute_updates": False},
    )
    for wrong in wrongs:
        with pytest.raises(ValueError, match="7|other|id|" + str(before)):
            table.incremental_changelog_scan(**wrong)
