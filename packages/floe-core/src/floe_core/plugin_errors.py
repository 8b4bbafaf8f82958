"""What plugins raise about themselves. What they raise about tables is the table format's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PluginError(Exception):
    """The root of the errors about plugins."""


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


class NotSupportedError(PluginError, NotImplementedError):
    """A plugin does not do what its contract leaves open."""

    def __init__(self, operation: str, plugin: str, reason: str | None = None) -> None:
        self.operation = operation
        self.plugin = plugin
        super().__init__(f"plugin {plugin} does not support {operation}" + (f": {reason}" if reason else ""))
