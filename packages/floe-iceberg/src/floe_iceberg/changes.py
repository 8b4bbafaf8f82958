"""Changes of rows: what tables, which commit each by itself, and transactions, which commit several, have in common."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pyiceberg.expressions import AlwaysFalse, BooleanExpression
from pyiceberg.table import ALWAYS_TRUE, Transaction, UpsertResult
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation
from pyiceberg.typedef import EMPTY_DICT

import floe_engine
from floe_engine import UpsertOptions
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.expression import filter_json
from floe_iceberg.telemetry import traced

if TYPE_CHECKING:
    import pyarrow as pa

    from floe_engine._core import UpsertCounts
    from floe_iceberg.state import TableState
    from floe_iceberg.transaction import FloeTransaction

RowMode = Literal["copy-on-write", "merge-on-read"]
Isolation = Literal["serializable", "snapshot"]


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


class RowChanges(ABC):
    """Changes of rows, each of which makes one snapshot: all of it or nothing.

    A change of a table is committed at once, with retries; a change in a transaction with the others, at its end. What
    others commit meanwhile is a conflict only where it contradicts the change.

    Raises:
        CommitFailedError: On commit: other writers were first, again and again.
        CommitStateUnknownError: On commit: the answer was lost.
    """

    @property
    @abstractmethod
    def _full_name(self) -> str:
        """The table's name."""

    @abstractmethod
    def _change(self) -> AbstractContextManager[FloeTransaction]:
        """The transaction that a change becomes part of."""

    @abstractmethod
    def _upsert(self, source: Any, options: UpsertOptions) -> UpsertCounts:
        """The engine's upsert, of a table or in a transaction."""

    def _warn_of_nothing(self) -> None:
        # The text of PyIceberg's comes first: programs filter by it.
        warnings.warn(f"Delete operation did not match any records: {self._full_name}", stacklevel=4)

    @traced("append")
    def append(
        self,
        df: Any,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add rows as one snapshot, in bounded memory.

        Args:
            df: Any Arrow stream: a ``pyarrow.Table`` or ``RecordBatchReader``, a Polars frame, a DuckDB result.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch to add to; None: the snapshot is of no branch yet (write, audit, publish).

        Example:
            >>> table.append(pyarrow.table({"carrier": ["UA"], "dep_delay": [2]}))  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The rows do not fit the table; the message lists every column that does not.
        """
        stream = arrow_stream(df)
        with self._change() as transaction:
            if transaction._is_pyicebergs(stream):
                Transaction.append(transaction, df, dict(snapshot_properties), branch)
                return
            with Source(stream) as source:
                transaction._begin().append(
                    source,
                    snapshot_properties=snapshot_properties,
                    branch=branch,
                )

    @traced("overwrite")
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
            branch: The branch to change, which is made of the main branch if it is not there; None: the snapshot is
                of no branch yet.
            mode: How rows leave files that stay in part; default: ``write.update.mode``, else ``write.delete.mode``.
            isolation: What others may commit meanwhile; default: ``write.update.isolation-level``.

        Example:
            >>> table.overwrite(january, "day >= '2013-01-01' and day < '2013-02-01'")  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The rows do not fit the table, or the filter names a column that is not there.
            ConflictFoundError: Others added rows that match, or changed files that hold some.
        """
        stream = arrow_stream(df)
        with self._change() as transaction:
            if transaction._is_pyicebergs(stream):
                refuse_engines_options(transaction._state, mode=mode, isolation=isolation)
                Transaction.overwrite(
                    transaction, df, overwrite_filter, dict(snapshot_properties), case_sensitive, branch
                )
                return
            if isinstance(overwrite_filter, AlwaysFalse):
                transaction.append(df, snapshot_properties, branch)
                return
            with Source(stream) as source:
                found = transaction._begin().overwrite(
                    source,
                    filter_json=filter_json(overwrite_filter),
                    case_sensitive=case_sensitive,
                    snapshot_properties=snapshot_properties,
                    branch=branch,
                    isolation=isolation,
                    mode=mode,
                )
            if not found:
                self._warn_of_nothing()

    @traced("dynamic_partition_overwrite")
    def dynamic_partition_overwrite(
        self,
        df: Any,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
        *,
        isolation: Isolation | None = None,
    ) -> None:
        """Replace the partitions into which the rows fall, as one snapshot; nothing where there are no rows.

        Args:
            df: The rows that come, whose partitions they replace: any Arrow stream.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch to change, which is made of the main branch if it is not there; None: the snapshot is
                of no branch yet.
            isolation: What others may commit meanwhile; default: ``write.update.isolation-level``.

        Example:
            >>> table.dynamic_partition_overwrite(january)  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The rows do not fit the table, or it is not partitioned.
            ConflictFoundError: Others added rows to these partitions.
        """
        stream = arrow_stream(df)
        with self._change() as transaction:
            if transaction._is_pyicebergs(stream):
                refuse_engines_options(transaction._state, isolation=isolation)
                Transaction.dynamic_partition_overwrite(transaction, df, dict(snapshot_properties), branch)
                return
            with Source(stream) as source:
                transaction._begin().overwrite_partitions(
                    source, snapshot_properties=snapshot_properties, branch=branch, isolation=isolation
                )

    @traced("delete")
    def delete(
        self,
        delete_filter: BooleanExpression | str = ALWAYS_TRUE,
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
            branch: The branch to change, which is made of the main branch if it is not there; None: the snapshot is
                of no branch yet.
            mode: How rows leave files that stay in part; default: ``write.delete.mode``.
            isolation: What others may commit meanwhile; default: ``write.delete.isolation-level``.

        Example:
            >>> table.delete("carrier = 'UA'", mode="merge-on-read")  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter does not parse, or names a column that is not there.
            ConflictFoundError: Others added rows that match, or changed files that hold some.
        """
        with self._change() as transaction:
            if transaction._is_pyicebergs():
                refuse_engines_options(transaction._state, mode=mode, isolation=isolation)
                Transaction.delete(
                    transaction, delete_filter, dict(snapshot_properties), case_sensitive, branch, _isolation_operation
                )
                return
            found = transaction._begin().delete(
                filter_json=filter_json(delete_filter),
                case_sensitive=case_sensitive,
                snapshot_properties=snapshot_properties,
                branch=branch,
                isolation=isolation,
                mode=mode,
            )
            if not found:
                self._warn_of_nothing()

    @traced("upsert")
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

        One snapshot, or none if nothing changes. A null in a key matches nothing, as in SQL. If others change the same
        rows of a table meanwhile, it is done again on what they made of it; in a transaction that is a conflict.

        Args:
            df: The new rows: any Arrow stream.
            join_cols: The columns of the key, by full name; default: the table's identifier fields. A struct stands for
                its fields.
            when_matched_update_all: Whether rows that match are updated.
            when_not_matched_insert_all: Whether new rows that match nothing are inserted.
            case_sensitive: Whether the case of column names counts in ``join_cols``.
            branch: The branch to change, which is made of the main branch if it is not there; None: the snapshot is
                of no branch yet.
            snapshot_properties: What to note in the snapshot's summary.
            when_matched_delete: Delete the rows that match instead of updating them.
            mode: How rows leave files that stay in part; default: ``write.merge.mode``.
            isolation: What others may commit meanwhile; default: ``write.merge.isolation-level``.
            source_bytes: How much of the new rows is held in memory; default: 512 MB. More go to a temporary file, and
                are merged part after part, each of which reads the table's key columns.

        Example:
            >>> result = table.upsert(corrections, join_cols=["flight_id"], mode="merge-on-read")  # doctest: +SKIP
            >>> result.rows_updated, result.rows_inserted  # doctest: +SKIP
            (12, 3)

        Raises:
            InvalidArgumentError: Two new rows have the same key, rows do not fit the table, or a key column is missing.
        """
        check_names("join_cols", join_cols)
        stream = arrow_stream(df)
        if case_sensitive:
            check_columns(stream, join_cols or ())
        with self._change() as transaction:
            if transaction._is_pyicebergs(stream):
                refuse_engines_options(
                    transaction._state,
                    when_matched_delete=when_matched_delete or None,
                    mode=mode,
                    isolation=isolation,
                    source_bytes=source_bytes,
                )
                return Transaction.upsert(
                    transaction,
                    df,
                    join_cols,
                    when_matched_update_all,
                    when_not_matched_insert_all,
                    case_sensitive,
                    branch,
                    dict(snapshot_properties),
                )
            with Source(stream) as source:
                counts = self._upsert(
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
        return FloeUpsertResult(
            rows_updated=counts["updated"],
            rows_inserted=counts["inserted"],
            rows_unchanged=counts["unchanged"],
            rows_deleted=counts["deleted"],
        )

    @traced("apply_changes")
    def apply_changes(
        self,
        upserts: Any = None,
        deletes: Any = None,
        key_cols: list[str] | None = None,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
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
            branch: The branch to change, which is made of the main branch if it is not there; None: the snapshot is
                of no branch yet.
            case_sensitive: Whether the case of column names counts in ``key_cols``.

        Example:
            >>> table.apply_changes(upserts=changed, deletes=gone, key_cols=["flight_id"])  # doctest: +SKIP

        Raises:
            InvalidArgumentError: A key stands in several upserts, or in an upsert and a delete; rows do not fit the
                table; a key column is missing, or is of floating point.
            NotSupported: The table is of format version 1, or its partition columns are not among the key's.
            ConflictFoundError: Others added rows under another partitioning, which the deletes do not reach.
            NotImplementedError: The table's rows are changed by PyIceberg's own code, since another catalog commits
                them or Python code says where files go.
        """
        check_names("key_cols", key_cols)
        streams = [None if rows is None else arrow_stream(rows) for rows in (upserts, deletes)]
        with self._change() as transaction, ExitStack() as stack:
            if any(transaction._is_pyicebergs(stream) for stream in streams):
                raise NotImplementedError(
                    f"{self._full_name}: PyIceberg's own code changes rows here, and it has no "
                    "deletes by key; use upsert and delete"
                )
            upserted, deleted = (None if stream is None else stack.enter_context(Source(stream)) for stream in streams)
            transaction._begin().apply_changes(
                upserted,
                deleted,
                keys=key_cols or [],
                case_sensitive=case_sensitive,
                snapshot_properties=snapshot_properties,
                branch=branch,
            )

    @traced("add_files")
    def add_files(
        self,
        file_paths: list[str],
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        check_duplicate_files: bool = True,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add Parquet files that are there already, as one snapshot, with the metrics of their footers.

        Columns are found by field id, and in files that have none by name: the table then gets a name mapping.

        Args:
            file_paths: Where the files are. They stay there, and belong to the table from then on.
            snapshot_properties: What to note in the snapshot's summary.
            check_duplicate_files: Whether to look in the whole table for files that it has already.
            branch: The branch to add to, which is made if it is not there; None: the snapshot is of no branch yet.

        Example:
            >>> table.add_files(["file:///landing/2013-01.parquet"])  # doctest: +SKIP

        Raises:
            InvalidArgumentError: A file is given twice or is in the table already, has columns that the table lacks, or
                its rows are of several partitions.
            CorruptFileError: A column cannot be read as the table's.
            ConflictFoundError: Others renamed columns by which those of the files are found.
        """
        check_names("file_paths", file_paths)
        with self._change() as transaction:
            if transaction._is_pyicebergs():
                Transaction.add_files(transaction, file_paths, dict(snapshot_properties), check_duplicate_files, branch)
                return
            transaction._begin().add_files(
                file_paths,
                refuse_duplicates=check_duplicate_files,
                snapshot_properties=snapshot_properties,
                branch=branch,
            )

    @traced("append_written")
    def append_written(
        self,
        written: Iterable[bytes],
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add what other processes wrote with ``table.write_files``, as one snapshot.

        Args:
            written: What ``write_files`` returned, of each process. If the change fails, the files stay, for another
                try; ``remove_orphan_files`` takes what is left of them.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch to add to; None: the snapshot is of no branch yet.

        Example:
            >>> table.append_written(pool.map(table.write_files, parts))  # doctest: +SKIP

        Raises:
            CorruptFileError: These are no such bytes.
            InvalidArgumentError: The files are in the table already, are another table's, or are of a partition spec
                that it has no more.
        """
        parts = list(written)
        with self._change() as transaction:
            transaction._begin().append_written(parts, snapshot_properties=snapshot_properties, branch=branch)


def refuse_engines_options(state: TableState, **options: object) -> None:
    """Raises NotImplementedError for options of the engine where PyIceberg's own code makes a change."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise NotImplementedError(
            f"{state.full_name}: {', '.join(given)}: this is PyIceberg's own code, since Python code "
            "decides how rows are written, and it has no such options; leave them out"
        )


def check_names(what: str, names: object) -> None:
    """Raises InvalidArgumentError for one text in the place of several, whose letters would be taken for names."""
    if isinstance(names, str):
        raise InvalidArgumentError(f"{what} is the text {names!r}; it has to be a list: [{names!r}]")


def check_columns(stream: Any, names: Sequence[str]) -> None:
    """Raises InvalidArgumentError for a column that the rows to come lack, as far as they say what they have."""
    import pyarrow as pa

    schema = getattr(stream, "schema", None)
    if isinstance(schema, pa.Schema):
        for name in names:
            if name not in schema.names and name.partition(".")[0] not in schema.names:
                raise InvalidArgumentError(f'Field "{name}" does not exist in schema of the new rows: {schema.names}')


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
        f"Expected pa.Table or pa.RecordBatchReader, got: {df!s:.200}; any other Arrow stream is taken, too"
    )


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
