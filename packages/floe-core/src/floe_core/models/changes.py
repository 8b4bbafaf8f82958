"""Changes of a table's columns."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import AliasChoices, Field, model_validator

from floe_core.models.base import ColumnName, Model, Some
from floe_core.models.schema import FieldType, SchemaField


class SchemaChangeType(StrEnum):
    """What happens to a column."""

    ADD_COLUMN = "add_column"
    RENAME_COLUMN = "rename_column"
    WIDEN_TYPE = "widen_type"
    MAKE_OPTIONAL = "make_optional"
    DELETE_COLUMN = "delete_column"
    UPDATE_DOC = "update_doc"


_CHANGE_NEEDS: dict[SchemaChangeType, tuple[str, ...]] = {
    SchemaChangeType.ADD_COLUMN: ("field",),
    SchemaChangeType.RENAME_COLUMN: ("source_column", "new_name"),
    SchemaChangeType.WIDEN_TYPE: ("source_column", "target_type"),
    SchemaChangeType.MAKE_OPTIONAL: ("source_column",),
    SchemaChangeType.DELETE_COLUMN: ("source_column",),
    SchemaChangeType.UPDATE_DOC: ("source_column", "new_doc"),
}
_CHANGE_MAY_HAVE: dict[SchemaChangeType, tuple[str, ...]] = {
    SchemaChangeType.ADD_COLUMN: ("parent_path",),
    SchemaChangeType.WIDEN_TYPE: ("target_precision", "target_scale"),
}
_WIDENS_TO = (
    FieldType.LONG,
    FieldType.DOUBLE,
    FieldType.DECIMAL,
    FieldType.TIMESTAMP,
    FieldType.TIMESTAMP_NS,
)


class SchemaChange(Model):
    """One change of a table's columns.

    Columns are named in full, as they were before the change: ``address.city``.

    >>> SchemaChange(change_type="rename_column", source_column="dep_delay", new_name="delay").new_name
    'delay'
    """

    change_type: SchemaChangeType
    field: SchemaField | None = Field(default=None, description="The column to add. The table gives it an id.")
    parent_path: Some[str] | None = Field(
        default=None, description="The struct that the column to add goes into. None: the table itself."
    )
    source_column: str | None = Field(
        default=None,
        min_length=1,
        validation_alias=AliasChoices("source_column", "old_name", "column_name"),
        description="The column to change.",
    )
    new_name: ColumnName | None = Field(default=None, description="What the column is called from then on.")
    target_type: FieldType | None = Field(
        default=None,
        validation_alias=AliasChoices("target_type", "new_type"),
        description="What the column's type becomes: an int a long, a float a double, a decimal one of more digits; in "
        "format version 3 a date a timestamp.",
    )
    target_precision: int | None = Field(default=None, ge=1, le=38, description="Of a decimal: all its digits.")
    target_scale: int | None = Field(default=None, ge=0, le=38, description="Of a decimal: as it was.")
    new_doc: str | None = Field(default=None, max_length=1000, description="The column's comment from then on.")

    @model_validator(mode="after")
    def _has_what_the_change_needs(self) -> Self:
        needs = _CHANGE_NEEDS[self.change_type]
        given = {name for name in type(self).model_fields if getattr(self, name) is not None} - {"change_type"}
        if missing := [name for name in needs if name not in given]:
            raise ValueError(f"{self.change_type} needs {', '.join(missing)}")
        if spare := sorted(given - {*needs, *_CHANGE_MAY_HAVE.get(self.change_type, ())}):
            raise ValueError(f"{self.change_type} does not take {', '.join(spare)}")
        if self.target_type is not None and self.target_type not in _WIDENS_TO:
            raise ValueError(
                f"widen_type: nothing widens to {self.target_type}; to {', '.join(_WIDENS_TO)} something does"
            )
        is_decimal = self.target_type is FieldType.DECIMAL
        if is_decimal and (self.target_precision is None or self.target_scale is None):
            raise ValueError("widen_type to a decimal needs target_precision, and target_scale as it was")
        if not is_decimal and (self.target_precision is not None or self.target_scale is not None):
            raise ValueError("only a decimal has target_precision and target_scale")
        return self


class SchemaEvolution(Model):
    """Changes of a table's columns that become one commit, all or none of them."""

    changes: Some[SchemaChange] = Field(description="Each names its column as it was before all of them.")
    allow_incompatible_changes: bool = Field(
        default=False,
        description="Whether columns may be deleted, and required ones added to rows that have no value for them.",
    )

    @classmethod
    def of(cls, changes: SchemaEvolution | Iterable[SchemaChange]) -> SchemaEvolution:
        """The changes, of which none may be incompatible unless they say so themselves.

        Raises:
            ValueError: They are something else.
        """
        if isinstance(changes, SchemaEvolution):
            return changes
        if isinstance(changes, (SchemaChange, str)) or not isinstance(changes, Iterable):
            raise ValueError(f"changes are a SchemaEvolution or a list of SchemaChange, not a {type(changes).__name__}")
        return cls(changes=tuple(changes))
