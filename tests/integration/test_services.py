"""`make services`: servers for a person, which are gone afterwards."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FIXTURES = Path(__file__).parents[2] / "testing/fixtures"
SERVE_ALL = [sys.executable, str(FIXTURES / "serve_all.py")]


def _is_served(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_servers_are_there_until_it_ends_however_it_does(end: signal.Signals, rest_server: str) -> None:
    with subprocess.Popen([*SERVE_ALL, "postgresql", "iceberg-rest"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if "until Ctrl-C" in line:
                break
        exports = [shlex.split(line)[1].partition("=") for line in lines if line.startswith("export ")]
        values = {name: value for name, _, value in exports}
        assert values["PYICEBERG_CATALOG__ICEBERG_REST__URI"] == values["FLOE_TEST_ICEBERG_REST"]
        urls = [values["FLOE_TEST_POSTGRESQL"], values["FLOE_TEST_ICEBERG_REST"]]
        assert all(_is_served(url) for url in urls)
        process.send_signal(end)
        assert process.wait(timeout=60) == (-end if end == signal.SIGKILL else 0)
    while end == signal.SIGKILL and any(_is_served(url) for url in urls):  # nobody has waited for them
        time.sleep(0.1)
    assert not any(_is_served(url) for url in urls)


def test_a_server_that_is_not_known_is_said() -> None:
    done = subprocess.run([*SERVE_ALL, "oracle"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no oracle" in done.stderr
