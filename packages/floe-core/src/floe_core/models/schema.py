"""Columns: their types, what they are grouped and sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from floe_core.models.base import ColumnName, Model, Pattern, Some, repeated

if TYPE_CHECKING:
    import pyiceberg.partitioning
    import pyiceberg.schema
    import pyiceberg.table.sorting

FIRST_PARTITION_FIELD_ID = 1000

FieldId = Annotated[int, Field(ge=1, description="Unique in the table, among the fields of columns, too.")]
ReferenceSystem = Annotated[
    str,
    Pattern(r"^[^\s,()'\"]+$", "Such as EPSG:3857: a text without blanks, commas, quotes and parentheses."),
]
EdgeAlgorithm = Literal["spherical", "vincenty", "thomas", "andoyer", "karney"]
"""How edges run between the points of a geography."""


class FieldType(StrEnum):
    """The types of columns. Those with nanoseconds and those after ``binary`` need format version 3."""

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
    TIMESTAMP_NS = "timestamp_ns"
    TIMESTAMPTZ_NS = "timestamptz_ns"
    STRING = "string"
    UUID = "uuid"
    FIXED = "fixed"
    BINARY = "binary"
    UNKNOWN = "unknown"
    GEOMETRY = "geometry"
    GEOGRAPHY = "geography"
    STRUCT = "struct"
    LIST = "list"
    MAP = "map"


class PartitionTransform(StrEnum):
    """How a column's values become those that rows are grouped or sorted by."""

    IDENTITY = "identity"
    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"
    BUCKET = "bucket"
    TRUNCATE = "truncate"


# What only some types have, and must have there; and what they may have.
_TYPE_NEEDS: dict[FieldType, tuple[str, ...]] = {
    FieldType.DECIMAL: ("precision",),
    FieldType.FIXED: ("length",),
    FieldType.STRUCT: ("fields",),
    FieldType.LIST: ("element",),
    FieldType.MAP: ("key", "value"),
}
_TYPE_MAY_HAVE: dict[FieldType, tuple[str, ...]] = {
    FieldType.DECIMAL: ("scale",),
    FieldType.GEOMETRY: ("crs",),
    FieldType.GEOGRAPHY: ("crs", "algorithm"),
}
_TYPE_PARAMETERS = ("precision", "scale", "length", "crs", "algorithm", "fields", "element", "key", "value")


class ElementField(Model):
    """What a list is made of, or a map's keys and values.

    >>> ElementField(field_id=4, field_type="decimal", precision=9, scale=2).scale
    2
    """

    field_id: FieldId
    field_type: FieldType
    required: bool = Field(default=False, description="Whether every row must have a value.")
    doc: str | None = Field(default=None, max_length=1000, description="A comment.")
    precision: int | None = Field(default=None, ge=1, le=38, description="Of a decimal: all its digits.")
    scale: int | None = Field(default=None, ge=0, le=38, description="Of a decimal: its digits after the point.")
    length: int | None = Field(default=None, ge=1, description="Of a fixed: its bytes.")
    crs: ReferenceSystem | None = Field(default=None, description="Of a geometry or geography. None: OGC:CRS84.")
    algorithm: EdgeAlgorithm | None = Field(
        default=None, description="Of a geography: how edges run between points. None: spherical."
    )
    fields: Some[SchemaField] | None = Field(default=None, description="Of a struct.")
    element: ElementField | None = Field(default=None, description="Of a list.")
    key: ElementField | None = Field(default=None, description="Of a map. Keys are never null.")
    value: ElementField | None = Field(default=None, description="Of a map.")

    @field_validator("field_type", mode="before")
    @classmethod
    def _is_a_type_of_pyicebergs(cls, field_type: Any) -> Any:
        if field_type == "variant":
            raise ValueError("there can be no variant columns: PyIceberg, whose schemas tables have, lacks that type")
        return field_type

    @model_validator(mode="after")
    def _parameters_fit_the_type(self) -> Self:
        needs = _TYPE_NEEDS.get(self.field_type, ())
        given = [name for name in _TYPE_PARAMETERS if getattr(self, name) is not None]
        what = f"{self._what}: type {self.field_type}"
        if missing := [name for name in needs if name not in given]:
            raise ValueError(f"{what} needs {', '.join(missing)}")
        if spare := [name for name in given if name not in (*needs, *_TYPE_MAY_HAVE.get(self.field_type, ()))]:
            raise ValueError(f"{what} has no {', '.join(spare)}; leave it out")
        if (self.scale or 0) > (self.precision or 0):
            raise ValueError(f"{what} cannot have scale {self.scale}, which is more than its precision")
        return self

    @property
    def _what(self) -> str:
        return f"element {self.field_id}"

    @property
    def children(self) -> tuple[ElementField, ...]:
        """The fields that it is made of: of a struct its fields, of a list one, of a map two; else none."""
        return self.fields or tuple(child for child in (self.element, self.key, self.value) if child is not None)


class SchemaField(ElementField):
    """A column, or a field of a struct.

    >>> SchemaField(
    ...     field_id=1, name="stops", field_type="list", element=ElementField(field_id=2, field_type="string")
    ... ).element.field_type
    <FieldType.STRING: 'string'>
    """

    name: ColumnName
    default: Any = Field(
        default=None,
        description="What rows have that were written without the column (format version 3). None: nothing.",
    )

    @model_validator(mode="after")
    def _only_plain_values_are_defaults(self) -> Self:
        if self.default is not None and (self.children or not isinstance(self.default, (bool, int, float, str))):
            raise ValueError(f"column {self.name}: a default is a text, a number or a boolean, of a type without parts")
        return self

    @property
    def _what(self) -> str:
        return f"column {self.name}"


