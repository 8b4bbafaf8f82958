"""S3, and what speaks it: MinIO, SeaweedFS, Ceph."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from floe_core.models import Secret
from floe_core.models.base import Pattern
from floe_iceberg.stores.base import Address, ObjectStore, StoreConfig, dagster, dbt, variable

_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


class S3StorageConfig(StoreConfig):
    """A bucket in S3. Without keys here or in the environment it is AWS's own ways to find credentials."""

    bucket: Annotated[
        str, Pattern(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "3 to 63 small letters, digits, dots and hyphens.")
    ]
    endpoint: Address | None = Field(default=None, description="None: AWS.")
    region: str = Field(default="us-east-1", min_length=1, description="AWS's; a store of another kind takes any.")
    path_style_access: bool | None = Field(
        default=None, description="http://host/bucket rather than http://bucket.host. None: where there is an endpoint."
    )
    access_key_id: Secret | None = Field(default=None, description=f"None: that of {_KEY}.")
    secret_access_key: Secret | None = Field(default=None, description=f"None: that of {_SECRET}.")
    session_token: Secret | None = Field(default=None, description=f"None: that of {_TOKEN}.")
    role_arn: Annotated[str, Pattern(r"^arn:", "arn:... of a role to assume.")] | None = Field(
        default=None, description="A role to assume with the credentials of the environment."
    )

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key need each other: give both, or neither")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("session_token belongs to access_key_id and secret_access_key: give them, too")
        if self.role_arn is not None and self.access_key_id is not None:
            raise ValueError("role_arn is assumed with the credentials of the environment: leave access_key_id out")
        return self

    @property
    def uses_paths(self) -> bool:
        """Whether the bucket is in the path of addresses."""
        return self.endpoint is not None if self.path_style_access is None else self.path_style_access


class S3StoragePlugin(ObjectStore[S3StorageConfig]):
    """Tables' files in S3, or in a store that speaks it.

    Example:
        >>> store = S3StoragePlugin(S3StorageConfig(bucket="lake", endpoint="http://localhost:9000"))
        >>> store.get_warehouse_uri("bronze")
        's3://lake/warehouse/bronze'
        >>> store.get_dbt_profile_config()["secrets"][0]["secret"]
        "{{ env_var('AWS_SECRET_ACCESS_KEY') }}"
    """

    kind = "s3"
    schema: ClassVar[type[StoreConfig]] = S3StorageConfig
    what = "Files in S3 and what speaks it"

    @property
    def root(self) -> str:
        return f"s3://{self.config.bucket}/{self.config.prefix}".rstrip("/")

    def get_pyiceberg_catalog_config(self) -> dict[str, str]:
        """PyIceberg's properties ``s3.*``. Secrets in clear: it is not to be printed.

        Raises:
            PluginConfigurationError: The plugin is not configured, a secret is not where it is said to be, or a store
                that is not AWS has no keys.
        """
        return self._plain() | self._keys()

    def _plain(self) -> dict[str, str]:
        config = self.config
        properties = {
            "s3.region": config.region,
            "s3.path-style-access": str(config.uses_paths).lower(),  # as floe and Java name it
            "s3.force-virtual-addressing": str(not config.uses_paths).lower(),  # as PyIceberg does
        }
        if config.endpoint is not None:
            properties["s3.endpoint"] = config.endpoint.rstrip("/")
        if config.role_arn is not None:
            properties["s3.role-arn"] = config.role_arn
        return properties

    @property
    def _needs_keys(self) -> bool:
        """Whether there have to be keys: AWS has other ways in, and a role is assumed with the environment's."""
        config = self.config
        return config.role_arn is None and (config.access_key_id is not None or config.endpoint is not None)

    def _keys(self) -> dict[str, str]:
        config = self.config
        given = {
            "s3.access-key-id": ("access_key_id", config.access_key_id, _KEY),
            "s3.secret-access-key": ("secret_access_key", config.secret_access_key, _SECRET),
            "s3.session-token": ("session_token", config.session_token, _TOKEN),
        }
        keys = {key: self._reveal(field, secret) for key, (field, secret, _) in given.items() if secret is not None}
        if config.access_key_id is None and config.role_arn is None:  # the environment's, all of them together
            keys |= {key: os.environ[name] for key, (_, _, name) in given.items() if os.environ.get(name)}
        if self._needs_keys:
            for key, (field, _, name) in list(given.items())[:2]:
                if key not in keys:
                    raise self._unusable(field, f"it is missing; set it, or the environment variable {name}")
        return keys

    def get_dbt_profile_config(self) -> dict[str, Any]:
        """For the output of a dbt-duckdb profile: the extensions and the secret by which DuckDB reads S3."""
        config = self.config
        secret: dict[str, Any] = {
            "type": "s3",
            "name": "floe_s3",
            "region": config.region,
            "scope": f"s3://{config.bucket}",
        }
        extensions = ["httpfs"]
        if self._needs_keys:
            secret["key_id"] = dbt(variable(config.access_key_id, _KEY))
            secret["secret"] = dbt(variable(config.secret_access_key, _SECRET))
        else:
            secret["provider"] = "credential_chain"
            extensions.append("aws")
        if config.role_arn is not None:
            secret |= {"chain": "sts", "assume_role_arn": config.role_arn}
        if config.session_token is not None:
            secret["session_token"] = dbt(variable(config.session_token, _TOKEN))
        if config.endpoint is not None:
            address = urlsplit(config.endpoint)
            secret |= {"endpoint": address.netloc, "use_ssl": address.scheme == "https"}
        secret["url_style"] = "path" if config.uses_paths else "vhost"
        return {"extensions": extensions, "secrets": [secret]}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """The warehouse, and PyIceberg's properties as ``storage_options``."""
        config = self.config
        options: dict[str, Any] = dict(self._plain())
        if self._needs_keys:
            options["s3.access-key-id"] = dagster(variable(config.access_key_id, _KEY))
            options["s3.secret-access-key"] = dagster(variable(config.secret_access_key, _SECRET))
        if config.session_token is not None:
            options["s3.session-token"] = dagster(variable(config.session_token, _TOKEN))
        return {"warehouse": self.root, "storage_options": options}

    def _probe(self, properties: dict[str, str]) -> None:
        limit = str(self.config.timeout_seconds)
        super()._probe({"s3.connect-timeout": limit, "s3.request-timeout": limit, **properties})


