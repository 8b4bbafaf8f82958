from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from floe_core import (
    FieldType,
    PartitionField,
    PartitionSpec,
    PartitionTransform,
    SchemaChange,
    SchemaEvolution,
    SchemaField,
    TableConfig,
    TableSchema,
)

ID = SchemaField(field_id=1, name="id", field_type=FieldType.LONG, required=True)
SCHEMA = TableSchema(fields=(ID,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"field_id": 0, "name": "a", "field_type": "int"}, "field_id"),
        ({"field_id": 1, "name": "a.b", "field_type": "int"}, "name"),
        ({"field_id": 1, "name": "a", "field_type": "integer"}, "field_type"),
        ({"field_id": 1, "name": "a", "field_type": "decimal"}, "precision"),
        ({"field_id": 1, "name": "a", "field_type": "decimal", "precision": 39}, "precision"),
        ({"field_id": 1, "name": "a", "field_type": "decimal", "precision": 2, "scale": 3}, "scale 3, which is more"),
        ({"field_id": 1, "name": "a", "field_type": "int", "precision": 3}, "type int has no precision"),
        ({"field_id": 1, "name": "a", "field_type": "fixed"}, "length"),
        ({"field_id": 1, "name": "a", "field_type": "int", "nullable": True}, "nullable"),
    ],
)
def test_columns_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SchemaField(**arguments)


def test_column_ids_and_names_must_differ() -> None:
    with pytest.raises(ValidationError, match=r"column ids used more than once: \[1\]"):
        TableSchema(fields=(ID, SchemaField(field_id=1, name="other", field_type=FieldType.INT)))
    with pytest.raises(ValidationError, match=r"column names used more than once: \['id'\]"):
        TableSchema(fields=(ID, SchemaField(field_id=2, name="id", field_type=FieldType.INT)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"transform": "bucket"}, "num_buckets"),
        ({"transform": "truncate"}, "width"),
        ({"transform": "identity", "width": 3}, "width"),
        ({"transform": "month", "partition_field_id": 999}, "partition_field_id"),
        ({"transform": "week"}, "transform"),
    ],
)
def test_partition_fields_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PartitionField(**{"source_field_id": 1, "partition_field_id": 1000, "name": "p", **arguments})


def test_a_partition_needs_its_column() -> None:
    field = PartitionField(source_field_id=9, partition_field_id=1000, name="p", transform=PartitionTransform.IDENTITY)
    spec = PartitionSpec(fields=(field,))
    with pytest.raises(ValidationError, match="no column has the id 9"):
        TableConfig(namespace="ns", table_name="t", table_schema=SCHEMA, partition_spec=spec)


def test_a_table_may_spell_its_schema_both_ways() -> None:
    ours = TableConfig(namespace="ns", table_name="t", table_schema=SCHEMA)
    assert TableConfig.model_validate({"namespace": "ns", "table_name": "t", "schema": SCHEMA.model_dump()}) == ours
    assert ours.identifier == "ns.t"
    assert TableConfig.model_validate_json(ours.model_dump_json()) == ours


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ID.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"change_type": "add_column"}, "add_column needs field"),
        ({"change_type": "rename_column", "source_column": "a"}, "rename_column needs new_name"),
        ({"change_type": "delete_column", "source_column": "a", "new_doc": "x"}, "delete_column does not take new_doc"),
        ({"change_type": "widen_type", "source_column": "a"}, "widen_type needs target_type"),
        ({"change_type": "widen_type", "source_column": "a", "target_type": "decimal"}, "target_precision"),
        (
            {"change_type": "widen_type", "source_column": "a", "target_type": "long", "target_precision": 3},
            "only a decimal",
        ),
        ({"change_type": "widen_type", "source_column": "a", "target_type": "fixed"}, "nothing widens to fixed"),
        ({"change_type": "make_optional", "source_column": "a", "target_column": "b"}, "target_column"),
    ],
)
def test_schema_changes_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SchemaChange.model_validate(arguments)


def test_a_schema_change_may_spell_its_column_in_three_ways() -> None:
    changes = [
        SchemaChange.model_validate({"change_type": "make_optional", name: "address.city"})
        for name in ("source_column", "old_name", "column_name")
    ]
    assert changes[0] == changes[1] == changes[2]
    with pytest.raises(ValidationError, match="changes"):
        SchemaEvolution(changes=())
