"""floe's schemas as PyIceberg's.

>>> from floe_core import SchemaField, TableSchema
>>> to_pyiceberg_schema(TableSchema(fields=(SchemaField(field_id=1, name="carrier", field_type="string"),)))
Schema(NestedField(field_id=1, name='carrier', field_type=StringType(), required=False), schema_id=0, \
identifier_field_ids=[])
"""

from __future__ import annotations

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from floe_core.models import FieldType, SchemaField, TableSchema

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
    FieldType.STRING: StringType(),
    FieldType.UUID: UUIDType(),
    FieldType.BINARY: BinaryType(),
}


def to_pyiceberg_schema(schema: TableSchema) -> Schema:
    """The same columns, with the same ids."""
    fields = (
        NestedField(field.field_id, field.name, _type(field), required=field.required, doc=field.doc)
        for field in schema.fields
    )
    return Schema(*fields)


def _type(field: SchemaField) -> PrimitiveType:
    if field.field_type is FieldType.DECIMAL and field.precision is not None:
        return DecimalType(field.precision, field.scale or 0)
    if field.field_type is FieldType.FIXED and field.length is not None:
        return FixedType(field.length)
    return _TYPES[field.field_type]
