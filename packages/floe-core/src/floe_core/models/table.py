"""A table to be made."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import AliasChoices, Field, model_validator

from floe_core.models.base import Identifier, Model, Namespace, repeated
from floe_core.models.schema import FIRST_PARTITION_FIELD_ID, PartitionSpec, SortOrder, TableSchema


class TableConfig(Model):
    """A table to be made.

    The schema may be given as ``table_schema`` or as ``schema``.

    >>> from floe_core.models import SchemaField
    >>> schema = TableSchema(fields=[SchemaField(field_id=1, name="carrier", field_type="string")])
    >>> TableConfig(namespace="flights", table_name="departures", table_schema=schema).identifier
    'flights.departures'
    """

    namespace: Namespace
    table_name: Identifier
    table_schema: TableSchema = Field(validation_alias=AliasChoices("table_schema", "schema"))
    partition_spec: PartitionSpec | None = Field(default=None, description="None: rows are not grouped.")
    sort_order: SortOrder | None = Field(default=None, description="None: rows are as they come.")
    location: str | None = Field(
        default=None, min_length=1, description="Where the table's files go. None: where the catalog puts them."
    )
    properties: dict[str, str] = Field(
        default_factory=dict, description="What the table keeps, such as format-version."
    )

    @property
    def identifier(self) -> str:
        """The namespace and the name, joined with a dot."""
        return f"{self.namespace}.{self.table_name}"

    @model_validator(mode="after")
    def _partitions_and_order_have_sources(self) -> Self:
        columns = {field.field_id: field.name for field in self.table_schema.fields}
        columns |= {child.field_id: "" for field in self.table_schema.fields for child in _inner(field)}
        partitions = [
            (f"partition field {field.name}", field) for field in (self.partition_spec or PartitionSpec()).fields
        ]
        order = [
            (f"sort field {position}", field)
            for position, field in enumerate((self.sort_order or SortOrder()).fields, 1)
        ]
        for what, field in [*partitions, *order]:
            if field.source_field_id not in columns:
                raise ValueError(
                    f"{what}: no column has the id {field.source_field_id}; the columns' ids are {sorted(columns)}"
                )
        return self

    @classmethod
    def from_yaml(cls, source: str | PathLike[str]) -> Self:
        """A table that a YAML file describes, or a text of YAML.

        The keys are those of the models. What a person would not write may be left out: ids of columns and partition
        fields are then numbered, ``source_column`` names a column, or a field within one (``address.city``), instead of
        ``source_field_id``, and a partition field gets the name of its column and transform. Properties may be numbers
        and truth values, without quotes.

        >>> table = TableConfig.from_yaml('''
        ... namespace: flights
        ... table_name: departures
        ... schema:
        ...   fields:
        ...     - {name: carrier, field_type: string, required: true}
        ...     - {name: time_hour, field_type: timestamptz}
        ... partition_spec:
        ...   fields:
        ...     - {source_column: time_hour, transform: month}
        ... ''')
        >>> table.partition_spec.fields[0].name, table.partition_spec.fields[0].source_field_id
        ('time_hour_month', 2)

        Args:
            source: The file, or the text itself, which has more than one line.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is no YAML, or no table; the message names each key that is wrong.
        """
        is_text = isinstance(source, str) and "\n" in source
        text = str(source) if is_text else Path(source).read_text(encoding="utf-8")
        where = "the YAML text" if is_text else f"{source}"
        try:
            document = yaml.load(text, _Loader)
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(f"{where} is no YAML: {error}") from error
        if not isinstance(document, dict):
            raise ValueError(f"{where} describes no table: it has to be keys and values, such as `namespace: flights`")
        return cls.model_validate(_completed(document))


class _Loader(yaml.SafeLoader):
    """Plain values, each written out: aliases can make a small file huge. And no key twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            where = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"an alias (*name) stands in it{where}; write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if twice := repeated(self.construct_object(key, deep=True) for key, _ in node.value):
            raise yaml.YAMLError(f"keys stand twice in it{node.start_mark}: {twice}")
        return super().construct_mapping(node, deep)


def _inner(field: Any) -> list[Any]:
    """The fields of structs within a column, by which rows may be grouped."""
    return [inner for child in field.fields or () for inner in (child, *_inner(child))]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what a person leaves out. What is wrong in it is left for the models to say."""
    if isinstance(properties := document.get("properties"), dict):
        document["properties"] = {key: _as_property(value) for key, value in properties.items()}
    schema = document.get("table_schema", document.get("schema"))
    columns = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(columns, list):
        return document
    fields = [field for column in columns for field in _with_children(column)]
    if not any("field_id" in field for field in fields):
        for number, field in enumerate(fields, 1):
            field["field_id"] = number
    ids = {name: field.get("field_id") for name, field in _named(columns)}
    for key in ("partition_spec", "sort_order"):
        spec = document.get(key)
        listed = spec.get("fields") if isinstance(spec, dict) else None
        for position, field in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(field, dict):
                _complete(field, key, position, ids)
    return document


def _as_property(value: Any) -> Any:
    """``3`` and ``true`` as properties have them, which are texts."""
    return str(value).lower() if isinstance(value, (bool, int)) else value


def _named(columns: list[Any], parents: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Columns, and the fields of structs within them, by full name."""
    for column in columns:
        if isinstance(column, dict):
            name = f"{parents}{column.get('name')}"
            yield name, column
            inner = column.get("fields")
            yield from _named(inner if isinstance(inner, list) else [], f"{name}.")


def _with_children(field: Any) -> list[dict[str, Any]]:
    if not isinstance(field, dict):
        return []
    inner = field.get("fields")
    children = [*(inner if isinstance(inner, list) else []), *(field.get(key) for key in ("element", "key", "value"))]
    return [field, *(found for child in children for found in _with_children(child))]


def _complete(field: dict[str, Any], key: str, position: int, ids: dict[Any, Any]) -> None:
    column = field.get("source_column")
    if column is not None and "source_field_id" not in field:
        if column not in ids:
            raise ValueError(f"{key}: there is no column {column}; there are {', '.join(map(str, ids))}")
        field["source_field_id"] = ids[field.pop("source_column")]
    if key == "partition_spec":
        field.setdefault("partition_field_id", FIRST_PARTITION_FIELD_ID + position)
        transform = field.get("transform")
        if column is not None:
            name = str(column).replace(".", "_")  # partition fields have no dots
            field.setdefault("name", name if transform == "identity" else f"{name}_{transform}")
