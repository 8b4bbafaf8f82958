"""Schemas: how they change, what they were, and floe's own and Pydantic's as PyIceberg's.

>>> from floe_core import SchemaField, TableSchema
>>> to_pyiceberg_schema(TableSchema(fields=(SchemaField(field_id=1, name="carrier", field_type="string"),)))
Schema(NestedField(field_id=1, name='carrier', field_type=StringType(), required=False), schema_id=0, \
identifier_field_ids=[])
"""

from __future__ import annotations

import bisect
import datetime as dt
import enum
import gzip
import json
import types
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, cast, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, NaiveDatetime
from pydantic import ValidationError as PydanticValidationError
from pydantic.fields import FieldInfo
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import to_json
from pyiceberg.expressions.literals import literal
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table.name_mapping import NameMapping
from pyiceberg.table.update import UpdatesAndRequirements
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    GeographyType,
    GeometryType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampNanoType,
    TimestampType,
    TimestamptzNanoType,
    TimestamptzType,
    TimeType,
    UnknownType,
    UUIDType,
)

import floe_engine
from floe_core.models import (
    ElementField,
    FieldType,
    SchemaChange,
    SchemaChangeType,
    SchemaEvolution,
    SchemaField,
    TableConfig,
    TableSchema,
)
from floe_iceberg.errors import IncompatibleSchemaChangeError, InvalidArgumentError
from floe_iceberg.state import TableState, as_pyiceberg_reads

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Transaction

Path = str | tuple[str, ...]

_TYPES: dict[FieldType, PrimitiveType] = {
    FieldType.BOOLEAN: BooleanType(),
    FieldType.INT: IntegerType(),
    FieldType.LONG: LongType(),
    FieldType.FLOAT: FloatType(),
    FieldType.DOUBLE: DoubleType(),
    FieldType.DATE: DateType(),
    FieldType.TIME: TimeType(),
    FieldType.TIMESTAMP: TimestampType(),
    FieldType.TIMESTAMPTZ: TimestamptzType(),
    FieldType.TIMESTAMP_NS: TimestampNanoType(),
    FieldType.TIMESTAMPTZ_NS: TimestamptzNanoType(),
    FieldType.STRING: StringType(),
    FieldType.UUID: UUIDType(),
    FieldType.BINARY: BinaryType(),
    FieldType.UNKNOWN: UnknownType(),
}
_DEFAULT_CRS = GeographyType().crs


def to_pyiceberg_schema(schema: TableSchema) -> Schema:
    """The same columns, with the same ids.

    Raises:
        InvalidArgumentError: A default is no value of its column's type.
    """
    columns = Schema(*map(_to_field, schema.fields))
    identifiers = [columns.find_field(name).field_id for name in schema.identifier_fields]
    return Schema(*columns.fields, identifier_field_ids=identifiers)


def _to_field(field: SchemaField) -> NestedField:
    field_type = _type(field)
    default = _default(field.default, field_type)
    return NestedField(
        field.field_id,
        field.name,
        field_type,
        field.required,
        field.doc,
        initial_default=default,
        write_default=default,
    )


def _type(field: ElementField) -> IcebergType:
    kind = field.field_type
    if kind is FieldType.STRUCT:
        return StructType(*map(_to_field, field.fields or ()))
    if kind is FieldType.LIST and field.element is not None:
        return ListType(field.element.field_id, _type(field.element), field.element.required)
    if kind is FieldType.MAP and field.key is not None and field.value is not None:
        key, value = field.key, field.value
        return MapType(key.field_id, _type(key), value.field_id, _type(value), value.required)
    if kind is FieldType.DECIMAL and field.precision is not None:
        return DecimalType(field.precision, field.scale or 0)
    if kind is FieldType.FIXED and field.length is not None:
        return FixedType(field.length)
    if kind is FieldType.GEOMETRY:
        return GeometryType(*_given(field.crs))
    if kind is FieldType.GEOGRAPHY:
        return GeographyType(field.crs or _DEFAULT_CRS, *_given(field.algorithm))
    return _TYPES[kind]


def _given(*texts: str | None) -> list[str]:
    return [text for text in texts if text is not None]


