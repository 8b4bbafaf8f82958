"""Dagster's IO manager for Iceberg tables: assets are written to tables and read from them by themselves.

>>> from dagster import Definitions
>>> io_manager = IcebergIOManager(namespace="lake", catalog={"type": "sql", "uri": "sqlite:////tmp/lake.db"})
>>> definitions = Definitions(assets=[], resources={"io_manager": io_manager})
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, get_args

try:
    from dagster import ConfigurableIOManager, EnvVar, InputContext, IOManager, OutputContext
except ImportError as error:
    raise ImportError("floe_iceberg.io_manager needs Dagster: pip install 'floe-iceberg[dagster]'") from error

import pyarrow as pa
from pydantic import Field, PrivateAttr
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.expressions import BooleanExpression
from pyiceberg.schema import Schema
from pyiceberg.table import ALWAYS_TRUE
from pyiceberg.table.refs import MAIN_BRANCH

from floe_iceberg.accelerated import accelerate
from floe_iceberg.catalog import FloeCatalog, load_catalog
from floe_iceberg.dagster import frames, layout
from floe_iceberg.dagster.metadata import materialization_metadata, snapshot_rows
from floe_iceberg.dagster.partitions import PartitionRows
from floe_iceberg.dagster.publish import run_branch
from floe_iceberg.dagster.settings import (
    ICEBERG_NAMESPACE_KEY,
    ICEBERG_PARTITION_COLUMN_KEY,
    ICEBERG_PARTITION_FILTER_KEY,
    ICEBERG_SNAPSHOT_PROPS_KEY,
    ICEBERG_TABLE_KEY,
    ICEBERG_UPSERT_KEYS_KEY,
    ICEBERG_WRITE_MODE_KEY,
    InputSettings,
    OutputSettings,
    SchemaPolicy,
    WriteMode,
)
from floe_iceberg.errors import InvalidArgumentError, as_ours
from floe_iceberg.table import FloeTable
from floe_iceberg.transaction import FloeTransaction

__all__ = [
    "ICEBERG_NAMESPACE_KEY",
    "ICEBERG_PARTITION_COLUMN_KEY",
    "ICEBERG_PARTITION_FILTER_KEY",
    "ICEBERG_SNAPSHOT_PROPS_KEY",
    "ICEBERG_TABLE_KEY",
    "ICEBERG_UPSERT_KEYS_KEY",
    "ICEBERG_WRITE_MODE_KEY",
    "IcebergIOManager",
    "TableIOManager",
    "create_iceberg_io_manager",
]

RUN_ID, ASSET_KEY, PARTITION_KEY, STEP_KEY, IDEMPOTENCE_KEY = (
    f"dagster.{name}" for name in ("run_id", "asset_key", "partition_key", "step_key", "idempotence_key")
)
"""What the summary of a snapshot says of the output that made it."""

_RETRY_NUMBER_TAG, _ROOT_RUN_TAG = "dagster/retry_number", "dagster/root_run_id"


class TableIOManager(IOManager):
    """Writes outputs to tables of a catalog and reads inputs from them: what :class:`IcebergIOManager` configures.

    Args:
        catalog: The catalog, or what opens it.
        namespace: The namespace of tables, dotted; prefixes of assets' keys are namespaces below it.
        write_mode: How outputs are written whose metadata does not say.
        schema_evolution: What becomes of columns that a table lacks or has in another type.
        infer_schema_from_data: Whether a table that is not there is made for the rows that come.
        run_branches: Write to the branch ``run_<id>`` of the run, to be published by an op.

    Raises:
        InvalidArgumentError: There is no such mode or policy, or the namespace has no name.
    """

    def __init__(
        self,
        catalog: FloeCatalog | Callable[[], FloeCatalog],
        namespace: str,
        write_mode: WriteMode | None = None,
        schema_evolution: SchemaPolicy = "fail",
        infer_schema_from_data: bool = True,
        run_branches: bool = False,
    ) -> None:
        if write_mode is not None and write_mode not in get_args(WriteMode):
            raise InvalidArgumentError(f"write_mode is {write_mode!r}; it has to be {_either(WriteMode)}")
        if schema_evolution not in get_args(SchemaPolicy):
            raise InvalidArgumentError(
                f"schema_evolution is {schema_evolution!r}; it has to be {_either(SchemaPolicy)}"
            )
        if not all(namespace.split(".")):
            raise InvalidArgumentError(f"namespace {namespace!r} has a level without a name")
        self._source = catalog
        self.namespace = namespace
        self.write_mode = write_mode
        self.schema_evolution = schema_evolution
        self.infer_schema_from_data = infer_schema_from_data
        self.run_branches = run_branches

    @cached_property
    def catalog(self) -> FloeCatalog:
        """The catalog that the tables are in."""
        return self._source if isinstance(self._source, FloeCatalog) else self._source()

    def identifier(self, path: Sequence[str], settings: OutputSettings) -> tuple[str, ...]:
        """The name of the table that an asset of this key is in."""
        namespace = settings.namespace.split(".") if settings.namespace else [*self.namespace.split("."), *path[:-1]]
        name = settings.table or path[-1]
        if dotted := [level for level in (*namespace, name) if "." in level]:
            raise InvalidArgumentError(f"{dotted[0]} cannot be a part of a table's name: it has a dot")
        return (*namespace, name)

    def load_table(self, path: Sequence[str], metadata: Mapping[str, Any] | None = None) -> FloeTable:
        """The table of the asset whose key and metadata these are.

        Raises:
            NoSuchTableError: It was not written yet.
        """
        return self.catalog.load_table(self.identifier(path, OutputSettings.of("/".join(path), metadata)))

    def branch_to_read(self, table: FloeTable, settings: OutputSettings, run_id: str) -> str:
        """The branch that holds an asset's rows: within a run that has written them, the run's."""
        if settings.branch is not None:
            return settings.branch
        branch = run_branch(run_id)
        return branch if self.run_branches and table._state.handle.snapshot_of_ref(branch) is not None else MAIN_BRANCH

    # --- outputs ---

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write an output as one commit: its rows, and what of the table has to change for them."""
        path = _path(context)
        settings = OutputSettings.of("/".join(path), context.definition_metadata, context.output_metadata)
        if obj is None:
            context.log.info(f"{'/'.join(path)} is None: its table stays as it is")
            return
        started = time.monotonic()
        branch = settings.branch or (run_branch(context.run_id) if self.run_branches else MAIN_BRANCH)
        summary = {**settings.snapshot_props, **_provenance(context)}
        output = _Output(context, settings, self.identifier(path, settings), branch, summary)
        table, written = self._write(output, obj)
        if table is None:
            context.log.info(f"{'.'.join(output.identifier)}: there are no rows, and no table yet")
            return
        partitioned = context.has_asset_partitions and len(context.asset_partition_keys) == 1
        seconds = time.monotonic() - started
        # A run that Dagster repeats has another id, and the key of the run that wrote.
        marks = {key: value for key, value in summary.items() if key == IDEMPOTENCE_KEY} or summary
        told = materialization_metadata(
            table, branch, seconds, is_partitioned=partitioned, written=written, marks=marks
        )
        context.add_output_metadata(told)

    def _write(self, output: _Output, obj: Any) -> tuple[FloeTable | None, int]:
        """Write the rows. The table as they left it, and how many there were."""
        stream = frames.rows_of(obj)
        rows = None if stream is None else _Counted(stream)
        try:
            with as_ours(".".join(output.identifier)):
                table = self.catalog.load_table(output.identifier)
        except NoSuchTableError:
            if not self.infer_schema_from_data:
                raise
        else:
            return table, self._change(table, output, rows)
        if rows is None:
            return None, 0
        try:
            self._make(output, rows)
        except CommitFailedException:
            # Another run, such as one of the same backfill, was first. What can be read again is written to its table.
            if isinstance(obj, Iterator) or not self.catalog.table_exists(output.identifier):
                raise
            return self._write(output, obj)
        return self.catalog.load_table(output.identifier), rows.rows

    def _make(self, output: _Output, rows: _Counted) -> None:
        partitions = output.context.asset_partitions_def if output.context.has_asset_partitions else None
        with as_ours(".".join(output.identifier)):
            creation = layout.new_table(self.catalog, output.identifier, rows.schema, output.settings, partitions)
        with creation:
            if output.branch != MAIN_BRANCH:
                creation.manage_snapshots().create_snapshot()  # branches begin at a snapshot
            self._put(creation, output, rows)

    def _change(self, table: FloeTable, output: _Output, rows: _Counted | None) -> int:
        """Write the rows, unless an earlier attempt of the step did. How many there were."""
        key = output.summary.get(IDEMPOTENCE_KEY)
        for row in snapshot_rows(table) if key else ():
            if row["summary"].get(IDEMPOTENCE_KEY) == key:
                output.context.log.info(f"an earlier attempt of the step wrote snapshot {row['snapshot_id']}")
                return int(row["summary"].get("added-records", 0))
        if output.branch != MAIN_BRANCH and table._state.handle.snapshot_of_ref(MAIN_BRANCH) is None:
            table.manage_snapshots().create_snapshot().commit()
        rows = rows or _Counted(table.schema().as_arrow().empty_table().to_reader())
        policy = output.settings.schema_evolution or self.schema_evolution
        changes = layout.changes_of(table, rows.schema, output.settings, policy)
        if not changes:
            self._put(table, output, rows)
            return rows.rows
        with table.transaction() as transaction:
            for change in changes:
                change(transaction)
            self._put(transaction, output, rows)
        return rows.rows

    def _put(self, target: FloeTable | FloeTransaction, output: _Output, rows: _Counted) -> None:
        settings, branch, summary = output.settings, output.branch, output.summary
        partition = _partition_of(target._state.metadata.schema(), output)
        reader = rows.reader() if partition is None else partition.only(rows.reader())
        default = "append" if partition is None else "overwrite"
        match settings.write_mode or self.write_mode or default:
            case "append":
                target.append(reader, summary, branch)
            case "upsert":
                keys = settings.upsert_keys
                if keys is None and not target._state.metadata.schema().identifier_field_ids:
                    raise InvalidArgumentError(
                        f"{'.'.join(output.identifier)}: an upsert needs a key: {ICEBERG_UPSERT_KEYS_KEY}, or the "
                        "table's identifier fields"
                    )
                target.upsert(reader, list(keys) if keys else None, branch=branch, snapshot_properties=summary)
            case "overwrite":
                with warnings.catch_warnings():  # that a partition had no rows yet is no news
                    warnings.filterwarnings("ignore", message=".*did not match any records")
                    target.overwrite(reader, _replaced(partition, output), summary, branch=branch)

    # --- inputs ---

    def load_input(self, context: InputContext) -> Any:
        """Read the rows of an asset, of the partitions that the input depends on, as what it is annotated with."""
        upstream = context.upstream_output
        path = context.asset_key.path if context.has_asset_key else _path(cast(OutputContext, upstream))
        name = "/".join(path)
        settings = OutputSettings.of(name, upstream.definition_metadata if upstream else None)
        wanted = InputSettings.of(f"input {name}", context.definition_metadata)
        table = self.catalog.load_table(self.identifier(path, settings))
        ref = wanted.branch
        if ref is None and wanted.snapshot_id is None:
            run_id = context.step_context.run_id if self.run_branches else ""
            ref = self.branch_to_read(table, settings, run_id)
            ref = ref if table._state.handle.snapshot_of_ref(ref) is not None else None  # no snapshot yet, so no rows
        scan = table.scan(
            _rows_wanted(table, settings, context),
            selected_fields=wanted.columns or ("*",),
            snapshot_id=wanted.snapshot_id,
            ref=ref,
        )
        if wanted.filter is not None:
            scan = scan.filter(wanted.filter)
        return frames.load(table, scan, context.dagster_type.typing_type)


