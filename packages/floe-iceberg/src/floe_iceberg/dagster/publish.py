"""A run's outputs together: written to a branch of the run, which an op makes the main branch of all its tables.

The IO manager writes to such branches with ``run_branches=True``, and reads them in the same run. What a run that
failed wrote is never seen; :func:`discard_run` removes it.
"""

# Dagster looks at annotations when ops are made: they have to be types here, not texts.
from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table.refs import MAIN_BRANCH

import floe_engine
from floe_iceberg.catalog import FloeCatalog
from floe_iceberg.errors import CommitFailedError
from floe_iceberg.transaction import FloeTransaction


def run_branch(run_id: str) -> str:
    """The branch that a run's outputs are written to until they are published together."""
    return f"run_{run_id}"


def tables_of_run(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The tables that have outputs of a run on its branch, as its events tell."""
    names: dict[str, None] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.HANDLED_OUTPUT):
        told: Any = getattr(entry.get_dagster_event().event_specific_data, "metadata", {})
        if "iceberg/branch" in told and told["iceberg/branch"].value == run_branch(run_id):
            names[told["dagster/table_name"].value] = None
    return list(names)


def publish_run(catalog: FloeCatalog, tables: Iterable[str], run_id: str) -> list[str]:
    """Move the main branch of tables to what a run wrote, and remove the run's branch.

    It is one commit of all tables where the catalog can do that (``catalog.commits_tables``). Elsewhere nothing moves
    unless all can, and then they are committed one after the other; a table without the branch was published before,
    so that after an interruption this may be called again.

    Returns:
        The tables that moved.

    Raises:
        CommitFailedError: Others have written to the main branch of a table since the run began. Run again.
    """
    branch = run_branch(run_id)
    if catalog.commits_tables:
        with catalog.transaction() as together:
            moved = _staged([together.table(name) for name in tables], branch)
    else:
        moved = _staged([catalog.load_table(name).transaction() for name in tables], branch)
        for transaction in moved:
            transaction.commit_transaction()
    return [transaction._full_name for transaction in moved]


def _staged(transactions: Sequence[FloeTransaction], branch: str) -> list[FloeTransaction]:
    """The transactions whose tables have the branch, which is to become their main one."""
    staged = [each for each in transactions if each._state.handle.snapshot_of_ref(branch) is not None]
    for transaction in staged:
        try:
            transaction.manage_snapshots().fast_forward(MAIN_BRANCH, branch).remove_branch(branch)
        except floe_engine.Error as error:
            raise CommitFailedError(
                f"{transaction._full_name}: others have written to {MAIN_BRANCH} since {branch} began, so that nothing "
                f"of the run is published; run again: {error}"
            ) from error
    return staged


def discard_run(catalog: FloeCatalog, tables: Iterable[str], run_id: str) -> None:
    """Remove a run's branch from tables. Expiry of snapshots then removes its files."""
    branch = run_branch(run_id)
    for name in tables:
        try:
            table = catalog.load_table(name)
        except NoSuchTableError:
            continue
        table.manage_snapshots().remove_branch(branch).commit()


def build_publish_op(name: str = "publish_run", io_manager_key: str = "io_manager") -> dg.OpDefinition:
    """An op that publishes what its run wrote, once what it depends on (``after``) is done.

    Example:
        >>> publish = build_publish_op()
        >>> @dg.graph
        ... def load():
        ...     publish(after=[departures(), weather()])  # doctest: +SKIP
    """

    @dg.op(name=name, ins={"after": dg.In(dg.Nothing)}, required_resource_keys={io_manager_key})
    def publish(context: dg.OpExecutionContext) -> None:
        _publish(context, getattr(context.resources, io_manager_key))

    return publish


def build_publish_asset(
    deps: Sequence[Any], name: str = "published", io_manager_key: str = "io_manager"
) -> dg.AssetsDefinition:
    """An asset that publishes what its run wrote to the tables of the assets that it depends on.

    Example:
        >>> build_publish_asset([departures, weather])  # doctest: +SKIP
    """

    def publish(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """What the run wrote, on the main branch of all its tables."""
        published = _publish(context, getattr(context.resources, io_manager_key))
        return dg.MaterializeResult(metadata={"iceberg/tables": published})

    decorate = dg.asset(name=name, deps=deps, required_resource_keys={io_manager_key}, kinds={"iceberg"})
    return decorate(publish)


def _publish(context: dg.OpExecutionContext | dg.AssetExecutionContext, io_manager: Any) -> list[str]:
    tables = tables_of_run(context.instance, context.run.run_id)
    published = publish_run(io_manager.catalog, tables, context.run.run_id)
    context.log.info(f"published {', '.join(published) or 'nothing'}")
    return published
