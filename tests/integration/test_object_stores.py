"""Tables in object stores: in SQL catalogs and REST catalogs, beside PyIceberg's own I/O."""

from __future__ import annotations

import datetime as dt
import pickle
import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyiceberg.catalog
import pytest
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import StaticTable
from pyiceberg.transforms import IdentityTransform

from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from floe_iceberg.errors import IoError
from testing.fixtures.services import SeaweedFS

ROWS = pa.table({"id": [1, 2, 3], "kind": ["a", "b", "a"]})


@pytest.fixture
def sql(seaweedfs: SeaweedFS, tmp_path: Path) -> FloeCatalog:
    """A SQL catalog whose warehouse is in S3."""
    warehouse = f"s3://lake/{uuid.uuid4().hex}"
    return load_catalog("sql", type="sql", uri=f"sqlite:///{tmp_path}/c.db", warehouse=warehouse, **seaweedfs.access)


@pytest.fixture
def rest(seaweedfs: SeaweedFS) -> FloeCatalog:
    """A REST catalog that asks for OAuth2, and keeps its tables in S3."""
    return load_catalog("rest", **seaweedfs.catalog)


@pytest.fixture(params=["sql", "rest"])
def catalog(request: pytest.FixtureRequest) -> FloeCatalog:
    catalog: FloeCatalog = request.getfixturevalue(request.param)
    return catalog


@pytest.fixture
def table(catalog: FloeCatalog) -> FloeTable:
    ns = f"ns_{uuid.uuid4().hex[:12]}"
    catalog.create_namespace(ns)
    made = catalog.create_table(f"{ns}.t", ROWS.schema)
    made.append(ROWS)
    return made


def ids(table: pyiceberg.table.Table) -> list[int]:
    found: list[int] = table.scan().to_arrow()["id"].to_pylist()
    return sorted(found)


def files(seaweedfs: SeaweedFS, location: str) -> set[str]:
    store = pafs.S3FileSystem(
        endpoint_override=seaweedfs.url, access_key="floe", secret_key="floe-secret", region="us-east-1"
    )
    selector = pafs.FileSelector(location.removeprefix("s3://"), recursive=True)
    return {info.path for info in store.get_file_info(selector) if info.type == pafs.FileType.File}


def test_rows_come_change_and_go(table: FloeTable, catalog: FloeCatalog) -> None:
    assert table.location().startswith("s3://")
    table.delete("id = 2")
    table.upsert(pa.table({"id": [3, 4], "kind": ["c", "d"]}), join_cols=["id"])
    table.overwrite(pa.table({"id": [9], "kind": ["z"]}), overwrite_filter="id = 1")
    assert ids(table) == [3, 4, 9]
    again = catalog.load_table(table.name())
    assert ids(again) == [3, 4, 9]
    assert again.inspect.files().num_rows == len(list(again.scan().plan_files()))


def test_pyicebergs_own_io_reads_what_we_wrote(table: FloeTable, seaweedfs: SeaweedFS) -> None:
    table.append(ROWS)
    theirs = StaticTable.from_metadata(table.metadata_location, seaweedfs.access)
    assert ids(theirs) == [1, 1, 2, 2, 3, 3]


def test_pyicebergs_own_client_writes_beside_us(rest: FloeCatalog, seaweedfs: SeaweedFS) -> None:
    ns = f"ns_{uuid.uuid4().hex[:12]}"
    rest.create_namespace(ns)
    theirs = pyiceberg.catalog.load_catalog("theirs", **seaweedfs.catalog).create_table(f"{ns}.t", ROWS.schema)
    theirs.append(ROWS)
    ours = rest.load_table(f"{ns}.t")
    ours.append(ROWS)
    assert ids(theirs.refresh()) == [1, 1, 2, 2, 3, 3]


