"""What several works need: the systems' catalogs and tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import data as inputs


def floe_table(data: Path, name: str) -> Any:
    """A table of the benchmark's data on our own catalog class; the catalog's file is the same."""
    from floe_iceberg import load_catalog

    folder = data / name
    catalog = load_catalog(
        "bench", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse"
    )
    return catalog.load_table("bench.rows")


def pyiceberg_table(data: Path, name: str) -> Any:
    return inputs.pyiceberg_catalog(data / name).load_table("bench.rows")


def duckdb_connection() -> Any:
    import duckdb

    connection = duckdb.connect(config={"threads": 2, "autoinstall_known_extensions": False})
    for extension in ("avro", "iceberg"):  # from PyPI: nothing is downloaded when it runs
        folder = Path(importlib.util.find_spec(f"duckdb_extension_{extension}").submodule_search_locations[0])  # type: ignore[union-attr, index]
        connection.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/{extension}.duckdb_extension'")
    return connection


def output_bytes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*.parquet"))


def floe_catalog(scratch: Path) -> Any:
    from floe_iceberg import load_catalog

    return load_catalog(
        "bench", type="sql", uri=f"sqlite:///{scratch}/catalog.db", warehouse=f"file://{scratch}/warehouse"
    )


def append(table: Any, rows: pa.Table) -> None:
    table.append(rows)


def polars_append(table: Any, rows: pa.Table) -> None:
    import polars

    frame = polars.from_arrow(rows)
    assert isinstance(frame, polars.DataFrame)
    frame.write_iceberg(table, mode="append")
