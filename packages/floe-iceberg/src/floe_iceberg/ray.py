"""Scans, writes and compaction on a Ray cluster: a plan here, tasks anywhere, one commit here.

Workers reach the table's files and need no catalog. A task whose worker is lost runs again, and only what it gave back
is committed, so that no row comes twice; files of the lost attempt are orphan files. Keys of object stores go to the
workers with the tasks, passwords of catalogs do not.

>>> from floe_iceberg.ray import rewrite_data_files, to_ray, write_ray
>>> late = to_ray(table.scan("dep_delay > 60")).map_batches(clean, batch_format="pyarrow")  # doctest: +SKIP
>>> write_ray(late, other_table)  # doctest: +SKIP
>>> rewrite_data_files(table, options={"min-input-files": 2})  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

try:
    import ray
    from ray.data import Dataset
    from ray.data.block import Block, BlockAccessor, BlockMetadata
    from ray.data.datasource import Datasink, Datasource, ReadTask, WriteResult
except ImportError as error:
    raise ModuleNotFoundError("floe_iceberg.ray needs Ray: pip install 'floe-iceberg[ray]'") from error

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.typedef import EMPTY_DICT

import floe_engine
from floe_iceberg.compaction import OptionValue, RewriteDataFilesResult, RewriteTask
from floe_iceberg.scan import FloeScan
from floe_iceberg.scan_task import ScanTask
from floe_iceberg.state import TableState
from floe_iceberg.table import FloeTable

if TYPE_CHECKING:
    from ray.data._internal.execution.interfaces import TaskContext
    from ray.data.context import DataContext

_PARTIAL_PROGRESS = "partial-progress.enabled"
_STORES = ("s3.", "gcs.", "adls.", "client.", "ssl.")


def to_ray(scan: FloeScan, *, parallelism: int = -1) -> Dataset:
    """The rows of a scan as a Ray dataset, read by the engine in tasks of about one size.

    Args:
        scan: The scan.
        parallelism: How many tasks; -1: as Ray sees fit.
    """
    blocks = parallelism if parallelism > 0 else None
    dataset: Dataset = ray.data.read_datasource(IcebergDatasource(scan), override_num_blocks=blocks)
    if scan.limit is not None:
        dataset = dataset.limit(scan.limit)
    return dataset


def write_ray(
    dataset: Dataset,
    table: FloeTable,
    *,
    overwrite_filter: str | BooleanExpression | None = None,
    snapshot_properties: Mapping[str, str] = EMPTY_DICT,
    branch: str = MAIN_BRANCH,
    **options: Any,
) -> None:
    """Add the rows of a dataset to a table, as one commit.

    Args:
        dataset: The rows.
        table: The table, which has them then.
        overwrite_filter: The rows that leave in the same commit.
        snapshot_properties: What to note in the snapshots' summaries.
        branch: The branch to change.
        **options: Of ``Dataset.write_datasink``, such as ``concurrency``.
    """
    dataset.write_datasink(IcebergDatasink(table, overwrite_filter, snapshot_properties, branch), **options)


def rewrite_data_files(
    table: FloeTable,
    *,
    options: Mapping[str, OptionValue] = EMPTY_DICT,
    num_cpus: float = 1,
    max_retries: int = 3,
    **more: Any,
) -> RewriteDataFilesResult:
    """Compact a table on the cluster: a task for each group of files, and one commit.

    Args:
        table: The table, which moves to its current state.
        options: As in ``table.maintenance.rewrite_data_files``. With ``partial-progress.enabled`` groups whose task
            failed are left as they are, and counted; otherwise the first failure is raised and nothing changes.
        num_cpus: What a task is given of a machine.
        max_retries: How often a task is run again whose worker was lost.
        **more: The other arguments of ``table.maintenance.plan_rewrite``.
    """
    plan = table.refresh().maintenance.plan_rewrite(options=options, **more)
    run = ray.remote(num_cpus=num_cpus, max_retries=max_retries)(rewrite_group)
    access = ray.put(_access(table._state))
    running = [run.remote(task.to_bytes(), access) for task in plan.tasks]
    goes_on = str(options.get(_PARTIAL_PROGRESS, False)).lower() == "true"
    results, failures = [], []
    for reference in running:
        try:
            results.append(ray.get(reference))
        except ray.exceptions.RayError as error:
            if not goes_on:
                for other in running:
                    ray.cancel(other)
                raise
            failures.append(str(error))
    done = plan.commit(results)
    if not failures:
        return done
    left = sum(task.input_files for task in plan.tasks) - done.rewritten_data_files_count
    return RewriteDataFilesResult(
        **{**vars(done), "failed_data_files_count": left, "failures": done.failures + failures}
    )


def rewrite_group(task: bytes, access: dict[str, str]) -> bytes:
    """What a worker does of a compaction."""
    return RewriteTask.from_bytes(task, access).run()


class IcebergDatasource(Datasource):
    """The rows of a scan, for ``ray.data.read_datasource``."""

    def __init__(self, scan: FloeScan) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._scan = scan

    def estimate_inmemory_data_size(self) -> int | None:
        """Not known: files are compressed."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        """The scan's tasks."""
        schema = self._scan._arrow_schema()
        access = _access(self._scan._state)
        unknown = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None)
        return [
            ReadTask(partial(_read, task.to_bytes(), access), unknown, schema, per_task_row_limit)
            for task in self._scan.plan_tasks(parallelism)
        ]


