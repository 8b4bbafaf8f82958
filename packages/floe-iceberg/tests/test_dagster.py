"""Runs that are published together, checks of assets, and upkeep as Dagster's jobs, by real runs."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from floe_iceberg import FloeTable
from floe_iceberg.dagster import (
    build_freshness_check,
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
from floe_iceberg.io_manager import IcebergIOManager

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
