"""Planning scans, and metadata tables."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import duckdb_connection, floe_table, pyiceberg_table

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
        once=frozenset({"pyiceberg"}),
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
        once=frozenset({"pyiceberg"}),
    )


INSPECTIONS = [
    *(inspection(kind, of_pyiceberg=True) for kind in ("files", "entries", "partitions", "manifests")),
    *(inspection(kind) for kind in ("data_files", "delete_files", "position_deletes")),
    *(inspection(f"all_{kind}") for kind in ("files", "entries", "data_files", "delete_files", "manifests")),
    *(inspection(kind) for kind in ("snapshots", "history", "refs", "metadata_log_entries")),
    inspection("files", ["file_path", "record_count"]),
]
