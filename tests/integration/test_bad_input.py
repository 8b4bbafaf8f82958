"""Bad input gives a clear error that names the table or file, and leaves the table as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType, StructType

import floe_engine
from floe_iceberg import load_catalog

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType()),
    NestedField(3, "place", StructType(NestedField(4, "city", StringType(), required=True))),
)
GOOD = pa.table(
    {"id": [1, 2, 3], "name": ["a", "b", None], "place": [{"city": "x"}, {"city": "y"}, None]}, schema=SCHEMA.as_arrow()
)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = load_catalog("bad", type="sql", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/wh")
    catalog.create_namespace("ns")
    catalog.create_table("ns.t", schema=SCHEMA).append(GOOD)
    return catalog


NAMES: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda c: c.load_table("ns.missing"), NoSuchTableError, "ns.missing"),
    (lambda c: c.load_table("nowhere.t"), NoSuchTableError, "nowhere.t"),
    (lambda c: c.drop_table("ns.missing"), NoSuchTableError, "ns.missing"),
    (lambda c: c.rename_table("ns.missing", "ns.other"), NoSuchTableError, "ns.missing"),
    (lambda c: c.rename_table("ns.t", "nowhere.t"), NoSuchNamespaceError, "nowhere"),
    (lambda c: c.create_table("nowhere.t", schema=SCHEMA), NoSuchNamespaceError, "nowhere"),
    (lambda c: c.create_table("ns.t", schema=SCHEMA), TableAlreadyExistsError, "ns.t"),
    (lambda c: c.create_namespace("ns"), NamespaceAlreadyExistsError, "ns"),
    (lambda c: c.drop_namespace("ns"), NamespaceNotEmptyError, "ns"),
    (lambda c: c.drop_namespace("nowhere"), NoSuchNamespaceError, "nowhere"),
    (lambda c: c.list_tables("nowhere"), NoSuchNamespaceError, "nowhere"),
    (lambda c: c.load_namespace_properties("nowhere"), NoSuchNamespaceError, "nowhere"),
]


@pytest.mark.parametrize(("action", "error", "named"), NAMES, ids=range(len(NAMES)))
def test_names_that_are_not_there(
    catalog: Catalog, action: Callable[[Any], object], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named) as caught:
        action(catalog)
    assert isinstance(caught.value, floe_engine.Error)


BATCHES: dict[str, tuple[pa.Table, list[str]]] = {
    "a required column is missing": (GOOD.select(["name"]), ["id"]),
    "extra columns": (GOOD.append_column("extra", pa.array([1, 2, 3])).append_column("more", pa.array([1, 2, 3])),
                      ["extra", "more"]),
    "another type": (pa.table({"id": ["a", "b"], "name": ["a", "b"]}), ["id", "string", "long"]),
    "two things at once": (pa.table({"id": ["a"], "surplus": [1]}), ["id", "surplus"]),
    "a null where required": (pa.table({"id": pa.array([1, None], pa.int64()), "name": ["a", "b"]}), ["id", "null"]),
    "a null where required, nested": (
        pa.table({"id": [1], "place": pa.array([{"city": None}], pa.struct([("city", pa.string())]))}),
        ["place.city"],
    ),
    "a number that does not fit": (pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), ["id"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BATCHES)
def test_batches_that_do_not_fit(catalog: Catalog, tmp_path: Path, case: str) -> None:
    batch, named = BATCHES[case]
    table = catalog.load_table("ns.t")
    before = files_below(tmp_path / "wh")
    with pytest.raises(floe_engine.InvalidArgument) as caught:
        table.append(batch)
    for word in ["ns.t", *named]:
        assert word in str(caught.value), str(caught.value)
    assert catalog.load_table("ns.t").scan().to_arrow().to_pylist() == GOOD.to_pylist()
    assert files_below(tmp_path / "wh") == before, "a refused append leaves no files"


def test_a_null_in_a_later_batch_leaves_nothing(catalog: Catalog, tmp_path: Path) -> None:
    before = files_below(tmp_path / "wh")
    schema = pa.schema([("id", pa.int64())])
    batches = [
        pa.record_batch({"id": list(range(1000))}, schema),
        pa.record_batch({"id": pa.array([None], pa.int64())}, schema),
    ]
    with pytest.raises(floe_engine.InvalidArgument, match="null"):
        catalog.load_table("ns.t").append(pa.RecordBatchReader.from_batches(schema, batches))
    assert files_below(tmp_path / "wh") == before


def test_a_stream_that_fails_in_the_middle_leaves_nothing(catalog: Catalog, tmp_path: Path) -> None:
    before = files_below(tmp_path / "wh")
    schema = pa.schema([("id", pa.int64())])

    def batches() -> Any:
        yield pa.record_batch({"id": list(range(1000))}, schema)
        raise RuntimeError("the source broke off")

    with pytest.raises(Exception, match="the source broke off"):
        catalog.load_table("ns.t").append(pa.RecordBatchReader.from_batches(schema, batches()))
    assert files_below(tmp_path / "wh") == before
    assert len(catalog.load_table("ns.t").metadata.snapshots) == 1


FILTERS = {
    "id >": "character 5",
    "nothing_here = 1": "nothing_here",
    "id = 'abc'": "abc",
    "name > 5 and (": "character 15",
    "(" * 100_000: "256 parentheses",
}


@pytest.mark.parametrize("row_filter", FILTERS, ids=range(len(FILTERS)))
def test_filters_that_cannot_be(catalog: Catalog, row_filter: str) -> None:
    with pytest.raises(ValueError, match=FILTERS[row_filter]):
        catalog.load_table("ns.t").scan(row_filter).to_arrow()


def test_columns_and_snapshots_that_are_not_there(catalog: Catalog) -> None:
    table = catalog.load_table("ns.t")
    with pytest.raises(ValueError, match="nothing_here"):
        table.scan(selected_fields=("nothing_here",)).to_arrow()
    with pytest.raises(ValueError, match="12345"):
        table.scan(snapshot_id=12345).to_arrow()


@pytest.mark.parametrize(
    "properties",
    [
        {"write.parquet.compression-codec": "lzo"},
        {"write.target-file-size-bytes": "many"},
        {"write.parquet.row-group-size-bytes": "-5"},
        {"write.format.default": "csv"},
        {"write.location-provider.impl": "com.example.Provider"},
    ],
    ids=str,
)
def test_properties_that_cannot_be(catalog: Catalog, properties: dict[str, str]) -> None:
    table = catalog.create_table("ns.props", schema=SCHEMA, properties=properties)
    (key,) = properties
    with pytest.raises((floe_engine.InvalidArgument, floe_engine.NotSupported), match=key):
        table.append(GOOD)
    assert not catalog.load_table("ns.props").metadata.snapshots


KINDS = {
    "metadata": lambda t: t.metadata_location,
    "manifest list": lambda t: t.current_snapshot().manifest_list,
    "manifest": lambda t: t.current_snapshot().manifests(t.io)[0].manifest_path,
    "data file": lambda t: next(iter(t.scan().plan_files())).file.file_path,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_named(catalog: Catalog, kind: str) -> None:
    path = Path(KINDS[kind](catalog.load_table("ns.t")).removeprefix("file://"))
    whole = path.read_bytes()
    for length in [0, 1, 3, 4, len(whole) // 4, len(whole) // 2, len(whole) - 5, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(floe_engine.Error) as caught:
            read_afresh(catalog)
        assert path.name in str(caught.value), f"cut at {length}: {caught.value}"
    path.write_bytes(whole)
    assert read_afresh(catalog).to_pylist() == GOOD.to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_named(catalog: Catalog, kind: str) -> None:
    path = Path(KINDS[kind](catalog.load_table("ns.t")).removeprefix("file://"))
    path.unlink()
    with pytest.raises(floe_engine.Error) as caught:
        read_afresh(catalog)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_are_an_error_or_harmless(catalog: Catalog, kind: str) -> None:
    """Any single flipped bit: an error of the hierarchy, or a table that reads (metadata may hold free text).

    The rows of a data file are never other rows: pages have checksums, and what its footer, which has none, says of the
    columns must agree with the manifest.
    """
    path = Path(KINDS[kind](catalog.load_table("ns.t")).removeprefix("file://"))
    whole = path.read_bytes()
    chance = random.Random(20)
    for _ in range(300):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        broken = bytearray(whole)
        broken[at] ^= 1 << bit
        path.write_bytes(broken)
        try:
            result = read_afresh(catalog)
        except (floe_engine.Error, NoSuchTableError):
            continue
        if kind == "data file":
            assert result.to_pylist() == GOOD.to_pylist(), f"byte {at} bit {bit}: other rows"
    path.write_bytes(whole)
    assert read_afresh(catalog).to_pylist() == GOOD.to_pylist()


def read_afresh(catalog: Any) -> pa.Table:
    """Reads as another process would: no cache, no parsed metadata."""
    floe_engine.clear_manifest_cache()
    return load_catalog(catalog.name, **catalog.properties).load_table("ns.t").scan().to_arrow()


def files_below(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if p.is_file()}
