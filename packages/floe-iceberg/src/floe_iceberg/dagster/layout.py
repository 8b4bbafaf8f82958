"""What tables are made like for the rows that come first, and how they change for those that come later."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from dagster import PartitionsDefinition, TimeWindowPartitionsDefinition
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table import TableProperties
from pyiceberg.transforms import UnknownTransform, parse_transform
from pyiceberg.typedef import Identifier
from pyiceberg.types import DateType, TimestampNanoType, TimestampType, TimestamptzNanoType, TimestamptzType

from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.dagster.partitions import columns_by_dimension
from floe_iceberg.dagster.settings import OutputSettings, SchemaPolicy
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.table import FloeTable
from floe_iceberg.transaction import FloeCreateTableTransaction, FloeTransaction

Change = Callable[[FloeTransaction], object]

_TERM = re.compile(
    r"\s*(?:(?P<name>\w+)\s*\(\s*(?:(?P<width>\d+)\s*,\s*)?(?P<source>[^(),]+?)\s*\)|(?P<column>[^(),]+?))\s*"
)
_FIRST_FIELD_ID = 1000
_TIMES = (DateType, TimestampType, TimestamptzType, TimestampNanoType, TimestamptzNanoType)
_BY_SCHEDULE = {"HOURLY": "hour", "DAILY": "day", "WEEKLY": "day", "MONTHLY": "month"}


def parse_term(term: str) -> tuple[str, str]:
    """A partition field as a column and a transform, as Iceberg writes it.

    >>> parse_term("bucket(16, carrier)"), parse_term("month(time_hour)"), parse_term("carrier")
    (('carrier', 'bucket[16]'), ('time_hour', 'month'), ('carrier', 'identity'))

    Raises:
        InvalidArgumentError: It is neither a column nor a transform of one.
    """
    found = _TERM.fullmatch(term)
    if found is None:
        raise _no_term(term)
    if found["column"]:
        return found["column"], "identity"
    width = f"[{found['width']}]" if found["width"] else ""
    transform = f"{found['name'].lower()}{width}"
    try:
        is_known = not isinstance(parse_transform(transform), UnknownTransform)
    except (ValidationError, ValueError):  # of a bucket without a number
        is_known = False
    if not is_known:
        raise _no_term(term)
    return found["source"], transform


def _no_term(term: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"iceberg_partition_spec: {term!r} is not like carrier, year(day), month(day), day(day), hour(time), "
        "bucket(16, id) or truncate(4, carrier)"
    )


def new_table(
    catalog: FloeCatalog,
    identifier: Identifier,
    rows: pa.Schema,
    settings: OutputSettings,
    partitions: PartitionsDefinition[Any] | None,
) -> FloeCreateTableTransaction:
    """A table for rows of a schema, to be made with them as one commit. Its namespace is made at once.

    Raises:
        InvalidArgumentError: The rows or the settings are such that there can be none.
    """
    version = _version(settings, TableProperties.DEFAULT_FORMAT_VERSION)
    schema = assign_fresh_schema_ids(iceberg_schema(rows, version))
    terms = settings.partition_spec
    if terms is None and partitions is not None and settings.partition_column is not None:
        told = columns_by_dimension(partitions, settings.partition_column)
        terms = tuple(_term_of(definition, column, schema) for definition, column in told)
    spec = _spec(terms or (), schema)
    for depth in range(1, len(identifier)):
        catalog.create_namespace_if_not_exists(identifier[:depth])
    return catalog.create_table_transaction(
        identifier, schema, partition_spec=spec, properties=settings.table_properties
    )


def changes_of(table: FloeTable, rows: pa.Schema, settings: OutputSettings, policy: SchemaPolicy) -> list[Change]:
    """What of a table has to change before rows of a schema can be written as the settings say.

    Raises:
        InvalidArgumentError: The table lacks columns and may not get them, or the settings cannot be.
    """
    has_columns = {field.name for field in table.schema().fields}
    if policy == "fail" and (new := [name for name in rows.names if name not in has_columns]):
        raise InvalidArgumentError(
            f"{table._full_name}: the output has columns that the table lacks: {', '.join(new)}; leave them out, or "
            "let them be added: iceberg_schema_evolution = add"
        )
    version = table._state.format_version
    asked = _version(settings, version)
    changes: list[Change] = []
    if asked > version:
        changes.append(lambda transaction: transaction.upgrade_table_version(asked))
    if policy != "fail" and (evolve := _schema_change(table, rows, policy)):
        changes.append(evolve)
    if settings.partition_spec is not None and (regroup := _spec_change(table, settings.partition_spec)):
        changes.append(regroup)
    has = table._state.properties
    properties = {
        key: value
        for key, value in settings.table_properties.items()
        if key != TableProperties.FORMAT_VERSION and has.get(key) != value
    }
    if properties:
        changes.append(lambda transaction: transaction.set_properties(properties))
    return changes


def _version(settings: OutputSettings, default: int) -> int:
    """The format version that is asked for."""
    text = settings.table_properties.get(TableProperties.FORMAT_VERSION, str(default))
    if text not in ("1", "2", "3"):
        raise InvalidArgumentError(f"iceberg_table_properties: format-version is {text}; it has to be 1, 2 or 3")
    return int(text)


def iceberg_schema(rows: pa.Schema, format_version: int) -> Schema:
    """Arrow's columns as Iceberg's; units and widths that Iceberg does not have become those that hold the values."""
    schema = pa.schema([field.with_type(_storable(field.type, format_version)) for field in rows])
    return Catalog._convert_schema_if_needed(schema, format_version)  # type: ignore[arg-type]


def _storable(type_: pa.DataType, format_version: int) -> pa.DataType:
    if pa.types.is_dictionary(type_):
        return _storable(type_.value_type, format_version)
    if pa.types.is_timestamp(type_):
        unit = "ns" if type_.unit == "ns" and format_version > 2 else "us"
        return pa.timestamp(unit, None if type_.tz is None else "UTC")
    if pa.types.is_date64(type_):
        return pa.date32()
    if pa.types.is_time(type_):
        return pa.time64("us")
    if pa.types.is_uint32(type_):
        return pa.int64()
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_storable(field.type, format_version)) for field in type_])
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(type_.value_field.with_type(_storable(type_.value_type, format_version)))
    return type_


def _term_of(partitions: PartitionsDefinition[Any], column: str, schema: Schema) -> str:
    types = {field.name: field.field_type for field in schema.fields}
    if isinstance(partitions, TimeWindowPartitionsDefinition) and isinstance(types.get(column), _TIMES):
        schedule = partitions.schedule_type
        return f"{_BY_SCHEDULE.get(schedule.name if schedule else '', 'day')}({column})"
    return column


def _spec(terms: Sequence[str], schema: Schema) -> PartitionSpec:
    fields = []
    for number, term in enumerate(terms):
        column, transform = parse_term(term)
        source = schema.find_field(column) if column in schema.column_names else None
        if source is None:
            raise InvalidArgumentError(f"the table cannot be partitioned by {term}: it has no column {column}")
        fields.append(
            PartitionField(
                source_id=source.field_id,
                field_id=_FIRST_FIELD_ID + number,
                transform=parse_transform(transform),
                name=column if transform == "identity" else f"{column}_{transform.split('[')[0]}",
            )
        )
    return PartitionSpec(*fields) if fields else UNPARTITIONED_PARTITION_SPEC


def _schema_change(table: FloeTable, rows: pa.Schema, policy: SchemaPolicy) -> Change | None:
    current = table.schema()
    has = {field.name for field in current.fields}
    # The rows that are there have no value of a new column, so that none can be required.
    named = pa.schema([field if field.name in has else field.with_nullable(True) for field in rows])
    wanted = iceberg_schema(named, table._state.format_version)
    if policy == "union":
        update = table.transaction().update_schema().union_by_name(wanted)
        if update.apply().fields == current.fields:
            return None
        return lambda transaction: transaction.update_schema().union_by_name(wanted).commit()
    new = [field for field in wanted.fields if field.name not in has]

    def add(transaction: FloeTransaction) -> None:
        with transaction.update_schema() as update:
            for field in new:
                update.add_column((field.name,), field.field_type, field.doc)

    return add if new else None


def _spec_change(table: FloeTable, terms: Sequence[str]) -> Change | None:
    schema, spec = table.schema(), table.spec()
    has = {(schema.find_column_name(field.source_id), str(field.transform)): field.name for field in spec.fields}
    wanted = [parse_term(term) for term in terms]
    if list(has) == wanted:
        return None

    def regroup(transaction: FloeTransaction) -> None:
        with transaction.update_spec() as update:
            for field, name in has.items():
                if field not in wanted:
                    update.remove_field(name)
            for column, transform in wanted:
                if (column, transform) not in has:
                    update.add_field(column, transform)

    return regroup
