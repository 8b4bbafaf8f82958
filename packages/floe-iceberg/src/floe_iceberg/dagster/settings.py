"""What an asset's, an output's or an input's metadata says about its table: the keys that begin with ``iceberg_``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from dagster import MetadataValue
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from floe_iceberg.errors import InvalidArgumentError

PREFIX = "iceberg_"
ICEBERG_TABLE_KEY = "iceberg_table"
ICEBERG_NAMESPACE_KEY = "iceberg_namespace"
ICEBERG_WRITE_MODE_KEY = "iceberg_write_mode"
ICEBERG_PARTITION_COLUMN_KEY = "iceberg_partition_column"
ICEBERG_PARTITION_FILTER_KEY = "iceberg_partition_filter"
ICEBERG_UPSERT_KEYS_KEY = "iceberg_upsert_keys"
ICEBERG_SNAPSHOT_PROPS_KEY = "iceberg_snapshot_props"

WriteMode = Literal["append", "overwrite", "upsert"]
SchemaPolicy = Literal["fail", "add", "union"]
_Names = Annotated[tuple[str, ...], BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, where: str, *metadata: Mapping[str, Any] | None) -> Self:
        """Those of some metadata, of which the later wins.

        Raises:
            InvalidArgumentError: A key is not known, or its value cannot be.
        """
        found = {
            key.removeprefix(PREFIX): value.value if isinstance(value, MetadataValue) else value
            for each in metadata
            for key, value in (each or {}).items()
            if key.startswith(PREFIX)
        }
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            known = ", ".join(f"{PREFIX}{name}" for name in cls.model_fields)
            problems = "; ".join(
                f"{PREFIX}{'.'.join(map(str, problem['loc']))}: "
                + (f"there is no such key, but {known}" if problem["type"] == "extra_forbidden" else problem["msg"])
                for problem in error.errors()
            )
            raise InvalidArgumentError(f"{where}: {problems}") from error


class OutputSettings(_Settings):
    """How an output is written.

    Attributes:
        table: The table's name; None: the last part of the asset's key.
        namespace: Its namespace, dotted; None: that of the IO manager, and the asset's key prefix below it.
        write_mode: None: an output whose partition is told by columns replaces that partition, others append.
        partition_column: The column that tells partitions apart; of several dimensions a column each, by their names.
        partition_filter: The rows that an overwrite replaces, instead of those of the partition.
        upsert_keys: The columns of the key; None: the table's identifier fields.
        snapshot_props: More for the snapshot's summary.
        schema_evolution: What becomes of columns that the table lacks or has in another type.
        partition_spec: How a new table is partitioned, such as ``["month(time_hour)", "bucket(16, carrier)"]``, and
            one that is there from now on. None: by the partition columns; a table that is there stays as it is.
        table_properties: Properties that the table has from this output on.
        branch: The branch that is written, and read by inputs; None: the main branch.
    """

    table: str | None = None
    namespace: str | None = None
    write_mode: WriteMode | None = None
    partition_column: str | dict[str, str] | None = None
    partition_filter: str | None = None
    upsert_keys: _Names | None = None
    snapshot_props: dict[str, str] = {}
    schema_evolution: SchemaPolicy | None = None
    partition_spec: _Names | None = None
    table_properties: dict[str, str] = {}
    branch: str | None = None


class InputSettings(_Settings):
    """What of a table an input is.

    Attributes:
        columns: The columns, by full name; None: all.
        filter: Only rows that match, besides those of the partition.
        snapshot_id: The snapshot to look at.
        branch: The branch or tag to look at; None: that of the output.
    """

    columns: _Names | None = None
    filter: str | None = None
    snapshot_id: int | None = None
    branch: str | None = None
