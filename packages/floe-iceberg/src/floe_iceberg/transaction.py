"""Transactions: PyIceberg's, whose changes of rows the engine makes, and which the engine commits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, BooleanExpression
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.table import (
    ALWAYS_TRUE,
    DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE,
    DataScan,
    Table,
    TableProperties,
    Transaction,
    UpsertResult,
)
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.table.update.snapshot import ManageSnapshots, UpdateSnapshot
from pyiceberg.table.update.sorting import UpdateSortOrder
from pyiceberg.table.update.spec import UpdateSpec
from pyiceberg.typedef import EMPTY_DICT
from pyiceberg.utils.config import Config

import floe_engine
from floe_engine import UpsertOptions
from floe_iceberg import expression
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.partition import FloeUpdateSortOrder, FloeUpdateSpec
from floe_iceberg.scan import FloeScan
from floe_iceberg.schema import FloeUpdateSchema
from floe_iceberg.snapshot import FloeManageSnapshots
from floe_iceberg.state import TableState

if TYPE_CHECKING:
    import pyarrow as pa

    from floe_engine._core import UpsertCounts
    from floe_iceberg.table import FloeTable

RowMode = Literal["copy-on-write", "merge-on-read"]
Isolation = Literal["serializable", "snapshot"]

# What PyIceberg's own code may change in tables of format version 3: it neither reads nor writes rows for it.
_HARMLESS_UPDATES = {
    "set-properties",
    "remove-properties",
    "set-snapshot-ref",
    "remove-snapshot-ref",
    "set-location",
}


@dataclass
class FloeUpsertResult(UpsertResult):
    """What an upsert did.

    Attributes:
        rows_updated: Rows of the table that were replaced.
        rows_inserted: Rows that the table did not have.
        rows_unchanged: Rows of the table that were as the new rows have them, and were left alone.
        rows_deleted: Rows of the table that were deleted because they matched.
    """

    rows_unchanged: int = 0
    rows_deleted: int = 0


class FloeTransaction(Transaction):
    """Changes of one table that become one commit. Each sees the table with those before it.

    Nothing is visible to others before the end, and nothing stays behind after an exception.

    Example:
        >>> with table.transaction() as transaction:  # doctest: +SKIP
        ...     transaction.delete("day < '2013-01-01'")
        ...     transaction.upsert(corrections, join_cols=["flight_id"])
        ...     transaction.set_properties(corrected="yes")
    """

    _table: FloeTable

    def __init__(self, table: Table, autocommit: bool = False) -> None:
        super().__init__(table, autocommit)
        self._engine: floe_engine.Transaction | None = None  # from the first change on
        self._staged: TableState | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the changes so far."""
        return self._state.metadata if self._engine else super().table_metadata

    @property
    def _state(self) -> TableState:
        """The table with the changes so far."""
        if self._engine is None:
            return self._table._state
        if self._staged is None:
            self._staged = TableState(self._table.catalog, self._table.name(), self._engine.staged)
        return self._staged

    def _begin(self) -> floe_engine.Transaction:
        if self._engine is None:
            self._engine = floe_engine.Transaction(self._table._state.handle)
        self._staged = None
        return self._engine

    # --- changing rows ---

    def append(
        self,
        df: Any,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add rows as one snapshot. ``branch=None`` makes a snapshot that no branch has yet (write, audit, publish).

        Raises:
            InvalidArgumentError: The rows do not fit the table; the message lists every column that does not.
        """
        stream = arrow_stream(df)
        if self._is_pyicebergs(stream):
            super().append(df, dict(snapshot_properties), branch)
            return
        with Source(stream) as source:
            self._begin().append(
                source,
                snapshot_properties=snapshot_properties,
                branch=branch or MAIN_BRANCH,
                stage_only=branch is None,
            )
        self._changed()

    def overwrite(
        self,
        df: Any,
        overwrite_filter: BooleanExpression | str = ALWAYS_TRUE,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        case_sensitive: bool = True,
        branch: str | None = MAIN_BRANCH,
        *,
        mode: RowMode | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        """Replace the rows that match by others, as one snapshot.

        Args:
            df: The rows that come: any Arrow stream.
            overwrite_filter: The rows that leave; all by default.
            snapshot_properties: What to note in the snapshot's summary.
            case_sensitive: Whether the case of column names counts in the filter.
            branch: The branch to change.
            mode: How rows leave files that stay in part; default: ``write.delete.mode``.
            isolation: What others may commit meanwhile; default: ``write.update.isolation-level``.

        Raises:
            InvalidArgumentError: The rows do not fit the table, or the filter names a column that is not there.
        """
        stream = arrow_stream(df)
        if branch is None or self._is_pyicebergs(stream):
            refuse_engines_options(self._state, mode=mode, isolation=isolation)
            super().overwrite(df, overwrite_filter, dict(snapshot_properties), case_sensitive, branch)
        elif isinstance(overwrite_filter, AlwaysFalse):
            self.append(df, snapshot_properties, branch)
        else:
            with Source(stream) as source:
                self._begin().overwrite(
                    source,
                    filter_json=_filter_json(overwrite_filter),
                    case_sensitive=case_sensitive,
                    snapshot_properties=snapshot_properties,
                    branch=branch,
                    isolation=isolation,
                    mode=mode,
                )
            self._changed()

    def dynamic_partition_overwrite(
        self,
        df: Any,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
        *,
        isolation: Isolation | None = None,
    ) -> None:
        """Replace the partitions into which the rows fall, as one snapshot; nothing where there are no rows.

        Raises:
            InvalidArgumentError: The rows do not fit the table, or it is not partitioned.
        """
        stream = arrow_stream(df)
        if branch is None or self._is_pyicebergs(stream):
            refuse_engines_options(self._state, isolation=isolation)
            super().dynamic_partition_overwrite(df, dict(snapshot_properties), branch)
            return
        with Source(stream) as source:
            self._begin().overwrite_partitions(
                source, snapshot_properties=snapshot_properties, branch=branch, isolation=isolation
            )
        self._changed()

    def delete(
        self,
        delete_filter: str | BooleanExpression,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        case_sensitive: bool = True,
        branch: str | None = MAIN_BRANCH,
        _isolation_operation: Operation | None = None,
        *,
        mode: RowMode | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        """Delete the rows that match, as one snapshot. Files of which all rows match go without being read.

        Args:
            delete_filter: The rows to delete.
            snapshot_properties: What to note in the snapshot's summary.
            case_sensitive: Whether the case of column names counts in the filter.
            branch: The branch to change.
            mode: How rows leave files that stay in part; default: ``write.delete.mode``.
            isolation: What others may commit meanwhile; default: ``write.delete.isolation-level``.

        Raises:
            InvalidArgumentError: The filter does not parse, or names a column that is not there.
        """
        if branch is None or self._is_pyicebergs():
            refuse_engines_options(self._state, mode=mode, isolation=isolation)
            super().delete(delete_filter, dict(snapshot_properties), case_sensitive, branch, _isolation_operation)
            return
        found = self._begin().delete(
            filter_json=_filter_json(delete_filter),
            case_sensitive=case_sensitive,
            snapshot_properties=snapshot_properties,
            branch=branch,
            isolation=isolation,
            mode=mode,
        )
        if not found:
            warnings.warn("Delete operation did not match any records", stacklevel=2)
        self._changed()

    def upsert(
        self,
        df: Any,
        join_cols: list[str] | None = None,
        when_matched_update_all: bool = True,
        when_not_matched_insert_all: bool = True,
        case_sensitive: bool = True,
        branch: str | None = MAIN_BRANCH,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        *,
        when_matched_delete: bool = False,
        mode: RowMode | None = None,
        isolation: Isolation | None = None,
        source_bytes: int | None = None,
    ) -> UpsertResult:
        """Update the rows that have the same key as a new one and differ from it, and insert those that have none.

        One snapshot, or none if nothing changes. A null in a key matches nothing, as in SQL.

        Args:
            df: The new rows: any Arrow stream.
            join_cols: The columns of the key, by full name; default: the table's identifier fields.
            when_matched_update_all: Whether rows that match are updated.
            when_not_matched_insert_all: Whether new rows that match nothing are inserted.
            case_sensitive: Whether the case of column names counts in ``join_cols``.
            branch: The branch to change.
            snapshot_properties: What to note in the snapshot's summary.
            when_matched_delete: Delete the rows that match instead of updating them.
            mode: How rows leave files that stay in part; default: ``write.merge.mode``.
            isolation: What others may commit meanwhile; default: ``write.merge.isolation-level``.
            source_bytes: How much of the new rows is held in memory; default: 512 MB. More go to a temporary file, and
                are merged part after part, each of which reads the table's key columns.

        Raises:
            InvalidArgumentError: Two new rows have the same key, rows do not fit the table, or a key column is missing.
        """
        stream = arrow_stream(df)
        if branch is None or self._is_pyicebergs(stream):
            refuse_engines_options(
                self._state,
                when_matched_delete=when_matched_delete or None,
                mode=mode,
                isolation=isolation,
                source_bytes=source_bytes,
            )
            return super().upsert(
                df,
                join_cols,
                when_matched_update_all,
                when_not_matched_insert_all,
                case_sensitive,
                branch,
                dict(snapshot_properties),
            )
        with Source(stream) as source:
            counts = self._begin().upsert(
                source,
                UpsertOptions(
                    keys=join_cols or [],
                    case_sensitive=case_sensitive,
                    update_matched=when_matched_update_all and not when_matched_delete,
                    delete_matched=when_matched_delete,
                    insert_unmatched=when_not_matched_insert_all,
                    snapshot_properties=snapshot_properties,
                    branch=branch,
                    mode=mode,
                    isolation=isolation,
                    source_bytes=source_bytes,
                ),
            )
        self._changed()
        return upsert_result(counts)

    def apply_changes(
        self,
        upserts: Any = None,
        deletes: Any = None,
        key_cols: list[str] | None = None,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str = MAIN_BRANCH,
        *,
        case_sensitive: bool = True,
    ) -> None:
        """Replace and delete rows by key without reading the table, as one snapshot: for streams of changes.

        Every row that has one of the keys is deleted, by equality deletes, and the upserts are added. That costs the
        same however large the table is, and readers pay until its files are rewritten; where changes are few, or are
        read often, ``upsert`` and ``delete`` are better. What others commit before this does is replaced and deleted
        likewise. A null in a key equals a null, other than in ``upsert``. PyIceberg cannot read such tables.

        Args:
            upserts: Rows that replace those of the same key, or are new: any Arrow stream.
            deletes: Rows, or keys alone, whose keys are deleted: any Arrow stream. Other columns are not looked at.
            key_cols: The columns of the key, by full name; default: the table's identifier fields. The columns that a
                table is partitioned by have to be among them.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch to change.
            case_sensitive: Whether the case of column names counts in ``key_cols``.

        Example:
            >>> with table.transaction() as transaction:  # doctest: +SKIP
            ...     transaction.apply_changes(upserts=changed, deletes=gone, key_cols=["flight_id"])

        Raises:
            InvalidArgumentError: A key stands in several upserts, or in an upsert and a delete; rows do not fit the
                table; a key column is missing, or is of floating point.
            NotSupported: The table is of format version 1, or its partition columns are not among the key's.
            NotImplementedError: The table's rows are changed by PyIceberg's own code, since another catalog commits
                them or Python code says where files go.
        """
        streams = [None if rows is None else arrow_stream(rows) for rows in (upserts, deletes)]
        if any(self._is_pyicebergs(stream) for stream in streams):
            raise NotImplementedError(
                f"{'.'.join(self._state.identifier)}: PyIceberg's own code changes rows here, and it has no deletes by "
                "key; use upsert and delete"
            )
        with ExitStack() as stack:
            upserted, deleted = (None if stream is None else stack.enter_context(Source(stream)) for stream in streams)
            self._begin().apply_changes(
                upserted,
                deleted,
                keys=key_cols or [],
                case_sensitive=case_sensitive,
                snapshot_properties=snapshot_properties,
                branch=branch,
            )
        self._changed()

    def add_files(
        self,
        file_paths: list[str],
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        check_duplicate_files: bool = True,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add Parquet files that are there already, as one snapshot, with the metrics of their footers.

        Raises:
            InvalidArgumentError: A file is given twice or is in the table already, or its rows are of several
                partitions.
            CorruptFileError: A column cannot be read as the table's.
        """
        if branch is None or self._is_pyicebergs():
            super().add_files(file_paths, dict(snapshot_properties), check_duplicate_files, branch)
            return
        self._begin().add_files(
            file_paths,
            refuse_duplicates=check_duplicate_files,
            snapshot_properties=snapshot_properties,
            branch=branch,
        )
        self._changed()

    def update_snapshot(
        self, snapshot_properties: dict[str, str] = EMPTY_DICT, branch: str | None = MAIN_BRANCH
    ) -> UpdateSnapshot:
        """PyIceberg's producers of snapshots.

        Raises:
            NotImplementedError: The table is of format version 3.
        """
        refuse_version_3(self._state, "a snapshot from PyIceberg's producers")
        return super().update_snapshot(snapshot_properties, branch)

    # --- changing what the table is made of: where commits go elsewhere, by PyIceberg's own classes ---

    def update_schema(self, allow_incompatible_changes: bool = False, case_sensitive: bool = True) -> FloeUpdateSchema:
        """Changes of columns (see :class:`~floe_iceberg.schema.FloeUpdateSchema`).

        Args:
            allow_incompatible_changes: Also those after which what was written before may not be readable.
            case_sensitive: Whether the case of names counts.
        """
        if commits_elsewhere(self._table.catalog):
            return cast(FloeUpdateSchema, super().update_schema(allow_incompatible_changes, case_sensitive))
        return FloeUpdateSchema(self, allow_incompatible_changes, case_sensitive)

    def update_spec(self, case_sensitive: bool = True) -> FloeUpdateSpec:
        """Changes of the partitioning (see :class:`~floe_iceberg.partition.FloeUpdateSpec`)."""
        if commits_elsewhere(self._table.catalog):
            return cast(FloeUpdateSpec, UpdateSpec(self, case_sensitive))
        return FloeUpdateSpec(self, case_sensitive)

    def update_sort_order(self, case_sensitive: bool = True) -> UpdateSortOrder:
        """A new sort order (see :class:`~floe_iceberg.partition.FloeUpdateSortOrder`)."""
        if commits_elsewhere(self._table.catalog):
            return super().update_sort_order(case_sensitive)
        return FloeUpdateSortOrder(self, case_sensitive)

    def manage_snapshots(self) -> FloeManageSnapshots:
        """Changes of branches, tags and what is current (see :class:`~floe_iceberg.snapshot.FloeManageSnapshots`)."""
        if commits_elsewhere(self._table.catalog):
            return cast(FloeManageSnapshots, ManageSnapshots(self))
        return FloeManageSnapshots(self)

    def _stage_natively(self, change: Callable[[floe_engine.Transaction], object]) -> None:
        change(self._begin())
        self._staged = None

    def _take(self, change: Callable[[floe_engine.Transaction], object]) -> None:
        self._stage_natively(change)
        self._changed()

    # --- PyIceberg's inside ---

    def _is_pyicebergs(self, stream: Any = None) -> bool:
        """Whether PyIceberg's own code has to change the rows, because Python code decides how."""
        properties = self._state.properties
        python_decides = PY_IO_IMPL in properties or TableProperties.WRITE_PY_LOCATION_PROVIDER_IMPL in properties
        schema = str(getattr(stream, "schema", ""))
        downcast = "timestamp[ns" in schema and Config().get_bool(DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE)
        if not (python_decides or downcast or commits_elsewhere(self._table.catalog)):
            return False
        refuse_version_3(self._state, "this way of changing rows")
        return True

    def _stage(
        self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...] = ()
    ) -> FloeTransaction:
        if commits_elsewhere(self._table.catalog):
            super()._stage(updates, requirements)
            return self
        refuse_foreign_updates(self._state, updates)
        self._begin().update(json_array(requirements), json_array(updates))
        self._updates += updates
        return self

    def _changed(self) -> None:
        self._staged = None
        if self._autocommit:
            self.commit_transaction()

    def _scan(self, row_filter: str | BooleanExpression = ALWAYS_TRUE, case_sensitive: bool = True) -> DataScan:
        if self._updates and self._engine is None:
            return super()._scan(row_filter, case_sensitive)
        return FloeScan.of(self._state, row_filter=row_filter, case_sensitive=case_sensitive)

    def __enter__(self) -> FloeTransaction:
        return self

    def __exit__(
        self, exctype: type[BaseException] | None, excinst: BaseException | None, exctb: TracebackType | None
    ) -> None:
        if exctype is not None and self._engine is not None:
            self._engine.drop()
            self._failed = True
        super().__exit__(exctype, excinst, exctb)

    def commit_transaction(self) -> Table:
        """Commit all changes at once, with retries.

        Raises:
            ConflictFoundError: What others committed contradicts a change.
            CommitFailedError: Other writers were first, again and again.
            CommitStateUnknownError: The answer to the commit was lost.
        """
        if self._engine is None or self._failed:
            return super().commit_transaction()
        try:
            handle = self._engine.commit()
        except BaseException:
            self._failed = True
            raise
        self._table._move_to(handle)
        self._engine = self._staged = None
        self._updates = self._requirements = ()
        return self._table


