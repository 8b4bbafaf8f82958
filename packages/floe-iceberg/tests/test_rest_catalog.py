"""REST catalogs, on the reference server of Iceberg's Java, and beside PyIceberg's own client of it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyiceberg.catalog
import pyiceberg.exceptions
import pytest
from pydantic import SecretStr
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from testing.fixtures.answering import answering

ROWS = pa.table({"id": [1, 2, 3], "text": ["a", "b", None]})


@pytest.fixture
def catalog(rest_server: str) -> FloeCatalog:
    return load_catalog("prod", type="rest", uri=rest_server)


@pytest.fixture
def ns(catalog: FloeCatalog) -> str:
    """A namespace that no other test has."""
    name = f"ns_{uuid.uuid4().hex}"
    catalog.create_namespace(name)
    return name


def test_tables_are_shared_with_pyicebergs_client(catalog: FloeCatalog, rest_server: str, ns: str) -> None:
    table = catalog.create_table(f"{ns}.t", ROWS.schema, properties={"owner": "ann"})
    table.append(ROWS)
    table.upsert(pa.table({"id": [3, 4], "text": ["c", "d"]}), join_cols=["id"])
    table.delete("id = 1")

    stranger = pyiceberg.catalog.load_catalog("prod", type="rest", uri=rest_server)
    theirs = stranger.load_table(f"{ns}.t")
    assert sorted(theirs.scan().to_arrow()["id"].to_pylist()) == [2, 3, 4]
    assert theirs.properties["owner"] == "ann"
    theirs.append(pa.table({"id": [5], "text": ["e"]}))
    table.append(pa.table({"id": [6], "text": ["f"]}))  # on what they made of it
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == [2, 3, 4, 5, 6]
    assert catalog.list_tables(ns) == stranger.list_tables(ns) == [(ns, "t")]


def test_every_kind_of_change_is_a_commit_on_the_server(catalog: FloeCatalog, ns: str) -> None:
    table = catalog.create_table((ns, "t"), ROWS.schema, properties={"format-version": "3"})
    with table.transaction() as transaction:
        transaction.append(ROWS)
        transaction.set_properties(owner="bob")
    with table.update_schema() as schema:
        schema.add_column("extra", LongType())
    with table.update_spec() as spec:
        spec.add_field("text", IdentityTransform())
    table.append(pa.table({"id": [4], "text": ["d"], "extra": [7]}))
    assert table.current_snapshot() is not None
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "first").commit()  # type: ignore[union-attr]
    again = catalog.load_table((ns, "t"))
    assert again.metadata == table.metadata
    assert again.scan("extra = 7").to_arrow()["id"].to_pylist() == [4]
    assert set(again.refs()) == {"main", "first"}


def test_a_new_table_and_its_rows_are_one_commit(catalog: FloeCatalog, ns: str) -> None:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "text", StringType()))
    with catalog.create_table_transaction(f"{ns}.t", schema) as transaction:
        transaction.append(ROWS)
        assert not catalog.table_exists(f"{ns}.t")
    assert catalog.load_table(f"{ns}.t").scan().count() == 3
    with (
        pytest.raises(pyiceberg.exceptions.TableAlreadyExistsError),
        catalog.create_table_transaction(f"{ns}.t", schema),
    ):
        pass


def test_names_with_dots_are_told_apart_by_tuples() -> None:
    asked: list[str] = []

    def answer(path: str, _: dict[str, str]) -> tuple[int, Any]:
        asked.append(path)
        return 200, {"namespaces": [], "identifiers": []}

    with answering(answer) as url:
        catalog = load_catalog("prod", type="rest", uri=url)
        catalog.list_tables(("a", "b.c"))
        catalog.list_tables("a.b.c")
        catalog.list_namespaces(("a.b",))
        catalog.table_exists(("a.b", "t.u"))
    assert asked[1:] == [
        "/v1/namespaces/a%1Fb.c/tables?pageToken=",
        "/v1/namespaces/a%1Fb%1Fc/tables?pageToken=",
        "/v1/namespaces?parent=a.b&pageToken=",
        "/v1/namespaces/a.b/tables/t.u",
    ]


def test_dropping_keeps_the_files_and_purging_has_the_server_remove_them(catalog: FloeCatalog, ns: str) -> None:
    table = catalog.create_table(f"{ns}.t", ROWS.schema)
    table.append(ROWS)
    location = table.metadata_location
    catalog.drop_table(f"{ns}.t")
    back = catalog.register_table(f"{ns}.t", location)
    assert back.scan().count() == 3
    catalog.rename_table(f"{ns}.t", f"{ns}.u")
    catalog.purge_table(f"{ns}.u")
    assert not catalog.table_exists(f"{ns}.u")
    assert not Path(location.removeprefix("file://")).exists()


def test_errors_are_pyicebergs_with_the_servers_words(catalog: FloeCatalog, ns: str) -> None:
    with pytest.raises(pyiceberg.exceptions.NoSuchTableError, match=rf"catalog prod: table {ns}\.t: .*HTTP 404"):
        catalog.load_table(f"{ns}.t")
    with pytest.raises(pyiceberg.exceptions.NoSuchNamespaceError):
        catalog.create_table("nowhere.t", ROWS.schema)
    with pytest.raises(pyiceberg.exceptions.NamespaceAlreadyExistsError):
        catalog.create_namespace(ns)
    catalog.create_table(f"{ns}.t", ROWS.schema)
    with pytest.raises(pyiceberg.exceptions.NamespaceNotEmptyError):
        catalog.drop_namespace(ns)


def test_handles_travel_to_other_processes(catalog: FloeCatalog, ns: str) -> None:
    table = catalog.create_table(f"{ns}.t", ROWS.schema)
    table.append(ROWS)
    again: FloeTable = pickle.loads(pickle.dumps(table))
    assert again.scan().count() == 3
    again.append(ROWS)
    assert FloeCatalog(catalog.name, **catalog.properties).load_table(f"{ns}.t").scan().count() == 6


def test_pyicebergs_load_catalog_opens_it(rest_server: str, ns: str) -> None:
    options = {"py-catalog-impl": "floe_iceberg.catalog.FloeCatalog", "floe.catalog.type": "rest", "uri": rest_server}
    opened = pyiceberg.catalog.load_catalog("prod", **options)
    assert isinstance(opened, FloeCatalog)
    assert opened.namespace_exists(ns)
    assert pyiceberg.catalog.load_catalog("prod", **options | opened.properties).namespace_exists(ns)


def test_the_url_alone_says_that_it_is_a_rest_catalog(rest_server: str, ns: str) -> None:
    assert load_catalog("prod", uri=rest_server).namespace_exists(ns)


def test_secrets_are_neither_lost_nor_shown() -> None:
    seen: list[str] = []

    def answer(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        seen.append(headers.get("Authorization", ""))
        if path == "/v1/oauth/tokens":
            return 200, {"access_token": "from-the-server", "expires_in": 3600}
        return 200, {"defaults": {"s3.endpoint": "http://store"}, "overrides": {}}

    with answering(answer) as url:
        catalog = load_catalog("prod", type="rest", uri=url, credential=SecretStr("me:geheim"))
        assert seen == ["", "Bearer from-the-server"]
        assert catalog.properties["s3.endpoint"] == "http://store"
        assert catalog.properties["credential"] == "me:geheim"
        assert "geheim" not in repr(catalog.properties) + str(catalog) + repr(catalog)
        load_catalog("prod", type="rest", uri=url, token="geheim", **{"header.X-Key": "geheim"})
        assert seen[-1] == "Bearer geheim"


def test_who_is_refused_learns_so() -> None:
    def answer(path: str, _: dict[str, str]) -> tuple[int, Any]:
        if path.startswith("/v1/config"):
            return 200, {}
        return 403, {"error": {"message": "ann may not", "type": "ForbiddenException", "code": 403}}

    with answering(answer) as url:
        catalog = load_catalog("prod", type="rest", uri=url)
        with pytest.raises(pyiceberg.exceptions.ForbiddenError, match="ann may not"):
            catalog.list_namespaces()
        with pytest.raises(floe_engine.Forbidden):
            catalog.load_table("a.t")
    with (
        answering(lambda *_: (401, {"error": "invalid_client"})) as url,
        pytest.raises(pyiceberg.exceptions.UnauthorizedError, match="invalid_client") as raised,
    ):
        load_catalog("prod", type="rest", uri=url, credential="me:geheim")
    assert "geheim" not in str(raised.value)


def test_what_cannot_be_honoured_is_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match="snapshot-loading-mode"):
        load_catalog("prod", type="rest", uri="http://127.0.0.1:1", **{"snapshot-loading-mode": "refs"})
    with pytest.raises(floe_engine.InvalidArgument, match="the property auth has parts"):
        load_catalog("prod", type="rest", uri="http://127.0.0.1:1", auth={"type": "basic"})  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="TLS is always verified"):
        load_catalog("prod", type="rest", uri="http://127.0.0.1:1", ssl={"cabundle": False})  # type: ignore[arg-type]
    with pytest.raises(floe_engine.InvalidArgument, match="uri"):
        load_catalog("prod", type="rest")


def test_ctrl_c_reaches_who_waits_for_the_server() -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever other tests' libraries left there
    asked, answer, answered = threading.Event(), threading.Event(), threading.Event()

    def slowly(path: str, _: dict[str, str]) -> tuple[int, Any]:
        if not path.startswith("/v1/config"):
            asked.set()
            answer.wait(60)
            answered.set()
        return 200, {}

    def interrupt() -> None:
        asked.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    with answering(slowly) as url:
        catalog = load_catalog("prod", type="rest", uri=url)
        threading.Thread(target=interrupt).start()
        try:
            with pytest.raises(KeyboardInterrupt):
                catalog.list_namespaces()
            assert not answered.is_set()
        finally:
            answer.set()
            signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