def of_pyiceberg_schema(schema: Schema) -> TableSchema:
    """The same columns as floe's model has them: what ``to_pyiceberg_schema`` undoes.

    >>> of_pyiceberg_schema(Schema(NestedField(1, "price", DecimalType(9, 2)))).fields[0].precision
    9

    Raises:
        InvalidArgumentError: A column has a name or a type that the model does not have; the message names it.
    """
    names = [schema.find_column_name(field_id) for field_id in schema.identifier_field_ids]
    try:
        return TableSchema.model_validate({"fields": [_of_field(f) for f in schema.fields], "identifier_fields": names})
    except PydanticValidationError as error:
        raise InvalidArgumentError(f"the schema cannot be floe's: {error}") from error


def _of_field(field: NestedField) -> dict[str, Any]:
    parts = _of_type(field.field_type)
    has_default = field.write_default is not None and isinstance(field.field_type, PrimitiveType)
    default = to_json(cast(PrimitiveType, field.field_type), field.write_default) if has_default else None
    return {
        "field_id": field.field_id,
        "name": field.name,
        "required": field.required,
        "doc": field.doc or None,
        "default": default,
        **parts,
    }


def _of_type(field_type: IcebergType) -> dict[str, Any]:
    match field_type:
        case StructType():
            return {"field_type": FieldType.STRUCT, "fields": [_of_field(field) for field in field_type.fields]}
        case ListType():
            return {"field_type": FieldType.LIST, "element": _of_element(field_type.element_field)}
        case MapType():
            parts = {"key": _of_element(field_type.key_field), "value": _of_element(field_type.value_field)}
            return {"field_type": FieldType.MAP, **parts}
        case DecimalType():
            return {"field_type": FieldType.DECIMAL, "precision": field_type.precision, "scale": field_type.scale}
        case FixedType():
            return {"field_type": FieldType.FIXED, "length": field_type.root}
        case GeometryType():
            return {"field_type": FieldType.GEOMETRY, "crs": field_type.crs}
        case GeographyType():
            return {"field_type": FieldType.GEOGRAPHY, "crs": field_type.crs, "algorithm": field_type.algorithm}
    kind = next((kind for kind, known in _TYPES.items() if known == field_type), None)
    if kind is None:
        raise InvalidArgumentError(f"floe's models have no type {field_type}")
    return {"field_type": kind}


def _of_element(field: NestedField) -> dict[str, Any]:
    return {"field_id": field.field_id, "required": field.required, **_of_type(field.field_type)}


AnySchema: TypeAlias = "Schema | pa.Schema | TableSchema | type[BaseModel] | Mapping[str, Any]"
"""What says what a table's columns are; a mapping as Iceberg's JSON does."""


def to_schema(schema: AnySchema, format_version: Any = 2) -> Schema | pa.Schema:
    """The columns as PyIceberg has them; a schema of its own, or of Arrow's, as it is.

    >>> to_schema({"type": "struct", "fields": [{"id": 1, "name": "carrier", "type": "string", "required": False}]})
    Schema(NestedField(field_id=1, name='carrier', field_type=StringType(), required=False), schema_id=0, \
identifier_field_ids=[])

    Raises:
        InvalidArgumentError: A column's type has no counterpart, or the mapping is no schema.
    """
    if isinstance(schema, TableSchema):
        return to_pyiceberg_schema(schema)
    if isinstance(schema, type):
        if not issubclass(schema, BaseModel):
            raise InvalidArgumentError(f"class {schema.__name__} is no Pydantic model, so it has no columns")
        return schema_of_model(schema, int(format_version))
    if isinstance(schema, Mapping):
        try:
            return Schema.model_validate(dict(schema))
        except PydanticValidationError as error:
            raise InvalidArgumentError(f"the mapping is no schema as Iceberg's JSON has it: {error}") from error
    return schema


