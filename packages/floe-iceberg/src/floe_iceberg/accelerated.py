"""Catalogs that others keep, PyIceberg's or anybody's, with their tables on the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self, overload

from pyiceberg.catalog import (
    AVAILABLE_CATALOGS,
    PY_CATALOG_IMPL,
    TYPE,
    Catalog,
    CatalogType,
    MetastoreCatalog,
    PropertiesUpdateSummary,
    _import_catalog,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, StagedTable, StaticTable, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.table.update import TableRequirement, TableUpdate, UpgradeFormatVersionUpdate
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties

import floe_engine
from floe_iceberg.catalog import FLOE_CATALOG_IMPL, FLOE_CATALOG_TYPE, FloeCatalog, merged_properties, type_of
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.foreign import refuse_foreign_io
from floe_iceberg.schema import AnySchema, to_schema
from floe_iceberg.secrets import CatalogProperties
from floe_iceberg.table import FloeStagedTable, FloeStaticTable, FloeTable, state_of
from floe_iceberg.transaction import FloeCreateTableTransaction

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.io import FileIO
    from pyiceberg.view import View
    from pyiceberg.view.metadata import ViewVersion

_TYPE_OF_CLASS = {
    "pyiceberg.catalog.rest.RestCatalog": "rest",
    "pyiceberg.catalog.hive.HiveCatalog": "hive",
    "pyiceberg.catalog.glue.GlueCatalog": "glue",
    "pyiceberg.catalog.dynamodb.DynamoDbCatalog": "dynamodb",
    "pyiceberg.catalog.bigquery_metastore.BigQueryMetastoreCatalog": "bigquery",
}


@overload
def accelerate(what: Catalog) -> FloeCatalog: ...
@overload
def accelerate(what: Table) -> FloeTable: ...
def accelerate(what: Catalog | Table) -> FloeCatalog | FloeTable:
    """A PyIceberg catalog, or one of its tables, with the work done by the engine.

    The catalog stays whose it is: it keeps the tables, and its ``commit_table`` makes every commit, also where somebody
    derived a class of PyIceberg's, or wrote a catalog of his own.

    Example:
        >>> catalog = accelerate(pyiceberg.catalog.load_catalog("prod"))  # doctest: +SKIP
        >>> accelerate(table).upsert(corrections, join_cols=["flight_id"])  # doctest: +SKIP

    Raises:
        NotImplementedError: The files are reached by an own ``py-io-impl``, or, when they are, lie in a store that the
            engine cannot reach.
    """
    if isinstance(what, (FloeCatalog, FloeTable)):
        return what
    if isinstance(what, Catalog):
        return AcceleratedCatalog.of(what)
    if isinstance(what, StaticTable):
        return FloeStaticTable.of(state_of(what, what.catalog))
    if isinstance(what, StagedTable):
        return FloeStagedTable.of(state_of(what, accelerate(what.catalog)))
    return FloeTable.of(state_of(what, accelerate(what.catalog)))


class AcceleratedCatalog(FloeCatalog):
    """A catalog that PyIceberg's code, or somebody's, keeps. Its tables are :class:`~floe_iceberg.table.FloeTable`.

    ``FloeCatalog`` and ``load_catalog`` make one of what the engine has no catalog for; ``accelerate`` makes one of a
    catalog that is there. What is not about tables is the catalog's own, also methods that no other catalog has.
    """

    inner: Catalog

    def __init__(self, name: str, **properties: str) -> None:
        merged = merged_properties(name, properties)
        self._keep(_load(name, merged), merged)

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """A catalog that is there already."""
        kept = object.__new__(cls)
        name = f"{type(catalog).__module__}.{type(catalog).__qualname__}"
        kind = {FLOE_CATALOG_TYPE: _TYPE_OF_CLASS[name]} if name in _TYPE_OF_CLASS else {FLOE_CATALOG_IMPL: name}
        kept._keep(catalog, {**catalog.properties, **kind})
        return kept

    def _keep(self, inner: Catalog, properties: dict[str, str]) -> None:
        refuse_foreign_io(str(inner.name), dict(inner.properties))
        self.inner = inner
        self.name = inner.name
        self.properties = CatalogProperties(properties)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "inner" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        return getattr(self.inner, name)

    def __reduce__(self) -> tuple[Any, ...]:
        if ":memory:" in self.properties.get("uri", ""):
            raise TypeError(f"catalog {self.name} is in memory and cannot leave its process")
        return _again, (type(self), self.name, self.properties)

    def close(self) -> None:
        """Let go of the catalog's connections."""
        self.inner.close()

    # --- namespaces ---

    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        self.inner.create_namespace(namespace, properties)

    def drop_namespace(self, namespace: str | Identifier) -> None:
        self.inner.drop_namespace(namespace)

    def namespace_exists(self, namespace: str | Identifier) -> bool:
        return self.inner.namespace_exists(namespace)

    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        return self.inner.list_namespaces(namespace)

    def load_namespace_properties(self, namespace: str | Identifier) -> Properties:
        return self.inner.load_namespace_properties(namespace)

    def update_namespace_properties(
        self, namespace: str | Identifier, removals: set[str] | None = None, updates: Properties = EMPTY_DICT
    ) -> PropertiesUpdateSummary:
        return self.inner.update_namespace_properties(namespace, removals, updates)

    # --- tables ---

    def create_table(
        self,
        identifier: str | Identifier,
        schema: AnySchema,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> FloeTable:
        schema = to_schema(schema, properties.get("format-version", 2))
        return self._ours(self.inner.create_table(identifier, schema, location, partition_spec, sort_order, properties))

    def create_table_transaction(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> FloeCreateTableTransaction:
        begun = self.inner.create_table_transaction(
            identifier, schema, location, partition_spec, sort_order, properties
        )
        return FloeCreateTableTransaction(FloeStagedTable.of(state_of(begun._table, self)))

    def register_table(
        self, identifier: str | Identifier, metadata_location: str, overwrite: bool = False
    ) -> FloeTable:
        return self._ours(self.inner.register_table(identifier, metadata_location, overwrite))

    def load_table(self, identifier: str | Identifier) -> FloeTable:
        return self._ours(self.inner.load_table(identifier))

    def table_exists(self, identifier: str | Identifier) -> bool:
        return self.inner.table_exists(identifier)

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        return self.inner.list_tables(namespace)

    def drop_table(self, identifier: str | Identifier, purge_requested: bool = False, *, purge: bool = False) -> None:
        if purge_requested or purge:
            self.purge_table(identifier)
        else:
            self.inner.drop_table(identifier)

    def purge_table(self, identifier: str | Identifier) -> None:
        self.inner.purge_table(identifier)

    def rename_table(self, from_identifier: str | Identifier, to_identifier: str | Identifier) -> FloeTable:
        return self._ours(self.inner.rename_table(from_identifier, to_identifier))

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """One attempt to change a table, by the catalog.

        Raises:
            NotImplementedError: The table is, or would be, of format version 3, whose metadata files PyIceberg's code
                does not write.
        """
        versions = [update.format_version for update in updates if isinstance(update, UpgradeFormatVersionUpdate)]
        if isinstance(self.inner, MetastoreCatalog) and max([table.metadata.format_version, *versions]) > 2:
            raise NotImplementedError(
                f"{'.'.join(table.name())}: catalog {self.name} writes metadata files by PyIceberg's own code, which "
                "cannot write those of format version 3; catalogs of type sql, in-memory and rest that floe_iceberg "
                "opens can"
            )
        return self.inner.commit_table(table, requirements, updates)

    def _ours(self, table: Table) -> FloeTable:
        return FloeTable.of(state_of(table, self))

    def supports_server_side_planning(self) -> bool:
        return False

    def _load_file_io(self, properties: Properties = EMPTY_DICT, location: str | None = None) -> FileIO:
        return self.inner._load_file_io(properties, location)

    # --- views ---

    def create_view(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        view_version: ViewVersion,
        location: str | None = None,
        properties: Properties = EMPTY_DICT,
    ) -> View:
        return self.inner.create_view(identifier, schema, view_version, location, properties)

    def replace_view(self, identifier: str | Identifier, *_: Any, **__: Any) -> View:
        self._refuse(identifier, "replace")

    def rename_view(self, from_identifier: str | Identifier, *_: Any) -> View:
        self._refuse(from_identifier, "rename")

    def _refuse(self, identifier: str | Identifier, what: str) -> NoReturn:
        name = identifier if isinstance(identifier, str) else ".".join(identifier)
        raise floe_engine.NotSupported(
            f"catalog {self.name} cannot {what} the view {name}: PyIceberg's catalogs have no call for that; drop it "
            "and create another one"
        )

    def list_views(self, namespace: str | Identifier) -> list[Identifier]:
        return self.inner.list_views(namespace)

    def view_exists(self, identifier: str | Identifier) -> bool:
        return self.inner.view_exists(identifier)

    def register_view(self, identifier: str | Identifier, metadata_location: str) -> View:
        return self.inner.register_view(identifier, metadata_location)

    def drop_view(self, identifier: str | Identifier) -> None:
        self.inner.drop_view(identifier)

    def load_view(self, identifier: str | Identifier) -> View:
        return self.inner.load_view(identifier)


def _again(cls: type[AcceleratedCatalog], name: str, properties: dict[str, str]) -> AcceleratedCatalog:
    return cls(name, **properties)


def _load(name: str, properties: dict[str, str]) -> Catalog:
    ours = (FLOE_CATALOG_TYPE, FLOE_CATALOG_IMPL, PY_CATALOG_IMPL, TYPE)
    others = {key: value for key, value in properties.items() if key not in ours}
    if impl := properties.get(FLOE_CATALOG_IMPL):
        catalog = _import_catalog(name, impl, others)
        if catalog is None:
            raise InvalidArgumentError(f"catalog {name}: there is no class {impl} ({FLOE_CATALOG_IMPL})")
        return catalog
    kind = type_of(name, properties)
    try:
        known = CatalogType(kind)
    except ValueError:
        types = ", ".join(each.value for each in CatalogType)
        raise InvalidArgumentError(f"catalog {name}: there are no catalogs of type {kind}, only {types}") from None
    return AVAILABLE_CATALOGS[known](name, {**others, TYPE: kind})
