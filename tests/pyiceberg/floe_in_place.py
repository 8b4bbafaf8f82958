"""A pytest plugin for PyIceberg's own tests: wherever they make a catalog or a table, they get one of ours.

Loaded with ``-p floe_in_place``, before PyIceberg's conftest. What is known to differ is in ``deviations.toml`` with
the reason; such a test has to fail, so that the list stays true. Each test's report says who did the work: the engine,
PyIceberg's code in its place, or neither.
"""

from __future__ import annotations

import functools
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pyiceberg.catalog.memory
import pyiceberg.catalog.sql
import pyiceberg.io.pyarrow
import pyiceberg.table
import pyiceberg.table.inspect
import pyiceberg.table.update.schema
import pyiceberg.table.update.snapshot
import pytest
import sqlalchemy

from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.schema import FloeUpdateSchema
from floe_iceberg.state import TableState
from floe_iceberg.table import FloeStaticTable, FloeTable
from floe_iceberg.transaction import FloeTransaction

# PyIceberg's conftest imports what its tests against AWS need. Where that is not installed, they are not run.
for name in ("boto3", "moto", "moto.server"):
    try:
        __import__(name)
    except ImportError:
        absent = ModuleType(name)
        absent.__dict__.update(client=mock.MagicMock, mock_aws=mock.MagicMock, ThreadedMotoServer=mock.MagicMock)
        sys.modules[name] = absent


class SqlCatalog(FloeCatalog):
    """Ours, with SQLAlchemy's view of the same database as ``engine``: the tests look into it and write to it."""

    def __init__(self, name: str, **properties: str) -> None:
        if properties.get("uri") == "sqlite:///:memory:":
            # No other connection could look into a database in memory.
            properties["uri"] = f"sqlite:///{tempfile.mkdtemp()}/catalog.db"
        super().__init__(name, **{"type": "sql", **properties})
        self.engine = sqlalchemy.create_engine(self.properties["uri"])

    def close(self) -> None:
        super().close()
        self.engine.dispose()

    def create_tables(self) -> None:
        self._init_catalog()

    def destroy_tables(self) -> None:
        pyiceberg.catalog.sql.SqlCatalogBaseTable.metadata.drop_all(self.engine)
        self.engine.dispose()

    def _init_catalog(self) -> None:
        self._handle = self._open()


class InMemoryCatalog(FloeCatalog):
    """Ours, opened as PyIceberg's is."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **{"type": "in-memory", **properties})
        self._warehouse_location = self.properties["warehouse"]


replaced: list[tuple[ModuleType, str, Any]] = [
    (pyiceberg.catalog.sql, "SqlCatalog", SqlCatalog),
    (pyiceberg.catalog.memory, "InMemoryCatalog", InMemoryCatalog),
    (pyiceberg.table, "Table", FloeTable),
    (pyiceberg.table, "StaticTable", FloeStaticTable),
    (pyiceberg.table.update.schema, "UpdateSchema", FloeUpdateSchema),
]
for module, name, ours in replaced:
    setattr(module, name, ours)
SqlCatalog.__module__ = "pyiceberg.catalog.sql"
InMemoryCatalog.__module__ = "pyiceberg.catalog.memory"


# --- who did the work ---

ENGINE, FALLBACK = "engine", "pyiceberg"
seen: set[str] = set()


def notes(who: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which notes that it was called for one of our objects."""

    @functools.wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        if who not in seen and (who == ENGINE or called_by_ours(*args, *kwargs.values())):
            seen.add(who)
        return function(*args, **kwargs)

    return noting


def called_by_ours(*given: Any) -> bool:
    if any(isinstance(value, FloeTransaction) for value in given):
        return True
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").startswith("floe_iceberg."):
            return True
        frame = frame.f_back
    return False


# What of PyIceberg's code reads and writes rows, plans scans and makes snapshots.
for owner, function in (
    (pyiceberg.io.pyarrow.ArrowScan, "__init__"),
    (pyiceberg.io.pyarrow, "_dataframe_to_data_files"),
    (pyiceberg.io.pyarrow, "write_file"),
    (pyiceberg.table.ManifestGroupPlanner, "plan_files"),
):
    setattr(owner, function, notes(FALLBACK, getattr(owner, function)))
for producer in ("_FastAppendFiles", "_MergeAppendFiles", "_OverwriteFiles", "_DeleteFiles"):
    made = getattr(pyiceberg.table.update.snapshot, producer)
    made.__init__ = notes(FALLBACK, made.__init__)
handle: Any = TableState.__dict__["handle"]
setattr(TableState, "handle", property(notes(ENGINE, handle.fget)))  # noqa: B010


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    seen.clear()
    try:
        return (yield)
    finally:
        item.user_properties.append(("by", FALLBACK if FALLBACK in seen else ENGINE if ENGINE in seen else ""))


# --- what is known to differ ---


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    deviations: dict[str, str] = tomllib.loads((Path(__file__).parent / "deviations.toml").read_text())
    files = {file_of(item.nodeid) for item in items}
    unused = {key for key in deviations if file_of(key) in files}
    for item in items:
        for key in (item.nodeid, item.nodeid.partition("[")[0]):
            if key in deviations:
                item.add_marker(pytest.mark.xfail(reason=deviations[key], strict=True))
                unused.discard(key)
    if unused:
        raise pytest.UsageError(f"deviations.toml names tests that are not there: {sorted(unused)}")


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
