"""Bloom filters of Parquet files: DuckDB finds ours right, and we those of DuckDB and pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from floe_iceberg import FloeTable

from .strangers import Warehouse

ROWS = 8_192
GROUP_ROWS = 2_048

# Expressions of DuckDB for the value of a number; literals in our filters are the texts of the values.
VALUES = {
    "i": "(n - 8000)::INTEGER",
    "l": "(n - 8000)::BIGINT * 5000000007",
    "d": "(n - 8000)::DOUBLE / 3",
    "s": "'value-' || n",
    "dec9": "((n - 8000)::DECIMAL(9, 2) / 8)::DECIMAL(9, 2)",
    "dec18": "(n - 8000)::DECIMAL(18, 2) * 1000007",
    "dec38": "(n - 8000)::DECIMAL(38, 2) * 1000000000000000000000007",
    "dt": "DATE '1970-01-01' + (n - 8000)::INTEGER",
    "tm": "TIME '00:00:01' + to_milliseconds(n * 7)",
    "ts": "TIMESTAMP '1970-01-01' + to_milliseconds((n - 8000)::BIGINT * 1000003)",
    "u": "md5(n::VARCHAR)::UUID",
}
COLUMNS = ", ".join(f"{expression} AS {name}" for name, expression in VALUES.items())


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def even_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Rows of even numbers, in an order that leaves every row group values of the whole range."""
    connection.execute(
        f"CREATE TABLE even AS SELECT {COLUMNS} FROM (SELECT 2 * (r * 3571 % {ROWS}) AS n, r FROM range({ROWS}) t(r)) "
        "ORDER BY r"
    )


def texts(connection: duckdb.DuckDBPyConnection, name: str, numbers: list[int]) -> list[str]:
    shown = f"strftime({VALUES[name]}, '%Y-%m-%dT%H:%M:%S.%f')" if name == "ts" else f"({VALUES[name]})::VARCHAR"
    found = connection.execute(f"SELECT {shown} FROM (SELECT unnest(?) AS n)", [numbers]).fetchall()
    return [text for (text,) in found]


def read(table: FloeTable, row_filter: str) -> tuple[int, int]:
    """Rows that match, and the row groups that were looked at."""
    stream = table.scan(row_filter, selected_fields=("i",)).plan().read()
    matching = pa.table(stream).num_rows
    return matching, ROWS // GROUP_ROWS - stream.counters["row_groups_pruned"]


def literal(name: str, text: str) -> str:
    return text if name in ("i", "l", "d", "dec9", "dec18", "dec38") else f"'{text}'"


def expect_found(connection: duckdb.DuckDBPyConnection, table: FloeTable, names: list[str]) -> None:
    there, absent = list(range(6, 2 * ROWS, 1_312)), list(range(7, 2 * ROWS, 1_312))
    for name in names:
        for text in texts(connection, name, there):
            assert read(table, f"{name} = {literal(name, text)}")[0] == 1, (name, text)
        looked_at = 0
        for text in texts(connection, name, absent):
            matching, groups = read(table, f"{name} = {literal(name, text)}")
            assert matching == 0, (name, text)
            looked_at += groups
        assert looked_at <= 5, name  # of 13 times 4


def add_file(warehouse: Warehouse, file: Path, schema: pa.Schema) -> FloeTable:
    table = warehouse.ours.create_table("ns.t", schema)
    table.add_files([str(file)])
    return table


def excluded(connection: duckdb.DuckDBPyConnection, path: str, name: str, constant: str) -> int:
    """How many row groups DuckDB finds to lack the value, by their bloom filters."""
    query = (
        f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path.removeprefix('file://')}', '{name}', {constant})"
    )
    return sum(excludes for (excludes,) in connection.execute(query).fetchall())


def test_duckdb_finds_our_values_and_no_others(warehouse: Warehouse) -> None:
    connection = duckdb.connect()
    even_rows(connection)
    rows = connection.execute("SELECT * FROM even").to_arrow_table()
    properties = {f"write.parquet.bloom-filter-enabled.column.{name}": "true" for name in VALUES}
    properties["write.parquet.row-group-limit"] = str(GROUP_ROWS)
    table = warehouse.ours.create_table("ns.t", rows.schema, properties=properties)
    table.append(rows)
    (path,) = table.inspect.files()["file_path"].to_pylist()
    for name, kind in {"i": "INTEGER", "l": "BIGINT", "d": "DOUBLE", "s": "VARCHAR"}.items():
        for text in texts(connection, name, list(range(6, 2 * ROWS, 1_312))):
            assert 1 <= excluded(connection, path, name, f"'{text}'::{kind}") <= 3, (name, text)
        absent = texts(connection, name, list(range(7, 2 * ROWS, 1_312)))
        ruled_out = sum(excluded(connection, path, name, f"'{text}'::{kind}") for text in absent)
        assert ruled_out >= 4 * len(absent) - 5, name
    expect_found(connection, table, list(VALUES))


def test_we_find_duckdbs_values_and_no_others(warehouse: Warehouse, tmp_path: Path) -> None:
    connection = duckdb.connect()
    even_rows(connection)
    file = tmp_path / "duck.parquet"
    connection.execute(
        f"COPY even TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE {GROUP_ROWS}, DICTIONARY_SIZE_LIMIT 100000)"
    )
    filters = connection.execute(
        "SELECT DISTINCT path_in_schema FROM parquet_metadata(?) WHERE bloom_filter_offset IS NOT NULL", [str(file)]
    ).fetchall()
    schema = connection.execute("SELECT * FROM even").to_arrow_table().schema
    table = add_file(warehouse, file, schema.set(schema.get_field_index("u"), pa.field("u", pa.uuid())))
    expect_found(connection, table, sorted(name for (name,) in filters))
    assert len(filters) >= 6


def test_we_find_pyarrows_values_and_no_others(warehouse: Warehouse, tmp_path: Path) -> None:
    connection = duckdb.connect()
    even_rows(connection)
    rows = connection.execute("SELECT * FROM even").to_arrow_table()
    file = tmp_path / "arrow.parquet"
    options: dict[str, Any] = {name: {"ndv": GROUP_ROWS, "fpp": 0.01} for name in VALUES}
    pq.write_table(rows, file, row_group_size=GROUP_ROWS, bloom_filter_options=options)
    expect_found(connection, add_file(warehouse, file, rows.schema), list(VALUES))
