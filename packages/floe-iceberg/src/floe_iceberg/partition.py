"""Partition specs and sort orders: how they change, and floe's own as PyIceberg's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.partitioning import PartitionField as IcebergPartitionField
from pyiceberg.partitioning import PartitionSpec as IcebergPartitionSpec
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, NullOrder, SortDirection
from pyiceberg.table.sorting import SortField as IcebergSortField
from pyiceberg.table.sorting import SortOrder as IcebergSortOrder
from pyiceberg.table.update import UpdatesAndRequirements
from pyiceberg.table.update.sorting import UpdateSortOrder
from pyiceberg.table.update.spec import UpdateSpec
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)

import floe_engine
from floe_core.models import PartitionField, PartitionSpec, PartitionTransform, SortField, SortOrder

if TYPE_CHECKING:
    from floe_iceberg.transaction import FloeTransaction

_TRANSFORMS: dict[PartitionTransform, Transform[Any, Any]] = {
    PartitionTransform.IDENTITY: IdentityTransform(),
    PartitionTransform.YEAR: YearTransform(),
    PartitionTransform.MONTH: MonthTransform(),
    PartitionTransform.DAY: DayTransform(),
    PartitionTransform.HOUR: HourTransform(),
}


def to_pyiceberg_spec(spec: PartitionSpec | None) -> IcebergPartitionSpec:
    """The same fields, with the same ids.

    >>> to_pyiceberg_spec(None)
    PartitionSpec(spec_id=0)
    """
    if spec is None or not spec.fields:
        return UNPARTITIONED_PARTITION_SPEC
    return IcebergPartitionSpec(
        *(
            IcebergPartitionField(
                source_id=field.source_field_id,
                field_id=field.partition_field_id,
                transform=_transform(field),
                name=field.name,
            )
            for field in spec.fields
        )
    )


def to_pyiceberg_sort_order(order: SortOrder | None) -> IcebergSortOrder:
    """The same fields.

    >>> to_pyiceberg_sort_order(SortOrder(fields=[SortField(source_field_id=1, direction="desc")])).fields[0].null_order
    NullOrder.NULLS_LAST
    """
    if order is None or not order.fields:
        return UNSORTED_SORT_ORDER
    fields = (
        IcebergSortField(
            source_id=field.source_field_id,
            transform=_transform(field),
            direction=SortDirection(field.direction),
            null_order=None if field.null_order is None else NullOrder(field.null_order),
        )
        for field in order.fields
    )
    return IcebergSortOrder(*fields, order_id=1)


def _transform(field: PartitionField | SortField) -> Transform[Any, Any]:
    if field.num_buckets is not None:
        return BucketTransform(field.num_buckets)
    if field.width is not None:
        return TruncateTransform(field.width)
    return _TRANSFORMS[field.transform]


class FloeUpdateSpec(UpdateSpec):
    """Changes of a table's partitioning, each checked when it is made and all committed at once.

    Rows that are written from now on are grouped so; files that are there stay as they are, readable and prunable.

    Example:
        >>> with table.update_spec() as update:  # doctest: +SKIP
        ...     update.add_field("time_hour", "month")
        ...     update.remove_field("carrier")

    Raises:
        InvalidArgumentError: A change cannot be; the message says why.
        ConflictFoundError: Another writer changed the partitioning meanwhile.
    """

    _transaction: FloeTransaction

    def __init__(self, transaction: FloeTransaction, case_sensitive: bool = True) -> None:
        self._transaction = transaction
        self._update = floe_engine.SpecUpdate(transaction._state.handle, case_sensitive=case_sensitive)

    def __enter__(self) -> FloeUpdateSpec:
        return self

    def add_field(
        self, source_column_name: str, transform: str | Transform[Any, Any], partition_field_name: str | None = None
    ) -> FloeUpdateSpec:
        """Group rows by what a transform makes of a column.

        Args:
            source_column_name: The column, by full name.
            transform: identity, ``bucket[16]``, ``truncate[4]``, year, month, day, hour or void.
            partition_field_name: The field's name; default: made of the column's and the transform's.

        Raises:
            InvalidArgumentError: There is no such column, its type does not do, or there is such a field already.
        """
        self._update.add_field(source_column_name, str(transform), partition_field_name)
        return self

    def add_identity(self, source_column_name: str) -> FloeUpdateSpec:
        """Group rows by a column's values."""
        return self.add_field(source_column_name, IdentityTransform())

    def remove_field(self, name: str) -> FloeUpdateSpec:
        """Group rows by a field no more. In format version 1 it stays, as void."""
        self._update.remove_field(name)
        return self

    def rename_field(self, name: str, new_name: str) -> FloeUpdateSpec:
        """Give a field another name."""
        self._update.rename_field(name, new_name)
        return self

    def apply(self) -> IcebergPartitionSpec:
        """The spec with the changes so far."""
        return self._apply()

    def _apply(self) -> IcebergPartitionSpec:
        return IcebergPartitionSpec.model_validate_json(self._update.apply())

    def _commit(self) -> UpdatesAndRequirements:
        raise NotImplementedError("only floe's transactions take these changes")

    def commit(self) -> None:
        """Add the changes to the transaction; on a table, commit them."""
        self._transaction._take(lambda engine: engine.update_spec(self._update))


class FloeUpdateSortOrder(UpdateSortOrder):
    """A new sort order, field by field. None: rows are not sorted any more.

    Example:
        >>> table.update_sort_order().asc("carrier", IdentityTransform()).commit()  # doctest: +SKIP

    Raises:
        InvalidArgumentError: There is no such column, or its type does not do.
        ConflictFoundError: Another writer changed the sort order meanwhile.
    """

    _transaction: FloeTransaction

    def commit(self) -> None:
        """Add the change to the transaction; on a table, commit it."""
        order = IcebergSortOrder(*self._fields, order_id=1 if self._fields else 0).model_dump_json()
        self._transaction._take(lambda engine: engine.update_sort_order(order))
