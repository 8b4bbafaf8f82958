"""Which requirement is covered by which tests: what is marked `@pytest.mark.requirement("REQ-...")`.

    python -m testing.requirements [--tests]

Ends with 1 if a requirement of the storage plugin has no test.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import defaultdict

import pytest

REQUIREMENTS = {
    "REQ-041": "the contract of storage plugins",
    "REQ-042": "access through PyIceberg",
    "REQ-043": "tables are made; where their files go",
    "REQ-044": "columns change; what dbt is told",
    "REQ-045": "snapshots; what Dagster is told",
    "REQ-046": "looking back; what Helm is told",
    "REQ-047": "partitions; secrets stay secret",
    "REQ-048": "compaction; stores of all kinds",
    "REQ-049": "all or nothing; credentials are tried out",
    "REQ-050": "what is stored is measured",
    "REQ-051": "test fixtures",
}


class Collector:
    """What pytest collects, by requirement."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("requirement"):
                self.tests[str(mark.args[0])].append(item.nodeid)


def main(arguments: list[str]) -> int:
    """Print the table."""
    collector = Collector()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["--collect-only", "-qq", "-m", ""], plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        print(said.getvalue(), "The tests could not be collected", sep="\n", file=sys.stderr)
        return int(code)
    for requirement in sorted({*REQUIREMENTS, *collector.tests}):
        tests = collector.tests[requirement]
        files = sorted({test.partition("::")[0] for test in tests})
        print(f"{requirement}  {len(tests):4} tests  {REQUIREMENTS.get(requirement, '')}")
        for line in tests if "--tests" in arguments else files:
            print(f"             {line}")
    return int(any(not collector.tests[requirement] for requirement in REQUIREMENTS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
