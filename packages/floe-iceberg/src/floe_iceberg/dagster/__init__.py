"""Iceberg tables in Dagster: what its definitions use besides :mod:`floe_iceberg.io_manager`."""

from __future__ import annotations

from floe_iceberg.dagster.checks import build_freshness_check, build_row_count_check, build_schema_check
from floe_iceberg.dagster.maintenance import (
    MaintenanceConfig,
    TableHealth,
    build_health_sensor,
    build_maintenance_job,
    build_maintenance_op,
)
from floe_iceberg.dagster.publish import (
    build_publish_asset,
    build_publish_op,
    discard_run,
    publish_run,
    run_branch,
    tables_of_run,
)

__all__ = [
    "MaintenanceConfig",
    "TableHealth",
    "build_freshness_check",
    "build_health_sensor",
    "build_maintenance_job",
    "build_maintenance_op",
    "build_publish_asset",
    "build_publish_op",
    "build_row_count_check",
    "build_schema_check",
    "discard_run",
    "publish_run",
    "run_branch",
    "tables_of_run",
]
