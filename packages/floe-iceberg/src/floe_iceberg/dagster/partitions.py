"""Dagster's partitions as rows of a table: which values of which columns a partition's rows have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dagster import MultiPartitionKey, MultiPartitionsDefinition, PartitionsDefinition, TimeWindowPartitionsDefinition
from pyiceberg.expressions import AlwaysFalse, And, BooleanExpression, GreaterThanOrEqual, In, LessThan, Or
from pyiceberg.expressions.literals import AboveMax, BelowMin, BinaryLiteral, Literal, StringLiteral
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    FixedType,
    NestedField,
    TimestampNanoType,
    TimestampType,
    TimestamptzNanoType,
    TimestamptzType,
)

from floe_iceberg.errors import InvalidArgumentError

Columns = str | Mapping[str, str]
"""The column that tells partitions apart; for partitions of several dimensions one of each, by the dimension's name."""

_ZONED = (TimestamptzType, TimestamptzNanoType)
_UNZONED = (TimestampType, TimestampNanoType)


@dataclass(frozen=True)
class _Values:
    """Rows whose column has one of some values."""

    column: str
    literals: tuple[Literal[Any], ...]

    def expression(self) -> BooleanExpression:
        return In(self.column, self.literals)  # type: ignore[call-arg]  # Pydantic's plugin sees fields alone


@dataclass(frozen=True)
class _Ranges:
    """Rows whose column is in one of some ranges, the ends of which are not in them: as text, as filters have it."""

    column: str
    ranges: tuple[tuple[str, str], ...]

    def expression(self) -> BooleanExpression:
        return _any([self._between(low, high) for low, high in self.ranges])

    def _between(self, low: str, high: str) -> BooleanExpression:
        return And(GreaterThanOrEqual(self.column, low), LessThan(self.column, high))  # type: ignore[call-arg]


_Part = _Values | _Ranges


