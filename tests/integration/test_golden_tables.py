"""Tables that Spark and Iceberg's Java made, read by us: snapshots, filters, columns, metadata tables as Java answers.

What Java has no answers to is not here: default values of ORC files, equality deletes by a column that was dropped
since, dates that become timestamps, and rows of geometry and geography (Iceberg 1.11 neither writes nor reads them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from floe_iceberg import FloeCatalog, load_catalog
from floe_iceberg.scan import FloeScan
from testing.fixtures.services import from_json
from testing.golden.spark_tables import TABLES
from tests.integration.spark_judge import same_metadata_rows
from tests.integration.strangers import plain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # making the tables takes minutes

#: Tables that we do not read, and what the error says.
REFUSED = {
    "encrypted": "is encrypted, which is not read yet",
    "variants_shredded": "column v is a shredded variant, which is not read yet",
}

#: Tables whose metadata tables Java cannot show: it asks for counts that manifests without a list have nowhere.
JAVA_FAILS = {"embedded_manifests"}


@pytest.fixture
def catalog(golden_tables: Path) -> FloeCatalog:
    properties = {"uri": f"sqlite:///{golden_tables}/catalog.db", "warehouse": f"file://{golden_tables}/warehouse"}
    return load_catalog("floe", type="sql", **properties)


def canonical(value: Any) -> Any:
    """A value that compares. The entries of a map, which come as tuples, have no order."""
    if isinstance(value, list) and value and all(isinstance(entry, tuple) for entry in value):
        return {"map": sorted(([canonical(k), canonical(v)] for k, v in value), key=repr)}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, dict):
        return {k: canonical(v) for k, v in value.items()}
    return plain(value)


def ours(scan: FloeScan, columns: list[str], nanos: bool = False) -> list[str]:
    """What the engine itself reads, as sorted texts of rows."""
    table = pa.table(scan.plan().read().read_all())
    if nanos:
        as_nanos = [
            pa.field(f.name, pa.timestamp("ns", f.type.tz)) if pa.types.is_timestamp(f.type) else f
            for f in table.schema
        ]
        table = table.cast(pa.schema(as_nanos))
        as_numbers = [pa.field(f.name, pa.int64()) if pa.types.is_timestamp(f.type) else f for f in table.schema]
        table = table.cast(pa.schema(as_numbers))
    flat = [leaf(table, name) for name in columns]
    found = zip(*flat, strict=True) if flat else []
    return sorted(repr([canonical(value) for value in row]) for row in found)


def leaf(table: pa.Table, name: str) -> list[Any]:
    """A column by its full name: Spark names a field of a struct by its own name, we keep the struct."""
    if name in table.column_names:
        return cast(list[Any], table[name].to_pylist())
    top, *path = name.split(".")
    values: list[Any] = table[top].to_pylist()
    for part in path:
        values = [None if value is None else value[part] for value in values]
    return values


def theirs(answer: dict[str, Any]) -> list[str]:
    assert "error" not in answer, answer
    return sorted(repr([canonical(from_json(value)) for value in row]) for row in answer["rows"])


@pytest.mark.parametrize("name", [name for name in TABLES if name not in REFUSED])
def test_we_read_what_java_wrote(golden_tables: Path, catalog: FloeCatalog, name: str) -> None:
    answers = json.loads((golden_tables / f"answers/{name}.json").read_text())
    assert "error" not in answers, answers["error"]
    table = catalog.load_table(answers["table"])
    differing: list[Any] = []

    def compare(what: str, scan: FloeScan, columns: list[str], answer: dict[str, Any]) -> None:
        expected = theirs(answer)
        try:
            found = ours(scan, columns, TABLES[name].generic)
            counted = scan.count()
        except Exception as error:
            differing.append((what, f"{type(error).__name__}: {error}"))
            return
        if found != expected:
            only_ours, only_theirs = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
            differing.append((what, {"ours": only_ours[:3], "theirs": only_theirs[:3]}, len(found), len(expected)))
        if counted != len(expected):
            differing.append((what, f"{counted} rows counted, of {len(expected)}"))

    for snapshot, answer in answers["snapshots"].items():
        compare(f"snapshot {snapshot}", table.scan(snapshot_id=int(snapshot)), answer.get("columns", []), answer)
    for row_filter, answer in answers["filters"]:
        compare(row_filter, table.scan(row_filter), answer.get("columns", []), answer)
    for columns, answer in answers["columns"]:
        compare(f"columns {columns}", table.scan(selected_fields=tuple(columns)), columns, answer)
    if differing:
        pytest.fail("\n".join(map(str, differing)), pytrace=False)
    assert answers["snapshots"] or table.current_snapshot() is None


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if not table.generic])
def test_metadata_tables_are_javas(golden_tables: Path, catalog: FloeCatalog, name: str) -> None:
    answers = json.loads((golden_tables / f"answers/{name}.json").read_text())
    assert "error" not in answers, answers["error"]
    table = catalog.load_table(answers["table"])
    differing = []
    for kind, answer in answers["metadata_tables"].items():
        mine = getattr(table.inspect, kind)().to_pylist()
        if "error" in answer:
            if name not in JAVA_FAILS or not mine:
                differing.append((kind, answer["error"]))
            continue
        theirs = [dict(zip(answer["columns"], map(from_json, row), strict=True)) for row in answer["rows"]]
        if kind.startswith("all_"):  # see test_spark_inspect.py
            for row in (*mine, *theirs):
                row.get("data_file", row).pop("first_row_id", None)
        try:
            same_metadata_rows(mine, theirs)
        except AssertionError as error:
            differing.append((kind, str(error)))
    if differing:
        pytest.fail("\n".join(map(str, differing)), pytrace=False)


@pytest.mark.parametrize("name", REFUSED)
def test_what_we_do_not_read_is_said(golden_tables: Path, catalog: FloeCatalog, name: str) -> None:
    with pytest.raises(NotImplementedError, match=REFUSED[name]):
        catalog.load_table(f"golden.{name}").scan().to_arrow()
