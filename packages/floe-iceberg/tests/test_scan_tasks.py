"""Tasks of scans, read in this process and elsewhere, and scans of what was appended beside PyIceberg's."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import IncrementalAppendScan

from floe_iceberg import FloeCatalog, FloeTable, ScanTask, load_catalog
from floe_iceberg.errors import CorruptFileError, InvalidArgumentError, NotFoundError

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    made = load_catalog(
        "tasks",
        type="sql",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        warehouse=f"file://{tmp_path}/warehouse",
        **{"s3.secret-access-key": "geheim"},
    )
    made.create_namespace("ns")
    return made


def numbers(begin: int, end: int) -> pa.Table:
    ids = range(begin, end)
    return pa.table({"id": ids, "text": [f"row {i}" for i in ids]}, schema=SCHEMA)


def ids(rows: pa.Table) -> list[int]:
    return sorted(rows["id"].to_pylist())


@pytest.fixture
def table(catalog: FloeCatalog) -> FloeTable:
    """Three files of ten row groups each, of which one row in a hundred is deleted."""
    table = catalog.create_table(
        "ns.t", SCHEMA, properties={"write.parquet.row-group-limit": "100", "owner": "geheim", "format-version": "3"}
    )
    for i in range(3):
        table.append(numbers(1000 * i, 1000 * (i + 1)))
    table.delete("id in (7, 1007, 2007)", mode="merge-on-read")
    return table


SMALL = {"read.split.target-size": "1", "read.split.open-file-cost": "0"}
LARGE = {"read.split.open-file-cost": "0"}


def test_each_row_is_in_one_task(table: FloeTable) -> None:
    everything = ids(table.scan().to_arrow())
    for size, least in ((1, 30), (10_000, 2), (1 << 30, 1)):
        options = {"read.split.target-size": str(size), "read.split.open-file-cost": "0"}
        tasks = list(table.scan(options=options).plan_tasks())
        assert len(tasks) >= least
        assert ids(pa.concat_tables(task.to_arrow() for task in tasks)) == everything
        assert sum(task.count() for task in tasks) == len(everything)


def test_tasks_carry_the_scans_filter_and_columns(table: FloeTable) -> None:
    scan = table.scan("id >= 1995 and id < 2010", selected_fields=("id", "_pos", "_row_id"), options=SMALL)
    rows = [pickle.loads(pickle.dumps(task)).to_arrow() for task in scan.plan_tasks()]
    found = pa.concat_tables(rows).sort_by("id")
    assert found == scan.to_arrow().sort_by("id")
    assert found.num_rows == 14


def test_a_task_is_read_in_another_process(table: FloeTable, tmp_path: Path) -> None:
    read = "import sys; from floe_iceberg import ScanTask; print(ScanTask.from_bytes(sys.stdin.buffer.read()).count())"
    counts = []
    for task in table.scan("id < 1500").plan_tasks():
        done = subprocess.run(
            [sys.executable, "-c", read],
            input=task.to_bytes(),
            capture_output=True,
            check=True,
            cwd=tmp_path,
            timeout=60,
        )
        counts.append(int(done.stdout))
    assert sum(counts) == 1498


def test_tasks_have_no_secrets(table: FloeTable) -> None:
    for task in table.scan(options=SMALL).plan_tasks():
        assert b"geheim" not in task.to_bytes()


def test_tasks_are_streams(table: FloeTable) -> None:
    (task,) = table.scan(selected_fields=("id",), options=LARGE).plan_tasks()
    assert task.to_arrow_batch_reader().read_all().num_rows == 2997
    assert pa.table(task).schema.names == ["id"]
    assert repr(task) == f"ScanTask(ns.t, snapshot {table.metadata.current_snapshot_id}, 3 files)"


def test_the_tables_properties_say_how_large_tasks_are(table: FloeTable) -> None:
    with table.transaction() as transaction:
        transaction.set_properties(SMALL)
    assert len(list(table.scan().plan_tasks())) == 30
    assert len(list(table.scan(options={"read.split.target-size": "1000000"}).plan_tasks())) == 1
    assert len(list(table.scan().plan_tasks(parallelism=2))) == 30


def test_what_cannot_be_is_said(table: FloeTable) -> None:
    with pytest.raises(InvalidArgumentError, match="target-size"):
        table.scan(options={"read.split.target-size": "0"}).plan_tasks()
    with pytest.raises(InvalidArgumentError, match="readers"):
        table.scan().plan_tasks(parallelism=0)
    with pytest.raises(InvalidArgumentError, match=r"read\.split\.size"):
        table.scan(options={"read.split.size": "1"})
    with pytest.raises(CorruptFileError):
        ScanTask.from_bytes(b"nothing")
    (task,) = table.scan(options=LARGE).plan_tasks()
    with pytest.raises(CorruptFileError):
        ScanTask.from_bytes(task.to_bytes()[:-1])
    for file in table.scan().plan_files():
        Path(file.file.file_path.removeprefix("file://")).unlink()
    with pytest.raises(NotFoundError, match=r"ns\.t"):
        task.to_arrow()


def test_a_limit_plans_only_the_files_that_it_takes(table: FloeTable) -> None:
    assert table.scan(limit=5).plan().files == 1
    assert table.scan(limit=1000).plan().files == 2, "the first file lost a row"
    assert table.scan(limit=1000).to_arrow().num_rows == 1000


@pytest.mark.parametrize("version", [1, 2, 3])
def test_appends_are_those_that_pyiceberg_finds(catalog: FloeCatalog, version: int) -> None:
    table = catalog.create_table("ns.appends", SCHEMA, properties={"format-version": str(version)})
    for i in range(4):
        table.append(numbers(10 * i, 10 * (i + 1)))
    table.delete("id = 25")
    table.overwrite(numbers(100, 110), "id < 10")
    table.append(numbers(40, 50))
    snapshots = [snapshot.snapshot_id for snapshot in table.snapshots()]

    def check(scan: IncrementalAppendScan) -> list[int]:
        found = ids(scan.to_arrow())
        assert len(list(scan.plan_files())) == len(found) // 10
        if version < 3:
            theirs = IncrementalAppendScan(
                table_metadata=table.metadata,
                io=table.io,
                from_snapshot_id=scan.from_snapshot_id,
                from_snapshot_inclusive=scan.from_snapshot_inclusive,
                to_snapshot_id=scan.to_snapshot_id,
            )
            assert found == ids(theirs.to_arrow())
        return found

    scan = table.incremental_append_scan
    assert check(scan()) == list(range(50))
    assert check(scan(from_snapshot_id_exclusive=snapshots[1])) == list(range(20, 50))
    assert check(scan(to_snapshot_id_inclusive=snapshots[1])) == list(range(20))
    assert check(scan().from_snapshot_id_inclusive(snapshots[1]).to_snapshot_id_inclusive(snapshots[2])) == list(
        range(10, 30)
    )
    some = scan(from_snapshot_id_exclusive=snapshots[0], row_filter="id > 38", selected_fields=("id",), limit=5)
    assert some.to_arrow().num_rows == 5
    assert ids(some.update(limit=None).filter("id < 42").to_arrow_batch_reader().read_all()) == [39, 40, 41]
    tasks = scan(from_snapshot_id_exclusive=snapshots[1], options=SMALL).plan_tasks()
    assert ids(pa.concat_tables(pickle.loads(pickle.dumps(task)).to_arrow() for task in tasks)) == list(range(20, 50))
    assert scan(from_snapshot_id_exclusive=snapshots[1]).count() == 30


def test_appends_of_no_ancestor_are_refused(table: FloeTable) -> None:
    snapshots = [snapshot.snapshot_id for snapshot in table.snapshots()]
    for scan in (
        table.incremental_append_scan(from_snapshot_id_exclusive=7),
        table.incremental_append_scan(from_snapshot_id_exclusive=snapshots[2], to_snapshot_id_inclusive=snapshots[1]),
        table.incremental_append_scan(to_snapshot_id_inclusive=7),
    ):
        with pytest.raises(ValueError, match="7|" + str(snapshots[2])):
            scan.to_arrow()
