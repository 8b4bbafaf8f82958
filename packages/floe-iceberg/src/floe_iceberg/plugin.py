"""floe's storage plugin: Iceberg tables, made, found, filled and kept small by the engine."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pydantic import BaseModel, Field
from pyiceberg.catalog import Catalog
from pyiceberg.table import ALWAYS_TRUE, Table
from pyiceberg.table.refs import MAIN_BRANCH

from floe_core.models import (
    CatalogConfig,
    CommitStrategy,
    CompactionStrategy,
    RetentionPolicy,
    RetryPolicy,
    SchemaChange,
    SchemaEvolution,
    SnapshotInfo,
    TableConfig,
    WriteConfig,
    WriteMode,
)
from floe_core.models.base import ModelWithSecrets
from floe_core.plugin_errors import NotSupportedError, PluginConfigurationError
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugins.catalog import CatalogPlugin
from floe_core.plugins.lifecycle import DEFAULT_HEALTH_CHECK_TIMEOUT, timing, within
from floe_core.plugins.storage import ObjectStorePlugin, StoragePlugin
from floe_iceberg.accelerated import accelerate
from floe_iceberg.catalog import load_catalog
from floe_iceberg.compaction import execute_compaction
from floe_iceberg.errors import (
    AlreadyExistsError,
    CatalogUnavailableError,
    CommitConflictError,
    InvalidArgumentError,
    RollbackError,
    SnapshotNotFoundError,
    StaleTableMetadataError,
    TableAlreadyExistsError,
    as_ours,
    is_out_of_reach,
)
from floe_iceberg.metrics import StorageMetrics
from floe_iceberg.partition import to_pyiceberg_sort_order, to_pyiceberg_spec
from floe_iceberg.registration import Registration, registration_of
from floe_iceberg.scan import FloeScan
from floe_iceberg.schema import evolve_schema, to_pyiceberg_schema
from floe_iceberg.secrets import without_password
from floe_iceberg.table import FloeTable
from floe_iceberg.telemetry import count_rows, operation

_MERGES_MANIFESTS = "commit.manifest-merge.enabled"
_RETRIES = "commit.retry.num-retries"
_DEFAULT_RETRIES = "4"  # the engine's
_OPENING = threading.Lock()
_HEALTH_FILE = "floe-health-check"  # is never there; whoever is asked for it has to look

_M = TypeVar("_M", bound=BaseModel)


class IcebergStorageConfig(ModelWithSecrets):
    """Where the plugin's tables are, and what is true of all tables that it makes."""

    catalog: CatalogConfig = Field(default=CatalogConfig(), description="The catalog that tables are in.")
    retry: RetryPolicy = Field(default=RetryPolicy(), description="Of tables to be made: how commits are retried.")
    retention: RetentionPolicy = Field(
        default=RetentionPolicy(),
        description="Which snapshots an expiry keeps: of tables to be made, and of those that do not say.",
    )
    default_table_properties: dict[str, str] = Field(
        default_factory=dict, description="Of tables to be made. What their TableConfig says wins."
    )
    connect_timeout_seconds: float = Field(default=30, gt=0, le=600, description="For opening the catalog.")

    @property
    def table_properties(self) -> dict[str, str]:
        """What tables are made with, unless their TableConfig says otherwise."""
        return self.retry.to_table_properties() | self.retention.to_table_properties() | self.default_table_properties


