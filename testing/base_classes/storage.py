"""What every StoragePlugin satisfies, whatever its tables are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from floe_core import (
    ConflictError,
    HealthStatus,
    NotFoundError,
    NotSupportedError,
    SchemaChange,
    SchemaEvolution,
    SchemaField,
    SnapshotInfo,
    StoragePlugin,
    TableConfig,
    TableSchema,
    WriteConfig,
)
from floe_core.version_compat import is_compatible

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
CONFIG = TableConfig(
    namespace="ns",
    table_name="t",
    table_schema=TableSchema.model_validate(
        {
            "fields": [
                {"field_id": 1, "name": "id", "field_type": "long", "required": True},
                {"field_id": 2, "name": "name", "field_type": "string"},
            ]
        }
    ),
)


def rows(*pairs: tuple[int, str | None]) -> pa.Table:
    """Rows of the tests' table."""
    return pa.table([[pair[0] for pair in pairs], [pair[1] for pair in pairs]], schema=SCHEMA)


def evolution(*changes: dict[str, Any], allow: bool = False) -> SchemaEvolution:
    """Changes of columns."""
    return SchemaEvolution.model_validate({"changes": changes, "allow_incompatible_changes": allow})


class BaseStoragePluginTests:
    """A subclass gives a plugin with no tables. What the contract leaves open may be refused, but then wholly.

    Example:
        >>> class TestMine(BaseStoragePluginTests):  # doctest: +SKIP
        ...     @pytest.fixture
        ...     def plugin(self) -> StoragePlugin:
        ...         return MyPlugin()
    """

    @pytest.fixture
    def plugin(self) -> StoragePlugin:
        """A plugin that works, without tables."""
        raise NotImplementedError("a subclass gives the plugin")

    # --- itself ---

    @pytest.mark.requirement("REQ-041")
    def test_it_says_what_it_is(self, plugin: StoragePlugin) -> None:
        assert plugin.name
        assert len(plugin.version.split(".")) == 3
        assert is_compatible(plugin.floe_api_version)
        assert isinstance(plugin.description, str)
        assert isinstance(plugin.dependencies, list)

    @pytest.mark.requirement("REQ-041")
    def test_it_is_made_without_arguments_started_and_stopped(self, plugin: StoragePlugin) -> None:
        bare = type(plugin)()
        bare.startup()
        bare.shutdown()
        bare.shutdown()

    @pytest.mark.requirement("REQ-041")
    def test_it_says_how_it_is(self, plugin: StoragePlugin) -> None:
        assert isinstance(plugin.health_check(timeout=30), HealthStatus)

    # --- tables ---

    @pytest.mark.requirement("REQ-043")
    def test_a_table_is_made_and_found(self, plugin: StoragePlugin) -> None:
        assert not plugin.table_exists("ns.t")
        table = plugin.create_table(CONFIG)
        assert plugin.table_exists("ns.t")
        assert read(plugin, table) == []
        assert pa.table(plugin.read(plugin.load_table("ns.t"))).column_names == ["id", "name"]

    @pytest.mark.requirement("REQ-043")
    def test_a_table_is_made_once(self, plugin: StoragePlugin) -> None:
        plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        with pytest.raises(ConflictError, match=r"ns\.t"):
            plugin.create_table(CONFIG)
        assert read(plugin, plugin.create_table(CONFIG, if_not_exists=True)) == [(1, "a")]

    @pytest.mark.requirement("REQ-043")
    def test_a_table_that_is_not_there(self, plugin: StoragePlugin) -> None:
        for name in ("ns.missing", "nowhere.missing"):
            with pytest.raises(NotFoundError, match="missing"):
                plugin.load_table(name)

    @pytest.mark.requirement("REQ-043")
    def test_a_table_is_dropped(self, plugin: StoragePlugin) -> None:
        plugin.create_table(CONFIG)
        if not refuses(lambda: plugin.drop_table("ns.t")):
            assert not plugin.table_exists("ns.t")
            with pytest.raises(NotFoundError):
                plugin.drop_table("ns.t")
            assert read(plugin, plugin.create_table(CONFIG)) == []

    # --- rows ---

    @pytest.mark.requirement("REQ-049")
    def test_rows_are_added(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        table = plugin.append(table, rows((2, None)), snapshot_properties={"run": "7"})
        assert read(plugin, table) == read(plugin, plugin.load_table("ns.t")) == [(1, "a"), (2, None)]

    @pytest.mark.requirement("REQ-049")
    def test_rows_come_from_any_arrow_stream_and_by_name(self, plugin: StoragePlugin) -> None:
        table = plugin.create_table(CONFIG)
        table = plugin.write(table, pa.RecordBatchReader.from_batches(SCHEMA, rows((1, "a")).to_batches()))
        table = plugin.write(table, rows((2, "b")).select(["name", "id"]))
        table = plugin.write(table, rows((3, None)).select(["id"]))
        assert read(plugin, table) == [(1, "a"), (2, "b"), (3, None)]

    @pytest.mark.requirement("REQ-049")
    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(pa.table({"name": ["a"]}), id="a required column is missing"),
            pytest.param(pa.table({"id": [2], "name": ["b"], "more": [1]}), id="a column that the table lacks"),
            pytest.param(pa.table({"id": ["two"], "name": ["b"]}), id="a column of another type"),
            pytest.param("id,name\n2,b", id="no stream"),
        ],
    )
    def test_rows_that_do_not_fit_change_nothing(self, plugin: StoragePlugin, data: Any) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        with pytest.raises(ValueError, match=r"."):
            plugin.write(table, data)
        assert read(plugin, plugin.load_table("ns.t")) == [(1, "a")]

    @pytest.mark.requirement("REQ-049")
    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            pytest.param({"mode": "overwrite"}, [(2, "new"), (3, "c")], id="all"),
            pytest.param(
                {"mode": "overwrite", "overwrite_filter": "id = 2"}, [(1, "a"), (2, "new"), (3, "c")], id="filtered"
            ),
            pytest.param({"mode": "upsert", "join_columns": ["id"]}, [(1, "a"), (2, "new"), (3, "c")], id="upsert"),
        ],
    )
    def test_rows_are_replaced(
        self, plugin: StoragePlugin, config: dict[str, Any], expected: list[tuple[int, str]]
    ) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a"), (2, "b")))
        if refuses(lambda: plugin.write(table, rows((2, "new"), (3, "c")), WriteConfig.model_validate(config))):
            expected = [(1, "a"), (2, "b")]
        assert read(plugin, plugin.load_table("ns.t")) == expected

    @pytest.mark.requirement("REQ-049")
    def test_rows_are_deleted(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a"), (2, "b")))
        refused = refuses(lambda: plugin.delete(table, "id = 1"))
        assert read(plugin, plugin.load_table("ns.t")) == ([(1, "a"), (2, "b")] if refused else [(2, "b")])

    @pytest.mark.requirement("REQ-042")
    def test_columns_and_rows_are_selected(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a"), (2, "b")))
        assert pa.table(plugin.read(table, columns=["name"])).column_names == ["name"]
        with pytest.raises(ValueError, match="nothing"):
            plugin.read(table, columns=["nothing"])
        found: list[Any] = []
        if not refuses(lambda: found.extend(pa.table(plugin.read(table, row_filter="id > 1")).to_pylist())):
            assert found == [{"id": 2, "name": "b"}]

    # --- columns ---

    @pytest.mark.requirement("REQ-044")
    def test_a_column_is_added(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        gate = SchemaField.model_validate({"field_id": 1, "name": "gate", "field_type": "string"})
        changes = [SchemaChange.model_validate({"change_type": "add_column", "field": gate})]
        changed: list[Any] = []
        if refuses(lambda: changed.append(plugin.evolve_schema(table, changes))):
            return
        assert pa.table(plugin.read(changed[0])).to_pylist() == [{"id": 1, "name": "a", "gate": None}]
        assert pa.table(plugin.read(plugin.load_table("ns.t"))).column_names == ["id", "name", "gate"]

    @pytest.mark.requirement("REQ-044")
    def test_changes_of_columns_are_all_made_or_none(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        gate = {"change_type": "add_column", "field": {"field_id": 1, "name": "gate", "field_type": "string"}}
        missing = {"change_type": "rename_column", "source_column": "nothing", "new_name": "x"}
        with pytest.raises((ValueError, NotSupportedError)):
            plugin.evolve_schema(table, evolution(gate, missing))
        assert pa.table(plugin.read(plugin.load_table("ns.t"))).column_names == ["id", "name"]

    @pytest.mark.requirement("REQ-044")
    def test_a_column_is_deleted_only_if_that_is_allowed(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        drop = {"change_type": "delete_column", "source_column": "name"}
        with pytest.raises((ValueError, NotSupportedError)):
            plugin.evolve_schema(table, evolution(drop))
        refused = refuses(lambda: plugin.evolve_schema(table, evolution(drop, allow=True)))
        names = pa.table(plugin.read(plugin.load_table("ns.t"))).column_names
        assert names == (["id", "name"] if refused else ["id"])

    # --- snapshots ---

    @pytest.mark.requirement("REQ-045")
    def test_a_state_is_named_and_looked_at_later(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        named = plugin.create_snapshot(table, "one-row")
        assert isinstance(named, SnapshotInfo)
        table = plugin.write(plugin.load_table("ns.t"), rows((2, "b")))
        assert sorted_rows(plugin.read(table, snapshot_id=named.snapshot_id)) == [(1, "a")]
        assert read(plugin, table) == [(1, "a"), (2, "b")]
        with pytest.raises(ConflictError, match="one-row"):
            plugin.create_snapshot(table, "one-row")

    @pytest.mark.requirement("REQ-045")
    def test_a_table_without_a_state_gets_one(self, plugin: StoragePlugin) -> None:
        table = plugin.create_table(CONFIG)
        began = plugin.create_snapshot(table)
        table = plugin.write(plugin.load_table("ns.t"), rows((1, "a")))
        assert sorted_rows(plugin.read(table, snapshot_id=began.snapshot_id)) == []

    @pytest.mark.requirement("REQ-045")
    def test_an_empty_state_changes_no_rows(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        first = plugin.create_snapshot(table)
        made = plugin.create_snapshot(plugin.load_table("ns.t"), "release", empty=True)
        assert made.snapshot_id != first.snapshot_id
        assert read(plugin, plugin.load_table("ns.t")) == [(1, "a")]

    @pytest.mark.requirement("REQ-046")
    def test_a_state_that_is_not_there(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        with pytest.raises(NotFoundError, match="12345"):
            plugin.read(table, snapshot_id=12345)

    @pytest.mark.requirement("REQ-046")
    def test_a_table_goes_back(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        first = plugin.create_snapshot(table)
        table = plugin.write(plugin.load_table("ns.t"), rows((2, "b")))
        refused = refuses(lambda: plugin.rollback_to_snapshot(table, first.snapshot_id))
        assert read(plugin, plugin.load_table("ns.t")) == ([(1, "a"), (2, "b")] if refused else [(1, "a")])
        if not refused:
            with pytest.raises(NotFoundError, match="12345"):
                plugin.rollback_to_snapshot(plugin.load_table("ns.t"), 12345)

    @pytest.mark.requirement("REQ-045")
    def test_states_are_listed_the_newest_first(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        first = plugin.create_snapshot(table)
        table = plugin.write(plugin.load_table("ns.t"), rows((2, "b")))
        listed: list[SnapshotInfo] = []
        if not refuses(lambda: listed.extend(plugin.list_snapshots(table))):
            assert [snapshot.snapshot_id for snapshot in listed][-1] == first.snapshot_id
            assert len(listed) == 2

    # --- upkeep ---

    @pytest.mark.requirement("REQ-048")
    def test_upkeep_loses_no_row(self, plugin: StoragePlugin) -> None:
        table = plugin.create_table(CONFIG)
        for number in range(6):
            table = plugin.write(table, rows((number, "x")))
        refuses(lambda: plugin.compact_table(table))
        refuses(lambda: plugin.expire_snapshots(plugin.load_table("ns.t"), older_than_days=0.000001, keep_last=1))
        assert read(plugin, plugin.load_table("ns.t")) == [(number, "x") for number in range(6)]

    @pytest.mark.requirement("REQ-050")
    def test_what_is_stored_is_measured(self, plugin: StoragePlugin) -> None:
        table = plugin.write(plugin.create_table(CONFIG), rows((1, "a")))
        measured: list[Any] = []
        if not refuses(lambda: measured.append(plugin.storage_metrics(table))):
            assert measured[0].records == 1


def sorted_rows(stream: Any) -> list[tuple[Any, ...]]:
    """The rows of an Arrow stream, in order."""
    return sorted((tuple(row.values()) for row in pa.table(stream).to_pylist()), key=repr)


def read(plugin: StoragePlugin, table: Any) -> list[tuple[Any, ...]]:
    """All rows of a table, in order."""
    return sorted_rows(plugin.read(table))


def refuses(call: Callable[[], object]) -> bool:
    """Whether the plugin says, by the contract's error, that it does not do this."""
    try:
        call()
    except NotSupportedError:
        return True
    return False
