"""What plugins are configured with: frozen values that say what is wrong with them, and how to mend it.

>>> TableSchema(
...     fields=(
...         SchemaField(field_id=1, name="carrier", field_type="string", required=True),
...         SchemaField(field_id=2, name="price", field_type="decimal", precision=9, scale=2),
...     )
... ).fields[1].field_type
<FieldType.DECIMAL: 'decimal'>
"""

from __future__ import annotations

from floe_core.models.base import IDENTIFIER_PATTERN
from floe_core.models.catalog import CatalogConfig
from floe_core.models.changes import SchemaChange, SchemaChangeType, SchemaEvolution
from floe_core.models.manager import IcebergTableManagerConfig, StaleTableRecoveryMode
from floe_core.models.schema import (
    FIRST_PARTITION_FIELD_ID,
    ElementField,
    FieldType,
    NullOrder,
    PartitionField,
    PartitionSpec,
    PartitionTransform,
    SchemaField,
    SortDirection,
    SortField,
    SortOrder,
    TableSchema,
)
from floe_core.models.secrets import Secret, SecretReference, reveal
from floe_core.models.table import TableConfig
from floe_core.models.upkeep import (
    DEFAULT_TARGET_FILE_SIZE_BYTES,
    CompactionStrategy,
    CompactionStrategyType,
    RetentionPolicy,
    RetryPolicy,
)
from floe_core.models.write import CommitStrategy, OperationType, SnapshotInfo, WriteConfig, WriteMode

__all__ = [
    "DEFAULT_TARGET_FILE_SIZE_BYTES",
    "FIRST_PARTITION_FIELD_ID",
    "IDENTIFIER_PATTERN",
    "CatalogConfig",
    "CommitStrategy",
    "CompactionStrategy",
    "CompactionStrategyType",
    "ElementField",
    "FieldType",
    "IcebergTableManagerConfig",
    "NullOrder",
    "OperationType",
    "PartitionField",
    "PartitionSpec",
    "PartitionTransform",
    "RetentionPolicy",
    "RetryPolicy",
    "SchemaChange",
    "SchemaChangeType",
    "SchemaEvolution",
    "SchemaField",
    "Secret",
    "SecretReference",
    "SnapshotInfo",
    "SortDirection",
    "SortField",
    "SortOrder",
    "StaleTableRecoveryMode",
    "TableConfig",
    "TableSchema",
    "WriteConfig",
    "WriteMode",
    "reveal",
]
