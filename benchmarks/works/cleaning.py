"""Upkeep of metadata: expiry, orphan files, manifests."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import data as inputs
from benchmarks.work import Run, Work
from benchmarks.works.common import floe_catalog, floe_table
from benchmarks.works.planning import blocks_of


def registered(data: Path, scratch: Path, name: str, count: int) -> list[Any]:
    """The table of the benchmark's data in a catalog of the run's own, under several names."""
    catalog = floe_catalog(scratch)
    catalog.create_namespace("bench")
    location = inputs.metadata_location(data, name)
    return [catalog.register_table(f"bench.rows{number}", location) for number in range(count)]


def files_below(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from files_below(entry.path)
            else:
                yield entry


# --- expiry ---------------------------------------------------------------------------------------------------------


def expiry_limit(data: Path, scratch: Path) -> Run:
    folder, expired = inputs.expired_files(data)

    def run() -> dict[str, int]:
        files = 0
        for entry in files_below(str(folder)):
            if entry.path in expired:
                os.unlink(entry.path)
                files += 1
        return {"files": files}

    return run


def expiring(data: Path, scratch: Path) -> Run:
    inputs.expired_files(data)
    [table] = registered(data, scratch, "replaced_snapshots", 1)

    def run() -> dict[str, int]:
        result = table.maintenance.expire_snapshots(older_than=2**62, retain_last=inputs.KEPT)
        return {"files": result.deleted_files_count}

    return run


# --- orphan files ---------------------------------------------------------------------------------------------------


def listing_limit(data: Path, scratch: Path) -> Run:
    [folder] = (data / "orphans" / "warehouse").glob("*/rows")

    def run() -> dict[str, int]:
        return {"files": sum(entry.stat().st_mtime < 2**62 for entry in files_below(str(folder)))}

    return run


def searching(data: Path, scratch: Path) -> Run:
    import floe_engine

    table = floe_table(data, "orphans")

    def run() -> dict[str, int]:
        floe_engine.clear_manifest_cache()
        found = table.maintenance.remove_orphan_files(dry_run=True)
        return {"files": found.looked_at, "orphans": found.orphan_files_count}

    return run


# --- manifests ------------------------------------------------------------------------------------------------------


def manifests_limit(data: Path, scratch: Path) -> Run:
    paths = sorted((data / "thousand_manifests" / "warehouse").rglob("metadata/m*.avro"))
    blocks = [blocks_of(path) for path in paths]

    def run() -> dict[str, int]:
        inflated = bytearray()
        for path, parts in zip(paths, blocks, strict=True):
            content = memoryview(path.read_bytes())
            for at, length in parts:
                inflated += zlib.decompress(content[at : at + length], -15)
        for at in range(0, len(inflated), 65_536):
            zlib.compress(inflated[at : at + 65_536])
        return {"files": len(paths)}

    return run


def rewriting(data: Path, scratch: Path) -> Run:
    import floe_engine

    tables = registered(data, scratch, "thousand_manifests", 3)
    for table in tables:
        with table.transaction() as transaction:
            transaction.set_properties({"write.metadata.path": f"file://{scratch}/metadata"})
    left = iter(tables)

    def run() -> dict[str, int]:
        floe_engine.clear_manifest_cache()
        return {"files": next(left).maintenance.rewrite_manifests().rewritten_manifests_count}

    return run


CLEANING = [
    Work(
        name="expire",
        title="expire 1,900 of 2,000 snapshots, with 100,000 files",
        limit="list the table's files and unlink those, one thread",
        reach=1.5,
        data=inputs.replaced_snapshots,
        systems={"limit": expiry_limit, "floe": expiring},
        repeat=1,
    ),
    Work(
        name="orphans",
        title="search for orphans among 200,000 files",
        limit="list them with their times, one thread",
        reach=1.5,
        data=inputs.orphans,
        systems={"limit": listing_limit, "floe": searching},
    ),
    Work(
        name="rewrite-manifests",
        title="rewrite 1,000 manifests of one entry",
        limit="read, inflate and deflate their blocks, zlib, one thread",
        reach=1.5,
        data=inputs.thousand_manifests,
        systems={"limit": manifests_limit, "floe": rewriting},
    ),
]
