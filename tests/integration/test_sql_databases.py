"""SQL catalogs in every database: each implementation opens the others', and nobody prints a password."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyiceberg.catalog
import pytest
from pyiceberg.catalog.sql import SqlCatalog

import floe_engine
from floe_iceberg import FloeCatalog, load_catalog

ROWS = pa.table({"id": [1, 2, 3], "text": ["a", "b", None]})


@pytest.fixture
def properties(sql_url: str, tmp_path: Path) -> dict[str, str]:
    return {"uri": sql_url, "warehouse": f"file://{tmp_path}/warehouse"}


def test_we_and_pyiceberg_open_each_others_catalogs(properties: dict[str, str]) -> None:
    theirs = SqlCatalog("shared", **properties)  # which makes the tables
    theirs.create_namespace("theirs", {"owner": "them"})
    theirs.create_table("theirs.t", ROWS.schema).append(ROWS)
    ours = load_catalog("shared", type="sql", **properties)
    assert ours.load_namespace_properties("theirs") == {"owner": "them"}
    ours.load_table("theirs.t").append(ROWS)
    assert theirs.load_table("theirs.t").scan().to_arrow().num_rows == 6

    ours.create_namespace("ours.nested", {"owner": "us"})
    ours.create_table("ours.nested.t", ROWS.schema).append(ROWS)
    assert theirs.load_namespace_properties("ours.nested") == {"owner": "us"}
    theirs.load_table("ours.nested.t").append(ROWS)
    theirs.rename_table("ours.nested.t", "theirs.u")
    assert ours.load_table("theirs.u").scan().to_arrow().num_rows == 6
    assert sorted(ours.list_tables("theirs")) == sorted(theirs.list_tables("theirs"))


def test_pyiceberg_opens_what_we_made(properties: dict[str, str]) -> None:
    ours = load_catalog("shared", type="sql", **properties)
    ours.create_namespace("ns")
    ours.create_table("ns.t", ROWS.schema).append(ROWS)
    assert SqlCatalog("shared", **properties).load_table("ns.t").scan().to_arrow().equals(ROWS)


def test_the_type_is_told_by_the_url(properties: dict[str, str]) -> None:
    load_catalog("shared", **properties).create_namespace("ns")
    through = pyiceberg.catalog.load_catalog(
        "shared", **{"py-catalog-impl": "floe_iceberg.catalog.FloeCatalog", **properties}
    )
    assert through.list_namespaces() == [("ns",)]


def _append(properties: dict[str, str], table: Any) -> None:
    table.append(ROWS)
    load_catalog("shared", **properties).load_table("ns.t").append(ROWS)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tables_are_used_from_other_processes(properties: dict[str, str], method: str) -> None:
    catalog = load_catalog("shared", **properties)
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", ROWS.schema)
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as other:
        other.submit(_append, properties, table).result()
    table.append(ROWS)
    assert catalog.load_table("ns.t").scan().count() == 9


def test_a_catalog_is_the_same_again_from_its_properties(properties: dict[str, str]) -> None:
    catalog = load_catalog("shared", **properties)
    catalog.create_namespace("ns")
    for again in (FloeCatalog("shared", **catalog.properties), pickle.loads(pickle.dumps(catalog))):
        assert again.properties == catalog.properties
        assert again.list_namespaces() == [("ns",)]


# --- secrets ---

SECRET = "g%40heim"
URL = f"postgresql+psycopg2://user:{SECRET}@127.0.0.1:1/db?sslpassword={SECRET}"


def test_nothing_that_is_printed_shows_a_password(postgresql: str, tmp_path: Path) -> None:
    catalog = load_catalog("secret", uri=postgresql, warehouse=f"file://{tmp_path}")
    password = postgresql.split(":")[2].split("@")[0]
    assert password in catalog.properties["uri"]
    for text in (
        repr(catalog.properties),
        str(catalog.properties),
        f"{catalog.properties}",
        repr(catalog),
        str(catalog),
    ):
        assert password not in text
    catalog.create_namespace("ns")
    assert password not in repr(catalog.create_table("ns.t", ROWS.schema))


@pytest.mark.parametrize(
    "properties",
    [
        {"uri": URL},
        {"uri": URL + "&nonsense=1"},
        {"uri": URL.replace("psycopg2", "asyncpg")},
        {"uri": URL.replace("postgresql", "oracle")},
        {"uri": URL.replace("postgresql", "oracle"), "type": "sql"},
        {"uri": URL.replace("127.0.0.1:1", "127.0.0.1:port")},
        {"uri": URL, "pool_size": "0"},
    ],
)
def test_no_message_shows_a_password(properties: dict[str, str]) -> None:
    with pytest.raises((floe_engine.Error, NotImplementedError)) as raised:
        load_catalog("secret", **properties)
    error: BaseException | None = raised.value
    while error is not None:
        assert "heim" not in f"{error!s}{error!r}"
        error = error.__cause__
