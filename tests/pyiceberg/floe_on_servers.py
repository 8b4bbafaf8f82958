"""`floe_in_place` for PyIceberg's integration tests: their REST catalog and their Hive catalog are ours, too."""

from __future__ import annotations

from typing import Any

import pyiceberg.catalog.hive
import pyiceberg.catalog.rest
from floe_in_place import pytest_collection_modifyitems, pytest_runtest_call  # type: ignore[import-not-found]
from pyiceberg.catalog.hive import HiveCatalog as PyIcebergsHiveCatalog

from floe_iceberg.accelerated import AcceleratedCatalog
from floe_iceberg.catalog import FloeCatalog, merged_properties

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_call"]


class RestCatalog(FloeCatalog):
    """Ours, opened as PyIceberg's is."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **{**properties, "type": "rest"})


class HiveCatalog(AcceleratedCatalog):
    """PyIceberg's, with its tables on the engine. The tests look at the locks that it takes in the metastore."""

    def __init__(self, name: str, **properties: str) -> None:
        merged = merged_properties(name, {**properties, "type": "hive"})
        self._keep(PyIcebergsHiveCatalog(name, **merged), merged)

    def __getattr__(self, name: str) -> Any:
        if "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_lock_"):
            setattr(self.inner, name, value)
        else:
            super().__setattr__(name, value)


pyiceberg.catalog.rest.RestCatalog = RestCatalog  # type: ignore[misc, assignment]
pyiceberg.catalog.hive.HiveCatalog = HiveCatalog  # type: ignore[misc, assignment]
RestCatalog.__module__ = "pyiceberg.catalog.rest"
HiveCatalog.__module__ = "pyiceberg.catalog.hive"
