"""What storage plugins implement: tables (:class:`StoragePlugin`), and bytes (:class:`ObjectStorePlugin`)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from floe_core.models import (
    CompactionStrategy,
    SchemaChange,
    SchemaEvolution,
    SnapshotInfo,
    TableConfig,
    WriteConfig,
)
from floe_core.plugin_errors import NotFoundError, NotSupportedError
from floe_core.plugin_metadata import PluginMetadata


@runtime_checkable
class FileIO(Protocol):
    """Access to files by location, as PyIceberg has it."""

    def new_input(self, location: str) -> Any:
        """A file to be read."""

    def new_output(self, location: str) -> Any:
        """A file to be written."""

    def delete(self, location: Any) -> None:
        """Remove a file."""


class StoragePlugin(PluginMetadata):
    """Tables: how they are made, found, filled, read and changed.

    Somebody who writes one implements the three properties of :class:`PluginMetadata` and the six methods that are
    abstract here, and lists the class, which has to be callable without arguments, as an entry point of the group
    ``floe.storage``. All other methods have defaults, most of which raise ``NotSupportedError``.

    What a table is, is the plugin's to say: callers get it from ``create_table`` or ``load_table`` and hand it back as
    it came. A method that changes a table returns it as it is afterwards; callers go on with that. A change is made
    whole or not at all. A table that is not there is a ``NotFoundError``, one that is there already a
    ``ConflictError`` (both of ``floe_core.plugin_errors``; a plugin may raise subclasses of its own), an argument that
    cannot be a ``ValueError`` that says what to do. No message has a secret in it.

    Example:
        >>> plugin: StoragePlugin = ...  # doctest: +SKIP
        >>> table = plugin.create_table(config, if_not_exists=True)  # doctest: +SKIP
        >>> table = plugin.write(table, rows, WriteConfig(mode="upsert", join_columns=["id"]))  # doctest: +SKIP
        >>> pyarrow.table(plugin.read(table))  # doctest: +SKIP
    """

    @abstractmethod
    def create_table(self, config: TableConfig, *, if_not_exists: bool = False) -> Any:
        """Make a table, and its namespace if there is none.

        Args:
            config: What the table is to be.
            if_not_exists: Load the table that is there instead of raising.

        Returns:
            The table.

        Raises:
            ConflictError: It is there already, and ``if_not_exists`` is false.
            ValueError: The table cannot be as the configuration says.
        """

    @abstractmethod
    def load_table(self, identifier: str) -> Any:
        """Find a table.

        Args:
            identifier: The namespace and the name, joined with dots.

        Returns:
            The table in its current state.

        Raises:
            NotFoundError: There is none of that name.
        """

    @abstractmethod
    def write(self, table: Any, data: Any, config: WriteConfig | None = None) -> Any:
        """Change a table's rows, as one step: all of it or nothing.

        A plugin need not do every mode; ``NotSupportedError`` says so before anything is changed.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            data: The rows: anything with ``__arrow_c_stream__``, such as a ``pyarrow.Table``. Columns go by name.
            config: The mode and its options. None: the rows are appended.

        Returns:
            The table as it is afterwards.

        Raises:
            ValueError: The rows do not fit the table, or an option cannot be.
            NotSupportedError: The plugin does not have the mode.
        """

    @abstractmethod
    def read(
        self,
        table: Any,
        *,
        row_filter: str | None = None,
        columns: Sequence[str] | None = None,
        snapshot_id: int | None = None,
    ) -> Any:
        """A table's rows.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            row_filter: Which rows, such as ``carrier = 'UA' and dep_delay > 60``. None: all.
            columns: Which columns, by name. None: all.
            snapshot_id: The state to look at, by what ``create_snapshot`` returned. None: the current one.

        Returns:
            An Arrow stream: something with ``__arrow_c_stream__``.

        Raises:
            NotFoundError: There is no such snapshot.
            ValueError: The filter or a column cannot be.
            NotSupportedError: The plugin cannot filter, or cannot look back.
        """

    @abstractmethod
    def evolve_schema(self, table: Any, changes: SchemaEvolution | Iterable[SchemaChange]) -> Any:
        """Change a table's columns, by all of the changes or by none. Rows that are there keep their values.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            changes: Each names its column as it was before all of them. ``SchemaEvolution.of`` makes one of either.

        Returns:
            The table as it is afterwards.

        Raises:
            ValueError: A change cannot be, or is incompatible and that is not allowed.
            NotSupportedError: The plugin does not have such a change.
        """

    @abstractmethod
    def create_snapshot(self, table: Any, name: str | None = None, *, empty: bool = False) -> SnapshotInfo:
        """Name the table's state as it is now, so that it can be looked at later.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            name: The name, which must not be there. None: the state gets none.
            empty: Make a state of its own for it, which changes no rows. So it is without a name, and for a table that
                has no state yet.

        Returns:
            The state. ``read`` takes its ``snapshot_id``.

        Raises:
            ConflictError: There is such a name already.
        """

    def append(self, table: Any, data: Any, *, snapshot_properties: Mapping[str, str] | None = None) -> Any:
        """Add rows to a table: ``write`` without further options.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            data: As for ``write``.
            snapshot_properties: What to note beside the change.
        """
        return self.write(table, data, WriteConfig(snapshot_properties=dict(snapshot_properties or {})))

    def table_exists(self, identifier: str) -> bool:
        """Whether there is such a table."""
        try:
            self.load_table(identifier)
        except NotFoundError:
            return False
        return True

    def drop_table(self, identifier: str, *, purge: bool = False) -> None:
        """Forget a table.

        Args:
            identifier: The namespace and the name, joined with dots.
            purge: Whether its files go, too.

        Raises:
            NotFoundError: There is none of that name.
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("drop_table", self.name)

    def delete(self, table: Any, row_filter: str, *, snapshot_properties: Mapping[str, str] | None = None) -> Any:
        """Delete the rows that match.

        Returns:
            The table as it is afterwards.

        Raises:
            ValueError: The filter cannot be.
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("delete", self.name)

    def list_snapshots(self, table: Any) -> list[SnapshotInfo]:
        """The states that the table has, the newest first.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("list_snapshots", self.name)

    def rollback_to_snapshot(self, table: Any, snapshot_id: int) -> Any:
        """Make an earlier state the current one.

        Returns:
            The table as it is afterwards.

        Raises:
            NotFoundError: There is no such snapshot.
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("rollback_to_snapshot", self.name)

    def expire_snapshots(
        self,
        table: Any,
        older_than_days: float | None = None,
        keep_last: int | None = None,
        *,
        min_snapshots_to_keep: int | None = None,
    ) -> int:
        """Forget old snapshots, and remove the files that only they have.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            older_than_days: How old a snapshot has to be. None: as the table says.
            keep_last: How many of each branch's snapshots stay, however old they are. None: as the table says.
            min_snapshots_to_keep: The same, by another name.

        Returns:
            How many snapshots went.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("expire_snapshots", self.name)

    def compact_table(self, table: Any, strategy: CompactionStrategy | None = None) -> int:
        """Make fewer and larger files of a table's small ones. Nothing calls it but the caller.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            strategy: How. None: bin-packing into files of the size that the table asks for.

        Returns:
            How many files were rewritten.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("compact_table", self.name)

    def storage_metrics(self, table: Any) -> Any:
        """What a table stores: rows, files, bytes.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("storage_metrics", self.name)


