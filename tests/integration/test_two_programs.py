"""Two programs change one table at once, one with plain PyIceberg and one with ours: nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_iceberg import load_catalog

COMMITS = 12

# Each writes rows of its own, changes some of them, and notes how many of the other's it has seen.
PROGRAM = """
import time
from pathlib import Path
import pyarrow as pa
{load}
first, other = {first}, {other}
progress = Path({progress!r})

def keep_step(i):  # so that neither is done before the other begins
    (progress / f"{{first}}.{{i}}").touch()
    while not (progress / f"{{other}}.{{i - 1}}").exists() and i > 0:
        time.sleep(0.01)

table = catalog.load_table("a.t")
seen = set()
for i in range({commits}):
    keep_step(i)
    row = pa.table({{"id": pa.array([first + i], pa.int64()), "kind": ["new"]}})
    table.append(row)
    if i % 3 == 1:
        table.upsert(row.set_column(1, "kind", [["changed"]]), join_cols=["id"])
    if i % 3 == 2:
        table.delete(f"id = {{first + i}}")
    table.refresh()
    rows = table.scan(f"id >= {{other}} and id < {{other + 1000}}").to_arrow()
    seen.add(rows.num_rows)
assert type(table).__module__ == {module!r}, type(table)
print(len(seen))
"""
OURS = 'from floe_iceberg import load_catalog\ncatalog = load_catalog("x", type="sql", **{properties!r})'
ACCELERATED = """
from pyiceberg.catalog.sql import SqlCatalog
from floe_iceberg import accelerate
catalog = accelerate(SqlCatalog("x", **{properties!r}))
"""
PLAIN = 'from pyiceberg.catalog.sql import SqlCatalog\ncatalog = SqlCatalog("x", **{properties!r})'


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ours", [OURS, ACCELERATED], ids=["native", "accelerated"])
def test_both_write_and_nothing_is_lost(tmp_path: Path, ours: str) -> None:
    properties = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    catalog = load_catalog("x", type="sql", **properties)
    catalog.create_namespace("a")
    patient = {"commit.retry.num-retries": "100", "commit.retry.max-wait-ms": "1000"}
    isolation = {f"write.{what}.isolation-level": "snapshot" for what in ("delete", "update", "merge")}
    schema = pa.schema([("id", pa.int64()), ("kind", pa.string())])
    table = catalog.create_table("a.t", schema, properties={**patient, **isolation})

    (tmp_path / "progress").mkdir()
    running = []
    for load, first, other, module in (
        (ours, 0, 1000, "floe_iceberg.table"),
        (PLAIN, 1000, 0, "pyiceberg.table"),
    ):
        text = PROGRAM.format(
            load=load.format(properties=properties),
            first=first,
            other=other,
            commits=COMMITS,
            module=module,
            progress=str(tmp_path / "progress"),
        )
        running.append(
            subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    for program in running:
        out, err = program.communicate(timeout=500)
        assert program.returncode == 0, err[-5000:]
        assert int(out) > 2, "it has seldom seen a commit of the other one"

    expected = {
        first + i: "changed" if i % 3 == 1 else "new" for first in (0, 1000) for i in range(COMMITS) if i % 3 != 2
    }
    for state in (table.refresh(), SqlCatalog("x", **properties).load_table("a.t")):
        rows = state.scan().to_arrow()
        assert dict(zip(rows["id"].to_pylist(), rows["kind"].to_pylist(), strict=True)) == expected
        assert rows.num_rows == len(expected)
