"""What all models have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

IDENTIFIER_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*$"
NAMESPACE_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_]*)*$"
COLUMN_PATTERN = r"^[^.\x00-\x1f]+$"

Identifier = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=IDENTIFIER_PATTERN,
        description="A letter, then letters, digits and underscores.",
    ),
]
Namespace = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=NAMESPACE_PATTERN,
        description="Levels of letters, digits and underscores, joined with dots; each begins with a letter.",
    ),
]
ColumnName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=COLUMN_PATTERN,
        description="Any text without dots, which stand between a column and its fields.",
    ),
]

_T = TypeVar("_T")


class Model(BaseModel):
    """A value: it does not change, and has no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelWithSecrets(Model):
    """A value some of which is secret: what is wrong with it is said without it."""

    model_config = ConfigDict(hide_input_in_errors=True)


def repeated(values: Iterable[_T]) -> list[_T]:
    """The values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]
