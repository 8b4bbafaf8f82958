"""What all models have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

IDENTIFIER_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*$"
NAMESPACE_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_]*)*$"
COLUMN_PATTERN = r"^[^.\x00-\x1f]+$"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Pattern:
    """That a text is of a pattern. Where it is not, the error says in words what it has to be."""

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern, "description": self.words}

    def _check(self, text: str) -> str:
        if re.search(self.pattern, text) is None or text.endswith("\n"):
            raise ValueError(f"it has to be: {self.words.removesuffix('.')}")
        return text


def _not_empty(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if not values:
        raise ValueError("give at least one")
    return values


Some = Annotated[tuple[_T, ...], AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
"""One value or more. Unlike ``min_length`` it does not say that there are none where one of them is wrong."""

Identifier = Annotated[
    str,
    Field(min_length=1, max_length=255),
    Pattern(IDENTIFIER_PATTERN, "A letter, then letters, digits and underscores."),
]
Namespace = Annotated[
    str,
    Field(min_length=1, max_length=255),
    Pattern(
        NAMESPACE_PATTERN, "Levels of letters, digits and underscores, joined with dots; each begins with a letter."
    ),
]
ColumnName = Annotated[
    str,
    Field(min_length=1, max_length=255),
    Pattern(COLUMN_PATTERN, "Any text without dots, which stand between a column and its fields."),
]


def _prose(schema: dict[str, Any]) -> None:
    """A description is for people who write JSON or YAML: without Python's examples."""
    if "description" in schema:
        schema["description"] = schema["description"].partition(">>>")[0].strip()


class Model(BaseModel):
    """A value: it does not change, and has no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_prose)


class ModelWithSecrets(Model):
    """A value some of which is secret: what is wrong with it is said without it."""

    model_config = ConfigDict(hide_input_in_errors=True)


def repeated(values: Iterable[_T]) -> list[_T]:
    """The values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]
