"""Schemas, partition specs, sort orders and refs that change: the same changes by us and by PyIceberg's own code give
the same metadata, and rows that were written before stay readable by everybody, whatever their type."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import create_mapping_from_schema
from pyiceberg.table.sorting import NullOrder
from pyiceberg.transforms import BucketTransform, IdentityTransform, TruncateTransform, parse_transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampNanoType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

import floe_engine
from floe_iceberg.schema import schema_of_model
from floe_iceberg.snapshot import FloeManageSnapshots
from floe_iceberg.table import FloeTable
from tests.integration.strangers import Warehouse, plain, rows

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "n", IntegerType()),
    NestedField(3, "f", FloatType(), doc="of old"),
    NestedField(4, "s", StructType(NestedField(5, "a", IntegerType()), NestedField(6, "b", StringType()))),
    NestedField(7, "l", ListType(8, StructType(NestedField(9, "x", IntegerType())), element_required=False)),
    NestedField(10, "m", MapType(11, StringType(), 12, DecimalType(9, 2), value_required=True)),
    NestedField(13, "day", DateType()),
    identifier_field_ids=[1],
)
ID = pa.schema([pa.field("id", pa.int64(), nullable=False)])
NAME_MAPPING = "schema.name-mapping.default"
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Pair:
    """The same table twice: one that we change, and one that PyIceberg does."""

    def __init__(self, folder: Path, format_version: int, spec: PartitionSpec | None = None, **more: str) -> None:
        self.warehouse = Warehouse(folder)
        properties = {"format-version": str(format_version), **more}
        arguments: dict[str, Any] = {"properties": properties, "partition_spec": spec or PartitionSpec()}
        self.ours: Table = self.warehouse.ours.create_table("ns.ours", SCHEMA, **arguments)
        self.theirs: Table = self.warehouse.theirs.create_table("ns.theirs", SCHEMA, **arguments)

    def both(self, change: Callable[[Table], Any]) -> None:
        """The same for both, or refused by both. What PyIceberg loses in silence, or breaks, is no example."""
        failures: list[Exception | None] = []
        for table in (self.ours, self.theirs):
            try:
                change(table)
                failures.append(None)
            except Exception as error:
                table.refresh()
                failures.append(error)
        ours, theirs = failures
        # PyIceberg loses what is added to a deleted struct, and makes two partition fields of one name.
        lost = theirs is None and re.search("that will be deleted|Cannot delete all fields|is there twice", str(ours))
        # Java takes a field of version 1 that is removed and added again.
        back = ours is None and re.search("Cannot (add duplicate|delete and rename) partition field", str(theirs))
        if lost or back:
            reject()
        assert (ours is None) == (theirs is None), failures
        assert ours is None or isinstance(ours, ValueError), ours

    def check(self) -> None:
        assert metadata_of(self.ours) == metadata_of(self.theirs)


def metadata_of(table: Table) -> dict[str, Any]:
    """What evolution changes."""
    table.refresh()
    metadata = json.loads(table.metadata.model_dump_json())
    kept = ("current-schema-id", "last-column-id", "partition-specs", "default-spec-id", "last-partition-id")
    out = {key: metadata[key] for key in (*kept, "default-sort-order-id")}
    out["schemas"] = [sorted_identifiers(schema) for schema in metadata["schemas"]]
    out["sort-orders"] = [order for order in metadata["sort-orders"] if order["fields"]]
    mapping = metadata["properties"].get(NAME_MAPPING)
    out["names"] = None if mapping is None else json.loads(mapping)
    return out


def sorted_identifiers(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "identifier-field-ids": sorted(schema.get("identifier-field-ids") or [])}


# --- the same as PyIceberg -------------------------------------------------------------------------------------------

PATHS = ["id", "n", "f", "s", "s.a", "s.b", "l", "l.x", "m", "m.value", "day", "x", "y"]
NAMES = ["x", "y", "n", "z"]
NEW_TYPES = [
    IntegerType(),
    StringType(),
    StructType(NestedField(1, "p", IntegerType()), NestedField(2, "q", ListType(3, LongType(), element_required=True))),
    MapType(1, StringType(), 2, StructType(NestedField(3, "v", DateType())), value_required=False),
]
CHANGES = st.one_of(
    st.tuples(
        st.just("add_column"),
        st.sampled_from([("x",), ("y",), ("s", "x"), ("l", "y"), ("n", "x")]),
        st.sampled_from(NEW_TYPES),
    ),
    st.tuples(st.just("delete_column"), st.sampled_from(PATHS[:11])),
    st.tuples(st.just("rename_column"), st.sampled_from(PATHS), st.sampled_from(NAMES)),
    st.tuples(
        st.just("update_column"),
        st.sampled_from(["n", "f", "s.a", "m.value", "id", "s"]),
        st.sampled_from([LongType(), DoubleType(), DecimalType(11, 2), BooleanType()]),
    ),
    st.tuples(st.just("make_column_optional"), st.sampled_from(["id", "n", "m.value"])),
    st.tuples(st.just("move_first"), st.sampled_from(PATHS)),
    st.tuples(st.just("move_before"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("move_after"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.tuples(st.just("set_identifier_fields"), st.sampled_from(["id", "x"])),
)


# A list's elements and a map's key and value are no fields that can be deleted, renamed or moved: PyIceberg ignores it,
# or fails when it applies it. Of a column that gets a field and goes in the same change, PyIceberg's mapping of names
# keeps the field.
def comparable(change: tuple[Any, ...], step: list[tuple[Any, ...]]) -> bool:
    grown = {parent for kind, path, *_ in step if kind == "add_column" for parent in path[:-1]}
    return not (
        (change[0] in ("delete_column", "rename_column") and change[1] == "m.value")
        or (change[0] == "delete_column" and change[1] in grown)
    )


@QUICK
@given(
    version=st.sampled_from([1, 2]), steps=st.lists(st.lists(CHANGES, min_size=1, max_size=4), min_size=1, max_size=4)
)
def test_schemas_become_what_pyiceberg_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, version: int, steps: list[list[tuple[Any, ...]]]
) -> None:
    pair = Pair(tmp_path_factory.mktemp("schemas"), version)
    names = create_mapping_from_schema(pair.ours.schema()).model_dump_json()
    pair.both(lambda table: table.transaction().set_properties({NAME_MAPPING: names}).commit_transaction())
    for step in steps:

        def change(table: Table, step: list[tuple[Any, ...]] = step) -> None:
            with table.update_schema() as update:
                for name, *arguments in (each for each in step if comparable(each, step)):
                    getattr(update, name)(*arguments)

        pair.both(change)
        pair.check()


TRANSFORMS = ["identity", "bucket[4]", "bucket[8]", "truncate[3]", "year", "month", "day", "void"]
SPEC_CHANGES = st.one_of(
    st.tuples(
        st.just("add_field"),
        st.sampled_from(["id", "n", "f", "s.b", "day", "l", "nothing"]),
        st.sampled_from(TRANSFORMS),
        st.sampled_from([None, None, "p", "id_bucket_4"]),
    ),
    st.tuples(st.just("add_identity"), st.sampled_from(["n", "day"])),
    st.tuples(st.just("remove_field"), st.sampled_from(["p", "n", "day_month", "id_bucket_4", "day"])),
    st.tuples(st.just("rename_field"), st.sampled_from(["p", "n", "id_bucket_4"]), st.sampled_from(["p", "q", "r"])),
)


@QUICK
@given(
    version=st.sampled_from([1, 2]),
    steps=st.lists(st.lists(SPEC_CHANGES, min_size=1, max_size=3), min_size=1, max_size=5),
)
def test_partition_specs_become_what_pyiceberg_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, version: int, steps: list[list[tuple[Any, ...]]]
) -> None:
    spec = PartitionSpec(
        PartitionField(1, 1000, BucketTransform(4), "id_bucket_4"), PartitionField(2, 1001, IdentityTransform(), "n")
    )
    pair = Pair(tmp_path_factory.mktemp("specs"), version, spec)
    for step in steps:

        def change(table: Table, step: list[tuple[Any, ...]] = step) -> None:
            with table.update_spec() as update:
                for name, *arguments in step:
                    if name == "add_field":
                        arguments[1] = parse_transform(arguments[1])
                    getattr(update, name)(*arguments)

        pair.both(change)
        pair.check()


def test_sort_orders_become_what_pyiceberg_makes_of_them(tmp_path: Path) -> None:
    pair = Pair(tmp_path, 2)

    def change(work: Callable[[Any], Any]) -> None:
        def sort(table: Table) -> None:
            with table.update_sort_order() as update:
                work(update)

        pair.both(sort)
        pair.check()

    identity: IdentityTransform[Any] = IdentityTransform()
    change(lambda update: update.asc("id", identity))
    change(lambda update: update.desc("s.a", BucketTransform(4), NullOrder.NULLS_FIRST).asc("day", identity))
    change(lambda update: update)
    change(lambda update: update.asc("id", identity))
    change(lambda update: update.asc("nothing", identity))
    pair.both(lambda table: table.update_schema().delete_column("day").commit())
    pair.check()


def test_refs_become_what_pyiceberg_makes_of_them(tmp_path: Path) -> None:
    pair = Pair(tmp_path, 2)
    for _ in range(4):
        pair.both(lambda table: table.append(pa.table({"id": pa.array([1], pa.int64())}, schema=ID)))

    def check(change: Callable[[Any, list[int]], Any]) -> None:
        def manage(table: Table) -> None:
            ids = [snapshot.snapshot_id for snapshot in table.snapshots()]
            change(table.manage_snapshots(), ids).commit()

        pair.both(manage)
        assert refs_of(pair.ours) == refs_of(pair.theirs)

    check(lambda manage, ids: manage.create_tag(ids[0], "tag", max_ref_age_ms=5))
    check(lambda manage, ids: manage.create_branch(ids[1], "branch", 5, 6, 7).create_tag(ids[1], "other"))
    check(lambda manage, ids: manage.create_tag(ids[2], "tag"))
    check(lambda manage, ids: manage.create_tag(1, "tag"))
    check(lambda manage, ids: manage.set_current_snapshot(snapshot_id=ids[1]))
    check(lambda manage, ids: manage.set_current_snapshot(ref_name="tag").create_branch(ids[0], "early"))
    check(lambda manage, ids: manage.rollback_to_snapshot(ids[0]))
    check(lambda manage, ids: manage.rollback_to_snapshot(ids[3]))
    check(lambda manage, ids: manage.rollback_to_timestamp(1))
    check(lambda manage, ids: manage.remove_tag("tag").remove_branch("branch"))
    check(lambda manage, ids: manage.remove_tag("nothing"))
    check(lambda manage, ids: manage.set_current_snapshot(ref_name="nothing"))


def refs_of(table: Table) -> dict[str, Any]:
    """Refs with the number of their snapshot, since ids are chosen at random."""
    table.refresh()
    numbers = {snapshot.snapshot_id: i for i, snapshot in enumerate(table.snapshots())}
    refs = {name: ref.model_dump() for name, ref in table.refs().items()}
    log = [numbers[entry.snapshot_id] for entry in table.history()]
    current = table.metadata.current_snapshot_id
    named = {name: {**ref, "snapshot-id": numbers[ref["snapshot-id"]]} for name, ref in refs.items()}
    return {**named, "log": log, "current": None if current is None else numbers[current]}


# --- rows that were written before -----------------------------------------------------------------------------------

TIME = dt.datetime(2013, 1, 2, 3, 4, 5, 6)
VALUES: dict[str, tuple[Any, pa.DataType, list[Any]]] = {
    "boolean": (BooleanType(), pa.bool_(), [True, None, False]),
    "int": (IntegerType(), pa.int32(), [1, None, -(2**31)]),
    "long": (LongType(), pa.int64(), [2**40, None, -1]),
    "float": (FloatType(), pa.float32(), [1.5, None, float("nan")]),
    "double": (DoubleType(), pa.float64(), [-0.0, None, 1e300]),
    "decimal": (DecimalType(9, 2), pa.decimal128(9, 2), [Decimal("-1.28"), None, Decimal("9999999.99")]),
    "date": (DateType(), pa.date32(), [dt.date(2013, 1, 1), None, dt.date(1969, 12, 31)]),
    "time": (TimeType(), pa.time64("us"), [dt.time(1, 2, 3), None, dt.time(23, 59, 59, 999_999)]),
    "timestamp": (TimestampType(), pa.timestamp("us"), [TIME, None, dt.datetime(1969, 12, 31)]),
    "timestamptz": (
        TimestamptzType(),
        pa.timestamp("us", "UTC"),
        [TIME.replace(tzinfo=dt.UTC), None, dt.datetime(1969, 12, 31, tzinfo=dt.UTC)],
    ),
    "string": (StringType(), pa.string(), ["a", None, "é"]),
    "uuid": (UUIDType(), pa.uuid(), [uuid.UUID(int=1).bytes, None, uuid.UUID(int=2**127).bytes]),
    "fixed": (FixedType(2), pa.binary(2), [b"ab", None, b"\0\xff"]),
    "binary": (BinaryType(), pa.binary(), [b"", None, b"xyz"]),
    "struct": (
        StructType(NestedField(100, "a", IntegerType())),
        pa.struct([("a", pa.int32())]),
        [{"a": 1}, None, {"a": None}],
    ),
    "list": (ListType(101, IntegerType(), element_required=False), pa.list_(pa.int32()), [[1, None], None, []]),
    "map": (
        MapType(102, StringType(), 103, FloatType(), value_required=False),
        pa.map_(pa.string(), pa.float32()),
        [[("a", 1.5)], None, []],
    ),
}
WIDENED = {
    "int": (LongType(), pa.int64()),
    "float": (DoubleType(), pa.float64()),
    "decimal": (DecimalType(20, 2), pa.decimal128(20, 2)),
    "struct.a": (LongType(), None),
    "list.element": (LongType(), None),
    "map.value": (DoubleType(), None),
}
NOT_IN_ORC = {"uuid", "time"}


@pytest.mark.parametrize("file_format", ["parquet", "orc", "avro"])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_old_rows_of_every_type_are_read_after_every_change(tmp_path: Path, version: int, file_format: str) -> None:
    warehouse = Warehouse(tmp_path)
    kept = {name: value for name, value in VALUES.items() if not (file_format == "orc" and name in NOT_IN_ORC)}
    schema = Schema(*(NestedField(i + 1, name, kind) for i, (name, (kind, _, _)) in enumerate(kept.items())))
    table = warehouse.ours.create_table(
        "ns.t", schema, properties={"format-version": str(version), "write.format.default": file_format}
    )

    def arrow(suffix: str = "") -> pa.Table:
        columns = {}
        for name, (_, kind, values) in kept.items():
            storage = pa.array(values, kind.storage_type if isinstance(kind, pa.UuidType) else kind)
            columns[name + suffix] = (
                pa.ExtensionArray.from_storage(kind, storage) if isinstance(kind, pa.UuidType) else storage
            )
        return pa.table(columns)

    table.append(arrow())
    with table.update_schema() as update:
        for name in kept:
            update.rename_column(name, f"{name}_2")
            update.move_first(name)
        for name, (kind, _) in WIDENED.items():
            update.update_column(name, kind)
        update.add_column("added", StringType())
        update.add_column(("struct", "b"), StringType())
        if version == 3:
            update.update_column("date", TimestampNanoType())
            update.add_column("filled", LongType(), required=True, default_value=7)
    read = table.scan().to_arrow()
    assert read.column_names[: len(kept)] == [f"{name}_2" for name in reversed(kept)]
    expected = []
    for row in arrow("_2").to_pylist():
        if row["struct_2"] is not None:
            row["struct_2"]["b"] = None
        if version == 3 and row["date_2"] is not None:
            row["date_2"] = dt.datetime.combine(row["date_2"], dt.time())
        expected.append({**row, "added": None, **({"filled": 7} if version == 3 else {})})
    in_order = [{name: row[name] for name in read.column_names} for row in expected]
    assert rows(read) == sorted(({k: plain(v) for k, v in row.items()} for row in in_order), key=repr)
    # The bounds of old files are those of the old type.
    for text, n in (
        (f"int_2 = {-(2**31)}", 1),
        ("int_2 > 2147483647", 0),
        ("float_2 = 1.5", 1),
        ("decimal_2 < 0", 1),
        ("date_2 < '1970-01-01'" if version < 3 else "date_2 < '1970-01-01T00:00:00'", 1),
        ("added is null", 3),
        ("string_2 = 'a' and added is not null", 0),
        ("filled = 7" if version == 3 else "long_2 = -1", 3 if version == 3 else 1),
    ):
        assert table.scan(text).count() == n, text
        assert table.scan(text).to_arrow().num_rows == n, text

    # A name that is given up and taken again is another column.
    with table.update_schema() as update:
        update.delete_column("string_2")
        update.add_column("string_2", LongType())
    assert table.scan().to_arrow()["string_2"].to_pylist() == [None, None, None]
    table.append(table.scan().to_arrow())
    assert table.scan().count() == 6
    if version < 3 and file_format == "parquet":
        assert rows(warehouse.theirs.load_table("ns.t").scan().to_arrow()) == rows(table.scan().to_arrow())


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_of_every_spec_are_read_and_pruned(tmp_path: Path, version: int) -> None:
    warehouse = Warehouse(tmp_path)
    schema = Schema(
        NestedField(1, "id", LongType()), NestedField(2, "day", DateType()), NestedField(3, "s", StringType())
    )
    table = warehouse.ours.create_table("ns.t", schema, properties={"format-version": str(version)})
    steps: list[Callable[[Any], Any]] = [
        lambda update: update,
        lambda update: update.add_field("id", "truncate[10]", "tens"),
        lambda update: update.add_field("day", "month"),
        lambda update: update.remove_field("tens").add_identity("s"),
        lambda update: update.remove_field("day_month").rename_field("s", "letter"),
        lambda update: update.add_field("id", TruncateTransform(10), "tens"),
    ]
    expected = []
    for i, step in enumerate(steps):
        with table.update_spec() as update:
            step(update)
        batch = [
            {"id": 10 * i + k, "day": dt.date(2013, 1 + k, 1), "s": letter}
            for k in range(3)
            for letter in ("a", "b", None)
        ]
        expected += batch
        table.append(pa.Table.from_pylist(batch, schema=table.schema().as_arrow()))
    assert rows(table.scan().to_arrow()) == rows(pa.Table.from_pylist(expected))
    for text, says in (
        ("id = 22", lambda row: row["id"] == 22),
        ("day = '2013-02-01'", lambda row: row["day"] == dt.date(2013, 2, 1)),
        ("s is null", lambda row: row["s"] is None),
        ("s = 'a' and id >= 30", lambda row: row["s"] == "a" and row["id"] >= 30),
    ):
        found = table.scan(text)
        assert rows(found.to_arrow()) == rows(
            pa.Table.from_pylist([row for row in expected if says(row)], schema=table.schema().as_arrow())
        )
        assert len(list(found.plan_files())) < len(list(table.scan().plan_files())), text
    tens = [
        field.field_id
        for spec in table.specs().values()
        for field in spec.fields
        if field.name == "tens" and str(field.transform) != "void"
    ]
    assert len(set(tens)) == (2 if version == 1 else 1)
    if version < 3:
        assert rows(warehouse.theirs.load_table("ns.t").scan("id = 22").to_arrow()) == rows(
            table.scan("id = 22").to_arrow()
        )
    # Each file still says which spec it is of, and rows leave from all of them.
    table.delete("s = 'a'")
    assert table.scan().count() == len(expected) * 2 // 3


# --- what PyIceberg does not do --------------------------------------------------------------------------------------


@pytest.fixture(params=[1, 2, 3])
def table(tmp_path: Path, request: pytest.FixtureRequest) -> FloeTable:
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "s", StringType()))
    return Warehouse(tmp_path).ours.create_table("ns.t", schema, properties={"format-version": str(request.param)})


def ids(*values: int) -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int64())})


def read_ids(table: Table, **scan: Any) -> list[int]:
    return sorted(table.scan(**scan).to_arrow()["id"].to_pylist())


class Address(BaseModel):
    street: str | None = None
    numbers: list[int] = []


class Order(BaseModel):
    id: int
    price: Decimal | None = Field(None, max_digits=9, decimal_places=2, description="in euros")
    address: Address | None = None
    tags: dict[str, float] | None = None
    placed: dt.datetime | None = None


def test_union_by_name_takes_schemas_of_every_kind(table: FloeTable) -> None:
    expected = {
        "id: optional long",
        "s: optional string",
        "price: optional decimal(9, 2) (in euros)",
        "tags: optional map<string, double>",
        "placed: optional timestamp",
    }
    with table.update_schema() as update:
        update.union_by_name(Order)
    assert expected <= {str(field).partition(": ")[2] for field in table.schema().fields}
    assert str(table.schema().find_type("address.numbers")) == "list<long>"
    before = table.schema()
    with table.update_schema() as update:
        update.union_by_name(table.schema().as_arrow())
        update.union_by_name(table.schema())
        update.union_by_name(Order)
    assert table.schema() == before
    with table.update_schema() as update:
        update.union_by_name(
            pa.schema([("address", pa.struct([("zip", pa.string())])), ("new", pa.list_(pa.date32()))])
        )
    assert str(table.schema().find_type("address.zip")) == "string"
    assert str(table.schema().find_type("new")) == "list<date>"

    class Required(BaseModel):
        weight: float

    with pytest.raises(floe_engine.InvalidArgument, match="cannot add required column: weight"):
        table.update_schema().union_by_name(Required)
    with pytest.raises(floe_engine.InvalidArgument, match="s: string -> long"):
        table.update_schema().union_by_name(pa.schema([("s", pa.int64())]))


def test_models_become_schemas_or_are_refused_by_name() -> None:
    class Odd(BaseModel):
        what: complex

    class Money(BaseModel):
        price: Decimal

    class Defaulted(BaseModel):
        n: int = 3
        since: dt.date = dt.date(2020, 1, 1)

    with pytest.raises(ValueError, match=r"Odd\.what"):
        schema_of_model(Odd)
    with pytest.raises(ValueError, match=r"Money.price: a decimal needs its digits"):
        schema_of_model(Money)
    assert [field.required for field in schema_of_model(Defaulted, 2).fields] == [False, False]
    assert [field.initial_default for field in schema_of_model(Defaulted, 3).fields] == [3, dt.date(2020, 1, 1)]


def test_of_two_writers_who_change_a_schema_one_is_told_what_the_other_did(table: FloeTable) -> None:
    other = table.catalog.load_table("ns.t")
    table.update_schema().add_column("x", LongType()).rename_column("s", "text").commit()
    with pytest.raises(
        CommitFailedException, match=r"another writer renamed column s to text, added column x \(long\)"
    ):
        other.update_schema().add_column("x", StringType()).commit()
    other.refresh()
    other.update_schema().add_column("y", StringType()).commit()
    # Appends of others are no conflict.
    table.append(ids(1))
    table.refresh()
    late = table.update_schema().delete_column("y")
    other.append(ids(2))
    late.commit()
    assert read_ids(table) == [1, 2]
    assert table.schema().column_names == ["id", "text", "x"]


def test_a_failed_transaction_leaves_the_schema(table: FloeTable) -> None:
    def work() -> None:
        with table.transaction() as transaction:
            with transaction.update_schema() as update:
                update.add_column("x", LongType())
            transaction.append(pa.table({"x": pa.array([1], pa.int64())}))
            assert transaction.table_metadata.schema().find_field("x").field_id == 3
            transaction.update_schema().add_column("x", LongType())

    with pytest.raises(ValueError, match="name already exists: x"):
        work()
    assert table.refresh().schema().column_names == ["id", "s"]
    with table.transaction() as transaction:
        with transaction.update_schema() as update:
            update.add_column("x", LongType())
        transaction.append(pa.table({"x": pa.array([1], pa.int64())}))
        transaction.update_spec().add_field("x", "bucket[2]").commit()
        transaction.append(pa.table({"x": pa.array([2], pa.int64())}))
        transaction.manage_snapshots().create_branch(transaction.table_metadata.snapshots[0].snapshot_id, "b").commit()
    assert sorted(table.scan().to_arrow()["x"].to_pylist()) == [1, 2]
    assert table.scan(ref="b").to_arrow()["x"].to_pylist() == [1]


def test_what_a_schema_was_and_when(table: FloeTable) -> None:
    table.append(ids(1))
    table.update_schema().add_column("x", IntegerType()).commit()
    table.update_schema().update_column("x", LongType()).commit()
    table.append(ids(2))
    table.append(ids(3))
    table.update_schema().delete_column("x").commit()
    table.update_schema().rename_column("s", "text").commit()
    snapshots = [snapshot.snapshot_id for snapshot in table.snapshots()]
    history = table.schema_history()
    assert [version.snapshot_ids for version in history] == [(snapshots[0],), (), tuple(snapshots[1:]), (), ()]
    assert [[str(change) for change in version.changes] for version in history] == [
        [],
        ["added column x (int)"],
        ["changed the type of column x from int to long"],
        ["dropped column x (long)"],
        ["renamed column s to text"],
    ]
    assert [version.schema.schema_id for version in history] == [0, 1, 2, 0, 3]
    times = [version.since for version in history]
    assert None not in times
    assert times == sorted(times)  # type: ignore[type-var]
    assert (history[1].changes[0].kind, history[1].changes[0].field_id, history[1].changes[0].after) == (
        "added",
        3,
        "int",
    )
    assert "added column x (int)" in str(history[1])


def test_a_staged_snapshot_that_merged_older_deletes_is_published(tmp_path: Path) -> None:
    schema = Schema(NestedField(1, "id", LongType()))
    properties = {"commit.manifest-merge.enabled": "true", "commit.manifest.min-count-to-merge": "3"}
    table = Warehouse(tmp_path).ours.create_table("ns.t", schema, properties=properties)
    table.append(ids(1))
    for i in (2, 3):
        table.apply_changes(ids(i), ids(), key_cols=["id"])
    table.append(ids(), snapshot_properties={"wap.id": "monday"}, branch=None)
    staged = table.snapshots()[-1].snapshot_id
    (deletes,) = (m for m in table.inspect.manifests(snapshot_id=staged).to_pylist() if m["content"] == 1)
    assert (deletes["added_snapshot_id"], deletes["existing_delete_files_count"]) == (staged, 2)
    table.append(ids(4))
    table.manage_snapshots().publish_changes("monday").commit()
    assert read_ids(table) == [1, 2, 3, 4]


def test_write_audit_publish(table: FloeTable) -> None:
    table.append(ids(1))
    table.append(ids(2), snapshot_properties={"wap.id": "monday"}, branch=None)
    table.append(ids(3))
    staged = table.snapshots()[1].snapshot_id
    assert read_ids(table) == [1, 3]
    assert read_ids(table, snapshot_id=staged) == [1, 2]
    table.manage_snapshots().publish_changes("monday").commit()
    assert read_ids(table) == [1, 2, 3]
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["published-wap-id"] == "monday"
    assert snapshot.summary["source-snapshot-id"] == str(staged)
    with pytest.raises(ValueError, match="published already"):
        table.manage_snapshots().publish_changes("monday")
    with pytest.raises(ValueError, match=r"no snapshot with the wap\.id"):
        table.manage_snapshots().publish_changes("tuesday")


def test_branches_and_tags_as_java_has_them(table: FloeTable) -> None:
    for i in range(3):
        table.append(ids(i))
    first, second, third = (snapshot.snapshot_id for snapshot in table.snapshots())
    with table.manage_snapshots() as snapshots:
        snapshots.create_branch(first, "audit", min_snapshots_to_keep=2).create_tag(first, "tag", max_ref_age_ms=5)
        snapshots.fast_forward("audit", "main").rename_branch("audit", "audited")
        snapshots.replace_tag("tag", second).set_retention("main", max_snapshot_age_ms=7)
        snapshots.create_snapshot("release", {"why": "it is friday"})
    refs = table.refs()
    assert (refs["audited"].snapshot_id, refs["audited"].min_snapshots_to_keep) == (third, 2)
    assert (refs["tag"].snapshot_id, refs["tag"].max_ref_age_ms) == (second, 5)
    assert refs["main"].max_snapshot_age_ms == 7
    release = table.snapshot_by_name("release")
    assert release == table.current_snapshot()
    assert release is not None
    assert release.summary is not None
    assert release.summary["why"] == "it is friday"
    assert read_ids(table) == [0, 1, 2]
    refused: list[Callable[[FloeManageSnapshots], Any]] = [
        lambda snapshots: snapshots.create_tag(first, "audited"),
        lambda snapshots: snapshots.remove_tag("audited"),
        lambda snapshots: snapshots.remove_branch("main"),
        lambda snapshots: snapshots.replace_branch("nothing", first),
        lambda snapshots: snapshots.fast_forward("main", "tag"),
    ]
    for change in refused:
        with pytest.raises(ValueError, match=r"tag|main|nothing|branch"):
            change(table.manage_snapshots())
    with pytest.raises(floe_engine.AlreadyExists, match="release"):
        table.manage_snapshots().create_snapshot("release")
    assert table.refresh().refs() == refs


def test_a_rollback_does_not_undo_what_it_has_not_seen(table: FloeTable) -> None:
    table.append(ids(1))
    table.append(ids(2))
    other = table.catalog.load_table("ns.t")
    other.append(ids(3))
    first = table.snapshots()[0].snapshot_id
    with pytest.raises(CommitFailedException, match="main has changed"):
        table.manage_snapshots().rollback_to_snapshot(first).commit()
    assert read_ids(other) == [1, 2, 3]
    table.refresh()
    with table.transaction() as transaction:
        transaction.manage_snapshots().rollback_to_snapshot(first).commit()
        transaction.append(ids(4))
    assert read_ids(table) == [1, 4]


def test_a_schema_change_on_old_and_new_writers_columns(table: FloeTable) -> None:
    """A writer that holds the old schema writes on, under the new one."""
    stale = table.catalog.load_table("ns.t")
    table.update_schema().add_column("x", LongType()).commit()
    stale.append(ids(1))
    table.refresh().append(pa.table({"id": [2], "x": [3]}))
    assert rows(table.scan().to_arrow()) == [{"id": 1, "s": None, "x": None}, {"id": 2, "s": None, "x": 3}]
