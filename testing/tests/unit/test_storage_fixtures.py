"""The fixtures of stores: what they give works, is a test's own, and is gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from floe_iceberg.stores import AzureBlobStoragePlugin, GCSStoragePlugin, LocalStoragePlugin, S3StoragePlugin
from testing.base_classes.storage import CONFIG, read, rows
from testing.fixtures.storage import StorageTestConfig, storage_connection_context

NAMES = ("STORE", "STORE_ENDPOINT", "STORE_BUCKET", "STORE_ACCOUNT", "STORE_SECRET")


@pytest.fixture(autouse=True)
def _nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"FLOE_TEST_{name}", raising=False)


@pytest.mark.requirement("REQ-051")
def test_a_configuration_does_not_change_and_prints_no_secret() -> None:
    config = StorageTestConfig.model_validate({"store": "s3", "secret": "geheim"})
    with pytest.raises(ValidationError, match="frozen"):
        config.bucket = "other"  # type: ignore[misc]
    assert "geheim" not in f"{config!r}{config.model_dump_json()}"
    assert config.prefix != StorageTestConfig().prefix
    with pytest.raises(ValidationError, match="store"):
        StorageTestConfig.model_validate({"store": "tape"})


@pytest.mark.requirement("REQ-051")
def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StorageTestConfig.from_env().store == "local"
    for name, value in zip(NAMES, ("s3", "http://there:9000", "mine", "me", "geheim"), strict=True):
        monkeypatch.setenv(f"FLOE_TEST_{name}", value)
    config = StorageTestConfig.from_env()
    assert (config.store, config.endpoint, config.bucket, config.account) == ("s3", "http://there:9000", "mine", "me")
    assert config.secret.get_secret_value() == "geheim"


@pytest.mark.requirement("REQ-051")
@pytest.mark.parametrize(
    ("store", "kind"),
    [
        ("s3", S3StoragePlugin),
        ("gcs", GCSStoragePlugin),
        ("azure-blob", AzureBlobStoragePlugin),
        ("local", LocalStoragePlugin),
    ],
)
def test_each_store_has_its_plugin(store: str, kind: type, tmp_path: Path) -> None:
    config = StorageTestConfig.model_validate(
        {"store": store, "endpoint": "http://there", "account": "floe", "folder": tmp_path}
    )
    plugin = config.plugin()
    assert type(plugin) is kind
    assert config.prefix in plugin.get_warehouse_uri("bronze")


@pytest.mark.requirement("REQ-051")
def test_a_connection_is_a_tests_own_and_gone_afterwards(tmp_path: Path) -> None:
    config = StorageTestConfig(folder=tmp_path)
    with storage_connection_context(config) as storage, storage_connection_context(config) as other:
        assert storage.namespace != other.namespace
        table = storage.plugin.create_table(CONFIG.model_copy(update={"namespace": storage.namespace}))
        assert table.location().startswith(storage.store.get_warehouse_uri("tables"))
        assert read(storage.plugin, storage.plugin.append(table, rows((1, "a")))) == [(1, "a")]
        assert not other.plugin.namespace_exists(storage.namespace)
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.requirement("REQ-051")
def test_a_connection_goes_after_a_failure_too(tmp_path: Path) -> None:
    def fail() -> None:
        with storage_connection_context(StorageTestConfig(folder=tmp_path)) as storage:
            table = storage.plugin.create_table(CONFIG.model_copy(update={"namespace": storage.namespace}))
            storage.plugin.append(table, rows((1, "a")))
            raise RuntimeError("the test failed")

    with pytest.raises(RuntimeError, match="the test failed"):
        fail()
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.requirement("REQ-051")
def test_a_folder_of_its_own_is_there(local_storage: StorageTestConfig) -> None:
    assert local_storage.plugin().validate_credentials()


@pytest.mark.requirement("REQ-051")
def test_an_s3_server_is_there(s3_storage: StorageTestConfig) -> None:
    assert s3_storage.plugin().validate_credentials(timeout=30)


@pytest.mark.slow
@pytest.mark.requirement("REQ-051")
def test_a_gcs_server_is_there(gcs_storage: StorageTestConfig) -> None:
    assert gcs_storage.plugin().validate_credentials(timeout=30)


@pytest.mark.slow
@pytest.mark.requirement("REQ-051")
def test_an_azure_server_is_there(azure_storage: StorageTestConfig) -> None:
    assert azure_storage.plugin().validate_credentials(timeout=30)
