"""Scans: PyIceberg's, planned and read by the engine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.expressions.visitors import residual_evaluator_of
from pyiceberg.io import PY_IO_IMPL, FileIO
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import ALWAYS_TRUE, DataScan, FileScanTask
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties, Record
from pyiceberg.types import IcebergType, PrimitiveType, strtobool

import floe_engine
from floe_iceberg import expression, reports
from floe_iceberg.changes import check_names
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.scan_task import ScanTask, batches_of
from floe_iceberg.state import TableState

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import ray
    from duckdb import DuckDBPyConnection
    from pyiceberg.catalog import Catalog

    from floe_engine._core import PlannedFile

S = TypeVar("S", bound="FloeScan")
T = TypeVar("T")

BATCH_ROWS = "floe.scan.batch-rows"
READ_AHEAD_BYTES = "floe.scan.read-ahead-bytes"
ORDERED = "floe.scan.ordered"
INCLUDE_EMPTY_FILES = "include_empty_files"
PLANNING_MODE = "scan-planning-mode"
SPLIT_OPTIONS = (
    "read.split.target-size",
    "read.split.planning-lookback",
    "read.split.open-file-cost",
    "read.split.adaptive-size.enabled",
)


class FloeScan(DataScan):
    """A scan that the engine plans and reads.

    What it does not do yet (data files other than Parquet) runs PyIceberg's own code where the table is of format
    version 1 or 2. Beside the table's columns, `_file`, `_pos`, `_spec_id`, `_partition`, `_deleted` (which has deleted
    rows come out, marked) and in version 3 `_row_id` and `_last_updated_sequence_number` may be selected.

    Example:
        >>> scan = table.scan("dep_delay > 60", selected_fields=("carrier",))  # doctest: +SKIP
        >>> scan.to_arrow()  # doctest: +SKIP
        >>> scan.plan().files_pruned  # doctest: +SKIP
        >>> table.scan(selected_fields=("*", "_file", "_pos")).to_arrow()  # doctest: +SKIP
    """

    # Of an incremental scan: the snapshot after which, or with which (True), it begins.
    appended_since: tuple[int | None, bool] | None = None

    # The parameters are exactly those of TableScan: PyIceberg reads each back as an attribute to make changed copies.
    def __init__(
        self,
        table_metadata: TableMetadata,
        io: FileIO,
        row_filter: str | BooleanExpression = ALWAYS_TRUE,
        selected_fields: tuple[str, ...] = ("*",),
        case_sensitive: bool = True,
        snapshot_id: int | None = None,
        options: Properties = EMPTY_DICT,
        limit: int | None = None,
        catalog: Catalog | None = None,
        table_identifier: Identifier | None = None,
    ) -> None:
        super().__init__(
            table_metadata=table_metadata,
            io=io,
            selected_fields=selected_fields,
            case_sensitive=case_sensitive,
            snapshot_id=snapshot_id,
            options=options,
            limit=limit,
            catalog=catalog,
            table_identifier=table_identifier,
        )
        self._row_filter: str | BooleanExpression = row_filter
        # Text is parsed by the engine: nesting is bounded there, and PyIceberg's parser takes milliseconds.
        self._filter_json = floe_engine.filter_to_json(row_filter) if isinstance(row_filter, str) else ""
        self._read_options = _read_options(options)

    @classmethod
    def of(cls, state: TableState, **parameters: Any) -> FloeScan:
        """A scan of one state of a table."""
        # The state stands for both: what PyIceberg wants of it is made when something asks.
        held = cast(Any, state)
        return cls(table_metadata=held, io=held, catalog=state.catalog, table_identifier=state.identifier, **parameters)

    # --- what PyIceberg keeps as attributes, made when asked for ---

    @property
    def table_metadata(self) -> TableMetadata:
        return self._state.metadata if self._state else self._metadata

    @table_metadata.setter
    def table_metadata(self, value: TableMetadata | TableState) -> None:
        self._state: TableState | None = value if isinstance(value, TableState) else None
        self._metadata = cast(TableMetadata, value)

    @property
    def io(self) -> FileIO:
        return self._state.io if self._state and isinstance(self._io, TableState) else cast(FileIO, self._io)

    @io.setter
    def io(self, value: FileIO | TableState) -> None:
        self._io = value

    @property
    def row_filter(self) -> BooleanExpression:
        if isinstance(self._row_filter, str):
            self._row_filter = parse(self._row_filter)
        return self._row_filter

    @row_filter.setter
    def row_filter(self, value: BooleanExpression) -> None:
        self._row_filter = value

    def update(self: S, **overrides: Any) -> S:
        """A copy of this scan with other parameters."""
        # PyIceberg's would ask for the metadata and the parsed filter, which may never be needed.
        held = {"table_metadata": self._state or self._metadata, "io": self._io, "row_filter": self._row_filter}
        others = signature(type(self).__init__).parameters.keys() - {"self"} - held.keys()
        return type(self)(**{**held, **{name: getattr(self, name) for name in others}, **overrides})

    def use_ref(self: S, name: str) -> S:
        """A copy that looks at a branch or tag.

        Raises:
            ValueError: There is no such ref, or the scan has a snapshot already.
        """
        if self.snapshot_id:
            raise ValueError(f"Cannot override ref, already set snapshot id={self.snapshot_id}")
        found = self._handle().snapshot_of_ref(name)
        if found is None:
            raise ValueError(f"{cast(TableState, self._state).full_name}: Cannot scan unknown ref={name}")
        return self.update(snapshot_id=found)

    # --- the engine's scan ---

    def plan(self) -> floe_engine.Plan:
        """The files to read, as an Arrow stream of one row per file; also how much was pruned.

        The stream begins before all manifests are read. With a limit and without a filter there are only as many files
        as it takes.

        Example:
            >>> pyarrow.table(table.scan("day = '2013-01-01'").plan())  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there.
            NotFoundError: The snapshot is gone.
            CorruptFileError: A manifest is broken, or what it says of deletes contradicts itself.
        """
        return self._plan(limit=self.limit)

    def plan_tasks(self, parallelism: int | None = None) -> Iterator[ScanTask]:
        """The scan as tasks of about one size, which other processes can read.

        Large Parquet files are split where their row groups begin, small files go together. Each row is in one task.
        The first tasks come before all manifests are read, unless ``parallelism`` is given. ``read.split.*`` of the
        table, or of the scan's options, say how large a task is.

        Args:
            parallelism: For how many readers tasks are made: they get smaller, down to 16 MB, until there is one for
                each.

        Example:
            >>> for task in table.scan(options={"read.split.target-size": "33554432"}).plan_tasks():  # doctest: +SKIP
            ...     queue.put(task.to_bytes())
            >>> ScanTask.from_bytes(queue.get()).to_arrow()  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there, or an option's value
                cannot be.
            NotFoundError: The snapshot is gone.
        """
        options = {key: self.options[key] for key in SPLIT_OPTIONS if key in self.options}
        return map(ScanTask, self.plan().tasks(options, parallelism))

    def _plan(
        self,
        *,
        columns: Sequence[str] | None = None,
        filter_json: str = "",
        limit: int | None = None,
        batch_rows: int | None = None,
    ) -> floe_engine.Plan:
        scan = self.engine_scan(columns=columns, filter_json=filter_json, limit=limit, batch_rows=batch_rows)
        return reports.planned(self, scan, self._filter_of(filter_json))

    def _filter_of(self, more: str) -> str:
        """This scan's filter and another one, as JSON."""
        if not self._filter_json and not isinstance(self._row_filter, (str, AlwaysTrue)):
            self._filter_json = expression.to_json(self._row_filter)
        if more and self._filter_json:
            return f'{{"type": "and", "left": {self._filter_json}, "right": {more}}}'
        return more or self._filter_json

    def engine_scan(
        self,
        *,
        columns: Sequence[str] | None = None,
        filter_json: str = "",
        limit: int | None = None,
        batch_rows: int | None = None,
    ) -> floe_engine.Scan:
        """A part of this scan: some of its columns, by name, and of the rows that match both filters."""
        options = dict(self._read_options)
        if batch_rows is not None:
            options.setdefault("batch_rows", batch_rows)
        return self._handle().scan(
            filter_json=self._filter_of(filter_json),
            select=self.selected_fields if columns is None else self._selected_of(columns),
            case_sensitive=self.case_sensitive,
            snapshot_id=self.snapshot_id,
            appended_since=self.appended_since,
            limit=limit,
            **options,
        )

    def _selected_of(self, columns: Sequence[str]) -> list[str]:
        """What of `selected_fields` makes these columns."""
        if "*" in self.selected_fields:
            return list(columns)
        fold = str if self.case_sensitive else str.casefold
        wanted = {fold(name) for name in columns}
        return [field for field in self.selected_fields if {fold(field), fold(field).partition(".")[0]} & wanted]

    def _arrow_schema(self) -> pa.Schema:
        import pyarrow as pa

        if self._row_filter is ALWAYS_TRUE:  # else it is checked here
            return pa.schema(self._plan(filter_json="false").read())
        return pa.schema(self.plan().read())

    @staticmethod
    def _batches_of(plan: floe_engine.Plan) -> Iterator[pa.RecordBatch]:
        return batches_of(plan.read())

    @property
    def _full_name(self) -> str:
        return self._state.full_name if self._state else ".".join(self.table_identifier or ())

    def _handle(self) -> floe_engine.Table:
        if self._state is None:
            if self.catalog is None or self.table_identifier is None:
                raise NotImplementedError("a scan without a catalog is PyIceberg's to plan")
            catalog = cast(Any, self.catalog)
            self._state = TableState(catalog, self.table_identifier, metadata=self._metadata, io=self.io)
        if impl := self._state.properties.get(PY_IO_IMPL):
            name = self._state.full_name
            raise floe_engine.NotSupported(f"{name}: the engine has its own I/O and cannot use {PY_IO_IMPL}={impl} yet")
        return self._state.handle

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows, for whatever takes Arrow streams."""
        return self.plan().read().__arrow_c_stream__(requested_schema)

    # --- PyIceberg's scan ---

    def plan_files(self) -> Iterable[FileScanTask]:
        """The files to read, one task each. A task's file and residual are made when asked for.

        Raises:
            InvalidArgumentError: The filter names a column that is not there.
        """
        if self._wants_empty_files() and not self._is_the_servers:
            return super().plan_files()
        try:
            return self.tasks_of(self.plan())
        except NotImplementedError as error:
            return self._as_pyiceberg(error, super().plan_files)

    def tasks_of(self, plan: floe_engine.Plan) -> list[FileScanTask]:
        """PyIceberg's tasks of a plan of this scan."""
        with _collecting_paused():
            return [FloeFileScanTask(self, plan, index) for index in range(plan.files)]

    def to_arrow(self, dictionary_columns: tuple[str, ...] = ()) -> pa.Table:
        """All rows, in memory.

        Args:
            dictionary_columns: Columns of texts or bytes that come as dictionaries: what they repeat takes memory once.

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there.
            NotFoundError: The snapshot, or a file, is gone.
            CorruptFileError: A file is broken.
        """
        import pyarrow as pa

        if dictionary_columns:
            return self.to_arrow_batch_reader(dictionary_columns).read_all().unify_dictionaries()
        try:
            return pa.table(self.plan().read().read_all())
        except NotImplementedError as error:
            return self._as_pyiceberg(error, super().to_arrow)

    def to_arrow_batch_reader(self, dictionary_columns: tuple[str, ...] = ()) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory.

        Args:
            dictionary_columns: Columns of texts or bytes that come as dictionaries, one for each batch.

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there.
            NotFoundError: The snapshot is gone.
        """
        import pyarrow as pa

        check_names("dictionary_columns", dictionary_columns)
        try:
            stream = self.plan().read()
        except NotImplementedError as error:
            return self._as_pyiceberg(error, lambda: super(FloeScan, self).to_arrow_batch_reader(dictionary_columns))
        return _with_dictionaries(pa.schema(stream), batches_of(stream), dictionary_columns)

    def to_polars_lazy(self) -> pl.LazyFrame:
        """A lazy Polars frame that the engine reads, in bounded memory where Polars streams.

        What a query needs reaches the engine: its columns, how many rows, and what its filters have of comparisons with
        literals, ``is_in``, ``is_between``, ``is_null``, ``is_nan`` and ``starts_with``, which then prune manifests,
        files and row groups. Polars applies the rest. The frame shows the state that the scan was made of.

        Example:
            >>> frame = table.scan().to_polars_lazy()  # doctest: +SKIP
            >>> frame.filter(pl.col("dep_delay") > 60).group_by("carrier").len().collect()  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there.
            NotFoundError: The snapshot is gone.
        """
        from floe_iceberg.lazy_polars import lazy_frame

        return lazy_frame(self)

    def to_ray(self) -> ray.data.dataset.Dataset:
        """A Ray dataset, which the cluster's workers read (see :mod:`floe_iceberg.ray`)."""
        from floe_iceberg.ray import to_ray

        return to_ray(self)

    def to_duckdb(self, table_name: str, connection: DuckDBPyConnection | None = None) -> DuckDBPyConnection:
        """A DuckDB connection, in memory unless one is given, that has the rows as a view.

        The view reads when it is queried, as a stream, and as often as it is queried. Columns and filters that DuckDB
        hands to Arrow datasets (comparisons with literals, null tests, chains of these) reach the engine and prune
        manifests, files and row groups; limits stop the reading, and do not plan less.

        Example:
            >>> table.scan().to_duckdb("departures").sql("SELECT max(dep_delay) FROM departures")  # doctest: +SKIP

        Raises:
            InvalidArgumentError: The filter or the selection names a column that is not there.
            NotFoundError: The snapshot is gone.
        """
        import duckdb

        from floe_iceberg.arrow_dataset import ScanDataset

        try:
            rows = ScanDataset(self)
        except NotImplementedError as error:
            return self._as_pyiceberg(error, lambda: super(FloeScan, self).to_duckdb(table_name, connection))
        connection = connection or duckdb.connect(database=":memory:")
        connection.register(table_name, rows)
        return connection

    def count(self) -> int:
        """The number of rows, from metadata alone where that is right."""
        try:
            return self.plan().count()
        except NotImplementedError as error:
            return self._as_pyiceberg(error, super().count)

    def _wants_empty_files(self) -> bool:
        return strtobool(self.options.get(INCLUDE_EMPTY_FILES, "false"))

    def _as_pyiceberg(self, error: NotImplementedError, read: Callable[[], T]) -> T:
        """PyIceberg's own answer to what the engine does not do yet. Where it has none, the engine's error stands."""
        version = self._state.format_version if self._state else self._metadata.format_version
        if version > 2 or self._is_the_servers:
            raise error
        try:
            return read()
        except Exception as second:
            raise error from second

    @property
    def _is_the_servers(self) -> bool:
        """Whether the catalog's server is to plan scans, so that no client may."""
        said = self._state.config.get(PLANNING_MODE) if self._state else None
        asked = self.catalog.properties.get(PLANNING_MODE) if self.catalog else None
        return str(said or asked).lower() == "server"