class IcebergIOManager(ConfigurableIOManager):
    """Writes assets to Iceberg tables, and reads them as inputs; see docs/dagster.md.

    Example:
        >>> io_manager = IcebergIOManager(
        ...     namespace="lake",
        ...     catalog={"type": "sql", "uri": "sqlite:////tmp/lake.db", "warehouse": "file:///tmp/lake"},
        ... )
    """

    namespace: str = Field(description="Of tables, dotted. Prefixes of assets' keys are namespaces below it.")
    catalog: dict[str, str] = Field(
        default={}, description="The catalog's properties, as PyIceberg's load_catalog takes them. None: as configured."
    )
    catalog_name: str | None = Field(default=None, description="None: the configured default catalog.")
    write_mode: str | None = Field(
        default=None,
        pattern="^(append|overwrite|upsert)$",
        description="How assets are written whose metadata does not say (iceberg_write_mode): append, overwrite or "
        "upsert. None: an output whose partition is told by columns replaces that partition, others append.",
    )
    schema_evolution: str = Field(
        default="fail",
        pattern="^(fail|add|union)$",
        description="What becomes of columns that a table lacks or has in another type: fail; add new columns; "
        "union, which also widens types and makes columns optional.",
    )
    infer_schema_from_data: bool = Field(
        default=True, description="Whether a table that is not there is made for the rows that come."
    )
    run_branches: bool = Field(
        default=False, description="Write to the branch run_<id> of the run, to be published by publish_run."
    )

    _tables: TableIOManager | None = PrivateAttr(default=None)

    def __init__(self, **data: Any) -> None:
        # Dagster takes {"env": "NAME"} in YAML alone; a store's fragment of configuration has it here, too.
        if isinstance(given := data.get("catalog"), Mapping):
            named = {key: EnvVar(value["env"]) for key, value in given.items() if _is_env(value)}
            data["catalog"] = {**given, **named}
        super().__init__(**data)

    @property
    def tables(self) -> TableIOManager:
        """What does the work."""
        if self._tables is None:
            self._tables = TableIOManager(
                lambda: load_catalog(self.catalog_name, **self.catalog),
                self.namespace,
                cast(WriteMode | None, self.write_mode),
                cast(SchemaPolicy, self.schema_evolution),
                self.infer_schema_from_data,
                self.run_branches,
            )
        return self._tables

    def create_io_manager(self, context: Any) -> IOManager:
        """What runs use."""
        return self.tables

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write an output as one commit."""
        self.tables.handle_output(context, obj)

    def load_input(self, context: InputContext) -> Any:
        """Read the rows of an asset."""
        return self.tables.load_input(context)


def create_iceberg_io_manager(
    table_manager: Any,
    namespace: str,
    default_write_mode: WriteMode | None = None,
    infer_schema_from_data: bool = True,
) -> TableIOManager:
    """An IO manager over a storage plugin or a table manager that is there already.

    Args:
        table_manager: What has the catalog: an ``IcebergStoragePlugin``, an ``IcebergTableManager``, or anything else
            with ``catalog``, which may be PyIceberg's.
        namespace: The namespace of tables, dotted.
        default_write_mode: How outputs are written whose metadata does not say.
        infer_schema_from_data: Whether a table that is not there is made for the rows that come.

    Raises:
        TypeError: It has no catalog.
    """
    if not isinstance(catalog := getattr(table_manager, "catalog", None), Catalog):
        raise TypeError(f"table_manager is a {type(table_manager).__name__} without a catalog of tables")
    return TableIOManager(
        accelerate(catalog), namespace, default_write_mode, infer_schema_from_data=infer_schema_from_data
    )


def _either(kind: Any) -> str:
    *first, last = get_args(kind)
    return f"{', '.join(first)} or {last}"


def _is_env(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"env"} and isinstance(value["env"], str)


@dataclass(frozen=True)
class _Output:
    """An output on its way: where it goes, how, and what its snapshot says."""

    context: OutputContext
    settings: OutputSettings
    identifier: tuple[str, ...]
    branch: str
    summary: dict[str, str]


class _Counted:
    """A stream of rows, and how many of them were read."""

    def __init__(self, rows: pa.RecordBatchReader) -> None:
        self._rows = rows
        self.schema = rows.schema
        self.rows = 0

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._rows:
            self.rows += batch.num_rows
            yield batch


def _path(context: OutputContext) -> Sequence[str]:
    """The key of the asset; of an op's output its name, or the op's if it has the name that outputs have by default."""
    if context.has_asset_key:
        return context.asset_key.path
    return [context.name if context.name != "result" else context.op_def.name]


def _partition_of(schema: Schema, output: _Output) -> PartitionRows | None:
    """The rows of the output's partitions, if columns tell them."""
    context, column = output.context, output.settings.partition_column
    if column is None:
        return None
    if not context.has_asset_partitions:
        raise InvalidArgumentError(
            f"{'/'.join(_path(context))}: {ICEBERG_PARTITION_COLUMN_KEY} is set, but this is no partitioned asset"
        )
    return PartitionRows(context.asset_partitions_def, context.asset_partition_keys, column, schema)


