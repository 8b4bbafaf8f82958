"""Writing many rows: appends, and into partitions."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import append, duckdb_connection, floe_catalog, output_bytes, polars_append


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
        "floe": appending(floe_catalog, append),
        "pyiceberg": appending(inputs.pyiceberg_catalog, append),
        "polars": appending(inputs.pyiceberg_catalog, polars_append),
        "duckdb": append_duckdb,
    },
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
