"""Upkeep by policy: looks at a table, says what it would do and why, and does it. For orchestrators to call.

>>> MaintenancePolicy(expiry=ExpiryPolicy(older_than="P7D", retain_last=10)).compaction is not None
True
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from floe_iceberg.maintenance import Progress
from floe_iceberg.telemetry import operation

if TYPE_CHECKING:
    from floe_iceberg.table import FloeTable

Age = Annotated[dt.timedelta, Field(ge=dt.timedelta(0))]


class _Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _compaction_options() -> dict[str, str | int | float | bool]:
    return {"partial-progress.enabled": True, "remove-dangling-deletes": True}


class CompactionPolicy(_Policy):
    """When data files are written again: whenever a plan with these options finds some."""

    sort_order: str | None = Field(
        default=None, description='Such as "day DESC", "zorder(lat, lon)" or "hilbert(lat, lon)".'
    )
    where: str | None = Field(default=None, description="Only files that may have rows which match.")
    options: dict[str, str | int | float | bool] = Field(
        default_factory=_compaction_options, description="Those of rewrite_data_files."
    )


class ManifestPolicy(_Policy):
    """When manifests are written again."""

    min_manifests: int = Field(default=100, ge=2, description="Fewer of them are left alone.")
    max_average_bytes: int = Field(default=1 << 20, ge=1, description="Larger ones on average are left alone.")


class ExpiryPolicy(_Policy):
    """Which snapshots go. None: what the table's ``history.expire.*`` properties say."""

    older_than: Age | None = None
    retain_last: int | None = Field(default=None, ge=1)
    clean_expired_metadata: bool = False


class OrphanPolicy(_Policy):
    """Which files that no metadata mentions go."""

    older_than: Age = Field(default=dt.timedelta(days=3), description="Younger ones may be about to be committed.")
    trash: str | None = Field(default=None, description="Where they are moved to, instead of being removed.")


class MaintenancePolicy(_Policy):
    """What keeps a table small and quick, in this order. None: not at all.

    Orphan files are looked for only if that is asked for, since every file below the table's location is listed.
    """

    compaction: CompactionPolicy | None = CompactionPolicy()
    manifests: ManifestPolicy | None = ManifestPolicy()
    expiry: ExpiryPolicy | None = ExpiryPolicy()
    orphans: OrphanPolicy | None = None


@dataclass(frozen=True)
class MaintenanceAction:
    """What was done for a table, or would be.

    Attributes:
        name: The operation: ``rewrite_data_files``, ``rewrite_manifests``, ``expire_snapshots`` or
            ``remove_orphan_files``.
        reason: Why, in words.
        result: What came of it; None in a dry run.
    """

    name: str
    reason: str
    result: Any = None

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class MaintenanceReport:
    """What a table needed.

    Attributes:
        table: The table's name.
        dry_run: Whether nothing was changed.
        actions: What was done, or would be, in order. Empty: the table is as the policy wants it.
    """

    table: str
    dry_run: bool
    actions: tuple[MaintenanceAction, ...]

    def __str__(self) -> str:
        head = f"{self.table}: {'would do' if self.dry_run else 'did'}"
        return "\n  ".join([f"{head} {len(self.actions)} things", *map(str, self.actions)])


class _Need(NamedTuple):
    name: str
    reason: str
    meet: Callable[[], Any]


