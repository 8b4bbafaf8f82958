"""Tasks of scans: pieces that are read by themselves, in this process or in another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyiceberg.typedef import EMPTY_DICT, Properties

import floe_engine

if TYPE_CHECKING:
    import pyarrow as pa


class ScanTask:
    """A piece of a scan, of about ``read.split.target-size`` bytes: files, or row groups of them, with their deletes.

    It needs neither a catalog nor the table's metadata to be read, so it can go to another process by its bytes, or
    pickled, which is the same. Passwords and keys do not go with it: who reads brings its own. Bytes say which files
    are read, so take them only from where you would take a file's location from.

    Example:
        >>> tasks = table.scan("dep_delay > 60").plan_tasks()  # doctest: +SKIP
        >>> with concurrent.futures.ProcessPoolExecutor() as pool:  # doctest: +SKIP
        ...     late = pyarrow.concat_tables(pool.map(ScanTask.to_arrow, tasks))
    """

    def __init__(self, handle: floe_engine.ScanTask) -> None:
        self._handle = handle

    @classmethod
    def from_bytes(cls, data: bytes, properties: Properties = EMPTY_DICT) -> ScanTask:
        """The task that ``to_bytes`` made these of.

        Args:
            data: The bytes.
            properties: How to reach the table's files, such as keys of an object store.

        Raises:
            CorruptFileError: They are no task.
            NotImplementedError: A later version made them.
        """
        return cls(floe_engine.ScanTask.from_bytes(data, dict(properties)))

    def to_bytes(self) -> bytes:
        """What ``from_bytes`` takes, in any process and on any machine that reaches the table's files."""
        return self._handle.to_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return f"ScanTask({self._handle.table_name}, snapshot {self._handle.snapshot_id}, {self.files} files)"

    @property
    def files(self) -> int:
        """How many data files it reads, wholly or in part."""
        return self._handle.files

    def to_arrow(self) -> pa.Table:
        """The rows, in memory. A scan's limit holds for each of its tasks.

        Raises:
            NotFoundError: A file is gone.
            CorruptFileError: A file is broken.
        """
        import pyarrow as pa

        return pa.table(self._handle.read().read_all())

    def to_arrow_batch_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory."""
        import pyarrow as pa

        stream = self._handle.read()
        return pa.RecordBatchReader.from_batches(pa.schema(stream), batches_of(stream))

    def count(self) -> int:
        """The number of rows, from metadata alone where that is right."""
        return self._handle.count()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows, for whatever takes Arrow streams."""
        return self._handle.read().__arrow_c_stream__(requested_schema)


def batches_of(stream: floe_engine.BatchStream) -> Iterator[pa.RecordBatch]:
    """The batches of a stream, which is closed at the end."""
    import pyarrow as pa

    try:
        while (batch := stream.read_next()) is not None:
            yield pa.record_batch(batch)
    finally:
        stream.close()
