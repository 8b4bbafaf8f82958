from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from floe_core import (
    CatalogConfig,
    FieldType,
    IcebergTableManagerConfig,
    PartitionField,
    PartitionSpec,
    PartitionTransform,
    RetentionPolicy,
    RetryPolicy,
    SchemaChange,
    SchemaEvolution,
    SchemaField,
    SnapshotInfo,
    TableConfig,
    TableSchema,
    WriteConfig,
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
        ({"field_id": 1, "name": "a", "field_type": "variant"}, "there can be no variant columns: PyIceberg"),
        ({"field_id": 1, "name": "a", "field_type": "geometry", "crs": "EPSG:1, x"}, "has to be: Such as EPSG:3857"),
        ({"field_id": 1, "name": "a", "field_type": "geography", "algorithm": "flat"}, "'vincenty', .* or 'karney'"),
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
        ({"transform": "bucket"}, "partition field p: transform bucket needs num_buckets"),
        ({"transform": "truncate"}, "width"),
        ({"transform": "identity", "width": 3}, "transform identity has no width; leave it out"),
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


# --- nested types, snapshots, writes, retention, secrets, files ------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"field_type": "list"}, "column a: type list needs element"),
        ({"field_type": "map", "key": {"field_id": 2, "field_type": "string"}}, "type map needs value"),
        ({"field_type": "struct"}, "type struct needs fields"),
        ({"field_type": "struct", "fields": []}, "fields"),
        ({"field_type": "int", "element": {"field_id": 2, "field_type": "string"}}, "type int has no element"),
        ({"field_type": "list", "element": {"field_id": 2, "field_type": "decimal"}}, "element 2: type decimal needs"),
        ({"field_type": "list", "element": {"field_id": 2, "field_type": "int", "name": "x"}}, "name"),
        ({"field_type": "int", "crs": "EPSG:4326"}, "type int has no crs"),
        ({"field_type": "geometry", "algorithm": "vincenty"}, "type geometry has no algorithm"),
        ({"field_type": "list", "element": {"field_id": 2, "field_type": "int"}, "default": 1}, "a default is"),
        ({"field_type": "int", "default": [1]}, "a default is"),
    ],
)
def test_nested_columns_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SchemaField.model_validate({"field_id": 1, "name": "a", **arguments})


def nested(**inner: Any) -> dict[str, Any]:
    fields = [{"field_id": 2, "name": "city", "field_type": "string", **inner}]
    return {"fields": [{"field_id": 1, "name": "address", "field_type": "struct", "fields": fields}]}


def test_ids_and_names_are_unique_at_every_depth() -> None:
    with pytest.raises(ValidationError, match=r"column ids used more than once: \[1\]; give each column"):
        TableSchema.model_validate(nested(field_id=1))
    twice = nested()
    twice["fields"][0]["fields"].append({"field_id": 3, "name": "city", "field_type": "int"})
    with pytest.raises(ValidationError, match=r"column address: field names used more than once: \['city'\]"):
        TableSchema.model_validate(twice)
    with pytest.raises(ValidationError, match="there is no such column; there are"):
        TableSchema.model_validate({**nested(), "identifier_fields": ["town"]})
    with pytest.raises(ValidationError, match="has to be required"):
        TableSchema.model_validate({**nested(), "identifier_fields": ["address.city"]})


def test_a_partition_and_an_order_may_be_of_a_field_within_a_column() -> None:
    spec = {"fields": [{"source_field_id": 2, "partition_field_id": 1000, "name": "city", "transform": "identity"}]}
    table = {"namespace": "ns", "table_name": "t", "schema": nested(), "partition_spec": spec}
    assert TableConfig.model_validate(table).partition_spec is not None
    order = {"fields": [{"source_field_id": 3}]}
    with pytest.raises(ValidationError, match=r"sort field 1: no column has the id 3; the columns' ids are \[1, 2\]"):
        TableConfig.model_validate({**table, "sort_order": order})


