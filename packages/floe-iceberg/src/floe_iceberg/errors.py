"""The errors of tables: each is floe_engine's error and PyIceberg's matching exception at once.

A program written for PyIceberg catches what it always caught; ``except floe_engine.Error`` catches them all.
Importing this module makes the engine raise them.

>>> import pyiceberg.exceptions
>>> issubclass(NoSuchTableError, pyiceberg.exceptions.NoSuchTableError)
True
"""

from __future__ import annotations

from pyiceberg import exceptions as pyiceberg

import floe_engine
from floe_engine import errors as engine


class InvalidArgumentError(engine.InvalidArgument, pyiceberg.ValidationError):
    """What was passed cannot be used. Also a ValueError."""


class IncompatibleSchemaChangeError(InvalidArgumentError):
    """A schema change would take something from those who read the table, and was not explicitly allowed."""


class MissingPropertyError(InvalidArgumentError, pyiceberg.NoSuchPropertyException):
    """A catalog was opened without a property that it needs."""


class NotFoundError(engine.NotFound, ValueError):
    """Something that was named, such as a snapshot, is not there."""


class NoSuchTableError(engine.NoSuchTable, pyiceberg.NoSuchTableError):
    """The catalog has no such table."""


class NoSuchNamespaceError(engine.NoSuchNamespace, pyiceberg.NoSuchNamespaceError):
    """The catalog has no such namespace."""


class TableAlreadyExistsError(engine.TableAlreadyExists, pyiceberg.TableAlreadyExistsError):
    """The catalog has a table, or a view, of that name."""


class NamespaceAlreadyExistsError(engine.NamespaceAlreadyExists, pyiceberg.NamespaceAlreadyExistsError):
    """The catalog has a namespace of that name."""


class NamespaceNotEmptyError(engine.NamespaceNotEmpty, pyiceberg.NamespaceNotEmptyError):
    """A namespace with tables or namespaces in it cannot be dropped."""


class CommitFailedError(engine.CommitFailed, pyiceberg.CommitFailedException):
    """The commit was refused and surely did not happen."""


class ConflictFoundError(engine.ConflictFound, CommitFailedError, pyiceberg.ValidationException):
    """What others committed since the change was planned contradicts it. Read the table again and repeat the change."""


class CommitStateUnknownError(engine.CommitStateUnknown, pyiceberg.CommitStateUnknownException):
    """The commit may or may not have happened. Nothing may be deleted; read the table again."""


class UnauthorizedError(engine.Unauthorized, pyiceberg.UnauthorizedError):
    """A catalog's server does not know who asks."""


class ForbiddenError(engine.Forbidden, pyiceberg.ForbiddenError):
    """A catalog's server does not let them."""


class CorruptFileError(engine.CorruptFile, pyiceberg.ValidationError):
    """A file's bytes are not what its format asks for."""


floe_engine.register_errors(
    {
        "InvalidArgument": InvalidArgumentError,
        "NotFound": NotFoundError,
        "NoSuchTable": NoSuchTableError,
        "NoSuchNamespace": NoSuchNamespaceError,
        "TableAlreadyExists": TableAlreadyExistsError,
        "NamespaceAlreadyExists": NamespaceAlreadyExistsError,
        "NamespaceNotEmpty": NamespaceNotEmptyError,
        "CommitFailed": CommitFailedError,
        "ConflictFound": ConflictFoundError,
        "CommitStateUnknown": CommitStateUnknownError,
        "CorruptFile": CorruptFileError,
        "Unauthorized": UnauthorizedError,
        "Forbidden": ForbiddenError,
    }
)
