"""Threads that share a table or a transaction: nothing is lost, and nothing crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable
from floe_iceberg.errors import InvalidArgumentError

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "text", StringType()))
THREADS = 6


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "text": pa.array(["a"] * len(ids), pa.string())})


def ids(table: FloeTable) -> list[int]:
    return sorted(table.scan().to_arrow().column("id").to_pylist())


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    made = FloeCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    made.create_namespace("ns")
    return made


@pytest.fixture(params=["1", "2", "3"])
def table(catalog: FloeCatalog, request: pytest.FixtureRequest) -> FloeTable:
    return catalog.create_table("ns.t", SCHEMA, properties={"format-version": request.param})


def in_threads(work: Callable[[int], None]) -> None:
    """Calls ``work`` with the number of each thread, as good as at once; raises what one of them raises."""
    barrier = threading.Barrier(THREADS)

    def begin(i: int) -> None:
        barrier.wait()
        work(i)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin, i) for i in range(THREADS)]:
            done.result()


def test_threads_append_to_one_table(catalog: FloeCatalog, table: FloeTable) -> None:
    def work(thread: int) -> None:
        for i in range(3):
            table.append(rows(10 * thread + i))
            assert 10 * thread + i in ids(table), "a thread sees what it has appended"

    in_threads(work)
    assert ids(table) == ids(catalog.load_table("ns.t"))
    assert ids(table) == sorted(10 * thread + i for thread in range(THREADS) for i in range(3))


def test_threads_change_one_table_in_several_ways(table: FloeTable) -> None:
    table.append(rows(*range(100, 100 + THREADS)))

    def work(thread: int) -> None:
        table.upsert(rows(thread), join_cols=["id"])
        with table.transaction() as transaction:
            transaction.set_properties({f"p{thread}": "x"})
        table.refresh()
        assert table.scan(f"id = {thread}").count() == 1
        assert table.properties[f"p{thread}"] == "x"

    in_threads(work)
    assert ids(table) == [*range(THREADS), *range(100, 100 + THREADS)]


def test_a_transaction_is_for_one_thread_at_a_time(table: FloeTable) -> None:
    in_use, go_on = threading.Event(), threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        in_use.set()
        go_on.wait(60)
        yield from rows(1).to_batches()

    transaction = table.transaction()
    with ThreadPoolExecutor(1) as pool:
        appended = pool.submit(transaction.append, pa.RecordBatchReader.from_batches(rows().schema, batches()))
        in_use.wait(60)
        calls: list[Callable[[], object]] = [
            lambda: transaction.append(rows(2)),
            lambda: transaction.delete("id = 1"),
            lambda: transaction.upsert(rows(2), join_cols=["id"]),
            lambda: transaction.set_properties({"a": "b"}),
            transaction.update_schema().add_column("new", LongType()).commit,
            lambda: transaction.manage_snapshots().create_tag(7, "tag"),
            transaction.commit_transaction,
        ]
        for call in calls:
            with pytest.raises(InvalidArgumentError, match=r"ns\.t.*in use by another thread"):
                call()
        go_on.set()
        appended.result()
    transaction.append(rows(3))
    transaction.commit_transaction()
    assert ids(table) == [1, 3]


def test_a_change_after_the_end_of_a_transaction_is_refused(table: FloeTable) -> None:
    with table.transaction() as transaction:
        transaction.append(rows(1))
    with pytest.raises(InvalidArgumentError, match="over"):
        transaction.append(rows(2))
    assert ids(table) == [1]


def test_rows_may_look_at_the_transaction_that_reads_them(table: FloeTable) -> None:
    with table.transaction() as transaction:
        transaction.append(rows(1))

        def batches() -> Iterator[pa.RecordBatch]:
            yield from transaction._scan().to_arrow().cast(rows().schema).to_batches()
            assert transaction.table_metadata.current_snapshot() is not None

        transaction.append(pa.RecordBatchReader.from_batches(rows().schema, batches()))
    assert ids(table) == [1, 1]


def test_the_engines_transaction_is_for_one_call_at_a_time(table: FloeTable) -> None:
    engine = floe_engine.Transaction(table._state.handle)
    in_use = threading.Event()
    go_on = threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        in_use.set()
        go_on.wait(60)
        yield from rows(1).to_batches()

    def append() -> None:
        reader = pa.RecordBatchReader.from_batches(rows().schema, batches())
        engine.append(reader, snapshot_properties={}, branch="main")

    with ThreadPoolExecutor(1) as pool:
        appended = pool.submit(append)
        in_use.wait(60)
        for call in (engine.commit, engine.drop, lambda: engine.staged, lambda: engine.update("[]", "[]")):
            with pytest.raises(floe_engine.InvalidArgument, match=r"ns\.t.*in use by another thread"):
                call()
        go_on.set()
        appended.result()
    engine.commit()
    assert ids(table.refresh()) == [1]
