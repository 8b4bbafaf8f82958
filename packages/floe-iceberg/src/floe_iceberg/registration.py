"""Where tables are registered: a PyIceberg catalog, or floe's CatalogPlugin whatever it is written against."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from pyiceberg import exceptions as pyiceberg
from pyiceberg.catalog import Catalog
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.typedef import Identifier

from floe_core.plugin_errors import ConflictError, NotFoundError, PluginError
from floe_core.plugins.catalog import CatalogPlugin
from floe_iceberg.accelerated import AcceleratedCatalog, accelerate
from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.secrets import CatalogProperties
from floe_iceberg.table import FloeTable, state_of


class Registration(Protocol):
    """What the storage plugin needs of a catalog."""

    @property
    def catalog(self) -> Any:
        """The catalog, connected."""

    @property
    def decides_locations(self) -> bool:
        """Whether the catalog knows where tables' files go without being told."""

    def create_namespace(self, namespace: str) -> bool:
        """Make a namespace, in one that is there. False: it was there already."""

    def drop_namespace(self, namespace: str) -> None: ...

    def namespace_exists(self, namespace: str) -> bool: ...

    def create_table(
        self,
        identifier: str,
        schema: Schema,
        spec: PartitionSpec,
        order: SortOrder,
        location: str | None,
        properties: Mapping[str, str],
    ) -> FloeTable: ...

    def load_table(self, identifier: str) -> FloeTable: ...

    def table_exists(self, identifier: str) -> bool: ...

    def drop_table(self, identifier: str, purge: bool) -> None: ...

    def touch(self) -> None:
        """Ask the catalog something that it has to answer itself."""


class PyIcebergRegistration:
    """A PyIceberg catalog, ours among them. The engine does the work in any of them."""

    def __init__(self, catalog: Catalog, access: Mapping[str, str]) -> None:
        self.catalog = accelerate(catalog)
        if isinstance(self.catalog, AcceleratedCatalog):  # whose properties are a copy
            self.catalog.properties = CatalogProperties({**access, **self.catalog.properties})

    @property
    def decides_locations(self) -> bool:
        return bool(self.catalog.properties.get("warehouse"))

    def create_namespace(self, namespace: str) -> bool:
        try:
            self.catalog.create_namespace(namespace)
        except pyiceberg.NamespaceAlreadyExistsError:
            return False
        return True

    def drop_namespace(self, namespace: str) -> None:
        self.catalog.drop_namespace(namespace)

    def namespace_exists(self, namespace: str) -> bool:
        return self.catalog.namespace_exists(namespace)

    def create_table(
        self,
        identifier: str,
        schema: Schema,
        spec: PartitionSpec,
        order: SortOrder,
        location: str | None,
        properties: Mapping[str, str],
    ) -> FloeTable:
        return self.catalog.create_table(identifier, schema, location, spec, order, dict(properties))

    def load_table(self, identifier: str) -> FloeTable:
        return self.catalog.load_table(identifier)

    def table_exists(self, identifier: str) -> bool:
        return self.catalog.table_exists(identifier)

    def drop_table(self, identifier: str, purge: bool) -> None:
        if purge:
            self.catalog.purge_table(identifier)
        else:
            self.catalog.drop_table(identifier)

    def touch(self) -> None:
        self.catalog.list_namespaces()


