"""Commits that go to a PyIceberg catalog's `commit_table`: how the engine asks a catalog that is not its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import TypeAdapter
from pyiceberg import exceptions
from pyiceberg.catalog import Catalog
from pyiceberg.io import PY_IO_IMPL, FileIO
from pyiceberg.table import TableProperties
from pyiceberg.table.metadata import TableMetadata, TableMetadataV3
from pyiceberg.table.update import AssertCreate, TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from pyiceberg.types import strtobool

import floe_engine
from floe_iceberg.errors import CommitFailedError

if TYPE_CHECKING:
    from floe_iceberg.state import TableState

# What says that a commit surely did not happen, beside CommitFailedException, after which it is tried again.
_REFUSALS = (
    NotImplementedError,
    exceptions.NoSuchTableError,
    exceptions.NoSuchNamespaceError,
    exceptions.TableAlreadyExistsError,
    exceptions.BadRequestError,
    exceptions.UnauthorizedError,
    exceptions.ForbiddenError,
    exceptions.AuthorizationExpiredError,
    exceptions.TooManyRequestsError,
    exceptions.OAuthError,
)

# PyIceberg's own access to files, in whose place the engine's is as good.
_PYICEBERGS_IO = ("pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO")

_Requirements = TypeAdapter(tuple[TableRequirement, ...])
_Updates = TypeAdapter(tuple[TableUpdate, ...])


def commits_elsewhere(catalog: Catalog) -> bool:
    """Whether commits go to a ``commit_table`` that is not ours: another catalog's, or one that somebody put there."""
    from floe_iceberg.catalog import FloeCatalog

    return getattr(catalog.commit_table, "__func__", None) is not FloeCatalog.commit_table


def python_catalog(calls: CatalogCalls) -> floe_engine.Catalog:
    """The engine's view of a catalog that somebody else keeps."""
    catalog = calls.catalog
    refuse_foreign_io(str(catalog.name), dict(catalog.properties))
    access = {key: str(value) for key, value in dict(catalog.properties).items() if value is not None}
    return floe_engine.python_catalog(str(catalog.name), access, calls, _REFUSALS)


def refuse_foreign_io(name: str, properties: Mapping[str, str]) -> None:
    """Raises NotImplementedError for a catalog of that name whose files only Python code can reach."""
    impl = properties.get(PY_IO_IMPL)
    if impl is not None and impl not in _PYICEBERGS_IO:
        raise floe_engine.NotSupported(
            f"catalog {name}: the engine has its own I/O and cannot use {PY_IO_IMPL}={impl}; leave it out"
        )


def whole_json(metadata: TableMetadata) -> str:
    """The metadata of a table that PyIceberg is about to make, of which nothing can have been dropped."""
    return (
        super(TableMetadataV3, metadata).model_dump_json()
        if isinstance(metadata, TableMetadataV3)
        else metadata.model_dump_json()
    )


def metadata_json(metadata: TableMetadata) -> str:
    """PyIceberg's metadata for the engine. Empty for version 3, of which PyIceberg drops fields: it reads the file."""
    return "" if metadata.format_version > 2 else metadata.model_dump_json(warnings=False)


def delete_old_metadata(base: TableState, committed: TableMetadata) -> None:
    """What PyIceberg's tables do after a commit (``write.metadata.delete-after-commit.enabled``), not its catalogs."""
    if not strtobool(base.properties.get(TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED, "false")):
        return
    try:
        base.catalog._delete_old_metadata(base.io, base.metadata, committed)
    except Exception as error:
        warnings.warn(f"Failed to delete old metadata after commit: {error}", stacklevel=2)


class CatalogCalls:
    """A PyIceberg catalog as the engine asks it for one table: once an attempt, the retries are the engine's.

    Args:
        catalog: Any that PyIceberg has, or that is derived of its class.
        base: The table as it is before a change, for `commit_table`; None: the catalog is asked for it.
    """

    def __init__(self, catalog: Catalog, base: TableState | None = None) -> None:
        self.catalog = catalog
        self._base = base

    def load(self, identifier: list[str]) -> tuple[str, str, dict[str, str]]:
        """The table in its current state."""
        table = self.catalog.load_table(tuple(identifier))
        return self._at(tuple(identifier), table.metadata, table.metadata_location, table.io, dict(table.config))

    def commit(
        self, identifier: list[str], requirements_json: str, updates_json: str
    ) -> tuple[str, str, dict[str, str]]:
        """One attempt."""
        from floe_iceberg.table import FloeTable

        if self._base is None:
            self.load(identifier)
        base = cast("TableState", self._base)
        requirements = _Requirements.validate_json(requirements_json)
        updates = _Updates.validate_json(updates_json)
        try:
            response = self.catalog.commit_table(FloeTable.of(base), requirements, updates)
        except floe_engine.Error:
            raise
        except exceptions.CommitFailedException as error:
            raise CommitFailedError(str(error)) from error
        delete_old_metadata(base, response.metadata)
        return self._at(base.identifier, response.metadata, response.metadata_location, base._io, base.config)

    def _at(
        self, identifier: Identifier, metadata: TableMetadata, location: str, io: FileIO | None, config: dict[str, str]
    ) -> tuple[str, str, dict[str, str]]:
        from floe_iceberg.state import TableState

        # Without the engine's handle: that holds this object.
        self._base = TableState(self.catalog, identifier, None, metadata, location, io, config)
        return location, metadata_json(metadata), config


class CreationCalls(CatalogCalls):
    """The commit of a table that is yet to be made: what makes it, and then what was changed in it."""

    def __init__(self, staged: TableState, updates_json: str) -> None:
        super().__init__(staged.catalog, staged)
        self._creation = updates_json
        self._refused: CommitFailedError | None = None
        self.is_done = False

    def load(self, identifier: list[str]) -> tuple[str, str, dict[str, str]]:
        """The table, if it was made after all."""
        if self._refused is not None:  # that another table is there now is what the engine would find
            raise self._refused
        return super().load(identifier)

    def commit(
        self, identifier: list[str], requirements_json: str, updates_json: str
    ) -> tuple[str, str, dict[str, str]]:
        """One attempt. Nothing of the table is required but that it is not there."""
        from floe_iceberg.catalog import FloeCatalog

        requirements = f"[{AssertCreate().model_dump_json()}]"
        both = [updates[1:-1] for updates in (self._creation, updates_json) if updates != "[]"]
        updates = f"[{','.join(both)}]"
        try:
            if isinstance(self.catalog, FloeCatalog) and not commits_elsewhere(self.catalog):
                made = self.catalog.handle.commit(identifier, requirements, updates)
                state = made.metadata_location, made.metadata_json(), made.config
            else:
                state = super().commit(identifier, requirements, updates)
        except CommitFailedError as error:
            self._refused = error
            raise
        self.is_done = True
        return state
