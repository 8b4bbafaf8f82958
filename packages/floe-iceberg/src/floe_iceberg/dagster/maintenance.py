"""Upkeep of tables as Dagster's ops, jobs and a sensor: the orchestrator decides when, and nothing runs by itself."""

# Dagster looks at annotations when ops are made: they have to be types here, not texts.
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.metrics import StorageMetrics
from floe_iceberg.table import FloeTable


class TablesConfig(dg.Config):
    """Which tables."""

    tables: list[str] = Field(default=[], description="By full name; none: all below the IO manager's namespace.")


class CompactionConfig(TablesConfig):
    """How tables are compacted; see ``table.maintenance.rewrite_data_files``."""

    sort_order: str | None = Field(default=None, description="By what to sort; default: as the table says.")
    where: str | None = Field(default=None, description="Only files that may have rows which match.")
    options: dict[str, str] = Field(default={}, description="Those of Spark's rewrite_data_files.")


class ExpiryConfig(TablesConfig):
    """Which snapshots expire; see ``table.maintenance.expire_snapshots``."""

    older_than_days: float | None = Field(default=None, description="Default: as the table says, else five days.")
    retain_last: int | None = Field(default=None, description="Default: as the table says, else one.")


class TableHealth(BaseModel):
    """From when on a table needs upkeep. None: whatever it is.

    >>> TableHealth(small_files=20)
    TableHealth(small_files=20, delete_ratio=0.2, snapshots=500, reclaimable_bytes=None)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    small_files: int | None = 50
    delete_ratio: float | None = 0.2
    snapshots: int | None = 500
    reclaimable_bytes: int | None = None

    def problems(self, metrics: StorageMetrics) -> list[str]:
        """What is wrong with a table, in words."""
        limits = self.model_dump(exclude_none=True)
        return [
            f"{name.replace('_', ' ')}: {getattr(metrics, name):,.4g}, from {limit:,.4g} on it needs upkeep"
            for name, limit in limits.items()
            if getattr(metrics, name) >= limit
        ]


def build_compaction_op(name: str = "compact_tables", io_manager_key: str = "io_manager") -> dg.OpDefinition:
    """An op that makes few large files of the small ones of tables, once what it depends on (``after``) is done."""

    @dg.op(name=name, ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), required_resource_keys={io_manager_key})
    def compact(context: dg.OpExecutionContext, config: CompactionConfig) -> None:
        """Make fewer and larger files of the small ones of tables."""

        def work(table: FloeTable) -> object:
            return table.maintenance.rewrite_data_files(
                sort_order=config.sort_order, where=config.where, options=config.options
            )

        _each_table(context, io_manager_key, config.tables, "compaction", work)

    return compact


def build_expiry_op(name: str = "expire_snapshots", io_manager_key: str = "io_manager") -> dg.OpDefinition:
    """An op that expires snapshots of tables and removes their files, once what it depends on (``after``) is done."""

    @dg.op(name=name, ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), required_resource_keys={io_manager_key})
    def expire(context: dg.OpExecutionContext, config: ExpiryConfig) -> None:
        """Expire snapshots of tables and remove the files that only they have."""

        def work(table: FloeTable) -> object:
            older_than = None
            if config.older_than_days is not None:
                older_than = dt.datetime.now(dt.UTC) - dt.timedelta(days=config.older_than_days)
            return table.maintenance.expire_snapshots(older_than=older_than, retain_last=config.retain_last)

        _each_table(context, io_manager_key, config.tables, "expiry", work)

    return expire


def build_maintenance_job(
    name: str = "iceberg_maintenance",
    *,
    compaction: CompactionConfig | None = None,
    expiry: ExpiryConfig | None = None,
    io_manager_key: str = "io_manager",
) -> dg.JobDefinition:
    """A job that compacts tables and then expires their snapshots.

    Example:
        >>> job = build_maintenance_job(expiry=ExpiryConfig(retain_last=10))
        >>> nightly = dg.ScheduleDefinition(job=job, cron_schedule="0 3 * * *")
        >>> nightly.name
        'iceberg_maintenance_schedule'
    """
    compact, expire = build_compaction_op(io_manager_key=io_manager_key), build_expiry_op(io_manager_key=io_manager_key)

    @dg.graph(name=name)
    def maintenance() -> None:
        expire(after=compact())

    config = dg.RunConfig(
        {"compact_tables": compaction or CompactionConfig(), "expire_snapshots": expiry or ExpiryConfig()}
    )
    return maintenance.to_job(config=config, description="Compacts Iceberg tables and expires their snapshots.")


def build_health_sensor(
    job: dg.JobDefinition,
    *,
    health: TableHealth | None = None,
    tables: Sequence[str] = (),
    every: dt.timedelta = dt.timedelta(hours=1),
    io_manager_key: str = "io_manager",
    name: str = "iceberg_health",
) -> dg.SensorDefinition:
    """A sensor that asks for a run of a maintenance job for each table that needs upkeep, as its metadata says.

    Args:
        job: Of :func:`build_maintenance_job`, or one whose ops have ``tables`` in their configuration.
        health: From when on a table needs upkeep.
        tables: By full name; none: all below the IO manager's namespace.
        every: How long a table is left alone after a run was asked for. One that nobody wrote to since is left alone
            altogether: upkeep could do no more for it.
        io_manager_key: The resource that knows the tables.
        name: The sensor's.
    """
    limits = health or TableHealth()
    ops = [node.name for node in job.graph.nodes]

    def look(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        asked: dict[str, list[float]] = json.loads(context.cursor or "{}")
        requests = 0
        for table in _tables(getattr(context.resources, io_manager_key), tables):
            full_name, snapshot = table._full_name, table._state.handle.current_snapshot_id
            last_snapshot, last_time = asked.get(full_name, (None, 0.0))
            if snapshot is None or snapshot == last_snapshot or time.time() - last_time < every.total_seconds():
                continue
            if problems := limits.problems(table.storage_metrics()):
                asked[full_name] = [snapshot, time.time()]
                requests += 1
                yield dg.RunRequest(
                    run_key=f"{full_name}:{snapshot}",
                    run_config={"ops": {op: {"config": {"tables": [full_name]}} for op in ops}},
                    tags={"iceberg/table": full_name, "iceberg/problems": "; ".join(problems)},
                )
        context.update_cursor(json.dumps(asked))
        if not requests:
            yield dg.SkipReason("no table needs upkeep")

    decorate = dg.sensor(
        name=name, job=job, required_resource_keys={io_manager_key}, description="Looks at the metadata of tables."
    )
    return decorate(look)


def _tables(io_manager: Any, names: Sequence[str]) -> Iterator[FloeTable]:
    catalog: FloeCatalog = io_manager.catalog
    if names:
        yield from (catalog.load_table(name) for name in names)
        return
    namespaces = [tuple(io_manager.namespace.split("."))]
    while namespaces:
        namespace = namespaces.pop()
        if not catalog.namespace_exists(namespace):
            continue
        namespaces += catalog.list_namespaces(namespace)
        yield from (catalog.load_table(name) for name in catalog.list_tables(namespace))


def _each_table(
    context: dg.OpExecutionContext,
    io_manager_key: str,
    names: Sequence[str],
    what: str,
    work: Callable[[FloeTable], object],
) -> None:
    """Do some work on each table, go on after a failure, and tell what it did on the pages of the tables' assets."""
    io_manager = getattr(context.resources, io_manager_key)
    failures = []
    for table in _tables(io_manager, names):
        try:
            done = work(table)
        except Exception as error:
            context.log.exception(f"{table._full_name}: {what} failed")
            failures.append(f"{table._full_name}: {error}")
            continue
        told = _numbers(done)
        context.log.info(f"{table._full_name}: {what}: {told}")
        if key := _asset_key(io_manager.namespace, table):
            metadata = {f"iceberg/{what}_{name}": value for name, value in told.items()}
            context.log_event(dg.AssetObservation(key, metadata=metadata))
    if failures:
        raise dg.Failure(f"{what} failed for {len(failures)} tables", metadata={"failures": failures})


def _asset_key(namespace: str, table: FloeTable) -> dg.AssetKey | None:
    """The asset that is in a table, unless metadata names the table otherwise."""
    above = namespace.split(".")
    path = table.name()
    return dg.AssetKey(path[len(above) :]) if list(path[: len(above)]) == above else None


def _numbers(done: object) -> Mapping[str, int]:
    counted = asdict(done) if is_dataclass(done) and not isinstance(done, type) else {}
    return {name: value for name, value in counted.items() if isinstance(value, int) and not isinstance(value, bool)}
