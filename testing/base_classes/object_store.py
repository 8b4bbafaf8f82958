"""What every ObjectStorePlugin satisfies."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from floe_core import HealthState, HealthStatus, ObjectStorePlugin, PluginConfigurationError
from floe_core.plugins.storage import FileIO
from floe_core.version_compat import is_compatible


class BaseObjectStorePluginTests:
    """A subclass gives the fixtures, of a store that is really there.

    Example:
        >>> class TestMine(BaseObjectStorePluginTests):  # doctest: +SKIP
        ...     scheme = "mine"
        ...
        ...     @pytest.fixture
        ...     def plugin(self) -> ObjectStorePlugin:
        ...         return MyPlugin(MyConfig(...))
    """

    scheme: str

    @pytest.fixture
    def plugin(self) -> ObjectStorePlugin:
        """A plugin that is configured with credentials that do."""
        raise NotImplementedError("a subclass gives the plugin")

    @pytest.fixture
    def refused(self) -> ObjectStorePlugin | None:
        """The same with credentials that do not. None: the store asks nobody who they are."""
        raise NotImplementedError("a subclass gives the plugin")

    @pytest.fixture
    def unreachable(self) -> ObjectStorePlugin | None:
        """The same with an address at which nobody answers. None: the store has no address."""
        raise NotImplementedError("a subclass gives the plugin")

    @pytest.fixture
    def secrets(self) -> list[str]:
        """What no fragment of configuration may have in it."""
        return []

    @pytest.mark.requirement("REQ-041")
    def test_it_says_what_it_is(self, plugin: ObjectStorePlugin) -> None:
        assert plugin.name
        assert len(plugin.version.split(".")) == 3
        assert is_compatible(plugin.floe_api_version)
        assert plugin.description
        assert plugin.get_config_schema() is not None

    @pytest.mark.requirement("REQ-041")
    def test_it_is_made_without_arguments_and_says_that_it_is_not_configured(self, plugin: ObjectStorePlugin) -> None:
        bare = type(plugin)()
        assert not bare.is_configured
        with pytest.raises(PluginConfigurationError, match="configure the plugin first"):
            bare.get_warehouse_uri("bronze")
        with pytest.raises(PluginConfigurationError, match="configure the plugin first"):
            bare.validate_credentials()

    @pytest.mark.requirement("REQ-042")
    def test_files_are_written_read_and_removed(self, plugin: ObjectStorePlugin) -> None:
        io = plugin.get_pyiceberg_fileio()
        assert isinstance(io, FileIO)
        location = f"{plugin.get_warehouse_uri('bronze')}/{uuid.uuid4().hex}.bin"
        with io.new_output(location).create() as stream:
            stream.write(b"rows")
        with io.new_input(location).open() as stream:
            assert stream.read() == b"rows"
        io.delete(location)
        assert not io.new_input(location).exists()

    @pytest.mark.requirement("REQ-043")
    def test_a_namespace_has_a_folder_in_the_warehouse(self, plugin: ObjectStorePlugin) -> None:
        bronze = plugin.get_warehouse_uri("bronze")
        assert bronze.startswith(f"{self.scheme}://")
        assert bronze.endswith("/bronze")
        assert plugin.get_warehouse_uri("bronze.raw") == f"{bronze}/raw"

    @pytest.mark.requirement("REQ-043")
    @pytest.mark.parametrize("namespace", ["", ".", "..", "a..b", "a/b", "../x", "a b", "a\n", "%2e%2e"])
    def test_a_namespace_does_not_leave_the_warehouse(self, plugin: ObjectStorePlugin, namespace: str) -> None:
        with pytest.raises(ValueError, match="namespace"):
            plugin.get_warehouse_uri(namespace)

    @pytest.mark.requirement("REQ-047")
    def test_fragments_of_configuration_have_no_secret(self, plugin: ObjectStorePlugin, secrets: list[str]) -> None:
        fragments: list[dict[str, Any]] = [
            plugin.get_dbt_profile_config(),
            plugin.get_dagster_io_manager_config(),
            plugin.get_helm_values_override(),
        ]
        text = json.dumps(fragments)  # plain values
        assert not [secret for secret in secrets if secret in text]
        assert not [secret for secret in secrets if secret in repr(plugin.__dict__)]

    @pytest.mark.requirement("REQ-045")
    def test_dagster_gets_storage_options(self, plugin: ObjectStorePlugin) -> None:
        fragment = plugin.get_dagster_io_manager_config()
        assert fragment["warehouse"].startswith(f"{self.scheme}://")
        assert set(fragment["storage_options"]) <= set(plugin.get_pyiceberg_catalog_config())

    @pytest.mark.requirement("REQ-049")
    def test_credentials_that_do(self, plugin: ObjectStorePlugin) -> None:
        assert plugin.validate_credentials(timeout=30) is True
        health = plugin.health_check(timeout=30)
        assert isinstance(health, HealthStatus)
        assert health.state is HealthState.HEALTHY
        assert health.details["checked_at"]

    @pytest.mark.requirement("REQ-049")
    def test_credentials_that_do_not(self, refused: ObjectStorePlugin | None, secrets: list[str]) -> None:
        if refused is None:
            return
        assert refused.validate_credentials(timeout=30) is False
        health = refused.health_check(timeout=30)
        assert health.state is HealthState.UNHEALTHY
        assert not [secret for secret in secrets if secret in repr(health)]

    @pytest.mark.requirement("REQ-049")
    def test_a_store_that_does_not_answer(self, unreachable: ObjectStorePlugin | None, secrets: list[str]) -> None:
        if unreachable is None:
            return
        started = time.monotonic()
        with pytest.raises(OSError, match="check the address") as caught:
            unreachable.validate_credentials(timeout=2)
        assert time.monotonic() - started < 60  # and not what the store's own retries take
        assert not [secret for secret in secrets if secret in str(caught.value)]
        assert unreachable.health_check(timeout=1).state is HealthState.UNHEALTHY