def _replaced(partition: PartitionRows | None, output: _Output) -> BooleanExpression | str:
    """The rows that an overwrite takes out."""
    if output.settings.partition_filter is not None:
        return output.settings.partition_filter
    if partition is not None:
        return partition.expression()
    if output.context.has_asset_partitions:
        raise InvalidArgumentError(
            f"{'/'.join(_path(output.context))}: to overwrite a partition, say which column tells partitions apart "
            f"({ICEBERG_PARTITION_COLUMN_KEY}); without it the whole table would be replaced"
        )
    return ALWAYS_TRUE


def _rows_wanted(table: FloeTable, settings: OutputSettings, context: InputContext) -> BooleanExpression:
    if settings.partition_column is None or not context.has_asset_partitions:
        return ALWAYS_TRUE
    partitions, keys = context.asset_partitions_def, context.asset_partition_keys
    return PartitionRows(partitions, keys, settings.partition_column, table.schema()).expression()


def _provenance(context: OutputContext) -> dict[str, str]:
    """What the snapshot's summary says of where its rows come from."""
    told = {ASSET_KEY: context.asset_key.to_user_string()} if context.has_asset_key else {}
    if context.has_asset_partitions:
        keys = context.asset_partition_keys
        told[PARTITION_KEY] = keys[0] if len(keys) == 1 else f"{keys[0]}...{keys[-1]} ({len(keys)} partitions)"
    if context._step_context is None:  # a context that was made by hand
        return told
    step = context.step_context
    told |= {RUN_ID: step.run_id, STEP_KEY: step.step.key}
    tags = step.dagster_run.tags
    # Of a run that Dagster itself repeats, the first run counts: what that has written is there.
    run = tags.get(_ROOT_RUN_TAG, step.run_id) if _RETRY_NUMBER_TAG in tags else step.run_id
    told[IDEMPOTENCE_KEY] = "/".join(filter(None, (run, step.step.key, context.name, context.mapping_key)))
    return told
