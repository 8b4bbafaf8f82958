"""floe's storage plugin: Iceberg tables in a catalog of :mod:`floe_iceberg.catalog`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pyiceberg.table.snapshots import Snapshot

import floe_engine
from floe_core.models import CompactionStrategy, SchemaEvolution, TableConfig
from floe_core.plugin_errors import PluginConfigurationError
from floe_core.plugin_interfaces import StoragePlugin
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_iceberg.catalog import FloeCatalog, load_catalog
from floe_iceberg.errors import InvalidArgumentError, TableAlreadyExistsError
from floe_iceberg.metrics import StorageMetrics
from floe_iceberg.partition import to_pyiceberg_spec
from floe_iceberg.schema import evolve_schema, to_pyiceberg_schema
from floe_iceberg.table import FloeTable


class IcebergStorageConfig(BaseModel):
    """Which catalog the plugin's tables are in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalog_name: str | None = Field(default=None, description="None: the configured default catalog.")
    catalog_properties: dict[str, str] = Field(
        default_factory=dict, repr=False, description="As PyIceberg's load_catalog takes them."
    )


class IcebergStoragePlugin(StoragePlugin):
    """Iceberg tables, made, found and filled by the native engine.

    Without a configuration it uses the default catalog, which without any configuration is the embedded one.

    Args:
        config: Which catalog to use.
        catalog: The catalog itself, instead of a configuration.

    Example:
        >>> plugin = IcebergStoragePlugin()
        >>> table = plugin.create_table(config, if_not_exists=True)  # doctest: +SKIP
        >>> plugin.append(table, rows).scan().count()  # doctest: +SKIP

    Raises:
        PluginConfigurationError: Both a configuration and a catalog are given.
    """

    def __init__(self, config: IcebergStorageConfig | None = None, *, catalog: FloeCatalog | None = None) -> None:
        super().__init__()
        if config is not None and catalog is not None:
            problem = {
                "field": "catalog",
                "message": "give a configuration or a catalog, not both",
                "type": "value_error",
            }
            raise PluginConfigurationError(self.name, [problem])
        self._config = config
        self._catalog = catalog

    def _unusable(self, field: str, message: str) -> PluginConfigurationError:
        return PluginConfigurationError(self.name, [{"field": field, "message": message, "type": "value_error"}])

    @property
    def name(self) -> str:
        return "iceberg"

    @property
    def version(self) -> str:
        return "0.1.0"

    @property
    def floe_api_version(self) -> str:
        return "1.0"

    @property
    def description(self) -> str:
        return "Apache Iceberg tables on floe's native engine"

    @property
    def tracer_name(self) -> str:
        return "floe.storage.iceberg"

    def get_config_schema(self) -> type[IcebergStorageConfig]:
        return IcebergStorageConfig

    def configure(self, config: BaseModel | None) -> None:
        """Take a configuration; the catalog is opened anew when it is needed next.

        Raises:
            PluginConfigurationError: The configuration is of another model.
        """
        if config is not None and not isinstance(config, IcebergStorageConfig):
            problem = {
                "field": "",
                "message": f"expected IcebergStorageConfig, not {type(config).__name__}",
                "type": "type",
            }
            raise PluginConfigurationError(self.name, [problem])
        super().configure(config)
        self._catalog = None

    @property
    def catalog(self) -> FloeCatalog:
        """The catalog that the tables are in."""
        if self._catalog is None:
            config = self._config if isinstance(self._config, IcebergStorageConfig) else IcebergStorageConfig()
            self._catalog = load_catalog(config.catalog_name, **config.catalog_properties)
        return self._catalog

    def create_table(self, config: TableConfig, *, if_not_exists: bool = False) -> FloeTable:
        """Make a table, and its namespace if there is none.

        Raises:
            TableAlreadyExistsError: It is there, and ``if_not_exists`` is false.
            InvalidArgumentError: The schema, the partitioning or a property cannot be.
        """
        self.catalog.create_namespace_if_not_exists(config.namespace)
        try:
            return self.catalog.create_table(
                config.identifier,
                to_pyiceberg_schema(config.table_schema),
                location=config.location,
                partition_spec=to_pyiceberg_spec(config.partition_spec),
                properties=config.properties,
            )
        except TableAlreadyExistsError:
            if not if_not_exists:
                raise
            return self.load_table(config.identifier)

    def load_table(self, identifier: str) -> FloeTable:
        """Find a table.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        return self.catalog.load_table(identifier)

    def append(self, table: FloeTable, data: Any, *, snapshot_properties: Mapping[str, str] | None = None) -> FloeTable:
        """Add rows to a table as one snapshot, in bounded memory.

        Raises:
            InvalidArgumentError: The rows do not fit the table; the message lists every column that does not.
            CommitFailedError: Other writers were first, again and again.
        """
        table.append(data, snapshot_properties=snapshot_properties or {})
        return table

    def drop_table(self, identifier: str) -> None:
        """Forget a table. Its files stay.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        self.catalog.drop_table(identifier)

    def evolve_schema(self, table: FloeTable, changes: SchemaEvolution) -> FloeTable:
        """Change a table's columns as one commit. No file is rewritten; older snapshots keep their schemas.

        Example:
            >>> from floe_core import SchemaChange, SchemaEvolution
            >>> wider = SchemaChange(change_type="widen_type", source_column="distance", target_type="long")
            >>> plugin.evolve_schema(table, SchemaEvolution(changes=(wider,)))  # doctest: +SKIP

        Raises:
            IncompatibleSchemaChangeError: A column is deleted, or a required one added, and that is not allowed.
            InvalidArgumentError: A change cannot be: there is no such column, or its type would get narrower.
            ConflictFoundError: Another writer changed the schema meanwhile.
        """
        with table.update_schema(changes.allow_incompatible_changes) as update:
            evolve_schema(update, changes, table._full_name)
        return table

    def create_snapshot(self, table: FloeTable, name: str | None = None, *, empty: bool = False) -> Snapshot:
        """Name the table's state as it is now, by a tag.

        Args:
            table: The table, which moves to its current state.
            name: The tag's name, which must not be there; None: the snapshot gets none.
            empty: Make a snapshot of its own for it, which changes no rows. So it is without a name, and for a table
                that has no snapshot yet.

        Returns:
            The snapshot.

        Raises:
            AlreadyExists: There is a branch or tag of that name.
            CommitFailedError: Another writer was first.
        """
        current = table.refresh().current_snapshot()
        if name is not None and name in table.refs():
            raise floe_engine.AlreadyExists(f"{table._full_name}: there is a branch or tag {name} already")
        if name is None or empty or current is None:
            table.manage_snapshots().create_snapshot(name).commit()
            current = table.current_snapshot()
        else:
            table.manage_snapshots().create_tag(current.snapshot_id, name).commit()
        assert current is not None
        return current

    def expire_snapshots(
        self,
        table: FloeTable,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        *,
        min_snapshots_to_keep: int | None = None,
    ) -> int:
        """Forget old snapshots, and remove the files that only they have.

        :meth:`FloeMaintenance.expire_snapshots` says more of what it did, and can say beforehand what it would do.

        Args:
            table: The table, which moves to its current state.
            older_than_days: How old a snapshot has to be. None: ``history.expire.max-snapshot-age-ms``, or five days.
            keep_last: How many of each branch's snapshots stay, however old they are. None:
                ``history.expire.min-snapshots-to-keep``, or one.
            min_snapshots_to_keep: The same, by another name.

        Returns:
            How many snapshots went.

        Example:
            >>> plugin.expire_snapshots(table, older_than_days=7, keep_last=10)  # doctest: +SKIP
            90

        Raises:
            InvalidArgumentError: Both names are given, less than one snapshot is to stay, or the table's files may be
                another table's (``gc.enabled`` = false).
            CommitFailedError: Other writers were first, again and again.
        """
        if keep_last is not None and min_snapshots_to_keep is not None:
            raise InvalidArgumentError("keep_last and min_snapshots_to_keep are two names of one argument: give one")
        older_than = None
        if older_than_days is not None:
            older_than = dt.datetime.now(dt.UTC) - dt.timedelta(days=older_than_days)
        result = table.maintenance.expire_snapshots(
            older_than=older_than, retain_last=min_snapshots_to_keep if keep_last is None else keep_last
        )
        return len(result.snapshots)

    def compact_table(self, table: FloeTable, strategy: CompactionStrategy | None = None) -> int:
        """Make fewer and larger files of a table's small ones. Nothing calls it but the caller.

        :meth:`FloeMaintenance.rewrite_data_files` has more options, and says more of what it did.

        Args:
            table: The table, which moves to its current state.
            strategy: How. None: bin-packing into files of the size that the table asks for.

        Returns:
            How many files were rewritten.

        Example:
            >>> plugin.compact_table(table)  # doctest: +SKIP
            500

        Raises:
            InvalidArgumentError: There is no column to sort by of that name.
            ConflictFoundError: Others changed rows of the files meanwhile. Nothing has changed.
        """
        table.refresh()
        if strategy is None:
            return table.maintenance.rewrite_data_files().rewritten_data_files_count
        columns = strategy.sort_columns or ()
        result = table.maintenance.rewrite_data_files(
            sort_order=", ".join(f"`{column}`" for column in columns) or None,
            options={
                "target-file-size-bytes": strategy.target_file_size_bytes,
                "max-concurrent-file-group-rewrites": strategy.max_concurrent_file_group_rewrites,
            },
        )
        return result.rewritten_data_files_count

    def storage_metrics(self, table: FloeTable) -> StorageMetrics:
        """What a table stores now, what keeping older snapshots costs, and how it grew. Reads metadata only.

        Example:
            >>> plugin.storage_metrics(table).reclaimable_bytes  # doctest: +SKIP
            1204381
        """
        return table.refresh().storage_metrics()

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        """Whether the catalog answers within ``timeout`` seconds."""
        started = time.monotonic()
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="floe-health")
        try:
            pool.submit(lambda: self.catalog.list_namespaces()).result(timeout)
        except Exception as error:
            # TimeoutError included. The message of an engine's error carries no secret; that of another might.
            raised = {"exception_type": type(error).__name__}
            return HealthStatus(HealthState.UNHEALTHY, "the catalog does not answer", raised)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        details = {"response_time_ms": round((time.monotonic() - started) * 1000, 3)}
        return HealthStatus(HealthState.HEALTHY, "the catalog answers", details)
