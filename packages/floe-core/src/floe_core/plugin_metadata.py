"""What every plugin says about itself, and how it lives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel


class HealthState(Enum):
    """How well a plugin is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass
class HealthStatus:
    """The answer of a health check."""

    state: HealthState
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class PluginMetadata(ABC):
    """The base of all plugins. A subclass with an ``__init__`` of its own calls this one's."""

    def __init__(self) -> None:
        self._config: BaseModel | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The plugin's name, by which it is looked up."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The plugin's own version, ``x.y.z``."""

    @property
    @abstractmethod
    def floe_api_version(self) -> str:
        """The version of the contract that the plugin was written for, ``x.y``."""

    @property
    def description(self) -> str:
        """One line for people."""
        return ""

    @property
    def dependencies(self) -> list[str]:
        """The names of the plugins that must be started first."""
        return []

    @property
    def tracer_name(self) -> str | None:
        """The name of the plugin's spans, ``floe.<category>.<implementation>``, or None."""
        return None

    def configure(self, config: BaseModel | None) -> None:
        """Take a configuration, an instance of what ``get_config_schema`` returns."""
        self._config = config

    @property
    def is_configured(self) -> bool:
        """Whether ``configure`` was called with a configuration."""
        return self._config is not None

    def get_config_schema(self) -> type[BaseModel] | None:
        """The model of the plugin's configuration, or None if there is nothing to configure."""
        return None

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        """How well the plugin is, found within ``timeout`` seconds."""
        return HealthStatus(HealthState.HEALTHY)

    def startup(self) -> None:  # noqa: B027 - a plugin may have nothing to start
        """Called once before use."""

    def shutdown(self) -> None:  # noqa: B027 - a plugin may have nothing to stop
        """Called once after use."""
