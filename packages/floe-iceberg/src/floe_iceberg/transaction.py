"""Transactions: PyIceberg's, whose changes of rows the engine makes, and which the engine commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.table import (
    ALWAYS_TRUE,
    DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE,
    CreateTableTransaction,
    DataScan,
    Table,
    TableProperties,
    Transaction,
)
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import TableRequirement, TableUpdate, UpgradeFormatVersionUpdate
from pyiceberg.table.update.snapshot import UpdateSnapshot
from pyiceberg.table.update.sorting import UpdateSortOrder
from pyiceberg.typedef import EMPTY_DICT
from pyiceberg.utils.config import Config

import floe_engine
from floe_engine import UpsertOptions
from floe_iceberg import reports
from floe_iceberg.changes import RowChanges
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.foreign import CatalogCalls, CreationCalls, commits_elsewhere, python_catalog
from floe_iceberg.partition import FloeUpdateSortOrder, FloeUpdateSpec
from floe_iceberg.scan import FloeScan
from floe_iceberg.schema import FloeUpdateSchema
from floe_iceberg.snapshot import FloeManageSnapshots
from floe_iceberg.state import TableState, engine_of
from floe_iceberg.telemetry import traced

if TYPE_CHECKING:
    from floe_engine._core import UpsertCounts
    from floe_iceberg.table import FloeStagedTable, FloeTable

# What PyIceberg's own code may change in tables of format version 3: it neither reads nor writes rows for it.
_HARMLESS_UPDATES = {
    "set-properties",
    "remove-properties",
    "set-snapshot-ref",
    "remove-snapshot-ref",
    "set-location",
}


class FloeTransaction(RowChanges, Transaction):
    """Changes of one table that become one commit. Each sees the table with those before it.

    Nothing is visible to others before the end, and nothing stays behind after an exception. Threads may share a
    transaction, but not use it at once.

    Example:
        >>> with table.transaction() as transaction:  # doctest: +SKIP
        ...     transaction.delete("day < '2013-01-01'")
        ...     transaction.upsert(corrections, join_cols=["flight_id"])
        ...     transaction.set_properties(corrected="yes")
    """

    _table: FloeTable

    def __init__(self, table: Table, autocommit: bool = False) -> None:
        Transaction.__init__(self, table, autocommit)
        self._engine: floe_engine.Transaction | None = None  # from the first change on
        self._since: TableState | None = None  # where that began
        self._staged: TableState | None = None  # with the changes so far; None: not known yet
        self._is_natives = False  # some change is the engine's own, and not of PyIceberg's code alone
        self._is_replayed = False  # by PyIceberg's loop of attempts
        self._is_over = False
        self._in_use = threading.RLock()

    @property
    def _full_name(self) -> str:
        return ".".join(self._table.name())

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the changes so far."""
        return self._state.metadata if self._engine else super().table_metadata

    @property
    def _state(self) -> TableState:
        """The table with the changes so far."""
        engine, staged = self._engine, self._staged
        if engine is None:
            return self._table._state
        if staged is None:
            with self._using():
                self._staged = staged = TableState(self._table.catalog, self._table.name(), engine.staged)
        return staged

    @contextmanager
    def _using(self) -> Iterator[None]:
        if not self._in_use.acquire(blocking=False):
            raise InvalidArgumentError(
                f"{self._full_name}: the transaction is in use by another thread; it is for one at a time"
            )
        try:
            yield
        finally:
            self._in_use.release()

    def _begin(self, native: bool = True) -> floe_engine.Transaction:
        self._is_natives |= native
        if self._engine is None:
            if self._is_over:
                raise InvalidArgumentError(f"{self._full_name}: the transaction is over; begin another one")
            self._since = self._staged = self._table._state
            self._engine = floe_engine.Transaction(self._writer(self._since))
        return self._engine

    def _writer(self, state: TableState) -> floe_engine.Table:
        return state.writer

    def _committer(self) -> floe_engine.Catalog | None:
        """Another catalog than the one that the transaction began with: of a `commit_table` that was replaced since."""
        catalog, since = self._table.catalog, cast(TableState, self._since)
        return python_catalog(CatalogCalls(catalog, since)) if commits_elsewhere(catalog) else None

    @contextmanager
    def _change(self) -> Iterator[FloeTransaction]:
        with self._using():
            try:
                yield self
            finally:
                self._staged = None
            self._changed()

    def _upsert(self, source: Any, options: UpsertOptions) -> UpsertCounts:
        return self._begin().upsert(source, options)

    def update_snapshot(
        self, snapshot_properties: dict[str, str] = EMPTY_DICT, branch: str | None = MAIN_BRANCH
    ) -> UpdateSnapshot:
        """PyIceberg's producers of snapshots.

        Raises:
            NotImplementedError: The table is of format version 3.
        """
        refuse_version_3(self._state, "a snapshot from PyIceberg's producers")
        return super().update_snapshot(snapshot_properties, branch)

    def upgrade_table_version(self, format_version: int) -> FloeTransaction:
        """Make the table one of a later format version. Its files stay as they are.

        Version 3 gives rows their ids from the next commit on, and deletes by deletion vectors.

        Example:
            >>> with table.transaction() as transaction:  # doctest: +SKIP
            ...     transaction.upgrade_table_version(3)

        Raises:
            InvalidArgumentError: The version is an earlier one, or is not known.
        """
        if format_version != self._state.format_version:
            self._begin().update("[]", json_array([UpgradeFormatVersionUpdate(format_version=format_version)]))
            self._changed()
        return self

    # --- changing what the table is made of ---

    def update_schema(self, allow_incompatible_changes: bool = False, case_sensitive: bool = True) -> FloeUpdateSchema:
        """Changes of columns (see :class:`~floe_iceberg.schema.FloeUpdateSchema`).

        Args:
            allow_incompatible_changes: Also those after which what was written before may not be readable.
            case_sensitive: Whether the case of names counts.
        """
        return FloeUpdateSchema(self, allow_incompatible_changes, case_sensitive)

    def update_spec(self, case_sensitive: bool = True) -> FloeUpdateSpec:
        """Changes of the partitioning (see :class:`~floe_iceberg.partition.FloeUpdateSpec`)."""
        return FloeUpdateSpec(self, case_sensitive)

    def update_sort_order(self, case_sensitive: bool = True) -> UpdateSortOrder:
        """A new sort order (see :class:`~floe_iceberg.partition.FloeUpdateSortOrder`)."""
        return FloeUpdateSortOrder(self, case_sensitive)

    def manage_snapshots(self) -> FloeManageSnapshots:
        """Changes of branches, tags and what is current (see :class:`~floe_iceberg.snapshot.FloeManageSnapshots`)."""
        return FloeManageSnapshots(self)

    def _stage_natively(self, change: Callable[[floe_engine.Transaction], object]) -> None:
        with self._using():
            try:
                change(self._begin())
            finally:
                self._staged = None

    def _take(self, change: Callable[[floe_engine.Transaction], object]) -> None:
        with self._change():
            change(self._begin())

    # --- PyIceberg's inside ---

    def _is_pyicebergs(self, stream: Any = None) -> bool:
        """Whether PyIceberg's own code has to change the rows, because Python code decides how."""
        properties = self._state.properties
        python_decides = PY_IO_IMPL in properties or TableProperties.WRITE_PY_LOCATION_PROVIDER_IMPL in properties
        schema = str(getattr(stream, "schema", ""))
        downcast = "timestamp[ns" in schema and Config().get_bool(DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE)
        if not (python_decides or downcast):
            return False
        refuse_version_3(self._state, "this way of changing rows")
        return True

    def _stage(
        self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...] = ()
    ) -> FloeTransaction:
        with self._using():
            refuse_foreign_updates(self._state, updates)
            if not self._is_replayed:
                self._begin(native=False).update(json_array(requirements), json_array(updates))
                self._staged = None
                known = {type(requirement) for requirement in self._requirements}
                self._updates += updates
                self._requirements += tuple(new for new in requirements if type(new) not in known)
            else:
                super()._stage(updates, requirements)
            return self

    def _hand_over(self) -> None:
        """To PyIceberg's loop of attempts, which builds snapshots of its producers again. The engine cannot."""
        if self._engine is not None:
            self._engine.drop()
        self._engine = self._since = self._staged = None
        self._is_replayed = True

    def _changed(self) -> None:
        if self._autocommit:
            self.commit_transaction()

    def _scan(self, row_filter: str | BooleanExpression = ALWAYS_TRUE, case_sensitive: bool = True) -> DataScan:
        return FloeScan.of(self._state, row_filter=row_filter, case_sensitive=case_sensitive)

    def __enter__(self) -> FloeTransaction:
        return self

    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        with self._using():
            self._is_over = True
            if exctype is not None and self._engine is not None:
                self._engine.drop()
                self._failed = True
            super().__exit__(exctype, excinst, exctb)

    @traced("commit")
    def commit_transaction(self) -> Table:
        """Commit all changes at once, with retries.

        Raises:
            ConflictFoundError: What others committed contradicts a change.
            CommitFailedError: Other writers were first, again and again.
            CommitStateUnknownError: The answer to the commit was lost.
        """
        with self._using():
            if self._snapshot_producers and not self._is_natives:
                self._hand_over()
            if self._engine is None or self._since is None or self._failed:
                return super().commit_transaction()
            snapshots, started = self._engine.snapshots, time.perf_counter_ns()
            try:
                handle = self._engine.commit(self._committer())
            except BaseException:
                self._failed = True
                raise
            self._committed(handle)
            reports.committed(handle, snapshots, time.perf_counter_ns() - started)
            return self._table

    def _committed(self, handle: floe_engine.Table) -> None:
        committed = TableState(self._table.catalog, self._table.name(), handle)
        self._table._check_same_table(committed)
        self._table._move_to(committed, cast(TableState, self._since))
        self._engine = self._since = self._staged = None
        self._updates = self._requirements = ()


