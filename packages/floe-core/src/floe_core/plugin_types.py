"""The types of plugins, and the entry-point group that each is found in."""

from __future__ import annotations

from enum import Enum


class PluginType(Enum):
    """A type of plugin. Its value is its entry-point group.

    >>> PluginType.STORAGE.entry_point_group
    'floe.storage'
    """

    COMPUTE = "floe.computes"
    ORCHESTRATOR = "floe.orchestrators"
    CATALOG = "floe.catalogs"
    STORAGE = "floe.storage"
    TELEMETRY_BACKEND = "floe.telemetry_backends"
    LINEAGE_BACKEND = "floe.lineage_backends"
    LINEAGE = "floe.lineage_backends"  # noqa: PIE796 - the same, by another name
    DBT = "floe.dbt"
    SEMANTIC_LAYER = "floe.semantic_layers"
    INGESTION = "floe.ingestion"
    SECRETS = "floe.secrets"
    IDENTITY = "floe.identity"
    QUALITY = "floe.quality"
    RBAC = "floe.rbac"
    ALERT_CHANNEL = "floe.alert_channels"

    @property
    def entry_point_group(self) -> str:
        """The entry-point group of plugins of this type."""
        return self.value

    @classmethod
    def all_entry_point_groups(cls) -> list[str]:
        """The groups of all types."""
        return [member.value for member in cls]

    @classmethod
    def from_entry_point_group(cls, group: str) -> PluginType:
        """The type whose plugins a group has.

        Raises:
            ValueError: No type's; the message lists the groups.
        """
        try:
            return cls(group)
        except ValueError:
            groups = ", ".join(cls.all_entry_point_groups())
            raise ValueError(f"{group} is no entry-point group of plugins; there are {groups}") from None
