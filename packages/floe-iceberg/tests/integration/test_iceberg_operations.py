"""What the storage plugin does to tables, one story after the other, on a folder and on an S3 server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from floe_core import PluginType, SchemaChange, StoragePlugin, TableConfig, WriteConfig
from floe_core.plugin_registry import PluginRegistry
from floe_iceberg.errors import NoSuchTableError
from floe_iceberg.plugin import IcebergStoragePlugin
from testing.base_classes.storage import CONFIG, BaseStoragePluginTests, evolution, read, rows
from testing.fixtures.storage import StorageConnection, StorageTestConfig, storage_connection_context


@pytest.fixture
def storage(local_storage: StorageTestConfig) -> Iterator[StorageConnection]:
    with storage_connection_context(local_storage) as connection:
        yield connection


def write_config(**fields: Any) -> WriteConfig:
    return WriteConfig.model_validate(fields)


FLIGHTS = """
namespace: flights
table_name: departures
schema:
  fields:
    - {name: flight_id, field_type: long, required: true}
    - {name: carrier, field_type: string}
    - {name: day, field_type: date}
    - {name: fare, field_type: decimal, precision: 9, scale: 2}
  identifier_fields: [flight_id]
partition_spec:
  fields:
    - {source_column: day, transform: month}
sort_order:
  fields:
    - {source_column: carrier}