def table_config(identifier: str, schema: AnySchema, *, format_version: int = 2, **others: Any) -> TableConfig:
    """A table to be made, whose columns a Pydantic model, or a schema of PyIceberg's or Arrow's, describes.

    >>> class Flight(BaseModel):
    ...     carrier: str
    ...     dep_delay: float | None = None
    >>> config = table_config("flights.departures", Flight, properties={"owner": "ops"})
    >>> [(field.name, str(field.field_type), field.required) for field in config.table_schema.fields]
    [('carrier', 'string', True), ('dep_delay', 'double', False)]

    Args:
        identifier: The table's namespace and name.
        schema: What its columns are.
        format_version: The table's; 3 has defaults of columns.
        **others: What else TableConfig has: ``partition_spec``, ``sort_order``, ``location``, ``properties``.

    Raises:
        InvalidArgumentError: A column has no counterpart, or the identifier has no namespace.
        pydantic.ValidationError: Something else cannot be; each field is named.
    """
    namespace, dot, name = identifier.rpartition(".")
    if not dot:
        raise InvalidArgumentError(f"{identifier} has no namespace: write namespace.{identifier}")
    version: Any = format_version
    columns = assign_fresh_schema_ids(Catalog._convert_schema_if_needed(to_schema(schema, version), version))
    properties = dict(others.pop("properties", {}))
    if format_version != 2:
        properties.setdefault("format-version", str(format_version))
    return TableConfig(
        namespace=namespace,
        table_name=name,
        table_schema=of_pyiceberg_schema(columns),
        properties=properties,
        **others,
    )


# --- changes ---------------------------------------------------------------------------------------------------------


def evolve_schema(update: UpdateSchema, evolution: SchemaEvolution, table_name: str) -> None:
    """Make floe's changes on an update of a schema.

    Raises:
        IncompatibleSchemaChangeError: A column is deleted, or a required one added, and that is not allowed.
        InvalidArgumentError: A change cannot be; the message says why.
    """
    for change in evolution.changes:
        if not evolution.allow_incompatible_changes and (lost := _incompatible(change)):
            raise IncompatibleSchemaChangeError(
                f"{table_name}: {lost}; set allow_incompatible_changes if that is what you want",
                table_name,
                str(change.change_type),
            )
        _make(update, change)


def _incompatible(change: SchemaChange) -> str | None:
    if change.change_type is SchemaChangeType.DELETE_COLUMN:
        return f"deleting column {change.source_column} takes it from everybody who reads it"
    if change.field is not None and change.field.required and change.field.default is None:
        return f"required column {change.field.name} would have no value in the rows that are there"
    return None


def _make(update: UpdateSchema, change: SchemaChange) -> None:
    column = change.source_column or ""
    match change.change_type:
        case SchemaChangeType.ADD_COLUMN:
            assert change.field is not None
            path = (*(change.parent_path or ()), change.field.name)
            added = change.field
            default = None if added.default is None else _default(added.default, _type(added))
            update.add_column(path, _type(added), added.doc, added.required, default)
        case SchemaChangeType.RENAME_COLUMN:
            update.rename_column(column, change.new_name or "")
        case SchemaChangeType.WIDEN_TYPE:
            update.update_column(column, _target_type(change))
        case SchemaChangeType.MAKE_OPTIONAL:
            update.make_column_optional(column)
        case SchemaChangeType.DELETE_COLUMN:
            update.delete_column(column)
        case SchemaChangeType.UPDATE_DOC:
            update.update_column(column, doc=change.new_doc)


def _target_type(change: SchemaChange) -> PrimitiveType:
    if change.target_precision is not None:
        return DecimalType(change.target_precision, change.target_scale or 0)
    assert change.target_type is not None  # the model's validator
    return _TYPES[change.target_type]


