"""Appends and scans through a REST catalog that is near and far."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks import data as inputs
from benchmarks.work import Prepare, Run, Work
from testing.fixtures.counting_proxy import COUNT

ROUNDS = 10
SMALL_ROWS = 10
FIXTURES = Path(__file__).parents[2] / "testing/fixtures"


def serving(*command: str) -> str:
    """The URL that a server prints, which lives as long as this process."""
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    atexit.register(server.communicate)
    return server.stdout.readline().strip()


def far_server(milliseconds: int) -> str:
    """Iceberg's REST reference server, at the other end of a line."""
    server = serving(str(FIXTURES / "iceberg-rest"), "serve")
    return serving(sys.executable, "-m", "testing.fixtures.counting_proxy", server, str(milliseconds))


def requests_so_far(url: str) -> int:
    with urlopen(url + COUNT) as answer:
        return int(answer.read())


def limit(milliseconds: int) -> Prepare:
    """The two requests that a load and a commit take, over one connection; nothing is written or read."""

    def prepare(data: Path, scratch: Path) -> Run:
        url = far_server(milliseconds)
        catalog, ns = floe(url), f"bench_{uuid.uuid4().hex}"
        catalog.create_namespace(ns)
        catalog.create_table((ns, "rows"), inputs.rows(0, SMALL_ROWS).schema)
        connection, path = HTTPConnection(urlsplit(url).netloc), f"/v1/namespaces/{ns}/tables/rows"

        def ask(method: str, body: str | None = None) -> None:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status

        def run() -> dict[str, int]:
            for n in range(ROUNDS):
                ask("GET")
                update = {"action": "set-properties", "updates": {"n": str(n)}}
                ask("POST", json.dumps({"requirements": [], "updates": [update]}))
            return {"commits": ROUNDS, "requests": 2 * ROUNDS}

        return run

    return prepare


def working(open_catalog: Callable[[str], Any], milliseconds: int) -> Prepare:
    def prepare(data: Path, scratch: Path) -> Run:
        url = far_server(milliseconds)
        batch, ns = inputs.rows(0, SMALL_ROWS), f"bench_{uuid.uuid4().hex}"
        catalog = open_catalog(url)
        catalog.create_namespace(ns)
        table = catalog.create_table((ns, "rows"), schema=batch.schema)
        table.append(batch)  # loads code
        table.scan().to_arrow()

        def run() -> dict[str, int]:
            before = requests_so_far(url)
            for n in range(ROUNDS):
                loaded = catalog.load_table((ns, "rows"))
                loaded.append(batch)
                assert len(loaded.scan().to_arrow()) == (n + 2) * SMALL_ROWS
            return {"commits": ROUNDS, "requests": requests_so_far(url) - before}

        return run

    return prepare


def floe(url: str) -> Any:
    from floe_iceberg import load_catalog

    return load_catalog("bench", type="rest", uri=url)


def pyiceberg(url: str) -> Any:
    from pyiceberg.catalog.rest import RestCatalog

    return RestCatalog("bench", uri=url)


REQUESTS = [
    Work(
        name=f"rest-{milliseconds}",
        title=f"load, append 10 rows and scan, ten times; a REST catalog {milliseconds} ms away",
        limit="its two requests each",
        reach=reach,
        data=lambda _: None,
        systems={
            "limit": limit(milliseconds),
            "floe": working(floe, milliseconds),
            "pyiceberg": working(pyiceberg, milliseconds),
        },
        repeat=1,
    )
    for milliseconds, reach in ((0, 2.5), (5, 2.0), (50, 1.2))
]