def test_a_table_is_partitioned_compacted_and_expired(sql: FloeCatalog, seaweedfs: SeaweedFS) -> None:
    sql.create_namespace("ns")
    schema = sql.create_table("ns.plain", ROWS.schema).schema()
    by_kind = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind"))
    table = sql.create_table("ns.t", schema, partition_spec=by_kind)
    for _ in range(4):
        table.append(ROWS)
    assert len(files(seaweedfs, f"{table.location()}/data")) == 8
    table.maintenance.rewrite_data_files(options={"min-input-files": "2"})
    table.maintenance.expire_snapshots(older_than=dt.datetime.now(dt.UTC), retain_last=1)
    assert ids(table) == sorted([1, 2, 3] * 4)
    assert len(list(table.scan().plan_files())) == 2
    assert len(files(seaweedfs, f"{table.location()}/data")) == 2


def test_tables_go_to_other_processes(table: FloeTable) -> None:
    there = pickle.loads(pickle.dumps(table))
    assert ids(there) == [1, 2, 3]


def test_the_interpreter_ends_with_tables_and_streams_alive(table: FloeTable, seaweedfs: SeaweedFS) -> None:
    program = f"""
import floe_engine, pyarrow as pa
table = floe_engine.open_table({table.metadata_location!r}, {seaweedfs.access!r})
alive = table.scan().plan().read()
print(pa.table(table.scan().plan().read()).num_rows)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_a_wrong_key_is_an_io_error_that_does_not_tell_it(sql: FloeCatalog, table: FloeTable) -> None:
    wrong = FloeCatalog("sql", **{**sql.properties, "s3.secret-access-key": "topsecret", "s3.retry.num-retries": "0"})
    sql.create_namespace_if_not_exists("ns")
    with pytest.raises(IoError) as caught:
        wrong.create_table("ns.wrong", ROWS.schema)
    assert "topsecret" not in str(caught.value)
    assert "s3://" in str(caught.value)
    with pytest.raises(NoSuchTableError):
        sql.load_table("ns.wrong")


APPENDS = """
import sys
import pyarrow as pa
from floe_iceberg import load_catalog

table = load_catalog("rest", **{properties!r}).load_table({name!r})
for i in range(5):
    table.append(pa.table({{"id": [int(sys.argv[1]) * 5 + i], "kind": ["x"]}}))
"""


def test_processes_commit_at_once_and_nothing_is_lost(rest: FloeCatalog, seaweedfs: SeaweedFS) -> None:
    ns = f"ns_{uuid.uuid4().hex[:12]}"
    rest.create_namespace(ns)
    table = rest.create_table(f"{ns}.t", ROWS.schema, properties={"commit.retry.num-retries": "50"})
    program = APPENDS.format(properties=seaweedfs.catalog, name=f"{ns}.t")
    writers = [subprocess.Popen([sys.executable, "-c", program, str(i)]) for i in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert ids(table.refresh()) == list(range(15))
    assert len(table.history()) == 15
    kept = files(seaweedfs, f"{table.location()}/data")
    assert len(kept) == 15


ONE_GIBIBYTE = """
import os, resource, sys
import pyarrow as pa
from floe_iceberg import load_catalog

properties = {properties!r}
catalog = load_catalog("large", **properties)
catalog.create_namespace_if_not_exists("large")
schema = pa.schema([("id", pa.int64()), ("bytes", pa.binary(1 << 16))])
table = catalog.create_table("large.t", schema=schema)

def batches():
    for i in range(128):  # of 8 MiB that no codec makes smaller
        noise = pa.py_buffer(os.urandom(8 << 20))
        data = pa.Array.from_buffers(schema[1].type, 128, [None, noise])
        yield pa.record_batch([pa.array(range(i * 128, i * 128 + 128)), data], schema)

table.append(pa.RecordBatchReader.from_batches(schema, batches()))
rows = total = 0
for batch in table.scan().to_arrow_batch_reader():
    rows += batch.num_rows
    total += batch.column("id").to_numpy().sum()
print(rows, total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("store", ["seaweedfs", "minio", "gcs", "azure"])
def test_a_gibibyte_is_written_and_read_in_bounded_memory(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    access: dict[str, str] = request.getfixturevalue(f"{store}_warehouse")
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", **access}
    program = ONE_GIBIBYTE.format(properties=properties)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    rows, total, megabytes = map(int, done.stdout.split())
    assert (rows, total) == (16384, 16384 * 16383 // 2)
    assert megabytes < 1100  # with the interpreter and its libraries, which are a quarter of it
