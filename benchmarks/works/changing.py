"""Changing rows: upserts, overwrites and deletes."""

from __future__ import annotations

import datetime as dt
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
from benchmarks.works.common import duckdb_connection, floe_catalog
from benchmarks.works.writing import by_day, day_spec, write_parts

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
