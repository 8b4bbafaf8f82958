"""floe's partition specs as PyIceberg's."""

from __future__ import annotations

from typing import Any

from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.partitioning import PartitionField as IcebergPartitionField
from pyiceberg.partitioning import PartitionSpec as IcebergPartitionSpec
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

from floe_core.models import PartitionField, PartitionSpec, PartitionTransform

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


def _transform(field: PartitionField) -> Transform[Any, Any]:
    if field.num_buckets is not None:
        return BucketTransform(field.num_buckets)
    if field.width is not None:
        return TruncateTransform(field.width)
    return _TRANSFORMS[field.transform]