class FloeUpdateSchema(UpdateSchema):
    """Changes of a table's schema, each checked when it is made and all committed at once.

    Names are full names in the schema as it was (a renamed column keeps its old one here), or of columns added here.
    What was written before goes on being readable, unless ``allow_incompatible_changes`` is given.

    Example:
        >>> with table.update_schema() as update:  # doctest: +SKIP
        ...     update.add_column("gate", StringType(), doc="Where it leaves")
        ...     update.rename_column("dep_delay", "delay")
        ...     update.update_column("distance", LongType())

    Raises:
        InvalidArgumentError: A change cannot be; the message says why, and the way out.
        ConflictFoundError: Another writer changed the schema meanwhile; the message says how.
    """

    def __init__(
        self,
        transaction: Transaction,
        allow_incompatible_changes: bool = False,
        case_sensitive: bool = True,
        schema: Schema | None = None,
        name_mapping: NameMapping | None = None,
    ) -> None:
        self._transaction = transaction
        options = {"allow_incompatible_changes": allow_incompatible_changes, "case_sensitive": case_sensitive}
        state = getattr(transaction, "_state", None)
        if schema is None and isinstance(state, TableState):
            self._update = floe_engine.SchemaUpdate(state.handle, **options)
            self._format_version = state.format_version
        else:
            metadata = transaction.table_metadata
            base = metadata.schema() if schema is None else schema
            last = metadata.last_column_id if schema is None else base.highest_field_id
            self._format_version = metadata.format_version
            self._update = floe_engine.SchemaUpdate.of_schema(
                base.model_dump_json(), last, self._format_version, **options
            )

    def __enter__(self) -> FloeUpdateSchema:
        return self

    def case_sensitive(self, case_sensitive: bool) -> FloeUpdateSchema:
        """Whether the case of names counts from now on."""
        self._update.set_case_sensitive(case_sensitive)
        return self

    def add_column(
        self,
        path: Path,
        field_type: IcebergType,
        doc: str | None = None,
        required: bool = False,
        default_value: Any = None,
    ) -> FloeUpdateSchema:
        """Add a column, or a field of a struct, as the last one.

        Args:
            path: The column's name; a tuple for a field of a struct, of a list's elements or of a map's values.
            field_type: Its type. Ids within it are given anew.
            doc: A comment.
            required: Whether every row must have a value. Rows that are there need a default then.
            default_value: What rows that are there have, and what is written where nothing is given (format version 3).

        Raises:
            InvalidArgumentError: There is such a column, the parent is no struct, or it is required without a default.
        """
        if isinstance(path, str) and "." in path:
            raise InvalidArgumentError(f"Cannot add column with ambiguous name: {path}, provide a tuple instead")
        *parent, name = (path,) if isinstance(path, str) else path
        default = _default(default_value, field_type)
        field = NestedField(0, name, field_type, required, doc, initial_default=default, write_default=default)
        self._update.add_column(".".join(parent), field.model_dump_json())
        return self

    def delete_column(self, path: Path) -> FloeUpdateSchema:
        """Delete a column. Files keep it; a new column of its name is another one.

        Raises:
            InvalidArgumentError: There is none, or other changes name it.
        """
        self._update.drop_column(_dotted(path))
        return self

    def rename_column(self, path_from: Path, new_name: str) -> FloeUpdateSchema:
        """Rename a column. No file is touched."""
        self._update.rename_column(_dotted(path_from), new_name)
        return self

    def update_column(
        self,
        path: Path,
        field_type: IcebergType | None = None,
        required: bool | None = None,
        doc: str | None = None,
    ) -> FloeUpdateSchema:
        """Change a column's type, its being required or its comment.

        ints become longs, floats doubles, decimals get more digits, and in format version 3 dates become timestamps.

        Raises:
            InvalidArgumentError: There is none, or the change is incompatible.
        """
        name = _dotted(path)
        if field_type is not None:
            self._update.update_type(name, _type_json(field_type))
        if doc is not None:
            self._update.update_doc(name, doc)
        if required is not None:
            self._update.set_required(name, required)
        return self

    def make_column_optional(self, path: Path) -> FloeUpdateSchema:
        """Let rows have no value."""
        self._update.set_required(_dotted(path), False)
        return self

    def set_default_value(self, path: Path, default_value: Any) -> FloeUpdateSchema:
        """Set what is written where nothing is given; rows that are there stay as they are."""
        name = _dotted(path)
        column = as_pyiceberg_reads(self._update.column_json(name))
        field_type = Schema.model_validate_json(column).fields[0].field_type
        default = _default(default_value, field_type)
        text = "null"
        if default is not None and isinstance(field_type, PrimitiveType):
            if isinstance(field_type, UUIDType):
                default = uuid.UUID(bytes=default)  # as a literal it is bytes
            text = json.dumps(to_json(field_type, default))
        self._update.set_write_default(name, text)
        return self

    def move_first(self, path: Path) -> FloeUpdateSchema:
        """Move a column to the front of the table, or of its struct."""
        self._update.move_first(_dotted(path))
        return self

    def move_before(self, path: Path, before_path: Path) -> FloeUpdateSchema:
        """Move a column before another one of the same struct."""
        self._update.move_before(_dotted(path), _dotted(before_path))
        return self

    def move_after(self, path: Path, after_name: Path) -> FloeUpdateSchema:
        """Move a column after another one of the same struct."""
        self._update.move_after(_dotted(path), _dotted(after_name))
        return self

    def set_identifier_fields(self, *fields: str) -> None:
        """Set the columns that identify a row, by the names that they will have."""
        self._update.set_identifier_fields(fields)

    def union_by_name(
        self,
        new_schema: Schema | pa.Schema | type[BaseModel],
        format_version: Any = None,
    ) -> FloeUpdateSchema:
        """Add what another schema has more, and widen, make optional and document what is in both.

        Args:
            new_schema: Iceberg's, Arrow's, or a Pydantic model. Ids do not count.
            format_version: What Arrow's types are taken for; default: the table's.

        Raises:
            InvalidArgumentError: Types contradict each other, or a new column is required without a default.
        """
        version: Any = format_version or self._format_version
        if isinstance(new_schema, type) and issubclass(new_schema, BaseModel):
            schema = schema_of_model(new_schema, version)
        else:
            schema = Catalog._convert_schema_if_needed(new_schema, version)
        self._update.union_by_name(schema.model_dump_json())
        return self

    def apply(self) -> Schema:
        """The schema with the changes so far.

        Raises:
            InvalidArgumentError: It cannot be, such as an identifier field that is gone.
        """
        return self._apply()

    def _apply(self) -> Schema:
        applied = Schema.model_validate_json(as_pyiceberg_reads(self._update.apply()))
        last = max(schema.schema_id for schema in self._transaction.table_metadata.schemas)
        return Schema(*applied.fields, schema_id=last + 1, identifier_field_ids=applied.identifier_field_ids)

    def _commit(self) -> UpdatesAndRequirements:
        raise NotImplementedError("only floe's transactions take these changes; PyIceberg's have their own")

    def commit(self) -> None:
        """Add the changes to the transaction; on a table, commit them."""
        take = getattr(self._transaction, "_take", None)
        if take is None:
            self._commit()
        else:
            take(lambda engine: engine.update_schema(self._update))


