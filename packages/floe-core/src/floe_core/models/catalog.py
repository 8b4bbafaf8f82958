"""Which catalog tables are in."""

from __future__ import annotations

from pydantic import Field

from floe_core.models.base import ModelWithSecrets
from floe_core.models.secrets import Secret, reveal


class CatalogConfig(ModelWithSecrets):
    """A catalog, as PyIceberg's ``load_catalog`` opens it. What is not said is taken from PyIceberg's configuration.

    >>> CatalogConfig(type="rest", uri="https://polaris.example", credential={"env": "POLARIS_CREDENTIAL"}).credential
    SecretReference(env='POLARIS_CREDENTIAL', file=None)
    """

    name: str | None = Field(default=None, min_length=1, description="None: the configured default catalog.")
    type: str | None = Field(default=None, min_length=1, description="sql, rest, in-memory, ... None: by its uri.")
    uri: Secret | None = Field(default=None, description="Where it is. A secret, since it may have a password in it.")
    warehouse: str | None = Field(default=None, min_length=1, description="Where tables go, or the catalog's own name.")
    credential: Secret | None = Field(default=None, description="Of OAuth2: id:secret.")
    token: Secret | None = Field(default=None, description="A bearer token, in the place of a credential.")
    scope: str | None = Field(default=None, min_length=1, description="Of OAuth2, such as PRINCIPAL_ROLE:ALL.")
    properties: dict[str, Secret] = Field(
        default_factory=dict, description="More, by PyIceberg's names. Secrets all of them, since any may be one."
    )

    def to_pyiceberg_properties(self) -> dict[str, str]:
        """What ``load_catalog`` takes, secrets in clear.

        Raises:
            LookupError: A secret that is referred to is not there; the message says which.
        """
        plain = {"type": self.type, "warehouse": self.warehouse, "scope": self.scope}
        secret = {"uri": self.uri, "credential": self.credential, "token": self.token, **self.properties}
        return {
            **{key: value for key, value in plain.items() if value is not None},
            **{key: reveal(value) for key, value in secret.items() if value is not None},
        }
