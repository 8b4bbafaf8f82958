"""The plugins for object stores, each on a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from pydantic import SecretStr, ValidationError

from floe_core import HealthState, ObjectStorePlugin, PluginConfigurationError, PluginType, get_registry
from floe_iceberg.stores import (
    AzureBlobStorageConfig,
    AzureBlobStoragePlugin,
    GCSStorageConfig,
    GCSStoragePlugin,
    LocalStorageConfig,
    LocalStoragePlugin,
    MinIOStorageConfig,
    MinIOStoragePlugin,
    S3StorageConfig,
    S3StoragePlugin,
)
from testing.base_classes import BaseObjectStorePluginTests
from testing.fixtures.storage import AZURITE_KEY, NOWHERE, StorageTestConfig
from tests.integration.strangers import duckdb_extension

WRONG = SecretStr("wrong-secret")


class TestS3(BaseObjectStorePluginTests):
    scheme = "s3"

    @pytest.fixture
    def plugin(self, s3_storage: StorageTestConfig) -> ObjectStorePlugin:
        return s3_storage.plugin()

    @pytest.fixture
    def refused(self, s3_storage: StorageTestConfig) -> ObjectStorePlugin:
        return s3_storage.model_copy(update={"secret": WRONG}).plugin()

    @pytest.fixture
    def unreachable(self, s3_storage: StorageTestConfig) -> ObjectStorePlugin:
        return s3_storage.model_copy(update={"endpoint": NOWHERE}).plugin()

    @pytest.fixture
    def secrets(self) -> list[str]:
        return ["floe-secret", "wrong-secret"]

    def test_a_bucket_that_is_not_there(self, s3_storage: StorageTestConfig) -> None:
        with pytest.raises(PluginConfigurationError, match="bucket: the store has no nowhere"):
            s3_storage.model_copy(update={"bucket": "nowhere"}).plugin().validate_credentials(timeout=30)


class TestMinIO(TestS3):
    """Which speaks S3: it differs in what it says to Helm."""

    @pytest.fixture
    def plugin(self, s3_server: str) -> ObjectStorePlugin:
        return minio(s3_server)

    @pytest.mark.requirement("REQ-046")
    def test_helm_gets_persistence_and_the_name_of_a_secret(self) -> None:
        values = yaml.safe_load(yaml.safe_dump(minio("http://minio:9000").get_helm_values_override()))
        assert values == {
            "minio": {
                "enabled": True,
                "auth": {"existingSecret": "minio-credentials"},
                "defaultBuckets": "lake",
                "persistence": {"enabled": True, "size": "10Gi"},
            }
        }


def minio(endpoint: str) -> MinIOStoragePlugin:
    keys = {"access_key_id": "floe", "secret_access_key": "floe-secret"}
    return MinIOStoragePlugin(MinIOStorageConfig.model_validate({"bucket": "lake", "endpoint": endpoint, **keys}))


@pytest.mark.slow
class TestGCS(BaseObjectStorePluginTests):
    scheme = "gs"

    @pytest.fixture
    def plugin(self, gcs_storage: StorageTestConfig) -> ObjectStorePlugin:
        return gcs_storage.plugin()

    @pytest.fixture
    def refused(self) -> None:
        return None

    @pytest.fixture
    def unreachable(self, gcs_storage: StorageTestConfig) -> ObjectStorePlugin:
        return gcs_storage.model_copy(update={"endpoint": NOWHERE}).plugin()

    @pytest.fixture
    def secrets(self) -> list[str]:
        return ["floe-secret"]


@pytest.mark.slow
class TestAzureBlob(BaseObjectStorePluginTests):
    scheme = "abfss"

    @pytest.fixture
    def plugin(self, azure_storage: StorageTestConfig) -> ObjectStorePlugin:
        return azure_storage.plugin()

    @pytest.fixture
    def refused(self, azure_storage: StorageTestConfig) -> ObjectStorePlugin:
        return azure_storage.model_copy(update={"secret": SecretStr("d3Jvbmctc2VjcmV0")}).plugin()

    @pytest.fixture
    def unreachable(self, azure_storage: StorageTestConfig) -> ObjectStorePlugin:
        return azure_storage.model_copy(update={"endpoint": NOWHERE}).plugin()

    @pytest.fixture
    def secrets(self) -> list[str]:
        return [AZURITE_KEY, "d3Jvbmctc2VjcmV0"]


class TestLocal(BaseObjectStorePluginTests):
    scheme = "file"

    @pytest.fixture
    def plugin(self, local_storage: StorageTestConfig) -> ObjectStorePlugin:
        return local_storage.plugin()

    @pytest.fixture
    def refused(self) -> None:
        return None

    @pytest.fixture
    def unreachable(self) -> None:
        return None

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(PluginConfigurationError, match="is a file"):
            LocalStoragePlugin(LocalStorageConfig(path=tmp_path / "file")).validate_credentials()


@pytest.mark.requirement("REQ-048")
def test_all_of_them_are_entry_points() -> None:
    registry = get_registry()
    names = {"s3", "minio", "gcs", "azure-blob", "local", "iceberg"}
    assert names <= set(registry.list_all()[PluginType.STORAGE])
    assert {registry.get(PluginType.STORAGE, name).name for name in names} == names


@pytest.mark.requirement("REQ-044")
def test_dbt_gets_what_duckdb_reads_with() -> None:
    store = S3StoragePlugin(
        S3StorageConfig.model_validate(
            {
                "bucket": "lake",
                "endpoint": "http://minio:9000",
                "access_key_id": {"env": "LAKE_KEY"},
                "secret_access_key": {"file": "/run/secrets/lake"},
            }
        )
    )
    profile = {"outputs": {"dev": {"type": "duckdb", **store.get_dbt_profile_config()}}, "target": "dev"}
    assert yaml.safe_load(yaml.safe_dump(profile))["outputs"]["dev"] == {
        "type": "duckdb",
        "extensions": ["httpfs"],
        "secrets": [
            {
                "type": "s3",
                "name": "floe_s3",
                "region": "us-east-1",
                "key_id": "{{ env_var('LAKE_KEY') }}",
                "secret": "{{ env_var('AWS_SECRET_ACCESS_KEY') }}",
                "scope": "s3://lake",
                "endpoint": "minio:9000",
                "use_ssl": False,
                "url_style": "path",
            }
        ],
    }
    azure = AzureBlobStorageConfig(account_name="floe", container="lake")
    assert AzureBlobStoragePlugin(azure).get_dbt_profile_config()["secrets"][0]["provider"] == "credential_chain"
    assert GCSStoragePlugin(GCSStorageConfig(bucket="lake")).get_dbt_profile_config()["secrets"][0]["type"] == "gcs"


@pytest.mark.requirement("REQ-044")
@pytest.mark.requirement("REQ-045")
def test_without_keys_nobody_is_asked_for_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """In AWS there may be none: a machine's role is a way in."""
    store = S3StoragePlugin(S3StorageConfig(bucket="lake"))
    profile = store.get_dbt_profile_config()
    assert profile["extensions"] == ["httpfs", "aws"]
    (secret,) = profile["secrets"]
    assert secret["provider"] == "credential_chain"
    assert "env" not in json.dumps([profile, store.get_dagster_io_manager_config()])
    role = "arn:aws:iam::1:role/lake"
    store = S3StoragePlugin(S3StorageConfig(bucket="lake", role_arn=role))
    (secret,) = store.get_dbt_profile_config()["secrets"]
    assert (secret["chain"], secret["assume_role_arn"]) == ("sts", role)
    assert store.get_dagster_io_manager_config()["storage_options"]["s3.role-arn"] == role
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    assert "s3.access-key-id" not in store.get_pyiceberg_catalog_config(), "the role is assumed by who has the keys"


