from __future__ import annotations

import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from floe_core import (
    CircularDependencyError,
    DuplicatePluginError,
    HealthState,
    HealthStatus,
    MissingDependencyError,
    PluginConfigurationError,
    PluginError,
    PluginIncompatibleError,
    PluginMetadata,
    PluginNotFoundError,
    PluginRegistry,
    PluginStartupError,
    PluginType,
)
from floe_core.plugins import discovery
from floe_core.plugins.lifecycle import within
from floe_core.version_compat import is_compatible

STORAGE, CATALOG, COMPUTE = PluginType.STORAGE, PluginType.CATALOG, PluginType.COMPUTE


class Settings(BaseModel):
    uri: str
    retries: int = 3
    password: SecretStr = SecretStr("")


class Plugin(PluginMetadata):
    version = "1.0.0"

    def __init__(
        self,
        name: str = "plain",
        needs: tuple[str, ...] = (),
        api: str = "1.0",
        on_start: Callable[[], None] = lambda: None,
        on_stop: Callable[[], None] = lambda: None,
        on_check: Callable[[], HealthStatus] = lambda: HealthStatus(HealthState.HEALTHY),
    ) -> None:
        super().__init__()
        self._name, self._needs, self._api = name, needs, api
        self.startup = on_start  # type: ignore[method-assign]
        self.shutdown = on_stop  # type: ignore[method-assign]
        self._check = on_check

    @property
    def name(self) -> str:
        return self._name

    @property
    def floe_api_version(self) -> str:
        return self._api

    @property
    def dependencies(self) -> list[str]:
        return list(self._needs)

    def get_config_schema(self) -> type[BaseModel] | None:
        return Settings if self._name == "configurable" else None

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        return self._check()


class WantsConfig(Plugin):
    """As floe's Polaris plugin: it cannot be made without the argument."""

    def __init__(self, config: Settings | None) -> None:
        super().__init__("configurable")
        self.given = config


class Broken(Plugin):
    def __init__(self) -> None:
        raise RuntimeError("token=geheim")


class FromTheFuture(Plugin):
    def __init__(self) -> None:
        super().__init__(api="1.7")


def point(name: str, group: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"installed_plugins:{attribute}", group)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> PluginRegistry:
    module = ModuleType("installed_plugins")
    vars(module).update(Plugin=Plugin, Broken=Broken, FromTheFuture=FromTheFuture, WantsConfig=WantsConfig, point=point)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [
        point("plain", "floe.storage", "Plugin"),
        point("plain", "floe.storage", "Other"),  # a second one of the name
        point("broken", "floe.storage", "Broken"),
        point("not-there", "floe.storage", "NotThere"),
        point("later", "floe.storage", "FromTheFuture"),
        point("no-plugin", "floe.storage", "point"),
        point("configurable", "floe.catalogs", "WantsConfig"),
    ]

    def entry_points(group: str) -> list[EntryPoint]:
        if group == "floe.quality":
            raise ValueError("an entry point that cannot be parsed")
        return [point for point in points if point.group == group]

    monkeypatch.setattr(discovery, "entry_points", entry_points)
    registry = PluginRegistry()
    registry.discover_all()
    registry.discover_all()
    return registry


def test_what_is_installed_is_found_without_being_imported(installed: PluginRegistry) -> None:
    names = installed.list_all()
    assert names[STORAGE] == ["broken", "later", "no-plugin", "not-there", "plain"]
    assert names[CATALOG] == ["configurable"]
    assert not installed._loaded
    assert installed._discovered[STORAGE, "plain"].attr == "Plugin"


def test_what_is_registered_is_listed_like_what_is_installed(installed: PluginRegistry) -> None:
    mine = Plugin("mine")
    installed.register(STORAGE, mine)
    assert "mine" in installed.list_all()[STORAGE]
    assert mine in installed.list(STORAGE)
    assert installed.get(STORAGE, "mine") is mine
    assert len(installed.list(STORAGE, limit=1)) == 1
    for name in ("mine", "plain"):
        with pytest.raises(DuplicatePluginError, match=f"Duplicate plugin: STORAGE:{name}"):
            installed.register(STORAGE, Plugin(name))
    installed.register(CATALOG, Plugin("mine"))  # of another type


def test_a_plugin_that_is_not_there_is_told_those_that_are(installed: PluginRegistry) -> None:
    with pytest.raises(PluginNotFoundError, match=r"Plugin not found: STORAGE:plane\. There are .*plain"):
        installed.get(STORAGE, "plane")
    with pytest.raises(PluginNotFoundError, match="There is none of this type"):
        installed.get(PluginType.RBAC, "x")


