"""floe_core: the contracts between floe and its plugins. Knows no engine and no table format.

>>> from floe_core import FieldType, SchemaField, TableConfig, TableSchema
>>> TableConfig(
...     namespace="flights",
...     table_name="departures",
...     table_schema=TableSchema(fields=(SchemaField(field_id=1, name="carrier", field_type=FieldType.STRING),)),
... ).identifier
'flights.departures'
"""

from __future__ import annotations

from floe_core import plugins
from floe_core.models import (
    CatalogConfig,
    CommitStrategy,
    CompactionStrategy,
    CompactionStrategyType,
    ElementField,
    FieldType,
    IcebergTableManagerConfig,
    NullOrder,
    OperationType,
    PartitionField,
    PartitionSpec,
    PartitionTransform,
    RetentionPolicy,
    RetryPolicy,
    SchemaChange,
    SchemaChangeType,
    SchemaEvolution,
    SchemaField,
    SecretReference,
    SnapshotInfo,
    SortDirection,
    SortField,
    SortOrder,
    StaleTableRecoveryMode,
    TableConfig,
    TableSchema,
    WriteConfig,
    WriteMode,
)
from floe_core.plugin_errors import (
    AuthenticationError,
    CatalogError,
    CatalogUnavailableError,
    CircularDependencyError,
    ConflictError,
    DuplicatePluginError,
    MissingDependencyError,
    NotFoundError,
    NotSupportedError,
    PluginConfigurationError,
    PluginError,
    PluginIncompatibleError,
    PluginNotFoundError,
    PluginStartupError,
)
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_registry import PluginRegistry, get_registry
from floe_core.plugin_types import PluginType
from floe_core.plugins import Catalog, CatalogPlugin, FileIO, ObjectStorePlugin, StoragePlugin

__version__ = "0.1.0"

__all__ = [
    "AuthenticationError",
    "Catalog",
    "CatalogConfig",
    "CatalogError",
    "CatalogPlugin",
    "CatalogUnavailableError",
    "CircularDependencyError",
    "CommitStrategy",
    "CompactionStrategy",
    "CompactionStrategyType",
    "ConflictError",
    "DuplicatePluginError",
    "ElementField",
    "FieldType",
    "FileIO",
    "HealthState",
    "HealthStatus",
    "IcebergTableManagerConfig",
    "MissingDependencyError",
    "NotFoundError",
    "NotSupportedError",
    "NullOrder",
    "ObjectStorePlugin",
    "OperationType",
    "PartitionField",
    "PartitionSpec",
    "PartitionTransform",
    "PluginConfigurationError",
    "PluginError",
    "PluginIncompatibleError",
    "PluginMetadata",
    "PluginNotFoundError",
    "PluginRegistry",
    "PluginStartupError",
    "PluginType",
    "RetentionPolicy",
    "RetryPolicy",
    "SchemaChange",
    "SchemaChangeType",
    "SchemaEvolution",
    "SchemaField",
    "SecretReference",
    "SnapshotInfo",
    "SortDirection",
    "SortField",
    "SortOrder",
    "StaleTableRecoveryMode",
    "StoragePlugin",
    "TableConfig",
    "TableSchema",
    "WriteConfig",
    "WriteMode",
    "get_registry",
    "plugins",
]