def _dotted(path: Path) -> str:
    return path if isinstance(path, str) else ".".join(path)


def _type_json(field_type: IcebergType) -> str:
    return json.dumps(json.loads(NestedField(0, "type", field_type).model_dump_json())["type"])


def _default(value: Any, field_type: IcebergType) -> Any:
    if value is None:
        return None
    try:
        return literal(value).to(field_type).value
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(f"Invalid default value: {error}") from error


# --- Pydantic's models -----------------------------------------------------------------------------------------------

_PYTHON_TYPES: dict[Any, PrimitiveType] = {
    bool: BooleanType(),
    int: LongType(),
    float: DoubleType(),
    str: StringType(),
    bytes: BinaryType(),
    dt.date: DateType(),
    dt.time: TimeType(),
    dt.datetime: TimestampType(),
    NaiveDatetime: TimestampType(),
    AwareDatetime: TimestamptzType(),
    uuid.UUID: UUIDType(),
}


def schema_of_model(model: type[BaseModel], format_version: int = 2) -> Schema:
    """The schema of rows that a Pydantic model describes.

    Fields that may be None are optional. A field with another default has that in format version 3, and is optional
    before, since only rows to come would have it.

    >>> class Flight(BaseModel):
    ...     carrier: str
    ...     stops: list[str] = []
    ...     delay: float | None = None
    >>> print(schema_of_model(Flight))
    table {
      1: carrier: required string
      2: stops: optional list<string>
      4: delay: optional double
    }

    Raises:
        InvalidArgumentError: A field's type has no counterpart.
    """
    ids = count(1)
    return Schema(*_fields_of(model, ids, format_version))


