"""The storage plugin and the table manager: configuration, catalogs of all kinds, and what cannot be."""

from __future__ import annotations

import logging
import pickle
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from pydantic import BaseModel, SecretStr
from pyiceberg import exceptions
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema

import floe_engine
from floe_core import (
    CatalogConfig,
    CatalogPlugin,
    CatalogUnavailableError,
    ConflictError,
    HealthState,
    IcebergTableManagerConfig,
    NotFoundError,
    PluginConfigurationError,
    RetentionPolicy,
    RetryPolicy,
    SchemaChange,
    TableConfig,
    WriteConfig,
)
from floe_core.plugin_interfaces import StoragePlugin
from floe_iceberg import errors
from floe_iceberg.manager import IcebergTableManager
from floe_iceberg.plugin import IcebergStorageConfig, IcebergStoragePlugin
from floe_iceberg.schema import of_pyiceberg_schema, table_config
from floe_iceberg.stores import LocalStorageConfig, LocalStoragePlugin
from floe_iceberg.table import FloeTable
from testing.base_classes.storage import CONFIG, BaseStoragePluginTests, evolution, read, rows

PARTITIONED = TableConfig.from_yaml(
    """
    namespace: ns
    table_name: partitioned
    schema:
      fields:
        - {name: id, field_type: long, required: true}
        - {name: name, field_type: string}
    partition_spec:
      fields:
        - {source_column: id, transform: bucket, num_buckets: 4}
    sort_order:
      fields:
        - {source_column: name, direction: desc}
    """
)


