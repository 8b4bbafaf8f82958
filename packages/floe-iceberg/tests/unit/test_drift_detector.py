from __future__ import annotations

from typing import Any

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import (
    DecimalType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
    UUIDType,
)

from floe_iceberg.drift_detector import DriftDetector
from floe_iceberg.errors import ValidationError

TABLE = Schema(
    NestedField(1, "id", UUIDType()),
    NestedField(2, "count", LongType()),
    NestedField(3, "price", DecimalType(9, 2)),
    NestedField(4, "at", TimestamptzType()),
    NestedField(5, "tags", ListType(6, StringType())),
    NestedField(7, "address", StructType(NestedField(8, "city", StringType()))),
)


def contract(**types: str) -> list[dict[str, Any]]:
    return [{"name": name.replace("__", "."), "logicalType": logical_type} for name, logical_type in types.items()]


def test_types_that_are_the_same_by_another_name() -> None:
    columns = contract(
        id="string",
        count="number",
        price="number",
        at="timestamp",
        tags="array",
        address="object",
        address__city="string",
    )
    result = DriftDetector().compare_schemas(columns, TABLE)
    assert result.matches
    assert not result.extra_columns


def test_what_differs() -> None:
    result = DriftDetector().compare_schemas(contract(count="string", price="integer", gone="date"), TABLE)
    assert not result.matches
    assert [(one.column, one.contract_type, one.table_type) for one in result.type_mismatches] == [
        ("count", "string", "long"),
        ("price", "integer", "decimal(9, 2)"),
    ]
    assert result.missing_columns == ("gone",)
    assert result.extra_columns == ("id", "at", "tags", "address")


def test_columns_that_only_the_table_has_are_no_difference() -> None:
    assert DriftDetector().compare_schemas(contract(count="INTEGER"), TABLE).matches
    assert not DriftDetector().compare_schemas(contract(count="money"), TABLE).matches


@pytest.mark.parametrize(
    "column", [{}, {"name": "count"}, {"logicalType": "string"}, {"name": 5, "logicalType": "date"}]
)
def test_contracts_that_cannot_be(column: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs name and logicalType"):
        DriftDetector().compare_schemas([column], TABLE)
