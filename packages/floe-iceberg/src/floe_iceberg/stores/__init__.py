"""floe's plugins for object stores: how tables' files are reached, said to PyIceberg, dbt, Dagster and Helm."""

from __future__ import annotations

from floe_iceberg.stores.azure import AzureBlobStorageConfig, AzureBlobStoragePlugin
from floe_iceberg.stores.gcs import GCSStorageConfig, GCSStoragePlugin
from floe_iceberg.stores.local import LocalStorageConfig, LocalStoragePlugin
from floe_iceberg.stores.s3 import MinIOStorageConfig, MinIOStoragePlugin, S3StorageConfig, S3StoragePlugin

__all__ = [
    "AzureBlobStorageConfig",
    "AzureBlobStoragePlugin",
    "GCSStorageConfig",
    "GCSStoragePlugin",
    "LocalStorageConfig",
    "LocalStoragePlugin",
    "MinIOStorageConfig",
    "MinIOStoragePlugin",
    "S3StorageConfig",
    "S3StoragePlugin",
]
