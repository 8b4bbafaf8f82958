"""Upkeep: compaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import floe_catalog

FILES = 500
FILE_ROWS = 10_000


def small_files(data: Path) -> None:
    """The rows as many small files."""
    with inputs.built_once(data / "small_files") as build:
        if build:
            rows = inputs.rows(0, FILES * FILE_ROWS)
            for i in range(FILES):
                part = rows.slice(i * FILE_ROWS, FILE_ROWS)
                pq.write_table(part, data / "small_files" / f"{i:03}.parquet", compression="zstd")


def paths(data: Path) -> list[str]:
    return [str(path) for path in sorted((data / "small_files").glob("*.parquet"))]


def limit(data: Path, scratch: Path) -> Run:
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        rows = ds.dataset(paths(data)).to_table()
        half = rows.num_rows // 2
        prefix = scratch / str(next(attempt))
        writers = [
            threading.Thread(target=pq.write_table, args=(part, f"{prefix}-{i}"), kwargs={"compression": "zstd"})
            for i, part in enumerate([rows.slice(0, half), rows.slice(half)])
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        return {"rows": rows.num_rows}

    return run


def compacting(make_catalog: Callable[[Path], Any], compact: Callable[[Any], None]) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        catalog = make_catalog(scratch)
        catalog.create_namespace("bench")
        tables = []
        for number in range(3):
            table = catalog.create_table(f"bench.rows{number}", schema=inputs.rows(0, 1).schema)
            table.add_files(paths(data))
            tables.append(table)
        left = iter(tables)

        def run() -> dict[str, int]:
            table = next(left)
            compact(table)
            tasks = list(table.scan().plan_files())
            return {
                "rows": sum(task.file.record_count for task in tasks),
                "bytes": sum(task.file.file_size_in_bytes for task in tasks),
            }

        return run

    return prepare


def rewrite(table: Any) -> None:
    table.maintenance.rewrite_data_files()


def by_hand(table: Any) -> None:
    table.overwrite(table.scan().to_arrow())


def polars_by_hand(table: Any) -> None:
    import polars

    frame = polars.scan_iceberg(table).collect()
    assert isinstance(frame, polars.DataFrame)
    frame.write_iceberg(table, mode="overwrite")


def sort_limit(data: Path, scratch: Path) -> Run:
    attempt = iter(range(100))

    def run() -> dict[str, int]:
        rows: pa.Table = ds.dataset(paths(data)).to_table()
        rows = rows.sort_by([("cat", "ascending"), ("ts", "ascending")])
        pq.write_table(rows, scratch / str(next(attempt)), compression="zstd")
        return {"rows": rows.num_rows}

    return run


def sorting(order: str) -> Callable[[Any], None]:
    def compact(table: Any) -> None:
        table.maintenance.rewrite_data_files(sort_order=order)

    return compact


COMPACTION = [
    Work(
        name="compact",
        title="compact 500 files of 10,000 rows",
        limit="pyarrow reads all and writes all, with 2 threads, zstd",
        reach=0.75,
        data=small_files,
        systems={
            "limit": limit,
            "floe": compacting(floe_catalog, rewrite),
            "polars": compacting(inputs.pyiceberg_catalog, polars_by_hand),
            "pyiceberg": compacting(inputs.pyiceberg_catalog, by_hand),
        },
    ),
    Work(
        name="compact-sort",
        title="the same, sorted by two columns",
        limit="pyarrow reads, sorts and writes all",
        reach=1.1,
        data=small_files,
        systems={"limit": sort_limit, "floe": compacting(floe_catalog, sorting("cat, ts"))},
    ),
    Work(
        name="compact-z-order",
        title="the same, along a Z-order curve over two columns",
        limit="pyarrow reads, sorts and writes all",
        reach=1.1,
        data=small_files,
        systems={"limit": sort_limit, "floe": compacting(floe_catalog, sorting("zorder(cat, ts)"))},
    ),
]
