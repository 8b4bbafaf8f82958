"""Tables: PyIceberg's, appended to, scanned and looked back at by the engine."""

from __future__ import annotations

import datetime as dt
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.table import ALWAYS_TRUE, StagedTable, StaticTable, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.table.update.sorting import UpdateSortOrder
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties

import floe_engine
from floe_engine import UpsertOptions
from floe_iceberg import reports
from floe_iceberg.append_scan import FloeIncrementalAppendScan
from floe_iceberg.changelog_scan import ChangelogScan
from floe_iceberg.changes import RowChanges, Source, arrow_stream, check_names
from floe_iceberg.errors import InvalidArgumentError, NotFoundError
from floe_iceberg.foreign import commits_elsewhere, delete_old_metadata
from floe_iceberg.inspect import FloeInspect
from floe_iceberg.maintenance import FloeMaintenance, to_milliseconds
from floe_iceberg.metrics import StorageMetrics, storage_metrics
from floe_iceberg.partition import FloeUpdateSpec
from floe_iceberg.scan import FloeScan
from floe_iceberg.schema import FloeUpdateSchema, SchemaVersion, schema_history
from floe_iceberg.snapshot import FloeManageSnapshots
from floe_iceberg.state import TableState
from floe_iceberg.transaction import FloeTransaction

