"""Broken and missing files of every format and kind: an error that names the file, or the right rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog

ROWS = pa.table(
    {
        "id": pa.array(range(40), pa.int64()),
        "text": pa.array([None if i % 7 == 0 else f"text {i}" for i in range(40)], pa.string()),
        "number": pa.array([i / 2 for i in range(40)], pa.float64()),
    }
)
KEPT = [row for row in ROWS.to_pylist() if row["id"] % 5 != 3]
GONE = "id in (3, 8, 13, 18, 23, 28, 33, 38)"

#: A format version, a format of data and delete files, and how rows are deleted.
TABLES = {
    f"{deletes} deletes, {file_format}, v{version}": (version, file_format, deletes)
    for version, file_format, deletes in [
        ("2", "parquet", "position"),
        ("2", "avro", "position"),
        ("2", "orc", "position"),
        ("2", "parquet", "equality"),
        ("2", "avro", "equality"),
        ("2", "orc", "equality"),
        ("3", "parquet", "position"),  # a deletion vector
        ("3", "orc", "equality"),
    ]
}


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    made = load_catalog("bad", type="sql", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/wh")
    made.create_namespace("ns")
    return made


@pytest.fixture(params=TABLES)
def table(catalog: FloeCatalog, request: pytest.FixtureRequest) -> FloeTable:
    version, file_format, deletes = TABLES[request.param]
    made = catalog.create_table(
        "ns.t", ROWS.schema, properties={"format-version": version, "write.format.default": file_format}
    )
    made.append(ROWS)
    if deletes == "position":
        made.delete(GONE, mode="merge-on-read")
    else:
        made.apply_changes(deletes=pa.table({"id": pa.array(range(3, 40, 5), pa.int64())}), key_cols=["id"])
    assert made.inspect.delete_files().num_rows == 1
    assert read_afresh(made) == KEPT
    return made


def file_of(table: FloeTable, kind: str) -> Path:
    locations = {
        "data file": lambda: table.inspect.data_files()["file_path"][0].as_py(),
        "delete file": lambda: table.inspect.delete_files()["file_path"][0].as_py(),
        "manifest": lambda: table.inspect.manifests().filter(pa.array([True, False]))["path"][0].as_py(),
        "delete manifest": lambda: table.inspect.manifests().filter(pa.array([False, True]))["path"][0].as_py(),
        "manifest list": lambda: table.inspect.snapshots()["manifest_list"][-1].as_py(),
    }
    return Path(locations[kind]().removeprefix("file://"))


def read_afresh(table: FloeTable) -> list[dict[str, Any]]:
    """Reads as another process would: no cache, no parsed metadata."""
    floe_engine.clear_manifest_cache()
    rows = load_catalog(table.catalog.name, **table.catalog.properties).load_table("ns.t").scan().to_arrow()
    return sorted(rows.to_pylist(), key=lambda row: (row["id"] is None, row["id"]))


def rows_or_named_error(table: FloeTable, path: Path) -> list[dict[str, Any]] | None:
    """The rows; None after an error that names the file."""
    try:
        return read_afresh(table)
    except floe_engine.Error as error:
        if path.name not in str(error):
            raise
        return None


@pytest.mark.parametrize("kind", ["data file", "delete file", "manifest", "delete manifest", "manifest list"])
def test_a_missing_file_is_told_with_table_and_snapshot(table: FloeTable, kind: str) -> None:
    path, snapshot = file_of(table, kind), table.metadata.current_snapshot_id
    path.unlink()
    with pytest.raises(floe_engine.NotFound) as caught:
        read_afresh(table)
    for word in ("ns.t", str(snapshot), path.name):
        assert word in str(caught.value), str(caught.value)
    with pytest.raises(floe_engine.Error, match=path.name):
        table.delete("number > 3", mode="copy-on-write")


@pytest.mark.parametrize("kind", ["data file", "delete file"])
def test_a_cut_file_is_named(table: FloeTable, kind: str) -> None:
    path = file_of(table, kind)
    whole = path.read_bytes()
    for length in [0, 1, 3, 4, 8, len(whole) // 4, len(whole) // 2, len(whole) - 9, len(whole) - 5, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(floe_engine.Error) as caught:
            read_afresh(table)
        assert path.name in str(caught.value), f"cut at {length}: {caught.value}"
    path.write_bytes(whole)
    assert read_afresh(table) == KEPT


#: Not ORC files with strings, whose lengths Arrow's library takes unchecked, and crashes.
FLIPPED = [
    (name, kind)
    for name, (_, file_format, deletes) in TABLES.items()
    for kind in ("data file", "delete file")
    if file_format != "orc" or (kind, deletes) == ("delete file", "equality")
]


@pytest.mark.parametrize(("table", "kind"), FLIPPED, indirect=["table"])
def test_flipped_bits_are_an_error_or_harmless(table: FloeTable, kind: str) -> None:
    """Any single flipped bit: an error that names the file, or the right rows.

    Avro (unless it is snappy) and ORC have no checksums: there the values of rows may change.
    """
    path = file_of(table, kind)
    whole = path.read_bytes()
    chance = random.Random(20)
    for _ in range(200):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        broken = bytearray(whole)
        broken[at] ^= 1 << bit
        path.write_bytes(broken)
        found = rows_or_named_error(table, path)
        assert found in (KEPT, None) or path.suffix in (".avro", ".orc"), f"byte {at} bit {bit}: other rows"
    path.write_bytes(whole)
    assert read_afresh(table) == KEPT


def test_a_corrupt_row_index_of_an_orc_file_does_no_harm(catalog: FloeCatalog) -> None:
    """Nothing seeks by it: Arrow's library would crash."""
    table = catalog.create_table("ns.t", ROWS.schema, properties={"write.format.default": "orc"})
    table.append(ROWS)
    path = file_of(table, "data file")
    whole = path.read_bytes()
    for at in range(3, 40):  # of the stripe that begins there, the index comes first
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        assert rows_or_named_error(table, path) in (ROWS.to_pylist(), None), at
