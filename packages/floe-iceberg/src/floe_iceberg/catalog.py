"""Catalogs: PyIceberg's, kept by the engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BeforeValidator, SecretStr, TypeAdapter
from pyiceberg.catalog import (
    PY_CATALOG_IMPL,
    TYPE,
    URI,
    WAREHOUSE_LOCATION,
    Catalog,
    MetastoreCatalog,
    PropertiesUpdateSummary,
    infer_catalog_type,
)
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table import CommitTableResponse, Table, TableProperties
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties, RecursiveDict
from pyiceberg.types import transform_dict_value_to_str
from pyiceberg.utils.config import Config, merge_config
from pyiceberg.view import View
from pyiceberg.view.metadata import ViewMetadata

import floe_engine
from floe_iceberg.catalog_transaction import FloeCatalogTransaction
from floe_iceberg.errors import InvalidArgumentError, MissingPropertyError
from floe_iceberg.foreign import commits_elsewhere, refuse_foreign_io
from floe_iceberg.schema import AnySchema, to_schema
from floe_iceberg.secrets import CatalogProperties, without_password
from floe_iceberg.state import TableState
from floe_iceberg.table import FloeStagedTable, FloeTable
from floe_iceberg.transaction import FloeCreateTableTransaction, json_array, refuse_foreign_updates, refuse_version_3

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.view.metadata import ViewVersion

FLOE_CATALOG_TYPE = "floe.catalog.type"
FLOE_CATALOG_IMPL = "floe.catalog.impl"
FLOE_HOME = "FLOE_HOME"

_OURS = ("floe_iceberg.catalog.FloeCatalog", "floe_iceberg.accelerated.AcceleratedCatalog", "floe_iceberg.FloeCatalog")
_NATIVE = ("sql", "rest", "in-memory")
_SSL = "ssl"
_IN_MEMORY_WAREHOUSE = "file:///tmp/iceberg/warehouse"  # PyIceberg's

_TableProperties = TypeAdapter(Annotated[dict[str, str], BeforeValidator(transform_dict_value_to_str)])


def load_catalog(name: str | None = None, **properties: str | SecretStr | None) -> FloeCatalog:
    """Open a catalog, configured as for PyIceberg: by properties, environment variables and ``.pyiceberg.yaml``.

    With no configuration at all it opens the embedded default: a SQLite catalog and a warehouse in ``$FLOE_HOME``,
    else in ``~/.floe``.

    Args:
        name: The catalog's name; None: that of the configured default catalog.
        properties: What is added to the configuration, or replaces parts of it. Secrets may be a ``SecretStr``.

    Example:
        >>> load_catalog("demo", uri="sqlite:////tmp/demo.db", warehouse="file:///tmp/demo")  # doctest: +SKIP
        >>> load_catalog("prod", uri="https://polaris/api/catalog", credential="id:secret")  # doctest: +SKIP

    Raises:
        InvalidArgumentError: A property is missing or wrong.
        UnauthorizedError: The server of a REST catalog does not know who asks.
        IoError: The catalog cannot be reached.
    """
    config = Config()
    name = name or config.get_default_catalog_name()
    if not properties and not config.get_known_catalogs():
        return FloeCatalog(name, **_embedded())
    given = {key: _revealed(value) for key, value in properties.items() if value is not None}
    implementation = given.get(PY_CATALOG_IMPL) or (config.get_catalog_config(name) or {}).get(PY_CATALOG_IMPL)
    if isinstance(implementation, str) and implementation not in _OURS:
        given[FLOE_CATALOG_IMPL] = implementation
    return FloeCatalog(name, **given)


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _embedded() -> dict[str, str]:
    home = Path(os.environ.get(FLOE_HOME) or Path.home() / ".floe").expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    return {TYPE: "sql", URI: f"sqlite:///{home}/catalog.db", WAREHOUSE_LOCATION: f"file://{home}/warehouse"}


class FloeCatalog(MetastoreCatalog):
    """A PyIceberg catalog that the engine keeps. Its tables are :class:`~floe_iceberg.table.FloeTable`.

    PyIceberg's ``load_catalog`` opens it with ``py-catalog-impl`` = ``floe_iceberg.catalog.FloeCatalog`` and
    ``floe.catalog.type`` = ``sql`` or ``rest``. ``FloeCatalog(name, **catalog.properties)`` is the same catalog again.
    Where the engine has no catalog of the type, or ``floe.catalog.impl`` names a class, it is PyIceberg's catalog that
    keeps the tables (:class:`~floe_iceberg.accelerated.AcceleratedCatalog`).

    Example:
        >>> with FloeCatalog("demo", type="sql", uri="sqlite:////tmp/demo.db", warehouse="/tmp/demo") as catalog:
        ...     catalog.create_namespace_if_not_exists("flights")  # doctest: +SKIP

    Raises:
        InvalidArgumentError: A property is missing or wrong.
        IoError: The catalog cannot be reached.
    """

    def __new__(cls, name: str, **properties: str) -> FloeCatalog:
        if cls is FloeCatalog and type_of(name, merged_properties(name, properties)) not in _NATIVE:
            from floe_iceberg.accelerated import AcceleratedCatalog

            return super().__new__(AcceleratedCatalog)
        return super().__new__(cls)

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **merged_properties(name, properties))
        self.properties = CatalogProperties(self.properties)
        self._type = type_of(name, self.properties)
        _refuse_what_is_not_native(name, self._type, self.properties)
        if self._type == "in-memory":
            self.properties.setdefault(WAREHOUSE_LOCATION, _IN_MEMORY_WAREHOUSE)
        self._handle: floe_engine.Catalog | None = self._open()
        if self._type == "rest":
            from_server = {key: value for key, value in self._handle.properties.items() if key != TYPE}
            self.properties.update(from_server)

    def _open(self) -> floe_engine.Catalog:
        # SQLAlchemy's own two: nothing is printed, and no connection waits in a pool to go stale.
        own = (TYPE, PY_CATALOG_IMPL, FLOE_CATALOG_TYPE, PY_IO_IMPL, "echo", "pool_pre_ping")
        others = {key: value for key, value in self.properties.items() if key not in own}
        return floe_engine.open_catalog(self.name, {**others, TYPE: self._type})

    @property
    def handle(self) -> floe_engine.Catalog:
        """The engine's catalog."""
        if self._handle is None:
            raise InvalidArgumentError(f"catalog {self.name} is closed")
        return self._handle

    def __reduce__(self) -> tuple[Any, ...]:
        if self._type == "in-memory":
            raise TypeError(f"catalog {self.name} is in memory and cannot leave its process")
        return _rebuild, (type(self), self.name, self.properties)

    def close(self) -> None:
        """Let go of the catalog's connections. Tables that were loaded keep theirs."""
        self._handle = None

    def _levels(
        self, namespace: str | Identifier, error: type[ValueError] | type[NoSuchNamespaceError] = ValueError
    ) -> list[str]:
        text = Catalog.namespace_to_string(namespace, error)
        if self._type == "rest" and not isinstance(namespace, str):
            return list(namespace)  # whose levels may have dots in them
        return text.split(".")

    def _table_levels(
        self, identifier: str | Identifier, error: type[ValueError] | type[NoSuchNamespaceError] = ValueError
    ) -> list[str]:
        if isinstance(identifier, str):
            levels = identifier.split(".")
            if len(levels) > 1 and "" not in levels and list(map(str.strip, levels)) == levels:
                return levels  # as below; every call has a name, and nearly all are plain
        return [*self._levels(Catalog.namespace_from(identifier), error), Catalog.table_name_from(identifier)]

    # --- namespaces ---

    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        """Make a namespace.

        Raises:
            NamespaceAlreadyExistsError: It is there already.
            NoSuchNamespaceError: The name is empty.
        """
        self.handle.create_namespace(
            self._levels(namespace, NoSuchNamespaceError), _TableProperties.validate_python(properties)
        )

    def drop_namespace(self, namespace: str | Identifier) -> None:
        """Remove an empty namespace.

        Raises:
            NoSuchNamespaceError: There is none.
            NamespaceNotEmptyError: It has tables or namespaces.
        """
        self.handle.drop_namespace(self._levels(namespace, NoSuchNamespaceError))

    def namespace_exists(self, namespace: str | Identifier) -> bool:
        """Whether there is such a namespace."""
        return self.handle.namespace_exists(self._levels(namespace, NoSuchNamespaceError))

    def list_namespaces(self, namespace: str | Identifier = ()) -> list[Identifier]:
        """The namespaces directly below one, or at the top.

        Raises:
            NoSuchNamespaceError: There is none of that name.
        """
        parent = self._levels(namespace, NoSuchNamespaceError) if namespace else []
        return [tuple(levels) for levels in self.handle.list_namespaces(parent)]

    def load_namespace_properties(self, namespace: str | Identifier) -> Properties:
        """The namespace's properties.

        Raises:
            NoSuchNamespaceError: There is none of that name.
        """
        return self.handle.load_namespace_properties(self._levels(namespace, NoSuchNamespaceError))

    def update_namespace_properties(
        self, namespace: str | Identifier, removals: set[str] | None = None, updates: Properties = EMPTY_DICT
    ) -> PropertiesUpdateSummary:
        """Set and remove properties of a namespace.

        Raises:
            NoSuchNamespaceError: There is none of that name.
            ValueError: A key is to be both set and removed.
        """
        self._check_for_overlap(removals, updates)
        levels = self._levels(namespace, NoSuchNamespaceError)
        removed, updated, missing = self.handle.update_namespace_properties(
            levels, sorted(removals or ()), _TableProperties.validate_python(updates)
        )
        return PropertiesUpdateSummary(removed=removed, updated=updated, missing=missing)

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
        """Make a table.

        Args:
            identifier: Its namespace and name.
            schema: PyIceberg's schema or pyarrow's, floe's TableSchema, a Pydantic class, or Iceberg's JSON as a dict.
            location: Where its files go; None: below the namespace's location, else below the warehouse.
            partition_spec: What its rows are grouped by.
            sort_order: How rows within its files are sorted.
            properties: ``format-version`` (2 if it is not given) and whatever the table is to keep.

        Example:
            >>> catalog.create_table("flights.departures", schema=rows.schema)  # doctest: +SKIP

        Raises:
            TableAlreadyExistsError: It is there already.
            NoSuchNamespaceError: Its namespace is not.
            InvalidArgumentError: The schema, the partitioning or a property cannot be.
        """
        schema = to_schema(schema, _format_version(_TableProperties.validate_python(properties)))
        new_table = self._new_table(identifier, schema, location, partition_spec, sort_order, properties)
        return self._table(self.handle.create_table(*new_table))

    def _new_table(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        location: str | None,
        partition_spec: PartitionSpec,
        sort_order: SortOrder,
        properties: Properties,
    ) -> tuple[list[str], str, str, str, str, dict[str, str]]:
        texts = _TableProperties.validate_python(properties)
        return (
            self._table_levels(identifier, NoSuchNamespaceError),
            _with_ids(self._convert_schema_if_needed(schema, _format_version(texts))).model_dump_json(),
            partition_spec.model_dump_json(),
            sort_order.model_dump_json(),
            (location or "").rstrip("/"),
            texts,
        )

    def create_table_transaction(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> FloeCreateTableTransaction:
        """Make a table with its first rows, as one commit; nobody sees it before. The arguments are `create_table`'s.

        Example:
            >>> with catalog.create_table_transaction("flights.departures", rows.schema) as made:  # doctest: +SKIP
            ...     made.append(rows)
        """
        staged = self._create_staged_table(identifier, schema, location, partition_spec, sort_order, properties)
        return FloeCreateTableTransaction(staged)

    def _create_staged_table(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        location: str | None = None,
        partition_spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        sort_order: SortOrder = UNSORTED_SORT_ORDER,
        properties: Properties = EMPTY_DICT,
    ) -> FloeStagedTable:
        texts = _TableProperties.validate_python(properties)
        version = _format_version(texts)
        levels = self._table_levels(identifier, NoSuchNamespaceError)
        if self._type == "rest":
            new_table = self._new_table(identifier, schema, location, partition_spec, sort_order, properties)
            return FloeStagedTable.of(TableState(self, tuple(levels), self.handle.stage_table(*new_table)))
        converted = self._convert_schema_if_needed(schema, version)
        location = self._resolve_table_location(location, ".".join(levels[:-1]), levels[-1])
        metadata = new_table_metadata(converted, partition_spec, sort_order, location, texts)
        metadata_location = load_location_provider(location, texts).new_table_metadata_file_location()
        io = self._load_file_io(texts, metadata_location)
        return FloeStagedTable.of(TableState.staged(self, tuple(levels), metadata, metadata_location, io))

    def register_table(
        self, identifier: str | Identifier, metadata_location: str, overwrite: bool = False
    ) -> FloeTable:
        """Add a table that exists outside of the catalog.

        Args:
            identifier: Its namespace and name.
            metadata_location: Its metadata file.
            overwrite: Whether it replaces a table of that name, which REST catalogs can do.

        Raises:
            TableAlreadyExistsError: The name is taken.
            NoSuchNamespaceError: Its namespace is not there.
            NotImplementedError: A table is to be replaced, and it is not a REST catalog.
        """
        if overwrite and self._type != "rest":
            raise NotImplementedError("`overwrite` isn't supported")
        levels = self._table_levels(identifier, NoSuchNamespaceError)
        return self._table(self.handle.register_table(levels, metadata_location, overwrite))

    def load_table(self, identifier: str | Identifier) -> FloeTable:
        """The table in its current state.

        Raises:
            NoSuchTableError: There is none of that name.
            CorruptFileError: Its metadata cannot be read.
        """
        return self._table(self.handle.load_table(self._table_levels(identifier)))

    def table_exists(self, identifier: str | Identifier) -> bool:
        """Whether there is such a table."""
        return self.handle.table_exists(self._table_levels(identifier))

    def list_tables(self, namespace: str | Identifier) -> list[Identifier]:
        """The tables in a namespace.

        Raises:
            NoSuchNamespaceError: There is none of that name.
        """
        return [tuple(levels) for levels in self.handle.list_tables(self._levels(namespace, NoSuchNamespaceError))]

    def drop_table(self, identifier: str | Identifier, purge_requested: bool = False, *, purge: bool = False) -> None:
        """Forget a table. Its files stay, unless one of the two names of ``purge_table`` is said.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        if purge_requested or purge:
            self.purge_table(identifier)
            return
        self.handle.drop_table(self._table_levels(identifier))

    def purge_table(self, identifier: str | Identifier) -> None:
        """Forget a table and remove its files; those of a REST catalog's table are its server's to remove.

        Raises:
            NoSuchTableError: There is none of that name.
            NotImplementedError: The table is of format version 3, and not a REST catalog's.
        """
        if self._type == "rest":
            self.handle.purge_table(self._table_levels(identifier))
            return
        refuse_version_3(self.load_table(identifier)._state, "purging")
        super().purge_table(identifier)

    def rename_table(self, from_identifier: str | Identifier, to_identifier: str | Identifier) -> FloeTable:
        """Give a table another name, or another namespace.

        Raises:
            NoSuchTableError: There is no table of the first name.
            TableAlreadyExistsError: There is one of the second.
            NoSuchNamespaceError: The second one's namespace is not there.
        """
        to_levels = self._table_levels(to_identifier, NoSuchNamespaceError)
        self.handle.rename_table(self._table_levels(from_identifier), to_levels)
        return self.load_table(tuple(to_levels))

    @property
    def commits_tables(self) -> bool:
        """Whether it commits to several tables at once (:meth:`transaction`)."""
        return not commits_elsewhere(self) and self.handle.commits_tables

    def transaction(self) -> FloeCatalogTransaction:
        """Changes of several tables that become one commit: all of them or none.

        Example:
            >>> with catalog.transaction() as transaction:  # doctest: +SKIP
            ...     transaction.table("sales.orders").append(orders)
            ...     transaction.table("sales.customers").upsert(customers, join_cols=["customer_id"])

        Raises:
            NotImplementedError: The catalog commits to one table at a time.
        """
        return FloeCatalogTransaction(self)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """One attempt to change a table, by the engine.

        Raises:
            CommitFailedError: A requirement does not hold, or another writer was first. Nothing has changed.
            CommitStateUnknownError: The outcome could not be learnt.
            NotImplementedError: The table is of format version 3, and the change is not one that PyIceberg can make.
        """
        committed = self._commit(table, requirements, updates)
        return CommitTableResponse.model_construct(
            metadata=committed.metadata, metadata_location=committed.metadata_location
        )

    def _commit(
        self, table: Table, requirements: Iterable[TableRequirement], updates: Iterable[TableUpdate]
    ) -> TableState:
        updates = tuple(updates)
        state = table._state if isinstance(table, FloeTable) else TableState(self, table.name(), None, table.metadata)
        refuse_foreign_updates(state, updates)
        handle = self.handle.commit(self._table_levels(table.name()), json_array(requirements), json_array(updates))
        return TableState(self, tuple(handle.identifier), handle)

    def _table(self, handle: floe_engine.Table) -> FloeTable:
        return FloeTable.of(TableState(self, tuple(handle.identifier), handle))

    # --- views: a REST catalog's; the others' say that they keep none ---

    def create_view(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        view_version: ViewVersion,
        location: str | None = None,
        properties: Properties = EMPTY_DICT,
    ) -> View:
        """Make a view.

        Args:
            identifier: Its namespace and name.
            schema: Of the rows that it gives.
            view_version: Its queries, each in a dialect of SQL.
            location: Where its metadata goes; None: the catalog decides.
            properties: Whatever the view is to keep.

        Raises:
            ViewAlreadyExistsError: There is a view, or a table, of that name.
            NoSuchNamespaceError: Its namespace is not there.
            InvalidArgumentError: It has no query, or two in one dialect.
            NotImplementedError: The catalog keeps no views.
        """
        levels = self._table_levels(identifier, NoSuchNamespaceError)
        definition = self._new_view(schema, view_version, location, properties)
        return _view(levels, self.handle.create_view(levels, *definition))

    def replace_view(
        self,
        identifier: str | Identifier,
        schema: Schema | pa.Schema,
        view_version: ViewVersion,
        location: str | None = None,
        properties: Properties = EMPTY_DICT,
    ) -> View:
        """Give a view another definition. Its properties stay, and these are added; the arguments are `create_view`'s.

        Raises:
            NoSuchViewError: There is none of that name.
            InvalidArgumentError: It has no query, or lacks a dialect that the view had (but see the property
                ``replace.drop-dialect.allowed``).
            CommitFailedError: Another writer was first. Nothing has changed.
            NotImplementedError: The catalog keeps no views.
        """
        levels = self._table_levels(identifier)
        definition = self._new_view(schema, view_version, location, properties)
        return _view(levels, self.handle.replace_view(levels, *definition))

    def _new_view(
        self, schema: Schema | pa.Schema, version: ViewVersion, location: str | None, properties: Properties
    ) -> tuple[str, str, str, dict[str, str]]:
        fresh = assign_fresh_schema_ids(self._convert_schema_if_needed(schema))
        texts = _TableProperties.validate_python(properties)
        return fresh.model_dump_json(), version.model_dump_json(), (location or "").rstrip("/"), texts

    def register_view(self, identifier: str | Identifier, metadata_location: str) -> View:
        """Add a view that exists outside of the catalog, by its metadata file.

        Raises:
            ViewAlreadyExistsError: There is a view, or a table, of that name.
            NotImplementedError: The catalog keeps no views, or its server does not offer that.
        """
        levels = self._table_levels(identifier, NoSuchNamespaceError)
        return _view(levels, self.handle.register_view(levels, metadata_location))

    def load_view(self, identifier: str | Identifier) -> View:
        """The view in its current state.

        Raises:
            NoSuchViewError: There is none of that name.
            NotImplementedError: The catalog keeps no views.
        """
        levels = self._table_levels(identifier)
        return _view(levels, self.handle.load_view(levels))

    def view_exists(self, identifier: str | Identifier) -> bool:
        """Whether there is such a view.

        Raises:
            NotImplementedError: The catalog keeps no views.
        """
        return self.handle.view_exists(self._table_levels(identifier))

    def list_views(self, namespace: str | Identifier) -> list[Identifier]:
        """The views in a namespace.

        Raises:
            NoSuchNamespaceError: There is none of that name.
            NotImplementedError: The catalog keeps no views.
        """
        return [tuple(levels) for levels in self.handle.list_views(self._levels(namespace, NoSuchNamespaceError))]

    def drop_view(self, identifier: str | Identifier) -> None:
        """Forget a view.

        Raises:
            NoSuchViewError: There is none of that name.
            NotImplementedError: The catalog keeps no views.
        """
        self.handle.drop_view(self._table_levels(identifier))

    def rename_view(self, from_identifier: str | Identifier, to_identifier: str | Identifier) -> View:
        """Give a view another name, or another namespace.

        Raises:
            NoSuchViewError: There is no view of the first name.
            ViewAlreadyExistsError: There is a view, or a table, of the second.
            NotImplementedError: The catalog keeps no views.
        """
        to_levels = self._table_levels(to_identifier, NoSuchNamespaceError)
        self.handle.rename_view(self._table_levels(from_identifier), to_levels)
        return self.load_view(tuple(to_levels))


def _view(levels: list[str], metadata_json: str) -> View:
    return View(tuple(levels), ViewMetadata.model_validate_json(metadata_json))


def _rebuild(cls: type[FloeCatalog], name: str, properties: dict[str, str]) -> FloeCatalog:
    return cls(name, **properties)


def merged_properties(name: str, properties: Properties) -> dict[str, str]:
    """What PyIceberg's configuration says of a catalog, with what is given in its place.

    Raises:
        InvalidArgumentError: A property is not a text.
    """
    revealed = {key: _revealed(value) for key, value in properties.items()}
    merged = merge_config(Config().get_catalog_config(name) or {}, cast(RecursiveDict, revealed))
    flat = {key: value for key, value in merged.items() if value is not None and key != _SSL}
    flat |= _flattened(_SSL, merged.get(_SSL))
    nested = [key for key, value in flat.items() if isinstance(value, (dict, list))]
    if nested:
        raise InvalidArgumentError(f"catalog {name}: the property {nested[0]} has parts, which no catalog here reads")
    return transform_dict_value_to_str(flat)


def _flattened(key: str, value: Any) -> dict[str, Any]:
    """PyIceberg's ``{"ssl": {"client": {"cert": ...}}}`` is ``ssl.client.cert`` to the engine."""
    if not isinstance(value, dict):
        return {} if value is None else {key: value}
    return {name: leaf for part, inner in value.items() for name, leaf in _flattened(f"{key}.{part}", inner).items()}


def type_of(name: str, properties: Mapping[str, Any]) -> str:
    """The type of catalog that properties ask for, as PyIceberg says it; ``custom`` if they name a class.

    Raises:
        InvalidArgumentError: They say nothing of it.
    """
    if properties.get(FLOE_CATALOG_IMPL):
        return "custom"
    uri = str(properties.get(URI, ""))
    declared = properties.get(FLOE_CATALOG_TYPE) or properties.get(TYPE)
    if declared is None and uri.startswith(("mysql", "mariadb")):
        declared = "sql"  # which PyIceberg infers from no URL of MySQL's
    if declared is None:
        try:
            inferred = infer_catalog_type(name, cast(RecursiveDict, properties))
        except ValueError as error:
            problem = str(error).replace(uri or " ", without_password(uri or " "))
            raise InvalidArgumentError(f"catalog {name}: {problem}") from None
        declared = inferred.value if inferred else "unknown"
    return str(declared).lower()


def _refuse_what_is_not_native(name: str, kind: str, properties: Properties) -> None:
    refuse_foreign_io(name, properties)
    if kind not in _NATIVE:
        raise NotImplementedError(f"catalog {name}: the engine has no catalogs of type {kind}")
    if kind in ("sql", "rest") and URI not in properties:
        raise MissingPropertyError(f"catalog {name}: a catalog of type {kind} needs the property {URI}")
    if properties.get("echo", "false").lower() not in ("false", "0", "no"):
        raise NotImplementedError(f"catalog {name}: the engine prints no SQL statements; leave the property echo out")


def _format_version(properties: Properties) -> Any:
    text = properties.get(TableProperties.FORMAT_VERSION, str(TableProperties.DEFAULT_FORMAT_VERSION))
    try:
        return int(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{TableProperties.FORMAT_VERSION}={text} is no number") from error


def _with_ids(schema: Schema) -> Schema:
    """Schemas made from pyarrow's have -1 for every id."""
    return assign_fresh_schema_ids(schema) if any(field.field_id < 0 for field in schema.fields) else schema
