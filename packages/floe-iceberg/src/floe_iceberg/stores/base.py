"""What the plugins for object stores have in common."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, Field
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from floe_core.models import Secret, SecretReference, reveal
from floe_core.models.base import ModelWithSecrets, Pattern
from floe_core.plugin_errors import PluginConfigurationError
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugins.lifecycle import DEFAULT_HEALTH_CHECK_TIMEOUT, timing, within
from floe_core.plugins.storage import ObjectStorePlugin
from floe_iceberg.errors import InvalidArgumentError
from floe_iceberg.secrets import without_secrets

Prefix = Annotated[
    str,
    Pattern(
        r"^$|^[\w.=-]+(/[\w.=-]+)*$",
        "The folder of all tables, without slashes at its ends. Empty: the bucket itself.",
    ),
]
Address = Annotated[
    str, Pattern(r"^https?://[^\s/@]+/?$", "http:// or https://, a host, and maybe a port, without a password.")
]
Seconds = Annotated[float, Field(gt=0, le=600, description="The most that validate_credentials may take.")]

_NAMESPACE_LEVEL = re.compile(r"\w[\w-]*")
# What stores say when they know us not, or let us not in.
_REFUSALS = re.compile(
    r"access_?\s*denied|forbidden|unauthorized|unauthenticated|invalid_?access_?key|signature_?does_?not_?match"
    r"|invalid_?token|expired_?token|expiredtoken|authenticationfailed|authorizationfailure|invalidauthentication"
    r"|permission.?denied|(?:http|status|code)\D{0,12}40[13]\b",
    re.IGNORECASE,
)

_Config = TypeVar("_Config", bound="StoreConfig")


class StoreConfig(ModelWithSecrets):
    """What all stores are configured with."""

    prefix: Prefix = "warehouse"
    timeout_seconds: Seconds = 10.0


class ObjectStore(ObjectStorePlugin, Generic[_Config]):
    """A plugin for an object store. Callable without arguments; what needs a configuration says so when it is used."""

    kind: ClassVar[str]
    schema: ClassVar[type[StoreConfig]]
    what: ClassVar[str]

    def __init__(self, config: _Config | None = None) -> None:
        super().__init__()
        self.configure(config)

    @property
    def name(self) -> str:
        return self.kind

    @property
    def version(self) -> str:
        return "0.1.0"

    @property
    def floe_api_version(self) -> str:
        return "1.0"

    @property
    def description(self) -> str:
        return self.what

    @property
    def tracer_name(self) -> str:
        return f"floe.storage.{self.kind}"

    def get_config_schema(self) -> type[StoreConfig]:
        return self.schema

    def configure(self, config: BaseModel | None) -> None:
        """Take a configuration.

        Raises:
            PluginConfigurationError: It is of another model.
        """
        if config is not None and not isinstance(config, self.schema):
            raise self._unusable("config", f"expected {self.schema.__name__}, not {type(config).__name__}")
        super().configure(config)

    @property
    def config(self) -> _Config:
        """What the plugin is configured with.

        Raises:
            PluginConfigurationError: Nothing.
        """
        if self._config is None:
            raise self._unusable("_config", f"configure the plugin first, with a {self.schema.__name__}")
        return cast(_Config, self._config)

    def _unusable(self, field: str, message: str) -> PluginConfigurationError:
        return PluginConfigurationError(self.name, [{"field": field, "message": message, "type": "value_error"}])

    def _reveal(self, field: str, secret: Secret) -> str:
        try:
            return reveal(secret)
        except LookupError as error:
            raise self._unusable(field, str(error)) from None

    # --- what each store says for itself ---

    @property
    @abstractmethod
    def root(self) -> str:
        """Where all tables go, as a URI."""

    @abstractmethod
    def get_pyiceberg_catalog_config(self) -> dict[str, str]: ...

    def get_helm_values_override(self) -> dict[str, Any]:
        """``{}``: nothing is hosted beside floe."""
        return {}

    # --- what follows from it ---

    def get_warehouse_uri(self, namespace: str) -> str:
        """Where the tables of a namespace go: a folder for each of its levels, below the store's prefix.

        Raises:
            InvalidArgumentError: A level of the namespace cannot be a folder.
        """
        levels = namespace.split(".")
        if not all(_NAMESPACE_LEVEL.fullmatch(level) for level in levels):
            raise InvalidArgumentError(
                f"{namespace!r} cannot be a folder: a namespace has letters, digits, - and _, and dots between levels"
            )
        return "/".join([self.root.rstrip("/"), *levels])

    def get_pyiceberg_fileio(self) -> FileIO:
        """PyIceberg's access to the store's files, on Arrow.

        Raises:
            PluginConfigurationError: The plugin is not configured, or a secret is not where it is said to be.
        """
        return PyArrowFileIO(self.get_pyiceberg_catalog_config())

    def validate_credentials(self, timeout: float | None = None) -> bool:
        """Ask the store for the bucket, and what is in the tables' folder.

        Args:
            timeout: The most seconds that it may take. None: as configured.

        Returns:
            True if the store let us in, False if it refused.

        Raises:
            PluginConfigurationError: There are no credentials, or no such bucket.
            OSError: The store could not be asked, or did not answer in time, so that nothing is known.
        """
        limit = self.config.timeout_seconds if timeout is None else timeout
        properties = self.get_pyiceberg_catalog_config()
        try:
            within(limit, lambda: self._probe(properties))
        except (PluginConfigurationError, InvalidArgumentError):
            raise
        except TimeoutError:
            raise TimeoutError(f"store {self.name}: {self.root} did not answer within {limit:g} s; {_HINT}") from None
        except Exception as error:
            if _REFUSALS.search(str(error)):
                return False
            said = without_secrets(str(error))
            raise ConnectionError(f"store {self.name}: {self.root} could not be asked: {said}; {_HINT}") from None
        return True

    def _probe(self, properties: dict[str, str]) -> None:
        """Ask the store itself. Raises what Arrow raises, or that the bucket is not there."""
        from pyarrow.fs import FileSelector, FileType

        scheme, bucket, folder = PyArrowFileIO.parse_location(self.root, properties)
        filesystem = PyArrowFileIO(properties).fs_by_scheme(scheme, bucket)
        if filesystem.get_file_info(bucket).type is FileType.NotFound:
            raise self._unusable("bucket", f"the store has no {bucket}; make it, or correct the name")
        filesystem.get_file_info(FileSelector(folder, allow_not_found=True))

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        """Whether the store lets us in, within ``timeout`` seconds (5)."""
        started = time.monotonic()
        try:
            lets_in = self.validate_credentials(DEFAULT_HEALTH_CHECK_TIMEOUT if timeout is None else timeout)
        except Exception as error:
            details = {**timing(started), "exception_type": type(error).__name__}
            return HealthStatus(HealthState.UNHEALTHY, without_secrets(str(error)), details)
        if not lets_in:
            return HealthStatus(HealthState.UNHEALTHY, "the store refuses the credentials", timing(started))
        return HealthStatus(HealthState.HEALTHY, "the store lets us in", timing(started))


_HINT = "check the address, and that it is reached from here"


def variable(secret: Secret | None, default: str) -> str:
    """The environment variable that fragments of configuration name in the place of a secret."""
    return secret.env if isinstance(secret, SecretReference) and secret.env else default


def dbt(name: str) -> str:
    """How a profile of dbt's names an environment variable."""
    return f"{{{{ env_var('{name}') }}}}"


def dagster(name: str) -> dict[str, str]:
    """How Dagster's configuration names one."""
    return {"env": name}
