"""Reading rows: scans, and by bloom filters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import duckdb_connection, floe_catalog, floe_table, pyiceberg_table

# --- scans ----------------------------------------------------------------------------------------------------------

Filter = tuple[str, Any, Any]  # column, from, below


def scan_limit(name: str, columns: list[str] | None, where: list[Filter]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        files = inputs.files_of(data, name)
        condition = None
        for column, low, high in where:
            part = (ds.field(column) >= low) & (ds.field(column) < high)
            condition = part if condition is None else condition & part

        def run() -> dict[str, int]:
            return {"rows": ds.dataset(files).to_table(columns=columns, filter=condition).num_rows}

        return run

    return prepare


def sql_literal(value: Any) -> str:
    return f"'{value.isoformat()}'" if isinstance(value, dt.datetime) else str(value)


def iceberg_scan(
    open_table: Callable[[Path, str], Any], name: str, columns: list[str] | None, where: list[Filter]
) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        table = open_table(data, name)
        text = " and ".join(f"{c} >= {sql_literal(a)} and {c} < {sql_literal(b)}" for c, a, b in where)
        arguments: dict[str, Any] = {"row_filter": text} if text else {}
        if columns:
            arguments["selected_fields"] = tuple(columns)

        def run() -> dict[str, int]:
            return {"rows": table.scan(**arguments).to_arrow().num_rows}

        return run

    return prepare


def polars_scan(name: str, columns: list[str] | None, where: list[Filter]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import polars

        table = pyiceberg_table(data, name)

        def run() -> dict[str, int]:
            frame = polars.scan_iceberg(table)
            for column, low, high in where:
                frame = frame.filter((polars.col(column) >= low) & (polars.col(column) < high))
            if columns:
                frame = frame.select(columns)
            return {"rows": frame.collect().to_arrow().num_rows}

        return run

    return prepare


def daft_scan(name: str, columns: list[str] | None, where: list[Filter]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import daft

        table = pyiceberg_table(data, name)

        def run() -> dict[str, int]:
            frame = daft.read_iceberg(table)
            for column, low, high in where:
                frame = frame.where((daft.col(column) >= low) & (daft.col(column) < high))
            if columns:
                frame = frame.select(*columns)
            return {"rows": frame.to_arrow().num_rows}

        return run

    return prepare


def duckdb_scan(name: str, columns: list[str] | None, where: list[Filter]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        connection = duckdb_connection()
        location = inputs.metadata_location(data, name)
        conditions = [f"{c} >= {sql_literal(a)} AND {c} < {sql_literal(b)}" for c, a, b in where]
        query = f"SELECT {', '.join(columns or ['*'])} FROM iceberg_scan('{location}')" + (
            " WHERE " + " AND ".join(conditions) if conditions else ""
        )

        def run() -> dict[str, int]:
            return {"rows": connection.execute(query).to_arrow_table().num_rows}

        return run

    return prepare


def scan(
    name: str,
    title: str,
    reach: float,
    table: str,
    data: Callable[[Path], None],
    columns: list[str] | None,
    where: list[Filter],
) -> Work:
    return Work(
        name=name,
        title=title,
        limit="pyarrow dataset over the same files" + (", filter pushed down" if where else ""),
        reach=reach,
        data=data,
        systems={
            "limit": scan_limit(table, columns, where),
            "floe": iceberg_scan(floe_table, table, columns, where),
            "pyiceberg": iceberg_scan(pyiceberg_table, table, columns, where),
            "polars": polars_scan(table, columns, where),
            "daft": daft_scan(table, columns, where),
            "duckdb": duckdb_scan(table, columns, where),
        },
    )  # fmt: skip


THREE_DAYS: Filter = ("ts", inputs.FIRST_DAY + dt.timedelta(days=10), inputs.FIRST_DAY + dt.timedelta(days=13))

SCANS = [
    scan("scan", "full scan of 10 files", 0.95, "ten_files", inputs.ten_files, None, []),
    scan("columns", "two columns of 10 files", 1.05, "ten_files", inputs.ten_files, ["id", "f64"], []),
    scan("partitions", "2 % of the rows, in 24 of 240 files", 0.7, "partitioned", inputs.partitioned, None,
         [THREE_DAYS, ("i32", 0, 200_000)]),
    scan("range", "a range of 1 % of the ids, out of 10 files", 0.75, "ten_files", inputs.ten_files, None,
         [("id", 2_120_000, 2_170_000)]),
]  # fmt: skip

# --- bloom filters --------------------------------------------------------------------------------------------------

BLOOM_ROWS = 1_000_000
BLOOM_GROUPS = 50
CUSTOMER_ROWS = 1_000  # 0.1 %


def customers() -> pa.Array:
    """The customer of each row: those of one lie together, and their numbers are in no order."""
    random = np.random.default_rng(7)
    numbers = random.choice(2**62, BLOOM_ROWS // CUSTOMER_ROWS + 1, replace=False)
    return pa.array(numbers[(np.arange(BLOOM_ROWS) + CUSTOMER_ROWS // 2) // CUSTOMER_ROWS])


def asked_for(column: pa.Array) -> list[int]:
    return [column[row].as_py() for row in range(777, BLOOM_ROWS, BLOOM_ROWS // 20)]


def bloom_limit(data: Path, scratch: Path) -> Run:
    column = customers()
    rows = inputs.rows(0, BLOOM_ROWS).append_column("customer", column)
    size = BLOOM_ROWS // BLOOM_GROUPS
    pq.write_table(rows, scratch / "rows.parquet", compression="zstd", row_group_size=size)
    groups = {
        customer: sorted(set((pc.indices_nonzero(pc.equal(column, customer)).to_numpy() // size).tolist()))
        for customer in asked_for(column)
    }

    def run() -> dict[str, int]:
        found = 0
        for customer, where in groups.items():
            part = pq.ParquetFile(scratch / "rows.parquet").read_row_groups(where)
            found += part.filter(pc.equal(part["customer"], customer)).num_rows
        return {"rows": found, "row_groups": sum(map(len, groups.values()))}

    return run


def bloom_scan(data: Path, scratch: Path) -> Run:
    column = customers()
    rows = inputs.rows(0, BLOOM_ROWS).append_column("customer", column)
    catalog = floe_catalog(scratch)
    catalog.create_namespace("bench")
    properties = {
        "write.parquet.row-group-limit": str(BLOOM_ROWS // BLOOM_GROUPS),
        "write.parquet.bloom-filter-enabled.column.customer": "true",
    }
    table = catalog.create_table("bench.rows", schema=rows.schema, properties=properties)
    table.append(rows)
    wanted = asked_for(column)

    def run() -> dict[str, int]:
        found = groups = 0
        for customer in wanted:
            stream = table.scan(f"customer = {customer}").plan().read()
            found += pa.table(stream).num_rows
            groups += stream.counters["row_groups_read"]
        return {"rows": found, "row_groups": groups}

    return run


BLOOM = Work(
    name="bloom",
    title="0.1 % of the rows, by a bloom filter, 50 row groups",
    limit="pyarrow reads the row groups that have some",
    reach=1.0,
    data=lambda _: None,
    systems={"limit": bloom_limit, "floe": bloom_scan},
)