def _with_dictionaries(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], names: Sequence[str]
) -> pa.RecordBatchReader:
    import pyarrow as pa

    if missing := [name for name in names if name not in schema.names]:
        raise InvalidArgumentError(f"dictionary_columns has {missing[0]!r}, which the scan does not read")
    for name in names:
        field = schema.field(name)
        if not (pa.types.is_string(field.type) or pa.types.is_binary(field.type)):
            raise InvalidArgumentError(
                f"dictionary_columns has {name!r}, of type {field.type}: only texts and bytes can"
            )
        schema = schema.set(schema.get_field_index(name), field.with_type(pa.dictionary(pa.int32(), field.type)))

    def encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            column.dictionary_encode() if pa.types.is_dictionary(field.type) else column
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, map(encoded, batches) if names else batches)


@contextmanager
def _collecting_paused() -> Iterator[None]:
    """Without the cyclic garbage collector, which takes three quarters of the time to make 100,000 objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_options(options: Mapping[str, str]) -> dict[str, Any]:
    """The engine's arguments for a scan's options.

    Raises:
        InvalidArgumentError: An option is not known, or its value cannot be read.
    """
    read: dict[str, Any] = {}
    for key, value in options.items():
        try:
            match key:
                case "floe.scan.batch-rows":
                    read["batch_rows"] = int(value)
                case "floe.scan.read-ahead-bytes":
                    read["read_ahead_bytes"] = int(value)
                case "floe.scan.ordered":
                    read["ordered"] = strtobool(value)
                case "include_empty_files":
                    strtobool(value)
                case _ if key in SPLIT_OPTIONS:
                    pass  # what plan_tasks takes
                case _:
                    known = ", ".join((BATCH_ROWS, READ_AHEAD_BYTES, ORDERED, INCLUDE_EMPTY_FILES, *SPLIT_OPTIONS))
                    raise InvalidArgumentError(f"a scan has no option {key}; it has {known}")
        except InvalidArgumentError:
            raise
        except ValueError as error:
            raise InvalidArgumentError(f"{value!r} cannot be the value of the scan option {key}") from error
    return read


@dataclass(init=False)
class FloeFileScanTask(FileScanTask):
    """A data file to read. Made by the hundred thousand, so it knows only where in the plan its file is."""

    def __init__(self, scan: FloeScan, plan: floe_engine.Plan, index: int) -> None:
        self._scan = scan
        self._plan = plan
        self._index = index

    @property  # type: ignore[misc]
    def file(self) -> DataFile:  # type: ignore[override]
        """The file as manifests describe it."""
        if (file := self.__dict__.get("_file")) is None:
            file = self.__dict__["_file"] = _data_file(self._plan.file(self._index))
        return cast(DataFile, file)

    @property  # type: ignore[misc]
    def delete_files(self) -> set[DataFile]:  # type: ignore[override]
        """The delete files that apply to the file. PyIceberg's `DataFile` has no properties for the parts that only
        deletion vectors have; they are in its record: `delete_file[16:]` is `first_row_id`, `referenced_data_file`,
        `content_offset` and `content_size_in_bytes`.
        """
        if (files := self.__dict__.get("_delete_files")) is None:
            found = {_data_file(planned) for planned in self._plan.delete_files(self._index)}
            files = self.__dict__["_delete_files"] = found
        return cast(set[DataFile], files)

    @property  # type: ignore[misc]
    def residual(self) -> BooleanExpression:  # type: ignore[override]
        """What is left of the filter for rows of this file's partition."""
        if isinstance(self._scan.row_filter, AlwaysTrue):
            return ALWAYS_TRUE
        metadata = self._scan.table_metadata
        evaluator = residual_evaluator_of(
            spec=metadata.specs()[self.file.spec_id],
            expr=self._scan.row_filter,
            case_sensitive=self._scan.case_sensitive,
            schema=metadata.schema(),
        )
        try:
            return evaluator.residual_for(self.file.partition)
        except (
            TypeError
        ):  # PyIceberg's evaluator compares partition values that are null. The whole filter is right too.
            return self._scan.row_filter

    def __reduce__(self) -> tuple[Any, ...]:
        return FileScanTask, (self.file, self.delete_files, self.residual)


