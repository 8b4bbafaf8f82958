"""Every kind of snapshot that the engine's transactions make, read and judged by PyIceberg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import TruncateTransform
from pyiceberg.types import LongType, NestedField, StringType

import floe_engine
import floe_iceberg  # noqa: F401  (its errors are PyIceberg's too)

SCHEMA = Schema(NestedField(1, "id", LongType(), required=False), NestedField(2, "text", StringType(), required=False))
BY_TENS = PartitionSpec(PartitionField(1, 1000, TruncateTransform(10), "ten"))
ANY: dict[str, Any] = {"case_sensitive": True, "snapshot_properties": {}, "branch": "main"}
PLAIN: dict[str, Any] = {"snapshot_properties": {}, "branch": "main"}


class Both:
    """One table, as the engine holds it and as PyIceberg reads it."""

    def __init__(self, folder: Path, format_version: int) -> None:
        self.folder = folder
        properties = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
        self.theirs = SqlCatalog("both", **properties)
        self.theirs.create_namespace("ns")
        self.theirs.create_table(
            "ns.t", SCHEMA, partition_spec=BY_TENS, properties={"format-version": str(format_version)}
        )
        self.ours = floe_engine.open_catalog("both", {"type": "sql", **properties})
        self.change(lambda transaction: transaction.append(rows(range(30)), **PLAIN))

    def change(self, work: Callable[[floe_engine.Transaction], object]) -> None:
        transaction = floe_engine.Transaction(self.ours.load_table(["ns", "t"]))
        work(transaction)
        transaction.commit()

    def read(self) -> Table:
        return self.theirs.load_table("ns.t")

    def ids(self) -> list[int]:
        return sorted(self.read().scan().to_arrow()["id"].to_pylist())

    def summary(self) -> dict[str, str]:
        snapshot = self.read().current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        return {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties}


def rows(ids: range) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "text": [str(i) for i in ids]})


def filter_of(text: str) -> str:
    return floe_engine.filter_to_json(text)


@pytest.fixture(params=[1, 2])
def table(tmp_path: Path, request: pytest.FixtureRequest) -> Both:
    return Both(tmp_path, request.param)


def test_delete_of_whole_files(table: Both) -> None:
    table.change(lambda t: t.delete(filter_json=filter_of("id >= 10 and id < 20"), **ANY))
    assert table.ids() == [*range(10), *range(20, 30)]
    assert table.summary()["operation"] == "delete"
    assert table.summary()["total-records"] == "20"
    entries = table.read().inspect.entries().to_pylist()
    assert sorted(entry["status"] for entry in entries) == [0, 0, 2]


def test_delete_of_rows(table: Both) -> None:
    table.change(lambda t: t.delete(filter_json=filter_of("id = 13"), **ANY))
    assert table.ids() == [i for i in range(30) if i != 13]
    assert table.summary()["operation"] == "overwrite"
    assert len(table.read().metadata.snapshots) == 2


def test_position_deletes(tmp_path: Path) -> None:
    table = Both(tmp_path, 2)
    table.change(lambda t: t.delete(filter_json=filter_of("id = 13 or id = 25"), mode="merge-on-read", **ANY))
    assert table.ids() == [i for i in range(30) if i not in (13, 25)]
    assert table.summary()["added-position-deletes"] == "2"
    table.change(lambda t: t.delete(filter_json=filter_of("id = 14"), mode="merge-on-read", **ANY))
    assert table.ids() == [i for i in range(30) if i not in (13, 14, 25)]
    table.change(lambda t: t.delete(filter_json=filter_of("id = 15"), mode="copy-on-write", **ANY))
    assert table.ids() == [i for i in range(30) if i not in (13, 14, 15, 25)]


def test_deletion_vectors(tmp_path: Path) -> None:
    table = Both(tmp_path, 2)
    table.change(lambda t: t.update("[]", '[{"action":"upgrade-format-version","format-version":3}]'))
    table.change(lambda t: t.delete(filter_json=filter_of("id = 13 or id = 25"), mode="merge-on-read", **ANY))
    assert table.ids() == [i for i in range(30) if i not in (13, 25)]
    table.change(lambda t: t.delete(filter_json=filter_of("id = 14"), mode="merge-on-read", **ANY))
    assert table.ids() == [i for i in range(30) if i not in (13, 14, 25)]
    assert table.summary()["removed-dvs"] == "1"


def test_overwrite_is_one_snapshot(table: Both) -> None:
    table.change(lambda t: t.overwrite(rows(range(100, 103)), filter_json=filter_of("id < 25"), **ANY))
    assert table.ids() == [*range(25, 30), 100, 101, 102]
    assert len(table.read().metadata.snapshots) == 2
    table.change(lambda t: t.overwrite(rows(range(3)), filter_json="", **ANY))
    assert table.ids() == [0, 1, 2]
    assert table.summary()["total-data-files"] == "1"


def test_overwrite_of_partitions(table: Both) -> None:
    table.change(lambda t: t.overwrite_partitions(rows(range(12, 14)), **PLAIN))
    assert table.ids() == [*range(10), 12, 13, *range(20, 30)]


def test_merged_manifests(table: Both) -> None:
    table.change(
        lambda t: t.update("[]", '[{"action":"set-properties","updates":{"commit.manifest.min-count-to-merge":"2"}}]')
    )
    table.change(lambda t: t.append(rows(range(30, 33)), merge_manifests=True, **PLAIN))
    assert table.ids() == [*range(33)]
    snapshot = table.read().current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(table.read().io)) == 1


def test_staged_snapshots_and_branches(table: Both) -> None:
    table.change(lambda t: t.append(rows(range(40, 41)), snapshot_properties={"wap.id": "7"}, branch=None))
    table.change(lambda t: t.append(rows(range(50, 51)), snapshot_properties={}, branch="audit"))
    assert table.ids() == [*range(30)]
    audited = table.read().scan().use_ref("audit").to_arrow()
    assert sorted(audited["id"].to_pylist()) == [*range(30), 50]


def test_added_files(table: Both) -> None:
    location = f"{table.folder}/stranger.parquet"
    pq.write_table(rows(range(40, 44)), location)
    table.change(lambda t: t.add_files([location], refuse_duplicates=True, **PLAIN))
    assert table.ids() == [*range(30), *range(40, 44)]
    with pytest.raises(ValueError, match="already referenced"):
        table.change(lambda t: t.add_files([location], refuse_duplicates=True, **PLAIN))


def test_several_changes_are_one_commit(table: Both) -> None:
    before = len(table.read().metadata.metadata_log)

    def work(transaction: floe_engine.Transaction) -> None:
        transaction.append(rows(range(100, 110)), **PLAIN)
        assert transaction.delete(filter_json=filter_of("id >= 105 or id = 3"), **ANY)
        assert not transaction.delete(filter_json=filter_of("id = 3"), **ANY)
        transaction.update("[]", '[{"action":"set-properties","updates":{"owner":"x"}}]')
        assert transaction.staged.properties["owner"] == "x"

    table.change(work)
    assert table.ids() == [*(i for i in range(30) if i != 3), *range(100, 105)]
    assert len(table.read().metadata.metadata_log) == before + 1
    assert table.read().properties["owner"] == "x"


def test_a_dropped_transaction_leaves_nothing(table: Both) -> None:
    files = sorted(table.folder.rglob("*"))
    transaction = floe_engine.Transaction(table.ours.load_table(["ns", "t"]))
    transaction.append(rows(range(100, 110)), **PLAIN)
    transaction.drop()
    with pytest.raises(floe_engine.InvalidArgument):
        transaction.commit()
    assert [path for path in sorted(table.folder.rglob("*")) if path not in files and path.is_file()] == []


def test_conflicts_are_pyicebergs_exceptions_too(table: Both) -> None:
    transaction = floe_engine.Transaction(table.ours.load_table(["ns", "t"]))
    transaction.delete(filter_json=filter_of("id < 10"), **ANY)
    table.change(lambda t: t.append(rows(range(1)), **PLAIN))
    with pytest.raises(floe_engine.ConflictFound) as caught:
        transaction.commit()
    assert isinstance(caught.value, ValidationException)
    assert isinstance(caught.value, CommitFailedException)
