"""What plugins are configured with: frozen values that say what is wrong with them.

>>> TableSchema(
...     fields=(
...         SchemaField(field_id=1, name="carrier", field_type="string", required=True),
...         SchemaField(field_id=2, name="price", field_type="decimal", precision=9, scale=2),
...     )
... ).fields[1].field_type
<FieldType.DECIMAL: 'decimal'>
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

IDENTIFIER_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*$"
FIRST_PARTITION_FIELD_ID = 1000

Identifier = Annotated[str, Field(min_length=1, max_length=255, pattern=IDENTIFIER_PATTERN)]


class FieldType(StrEnum):
    """The types of columns."""

    BOOLEAN = "boolean"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    STRING = "string"
    UUID = "uuid"
    FIXED = "fixed"
    BINARY = "binary"


class PartitionTransform(StrEnum):
    """How a column's values become those of a partition."""

    IDENTITY = "identity"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    BUCKET = "bucket"
    TRUNCATE = "truncate"


class SchemaChangeType(StrEnum):
    """What happens to a column."""

    ADD_COLUMN = "add_column"
    RENAME_COLUMN = "rename_column"
    WIDEN_TYPE = "widen_type"
    MAKE_OPTIONAL = "make_optional"
    DELETE_COLUMN = "delete_column"
    UPDATE_DOC = "update_doc"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SchemaField(_Model):
    """A column."""

    field_id: int = Field(ge=1, description="Unique in the table.")
    name: Identifier
    field_type: FieldType
    required: bool = Field(default=False, description="Whether every row must have a value.")
    doc: str | None = Field(default=None, max_length=1000)
    precision: int | None = Field(default=None, ge=1, le=38, description="Of a decimal: all its digits.")
    scale: int | None = Field(default=None, ge=0, le=38, description="Of a decimal: its digits after the point.")
    length: int | None = Field(default=None, ge=1, description="Of a fixed: its bytes.")

    @model_validator(mode="after")
    def _parameters_fit_the_type(self) -> Self:
        if self.field_type is FieldType.DECIMAL:
            if self.precision is None:
                raise ValueError(f"column {self.name}: a decimal needs its precision")
            if (self.scale or 0) > self.precision:
                raise ValueError(f"column {self.name}: scale {self.scale} is more than precision {self.precision}")
        elif self.precision is not None or self.scale is not None:
            raise ValueError(f"column {self.name}: only a decimal has precision and scale")
        if (self.length is not None) != (self.field_type is FieldType.FIXED):
            raise ValueError(f"column {self.name}: a fixed, and nothing else, has a length")
        return self


