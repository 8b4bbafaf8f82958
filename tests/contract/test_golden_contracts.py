"""The contracts are what the golden files say, and what was written by them goes on being read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from floe_core import IcebergTableManagerConfig, TableConfig, WriteConfig
from tests.contract.golden import CONTRACTS, FOLDER, models, text


@pytest.mark.requirement("REQ-041")
@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_does_not_change_unnoticed(contract: str) -> None:
    said = (FOLDER / f"{contract}.json").read_text()
    assert json.loads(text(contract)) == json.loads(said), (
        "the contract has changed: if that is meant, python -m tests.contract.golden writes it anew"
    )


@pytest.mark.requirement("REQ-041")
def test_schemas_of_models_are_for_people_who_write_no_python() -> None:
    for name, schema in models().items():
        assert schema["description"], name
        assert ">>>" not in json.dumps(schema), name
        for field, said in schema.get("properties", {}).items():
            assert "description" in said or "$ref" in said, f"{name}.{field} says nothing of itself"


@pytest.mark.requirement("REQ-041")
def test_configurations_of_floe_are_read() -> None:
    """As floe's golden configuration of version 1.0, and its quickstart, have them."""
    manager = IcebergTableManagerConfig.model_validate(
        {
            "max_commit_retries": 3,
            "retry_base_delay_seconds": 1.0,
            "default_retention_days": 7,
            "min_snapshots_to_keep": 10,
            "default_commit_strategy": "fast_append",
            "default_table_properties": {"write.format.default": "parquet"},
            "stale_table_recovery_mode": "repair",
        }
    )
    assert IcebergTableManagerConfig.model_validate_json(manager.model_dump_json()) == manager
    assert WriteConfig.model_validate({"mode": "upsert", "join_columns": ["id"]}).commit_strategy == "fast_append"
    table = TableConfig.model_validate(
        {
            "namespace": "bronze",
            "table_name": "customers",
            "table_schema": {
                "fields": [
                    {"field_id": 1, "name": "id", "field_type": "long", "required": True},
                    {"field_id": 2, "name": "amount", "field_type": "decimal", "precision": 10, "scale": 2},
                ]
            },
            "partition_spec": {
                "fields": [
                    {
                        "source_field_id": 1,
                        "partition_field_id": 1000,
                        "name": "id_bucket",
                        "transform": "bucket",
                        "num_buckets": 16,
                    }
                ]
            },
        }
    )
    assert TableConfig.model_validate_json(table.model_dump_json()) == table
    assert TableConfig.from_yaml(yaml.safe_dump(table.model_dump(mode="json", exclude_none=True))) == table


def test_floe_core_knows_no_engine(tmp_path: Path) -> None:
    code = "import sys, floe_core; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(done.stdout.split())
    assert "floe_core" in loaded
    assert not loaded & {"floe_iceberg", "floe_engine", "pyiceberg", "pyarrow"}
