"""What operations leave of a table when one of their calls to the store goes wrong: PyIceberg reads the old table or
the new one. engine/tests/fault_test.cc breaks the calls, and sees to what the engine itself makes of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

PROGRAM = Path(__file__).parents[2] / "build/release/tests/across_test"


@pytest.mark.parametrize(
    "operation",
    [
        "Append",
        "MergeAppend",
        "Overwrite",
        "DeleteSome",
        "DeleteOnRead",
        "OverwritePartitions",
        "UpsertByCopy",
        "UpsertOnRead",
        "Transaction",
        "AddFiles",
        "ExpireSnapshots",
        "RewriteDataFiles",
    ],
)
def test_pyiceberg_reads_the_old_table_or_the_new_one(operation: str, tmp_path: Path) -> None:
    if not PROGRAM.exists():
        pytest.skip("the engine's tests are not built")
    subprocess.run(
        [PROGRAM, f"--gtest_filter=Operations/Faults.*/{operation}"],
        env={**os.environ, "FLOE_TEST_KEEP": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    [database] = tmp_path.glob("*/*.db")
    catalog = SqlCatalog("test", uri=f"sqlite:///{database}", warehouse=f"file://{database.parent}/warehouse")
    held = {
        name: (sorted(table.scan().to_arrow()["id"].to_pylist()), len(table.snapshots()))
        for _, name in catalog.list_tables("db")
        if (table := catalog.load_table(("db", name)))
    }
    new = held.pop("expected")
    found = {(tuple(ids), snapshots) for ids, snapshots in held.values()}
    assert (tuple(new[0]), new[1]) in found
    assert len(found) <= 2
    assert all(list(ids) in (new[0], list(range(20))) for ids, _ in found)
    assert len(held) > 3
