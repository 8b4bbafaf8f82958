"""Compaction: its options, plans, tasks and results. ``table.maintenance`` begins it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypedDict

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.typedef import EMPTY_DICT

import floe_engine
from floe_core.models import CompactionStrategy, CompactionStrategyType
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.expression import filter_json
from floe_iceberg.state import TableState
from floe_iceberg.telemetry import operation

if TYPE_CHECKING:
    from floe_engine._core import RewriteCounts
    from floe_iceberg.table import FloeTable

Strategy = Literal["binpack", "sort"]
OptionValue = str | int | float | bool


@dataclass(frozen=True)
class RewriteDataFilesResult:
    """What a compaction did. The counts have the names that Spark gives them.

    Attributes:
        rewritten_data_files_count: The files that were replaced.
        added_data_files_count: The files that took their place.
        rewritten_bytes_count: The size of the files that were replaced.
        failed_data_files_count: The files of groups that failed, or that others changed meanwhile. They are as they
            were.
        removed_delete_files_count: The delete files that went because nothing is left for them to delete.
        commits: How many snapshots it took.
        failures: What the groups failed of, in words.
    """

    rewritten_data_files_count: int
    added_data_files_count: int
    rewritten_bytes_count: int
    failed_data_files_count: int
    removed_delete_files_count: int
    commits: int
    failures: list[str] = field(repr=False)

    def to_arrow(self) -> pa.Table:
        """The counts as a table of one row, as Spark's procedure gives them."""
        return pa.table({name: [value] for name, value in vars(self).items() if name.endswith("_count")})


@dataclass(frozen=True)
class RewritePositionDeleteFilesResult:
    """What a rewriting of delete files did. The counts have the names that Spark gives them.

    Attributes:
        rewritten_delete_files_count: The delete files that were replaced.
        added_delete_files_count: The delete files or deletion vectors that took their place.
        rewritten_bytes_count: The size of those that were replaced.
        added_bytes_count: The size of those that came.
        commits: How many snapshots it took.
    """

    rewritten_delete_files_count: int
    added_delete_files_count: int
    rewritten_bytes_count: int
    added_bytes_count: int
    commits: int


class RewriteTask:
    """A group of data files to be written again, in any process: by its bytes, or pickled, which is the same.

    Passwords and keys do not go with it: who runs it brings its own. Bytes say which files are read and where files are
    written, so take them only from where you would take a file's location from.

    Example:
        >>> results = [task.run() for task in plan.tasks]  # doctest: +SKIP
    """

    def __init__(self, task: floe_engine.RewriteTask, properties: Mapping[str, str] = EMPTY_DICT) -> None:
        self._task = task
        self._properties = dict(properties)

    @classmethod
    def from_bytes(cls, data: bytes, properties: Mapping[str, str] = EMPTY_DICT) -> RewriteTask:
        """The task that ``to_bytes`` made these of.

        Args:
            data: The bytes.
            properties: How to reach the table's files, such as keys of an object store.

        Raises:
            CorruptFileError: They are no task.
        """
        return cls(floe_engine.RewriteTask.from_bytes(data), properties)

    def to_bytes(self) -> bytes:
        """What ``from_bytes`` takes, in any process and on any machine that reaches the table's files."""
        return self._task.to_bytes()

    @property
    def input_files(self) -> int:
        """How many files it replaces."""
        return self._task.input_files

    @property
    def input_bytes(self) -> int:
        """How large they are together."""
        return self._task.input_bytes

    def run(self, *, memory: int | None = None) -> bytes:
        """Write the rows of the files again, without those that are deleted.

        Nothing of the table changes; a task may be run again, also while another process runs it.

        Args:
            memory: How many bytes of rows to hold at a time, about.

        Returns:
            What ``plan.commit`` takes.

        Raises:
            NotFoundError: A file is gone.
        """
        return self._task.run(self._properties, memory)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return f"<RewriteTask: {self.input_files} files of {self.input_bytes:,} bytes>"


