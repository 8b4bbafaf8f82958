"""Tables on the engine in catalogs that PyIceberg's code keeps: their `commit_table` makes every commit."""

from __future__ import annotations

import datetime as dt
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyiceberg.catalog
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ForbiddenError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from floe_iceberg import AcceleratedCatalog, FloeTable, accelerate, load_catalog
from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.errors import CommitStateUnknownError

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "kind", StringType()))
BY_KIND = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind"))


class Watched(SqlCatalog):
    """A catalog of somebody's: it counts, and fails as it is told."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self.commits = 0
        self.threads: set[int] = set()
        self.before: list[BaseException] = []  # raised instead of a commit
        self.after: list[BaseException] = []  # raised after one

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        self.commits += 1
        self.threads.add(threading.get_ident())
        assert table.metadata.table_uuid is not None
        if self.before:
            raise self.before.pop(0)
        done = super().commit_table(table, requirements, updates)
        if self.after:
            raise self.after.pop(0)
        return done


def rows(*ids: int, kind: str = "a") -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "kind": [kind] * len(ids)})


def ids(table: Table) -> list[int]:
    return sorted(cast(list[int], table.scan().to_arrow()["id"].to_pylist()))


def sql(folder: Path) -> dict[str, str]:
    return {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


@pytest.fixture(params=["sql", "in-memory", "own"])
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    catalog: Catalog
    if request.param == "in-memory":
        catalog = InMemoryCatalog("x", warehouse=f"file://{tmp_path}/warehouse")
    else:
        catalog = (SqlCatalog if request.param == "sql" else Watched)("x", **sql(tmp_path))
    catalog.create_namespace("a")
    with catalog:
        yield catalog


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    catalog = Watched("x", **sql(tmp_path))
    catalog.create_namespace("a")
    with catalog:
        yield catalog


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*.parquet"))


def test_each_change_is_the_engines_and_pyiceberg_reads_it(theirs: Catalog) -> None:
    catalog = accelerate(theirs)
    assert isinstance(catalog, AcceleratedCatalog)
    table = catalog.create_table("a.t", SCHEMA, partition_spec=BY_KIND)
    stream = pa.RecordBatchReader.from_batches(rows(0).schema, iter([*rows(1, 2).to_batches(), *rows(3).to_batches()]))
    table.append(stream)  # a stream into partitions, which PyIceberg refuses
    table.append(rows(4, kind="b"))
    table.overwrite(rows(5, kind="b"), "kind = 'b'")
    table.dynamic_partition_overwrite(rows(6, kind="b"))
    table.delete("id = 1")
    result = table.upsert(rows(2, 7, 8), join_cols=["id"])
    assert (result.rows_updated, result.rows_inserted) == (0, 2)
    with table.update_schema() as update:
        update.add_column("note", StringType())
    with table.update_spec() as spec:
        spec.remove_field("kind")
    table.manage_snapshots().create_tag(cast(int, table.metadata.current_snapshot_id), "kept").commit()
    with table.transaction() as transaction:
        transaction.set_properties(owner="me")
        transaction.delete("id = 8")
    plain = theirs.load_table("a.t")
    assert type(plain) is Table
    assert plain.metadata == table.metadata
    assert plain.properties["owner"] == "me"
    assert ids(plain) == ids(table) == [2, 3, 6, 7]


def test_what_pyiceberg_cannot_do_works_too(theirs: Catalog) -> None:
    table = accelerate(theirs).create_table("a.t", SCHEMA)
    for i in range(6):
        table.append(rows(i, i + 10))
    table.delete("id >= 10", mode="merge-on-read")
    assert ids(theirs.load_table("a.t")) == [0, 1, 2, 3, 4, 5]
    assert table.maintenance.rewrite_data_files(options={"min-input-files": 2}).rewritten_data_files_count == 6
    table.apply_changes(upserts=rows(0, 9), deletes=rows(5), key_cols=["id"])
    assert ids(table) == [0, 1, 2, 3, 4, 9]
    expired = table.maintenance.expire_snapshots(older_than=dt.datetime.now(dt.UTC), retain_last=1)
    assert len(expired.snapshots) == 8
    assert len(theirs.load_table("a.t").metadata.snapshots) == 1
    assert ids(accelerate(theirs).load_table("a.t")) == [0, 1, 2, 3, 4, 9]


def test_a_table_is_made_with_its_rows(theirs: Catalog) -> None:
    catalog = accelerate(theirs)
    with catalog.create_table_transaction("a.t", SCHEMA) as made:
        made.append(rows(1))
        made.append(rows(2))
        assert not theirs.table_exists("a.t")
    assert ids(theirs.load_table("a.t")) == [1, 2]
    with catalog.create_table_transaction("a.empty", SCHEMA):
        pass
    assert ids(theirs.load_table("a.empty")) == []
    with (
        pytest.raises(CommitFailedException, match="exists"),
        catalog.create_table_transaction("a.t", SCHEMA) as late,
    ):
        late.append(rows(3))
    assert ids(theirs.load_table("a.t")) == [1, 2]


def test_a_table_that_somebody_loaded(theirs: Catalog) -> None:
    theirs.create_table("a.t", SCHEMA)
    plain = theirs.load_table("a.t")
    table = accelerate(plain)
    assert isinstance(table, FloeTable)
    assert accelerate(table) is table
    table.append(rows(1))
    plain.refresh().append(rows(2))
    table.append(rows(3))  # is behind, and is done again on what there is
    assert ids(plain.refresh()) == ids(table.refresh()) == [1, 2, 3]


def test_namespaces_and_names_are_the_catalogs_own(theirs: Catalog) -> None:
    catalog = accelerate(theirs)
    catalog.create_namespace("b", {"owner": "me"})
    assert catalog.load_namespace_properties("b")["owner"] == "me"
    catalog.update_namespace_properties("b", removals={"owner"}, updates={"more": "yes"})
    assert theirs.load_namespace_properties("b") == {"more": "yes"}
    catalog.create_table("a.t", SCHEMA).append(rows(1))
    assert catalog.list_tables("a") == [("a", "t")]
    assert ids(catalog.rename_table("a.t", "b.u")) == [1]
    assert not catalog.table_exists("a.t")
    again = catalog.register_table("a.v", theirs.load_table("b.u").metadata_location)
    assert ids(again) == [1]
    catalog.drop_table("a.v")
    catalog.purge_table("b.u")
    assert catalog.list_tables("b") == []


def test_the_catalog_is_asked_once_an_attempt_on_the_callers_thread(watched: Watched) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA)
    watched.before = [CommitFailedException("somebody was first"), CommitFailedException("and again")]
    table.append(rows(1))
    assert watched.commits == 3
    assert watched.threads == {threading.get_ident()}
    assert ids(table) == [1]


def test_version_3_is_read_and_its_changes_are_refused_by_name(watched: Watched, tmp_path: Path) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA)
    table.append(rows(1))
    with pytest.raises(NotImplementedError, match="format version 3"), table.transaction() as transaction:
        transaction.upgrade_table_version(3)
    ours = load_catalog("x", **sql(tmp_path)).load_table("a.t")  # the same catalog, by the engine
    with ours.transaction() as transaction:
        transaction.upgrade_table_version(3)
    ours.append(rows(2))
    table.refresh()
    assert ids(table) == [1, 2]
    with pytest.raises(NotImplementedError, match="format version 3"):
        table.append(rows(3))
    assert len(files(tmp_path)) == 2


def test_a_commit_that_is_refused_leaves_nothing(watched: Watched, tmp_path: Path) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA)
    watched.before = [ForbiddenError("not you")]
    with pytest.raises(ForbiddenError, match="not you"):
        table.append(rows(1))
    assert watched.commits == 1
    assert files(tmp_path) == set()
    table.append(rows(2))
    assert ids(table) == [2]


def test_losing_every_race_is_a_failed_commit(watched: Watched, tmp_path: Path) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA, properties={"commit.retry.num-retries": "0"})
    watched.before = [CommitFailedException("somebody was first")]
    with pytest.raises(CommitFailedException, match="somebody was first"):
        table.append(rows(1))
    assert files(tmp_path) == set()


def test_a_lost_answer_is_looked_up(watched: Watched) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA)
    watched.after = [OSError("connection reset")]
    table.append(rows(1))
    assert watched.commits == 1
    assert ids(table) == [1]


def test_an_outcome_that_cannot_be_learnt_removes_nothing(watched: Watched, tmp_path: Path) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA, properties={"commit.retry.num-retries": "0"})
    watched.before = [OSError("connection reset")]
    with pytest.raises(CommitStateUnknownError, match="connection reset"):
        table.append(rows(1))
    assert len(files(tmp_path)) == 1


def test_ctrl_c_in_the_catalog_ends_the_commit(watched: Watched) -> None:
    table = accelerate(watched).create_table("a.t", SCHEMA)
    watched.before = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        table.append(rows(1))
    assert watched.commits == 1
    table.append(rows(2))
    assert ids(table) == [2]


def test_old_metadata_goes_if_the_table_says_so(watched: Watched, tmp_path: Path) -> None:
    keep = {"write.metadata.delete-after-commit.enabled": "true", "write.metadata.previous-versions-max": "1"}
    table = accelerate(watched).create_table("a.t", SCHEMA, properties=keep)
    for i in range(4):
        table.append(rows(i))
    assert len(list(tmp_path.rglob("*.metadata.json"))) == 2


def test_by_one_line_of_configuration(tmp_path: Path) -> None:
    ours = {"py-catalog-impl": "floe_iceberg.catalog.FloeCatalog", "floe.catalog.impl": f"{__name__}.Watched"}
    catalog = pyiceberg.catalog.load_catalog("x", **ours, **sql(tmp_path))
    assert isinstance(catalog, AcceleratedCatalog)
    assert isinstance(catalog.inner, Watched)
    assert catalog.commits == 0  # what only that catalog has
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", SCHEMA)
    table.append(rows(1))
    assert catalog.inner.commits == 1
    again = type(catalog)(catalog.name, **catalog.properties)
    assert ids(again.load_table("a.t")) == [1]
    copied = pickle.loads(pickle.dumps(table))
    copied.append(rows(2))
    assert ids(table.refresh()) == [1, 2]


def test_types_that_the_engine_has_no_catalog_for_are_pyicebergs(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.catalog import AVAILABLE_CATALOGS, CatalogType

    monkeypatch.setitem(
        AVAILABLE_CATALOGS, CatalogType.HIVE, lambda name, given: InMemoryCatalog(name, owner=given["owner"])
    )
    catalog = load_catalog("x", uri="thrift://nowhere:9083", owner="me")
    assert isinstance(catalog, AcceleratedCatalog)
    assert catalog.inner.properties["owner"] == "me"


def test_files_that_only_python_code_can_reach_are_refused(tmp_path: Path) -> None:
    own = InMemoryCatalog("x", **{"py-io-impl": "my.FileIO"})
    with pytest.raises(NotImplementedError, match=r"my\.FileIO"):
        accelerate(own)
    standard = InMemoryCatalog("x", **{"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"})
    assert isinstance(accelerate(standard), FloeCatalog)


def test_a_store_that_the_engine_cannot_reach_is_named(tmp_path: Path) -> None:
    catalog = accelerate(InMemoryCatalog("x", warehouse=f"file://{tmp_path}"))
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", SCHEMA, properties={"write.data.path": "abc://bucket/data"})
    with pytest.raises(NotImplementedError, match="abc"):
        table.append(rows(1))


def test_a_commit_table_that_somebody_replaces_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog("x", **sql(tmp_path))
    catalog.create_namespace("a")
    table = catalog.create_table("a.t", SCHEMA)
    original, calls = catalog.commit_table, []

    def watch(table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        calls.append([update.action for update in updates])
        return original(table, requirements, updates)

    with monkeypatch.context() as patch:
        patch.setattr(catalog, "commit_table", watch)
        table.append(rows(1))
        assert calls == [["add-snapshot", "set-snapshot-ref"]]
    table.append(rows(2))
    assert len(calls) == 1
    assert ids(table) == [1, 2]