class FloeCreateTableTransaction(FloeTransaction, CreateTableTransaction):
    """A table that is made with its first changes, as one commit."""

    def __init__(self, table: FloeStagedTable) -> None:
        FloeTransaction.__init__(self, table)
        self._initial_changes(table.metadata)
        self._creation = CreationCalls(table._state, json_array(self._updates))
        self._updates = ()

    def _writer(self, state: TableState) -> floe_engine.Table:
        return state.handle.of_catalog(python_catalog(self._creation))

    def commit_transaction(self) -> Table:
        """Make the table.

        Raises:
            CommitFailedError: It is there already.
            NoSuchNamespaceError: Its namespace is not.
            CommitStateUnknownError: The answer to the commit was lost.
        """
        table = self._table
        with self._using():
            if self._failed or self._creation.is_done:
                return Transaction.commit_transaction(self)
            snapshots, started = self._engine.snapshots if self._engine else [], time.perf_counter_ns()
            try:
                handle = self._engine.commit() if self._engine else table._state.handle
                if not self._creation.is_done:  # nothing was changed
                    made = self._creation.commit(list(table.name()), "[]", "[]")
                    handle = engine_of(table.catalog).table_from_metadata(table.name(), *made)
            except BaseException:
                self._failed = True
                raise
            table._state = TableState(table.catalog, table.name(), handle.of_catalog(engine_of(table.catalog)))
            self._engine = self._since = self._staged = None
            self._updates = self._requirements = ()
            reports.committed(table._state.handle, snapshots, time.perf_counter_ns() - started)
            return table


def refuse_version_3(state: TableState, what: str) -> None:
    """Raises NotImplementedError where PyIceberg's own code would change, or read, what it does not know."""
    if state.format_version > 2:
        raise NotImplementedError(
            f"{state.full_name}: {what} is PyIceberg's own code so far, and that does not know format "
            f"version {state.format_version} well enough; the engine's own changes of rows and scans work"
        )


def refuse_foreign_updates(state: TableState, updates: Iterable[TableUpdate]) -> None:
    """Raises NotImplementedError for changes by PyIceberg that would lose what it does not know of version 3."""
    foreign = {update.action for update in updates} - _HARMLESS_UPDATES
    if state.format_version > 2 and foreign:
        raise NotImplementedError(
            f"{state.full_name}: PyIceberg made these changes ({', '.join(sorted(foreign))}), "
            f"and it does not know format version {state.format_version} well enough; changes of rows work"
        )


def json_array(models: Iterable[TableRequirement | TableUpdate]) -> str:
    """Requirements or updates as the REST protocol has them."""
    return f"[{','.join(model.model_dump_json() for model in models)}]"
