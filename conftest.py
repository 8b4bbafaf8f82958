"""What all tests share."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["testing.fixtures.services", "testing.fixtures.storage"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With FLOE_NO_SKIPS nothing may be skipped: what cannot run where everything is installed is broken."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FLOE_NO_SKIPS") and reporter is not None and (skipped := reporter.stats.get("skipped")):
        reporter.write_line(f"FLOE_NO_SKIPS: {len(skipped)} tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