"""


@pytest.mark.requirement("REQ-043")
@pytest.mark.requirement("REQ-044")
@pytest.mark.requirement("REQ-045")
@pytest.mark.requirement("REQ-046")
@pytest.mark.requirement("REQ-047")
@pytest.mark.requirement("REQ-048")
def test_the_life_of_a_table(storage: StorageConnection) -> None:
    plugin = storage.plugin
    config = TableConfig.from_yaml(FLIGHTS).model_copy(update={"namespace": storage.namespace})
    table = plugin.create_table(config)
    schema = table.schema().as_arrow()

    def flights(*values: tuple[int, str, int, str]) -> pa.Table:
        import decimal

        columns = [
            [value[0] for value in values],
            [value[1] for value in values],
            [value[2] for value in values],
            [decimal.Decimal(value[3]) for value in values],
        ]
        days = pa.array(columns[2], pa.int32()).cast(pa.date32())
        return pa.table([columns[0], columns[1], days, columns[3]], names=schema.names).cast(schema)

    table = plugin.append(table, flights((1, "UA", 0, "9.50"), (2, "AA", 40, "8.00")))
    began = plugin.create_snapshot(table, "began")
    assert began.added_records == 2
    table = plugin.write(
        table,
        flights((2, "AA", 40, "7.00"), (3, "B6", 41, "5.00")),
        write_config(mode="upsert", join_columns=["flight_id"]),
    )
    assert sorted(pa.table(plugin.read(table, columns=["flight_id"]))["flight_id"].to_pylist()) == [1, 2, 3]
    table = plugin.write(table, flights((9, "DL", 45, "1.00")), write_config(mode="dynamic_overwrite"))  # February
    assert sorted(pa.table(plugin.read(table))["flight_id"].to_pylist()) == [1, 9]
    wider = {"change_type": "widen_type", "source_column": "fare", "target_type": "decimal"}
    changes = evolution(
        {**wider, "target_precision": 18, "target_scale": 2},
        {"change_type": "rename_column", "source_column": "carrier", "new_name": "airline"},
    )
    table = plugin.evolve_schema(table, changes)
    assert pa.table(plugin.read(table, row_filter="airline = 'UA'"))["flight_id"].to_pylist() == [1]
    old = pa.table(plugin.read(table, snapshot_id=began.snapshot_id))
    assert sorted(old["flight_id"].to_pylist()) == [1, 2]
    table = plugin.rollback_to_snapshot(table, began.snapshot_id)
    assert sorted(pa.table(plugin.read(table))["flight_id"].to_pylist()) == [1, 2]
    table = plugin.delete(table, "flight_id = 2")
    assert plugin.storage_metrics(table).records == 1
    assert plugin.expire_snapshots(table, older_than_days=-1, keep_last=1) >= 1
    assert [snapshot.snapshot_id for snapshot in plugin.list_snapshots(table)][-1] == began.snapshot_id  # it has a tag
    plugin.drop_table(config.identifier, purge=True)
    with pytest.raises(NoSuchTableError):
        plugin.load_table(config.identifier)


@pytest.mark.requirement("REQ-049")
def test_writers_at_once_lose_nothing(storage: StorageConnection) -> None:
    config = CONFIG.model_copy(update={"namespace": storage.namespace})
    storage.plugin.create_table(config)
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(5):
                table = storage.plugin.load_table(config.identifier)
                storage.plugin.append(table, rows((worker * 100 + number, "x")))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = [(worker * 100 + number, "x") for worker in range(4) for number in range(5)]
    assert read(storage.plugin, storage.plugin.load_table(config.identifier)) == sorted(expected, key=repr)


@pytest.mark.requirement("REQ-041")
def test_the_registry_makes_and_configures_the_plugin(tmp_path: Path) -> None:
    registry = PluginRegistry()
    registry.discover_all()
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"file://{tmp_path}/w", "name": "r"}
    registry.configure(PluginType.STORAGE, "iceberg", {"catalog": catalog, "retry": {"max_retries": 9}})
    plugin = registry.activate_plugin(PluginType.STORAGE, "iceberg")
    assert isinstance(plugin, IcebergStoragePlugin)
    assert plugin.create_table(CONFIG).properties == {"commit.retry.num-retries": "9"}
    assert registry.health_check_all(timeout=30)["STORAGE:iceberg"].details["catalog"] == "ok"
    assert registry.shutdown_all() == {"STORAGE:iceberg": None}


# --- what is told of them --------------------------------------------------------------------------------------------


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


@pytest.mark.requirement("REQ-050")
def test_every_operation_is_a_span_with_floes_names(storage: StorageConnection, spans: InMemorySpanExporter) -> None:
    plugin, name = storage.plugin, f"{storage.namespace}.t"
    table = plugin.create_table(CONFIG.model_copy(update={"namespace": storage.namespace}))
    table = plugin.load_table(name)
    for number in range(5):
        table = plugin.append(table, rows((number, "x"), (number + 10, "y")))
    plugin.list_snapshots(table)
    plugin.read(table)
    assert plugin.table_exists(name)
    plugin.evolve_schema(table, [SchemaChange.model_validate({"change_type": "make_optional", "source_column": "id"})])
    plugin.rollback_to_snapshot(table, plugin.create_snapshot(table, "now").snapshot_id)
    plugin.compact_table(table)
    plugin.expire_snapshots(table, older_than_days=-1, keep_last=2)
    plugin.delete(table, "id = 1")
    plugin.storage_metrics(table)
    plugin.drop_table(name)
    expected: dict[str, dict[str, object]] = {
        "iceberg.lifecycle.create_table": {"operation": "create", "table.namespace": storage.namespace},
        "iceberg.lifecycle.load_table": {"operation": "load"},
        "iceberg.lifecycle.drop_table": {"operation": "drop", "table.purge": False},
        "iceberg.write_data": {"write.mode": "append", "commit.strategy": "fast_append", "iceberg.records.added": 2},
        "iceberg.delete_data": {"iceberg.records.removed": 10, "iceberg.records.added": 9},
        "iceberg.schema.evolve_schema": {"operation": "evolve_schema", "changes.count": 1},
        "iceberg.lifecycle.table_exists": {"operation": "exists"},
        "iceberg.read_data": {},
        "iceberg.snapshot.list_snapshots": {},
        "iceberg.snapshot.create_snapshot": {},
        "iceberg.snapshot.rollback": {},
        "iceberg.snapshot.expire_snapshots": {"retention.keep_last": 2},
        "iceberg.compaction.compact_table": {"strategy.type": "bin_pack", "files.rewritten": 5},
        "iceberg.storage_metrics": {},
    }
    found = by_name(spans)
    for span, attributes in expected.items():
        said = dict(found[span].attributes or {})
        assert said["table.identifier"] == name
        assert said["floe.namespace"] == storage.namespace
        assert {key: said.get(key) for key in attributes} == attributes, span
    assert found["iceberg.append"].parent is not None
    assert "target.snapshot_id" in (found["iceberg.snapshot.rollback"].attributes or {})


@pytest.mark.requirement("REQ-050")
def test_rows_and_bytes_are_counted(storage: StorageConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    from floe_iceberg import telemetry

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)
    meter = provider.get_meter("test")
    for attribute, name in (("_ROWS", "rows"), ("_BYTES", "bytes"), ("_OPERATIONS", "operations")):
        monkeypatch.setattr(telemetry, attribute, meter.create_counter(name))
    plugin = storage.plugin
    table = plugin.create_table(CONFIG.model_copy(update={"namespace": storage.namespace}))
    table = plugin.append(table, rows((1, "a"), (2, "b"), (3, "c")))
    plugin.write(table, rows((1, "a")), write_config(mode="overwrite"))
    with pytest.raises(NoSuchTableError):
        plugin.load_table(f"{storage.namespace}.missing")
    data = reader.get_metrics_data()
    assert data is not None
    counted = {
        (metric.name, *sorted(str(value) for value in (point.attributes or {}).values())): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if hasattr(point, "value")
    }
    assert counted["rows", "added", "write_data"] == 4
    assert counted["rows", "removed", "write_data"] == 3
    assert counted["bytes", "added", "write_data"] > 0
    assert counted["operations", "NoSuchTableError", "lifecycle.load_table"] == 1


class TestOnS3(BaseStoragePluginTests):
    """All of the contract, on tables whose files the engine reads and writes in S3."""

    @pytest.fixture
    def plugin(self, s3_storage: StorageTestConfig) -> Iterator[StoragePlugin]:
        with storage_connection_context(s3_storage) as connection:
            yield connection.plugin


@pytest.mark.slow
class TestOnGCS(BaseStoragePluginTests):
    """The same in Google Cloud Storage."""

    @pytest.fixture
    def plugin(self, gcs_storage: StorageTestConfig) -> Iterator[StoragePlugin]:
        with storage_connection_context(gcs_storage) as connection:
            yield connection.plugin


@pytest.mark.slow
class TestOnAzureBlob(BaseStoragePluginTests):
    """The same in Azure Blob Storage."""

    @pytest.fixture
    def plugin(self, azure_storage: StorageTestConfig) -> Iterator[StoragePlugin]:
        with storage_connection_context(azure_storage) as connection:
            yield connection.plugin
