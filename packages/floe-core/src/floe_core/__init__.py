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

from floe_core.models import (
    CompactionStrategy,
    CompactionStrategyType,
    FieldType,
    PartitionField,
    PartitionSpec,
    PartitionTransform,
    SchemaChange,
    SchemaChangeType,
    SchemaEvolution,
    SchemaField,
    TableConfig,
    TableSchema,
)
from floe_core.plugin_errors import NotSupportedError, PluginConfigurationError, PluginError
from floe_core.plugin_interfaces import StoragePlugin
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata

__version__ = "0.1.0"

__all__ = [
    "CompactionStrategy",
    "CompactionStrategyType",
    "FieldType",
    "HealthState",
    "HealthStatus",
    "NotSupportedError",
    "PartitionField",
    "PartitionSpec",
    "PartitionTransform",
    "PluginConfigurationError",
    "PluginError",
    "PluginMetadata",
    "SchemaChange",
    "SchemaChangeType",
    "SchemaEvolution",
    "SchemaField",
    "StoragePlugin",
    "TableConfig",
    "TableSchema",
]
