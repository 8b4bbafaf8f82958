"""floe's table manager: the storage plugin under the names and with the arguments that floe's own manager has.

>>> manager = IcebergTableManager(catalog_plugin, store_plugin)  # doctest: +SKIP
>>> table = manager.create_table(config, if_not_exists=True)  # doctest: +SKIP
>>> manager.write_data(table, rows, WriteConfig(mode="upsert", join_columns=["id"]))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.table import Table

import floe_engine
from floe_core.models import (
    CompactionStrategy,
    IcebergTableManagerConfig,
    SchemaEvolution,
    SnapshotInfo,
    StaleTableRecoveryMode,
    TableConfig,
    WriteConfig,
)
from floe_core.plugins.catalog import CatalogPlugin
from floe_core.plugins.storage import ObjectStorePlugin
from floe_iceberg.errors import (
    CompactionError,
    InvalidArgumentError,
    NoSuchNamespaceError,
    StaleTableMetadataError,
)
from floe_iceberg.plugin import IcebergStorageConfig, IcebergStoragePlugin
from floe_iceberg.table import FloeTable


class IcebergTableManager:
    """Tables of one catalog, whose files are in one store.

    It differs from the plugin in this: namespaces have to be there, a configuration of its own says what tables are
    made with and how writes are committed, and a table whose metadata is gone can be made anew.

    Args:
        catalog_plugin: Where tables are registered. It is connected with the store's properties and with
            ``config.catalog_connection_config``.
        storage_plugin: Where files are.
        config: How the manager behaves.

    Raises:
        TypeError: A plugin lacks what the manager needs of it.
        CatalogUnavailableError: The catalog cannot be reached.
    """

    def __init__(
        self,
        catalog_plugin: CatalogPlugin,
        storage_plugin: ObjectStorePlugin,
        config: IcebergTableManagerConfig | None = None,
    ) -> None:
        _check("catalog_plugin", catalog_plugin, "connect", "name")
        _check("storage_plugin", storage_plugin, "get_pyiceberg_fileio", "name")
        self._config = config or IcebergTableManagerConfig()
        self._fileio = storage_plugin.get_pyiceberg_fileio()
        self._plugin = IcebergStoragePlugin(
            IcebergStorageConfig(
                retry=self._config.retry,
                retention=self._config.retention,
                default_table_properties=self._config.default_table_properties,
            ),
            catalog=catalog_plugin,
            store=storage_plugin,
            connect_with=self._config.catalog_connection_config,
        )
        self._catalog: Catalog = self._plugin.catalog

    @property
    def catalog(self) -> Catalog:
        """The catalog, connected."""
        return self._catalog

    @property
    def fileio(self) -> FileIO:
        """PyIceberg's access to the store. The engine has its own."""
        return self._fileio  # type: ignore[return-value]

    @property
    def config(self) -> IcebergTableManagerConfig:
        """How the manager behaves."""
        return self._config

    @property
    def plugin(self) -> IcebergStoragePlugin:
        """The storage plugin, which does the work."""
        return self._plugin

    # --- tables ---

    def create_table(self, config: TableConfig, if_not_exists: bool = False) -> FloeTable:
        """Make a table in a namespace that is there.

        Raises:
            NoSuchNamespaceError: The namespace is not there.
            TableAlreadyExistsError: The table is, and ``if_not_exists`` is false.
            StaleTableMetadataError: It is, ``if_not_exists`` is true, its metadata is gone, and the configuration's
                recovery mode is strict.
        """
        if not self._plugin.namespace_exists(config.namespace):
            raise NoSuchNamespaceError(
                f"namespace {config.namespace} does not exist; make it before its tables", config.namespace
            )
        try:
            return self._plugin.create_table(config, if_not_exists=if_not_exists)
        except StaleTableMetadataError as error:
            error.recovery_mode = str(self._config.stale_table_recovery_mode)
            if self._config.stale_table_recovery_mode is StaleTableRecoveryMode.STRICT:
                raise
        self._plugin.drop_table(config.identifier)  # its registration alone
        return self._plugin.create_table(config, if_not_exists=True)

    def load_table(self, identifier: str) -> FloeTable:
        """Find a table.

        Raises:
            NoSuchTableError: There is none of that name.
            StaleTableMetadataError: The catalog has it, and its metadata is gone.
            ValidationError: The identifier has no namespace.
        """
        return self._plugin.load_table(identifier)

    def table_exists(self, identifier: str) -> bool:
        """Whether there is such a table. False for what names none."""
        return "." in identifier and self._plugin.table_exists(identifier)

    def drop_table(self, identifier: str, purge: bool = False) -> None:
        """Forget a table. Its files stay, unless it is purged.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        self._plugin.drop_table(identifier, purge=purge)

    def evolve_schema(self, table: Table, evolution: SchemaEvolution) -> FloeTable:
        """Change a table's columns as one commit.

        Raises:
            IncompatibleSchemaChangeError: A column is deleted, or a required one added, and that is not allowed.
            ValidationError: A change cannot be.
        """
        return self._plugin.evolve_schema(table, evolution)

    # --- rows and snapshots ---

    def write_data(self, table: Table, data: Any, config: WriteConfig | None = None) -> FloeTable:
        """Change a table's rows as one snapshot.

        Raises:
            ValidationError: The rows do not fit the table, or the filter or a join column cannot be.
            CommitConflictError: Other writers were first, again and again, or contradict the change.
        """
        config = config or WriteConfig()
        if "commit_strategy" not in config.model_fields_set:
            config = config.model_copy(update={"commit_strategy": self._config.default_commit_strategy})
        return self._plugin.write(table, data, config)

    def list_snapshots(self, table: Table) -> list[SnapshotInfo]:
        """The table's snapshots, the newest first."""
        return self._plugin.list_snapshots(table)

    def rollback_to_snapshot(self, table: Table, snapshot_id: int) -> FloeTable:
        """Make a snapshot that was current once the current one again.

        Raises:
            SnapshotNotFoundError: There is no such snapshot.
            RollbackError: It was never current.
        """
        return self._plugin.rollback_to_snapshot(table, snapshot_id)

    def expire_snapshots(
        self,
        table: Table,
        older_than_days: int | None = None,
        keep_last: int | None = None,
        *,
        min_snapshots_to_keep: int | None = None,
    ) -> int:
        """Forget old snapshots, and remove the files that only they have.

        Args:
            table: The table, which moves to its current state.
            older_than_days: How old a snapshot has to be. None: as the table's properties say, else the configuration.
            keep_last: How many of each branch's snapshots stay. None: likewise.
            min_snapshots_to_keep: The same, by another name.

        Returns:
            How many snapshots went.
        """
        return self._plugin.expire_snapshots(
            table, older_than_days, keep_last, min_snapshots_to_keep=min_snapshots_to_keep
        )

    def compact_table(self, table: Table, strategy: CompactionStrategy | None = None) -> int:
        """Make fewer and larger files of a table's small ones.

        Returns:
            How many files were rewritten.

        Raises:
            CompactionError: It could not be done; the cause says why.
            ValidationError: There is no column to sort by of that name.
        """
        try:
            return self._plugin.compact_table(table, strategy)
        except InvalidArgumentError:
            raise
        except (floe_engine.Error, NotImplementedError) as error:
            kind = str((strategy or CompactionStrategy()).strategy_type)
            raise CompactionError(f"compaction failed: {error}", ".".join(table.name()), kind) from error


def _check(argument: str, plugin: object, *names: str) -> None:
    missing = [name for name in names if not hasattr(plugin, name)]
    if missing:
        raise TypeError(f"{argument} is a {type(plugin).__name__}, which has no {' and no '.join(missing)}")