class ObjectStorePlugin(PluginMetadata):
    """Bytes: where tables' files are, and how floe's other parts reach them.

    Somebody who writes one implements the three properties of :class:`PluginMetadata` and the five methods that are
    abstract here, and lists the class, which has to be callable without arguments, as an entry point of the group
    ``floe.storage``. What floe's own plugins for object stores are (``floe_core.plugins.storage`` of floe itself has
    them as StoragePlugin) is this.

    Fragments of configuration are plain dicts, and none has a secret in it: a secret is named by the environment
    variable that holds it, in the way that whoever reads the fragment understands.

    Example:
        >>> store: ObjectStorePlugin = ...  # doctest: +SKIP
        >>> load_catalog("main", warehouse=store.get_warehouse_uri("bronze"),  # doctest: +SKIP
        ...              **store.get_pyiceberg_catalog_config())
    """

    @abstractmethod
    def get_pyiceberg_fileio(self) -> FileIO:
        """PyIceberg's access to the store's files, ready to use.

        Raises:
            PluginConfigurationError: The plugin is not configured, or a credential is missing.
        """

    @abstractmethod
    def get_warehouse_uri(self, namespace: str) -> str:
        """Where the tables of a namespace go, such as ``s3://bucket/warehouse/bronze``.

        Raises:
            ValueError: The namespace has no name, or one that leaves the warehouse.
        """

    @abstractmethod
    def get_dbt_profile_config(self) -> dict[str, Any]:
        """What a profile of dbt-duckdb needs to reach the store. Secrets as ``{{ env_var('NAME') }}``."""

    @abstractmethod
    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """What an IO manager of Dagster needs to reach the store. Secrets as ``{"env": "NAME"}``."""

    @abstractmethod
    def get_helm_values_override(self) -> dict[str, Any]:
        """Values for floe's Helm chart: those of the store itself where it is hosted beside floe, else ``{}``."""

    def get_pyiceberg_catalog_config(self) -> dict[str, Any]:
        """The properties by which a PyIceberg catalog reaches the store. Secrets in clear: it is not to be printed."""
        return {}

    def validate_credentials(self, timeout: float | None = None) -> bool:
        """Ask the store itself whether the credentials do.

        Args:
            timeout: The most seconds that it may take. None: the plugin's own limit.

        Returns:
            True if the store let us in, False if it refused.

        Raises:
            PluginConfigurationError: There are no credentials to ask about.
            OSError: The store could not be reached in time, so that nothing is known.
            NotSupportedError: The plugin cannot ask.
        """
        raise NotSupportedError("validate_credentials", self.name)
