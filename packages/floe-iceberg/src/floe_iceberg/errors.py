"""The errors of tables. Each is at once floe's, the engine's where the engine raises it, and PyIceberg's matching one.

A program written for PyIceberg catches what it always caught; ``except floe_engine.Error`` catches all of the engine's,
``except IcebergError`` those too and what the plugin says itself. Importing this module makes the engine raise them.

>>> import pyiceberg.exceptions
>>> issubclass(NoSuchTableError, pyiceberg.exceptions.NoSuchTableError)
True
>>> issubclass(NoSuchTableError, TableError)
True
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyiceberg import exceptions as pyiceberg

import floe_engine
from floe_core.plugin_errors import AuthenticationError, CatalogError, ConflictError
from floe_core.plugin_errors import CatalogUnavailableError as CoreCatalogUnavailableError
from floe_core.plugin_errors import NotFoundError as CoreNotFoundError
from floe_engine import errors as engine
from floe_iceberg.secrets import without_secrets

# --- floe's, by what went wrong --------------------------------------------------------------------------------------


class IcebergError(Exception):
    """The root of floe's errors about tables.

    Attributes:
        message: What is wrong, and what to do.
        details: More, by name. Printed with the message.
        table_identifier: The table, where it is known.

    >>> print(IcebergError("no space", {"volume": "/data"}))
    no space (volume=/data)
    """

    table_identifier: str | None = None

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        Exception.__init__(self, message)  # not a sibling's, which may take other arguments
        self.details = dict(details or {})

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        details = getattr(self, "details", None)
        listed = ", ".join(f"{key}={value}" for key, value in (details or {}).items())
        return f"{self.message} ({listed})" if listed else self.message


class ValidationError(IcebergError, pyiceberg.ValidationError):
    """What was passed cannot be used."""

    field: str | None = None
    value: Any = None

    def __init__(
        self, message: str, field: str | None = None, value: Any = None, details: dict[str, Any] | None = None
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.field = field
        self.value = value


class TableError(IcebergError):
    """A table, or its namespace, is not as an operation needs it."""

    def __init__(
        self, message: str, table_identifier: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.table_identifier = table_identifier


class StaleTableMetadataError(TableError):
    """The catalog has the table, and the metadata file that it names is gone."""

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        metadata_location: str | None = None,
        recovery_mode: str | None = None,
        original_error: str | None = None,
    ) -> None:
        details = {
            "reason": "stale_table_metadata",
            "metadata_location": metadata_location,
            "recovery_mode": recovery_mode,
            "original_error": original_error,
        }
        TableError.__init__(
            self, message, table_identifier, {key: value for key, value in details.items() if value is not None}
        )
        self.metadata_location = metadata_location
        self.recovery_mode = recovery_mode
        self.original_error = original_error


class SchemaEvolutionError(IcebergError):
    """A table's columns cannot be changed so."""

    change_type: str | None = None

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        change_type: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.table_identifier = table_identifier
        self.change_type = change_type


class WriteError(IcebergError):
    """Rows could not be written."""

    write_mode: str | None = None

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        write_mode: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.table_identifier = table_identifier
        self.write_mode = write_mode


class CommitConflictError(WriteError, pyiceberg.CommitFailedException):
    """Other writers were first, again and again, or contradict the change. Nothing has changed.

    Attributes:
        retry_count: How often the commit was to be tried again.
    """

    retry_count: int = 0

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        retry_count: int = 0,
        details: dict[str, Any] | None = None,
    ) -> None:
        WriteError.__init__(self, message, table_identifier, None, details)
        self.retry_count = retry_count


class SnapshotError(IcebergError):
    """A snapshot is not as an operation needs it."""

    snapshot_id: int | None = None

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        snapshot_id: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.table_identifier = table_identifier
        self.snapshot_id = snapshot_id


class SnapshotNotFoundError(SnapshotError, engine.NotFound, CoreNotFoundError, ValueError):
    """The table has no such snapshot. It may have expired."""

    resource_type = "snapshot"

    @property
    def identifier(self) -> str:  # type: ignore[override]
        return str(self.snapshot_id)


class RollbackError(SnapshotError, pyiceberg.ValidationException):
    """A table cannot go back to a snapshot."""


