"""The input: deterministic, made once per machine below `benchmarks/data`, by strangers where a table is read."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table.update import SetSnapshotRefUpdate

ROWS = 5_000_000
FIRST_DAY = dt.datetime(2024, 1, 1)
DAYS = 30


def rows(start: int = 0, count: int = ROWS) -> pa.Table:
    """The benchmark's table: ten columns, ids ascending, timestamps over 30 days in random order."""
    random = np.random.default_rng(start + 1)
    ids = np.arange(start, start + count, dtype=np.int64)
    micros = random.integers(0, DAYS * 86_400_000_000, count)
    timestamps = np.datetime64(FIRST_DAY, "us") + micros.astype("timedelta64[us]")
    codes = pa.array([f"category-{i:02d}" for i in range(50)])
    cents = random.integers(-10_000_000, 10_000_000, count)
    decimals = np.column_stack([cents, cents >> 63])  # 128-bit two's complement, low word first
    return pa.table(
        {
            "id": ids,
            "i32": pa.array(random.integers(0, 1_000_000, count, dtype=np.int32)),
            "f64": random.standard_normal(count),
            "cat": codes.take(pa.array(random.integers(0, 50, count))),
            "name": pc.binary_join_element_wise(
                pa.scalar("user"), pa.array(random.integers(0, 10**12, count)).cast(pa.string()), "-"
            ),
            "ts": pa.array(timestamps, pa.timestamp("us")),
            "day": pa.array(timestamps.astype("datetime64[D]"), pa.date32()),
            "flag": pa.array(random.integers(0, 2, count).astype(bool)),
            "amount": pa.Array.from_buffers(pa.decimal128(18, 2), count, [None, pa.py_buffer(decimals.tobytes())]),
            "big": pa.array(random.integers(-(2**62), 2**62, count)),
        }
    )


@contextmanager
def built_once(folder: Path) -> Iterator[bool]:
    """Yields whether `folder` is to be filled; what a build that broke off left behind is removed."""
    done = folder / ".complete"
    if done.exists():
        yield False
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield True
    done.touch()


def pyiceberg_catalog(folder: Path) -> SqlCatalog:
    from pyiceberg.catalog.sql import SqlCatalog

    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")


