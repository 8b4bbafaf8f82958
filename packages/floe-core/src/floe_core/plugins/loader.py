"""Making plugins of entry points, and refusing those that do not fit."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint

from floe_core.plugin_errors import PluginError, PluginIncompatibleError, PluginStartupError
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginType
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION, is_compatible


def load(plugin_type: PluginType, point: EntryPoint) -> PluginMetadata:
    """The plugin that an entry point names, made without a configuration.

    A class whose constructor wants a ``config`` gets None; it is configured afterwards like any other.

    Raises:
        PluginStartupError: It cannot be imported or made, or is no plugin; its cause says why.
        PluginIncompatibleError: It was written for another version of the contracts.
    """
    try:
        made = point.load()
        plugin = made(config=None) if _wants_config(made) else made()
        if not isinstance(plugin, PluginMetadata):
            raise TypeError(f"{point.value} makes a {type(plugin).__name__}, which is no PluginMetadata")
    except PluginError:
        raise
    except Exception as error:
        raise PluginStartupError(plugin_type, point.name, error) from error
    check_version(point.name, plugin)
    return plugin


def check_version(name: str, plugin: PluginMetadata) -> None:
    """Raises PluginIncompatibleError for a plugin that was written for other contracts than these."""
    required = plugin.floe_api_version
    try:
        fits = is_compatible(required)
    except ValueError:
        fits = False
    if not fits:
        raise PluginIncompatibleError(name, str(required), FLOE_PLUGIN_API_VERSION)


def _wants_config(made: object) -> bool:
    try:
        parameter = inspect.signature(made).parameters.get("config")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.default is inspect.Parameter.empty