def upsert_result(counts: UpsertCounts) -> FloeUpsertResult:
    """What the engine counted, as PyIceberg's result."""
    return FloeUpsertResult(
        rows_updated=counts["updated"],
        rows_inserted=counts["inserted"],
        rows_unchanged=counts["unchanged"],
        rows_deleted=counts["deleted"],
    )


def refuse_engines_options(state: TableState, **options: object) -> None:
    """Raises NotImplementedError for options of the engine where PyIceberg's own code makes a change."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise NotImplementedError(
            f"{'.'.join(state.identifier)}: {', '.join(given)}: this is PyIceberg's own code (for the branch None, or "
            "where Python code decides how rows are written), which has no such options; leave them out"
        )


def refuse_version_3(state: TableState, what: str) -> None:
    """Raises NotImplementedError where PyIceberg's own code would change, or read, what it does not know."""
    if state.format_version > 2:
        raise NotImplementedError(
            f"{'.'.join(state.identifier)}: {what} is PyIceberg's own code so far, and that does not know format "
            f"version {state.format_version} well enough; the engine's own changes of rows and scans work"
        )


def refuse_foreign_updates(state: TableState, updates: Iterable[TableUpdate]) -> None:
    """Raises NotImplementedError for changes by PyIceberg that would lose what it does not know of version 3."""
    foreign = {update.action for update in updates} - _HARMLESS_UPDATES
    if state.format_version > 2 and foreign:
        raise NotImplementedError(
            f"{'.'.join(state.identifier)}: PyIceberg made these changes ({', '.join(sorted(foreign))}), "
            f"and it does not know format version {state.format_version} well enough; changes of rows work"
        )