@pytest.mark.requirement("REQ-045")
def test_dagster_is_told_all_that_a_catalog_is() -> None:
    """Of secrets where they are, and of what is no secret everything."""
    keys = {"access_key_id": {"env": "KEY"}, "secret_access_key": {"env": "SECRET"}, "session_token": {"env": "TOKEN"}}
    stores: list[Any] = [
        S3StoragePlugin(S3StorageConfig.model_validate({"bucket": "lake", **keys})),
        minio("http://minio:9000"),
        GCSStoragePlugin(GCSStorageConfig(bucket="lake", token=SecretStr("t"), token_expires_at_ms=5)),
        AzureBlobStoragePlugin(AzureBlobStorageConfig(account_name="floe", container="lake", sas_token=SecretStr("t"))),
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KEY", "SECRET", "TOKEN"):
            patch.setenv(name, name)
        for store in stores:
            whole = store.get_pyiceberg_catalog_config()
            told = store.get_dagster_io_manager_config()["storage_options"]
            assert set(whole) - set(told) <= {"py-io-impl"}
            assert {key: value for key, value in told.items() if isinstance(value, str)}.items() <= whole.items()


def duckdb_as_dbt_says(profile: dict[str, Any], environment: dict[str, str]) -> duckdb.DuckDBPyConnection:
    """DuckDB with the extensions and secrets of a profile, as dbt-duckdb makes them of it."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    for name in profile["extensions"]:
        connection.execute(f"LOAD '{duckdb_extension(name)}'")
    for secret in profile["secrets"]:
        fields = []
        for key, value in secret.items():
            rendered = re.sub(r"\{\{ env_var\('(\w+)'\) \}\}", lambda match: environment[match[1]], str(value))
            if key != "name":
                fields.append(f"{key} {value}" if key in ("type", "provider") else f"{key} '{rendered}'")
        connection.execute(f"CREATE SECRET {secret['name']} ({', '.join(fields)})")
    return connection


@pytest.mark.requirement("REQ-044")
def test_duckdb_reads_what_is_in_s3_as_dbt_is_told(s3_storage: StorageTestConfig) -> None:
    store = s3_storage.plugin()
    location = f"{store.get_warehouse_uri('bronze')}/rows.parquet"
    with store.get_pyiceberg_fileio().new_output(location).create() as stream:
        pyarrow.parquet.write_table(pa.table({"id": [1, 2]}), stream)
    keys = {"AWS_ACCESS_KEY_ID": s3_storage.account, "AWS_SECRET_ACCESS_KEY": s3_storage.secret.get_secret_value()}
    with duckdb_as_dbt_says(store.get_dbt_profile_config(), keys) as connection:
        assert connection.execute(f"SELECT id FROM read_parquet('{location}')").fetchall() == [(1,), (2,)]


@pytest.mark.slow
@pytest.mark.requirement("REQ-044")
def test_duckdb_reads_what_is_in_azure_as_dbt_is_told(azure_storage: StorageTestConfig) -> None:
    store = azure_storage.plugin()
    location = f"{store.get_warehouse_uri('bronze')}/rows.parquet"
    with store.get_pyiceberg_fileio().new_output(location).create() as stream:
        pyarrow.parquet.write_table(pa.table({"id": [1, 2]}), stream)
    environment = {"AZURE_STORAGE_KEY": azure_storage.secret.get_secret_value()}
    with duckdb_as_dbt_says(store.get_dbt_profile_config(), environment) as connection:
        there = location.replace("abfss://", "az://")  # the emulator speaks to blobs alone
        assert connection.execute(f"SELECT id FROM read_parquet('{there}')").fetchall() == [(1,), (2,)]


@pytest.mark.requirement("REQ-044")
@pytest.mark.parametrize(
    "store",
    [
        GCSStoragePlugin(GCSStorageConfig(bucket="lake")),
        AzureBlobStoragePlugin(
            AzureBlobStorageConfig.model_validate(
                {"account_name": "floe", "container": "lake", "account_key": {"env": "MY_KEY"}}
            )
        ),
        AzureBlobStoragePlugin(
            AzureBlobStorageConfig(account_name="floe", container="lake", sas_token=SecretStr("sv=1&sig=a2V5"))
        ),
        AzureBlobStoragePlugin(AzureBlobStorageConfig(account_name="floe", container="lake")),
        AzureBlobStoragePlugin(
            AzureBlobStorageConfig.model_validate(
                {"account_name": "floe", "container": "lake", "tenant_id": "t", "client_id": "c", "client_secret": "s"}
            )
        ),
    ],
    ids=["gcs", "azure key", "azure token", "azure chain", "azure client"],
)
def test_duckdb_takes_what_dbt_is_told_of_other_stores(store: ObjectStorePlugin) -> None:
    environment = {
        "GCS_HMAC_KEY_ID": "a",
        "GCS_HMAC_SECRET": "b",
        "MY_KEY": "a2V5",
        "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=a2V5",
        "AZURE_CLIENT_SECRET": "s",
    }
    with duckdb_as_dbt_says(store.get_dbt_profile_config(), environment) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_secrets()").fetchall() == [(1,)]


@pytest.mark.requirement("REQ-047")
def test_secrets_are_found_where_they_are_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    config = {
        "bucket": "lake",
        "endpoint": "http://minio:9000",
        "access_key_id": {"env": "LAKE_KEY"},
        "secret_access_key": {"file": str(tmp_path / "secret")},
    }
    store = S3StoragePlugin(S3StorageConfig.model_validate(config))
    monkeypatch.delenv("LAKE_KEY", raising=False)
    with pytest.raises(PluginConfigurationError, match="access_key_id: the environment variable LAKE_KEY is not set"):
        store.get_pyiceberg_fileio()
    monkeypatch.setenv("LAKE_KEY", "me")
    properties = store.get_pyiceberg_catalog_config()
    assert (properties["s3.access-key-id"], properties["s3.secret-access-key"]) == ("me", "geheim")
    assert properties["s3.path-style-access"] == "true"
    (tmp_path / "secret").unlink()
    with pytest.raises(PluginConfigurationError, match=r"secret_access_key: the file .* cannot be read"):
        store.get_pyiceberg_catalog_config()


@pytest.mark.requirement("REQ-047")
def test_keys_come_from_the_environment_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3StoragePlugin(S3StorageConfig(bucket="lake", endpoint="http://minio:9000"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PluginConfigurationError, match=r"access_key_id: it is missing; set it, or .*AWS_ACCESS_KEY_ID"):
        store.validate_credentials()
    assert store.health_check().state is HealthState.UNHEALTHY
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    assert store.get_pyiceberg_catalog_config()["s3.secret-access-key"] == "geheim"
    assert "s3.session-token" not in store.get_pyiceberg_catalog_config()


@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        (S3StorageConfig, {}, "bucket"),
        (S3StorageConfig, {"bucket": "Lake"}, "bucket"),
        (S3StorageConfig, {"bucket": "lake", "endpoint": "minio:9000"}, "endpoint"),
        (S3StorageConfig, {"bucket": "lake", "endpoint": "http://me:geheim@minio:9000"}, "endpoint"),
        (S3StorageConfig, {"bucket": "lake", "access_key_id": "me"}, "need each other"),
        (S3StorageConfig, {"bucket": "lake", "session_token": "geheim"}, "session_token belongs to"),
        (
            S3StorageConfig,
            {"bucket": "lake", "access_key_id": "me", "secret_access_key": "geheim", "role_arn": "arn:x"},
            "role_arn is assumed with the credentials of the environment",
        ),
        (S3StorageConfig, {"bucket": "lake", "prefix": "/warehouse/"}, "prefix"),
        (S3StorageConfig, {"bucket": "lake", "prefix": "a/../b", "keys": 1}, "keys"),
        (MinIOStorageConfig, {"bucket": "lake"}, "endpoint"),
        (
            MinIOStorageConfig,
            {"bucket": "lake", "endpoint": "http://m", "persistence_size": "much"},
            "persistence_size",
        ),
        (GCSStorageConfig, {"bucket": "lake", "token": {"env": "A", "file": "b"}}, "give one of them"),
        (AzureBlobStorageConfig, {"account_name": "floe"}, "container"),
        (AzureBlobStorageConfig, {"account_name": "floe", "container": "lake", "client_id": "x"}, "need one another"),
        (
            AzureBlobStorageConfig,
            {"account_name": "floe", "container": "lake", "account_key": "a", "sas_token": "b"},
            "give one",
        ),
        (LocalStorageConfig, {}, "path"),
    ],
)
def test_configurations_that_cannot_be(model: Any, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        model.model_validate(arguments)
    assert "geheim" not in str(caught.value)


def test_configurations_of_another_store() -> None:
    with pytest.raises(PluginConfigurationError, match="expected S3StorageConfig, not LocalStorageConfig"):
        S3StoragePlugin().configure(LocalStorageConfig(path=Path("/data")))


def test_nothing_of_a_configuration_that_is_secret_is_printed() -> None:
    config = S3StorageConfig.model_validate({"bucket": "lake", "access_key_id": "me", "secret_access_key": "geheim"})
    assert "geheim" not in f"{config!r}{config}{config.model_dump_json()}"
