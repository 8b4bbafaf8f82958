"""Opening catalogs: configuration, types, what is refused, what survives a trip to another process."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyiceberg.catalog
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchPropertyException, NoSuchTableError
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog

ROWS = pa.table({"id": [1, 2, 3], "text": ["a", "b", None]})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own: no configuration, no embedded catalog."""
    for name in ("HOME", "PYICEBERG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("FLOE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sqlite(folder: Path) -> dict[str, str]:
    return {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


def fill(catalog: Any) -> FloeTable:
    catalog.create_namespace("ns")
    table: FloeTable = catalog.create_table("ns.t", ROWS.schema)
    table.append(ROWS)
    return table


# --- configuration ---


def test_nothing_configured_opens_the_embedded_catalog(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(load_catalog())
    assert (home / ".floe/catalog.db").is_file()
    assert load_catalog().load_table("ns.t").scan().count() == 3
    monkeypatch.setenv("FLOE_HOME", str(home / "elsewhere"))
    assert load_catalog().list_namespaces() == []
    assert (home / "elsewhere/catalog.db").is_file()


def test_configuration_comes_from_pyicebergs_file(home: Path) -> None:
    uri, warehouse = sqlite(home).values()
    (home / ".pyiceberg.yaml").write_text(
        f"default-catalog: prod\ncatalog:\n  prod:\n    uri: {uri}\n    warehouse: {warehouse}\n"
    )
    fill(load_catalog())
    assert SqlCatalog("prod", **sqlite(home)).load_table("ns.t").scan().to_arrow().num_rows == 3
    assert not (home / ".floe").exists()


def test_configuration_comes_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in sqlite(home).items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__PROD__{key.upper()}", value)
    fill(load_catalog("prod"))
    assert load_catalog("PROD").properties["uri"] == sqlite(home)["uri"]
    assert FloeCatalog("prod").load_table("ns.t").scan().count() == 3


def test_properties_win_over_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__PROD__URI", "http://nowhere")
    assert load_catalog("prod", **sqlite(home)).properties == sqlite(home)


def test_a_name_that_is_not_configured_is_no_embedded_catalog(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYICEBERG_CATALOG__PROD__URI", sqlite(home)["uri"])
    with pytest.raises(ValueError, match=r"typo.*URI missing"):
        load_catalog("typo")


@pytest.mark.parametrize(
    ("properties", "error", "said"),
    [
        (
            {"type": "rest", "uri": "http://127.0.0.1:1", "rest.client.max-retries": "0"},
            OSError,
            "127.0.0.1:1/v1/config",
        ),
        ({"type": "rest", "uri": "127.0.0.1"}, ValueError, "http:// or https://"),
        ({"type": "mine"}, ValueError, "type mine"),
        ({"type": "sql"}, NoSuchPropertyException, "uri"),
        ({"uri": "ftp://x"}, ValueError, "ftp://x"),
        ({"type": "sql", "uri": "oracle://user:hunter2@host/db"}, NotImplementedError, "oracle"),
        ({"type": "sql", "uri": "sqlite:////tmp/x", "echo": "true"}, NotImplementedError, "echo"),
        ({"uri": "sqlite:////tmp/x", "py-io-impl": "my.io.FileIO"}, NotImplementedError, "my.io.FileIO; leave it out"),
        ({"py-catalog-impl": "my.Catalog"}, ValueError, "my.Catalog"),
    ],
)
def test_what_cannot_be_opened_is_named(properties: dict[str, str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        load_catalog("x", **properties)
    assert "hunter2" not in str(caught.value)


def test_a_database_that_cannot_be_reached(home: Path) -> None:
    with pytest.raises(OSError, match="no/such/folder"):
        load_catalog("x", uri=f"sqlite:///{home}/no/such/folder/catalog.db", warehouse="/tmp").list_namespaces()


# --- pyiceberg's ways to get at it ---


def test_pyicebergs_load_catalog_opens_ours(home: Path) -> None:
    implementation = {"py-catalog-impl": "floe_iceberg.catalog.FloeCatalog", "floe.catalog.type": "sql"}
    catalog = pyiceberg.catalog.load_catalog("prod", **implementation, **sqlite(home))
    assert isinstance(catalog, FloeCatalog)
    assert isinstance(fill(catalog), pyiceberg.table.Table)


def test_pyicebergs_load_catalog_with_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in sqlite(home).items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__PROD__{key.upper()}", value)
    catalog = pyiceberg.catalog.load_catalog("prod", **{"py-catalog-impl": "floe_iceberg.catalog.FloeCatalog"})
    assert catalog.properties["uri"] == sqlite(home)["uri"]


def test_a_catalog_is_rebuilt_from_its_properties(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    fill(catalog)
    again = type(catalog)(catalog.name, **catalog.properties)
    assert again.load_table("ns.t") == catalog.load_table("ns.t")
    assert pickle.loads(pickle.dumps(catalog)).list_tables("ns") == [("ns", "t")]


def test_a_catalog_in_memory_stays_in_its_process(home: Path) -> None:
    catalog = FloeCatalog("m", type="in-memory", warehouse=f"file://{home}")
    fill(catalog)
    assert FloeCatalog("m", type="in-memory", warehouse=f"file://{home}").list_namespaces() == []
    with pytest.raises(TypeError, match="in memory"):
        pickle.dumps(catalog)


def test_a_closed_catalog_says_so(home: Path) -> None:
    with load_catalog("prod", **sqlite(home)) as catalog:
        table = fill(catalog)
    with pytest.raises(ValueError, match="prod is closed"):
        catalog.list_namespaces()
    assert table.scan().count() == 3


# --- tables go to other processes ---

ELSEWHERE = """
import pickle, sys
thing = pickle.loads(sys.stdin.buffer.read())
print(thing.count() if hasattr(thing, "count") else thing.scan().count())
"""


@pytest.mark.parametrize("what", ["table", "scan"])
def test_tables_and_scans_travel(home: Path, what: str) -> None:
    table = fill(load_catalog("prod", **sqlite(home)))
    thing: Any = table if what == "table" else table.scan("id > 1")
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=pickle.dumps(thing), capture_output=True, check=True)
    assert int(done.stdout) == (3 if what == "table" else 2)
    assert copy.copy(table) == table


# --- tables ---


def test_names_with_spaces_and_dots_are_pyicebergs(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    catalog.create_namespace(("a", "b.c"))
    assert catalog.list_namespaces("a.b") == [("a", "b", "c")]
    catalog.create_table(("a.b.c", "t"), ROWS.schema)
    assert catalog.load_table(("a", "b", "c", "t")).name() == ("a", "b", "c", "t")
    assert catalog.list_tables(("a", "b.c")) == [("a", "b", "c", "t")]


def test_a_name_without_a_namespace(home: Path) -> None:
    with pytest.raises(ValueError, match="Empty namespace"):
        load_catalog("prod", **sqlite(home)).load_table("t")


def test_errors_are_ours_and_pyicebergs(home: Path) -> None:
    with pytest.raises(NoSuchTableError) as caught:
        load_catalog("prod", **sqlite(home)).load_table("ns.t")
    assert isinstance(caught.value, floe_engine.NoSuchTable)


def test_a_property_that_is_no_text(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    catalog.create_namespace("ns")
    with pytest.raises(ValueError, match="None type is not a supported value in properties: empty"):
        catalog.create_table("ns.t", ROWS.schema, properties={"empty": None})
    given: dict[str, Any] = {"format-version": 1, "owner": "me", "checked": True}
    table = catalog.create_table("ns.t", ROWS.schema, properties=given)
    assert table.format_version == 1
    assert table.properties == {"owner": "me", "checked": "true"}
    assert given["format-version"] == 1, "what the caller passed stays his"


def test_register_and_rename(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    table = fill(catalog)
    catalog.create_namespace("other")
    assert catalog.register_table("other.u", table.metadata_location).scan().count() == 3
    with pytest.raises(NotImplementedError, match="overwrite"):
        catalog.register_table("other.u", table.metadata_location, overwrite=True)
    assert catalog.rename_table("other.u", "ns.v").name() == ("ns", "v")
    assert sorted(catalog.list_tables("ns")) == [("ns", "t"), ("ns", "v")]


def test_purge_removes_the_files(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    fill(catalog)
    catalog.purge_table("ns.t")
    assert not catalog.table_exists("ns.t")
    assert not [path for path in (home / "warehouse").rglob("*") if path.is_file()]


def test_views_are_not_there(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    with pytest.raises(NotImplementedError, match="views"):
        catalog.list_views("ns")


def test_a_table_is_made_in_a_transaction(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    catalog.create_namespace("a.b")
    schema = Schema(NestedField(1, "id", LongType()))
    with catalog.create_table_transaction("a.b.t", schema, properties={"owner": "me"}) as transaction:
        transaction.append(pa.table({"id": [1, 2]}))
        assert not catalog.table_exists("a.b.t")
    table = catalog.load_table("a.b.t")
    assert table.properties["owner"] == "me"
    assert table.scan().to_arrow().column("id").to_pylist() == [1, 2]
    with pytest.raises(pyiceberg.exceptions.CommitFailedException):
        catalog.create_table_transaction("a.b.t", schema).commit_transaction()


def test_a_table_of_version_3_is_made_in_a_transaction(home: Path) -> None:
    catalog = load_catalog("prod", **sqlite(home))
    catalog.create_namespace("a")
    schema = Schema(NestedField(1, "id", LongType()))
    with catalog.create_table_transaction("a.t", schema, properties={"format-version": "3"}) as transaction:
        transaction.append(pa.table({"id": [1, 2]}))
        transaction.delete("id = 1", mode="merge-on-read")
    table = catalog.load_table("a.t")
    assert table.metadata.format_version == 3
    assert table.scan(selected_fields=("id", "_row_id")).to_arrow().to_pylist() == [{"id": 2, "_row_id": 1}]