def _read(task: bytes, access: dict[str, str]) -> Iterator[pa.Table]:
    for batch in ScanTask.from_bytes(task, access).to_arrow_batch_reader():
        yield pa.Table.from_batches([batch])


class IcebergDatasink(Datasink[bytes]):
    """A table, for ``Dataset.write_datasink``: tasks write files, and the driver commits all of them at once."""

    def __init__(
        self,
        table: FloeTable,
        overwrite_filter: str | BooleanExpression | None = None,
        snapshot_properties: Mapping[str, str] = EMPTY_DICT,
        branch: str = MAIN_BRANCH,
    ) -> None:
        self._table: FloeTable | None = table
        self._metadata_location = table.metadata_location
        self._access = _access(table._state)
        self._overwrite_filter = overwrite_filter
        self._snapshot_properties = dict(snapshot_properties)
        self._branch = branch

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None}  # the catalog stays with the driver

    def write(self, blocks: Iterable[Block], ctx: TaskContext) -> bytes:
        """Write some blocks as files, on a worker."""
        tables = (BlockAccessor.for_block(block).to_arrow() for block in blocks)
        filled = (table for table in tables if table.num_rows)
        first = next(filled, None)
        if first is None:
            return b""
        rows = pa.RecordBatchReader.from_batches(first.schema, _batches(first, filled))
        return floe_engine.write_files(floe_engine.open_table(self._metadata_location, self._access), rows)

    def on_write_complete(self, write_result: WriteResult[bytes]) -> None:
        """Commit what the tasks wrote."""
        assert self._table is not None, "commits are the driver's"
        written = [part for part in write_result.write_returns if part]
        with self._table.transaction() as transaction:
            if self._overwrite_filter is not None:
                transaction.delete(self._overwrite_filter, self._snapshot_properties, branch=self._branch)
            transaction.append_written(written, self._snapshot_properties, self._branch)


def _batches(first: pa.Table, others: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    yield from first.to_batches()
    for table in others:
        yield from table.select(first.schema.names).cast(first.schema).to_batches()


def _access(state: TableState | None) -> dict[str, str]:
    """What workers need to reach a table's files."""
    properties = {} if state is None else {**state.catalog.properties, **state.config}
    return {key: value for key, value in properties.items() if key.startswith(_STORES)}
