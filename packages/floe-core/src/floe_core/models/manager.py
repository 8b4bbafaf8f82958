"""How floe's table manager behaves."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from floe_core.models.base import ModelWithSecrets
from floe_core.models.upkeep import DEFAULT_TARGET_FILE_SIZE_BYTES, RetentionPolicy, RetryPolicy
from floe_core.models.write import CommitStrategy


class StaleTableRecoveryMode(StrEnum):
    """What happens to a table that the catalog has and whose metadata file is gone.

    strict: an error. repair: where the table is to be made if it does not exist, it is registered anew, empty.
    """

    STRICT = "strict"
    REPAIR = "repair"


def _default_table_properties() -> dict[str, str]:
    size = str(DEFAULT_TARGET_FILE_SIZE_BYTES)
    return {
        "write.format.default": "parquet",
        "write.target-file-size-bytes": size,
        "write.parquet.row-group-size-bytes": size,
    }


class IcebergTableManagerConfig(ModelWithSecrets):
    """How a table manager behaves. What concerns commits and expiry becomes properties of the tables that it makes.

    >>> IcebergTableManagerConfig(max_commit_retries=5).table_properties["commit.retry.num-retries"]
    '5'
    """

    MAX_TTL_HOURS: ClassVar[int] = 8760
    MAX_SNAPSHOTS: ClassVar[int] = 100

    max_commit_retries: int = Field(default=3, ge=1, le=10, description="How often a commit is tried again.")
    retry_base_delay_seconds: float = Field(
        default=1.0, ge=0.1, le=30, description="Before the first retry; then twice that."
    )
    default_retention_days: int = Field(
        default=7, ge=1, le=365, description="How old a snapshot has to be for an expiry."
    )
    min_snapshots_to_keep: int = Field(
        default=10, ge=1, le=100, description="How many of each branch's snapshots an expiry keeps, however old."
    )
    default_commit_strategy: CommitStrategy = Field(
        default=CommitStrategy.FAST_APPEND, description="Of writes whose WriteConfig does not say."
    )
    default_table_properties: dict[str, str] = Field(
        default_factory=_default_table_properties, description="Of tables to be made. What their TableConfig says wins."
    )
    stale_table_recovery_mode: StaleTableRecoveryMode = StaleTableRecoveryMode.STRICT
    catalog_connection_config: dict[str, Any] | None = Field(
        default=None, repr=False, description="What the catalog plugin is connected with. None: nothing."
    )

    @property
    def retry(self) -> RetryPolicy:
        """How often a commit is tried."""
        return RetryPolicy(
            max_retries=self.max_commit_retries,
            min_wait_seconds=self.retry_base_delay_seconds,
            max_wait_seconds=max(60.0, self.retry_base_delay_seconds),
        )

    @property
    def retention(self) -> RetentionPolicy:
        """Which snapshots an expiry keeps."""
        return RetentionPolicy(
            older_than_days=self.default_retention_days, min_snapshots_to_keep=self.min_snapshots_to_keep
        )

    @property
    def table_properties(self) -> dict[str, str]:
        """What tables are made with, unless their TableConfig says otherwise."""
        return self.retry.to_table_properties() | self.retention.to_table_properties() | self.default_table_properties

    @classmethod
    def from_governance(cls, governance: Any = None, **others: Any) -> IcebergTableManagerConfig:
        """As a manifest's governance asks, by its ``default_ttl_hours``, ``snapshot_keep_last`` and the recovery mode.

        >>> from types import SimpleNamespace
        >>> asked = SimpleNamespace(default_ttl_hours=24, snapshot_keep_last=3)
        >>> IcebergTableManagerConfig.from_governance(asked).table_properties["history.expire.max-snapshot-age-ms"]
        '86400000'

        Raises:
            ValueError: A limit is no whole number, or out of its bounds.
        """
        properties = _default_table_properties() | dict(others.pop("default_table_properties", {}))
        hours = _limit(governance, "default_ttl_hours", cls.MAX_TTL_HOURS)
        if hours is not None:
            properties["history.expire.max-snapshot-age-ms"] = str(hours * 3_600_000)
        keep = _limit(governance, "snapshot_keep_last", cls.MAX_SNAPSHOTS)
        if keep is not None:
            properties["history.expire.min-snapshots-to-keep"] = str(keep)
            others["min_snapshots_to_keep"] = keep
        mode = getattr(governance, "stale_table_recovery_mode", None)
        if mode is not None:
            others["stale_table_recovery_mode"] = getattr(mode, "value", mode)
        return cls(default_table_properties=properties, **others)


def _limit(governance: Any, name: str, most: int) -> int | None:
    value = getattr(governance, name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name} is {value!r}; it has to be a whole number from 1 to {most}")
    return value