def _data_file(planned: PlannedFile) -> DataFile:
    partition = [
        None if value is None else from_bytes(_primitive(name), value)
        for name, value in zip(planned["partition_types"], planned["partition"], strict=True)
    ]
    # PyIceberg's records of version 2 have no place for what deletion vectors need, and its own are of version 2.
    more: dict[str, Any] = {}
    if planned["content"] != DataFileContent.DATA:
        more = {
            "_table_format_version": 3,
            "referenced_data_file": planned["referenced_data_file"],
            "content_offset": planned["content_offset"],
            "content_size_in_bytes": planned["content_size_in_bytes"],
        }
    file = DataFile.from_args(
        content=DataFileContent(planned["content"]),
        file_path=planned["file_path"],
        file_format=FileFormat(planned["file_format"]),
        partition=Record(*partition),
        record_count=planned["record_count"],
        file_size_in_bytes=planned["file_size_in_bytes"],
        column_sizes=planned["column_sizes"],
        value_counts=planned["value_counts"],
        null_value_counts=planned["null_value_counts"],
        nan_value_counts=planned["nan_value_counts"],
        lower_bounds=planned["lower_bounds"],
        upper_bounds=planned["upper_bounds"],
        key_metadata=planned["key_metadata"],
        split_offsets=planned["split_offsets"],
        equality_ids=planned["equality_ids"] or None,
        sort_order_id=planned["sort_order_id"],
        **more,
    )
    file.spec_id = planned["spec_id"]
    return file


@lru_cache(maxsize=256)
def _primitive(name: str) -> PrimitiveType:
    return cast(PrimitiveType, IcebergType.model_validate(name))