class RewritePlan:
    """A compaction in steps: tasks to be run anywhere, then one commit.

    Example:
        >>> plan = table.maintenance.plan_rewrite(options={"min-input-files": 2})  # doctest: +SKIP
        >>> results = pool.map(RewriteTask.run, plan.tasks)  # doctest: +SKIP
        >>> plan.commit(results)  # doctest: +SKIP
    """

    def __init__(self, table: FloeTable, tasks: list[RewriteTask]) -> None:
        self._table = table
        self.tasks = tasks

    def commit(self, results: Iterable[bytes]) -> RewriteDataFilesResult:
        """Put what the tasks wrote in the place of what they read.

        The table moves to its current state. Results of only some of the tasks will do; the files of the others stay
        as they are.

        Args:
            results: What ``task.run()`` returned.

        Raises:
            ConflictFoundError: Others changed rows of the files meanwhile. With ``partial-progress.enabled`` the groups
                of these files are left out instead, and counted as failed.
            CommitFailedError: Other writers were first, again and again.
        """
        return commit(self._table, results)

    def __repr__(self) -> str:
        files = sum(task.input_files for task in self.tasks)
        return f"<RewritePlan: {len(self.tasks)} tasks, {files} files>"


class _Request(TypedDict):
    strategy: str
    sort_order: str
    options: dict[str, str]
    filter_json: str
    case_sensitive: bool
    branch: str
    snapshot_properties: Mapping[str, str]


def request(
    strategy: Strategy | None,
    sort_order: str | None,
    options: Mapping[str, OptionValue],
    where: str | BooleanExpression | None,
    branch: str | None,
    case_sensitive: bool,
    snapshot_properties: Mapping[str, str],
) -> _Request:
    """The arguments as the engine takes them."""
    return {
        "strategy": strategy or "",
        "sort_order": sort_order or "",
        "options": {name: option_text(name, value) for name, value in options.items()},
        "filter_json": filter_json(where),
        "case_sensitive": case_sensitive,
        "branch": branch or MAIN_BRANCH,
        "snapshot_properties": snapshot_properties,
    }


