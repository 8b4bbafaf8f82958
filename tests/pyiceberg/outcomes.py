"""A pytest plugin that writes what became of each test, as JSON, to the file of ``SUITE_OUTCOMES``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

outcomes: dict[str, dict[str, str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    found = outcomes.setdefault(report.nodeid, {"outcome": "passed", "by": ""})
    found.update((key, str(value)) for key, value in report.user_properties if key == "by")
    if hasattr(report, "wasxfail"):
        found["outcome"] = "listed"
    elif report.outcome != "passed":
        found["outcome"] = report.outcome


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        outcomes[report.nodeid] = {"outcome": "failed", "by": ""}


def pytest_sessionfinish() -> None:
    Path(os.environ["SUITE_OUTCOMES"]).write_text(json.dumps(outcomes, indent=1))
