"""Compaction through the Python face: at once, and in steps that other processes run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import TruncateTransform

from floe_core.models import CompactionStrategy
from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from floe_iceberg.compaction import RewriteTask, get_compaction_executor
from floe_iceberg.errors import ConflictFoundError, InvalidArgumentError

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.int32())])


def rows(first: int, count: int = 10) -> pa.Table:
    return pa.table({"id": range(first, first + count), "day": [i % 7 for i in range(count)]}, schema=SCHEMA)


def ids(table: FloeTable) -> list[int]:
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def files(table: FloeTable) -> int:
    return len(list(table.scan().plan_files()))


@pytest.fixture
def catalog(tmp_path: Path) -> FloeCatalog:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}"}
    catalog = load_catalog("c", **properties)
    catalog.create_namespace("ns")
    return catalog


@pytest.fixture(params=[1, 2, 3])
def table(request: pytest.FixtureRequest, catalog: FloeCatalog) -> FloeTable:
    """Six files of ten rows."""
    properties = {"format-version": str(request.param), "write.delete.mode": "merge-on-read"}
    table = catalog.create_table("ns.t", SCHEMA, properties=properties)
    for first in range(0, 60, 10):
        table.append(rows(first))
    return table


def test_floes_executors_compact_by_their_own_strategy(catalog: FloeCatalog, table: FloeTable, tmp_path: Path) -> None:
    sorting = CompactionStrategy.model_validate({"strategy_type": "sort", "sort_columns": ["day"]})
    theirs = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    packing = get_compaction_executor(CompactionStrategy().strategy_type)
    with pytest.raises(InvalidArgumentError, match="BinPackCompactionExecutor is for bin_pack and not for sort"):
        packing.execute(table, sorting)
    if table.format_version < 3:  # PyIceberg cannot load others
        done = packing.execute(theirs.load_table("ns.t"), CompactionStrategy())
        assert (done.files_rewritten, done.files_added) == (6, 1)
    else:
        assert packing.execute(table, CompactionStrategy()).files_rewritten == 6
    for first in range(60, 110, 10):
        table.append(rows(first))
    assert get_compaction_executor(sorting.strategy_type).execute(table, sorting).files_rewritten == 6
    days = table.scan().to_arrow()["day"].to_pylist()
    assert days == sorted(days)


def test_small_files_become_one(table: FloeTable) -> None:
    told: list[tuple[str, int, int]] = []
    result = table.maintenance.rewrite_data_files(
        options={"min-input-files": 2, "rewrite-all": False},
        snapshot_properties={"why": "nightly"},
        progress=lambda *step: told.append(step),
    )
    assert (result.rewritten_data_files_count, result.added_data_files_count, result.commits) == (6, 1, 1)
    assert (result.failed_data_files_count, result.failures) == (0, [])
    assert result.to_arrow().column_names == [
        "rewritten_data_files_count",
        "added_data_files_count",
        "rewritten_bytes_count",
        "failed_data_files_count",
        "removed_delete_files_count",
    ]
    assert told == [("file groups", 1, 1)]
    assert ids(table) == list(range(60))
    assert files(table) == 1
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert (snapshot.summary.operation.value, snapshot.summary["why"]) == ("replace", "nightly")
    assert table.maintenance.rewrite_data_files().commits == 0


def test_by_filter_and_order(table: FloeTable) -> None:
    result = table.maintenance.rewrite_data_files(sort_order="day DESC, id", where="id < 50")
    assert result.rewritten_data_files_count == 5
    sorted_rows = table.scan("id < 50").to_arrow()
    assert sorted_rows.equals(sorted_rows.sort_by([("day", "descending"), ("id", "ascending")]))
    table.maintenance.rewrite_data_files(sort_order="zorder(id, day)", options={"rewrite-all": True})
    assert files(table) == 1
    assert ids(table) == list(range(60))


def test_a_hilbert_order_in_other_processes(table: FloeTable) -> None:
    everything = {"rewrite-all": True}
    plan = table.maintenance.plan_rewrite(sort_order="hilbert(id, day)", options=everything)
    tasks: list[RewriteTask] = pickle.loads(pickle.dumps(plan.tasks))
    plan.commit([task.run() for task in tasks])
    there = table.scan().to_arrow()
    table.maintenance.rewrite_data_files(sort_order="hilbert(id, day)", options=everything)
    assert table.scan().to_arrow().equals(there)
    table.maintenance.rewrite_data_files(sort_order="zorder(id, day)", options=everything)
    assert not table.scan().to_arrow().equals(there)
    assert ids(table) == list(range(60))


def test_in_steps_that_other_processes_run(catalog: FloeCatalog) -> None:
    spec = PartitionSpec(PartitionField(1, 1000, TruncateTransform(30), "thirty"))
    table = catalog.create_table("ns.t", SCHEMA, partition_spec=spec)
    for first in range(0, 90, 10):
        table.append(rows(first))
    plan = table.maintenance.plan_rewrite(options={"min-input-files": 2})
    assert repr(plan) == "<RewritePlan: 3 tasks, 9 files>"
    assert [task.input_files for task in plan.tasks] == [3, 3, 3]
    tasks: list[RewriteTask] = pickle.loads(pickle.dumps(plan.tasks))
    results = [task.run(memory=64 << 20) for task in tasks]
    catalog.load_table("ns.t").append(rows(90))
    result = plan.commit(results[:2])
    assert (result.rewritten_data_files_count, result.added_data_files_count) == (6, 2)
    assert table.maintenance.commit_rewrite(results[2:]).rewritten_data_files_count == 3
    assert ids(table) == list(range(100))
    assert files(table) == 4


def test_a_commit_that_is_done_again_changes_nothing(table: FloeTable) -> None:
    plan = table.maintenance.plan_rewrite()
    results = [task.run() for task in plan.tasks]
    assert plan.commit(results).commits == 1
    before = (ids(table), table.metadata_location)
    again = plan.commit(results)
    assert (again.commits, again.rewritten_data_files_count) == (0, 0)
    assert (ids(table.refresh()), table.metadata_location) == before


def test_passwords_stay_behind_when_tasks_travel(tmp_path: Path) -> None:
    catalog = load_catalog("m", type="in-memory", warehouse=f"file://{tmp_path}", **{"s3.secret-access-key": "geheim"})
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", SCHEMA)
    for first in range(0, 50, 10):
        table.append(rows(first))
    (task,) = table.maintenance.plan_rewrite().tasks
    assert b"geheim" not in pickle.dumps(task)
    assert b"geheim" not in task.to_bytes()
    travelled = RewriteTask.from_bytes(task.to_bytes(), table.config)
    assert table.maintenance.commit_rewrite([travelled.run()]).rewritten_data_files_count == 5
    assert ids(table) == list(range(50))


def test_rows_deleted_meanwhile_stay_deleted(table: FloeTable) -> None:
    plan = table.maintenance.plan_rewrite()
    results = [task.run() for task in plan.tasks]
    table.delete("id = 3")
    with pytest.raises(ConflictFoundError, match="another writer"):
        plan.commit(results)
    table.refresh()
    assert ids(table) == [i for i in range(60) if i != 3]
    partial = table.maintenance.plan_rewrite(options={"partial-progress.enabled": True, "rewrite-all": True})
    results = [task.run() for task in partial.tasks]
    table.delete("id = 4")
    result = partial.commit(results)
    assert (result.rewritten_data_files_count, result.failed_data_files_count > 0) == (0, True)
    assert ids(table) == [i for i in range(60) if i not in (3, 4)]


def test_options_that_are_not_known_are_refused_by_name(table: FloeTable) -> None:
    maintenance = table.maintenance
    with pytest.raises(InvalidArgumentError, match="no option target-size"):
        maintenance.rewrite_data_files(options={"target-size": 1})
    with pytest.raises(InvalidArgumentError, match="'min-input-files' is 'few'"):
        maintenance.plan_rewrite(options={"min-input-files": "few"})
    with pytest.raises(InvalidArgumentError, match="binpack and sort"):
        maintenance.rewrite_data_files(strategy="shuffle")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="no column nowhere"):
        maintenance.rewrite_data_files(sort_order="nowhere")
    with pytest.raises(InvalidArgumentError, match="option 'rewrite-all' is a list"):
        maintenance.rewrite_data_files(options={"rewrite-all": []})  # type: ignore[dict-item]


def test_delete_files_become_fewer(catalog: FloeCatalog) -> None:
    table = catalog.create_table("ns.t", SCHEMA, properties={"write.delete.mode": "merge-on-read"})
    table.append(rows(0, 60))
    for gone in range(5):
        table.delete(f"id = {gone}")
    table.apply_changes(deletes=pa.table({"id": [5]}, SCHEMA.remove(1)), key_cols=["id"])
    result = table.maintenance.rewrite_position_delete_files(where="id > 100")
    assert (result.rewritten_delete_files_count, result.added_delete_files_count, result.commits) == (5, 1, 1)
    assert result.rewritten_bytes_count > result.added_bytes_count > 0
    result = table.maintenance.rewrite_position_delete_files(options={"convert-equality-deletes": True})
    assert (result.rewritten_delete_files_count, result.commits) == (1, 1)
    assert ids(table) == list(range(6, 60))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["total-equality-deletes"] == "0"
    with pytest.raises(InvalidArgumentError, match="no option rewrite-job-order"):
        table.maintenance.rewrite_position_delete_files(options={"rewrite-job-order": "none"})
