"""The works of this benchmark. Each system does the same thing; what it gives back must agree."""

from __future__ import annotations

import atexit
import datetime as dt
import importlib.util
import itertools
import multiprocessing
import os
import sqlite3
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work

# --- opening tables -------------------------------------------------------------------------------------------------


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


# --- append ---------------------------------------------------------------------------------------------------------


def append_limit(data: Path, scratch: Path) -> Run:
    table = inputs.load_arrow_input(data)
    half = table.num_rows // 2
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        folder = scratch / str(next(attempt))
        folder.mkdir()
        writers = [
            threading.Thread(
                target=pq.write_table, args=(part, folder / f"{i}.parquet"), kwargs={"compression": "zstd"}
            )
            for i, part in enumerate([table.slice(0, half), table.slice(half)])
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        return {"rows": table.num_rows, "bytes": output_bytes(folder)}

    return run


def appending(make_catalog: Callable[[Path], Any], write: Callable[[Any, pa.Table], None]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        table = inputs.load_arrow_input(data)
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        attempt = iter(range(100))

        def run() -> dict[str, int]:
            target = catalog.create_table(f"bench.rows{next(attempt)}", schema=table.schema)
            write(target, table)
            return {"rows": table.num_rows, "bytes": output_bytes(Path(target.location().removeprefix("file://")))}

        return run

    return prepare


def floe_catalog(scratch: Path) -> Any:
    from floe_iceberg import load_catalog

    return load_catalog(
        "bench", type="sql", uri=f"sqlite:///{scratch}/catalog.db", warehouse=f"file://{scratch}/warehouse"
    )


def polars_append(table: Any, rows: pa.Table) -> None:
    import polars

    frame = polars.from_arrow(rows)
    assert isinstance(frame, polars.DataFrame)
    frame.write_iceberg(table, mode="append")


def append_duckdb(data: Path, scratch: Path) -> Run:
    """DuckDB writes Parquet only: it has no catalog of this kind to commit to."""
    table = inputs.load_arrow_input(data)
    connection = duckdb_connection()
    connection.register("input", table)
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        folder = scratch / str(next(attempt))
        connection.execute(f"COPY input TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PER_THREAD_OUTPUT)")
        return {"rows": table.num_rows, "bytes": output_bytes(folder)}

    return run


APPEND = Work(
    name="append",
    title="append 5 million rows",
    limit="pyarrow writes 2 Parquet files with 2 threads, zstd",
    reach=0.85,
    data=inputs.arrow_input,
    systems={
        "limit": append_limit,
        "floe": appending(floe_catalog, lambda table, rows: table.append(rows)),
        "pyiceberg": appending(inputs.pyiceberg_catalog, lambda table, rows: table.append(rows)),
        "polars": appending(inputs.pyiceberg_catalog, polars_append),
        "duckdb": append_duckdb,
    },
)

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

# --- planning -------------------------------------------------------------------------------------------------------


def blocks_of(path: Path) -> list[tuple[int, int]]:
    """Where the compressed blocks of an Avro file lie: (offset, length)."""
    content = path.read_bytes()

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = content[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1), at

    at = 4
    while True:  # the header's map
        count, at = varint(at)
        if count == 0:
            break
        for _ in range(count):
            for _part in ("key", "value"):
                length, at = varint(at)
                at += length
    at += 16  # sync marker
    blocks = []
    while at < len(content):
        _, at = varint(at)
        length, at = varint(at)
        blocks.append((at, length))
        at += length + 16
    return blocks


def inflate_limit(name: str, manifests: Callable[[Path], bool]) -> Prepare:
    """Reads the manifests and inflates their blocks with zlib on one thread; nothing is decoded."""

    def prepare(data: Path, scratch: Path) -> Run:
        files = [f for f in sorted((data / name / "warehouse").rglob("metadata/m*.avro")) if manifests(f)]
        blocks = [blocks_of(f) for f in files]

        def run() -> dict[str, int]:
            inflated = 0
            for file, parts in zip(files, blocks, strict=True):
                content = memoryview(file.read_bytes())
                for at, length in parts:
                    inflated += len(zlib.decompress(content[at : at + length], -15))
            return {"inflated": inflated}

        return run

    return prepare


def floe_plan(name: str, row_filter: str | None, warm: bool, objects: bool = False) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import floe_engine

        table = floe_table(data, name)
        arguments: dict[str, Any] = {"row_filter": row_filter} if row_filter else {}

        def run() -> dict[str, int]:
            if not warm:
                floe_engine.clear_manifest_cache()
            if objects:
                return {"files": len(list(table.scan(**arguments).plan_files()))}
            return {"files": pa.table(table.scan(**arguments).plan()).num_rows}

        run()
        return run

    return prepare


def pyiceberg_plan(name: str, row_filter: str | None) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import pyiceberg.manifest

        table = pyiceberg_table(data, name)
        arguments: dict[str, Any] = {"row_filter": row_filter} if row_filter else {}

        def run() -> dict[str, int]:
            cache = getattr(pyiceberg.manifest, "clear_manifest_cache", None)
            if cache is not None:
                cache()
            return {"files": len(list(table.scan(**arguments).plan_files()))}

        return run

    return prepare


def duckdb_plan(name: str, where: str | None) -> Prepare:
    """DuckDB has no plan to ask for: the files that EXPLAIN ANALYZE would open do not exist, so it lists metadata."""

    def prepare(data: Path, scratch: Path) -> Run:
        connection = duckdb_connection()
        location = inputs.metadata_location(data, name)

        def run() -> dict[str, int]:
            query = f"SELECT count(*) FROM iceberg_metadata('{location}')"
            return {"files": connection.execute(query).fetchone()[0]}

        return run

    return prepare


def plan(
    name: str,
    title: str,
    reach: float,
    table: str,
    data: Callable[[Path], None],
    row_filter: str | None,
    *,
    warm: bool = False,
    objects: bool = False,
    matching: Callable[[Path], bool] = lambda _: True,
    limit_table: str | None = None,
) -> Work:
    return Work(
        name=name,
        title=title,
        limit="read and inflate the manifests' blocks, zlib, one thread",
        reach=reach,
        data=data,
        systems={
            "limit": inflate_limit(limit_table or table, matching),
            "floe": floe_plan(table, row_filter, warm, objects),
            "pyiceberg": pyiceberg_plan(table, row_filter),
        } | ({"duckdb": duckdb_plan(table, row_filter)} if row_filter is None else {}),
        repeat=5,
    )  # fmt: skip


ONE_DAY = "ts >= '2024-01-11T00:00:00' and ts < '2024-01-12T00:00:00'"


def is_day_eleven(manifest: Path) -> bool:
    number = int(manifest.stem[1:])
    return number * inputs.DAYS // 100 == 10


def both_hundreds(data: Path) -> None:
    inputs.hundred_manifests(data)
    inputs.hundred_manifests_in_blocks(data)


HUNDRED = ("hundred_manifests", inputs.hundred_manifests)
BLOCKS = ("hundred_manifests_in_blocks", both_hundreds)

PLANS = [
    plan("plan", "plan 100,000 files, cold", 1.0, *HUNDRED, None),
    plan("plan-warm", "plan 100,000 files, warm cache", 0.1, *HUNDRED, None, warm=True),
    plan("plan-objects", "plan 100,000 files, as Python objects", 3.0, *HUNDRED, None, objects=True),
    plan(
        "plan-blocks", "plan 100,000 files, cold, blocks of 64 KB", 0.4, *BLOCKS, None, limit_table="hundred_manifests"
    ),
    plan("plan-id", "plan one id out of unclustered bounds", 0.7, *HUNDRED, "id = 123456789012"),
    plan("plan-day", "plan one day (partition pruning)", 3.0, *HUNDRED, ONE_DAY, matching=is_day_eleven),
    plan("plan-small", "plan 1,000 manifests of one entry", 2.0, "thousand_manifests", inputs.thousand_manifests, None),
]

# --- metadata tables --------------------------------------------------------------------------------------------------


def floe_inspect(name: str, kind: str, columns: list[str] | None = None) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import floe_engine

        table = floe_table(data, name)

        def run() -> dict[str, int]:
            floe_engine.clear_manifest_cache()
            return {"rows": getattr(table.inspect, kind)(columns=columns or ["*"]).num_rows}

        run()
        return run

    return prepare


def pyiceberg_inspect(name: str, kind: str) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        import pyiceberg.manifest

        table = pyiceberg_table(data, name)

        def run() -> dict[str, int]:
            cache = getattr(pyiceberg.manifest, "clear_manifest_cache", None)
            if cache is not None:
                cache()
            return {"rows": getattr(table.inspect, kind)().num_rows}

        return run

    return prepare


def inspection(kind: str, columns: list[str] | None = None, *, of_pyiceberg: bool = False) -> Work:
    name, make = HUNDRED
    only = f", {' and '.join(columns)}" if columns else ""
    return Work(
        name=f"inspect-{kind}" + ("-columns" if columns else ""),
        title=f"{kind} of 100,000 files{only}",
        limit="this engine plans a scan of the table, cold",
        reach=2.0,
        data=make,
        systems={"limit": floe_plan(name, None, warm=False), "floe": floe_inspect(name, kind, columns)}
        | ({"pyiceberg": pyiceberg_inspect(name, kind)} if of_pyiceberg else {}),
        repeat=5,
    )


INSPECTIONS = [
    *(inspection(kind, of_pyiceberg=True) for kind in ("files", "entries", "partitions", "manifests")),
    *(inspection(kind) for kind in ("data_files", "delete_files", "position_deletes")),
    *(inspection(f"all_{kind}") for kind in ("files", "entries", "data_files", "delete_files", "manifests")),
    *(inspection(kind) for kind in ("snapshots", "history", "refs", "metadata_log_entries")),
    inspection("files", ["file_path", "record_count"]),
]

# --- commits --------------------------------------------------------------------------------------------------------

COMMITS = 200
SMALL_ROWS = 10


def commits_limit(data: Path, scratch: Path) -> Run:
    """Writes and syncs what a commit writes (a data file, a manifest, a list, metadata) and one SQLite transaction."""
    sizes = [5_000, 6_000, 4_000]

    def run() -> dict[str, int]:
        database = sqlite3.connect(scratch / "limit.db")
        database.execute("CREATE TABLE pointer (name TEXT PRIMARY KEY, location TEXT)")
        database.execute("INSERT INTO pointer VALUES ('t', '')")
        database.commit()
        for n in range(COMMITS):
            for i, size in enumerate([*sizes, 2_000 + 600 * n]):
                with open(scratch / f"{n}-{i}", "wb") as file:
                    file.write(b"x" * size)
                    file.flush()
                    os.fsync(file.fileno())
            database.execute("UPDATE pointer SET location = ? WHERE name = 't'", (str(n),))
            database.commit()
        database.close()
        return {"commits": COMMITS}

    return run


def committing(make_catalog: Callable[[Path], Any]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        batch = inputs.rows(0, SMALL_ROWS)
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        table = catalog.create_table("bench.rows", schema=batch.schema)
        table.append(batch)  # the first one loads code; what is measured follows

        def run() -> dict[str, int]:
            times = []
            for _ in range(COMMITS):
                start = time.perf_counter()
                table.append(batch)
                times.append(time.perf_counter() - start)
            growth = sum(times[-20:]) / sum(times[:20])
            return {"commits": COMMITS, "growth_permille": round(growth * 1000)}

        return run

    return prepare


APPENDS = Work(
    name="appends",
    title="200 appends of 10 rows",
    limit="write and sync as many small files, one SQLite transaction each",
    reach=2.0,
    data=lambda _: None,
    systems={
        "limit": commits_limit,
        "floe": committing(floe_catalog),
        "pyiceberg": committing(inputs.pyiceberg_catalog),
    },
    repeat=1,
)

# --- commits of several processes ---


def postgresql() -> str:
    """The URL of a server that syncs as users' servers do, and lives as long as this process."""
    script = Path(__file__).parent.parent / "testing/fixtures/postgresql"
    server = subprocess.Popen(
        [script, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"FLOE_POSTGRESQL_SYNC": "on"},
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(server.communicate)
    return server.stdout.readline().strip()


def floe_on(url: str, warehouse: str) -> Any:
    from floe_iceberg import load_catalog

    return load_catalog("bench", type="sql", uri=url, warehouse=warehouse)


def pyiceberg_on(url: str, warehouse: str) -> Any:
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("bench", uri=url, warehouse=warehouse)


def contend(
    open_catalog: Callable[[str, str], Any], url: str, warehouse: str, commits: int, start: Any, results: Any
) -> None:
    """One process: appends, each to the handle that the last one left; gives back the seconds of those that got in."""
    batch = inputs.rows(0, SMALL_ROWS)
    catalog = open_catalog(url, warehouse)
    catalog.create_table_if_not_exists("bench.warm", schema=batch.schema).append(batch)  # loads code
    table = catalog.load_table("bench.rows")
    start.wait()
    seconds = []
    for _ in range(commits):
        began = time.perf_counter()
        try:
            table.append(batch)
            seconds.append(time.perf_counter() - began)
        except Exception:
            table.refresh()
    results.put(seconds)


def contending(open_catalog: Callable[[str, str], Any], processes: int) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        url, warehouse = postgresql(), f"file://{scratch}/warehouse"
        catalog = open_catalog(url, warehouse)
        catalog.create_namespace("bench")
        properties = {"write.metadata.previous-versions-max": "1000"}  # so that no metadata file is forgotten
        table = catalog.create_table("bench.rows", schema=inputs.rows(0, SMALL_ROWS).schema, properties=properties)
        table.append(inputs.rows(0, SMALL_ROWS))
        context = multiprocessing.get_context("spawn")
        start, results = context.Barrier(processes + 1), context.Queue()
        workers = [
            context.Process(
                target=contend, args=(open_catalog, url, warehouse, COMMITS // processes, start, results), daemon=True
            )
            for _ in range(processes)
        ]
        for worker in workers:
            worker.start()
        while start.n_waiting < processes:
            time.sleep(0.01)

        def run() -> dict[str, int]:
            start.wait()
            seconds = sorted(itertools.chain.from_iterable(results.get() for _ in workers))
            return {
                "commits": len(seconds),
                "p99_ms": round(1000 * seconds[len(seconds) * 99 // 100 - 1]),
                "orphans": orphans(open_catalog(url, warehouse).load_table("bench.rows")),
            }

        return run

    return prepare


def orphans(table: Any) -> int:
    """How many files of the table its metadata does not name."""
    named = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        named.add(snapshot.manifest_list)
        named.update(manifest.manifest_path for manifest in snapshot.manifests(table.io))
    named.update(table.inspect.files()["file_path"].to_pylist())  # nothing is ever removed from it
    folder = Path(table.location().removeprefix("file://"))
    return len({f"file://{file}" for file in folder.rglob("*") if file.is_file()} - named)


CONTENDED = Work(
    name="contended",
    title="8 processes × 25 appends, one table, PostgreSQL",
    limit="one process × 200 appends",
    reach=1.67,
    data=lambda _: None,
    systems={
        "limit": contending(floe_on, 1),
        "floe": contending(floe_on, 8),
        "pyiceberg": contending(pyiceberg_on, 8),
    },
    repeat=1,
)

# --- loading --------------------------------------------------------------------------------------------------------


def load_limit(data: Path, scratch: Path) -> Run:
    import orjson

    path = Path(inputs.metadata_location(data, "many_snapshots").removeprefix("file://"))

    def run() -> dict[str, int]:
        return {"current": orjson.loads(path.read_bytes())["current-snapshot-id"]}

    run()
    return run


def loading(open_catalog: Callable[[Path], Any], look: Callable[[Any], int]) -> Prepare:
    """Each call loads through a catalog of its own, which has no table yet that it could keep."""

    def prepare(data: Path, scratch: Path) -> Run:
        catalogs = [open_catalog(data / "many_snapshots") for _ in range(LOADS)]
        for catalog in catalogs:
            catalog.list_namespaces()
        left = iter(catalogs)

        def run() -> dict[str, int]:
            return {"current": look(next(left).load_table("bench.rows"))}

        return run

    return prepare


def current_of_engine(table: Any) -> int:
    return int(table._state.handle.current_snapshot_id)


def current_of_metadata(table: Any) -> int:
    return int(table.metadata.current_snapshot_id)


LOADS = 11
LOAD = [
    Work(
        name="load",
        title="load a table of 2,000 snapshots",
        limit="read and parse its JSON with orjson",
        reach=1.0,
        data=inputs.many_snapshots,
        systems={
            "limit": load_limit,
            "floe": loading(floe_catalog, current_of_engine),
            "pyiceberg": loading(inputs.pyiceberg_catalog, current_of_metadata),
        },
        repeat=LOADS,
    ),
    Work(
        name="load-objects",
        title="the same, and PyIceberg's metadata objects",
        limit="read and parse its JSON with orjson",
        reach=9.0,
        data=inputs.many_snapshots,
        systems={
            "limit": load_limit,
            "floe": loading(floe_catalog, current_of_metadata),
            "pyiceberg": loading(inputs.pyiceberg_catalog, current_of_metadata),
        },
        repeat=LOADS,
    ),
]


def evolution_limit(data: Path, scratch: Path) -> Run:
    """Reads the JSON, parses it, and writes and syncs it again."""
    import orjson

    path = Path(inputs.metadata_location(data, "many_snapshots").removeprefix("file://"))
    names = itertools.count()

    def run() -> dict[str, int]:
        metadata = orjson.loads(path.read_bytes())
        metadata["schemas"].append(metadata["schemas"][0])
        with open(scratch / str(next(names)), "wb") as file:
            file.write(orjson.dumps(metadata))
            file.flush()
            os.fsync(file.fileno())
        return {"schemas": 2}

    run()
    return run


def evolving(make_catalog: Callable[[Path], Any]) -> Prepare:
    """Each time a table of its own, at the same metadata file, that no catalog has seen."""

    def prepare(data: Path, scratch: Path) -> Run:
        location = inputs.metadata_location(data, "many_snapshots")
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        for n in range(LOADS):
            table = catalog.register_table(f"bench.t{n}", location)
            with table.transaction() as transaction:
                transaction.set_properties({"write.metadata.path": f"file://{scratch}/metadata"})
        left = iter([(n, make_catalog(scratch)) for n in range(LOADS)])

        def run() -> dict[str, int]:
            from pyiceberg.types import LongType

            n, fresh = next(left)
            table = fresh.load_table(f"bench.t{n}")
            with table.update_schema() as update:
                update.add_column("more", LongType())
            return {"schemas": 2}

        return run

    return prepare


EVOLUTION = Work(
    name="evolution",
    title="one column more in a table of 2,000 snapshots",
    limit="read and parse its JSON with orjson, write and sync it",
    reach=1.3,
    data=inputs.many_snapshots,
    systems={
        "limit": evolution_limit,
        "floe": evolving(floe_catalog),
        "pyiceberg": evolving(inputs.pyiceberg_catalog),
    },
    repeat=LOADS,
)

# --- writing into partitions ----------------------------------------------------------------------------------------

STREAM_ROWS = 1_000_000
STREAM_TIMES = 220  # about 20 GB


def parts_of(table: pa.Table, *keys: pa.ChunkedArray) -> list[pa.Table]:
    """The rows by partition, in their order."""
    sorted_ = table.append_column("partition", combined(keys)).sort_by("partition")
    numbers = sorted_["partition"].to_numpy()
    begins = [0, *(numbers[1:] != numbers[:-1]).nonzero()[0] + 1, len(numbers)]
    rows = sorted_.drop_columns("partition")
    return [rows.slice(a, b - a).combine_chunks() for a, b in itertools.pairwise(begins)]


def combined(keys: tuple[pa.ChunkedArray, ...]) -> pa.ChunkedArray:
    number = keys[0].cast(pa.int64())
    for key in keys[1:]:
        number = pc.add(pc.multiply(number, 1_000), key.cast(pa.int64()))
    return number


def by_day(table: pa.Table) -> list[pa.Table]:
    return parts_of(table, table["day"].cast(pa.int32()))


def by_day_and_bucket(table: pa.Table) -> list[pa.Table]:
    return parts_of(table, table["day"].cast(pa.int32()), pc.bit_wise_and(table["id"], 7))


def write_parts(parts: list[pa.Table], folder: Path, times: int = 1) -> None:
    def write(part: tuple[int, pa.Table]) -> None:
        with pq.ParquetWriter(folder / f"{part[0]}.parquet", part[1].schema, compression="zstd") as writer:
            for _ in range(times):
                writer.write_table(part[1])

    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, enumerate(parts)))


def parts_limit(split: Callable[[pa.Table], list[pa.Table]]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        table = inputs.load_arrow_input(data)
        parts = split(table)
        attempt = iter(range(100))

        def run() -> dict[str, int]:
            folder = scratch / str(next(attempt))
            write_parts(parts, folder)
            return {"rows": table.num_rows, "files": len(parts), "bytes": output_bytes(folder)}

        return run

    return prepare


def day_spec(spec: Any) -> None:
    spec.add_identity("day")


def day_and_bucket_spec(spec: Any) -> None:
    from pyiceberg.transforms import BucketTransform, DayTransform

    spec.add_field("ts", DayTransform(), "ts_day")
    spec.add_field("id", BucketTransform(8), "id_bucket")


def into_partitions(make_catalog: Callable[[Path], Any], partition: Callable[[Any], None],
                    write: Callable[[Any, pa.Table], None]) -> Prepare:  # fmt: skip
    def prepare(data: Path, scratch: Path) -> Run:
        table = inputs.load_arrow_input(data)
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        targets = []
        for number in range(4):
            target = catalog.create_table(f"bench.rows{number}", schema=table.schema)
            with target.update_spec() as spec:
                partition(spec)
            targets.append(catalog.load_table(f"bench.rows{number}"))
        left = iter(targets)

        def run() -> dict[str, int]:
            target = next(left)
            write(target, table)
            folder = Path(target.location().removeprefix("file://"))
            files = len(list((folder / "data").rglob("*.parquet")))
            return {"rows": table.num_rows, "files": files, "bytes": output_bytes(folder)}

        return run

    return prepare


def append(table: Any, rows: pa.Table) -> None:
    table.append(rows)


def partitions(name: str, title: str, reach: float, split: Callable[[pa.Table], list[pa.Table]],
               partition: Callable[[Any], None]) -> Work:  # fmt: skip
    return Work(
        name=name,
        title=title,
        limit="pyarrow writes the rows, already split, with 2 threads, zstd",
        reach=reach,
        data=inputs.arrow_input,
        systems={
            "limit": parts_limit(split),
            "floe": into_partitions(floe_catalog, partition, append),
            "pyiceberg": into_partitions(inputs.pyiceberg_catalog, partition, append),
            "polars": into_partitions(inputs.pyiceberg_catalog, partition, polars_append),
        },
    )


def stream_limit(data: Path, scratch: Path) -> Run:
    parts = by_day(inputs.rows(0, STREAM_ROWS))
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        folder = scratch / str(next(attempt))
        write_parts(parts, folder, STREAM_TIMES)
        return {"rows": STREAM_ROWS * STREAM_TIMES, "bytes": output_bytes(folder)}

    return run


def stream_into_partitions(data: Path, scratch: Path) -> Run:
    table = inputs.rows(0, STREAM_ROWS)
    batches = table.to_batches(max_chunksize=131_072)
    catalog = floe_catalog(scratch)
    catalog.create_namespace("bench")
    target = catalog.create_table("bench.rows", schema=table.schema)
    with target.update_spec() as spec:
        day_spec(spec)
    target = catalog.load_table("bench.rows")

    def run() -> dict[str, int]:
        stream = (batch for _ in range(STREAM_TIMES) for batch in batches)
        target.append(pa.RecordBatchReader.from_batches(table.schema, stream))
        folder = Path(target.location().removeprefix("file://"))
        return {"rows": STREAM_ROWS * STREAM_TIMES, "bytes": output_bytes(folder)}

    return run


PARTITIONS = [
    partitions("partitions-30", "5 million rows into 30 identity partitions", 0.8, by_day, day_spec),
    partitions("partitions-240", "5 million rows into days(ts) x bucket(8, id)", 1.2, by_day_and_bucket,
               day_and_bucket_spec),
    Work(
        name="partitions-stream",
        title="a stream of 20 GB into 30 partitions",
        limit="pyarrow writes the rows, already split, with 2 threads, zstd",
        reach=0.8,
        data=lambda _: None,
        systems={"limit": stream_limit, "floe": stream_into_partitions},
        repeat=1,
        large=True,
    ),
]  # fmt: skip

# --- changing rows --------------------------------------------------------------------------------------------------

TABLE_ROWS = 1_000_000
SOURCE_ROWS = 100_000


def changed_rows() -> pa.Table:
    """Rows with new values: half of them have ids of the table, scattered, the others come behind it."""
    half = SOURCE_ROWS // 2
    ids = [*range(7, TABLE_ROWS, TABLE_ROWS // half), *range(TABLE_ROWS, TABLE_ROWS + half)]
    cats = pc.take(inputs.rows(0, TABLE_ROWS)["cat"], pa.array(ids[:half]))
    rows = inputs.rows(TABLE_ROWS, SOURCE_ROWS).set_column(0, "id", pa.array(ids))
    cats = pa.chunked_array([*cats.chunks, *rows["cat"].slice(half).chunks])
    return rows.set_column(3, "cat", cats).combine_chunks()


def changed_tables(make_catalog: Callable[[Path], Any], scratch: Path, properties: dict[str, str]) -> Any:
    """An iterator over tables of the rows, each to be changed once."""
    catalog = make_catalog(scratch)
    catalog.create_namespace("bench")
    rows = inputs.rows(0, TABLE_ROWS)
    tables = []
    for number in range(3):
        table = catalog.create_table(f"bench.rows{number}", schema=rows.schema, properties=properties)
        table.append(rows)
        tables.append(table)
    return iter(tables)


def upserting(make_catalog: Callable[[Path], Any], keys: list[str], mode: str) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        tables = changed_tables(make_catalog, scratch, {"write.merge.mode": mode})
        source = changed_rows()

        def run() -> dict[str, int]:
            result = next(tables).upsert(source, join_cols=keys)
            return {"updated": result.rows_updated, "inserted": result.rows_inserted}

        return run

    return prepare


def duckdb_merge(keys: list[str]) -> Prepare:
    """DuckDB has no catalog of this kind to commit to: it merges into a table of its own, in a file of its own."""

    def prepare(data: Path, scratch: Path) -> Run:
        connection = duckdb_connection()
        connection.execute(f"ATTACH '{scratch}/rows.duckdb' AS own")
        source = changed_rows()
        connection.register("source", source)
        connection.register("input", inputs.rows(0, TABLE_ROWS))
        for number in range(3):
            connection.execute(f"CREATE TABLE own.rows{number} AS SELECT * FROM input")
        connection.execute("CHECKPOINT own")
        attempt = iter(range(3))
        condition = " AND ".join(f"t.{key} = s.{key}" for key in keys)

        def run() -> dict[str, int]:
            changes = connection.execute(
                f"MERGE INTO own.rows{next(attempt)} t USING source s ON {condition} "
                "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT RETURNING merge_action"
            ).to_arrow_table()
            connection.execute("CHECKPOINT own")
            updated = pc.sum(pc.equal(changes["merge_action"], "UPDATE")).as_py()
            return {"updated": updated, "inserted": changes.num_rows - updated}

        return run

    return prepare


def raw_file(scratch: Path) -> Path:
    file = scratch / "rows.parquet"
    pq.write_table(inputs.rows(0, TABLE_ROWS), file, compression="zstd")
    return file


def upsert_limit(keys: list[str], rewrite: bool) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        file = raw_file(scratch)
        source = changed_rows()
        wanted = source.select(keys)
        attempt = iter(range(100))

        def run() -> dict[str, int]:
            number = next(attempt)
            matched = wanted.join(pq.read_table(file, columns=keys), keys, join_type="inner").num_rows
            if rewrite:
                pq.write_table(pq.read_table(file), scratch / f"old{number}.parquet", compression="zstd")
            pq.write_table(source, scratch / f"new{number}.parquet", compression="zstd")
            return {"updated": matched, "inserted": source.num_rows - matched}

        return run

    return prepare


def upsert_work(
    name: str, title: str, reach: float, keys: list[str], mode: str, limit: str, peers: dict[str, Prepare]
) -> Work:
    return Work(
        name=name,
        title=title,
        limit=limit,
        reach=reach,
        data=lambda _: None,
        systems={
            "limit": upsert_limit(keys, mode == "copy-on-write"),
            "floe": upserting(floe_catalog, keys, mode),
            **peers,
        },
    )


LARGE_FILES = 200
LARGE_FILE_ROWS = 500_000
LARGE_CHANGED = range(0, LARGE_FILES, 20)  # files that have keys of the source: 5 %
LARGE_SOURCE_ROWS = 1_000_000


def large_rows(file: int) -> pa.Table:
    random = np.random.default_rng(file)
    ids = np.arange(file * LARGE_FILE_ROWS, (file + 1) * LARGE_FILE_ROWS, dtype=np.int64)
    return pa.table(
        {
            "id": ids,
            "code": random.integers(0, 1_000, LARGE_FILE_ROWS, dtype=np.int32),
            "value": pa.array(random.integers(0, 1_000_000, LARGE_FILE_ROWS).astype(np.float64)),
        }
    )


def large_source() -> pa.Table:
    """Rows with new values, in no order; all of their ids are in the table."""
    each = LARGE_SOURCE_ROWS // len(LARGE_CHANGED)
    step = LARGE_FILE_ROWS // each
    parts = [large_rows(file).take(pa.array(range(0, LARGE_FILE_ROWS, step))[:each]) for file in LARGE_CHANGED]
    rows = pa.concat_tables(parts)
    rows = rows.take(pa.array(np.random.default_rng(3).permutation(rows.num_rows)))
    return rows.set_column(2, "value", pc.add(rows["value"], 1)).combine_chunks()


def large_upsert_limit(write: bool) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        source = large_source()
        files = [scratch / f"{file}.parquet" for file in LARGE_CHANGED]
        for number, file in zip(LARGE_CHANGED, files, strict=True):
            pq.write_table(large_rows(number), file, compression="zstd")

        def run() -> dict[str, int]:
            with ThreadPoolExecutor(2) as pool:
                keys = pa.concat_tables(pool.map(lambda file: pq.read_table(file, columns=["id"]), files))
            if not write:
                return {"rows": source.num_rows}
            matched = source.select(["id"]).join(keys, "id", join_type="inner").num_rows
            pq.write_table(source, scratch / "new.parquet", compression="zstd")
            return {"rows": matched}

        return run

    return prepare


def large_upsert(update: bool) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        catalog = floe_catalog(scratch)
        catalog.create_namespace("bench")
        properties = {"write.merge.mode": "merge-on-read"}
        table = catalog.create_table("bench.rows", schema=large_rows(0).schema, properties=properties)
        for file in range(LARGE_FILES):
            table.append(large_rows(file))
        source = large_source()

        def run() -> dict[str, int]:
            result = table.upsert(source, join_cols=["id"], when_matched_update_all=update)
            return {"rows": result.rows_updated + result.rows_unchanged}

        return run

    return prepare


def three_days(table: pa.Table) -> pa.Table:
    day = inputs.FIRST_DAY.date() + dt.timedelta(days=10)
    wanted = pc.and_(pc.greater_equal(table["day"], day), pc.less(table["day"], day + dt.timedelta(days=3)))
    return table.filter(wanted).combine_chunks()


def overwrite_limit(data: Path, scratch: Path) -> Run:
    rows = three_days(inputs.load_arrow_input(data))
    parts = by_day(rows)
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        write_parts(parts, scratch / str(next(attempt)))
        return {"rows": rows.num_rows}

    return run


def overwriting(make_catalog: Callable[[Path], Any]) -> Prepare:
    """Overwrites the same three days again and again."""

    def prepare(data: Path, scratch: Path) -> Run:
        table = inputs.load_arrow_input(data)
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        target = catalog.create_table("bench.rows", schema=table.schema)
        with target.update_spec() as spec:
            day_spec(spec)
        target = catalog.load_table("bench.rows")
        target.append(table)
        rows = three_days(table)

        def run() -> dict[str, int]:
            target.dynamic_partition_overwrite(rows)
            summary = target.current_snapshot().summary
            return {"rows": rows.num_rows if int(summary["total-records"]) == table.num_rows else 0}

        return run

    return prepare


def deleting(make_catalog: Callable[[Path], Any], mode: str) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        tables = changed_tables(make_catalog, scratch, {"write.delete.mode": mode})

        def run() -> dict[str, int]:
            table = next(tables)
            table.delete("i32 < 10000")
            summary = table.current_snapshot().summary
            return {"rows": int(summary["total-records"]) - int(summary["total-position-deletes"])}

        return run

    return prepare


def delete_limit(rewrite: bool) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        file = raw_file(scratch)
        attempt = iter(range(100))

        def run() -> dict[str, int]:
            if not rewrite:
                return {"rows": TABLE_ROWS - ds.dataset(file).count_rows(filter=ds.field("i32") < 10_000)}
            rows = pq.read_table(file)
            rows = rows.filter(pc.greater_equal(rows["i32"], 10_000))
            pq.write_table(rows, scratch / f"new{next(attempt)}.parquet", compression="zstd")
            return {"rows": rows.num_rows}

        return run

    return prepare


JOINS = "pyarrow reads the key columns, joins and writes the new rows"
CHANGES = [
    upsert_work("upsert", "upsert 100,000 rows into 1 million, merge-on-read", 1.2, ["id"], "merge-on-read", JOINS,
                {"pyiceberg": upserting(inputs.pyiceberg_catalog, ["id"], "copy-on-write"),
                 "duckdb": duckdb_merge(["id"])}),
    upsert_work("upsert-two", "the same, key of two columns", 0.8, ["id", "cat"], "merge-on-read", JOINS,
                {"duckdb": duckdb_merge(["id", "cat"])}),
    upsert_work("upsert-copy", "the same, copy-on-write", 1.2, ["id"], "copy-on-write",
                "the same, and reads and writes the table's file",
                {"pyiceberg": upserting(inputs.pyiceberg_catalog, ["id"], "copy-on-write")}),
    Work(
        name="upsert-large",
        title="upsert 1 million rows into 100 million, keys in 10 of 200 files",
        limit="pyarrow reads these files' key columns, joins and writes the new rows",
        reach=2,
        data=lambda _: None,
        systems={"limit": large_upsert_limit(True), "floe": large_upsert(True)},
        repeat=1,
        large=True,
    ),
    Work(
        name="upsert-large-known",
        title="the same, insert only, and all keys are there",
        limit="pyarrow reads these files' key columns with 2 threads",
        reach=2,
        data=lambda _: None,
        systems={"limit": large_upsert_limit(False), "floe": large_upsert(False)},
        repeat=1,
        large=True,
    ),
    Work(
        name="overwrite",
        title="dynamic overwrite of 3 of 30 days (500,000 rows)",
        limit="pyarrow writes them, already split, with 2 threads, zstd",
        reach=0.95,
        data=inputs.arrow_input,
        systems={
            "limit": overwrite_limit,
            "floe": overwriting(floe_catalog),
            "pyiceberg": overwriting(inputs.pyiceberg_catalog),
        },
    ),
    Work(
        name="delete",
        title="delete 1 % of 1 million rows, scattered, merge-on-read",
        limit="pyarrow finds them",
        reach=2.5,
        data=lambda _: None,
        systems={"limit": delete_limit(False), "floe": deleting(floe_catalog, "merge-on-read")},
    ),
    Work(
        name="delete-copy",
        title="the same, copy-on-write",
        limit="pyarrow reads, filters and writes the table's file",
        reach=1.1,
        data=lambda _: None,
        systems={
            "limit": delete_limit(True),
            "floe": deleting(floe_catalog, "copy-on-write"),
            "pyiceberg": deleting(inputs.pyiceberg_catalog, "copy-on-write"),
        },
    ),
]  # fmt: skip

EVERY = [
    APPEND,
    *PARTITIONS,
    *SCANS,
    BLOOM,
    *PLANS,
    *INSPECTIONS,
    APPENDS,
    CONTENDED,
    *LOAD,
    EVOLUTION,
    *CHANGES,
]
WORKS: dict[str, Work] = {work.name: work for work in EVERY}
