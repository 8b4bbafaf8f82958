"""The order in which plugins are started: each after those that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from floe_core.plugin_errors import CircularDependencyError, MissingDependencyError
from floe_core.plugin_metadata import PluginMetadata


def in_order(plugins: Sequence[PluginMetadata]) -> list[PluginMetadata]:
    """The plugins, each after those that it names in ``dependencies``; otherwise as they come.

    A name is that of every other plugin that has it, of whatever type.

    Raises:
        MissingDependencyError: A name is that of none.
        CircularDependencyError: Plugins wait for each other; it names them.
    """
    needed = [_needed(plugin, plugins) for plugin in plugins]
    ordered: list[int] = []
    waiting = list(range(len(plugins)))
    while waiting:
        ready = next((index for index in waiting if needed[index] <= set(ordered)), None)
        if ready is None:
            raise CircularDependencyError([plugins[index].name for index in _circle(waiting[0], needed, set(ordered))])
        waiting.remove(ready)
        ordered.append(ready)
    return [plugins[index] for index in ordered]


def _needed(plugin: PluginMetadata, plugins: Sequence[PluginMetadata]) -> set[int]:
    needed: set[int] = set()
    missing = []
    for name in plugin.dependencies:
        found = {index for index, other in enumerate(plugins) if other.name == name and other is not plugin}
        needed |= found
        if not found:
            missing.append(name)
    if missing:
        raise MissingDependencyError(plugin.name, missing)
    return needed


def _circle(start: int, needed: list[set[int]], done: set[int]) -> list[int]:
    """A circle among those that wait, its first one named again at its end."""
    path = [start]
    while True:
        following = min(needed[path[-1]] - done)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
