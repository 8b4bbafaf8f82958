"""Passwords and keys in configuration: given, or referred to, and never printed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, SecretStr, Tag, model_validator

from floe_core.models.base import ModelWithSecrets


class SecretReference(ModelWithSecrets):
    """Where a secret is: in an environment variable, or in a file, as Kubernetes mounts it.

    >>> SecretReference(env="POLARIS_CREDENTIAL")
    SecretReference(env='POLARIS_CREDENTIAL', file=None)
    """

    env: str | None = Field(default=None, min_length=1, description="The environment variable.")
    file: str | None = Field(default=None, min_length=1, description="The file, whose last line break does not count.")

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is referred to by env or by file: give one of them")
        return self


def _kind(value: Any) -> str:
    return "reference" if isinstance(value, (Mapping, SecretReference)) else "text"


Secret = Annotated[
    Annotated[SecretStr, Tag("text")] | Annotated[SecretReference, Tag("reference")],
    Discriminator(_kind),  # so that an error is about the one of both that is meant
]
"""A secret itself, or where it is: ``{"env": "NAME"}`` or ``{"file": "/run/secrets/name"}``."""


def reveal(secret: Secret) -> str:
    """The secret in clear.

    >>> reveal(SecretStr("geheim"))
    'geheim'

    Raises:
        LookupError: The environment variable is not set, or the file cannot be read; the message says which.
    """
    if isinstance(secret, SecretStr):
        return secret.get_secret_value()
    if secret.env is not None:
        value = os.environ.get(secret.env)
        if value is None:
            raise LookupError(f"the environment variable {secret.env} is not set; it is to hold a secret")
        return value
    try:
        return Path(secret.file or "").read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LookupError(f"the file {secret.file}, which is to hold a secret, cannot be read") from error
