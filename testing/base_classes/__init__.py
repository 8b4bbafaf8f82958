"""What every plugin of a kind satisfies: test classes that a plugin's own tests subclass."""

from __future__ import annotations

from testing.base_classes.object_store import BaseObjectStorePluginTests
from testing.base_classes.storage import BaseStoragePluginTests

__all__ = ["BaseObjectStorePluginTests", "BaseStoragePluginTests"]
