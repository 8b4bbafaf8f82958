"""floe_engine: a native engine for Apache Iceberg tables.

The classes here are handles on the engine's. Metadata crosses as the JSON of the specification, rows as Arrow streams
(the PyCapsule interface). Every call releases the GIL, and Ctrl-C stops a long one within a second.

Most programs use ``floe_iceberg``, whose catalogs and tables are PyIceberg's:

>>> import floe_engine, pyarrow as pa
>>> catalog = floe_engine.open_catalog(
...     "demo", {"type": "sql", "uri": "sqlite:////tmp/demo.db", "warehouse": "file:///tmp/demo"}
... )  # doctest: +SKIP
>>> table = catalog.load_table(["flights", "departures"])  # doctest: +SKIP
>>> pa.table(table.scan(select=["carrier"]).plan().read())  # doctest: +SKIP
"""

from __future__ import annotations

import atexit

import pyarrow

_ARROW_MAJOR = 26

if int(pyarrow.__version__.split(".")[0]) != _ARROW_MAJOR:
    raise ImportError(
        f"floe-engine was built with Arrow {_ARROW_MAJOR}, and pyarrow {pyarrow.__version__} is installed: "
        f"run pip install 'pyarrow>={_ARROW_MAJOR},<{_ARROW_MAJOR + 1}'"
    )

# pyarrow.fs ends S3 when the interpreter does. It registers that on import, and what is registered later runs earlier:
# our streams are closed before.
import pyarrow.fs  # noqa: E402

from floe_engine._core import (  # noqa: E402
    Batch,
    BatchStream,
    Catalog,
    Plan,
    RewriteTask,
    Scan,
    ScanTask,
    ScanTasks,
    SchemaUpdate,
    SpecUpdate,
    Table,
    Transaction,
    UpsertOptions,
    clear_manifest_cache,
    close_all_streams,
    commit_rewrite,
    commit_together,
    compute_partition_stats,
    compute_table_stats,
    expire_snapshots,
    filter_from_arrow,
    filter_to_json,
    finish_reports,
    manifest_cache_stats,
    metadata_table_names,
    open_catalog,
    open_table,
    plan_rewrite,
    python_catalog,
    register_errors,
    remove_orphan_files,
    rewrite_data_files,
    rewrite_manifests,
    rewrite_position_deletes,
    schema_difference,
    set_manifest_cache_bytes,
    write_files,
)
from floe_engine.errors import (  # noqa: E402
    AlreadyExists,
    Cancelled,
    CommitFailed,
    CommitStateUnknown,
    ConflictFound,
    CorruptFile,
    Error,
    Forbidden,
    InvalidArgument,
    IoError,
    NamespaceAlreadyExists,
    NamespaceNotEmpty,
    NoSuchNamespace,
    NoSuchTable,
    NoSuchView,
    NotFound,
    NotSupported,
    TableAlreadyExists,
    Unauthorized,
    ViewAlreadyExists,
)

atexit.register(close_all_streams)
atexit.register(finish_reports)

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "Batch",
    "BatchStream",
    "Cancelled",
    "Catalog",
    "CommitFailed",
    "CommitStateUnknown",
    "ConflictFound",
    "CorruptFile",
    "Error",
    "Forbidden",
    "InvalidArgument",
    "IoError",
    "NamespaceAlreadyExists",
    "NamespaceNotEmpty",
    "NoSuchNamespace",
    "NoSuchTable",
    "NoSuchView",
    "NotFound",
    "NotSupported",
    "Plan",
    "RewriteTask",
    "Scan",
    "ScanTask",
    "ScanTasks",
    "SchemaUpdate",
    "SpecUpdate",
    "Table",
    "TableAlreadyExists",
    "Transaction",
    "Unauthorized",
    "UpsertOptions",
    "ViewAlreadyExists",
    "clear_manifest_cache",
    "close_all_streams",
    "commit_rewrite",
    "commit_together",
    "compute_partition_stats",
    "compute_table_stats",
    "expire_snapshots",
    "filter_from_arrow",
    "filter_to_json",
    "finish_reports",
    "manifest_cache_stats",
    "metadata_table_names",
    "open_catalog",
    "open_table",
    "plan_rewrite",
    "python_catalog",
    "register_errors",
    "remove_orphan_files",
    "rewrite_data_files",
    "rewrite_manifests",
    "rewrite_position_deletes",
    "schema_difference",
    "set_manifest_cache_bytes",
    "write_files",
]
