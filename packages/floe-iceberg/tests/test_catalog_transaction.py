"""Transactions over several tables: all of their changes or none, on every kind of catalog that can do it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
import pyiceberg.catalog
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.types import LongType

import floe_engine
from floe_iceberg import FloeCatalog, accelerate, load_catalog, reports
from floe_iceberg.errors import ConflictFoundError, InvalidArgumentError
from testing.fixtures.answering import answering

ROWS = pa.table({"id": [1, 2, 3], "text": ["a", "b", "c"]})
MORE = pa.table({"id": [3, 4], "text": ["C", "D"]})


@pytest.fixture(params=["sql", "in-memory", "rest"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> FloeCatalog:
    warehouse = f"file://{tmp_path}/warehouse"
    if request.param == "rest":
        return load_catalog("prod", type="rest", uri=request.getfixturevalue("rest_server"))
    if request.param == "sql":
        return load_catalog("prod", type="sql", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=warehouse)
    return load_catalog("prod", type="in-memory", warehouse=warehouse)


@pytest.fixture
def ns(catalog: FloeCatalog) -> str:
    """A namespace of two tables, "a" and "b", each with the same three rows."""
    name = f"ns_{uuid.uuid4().hex}"
    catalog.create_namespace(name)
    for table in ("a", "b"):
        catalog.create_table(f"{name}.{table}", ROWS.schema).append(ROWS)
    return name


def ids(catalog: Any, name: str) -> list[int]:
    return sorted(catalog.load_table(name).scan().to_arrow()["id"].to_pylist())


def files(catalog: FloeCatalog, name: str) -> set[Path]:
    folder = Path(urlparse(catalog.load_table(name).location()).path)
    return {path for path in folder.rglob("*") if path.is_file()}


def test_changes_of_several_tables_are_one_commit(catalog: FloeCatalog, ns: str) -> None:
    told: list[Any] = []
    with reports.listening(told.append), catalog.transaction() as transaction:
        transaction.table(f"{ns}.a").append(MORE)
        changed = transaction.table((ns, "b"))
        changed.delete("id = 1")
        result = changed.upsert(MORE, join_cols=["id"])
        with changed.update_schema() as schema:
            schema.add_column("extra", LongType())
        changed.set_properties(owner="ann")
        assert (result.rows_updated, result.rows_inserted) == (1, 1)
        assert sorted(changed._scan().to_arrow()["id"].to_pylist()) == [2, 3, 4]
        assert (ids(catalog, f"{ns}.a"), ids(catalog, f"{ns}.b")) == ([1, 2, 3], [1, 2, 3])
    assert (ids(catalog, f"{ns}.a"), ids(catalog, f"{ns}.b")) == ([1, 2, 3, 3, 4], [2, 3, 4])
    committed = catalog.load_table(f"{ns}.b")
    assert committed.properties["owner"] == "ann"
    assert committed.schema().find_field("extra").field_type == LongType()
    assert len(committed.snapshots()) == 3
    assert changed._table.metadata == committed.metadata, "the transaction's table has moved on, too"
    assert {report.table_name for report in told if hasattr(report, "operation")} == {f"{ns}.a", f"{ns}.b"}


def test_pyiceberg_reads_what_was_committed_together(catalog: FloeCatalog, ns: str) -> None:
    if catalog.properties["type"] == "in-memory":
        return  # no other program sees it
    with catalog.transaction() as transaction:
        transaction.table(f"{ns}.a").overwrite(MORE)
        transaction.table(f"{ns}.b").append(MORE)
    theirs = pyiceberg.catalog.load_catalog("prod", **{k: str(v) for k, v in catalog.properties.items()})
    assert (ids(theirs, f"{ns}.a"), ids(theirs, f"{ns}.b")) == ([3, 4], [1, 2, 3, 3, 4])


def test_an_exception_leaves_nothing(catalog: FloeCatalog, ns: str) -> None:
    before = files(catalog, f"{ns}.a"), files(catalog, f"{ns}.b")
    transaction = catalog.transaction()

    def fail() -> None:
        with transaction:
            transaction.table(f"{ns}.a").append(MORE)
            transaction.table(f"{ns}.b").upsert(MORE, join_cols=["id"])
            raise RuntimeError("no weather today")

    with pytest.raises(RuntimeError, match="no weather today"):
        fail()
    assert (files(catalog, f"{ns}.a"), files(catalog, f"{ns}.b")) == before
    with pytest.raises(InvalidArgumentError, match="over"):
        transaction.table(f"{ns}.a")
    with pytest.raises(InvalidArgumentError, match="over"):
        transaction.commit_transaction()


def test_what_others_append_meanwhile_to_one_table_is_no_conflict(catalog: FloeCatalog, ns: str) -> None:
    with catalog.transaction() as transaction:
        transaction.table(f"{ns}.a").append(MORE)
        transaction.table(f"{ns}.b").append(MORE)
        catalog.load_table(f"{ns}.b").append(pa.table({"id": [9], "text": ["z"]}))
    assert (ids(catalog, f"{ns}.a"), ids(catalog, f"{ns}.b")) == ([1, 2, 3, 3, 4], [1, 2, 3, 3, 4, 9])
    table = catalog.load_table(f"{ns}.a")
    data = [path for path in files(catalog, f"{ns}.a") if path.suffix == ".parquet"]
    assert len(data) == len(table.inspect.data_files()), "data files are not written again"


def test_a_conflict_at_the_second_table_leaves_the_first_as_it_was(catalog: FloeCatalog, ns: str) -> None:
    before = files(catalog, f"{ns}.a")
    transaction = catalog.transaction()
    transaction.table(f"{ns}.a").append(MORE)
    transaction.table(f"{ns}.b").delete("id = 2")
    catalog.load_table(f"{ns}.b").delete("id = 3")  # of the same file
    with pytest.raises(ConflictFoundError):
        transaction.commit_transaction()
    assert (ids(catalog, f"{ns}.a"), ids(catalog, f"{ns}.b")) == ([1, 2, 3], [1, 2])
    assert files(catalog, f"{ns}.a") == before


def test_schemas_that_others_changed_keep_all_back(catalog: FloeCatalog, ns: str) -> None:
    transaction = catalog.transaction()
    transaction.table(f"{ns}.a").append(MORE)
    transaction.table(f"{ns}.b").update_schema().add_column("extra", LongType()).commit()
    catalog.load_table(f"{ns}.b").update_schema().add_column("other", LongType()).commit()
    with pytest.raises(CommitFailedException):
        transaction.commit_transaction()
    assert ids(catalog, f"{ns}.a") == [1, 2, 3]


def test_a_table_without_changes_is_not_committed(catalog: FloeCatalog, ns: str) -> None:
    location = catalog.load_table(f"{ns}.b").metadata_location
    with catalog.transaction() as transaction:
        assert transaction.table(f"{ns}.b").table_metadata == catalog.load_table(f"{ns}.b").metadata
        transaction.table(f"{ns}.a").append(MORE)
    assert ids(catalog, f"{ns}.a") == [1, 2, 3, 3, 4]
    assert catalog.load_table(f"{ns}.b").metadata_location == location
    with catalog.transaction():
        pass


def test_a_table_is_one_part_and_ends_with_the_others(catalog: FloeCatalog, ns: str) -> None:
    transaction = catalog.transaction()
    part = transaction.table(f"{ns}.a")
    assert transaction.table((ns, "a")) is part
    with pytest.raises(NoSuchTableError):
        transaction.table(f"{ns}.none")
    for end in (part.commit_transaction, part.__enter__):
        with pytest.raises(InvalidArgumentError, match="with the others"):
            end()
    with pytest.raises(NotImplementedError, match="producers"):
        part.update_snapshot()
    part.append(MORE)
    transaction.commit_transaction()
    assert ids(catalog, f"{ns}.a") == [1, 2, 3, 3, 4]
    with pytest.raises(InvalidArgumentError, match="over"):
        part.append(MORE)


def test_the_engine_takes_a_transaction_once(catalog: FloeCatalog, ns: str) -> None:
    one = floe_engine.Transaction(catalog.handle.load_table([ns, "a"]))
    with pytest.raises(InvalidArgumentError, match="twice"):
        floe_engine.commit_together(catalog.handle, [one, one])
    assert floe_engine.commit_together(catalog.handle, [one])[0].identifier == [ns, "a"]
    with pytest.raises(InvalidArgumentError, match="over"):
        floe_engine.commit_together(catalog.handle, [one])


def test_catalogs_that_others_keep_say_that_they_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    properties = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    theirs = accelerate(SqlCatalog("theirs", **properties))
    assert not theirs.commits_tables
    with pytest.raises(NotImplementedError, match="catalog theirs commits to one table at a time"):
        theirs.transaction()
    ours = load_catalog("ours", type="sql", **properties)
    monkeypatch.setattr(ours, "commit_table", lambda *_: None)
    with pytest.raises(NotImplementedError, match="catalog ours"):
        ours.transaction()


def test_a_server_that_does_not_offer_it_is_known_before_anything_is_written() -> None:
    with answering(lambda *_: (200, {"endpoints": ["GET /v1/{prefix}/namespaces"]})) as url:
        catalog = load_catalog("prod", type="rest", uri=url)
        with pytest.raises(NotImplementedError, match="catalog prod commits to one table at a time"):
            catalog.transaction()
    with answering(lambda *_: (200, {})) as url:
        assert load_catalog("prod", type="rest", uri=url).commits_tables
