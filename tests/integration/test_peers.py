"""What stands on PyIceberg runs on our catalog class unchanged: readers and writers of other projects."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table

from tests.pyiceberg.suite import environment

ROWS = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "kind": ["a", "b", "c"]})


def properties(folder: Path) -> dict[str, str]:
    """The one line that a program changes."""
    return {
        "py-catalog-impl": "floe_iceberg.catalog.FloeCatalog",
        "floe.catalog.type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": f"file://{folder}/warehouse",
    }


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = load_catalog("x", **properties(tmp_path))
    catalog.create_namespace("a")
    return catalog


@pytest.fixture
def table(catalog: Catalog) -> Table:
    table = catalog.create_table("a.t", ROWS.schema)
    table.append(ROWS)
    table.append(ROWS)
    table.delete("id = 3")
    return table


def test_polars_scans(table: Table) -> None:
    frame = pl.scan_iceberg(table, reader_override="pyiceberg").filter(pl.col("id") > 1)
    assert frame.collect()["kind"].to_list() == ["b", "b"]


def test_polars_sinks_and_writes(table: Table) -> None:
    more = pl.DataFrame({"id": [4], "kind": ["d"]})
    more.lazy().sink_iceberg(table, mode="append")
    assert table.refresh().scan().count() == 5
    more.write_iceberg(table, mode="append")
    assert table.refresh().scan("id = 4").count() == 2
    more.write_iceberg(table, mode="overwrite")
    assert table.refresh().scan().to_arrow()["id"].to_pylist() == [4]


def test_pandas(table: Table) -> None:
    assert list(table.scan("id = 2").to_pandas()["kind"]) == ["b", "b"]


def test_duckdb(table: Table) -> None:
    connection = table.scan().to_duckdb("t")
    assert connection.sql("SELECT kind, count(*) FROM t GROUP BY kind ORDER BY kind").fetchall() == [("a", 2), ("b", 2)]
    rows = table
    assert duckdb.sql("SELECT max(id) FROM rows").fetchall() == [(2,)], rows


# --- in environments of their own ---

BEGIN = """
from pyiceberg.catalog import load_catalog
import pyarrow as pa
catalog = load_catalog("x", **{properties!r})
table = catalog.load_table("a.t")
assert type(table).__module__ == "floe_iceberg.table"
"""


def run(
    peer: str, requirements: tuple[str, ...], program: str, folder: Path, own: Mapping[str, str] = MappingProxyType({})
) -> str:
    python = environment(f"peer-{peer}", *requirements)
    text = BEGIN.format(properties=properties(folder)) + textwrap.dedent(program)
    done = subprocess.run(
        [python, "-c", text], capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, **own}
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_datafusion(table: Table, tmp_path: Path) -> None:
    program = """
        from datafusion import SessionContext
        context = SessionContext()
        context.register_table("t", table)
        print(context.sql("SELECT sum(id) AS s FROM t").to_pydict()["s"])
    """
    assert run("datafusion", ("datafusion<55",), program, tmp_path) == "[6]"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_daft_reads_and_writes(table: Table, tmp_path: Path) -> None:
    program = """
        import daft
        print(daft.read_iceberg(table).where(daft.col("id") > 1).to_pydict()["kind"])
        daft.from_pydict({"id": [7], "kind": ["g"]}).write_iceberg(table, mode="append")
        print(sorted(table.refresh().scan().to_arrow()["id"].to_pylist()))
    """
    assert run("daft", ("--no-deps", "daft"), program, tmp_path) == "[1, 1, 2, 2, 7]"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ray_data_reads(table: Table, tmp_path: Path) -> None:
    program = f"""
        import ray
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        kwargs = {{"name": "x", **{properties(tmp_path)!r}}}
        rows = ray.data.read_iceberg(table_identifier="a.t", catalog_kwargs=kwargs)
        print(sorted(row["id"] for row in rows.take_all()))
    """
    assert run("ray", ("ray[data]",), program, tmp_path) == "[1, 1, 2, 2]"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dlt_loads_and_merges(table: Table, tmp_path: Path) -> None:
    # dlt names a catalog's type and no class: the type is made ours.
    program = f"""
        import dlt
        from pyiceberg.catalog import AVAILABLE_CATALOGS, CatalogType
        from floe_iceberg.catalog import FloeCatalog
        AVAILABLE_CATALOGS[CatalogType.SQL] = lambda name, properties: FloeCatalog(name, **properties)
        dlt.config["iceberg_catalog.iceberg_catalog_name"] = "x"
        dlt.secrets["iceberg_catalog.iceberg_catalog_config"] = {{
            "type": "sql", "uri": {properties(tmp_path)["uri"]!r}, "warehouse": {properties(tmp_path)["warehouse"]!r}
        }}
        lake = dlt.destinations.filesystem("file://{tmp_path}/lake")
        pipeline = dlt.pipeline("p", destination=lake, dataset_name="b")
        upsert = {{"disposition": "merge", "strategy": "upsert"}}
        for rows, how in (([1, 2], "append"), ([2, 3], upsert)):
            loaded = [{{"id": id, "kind": "new" if how is upsert else "old"}} for id in rows]
            pipeline.run(
                loaded, table_name="t", table_format="iceberg", write_disposition=how, primary_key="id"
            ).raise_on_failed_jobs()
        made = pipeline.destination_client().get_open_table_catalog("iceberg").load_table("b.t")
        assert type(made).__module__ == "floe_iceberg.table"
        print(sorted(zip(*catalog.load_table("b.t").scan().to_arrow().select(["id", "kind"]).to_pydict().values())))
    """
    # It would tell its makers that it ran, and keep its state at home.
    own = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(tmp_path / "dlt")}
    assert run("dlt", ("dlt",), program, tmp_path, own) == "[(1, 'old'), (2, 'new'), (3, 'new')]"
