"""Upkeep of tables as Dagster's ops, jobs and a sensor: the orchestrator decides when, and nothing runs by itself."""

# Dagster looks at annotations when ops are made: they have to be types here, not texts.
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.metrics import StorageMetrics
from floe_iceberg.policy import ExpiryPolicy, MaintenancePolicy, MaintenanceReport, OrphanPolicy, maintain
from floe_iceberg.table import FloeTable

__all__ = [
    "ExpiryPolicy",
    "MaintenanceConfig",
    "MaintenancePolicy",
    "OrphanPolicy",
    "TableHealth",
    "build_health_sensor",
    "build_maintenance_job",
    "build_maintenance_op",
]


class MaintenanceConfig(dg.Config):
    """Which tables a run is about."""

    tables: list[str] = Field(default=[], description="By full name; none: all below the IO manager's namespace.")
    dry_run: bool = Field(default=False, description="Change nothing, and tell what would be done.")


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


def build_maintenance_op(
    policy: MaintenancePolicy | None = None, *, name: str = "maintain_tables", io_manager_key: str = "io_manager"
) -> dg.OpDefinition:
    """An op that does what a policy finds that tables need, once what it depends on (``after``) is done.

    Example:
        >>> compact = MaintenancePolicy(manifests=None, expiry=None)
        >>> build_maintenance_op(compact, name="compact_tables").name
        'compact_tables'
        >>> orphans = MaintenancePolicy(compaction=None, manifests=None, expiry=None, orphans=OrphanPolicy())
        >>> build_maintenance_op(orphans, name="remove_orphan_files").name
        'remove_orphan_files'
    """

    @dg.op(name=name, ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), required_resource_keys={io_manager_key})
    def maintain_tables(context: dg.OpExecutionContext, config: MaintenanceConfig) -> None:
        """Do what the policy finds that tables need."""
        _each_table(
            context,
            getattr(context.resources, io_manager_key),
            config.tables,
            lambda table: maintain(table, policy, dry_run=config.dry_run),
        )

    return maintain_tables


def build_maintenance_job(
    policy: MaintenancePolicy | None = None, *, name: str = "iceberg_maintenance", io_manager_key: str = "io_manager"
) -> dg.JobDefinition:
    """A job of the one op: by default it compacts, writes manifests anew and expires snapshots, where that is needed.

    Example:
        >>> job = build_maintenance_job(MaintenancePolicy(expiry=ExpiryPolicy(older_than="P7D", retain_last=10)))
        >>> nightly = dg.ScheduleDefinition(job=job, cron_schedule="0 3 * * *")
        >>> nightly.name
        'iceberg_maintenance_schedule'
    """
    maintain_tables = build_maintenance_op(policy, io_manager_key=io_manager_key)

    @dg.graph(name=name, description="Does what Iceberg tables need to stay small and quick.")
    def maintenance() -> None:
        maintain_tables()

    return maintenance.to_job()


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
    io_manager: Any,
    names: Sequence[str],
    work: Callable[[FloeTable], MaintenanceReport],
) -> None:
    """Do some work on each table, go on after a failure, and tell what it did on the pages of the tables' assets."""
    failures = []
    for table in _tables(io_manager, names):
        try:
            report = work(table)
        except Exception as error:
            context.log.exception(f"{table._full_name}: upkeep failed")
            failures.append(f"{table._full_name}: {error}")
            continue
        context.log.info(str(report))
        for action in report.actions:
            failures += [f"{table._full_name}: {problem}" for problem in getattr(action.result, "failures", ())]
        if report.actions and (key := _asset_key(io_manager.namespace, table)):
            context.log_event(dg.AssetObservation(key, description=str(report), metadata=_told(report)))
    if failures:
        raise dg.Failure(f"upkeep had {len(failures)} failures", metadata={"failures": failures})


def _asset_key(namespace: str, table: FloeTable) -> dg.AssetKey | None:
    """The asset that is in a table, unless metadata names the table otherwise."""
    above = namespace.split(".")
    path = table.name()
    return dg.AssetKey(path[len(above) :]) if list(path[: len(above)]) == above else None


def _told(report: MaintenanceReport) -> dict[str, Any]:
    told: dict[str, Any] = {"iceberg/dry_run": report.dry_run}
    for action in report.actions:
        told[f"iceberg/{action.name}"] = action.reason
        counted = vars(action.result) if action.result is not None else {}
        for name, value in counted.items():
            if isinstance(value, int) and not isinstance(value, bool):
                told[f"iceberg/{action.name}/{name}"] = value
    return told
