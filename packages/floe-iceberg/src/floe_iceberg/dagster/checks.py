"""Asset checks of tables, from metadata alone: no row is read."""

# Dagster looks at annotations when ops are made: they have to be types here, not texts.
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from floe_iceberg.dagster.metadata import column_schema, row_count, snapshot_rows
from floe_iceberg.dagster.settings import OutputSettings
from floe_iceberg.table import FloeTable

_Judge = Callable[[FloeTable, str], dg.AssetCheckResult]


def build_row_count_check(
    asset: dg.AssetsDefinition | dg.AssetSpec,
    *,
    at_least: int = 1,
    at_most: int | None = None,
    io_manager_key: str = "io_manager",
) -> dg.AssetChecksDefinition:
    """A check that the table has so many rows, as its snapshot's summary says.

    Where rows are deleted by key (equality deletes) the summary cannot say: the check then warns.

    Example:
        >>> build_row_count_check(departures, at_least=1000)  # doctest: +SKIP
    """

    def judge(table: FloeTable, branch: str) -> dg.AssetCheckResult:
        history = _history(table, branch)
        rows = row_count(history[0]["summary"]) if history else 0
        if rows is None:
            return dg.AssetCheckResult(
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description="rows are deleted by key: how many are left is not known without reading",
            )
        passed = at_least <= rows and (at_most is None or rows <= at_most)
        wanted = f"at least {at_least:,}" + ("" if at_most is None else f" and at most {at_most:,}")
        return dg.AssetCheckResult(passed=passed, description=f"{rows:,} rows; {wanted}", metadata={"rows": rows})

    return _check(asset, "row_count", "How many rows the table has, by its metadata.", judge, io_manager_key)


def build_schema_check(
    asset: dg.AssetsDefinition | dg.AssetSpec,
    columns: Mapping[str, str],
    *,
    exactly: bool = False,
    io_manager_key: str = "io_manager",
) -> dg.AssetChecksDefinition:
    """A check that the table has columns of these Iceberg types, by name.

    Args:
        asset: Whose table.
        columns: The type of each column, such as ``{"carrier": "string", "dep_delay": "int"}``.
        exactly: Whether other columns are wrong.
        io_manager_key: The resource that knows the table.
    """

    def judge(table: FloeTable, branch: str) -> dg.AssetCheckResult:
        has = {field.name: str(field.field_type) for field in table.schema().fields}
        problems = [f"{name} is missing" for name in columns if name not in has]
        problems += [
            f"{name} is {has[name]}, not {type_}" for name, type_ in columns.items() if has.get(name, type_) != type_
        ]
        problems += [f"{name} is new" for name in has if exactly and name not in columns]
        return dg.AssetCheckResult(
            passed=not problems,
            description="; ".join(problems) or "as expected",
            metadata={"columns": column_schema(table)},
        )

    return _check(asset, "column_schema", "Which columns the table has, by its metadata.", judge, io_manager_key)


def build_freshness_check(
    asset: dg.AssetsDefinition | dg.AssetSpec, max_age: dt.timedelta, *, io_manager_key: str = "io_manager"
) -> dg.AssetChecksDefinition:
    """A check that rows were changed lately, by whomever; compaction does not count.

    Example:
        >>> build_freshness_check(departures, dt.timedelta(hours=6))  # doctest: +SKIP
    """

    def judge(table: FloeTable, branch: str) -> dg.AssetCheckResult:
        changed = next((row for row in _history(table, branch) if row["operation"] != "replace"), None)
        if changed is None:
            return dg.AssetCheckResult(passed=False, description="nothing was written yet")
        age = dt.datetime.now(dt.UTC) - changed["committed_at"].replace(tzinfo=dt.UTC)
        return dg.AssetCheckResult(
            passed=age <= max_age,
            description=f"last changed {str(age).split('.')[0]} ago; at most {max_age}",
            metadata={"age_seconds": age.total_seconds(), "snapshot_id": str(changed["snapshot_id"])},
        )

    return _check(asset, "freshness", "When rows were changed last, by the table's metadata.", judge, io_manager_key)


def _check(
    asset: dg.AssetsDefinition | dg.AssetSpec, name: str, description: str, judge: _Judge, io_manager_key: str
) -> dg.AssetChecksDefinition:
    metadata = asset.metadata_by_key[asset.key] if isinstance(asset, dg.AssetsDefinition) else asset.metadata
    settings = OutputSettings.of(asset.key.to_user_string(), metadata)

    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        tables = getattr(context.resources, io_manager_key)
        table = tables.catalog.load_table(tables.identifier(asset.key.path, settings))
        return judge(table, tables.branch_to_read(table, settings, context.op_execution_context.run_id))

    decorate = dg.asset_check(
        asset=asset.key, name=name, description=description, required_resource_keys={io_manager_key}
    )
    return decorate(check)


def _history(table: FloeTable, branch: str) -> list[dict[str, Any]]:
    """The snapshots of a branch, the newest first."""
    by_id = {row["snapshot_id"]: row for row in snapshot_rows(table)}
    history, at = [], table._state.handle.snapshot_of_ref(branch)
    while at in by_id:
        history.append(by_id[at])
        at = by_id[at]["parent_id"]
    return history
