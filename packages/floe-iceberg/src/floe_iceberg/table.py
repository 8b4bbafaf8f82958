"""Tables: PyIceberg's, appended to, scanned and looked back at by the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import PY_IO_IMPL, FileIO
from pyiceberg.table import (
    ALWAYS_TRUE,
    DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE,
    DataScan,
    IncrementalAppendScan,
    StagedTable,
    StaticTable,
    Table,
    TableProperties,
    Transaction,
)
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.table.update.snapshot import UpdateSnapshot
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from pyiceberg.utils.config import Config
from pyiceberg.utils.properties import property_as_bool

import floe_engine
from floe_iceberg.errors import InvalidArgumentError, NotFoundError
from floe_iceberg.scan import FloeScan
from floe_iceberg.state import TableState

if TYPE_CHECKING:
    import pyarrow as pa

    from floe_iceberg.catalog import FloeCatalog


class FloeTable(Table):
    """A PyIceberg table whose work the engine does.

    What the engine does not do yet (overwrite, delete, upsert, changes of schema, partitioning and refs) runs
    PyIceberg's own code and commits through the engine, for tables of format versions 1 and 2.

    Example:
        >>> table = catalog.load_table("flights.departures")  # doctest: +SKIP
        >>> table.append(batches)  # doctest: +SKIP
        >>> table.scan("dep_delay > 60").to_arrow()  # doctest: +SKIP
        >>> table.scan(as_of=datetime(2026, 1, 1, tzinfo=UTC)).count()  # doctest: +SKIP
    """

    def __init__(
        self,
        identifier: Identifier,
        metadata: TableMetadata,
        metadata_location: str,
        io: FileIO,
        catalog: Catalog,
        config: dict[str, str] = EMPTY_DICT,
    ) -> None:
        self._hold(TableState(catalog, identifier, None, metadata, metadata_location, io, config))

    @classmethod
    def of(cls, state: TableState) -> FloeTable:
        """The table in one state."""
        table = cls.__new__(cls)
        table._hold(state)
        return table

    def _hold(self, state: TableState) -> None:
        self._identifier = state.identifier
        self.catalog = state.catalog
        self._state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self._state,)

    # --- what PyIceberg keeps as attributes, made when asked for ---

    @property
    def metadata(self) -> TableMetadata:
        """The table's metadata."""
        return self._state.metadata

    @metadata.setter
    def metadata(self, value: TableMetadata) -> None:
        state = self._state
        if value is not state._metadata:
            self._state = TableState(
                state.catalog, state.identifier, None, value, state.metadata_location, state._io, state.config
            )

    @property
    def metadata_location(self) -> str:
        """Where the table's metadata is."""
        return self._state.metadata_location

    @metadata_location.setter
    def metadata_location(self, value: str) -> None:
        self._state.metadata_location = value

    @property
    def io(self) -> FileIO:
        """PyIceberg's access to the table's files. The engine has its own."""
        return self._state.io

    @io.setter
    def io(self, value: FileIO) -> None:
        self._state._io = value

    @property
    def config(self) -> dict[str, str]:
        """What the catalog says about access to the table's files."""
        return self._state.config

    @config.setter
    def config(self, value: dict[str, str]) -> None:
        self._state.config = value

    # --- reading ---

    def refresh(self) -> FloeTable:
        """Move to the table's current state.

        Raises:
            NoSuchTableError: The table was dropped or renamed.
            ValueError: Another table has taken its name.
        """
        fresh = self.catalog.load_table(self._identifier)
        if not isinstance(fresh, FloeTable):
            return cast(FloeTable, super().refresh())
        self._check_same_table(fresh._state)
        self._state = fresh._state
        return self

    def scan(
        self,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        selected_fields: tuple[str, ...] = ("*",),
        case_sensitive: bool = True,
        snapshot_id: int | None = None,
        options: Properties = EMPTY_DICT,
        limit: int | None = None,
        *,
        as_of: int | dt.datetime | None = None,
        ref: str | None = None,
    ) -> FloeScan:
        """The rows that match, of the table's current snapshot or of an earlier one.

        Args:
            row_filter: Which rows, as text or as an expression.
            selected_fields: Which columns, by full name.
            case_sensitive: Whether the case of column names counts.
            snapshot_id: The snapshot to look at.
            options: ``floe.scan.batch-rows``, ``floe.scan.read-ahead-bytes``, ``floe.scan.ordered``.
            limit: How many rows at most.
            as_of: The moment to look at the table, as a time with a zone or as Unix time in milliseconds.
            ref: The branch or tag to look at.

        Example:
            >>> table.scan("dep_delay > 60", selected_fields=("carrier",), ref="audited").to_arrow()  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter does not parse, an option is not known, or more than one of
                ``snapshot_id``, ``as_of`` and ``ref`` is given.
            NotFoundError: There is no such ref, or there was no snapshot yet.
        """
        if sum(given is not None for given in (snapshot_id, as_of, ref)) > 1:
            raise InvalidArgumentError("a scan looks at one of snapshot_id, as_of and ref")
        if as_of is not None:
            snapshot_id = self._snapshot_as_of(as_of)
        if ref is not None:
            snapshot_id = self._snapshot_of_ref(ref)
        return FloeScan.of(
            self._state,
            row_filter=row_filter,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            snapshot_id=snapshot_id,
            options=options,
            limit=limit,
        )

    def incremental_append_scan(
        self,
        *,
        from_snapshot_id_exclusive: int | None = None,
        to_snapshot_id_inclusive: int | None = None,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        selected_fields: tuple[str, ...] = ("*",),
        case_sensitive: bool = True,
        options: Properties = EMPTY_DICT,
        limit: int | None = None,
    ) -> IncrementalAppendScan:
        """PyIceberg's scan of what was appended between two snapshots.

        Raises:
            NotImplementedError: The table is of format version 3.
        """
        refuse_version_3(self._state, "an incremental scan")
        return super().incremental_append_scan(
            from_snapshot_id_exclusive=from_snapshot_id_exclusive,
            to_snapshot_id_inclusive=to_snapshot_id_inclusive,
            row_filter=row_filter,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            options=options,
            limit=limit,
        )

    def snapshot_as_of_timestamp(self, timestamp_ms: int, inclusive: bool = True) -> Snapshot | None:
        """The snapshot that was current at a time, whatever the order of the snapshot log."""
        found = self._state.handle.snapshot_as_of(timestamp_ms if inclusive else timestamp_ms - 1)
        return None if found is None else self.snapshot_by_id(found)

    def _snapshot_as_of(self, moment: int | dt.datetime) -> int:
        if isinstance(moment, dt.datetime):
            if moment.tzinfo is None:
                raise InvalidArgumentError(f"as_of={moment} has no time zone, so it is no moment: add one, such as UTC")
            moment = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)
        found = self._state.handle.snapshot_as_of(moment)
        if found is None:
            raise NotFoundError(f"{self._full_name}: there was no snapshot yet at {moment} ms")
        return found

    def _snapshot_of_ref(self, ref: str) -> int:
        found = self._state.handle.snapshot_of_ref(ref)
        if found is None:
            raise NotFoundError(f"{self._full_name}: there is no branch or tag {ref}")
        return found

    @property
    def _full_name(self) -> str:
        return ".".join(self._identifier)

    # --- changing ---

    def append(
        self,
        df: Any,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str | None = MAIN_BRANCH,
    ) -> None:
        """Add rows as one snapshot, in bounded memory. All of them or none.

        Args:
            df: Any Arrow stream: a ``pyarrow.Table`` or ``RecordBatchReader``, a Polars frame, a DuckDB result.
            snapshot_properties: What to note in the snapshot's summary.
            branch: The branch to add to.

        Example:
            >>> table.append(pyarrow.table({"carrier": ["UA"], "dep_delay": [2]}))  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The rows do not fit the table; the message lists every column that does not.
            CommitFailedError: Other writers were first, again and again.
            CommitStateUnknownError: The answer to the commit was lost.
        """
        stream = _stream(df)
        if branch is None or self._appends_as_pyiceberg(stream):
            refuse_version_3(self._state, "this kind of append")
            super().append(df, dict(snapshot_properties), branch)
            return
        source = _Source(stream)
        try:
            handle = self._state.handle.append(source.stream, snapshot_properties, branch)
        except floe_engine.Error as error:
            source.reraise(error)
            raise
        self._state = TableState(self.catalog, self._identifier, handle)

    def _appends_as_pyiceberg(self, stream: Any) -> bool:
        properties = self._state.properties
        merge = property_as_bool(
            properties, TableProperties.MANIFEST_MERGE_ENABLED, TableProperties.MANIFEST_MERGE_ENABLED_DEFAULT
        )
        python_decides = PY_IO_IMPL in properties or TableProperties.WRITE_PY_LOCATION_PROVIDER_IMPL in properties
        schema = str(getattr(stream, "schema", ""))
        downcast = "timestamp[ns" in schema and Config().get_bool(DOWNCAST_NS_TIMESTAMP_TO_US_ON_WRITE)
        return bool(merge or python_decides or downcast or commits_elsewhere(self.catalog))

    def transaction(self) -> FloeTransaction:
        """A transaction: changes that are committed together, by PyIceberg's own code."""
        return FloeTransaction(self)

    def _do_commit(self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> None:
        if commits_elsewhere(self.catalog):
            super()._do_commit(updates, requirements)
            return
        committed = cast("FloeCatalog", self.catalog)._commit(self, requirements, updates)
        self._check_same_table(committed)
        self._state = committed

    def _check_same_table(self, state: TableState) -> None:
        if self._state.uuid != state.uuid:
            raise ValueError(f"Table UUID does not match: current={self._state.uuid} != refreshed={state.uuid}")


class FloeStaticTable(FloeTable, StaticTable):
    """A table without a catalog, read from its metadata file.

    Example:
        >>> FloeStaticTable.from_metadata("/warehouse/t/metadata/v3.metadata.json").scan().count()  # doctest: +SKIP
    """

    def refresh(self) -> FloeTable:
        raise NotImplementedError("a table without a catalog stays as it was read")


class FloeStagedTable(StagedTable, FloeTable):
    """A table that is about to be made."""

    def refresh(self) -> FloeTable:
        raise ValueError("Cannot refresh a staged table")

    def scan(self, *_: Any, **__: Any) -> FloeScan:
        raise ValueError("Cannot scan a staged table")


class FloeTransaction(Transaction):
    """PyIceberg's transaction, which reads through the engine."""

    _table: FloeTable

    def update_snapshot(
        self, snapshot_properties: dict[str, str] = EMPTY_DICT, branch: str | None = MAIN_BRANCH
    ) -> UpdateSnapshot:
        refuse_version_3(self._table._state, "a transaction that changes rows")
        return super().update_snapshot(snapshot_properties, branch)

    def _scan(self, row_filter: str | BooleanExpression = ALWAYS_TRUE, case_sensitive: bool = True) -> DataScan:
        if self._updates:
            return super()._scan(row_filter, case_sensitive)
        return FloeScan.of(self._table._state, row_filter=row_filter, case_sensitive=case_sensitive)


def refuse_version_3(state: TableState, what: str) -> None:
    """Raises NotImplementedError where PyIceberg's own code would change, or read, what it does not know."""
    if state.format_version > 2:
        raise NotImplementedError(
            f"{'.'.join(state.identifier)}: {what} is PyIceberg's own code so far, and that does not know format "
            f"version {state.format_version} well enough; append and scan work"
        )


def commits_elsewhere(catalog: Catalog) -> bool:
    """Whether commits go to a ``commit_table`` that is not ours: another catalog's, or one that somebody put there."""
    from floe_iceberg.catalog import FloeCatalog

    return getattr(catalog.commit_table, "__func__", None) is not FloeCatalog.commit_table


def _stream(df: Any) -> Any:
    import pyarrow as pa

    if isinstance(df, pa.RecordBatch):
        return pa.Table.from_batches([df])
    if hasattr(df, "__arrow_c_stream__"):
        return df
    raise InvalidArgumentError(
        f"Expected pa.Table or pa.RecordBatchReader, or any other Arrow stream, got: {df!r:.200}"
    )


class _Source:
    """A stream on its way to the engine. What its Python code raises would arrive there as text: it is kept here."""

    def __init__(self, stream: Any) -> None:
        import pyarrow as pa

        self._raised: BaseException | None = None
        self.stream = stream
        if isinstance(stream, pa.RecordBatchReader):
            self.stream = pa.RecordBatchReader.from_batches(stream.schema, self._watched(stream))

    def _watched(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except BaseException as error:
            self._raised = error
            raise

    def reraise(self, error: floe_engine.Error) -> None:
        """Raises what the stream raised, if it did."""
        if self._raised is not None:
            raise self._raised
        if str(error).rstrip().endswith("\nKeyboardInterrupt"):  # within Python code behind a foreign stream
            raise KeyboardInterrupt from error