def sqlite(folder: Path, **more: Any) -> dict[str, Any]:
    catalog = {"name": "t", "type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"file://{folder}/w", **more}
    return {"catalog": catalog}


def configured(folder: Path, **more: Any) -> IcebergStoragePlugin:
    return IcebergStoragePlugin(IcebergStorageConfig.model_validate({**sqlite(folder), **more}))


class PlainCatalogPlugin(CatalogPlugin):
    """A CatalogPlugin as floe has them: ``connect`` gives a PyIceberg catalog, or something with the four methods."""

    name = "plain"
    version = "1.0.0"
    floe_api_version = "1.0"
    fails: ClassVar[Exception | None] = None

    def __init__(self, folder: Path, hidden: bool = False) -> None:
        super().__init__()
        self._folder = folder
        self._hidden = hidden
        self.connected_with: dict[str, Any] = {}

    def connect(self, config: dict[str, Any]) -> Any:
        if self.fails is not None:
            raise self.fails
        self.connected_with = config
        self.catalog = SqlCatalog("plain", uri=f"sqlite:///{self._folder}/c.db", warehouse=f"file://{self._folder}/w")
        return _FourMethods(self.catalog) if self._hidden else self.catalog

    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        self.catalog.create_namespace(namespace, properties or {})

    def list_namespaces(self, parent: str | None = None) -> list[str]:
        return [".".join(levels) for levels in self.catalog.list_namespaces(parent or ())]

    def delete_namespace(self, namespace: str) -> None:
        self.catalog.drop_namespace(namespace)

    def create_table(
        self,
        identifier: str,
        schema: dict[str, Any],
        location: str | None = None,
        properties: dict[str, str] | None = None,
    ) -> None:
        if self.catalog.table_exists(identifier):
            raise ConflictError("table", identifier)
        self.catalog.create_table(
            identifier, Schema.model_validate(schema), location=location, properties=properties or {}
        )

    def list_tables(self, namespace: str) -> list[str]:
        return [".".join(identifier) for identifier in self.catalog.list_tables(namespace)]

    def drop_table(self, identifier: str, purge: bool = False) -> None:
        try:
            self.catalog.drop_table(identifier)
        except exceptions.NoSuchTableError as error:
            raise NotFoundError("table", identifier) from error

    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        return {}


class _FourMethods:
    def __init__(self, catalog: Catalog) -> None:
        self.list_namespaces = catalog.list_namespaces
        self.list_tables = catalog.list_tables
        self.load_table = catalog.load_table
        self.drop_table = catalog.drop_table


class TestOnACatalogPluginOfPyIceberg(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> StoragePlugin:
        return IcebergStoragePlugin(catalog=PlainCatalogPlugin(tmp_path))


class TestOnACatalogPluginOfItsOwnKind(BaseStoragePluginTests):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> StoragePlugin:
        return IcebergStoragePlugin(catalog=PlainCatalogPlugin(tmp_path, hidden=True))


@pytest.fixture(params=["ours", "pyiceberg", "plugin", "plugin of its own kind"])
def plugin(request: pytest.FixtureRequest, tmp_path: Path) -> IcebergStoragePlugin:
    match request.param:
        case "ours":
            return configured(tmp_path)
        case "pyiceberg":
            return IcebergStoragePlugin(catalog=InMemoryCatalog("plain", warehouse=f"file://{tmp_path}/w"))
        case "plugin":
            return IcebergStoragePlugin(catalog=PlainCatalogPlugin(tmp_path))
        case _:
            return IcebergStoragePlugin(catalog=PlainCatalogPlugin(tmp_path, hidden=True))


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("REQ-047")
def test_a_table_is_partitioned_and_sorted_in_any_catalog(plugin: IcebergStoragePlugin) -> None:
    table = plugin.create_table(PARTITIONED)
    assert isinstance(table, FloeTable)
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [("id_bucket", "bucket[4]")]
    assert [str(field.direction) for field in table.sort_order().fields] == ["DESC"]
    plugin.append(table, rows((1, "a"), (2, "b"), (3, "c")))
    assert len(table.inspect.partitions()) > 1


@pytest.mark.requirement("REQ-047")
def test_the_partitions_of_new_rows_are_replaced(plugin: IcebergStoragePlugin) -> None:
    config = table_config("ns.dynamic", pa.schema([("day", pa.int32()), ("n", pa.int64())]))
    spec = {"fields": [{"source_field_id": 1, "partition_field_id": 1000, "name": "day", "transform": "identity"}]}
    config = TableConfig.model_validate({**config.model_dump(), "partition_spec": spec})
    table = plugin.create_table(config)
    days = pa.schema([("day", pa.int32()), ("n", pa.int64())])
    table = plugin.append(table, pa.table([[1, 1, 2], [1, 2, 3]], schema=days))
    table = plugin.write(
        table, pa.table([[1], [9]], schema=days), WriteConfig.model_validate({"mode": "dynamic_overwrite"})
    )
    assert read(plugin, table) == [(1, 9), (2, 3)]


@pytest.mark.requirement("REQ-043")
def test_namespaces_of_several_levels_are_made(tmp_path: Path) -> None:
    plugin = configured(tmp_path)
    plugin.create_table(CONFIG.model_copy(update={"namespace": "raw.eu.berlin"}))
    assert plugin.load_table("raw.eu.berlin.t").name() == ("raw", "eu", "berlin", "t")


@pytest.mark.requirement("REQ-043")
def test_a_pydantic_class_is_a_table(tmp_path: Path) -> None:
    class Address(BaseModel):
        city: str
        zip: str | None = None

    class Customer(BaseModel):
        id: int
        addresses: list[Address]
        tags: dict[str, float] = {}

    plugin = configured(tmp_path)
    config = table_config("ns.customers", Customer, properties={"owner": "ops"})
    assert TableConfig.model_validate_json(config.model_dump_json()) == config
    table = plugin.create_table(config)
    assert (
        str(table.schema().find_type("addresses")) == "list<struct<5: city: required string, 6: zip: optional string>>"
    )
    assert table.properties["owner"] == "ops"
    with pytest.raises(errors.InvalidArgumentError, match="namespace"):
        table_config("customers", Customer)
    number: Any = int
    with pytest.raises(errors.InvalidArgumentError, match="class int is no Pydantic model"):
        table_config("ns.customers", number)


@pytest.mark.requirement("REQ-043")
def test_catalogs_take_every_kind_of_schema_and_both_names_of_a_purge(plugin: IcebergStoragePlugin) -> None:
    class Row(BaseModel):
        id: int

    plugin.create_table(CONFIG)  # and its namespace
    catalog = plugin.catalog
    if not isinstance(catalog, Catalog):
        return
    fields = [{"id": 1, "name": "id", "type": "long", "required": True}]
    for number, schema in enumerate(
        [Row, CONFIG.table_schema, {"type": "struct", "fields": fields}, pa.schema([pa.field("id", pa.int64(), False)])]
    ):
        table: Any = catalog.create_table(f"ns.n{number}", schema)
        assert table.schema().find_field("id").required
        catalog.drop_table(f"ns.n{number}", **({"purge": True} if number % 2 else {"purge_requested": True}))
        assert not Path(table.metadata_location.removeprefix("file://")).exists()
    with pytest.raises(errors.ValidationError, match="no schema as Iceberg's JSON has it"):
        catalog.create_table("ns.wrong", {"fields": [{"field_id": 1}]})


@pytest.mark.requirement("REQ-043")
def test_types_of_format_version_3(tmp_path: Path) -> None:
    plugin = configured(tmp_path)
    config = TableConfig.from_yaml(
        """
        namespace: ns
        table_name: v3
        schema:
          fields:
            - {name: at, field_type: timestamptz_ns}
            - {name: place, field_type: geometry}
            - {name: grade, field_type: string, default: A, required: true}
            - {name: nothing, field_type: unknown}
        properties: {format-version: "3"}
        """
    )
    table = plugin.create_table(config)
    assert str(table.schema().find_type("at")) == "timestamptz_ns"
    assert table.schema().find_field("grade").initial_default == "A"
    with pytest.raises(errors.IcebergError, match="at"):
        plugin.create_table(config.model_copy(update={"table_name": "v2", "properties": {}}))
    assert not plugin.table_exists("ns.v2")


@pytest.mark.requirement("REQ-043")
def test_places_in_any_reference_system(tmp_path: Path) -> None:
    plugin = configured(tmp_path)
    config = TableConfig.from_yaml(
        """
        namespace: ns
        table_name: places
        schema:
          fields:
            - {name: id, field_type: long}
            - {name: here, field_type: geometry, crs: EPSG:3857}
            - {name: there, field_type: geography, crs: EPSG:4326, algorithm: vincenty}
            - {name: near, field_type: list, element: {field_type: geometry, crs: "srid:5"}}
        properties: {format-version: 3}
        """
    )
    table = plugin.create_table(config)
    assert str(table.schema().find_type("here")) == "geometry('EPSG:3857')"
    assert of_pyiceberg_schema(table.schema()).fields[1:3] == config.table_schema.fields[1:3]
    point = bytes.fromhex("0101000000000000000000f03f0000000000000040")
    table = plugin.append(table, pa.table({"id": [1], "here": [point], "there": [point], "near": [[point]]}))
    more = {"field_id": 1, "name": "from", "field_type": "geometry", "crs": "EPSG:3857"}
    plugin.evolve_schema(table, [SchemaChange.model_validate({"change_type": "add_column", "field": more})])
    again = plugin.load_table("ns.places")
    (row,) = plugin.read(again).to_arrow().to_pylist()
    assert row == {"id": 1, "here": point, "there": point, "near": [point], "from": None}
    assert [str(version.schema.find_type("here")) for version in again.schema_history()] == [
        "geometry('EPSG:3857')"
    ] * 2


@pytest.mark.requirement("REQ-043")
def test_a_catalog_plugin_that_does_not_refuse_a_table_that_is_there_does_not_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = PlainCatalogPlugin(tmp_path, hidden=True)
    plugin = IcebergStoragePlugin(catalog=catalog)
    plugin.append(plugin.create_table(PARTITIONED), rows((1, "a"), (2, "b"), (3, None)))
    monkeypatch.setattr(catalog, "create_table", lambda *_arguments: None)  # as if it had made it
    with pytest.raises(errors.TableAlreadyExistsError, match=r"ns\.partitioned"):
        plugin.create_table(PARTITIONED)
    assert plugin.read(plugin.load_table("ns.partitioned")).count() == 3


@pytest.mark.requirement("REQ-043")
def test_a_table_that_cannot_be_leaves_nothing_behind(plugin: IcebergStoragePlugin) -> None:
    wrong = CONFIG.model_copy(update={"namespace": "fresh", "properties": {"format-version": "nine"}})
    with pytest.raises(ValueError, match="nine"):
        plugin.create_table(wrong)
    assert not plugin.namespace_exists("fresh")
    plugin.create_table(CONFIG)  # and the plugin goes on working


@pytest.mark.requirement("REQ-043")
def test_a_table_that_cannot_be_leaves_no_level_of_its_namespace(plugin: IcebergStoragePlugin) -> None:
    wrong = CONFIG.model_copy(update={"namespace": "raw.eu.berlin", "properties": {"format-version": "nine"}})
    with pytest.raises(ValueError, match="nine"):
        plugin.create_table(wrong)
    assert not [name for name in ("raw", "raw.eu", "raw.eu.berlin") if plugin.namespace_exists(name)]


@pytest.mark.requirement("REQ-045")
@pytest.mark.parametrize("days", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_ages_that_no_snapshot_has(tmp_path: Path, days: float) -> None:
    plugin = configured(tmp_path)
    with pytest.raises(errors.ValidationError, match="older_than_days"):
        plugin.expire_snapshots(plugin.create_table(CONFIG), older_than_days=days)
    with pytest.raises(errors.ValidationError, match="two names"):
        plugin.expire_snapshots(plugin.load_table("ns.t"), 7, 1, min_snapshots_to_keep=1)
    with pytest.raises(errors.ValidationError, match="timeout"):
        plugin.health_check(timeout=-1)


def test_a_catalog_that_is_gone_later(tmp_path: Path) -> None:
    class Gone(SqlCatalog):
        away = False

        def load_table(self, identifier: Any) -> Any:
            if self.away:
                raise exceptions.ServiceUnavailableError("503 token=geheim")
            return super().load_table(identifier)

    catalog = Gone("plain", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/w")
    plugin = IcebergStoragePlugin(catalog=catalog)
    plugin.create_table(CONFIG)
    catalog.away = True
    with pytest.raises(CatalogUnavailableError, match=r"that of ns\.t \(ServiceUnavailableError\)"):
        plugin.load_table("ns.t")


def test_what_became_of_a_commit_matters_more_than_a_file_that_is_gone() -> None:
    gone = "ns.t: could not be learnt: s3://b/1.metadata.json: not found"
    for raised in (errors.CommitStateUnknownError(gone), exceptions.CommitStateUnknownException(gone)):
        with pytest.raises(errors.CommitStateUnknownError), errors.as_ours("ns.t"):
            raise raised


@pytest.mark.requirement("REQ-043")
def test_the_configuration_says_what_is_true_of_all_tables(tmp_path: Path) -> None:
    plugin = configured(
        tmp_path,
        retry=RetryPolicy(max_retries=9, min_wait_seconds=0.5),
        retention=RetentionPolicy(older_than_days=2),
        default_table_properties={"owner": "all", "write.format.default": "orc"},
    )
    table = plugin.create_table(CONFIG.model_copy(update={"properties": {"owner": "me"}}))
    assert table.properties == {
        "commit.retry.num-retries": "9",
        "commit.retry.min-wait-ms": "500",
        "history.expire.max-snapshot-age-ms": "172800000",
        "write.format.default": "orc",
        "owner": "me",
    }
    plugin.append(table, rows((1, "a")))
    assert table.inspect.files()["file_format"].to_pylist() == ["ORC"]


@pytest.mark.requirement("REQ-046")
def test_a_table_whose_metadata_is_gone(plugin: IcebergStoragePlugin) -> None:
    table = plugin.create_table(CONFIG)
    metadata = Path(table.metadata_location.removeprefix("file://"))
    metadata.unlink()
    plugin.shutdown()  # which forgets what it has read
    with pytest.raises(
        errors.StaleTableMetadataError, match=r"ns\.t: the catalog has the table, but .* is gone"
    ) as caught:
        plugin.load_table("ns.t")
    assert caught.value.details["reason"] == "stale_table_metadata"
    assert str(caught.value.metadata_location).endswith(metadata.name)
    assert plugin.table_exists("ns.t")
    with pytest.raises(errors.StaleTableMetadataError):
        plugin.create_table(CONFIG, if_not_exists=True)
    plugin.drop_table("ns.t")
    assert read(plugin, plugin.create_table(CONFIG)) == []


@pytest.mark.parametrize("identifier", ["", "t", ".t", "ns.", "a..t", None, 5, ("ns", "t")])
def test_what_names_no_table(tmp_path: Path, identifier: Any) -> None:
    with pytest.raises(errors.ValidationError, match="namespace"):
        configured(tmp_path).load_table(identifier)


def test_what_is_no_table(tmp_path: Path) -> None:
    plugin = configured(tmp_path)
    calls: list[Callable[[Any], object]] = [plugin.read, plugin.list_snapshots, plugin.compact_table]
    calls += [plugin.storage_metrics, plugin.expire_snapshots]
    for call in calls:
        with pytest.raises(errors.ValidationError, match="a str is no table; hand back what"):
            call("ns.t")


def test_configurations_of_the_wrong_kind_are_named(tmp_path: Path) -> None:
    plugin = configured(tmp_path)
    table = plugin.create_table(CONFIG)
    wrong: Any = {"mode": "append"}
    with pytest.raises(errors.InvalidArgumentError, match="config is a dict; it has to be a TableConfig"):
        plugin.create_table(wrong)
    with pytest.raises(errors.InvalidArgumentError, match="config is a dict; it has to be a WriteConfig"):
        plugin.write(table, rows((1, "a")), wrong)
    with pytest.raises(errors.InvalidArgumentError, match="strategy is a dict; it has to be a CompactionStrategy"):
        plugin.compact_table(table, wrong)
    for changes in (5, ["x"]):
        with pytest.raises(errors.InvalidArgumentError, match="SchemaChange"):
            plugin.evolve_schema(table, changes)  # type: ignore[arg-type]


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("REQ-049")
def test_a_merge_commit_merges_manifests_and_leaves_the_properties(plugin: IcebergStoragePlugin) -> None:
    table = plugin.create_table(CONFIG.model_copy(update={"properties": {"commit.manifest.min-count-to-merge": "2"}}))
    for number in range(3):
        plugin.append(table, rows((number, "x")))
    assert len(table.inspect.manifests()) == 3
    plugin.write(table, rows((3, "x")), WriteConfig.model_validate({"commit_strategy": "merge_commit"}))
    assert len(table.inspect.manifests()) == 1
    assert table.properties == {"commit.manifest.min-count-to-merge": "2"}
    assert len(read(plugin, table)) == 4


@pytest.mark.requirement("REQ-049")
def test_a_branch_is_written_to(plugin: IcebergStoragePlugin) -> None:
    table = plugin.append(plugin.create_table(CONFIG), rows((1, "a")))
    table = plugin.write(table, rows((2, "b")), WriteConfig(branch="audit", snapshot_properties={"run": "7"}))
    assert read(plugin, table) == [(1, "a")]
    assert table.scan(ref="audit").count() == 2


@pytest.mark.requirement("REQ-049")
def test_writers_that_are_never_first_are_told_so(plugin: IcebergStoragePlugin) -> None:
    properties = {"commit.retry.num-retries": "1", "commit.retry.min-wait-ms": "1"}
    table = plugin.append(plugin.create_table(CONFIG.model_copy(update={"properties": properties})), rows((1, "a")))
    stale = plugin.load_table("ns.t")
    plugin.write(table, rows((2, "b")), WriteConfig.model_validate({"mode": "overwrite"}))
    with pytest.raises(errors.CommitConflictError) as caught:
        plugin.write(stale, rows((3, "c")), WriteConfig.model_validate({"mode": "overwrite"}))
    assert caught.value.table_identifier == "ns.t"
    assert caught.value.retry_count == 1
    assert read(plugin, plugin.load_table("ns.t")) == [(2, "b")]


@pytest.mark.requirement("REQ-046")
def test_there_is_no_going_back_to_what_was_never_current(plugin: IcebergStoragePlugin) -> None:
    table = plugin.append(plugin.create_table(CONFIG), rows((1, "a")))
    first = plugin.create_snapshot(table)
    table = plugin.write(table, rows((2, "b")), WriteConfig(branch="audit"))
    staged = table.refs()["audit"].snapshot_id
    with pytest.raises(errors.RollbackError, match="never current") as caught:
        plugin.rollback_to_snapshot(table, staged)
    assert caught.value.snapshot_id == staged
    with pytest.raises(errors.SnapshotNotFoundError, match="there is no snapshot 7; list_snapshots"):
        plugin.rollback_to_snapshot(table, 7)
    second = plugin.create_snapshot(plugin.append(table, rows((3, "c"))))
    assert read(plugin, plugin.rollback_to_snapshot(table, first.snapshot_id)) == [(1, "a")]
    assert read(plugin, plugin.rollback_to_snapshot(table, second.snapshot_id)) == [(1, "a"), (3, "c")]


@pytest.mark.requirement("REQ-048")
def test_upkeep_in_any_catalog(plugin: IcebergStoragePlugin) -> None:
    table = plugin.create_table(CONFIG)
    for number in range(6):
        plugin.append(table, rows((number, "x")))
    assert plugin.compact_table(table) == 6
    assert plugin.expire_snapshots(table, older_than_days=-1, keep_last=1) == 6
    assert plugin.storage_metrics(table).data_files == 1
    assert len(read(plugin, table)) == 6


# --- configuration and health -----------------------------------------------------------------------------------------


@pytest.mark.requirement("REQ-041")
def test_arguments_of_the_wrong_kind(tmp_path: Path) -> None:
    wrong: Any
    for wrong in ("sql", {"type": "sql"}, object()):
        with pytest.raises(PluginConfigurationError, match=r"catalog: .* is no PyIceberg catalog and no CatalogPlugin"):
            IcebergStoragePlugin(catalog=wrong)
        with pytest.raises(PluginConfigurationError, match=r"store: .* is no ObjectStorePlugin"):
            IcebergStoragePlugin(store=wrong)
        with pytest.raises(PluginConfigurationError, match="expected IcebergStorageConfig"):
            IcebergStoragePlugin(wrong)


def test_a_secret_that_is_not_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    plugin = configured(tmp_path, catalog={"type": "rest", "uri": "http://x", "credential": {"env": "NOT_SET"}})
    with pytest.raises(PluginConfigurationError, match="the environment variable NOT_SET is not set"):
        plugin.load_table("ns.t")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "http://me:geheim@127.0.0.1:1"])
def test_a_catalog_that_cannot_be_reached(uri: str) -> None:
    config = CatalogConfig(name="far", type="rest", uri=SecretStr(uri), token=SecretStr("geheim"))
    plugin = IcebergStoragePlugin(IcebergStorageConfig(catalog=config, connect_timeout_seconds=20))
    with pytest.raises(CatalogUnavailableError, match=r"127\.0\.0\.1:1.*check its address") as caught:
        plugin.load_table("ns.t")
    assert "geheim" not in f"{caught.value}{caught.value!r}{plugin.config!r}"
    health = plugin.health_check(timeout=20)
    assert health.state is HealthState.UNHEALTHY
    assert health.details["exception_type"] == "CatalogUnavailableError"


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_catalog_that_does_not_answer(never: threading.Event, tmp_path: Path) -> None:
    class Silent(PlainCatalogPlugin):
        def connect(self, config: dict[str, Any]) -> Any:
            never.wait(60)

    plugin = IcebergStoragePlugin(IcebergStorageConfig(connect_timeout_seconds=0.2), catalog=Silent(tmp_path))
    started = time.monotonic()
    with pytest.raises(CatalogUnavailableError, match="plain"):
        plugin.create_table(CONFIG)
    assert plugin.health_check(timeout=0.1).state is HealthState.UNHEALTHY
    assert time.monotonic() - started < 30


def test_a_catalog_plugin_that_returns_no_catalog(tmp_path: Path) -> None:
    class Wrong(PlainCatalogPlugin):
        def connect(self, config: dict[str, Any]) -> Any:
            return "connected"

    with pytest.raises(Exception, match="catalog plugin plain: connect returned a str, no catalog"):
        IcebergStoragePlugin(catalog=Wrong(tmp_path)).load_table("ns.t")


def test_a_plugin_has_its_say_in_how_files_are_reached(tmp_path: Path) -> None:
    class Polaris(PlainCatalogPlugin):
        """The server says an endpoint that only it can reach."""

        def load_table_with_client_endpoint(self, identifier: str) -> Any:
            table = self.catalog.load_table(identifier)
            table.config = {"s3.endpoint": "http://inside:9000", "s3.region": "here"}
            table.io.properties["s3.endpoint"] = "http://outside:9000"
            return table

    plugin = IcebergStoragePlugin(catalog=Polaris(tmp_path))
    plugin.create_table(CONFIG)
    table = plugin.load_table("ns.t")
    assert table.config == {"s3.endpoint": "http://outside:9000", "s3.region": "here"}
    assert table.refresh().config["s3.endpoint"] == "http://outside:9000"
    assert read(plugin, plugin.append(table, rows((1, "a")))) == [(1, "a")]


def test_health_is_that_of_the_store_too(tmp_path: Path) -> None:
    store = LocalStoragePlugin(LocalStorageConfig(path=tmp_path / "file"))
    plugin = IcebergStoragePlugin(IcebergStorageConfig.model_validate(sqlite(tmp_path)), store=store)
    assert plugin.health_check(timeout=30).details["store"] == "ok"
    (tmp_path / "file").touch()
    status = plugin.health_check(timeout=30)
    assert (status.state, status.details["catalog"]) == (HealthState.UNHEALTHY, "ok")
    assert status.details["store"] == "PluginConfigurationError"


def test_tables_go_to_the_store_where_the_catalog_has_no_warehouse(tmp_path: Path) -> None:
    store = LocalStoragePlugin(LocalStorageConfig(path=tmp_path / "lake"))
    catalog = InMemoryCatalog("plain")
    del catalog.properties["warehouse"]
    table = IcebergStoragePlugin(catalog=catalog, store=store).create_table(CONFIG)
    assert table.location() == f"file://{tmp_path}/lake/warehouse/ns/t"


class FloesOwnStore:
    """As floe's S3 plugin is: it does not ask whether credentials do."""

    name = "s3"

    def __init__(self, folder: Path) -> None:
        self._store = LocalStoragePlugin(LocalStorageConfig(path=folder))

    def get_pyiceberg_fileio(self) -> Any:
        return self._store.get_pyiceberg_fileio()

    def get_warehouse_uri(self, namespace: str) -> str:
        return self._store.get_warehouse_uri(namespace)

    def get_pyiceberg_catalog_config(self) -> dict[str, str]:
        return {"s3.region": "here", "warehouse": "elsewhere"}


def test_a_store_that_is_floes_own(tmp_path: Path) -> None:
    store: Any = FloesOwnStore(tmp_path)
    catalog = InMemoryCatalog("plain", warehouse=f"file://{tmp_path}/w")
    plugin = IcebergStoragePlugin(catalog=catalog, store=store)
    assert plugin.health_check(timeout=30).details["store"] == "ok"
    assert plugin.catalog.properties["s3.region"] == "here"
    assert plugin.catalog.properties["warehouse"] == f"file://{tmp_path}/w"  # the catalog's own wins
    assert "s3.region" not in catalog.properties
    assert read(plugin, plugin.append(plugin.create_table(CONFIG), rows((1, "a")))) == [(1, "a")]
    assert IcebergTableManager(PlainCatalogPlugin(tmp_path), store).fileio


def test_a_catalog_in_memory_that_a_plugin_makes_is_the_callers(tmp_path: Path) -> None:
    class InMemory(PlainCatalogPlugin):
        def connect(self, config: dict[str, Any]) -> Any:
            return InMemoryCatalog("plain", warehouse=f"file://{tmp_path}/w")

    plugin = IcebergStoragePlugin(catalog=InMemory(tmp_path))
    table = plugin.append(plugin.create_table(CONFIG), rows((1, "a")))
    assert plugin.health_check(timeout=30).state is HealthState.HEALTHY
    assert read(plugin, plugin.append(table, rows((2, "b")))) == [(1, "a"), (2, "b")]


def test_operations_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugin = configured(tmp_path)
    with caplog.at_level(logging.INFO, "floe_iceberg"):
        plugin.append(plugin.create_table(CONFIG), rows((1, "a")))
        with pytest.raises(errors.NoSuchTableError):
            plugin.load_table("ns.missing")
    said = [(r.__dict__["operation"], r.__dict__["table_identifier"], r.__dict__["outcome"]) for r in caplog.records]
    assert ("lifecycle.create_table", "ns.t", "success") in said
    assert ("write_data", "ns.t", "success") in said
    assert ("lifecycle.load_table", "ns.missing", "NoSuchTableError") in said


# --- the manager ------------------------------------------------------------------------------------------------------


def manager(folder: Path, **config: Any) -> IcebergTableManager:
    store = LocalStoragePlugin(LocalStorageConfig(path=folder))
    made = IcebergTableManager(PlainCatalogPlugin(folder), store, IcebergTableManagerConfig(**config))
    made.catalog.create_namespace("ns")
    return made


@pytest.mark.requirement("REQ-043")
def test_the_manager_makes_tables_in_namespaces_that_are_there(tmp_path: Path) -> None:
    tables = manager(tmp_path, max_commit_retries=7, default_table_properties={"owner": "all"})
    with pytest.raises(errors.NoSuchNamespaceError, match="nowhere"):
        tables.create_table(CONFIG.model_copy(update={"namespace": "nowhere"}))
    assert not tables.table_exists("ns.t")
    assert not tables.table_exists("t")
    table = tables.create_table(PARTITIONED)
    assert table.properties["commit.retry.num-retries"] == "7"
    assert table.properties["commit.retry.min-wait-ms"] == "1000"
    assert table.properties["history.expire.min-snapshots-to-keep"] == "10"
    assert table.properties["owner"] == "all"
    assert table.spec().fields
    assert tables.create_table(PARTITIONED, if_not_exists=True).location() == table.location()
    with pytest.raises(errors.TableAlreadyExistsError):
        tables.create_table(PARTITIONED)
    tables.drop_table("ns.partitioned")
    with pytest.raises(errors.NoSuchTableError):
        tables.load_table("ns.partitioned")


@pytest.mark.requirement("REQ-049")
def test_the_manager_writes_as_it_is_configured(tmp_path: Path) -> None:
    merging = {"commit.manifest.min-count-to-merge": "2"}
    tables = manager(tmp_path, default_commit_strategy="merge_commit", default_table_properties=merging)
    table = tables.create_table(CONFIG)
    for number in range(3):
        table = tables.write_data(table, rows((number, "x")))
    assert len(table.inspect.manifests()) == 1
    fast = WriteConfig.model_validate({"commit_strategy": "fast_append"})
    assert len(tables.write_data(table, rows((3, "x")), fast).inspect.manifests()) == 2
    upsert = WriteConfig(mode="upsert", join_columns=("id",))
    table = tables.write_data(table, rows((3, "new")), upsert)
    assert table.scan("id = 3").to_arrow()["name"].to_pylist() == ["new"]
    assert table.scan().count() == 4
    replace = WriteConfig(mode="overwrite", overwrite_filter="id = 3")
    assert tables.write_data(table, rows((9, "x")), replace).scan().count() == 4
    added = [snapshot.added_records for snapshot in tables.list_snapshots(table)]
    assert added[-3:] == [1, 1, 1]


@pytest.mark.requirement("REQ-045")
def test_the_manager_expires_by_the_table_then_by_its_configuration(tmp_path: Path) -> None:
    tables = manager(tmp_path, min_snapshots_to_keep=2)
    table = tables.create_table(CONFIG)
    for number in range(5):
        table = tables.write_data(table, rows((number, "x")))
    assert tables.expire_snapshots(table) == 0  # none is seven days old
    assert tables.expire_snapshots(table, older_than_days=-1) == 3  # and two stay
    assert tables.expire_snapshots(table, older_than_days=-1, keep_last=1) == 1
    assert table.scan().count() == 5


@pytest.mark.requirement("REQ-044")
def test_the_manager_changes_columns_and_goes_back(tmp_path: Path) -> None:
    tables = manager(tmp_path)
    table = tables.write_data(tables.create_table(CONFIG), rows((1, "a")))
    drop = {"change_type": "delete_column", "source_column": "name"}
    with pytest.raises(errors.IncompatibleSchemaChangeError) as caught:
        tables.evolve_schema(table, evolution(drop))
    assert (caught.value.change_type, caught.value.table_identifier) == ("delete_column", "ns.t")
    assert isinstance(caught.value, errors.SchemaEvolutionError)
    assert tables.evolve_schema(table, evolution(drop, allow=True)).schema().column_names == ["id"]
    first = tables.list_snapshots(table)[0]
    table = tables.write_data(table, rows((2, "b")).select(["id"]))
    assert tables.rollback_to_snapshot(table, first.snapshot_id).scan().count() == 1


@pytest.mark.requirement("REQ-048")
def test_the_manager_compacts(tmp_path: Path) -> None:
    tables = manager(tmp_path)
    table = tables.create_table(CONFIG)
    for number in range(6):
        table = tables.write_data(table, rows((number, "x")))
    shutil.rmtree(Path(table.location().removeprefix("file://")) / "data")
    with pytest.raises(errors.CompactionError, match="compaction failed") as caught:
        tables.compact_table(table)
    assert (caught.value.table_identifier, caught.value.strategy) == ("ns.t", "bin_pack")


@pytest.mark.parametrize("mode", ["strict", "repair"])
def test_the_manager_makes_a_table_anew_whose_metadata_is_gone(tmp_path: Path, mode: str) -> None:
    tables = manager(tmp_path, stale_table_recovery_mode=mode)
    table = tables.create_table(CONFIG)
    Path(table.metadata_location.removeprefix("file://")).unlink()
    if mode == "repair":
        assert tables.create_table(CONFIG, if_not_exists=True).scan().count() == 0
        return
    with pytest.raises(errors.StaleTableMetadataError) as caught:
        tables.create_table(CONFIG, if_not_exists=True)
    assert caught.value.recovery_mode == "strict"


def test_the_manager_needs_two_plugins(tmp_path: Path) -> None:
    store = LocalStoragePlugin(LocalStorageConfig(path=tmp_path))
    with pytest.raises(TypeError, match="catalog_plugin is a str, which has no connect and no name"):
        IcebergTableManager("polaris", store)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="storage_plugin is a object, which has no get_pyiceberg_fileio and no name"):
        IcebergTableManager(PlainCatalogPlugin(tmp_path), object())  # type: ignore[arg-type]


def test_the_manager_connects_the_catalog_with_what_it_is_told(tmp_path: Path) -> None:
    catalog = PlainCatalogPlugin(tmp_path)
    store = LocalStoragePlugin(LocalStorageConfig(path=tmp_path))
    config = IcebergTableManagerConfig(catalog_connection_config={"warehouse": "demo", "token": "geheim"})
    IcebergTableManager(catalog, store, config)
    assert catalog.connected_with == {"warehouse": "demo", "token": "geheim"}
    assert "geheim" not in repr(config)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("REQ-041")
def test_errors_are_floes_the_engines_and_pyicebergs_at_once() -> None:
    theirs = exceptions
    for ours, others in {
        errors.NoSuchTableError: (errors.TableError, theirs.NoSuchTableError, floe_engine.NoSuchTable, NotFoundError),
        errors.TableAlreadyExistsError: (errors.TableError, theirs.TableAlreadyExistsError, ConflictError),
        errors.InvalidArgumentError: (errors.ValidationError, theirs.ValidationError, floe_engine.InvalidArgument),
        errors.CommitFailedError: (errors.CommitConflictError, errors.WriteError, theirs.CommitFailedException),
        errors.IncompatibleSchemaChangeError: (errors.SchemaEvolutionError, ValueError),
        errors.SnapshotNotFoundError: (errors.SnapshotError, NotFoundError),
        errors.CatalogUnavailableError: (CatalogUnavailableError, theirs.ServiceUnavailableError),
    }.items():
        assert all(issubclass(ours, other) for other in (*others, errors.IcebergError))
    gone = pickle.loads(pickle.dumps(errors.CatalogUnavailableError("http://x", TimeoutError())))
    assert (str(gone), gone.catalog_uri) == (str(CatalogUnavailableError("http://x", TimeoutError())), "http://x")
    assert str(errors.IcebergError("no space", {"volume": "/data"})) == "no space (volume=/data)"
