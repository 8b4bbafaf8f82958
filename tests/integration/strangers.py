"""What strangers see: the same table read by PyIceberg, by DuckDB and by this engine, as comparable rows."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

EPOCH = dt.datetime(1970, 1, 1)


class Warehouse:
    """One SQLite catalog and one warehouse, opened by us and by PyIceberg."""

    def __init__(self, folder: Path) -> None:
        from floe_iceberg import load_catalog

        self.properties = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
        self.ours = load_catalog("strangers", type="sql", **self.properties)
        self.theirs = SqlCatalog("strangers", **self.properties)
        self.ours.create_namespace("ns")

    def duckdb(self, identifier: str, where: str = "TRUE", columns: str = "*") -> pa.Table:
        location = self.theirs.load_table(identifier).metadata_location
        result = duckdb_query(f"SELECT {columns} FROM iceberg_scan('{location}') WHERE {where}")
        if "uuid" not in result.column_names:
            return result
        values = [uuid.UUID(v).bytes if v else None for v in result["uuid"].to_pylist()]  # DuckDB gives text
        return result.set_column(result.column_names.index("uuid"), "uuid", pa.array(values, pa.binary(16)))


def duckdb_query(query: str) -> pa.Table:
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    for name in ("avro", "iceberg"):
        connection.execute(f"LOAD '{duckdb_extension(name)}'")
    return connection.execute(query).to_arrow_table()


def duckdb_extension(name: str) -> Path:
    """The file that the PyPI package of a DuckDB extension holds."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows in an order of their own, in values that compare: NaN and -0.0 by name, times as integers."""
    return sorted(({k: plain(v) for k, v in row.items()} for row in table.to_pylist()), key=repr)


def plain(value: Any) -> Any:
    match value:
        case float():
            return "NaN" if math.isnan(value) else "-0.0" if value == 0 and math.copysign(1, value) < 0 else value
        case dt.datetime():
            return (value.replace(tzinfo=None) - EPOCH) // dt.timedelta(microseconds=1)
        case uuid.UUID():
            return value.bytes
        case Decimal():
            return str(value)
        case dict():
            return {k: plain(v) for k, v in value.items()}
        case list() | tuple():
            return [plain(v) for v in value]
        case _:
            return value