def test_plugins_that_cannot_be_made(installed: PluginRegistry) -> None:
    with pytest.raises(PluginStartupError, match=r"STORAGE:broken: RuntimeError$") as caught:
        installed.get(STORAGE, "broken")
    assert isinstance(caught.value.cause, RuntimeError)
    with pytest.raises(PluginStartupError, match="AttributeError"):
        installed.get(STORAGE, "not-there")
    with pytest.raises(PluginStartupError, match="TypeError"):
        installed.get(STORAGE, "no-plugin")
    with pytest.raises(PluginIncompatibleError, match=r"later was written for version 1\.7 .* this is 1\.0"):
        installed.get(STORAGE, "later")
    assert [plugin.name for plugin in installed.list(STORAGE)] == ["plain"]


def test_a_constructor_that_wants_a_configuration_gets_none_and_no_mock(installed: PluginRegistry) -> None:
    plugin = installed.get(CATALOG, "configurable")
    assert isinstance(plugin, WantsConfig)
    assert plugin.given is None
    assert not plugin.is_configured
    model = installed.configure(CATALOG, "configurable", {"uri": "http://x", "retries": "5"})
    assert model == Settings(uri="http://x", retries=5)
    assert plugin.is_configured
    assert installed.get_config(CATALOG, "configurable") is model


def test_each_field_of_a_configuration_that_is_wrong_is_named_and_no_value_is(installed: PluginRegistry) -> None:
    with pytest.raises(PluginConfigurationError) as caught:
        installed.configure(CATALOG, "configurable", {"retries": "many", "password": ["geheim"]})
    assert [error["field"] for error in caught.value.errors] == ["uri", "retries", "password"]
    assert "geheim" not in repr(caught.value.errors) + str(caught.value)
    assert installed.get_config(CATALOG, "configurable") is None
    assert installed.configure(STORAGE, "plain", {}) is None
    with pytest.raises(PluginConfigurationError, match="uri: the plugin takes no configuration"):
        installed.configure(STORAGE, "plain", {"uri": "x"})
    nothing: Any
    for nothing in (None, ["uri"], "uri"):
        with pytest.raises(PluginConfigurationError, match="is no mapping"):
            installed.configure(CATALOG, "configurable", nothing)


def test_what_is_no_type_and_what_is_no_plugin(installed: PluginRegistry) -> None:
    text: Any = "STORAGE"
    with pytest.raises(PluginError, match=r"'STORAGE' is no type of plugins; give one of PluginType"):
        installed.get(text, "plain")
    with pytest.raises(PluginError, match="is no type of plugins"):
        installed.register(text, Plugin("x"))
    stranger: Any = object()
    with pytest.raises(PluginError, match="is no plugin"):
        installed.register(STORAGE, stranger)


def of(*plugins: tuple[PluginType, Plugin]) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin_type, plugin in plugins:
        registry.register(plugin_type, plugin)
    return registry


def test_plugins_start_after_those_that_they_need_and_stop_before_them() -> None:
    said: list[str] = []

    def plugin(name: str, *needs: str) -> Plugin:
        return Plugin(name, needs, on_start=lambda: said.append(f"+{name}"), on_stop=lambda: said.append(f"-{name}"))

    registry = of((COMPUTE, plugin("a", "b", "c")), (STORAGE, plugin("b", "c")), (CATALOG, plugin("c")))
    assert registry.activate_all() == {"CATALOG:c": None, "STORAGE:b": None, "COMPUTE:a": None}
    assert registry.activate_plugin(STORAGE, "b").name == "b"  # is started already
    assert registry.shutdown_all() == {"COMPUTE:a": None, "STORAGE:b": None, "CATALOG:c": None}
    assert registry.shutdown_all() == {}
    assert said == ["+c", "+b", "+a", "-a", "-b", "-c"]


def test_one_plugin_starts_with_what_it_needs() -> None:
    registry = of((COMPUTE, Plugin("a", ("b",))), (STORAGE, Plugin("b")), (CATALOG, Plugin("c")))
    registry.activate_plugin(COMPUTE, "a")
    assert list(registry._activated) == [(STORAGE, "b"), (COMPUTE, "a")]


def test_two_types_may_have_plugins_of_one_name() -> None:
    registry = of((STORAGE, Plugin("x")), (CATALOG, Plugin("x")), (COMPUTE, Plugin("y", ("x",))))
    assert set(registry.activate_all().values()) == {None}
    own_name = of((STORAGE, Plugin("x", ("x",))), (CATALOG, Plugin("x")))
    assert list(own_name.activate_all()) == ["CATALOG:x", "STORAGE:x"]