def commits_elsewhere(catalog: Catalog) -> bool:
    """Whether commits go to a ``commit_table`` that is not ours: another catalog's, or one that somebody put there."""
    from floe_iceberg.catalog import FloeCatalog

    return getattr(catalog.commit_table, "__func__", None) is not FloeCatalog.commit_table


def json_array(models: Iterable[TableRequirement | TableUpdate]) -> str:
    """Requirements or updates as the REST protocol has them."""
    return f"[{','.join(model.model_dump_json() for model in models)}]"


def arrow_stream(df: Any) -> Any:
    """What the engine reads rows from.

    Raises:
        InvalidArgumentError: It is no Arrow stream.
    """
    import pyarrow as pa

    if isinstance(df, pa.RecordBatch):
        return pa.Table.from_batches([df])
    if hasattr(df, "__arrow_c_stream__"):
        return df
    raise InvalidArgumentError(
        f"Expected pa.Table or pa.RecordBatchReader, or any other Arrow stream, got: {df!r:.200}"
    )


def _filter_json(row_filter: str | BooleanExpression) -> str:
    if isinstance(row_filter, AlwaysTrue):
        return ""
    return floe_engine.filter_to_json(row_filter) if isinstance(row_filter, str) else expression.to_json(row_filter)


class Source:
    """A stream on its way to the engine. What its Python code raises would arrive there as text: it is kept here."""

    def __init__(self, stream: Any) -> None:
        import pyarrow as pa

        self._raised: BaseException | None = None
        self._stream = stream
        if isinstance(stream, pa.RecordBatchReader):
            self._stream = pa.RecordBatchReader.from_batches(stream.schema, self._watched(stream))

    def __enter__(self) -> Any:
        return self._stream

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, floe_engine.Error):
            return
        if self._raised is not None:
            raise self._raised
        if str(error).rstrip().endswith("\nKeyboardInterrupt"):  # within Python code behind a foreign stream
            raise KeyboardInterrupt from error

    def _watched(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except BaseException as error:
            self._raised = error
            raise
