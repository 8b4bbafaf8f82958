"""Metadata tables: PyIceberg's, and Java's that it lacks, read by the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.table import ALWAYS_TRUE
from pyiceberg.table.inspect import InspectTable

import floe_engine
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.expression import filter_json

if TYPE_CHECKING:
    import pyarrow as pa

    from floe_iceberg.table import FloeTable


class Part(TypedDict, total=False):
    """What of a metadata table is wanted.

    ``columns`` may name children of ``data_file``, ``partition`` and ``readable_metrics``
    (``"readable_metrics.price"``); what is not named is not decoded.
    """

    columns: Sequence[str]


class View(Part, total=False):
    """Which state of the table is looked at; at most one of ``snapshot_id`` and these."""

    as_of: int | dt.datetime
    ref: str


class Rows(Part, total=False):
    """Which files: those that may hold rows that match, by partition and bounds."""

    row_filter: str | BooleanExpression
    case_sensitive: bool


class ViewOfRows(View, Rows, total=False):
    """Which state of the table, and which files of it."""


class FloeInspect(InspectTable):
    """What a table's metadata says, as Arrow tables whose columns have the names, the types and the order of Java's.

    Tables of one snapshot show the current one, or that of ``snapshot_id``, ``as_of`` or ``ref``. A table without
    snapshots has no rows.

    Example:
        >>> table.inspect.files(columns=["file_path", "record_count"])  # doctest: +SKIP
        >>> table.inspect.partitions(ref="audited", row_filter="day >= '2013-01-01'")  # doctest: +SKIP
        >>> duckdb.from_arrow(table.inspect.stream("all_manifests"))  # doctest: +SKIP
    """

    tbl: FloeTable

    def __init__(self, tbl: FloeTable) -> None:
        super().__init__(tbl)

    def stream(
        self, name: str, snapshot_id: int | None = None, **options: Unpack[ViewOfRows]
    ) -> floe_engine.BatchStream:
        """A metadata table as an Arrow stream, in bounded memory.

        Args:
            name: ``"files"``, ``"snapshots"``, ...: the name of a method of this class.
            snapshot_id: The snapshot to look at.
            options: ``as_of``, ``ref``, ``columns``, ``row_filter`` and ``case_sensitive``, where the table has them.

        Raises:
            NotFoundError: There is no such metadata table, or no such snapshot.
            InvalidArgumentError: The metadata table has no such option or column.
        """
        state = self.tbl._state
        if impl := state.properties.get(PY_IO_IMPL):
            raise floe_engine.NotSupported(
                f"{state.full_name}: the engine has its own I/O and cannot use {PY_IO_IMPL}={impl}"
            )
        as_of, ref = options.get("as_of"), options.get("ref")
        if sum(given is not None for given in (snapshot_id, as_of, ref)) > 1:
            raise InvalidArgumentError("a metadata table is of one of snapshot_id, as_of and ref")
        return state.handle.inspect(
            name,
            snapshot_id=snapshot_id if as_of is None else self.tbl._snapshot_as_of(as_of),
            ref=ref,
            columns=list(options.get("columns", ("*",))),
            filter_json=filter_json(options.get("row_filter", ALWAYS_TRUE)),
            case_sensitive=options.get("case_sensitive", True),
        )

    def _table(self, name: str, snapshot_id: int | None = None, **options: Unpack[ViewOfRows]) -> pa.Table:
        import pyarrow as pa

        return pa.table(self.stream(name, snapshot_id, **options).read_all())

    # --- of the table's metadata ---

    def snapshots(self, **part: Unpack[Part]) -> pa.Table:
        """The snapshots that the metadata has."""
        return self._table("snapshots", **part)

    def history(self, **part: Unpack[Part]) -> pa.Table:
        """Which snapshot became current when, also by a rollback."""
        return self._table("history", **part)

    def refs(self, **part: Unpack[Part]) -> pa.Table:
        """Branches and tags."""
        return self._table("refs", **part)

    def metadata_log_entries(self, **part: Unpack[Part]) -> pa.Table:
        """The metadata files that were current, the present one last."""
        return self._table("metadata_log_entries", **part)

    def statistics_files(self, **part: Unpack[Part]) -> pa.Table:
        """Puffin files of statistics."""
        return self._table("statistics_files", **part)

    def partition_statistics_files(self, **part: Unpack[Part]) -> pa.Table:
        """Files of statistics of partitions."""
        return self._table("partition_statistics_files", **part)

    # --- of one snapshot ---

    def manifests(self, snapshot_id: int | None = None, **view: Unpack[View]) -> pa.Table:
        """The manifests."""
        return self._table("manifests", snapshot_id, **view)

    def entries(self, snapshot_id: int | None = None, **view: Unpack[ViewOfRows]) -> pa.Table:
        """The entries of the manifests, also those of files that the snapshot deleted."""
        return self._table("entries", snapshot_id, **view)

    def files(self, snapshot_id: int | None = None, **view: Unpack[ViewOfRows]) -> pa.Table:
        """Data and delete files."""
        return self._table("files", snapshot_id, **view)

    def data_files(self, snapshot_id: int | None = None, **view: Unpack[ViewOfRows]) -> pa.Table:
        """Data files."""
        return self._table("data_files", snapshot_id, **view)

    def delete_files(self, snapshot_id: int | None = None, **view: Unpack[ViewOfRows]) -> pa.Table:
        """Files of position deletes, equality deletes and deletion vectors."""
        return self._table("delete_files", snapshot_id, **view)

    def partitions(
        self,
        snapshot_id: int | None = None,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        case_sensitive: bool = True,
        **view: Unpack[View],
    ) -> pa.Table:
        """What the files of each partition sum up to."""
        return self._table("partitions", snapshot_id, row_filter=row_filter, case_sensitive=case_sensitive, **view)

    def position_deletes(self, snapshot_id: int | None = None, **view: Unpack[ViewOfRows]) -> pa.Table:
        """The rows that are deleted by their position, by delete files or deletion vectors."""
        return self._table("position_deletes", snapshot_id, **view)

    # --- of all snapshots that the metadata has ---

    def all_manifests(self, **part: Unpack[Part]) -> pa.Table:
        """The manifests of each snapshot, by ``reference_snapshot_id``."""
        return self._table("all_manifests", **part)

    def all_entries(self, **rows: Unpack[Rows]) -> pa.Table:
        """The entries of all manifests."""
        return self._table("all_entries", **rows)

    def all_files(self, **rows: Unpack[Rows]) -> pa.Table:
        """Data and delete files of all manifests: one that several of them list comes several times."""
        return self._table("all_files", **rows)

    def all_data_files(self, **rows: Unpack[Rows]) -> pa.Table:
        """Data files of all manifests."""
        return self._table("all_data_files", **rows)

    def all_delete_files(self, **rows: Unpack[Rows]) -> pa.Table:
        """Delete files of all manifests."""
        return self._table("all_delete_files", **rows)
