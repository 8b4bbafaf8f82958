"""One state of a table, as the engine and as PyIceberg have it; each is made from the other when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.typedef import Identifier

import floe_engine
from floe_iceberg.foreign import CatalogCalls, commits_elsewhere, metadata_json, python_catalog, whole_json

_GEO = re.compile(r'("(?:type|element|key|value)"\s*:\s*"geo(?:metry|graphy))\(([^"(),\']+?)(?:\s*,\s*(\w+))?\)"')


class TableState:
    """Never changes: a table that moves on gets another one."""

    def __init__(
        self,
        catalog: Catalog,
        identifier: Identifier,
        handle: floe_engine.Table | None = None,
        metadata: TableMetadata | None = None,
        metadata_location: str = "",
        io: FileIO | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.catalog = catalog
        self.identifier = identifier
        self._handle = handle
        self._metadata = metadata
        self.metadata_location = handle.metadata_location if handle else metadata_location
        self.config = dict(handle.config if handle else config or {})
        self._io = io

    @classmethod
    def of_pyicebergs(
        cls,
        catalog: Catalog,
        identifier: Identifier,
        metadata: TableMetadata,
        metadata_location: str,
        io: FileIO | None,
        config: Mapping[str, str],
    ) -> Self:
        """A state that PyIceberg's own code loaded or committed.

        Raises:
            NotImplementedError: It is of version 3, of which PyIceberg drops fields, and the engine cannot reach it.
        """
        state = cls(catalog, identifier, None, metadata, metadata_location, io, config)
        if not metadata_json(metadata):
            state._handle = state._of_metadata("")  # what is at the location
        return state

    @classmethod
    def staged(
        cls, catalog: Catalog, identifier: Identifier, metadata: TableMetadata, location: str, io: FileIO | None
    ) -> Self:
        """The state of a table that is about to be made."""
        state = cls(catalog, identifier, None, metadata, location, io)
        state._handle = state._of_metadata(whole_json(metadata))
        return state

    def in_catalog(self, catalog: Catalog) -> TableState:
        """The same state, committed to by another catalog."""
        location, io = self.metadata_location, self._io
        return TableState(catalog, self.identifier, self._handle, self._metadata, location, io, self.config)

    @property
    def full_name(self) -> str:
        """The namespace and the name, joined with dots."""
        return ".".join(self.identifier)

    @property
    def handle(self) -> floe_engine.Table:
        """The engine's table."""
        if self._handle is None:
            json = metadata_json(self.metadata)
            if not json:
                raise NotImplementedError(
                    f"{self.full_name}: metadata of format version {self.metadata.format_version} that PyIceberg "
                    "made cannot be handed to the engine, because PyIceberg drops fields of it; load the table again"
                )
            self._handle = self._of_metadata(json)
        return self._handle

    def _of_metadata(self, json: str) -> floe_engine.Table:
        return engine_of(self.catalog).table_from_metadata(self.identifier, self.metadata_location, json, self.config)

    @property
    def writer(self) -> floe_engine.Table:
        """The engine's table for changes, which go to the catalog's `commit_table`, whoever put that there."""
        if not commits_elsewhere(self.catalog):
            return self.handle
        return self.handle.of_catalog(python_catalog(CatalogCalls(self.catalog, self)))

    @property
    def metadata(self) -> TableMetadata:
        """PyIceberg's metadata.

        Raises:
            NotImplementedError: The table has types that PyIceberg does not know.
        """
        if self._metadata is None:
            handle = self.handle
            try:
                self._metadata = TableMetadataUtil.parse_raw(as_pyiceberg_reads(handle.metadata_json()))
            except (ValidationError, ValueError) as error:
                raise NotImplementedError(
                    f"{self.full_name}: PyIceberg cannot represent this table of format version "
                    f"{handle.format_version}: {error}"
                ) from error
        return self._metadata

    @property
    def io(self) -> FileIO:
        """PyIceberg's access to the table's files."""
        if self._io is None:
            properties = {**self.properties, **self.config}
            self._io = self.catalog._load_file_io(properties, self.metadata_location)
        return self._io

    @property
    def format_version(self) -> int:
        return self._handle.format_version if self._handle else self.metadata.format_version

    @property
    def uuid(self) -> str:
        return self._handle.uuid if self._handle else str(self.metadata.table_uuid)

    @property
    def properties(self) -> dict[str, str]:
        return self._handle.properties if self._handle else self.metadata.properties

    def __reduce__(self) -> tuple[Any, ...]:
        if self._handle is None:
            arguments = (None, self._metadata, self.metadata_location, self._io, self.config)
            return TableState, (self.catalog, self.identifier, *arguments)
        json = self._handle.metadata_json()
        return _rebuild, (self.catalog, self.identifier, self.metadata_location, json, self.config)


def as_pyiceberg_reads(json: str) -> str:
    """The engine's JSON of schemas, with quotes around the parameters of geometry and geography.

    The format has none, PyIceberg reads no others, and the engine reads both.

    >>> print(as_pyiceberg_reads('{"type": "geography(EPSG:4326, vincenty)"}'))
    {"type": "geography('EPSG:4326', 'vincenty')"}
    """
    return _GEO.sub(_quoted, json) if '"geo' in json else json


def _quoted(found: re.Match[str]) -> str:
    parameters = ", ".join(f"'{parameter}'" for parameter in found.groups()[1:] if parameter)
    return f'{found[1]}({parameters})"'


def engine_of(catalog: Catalog) -> floe_engine.Catalog:
    """The engine's side of a catalog; of one that is not ours, such as a static table's, what asks it."""
    from floe_iceberg.catalog import FloeCatalog

    if isinstance(catalog, FloeCatalog) and not commits_elsewhere(catalog):
        return catalog.handle
    return python_catalog(CatalogCalls(catalog))


def _rebuild(
    catalog: Catalog, identifier: Identifier, metadata_location: str, json: str, config: dict[str, str]
) -> TableState:
    handle = engine_of(catalog).table_from_metadata(identifier, metadata_location, json, config)
    return TableState(catalog, identifier, handle)
