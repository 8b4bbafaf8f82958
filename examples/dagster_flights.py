"""The flights of 2013 in Dagster: backfilled month by month, summed up by an upsert, checked, and compacted.

Run it with `make dagster-demo`, and look at http://localhost:3000. It keeps its tables below `build/dagster-demo` (or
the folder that FLOE_DEMO_FOLDER names).
"""

import datetime as dt
import os
from functools import lru_cache
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from examples.flights import flights
from floe_iceberg.dagster import (
    TableHealth,
    build_freshness_check,
    build_health_sensor,
    build_maintenance_job,
    build_row_count_check,
    build_schema_check,
)
from floe_iceberg.io_manager import IcebergIOManager
from floe_iceberg.policy import ExpiryPolicy, MaintenancePolicy

FOLDER = Path(os.environ.get("FLOE_DEMO_FOLDER", "build/dagster-demo")).resolve()
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2013-01-01", end_date="2014-01-01")

all_flights = lru_cache(maxsize=1)(flights)


@dg.asset(
    key_prefix="flights",
    partitions_def=MONTHS,
    metadata={"iceberg_partition_column": "time_hour"},
    kinds={"iceberg", "arrow"},
)
def departures(context: dg.AssetExecutionContext) -> pa.Table:
    """The flights that left New York. A month that is materialized again is replaced, and nothing else."""
    rows, window = all_flights(), context.partition_time_window
    hours = rows["time_hour"]
    begin, end = (pa.scalar(edge, hours.type) for edge in (window.start, window.end))
    return rows.filter(pc.and_(pc.greater_equal(hours, begin), pc.less(hours, end)))


@dg.asset(
    key_prefix="flights",
    ins={"departures": dg.AssetIn(["flights", "departures"], metadata={"iceberg_columns": ["carrier", "dep_delay"]})},
    metadata={"iceberg_write_mode": "upsert", "iceberg_upsert_keys": ["carrier"]},
    kinds={"iceberg", "polars"},
)
def delays(departures: pl.LazyFrame) -> pl.LazyFrame:
    """How late carriers were. Only carriers whose numbers have changed are written."""
    delay = pl.col("dep_delay")
    return departures.group_by("carrier").agg(flights=pl.len().cast(pl.Int64), late=(delay > 60).sum().cast(pl.Int64))


# At once, to be seen. By default tables say themselves when snapshots expire.
maintenance = build_maintenance_job(
    MaintenancePolicy(expiry=ExpiryPolicy(older_than=dt.timedelta(0), retain_last=1)),
)

definitions = dg.Definitions(
    assets=[departures, delays],
    asset_checks=[
        build_row_count_check(departures, at_least=20_000),
        build_schema_check(departures, {"carrier": "string", "time_hour": "timestamptz"}),
        build_freshness_check(departures, dt.timedelta(days=1)),
    ],
    jobs=[maintenance],
    schedules=[dg.ScheduleDefinition(job=maintenance, cron_schedule="0 3 * * *")],
    sensors=[build_health_sensor(maintenance, health=TableHealth(small_files=12))],
    resources={
        "io_manager": IcebergIOManager(
            namespace="demo",
            catalog_name="demo",
            catalog={
                "type": "sql",
                "uri": f"sqlite:///{FOLDER}/catalog.db",
                "warehouse": f"file://{FOLDER}/warehouse",
            },
        )
    },
    executor=dg.in_process_executor,  # each run is a process of its own
)
