"""Google Cloud Storage."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from floe_core.models import Secret
from floe_core.models.base import Pattern
from floe_iceberg.stores.base import Address, ObjectStore, StoreConfig, dagster, dbt, variable

_CREDENTIALS, _TOKEN = "GOOGLE_APPLICATION_CREDENTIALS", "GCS_OAUTH2_TOKEN"
_HMAC_KEY, _HMAC_SECRET = "GCS_HMAC_KEY_ID", "GCS_HMAC_SECRET"
_HOUR_MS = 3_600_000


class GCSStorageConfig(StoreConfig):
    """A bucket in Google Cloud Storage.

    Without a token it is Google's own ways to find credentials: the service account's key file that
    GOOGLE_APPLICATION_CREDENTIALS names, or that of the machine.
    """

    bucket: Annotated[
        str,
        Pattern(
            r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$",
            "3 to 222 small letters, digits, dots, hyphens and underscores.",
        ),
    ]
    project_id: str | None = Field(default=None, min_length=1, description="The project that the bucket is in.")
    token: Secret | None = Field(default=None, description="An OAuth2 access token.")
    token_expires_at_ms: int | None = Field(default=None, ge=0, description="Unix time in ms. None: within the hour.")
    endpoint: Address | None = Field(default=None, description="Of an emulator. None: Google's.")


class GCSStoragePlugin(ObjectStore[GCSStorageConfig]):
    """Tables' files in Google Cloud Storage.

    Example:
        >>> GCSStoragePlugin(GCSStorageConfig(bucket="lake")).get_warehouse_uri("bronze")
        'gs://lake/warehouse/bronze'
    """

    kind = "gcs"
    schema = GCSStorageConfig
    what = "Files in Google Cloud Storage"

    @property
    def root(self) -> str:
        return f"gs://{self.config.bucket}/{self.config.prefix}".rstrip("/")

    def get_pyiceberg_catalog_config(self) -> dict[str, str]:
        """PyIceberg's properties ``gcs.*``. Secrets in clear: it is not to be printed.

        Raises:
            PluginConfigurationError: The plugin is not configured, or the token is not where it is said to be.
        """
        token = self.config.token
        return self._plain() | ({} if token is None else {"gcs.oauth2.token": self._reveal("token", token)})

    def _plain(self) -> dict[str, str]:
        config = self.config
        properties = {}
        if config.project_id is not None:
            properties["gcs.project-id"] = config.project_id
        if config.endpoint is not None:
            properties["gcs.service.host"] = config.endpoint.rstrip("/")
        if config.token is not None:  # without which Arrow takes no token
            expires = config.token_expires_at_ms or int(time.time() * 1000) + _HOUR_MS
            properties["gcs.oauth2.token-expires-at"] = str(expires)
        return properties

    def get_dbt_profile_config(self) -> dict[str, Any]:
        """For the output of a dbt-duckdb profile: the secret by which DuckDB reads GCS, which takes HMAC keys alone."""
        secret = {
            "type": "gcs",
            "name": "floe_gcs",
            "key_id": dbt(_HMAC_KEY),
            "secret": dbt(_HMAC_SECRET),
            "scope": f"gs://{self.config.bucket}",
        }
        return {"extensions": ["httpfs"], "secrets": [secret]}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """The warehouse, and PyIceberg's properties as ``storage_options``."""
        token = self.config.token
        named = {} if token is None else {"gcs.oauth2.token": dagster(variable(token, _TOKEN))}
        return {"warehouse": self.root, "storage_options": {**self._plain(), **named}}
