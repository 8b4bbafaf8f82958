"""Many small commits, by one process and by several; loading and evolving tables of many snapshots."""

from __future__ import annotations

import atexit
import itertools
import multiprocessing
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import floe_catalog

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
    script = Path(__file__).parent.parent.parent / "testing/fixtures/postgresql"
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
    once=frozenset({"pyiceberg"}),
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
