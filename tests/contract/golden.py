"""What the contracts are, as JSON, so that none changes unnoticed.

python -m tests.contract.golden      writes tests/contract/golden/*.json anew, from the code
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import floe_core
import floe_core.models
import floe_core.plugin_errors
import floe_core.plugin_interfaces
import floe_core.plugin_registry
import floe_iceberg.errors
import floe_iceberg.manager
import floe_iceberg.models
import floe_iceberg.plugin
import floe_iceberg.stores

FOLDER = Path(__file__).parent / "golden"


def models() -> dict[str, Any]:
    """The JSON schemas of models and of the enumerations that they use."""
    stores = [getattr(floe_iceberg.stores, name) for name in floe_iceberg.stores.__all__]
    cores = [getattr(floe_core.models, name) for name in floe_core.models.__all__]
    every = [*cores, *stores, floe_iceberg.plugin.IcebergStorageConfig]
    of_models = [model for model in every if inspect.isclass(model) and issubclass(model, BaseModel)]
    schemas = models_json_schema([(model, "validation") for model in of_models])[1]["$defs"]
    return dict(schemas)


def names() -> dict[str, Any]:
    """Public names: of modules, of the interfaces with their signatures, and of errors with their bases."""
    interfaces = ("StoragePlugin", "ObjectStorePlugin", "CatalogPlugin", "FileIO", "Catalog")
    classes: list[type] = [getattr(floe_core.plugin_interfaces, name) for name in interfaces]
    classes += [floe_core.PluginMetadata, floe_core.PluginRegistry, floe_iceberg.manager.IcebergTableManager]
    modules = (floe_core, floe_core.models, floe_core.plugin_interfaces, floe_iceberg, floe_iceberg.models)
    return {
        "modules": {module.__name__: sorted(module.__all__) for module in modules},
        "plugin_types": {name: member.value for name, member in floe_core.PluginType.__members__.items()},
        "classes": {kind.__name__: _members(kind) for kind in classes},
        "errors": _errors(floe_core.plugin_errors) | _errors(floe_iceberg.errors),
    }


def _members(kind: type) -> dict[str, str]:
    abstract: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    members = {}
    for name, member in inspect.getmembers_static(kind):
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        text = "property" if isinstance(member, property) else str(inspect.signature(member))
        members[name] = f"abstract {text}" if name in abstract else text
    return members


def _errors(module: Any) -> dict[str, Any]:
    return {
        f"{module.__name__}.{name}": [f"{base.__module__}.{base.__name__}" for base in error.__bases__]
        for name, error in inspect.getmembers_static(module, inspect.isclass)
        if issubclass(error, Exception) and error.__module__ == module.__name__ and not name.startswith("_")
    }


CONTRACTS = {"models": models, "names": names}


def text(contract: str) -> str:
    """A contract as the file has it."""
    return json.dumps(CONTRACTS[contract](), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for contract in CONTRACTS:
        (FOLDER / f"{contract}.json").write_text(text(contract))