def maintain(
    table: FloeTable,
    policy: MaintenancePolicy | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> MaintenanceReport:
    """Look at the current state of a table, and do what the policy finds that it needs.

    Each step is decided on what the steps before it made of the table. What is interrupted, or fails, is found by the
    next call; what was committed before stays. In a dry run all steps are decided on the table as it is.

    Args:
        table: The table, which moves to its current state.
        policy: What to do, and when; default: compaction, manifests and expiry with their defaults.
        dry_run: Change nothing, and say what would be done.
        progress: Is called with what is being done, how many of it are done and of how many (-1: not known).

    Example:
        >>> print(maintain(table, dry_run=True))  # doctest: +SKIP
        flights.departures: would do 2 things
          rewrite_data_files: 500 files of 1.2 MB on average in 12 groups are small or have many deletes
          expire_snapshots: 90 snapshots are no longer kept, and 312 files with them

    Raises:
        ConflictFoundError: Others changed rows that are being compacted, and partial progress is not enabled.
        CommitFailedError: Other writers were first, again and again.
    """
    policy = policy or MaintenancePolicy()
    actions = []
    with operation("maintain", table._full_name):
        for look in _STEPS:
            need = look(table.refresh(), policy, progress)
            if need is not None:
                result = None if dry_run else need.meet()
                actions.append(MaintenanceAction(need.name, need.reason, result))
    return MaintenanceReport(table._full_name, dry_run, tuple(actions))


def _compaction(table: FloeTable, policy: MaintenancePolicy, progress: Progress | None) -> _Need | None:
    if (how := policy.compaction) is None:
        return None
    arguments: dict[str, Any] = {"sort_order": how.sort_order, "where": how.where, "options": how.options}
    tasks = table.maintenance.plan_rewrite(**arguments).tasks
    if not tasks:
        return None
    files = sum(task.input_files for task in tasks)
    average = _bytes(sum(task.input_bytes for task in tasks) / files)
    reason = f"{files} files of {average} on average in {len(tasks)} groups are small or have many deletes"
    run = table.maintenance.rewrite_data_files
    return _Need("rewrite_data_files", reason, lambda: run(**arguments, progress=progress))


def _manifests(table: FloeTable, policy: MaintenancePolicy, _: Progress | None) -> _Need | None:
    if (when := policy.manifests) is None:
        return None
    manifests = table.inspect.manifests(columns=["length", "partition_spec_id"]).to_pylist()
    current = [m["length"] for m in manifests if m["partition_spec_id"] == table.spec().spec_id]
    if len(current) < when.min_manifests or sum(current) / len(current) > when.max_average_bytes:
        return None
    reason = f"planning opens up to {len(current)} manifests of {_bytes(sum(current) / len(current))} on average"
    return _Need("rewrite_manifests", reason, table.maintenance.rewrite_manifests)


def _expiry(table: FloeTable, policy: MaintenancePolicy, progress: Progress | None) -> _Need | None:
    if (which := policy.expiry) is None or not table.snapshots():
        return None
    older_than = None if which.older_than is None else dt.datetime.now(dt.UTC) - which.older_than
    arguments: dict[str, Any] = {
        "older_than": older_than,
        "retain_last": which.retain_last,
        "clean_expired_metadata": which.clean_expired_metadata,
    }
    found = table.maintenance.expire_snapshots(**arguments, dry_run=True)
    gone = [
        f"{len(ids)} {what}"
        for ids, what in (
            (found.snapshots, "snapshots"),
            (found.refs, "branches and tags"),
            (found.schemas, "schemas"),
            (found.specs, "partition specs"),
        )
        if ids
    ]
    if not gone:
        return None
    size = _bytes(found.deleted_bytes)
    reason = f"{', '.join(gone)} are no longer kept, and {found.deleted_files_count} files of {size} with them"
    run = table.maintenance.expire_snapshots
    return _Need("expire_snapshots", reason, lambda: run(**arguments, progress=progress))


def _orphans(table: FloeTable, policy: MaintenancePolicy, progress: Progress | None) -> _Need | None:
    if (which := policy.orphans) is None:
        return None
    arguments: dict[str, Any] = {"older_than": dt.datetime.now(dt.UTC) - which.older_than, "trash": which.trash}
    found = table.maintenance.remove_orphan_files(**arguments, dry_run=True, most_listed=0)
    if not found.orphan_files_count:
        return None
    reason = f"no metadata mentions {found.orphan_files_count} files of {_bytes(found.orphan_bytes)}"
    run = table.maintenance.remove_orphan_files
    return _Need("remove_orphan_files", reason, lambda: run(**arguments, progress=progress))


_STEPS = (_compaction, _manifests, _expiry, _orphans)


def _bytes(size: float) -> str:
    """A size for people.

    >>> _bytes(812), _bytes(1_230_000), _bytes(5e12)
    ('812 B', '1.2 MB', '5.0 TB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