@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        (
            TableConfig,
            {"table_name": "a-b"},
            r"table_name\n.*has to be: A letter, then letters, digits and underscores",
        ),
        (TableConfig, {"table_name": "t\n"}, r"table_name\n.*has to be: A letter"),
        (TableConfig, {"namespace": "a..b"}, r"namespace\n.*has to be: Levels of letters"),
        (SchemaField, {"name": "a.b"}, r"name\n.*has to be: Any text without dots"),
    ],
)
def test_names_that_cannot_be_are_told_in_words_what_they_have_to_be(
    model: Any, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        model.model_validate(arguments)


def test_one_wrong_column_does_not_mean_that_there_are_none() -> None:
    with pytest.raises(ValidationError) as caught:
        TableSchema.model_validate({"fields": [{"field_id": 1, "name": "a", "field_type": "text"}]})
    assert [error["loc"] for error in caught.value.errors()] == [("fields", 0, "field_type")]
    with pytest.raises(ValidationError, match="give at least one"):
        TableSchema(fields=())


@pytest.mark.parametrize("changes", [5, "x", SchemaChange(change_type="delete_column", source_column="a")])
def test_changes_that_are_no_list_of_changes(changes: Any) -> None:
    with pytest.raises(ValueError, match="a list of SchemaChange, not a"):
        SchemaEvolution.of(changes)


def test_namespaces_have_levels() -> None:
    table = TableConfig(namespace="raw.eu", table_name="t", table_schema=SCHEMA)
    assert table.identifier == "raw.eu.t"
    for namespace in ("", ".", "raw.", "raw..eu", "1raw", "raw/eu", "raw eu", "a.b\n"):
        with pytest.raises(ValidationError, match="namespace"):
            TableConfig(namespace=namespace, table_name="t", table_schema=SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "upsert"}, "an upsert needs join_columns"),
        ({"mode": "append", "join_columns": ["id"]}, "append has no join_columns: set mode to upsert"),
        ({"mode": "append", "overwrite_filter": "id = 1"}, "append has no overwrite_filter: set mode to overwrite"),
        ({"mode": "upsert", "join_columns": []}, "join_columns"),
        ({"mode": "replace"}, "mode"),
        ({"commit_strategy": "slow"}, "commit_strategy"),
        ({"branch": ""}, "branch"),
        ({"snapshot_properties": {"run": 7}}, "snapshot_properties.run"),
    ],
)
def test_writes_that_cannot_be(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WriteConfig.model_validate(arguments)


def test_a_snapshot_counts_by_icebergs_names_and_by_floes() -> None:
    for summary in (
        {"added-records": "7", "added-data-files": "2"},
        {"added-records-count": "7", "added-files-count": "2"},
    ):
        info = SnapshotInfo.model_validate(
            {"snapshot_id": 1, "timestamp_ms": 5, "operation": "append", "summary": summary, "parent_snapshot_id": 9}
        )
        assert (info.added_records, info.added_files, info.parent_id, info.parent_snapshot_id) == (7, 2, 9, 9)
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    timed = SnapshotInfo.model_validate({"snapshot_id": 1, "timestamp": moment, "operation": "append"})
    assert timed.timestamp == moment
    with pytest.raises(ValidationError, match="no time zone"):
        SnapshotInfo.model_validate({"snapshot_id": 1, "timestamp": moment.replace(tzinfo=None), "operation": "append"})
    nothing = SnapshotInfo.model_validate({"snapshot_id": 1, "timestamp_ms": 5, "operation": "delete"})
    assert (nothing.added_records, nothing.added_files) == (0, 0)


def test_retention_and_retries_are_properties_of_tables() -> None:
    assert RetentionPolicy().to_table_properties() == {}
    assert RetentionPolicy(max_ref_age_days=0.5).to_table_properties() == {"history.expire.max-ref-age-ms": "43200000"}
    assert RetryPolicy(max_retries=0).to_table_properties() == {"commit.retry.num-retries": "0"}
    with pytest.raises(ValidationError, match="more than max_wait_seconds"):
        RetryPolicy(min_wait_seconds=5, max_wait_seconds=1)
    with pytest.raises(ValidationError, match="older_than_days"):
        RetentionPolicy(older_than_days=0)


@pytest.mark.parametrize("name", ["default_ttl_hours", "snapshot_keep_last"])
@pytest.mark.parametrize("value", [0, -1, 9999, True, "5", 2.5])
def test_governance_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*; it has to be a whole number from 1 to"):
        IcebergTableManagerConfig.from_governance(SimpleNamespace(**{name: value}))


def test_governance_becomes_properties_of_tables() -> None:
    asked = SimpleNamespace(default_ttl_hours=24, snapshot_keep_last=3, stale_table_recovery_mode="repair")
    config = IcebergTableManagerConfig.from_governance(asked)
    assert config.min_snapshots_to_keep == 3
    assert config.stale_table_recovery_mode == "repair"
    assert config.table_properties["history.expire.max-snapshot-age-ms"] == "86400000"
    assert config.table_properties["history.expire.min-snapshots-to-keep"] == "3"
    assert IcebergTableManagerConfig.from_governance(None) == IcebergTableManagerConfig()


def test_a_catalogs_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIAL", "id:geheim")
    config = CatalogConfig.model_validate(
        {
            "type": "rest",
            "uri": "https://polaris",
            "credential": {"env": "CREDENTIAL"},
            "token": "geheim",
            "properties": {"s3.secret-access-key": "geheim"},
        }
    )
    assert "geheim" not in f"{config!r}{config}{config.model_dump_json()}"
    with pytest.raises(ValidationError, match="token") as caught:
        CatalogConfig.model_validate({"uri": 5, "token": ["geheim"]})
    assert "geheim" not in str(caught.value)
    assert [error["loc"] for error in caught.value.errors()] == [("uri", "text"), ("token", "text")]
    with pytest.raises(ValidationError, match="by env or by file: give one of them") as caught:
        CatalogConfig.model_validate({"token": {"env": "A", "file": "b"}})
    assert [error["loc"] for error in caught.value.errors()] == [("token", "reference")]
    assert config.to_pyiceberg_properties() == {
        "type": "rest",
        "uri": "https://polaris",
        "credential": "id:geheim",
        "token": "geheim",
        "s3.secret-access-key": "geheim",
    }


YAML = """
namespace: flights
table_name: departures
schema:
  fields:
    - {name: carrier, field_type: string, required: true}
    - name: stops
      field_type: list
      element:
        field_type: struct
        fields: [{name: airport, field_type: string}]
    - {name: time_hour, field_type: timestamptz}
  identifier_fields: [carrier]
partition_spec:
  fields:
    - {source_column: time_hour, transform: month}
    - {source_column: carrier, transform: identity}
sort_order:
  fields:
    - {source_column: carrier, direction: desc}
"""


@pytest.mark.requirement("REQ-043")
def test_a_table_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "departures.yaml").write_text(YAML)
    table = TableConfig.from_yaml(tmp_path / "departures.yaml")
    assert table == TableConfig.from_yaml(YAML)
    columns = table.table_schema.fields
    assert [column.field_id for column in columns] == [1, 2, 5]
    assert columns[1].element is not None
    assert columns[1].element.fields is not None
    assert columns[1].element.fields[0].field_id == 4
    assert table.partition_spec is not None
    fields = table.partition_spec.fields
    assert [(field.name, field.source_field_id, field.partition_field_id) for field in fields] == [
        ("time_hour_month", 5, 1000),
        ("carrier", 1, 1001),
    ]
    assert TableConfig.model_validate_json(table.model_dump_json()) == table


