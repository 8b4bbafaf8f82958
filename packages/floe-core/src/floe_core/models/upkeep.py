"""What keeps tables small and quick: compaction, retention, and how often a commit is tried."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from floe_core.models.base import Model, Some

DEFAULT_TARGET_FILE_SIZE_BYTES = 128 << 20
_DAY_MS = 86_400_000


class CompactionStrategyType(StrEnum):
    """What compaction does with rows."""

    BIN_PACK = "bin_pack"
    SORT = "sort"


class CompactionStrategy(Model):
    """How a table's small files become larger ones.

    >>> CompactionStrategy(strategy_type="sort", sort_columns=["day"]).sort_columns
    ('day',)
    """

    strategy_type: CompactionStrategyType = CompactionStrategyType.BIN_PACK
    target_file_size_bytes: int = Field(
        default=DEFAULT_TARGET_FILE_SIZE_BYTES, ge=1 << 20, le=1 << 30, description="Of the files to be written."
    )
    sort_columns: Some[str] | None = Field(default=None, description="Of a sort, by full name.")
    max_concurrent_file_group_rewrites: int = Field(
        default=5, ge=1, le=100, description="How many groups of files are rewritten at once."
    )

    @model_validator(mode="after")
    def _sorts_by_something(self) -> Self:
        if self.strategy_type is CompactionStrategyType.SORT and self.sort_columns is None:
            raise ValueError("a sort needs sort_columns, the columns to sort by")
        if self.strategy_type is not CompactionStrategyType.SORT and self.sort_columns is not None:
            raise ValueError(f"{self.strategy_type} has no sort_columns: set strategy_type to sort, or leave them out")
        return self


class RetentionPolicy(Model):
    """Which snapshots an expiry keeps. None: as the engine does without being told.

    >>> RetentionPolicy(older_than_days=7, min_snapshots_to_keep=10).to_table_properties()
    {'history.expire.max-snapshot-age-ms': '604800000', 'history.expire.min-snapshots-to-keep': '10'}
    """

    older_than_days: float | None = Field(default=None, gt=0, le=36_500, description="How old a snapshot has to be.")
    min_snapshots_to_keep: int | None = Field(
        default=None, ge=1, description="How many of each branch's snapshots stay, however old they are."
    )
    max_ref_age_days: float | None = Field(
        default=None, gt=0, le=36_500, description="How long branches and tags stay, main apart."
    )

    def to_table_properties(self) -> dict[str, str]:
        """As properties of a table, from which every expiry takes them."""
        limits = {
            "history.expire.max-snapshot-age-ms": _milliseconds(self.older_than_days),
            "history.expire.min-snapshots-to-keep": self.min_snapshots_to_keep,
            "history.expire.max-ref-age-ms": _milliseconds(self.max_ref_age_days),
        }
        return {key: str(value) for key, value in limits.items() if value is not None}


class RetryPolicy(Model):
    """How often a commit is tried when other writers are first. None: as the engine does without being told.

    >>> RetryPolicy(max_retries=10, min_wait_seconds=0.5).to_table_properties()
    {'commit.retry.num-retries': '10', 'commit.retry.min-wait-ms': '500'}
    """

    max_retries: int | None = Field(default=None, ge=0, le=1000, description="0: a commit is tried once.")
    min_wait_seconds: float | None = Field(default=None, gt=0, description="Before the first retry; then twice that.")
    max_wait_seconds: float | None = Field(default=None, gt=0, description="Before any retry.")
    total_timeout_seconds: float | None = Field(default=None, gt=0, description="For all retries.")

    @model_validator(mode="after")
    def _waits_are_in_order(self) -> Self:
        if self.min_wait_seconds and self.max_wait_seconds and self.min_wait_seconds > self.max_wait_seconds:
            raise ValueError("min_wait_seconds is more than max_wait_seconds")
        return self

    def to_table_properties(self) -> dict[str, str]:
        """As properties of a table, from which every commit takes them."""
        seconds = {
            "commit.retry.min-wait-ms": self.min_wait_seconds,
            "commit.retry.max-wait-ms": self.max_wait_seconds,
            "commit.retry.total-timeout-ms": self.total_timeout_seconds,
        }
        properties = {} if self.max_retries is None else {"commit.retry.num-retries": str(self.max_retries)}
        return properties | {key: str(round(value * 1000)) for key, value in seconds.items() if value is not None}


def _milliseconds(days: float | None) -> int | None:
    return None if days is None else round(days * _DAY_MS)
