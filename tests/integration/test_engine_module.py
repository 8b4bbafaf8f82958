"""The module itself: signals, forks, exit, what is mapped into the process, and that its stub tells the truth."""

from __future__ import annotations

import ast
import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import floe_engine
from floe_engine import _core
from floe_iceberg import FloeCatalog, load_catalog

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    made = load_catalog("m", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    made.create_namespace("ns")
    made.create_table("ns.t", SCHEMA)
    return made


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# --- Ctrl-C ---

ENDLESS_APPEND = """
import sys, time
import pyarrow as pa
from floe_iceberg import load_catalog

table = load_catalog("m", uri=sys.argv[1]).load_table("ns.t")
rows = {"id": range(10_000), "text": [str(i) * 20 for i in range(10_000)]}
batch = pa.record_batch(rows, table.schema().as_arrow())

def endless():
    for i in range(10**9):
        if i == 5:
            print("appending", flush=True)
        yield batch

def asleep():
    yield batch
    print("appending", flush=True)
    time.sleep(600)
    yield batch

class Capsule:  # what Python does not get to see between batches
    def __arrow_c_stream__(self, requested_schema=None):
        return pa.RecordBatchReader.from_batches(batch.schema, endless()).__arrow_c_stream__()

try:
    table.append(SOURCE)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
SOURCES = {
    "a generator": "pa.RecordBatchReader.from_batches(batch.schema, endless())",
    "a generator that sleeps": "pa.RecordBatchReader.from_batches(batch.schema, asleep())",
    "a capsule": "Capsule()",
}


@pytest.mark.parametrize("source", SOURCES)
def test_ctrl_c_stops_an_append_within_a_second_and_commits_nothing(
    catalog: FloeCatalog, tmp_path: Path, source: str
) -> None:
    code = ENDLESS_APPEND.replace("SOURCE", SOURCES[source])
    child = subprocess.Popen(
        [sys.executable, "-c", code, catalog.properties["uri"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "appending\n", child.stderr and child.stderr.read()
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
        seconds = time.monotonic() - started
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert (child.returncode, out) == (0, ""), err
    print(f"stopped after {seconds:.2f} s")  # a loaded machine has no say in whether this test passes
    assert catalog.load_table("ns.t").current_snapshot() is None
    assert not list((tmp_path / "warehouse").rglob("*.parquet")), "what was written is removed again"


def test_ctrl_c_stops_reading(catalog: FloeCatalog) -> None:
    catalog.load_table("ns.t").append(pa.table({"id": range(2_000_000), "text": ["x" * 50] * 2_000_000}, SCHEMA))
    done = run(
        """
        import os, signal, sys, threading, time
        from floe_iceberg import load_catalog
        import floe_engine

        table = load_catalog("m", uri=sys.argv[1]).load_table("ns.t")
        interrupted = 0
        for _ in range(20):
            timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
            try:
                timer.start()
                table.scan("text like 'y%' or id >= 0").to_arrow()
                timer.join()
                time.sleep(10)  # the signal is on its way
            except KeyboardInterrupt:
                interrupted += 1
        print("interrupted" if interrupted else "never", table.scan().count())
        """,
        catalog.properties["uri"],
    )
    assert done.stdout == "interrupted 2000000\n", done.stdout + done.stderr


def test_a_signal_handler_that_raises_something_else(catalog: FloeCatalog) -> None:
    class AlarmError(Exception):
        pass

    def handler(*_: object) -> None:
        raise AlarmError

    def endless() -> Iterator[pa.RecordBatch]:
        batch = pa.record_batch({"id": [1], "text": ["a"]}, SCHEMA)
        while True:
            yield batch

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(AlarmError):
            catalog.load_table("ns.t").append(pa.RecordBatchReader.from_batches(SCHEMA, endless()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert catalog.load_table("ns.t").current_snapshot() is None


# --- the caller's streams ---


def test_what_a_stream_raises_arrives_as_it_is(catalog: FloeCatalog) -> None:
    class SourceError(Exception):
        pass

    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [1], "text": ["a"]}, SCHEMA)
        raise SourceError("the source broke off")

    with pytest.raises(SourceError, match="the source broke off"):
        catalog.load_table("ns.t").append(pa.RecordBatchReader.from_batches(SCHEMA, broken()))


def test_a_stream_is_read_on_the_thread_that_appends(catalog: FloeCatalog) -> None:
    import sqlite3
    import threading

    connection = sqlite3.connect(":memory:")  # which refuses to be used on another thread
    threads = set()

    def rows() -> Iterator[pa.RecordBatch]:
        threads.add(threading.get_ident())
        for (value,) in connection.execute("SELECT 7"):
            yield pa.record_batch({"id": [value], "text": ["a"]}, SCHEMA)

    table = catalog.load_table("ns.t")
    table.append(pa.RecordBatchReader.from_batches(SCHEMA, rows()))
    assert threads == {threading.get_ident()}
    assert table.scan().to_arrow().column("id").to_pylist() == [7]


# --- processes ---


def test_a_forked_child_appends_and_its_parent_goes_on(catalog: FloeCatalog) -> None:
    table = catalog.load_table("ns.t")
    rows = pa.table({"id": [1], "text": ["a"]}, SCHEMA)
    table.append(rows)
    child = os.fork()
    if child == 0:
        try:
            table.append(rows)
            os._exit(0 if table.scan().count() == 2 else 3)
        except BaseException:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    table.append(rows)
    assert catalog.load_table("ns.t").scan().to_arrow().num_rows == 3


def test_leaving_in_the_middle_of_a_read(catalog: FloeCatalog) -> None:
    catalog.load_table("ns.t").append(pa.table({"id": range(500_000), "text": ["x" * 50] * 500_000}, SCHEMA))
    code = """
        import sys
        from floe_iceberg import load_catalog

        table = load_catalog("m", uri=sys.argv[1]).load_table("ns.t")
        streams = [table.scan().plan().read(), table.scan().to_arrow_batch_reader(), table.scan().plan().read()]
        streams[0].read_next()
        next(streams[1])
        {leave}
    """
    for leave in ("", "raise SystemExit(0)", "import threading; threading.Thread(target=streams[2].read_all).start()"):
        done = run(code.format(leave=leave), catalog.properties["uri"])
        assert (done.returncode, done.stderr) == (0, ""), leave


def test_one_copy_of_sqlite_and_of_arrow(catalog: FloeCatalog) -> None:
    import sqlite3

    sqlite3.connect(catalog.properties["uri"].removeprefix("sqlite:///")).execute("SELECT 1 FROM iceberg_tables")
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
    for library in ("libsqlite3.so", "libarrow.so", "libparquet.so"):
        copies = {Path(file).resolve() for file in mapped if Path(file).name.startswith(library)}
        assert len(copies) == 1, f"two copies of {library} would not see each other's locks: {copies}"


def test_another_arrow_is_refused_at_import() -> None:
    done = run("import pyarrow; pyarrow.__version__ = '25.0.0'; import floe_engine")
    assert "floe-engine was built with Arrow 26, and pyarrow 25.0.0 is installed" in done.stderr


def test_other_threads_run_meanwhile(catalog: FloeCatalog) -> None:
    import threading

    counted = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        catalog.load_table("ns.t").append(pa.table({"id": range(200_000), "text": ["x" * 50] * 200_000}, SCHEMA))
    finally:
        stop.set()
        thread.join()
    assert counted > 100


# --- errors ---


def test_errors_put_in_the_place_of_others_must_fit() -> None:
    with pytest.raises(floe_engine.InvalidArgument, match="no error called"):
        floe_engine.register_errors({"Nothing": RuntimeError})
    with pytest.raises(floe_engine.InvalidArgument, match="subclass"):
        floe_engine.register_errors({"NoSuchTable": RuntimeError})


def test_every_error_of_the_header_has_its_class() -> None:
    folder = Path(__file__).parents[2] / "engine/floe"
    headers = [(folder / name).read_text() for name in ("error.h", "catalog/catalog.h")]
    names = {name for header in headers for name in re.findall(r"^class (\w+) : public", header, re.MULTILINE)}
    assert names == {name for name, value in vars(floe_engine.errors).items() if inspect.isclass(value)}


# --- the stub ---


def test_the_stub_names_what_there_is() -> None:
    source = Path(floe_engine.__file__ or "").parent / "_core.pyi"
    if not source.exists():
        source = Path(__file__).parents[2] / "engine/python/floe_engine/_core.pyi"
    stub = ast.parse(source.read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    only_typed = {
        name for name, node in classes.items() if {"TypedDict", "Protocol"} & set(map(ast.unparse, node.bases))
    }

    public = {name for name in vars(_core) if not name.startswith("__")}
    assert public == functions | (classes.keys() - only_typed)
    for name, node in classes.items():
        if name in only_typed:
            continue
        described = {member.name for member in node.body if isinstance(member, ast.FunctionDef)} - {"__init__"}
        protocols = ("__arrow_c_stream__", "__arrow_c_schema__", "__arrow_c_array__", "__iter__", "__next__")
        there = {member for member in vars(getattr(_core, name)) if not member.startswith("__") or member in protocols}
        assert described == there, name
