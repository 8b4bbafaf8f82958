"""Files of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field

from floe_iceberg.stores.base import ObjectStore, StoreConfig


class LocalStorageConfig(StoreConfig):
    """A folder of this machine."""

    path: Path = Field(description="The folder, which need not be there. A relative one is below the current folder.")


class LocalStoragePlugin(ObjectStore[LocalStorageConfig]):
    """Tables' files in a folder of this machine, for development and for tests.

    Example:
        >>> LocalStoragePlugin(LocalStorageConfig(path="/data")).get_warehouse_uri("bronze")
        'file:///data/warehouse/bronze'
    """

    kind = "local"
    schema = LocalStorageConfig
    what = "Files in a folder of this machine"

    @property
    def root(self) -> str:
        return f"file://{self.config.path.absolute()}/{self.config.prefix}".rstrip("/")

    def get_pyiceberg_catalog_config(self) -> dict[str, str]:
        """``{}``: files of this machine are reached without being told how."""
        return {}

    def get_dbt_profile_config(self) -> dict[str, Any]:
        """``{}``: DuckDB reads them as they are."""
        return {}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """The warehouse."""
        return {"warehouse": self.root, "storage_options": {}}

    def _probe(self, properties: dict[str, str]) -> None:
        """Whether files can be made in the folder, or in the nearest one above it that is there."""
        folder = self.config.path.absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise self._unusable("path", f"{folder} is a file; tables need a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"permission denied: {folder}")
