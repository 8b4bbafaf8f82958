"""Values of Dagster's outputs as streams of rows, and rows as values of its inputs."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Union, get_args, get_origin

import pyarrow as pa

from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.scan import FloeScan
from floe_iceberg.table import FloeTable


def rows_of(value: Any) -> pa.RecordBatchReader | None:
    """The stream of rows that an output gave. None: an iterator had nothing, so that not even the columns are known.

    Streams stay streams: lazy frames, relations and iterators are read while they are written.

    >>> rows_of(iter([pa.record_batch({"carrier": ["UA"]}), pa.record_batch({"carrier": ["AA"]})])).read_all().num_rows
    2

    Raises:
        InvalidArgumentError: It is nothing that has rows.
    """
    rows = _rows_of(value)
    return None if rows is None else _in_utc(rows)


def _rows_of(value: Any) -> pa.RecordBatchReader | None:
    match _kind(type(value)):
        case "pandas.DataFrame":
            named = any(name is not None for name in value.index.names)  # an index without a name numbers the rows
            return pa.Table.from_pandas(value, preserve_index=named).to_reader()
        case "polars.LazyFrame":
            return _stream(value.collect_batches(), value.collect_schema().to_frame())
        case "pyspark.DataFrame":
            return value.toArrow().to_reader()
    if isinstance(value, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(value.schema, [value])
    if isinstance(value, pa.RecordBatchReader):
        return value
    if hasattr(value, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        parts = iter(value)
        first = next(parts, None)
        return None if first is None else _stream(_chain(first, parts), first)
    raise InvalidArgumentError(
        f"an output of {type(value).__name__} has no rows: give a pyarrow, pandas, Polars or PySpark frame, a DuckDB "
        "relation, any other Arrow stream, or an iterator of such frames or of record batches"
    )


def _in_utc(rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same instants: Iceberg has no other time zone."""
    zoned = [pa.types.is_timestamp(field.type) and field.type.tz not in (None, "UTC") for field in rows.schema]
    if not any(zoned):
        return rows
    fields = zip(rows.schema, zoned, strict=True)
    schema = pa.schema([f.with_type(pa.timestamp(f.type.unit, "UTC")) if zone else f for f, zone in fields])
    return pa.RecordBatchReader.from_batches(schema, (batch.cast(schema) for batch in rows))


def _chain(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _stream(parts: Iterable[Any], like: Any) -> pa.RecordBatchReader:
    schema = _reader(like).schema

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            for batch in _reader(part):
                yield batch if batch.schema == schema else batch.select(schema.names).cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _reader(part: Any) -> pa.RecordBatchReader:
    rows = _rows_of(part) if _is_frame(part) else None
    if rows is None:
        raise InvalidArgumentError(
            f"an iterator of rows gave a {type(part).__name__}: it has to give frames or batches"
        )
    return rows


def _is_frame(value: Any) -> bool:
    return hasattr(value, "__arrow_c_stream__") or isinstance(value, pa.RecordBatch) or _kind(type(value)) in _LOADERS


# --- inputs ----------------------------------------------------------------------------------------------------------


def load(table: FloeTable, scan: FloeScan, wanted: Any) -> Any:
    """The rows of a scan as what an input is annotated with; a pyarrow table without an annotation.

    Raises:
        InvalidArgumentError: It is annotated with something else.
    """
    kind = _kind(wanted)
    if kind in ("floe_iceberg.FloeTable", "pyiceberg.Table"):
        return table
    loader = _LOADERS.get(kind)
    if loader is None:
        raise InvalidArgumentError(
            f"{table._full_name}: an input cannot be a {kind}, but one of {', '.join(filter(None, _LOADERS))}"
        )
    return loader(scan)


def _to_duckdb(scan: FloeScan) -> Any:
    import duckdb

    from floe_iceberg.arrow_dataset import ScanDataset

    return duckdb.from_arrow(ScanDataset(scan))


def _to_spark(scan: FloeScan) -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate().createDataFrame(scan.to_arrow())


_LOADERS: dict[str, Callable[[FloeScan], Any]] = {
    "": FloeScan.to_arrow,
    "pyarrow.Table": FloeScan.to_arrow,
    "pyarrow.RecordBatchReader": FloeScan.to_arrow_batch_reader,
    "collections.Iterator": FloeScan.to_arrow_batch_reader,
    "collections.Iterable": FloeScan.to_arrow_batch_reader,
    "pandas.DataFrame": FloeScan.to_pandas,
    "polars.DataFrame": FloeScan.to_polars,
    "polars.LazyFrame": FloeScan.to_polars_lazy,
    "duckdb.DuckDBPyRelation": _to_duckdb,
    "pyspark.DataFrame": _to_spark,
    "floe_iceberg.FloeScan": lambda scan: scan,
    "pyiceberg.DataScan": lambda scan: scan,
}


def _kind(wanted: Any) -> str:
    """A type by its library and name, so that no library is imported to recognise what it does not make."""
    if get_origin(wanted) in (Union, types.UnionType):
        others = [part for part in get_args(wanted) if part is not type(None)]
        wanted = others[0] if len(others) == 1 else wanted
    wanted = get_origin(wanted) or wanted
    if wanted in (None, Any):
        return ""
    library = getattr(wanted, "__module__", "").split(".")[0].lstrip("_")
    return f"{library}.{getattr(wanted, '__name__', wanted)}"