class PluginRegistration:
    """A CatalogPlugin whose catalog is not PyIceberg's: tables are made and dropped through the plugin itself."""

    decides_locations = True

    def __init__(self, plugin: CatalogPlugin, catalog: Any) -> None:
        self._plugin = plugin
        self.catalog = catalog

    def create_namespace(self, namespace: str) -> bool:
        try:
            self._plugin.create_namespace(namespace)
        except (ConflictError, pyiceberg.NamespaceAlreadyExistsError):
            return False
        return True

    def drop_namespace(self, namespace: str) -> None:
        self._plugin.delete_namespace(namespace)

    def namespace_exists(self, namespace: str) -> bool:
        try:
            return namespace in self._plugin.list_namespaces(namespace.rpartition(".")[0] or None)
        except (NotFoundError, pyiceberg.NoSuchNamespaceError):  # of the one above it
            return False

    def create_table(
        self,
        identifier: str,
        schema: Schema,
        spec: PartitionSpec,
        order: SortOrder,
        location: str | None,
        properties: Mapping[str, str],
    ) -> FloeTable:
        if self.table_exists(identifier):  # which not every plugin refuses; and what fails below drops the table
            raise ConflictError("table", identifier)
        self._plugin.create_table(identifier, json.loads(schema.model_dump_json()), location, dict(properties))
        try:
            table = self.load_table(identifier)
            if spec != UNPARTITIONED_PARTITION_SPEC or order != UNSORTED_SORT_ORDER:
                _arrange(table, schema, spec, order)
                table = self.load_table(identifier)
        except BaseException:
            self._plugin.drop_table(identifier)
            raise
        return table

    def load_table(self, identifier: str) -> FloeTable:
        return accelerate(cast(Table, self.catalog.load_table(identifier)))

    def table_exists(self, identifier: str) -> bool:
        namespace = identifier.rpartition(".")[0]
        return self.namespace_exists(namespace) and identifier in self._plugin.list_tables(namespace)

    def drop_table(self, identifier: str, purge: bool) -> None:
        self._plugin.drop_table(identifier, purge)

    def touch(self) -> None:
        self._plugin.list_namespaces()


def _arrange(table: FloeTable, schema: Schema, spec: PartitionSpec, order: SortOrder) -> None:
    """Group and sort a table that has no rows yet. The contract of catalog plugins has neither."""
    with table.transaction() as transaction:
        with transaction.update_spec() as update:
            for field in spec.fields:
                update.add_field(schema.find_column_name(field.source_id) or "", field.transform, field.name)
        with transaction.update_sort_order() as sorting:
            for by in order.fields:
                column = schema.find_column_name(by.source_id) or ""
                add = sorting.asc if by.direction.value == "asc" else sorting.desc
                add(column, by.transform, by.null_order)


class _PluginsOwnLoading(AcceleratedCatalog):
    """The PyIceberg catalog of a plugin that has its own say in how tables' files are reached.

    floe's Polaris plugin has: where the server says an endpoint that only it can reach, the client's stays.
    """

    _load: Callable[[str], Table]

    def load_table(self, identifier: str | Identifier) -> FloeTable:
        name = identifier if isinstance(identifier, str) else ".".join(identifier)
        table = self._load(name)
        said = table.io.properties
        table.config = {key: said.get(key, value) for key, value in table.config.items()}
        return FloeTable.of(state_of(table, self))


def registration_of(
    catalog: Catalog | CatalogPlugin, access: Mapping[str, str], connect_with: Mapping[str, Any]
) -> Registration:
    """The registration in a catalog, or in that of a catalog plugin, which is connected.

    Args:
        catalog: The catalog or the plugin.
        access: What the engine reaches files with where the catalog says nothing about that.
        connect_with: What the plugin is connected with, besides ``access``.

    Raises:
        Exception: What the plugin raises if it cannot be connected.
        PluginError: It returned nothing that tables can be loaded from.
    """
    if isinstance(catalog, Catalog):
        return PyIcebergRegistration(catalog, access)
    connected = catalog.connect({**access, **connect_with})
    if isinstance(connected, Catalog):
        load = getattr(catalog, "load_table_with_client_endpoint", None)
        if load is None or isinstance(connected, FloeCatalog):
            return PyIcebergRegistration(connected, access)
        of_plugin = _PluginsOwnLoading.of(connected)
        of_plugin._load = load
        return PyIcebergRegistration(of_plugin, access)
    if not callable(getattr(connected, "load_table", None)):
        raise PluginError(f"catalog plugin {catalog.name}: connect returned a {type(connected).__name__}, no catalog")
    return PluginRegistration(catalog, connected)
