"""Scans, writes and compaction on a real cluster of several processes, of which some are killed midway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import ray

from floe_iceberg import FloeCatalog, FloeTable
from floe_iceberg.errors import CorruptFileError, InvalidArgumentError
from floe_iceberg.ray import IcebergDatasink, rewrite_data_files, to_ray, write_ray

pytestmark = pytest.mark.timeout(300)

ROWS = 60_000


# Two machines, as far as Ray can tell. In a process of its own, since Ray ends its process group with the cluster.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        ray.init(address=cluster.stdout.readline().strip(), log_to_driver=False)
        yield
        ray.shutdown()
        cluster.stdin.close()


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    catalog = FloeCatalog("ray", **properties)
    catalog.create_namespace("flights")
    return catalog


def numbers(start: int = 0, stop: int = ROWS) -> pa.Table:
    ids = pa.array(range(start, stop), pa.int64())
    return pa.table({"id": ids, "part": pc.bit_wise_and(ids, 3)})


def make(catalog: FloeCatalog, name: str = "departures", files: int = 0, **properties: str) -> FloeTable:
    table = catalog.create_table(f"flights.{name}", numbers(0, 0).schema, properties=properties)
    step = ROWS // files if files else ROWS
    for start in range(0, ROWS if files else 0, step):
        table.append(numbers(start, start + step))
    return table


def ids(table: FloeTable) -> list[int]:
    found: list[int] = sorted(table.refresh().scan().to_arrow()["id"].to_pylist())
    return found


# --- what needs no cluster ---


def test_files_that_others_wrote_are_added_as_one_snapshot(catalog: FloeCatalog) -> None:
    table = make(catalog)
    written = [table.write_files(numbers(0, 10)), table.write_files(numbers(10, 20).to_reader())]
    assert table.refresh().scan().count() == 0
    table.append_written(written, {"by": "hand"})
    assert ids(table) == list(range(20))
    (snapshot,) = table.snapshots()
    assert snapshot.summary is not None
    assert snapshot.summary["by"] == "hand"
    assert snapshot.summary["added-data-files"] == "2"


def test_files_of_partitions_keep_their_values(catalog: FloeCatalog) -> None:
    table = make(catalog)
    with table.update_spec() as update:
        update.add_field("part", "bucket[2]")
        update.add_identity("part")
    table.append_written([table.write_files(numbers(0, 100))])
    assert table.scan("part = 2").plan().files == 1
    assert table.scan("part = 2").count() == 25


def test_files_that_are_added_again_are_refused_and_stay(catalog: FloeCatalog) -> None:
    table = make(catalog)
    written = [table.write_files(numbers(0, 10))]
    table.append_written(written)
    with pytest.raises(ValueError, match="already referenced"):
        table.append_written(written)
    assert ids(table.refresh()) == list(range(10))


def test_written_files_stay_for_another_try(catalog: FloeCatalog) -> None:
    table = make(catalog)
    written = table.write_files(numbers(0, 10))

    def give_up() -> None:
        with table.transaction() as transaction:
            transaction.append_written([written])
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        give_up()
    assert table.refresh().snapshots() == []
    table.append_written([written])
    assert ids(table) == list(range(10))


def test_workers_get_what_reaches_files_and_nothing_else(tmp_path: Path) -> None:
    reach = {"s3.endpoint": "https://store", "client.region": "eu", "ssl.cabundle": "/etc/ca.pem"}
    kept = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    catalog = FloeCatalog("reach", **kept, **reach)
    catalog.create_namespace("flights")
    assert IcebergDatasink(make(catalog))._access == reach


def test_bytes_of_another_table_or_none_are_refused(catalog: FloeCatalog) -> None:
    table, other = make(catalog), make(catalog, "other")
    with pytest.raises(InvalidArgumentError, match="another table"):
        table.append_written([other.write_files(numbers(0, 10))])
    with pytest.raises(CorruptFileError, match="written files"):
        table.append_written([b"nonsense"])


# --- on the cluster ---


@pytest.mark.usefixtures("_cluster")
def test_a_scan_is_read_by_workers(catalog: FloeCatalog) -> None:
    table = make(catalog, files=6)
    dataset = table.scan("id >= 100", selected_fields=("id",)).to_ray()
    assert sorted(row["id"] for row in dataset.iter_rows()) == list(range(100, ROWS))
    assert dataset.schema().names == ["id"]
    pids = to_ray(table.scan(), parallelism=6).map_batches(
        lambda batch: {"pid": [os.getpid()]}, batch_size=None, batch_format="numpy"
    )
    assert os.getpid() not in {row["pid"] for row in pids.iter_rows()}
    assert to_ray(table.scan(limit=7), parallelism=6).count() == 7


@pytest.mark.usefixtures("_cluster")
def test_a_dataset_is_written_as_one_commit(catalog: FloeCatalog) -> None:
    table = make(catalog)
    dataset = ray.data.from_arrow([numbers(start, start + 10_000) for start in range(0, ROWS, 10_000)])
    write_ray(dataset, table, snapshot_properties={"by": "ray"})
    assert ids(table) == list(range(ROWS))
    (snapshot,) = table.snapshots()
    assert snapshot.summary is not None
    assert snapshot.summary["by"] == "ray"
    write_ray(ray.data.from_arrow(numbers(0, 10)), table, overwrite_filter="id < 1000")
    assert ids(table) == [*range(10), *range(1000, ROWS)]
    write_ray(ray.data.from_arrow(numbers(0, 0)), table)
    assert len(ids(table)) == ROWS - 990


@pytest.mark.usefixtures("_cluster")
def test_rows_that_do_not_fit_fail_the_write_and_change_nothing(catalog: FloeCatalog) -> None:
    table = make(catalog)
    with pytest.raises(Exception, match="gate"):
        write_ray(ray.data.from_arrow(pa.table({"gate": ["A"]})), table)
    assert table.refresh().snapshots() == []


@pytest.mark.usefixtures("_cluster")
def test_a_worker_that_dies_while_it_writes_leaves_no_row_twice(catalog: FloeCatalog, tmp_path: Path) -> None:
    table = make(catalog)
    died = tmp_path / "died"

    class Dying(IcebergDatasink):
        def write(self, blocks: Any, ctx: Any) -> bytes:
            written = super().write(blocks, ctx)
            try:
                died.touch(exist_ok=False)
            except FileExistsError:
                return written
            os.kill(os.getpid(), signal.SIGKILL)
            return b""

    dataset = ray.data.from_arrow([numbers(start, start + 10_000) for start in range(0, ROWS, 10_000)])
    dataset.write_datasink(Dying(table))
    assert died.exists()
    assert ids(table) == list(range(ROWS))
    assert len(list(tmp_path.glob("warehouse/**/*.parquet"))) > table.scan().plan().files, "an orphan is left"


@pytest.mark.usefixtures("_cluster")
def test_compaction_survives_workers_that_are_killed(catalog: FloeCatalog) -> None:
    table = make(catalog, files=30)
    table.append(numbers(ROWS, ROWS + 5))
    table.delete("id = 7", mode="merge-on-read")
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for command in Path("/proc").glob("[0-9]*/cmdline"):
                if b"ray::rewrite_group" in command.read_bytes() and not killed:
                    os.kill(int(command.parent.name), signal.SIGKILL)
                    killed.append(int(command.parent.name))

    killer = threading.Thread(target=kill_one)
    killer.start()
    options: dict[str, Any] = {
        "max-file-group-size-bytes": table.storage_metrics().data_bytes // 6,
        "min-input-files": 2,
    }
    result = rewrite_data_files(table, options=options)
    killer.join()
    assert killed
    assert result.rewritten_data_files_count > result.added_data_files_count > 1
    assert ids(table) == [number for number in range(ROWS + 5) if number != 7]
    assert result.commits == 1


@pytest.mark.usefixtures("_cluster")
def test_compaction_that_fails_changes_nothing_unless_part_of_it_may(catalog: FloeCatalog) -> None:
    table = make(catalog, files=12)
    size = table.storage_metrics().data_bytes // 3
    first = table.inspect.files(columns=["file_path"])["file_path"][0].as_py().removeprefix("file://")
    kept = Path(first).read_bytes()
    Path(first).unlink()
    before = table.refresh().metadata_location
    options: dict[str, Any] = {"max-file-group-size-bytes": size, "rewrite-all": True}
    with pytest.raises(ray.exceptions.RayTaskError):
        rewrite_data_files(table, options=options)
    assert table.refresh().metadata_location == before
    result = rewrite_data_files(table, options={**options, "partial-progress.enabled": True})
    assert len(result.failures) == 1
    assert result.failed_data_files_count + result.rewritten_data_files_count == 12
    Path(first).write_bytes(kept)
    assert ids(table) == list(range(ROWS))
