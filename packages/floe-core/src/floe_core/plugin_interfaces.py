"""The interfaces that plugins implement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from floe_core.models import CompactionStrategy, SchemaEvolution, TableConfig
from floe_core.plugin_errors import NotSupportedError
from floe_core.plugin_metadata import PluginMetadata


class StoragePlugin(PluginMetadata):
    """Tables: how they are made, found and filled.

    Somebody who writes a storage plugin implements ``create_table``, ``load_table`` and ``append``. What a table is, is
    the plugin's to say: it is handed back to the plugin as it came. A table's errors are those of the table format.

    Example:
        >>> plugin: StoragePlugin = ...  # doctest: +SKIP
        >>> table = plugin.create_table(config, if_not_exists=True)  # doctest: +SKIP
        >>> plugin.append(table, rows)  # doctest: +SKIP
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
            Exception: The table format's error for a table that exists already.
        """

    @abstractmethod
    def load_table(self, identifier: str) -> Any:
        """Find a table.

        Args:
            identifier: The namespace and the name, joined with dots.

        Raises:
            Exception: The table format's error for a table that is not there.
        """

    @abstractmethod
    def append(self, table: Any, data: Any, *, snapshot_properties: Mapping[str, str] | None = None) -> Any:
        """Add rows to a table, all or none of them.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            data: Any Arrow stream.
            snapshot_properties: What to note beside the change.

        Returns:
            The table as it is afterwards.

        Raises:
            Exception: The table format's error for rows that do not fit.
        """

    def drop_table(self, identifier: str) -> None:
        """Forget a table.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("drop_table", self.name)

    def evolve_schema(self, table: Any, changes: SchemaEvolution) -> Any:
        """Change a table's columns, by all of the changes or by none.

        Args:
            table: What ``create_table`` or ``load_table`` returned.
            changes: Each named column as it was before all of them.

        Returns:
            The table as it is afterwards.

        Raises:
            Exception: The table format's error for a change that cannot be.
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("evolve_schema", self.name)

    def create_snapshot(self, table: Any, name: str | None = None, *, empty: bool = False) -> Any:
        """Name the table's state as it is now.

        Raises:
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("create_snapshot", self.name)

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