@pytest.mark.requirement("REQ-043")
def test_a_file_says_what_a_person_would_write() -> None:
    table = TableConfig.from_yaml(
        """
        namespace: ns
        table_name: orders
        schema:
          fields:
            - {name: id, field_type: long}
            - {name: placed, field_type: struct, fields: [{name: day, field_type: date}]}
        partition_spec:
          fields:
            - {source_column: placed.day, transform: month}
        properties: {format-version: 3, write.object-storage.enabled: true, owner: ops}
        """
    )
    assert table.properties == {"format-version": "3", "write.object-storage.enabled": "true", "owner": "ops"}
    assert table.partition_spec is not None
    assert [(field.name, field.source_field_id) for field in table.partition_spec.fields] == [("placed_day_month", 3)]


@pytest.mark.requirement("REQ-043")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("namespace: flights", "name_space: flights"), "namespace"),
        (("field_type: timestamptz", "field_type: instant"), r"schema\.fields\.2\.field_type"),
        (
            ("source_column: time_hour", "source_column: hour"),
            "partition_spec: there is no column hour; there are carrier",
        ),
        (("transform: month", "transform: week"), r"partition_spec\.fields\.0\.transform"),
        (("direction: desc", "direction: down"), r"sort_order\.fields\.0\.direction"),
        (("{name: carrier,", "{field_id: 9, name: carrier,"), r"fields\.1\..*field_id"),
        (("namespace: flights", "namespace: [flights"), "is no YAML"),
        (("namespace: flights", "namespace: flights\ntable_name: other"), "keys stand twice in it.*table_name"),
        (("namespace: flights", "namespace: &a flights\nlocation: *a"), "an alias .* stands in it"),
        (("namespace: flights", "properties: " + "[" * 5000), "is no YAML"),
        (("namespace: flights", "!!python/object/apply:os.system ['true']"), "is no YAML"),
    ],
)
def test_files_that_describe_no_table(change: tuple[str, str], said: str) -> None:
    assert change[0] in YAML
    with pytest.raises(ValueError, match=f"(?s){said}"):
        TableConfig.from_yaml(YAML.replace(*change))


@pytest.mark.parametrize(
    "text", ["\n", "- a\n- b\n", "just\ntext\n", "schema: {fields: 5}\n", "schema: {fields: [5]}\n"]
)
def test_files_of_another_shape(text: str) -> None:
    with pytest.raises(ValueError, match=r"describes no table|validation error"):
        TableConfig.from_yaml(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TableConfig.from_yaml(tmp_path / "nothing.yaml")
