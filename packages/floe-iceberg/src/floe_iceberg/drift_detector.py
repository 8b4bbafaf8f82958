"""Whether a table still is what its data contract says.

>>> from pyiceberg.types import NestedField
>>> table = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "at", TimestamptzType()))
>>> columns = [{"name": "id", "logicalType": "string"}, {"name": "at", "logicalType": "timestamp"}]
>>> DriftDetector().compare_schemas(columns, table).type_mismatches
(TypeMismatch(column='id', contract_type='string', table_type='long'),)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    StringType,
    StructType,
    TimestampNanoType,
    TimestampType,
    TimestamptzNanoType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from floe_core.schemas.data_contract import SchemaComparisonResult, TypeMismatch
from floe_iceberg.errors import InvalidArgumentError

_WHOLE: tuple[type[IcebergType], ...] = (IntegerType, LongType)
_NUMBER: tuple[type[IcebergType], ...] = (*_WHOLE, FloatType, DoubleType, DecimalType)

ODCS_TO_ICEBERG_TYPE_MAP: Mapping[str, tuple[type[IcebergType], ...]] = {
    "string": (StringType, UUIDType),
    "integer": _WHOLE,
    "int": _WHOLE,
    "long": _WHOLE,
    "number": _NUMBER,
    "float": (FloatType, DoubleType),
    "double": (FloatType, DoubleType),
    "decimal": (DecimalType,),
    "boolean": (BooleanType,),
    "date": (DateType,),
    "time": (TimeType,),
    "timestamp": (TimestampType, TimestamptzType, TimestampNanoType, TimestamptzNanoType),
    "array": (ListType,),
    "object": (StructType, MapType),
    "uuid": (UUIDType,),
    "binary": (BinaryType, FixedType),
}
"""The types of the Open Data Contract Standard, and those of a table that are the same."""


class DriftDetector:
    """Compares contracts with tables, by the names and types of columns."""

    def compare_schemas(
        self, contract_columns: Iterable[Mapping[str, Any]], table_schema: Schema
    ) -> SchemaComparisonResult:
        """How a table's columns differ from a contract's.

        Args:
            contract_columns: Each with ``name`` and ``logicalType``; names of fields within columns have dots.
            table_schema: The table's schema.

        Raises:
            InvalidArgumentError: A column of the contract has no name or no type.
        """
        mismatches: list[TypeMismatch] = []
        missing: list[str] = []
        named: set[str] = set()
        for column in contract_columns:
            name, logical_type = column.get("name"), column.get("logicalType")
            if not isinstance(name, str) or not isinstance(logical_type, str):
                raise InvalidArgumentError(
                    f"a column of the contract needs name and logicalType, and has {dict(column)}"
                )
            named.add(name.partition(".")[0])
            try:
                table_type = table_schema.find_type(name)
            except ValueError:
                missing.append(name)
                continue
            if not isinstance(table_type, ODCS_TO_ICEBERG_TYPE_MAP.get(logical_type.lower(), ())):
                mismatches.append(TypeMismatch(column=name, contract_type=logical_type, table_type=str(table_type)))
        return SchemaComparisonResult(
            matches=not mismatches and not missing,
            type_mismatches=tuple(mismatches),
            missing_columns=tuple(missing),
            extra_columns=tuple(field.name for field in table_schema.fields if field.name not in named),
        )
