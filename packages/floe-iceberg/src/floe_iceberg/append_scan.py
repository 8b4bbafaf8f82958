"""Scans of what was appended between two snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pyiceberg.expressions import BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.table import ALWAYS_TRUE, FileScanTask, IncrementalAppendScan
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import EMPTY_DICT, Properties

import floe_engine
from floe_iceberg.scan import FloeScan
from floe_iceberg.scan_task import ScanTask, batches_of
from floe_iceberg.state import TableState

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


class FloeIncrementalAppendScan(IncrementalAppendScan):
    """The rows that appends added between two snapshots, planned and read by the engine, of every format version.

    What other operations did is passed over: deletes, and files that overwrites and compactions wrote.

    Example:
        >>> scan = table.incremental_append_scan(from_snapshot_id_exclusive=seen)  # doctest: +SKIP
        >>> scan.to_arrow_batch_reader()  # doctest: +SKIP
    """

    # The parameters are exactly those of IncrementalAppendScan: PyIceberg reads each back as an attribute.
    def __init__(
        self,
        table_metadata: TableMetadata,
        io: FileIO,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        selected_fields: tuple[str, ...] = ("*",),
        case_sensitive: bool = True,
        from_snapshot_id: int | None = None,
        from_snapshot_inclusive: bool = False,
        to_snapshot_id: int | None = None,
        options: Properties = EMPTY_DICT,
        limit: int | None = None,
    ) -> None:
        super().__init__(
            table_metadata=table_metadata,
            io=io,
            row_filter=row_filter,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            from_snapshot_id=from_snapshot_id,
            from_snapshot_inclusive=from_snapshot_inclusive,
            to_snapshot_id=to_snapshot_id,
            options=options,
            limit=limit,
        )
        self._engine_scan()  # says what is wrong with the options

    @classmethod
    def of(cls, state: TableState, **parameters: Any) -> FloeIncrementalAppendScan:
        """A scan of one state of a table."""
        held = cast(Any, state)  # what PyIceberg wants of it is made when something asks
        return cls(table_metadata=held, io=held, **parameters)

    @property
    def table_metadata(self) -> TableMetadata:
        return self._held.metadata if isinstance(self._held, TableState) else self._held

    @table_metadata.setter
    def table_metadata(self, value: TableMetadata | TableState) -> None:
        self._held = value

    @property
    def io(self) -> FileIO:
        return self._io.io if isinstance(self._io, TableState) else self._io

    @io.setter
    def io(self, value: FileIO | TableState) -> None:
        self._io = value

    def update(self, **overrides: Any) -> FloeIncrementalAppendScan:
        """A copy of this scan with other parameters."""
        names = (
            "row_filter",
            "selected_fields",
            "case_sensitive",
            "from_snapshot_id",
            "from_snapshot_inclusive",
            "to_snapshot_id",
            "options",
            "limit",
        )
        held = {"table_metadata": self._held, "io": self._io, **{name: getattr(self, name) for name in names}}
        return type(self)(**{**held, **overrides})

    def _engine_scan(self) -> FloeScan:
        parameters: dict[str, Any] = {
            "row_filter": self.row_filter,
            "selected_fields": self.selected_fields,
            "case_sensitive": self.case_sensitive,
            "snapshot_id": self.to_snapshot_id,
            "options": self.options,
            "limit": self.limit,
        }
        if isinstance(self._held, TableState):
            scan = FloeScan.of(self._held, **parameters)
        else:
            scan = FloeScan(table_metadata=self._held, io=self.io, **parameters)
        scan.appended_since = (self.from_snapshot_id, self.from_snapshot_inclusive)
        return scan

    def plan(self) -> floe_engine.Plan:
        """The files to read, as an Arrow stream of one row per file.

        Raises:
            InvalidArgumentError: The snapshot to begin with is no ancestor of the one to end with.
            NotFoundError: The snapshot to end with is not there.
        """
        return self._engine_scan().plan()

    def plan_tasks(self, parallelism: int | None = None) -> Iterator[ScanTask]:
        """The scan as tasks of about one size; see ``FloeScan.plan_tasks``."""
        return self._engine_scan().plan_tasks(parallelism)

    def plan_files(self) -> Iterable[FileScanTask]:
        """The files to read, one task each."""
        return self._or_pyiceberg(lambda scan: scan.tasks_of(scan.plan()), super().plan_files)

    def to_arrow(self) -> pa.Table:
        """All rows, in memory."""
        import pyarrow as pa

        return self._or_pyiceberg(lambda scan: pa.table(scan.plan().read().read_all()), super().to_arrow)

    def to_arrow_batch_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory."""
        import pyarrow as pa

        def read(scan: FloeScan) -> pa.RecordBatchReader:
            stream = scan.plan().read()
            return pa.RecordBatchReader.from_batches(pa.schema(stream), batches_of(stream))

        return self._or_pyiceberg(read, super().to_arrow_batch_reader)

    def count(self) -> int:
        """The number of rows, from metadata alone where that is right."""
        return self.plan().count()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows, for whatever takes Arrow streams."""
        return self.plan().read().__arrow_c_stream__(requested_schema)

    def _or_pyiceberg(self, read: Callable[[FloeScan], T], otherwise: Callable[[], T]) -> T:
        scan = self._engine_scan()
        try:
            return read(scan)
        except NotImplementedError as error:
            return scan._as_pyiceberg(error, otherwise)
