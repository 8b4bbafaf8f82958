"""What the comparison of a data contract with a table says."""

from __future__ import annotations

from floe_core.models.base import Model


class TypeMismatch(Model):
    """A column whose type is not what the contract says."""

    column: str
    contract_type: str
    table_type: str


class SchemaComparisonResult(Model):
    """How a table's columns differ from a contract's. Columns that only the table has are no difference."""

    matches: bool
    type_mismatches: tuple[TypeMismatch, ...] = ()
    missing_columns: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()
