"""The engine's errors: the same names as in C++ (``floe/error.h``).

Every message says what failed, on which table or file, and what the caller can do. None carries a secret.
"""

from __future__ import annotations


class Error(Exception):
    """The root of everything that the engine raises."""


class InvalidArgument(Error, ValueError):
    """What the caller passed cannot be used: an unknown column, a filter that does not parse, rows that do not fit."""


class NotSupported(Error, NotImplementedError):
    """Iceberg has it, or a property asks for it, and this engine does not do it."""


class NotFound(Error, LookupError):
    """Something that was named is not there."""


class NoSuchTable(NotFound):
    """The catalog has no such table."""


class NoSuchNamespace(NotFound):
    """The catalog has no such namespace."""


class NoSuchView(NotFound):
    """The catalog has no such view."""


class AlreadyExists(Error):
    """What was to be made is there already."""


class TableAlreadyExists(AlreadyExists):
    """The catalog has a table, or a view, of that name."""


class NamespaceAlreadyExists(AlreadyExists):
    """The catalog has a namespace of that name."""


class ViewAlreadyExists(AlreadyExists):
    """The catalog has a view, or a table, of that name."""


class NamespaceNotEmpty(Error):
    """A namespace with tables or namespaces in it cannot be dropped."""


class CommitFailed(Error):
    """The commit was refused and surely did not happen: another writer was first, or a requirement does not hold."""


class ConflictFound(CommitFailed):
    """What others committed since the change was planned contradicts it. Read the table again and repeat the change."""


class CommitStateUnknown(Error):
    """The commit may or may not have happened. Nothing may be deleted; read the table again."""


class CorruptFile(Error, ValueError):
    """A file's bytes are not what its format asks for. The message names the file."""


class IoError(Error, OSError):
    """The store or the operating system failed: permission, space, connection."""


class Unauthorized(IoError):
    """A catalog's server does not know who asks."""


class Forbidden(IoError):
    """A catalog's server does not let them."""


class Cancelled(Error):
    """The call was stopped. Nothing was committed."""
