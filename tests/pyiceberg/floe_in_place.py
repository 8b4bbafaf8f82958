"""A pytest plugin for PyIceberg's own tests: wherever they make a catalog or a table, they get one of ours.

Loaded with ``-p floe_in_place``, before PyIceberg's conftest. What is known to differ is in ``deviations.toml`` with
the reason; such a test has to fail, so that the list stays true.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pyiceberg.catalog.memory
import pyiceberg.catalog.sql
import pyiceberg.table
import pyiceberg.table.update.schema
import pytest
import sqlalchemy

from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.schema import FloeUpdateSchema
from floe_iceberg.table import FloeStaticTable, FloeTable

# PyIceberg's conftest imports what its tests against AWS need. None of those runs here.
for name in ("boto3", "moto", "moto.server"):
    absent = ModuleType(name)
    absent.__dict__.update(client=mock.MagicMock, mock_aws=mock.MagicMock, ThreadedMotoServer=mock.MagicMock)
    sys.modules.setdefault(name, absent)


class SqlCatalog(FloeCatalog):
    """Ours, with SQLAlchemy's view of the same database as ``engine``: the tests look into it and write to it."""

    def __init__(self, name: str, **properties: str) -> None:
        if properties.get("uri") == "sqlite:///:memory:":
            # No other connection could look into a database in memory.
            properties["uri"] = f"sqlite:///{tempfile.mkdtemp()}/catalog.db"
        super().__init__(name, **{"type": "sql", **properties})
        self.engine = sqlalchemy.create_engine(self.properties["uri"])

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


replaced: list[tuple[ModuleType, str, Any]] = [
    (pyiceberg.catalog.sql, "SqlCatalog", SqlCatalog),
    (pyiceberg.catalog.memory, "InMemoryCatalog", InMemoryCatalog),
    (pyiceberg.table, "Table", FloeTable),
    (pyiceberg.table, "StaticTable", FloeStaticTable),
    (pyiceberg.table.update.schema, "UpdateSchema", FloeUpdateSchema),
]
for module, name, ours in replaced:
    setattr(module, name, ours)


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
