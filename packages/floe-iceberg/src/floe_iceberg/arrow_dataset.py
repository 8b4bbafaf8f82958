"""Scans as Arrow datasets, which is what DuckDB pushes columns and filters down to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.dataset as ds

import floe_engine
from floe_engine import InvalidArgument, NotSupported

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from floe_iceberg.scan import FloeScan


class ScanDataset(ds.InMemoryDataset):  # type: ignore[misc]  # pyarrow.dataset has no types
    """The rows of a scan. Each scanner plans anew, with the columns and the filter that it is asked for.

    Filters that the engine knows prune manifests, files and row groups, and compare NaN as SQL does: it is greater than
    every number. The others are applied to the rows by Arrow.
    """

    def __init__(self, scan: FloeScan) -> None:
        super().__init__(scan._arrow_schema().empty_table())  # which has the schema, and no rows of its own
        self._scan = scan

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> ds.Scanner:
        """A scanner of these columns of the rows that match."""
        pushed = None if filter is None or self._scan.limit is not None else _filter_json(filter)
        if pushed is not None:
            try:
                plan = self._scan._plan(columns=columns, filter_json=pushed, batch_rows=batch_size)
            except (InvalidArgument, NotSupported):  # a literal of another type, which Arrow casts; a metadata column
                pushed = None
        if pushed is None:
            needed = columns if filter is None else None
            plan = self._scan._plan(columns=needed, limit=self._scan.limit, batch_rows=batch_size)
        rows = pa.RecordBatchReader.from_stream(plan.read())
        return ds.Scanner.from_batches(rows, columns=columns, filter=filter if pushed is None else None, **options)

    def get_fragments(self, filter: pc.Expression | None = None) -> Any:
        """There are none: files are the engine's to read."""
        raise NotSupported("the files of a scan cannot be read as fragments of an Arrow dataset")


def _filter_json(expression: pc.Expression) -> str | None:
    _, (serialized,) = cast(tuple[Any, tuple[pa.Buffer]], expression.__reduce__())
    return floe_engine.filter_from_arrow(serialized.to_pybytes(), nan_is_greatest=True)
