"""Scans of what changed between two snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import floe_engine
from floe_iceberg.scan import FloeScan
from floe_iceberg.scan_task import batches_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


class ChangelogScan:
    """The rows that came and went between two snapshots, of copy-on-write and merge-on-read tables alike.

    Beside the columns of the table's current schema each row has

    * ``_change_type``: ``INSERT`` or ``DELETE``; where updates are asked for, also ``UPDATE_BEFORE``, ``UPDATE_AFTER``,
    * ``_change_ordinal``: the place of the snapshot among those looked at, from 0,
    * ``_commit_snapshot_id``: the snapshot that made the change.

    As in Spark's ``create_changelog_view`` compactions change nothing, and rows that were only copied from one file to
    another do not come out. The snapshots come in their order; of each the rows that left before those that came.

    Example:
        >>> changes = table.incremental_changelog_scan(from_snapshot_id_exclusive=seen)  # doctest: +SKIP
        >>> changes.to_arrow().group_by("_change_type").aggregate([([], "count_all")])  # doctest: +SKIP
    """

    def __init__(self, scan: FloeScan, updates: bool, identifier_columns: Sequence[str]) -> None:
        self._scan = scan
        self._updates = updates
        self._identifier_columns = tuple(identifier_columns)
        self._read()  # says what is wrong with the options

    def _read(self) -> floe_engine.BatchStream:
        scan = self._scan.engine_scan(limit=self._scan.limit)
        return scan.changelog(updates=self._updates, identifier_columns=self._identifier_columns)

    def to_arrow(self) -> pa.Table:
        """All changes, in memory.

        Raises:
            NotFoundError: A file or a snapshot that it takes was expired.
            CorruptFileError: A file is broken.
            InvalidArgumentError: Updates are asked for, and rows of one snapshot share an identifier.
        """
        import pyarrow as pa

        return pa.table(self._read().read_all())

    def to_arrow_batch_reader(self) -> pa.RecordBatchReader:
        """The changes as a stream, in bounded memory."""
        import pyarrow as pa

        stream = self._read()
        return pa.RecordBatchReader.from_batches(pa.schema(stream), batches_of(stream))

    def to_pandas(self) -> Any:
        """All changes as a pandas frame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """All changes as a Polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The changes, for whatever takes Arrow streams."""
        return self._read().__arrow_c_stream__(requested_schema)