class PartitionRows:
    """The rows of some partitions: any of several alternatives, each of which asks something of each column.

    Example:
        >>> months = MonthlyPartitionsDefinition("2013-01-01")  # doctest: +SKIP
        >>> PartitionRows(months, ["2013-02-01"], "time_hour", table.schema()).expression()  # doctest: +SKIP

    Raises:
        InvalidArgumentError: A column is not there, or cannot tell these partitions apart; the message says why.
    """

    def __init__(
        self, partitions: PartitionsDefinition[Any], keys: Sequence[str], columns: Columns, schema: Schema
    ) -> None:
        self._alternatives = list(_alternatives(partitions, keys, columns, schema))
        self._types = {
            part.column: _arrow_type(_field(schema, part.column))
            for alternative in self._alternatives
            for part in alternative
        }

    def expression(self) -> BooleanExpression:
        """The rows as a filter."""
        return _any([reduce(And, (part.expression() for part in alternative)) for alternative in self._alternatives])

    def only(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """The stream, which ends with an error where a row is of another partition.

        Replacing a partition by such rows would leave them behind when it is replaced again.
        """
        missing = [column for column in self._types if column not in reader.schema.names]
        if missing:
            raise InvalidArgumentError(f"the output lacks {', '.join(missing)}, which tells its partition")
        return pa.RecordBatchReader.from_batches(reader.schema, self._checked(reader))

    def _checked(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            columns = {name: _storage(batch[name]).cast(type_) for name, type_ in self._types.items()}
            inside = reduce(pc.or_kleene, (self._matches(columns, part) for part in self._alternatives))
            if not pc.all(pc.fill_null(inside, False)).as_py():
                row = pc.index(pc.fill_null(inside, False), False).as_py()
                found = ", ".join(f"{name} = {column[row].as_py()}" for name, column in columns.items())
                raise InvalidArgumentError(f"a row of the output is of another partition: {found}")
            yield batch

    def _matches(self, columns: Mapping[str, pa.Array], alternative: Iterable[_Part]) -> pa.Array:
        return reduce(pc.and_kleene, (_mask(columns[part.column], part) for part in alternative))


def _any(parts: Sequence[BooleanExpression]) -> BooleanExpression:
    """Halved again and again, since filters are read by recursion."""
    if len(parts) < 2:
        return parts[0] if parts else AlwaysFalse()
    middle = len(parts) // 2
    return Or(_any(parts[:middle]), _any(parts[middle:]))


def _alternatives(
    partitions: PartitionsDefinition[Any], keys: Sequence[str], columns: Columns, schema: Schema
) -> Iterator[tuple[_Part, ...]]:
    dimensions = columns_by_dimension(partitions, columns)
    if not isinstance(partitions, MultiPartitionsDefinition):
        yield (_part(partitions, keys, dimensions[0][1], schema),)
        return
    first, *others = (dimension.name for dimension in partitions.partitions_defs)
    # Keys that differ in the first dimension only are one alternative.
    together: dict[tuple[str, ...], list[str]] = {}
    for key in keys:
        by_dimension = _dimensions(partitions, key)
        together.setdefault(tuple(by_dimension[name] for name in others), []).append(by_dimension[first])
    merged: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for rest, firsts in together.items():
        merged.setdefault(tuple(sorted(set(firsts))), []).append(rest)
    for same, rests in merged.items():
        wanted = [list(same), *(sorted(set(part)) for part in zip(*rests, strict=True))]
        yield tuple(
            _part(definition, part, column, schema)
            for (definition, column), part in zip(dimensions, wanted, strict=True)
        )


def columns_by_dimension(
    partitions: PartitionsDefinition[Any], columns: Columns
) -> list[tuple[PartitionsDefinition[Any], str]]:
    """Each dimension of some partitions, and the column that tells them apart.

    Raises:
        InvalidArgumentError: There is not one column of each.
    """
    if not isinstance(partitions, MultiPartitionsDefinition):
        if isinstance(columns, str):
            return [(partitions, columns)]
        raise InvalidArgumentError(f"partitions of one dimension have one column, not {columns}")
    names = [dimension.name for dimension in partitions.partitions_defs]
    if isinstance(columns, str) or set(columns) != set(names):
        raise InvalidArgumentError(f"partitions of {', '.join(names)} have a column of each, by name, not {columns!r}")
    return [(dimension.partitions_def, columns[dimension.name]) for dimension in partitions.partitions_defs]


def _dimensions(partitions: MultiPartitionsDefinition, key: str) -> Mapping[str, str]:
    parsed = key if isinstance(key, MultiPartitionKey) else partitions.get_partition_key_from_str(key)
    return parsed.keys_by_dimension


def _part(partitions: PartitionsDefinition[Any], keys: Sequence[str], column: str, schema: Schema) -> _Part:
    field = _field(schema, column)
    is_time = isinstance(field.field_type, (DateType, *_ZONED, *_UNZONED))
    if not (isinstance(partitions, TimeWindowPartitionsDefinition) and is_time):
        return _Values(column, tuple(_literal(key, field) for key in keys))
    windows: list[tuple[dt.datetime, dt.datetime]] = []
    for window in sorted(partitions.time_windows_for_partition_keys(frozenset(keys)), key=lambda each: each.start):
        if windows and windows[-1][1] == window.start:
            windows[-1] = windows[-1][0], window.end
        else:
            windows.append((window.start, window.end))
    return _Ranges(column, tuple((_edge(start, field), _edge(end, field)) for start, end in windows))


def _field(schema: Schema, column: str) -> NestedField:
    for field in schema.fields:
        if field.name == column:
            return field
    raise InvalidArgumentError(f"there is no column {column}, which is to tell partitions apart")


def _arrow_type(field: NestedField) -> pa.DataType:
    type_ = schema_to_pyarrow(Schema(field)).field(0).type
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def _literal(key: str, field: NestedField) -> Literal[Any]:
    """The value that a partition's key stands for in a column."""
    type_ = field.field_type
    try:
        if isinstance(type_, DecimalType):
            value = Decimal(key).quantize(Decimal(1).scaleb(-type_.scale))
            literal = StringLiteral(str(value)).to(type_) if value == Decimal(key) else None
        elif isinstance(type_, (BinaryType, FixedType)):
            literal = BinaryLiteral(key.encode()).to(type_)
        else:
            literal = StringLiteral(key).to(type_)
    except (ValueError, TypeError, InvalidOperation):
        literal = None
    if literal is None or isinstance(literal, (AboveMax, BelowMin)):
        raise InvalidArgumentError(f"the partition {key} is no value of column {field.name}, which is of type {type_}")
    return literal


def _edge(moment: dt.datetime, field: NestedField) -> str:
    """Where a partition begins or ends, as a value of a column."""
    if isinstance(field.field_type, _ZONED):
        return moment.astimezone(dt.UTC).isoformat()
    before = (moment.astimezone(dt.UTC) - dt.timedelta(microseconds=1)).astimezone(moment.tzinfo)
    if isinstance(field.field_type, DateType):
        if before.date() == moment.date():  # a day may begin at one o'clock, where clocks are put forward at midnight
            raise InvalidArgumentError(
                f"a partition begins or ends within a day, at {moment}: a column of type date, such as {field.name}, "
                "cannot tell such partitions apart"
            )
        return moment.date().isoformat()
    if moment.utcoffset() != moment.replace(fold=0).utcoffset():
        raise InvalidArgumentError(
            f"a partition begins or ends at {moment}, which clocks show for the second time after they were put back: "
            f"column {field.name} cannot tell it from the first; give it a time zone (timestamptz)"
        )
    return moment.replace(tzinfo=None).isoformat()


def _mask(column: pa.Array, part: _Part) -> pa.Array:
    if isinstance(part, _Values):
        return pc.is_in(column, value_set=pa.array([literal.value for literal in part.literals], column.type))
    inside = (
        pc.and_kleene(
            pc.greater_equal(column, pa.scalar(low).cast(column.type)),
            pc.less(column, pa.scalar(high).cast(column.type)),
        )
        for low, high in part.ranges
    )
    return reduce(pc.or_kleene, inside, pa.array([False] * len(column)))


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column
