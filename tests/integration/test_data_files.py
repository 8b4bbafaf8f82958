"""Data files that are not plain: sorted, in ORC or Avro, in many partitions, laid out for object stores."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, TruncateTransform

from .strangers import Warehouse, duckdb_query, rows


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def table() -> pa.Table:
    return pa.table(
        {
            "id": pa.array([3, 1, 2, None], pa.int64()),
            "name": ["c", "a", None, "\u00e9"],
            "at": pa.array([dt.datetime(2024, 1, 1, 0, 0, 0, n) for n in range(3)] + [None], pa.timestamp("us")),
            "amount": pa.array([Decimal("1.25"), Decimal("-1.25"), None, Decimal("0.01")], pa.decimal128(9, 2)),
            "tags": pa.array([["x"], [], None, ["y", None]], pa.list_(pa.string())),
            "point": pa.array([{"x": 1, "y": 2}, None, {"x": 3, "y": None}, {"x": 0, "y": 0}]),
        }
    )


def data_files(handle: Any) -> list[Path]:
    return [Path(f.removeprefix("file://")) for f in handle.inspect.files()["file_path"].to_pylist()]


@pytest.mark.parametrize("file_format", ["orc", "avro"])
def test_files_of_other_formats_read_as_they_were_written(warehouse: Warehouse, file_format: str) -> None:
    handle = warehouse.ours.create_table("ns.t", table().schema, properties={"write.format.default": file_format})
    handle.append(table())
    assert {f.suffix for f in data_files(handle)} == {f".{file_format}"}
    assert rows(handle.scan().to_arrow()) == rows(table())
    assert rows(handle.scan("id >= 2").to_arrow()) == rows(pa.concat_tables([table().slice(0, 1), table().slice(2, 1)]))
    assert handle.scan("id >= 2", selected_fields=("name",)).to_arrow().num_rows == 2


def test_pyiceberg_reads_our_orc_files(warehouse: Warehouse) -> None:
    handle = warehouse.ours.create_table("ns.t", table().schema, properties={"write.format.default": "orc"})
    handle.append(table())
    assert rows(warehouse.theirs.load_table("ns.t").scan().to_arrow()) == rows(table())


def test_duckdb_reads_our_avro_files(warehouse: Warehouse) -> None:
    flat = table().select(["id", "name"])
    handle = warehouse.ours.create_table("ns.t", flat.schema, properties={"write.format.default": "avro"})
    handle.append(flat)
    (file,) = data_files(handle)
    assert rows(duckdb_query(f"SELECT id, name FROM read_avro('{file}')")) == rows(flat)


def test_rows_are_sorted_as_the_table_says(warehouse: Warehouse) -> None:
    order = SortOrder(
        SortField(
            source_id=2, transform=TruncateTransform(1), direction=SortDirection.DESC, null_order=NullOrder.NULLS_LAST
        ),
        SortField(
            source_id=1, transform=IdentityTransform(), direction=SortDirection.ASC, null_order=NullOrder.NULLS_FIRST
        ),
    )
    input_ = pa.table({"id": pa.array([5, None, 4, 3, 2, 1], pa.int64()), "name": ["b1", "b2", "a", "b0", None, "c"]})
    handle = warehouse.ours.create_table("ns.t", input_.schema, sort_order=order)
    handle.append(input_)
    assert handle.scan().to_arrow()["id"].to_pylist() == [1, None, 3, 5, 4, 2]
    assert handle.inspect.files()["sort_order_id"].to_pylist() == [handle.sort_order().order_id]
    assert warehouse.theirs.load_table("ns.t").scan().to_arrow()["id"].to_pylist() == [1, None, 3, 5, 4, 2]


def test_any_number_of_partitions(warehouse: Warehouse) -> None:
    input_ = pa.table({"id": pa.array(range(1_000), pa.int64())})
    spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="id"))
    handle = warehouse.ours.create_table("ns.t", input_.schema, partition_spec=spec)
    handle.append(input_)
    assert len(data_files(handle)) == 1_000
    assert rows(warehouse.theirs.load_table("ns.t").scan("id >= 990").to_arrow()) == rows(input_.slice(990))


@pytest.mark.parametrize("partitioned", ["true", "false"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_object_store_layouts_are_pyicebergs(
    warehouse: Warehouse, tmp_path: Path, partitioned: str, elsewhere: bool
) -> None:
    properties = {"write.object-storage.enabled": "true", "write.object-storage.partitioned-paths": partitioned}
    if elsewhere:
        properties["write.data.path"] = f"file://{tmp_path}/warehouse/ns/t/other/"
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))
    input_ = pa.table({"id": pa.array([1], pa.int64()), "name": ["a b/c"]})
    handle = warehouse.ours.create_table("ns.t", input_.schema, partition_spec=spec, properties=properties)
    handle.append(input_)
    (path,) = handle.inspect.files()["file_path"].to_pylist()
    name = path.rsplit("/", 1)[1]
    if partitioned == "false":
        name = name.split("-", 1)[1]  # the hash's last folder
    provider = load_location_provider(handle.location(), handle.properties)
    partition = "name=a+b%2Fc"
    expected = provider.new_data_location(f"{partition}/{name}" if partitioned == "true" else name)
    assert path == expected
