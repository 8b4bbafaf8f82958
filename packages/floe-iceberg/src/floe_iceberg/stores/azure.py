"""Azure Blob Storage."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pyiceberg.io import PY_IO_IMPL

from floe_core.models import Secret
from floe_core.models.base import Pattern
from floe_iceberg.stores.base import Address, ObjectStore, StoreConfig, dagster, dbt, variable

_KEY, _SAS = "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"
_CLIENT_SECRET = "AZURE_CLIENT_SECRET"


class AzureBlobStorageConfig(StoreConfig):
    """A container in Azure Blob Storage.

    With an account's key, a SAS token or a client's secret; without any of them it is Azure's own ways to find
    credentials, such as a managed identity.
    """

    account_name: Annotated[str, Pattern(r"^[a-z0-9]{3,24}$", "3 to 24 small letters and digits.")]
    container: Annotated[
        str, Pattern(r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", "3 to 63 small letters, digits and hyphens.")
    ]
    account_key: Secret | None = Field(default=None, description="Of the account: one of the ways in.")
    sas_token: Secret | None = Field(default=None, description="Of the account or container: another way in.")
    tenant_id: str | None = Field(default=None, min_length=1, description="Of the client.")
    client_id: str | None = Field(default=None, min_length=1, description="The client, such as a service principal.")
    client_secret: Secret | None = Field(default=None, description="The client's: a third way in.")
    endpoint: Address | None = Field(default=None, description="Of an emulator. None: Azure's.")

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        client = [self.tenant_id, self.client_id, self.client_secret]
        if any(client) and not all(client):
            raise ValueError("tenant_id, client_id and client_secret need one another: give all of them, or none")
        ways = [self.account_key, self.sas_token, self.client_secret]
        if sum(way is not None for way in ways) > 1:
            raise ValueError("account_key, sas_token and client_secret are three ways in: give one")
        return self


class AzureBlobStoragePlugin(ObjectStore[AzureBlobStorageConfig]):
    """Tables' files in Azure Blob Storage.

    Example:
        >>> config = AzureBlobStorageConfig(account_name="floe", container="lake")
        >>> AzureBlobStoragePlugin(config).get_warehouse_uri("bronze")
        'abfss://lake/warehouse/bronze'
    """

    kind = "azure-blob"
    schema = AzureBlobStorageConfig
    what = "Files in Azure Blob Storage"

    @property
    def root(self) -> str:
        """The account is not in it: it is a property, since PyIceberg's access through Arrow reads no other URIs."""
        return f"abfss://{self.config.container}/{self.config.prefix}".rstrip("/")

    def get_pyiceberg_catalog_config(self) -> dict[str, str]:
        """PyIceberg's properties ``adls.*``. Secrets in clear: it is not to be printed.

        Raises:
            PluginConfigurationError: The plugin is not configured, or a secret is not where it is said to be.
        """
        config = self.config
        secrets = {
            "adls.account-key": ("account_key", config.account_key),
            "adls.sas-token": ("sas_token", config.sas_token),
            "adls.client-secret": ("client_secret", config.client_secret),
        }
        revealed = {key: self._reveal(field, secret) for key, (field, secret) in secrets.items() if secret is not None}
        # Of its two ways to reach Azure PyIceberg tries the one first that needs adlfs.
        return {PY_IO_IMPL: "pyiceberg.io.pyarrow.PyArrowFileIO"} | self._plain() | revealed

    def _plain(self) -> dict[str, str]:
        config = self.config
        properties = {"adls.account-name": config.account_name}
        if config.tenant_id is not None and config.client_id is not None:
            properties |= {"adls.tenant-id": config.tenant_id, "adls.client-id": config.client_id}
        if config.endpoint is not None:
            scheme, _, authority = config.endpoint.rstrip("/").partition("://")
            properties |= {f"adls.{part}-storage-authority": authority for part in ("blob", "dfs")}
            properties |= {f"adls.{part}-storage-scheme": scheme for part in ("blob", "dfs")}
        return properties

    def get_dbt_profile_config(self) -> dict[str, Any]:
        """For the output of a dbt-duckdb profile: the extension and the secret by which DuckDB reads Azure."""
        secret: dict[str, Any] = {"type": "azure", "name": "floe_azure"}
        config = self.config
        if config.client_secret is not None:
            secret |= {
                "provider": "service_principal",
                "tenant_id": config.tenant_id,
                "client_id": config.client_id,
                "client_secret": dbt(variable(config.client_secret, _CLIENT_SECRET)),
                "account_name": config.account_name,
            }
        elif config.account_key is None and config.sas_token is None:
            secret |= {"provider": "credential_chain", "account_name": config.account_name}
        else:
            secret["connection_string"] = self._connection_string()
        return {"extensions": ["azure"], "secrets": [secret]}

    def _connection_string(self) -> str:
        """As Azure has it, with the names of environment variables in the place of secrets."""
        config = self.config
        account = config.account_name
        where = f"https://{account}.blob.core.windows.net"
        if config.endpoint is not None:
            where = f"{config.endpoint.rstrip('/')}/{account}"
        if config.sas_token is not None:
            way_in = f"SharedAccessSignature={dbt(variable(config.sas_token, _SAS))}"
        else:
            way_in = f"AccountKey={dbt(variable(config.account_key, _KEY))}"
        return f"AccountName={account};{way_in};BlobEndpoint={where}"

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """The warehouse, and PyIceberg's properties as ``storage_options``."""
        config = self.config
        secrets = {
            "adls.account-key": (config.account_key, _KEY),
            "adls.sas-token": (config.sas_token, _SAS),
            "adls.client-secret": (config.client_secret, _CLIENT_SECRET),
        }
        named = {key: dagster(variable(secret, name)) for key, (secret, name) in secrets.items() if secret is not None}
        return {"warehouse": self.root, "storage_options": {**self._plain(), **named}}
