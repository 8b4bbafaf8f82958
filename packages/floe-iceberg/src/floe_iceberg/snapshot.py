"""Snapshots: branches and tags, which one is current, and publishing what was staged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import UpdatesAndRequirements
from pyiceberg.table.update.snapshot import ManageSnapshots
from pyiceberg.typedef import EMPTY_DICT

import floe_engine
from floe_iceberg.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from floe_iceberg.transaction import FloeTransaction


class FloeManageSnapshots(ManageSnapshots):
    """Changes of branches, tags and the current snapshot. Each sees those before it; ``commit`` makes them last.

    Example:
        >>> with table.manage_snapshots() as snapshots:  # doctest: +SKIP
        ...     snapshots.create_tag(first, "end-of-2013", max_ref_age_ms=30 * 86_400_000)
        ...     snapshots.fast_forward("main", "audited")

    Raises:
        NotFoundError: There is no such snapshot, branch or tag.
        InvalidArgumentError: The change cannot be; the message says why.
        CommitFailedError: Another writer moved the branch or tag meanwhile.
    """

    def __init__(self, transaction: FloeTransaction) -> None:
        self._transaction: FloeTransaction = transaction

    def __enter__(self) -> FloeManageSnapshots:
        return self

    def create_tag(self, snapshot_id: int, tag_name: str, max_ref_age_ms: int | None = None) -> FloeManageSnapshots:
        """Make a tag, or move the one of this name.

        Args:
            snapshot_id: The snapshot to name.
            tag_name: Its name.
            max_ref_age_ms: How long the tag is kept.
        """
        return self._set_ref(tag_name, snapshot_id, False, "create-or-replace", max_ref_age_ms=max_ref_age_ms)

    def create_branch(
        self,
        snapshot_id: int,
        branch_name: str,
        max_ref_age_ms: int | None = None,
        max_snapshot_age_ms: int | None = None,
        min_snapshots_to_keep: int | None = None,
    ) -> FloeManageSnapshots:
        """Make a branch, or move the one of this name.

        Args:
            snapshot_id: Where it begins.
            branch_name: Its name.
            max_ref_age_ms: How long the branch is kept.
            max_snapshot_age_ms: How long its snapshots are.
            min_snapshots_to_keep: How many of its snapshots are in any case.
        """
        return self._set_ref(
            branch_name,
            snapshot_id,
            True,
            "create-or-replace",
            max_ref_age_ms=max_ref_age_ms,
            max_snapshot_age_ms=max_snapshot_age_ms,
            min_snapshots_to_keep=min_snapshots_to_keep,
        )

    def replace_tag(self, tag_name: str, snapshot_id: int) -> FloeManageSnapshots:
        """Move a tag that is there; what it keeps stays."""
        return self._set_ref(tag_name, snapshot_id, False, "replace")

    def replace_branch(self, branch_name: str, snapshot_id: int) -> FloeManageSnapshots:
        """Move a branch that is there to any snapshot; what it keeps stays."""
        return self._set_ref(branch_name, snapshot_id, True, "replace")

    def rename_branch(self, branch_name: str, new_name: str) -> FloeManageSnapshots:
        """Give a branch another name, which nothing has yet. Main cannot be renamed."""
        return self._change(lambda engine: engine.rename_branch(branch_name, new_name))

    def remove_tag(self, tag_name: str) -> FloeManageSnapshots:
        """Remove a tag, if there is one."""
        return self._remove_ref(tag_name, False)

    def remove_branch(self, branch_name: str) -> FloeManageSnapshots:
        """Remove a branch, if there is one. Main cannot be removed."""
        return self._remove_ref(branch_name, True)

    def fast_forward(self, branch_name: str, to_ref: str) -> FloeManageSnapshots:
        """Move a branch to where another branch or tag is, if that descends from it."""
        return self._change(lambda engine: engine.fast_forward(branch_name, to_ref))

    def set_retention(
        self,
        ref_name: str,
        *,
        min_snapshots_to_keep: int | None = None,
        max_snapshot_age_ms: int | None = None,
        max_ref_age_ms: int | None = None,
    ) -> FloeManageSnapshots:
        """Change what a branch or tag keeps; what is not given stays. Tags have ``max_ref_age_ms`` alone."""
        return self._change(
            lambda engine: engine.set_retention(
                ref_name,
                min_snapshots_to_keep=min_snapshots_to_keep,
                max_snapshot_age_ms=max_snapshot_age_ms,
                max_ref_age_ms=max_ref_age_ms,
            )
        )

    def set_current_snapshot(self, snapshot_id: int | None = None, ref_name: str | None = None) -> FloeManageSnapshots:
        """Make any snapshot the current one: by id, or the one that a branch or tag is at."""
        if (snapshot_id is None) == (ref_name is None):
            raise InvalidArgumentError("Either snapshot_id or ref_name must be provided, not both")
        if ref_name is not None:
            snapshot_id = self._transaction._state.handle.snapshot_of_ref(ref_name)
        if snapshot_id is None:
            raise NotFoundError(f"Cannot find matching snapshot ID for ref: {ref_name}")
        target = snapshot_id
        return self._change(lambda engine: engine.set_current_snapshot(target))

    def rollback_to_snapshot(self, snapshot_id: int) -> FloeManageSnapshots:
        """Go back to an ancestor of the current snapshot."""
        return self._change(lambda engine: engine.rollback_to_snapshot(snapshot_id))

    def rollback_to_timestamp(self, timestamp_ms: int) -> FloeManageSnapshots:
        """Go back to the last ancestor that is older than a time (Unix time in milliseconds)."""
        return self._change(lambda engine: engine.rollback_to_timestamp(timestamp_ms))

    def cherry_pick(self, snapshot_id: int) -> FloeManageSnapshots:
        """Bring what a snapshot changed onto main: an append, a dynamic overwrite, or whatever comes next.

        Raises:
            NotSupported: It changed something else.
            InvalidArgumentError: It is on main already.
            ConflictFoundError: Rows came to the partitions that it overwrites.
        """
        return self._change(lambda engine: engine.cherry_pick(snapshot_id))

    def publish_changes(self, wap_id: str) -> FloeManageSnapshots:
        """Write, audit, publish: cherry-pick the snapshot that was staged with this id.

        Example:
            >>> table.append(rows, snapshot_properties={"wap.id": "monday"}, branch=None)  # doctest: +SKIP
            >>> table.manage_snapshots().publish_changes("monday").commit()  # doctest: +SKIP

        Raises:
            NotFoundError: There is no snapshot whose summary has that ``wap.id``.
            InvalidArgumentError: It is published already.
        """
        return self._change(lambda engine: engine.publish_changes(wap_id))

    def create_snapshot(
        self,
        tag_name: str | None = None,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str = MAIN_BRANCH,
        max_ref_age_ms: int | None = None,
    ) -> FloeManageSnapshots:
        """Make a snapshot that changes no rows, as the branch's next one, and name it by a tag.

        Args:
            tag_name: The tag, which must not be there; None: it gets none.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch that goes on with it.
            max_ref_age_ms: How long the tag is kept.

        Raises:
            AlreadyExists: There is such a tag.
        """

        def create(engine: floe_engine.Transaction) -> None:
            snapshot_id = engine.create_snapshot(branch, dict(snapshot_properties))
            if tag_name is not None:
                engine.set_ref(tag_name, snapshot_id, is_branch=False, change="create", max_ref_age_ms=max_ref_age_ms)

        return self._change(create)

    def _set_ref(
        self, name: str, snapshot_id: int, is_branch: bool, change: str, **retention: int | None
    ) -> FloeManageSnapshots:
        return self._change(
            lambda engine: engine.set_ref(name, snapshot_id, is_branch=is_branch, change=change, **retention)
        )

    def _remove_ref(self, name: str, is_branch: bool) -> FloeManageSnapshots:
        if self._transaction._state.handle.snapshot_of_ref(name) is None and name != MAIN_BRANCH:
            return self
        return self._change(lambda engine: engine.remove_ref(name, is_branch=is_branch))

    def _change(self, change: Callable[[floe_engine.Transaction], object]) -> FloeManageSnapshots:
        self._transaction._stage_natively(change)
        return self

    def _commit(self) -> UpdatesAndRequirements:
        raise NotImplementedError("only floe's transactions take these changes")

    def commit(self) -> None:
        """Leave the changes with the transaction; on a table, commit them."""
        self._transaction._changed()
