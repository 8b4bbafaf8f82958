"""How many requests an operation on a REST catalog takes: the fewest that the protocol allows."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.rest import RestCatalog

from floe_iceberg import FloeCatalog, load_catalog
from testing.fixtures.counting_proxy import CountingProxy

ROWS = pa.table({"id": [1, 2, 3], "part": ["a", "a", "b"]})


@pytest.fixture
def proxy(rest_server: str) -> Iterator[CountingProxy]:
    with CountingProxy(rest_server) as proxy:
        yield proxy


@pytest.fixture
def ns() -> str:
    return f"requests_{uuid.uuid4().hex}"


@pytest.fixture
def catalog(proxy: CountingProxy, ns: str) -> FloeCatalog:
    catalog = load_catalog("prod", type="rest", uri=proxy.url)
    catalog.create_namespace(ns)
    catalog.create_table((ns, "t"), ROWS.schema)
    proxy.take()
    return catalog


def test_each_operation_takes_the_fewest_requests(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    table_path = f"/v1/namespaces/{ns}/tables/t"
    load, commit = f"GET {table_path}", f"POST {table_path}"

    assert load_catalog("prod", type="rest", uri=proxy.url)
    assert proxy.take() == ["GET /v1/config"]
    table = catalog.load_table((ns, "t"))
    assert proxy.take() == [load]

    table.append(ROWS)
    assert proxy.take() == [commit]  # no load before it, and none after
    table.append(ROWS)
    assert proxy.take() == [commit]
    table.overwrite(ROWS.slice(0, 1), "id = 1")
    assert proxy.take() == [commit]
    table.delete("id = 2")
    assert proxy.take() == [commit]
    table.upsert(pa.table({"id": [3, 4], "part": ["x", "y"]}), join_cols=["id"])
    assert proxy.take() == [commit]
    with table.transaction() as transaction:
        transaction.append(ROWS)
        transaction.delete("id = 4")
        transaction.set_properties({"k": "v"})
    assert proxy.take() == [commit]
    with table.update_schema() as update:
        update.rename_column("part", "piece")
    assert proxy.take() == [commit]
    table.manage_snapshots().create_tag(table.metadata.current_snapshot_id or 0, "now").commit()
    assert proxy.take() == [commit]
    table.scan("id > 1").plan_files()
    table.scan("id > 1").to_arrow()
    table.scan().count()
    table.inspect.files()
    assert proxy.take() == []  # the rest is files
    table.refresh()
    assert proxy.take() == [load]
    assert proxy.told()[-1].status == 304  # and what has not changed is not sent

    assert catalog.table_exists((ns, "t"))
    assert proxy.take() == [f"HEAD {table_path}"]
    catalog.list_tables(ns)
    assert proxy.take() == [f"GET /v1/namespaces/{ns}/tables"]
    catalog.drop_table((ns, "t"))
    assert proxy.take() == [f"DELETE {table_path}"]


def test_a_table_with_its_first_rows_is_staged_and_made(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    with catalog.create_table_transaction((ns, "made"), ROWS.schema) as made:
        made.append(ROWS)
    assert proxy.take() == [f"POST /v1/namespaces/{ns}/tables", f"POST /v1/namespaces/{ns}/tables/made"]


def test_a_commit_that_comes_late_costs_a_load_and_another_one(
    proxy: CountingProxy, catalog: FloeCatalog, ns: str, rest_server: str
) -> None:
    table = catalog.load_table((ns, "t"))
    load_catalog("other", type="rest", uri=rest_server).load_table((ns, "t")).append(ROWS)
    proxy.take()
    table.append(ROWS)
    path = f"/v1/namespaces/{ns}/tables/t"
    assert proxy.take() == [f"POST {path}", f"GET {path}", f"POST {path}"]
    assert table.scan().count() == 6


def test_pyiceberg_takes_no_fewer(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    def requests(work: Callable[[], Any]) -> int:
        proxy.take()
        work()
        return len(proxy.take())

    def load_and_append(catalog: Any) -> None:
        catalog.load_table((ns, "t")).append(ROWS)

    theirs = RestCatalog("theirs", uri=proxy.url)
    for work in (
        lambda catalog: catalog.load_table((ns, "t")),
        load_and_append,
        lambda catalog: catalog.load_table((ns, "t")).scan().to_arrow(),
        lambda catalog: catalog.load_table((ns, "t")).delete("id = 17"),
        lambda catalog: catalog.table_exists((ns, "t")),
        lambda catalog: catalog.list_tables(ns),
    ):
        assert requests(lambda work=work: work(catalog)) <= requests(lambda work=work: work(theirs))  # type: ignore[misc]


@pytest.mark.parametrize("version", ["2", "3"])
def test_a_table_whose_scans_its_server_plans_is_refused_by_name(rest_server: str, ns: str, version: str) -> None:
    catalog = load_catalog("prod", type="rest", uri=rest_server, **{"scan-planning-mode": "server"})
    catalog.create_namespace(ns)
    table = catalog.create_table((ns, "t"), ROWS.schema, properties={"format-version": version})
    table.append(ROWS)
    table.delete("id = 1")
    for read in (
        lambda: table.scan().to_arrow(),
        lambda: table.scan().plan_files(),
        lambda: table.scan(options={"include_empty_files": "true"}).plan_files(),
        lambda: table.scan().count(),
        lambda: table.scan().to_arrow_batch_reader(),
    ):
        with pytest.raises(NotImplementedError, match=rf"table {ns}.t: .*scan-planning-mode=server"):
            read()
    client = load_catalog("prod", type="rest", uri=rest_server).load_table((ns, "t"))
    assert sorted(client.scan().to_arrow()["id"].to_pylist()) == [2, 3]


# --- reports, which go beside what is asked for ---


def _reports(proxy: CountingProxy, count: int) -> list[dict[str, Any]]:
    while len(found := [r for r in tuple(proxy.requests) if r.path.endswith("/metrics")]) < count:
        time.sleep(0.01)
    assert {request.status for request in found} == {204}  # Java has read them
    return [json.loads(request.body) for request in found]


def test_the_server_gets_reports_of_scans_and_commits(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    table = catalog.load_table((ns, "t"))
    table.append(ROWS)
    table.scan("part = 'secret' and id in (1, 2)", selected_fields=("id",)).to_arrow()
    table.scan().count()
    table.upsert(pa.table({"id": [3], "part": ["x"]}), join_cols=["id"])
    reports = _reports(proxy, 4)
    assert [report["report-type"] for report in reports] == [
        "commit-report",
        "scan-report",
        "scan-report",
        "commit-report",
    ]
    appended, filtered, counted, upserted = reports
    assert all(report["table-name"] == f"{ns}.t" for report in reports)
    first, second = table.metadata.snapshots
    assert (appended["snapshot-id"], appended["sequence-number"]) == (first.snapshot_id, 1)
    assert appended["operation"] == "append"
    assert appended["metrics"]["added-records"] == {"unit": "count", "value": 3}
    assert appended["metrics"]["added-files-size-bytes"]["unit"] == "bytes"
    assert appended["metrics"]["total-duration"]["total-duration"] > 0
    assert filtered["snapshot-id"] == first.snapshot_id
    assert (filtered["projected-field-ids"], filtered["projected-field-names"]) == ([1], ["id"])
    assert filtered["filter"]["type"] == "and"
    assert "secret" not in json.dumps(filtered)
    assert counted["filter"] is True
    assert counted["metrics"]["result-data-files"] == {"unit": "count", "value": 1}
    assert counted["metrics"]["result-records"]["value"] == 3
    assert counted["metrics"]["total-planning-duration"]["total-duration"] > 0
    assert upserted["snapshot-id"] == second.snapshot_id


def test_a_scan_of_an_empty_table_and_tasks_are_reported(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    table = catalog.load_table((ns, "t"))
    table.scan().to_arrow()
    (empty,) = _reports(proxy, 1)
    assert empty["snapshot-id"] == -1
    table.append(ROWS)
    list(table.scan().plan_tasks())
    assert _reports(proxy, 3)[-1]["metrics"]["result-data-files"]["value"] == 1


def test_reports_can_be_declined(proxy: CountingProxy, catalog: FloeCatalog, ns: str) -> None:
    quiet = load_catalog("prod", type="rest", uri=proxy.url, **{"rest-metrics-reporting-enabled": "false"})
    table = quiet.load_table((ns, "t"))
    table.append(ROWS)
    table.scan().to_arrow()
    catalog.load_table((ns, "t")).scan().to_arrow()
    (report,) = _reports(proxy, 1)
    assert report["report-type"] == "scan-report"
