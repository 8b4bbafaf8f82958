"""Runs that are published together, checks of assets, and upkeep as Dagster's jobs, by real runs."""

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

import floe_engine
from floe_iceberg import FloeTable, accelerate
from floe_iceberg.dagster import (
    TableHealth,
    build_freshness_check,
    build_health_sensor,
    build_maintenance_job,
    build_maintenance_op,
    build_publish_asset,
    build_publish_op,
    build_row_count_check,
    build_schema_check,
    discard_run,
    publish_run,
    run_branch,
    tables_of_run,
)
from floe_iceberg.errors import CommitFailedError
from floe_iceberg.io_manager import IcebergIOManager, TableIOManager
from floe_iceberg.policy import CompactionPolicy, ExpiryPolicy, MaintenancePolicy, OrphanPolicy

ROWS = pa.table({"id": [1, 2], "carrier": ["UA", "AA"]})


def make_lake(folder: Path, **more: Any) -> IcebergIOManager:
    catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    return IcebergIOManager(namespace="lake", catalog=catalog, **more)


@pytest.fixture
def lake(tmp_path: Path) -> IcebergIOManager:
    return make_lake(tmp_path)


@pytest.fixture
def branching(tmp_path: Path) -> IcebergIOManager:
    return make_lake(tmp_path, run_branches=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def table_of(lake: IcebergIOManager, *path: str) -> FloeTable:
    return lake.tables.load_table(path)


def count(lake: IcebergIOManager, *path: str) -> int:
    return table_of(lake, *path).scan().count()


@dg.asset
def flights() -> pa.Table:
    return ROWS


@dg.asset
def late(flights: pa.Table) -> pa.Table:
    return flights.slice(1)


@dg.asset
def broken(late: pa.Table) -> pa.Table:
    raise RuntimeError("no weather today")


# --- a run's outputs together ---


def test_outputs_of_a_run_are_seen_together_or_not_at_all(
    branching: IcebergIOManager, instance: dg.DagsterInstance
) -> None:
    resources = {"io_manager": branching}
    result = dg.materialize([flights, late], resources=resources, instance=instance)
    assert (count(branching, "flights"), count(branching, "late")) == (0, 0)
    assert table_of(branching, "late").scan(ref=run_branch(result.run_id)).count() == 1, "a run reads what it wrote"
    assert sorted(tables_of_run(instance, result.run_id)) == ["lake.flights", "lake.late"]

    published = build_publish_asset([flights, late])
    result = dg.materialize([flights, late, published], resources=resources, instance=instance)
    assert (count(branching, "flights"), count(branching, "late")) == (2, 1)
    assert run_branch(result.run_id) not in table_of(branching, "flights").refs()
    (told,) = result.asset_materializations_for_node("published")
    assert sorted(told.metadata["iceberg/tables"].value) == ["lake.flights", "lake.late"]  # type: ignore[arg-type]


def test_what_a_run_that_fails_wrote_is_never_seen(branching: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    assets = [flights, late, broken, build_publish_asset([broken])]
    result = dg.materialize(assets, resources={"io_manager": branching}, instance=instance, raise_on_error=False)
    assert not result.success
    assert (count(branching, "flights"), count(branching, "late")) == (0, 0)
    tables = tables_of_run(instance, result.run_id)
    discard_run(branching.tables.catalog, [*tables, "lake.gone"], result.run_id)
    assert list(table_of(branching, "flights").refs()) == ["main"]


def test_a_table_that_others_changed_meanwhile_keeps_the_whole_run_back(
    branching: IcebergIOManager, instance: dg.DagsterInstance
) -> None:
    result = dg.materialize([flights, late], resources={"io_manager": branching}, instance=instance)
    tables = tables_of_run(instance, result.run_id)
    table_of(branching, "late").append(ROWS)
    with pytest.raises(CommitFailedError, match=r"lake\.late: others have written to main"):
        publish_run(branching.tables.catalog, tables, result.run_id)
    assert count(branching, "flights") == 0


def test_publishing_again_publishes_the_rest(branching: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    result = dg.materialize([flights, late], resources={"io_manager": branching}, instance=instance)
    catalog = branching.tables.catalog
    assert publish_run(catalog, ["lake.flights"], result.run_id) == ["lake.flights"]
    assert publish_run(catalog, tables_of_run(instance, result.run_id), result.run_id) == ["lake.late"]
    assert publish_run(catalog, tables_of_run(instance, result.run_id), result.run_id) == []
    assert (count(branching, "flights"), count(branching, "late")) == (2, 1)


def test_publishing_is_one_commit_where_the_catalog_can(
    branching: IcebergIOManager, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    commit = floe_engine.commit_together

    def counted(catalog: floe_engine.Catalog, parts: Sequence[floe_engine.Transaction]) -> list[floe_engine.Table]:
        together.append(len(parts))
        return commit(catalog, parts)

    monkeypatch.setattr(floe_engine, "commit_together", counted)
    catalog = branching.tables.catalog
    theirs = accelerate(SqlCatalog(catalog.name, **catalog.properties))
    for publisher, counts in ((catalog, (2, 1)), (theirs, (4, 4))):
        result = dg.materialize([flights, late], resources={"io_manager": branching}, instance=instance)
        tables = tables_of_run(instance, result.run_id)
        assert sorted(publish_run(publisher, tables, result.run_id)) == ["lake.flights", "lake.late"]
        assert (count(branching, "flights"), count(branching, "late")) == counts
        assert publish_run(publisher, tables, result.run_id) == []
    assert together == [2, 0]


def test_an_op_publishes_what_its_job_wrote(branching: IcebergIOManager) -> None:
    publish = build_publish_op()

    @dg.op
    def departures() -> pa.Table:
        return ROWS

    @dg.op
    def weather() -> pa.Table:
        return ROWS

    @dg.job(resource_defs={"io_manager": branching})
    def load() -> None:
        publish(after=[departures(), weather()])

    assert load.execute_in_process().success
    assert (count(branching, "departures"), count(branching, "weather")) == (2, 2)


# --- checks ---


def outcome(lake: IcebergIOManager, *definitions: Any) -> dict[str, dg.AssetCheckEvaluation]:
    result = dg.materialize(list(definitions), resources={"io_manager": lake})
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_checks_look_at_metadata_alone(lake: IcebergIOManager, monkeypatch: pytest.MonkeyPatch) -> None:
    dg.materialize([flights], resources={"io_manager": lake})
    monkeypatch.setattr(FloeTable, "scan", None)
    seen = outcome(
        lake,
        flights,
        build_row_count_check(flights, at_least=2),
        build_schema_check(flights, {"id": "long", "carrier": "string"}, exactly=True),
        build_freshness_check(flights, dt.timedelta(hours=1)),
    )
    assert {name: each.passed for name, each in seen.items()} == {
        "row_count": True,
        "column_schema": True,
        "freshness": True,
    }
    assert seen["row_count"].metadata["rows"].value == 4


def test_checks_fail_with_the_reason(lake: IcebergIOManager) -> None:
    seen = outcome(
        lake,
        flights,
        build_row_count_check(flights, at_least=3, at_most=9),
        build_schema_check(flights, {"id": "int", "gate": "string"}, exactly=True),
        build_freshness_check(flights, dt.timedelta(0)),
    )
    assert {name: (each.passed, each.description) for name, each in seen.items() if name != "freshness"} == {
        "row_count": (False, "2 rows; at least 3 and at most 9"),
        "column_schema": (False, "gate is missing; id is long, not int; carrier is new"),
    }
    assert not seen["freshness"].passed


def test_compaction_makes_nothing_fresh(lake: IcebergIOManager) -> None:
    for _ in range(2):
        dg.materialize([flights], resources={"io_manager": lake})
    table = table_of(lake, "flights")
    changed = table.current_snapshot()
    assert changed is not None
    table.maintenance.rewrite_data_files(options={"rewrite-all": True})
    assert table.current_snapshot() != changed
    check = build_freshness_check(flights, dt.timedelta(hours=1))
    result = dg.materialize([check], resources={"io_manager": lake}, selection=dg.AssetSelection.all_asset_checks())
    (seen,) = result.get_asset_check_evaluations()
    assert seen.metadata["snapshot_id"].value == str(changed.snapshot_id)


def test_rows_that_are_deleted_by_key_are_not_known_from_metadata(lake: IcebergIOManager) -> None:
    dg.materialize([flights], resources={"io_manager": lake})
    table_of(lake, "flights").apply_changes(deletes=pa.table({"id": [1]}), key_cols=["id"])
    check = build_row_count_check(flights)
    result = dg.materialize([check], resources={"io_manager": lake}, selection=dg.AssetSelection.all_asset_checks())
    (seen,) = result.get_asset_check_evaluations()
    assert not seen.passed
    assert seen.severity == dg.AssetCheckSeverity.WARN


def test_within_a_run_checks_look_at_what_it_wrote(branching: IcebergIOManager) -> None:
    seen = outcome(branching, flights, build_row_count_check(flights, at_least=2))
    assert seen["row_count"].passed
    assert count(branching, "flights") == 0


# --- upkeep ---


def fragmented(lake: IcebergIOManager, *assets: Any, times: int = 6) -> None:
    for _ in range(times):
        dg.materialize(list(assets), resources={"io_manager": lake})


def files(lake: IcebergIOManager, *path: str) -> int:
    return table_of(lake, *path).storage_metrics().data_files


def run_job(job: dg.JobDefinition, lake: IcebergIOManager, **more: Any) -> dg.ExecuteInProcessResult:
    return (
        dg.Definitions(jobs=[job], resources={"io_manager": lake}).resolve_job_def(job.name).execute_in_process(**more)
    )


def test_a_maintenance_job_compacts_and_expires(lake: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    fragmented(lake, flights, late)
    job = build_maintenance_job(MaintenancePolicy(expiry=ExpiryPolicy(older_than=dt.timedelta(0), retain_last=1)))
    result = run_job(job, lake, instance=instance)
    assert (files(lake, "flights"), files(lake, "late")) == (1, 1)
    assert len(table_of(lake, "flights").snapshots()) == 1
    assert count(lake, "flights") == 12
    observed = instance.fetch_observations(flights.key, limit=9).records
    told = {key: value.value for each in observed for key, value in each.asset_observation.metadata.items()}  # type: ignore[union-attr]
    assert told["iceberg/rewrite_data_files/rewritten_data_files_count"] == 6
    assert told["iceberg/expire_snapshots/deleted_data_files_count"] == 6
    assert "6 files" in told["iceberg/rewrite_data_files"]  # type: ignore[operator]
    assert result.success


def test_upkeep_of_named_tables_leaves_others_alone(lake: IcebergIOManager) -> None:
    fragmented(lake, flights, late)
    job = build_maintenance_job()
    run_job(job, lake, run_config={"ops": {"maintain_tables": {"config": {"tables": ["lake.late"]}}}})
    assert (files(lake, "flights"), files(lake, "late")) == (6, 1)


def test_a_dry_run_tells_what_would_be_done(lake: IcebergIOManager, instance: dg.DagsterInstance) -> None:
    fragmented(lake, flights)
    config = {"ops": {"maintain_tables": {"config": {"dry_run": True}}}}
    run_job(build_maintenance_job(), lake, run_config=config, instance=instance)
    assert files(lake, "flights") == 6
    (observed,) = instance.fetch_observations(flights.key, limit=9).records
    assert observed.asset_observation is not None
    assert "6 files" in str(observed.asset_observation.description)


def test_each_kind_of_upkeep_is_an_op(lake: IcebergIOManager, tmp_path: Path) -> None:
    fragmented(lake, flights, times=2)
    orphan = next(tmp_path.glob("warehouse/**/*.parquet")).with_name("orphan.parquet")
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (0, 0))
    two_files = CompactionPolicy(options={"min-input-files": 2})
    compact = build_maintenance_op(MaintenancePolicy(compaction=two_files, manifests=None, expiry=None), name="compact")
    clean = build_maintenance_op(
        MaintenancePolicy(compaction=None, manifests=None, expiry=None, orphans=OrphanPolicy()), name="clean"
    )

    @dg.job
    def nightly() -> None:
        clean(after=compact())

    run_job(nightly, lake)
    assert files(lake, "flights") == 1
    assert len(table_of(lake, "flights").snapshots()) == 3
    assert not orphan.exists()


def test_upkeep_that_fails_for_one_table_goes_on_with_the_others(lake: IcebergIOManager) -> None:
    fragmented(lake, flights, late)
    table_of(lake, "flights").transaction().set_properties({"write.format.default": "nonsense"}).commit_transaction()
    result = run_job(build_maintenance_job(), lake, raise_on_error=False)
    assert not result.success
    assert files(lake, "late") == 1


def test_the_sensor_asks_for_upkeep_once_for_each_state_of_a_table(
    lake: IcebergIOManager, instance: dg.DagsterInstance
) -> None:
    fragmented(lake, flights)
    job = build_maintenance_job()
    sensor = build_health_sensor(job, health=TableHealth(small_files=6), every=dt.timedelta(0))
    cursor = None

    def look() -> Any:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"io_manager": lake})
        data = sensor.evaluate_tick(context)
        cursor = data.cursor
        return data

    (request,) = look().run_requests
    assert request.tags["iceberg/table"] == "lake.flights"
    assert request.tags["iceberg/problems"] == "small files: 6, from 6 on it needs upkeep"
    assert look().run_requests == [], "it was asked for"
    fragmented(lake, flights, times=1)
    (request,) = look().run_requests
    run_job(job, lake, run_config=request.run_config)
    assert files(lake, "flights") == 1
    seen = look()
    assert seen.run_requests == []
    assert seen.skip_message == "no table needs upkeep"


def test_health_is_what_metadata_says(lake: IcebergIOManager) -> None:
    fragmented(lake, flights, times=2)
    metrics = table_of(lake, "flights").storage_metrics()
    assert TableHealth(small_files=None, delete_ratio=None, snapshots=2, reclaimable_bytes=0).problems(metrics) == [
        "snapshots: 2, from 2 on it needs upkeep",
        "reclaimable bytes: 0, from 0 on it needs upkeep",
    ]


def test_a_sensor_discards_what_a_run_that_failed_wrote(
    branching: IcebergIOManager, instance: dg.DagsterInstance
) -> None:
    @dg.run_failure_sensor
    def discard(context: dg.RunFailureSensorContext, io_manager: dg.ResourceParam[TableIOManager]) -> None:
        run = context.dagster_run.run_id
        discard_run(io_manager.catalog, tables_of_run(context.instance, run), run)

    result = dg.materialize(
        [flights, late, broken], resources={"io_manager": branching}, instance=instance, raise_on_error=False
    )
    assert run_branch(result.run_id) in table_of(branching, "flights").refs()
    context = dg.build_run_status_sensor_context(
        sensor_name="discard",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=next(event for event in result.all_events if event.is_run_failure),
        resources={"io_manager": branching},
    )
    discard(context.for_run_failure())
    assert list(table_of(branching, "flights").refs()) == ["main"]