def arrow_input(data: Path) -> None:
    """The rows as one Arrow file, to be mapped into memory."""
    with built_once(data / "rows") as build:
        if build:
            table = rows()
            with pa.OSFile(str(data / "rows" / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
                out.write_table(table, max_chunksize=131_072)


def load_arrow_input(data: Path) -> pa.Table:
    """Reads (not maps) the rows, so that page faults are not part of what is measured."""
    with pa.OSFile(str(data / "rows" / "rows.arrow"), "rb") as source:
        return pa.ipc.open_file(source).read_all()


def ten_files(data: Path) -> None:
    """The rows as a table of ten files, written by PyIceberg, unpartitioned."""
    with built_once(data / "ten_files") as build:
        if build:
            catalog = pyiceberg_catalog(data / "ten_files")
            catalog.create_namespace("bench")
            table = catalog.create_table("bench.rows", schema=rows(0, 1).schema)
            for part in range(10):
                table.append(rows(part * ROWS // 10, ROWS // 10))


def partitioned(data: Path) -> None:
    """The rows in 240 files by days(ts) and bucket(8, id), written by PyIceberg."""
    from pyiceberg.transforms import BucketTransform, DayTransform

    with built_once(data / "partitioned") as build:
        if build:
            catalog = pyiceberg_catalog(data / "partitioned")
            catalog.create_namespace("bench")
            table = catalog.create_table("bench.rows", schema=rows(0, 1).schema)
            with table.update_spec() as spec:
                spec.add_field("ts", DayTransform(), "ts_day")
                spec.add_field("id", BucketTransform(8), "id_bucket")
            table.append(rows())


def files_of(data: Path, name: str) -> list[str]:
    """The data files of a table in planning order, for the raw limit."""
    table = pyiceberg_catalog(data / name).load_table("bench.rows")
    return [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]


def metadata_location(data: Path, name: str) -> str:
    return pyiceberg_catalog(data / name).load_table("bench.rows").metadata_location


def large_manifests(data: Path, name: str, manifests: int, entries: int, entries_a_block: int = 1) -> None:
    """A table of many data files that do not exist, in manifests as PyIceberg writes them (one entry a block).

    Partitioned by day: each manifest holds one day's files in turn. Bounds of `id` are not clustered.
    """
    assert entries % entries_a_block == 0
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.manifest import write_manifest, write_manifest_list
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary
    from pyiceberg.table.update import AddSnapshotUpdate

    with built_once(data / name) as build:
        if not build:
            return
        catalog = pyiceberg_catalog(data / name)
        catalog.create_namespace("bench")
        table = _by_day(catalog)
        io, metadata_dir = PyArrowFileIO(), f"{table.location()}/metadata"
        random = np.random.default_rng(7)
        snapshot_id, first_day = 4_242_424_242, (FIRST_DAY.date() - dt.date(1970, 1, 1)).days
        written = []
        for m in range(manifests):
            day = first_day + m * DAYS // manifests
            with write_manifest(
                2, table.spec(), table.schema(), io.new_output(f"{metadata_dir}/m{m}.avro"), snapshot_id, "deflate"
            ) as writer:
                _gather_blocks(writer, entries_a_block)
                for e in range(entries):
                    writer.add_entry(_entry(m * entries + e, day, random, snapshot_id, table.location()))
            written.append(writer.to_manifest_file())
        list_path = f"{metadata_dir}/snap-{snapshot_id}.avro"
        with write_manifest_list(2, io.new_output(list_path), snapshot_id, None, 1, "deflate") as out:
            out.add_manifests(written)
        snapshot = Snapshot(
            snapshot_id=snapshot_id,
            sequence_number=1,
            timestamp_ms=table.metadata.last_updated_ms + 1,
            manifest_list=list_path,
            summary=Summary(Operation.APPEND),
            schema_id=0,
        )
        catalog.commit_table(table, (), (AddSnapshotUpdate(snapshot=snapshot), main_at(snapshot_id)))


def _by_day(catalog: SqlCatalog) -> Any:
    """A new table of the rows, partitioned by day."""
    from pyiceberg.io.pyarrow import _pyarrow_to_schema_without_ids
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import assign_fresh_schema_ids
    from pyiceberg.transforms import DayTransform

    schema = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(rows(0, 1).schema))
    spec = PartitionSpec(PartitionField(source_id=6, field_id=1000, transform=DayTransform(), name="ts_day"))
    return catalog.create_table("bench.rows", schema=schema, partition_spec=spec)


def main_at(snapshot_id: int) -> SetSnapshotRefUpdate:
    from pyiceberg.table.update import SetSnapshotRefUpdate

    update = {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot_id}
    return SetSnapshotRefUpdate.model_validate(update)


def _gather_blocks(writer: Any, entries: int) -> None:
    """PyIceberg's writer of manifests gives each entry a block; afterwards it gives `entries` of them one."""
    write_block, waiting = writer._writer.write_block, []

    def gather(block: list[Any]) -> None:
        waiting.extend(block)
        if len(waiting) == entries:
            write_block(waiting)
            waiting.clear()

    writer._writer.write_block = gather


def _file_path(number: int, day: int, location: str) -> str:
    return f"{location}/data/ts_day={day}/00000-{number}-0a1b2c3d-4e5f-6789-abcd-{number:012d}.parquet"


def _entry(number: int, day: int, random: Any, snapshot_id: int, location: str) -> Any:
    from pyiceberg.conversions import to_bytes
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus
    from pyiceberg.typedef import Record
    from pyiceberg.types import DateType, DecimalType, DoubleType, IntegerType, LongType, StringType, TimestampType

    low = int(random.integers(0, 2**40))
    micros = day * 86_400_000_000
    types: dict[int, tuple[Any, Any, Any]] = {
        1: (LongType(), low, low + 1_000_000),
        2: (IntegerType(), int(random.integers(0, 1000)), 999_999),
        3: (DoubleType(), -float(random.random()), float(random.random())),
        4: (StringType(), "category-00", "category-49"),
        5: (StringType(), f"user-{low}"[:16], f"user-{low + 9}"[:15] + "z"),
        6: (TimestampType(), micros + int(random.integers(0, 10**9)), micros + 86_399_000_000),
        7: (DateType(), day, day),
        9: (DecimalType(18, 2), None, None),
        10: (LongType(), -low, low),
    }
    bounded = {i: t for i, t in types.items() if t[1] is not None}
    columns = range(1, 11)
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=_file_path(number, day, location),
        file_format=FileFormat.PARQUET,
        partition=Record(day),
        record_count=50_000,
        file_size_in_bytes=3_000_000 + number % 1000,
        column_sizes={i: 300_000 + number % 977 + i for i in columns},
        value_counts=dict.fromkeys(columns, 50000),
        null_value_counts=dict.fromkeys(columns, 0),
        nan_value_counts={3: 0},
        lower_bounds={i: to_bytes(t, low_) for i, (t, low_, _) in bounded.items()},
        upper_bounds={i: to_bytes(t, high) for i, (t, _, high) in bounded.items()},
        split_offsets=[4],
        sort_order_id=0,
    )
    file.spec_id = 0
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED,
        snapshot_id=snapshot_id,
        sequence_number=None,
        file_sequence_number=None,
        data_file=file,
    )


def hundred_manifests(data: Path) -> None:
    large_manifests(data, "hundred_manifests", 100, 1_000)


def hundred_manifests_in_blocks(data: Path) -> None:
    """The same files in blocks of 64 KB, as this engine writes them."""
    large_manifests(data, "hundred_manifests_in_blocks", 100, 1_000, entries_a_block=100)


def thousand_manifests(data: Path) -> None:
    large_manifests(data, "thousand_manifests", 1_000, 1)


def many_snapshots(data: Path) -> None:
    """A table of 2,000 snapshots: 1.3 MB of metadata.json."""
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary
    from pyiceberg.table.update import AddSnapshotUpdate

    with built_once(data / "many_snapshots") as build:
        if not build:
            return
        catalog = pyiceberg_catalog(data / "many_snapshots")
        catalog.create_namespace("bench")
        table = catalog.create_table("bench.rows", schema=rows(0, 1).schema)
        updates: list[Any] = []
        for n in range(1, 2001):
            totals = {"total-records": str(n * 10), "total-data-files": str(n), "total-files-size": str(n * 2500)}
            added = {"added-records": "10", "added-data-files": "1", "added-files-size": "2500"}
            rest = {"total-delete-files": "0", "total-position-deletes": "0", "total-equality-deletes": "0"}
            snapshot = Snapshot(
                snapshot_id=10**18 + n,
                parent_snapshot_id=10**18 + n - 1 if n > 1 else None,
                sequence_number=n,
                timestamp_ms=table.metadata.last_updated_ms + n,
                manifest_list=f"{table.location()}/metadata/snap-{10**18 + n}-0-0a1b2c3d-4e5f-6789-abcd-{n:012d}.avro",
                summary=Summary(Operation.APPEND, **added, **totals, **rest),
                schema_id=0,
            )
            updates.append(AddSnapshotUpdate(snapshot=snapshot))
        updates.append(main_at(10**18 + 2000))
        catalog.commit_table(table, (), tuple(updates))


SNAPSHOTS, KEPT, FILES_EACH = 2_000, 100, 51


def replaced_snapshots(data: Path) -> None:
    """A table of 2,000 snapshots of 51 files, each of which replaced those of the one before. The data files do not
    exist. What expiry removes of metadata is also in the folder `metadata`."""
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.manifest import write_manifest, write_manifest_list
    from pyiceberg.table.snapshots import Operation, Snapshot, Summary
    from pyiceberg.table.update import AddSnapshotUpdate

    with built_once(data / "replaced_snapshots") as build:
        if not build:
            return
        catalog = pyiceberg_catalog(data / "replaced_snapshots")
        catalog.create_namespace("bench")
        table = _by_day(catalog)
        io, folder = PyArrowFileIO(), f"{table.location()}/metadata"
        random = np.random.default_rng(7)
        updates: list[Any] = []
        for n in range(1, SNAPSHOTS + 1):
            snapshot_id = 10**18 + n
            with write_manifest(
                2, table.spec(), table.schema(), io.new_output(f"{folder}/m{n}.avro"), snapshot_id, "deflate"
            ) as writer:
                _gather_blocks(writer, FILES_EACH)
                for number in range(n * FILES_EACH, (n + 1) * FILES_EACH):
                    writer.add_entry(_entry(number, n % DAYS, random, snapshot_id, table.location()))
            list_path = f"{folder}/snap-{n}.avro"
            with write_manifest_list(2, io.new_output(list_path), snapshot_id, None, n, "deflate") as out:
                out.add_manifests([writer.to_manifest_file()])
            snapshot = Snapshot(
                snapshot_id=snapshot_id,
                parent_snapshot_id=snapshot_id - 1 if n > 1 else None,
                sequence_number=n,
                timestamp_ms=table.metadata.last_updated_ms + n,
                manifest_list=list_path,
                summary=Summary(Operation.OVERWRITE),
                schema_id=0,
            )
            updates.append(AddSnapshotUpdate(snapshot=snapshot))
        updates.append(main_at(10**18 + SNAPSHOTS))
        catalog.commit_table(table, (), tuple(updates))
        shutil.copytree(folder.removeprefix("file://"), data / "replaced_snapshots" / "metadata")


def expired_files(data: Path) -> tuple[Path, set[str]]:
    """Puts everything there that an expiry of all but the last snapshots removes. Its folder, and those files."""
    folder = data / "replaced_snapshots"
    [table] = (folder / "warehouse").glob("*/rows")
    shutil.copytree(folder / "metadata", table / "metadata", dirs_exist_ok=True)
    files = set()
    for n in range(1, SNAPSHOTS - KEPT + 1):
        files |= {f"{table}/metadata/m{n}.avro", f"{table}/metadata/snap-{n}.avro"}
        for number in range(n * FILES_EACH, (n + 1) * FILES_EACH):
            path = Path(_file_path(number, n % DAYS, str(table)))
            files.add(str(path))
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
    return table, files


def orphans(data: Path) -> None:
    """A table of 100,000 files, and as many beside them that it does not mention, all of them old."""
    large_manifests(data, "orphans", 100, 1_000, entries_a_block=100)
    with built_once(data / "orphans_written") as build:
        if not build:
            return
        for path in files_of(data, "orphans"):
            for name in (path, path + ".left"):
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_bytes(b"x")
                os.utime(name, (0, 0))