class CompactionError(IcebergError):
    """A table could not be compacted."""

    strategy: str | None = None

    def __init__(
        self,
        message: str,
        table_identifier: str | None = None,
        strategy: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        IcebergError.__init__(self, message, details)
        self.table_identifier = table_identifier
        self.strategy = strategy


class CompactionAnalysisError(CompactionError):
    """What there is to compact could not be found out."""


class CatalogUnavailableError(IcebergError, CoreCatalogUnavailableError, pyiceberg.ServiceUnavailableError):
    """The catalog cannot be reached, or not in time."""

    def __init__(self, catalog_uri: str, cause: BaseException | None = None) -> None:
        CoreCatalogUnavailableError.__init__(self, catalog_uri, cause)
        self.details = {}


# --- the engine's, each one of floe's too ----------------------------------------------------------------------------


class InvalidArgumentError(ValidationError, engine.InvalidArgument):
    """What was passed cannot be used. Also a ValueError."""


class IncompatibleSchemaChangeError(SchemaEvolutionError, InvalidArgumentError):
    """A schema change would take something from those who read the table, and was not explicitly allowed."""


class MissingPropertyError(InvalidArgumentError, pyiceberg.NoSuchPropertyException):
    """A catalog was opened without a property that it needs."""


class NotFoundError(IcebergError, engine.NotFound, ValueError, FileNotFoundError):
    """Something that was named, such as a snapshot or a file, is not there."""


class AlreadyExistsError(IcebergError, engine.AlreadyExists, ConflictError):
    """What was to be made, such as a branch or tag, is there already."""

    resource_type = "ref"
    identifier = ""


class NoSuchTableError(TableError, engine.NoSuchTable, CoreNotFoundError, pyiceberg.NoSuchTableError):
    """The catalog has no such table."""

    resource_type = "table"

    @property
    def identifier(self) -> str:  # type: ignore[override]
        return self.table_identifier or ""


class NoSuchNamespaceError(TableError, engine.NoSuchNamespace, CoreNotFoundError, pyiceberg.NoSuchNamespaceError):
    """The catalog has no such namespace."""

    resource_type = "namespace"
    namespace: str | None = None

    def __init__(self, message: str, namespace: str | None = None, details: dict[str, Any] | None = None) -> None:
        TableError.__init__(self, message, None, details)
        self.namespace = namespace

    @property
    def identifier(self) -> str:  # type: ignore[override]
        return self.namespace or ""


class TableAlreadyExistsError(TableError, engine.TableAlreadyExists, ConflictError, pyiceberg.TableAlreadyExistsError):
    """The catalog has a table, or a view, of that name."""

    resource_type = "table"

    @property
    def identifier(self) -> str:  # type: ignore[override]
        return self.table_identifier or ""


class NamespaceAlreadyExistsError(
    IcebergError, engine.NamespaceAlreadyExists, ConflictError, pyiceberg.NamespaceAlreadyExistsError
):
    """The catalog has a namespace of that name."""

    resource_type = "namespace"
    identifier = ""


class NoSuchViewError(IcebergError, engine.NoSuchView, CoreNotFoundError, pyiceberg.NoSuchViewError):
    """The catalog has no such view."""

    resource_type = "view"
    identifier = ""


class ViewAlreadyExistsError(IcebergError, engine.ViewAlreadyExists, ConflictError, pyiceberg.ViewAlreadyExistsError):
    """The catalog has a view, or a table, of that name."""

    resource_type = "view"
    identifier = ""


class NamespaceNotEmptyError(IcebergError, engine.NamespaceNotEmpty, pyiceberg.NamespaceNotEmptyError):
    """A namespace with tables or namespaces in it cannot be dropped."""


class CommitFailedError(CommitConflictError, engine.CommitFailed):
    """The commit was refused and surely did not happen."""


class ConflictFoundError(CommitFailedError, engine.ConflictFound, pyiceberg.ValidationException):
    """What others committed since the change was planned contradicts it. Read the table again and repeat the change."""


class CommitStateUnknownError(WriteError, engine.CommitStateUnknown, pyiceberg.CommitStateUnknownException):
    """The commit may or may not have happened. Nothing may be deleted; read the table again."""


class UnauthorizedError(IcebergError, engine.Unauthorized, AuthenticationError, pyiceberg.UnauthorizedError):
    """A catalog's server does not know who asks."""

    operation = None


class ForbiddenError(IcebergError, engine.Forbidden, AuthenticationError, pyiceberg.ForbiddenError):
    """A catalog's server does not let them."""

    operation = None


class CorruptFileError(IcebergError, engine.CorruptFile, pyiceberg.ValidationError):
    """A file's bytes are not what its format asks for."""


class IoError(IcebergError, engine.IoError):
    """The store, the catalog or the operating system failed: permission, space, connection."""


floe_engine.register_errors(
    {
        "InvalidArgument": InvalidArgumentError,
        "NotFound": NotFoundError,
        "AlreadyExists": AlreadyExistsError,
        "NoSuchTable": NoSuchTableError,
        "NoSuchNamespace": NoSuchNamespaceError,
        "NoSuchView": NoSuchViewError,
        "TableAlreadyExists": TableAlreadyExistsError,
        "NamespaceAlreadyExists": NamespaceAlreadyExistsError,
        "ViewAlreadyExists": ViewAlreadyExistsError,
        "NamespaceNotEmpty": NamespaceNotEmptyError,
        "CommitFailed": CommitFailedError,
        "ConflictFound": ConflictFoundError,
        "CommitStateUnknown": CommitStateUnknownError,
        "CorruptFile": CorruptFileError,
        "Unauthorized": UnauthorizedError,
        "Forbidden": ForbiddenError,
        "IoError": IoError,
    }
)

# --- others' as ours -------------------------------------------------------------------------------------------------

_OF_PYICEBERG: tuple[tuple[type[Exception], type[IcebergError]], ...] = (
    (pyiceberg.NoSuchTableError, NoSuchTableError),
    (pyiceberg.NoSuchNamespaceError, NoSuchNamespaceError),
    (pyiceberg.NoSuchViewError, NoSuchViewError),
    (pyiceberg.TableAlreadyExistsError, TableAlreadyExistsError),
    (pyiceberg.NamespaceAlreadyExistsError, NamespaceAlreadyExistsError),
    (pyiceberg.ViewAlreadyExistsError, ViewAlreadyExistsError),
    (pyiceberg.NamespaceNotEmptyError, NamespaceNotEmptyError),
    (pyiceberg.CommitFailedException, CommitFailedError),
    (pyiceberg.CommitStateUnknownException, CommitStateUnknownError),
    (pyiceberg.UnauthorizedError, UnauthorizedError),
    (pyiceberg.AuthorizationExpiredError, UnauthorizedError),
    (pyiceberg.OAuthError, UnauthorizedError),
    (pyiceberg.ForbiddenError, ForbiddenError),
    (pyiceberg.ValidationError, InvalidArgumentError),
    (ValueError, InvalidArgumentError),
)


@contextmanager
def as_ours(table_identifier: str) -> Iterator[None]:
    """What is raised within becomes an error of this module that names the table, if it has a counterpart here.

    >>> with as_ours("flights.departures"):
    ...     raise pyiceberg.NoSuchTableError("gone")
    Traceback (most recent call last):
    ...
    floe_iceberg.errors.NoSuchTableError: gone
    """
    try:
        yield
    except Exception as error:
        ours = _of_ours(error, table_identifier)
        if ours is error:
            raise
        raise ours from error


def is_out_of_reach(error: BaseException) -> bool:
    """Whether an error says that a catalog cannot be reached: the operating system's, or that of whoever asks it."""
    if isinstance(error, NotFoundError):
        return False
    if isinstance(error, (OSError, pyiceberg.ServerError, pyiceberg.ServiceUnavailableError)):
        return True
    return type(error).__module__.partition(".")[0] in ("requests", "urllib3", "sqlalchemy")


def _of_ours(error: Exception, table_identifier: str) -> Exception:
    # Of a commit it matters more whether it happened.
    is_of_commit = isinstance(error, (pyiceberg.CommitFailedException, pyiceberg.CommitStateUnknownException))
    if not is_of_commit and is_stale_table_metadata_error(error) and not isinstance(error, StaleTableMetadataError):
        return stale_table_metadata_error_from_exception(error=error, table_identifier=table_identifier)
    ours = error if isinstance(error, IcebergError) else _counterpart(error, table_identifier)
    if isinstance(ours, IcebergError) and ours.table_identifier is None:
        ours.table_identifier = table_identifier
    return ours


def _counterpart(error: Exception, table_identifier: str) -> Exception:
    message = without_secrets(str(error))
    if isinstance(error, CatalogError):
        of_table = getattr(error, "resource_type", None) == "table"
        if isinstance(error, CoreNotFoundError):
            return NoSuchTableError(message) if of_table else NoSuchNamespaceError(message, error.identifier)
        if isinstance(error, ConflictError):
            return TableAlreadyExistsError(message) if of_table else NamespaceAlreadyExistsError(message)
        return error
    known = next((ours(message) for theirs, ours in _OF_PYICEBERG if isinstance(error, theirs)), None)
    if known is None and is_out_of_reach(error) and not isinstance(error, FileNotFoundError | PermissionError):
        return CatalogUnavailableError(f"that of {table_identifier}", error)
    return known or error


# --- metadata that is gone -------------------------------------------------------------------------------------------

_METADATA_LOCATION = re.compile(r"[^\s'\"(,;]+\.metadata\.json")
_GONE = ("notfoundexception", "not found", "does not exist", "no such key", "nosuchkey", "no such file", "404")


def metadata_location_from_error(error: BaseException) -> str | None:
    """The metadata file that a message names.

    >>> metadata_location_from_error(OSError("s3://b/t/metadata/1.metadata.json: NoSuchKey"))
    's3://b/t/metadata/1.metadata.json'
    """
    found = _METADATA_LOCATION.search(str(error))
    return found[0] if found else None


def is_stale_table_metadata_error(error: BaseException) -> bool:
    """Whether an error says that a table's metadata file is gone.

    >>> is_stale_table_metadata_error(OSError("file:///t/1.metadata.json: No such file or directory"))
    True
    """
    if isinstance(error, StaleTableMetadataError):
        return True
    text = str(error).lower()
    return ".metadata.json" in text and any(word in text for word in _GONE)


def stale_table_metadata_error_from_exception(
    *, error: BaseException, table_identifier: str, recovery_mode: str | None = None
) -> StaleTableMetadataError:
    """The error that says so by name."""
    location = metadata_location_from_error(error)
    return StaleTableMetadataError(
        f"{table_identifier}: the catalog has the table, but its metadata file {location} is gone; restore the file, "
        "or drop the table and make it again",
        table_identifier=table_identifier,
        metadata_location=location,
        recovery_mode=recovery_mode,
        original_error=type(error).__name__,
    )