def option_text(name: str, value: OptionValue) -> str:
    """An option's value as Spark has it.

    >>> option_text("rewrite-all", True), option_text("min-input-files", 2)
    ('true', '2')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise InvalidArgumentError(f"option '{name}' is a {type(value).__name__}; it is a text, a number or a bool")
    return str(value)


def rewrite(
    table: FloeTable, asked: _Request, memory: int | None, progress: Callable[[str, int, int], object] | None
) -> RewriteDataFilesResult:
    since = table._state
    with operation("rewrite_data_files", table._full_name) as span:
        handle, counts = floe_engine.rewrite_data_files(since.writer, **asked, memory=memory, progress=progress)
        table._move_to(TableState(table.catalog, table.name(), handle), since)
        span.set_attribute("files.rewritten", counts["rewritten_data_files"])
    return _result(counts)


def plan(table: FloeTable, asked: _Request) -> RewritePlan:
    access = {**table.catalog.properties, **table.config}
    tasks = floe_engine.plan_rewrite(table._state.handle, **asked)
    return RewritePlan(table, [RewriteTask(task, access) for task in tasks])


def commit(table: FloeTable, results: Iterable[bytes]) -> RewriteDataFilesResult:
    since = table._state
    with operation("commit_rewrite", table._full_name) as span:
        handle, counts = floe_engine.commit_rewrite(since.writer, list(results))
        table._move_to(TableState(table.catalog, table.name(), handle), since)
        span.set_attribute("files.rewritten", counts["rewritten_data_files"])
    return _result(counts)


def rewrite_deletes(
    table: FloeTable,
    options: Mapping[str, OptionValue],
    where: str | BooleanExpression | None,
    branch: str | None,
    case_sensitive: bool,
    snapshot_properties: Mapping[str, str],
) -> RewritePositionDeleteFilesResult:
    since = table._state
    with operation("rewrite_position_delete_files", table._full_name):
        handle, counts = floe_engine.rewrite_position_deletes(
            since.writer,
            options={name: option_text(name, value) for name, value in options.items()},
            filter_json=filter_json(where),
            case_sensitive=case_sensitive,
            branch=branch or MAIN_BRANCH,
            snapshot_properties=snapshot_properties,
        )
        table._move_to(TableState(table.catalog, table.name(), handle), since)
    return RewritePositionDeleteFilesResult(
        rewritten_delete_files_count=counts["rewritten_delete_files"],
        added_delete_files_count=counts["added_delete_files"],
        rewritten_bytes_count=counts["rewritten_bytes"],
        added_bytes_count=counts["added_bytes"],
        commits=counts["commits"],
    )


def _result(counts: RewriteCounts) -> RewriteDataFilesResult:
    return RewriteDataFilesResult(
        rewritten_data_files_count=counts["rewritten_data_files"],
        added_data_files_count=counts["added_data_files"],
        rewritten_bytes_count=counts["rewritten_bytes"],
        failed_data_files_count=counts["failed_data_files"],
        removed_delete_files_count=counts["removed_delete_files"],
        commits=counts["commits"],
        failures=counts["failures"],
    )


# --- floe's own names of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CompactionResult:
    """What a compaction did, by floe's names.

    Attributes:
        files_rewritten: The data files that were replaced.
        bytes_rewritten: Their size.
        files_added: The files that took their place.
        files_removed: The files that went: those that were replaced, and delete files that delete nothing any more.
    """

    files_rewritten: int = 0
    bytes_rewritten: int = 0
    files_added: int = 0
    files_removed: int = 0


class CompactionExecutor(Protocol):
    """What compacts tables in some way."""

    def execute(self, table: Table, strategy: CompactionStrategy) -> CompactionResult:
        """Compact a table as the strategy says."""


class BaseCompactionExecutor:
    """Compacts by the engine, strategies of one type alone."""

    strategy_type: ClassVar[CompactionStrategyType]

    def execute(self, table: Table, strategy: CompactionStrategy) -> CompactionResult:
        """Compact a table as the strategy says.

        Raises:
            InvalidArgumentError: The strategy is of another type; and what :func:`execute_compaction` raises.
        """
        if strategy.strategy_type is not self.strategy_type:
            raise InvalidArgumentError(
                f"{type(self).__name__} is for {self.strategy_type} and not for {strategy.strategy_type}; "
                "get_compaction_executor has one for each"
            )
        return execute_compaction(table, strategy)


class BinPackCompactionExecutor(BaseCompactionExecutor):
    """Makes small files into larger ones."""

    strategy_type = CompactionStrategyType.BIN_PACK


class SortCompactionExecutor(BaseCompactionExecutor):
    """Sorts rows meanwhile."""

    strategy_type = CompactionStrategyType.SORT


def get_compaction_executor(strategy_type: CompactionStrategyType) -> BaseCompactionExecutor:
    """What compacts by strategies of a type.

    >>> type(get_compaction_executor(CompactionStrategyType.SORT)).__name__
    'SortCompactionExecutor'

    Raises:
        ValueError: There is no such type.
    """
    is_sort = CompactionStrategyType(strategy_type) is CompactionStrategyType.SORT
    return SortCompactionExecutor() if is_sort else BinPackCompactionExecutor()


def execute_compaction(table: Table, strategy: CompactionStrategy | None = None) -> CompactionResult:
    """Compact a table as floe's strategy says. A table of ours moves to its current state.

    Args:
        table: The table, which may be PyIceberg's own.
        strategy: How. None: bin-packing into files of the size that the table asks for.

    Example:
        >>> execute_compaction(table, CompactionStrategy(target_file_size_bytes=256 << 20))  # doctest: +SKIP
        CompactionResult(files_rewritten=500, bytes_rewritten=1204381, files_added=1, files_removed=500)

    Raises:
        InvalidArgumentError: There is no column to sort by of that name.
        ConflictFoundError: Others changed rows of the files meanwhile. Nothing has changed.
    """
    from floe_iceberg.accelerated import accelerate

    maintenance = accelerate(table).refresh().maintenance
    if strategy is None:
        done = maintenance.rewrite_data_files()
    else:
        done = maintenance.rewrite_data_files(
            sort_order=", ".join(f"`{column}`" for column in strategy.sort_columns or ()) or None,
            options={
                "target-file-size-bytes": strategy.target_file_size_bytes,
                "max-concurrent-file-group-rewrites": strategy.max_concurrent_file_group_rewrites,
            },
        )
    return CompactionResult(
        files_rewritten=done.rewritten_data_files_count,
        bytes_rewritten=done.rewritten_bytes_count,
        files_added=done.added_data_files_count,
        files_removed=done.rewritten_data_files_count + done.removed_delete_files_count,
    )
