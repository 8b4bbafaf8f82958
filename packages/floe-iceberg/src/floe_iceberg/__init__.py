"""floe_iceberg: PyIceberg catalogs and tables whose work is done by floe's native engine.

A program written for PyIceberg changes one line, the catalog that it loads:

>>> from floe_iceberg import load_catalog
>>> catalog = load_catalog(
...     "demo", type="sql", uri="sqlite:////tmp/demo.db", warehouse="file:///tmp/demo"
... )  # doctest: +SKIP
>>> table = catalog.load_table("flights.departures")  # doctest: +SKIP
>>> table.scan("dep_delay > 60").to_arrow()  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from floe_iceberg.accelerated import AcceleratedCatalog, accelerate
from floe_iceberg.append_scan import FloeIncrementalAppendScan
from floe_iceberg.catalog import FloeCatalog, load_catalog
from floe_iceberg.catalog_transaction import FloeCatalogTransaction
from floe_iceberg.changelog_scan import ChangelogScan
from floe_iceberg.changes import FloeUpsertResult
from floe_iceberg.inspect import FloeInspect
from floe_iceberg.maintenance import FloeMaintenance
from floe_iceberg.scan import FloeScan
from floe_iceberg.scan_task import ScanTask
from floe_iceberg.table import FloeStaticTable as StaticTable
from floe_iceberg.table import FloeTable
from floe_iceberg.transaction import FloeTransaction

if TYPE_CHECKING:
    from floe_core.models import IcebergTableManagerConfig
    from floe_iceberg.drift_detector import DriftDetector
    from floe_iceberg.errors import CompactionAnalysisError
    from floe_iceberg.manager import IcebergTableManager
    from floe_iceberg.plugin import IcebergStorageConfig, IcebergStoragePlugin

__version__ = "0.1.0"

__all__ = [
    "AcceleratedCatalog",
    "ChangelogScan",
    "CompactionAnalysisError",
    "DriftDetector",
    "FloeCatalog",
    "FloeCatalogTransaction",
    "FloeIncrementalAppendScan",
    "FloeInspect",
    "FloeMaintenance",
    "FloeScan",
    "FloeTable",
    "FloeTransaction",
    "FloeUpsertResult",
    "IcebergStorageConfig",
    "IcebergStoragePlugin",
    "IcebergTableManager",
    "IcebergTableManagerConfig",
    "ScanTask",
    "StaticTable",
    "accelerate",
    "load_catalog",
]

# What floe has, imported when somebody asks for it: programs that only read tables need none of it.
_OF_THE_PLUGIN = {
    "CompactionAnalysisError": "floe_iceberg.errors",
    "DriftDetector": "floe_iceberg.drift_detector",
    "IcebergStorageConfig": "floe_iceberg.plugin",
    "IcebergStoragePlugin": "floe_iceberg.plugin",
    "IcebergTableManager": "floe_iceberg.manager",
    "IcebergTableManagerConfig": "floe_core.models",
}


def __getattr__(name: str) -> Any:
    if name not in _OF_THE_PLUGIN:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_OF_THE_PLUGIN[name]), name)