class TableSchema(_Model):
    """A table's columns."""

    fields: tuple[SchemaField, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_and_names_are_unique(self) -> Self:
        if ids := _repeated(field.field_id for field in self.fields):
            raise ValueError(f"column ids used more than once: {ids}")
        if names := _repeated(field.name for field in self.fields):
            raise ValueError(f"column names used more than once: {names}")
        return self


class PartitionField(_Model):
    """One of the values that rows are grouped by."""

    source_field_id: int = Field(ge=1, description="The column.")
    partition_field_id: int = Field(ge=FIRST_PARTITION_FIELD_ID, description="Unique in the table.")
    name: str = Field(min_length=1, max_length=255)
    transform: PartitionTransform
    num_buckets: int | None = Field(default=None, ge=1, description="Of a bucket.")
    width: int | None = Field(default=None, ge=1, description="Of a truncate.")

    @model_validator(mode="after")
    def _parameters_fit_the_transform(self) -> Self:
        if (self.num_buckets is not None) != (self.transform is PartitionTransform.BUCKET):
            raise ValueError(f"partition field {self.name}: a bucket, and nothing else, has num_buckets")
        if (self.width is not None) != (self.transform is PartitionTransform.TRUNCATE):
            raise ValueError(f"partition field {self.name}: a truncate, and nothing else, has a width")
        return self


class PartitionSpec(_Model):
    """What a table's rows are grouped by. No fields: they are not."""

    fields: tuple[PartitionField, ...] = ()

    @model_validator(mode="after")
    def _ids_and_names_are_unique(self) -> Self:
        if ids := _repeated(field.partition_field_id for field in self.fields):
            raise ValueError(f"partition field ids used more than once: {ids}")
        if names := _repeated(field.name for field in self.fields):
            raise ValueError(f"partition field names used more than once: {names}")
        return self


class TableConfig(_Model):
    """A table to be made.

    The schema may be given as ``table_schema`` or as ``schema``.
    """

    namespace: Identifier
    table_name: Identifier
    table_schema: TableSchema = Field(validation_alias=AliasChoices("table_schema", "schema"))
    partition_spec: PartitionSpec | None = None
    location: str | None = Field(default=None, min_length=1, description="Where the table's files go.")
    properties: dict[str, str] = Field(default_factory=dict)

    @property
    def identifier(self) -> str:
        """The namespace and the name, joined with a dot."""
        return f"{self.namespace}.{self.table_name}"

    @model_validator(mode="after")
    def _partitions_have_sources(self) -> Self:
        columns = {field.field_id for field in self.table_schema.fields}
        for field in self.partition_spec.fields if self.partition_spec else ():
            if field.source_field_id not in columns:
                raise ValueError(f"partition field {field.name}: no column has the id {field.source_field_id}")
        return self


_CHANGE_NEEDS: dict[SchemaChangeType, tuple[str, ...]] = {
    SchemaChangeType.ADD_COLUMN: ("field",),
    SchemaChangeType.RENAME_COLUMN: ("source_column", "new_name"),
    SchemaChangeType.WIDEN_TYPE: ("source_column", "target_type"),
    SchemaChangeType.MAKE_OPTIONAL: ("source_column",),
    SchemaChangeType.DELETE_COLUMN: ("source_column",),
    SchemaChangeType.UPDATE_DOC: ("source_column", "new_doc"),
}
_CHANGE_MAY_HAVE: dict[SchemaChangeType, tuple[str, ...]] = {
    SchemaChangeType.ADD_COLUMN: ("parent_path",),
    SchemaChangeType.WIDEN_TYPE: ("target_precision", "target_scale"),
}


class SchemaChange(_Model):
    """One change of a table's columns.

    Columns are named in full, as they were before the change: ``address.city``.

    >>> SchemaChange(change_type="rename_column", source_column="dep_delay", new_name="delay").new_name
    'delay'
    """

    change_type: SchemaChangeType
    field: SchemaField | None = Field(default=None, description="The column to add. The table gives it an id.")
    parent_path: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The struct that the column to add goes into. None: the table itself."
    )
    source_column: str | None = Field(
        default=None,
        min_length=1,
        validation_alias=AliasChoices("source_column", "old_name", "column_name"),
        description="The column to change.",
    )
    new_name: Identifier | None = None
    target_type: FieldType | None = Field(default=None, validation_alias=AliasChoices("target_type", "new_type"))
    target_precision: int | None = Field(default=None, ge=1, le=38, description="Of a decimal: all its digits.")
    target_scale: int | None = Field(default=None, ge=0, le=38, description="Of a decimal: as it was.")
    new_doc: str | None = Field(default=None, max_length=1000)

    @model_validator(mode="after")
    def _has_what_the_change_needs(self) -> Self:
        needs = _CHANGE_NEEDS[self.change_type]
        given = {name for name in type(self).model_fields if getattr(self, name) is not None} - {"change_type"}
        if missing := [name for name in needs if name not in given]:
            raise ValueError(f"{self.change_type} needs {', '.join(missing)}")
        if spare := sorted(given - {*needs, *_CHANGE_MAY_HAVE.get(self.change_type, ())}):
            raise ValueError(f"{self.change_type} does not take {', '.join(spare)}")
        if self.target_type is FieldType.FIXED:
            raise ValueError("widen_type: nothing widens to a fixed")
        is_decimal = self.target_type is FieldType.DECIMAL
        if is_decimal and (self.target_precision is None or self.target_scale is None):
            raise ValueError("widen_type to a decimal needs target_precision, and target_scale as it was")
        if not is_decimal and (self.target_precision is not None or self.target_scale is not None):
            raise ValueError("only a decimal has target_precision and target_scale")
        return self


class SchemaEvolution(_Model):
    """Changes of a table's columns that become one commit, all or none of them."""

    changes: tuple[SchemaChange, ...] = Field(min_length=1)
    allow_incompatible_changes: bool = Field(
        default=False,
        description="Whether columns may be deleted, and required ones added to rows that have no value for them.",
    )


class CompactionStrategyType(StrEnum):
    """What compaction does with rows."""

    BIN_PACK = "bin_pack"
    SORT = "sort"


class CompactionStrategy(_Model):
    """How a table's small files become larger ones.

    >>> CompactionStrategy(strategy_type="sort", sort_columns=["day"]).sort_columns
    ('day',)
    """

    strategy_type: CompactionStrategyType = CompactionStrategyType.BIN_PACK
    target_file_size_bytes: int = Field(default=128 << 20, ge=1 << 20, le=1 << 30)
    sort_columns: tuple[str, ...] | None = Field(default=None, min_length=1, description="By full name.")
    max_concurrent_file_group_rewrites: int = Field(default=5, ge=1, le=100)

    @model_validator(mode="after")
    def _sorts_by_something(self) -> Self:
        if (self.sort_columns is not None) != (self.strategy_type is CompactionStrategyType.SORT):
            raise ValueError("sort, and nothing else, has sort_columns")
        return self


def _repeated(values: Iterable[int | str]) -> list[int | str]:
    return [value for value, count in Counter(values).items() if count > 1]