class IcebergStoragePlugin(StoragePlugin):
    """Iceberg tables, made, found, filled, read, changed and kept small by the native engine.

    Its tables are PyIceberg tables (:class:`~floe_iceberg.table.FloeTable`). Without arguments it uses PyIceberg's
    default catalog, which without any configuration is the embedded one. Nothing is connected before it is needed.

    Args:
        config: The catalog, and what is true of all tables.
        catalog: The catalog itself, in the place of a configured one: any PyIceberg catalog, or a CatalogPlugin, which
            is connected with the store's properties and those of ``config.catalog``.
        store: Where files are: how the catalog and the engine reach them, and where tables go if the catalog has no
            warehouse.
        connect_with: What a CatalogPlugin is connected with besides.

    Example:
        >>> plugin = IcebergStoragePlugin()
        >>> table = plugin.create_table(config, if_not_exists=True)  # doctest: +SKIP
        >>> plugin.append(table, rows).scan().count()  # doctest: +SKIP

    Raises:
        PluginConfigurationError: An argument is of the wrong kind, or both a catalog and a configured one are given.
    """

    def __init__(
        self,
        config: IcebergStorageConfig | None = None,
        *,
        catalog: Catalog | CatalogPlugin | None = None,
        store: ObjectStorePlugin | None = None,
        connect_with: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(catalog, Catalog) and config is not None and config.catalog != CatalogConfig():
            raise self._unusable("catalog", "give a catalog or the configuration of one, not both")
        if catalog is not None and not isinstance(catalog, Catalog) and not _has(catalog, "connect", "name"):
            raise self._unusable("catalog", f"{type(catalog).__name__} is no PyIceberg catalog and no CatalogPlugin")
        if store is not None and not _has(store, "get_pyiceberg_fileio", "name"):
            raise self._unusable("store", f"{type(store).__name__} is no ObjectStorePlugin")
        self._given = catalog
        self._store = store
        self._connect_with = dict(connect_with or {})
        self._registration: Registration | None = None
        self.configure(config)

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
            raise self._unusable("config", f"expected IcebergStorageConfig, not {type(config).__name__}")
        super().configure(config)
        self._registration = None

    def shutdown(self) -> None:
        """Let go of the catalog; it is opened anew when it is needed next."""
        self._registration = None

    @property
    def config(self) -> IcebergStorageConfig:
        """What the plugin is configured with."""
        return self._config if isinstance(self._config, IcebergStorageConfig) else IcebergStorageConfig()

    @property
    def catalog(self) -> Any:
        """The catalog that the tables are in, connected: PyIceberg's, unless a plugin has another kind."""
        return self._registered().catalog

    def _registered(self) -> Registration:
        if self._registration is None:
            try:
                properties = self.config.catalog.to_pyiceberg_properties()
            except LookupError as error:
                raise self._unusable("catalog", str(error)) from None
            opened = self._open(_access(self._store), properties)
            with _OPENING:  # of two threads that opened it, one is second
                self._registration = self._registration or opened
        return self._registration

    def _open(self, access: dict[str, str], properties: dict[str, str]) -> Registration:
        def connect() -> Registration:
            catalog = self._given or load_catalog(self.config.catalog.name, **{**access, **properties})
            return registration_of(catalog, access, {**properties, **self._connect_with})

        try:
            opened = within(self.config.connect_timeout_seconds, connect)
            return connect() if _is_of_one_thread(opened.catalog) else opened
        except Exception as error:
            if not is_out_of_reach(error):
                raise
            where = self._given.name if self._given is not None else self.config.catalog.name or "default"
            where = without_password(properties["uri"]) if "uri" in properties else where
            raise CatalogUnavailableError(where, error) from error

    # --- tables ---

    def create_table(self, config: TableConfig, *, if_not_exists: bool = False) -> FloeTable:
        """Make a table, and its namespace if there is none.

        Example:
            >>> plugin.create_table(TableConfig.from_yaml("departures.yaml"))  # doctest: +SKIP
            >>> plugin.create_table(table_config("flights.departures", Flight))  # doctest: +SKIP

        Raises:
            TableAlreadyExistsError: It is there, and ``if_not_exists`` is false.
            InvalidArgumentError: The schema, the partitioning or a property cannot be. Nothing was made.
        """
        _check_model("config", config, TableConfig)
        registration = self._registered()
        made: list[str] = []
        try:
            if not registration.namespace_exists(config.namespace):
                levels = config.namespace.split(".")
                names = [".".join(levels[: depth + 1]) for depth in range(len(levels))]
                made += [name for name in names if registration.create_namespace(name)]
            return self._create_in_namespace(config, if_not_exists)
        except BaseException:
            for namespace in reversed(made):
                with suppress(Exception):  # somebody else may have filled it
                    registration.drop_namespace(namespace)
            raise

    def _create_in_namespace(self, config: TableConfig, if_not_exists: bool) -> FloeTable:
        identifier = config.identifier
        attributes = {"operation": "create", "table_namespace": config.namespace}
        if if_not_exists and self.table_exists(identifier):
            return self.load_table(identifier)
        try:
            with operation("lifecycle.create_table", identifier, **attributes), as_ours(identifier):
                return self._registered().create_table(
                    identifier,
                    to_pyiceberg_schema(config.table_schema),
                    to_pyiceberg_spec(config.partition_spec),
                    to_pyiceberg_sort_order(config.sort_order),
                    config.location or self._location(config),
                    {**self.config.table_properties, **config.properties},
                )
        except TableAlreadyExistsError:
            if not if_not_exists:
                raise
        return self.load_table(identifier)

    def _location(self, config: TableConfig) -> str | None:
        if self._store is None or self._registered().decides_locations:
            return None
        return f"{self._store.get_warehouse_uri(config.namespace).rstrip('/')}/{config.table_name}"

    def load_table(self, identifier: str) -> FloeTable:
        """Find a table.

        Raises:
            NoSuchTableError: There is none of that name.
            StaleTableMetadataError: The catalog has it, and its metadata file is gone.
        """
        self._check_identifier(identifier)
        with operation("lifecycle.load_table", identifier, operation="load"), as_ours(identifier):
            return self._registered().load_table(identifier)

    def drop_table(self, identifier: str, *, purge: bool = False) -> None:
        """Forget a table. Its files stay, unless it is purged.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        self._check_identifier(identifier)
        with (
            operation("lifecycle.drop_table", identifier, operation="drop", table_purge=purge),
            as_ours(identifier),
        ):
            self._registered().drop_table(identifier, purge)

    def table_exists(self, identifier: str) -> bool:
        """Whether there is such a table: that the catalog has it, not that its metadata can be read."""
        self._check_identifier(identifier)
        try:
            with operation("lifecycle.table_exists", identifier, operation="exists"), as_ours(identifier):
                return self._registered().table_exists(identifier)
        except StaleTableMetadataError:  # of a catalog that looks for it by loading it
            return True

    def namespace_exists(self, namespace: str) -> bool:
        """Whether there is such a namespace."""
        with as_ours(namespace):
            return self._registered().namespace_exists(namespace)

    def _check_identifier(self, identifier: str) -> None:
        if not isinstance(identifier, str) or not all(identifier.split(".")) or "." not in identifier:
            raise InvalidArgumentError(f"{identifier!r} names no table: it has to be namespace.table", "identifier")

    def _as_floe(self, table: Any) -> FloeTable:
        if not isinstance(table, Table):
            raise InvalidArgumentError(
                f"a {type(table).__name__} is no table; hand back what create_table or load_table returned", "table"
            )
        return accelerate(table)

    # --- rows ---

    def write(self, table: Table, data: Any, config: WriteConfig | None = None) -> FloeTable:
        """Change a table's rows as one snapshot, in bounded memory.

        Args:
            table: The table, which moves to its current state.
            data: Any Arrow stream: a ``pyarrow.Table`` or ``RecordBatchReader``, a Polars frame, a DuckDB result.
            config: The mode and its options. None: the rows are appended.

        Example:
            >>> plugin.write(table, rows, WriteConfig(mode="overwrite", overwrite_filter="day = 5"))  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The rows do not fit the table (the message lists every column that does not), or the
                filter or a join column cannot be.
            CommitConflictError: Other writers were first, again and again, or contradict the change.
        """
        config = WriteConfig() if config is None else _check_model("config", config, WriteConfig)
        floe_table = self._as_floe(table)
        attributes = {"write_mode": str(config.mode), "commit_strategy": str(config.commit_strategy)}
        with self._changing(floe_table, "write_data", config.branch, **attributes):
            if config.commit_strategy is CommitStrategy.MERGE_COMMIT:
                _merging_manifests(floe_table, lambda target: _write(target, data, config))
            else:
                _write(floe_table, data, config)
        return floe_table

    def delete(
        self, table: Table, row_filter: str, *, snapshot_properties: Mapping[str, str] | None = None
    ) -> FloeTable:
        """Delete the rows that match, as one snapshot.

        Raises:
            InvalidArgumentError: The filter does not parse, or names a column that is not there.
            CommitConflictError: Others added rows that match, or changed files that hold some.
        """
        floe_table = self._as_floe(table)
        with self._changing(floe_table, "delete_data", MAIN_BRANCH):
            floe_table.delete(row_filter, dict(snapshot_properties or {}))
        return floe_table

    @contextmanager
    def _changing(self, table: FloeTable, name: str, branch: str, **attributes: str) -> Iterator[None]:
        """A change of a branch's rows: its span, its errors, and the rows and bytes that it made come and go."""
        before = table._state.handle.snapshot_of_ref(branch)
        with operation(name, table._full_name, **attributes) as span, as_ours(table._full_name):
            try:
                yield
            except CommitConflictError as error:
                error.retry_count = int(table.properties.get(_RETRIES, _DEFAULT_RETRIES))
                raise
            made = table._state.handle.snapshot_of_ref(branch)
            if made is not None and made != before:
                count_rows(span, name, table, made)

    def read(
        self,
        table: Table,
        *,
        row_filter: str | None = None,
        columns: Sequence[str] | None = None,
        snapshot_id: int | None = None,
    ) -> FloeScan:
        """A table's rows, as a scan, which is an Arrow stream and more. Nothing is read before somebody reads it.

        Raises:
            SnapshotNotFoundError: There is no such snapshot.
            InvalidArgumentError: The filter does not parse, or a column is not there.
        """
        floe_table = self._as_floe(table)
        self._check_snapshot(floe_table, snapshot_id)
        selected = ("*",) if columns is None else tuple(columns)
        name = floe_table._full_name
        with operation("read_data", name) as span, as_ours(name):
            if snapshot_id is not None:
                span.set_attribute("iceberg.snapshot.id", snapshot_id)
            scan = floe_table.scan(row_filter or ALWAYS_TRUE, selected, snapshot_id=snapshot_id)
            if columns is not None:
                scan.projection()  # says of a column that it is not there
        return scan

    # --- columns ---

    def evolve_schema(self, table: Table, changes: SchemaEvolution | Iterable[SchemaChange]) -> FloeTable:
        """Change a table's columns as one commit. No file is rewritten; older snapshots keep their schemas.

        Example:
            >>> from floe_core import SchemaChange, SchemaEvolution
            >>> wider = SchemaChange(change_type="widen_type", source_column="distance", target_type="long")
            >>> plugin.evolve_schema(table, [wider])  # doctest: +SKIP

        Raises:
            IncompatibleSchemaChangeError: A column is deleted, or a required one added, and that is not allowed.
            InvalidArgumentError: A change cannot be: there is no such column, or its type would get narrower.
            ConflictFoundError: Another writer changed the schema meanwhile.
        """
        floe_table = self._as_floe(table)
        name = floe_table._full_name
        with as_ours(name):
            evolution = SchemaEvolution.of(changes)
        with (
            operation("schema.evolve_schema", name, operation="evolve_schema", changes_count=len(evolution.changes)),
            as_ours(name),
            floe_table.update_schema(evolution.allow_incompatible_changes) as update,
        ):
            evolve_schema(update, evolution, name)
        return floe_table

    # --- snapshots ---

    def create_snapshot(self, table: Table, name: str | None = None, *, empty: bool = False) -> SnapshotInfo:
        """Name the table's state as it is now, by a tag.

        Args:
            table: The table, which moves to its current state.
            name: The tag's name, which must not be there; None: the snapshot gets none.
            empty: Make a snapshot of its own for it, which changes no rows. So it is for a table that has no snapshot
                yet.

        Raises:
            AlreadyExistsError: There is a branch or tag of that name.
            CommitFailedError: Another writer was first.
        """
        floe_table = self._as_floe(table)
        full_name = floe_table._full_name
        with operation("snapshot.create_snapshot", full_name) as span, as_ours(full_name):
            current = floe_table.refresh().current_snapshot()
            if name is not None and name in floe_table.refs():
                raise AlreadyExistsError(f"{full_name}: there is a branch or tag {name} already; choose another name")
            if empty or current is None:
                floe_table.manage_snapshots().create_snapshot(name).commit()
                current = floe_table.current_snapshot()
            elif name is not None:
                floe_table.manage_snapshots().create_tag(current.snapshot_id, name).commit()
            info = SnapshotInfo.from_pyiceberg_snapshot(current)
            span.set_attribute("snapshot.id", info.snapshot_id)
        return info

    def list_snapshots(self, table: Table) -> list[SnapshotInfo]:
        """The table's snapshots, the newest first."""
        floe_table = self._as_floe(table)
        with operation("snapshot.list_snapshots", floe_table._full_name):
            newest_first = sorted(floe_table.snapshots(), key=lambda one: (one.timestamp_ms, one.sequence_number or 0))
            return [SnapshotInfo.from_pyiceberg_snapshot(snapshot) for snapshot in reversed(newest_first)]

    def rollback_to_snapshot(self, table: Table, snapshot_id: int) -> FloeTable:
        """Make a snapshot that was current once the current one again. The later ones stay until they expire.

        Raises:
            SnapshotNotFoundError: There is no such snapshot.
            RollbackError: It was never current: it was staged, or is a branch's.
        """
        floe_table = self._as_floe(table)
        name = floe_table._full_name
        with operation("snapshot.rollback", name, target_snapshot_id=snapshot_id), as_ours(name):
            floe_table.refresh()
            self._check_snapshot(floe_table, snapshot_id)
            if snapshot_id not in _ever_current(floe_table):
                raise RollbackError(
                    f"{name}: snapshot {snapshot_id} was never current, so there is no going back to it; "
                    "table.manage_snapshots().set_current_snapshot takes any",
                    name,
                    snapshot_id,
                )
            floe_table.manage_snapshots().set_current_snapshot(snapshot_id).commit()
        return floe_table

    def _check_snapshot(self, table: FloeTable, snapshot_id: int | None) -> None:
        if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
            raise SnapshotNotFoundError(
                f"{table._full_name}: there is no snapshot {snapshot_id}; list_snapshots says which there are",
                table._full_name,
                snapshot_id,
            )

    # --- upkeep ---

    def expire_snapshots(
        self,
        table: Table,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        *,
        min_snapshots_to_keep: int | None = None,
    ) -> int:
        """Forget old snapshots, and remove the files that only they have.

        :meth:`FloeMaintenance.expire_snapshots` says more of what it did, and can say beforehand what it would do.

        Args:
            table: The table, which moves to its current state.
            older_than_days: How old a snapshot has to be. None: ``history.expire.max-snapshot-age-ms`` of the table,
                else of the plugin's configuration, else five days.
            keep_last: How many of each branch's snapshots stay, however old they are. None:
                ``history.expire.min-snapshots-to-keep`` of the table, else of the configuration, else one.
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
        floe_table = self._as_floe(table)
        name = floe_table._full_name
        retention = self.config.retention
        if older_than_days is None and "history.expire.max-snapshot-age-ms" not in floe_table.properties:
            older_than_days = retention.older_than_days
        keep = min_snapshots_to_keep if keep_last is None else keep_last
        if keep is None and "history.expire.min-snapshots-to-keep" not in floe_table.properties:
            keep = retention.min_snapshots_to_keep
        older_than = None if older_than_days is None else _days_ago(older_than_days)
        with operation("snapshot.expire_snapshots", name) as span, as_ours(name):
            result = floe_table.maintenance.expire_snapshots(older_than=older_than, retain_last=keep)
            if keep is not None:
                span.set_attribute("retention.keep_last", keep)
            span.set_attribute("expired.count", len(result.snapshots))
        return len(result.snapshots)

    def compact_table(self, table: Table, strategy: CompactionStrategy | None = None) -> int:
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
        floe_table = self._as_floe(table)
        name = floe_table._full_name
        if strategy is not None:
            _check_model("strategy", strategy, CompactionStrategy)
        with operation("compaction.compact_table", name, **_compaction_attributes(strategy)) as span, as_ours(name):
            done = execute_compaction(floe_table, strategy)
            span.set_attribute("files.rewritten", done.files_rewritten)
        return done.files_rewritten

    def storage_metrics(self, table: Table) -> StorageMetrics:
        """What a table stores now, what keeping older snapshots costs, and how it grew. Reads metadata only.

        Example:
            >>> plugin.storage_metrics(table).reclaimable_bytes  # doctest: +SKIP
            1204381
        """
        floe_table = self._as_floe(table)
        with operation("storage_metrics", floe_table._full_name):
            return floe_table.refresh().storage_metrics()

    # --- health ---

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        """Whether the catalog answers, and the store lets us in, within ``timeout`` seconds (5).

        The details have ``response_time_ms``, ``checked_at``, and ``catalog`` and ``store``: ok, or what was raised.
        """
        limit = DEFAULT_HEALTH_CHECK_TIMEOUT if timeout is None else timeout
        if not limit > 0:
            raise InvalidArgumentError(f"timeout={timeout}: a health check needs some seconds", "timeout", timeout)
        started = time.monotonic()
        asked: dict[str, object] = {}
        problems = []
        for what, ask in (("catalog", self._touch_catalog), ("store", self._touch_store)):
            left = limit - (time.monotonic() - started)
            try:
                known = self._given if self._registration is None else self._registration.catalog
                if what == "catalog" and _is_of_one_thread(known):
                    ask()
                else:
                    within(max(left, 0.001) if asked else limit, ask)
                asked[what] = "ok"
            except Exception as error:
                # TimeoutError included. The message of an engine's error carries no secret; that of another might.
                asked[what] = type(error).__name__
                asked.setdefault("exception_type", type(error).__name__)
                problems.append(f"the {what} does not answer")
                break
        state = HealthState.UNHEALTHY if problems else HealthState.HEALTHY
        message = "; ".join(problems) or "the catalog and the store answer"
        return HealthStatus(state, message, {**timing(started), **asked})

    def _touch_catalog(self) -> None:
        self._registered().touch()

    def _touch_store(self) -> None:
        if self._store is not None:
            try:
                lets_in = self._store.validate_credentials()
            except (AttributeError, NotSupportedError):  # of a plugin that cannot ask
                _look(self._store.get_pyiceberg_fileio(), self._store.get_warehouse_uri("health"))
                return
            if not lets_in:
                raise PermissionError("the store refuses the credentials")
            return
        catalog = self.catalog
        warehouse = catalog.properties.get("warehouse", "") if isinstance(catalog, Catalog) else ""
        if "://" in warehouse:  # of a REST catalog it may be no place, but a name
            _look(catalog._load_file_io(location=warehouse), warehouse)


def _is_of_one_thread(catalog: Any) -> bool:
    """Whether it is on a SQLite in memory, of which with PyIceberg every thread has one of its own."""
    return isinstance(catalog, Catalog) and ":memory:" in catalog.properties.get("uri", "")


def _access(store: ObjectStorePlugin | None) -> dict[str, str]:
    """The properties by which catalogs and the engine reach a store; of a plugin that says none, none."""
    return {} if store is None else dict(getattr(store, "get_pyiceberg_catalog_config", dict)())


def _look(io: Any, warehouse: str) -> None:
    """Ask a store for a file that is not there."""
    io.new_input(f"{warehouse.rstrip('/')}/{_HEALTH_FILE}").exists()


def _check_model(argument: str, value: object, model: type[_M]) -> _M:
    if not isinstance(value, model):
        raise InvalidArgumentError(
            f"{argument} is a {type(value).__name__}; it has to be a {model.__name__}, which "
            f"{model.__name__}.model_validate makes of a dict",
            argument,
        )
    return value


def _has(plugin: object, *names: str) -> bool:
    return all(hasattr(plugin, name) for name in names)


def _write(target: FloeTable | Any, data: Any, config: WriteConfig) -> None:
    """By a table, or in a transaction."""
    noted: dict[str, Any] = {"snapshot_properties": config.snapshot_properties, "branch": config.branch}
    match config.mode:
        case WriteMode.APPEND:
            target.append(data, **noted)
        case WriteMode.OVERWRITE:
            target.overwrite(data, config.overwrite_filter or ALWAYS_TRUE, **noted)
        case WriteMode.DYNAMIC_OVERWRITE:
            target.dynamic_partition_overwrite(data, **noted)
        case WriteMode.UPSERT:
            target.upsert(data, list(config.join_columns or ()), **noted)


def _merging_manifests(table: FloeTable, change: Callable[[Any], None]) -> None:
    """A change whose commit merges small manifests, as if the table asked for that; its properties stay as they are."""
    asked = table.properties.get(_MERGES_MANIFESTS)
    with table.transaction() as transaction:
        transaction.set_properties({_MERGES_MANIFESTS: "true"})
        change(transaction)
        if asked is None:
            transaction.remove_properties(_MERGES_MANIFESTS)
        else:
            transaction.set_properties({_MERGES_MANIFESTS: asked})


def _days_ago(days: float) -> dt.datetime:
    try:
        return dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    except (OverflowError, ValueError) as error:
        raise InvalidArgumentError(
            f"older_than_days={days} is no age of a snapshot", "older_than_days", days
        ) from error


def _ever_current(table: FloeTable) -> set[int]:
    """The snapshots that were current, as far as the table's log and the current one's ancestors say."""
    ids = {entry.snapshot_id for entry in table.history()}
    snapshot = table.current_snapshot()
    while snapshot is not None:
        ids.add(snapshot.snapshot_id)
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    return ids


def _compaction_attributes(strategy: CompactionStrategy | None) -> dict[str, str | int]:
    asked = strategy or CompactionStrategy()
    attributes: dict[str, str | int] = {
        "strategy_type": str(asked.strategy_type),
        "strategy_max_concurrent_rewrites": asked.max_concurrent_file_group_rewrites,
    }
    return attributes | ({} if strategy is None else {"strategy_target_file_size_bytes": asked.target_file_size_bytes})
