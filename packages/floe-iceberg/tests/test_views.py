"""Views: a REST catalog's, shared with PyIceberg's own client; other catalogs say that they keep none."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyiceberg.catalog
import pytest
from pyiceberg import exceptions
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField
from pyiceberg.view import View
from pyiceberg.view.metadata import SQLViewRepresentation, ViewRepresentation, ViewVersion

from floe_iceberg import FloeCatalog, accelerate, load_catalog
from floe_iceberg.errors import InvalidArgumentError, NoSuchViewError, ViewAlreadyExistsError

SCHEMA = Schema(NestedField(1, "id", LongType()))


def version(**queries: str) -> ViewVersion:
    """A definition: a query in each dialect."""
    representations = [
        ViewRepresentation(SQLViewRepresentation(type="sql", sql=sql, dialect=dialect))
        for dialect, sql in queries.items()
    ]
    return ViewVersion(schema_id=0, representations=representations, default_namespace=("a",))


@pytest.fixture
def catalog(rest_server: str) -> FloeCatalog:
    return load_catalog("prod", type="rest", uri=rest_server)


@pytest.fixture
def ns(catalog: FloeCatalog) -> str:
    """A namespace that no other test has."""
    name = f"ns_{uuid.uuid4().hex}"
    catalog.create_namespace(name)
    return name


def test_views_are_shared_with_pyicebergs_client(catalog: FloeCatalog, rest_server: str, ns: str) -> None:
    stranger = pyiceberg.catalog.load_catalog("prod", type="rest", uri=rest_server)
    made = catalog.create_view(f"{ns}.v", SCHEMA, version(spark="select 1 as id"), properties={"comment": "one"})
    assert isinstance(made, View)
    theirs = stranger.load_view(f"{ns}.v")
    assert theirs == made
    assert theirs.sql_for("spark").sql == "select 1 as id"  # type: ignore[union-attr]
    assert theirs.properties["comment"] == "one"

    stranger.create_view(f"{ns}.w", SCHEMA, version(trino="select 2 as id"))
    assert sorted(catalog.list_views(ns)) == sorted(stranger.list_views(ns)) == [(ns, "v"), (ns, "w")]
    assert catalog.load_view((ns, "w")).sql_for("trino").sql == "select 2 as id"  # type: ignore[union-attr]
    assert catalog.view_exists(f"{ns}.w")
    assert catalog.list_tables(ns) == []
    catalog.drop_view(f"{ns}.w")
    assert not stranger.view_exists(f"{ns}.w")


def test_a_view_is_replaced_and_renamed(catalog: FloeCatalog, ns: str) -> None:
    first = catalog.create_view(f"{ns}.v", pa.schema([("id", pa.int64())]), version(spark="select 1 as id"))
    other = Schema(NestedField(1, "id", LongType()), NestedField(2, "more", LongType()))
    second = catalog.replace_view(f"{ns}.v", other, version(spark="select 1 as id, 2 as more", trino="..."))
    assert second.uuid() == first.uuid()
    assert second.schema().column_names == ["id", "more"]
    assert len(second.versions) == len(second.history()) == 2
    with pytest.raises(InvalidArgumentError, match="dialect trino"):
        catalog.replace_view(f"{ns}.v", other, version(spark="select 3"))
    moved = catalog.rename_view(f"{ns}.v", (ns, "moved"))
    assert moved.name() == (ns, "moved")
    assert moved.metadata == second.metadata
    assert not catalog.view_exists(f"{ns}.v")


def test_views_raise_pyicebergs_errors(catalog: FloeCatalog, ns: str) -> None:
    catalog.create_view(f"{ns}.v", SCHEMA, version(spark="select 1 as id"))
    with pytest.raises(exceptions.ViewAlreadyExistsError) as there:
        catalog.create_view(f"{ns}.v", SCHEMA, version(spark="select 1 as id"))
    assert isinstance(there.value, ViewAlreadyExistsError)
    with pytest.raises(exceptions.NoSuchViewError, match=f"{ns}.none") as gone:
        catalog.load_view(f"{ns}.none")
    assert isinstance(gone.value, NoSuchViewError)
    with pytest.raises(exceptions.NoSuchViewError):
        catalog.drop_view(f"{ns}.none")
    with pytest.raises(exceptions.NoSuchNamespaceError):
        catalog.create_view("none.v", SCHEMA, version(spark="select 1 as id"))
    with pytest.raises(InvalidArgumentError, match="needs a query"):
        catalog.create_view(f"{ns}.w", SCHEMA, version())


def test_other_catalogs_say_that_they_keep_none(tmp_path: Path, rest_server: str, ns: str) -> None:
    properties = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    with pytest.raises(NotImplementedError, match=r"catalog ours keeps no views \(a\.v\)"):
        load_catalog("ours", type="sql", **properties).load_view("a.v")
    with pytest.raises(NotImplementedError):
        accelerate(SqlCatalog("theirs", **properties)).load_view("a.v")
    accelerated = accelerate(pyiceberg.catalog.load_catalog("prod", type="rest", uri=rest_server))
    accelerated.create_view(f"{ns}.v", SCHEMA, version(spark="select 1 as id"))
    with pytest.raises(NotImplementedError, match=rf"cannot replace the view {ns}\.v"):
        accelerated.replace_view(f"{ns}.v", SCHEMA, version(spark="select 2 as id"))
    with pytest.raises(NotImplementedError, match="cannot rename"):
        accelerated.rename_view(f"{ns}.v", f"{ns}.w")