def test_circles_and_what_is_missing_are_named() -> None:
    circle = of((STORAGE, Plugin("a", ("b",))), (STORAGE, Plugin("b", ("c",))), (STORAGE, Plugin("c", ("b",))))
    with pytest.raises(CircularDependencyError, match="b -> c -> b"):
        circle.activate_all()
    with pytest.raises(MissingDependencyError, match="a needs nothing") as caught:
        of((STORAGE, Plugin("a", ("nothing",)))).activate_all()
    assert caught.value.missing_dependencies == ["nothing"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.plugin_name) == (str(caught.value), "a")


def test_what_fails_to_start_does_not_keep_others_from_starting() -> None:
    def fail() -> None:
        raise RuntimeError("password=geheim")

    registry = of((STORAGE, Plugin("a", on_start=fail)), (STORAGE, Plugin("b", ("a",))), (STORAGE, Plugin("c")))
    outcomes = registry.activate_all()
    assert outcomes["STORAGE:c"] is None
    assert "RuntimeError" in str(outcomes["STORAGE:a"])
    assert "needs a, which did not start" in str(outcomes["STORAGE:b"])
    assert "geheim" not in repr(outcomes)
    with pytest.raises(PluginStartupError):
        registry.activate_plugin(STORAGE, "a")


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_time_limits_hold_whatever_a_plugin_does(never: threading.Event) -> None:
    def hang() -> Any:
        never.wait(60)

    registry = of((STORAGE, Plugin("a", on_start=hang, on_check=hang)), (STORAGE, Plugin("b", on_stop=hang)))
    started = time.monotonic()
    with pytest.raises(PluginStartupError, match="TimeoutError"):
        registry.activate_plugin(STORAGE, "a", timeout=0.1)
    registry.activate_plugin(STORAGE, "b")
    assert isinstance(registry.shutdown_all(timeout=0.1)["STORAGE:b"], TimeoutError)
    health = registry.health_check_all(timeout=0.1)
    assert time.monotonic() - started < 30  # and not the 60 seconds that each would take
    assert health["STORAGE:a"].state is HealthState.UNHEALTHY
    assert health["STORAGE:a"].details["exception_type"] == "TimeoutError"
    assert health["STORAGE:b"].state is HealthState.HEALTHY
    assert health["STORAGE:b"].details["checked_at"]


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_that_cannot_be_is_no_answer_of_a_plugin(limit: float) -> None:
    registry = of((STORAGE, Plugin("a")))
    calls: list[Callable[[], Any]] = [
        lambda: registry.activate_plugin(STORAGE, "a", timeout=limit),
        lambda: registry.activate_all(timeout=limit),
        lambda: registry.health_check_all(timeout=limit),
        lambda: registry.shutdown_all(timeout=limit),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="a time limit of"):
            call()


def test_a_health_check_that_raises_is_an_answer() -> None:
    def fail() -> HealthStatus:
        raise OSError("token=geheim")

    health = of((STORAGE, Plugin("a", on_check=fail))).health_check_all()["STORAGE:a"]
    assert (health.state, health.details["exception_type"]) == (HealthState.UNHEALTHY, "OSError")
    assert "geheim" not in repr(health)


def test_within() -> None:
    with pytest.raises(KeyError, match="x"):
        within(5, lambda: dict[str, str]()["x"])
    for limit in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="time limit"):
            within(limit, lambda: None)


@pytest.mark.parametrize(
    ("plugin", "platform", "fits"),
    [
        ("1.0", "1.0", True),
        ("1.0.9", "1.0", True),
        ("1.0", "1.4", True),
        ("1.5", "1.4", False),
        ("0.9", "1.4", False),
        ("2.0", "1.4", False),
    ],
)
def test_versions(plugin: str, platform: str, fits: bool) -> None:
    assert is_compatible(plugin, platform) is fits


@pytest.mark.parametrize("version", ["", "1", "1.", "1.0.0.0", "v1.0", "1.0\n", "1.x", "-1.0", "٣.0", "01.0"])
def test_versions_that_are_none(version: str) -> None:
    with pytest.raises(ValueError, match="no version of the plugin API"):
        is_compatible(version)
    with pytest.raises(PluginIncompatibleError):
        PluginRegistry().register(STORAGE, Plugin("x", api=version))


def test_types_of_plugins() -> None:
    assert PluginType.from_entry_point_group("floe.storage") is STORAGE
    assert PluginType["LINEAGE"] is PluginType.LINEAGE_BACKEND
    assert len(PluginType.all_entry_point_groups()) == 14
    with pytest.raises(ValueError, match=r"floe\.network_security is no entry-point group of plugins; there are"):
        PluginType.from_entry_point_group("floe.network_security")
