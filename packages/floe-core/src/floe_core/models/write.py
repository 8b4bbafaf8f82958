"""Changes of rows, and the snapshots that they make."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from floe_core.models.base import Model, Some


class WriteMode(StrEnum):
    """What becomes of the rows that are there.

    append: they stay. overwrite: those that match a filter, or all, leave. dynamic_overwrite: those of the partitions
    into which new rows fall leave. upsert: those with the key of a new row are replaced by it.
    """

    APPEND = "append"
    OVERWRITE = "overwrite"
    DYNAMIC_OVERWRITE = "dynamic_overwrite"
    UPSERT = "upsert"


class CommitStrategy(StrEnum):
    """What a commit does with the table's manifests.

    fast_append: it adds its own, and merges others only if ``commit.manifest-merge.enabled`` of the table asks for it.
    merge_commit: it merges small ones, so that commits take longer and scans are planned faster.
    """

    FAST_APPEND = "fast_append"
    MERGE_COMMIT = "merge_commit"


class OperationType(StrEnum):
    """What made a snapshot."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    REPLACE = "replace"


class WriteConfig(Model):
    """How rows are written.

    >>> WriteConfig(mode="upsert", join_columns=["id"]).join_columns
    ('id',)
    """

    mode: WriteMode = WriteMode.APPEND
    commit_strategy: CommitStrategy = CommitStrategy.FAST_APPEND
    overwrite_filter: str | None = Field(
        default=None,
        min_length=1,
        description="Of an overwrite: the rows that leave, such as day = '2013-01-01'. None: all.",
    )
    join_columns: Some[str] | None = Field(default=None, description="Of an upsert: the key, by full name.")
    snapshot_properties: dict[str, str] = Field(default_factory=dict, description="What to note beside the change.")
    branch: str = Field(default="main", min_length=1, description="The branch to write to; made if it is not there.")

    @model_validator(mode="after")
    def _options_fit_the_mode(self) -> Self:
        if self.mode is WriteMode.UPSERT and self.join_columns is None:
            raise ValueError("an upsert needs join_columns, the columns by which rows are the same")
        if self.mode is not WriteMode.UPSERT and self.join_columns is not None:
            raise ValueError(f"mode {self.mode} has no join_columns: set mode to upsert, or leave them out")
        if self.mode is not WriteMode.OVERWRITE and self.overwrite_filter is not None:
            raise ValueError(f"mode {self.mode} has no overwrite_filter: set mode to overwrite, or leave it out")
        return self


def _milliseconds(moment: Any) -> Any:
    if not isinstance(moment, dt.datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone, so it is no moment: add one, such as UTC")
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)


class SnapshotInfo(Model):
    """A state that a table had, or has.

    >>> SnapshotInfo(snapshot_id=7, timestamp_ms=0, operation="append", summary={"added-records": "2"}).added_records
    2
    """

    snapshot_id: int = Field(description="What the table knows it by.")
    timestamp_ms: Annotated[int, BeforeValidator(_milliseconds)] = Field(
        ge=0,
        validation_alias=AliasChoices("timestamp_ms", "timestamp"),
        description="When it was committed, as Unix time in milliseconds, or as a time with a time zone.",
    )
    operation: OperationType
    summary: dict[str, str] = Field(default_factory=dict, description="What was noted beside the change, and counts.")
    parent_id: int | None = Field(
        default=None,
        validation_alias=AliasChoices("parent_id", "parent_snapshot_id"),
        description="The snapshot that it was made of.",
    )

    @property
    def timestamp(self) -> dt.datetime:
        """When it was committed."""
        return dt.datetime.fromtimestamp(self.timestamp_ms / 1000, dt.UTC)

    @property
    def parent_snapshot_id(self) -> int | None:
        """The snapshot that it was made of."""
        return self.parent_id

    @property
    def added_files(self) -> int:
        """The data files that it added."""
        return self._count("added-data-files", "added-files-count")

    @property
    def added_records(self) -> int:
        """The rows that it added."""
        return self._count("added-records", "added-records-count")

    def _count(self, *keys: str) -> int:
        text = next((self.summary[key] for key in keys if key in self.summary), "0")
        return int(text) if text.isdecimal() else 0

    @classmethod
    def from_pyiceberg_snapshot(cls, snapshot: Any) -> SnapshotInfo:
        """PyIceberg's snapshot as floe has it. One of format version 1 without a summary is taken for an append."""
        summary = snapshot.summary
        operation = OperationType.APPEND if summary is None else OperationType(str(summary.operation.value))
        return cls(
            snapshot_id=snapshot.snapshot_id,
            timestamp_ms=snapshot.timestamp_ms,
            operation=operation,
            summary={} if summary is None else dict(summary.additional_properties),
            parent_id=snapshot.parent_snapshot_id,
        )
