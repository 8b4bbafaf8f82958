"""What plugins raise: about themselves, and about what a catalog has or has not.

No message carries a secret. Each says what to do where there is something to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class _Travels(Exception):
    """Goes to other processes with all that it says, whatever it is made of."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[Exception], args: tuple[Any, ...], said: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.__dict__.update(said)
    return error


# --- about plugins ---------------------------------------------------------------------------------------------------


class PluginError(_Travels):
    """The root of the errors about plugins."""


class PluginNotFoundError(PluginError):
    """There is no plugin of that type and name.

    >>> print(PluginNotFoundError("STORAGE", "x", ["iceberg", "s3"]))
    Plugin not found: STORAGE:x. There are iceberg, s3; install its package, or correct the name
    """

    def __init__(self, plugin_type: object, name: str, available: Sequence[str] = ()) -> None:
        self.plugin_type = _type_name(plugin_type)
        self.name = name
        there = f"There are {', '.join(available)}" if available else "There is none of this type"
        super().__init__(
            f"Plugin not found: {self.plugin_type}:{name}. {there}; install its package, or correct the name"
        )


class PluginIncompatibleError(PluginError):
    """A plugin was written for another version of the contracts."""

    def __init__(self, name: str, required: str, platform: str) -> None:
        self.name = name
        self.required_version = required
        self.platform_version = platform
        super().__init__(
            f"Plugin {name} was written for version {required} of floe's plugin API, and this is {platform}; "
            "install a release of it that fits"
        )


class PluginConfigurationError(PluginError):
    """A plugin's configuration cannot be used.

    Attributes:
        name: The plugin's name.
        errors: One mapping per field, with the keys ``field``, ``message`` and ``type``.
    """

    def __init__(self, name: str, errors: Sequence[Mapping[str, Any]]) -> None:
        self.name = name
        self.errors = [dict(error) for error in errors]
        listed = "; ".join(f"{error.get('field', '?')}: {error.get('message', '?')}" for error in self.errors)
        super().__init__(f"the configuration of plugin {name} cannot be used: {listed}")


class PluginStartupError(PluginError):
    """A plugin could not be made or started. Its cause says why."""

    def __init__(self, plugin_type: object, name: str, cause: BaseException | None = None) -> None:
        self.plugin_type = _type_name(plugin_type)
        self.name = name
        self.cause = cause
        # The message of a stranger's exception may have a secret in it; it stays with the cause.
        why = "" if cause is None else f": {cause if isinstance(cause, PluginError) else type(cause).__name__}"
        super().__init__(f"Plugin could not be started: {self.plugin_type}:{name}{why}")


class DuplicatePluginError(PluginError):
    """There is a plugin of that type and name already."""

    def __init__(self, plugin_type: object, name: str) -> None:
        self.plugin_type = _type_name(plugin_type)
        self.name = name
        super().__init__(f"Duplicate plugin: {self.plugin_type}:{name}; give one of the two another name")


class CircularDependencyError(PluginError):
    """Plugins wait for each other to be started."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = list(cycle)
        super().__init__(f"Plugins depend on each other in a circle: {' -> '.join(self.cycle)}")


class MissingDependencyError(PluginError):
    """A plugin needs others that are not there."""

    def __init__(self, plugin_name: str, missing_dependencies: Sequence[str]) -> None:
        self.plugin_name = plugin_name
        self.missing_dependencies = list(missing_dependencies)
        super().__init__(f"Plugin {plugin_name} needs {', '.join(self.missing_dependencies)}, not there; install them")


# --- about what a catalog has ----------------------------------------------------------------------------------------


class CatalogError(_Travels):
    """The root of the errors about what a catalog has."""


class CatalogUnavailableError(CatalogError):
    """The catalog cannot be reached."""

    def __init__(self, catalog_uri: str, cause: BaseException | None = None) -> None:
        self.catalog_uri = catalog_uri
        self.cause = cause
        why = "" if cause is None else f" ({type(cause).__name__})"
        super().__init__(f"catalog unavailable: {catalog_uri}{why}; check its address, and whether it runs")


class AuthenticationError(CatalogError):
    """The catalog or the store refuses the credentials."""

    def __init__(self, message: str, operation: str | None = None) -> None:
        self.operation = operation
        super().__init__(message)


class NotSupportedError(PluginError, CatalogError, NotImplementedError):
    """A plugin does not do what its contract leaves open."""

    def __init__(self, operation: str, catalog_name: str, reason: str | None = None) -> None:
        self.operation = operation
        self.catalog_name = self.plugin = catalog_name
        self.reason = reason
        super().__init__(f"plugin {catalog_name} does not support {operation}" + (f": {reason}" if reason else ""))


class ConflictError(CatalogError):
    """Something of that name is there already.

    >>> print(ConflictError("table", "a.b"))
    table already exists: a.b
    """

    resource_type: str
    identifier: str

    def __init__(self, resource_type: str, identifier: str) -> None:
        self.resource_type = resource_type
        self.identifier = identifier
        super().__init__(f"{resource_type} already exists: {identifier}")


class NotFoundError(CatalogError):
    """Something that was named is not there.

    >>> print(NotFoundError("namespace", "x"))
    namespace not found: x
    """

    resource_type: str
    identifier: str

    def __init__(self, resource_type: str, identifier: str) -> None:
        self.resource_type = resource_type
        self.identifier = identifier
        super().__init__(f"{resource_type} not found: {identifier}")


def _type_name(plugin_type: object) -> str:
    """STORAGE, of a PluginType or of a text."""
    return str(getattr(plugin_type, "name", plugin_type))
