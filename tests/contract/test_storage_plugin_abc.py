"""What every StoragePlugin satisfies, asked of ours, of one on PyIceberg alone, and of the documentation's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.catalog.sql import SqlCatalog

import floe_engine
from floe_core import (
    CatalogConfig,
    CompactionStrategy,
    FieldType,
    HealthState,
    NotSupportedError,
    PluginConfigurationError,
    SchemaEvolution,
    SchemaField,
    StoragePlugin,
    TableConfig,
    TableSchema,
)
from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.errors import IncompatibleSchemaChangeError, InvalidArgumentError
from floe_iceberg.plugin import IcebergStorageConfig, IcebergStoragePlugin
from testing.base_classes import BaseStoragePluginTests
from tests.contract.pyiceberg_plugin import PlainPyIcebergPlugin

CONFIG = TableConfig(
    namespace="ns",
    table_name="t",
    table_schema=TableSchema(
        fields=(
            SchemaField(field_id=1, name="id", field_type=FieldType.LONG, required=True),
            SchemaField(field_id=2, name="price", field_type=FieldType.DECIMAL, precision=9, scale=2),
        )
    ),
)
ROWS = pa.table({"id": [1, 2]}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False)]))


def iceberg(folder: Path) -> IcebergStoragePlugin:
    properties = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    return IcebergStoragePlugin(
        IcebergStorageConfig(catalog=CatalogConfig.model_validate({"name": "plugin", **properties}))
    )


def of_the_documentation() -> type[StoragePlugin]:
    """The plugin that docs/write-your-own-storage-plugin.md shows."""
    text = (Path(__file__).parents[2] / "docs/write-your-own-storage-plugin.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, "write-your-own-storage-plugin.md", "exec"), names)
    plugin: type[StoragePlugin] = names["InMemoryPlugin"]
    return plugin


class TestIceberg(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> StoragePlugin:
        return iceberg(tmp_path)


class TestIcebergOnPyIcebergsCatalog(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> StoragePlugin:
        catalog = SqlCatalog("plain", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
        return IcebergStoragePlugin(catalog=catalog)


class TestPlainPyIceberg(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> StoragePlugin:
        return PlainPyIcebergPlugin(InMemoryCatalog("plain", warehouse=f"file://{tmp_path}"))


class TestOfTheDocumentation(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self) -> StoragePlugin:
        return of_the_documentation()()


@pytest.mark.requirement("REQ-041")
def test_an_incomplete_plugin_cannot_be_made() -> None:
    class Incomplete(StoragePlugin):
        pass

    with pytest.raises(TypeError, match=r"create_snapshot.*create_table.*evolve_schema.*load_table.*read.*write"):
        Incomplete()  # type: ignore[abstract]


@pytest.mark.requirement("REQ-045")
def test_iceberg_snapshots_are_named_or_made(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.create_table(CONFIG)
    began = plugin.create_snapshot(table, "began")
    plugin.append(table, ROWS)
    named = plugin.create_snapshot(plugin.load_table("ns.t"), "two-rows")
    assert named == plugin.list_snapshots(table)[0]
    made = plugin.create_snapshot(table, "release", empty=True)
    assert made.parent_snapshot_id == named.snapshot_id
    assert plugin.create_snapshot(table) == made
    refs = {name: ref.snapshot_id for name, ref in table.refs().items() if name != "main"}
    assert refs == {"began": began.snapshot_id, "two-rows": named.snapshot_id, "release": made.snapshot_id}
    assert [table.scan(ref=name).count() for name in ("began", "two-rows", "release")] == [0, 2, 2]
    with pytest.raises(floe_engine.AlreadyExists, match="release"):
        plugin.create_snapshot(table, "release")


@pytest.mark.requirement("REQ-045")
def test_iceberg_snapshots_expire(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.create_table(CONFIG)
    for _ in range(4):
        plugin.append(table, ROWS)
    assert plugin.expire_snapshots(table) == 0
    assert plugin.expire_snapshots(table, older_than_days=7) == 0
    assert plugin.expire_snapshots(table, older_than_days=-1, keep_last=3) == 1
    assert plugin.expire_snapshots(table, older_than_days=-1, min_snapshots_to_keep=2) == 1
    assert len(table.snapshots()) == 2
    assert table.scan().count() == 8
    with pytest.raises(InvalidArgumentError, match="two names"):
        plugin.expire_snapshots(table, 7, 1, min_snapshots_to_keep=1)


@pytest.mark.requirement("REQ-048")
def test_iceberg_tables_are_compacted(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.create_table(CONFIG)
    for _ in range(6):
        plugin.append(table, ROWS)
    before = table.scan().to_arrow()
    assert plugin.compact_table(table) == 6
    assert plugin.compact_table(table) == 0
    column = before.column_names[0]
    by_column = CompactionStrategy(strategy_type="sort", sort_columns=[column], target_file_size_bytes=1 << 20)
    for _ in range(5):
        plugin.append(table, ROWS)
    assert plugin.compact_table(table, by_column) == 6
    rows = table.scan().to_arrow()
    assert rows.num_rows == 11 * ROWS.num_rows
    assert rows[column].to_pylist() == sorted(rows[column].to_pylist())
    with pytest.raises(InvalidArgumentError, match="no column nowhere"):
        plugin.compact_table(table, CompactionStrategy(strategy_type="sort", sort_columns=["nowhere"]))


def evolution(*changes: dict[str, Any], allow: bool = False) -> SchemaEvolution:
    return SchemaEvolution.model_validate({"changes": changes, "allow_incompatible_changes": allow})


@pytest.mark.requirement("REQ-044")
def test_iceberg_columns_change_as_one_commit(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.append(plugin.create_table(CONFIG), ROWS)
    before = table.current_snapshot()
    gate = {
        "field_id": 1,
        "name": "gate",
        "field_type": "decimal",
        "precision": 4,
        "scale": 1,
        "doc": "where it leaves",
    }
    changes = evolution(
        {"change_type": "add_column", "field": gate},
        {"change_type": "rename_column", "old_name": "price", "new_name": "fare"},
        {
            "change_type": "widen_type",
            "column_name": "price",
            "new_type": "decimal",
            "target_precision": 18,
            "target_scale": 2,
        },
        {"change_type": "make_optional", "source_column": "id"},
        {"change_type": "update_doc", "source_column": "id", "new_doc": "of the flight"},
    )
    assert plugin.evolve_schema(table, changes) is table
    columns = {field.name: (str(field.field_type), field.required, field.doc) for field in table.schema().fields}
    assert columns == {
        "id": ("long", False, "of the flight"),
        "fare": ("decimal(18, 2)", False, None),
        "gate": ("decimal(4, 1)", False, "where it leaves"),
    }
    assert table.current_snapshot() == before
    assert len(table.schema_history()) == 2
    assert plugin.load_table("ns.t").scan().to_arrow().to_pydict() == {
        "id": [1, 2],
        "fare": [None] * 2,
        "gate": [None] * 2,
    }


@pytest.mark.requirement("REQ-044")
def test_iceberg_columns_go_only_when_that_is_allowed(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.create_table(CONFIG)
    doc = {"change_type": "update_doc", "source_column": "id", "new_doc": "changed"}
    drop = {"change_type": "delete_column", "source_column": "price"}
    gate = {
        "change_type": "add_column",
        "field": {"field_id": 3, "name": "gate", "field_type": "int", "required": True},
    }
    with pytest.raises(
        IncompatibleSchemaChangeError, match=r"ns\.t: deleting column price .*allow_incompatible_changes"
    ):
        plugin.evolve_schema(table, evolution(doc, drop))
    with pytest.raises(IncompatibleSchemaChangeError, match=r"ns\.t: required column gate"):
        plugin.evolve_schema(table, evolution(doc, gate))
    with pytest.raises(InvalidArgumentError, match="nothing"):
        plugin.evolve_schema(table, evolution(doc, {**drop, "source_column": "nothing"}, allow=True))
    with pytest.raises(InvalidArgumentError, match="id"):
        plugin.evolve_schema(
            table, evolution(doc, {"change_type": "widen_type", "source_column": "id", "target_type": "double"})
        )
    assert [field.doc for field in plugin.load_table("ns.t").schema().fields] == [None, None]
    plugin.evolve_schema(table, evolution(drop, gate, allow=True))
    assert [field.name for field in plugin.load_table("ns.t").schema().fields] == ["id", "gate"]


def test_what_a_plugin_need_not_do_says_so() -> None:
    plugin = of_the_documentation()()
    calls: list[Callable[[], object]] = [
        lambda: plugin.delete("ns.t", "true"),
        lambda: plugin.list_snapshots("ns.t"),
        lambda: plugin.rollback_to_snapshot("ns.t", 1),
        lambda: plugin.expire_snapshots("ns.t"),
        lambda: plugin.compact_table("ns.t"),
        lambda: plugin.storage_metrics("ns.t"),
    ]
    for call in calls:
        with pytest.raises(NotSupportedError, match="in-memory does not support"):
            call()
    assert plugin.health_check().state is HealthState.HEALTHY


def test_iceberg_rows_and_properties_arrive(tmp_path: Path) -> None:
    plugin = iceberg(tmp_path)
    table = plugin.append(plugin.create_table(CONFIG), ROWS, snapshot_properties={"run": "7"})
    assert plugin.load_table("ns.t").scan().to_arrow().column("id").to_pylist() == [1, 2]
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["run"] == "7"
    plugin.drop_table("ns.t")
    assert not plugin.catalog.table_exists("ns.t")


def test_health_is_that_of_the_catalog(tmp_path: Path) -> None:
    assert iceberg(tmp_path).health_check(timeout=30).state is HealthState.HEALTHY
    uri = f"sqlite:///{tmp_path}/no/such/folder/c.db"
    nowhere = IcebergStorageConfig(catalog=CatalogConfig.model_validate({"name": "x", "uri": uri, "warehouse": "/w"}))
    status = IcebergStoragePlugin(nowhere).health_check()
    assert status.state is HealthState.UNHEALTHY
    assert status.details["exception_type"] == "CatalogUnavailableError"


def test_configuration_of_the_wrong_kind(tmp_path: Path) -> None:
    catalog = FloeCatalog("x", type="in-memory", warehouse=f"file://{tmp_path}")
    with pytest.raises(PluginConfigurationError, match="not both"):
        IcebergStoragePlugin(IcebergStorageConfig(catalog=CatalogConfig(name="y")), catalog=catalog)
    with pytest.raises(PluginConfigurationError, match="expected IcebergStorageConfig, not TableConfig"):
        IcebergStoragePlugin().configure(CONFIG)


def test_configuration_is_not_printed() -> None:
    config = CatalogConfig.model_validate({"uri": "postgresql://u:hunter2@host/db", "properties": {"token": "hunter2"}})
    secret = IcebergStorageConfig(catalog=config)
    assert "hunter2" not in repr(secret)