KubernetesName = Annotated[
    str,
    Pattern(
        r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", "A name of Kubernetes': small letters, digits, dots and hyphens."
    ),
]


class MinIOStorageConfig(S3StorageConfig):
    """A bucket in MinIO, and how floe's chart hosts it."""

    endpoint: Address = Field(description="Such as http://minio:9000.")
    kubernetes_secret: KubernetesName = Field(
        default="minio-credentials", description="The Kubernetes secret with root-user and root-password."
    )
    persistence_size: Annotated[
        str, Pattern(r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi)$", "A number and Ki, Mi, Gi, Ti or Pi, such as 10Gi.")
    ] = "10Gi"
    storage_class: KubernetesName | None = Field(default=None, description="None: the cluster's default.")


class MinIOStoragePlugin(S3StoragePlugin):
    """Tables' files in a MinIO beside floe.

    Example:
        >>> store = MinIOStoragePlugin(MinIOStorageConfig(bucket="lake", endpoint="http://minio:9000"))
        >>> store.get_helm_values_override()["minio"]["persistence"]
        {'enabled': True, 'size': '10Gi'}
    """

    kind = "minio"
    schema: ClassVar[type[StoreConfig]] = MinIOStorageConfig
    what = "Files in a MinIO beside floe"

    def get_helm_values_override(self) -> dict[str, Any]:
        """The values of the chart's ``minio``: the bucket, persistence, and the name of the secret with its keys."""
        config = self.config
        assert isinstance(config, MinIOStorageConfig)
        persistence: dict[str, Any] = {"enabled": True, "size": config.persistence_size}
        if config.storage_class is not None:
            persistence["storageClass"] = config.storage_class
        return {
            "minio": {
                "enabled": True,
                "auth": {"existingSecret": config.kubernetes_secret},
                "defaultBuckets": config.bucket,
                "persistence": persistence,
            }
        }
