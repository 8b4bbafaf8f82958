"""Apache Polaris: OAuth2, credentials that it lends, privileges that it refuses.

On the server at FLOE_POLARIS_URI (with or without "/api/catalog"), as the principal of FLOE_POLARIS_CREDENTIAL
("id:secret", who may manage catalogs and principals) in FLOE_POLARIS_SCOPE ("PRINCIPAL_ROLE:ALL"). Tables go to the
bucket FLOE_S3_BUCKET ("floe-polaris") of the store at FLOE_S3_ENDPOINT, which Polaris reaches by the same address, with
FLOE_S3_ACCESS_KEY and FLOE_S3_SECRET_KEY. With FLOE_STS_ENDPOINT Polaris lends credentials for each table; without it
clients use keys of their own.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyiceberg.catalog
import pytest
from pyiceberg.exceptions import (
    CommitFailedException,
    ForbiddenError,
    NoSuchTableError,
    NoSuchViewError,
    TableAlreadyExistsError,
    UnauthorizedError,
)
from pyiceberg.view.metadata import SQLViewRepresentation, ViewRepresentation, ViewVersion

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from floe_iceberg.errors import IoError

pytestmark = [
    pytest.mark.polaris,
    pytest.mark.skipif(
        "FLOE_POLARIS_URI" not in os.environ,
        reason="FLOE_POLARIS_URI and FLOE_POLARIS_CREDENTIAL say which Apache Polaris to test on",
    ),
]

ROWS = pa.table({"id": [1, 2, 3], "text": ["a", "b", None]})
SCOPE = os.environ.get("FLOE_POLARIS_SCOPE", "PRINCIPAL_ROLE:ALL")
LENDS = "FLOE_STS_ENDPOINT" in os.environ


@dataclass(frozen=True)
class Polaris:
    """A catalog of the tests' own in Polaris, and its management."""

    base: str
    credential: str
    catalog: str

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the management API. Tokens last for seconds here, so that each request has its own.

        Raises:
            HTTPError: It refuses.
        """
        request = urllib.request.Request(
            f"{self.base}/api/management/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token(self.base, self.credential)}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def properties(self, credential: str, **more: str) -> dict[str, str]:
        """What a client of the catalog needs."""
        own_keys = {} if LENDS else {**store_access(), "header.X-Iceberg-Access-Delegation": ""}
        return {
            "type": "rest",
            "uri": f"{self.base}/api/catalog",
            "warehouse": self.catalog,
            "credential": credential,
            "scope": SCOPE,
            **own_keys,
            **more,
        }

    def principal(self, *privileges: str) -> str:
        """The credential of a new principal who has these privileges on the catalog."""
        name = f"p_{uuid.uuid4().hex}"
        made = self.manage("POST", "principals", {"principal": {"name": name}, "credentialRotationRequired": False})
        self.manage("POST", "principal-roles", {"principalRole": {"name": name}})
        self.manage("PUT", f"principals/{name}/principal-roles", {"principalRole": {"name": name}})
        self.manage("POST", f"catalogs/{self.catalog}/catalog-roles", {"catalogRole": {"name": name}})
        self.manage("PUT", f"principal-roles/{name}/catalog-roles/{self.catalog}", {"catalogRole": {"name": name}})
        for privilege in privileges:
            grant = {"grant": {"type": "catalog", "privilege": privilege}}
            self.manage("PUT", f"catalogs/{self.catalog}/catalog-roles/{name}/grants", grant)
        credentials = made["credentials"]
        return f"{credentials['clientId']}:{credentials['clientSecret']}"


def store_access() -> dict[str, str]:
    return {
        "s3.endpoint": os.environ["FLOE_S3_ENDPOINT"],
        "s3.access-key-id": os.environ["FLOE_S3_ACCESS_KEY"],
        "s3.secret-access-key": os.environ["FLOE_S3_SECRET_KEY"],
        "s3.region": "us-east-1",
    }


def token(base: str, credential: str) -> str:
    client, _, secret = credential.partition(":")
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": SCOPE}
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{base}/api/catalog/v1/oauth/tokens", data=data, timeout=30) as answer:
        found: str = json.load(answer)["access_token"]
    return found


@pytest.fixture(scope="module")
def bucket() -> str:
    name = os.environ.get("FLOE_S3_BUCKET", "floe-polaris")
    store = pafs.S3FileSystem(
        endpoint_override=os.environ["FLOE_S3_ENDPOINT"],
        access_key=os.environ["FLOE_S3_ACCESS_KEY"],
        secret_key=os.environ["FLOE_S3_SECRET_KEY"],
        region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir(name)
    return name


@pytest.fixture(scope="module")
def polaris(bucket: str) -> Iterator[Polaris]:
    base = os.environ["FLOE_POLARIS_URI"].rstrip("/").removesuffix("/api/catalog")
    name = f"floe_{uuid.uuid4().hex}"
    server = Polaris(base, os.environ["FLOE_POLARIS_CREDENTIAL"], name)
    location = f"s3://{bucket}/{name}"
    storage = {
        "storageType": "S3",
        "allowedLocations": [location],
        "endpoint": os.environ["FLOE_S3_ENDPOINT"],
        "pathStyleAccess": True,
        "region": "us-east-1",
        **({"stsEndpoint": os.environ["FLOE_STS_ENDPOINT"]} if LENDS else {"stsUnavailable": True}),
    }
    catalog = {
        "name": name,
        "type": "INTERNAL",
        "properties": {"default-base-location": location, "polaris.config.drop-with-purge.enabled": "true"},
        "storageConfigInfo": storage,
    }
    server.manage("POST", "catalogs", {"catalog": catalog})
    yield server
    ours = load_catalog("prod", **server.properties(server.credential))
    for ns in ours.list_namespaces():
        for table in ours.list_tables(ns):
            ours.drop_table(table)
        ours.drop_namespace(ns)
    server.manage("DELETE", f"catalogs/{name}")


@pytest.fixture
def catalog(polaris: Polaris) -> FloeCatalog:
    return load_catalog("prod", **polaris.properties(polaris.credential))


@pytest.fixture
def ns(catalog: FloeCatalog) -> str:
    name = f"ns_{uuid.uuid4().hex}"
    catalog.create_namespace(name, {"owner": "ann"})
    return name


@pytest.fixture
def table(catalog: FloeCatalog, ns: str) -> FloeTable:
    made = catalog.create_table(f"{ns}.t", ROWS.schema)
    made.append(ROWS)
    return made


def ids(table: pyiceberg.table.Table) -> list[int]:
    found: list[int] = table.scan().to_arrow()["id"].to_pylist()
    return sorted(found)


def test_namespaces_and_tables_come_and_go(catalog: FloeCatalog, ns: str) -> None:
    assert catalog.load_namespace_properties(ns)["owner"] == "ann"
    catalog.update_namespace_properties(ns, removals={"owner"}, updates={"color": "red"})
    assert catalog.load_namespace_properties(ns)["color"] == "red"
    catalog.create_table(f"{ns}.a", ROWS.schema)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table(f"{ns}.a", ROWS.schema)
    catalog.rename_table(f"{ns}.a", f"{ns}.b")
    assert catalog.list_tables(ns) == [(ns, "b")]
    catalog.drop_table(f"{ns}.b")
    with pytest.raises(NoSuchTableError):
        catalog.load_table(f"{ns}.b")


def test_rows_come_change_and_go(table: FloeTable, catalog: FloeCatalog) -> None:
    table.delete("id = 2")
    table.upsert(pa.table({"id": [3, 4], "text": ["c", "d"]}), join_cols=["id"])
    table.overwrite(pa.table({"id": [9], "text": ["z"]}), overwrite_filter="id = 1")
    with table.update_schema() as update:
        update.add_column("more", pyiceberg.types.LongType())
    assert ids(catalog.load_table(table.name())) == [3, 4, 9]


def test_a_table_is_made_with_its_rows(catalog: FloeCatalog, ns: str) -> None:
    with catalog.create_table_transaction(f"{ns}.staged", ROWS.schema) as staged:
        staged.append(ROWS)
    assert ids(catalog.load_table(f"{ns}.staged")) == [1, 2, 3]


def test_several_tables_are_changed_in_one_commit(table: FloeTable, catalog: FloeCatalog, ns: str) -> None:
    catalog.create_table(f"{ns}.u", ROWS.schema)
    with catalog.transaction() as transaction:
        transaction.table(f"{ns}.t").append(pa.table({"id": [4], "text": ["d"]}))
        transaction.table(f"{ns}.u").append(ROWS)
    assert (ids(catalog.load_table(f"{ns}.t")), ids(catalog.load_table(f"{ns}.u"))) == ([1, 2, 3, 4], [1, 2, 3])
    late = catalog.transaction()
    late.table(f"{ns}.t").append(pa.table({"id": [5], "text": ["e"]}))
    late.table(f"{ns}.u").delete("id = 1")
    catalog.load_table(f"{ns}.u").delete("id = 2")
    with pytest.raises(CommitFailedException):
        late.commit_transaction()
    assert (ids(catalog.load_table(f"{ns}.t")), ids(catalog.load_table(f"{ns}.u"))) == ([1, 2, 3, 4], [1, 3])


def test_a_table_is_registered(table: FloeTable, catalog: FloeCatalog, ns: str) -> None:
    catalog.drop_table(table.name())
    assert ids(catalog.register_table(f"{ns}.again", table.metadata_location)) == [1, 2, 3]


def test_views_come_and_go(table: FloeTable, catalog: FloeCatalog, ns: str) -> None:
    def query(sql: str) -> ViewVersion:
        representation = ViewRepresentation(SQLViewRepresentation(type="sql", sql=sql, dialect="spark"))
        return ViewVersion(schema_id=0, representations=[representation], default_namespace=(ns,))

    made = catalog.create_view(f"{ns}.v", table.schema(), query("select * from t"))
    assert catalog.list_views(ns) == [(ns, "v")]
    replaced = catalog.replace_view(f"{ns}.v", table.schema(), query("select * from t where id > 1"))
    assert replaced.uuid() == made.uuid()
    assert catalog.load_view(f"{ns}.v").metadata == replaced.metadata
    catalog.rename_view(f"{ns}.v", f"{ns}.w")
    catalog.drop_view(f"{ns}.w")
    with pytest.raises(NoSuchViewError):
        catalog.load_view(f"{ns}.w")


def test_pyicebergs_client_and_ours_share_tables(table: FloeTable, polaris: Polaris) -> None:
    credential = os.environ["FLOE_POLARIS_CREDENTIAL"]
    theirs = pyiceberg.catalog.load_catalog("theirs", **polaris.properties(credential)).load_table(table.name())
    theirs.append(ROWS)
    assert ids(table.refresh()) == [1, 1, 2, 2, 3, 3]


def test_of_two_that_change_a_table_at_once_one_is_refused(table: FloeTable, catalog: FloeCatalog) -> None:
    stale = catalog.load_table(table.name())
    with table.update_schema() as update:
        update.add_column("mine", pyiceberg.types.LongType())
    with pytest.raises(CommitFailedException), stale.update_schema() as update:
        update.add_column("theirs", pyiceberg.types.LongType())
    table.append(pa.table({"id": [7], "text": ["g"]}))
    stale.append(pa.table({"id": [8], "text": ["h"]}))  # appends rely on nothing: it is tried again
    assert ids(catalog.load_table(table.name())) == [1, 2, 3, 7, 8]


def test_who_is_not_known_is_told_so(polaris: Polaris) -> None:
    client, _, _ = os.environ["FLOE_POLARIS_CREDENTIAL"].partition(":")
    with pytest.raises(UnauthorizedError) as caught:
        load_catalog("prod", **polaris.properties(f"{client}:not-the-secret"))
    assert "not-the-secret" not in str(caught.value)


def test_who_may_only_read_changes_nothing(table: FloeTable, polaris: Polaris, catalog: FloeCatalog) -> None:
    readers = polaris.principal("TABLE_LIST", "TABLE_READ_PROPERTIES", "TABLE_READ_DATA", "NAMESPACE_LIST")
    theirs = load_catalog("reader", **polaris.properties(readers))
    seen = theirs.load_table(table.name())
    assert ids(seen) == [1, 2, 3]
    with pytest.raises((ForbiddenError, IoError)):  # by the catalog, or before by the store
        seen.append(ROWS)
    with pytest.raises(ForbiddenError):
        theirs.drop_table(table.name())
    with pytest.raises(ForbiddenError):
        theirs.create_namespace("theirs")
    assert ids(catalog.load_table(table.name())) == [1, 2, 3]


def test_who_has_no_privilege_sees_nothing(table: FloeTable, polaris: Polaris) -> None:
    strangers = load_catalog("stranger", **polaris.properties(polaris.principal("NAMESPACE_LIST")))
    with pytest.raises(ForbiddenError):
        strangers.load_table(table.name())


@pytest.mark.skipif(not LENDS, reason="FLOE_STS_ENDPOINT is where Polaris gets the credentials that it lends")
def test_lent_credentials_reach_no_other_table(table: FloeTable, catalog: FloeCatalog, ns: str) -> None:
    other = catalog.create_table(f"{ns}.other", ROWS.schema)
    lent = {key: value for key, value in table.config.items() if key.startswith(("s3.", "client."))}
    assert lent["s3.session-token"]
    assert table.metadata.location in floe_engine.open_table(table.metadata_location, lent).metadata_json()
    with pytest.raises(Exception, match=other.metadata_location.rpartition("/")[2]):
        floe_engine.open_table(other.metadata_location, lent)