def _fields_of(model: type[BaseModel], ids: Iterator[int], format_version: int) -> list[NestedField]:
    return [_field_of(model, name, info, ids, format_version) for name, info in model.model_fields.items()]


def _field_of(
    model: type[BaseModel], name: str, info: FieldInfo, ids: Iterator[int], format_version: int
) -> NestedField:
    field_id = next(ids)
    where = f"{model.__name__}.{name}"
    field_type, optional = _type_of(info.annotation, info.metadata, where, ids, format_version)
    default = info.get_default(call_default_factory=False)
    has_default = not info.is_required() and isinstance(field_type, PrimitiveType) and default is not None
    keeps_default = has_default and info.default_factory is None and format_version > 2
    if keeps_default:
        default = _default(default.value if isinstance(default, enum.Enum) else default, field_type)
    required = not optional and (info.is_required() or keeps_default)
    column = info.serialization_alias or info.alias or name
    given = default if keeps_default else None
    return NestedField(
        field_id, column, field_type, required, info.description, initial_default=given, write_default=given
    )


def _type_of(
    annotation: Any, metadata: Sequence[Any], where: str, ids: Iterator[int], format_version: int
) -> tuple[IcebergType, bool]:
    """The type, and whether None is one of its values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [m for part in arguments[1:] for m in (part.metadata if isinstance(part, FieldInfo) else [part])]
        return _type_of(arguments[0], inner, where, ids, format_version)
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not type(None)]
        if len(others) == 1:
            return _type_of(others[0], metadata, where, ids, format_version)[0], len(others) < len(arguments)
    if origin is Literal or (isinstance(annotation, type) and issubclass(annotation, enum.Enum)):
        values = arguments if origin is Literal else [member.value for member in annotation]
        kinds = {type(value) for value in values}
        if len(kinds) == 1 and (kind := kinds.pop()) in _PYTHON_TYPES:
            return _PYTHON_TYPES[kind], False
    if annotation in _PYTHON_TYPES:
        return _PYTHON_TYPES[annotation], False
    if annotation is Decimal:
        digits, places = (_limit(metadata, key) for key in ("max_digits", "decimal_places"))
        if digits is None or places is None:
            raise InvalidArgumentError(f"{where}: a decimal needs its digits: Field(max_digits=9, decimal_places=2)")
        return DecimalType(digits, places), False
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return StructType(*_fields_of(annotation, ids, format_version)), False
    container = origin if isinstance(origin, type) else object
    if issubclass(container, Mapping) and len(arguments) == 2:
        key_id, value_id = next(ids), next(ids)
        key, _ = _type_of(arguments[0], (), where, ids, format_version)
        value, optional = _type_of(arguments[1], (), where, ids, format_version)
        return MapType(key_id, key, value_id, value, not optional), False
    if issubclass(container, (Sequence, Set, Collection)) and (len(arguments) == 1 or arguments[1:] == (...,)):
        element_id = next(ids)
        element, optional = _type_of(arguments[0], (), where, ids, format_version)
        return ListType(element_id, element, not optional), False
    raise InvalidArgumentError(f"{where}: {annotation!r} has no counterpart among Iceberg's types")


def _limit(metadata: Sequence[Any], key: str) -> int | None:
    return next((limit for m in metadata if (limit := getattr(m, key, None)) is not None), None)


# --- history ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnChange:
    """What became of a column.

    Attributes:
        kind: added, dropped, renamed, type, required, doc, initial-default, write-default, moved or identifier.
        field_id: The column's id.
        name: Its full name, afterwards if it is still there.
        before: What it was, as text: a type, a name, required or optional, a comment, a default as JSON.
        after: What it is.
        text: All of that for people.
    """

    kind: str
    field_id: int
    name: str
    before: str
    after: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class SchemaVersion:
    """A schema and its time. One that is taken up again is there again.

    Attributes:
        schema: The schema.
        since: When it became current; None: before everything that the table's metadata still tells.
        snapshot_ids: The snapshots that were written with it.
        changes: What was changed to get there, from the version before.
    """

    schema: Schema
    since: dt.datetime | None
    snapshot_ids: tuple[int, ...]
    changes: tuple[ColumnChange, ...]

    def __str__(self) -> str:
        since = "of old" if self.since is None else f"since {self.since.isoformat(timespec='milliseconds')}"
        changes = ", ".join(map(str, self.changes)) or "as it began"
        return f"schema {self.schema.schema_id}, {since}: {changes}"


def schema_history(state: TableState) -> list[SchemaVersion]:
    """The table's schemas in the order in which they were current, the current one last.

    What snapshots and the log of metadata files tell is put together; of that log a few files are read for each change.
    """
    metadata = json.loads(as_pyiceberg_reads(state.handle.metadata_json()))
    schemas = {schema["schema-id"]: schema for schema in metadata["schemas"]}
    current = metadata["current-schema-id"]
    snapshots = metadata.get("snapshots") or []
    events = [(s["timestamp-ms"], s["schema-id"]) for s in snapshots if s.get("schema-id") in schemas]
    events = sorted([*events, (metadata["last-updated-ms"], current)], key=lambda event: event[0])
    times = _times(events, _MetadataLog(state, metadata))
    known = {schema_id for schema_id, _ in times}
    times = [(schema_id, None) for schema_id in sorted(schemas) if schema_id not in known] + times

    versions: list[SchemaVersion] = []
    before: dict[str, Any] | None = None
    for i, (schema_id, since) in enumerate(times):
        schema = schemas[schema_id]
        changes = floe_engine.schema_difference(json.dumps(before), json.dumps(schema)) if before else []
        until = next((time for _, time in times[i + 1 :] if time is not None), None)
        ids = (
            s["snapshot-id"]
            for s in snapshots
            if s.get("schema-id") == schema_id
            and (since is None or s["timestamp-ms"] >= since)
            and (until is None or s["timestamp-ms"] <= until)
        )
        moment = None if since is None else dt.datetime.fromtimestamp(since / 1000, dt.UTC)
        versions.append(
            SchemaVersion(Schema.model_validate(schema), moment, tuple(ids), tuple(ColumnChange(**c) for c in changes))
        )
        before = schema
    return versions


class _MetadataLog:
    """Earlier metadata files: their times, and the schema that was current in each, read when it is asked for."""

    def __init__(self, state: TableState, metadata: dict[str, Any]) -> None:
        self._state = state
        self._log = sorted(metadata.get("metadata-log") or [], key=lambda entry: entry["timestamp-ms"])
        self.times: list[int] = [entry["timestamp-ms"] for entry in self._log]
        self._read: dict[int, int | None] = {}

    def schema_id(self, i: int) -> int | None:
        """None: the file is gone."""
        if i not in self._read:
            try:
                with self._state.io.new_input(self._log[i]["metadata-file"]).open() as file:
                    content = file.read()
            except FileNotFoundError:
                self._read[i] = None
            else:
                text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                self._read[i] = json.loads(text).get("current-schema-id", 0)
        return self._read[i]


def _times(events: list[tuple[int, int]], log: _MetadataLog) -> list[tuple[int, int | None]]:
    """Each schema that was current, and since when: between two events of different schemas the log is searched."""
    first = log.schema_id(0) if log.times else None
    if first is not None and log.times[0] <= events[0][0]:
        events = [(log.times[0], first), *events]
    times: list[tuple[int, int | None]] = [(events[0][1], events[0][0])]
    for (start, was), (end, becomes) in pairwise(events):
        low = bisect.bisect_left(log.times, start)
        high = bisect.bisect_right(log.times, end)
        while was != becomes:
            # The first file in which it is not the same any more. One that is gone is older than those that are there.
            low = bisect.bisect_left(
                range(len(log.times)),
                True,
                low,
                high,
                key=lambda i: log.schema_id(i) not in (was, None),
            )
            schema_id = log.schema_id(low) if low < high else None
            was, since = (becomes, end) if schema_id is None else (schema_id, log.times[low])
            times.append((was, since))
    return times
