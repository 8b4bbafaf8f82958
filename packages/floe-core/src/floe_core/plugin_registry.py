"""The registry: plugins by type and name, found, made, configured, started, asked and stopped.

>>> registry = PluginRegistry()
>>> registry.discover_all()
>>> "iceberg" in registry.list_all()[PluginType.STORAGE]
True
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import BaseModel, ValidationError

from floe_core.plugin_errors import (
    DuplicatePluginError,
    PluginConfigurationError,
    PluginError,
    PluginNotFoundError,
    PluginStartupError,
)
from floe_core.plugin_metadata import HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginType
from floe_core.plugins.dependencies import in_order
from floe_core.plugins.discovery import Key, discover
from floe_core.plugins.lifecycle import (
    DEFAULT_HEALTH_CHECK_TIMEOUT,
    DEFAULT_LIFECYCLE_TIMEOUT,
    check_health,
    check_limit,
    within,
)
from floe_core.plugins.loader import check_version, load

__all__ = [
    "DEFAULT_HEALTH_CHECK_TIMEOUT",
    "DEFAULT_LIFECYCLE_TIMEOUT",
    "PluginRegistry",
    "get_registry",
]

_LOG = logging.getLogger("floe_core.plugins")


class PluginRegistry:
    """Plugins by type and name. Threads may share it.

    Nothing is imported before it is asked for. What ``discover_all`` finds and what ``register`` adds is alike.

    Example:
        >>> registry = get_registry()
        >>> registry.configure(PluginType.STORAGE, "iceberg", {"catalog": {"type": "sql"}})  # doctest: +SKIP
        >>> plugin = registry.activate_plugin(PluginType.STORAGE, "iceberg")  # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._discovered: dict[Key, EntryPoint] = {}
        self._loaded: dict[Key, PluginMetadata] = {}
        self._configs: dict[Key, BaseModel] = {}
        self._activated: dict[Key, PluginMetadata] = {}  # in the order in which they were started
        self._discovered_all = False

    # --- finding ---

    def discover_all(self) -> None:
        """Find what is installed. The second time it does nothing."""
        with self._lock:
            if not self._discovered_all:
                self._discovered = {key: point for key, point in discover().items() if key not in self._loaded}
                self._discovered_all = True

    def register(self, plugin_type: PluginType, plugin: PluginMetadata) -> None:
        """Add a plugin that is there already.

        Raises:
            DuplicatePluginError: There is one of that type and name.
            PluginIncompatibleError: It was written for another version of the contracts.
            PluginError: It is no plugin, or that is no type.
        """
        _check_type(plugin_type)
        if not isinstance(plugin, PluginMetadata):
            raise PluginError(f"a {type(plugin).__name__} is no plugin; it has to be a PluginMetadata")
        check_version(plugin.name, plugin)
        key = (plugin_type, plugin.name)
        with self._lock:
            if key in self._loaded or key in self._discovered:
                raise DuplicatePluginError(plugin_type, plugin.name)
            self._loaded[key] = plugin

    def get(self, plugin_type: PluginType, name: str) -> PluginMetadata:
        """The plugin of a type and name, made if it is not yet.

        Raises:
            PluginNotFoundError: There is none; the message lists those that there are.
            PluginStartupError: It cannot be made.
            PluginIncompatibleError: It was written for another version of the contracts.
            PluginError: That is no type of plugins.
        """
        _check_type(plugin_type)
        key = (plugin_type, name)
        with self._lock:
            if key not in self._loaded:
                if key not in self._discovered:
                    raise PluginNotFoundError(plugin_type, name, self._names(plugin_type))
                self._loaded[key] = load(plugin_type, self._discovered[key])
            return self._loaded[key]

    def list(self, plugin_type: PluginType, *, limit: int | None = None) -> list[PluginMetadata]:
        """The plugins of a type, by name, made if they are not yet. What cannot be made is logged and left out."""
        plugins: list[PluginMetadata] = []
        for name in self._names(plugin_type):
            if limit is not None and len(plugins) >= limit:
                break
            try:
                plugins.append(self.get(plugin_type, name))
            except PluginError as error:
                fields = {"plugin_type": plugin_type.name, "plugin_name": name, "reason": str(error)}
                _LOG.warning("plugin_left_out: %s:%s: %s", plugin_type.name, name, error, extra=fields)
        return plugins

    def list_all(self) -> dict[PluginType, Sequence[str]]:
        """The names of all plugins, by type, sorted. Nothing is made."""
        return {plugin_type: self._names(plugin_type) for plugin_type in PluginType}

    def _names(self, plugin_type: PluginType) -> Sequence[str]:
        with self._lock:
            return sorted({name for kind, name in (*self._discovered, *self._loaded) if kind is plugin_type})

    # --- configuring ---

    def configure(self, plugin_type: PluginType, name: str, config: Mapping[str, Any]) -> BaseModel | None:
        """Give a plugin its configuration.

        Returns:
            The configuration as the plugin's model has it, or None if the plugin has none to take.

        Raises:
            PluginConfigurationError: It cannot be used; each field that is wrong is named, no value is.
        """
        plugin = self.get(plugin_type, name)
        schema = plugin.get_config_schema()
        if schema is None:
            if config:
                takes_none = [{"field": key, "message": "the plugin takes no configuration"} for key in config]
                raise PluginConfigurationError(name, takes_none)
            return None
        if not isinstance(config, Mapping):
            told = {"field": "(all of it)", "message": f"a {type(config).__name__} is no mapping", "type": "dict_type"}
            raise PluginConfigurationError(name, [told])
        try:
            model = schema.model_validate(dict(config))
        except ValidationError as error:
            raise PluginConfigurationError(name, [_problem(one) for one in error.errors(include_input=False)]) from None
        plugin.configure(model)
        with self._lock:
            self._configs[plugin_type, name] = model
        return model

    def get_config(self, plugin_type: PluginType, name: str) -> BaseModel | None:
        """What a plugin was configured with here. None: nothing."""
        with self._lock:
            return self._configs.get((plugin_type, name))

    # --- starting and stopping ---

    def activate_plugin(self, plugin_type: PluginType, name: str, timeout: float | None = None) -> PluginMetadata:
        """Start a plugin, once, after those that it depends on.

        Args:
            plugin_type: Its type.
            name: Its name.
            timeout: The most seconds that each may take to start; default 30.

        Raises:
            PluginStartupError: It, or one that it depends on, did not start, or not in time; the cause says why.
            MissingDependencyError: It depends on one that is not there.
            CircularDependencyError: Plugins depend on each other in a circle.
            ValueError: The time limit cannot be.
        """
        limit = check_limit(DEFAULT_LIFECYCLE_TIMEOUT if timeout is None else timeout)
        plugin = self.get(plugin_type, name)
        outcomes = self._start(self._with_dependencies({(plugin_type, name): plugin}), limit)
        failed = outcomes[plugin_type, name]
        if failed is not None:
            raise failed
        return plugin

    def activate_all(
        self,
        plugins: Iterable[Key] | None = None,
        plugin_types: Iterable[PluginType] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Exception | None]:
        """Start plugins, each after those that it depends on. One that fails does not keep others from starting.

        Args:
            plugins: Which, by type and name. None: all.
            plugin_types: Of which types. None: of all.
            timeout: The most seconds that each may take to start; default 30.

        Returns:
            For each, by ``TYPE:name``, None or what went wrong.

        Raises:
            MissingDependencyError: One depends on another that is not there.
            CircularDependencyError: Plugins depend on each other in a circle.
            ValueError: The time limit cannot be.
        """
        limit = check_limit(DEFAULT_LIFECYCLE_TIMEOUT if timeout is None else timeout)
        every = [(kind, name) for kind in PluginType for name in self._names(kind)]
        types = set(PluginType if plugin_types is None else plugin_types)
        wanted = [key for key in (every if plugins is None else plugins) if key[0] in types]
        outcomes: dict[Key, Exception | None] = {}
        made: dict[Key, PluginMetadata] = {}
        for key in wanted:
            try:
                made[key] = self.get(*key)
            except PluginError as error:
                outcomes[key] = error
        outcomes |= self._start(self._with_dependencies(made), limit)
        return {_label(key): outcome for key, outcome in outcomes.items()}

    def _with_dependencies(self, wanted: Mapping[Key, PluginMetadata]) -> dict[Key, PluginMetadata]:
        """The plugins and those that they depend on, in the order of starting."""
        all_of_them = dict(wanted)
        waiting = list(wanted.values())
        while waiting:
            for dependency in waiting.pop().dependencies:
                for key in [key for key in (*self._discovered, *self._loaded) if key[1] == dependency]:
                    if key not in all_of_them:
                        all_of_them[key] = self.get(*key)
                        waiting.append(all_of_them[key])
        keys = {id(plugin): key for key, plugin in all_of_them.items()}
        return {keys[id(plugin)]: plugin for plugin in in_order(list(all_of_them.values()))}

    def _start(self, plugins: Mapping[Key, PluginMetadata], limit: float) -> dict[Key, Exception | None]:
        outcomes: dict[Key, Exception | None] = {}
        failed: set[str] = set()
        for key, plugin in plugins.items():
            broken = sorted(failed & set(plugin.dependencies))
            outcomes[key] = (
                PluginStartupError(*key, PluginError(f"it needs {', '.join(broken)}, which did not start"))
                if broken
                else self._start_one(key, plugin, limit)
            )
            if outcomes[key] is not None:
                failed.add(plugin.name)
        return outcomes

    def _start_one(self, key: Key, plugin: PluginMetadata, limit: float) -> Exception | None:
        with self._lock:
            if key in self._activated:
                return None
        try:
            within(limit, plugin.startup)
        except Exception as error:
            failure = PluginStartupError(*key, error)
            failure.__cause__ = error
            return failure
        with self._lock:
            self._activated[key] = plugin
        return None

    def shutdown_all(self, timeout: float | None = None) -> dict[str, Exception | None]:
        """Stop the plugins that were started, the last one first, each within ``timeout`` seconds (30).

        Returns:
            For each, by ``TYPE:name``, None or what went wrong.

        Raises:
            ValueError: The time limit cannot be.
        """
        limit = check_limit(DEFAULT_LIFECYCLE_TIMEOUT if timeout is None else timeout)
        with self._lock:
            started = list(reversed(self._activated.items()))
            self._activated.clear()
        outcomes: dict[str, Exception | None] = {}
        for key, plugin in started:
            outcomes[_label(key)] = None
            try:
                within(limit, plugin.shutdown)
            except Exception as error:
                outcomes[_label(key)] = error
        return outcomes

    def health_check_all(self, timeout: float | None = None) -> dict[str, HealthStatus]:
        """How the plugins are that are made already, asked all at once, each within ``timeout`` seconds (5).

        Returns:
            For each, by ``TYPE:name``, its status; of one that raised or did not answer in time, UNHEALTHY with
            ``exception_type`` among its details.

        Raises:
            ValueError: The time limit cannot be.
        """
        limit = check_limit(DEFAULT_HEALTH_CHECK_TIMEOUT if timeout is None else timeout)
        with self._lock:
            loaded = dict(self._loaded)
        if not loaded:
            return {}
        with ThreadPoolExecutor(max_workers=len(loaded), thread_name_prefix="floe-health") as pool:
            statuses = pool.map(lambda plugin: check_health(plugin, limit), loaded.values())
            return dict(zip(map(_label, loaded), statuses, strict=True))

    def resolve_dependencies(self, plugins: Sequence[PluginMetadata]) -> Sequence[PluginMetadata]:
        """The plugins in the order in which they have to be started.

        Raises:
            MissingDependencyError: One depends on another that is not among them.
            CircularDependencyError: They depend on each other in a circle.
        """
        return in_order(plugins)


_registry: PluginRegistry | None = None
_registry_lock = threading.Lock()


def get_registry() -> PluginRegistry:
    """The process's registry, with what is installed."""
    global _registry
    with _registry_lock:
        if _registry is None:
            registry = PluginRegistry()
            registry.discover_all()
            _registry = registry
        return _registry


def _reset_registry() -> None:
    """Forget the process's registry: for tests."""
    global _registry
    with _registry_lock:
        _registry = None


def _check_type(plugin_type: object) -> None:
    if not isinstance(plugin_type, PluginType):
        raise PluginError(f"{plugin_type!r} is no type of plugins; give one of PluginType, such as PluginType.STORAGE")


def _label(key: Key) -> str:
    return f"{key[0].name}:{key[1]}"


def _problem(error: Mapping[str, Any]) -> dict[str, str]:
    field = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return {"field": field or "(all of it)", "message": message, "type": error["type"]}
