"""What catalog plugins implement: the registration of tables."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from floe_core.plugin_errors import NotSupportedError
from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata


@runtime_checkable
class Catalog(Protocol):
    """The least that a connected catalog is. PyIceberg's catalogs are more, and all of it is used."""

    def list_namespaces(self) -> list[tuple[str, ...]]:
        """The namespaces at the top."""

    def list_tables(self, namespace: str) -> list[Any]:
        """The tables in a namespace."""

    def load_table(self, identifier: str) -> Any:
        """The table in its current state, as PyIceberg's ``Table``."""

    def drop_table(self, identifier: str) -> None:
        """Forget a table."""


class CatalogPlugin(PluginMetadata):
    """Registration: which tables there are, and where their metadata is.

    Somebody who writes one implements the three properties of :class:`PluginMetadata` and the methods that are abstract
    here, and lists the class as an entry point of the group ``floe.catalogs``. ``connect`` comes first; before it the
    others may raise ``CatalogUnavailableError``. Where it returns a catalog of PyIceberg's, tables are made and dropped
    through that; otherwise through the methods here. What is not there is a ``NotFoundError`` or PyIceberg's matching
    exception, what is there already a ``ConflictError`` or PyIceberg's. A plugin that has a method
    ``load_table_with_client_endpoint(identifier)`` has its tables loaded by that.

    Example:
        >>> plugin: CatalogPlugin = ...  # doctest: +SKIP
        >>> plugin.connect({"warehouse": "demo"}).load_table("flights.departures")  # doctest: +SKIP
    """

    @abstractmethod
    def connect(self, config: dict[str, Any]) -> Catalog:
        """The catalog, connected.

        Args:
            config: What is added to the plugin's own configuration: uri, warehouse, credential and more, by PyIceberg's
                names.

        Raises:
            CatalogUnavailableError: It cannot be reached.
            AuthenticationError: It refuses the credentials.
        """

    @abstractmethod
    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        """Make a namespace.

        Raises:
            ConflictError: It is there already.
        """

    @abstractmethod
    def list_namespaces(self, parent: str | None = None) -> list[str]:
        """The namespaces below one, or at the top, their levels joined with dots.

        Raises:
            NotFoundError: There is no such parent.
        """

    @abstractmethod
    def delete_namespace(self, namespace: str) -> None:
        """Remove an empty namespace.

        Raises:
            NotFoundError: There is none.
            NotSupportedError: It is not empty.
        """

    @abstractmethod
    def create_table(
        self,
        identifier: str,
        schema: dict[str, Any],
        location: str | None = None,
        properties: dict[str, str] | None = None,
    ) -> None:
        """Make a table.

        Args:
            identifier: Its namespace and name, joined with dots.
            schema: As Iceberg's JSON has it: ``{"type": "struct", "fields": [{"id", "name", "type", "required"}]}``.
            location: Where its files go. None: the catalog decides.
            properties: What it is to keep.

        Raises:
            ConflictError: It is there already.
            NotFoundError: Its namespace is not.
        """

    @abstractmethod
    def list_tables(self, namespace: str) -> list[str]:
        """The tables in a namespace, each with it: ``flights.departures``.

        Raises:
            NotFoundError: There is no such namespace.
        """

    @abstractmethod
    def drop_table(self, identifier: str, purge: bool = False) -> None:
        """Forget a table.

        Args:
            identifier: Its namespace and name, joined with dots.
            purge: Whether its files go, too.

        Raises:
            NotFoundError: There is none.
        """

    @abstractmethod
    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        """Credentials for a table's files, short-lived: access_key, secret_key, token and expiration.

        Raises:
            NotFoundError: There is no such table.
            NotSupportedError: The catalog has none to give.
        """

    def set_namespace_properties(self, namespace: str, properties: dict[str, str]) -> None:
        """Note something beside a namespace, such as the contract that its tables keep.

        Raises:
            NotFoundError: There is no such namespace.
            NotSupportedError: The plugin cannot.
        """
        raise NotSupportedError("set_namespace_properties", self.name)

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        """Whether the catalog answers. A plugin that can ask it says so itself."""
        return HealthStatus(HealthState.UNHEALTHY, f"plugin {self.name} does not say how its catalog is")
