"""Finding plugins: what is installed under the entry-point groups, without importing any of it."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points

from floe_core.plugin_types import PluginType

Key = tuple[PluginType, str]
"""What a plugin is found by: its type and its name. Plugins of two types may have one name."""

_LOG = logging.getLogger("floe_core.plugins")


def discover() -> dict[Key, EntryPoint]:
    """The entry points of all types, by type and name.

    A second one of the same type and name, and a group that cannot be read, are logged and left out.
    """
    found: dict[Key, EntryPoint] = {}
    for plugin_type in PluginType:
        try:
            points = entry_points(group=plugin_type.entry_point_group)
        except Exception as error:
            _log("plugin_group_unreadable", plugin_type, "*", type(error).__name__)
            continue
        for point in points:
            known = found.setdefault((plugin_type, point.name), point)
            if known.value != point.value:
                _log("plugin_duplicate", plugin_type, point.name, point.value)
    return found


def _log(event: str, plugin_type: PluginType, name: str, why: str) -> None:
    fields = {"plugin_type": plugin_type.name, "plugin_name": name, "reason": why}
    _LOG.warning("%s: %s:%s: %s", event, plugin_type.name, name, why, extra=fields)
