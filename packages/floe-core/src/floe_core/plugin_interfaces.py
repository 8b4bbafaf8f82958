"""The interfaces that plugins implement: tables, bytes, and the registration of tables."""

from __future__ import annotations

from floe_core.plugins.catalog import Catalog, CatalogPlugin
from floe_core.plugins.storage import FileIO, ObjectStorePlugin, StoragePlugin

__all__ = ["Catalog", "CatalogPlugin", "FileIO", "ObjectStorePlugin", "StoragePlugin"]
