"""What PyIceberg's face costs: the same through `floe_iceberg` and by the engine's handles alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from benchmarks.works.common import floe_catalog

TIMES = 200
ROWS = inputs.rows(0, 10)


def repeated(once: Callable[[Any], Callable[[], None]]) -> Prepare:
    """A work of many calls on a table of a few rows."""

    def prepare(data: Path, scratch: Path) -> Run:
        catalog = floe_catalog(scratch)
        catalog.create_namespace("bench")
        catalog.create_table("bench.rows", schema=ROWS.schema).append(ROWS)
        call = once(catalog)
        call()  # loads code

        def run() -> dict[str, int]:
            for _ in range(TIMES):
                call()
            return {"calls": TIMES}

        return run

    return prepare


def appends_of_engine(catalog: Any) -> Callable[[], None]:
    from floe_engine import Transaction

    table = catalog.handle.load_table(["bench", "rows"])

    def call() -> None:
        nonlocal table
        transaction = Transaction(table)
        transaction.append(ROWS, snapshot_properties={}, branch="main")
        table = transaction.commit()

    return call


def appends_of_face(catalog: Any) -> Callable[[], None]:
    table = catalog.load_table("bench.rows")
    return lambda: table.append(ROWS)


FACE = [
    Work(
        name="face-load",
        title="load a table 200 times",
        limit="the same by the engine's handles",
        reach=1.2,
        data=lambda _: None,
        systems={
            "limit": repeated(lambda catalog: lambda: catalog.handle.load_table(["bench", "rows"])),
            "floe": repeated(lambda catalog: lambda: catalog.load_table("bench.rows")),
        },
    ),
    Work(
        name="face-appends",
        title="200 appends of 10 rows, beside the engine",
        limit="the same by the engine's handles",
        reach=1.2,
        data=lambda _: None,
        systems={"limit": repeated(appends_of_engine), "floe": repeated(appends_of_face)},
        repeat=1,
    ),
]