if TYPE_CHECKING:
    from floe_engine._core import UpsertCounts
    from floe_iceberg.catalog import FloeCatalog


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class FloeTable(RowChanges, Table):
    """A PyIceberg table whose work the engine does.

    What the engine does not do yet runs PyIceberg's own code and commits through the engine, for tables of format
    versions 1 and 2. Threads may share a table: each of their changes is a commit of its own, and then the table has
    it.

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
    def of(cls, state: TableState) -> Self:
        """The table in one state."""
        table = cls.__new__(cls)
        table._hold(state)
        return table

    def _hold(self, state: TableState) -> None:
        self._identifier = state.identifier
        self._state = state
        self._moving = threading.Lock()  # held while the table moves to another state

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self._state,)

    # --- what PyIceberg keeps as attributes, made when asked for ---

    @property
    def catalog(self) -> Catalog:
        """The catalog that the table is in, and that commits its changes."""
        return self._state.catalog

    @catalog.setter
    def catalog(self, value: Catalog) -> None:
        self._state = self._state.in_catalog(value)

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
        with self._moving:
            fresh = self.catalog.load_table(self._identifier)
            state = state_of(fresh, self.catalog)
            self._check_same_table(state)
            self._state = state
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
            options: ``floe.scan.batch-rows``, ``floe.scan.read-ahead-bytes``, ``floe.scan.ordered``, and
                ``read.split.*`` for ``plan_tasks``.
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
        check_names("selected_fields", selected_fields)
        if sum(given is not None for given in (snapshot_id, as_of, ref)) > 1:
            raise InvalidArgumentError(f"{self._full_name}: a scan looks at one of snapshot_id, as_of and ref")
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

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows of the current snapshot, for whatever takes Arrow streams."""
        return self.scan().__arrow_c_stream__(requested_schema)

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
    ) -> FloeIncrementalAppendScan:
        """The rows that appends added after one snapshot, up to another; deletes and overwrites are passed over.

        Args:
            from_snapshot_id_exclusive: The snapshot after which to begin; without it, with the oldest ancestor.
            to_snapshot_id_inclusive: The snapshot to end with; without it, the current one.
            row_filter: Which rows, as text or as an expression.
            selected_fields: Which columns, by full name.
            case_sensitive: Whether the case of column names counts.
            options: As in ``scan``.
            limit: How many rows at most.

        Example:
            >>> table.incremental_append_scan(from_snapshot_id_exclusive=seen).to_arrow()  # doctest: +SKIP
        """
        return FloeIncrementalAppendScan.of(
            self._state,
            from_snapshot_id=from_snapshot_id_exclusive,
            to_snapshot_id=to_snapshot_id_inclusive,
            row_filter=row_filter,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            options=options,
            limit=limit,
        )

    def incremental_changelog_scan(
        self,
        *,
        from_snapshot_id_exclusive: int | None = None,
        to_snapshot_id_inclusive: int | None = None,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        selected_fields: tuple[str, ...] = ("*",),
        case_sensitive: bool = True,
        options: Properties = EMPTY_DICT,
        limit: int | None = None,
        compute_updates: bool | None = None,
        identifier_columns: Sequence[str] = (),
    ) -> ChangelogScan:
        """The rows that came and went after one snapshot, up to another, of every kind of change.

        Args:
            from_snapshot_id_exclusive: The snapshot after which to begin; without it, with the oldest ancestor.
            to_snapshot_id_inclusive: The snapshot to end with; without it, the current one.
            row_filter: Which rows, as text or as an expression. Of an update each side is filtered by itself.
            selected_fields: Which columns, by full name, beside those that say what changed.
            case_sensitive: Whether the case of column names counts.
            options: As in ``scan``.
            limit: How many rows at most.
            compute_updates: Whether a row that left and one that came with the same identifier in one snapshot are an
                update; by default where ``identifier_columns`` are given.
            identifier_columns: What identifies a row; without any, the schema's identifier fields, and without those
                the row ids of version 3.

        Example:
            >>> table.incremental_changelog_scan(  # doctest: +SKIP
            ...     from_snapshot_id_exclusive=seen, identifier_columns=["flight_id"]
            ... ).to_arrow_batch_reader()

        Raises:
            InvalidArgumentError: A column is not there, nothing identifies rows, or the snapshot to begin with is no
                ancestor of the one to end with.
            NotFoundError: The snapshot to end with is not there.
        """
        check_names("selected_fields", selected_fields)
        check_names("identifier_columns", identifier_columns)
        if identifier_columns and compute_updates is False:
            raise InvalidArgumentError(f"{self._full_name}: identifier_columns find updates, and compute_updates=False")
        scan = FloeScan.of(
            self._state,
            row_filter=row_filter,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            snapshot_id=to_snapshot_id_inclusive,
            options=options,
            limit=limit,
        )
        scan.appended_since = (from_snapshot_id_exclusive, False)
        return ChangelogScan(scan, bool(identifier_columns) or bool(compute_updates), identifier_columns)

    @property
    def inspect(self) -> FloeInspect:
        """The table's metadata, as tables.

        Example:
            >>> table.inspect.partitions()  # doctest: +SKIP
            >>> table.inspect.files(columns=["file_path", "readable_metrics.dep_delay"])  # doctest: +SKIP
        """
        return FloeInspect(self)

    def snapshot_as_of_timestamp(self, timestamp_ms: int, inclusive: bool = True) -> Snapshot | None:
        """The snapshot that was current at a time, whatever the order of the snapshot log."""
        found = self._state.handle.snapshot_as_of(timestamp_ms if inclusive else timestamp_ms - 1)
        return None if found is None else self.snapshot_by_id(found)

    def _snapshot_as_of(self, moment: int | dt.datetime) -> int:
        time_ms = to_milliseconds(moment, "as_of")
        found = self._state.handle.snapshot_as_of(time_ms)
        if found is None:
            raise NotFoundError(f"{self._full_name}: there was no snapshot yet at {time_ms} ms")
        return found

    def _snapshot_of_ref(self, ref: str) -> int:
        found = self._state.handle.snapshot_of_ref(ref)
        if found is None:
            raise NotFoundError(f"{self._full_name}: there is no branch or tag {ref}")
        return found

    @property
    def _full_name(self) -> str:
        return self._state.full_name

    # --- changing ---

    def transaction(self) -> FloeTransaction:
        """Changes that are committed together."""
        return self._begin()

    def _begin(self, autocommit: bool = False) -> FloeTransaction:
        return FloeTransaction(self, autocommit)

    def write_files(self, df: Any) -> bytes:
        """Write rows as data files that no snapshot has yet: what ``append_written`` takes, from any process.

        Files that are never added are orphan files.

        Args:
            df: Any Arrow stream.

        Raises:
            InvalidArgumentError: The rows do not fit the table; the message lists every column that does not.
        """
        stream = arrow_stream(df)
        if FloeTransaction(self)._is_pyicebergs(stream):
            raise floe_engine.NotSupported(f"{self._full_name}: Python code decides how rows are written")
        with Source(stream) as source:
            return floe_engine.write_files(self._state.handle, source)

    def update_schema(self, allow_incompatible_changes: bool = False, case_sensitive: bool = True) -> FloeUpdateSchema:
        """Changes of columns as one commit (see :class:`~floe_iceberg.schema.FloeUpdateSchema`).

        Args:
            allow_incompatible_changes: Also those after which what was written before may not be readable.
            case_sensitive: Whether the case of names counts.

        Example:
            >>> with table.update_schema() as update:  # doctest: +SKIP
            ...     update.add_column("gate", StringType())
        """
        return self._begin(autocommit=True).update_schema(allow_incompatible_changes, case_sensitive)

    def storage_metrics(self) -> StorageMetrics:
        """Rows, files, bytes, what could be given back, and how the table grew (see :mod:`floe_iceberg.metrics`).

        Example:
            >>> print(table.storage_metrics().small_file_ratio)  # doctest: +SKIP
            0.93
        """
        return storage_metrics(self)

    def schema_history(self) -> list[SchemaVersion]:
        """The table's schemas in the order in which they were current: since when, and what was changed.

        Example:
            >>> for version in table.schema_history():  # doctest: +SKIP
            ...     print(version)
            schema 0, since 2026-01-01T00:00:00.000+00:00: as it began
            schema 1, since 2026-02-01T00:00:00.000+00:00: added column gate (string)
        """
        return schema_history(self._state)

    def update_spec(self, case_sensitive: bool = True) -> FloeUpdateSpec:
        """Changes of the partitioning as one commit (see :class:`~floe_iceberg.partition.FloeUpdateSpec`).

        Example:
            >>> table.update_spec().add_field("time_hour", "month").commit()  # doctest: +SKIP
        """
        return self._begin(autocommit=True).update_spec(case_sensitive)

    def update_sort_order(self, case_sensitive: bool = True) -> UpdateSortOrder:
        """A new sort order (see :class:`~floe_iceberg.partition.FloeUpdateSortOrder`)."""
        return self._begin(autocommit=True).update_sort_order(case_sensitive)

    def manage_snapshots(self) -> FloeManageSnapshots:
        """Changes of branches, tags and the current snapshot (see :class:`~floe_iceberg.snapshot.FloeManageSnapshots`).

        Example:
            >>> table.manage_snapshots().create_tag(snapshot_id, "end-of-2013").commit()  # doctest: +SKIP
        """
        return self._begin(autocommit=True).manage_snapshots()

    @property
    def maintenance(self) -> FloeMaintenance:
        """Upkeep, done when it is asked for (see :class:`~floe_iceberg.maintenance.FloeMaintenance`).

        Example:
            >>> table.maintenance.expire_snapshots(retain_last=10)  # doctest: +SKIP
        """
        return FloeMaintenance(self)

    @contextmanager
    def _change(self) -> Iterator[FloeTransaction]:
        with self.transaction() as transaction:
            yield transaction

    def _upsert(self, source: Any, options: UpsertOptions) -> UpsertCounts:
        since, started = self._state, time.perf_counter_ns()
        handle, counts = since.writer.upsert(source, options)
        self._move_to(TableState(self.catalog, self._identifier, handle), since)
        reports.committed(handle, reports.newest(since.handle, handle), time.perf_counter_ns() - started)
        return counts

    def _move_to(self, committed: TableState, since: TableState) -> None:
        """Move to what was made of ``since``, unless another thread has moved the table further already."""
        with self._moving:
            if self._state is since or self._state.handle.came_before(committed.handle):
                self._state = committed

    def _do_commit(self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> None:
        since = self._state
        committed = self._committed(updates, requirements)
        self._check_same_table(committed)
        self._move_to(committed, since)

    def _committed(self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> TableState:
        if not commits_elsewhere(self.catalog):
            return cast("FloeCatalog", self.catalog)._commit(self, requirements, updates)
        before = self._state
        response = self.catalog.commit_table(self, requirements, updates)
        delete_old_metadata(before, response.metadata)
        return TableState.of_pyicebergs(
            self.catalog, self._identifier, response.metadata, response.metadata_location, before._io, before.config
        )

    def _check_same_table(self, state: TableState) -> None:
        if self._state.uuid != state.uuid:
            raise ValueError(f"Table UUID does not match: current={self._state.uuid} != refreshed={state.uuid}")


def state_of(table: Table, catalog: Catalog) -> TableState:
    """The state of any table, as one of `catalog`."""
    if isinstance(table, FloeTable):
        return table._state
    if isinstance(table, StagedTable):
        return TableState.staged(catalog, table.name(), table.metadata, table.metadata_location, table.io)
    return TableState.of_pyicebergs(
        catalog, table.name(), table.metadata, table.metadata_location, table.io, table.config
    )


class FloeStaticTable(FloeTable, StaticTable):
    """A table that is read without its catalog. It stays as it was found, and cannot be changed.

    Example:
        >>> table = FloeStaticTable.from_metadata("/warehouse/flights/departures")  # doctest: +SKIP
        >>> table.scan("dep_delay > 60", as_of=datetime(2026, 1, 1, tzinfo=UTC)).to_arrow()  # doctest: +SKIP
    """

    @classmethod
    def from_metadata(cls, metadata_location: str | os.PathLike[str], properties: Properties = EMPTY_DICT) -> Self:
        """Open a table by its metadata file, or by its folder.

        Of a folder it is the file that ``metadata/version-hint.text`` names, else the newest by number, then by time.

        Args:
            metadata_location: The file or the folder, as a URI or a path.
            properties: Access to the table's files, as for a catalog.

        Raises:
            NotFoundError: There is no such file, or the folder has no metadata file.
            CorruptFileError: The file cannot be read as metadata.
            NotImplementedError: The location is in a store that the engine cannot reach yet.
        """
        location = os.fspath(metadata_location)
        if not _SCHEME.match(location):
            location = os.path.abspath(location)
        handle = floe_engine.open_table(location, properties)
        return cls.of(TableState(NoopCatalog("static-table", **properties), tuple(handle.identifier), handle))

    def refresh(self) -> FloeTable:
        raise NotImplementedError(f"{self.metadata_location}: a table without its catalog stays as it was found")

    def _begin(self, autocommit: bool = False) -> NoReturn:
        raise floe_engine.NotSupported(
            f"{self.metadata_location}: a table without its catalog is only read; load it from its catalog to change "
            "it, or register it with one (register_table)"
        )

    @property
    def maintenance(self) -> FloeMaintenance:
        self._begin()

    def _do_commit(self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> None:
        self._begin()


class FloeStagedTable(StagedTable, FloeTable):
    """A table that is about to be made."""

    def refresh(self) -> FloeTable:
        raise ValueError("Cannot refresh a staged table")

    def scan(self, *_: Any, **__: Any) -> FloeScan:
        raise ValueError("Cannot scan a staged table")

    def incremental_append_scan(self, *_: Any, **__: Any) -> FloeIncrementalAppendScan:
        raise ValueError("Cannot scan a staged table")

    def incremental_changelog_scan(self, *_: Any, **__: Any) -> ChangelogScan:
        raise ValueError("Cannot scan a staged table")
