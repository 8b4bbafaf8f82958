"""PyIceberg's own tests of catalogs and tables, run on ours. Its source distribution brings them, into build/."""

from __future__ import annotations

import sys

import pyiceberg
import pytest

from tests.pyiceberg import suite

# Where tables are changed; `make pyiceberg-suite` runs all that need no server.
FILES = (
    "tests/catalog/test_sql.py",
    "tests/catalog/test_catalog_behaviors.py",
    "tests/table/test_init.py",
    "tests/table/test_commit_retry.py",
    "tests/table/test_expire_snapshots.py",
    "tests/table/test_manage_snapshots.py",
    "tests/test_schema.py",
)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", FILES)
def test_pyicebergs_own_tests(file: str) -> None:
    outcomes, said = suite.run(sys.executable, suite.sources(pyiceberg.__version__), file, plugins=("floe_in_place",))
    assert {found["outcome"] for found in outcomes.values()} <= {"passed", "listed", "skipped"}, said[-20_000:]
    assert outcomes, said[-20_000:]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_of_pyicebergs_tests_that_need_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["suite"])
    assert suite.main() == 0
