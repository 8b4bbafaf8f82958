"""Transactions over several tables of a catalog: all of their changes are committed at once, or none."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.typedef import EMPTY_DICT, Identifier

import floe_engine
from floe_iceberg import reports
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.telemetry import operation
from floe_iceberg.transaction import FloeTransaction

if TYPE_CHECKING:
    from floe_iceberg.catalog import FloeCatalog


class FloeCatalogTransaction:
    """Changes of several tables of one catalog that become one commit: all of them or none.

    Nothing is visible to others before the end, and nothing stays behind after an exception. If another writer was
    first at one of the tables, the metadata of all is built again; data files are not.

    Example:
        >>> with catalog.transaction() as transaction:  # doctest: +SKIP
        ...     transaction.table("sales.orders").append(orders)
        ...     transaction.table("sales.customers").upsert(customers, join_cols=["customer_id"])

    Raises:
        NotImplementedError: The catalog commits to one table at a time.
    """

    def __init__(self, catalog: FloeCatalog) -> None:
        self._catalog = catalog
        self._parts: dict[tuple[str, ...], TableInTransaction] = {}
        self._is_over = False
        self._refuse_what_cannot_be()

    def _refuse_what_cannot_be(self) -> None:
        if not self._catalog.commits_tables:
            raise floe_engine.NotSupported(
                f"catalog {self._catalog.name} commits to one table at a time: use a transaction of each table; "
                "catalogs of type sql and in-memory commit to several at once, and those of type rest whose server "
                "offers POST /v1/{prefix}/transactions/commit"
            )

    def table(self, identifier: str | Identifier) -> TableInTransaction:
        """A table of the catalog, to be changed as in a transaction of its own. Asked for again, it is the same.

        Raises:
            NoSuchTableError: There is none of that name.
        """
        if self._is_over:
            raise InvalidArgumentError(f"catalog {self._catalog.name}: the transaction is over; begin another one")
        name = tuple(self._catalog._table_levels(identifier))
        if name not in self._parts:
            self._parts[name] = TableInTransaction(self._catalog.load_table(identifier))
        return self._parts[name]

    def __enter__(self) -> FloeCatalogTransaction:
        return self

    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        if exctype is not None:
            self._drop()
        elif not self._is_over:
            self.commit_transaction()

    def commit_transaction(self) -> None:
        """Commit all changes of all tables at once, with retries.

        Raises:
            ConflictFoundError: What others committed contradicts a change.
            CommitFailedError: Other writers were first, again and again.
            CommitStateUnknownError: The answer to the commit was lost.
        """
        if self._is_over:
            raise InvalidArgumentError(f"catalog {self._catalog.name}: the transaction is over; begin another one")
        with ExitStack() as stack:
            changed = self._end(stack)
            for part, _ in changed:
                stack.enter_context(operation("commit", part._full_name))
            snapshots, started = [engine.snapshots for _, engine in changed], time.perf_counter_ns()
            try:
                self._refuse_what_cannot_be()  # who has put another `commit_table` in its place since
                handles = floe_engine.commit_together(self._catalog.handle, [engine for _, engine in changed])
            except BaseException:
                for part, engine in changed:
                    engine.drop()  # unless it is over
                    part._failed = True
                raise
            for (part, _), handle, made in zip(changed, handles, snapshots, strict=True):
                part._committed(handle)
                reports.committed(handle, made, time.perf_counter_ns() - started)

    def _drop(self) -> None:
        with ExitStack() as stack:
            for part, engine in self._end(stack):
                engine.drop()
                part._failed = True

    def _end(self, stack: ExitStack) -> list[tuple[TableInTransaction, floe_engine.Transaction]]:
        """Those that have changes. None of them takes any more."""
        for part in self._parts.values():
            stack.enter_context(part._using())
        self._is_over = True
        for part in self._parts.values():
            part._is_over = True
        return [(part, part._engine) for part in self._parts.values() if part._engine is not None]


class TableInTransaction(FloeTransaction):
    """One table's part of a :class:`FloeCatalogTransaction`, which commits it with the others."""

    def __enter__(self) -> NoReturn:
        self.commit_transaction()

    def commit_transaction(self) -> NoReturn:
        raise InvalidArgumentError(
            f"{self._full_name}: the table is committed with the others, at the end of the catalog's transaction"
        )

    def update_snapshot(
        self, snapshot_properties: dict[str, str] = EMPTY_DICT, branch: str | None = MAIN_BRANCH
    ) -> NoReturn:
        raise floe_engine.NotSupported(
            f"{self._full_name}: PyIceberg's producers of snapshots take part in no transaction of several tables; the "
            "engine's own changes of rows do"
        )