ElementField.model_rebuild()


class TableSchema(Model):
    """A table's columns.

    >>> TableSchema(fields=[SchemaField(field_id=1, name="carrier", field_type="string")]).fields[0].name
    'carrier'
    """

    fields: Some[SchemaField] = Field(description="The columns, in their order.")
    identifier_fields: tuple[str, ...] = Field(
        default=(), description="The columns that identify a row, by full name: what an upsert joins on by default."
    )

    @model_validator(mode="after")
    def _ids_and_names_are_unique(self) -> Self:
        if ids := repeated(field.field_id for field in every_field(self.fields)):
            raise ValueError(f"column ids used more than once: {ids}; give each column and each of its fields its own")
        _check_names(self.fields)
        names = {field.name: field for field in self.fields}
        for identifier in self.identifier_fields:
            field = names.get(identifier.partition(".")[0])
            if field is None:
                raise ValueError(f"identifier field {identifier}: there is no such column; there are {sorted(names)}")
            if not field.required:
                raise ValueError(f"identifier field {identifier} has to be required")
        return self

    def to_pyiceberg_schema(self) -> pyiceberg.schema.Schema:
        """The same columns as PyIceberg has them; needs floe-iceberg."""
        from floe_iceberg.schema import to_pyiceberg_schema

        return to_pyiceberg_schema(self)


def every_field(fields: Iterable[ElementField]) -> Iterator[ElementField]:
    """The fields, and those within them."""
    for field in fields:
        yield field
        yield from every_field(field.children)


def _check_names(fields: tuple[SchemaField, ...]) -> None:
    structs = [("column", fields)]
    structs += [(f"{field._what}: field", field.fields) for field in every_field(fields) if field.fields]
    for what, parts in structs:
        if names := repeated(part.name for part in parts):
            raise ValueError(f"{what} names used more than once: {names}")


class _Transformed(Model):
    """What a transform makes of a column."""

    source_field_id: int = Field(ge=1, description="The column, by its id.")
    num_buckets: int | None = Field(default=None, ge=1, description="Of a bucket.")
    width: int | None = Field(default=None, ge=1, description="Of a truncate.")

    def _check_parameters(self, what: str, transform: PartitionTransform) -> None:
        parameters = {"num_buckets": PartitionTransform.BUCKET, "width": PartitionTransform.TRUNCATE}
        for name, owner in parameters.items():
            given = getattr(self, name) is not None
            if transform is owner and not given:
                raise ValueError(f"{what}: transform {transform} needs {name}")
            if transform is not owner and given:
                raise ValueError(f"{what}: transform {transform} has no {name}; leave it out")


class PartitionField(_Transformed):
    """One of the values that rows are grouped by."""

    partition_field_id: int = Field(ge=FIRST_PARTITION_FIELD_ID, description="Unique in the table.")
    name: ColumnName
    transform: PartitionTransform

    @model_validator(mode="after")
    def _parameters_fit_the_transform(self) -> Self:
        self._check_parameters(f"partition field {self.name}", self.transform)
        return self


class PartitionSpec(Model):
    """What a table's rows are grouped by. No fields: they are not."""

    fields: tuple[PartitionField, ...] = Field(default=(), description="The values, in their order.")

    @model_validator(mode="after")
    def _ids_and_names_are_unique(self) -> Self:
        if ids := repeated(field.partition_field_id for field in self.fields):
            raise ValueError(f"partition field ids used more than once: {ids}")
        if names := repeated(field.name for field in self.fields):
            raise ValueError(f"partition field names used more than once: {names}")
        return self

    def to_pyiceberg_spec(self, schema: object = None) -> pyiceberg.partitioning.PartitionSpec:
        """The same fields as PyIceberg has them; needs floe-iceberg. The schema is not looked at."""
        from floe_iceberg.partition import to_pyiceberg_spec

        return to_pyiceberg_spec(self)


class SortDirection(StrEnum):
    """Which values come first."""

    ASC = "asc"
    DESC = "desc"


class NullOrder(StrEnum):
    """Where rows without a value are."""

    NULLS_FIRST = "nulls-first"
    NULLS_LAST = "nulls-last"


class SortField(_Transformed):
    """One of the values that rows are sorted by."""

    transform: PartitionTransform = PartitionTransform.IDENTITY
    direction: SortDirection = SortDirection.ASC
    null_order: NullOrder | None = Field(
        default=None, description="None: first where the least come first, and last where they come last."
    )

    @model_validator(mode="after")
    def _parameters_fit_the_transform(self) -> Self:
        self._check_parameters(f"sort field of column {self.source_field_id}", self.transform)
        return self


class SortOrder(Model):
    """How the rows of each file are sorted. No fields: they are not.

    >>> SortOrder(fields=[SortField(source_field_id=1, direction="desc")]).fields[0].direction
    <SortDirection.DESC: 'desc'>
    """

    fields: tuple[SortField, ...] = Field(default=(), description="The values, the first of which counts most.")

    def to_pyiceberg_sort_order(self) -> pyiceberg.table.sorting.SortOrder:
        """The same fields as PyIceberg has them; needs floe-iceberg."""
        from floe_iceberg.partition import to_pyiceberg_sort_order

        return to_pyiceberg_sort_order(self)
