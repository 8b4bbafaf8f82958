"""The demo in a real instance: `dagster dev`, runs launched through its GraphQL, and its pages in a browser."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from floe_iceberg import FloeTable, load_catalog

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
ENDED = ("SUCCESS", "FAILURE", "CANCELED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Instance:
    address: str
    folder: Path

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def wait(self, what: str, query: str, **variables: Any) -> str:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            status: str = self.ask(query, **variables)[what]["status"]
            if status in ENDED:
                return status
            time.sleep(0.5)
        raise TimeoutError(f"{what} {variables} did not end")

    def launch(self, **selector: Any) -> str:
        """Launch a run and wait for its end."""
        repository = self.ask("{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}}}}}")
        node = repository["repositoriesOrError"]["nodes"][0]
        parameters = {
            "selector": {
                "repositoryName": node["name"],
                "repositoryLocationName": node["location"]["name"],
                **selector,
            },
            "runConfigData": {},
        }
        launched = self.ask(
            """mutation ($parameters: ExecutionParams!) {launchRun(executionParams: $parameters)
            {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}""",
            parameters=parameters,
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        query = "query ($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"
        return self.wait("runOrError", query, id=launched["run"]["runId"])

    def backfill(self, path: list[str], partitions: list[str]) -> str:
        """Launch a backfill and wait for its end."""
        parameters = {"assetSelection": [{"path": path}], "partitionNames": partitions}
        launched = self.ask(
            """mutation ($parameters: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $parameters)
            {__typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}""",
            parameters=parameters,
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        query = """query ($id: String!) {partitionBackfillOrError(backfillId: $id)
            {... on PartitionBackfill {status}}}"""
        return self.wait("partitionBackfillOrError", query, id=launched["backfillId"])

    def metadata(self, path: list[str]) -> dict[str, Any]:
        """Of an asset's latest materialization."""
        asked = self.ask(
            """query ($key: AssetKeyInput!) {assetOrError(assetKey: $key) {... on Asset
            {assetMaterializations(limit: 1) {metadataEntries {label __typename
            ... on IntMetadataEntry {intValue} ... on TextMetadataEntry {text} ... on MarkdownMetadataEntry {mdStr}
            ... on TableSchemaMetadataEntry {schema {columns {name type}}}}}}}}""",
            key={"path": path},
        )
        (materialization,) = asked["assetOrError"]["assetMaterializations"]
        return {entry["label"]: entry for entry in materialization["metadataEntries"]}

    def table(self, name: str) -> FloeTable:
        uri, warehouse = f"sqlite:///{self.folder}/catalog.db", f"file://{self.folder}/warehouse"
        return load_catalog("demo", type="sql", uri=uri, warehouse=warehouse).load_table(name)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("dagster")
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "examples" / "dagster.yaml").read_text())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "FLOE_DEMO_FOLDER": str(folder)}
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "examples.dagster_flights",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        ) as server,
    ):
        try:
            yield started(Instance(f"http://127.0.0.1:{port}", folder), server)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def started(instance: Instance, server: subprocess.Popen[bytes]) -> Instance:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            said = instance.ask("{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}")
            if said["repositoriesOrError"].get("nodes"):
                return instance
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError((instance.folder / "log").read_text()[-4000:])


def test_the_demo_backfills_upserts_and_compacts(instance: Instance) -> None:
    departures = ["flights", "departures"]
    months = ["2013-01-01", "2013-02-01", "2013-03-01"]
    assert instance.backfill(departures, months) == "COMPLETED_SUCCESS"
    table = instance.table("demo.flights.departures")
    # Of 27,004, 24,951 and 28,834 flights of each month in local time: partitions are months in UTC.
    rows = table.scan().count()
    assert 80_000 < rows < 81_000
    assert len(table.snapshots()) == 3

    assert instance.backfill(departures, months[1:2]) == "COMPLETED_SUCCESS"
    assert instance.table("demo.flights.departures").scan().count() == rows, "a month again is the same month"

    assert instance.launch(jobName="__ASSET_JOB", assetSelection=[{"path": ["flights", "delays"]}]) == "SUCCESS"
    delays = instance.table("demo.flights.delays")
    assert sum(delays.scan().to_arrow()["flights"].to_pylist()) == rows
    before = delays.current_snapshot()
    assert instance.launch(jobName="__ASSET_JOB", assetSelection=[{"path": ["flights", "delays"]}]) == "SUCCESS"
    assert instance.table("demo.flights.delays").current_snapshot() == before, "nothing has changed"

    told = instance.metadata(departures)
    assert told["dagster/row_count"]["intValue"] == rows
    assert told["dagster/partition_row_count"]["intValue"] > 20_000
    assert {"name": "time_hour", "type": "timestamptz"} in told["dagster/column_schema"]["schema"]["columns"]
    assert told["iceberg/growth"]["mdStr"].startswith("![")

    assert instance.launch(jobName="iceberg_maintenance") == "SUCCESS"
    assert len(instance.table("demo.flights.departures").snapshots()) == 1
    assert instance.table("demo.flights.departures").scan().count() == rows


def test_the_assets_page_shows_metadata_and_the_plot(instance: Instance, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium: apt-get install chromium")
    instance.backfill(["flights", "departures"], ["2013-04-01"])
    shots = Path(os.environ.get("FLOE_SCREENSHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 1500, "height": 2200})
        page.goto(f"{instance.address}/assets/flights/departures?view=overview")
        page.get_by_text("iceberg/snapshot_id").first.wait_for(timeout=60_000)
        for label in ("iceberg/files", "iceberg/bytes", "time_hour", "timestamptz"):
            assert page.get_by_text(label, exact=True).count(), label
        page.screenshot(path=shots / "overview.png")
        page.get_by_text("[Show Markdown]").first.click()
        plot = page.locator("img[alt='rows by snapshot']").first
        plot.wait_for(timeout=30_000)
        assert plot.evaluate("image => image.complete && image.naturalWidth") == 640
        page.wait_for_timeout(500)  # it comes slowly into view
        page.screenshot(path=shots / "growth.png")
        page.goto(f"{instance.address}/assets/flights/departures?view=checks")
        page.get_by_text("row_count").first.wait_for(timeout=60_000)
        page.screenshot(path=shots / "checks.png")
        browser.close()
