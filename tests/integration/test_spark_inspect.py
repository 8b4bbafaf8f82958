"""Every metadata table of tables that Spark made, beside what Spark says of it: columns, types and rows.

What differs, and why:

* `partition` of entries and files is there, without fields, in tables that never had a partition: PyIceberg's programs
  ask for it. Java leaves it out, because some engines have no structs without fields.
* An absent bound of a partition summary is null. Java has the text "null".
* `contains_nan` of all_manifests may be null, as in manifests: writers of version 1 do not know it. In Java it is
  required there and null all the same. Arrow's consumers would take that for false.
* Row ids of the files of a manifest that several snapshots list are those of the latest in all_ tables; Java takes them
  of any.
"""

from __future__ import annotations

import datetime as dt
import itertools

import pyarrow as pa
import pytest

import floe_engine
from floe_iceberg import FloeCatalog, FloeTable, load_catalog
from testing.fixtures.services import Spark
from tests.integration.spark_judge import same_metadata_rows

pytestmark = pytest.mark.slow

NOT_JAVAS = {"statistics_files", "partition_statistics_files"}
OF_ONE_SNAPSHOT = ["manifests", "entries", "files", "data_files", "delete_files", "partitions"]


@pytest.fixture
def ours(spark: Spark) -> FloeCatalog:
    return load_catalog("floe", type="sql", **spark.properties)


_names = (f"inspect{n}" for n in itertools.count())


def properties(version: str, more: str = "") -> str:
    mode = "copy-on-write" if version == "1" else "merge-on-read"
    modes = ", ".join(f"'write.{kind}.mode' = '{mode}'" for kind in ("delete", "update", "merge"))
    return f"TBLPROPERTIES ('format-version' = '{version}', {modes}{more})"


COLUMNS = """id bigint NOT NULL, day date, name string, price double, small float, amount decimal(12, 2), at timestamp,
             local timestamp_ntz, flag boolean, raw binary, point struct<x: int, y: struct<deep: string>>,
             tags array<string>, counts map<string, int>"""


def row(i: int) -> str:
    name = "NULL" if i % 3 == 0 else f"'name {i}'"
    price = "double('NaN')" if i % 4 == 0 else f"CAST({i / 2} AS double)"
    return (
        f"({i}, DATE '2024-01-0{1 + i % 3}', {name}, {price}, CAST({i} AS float), {i}.25, "
        f"TIMESTAMP '2024-01-01 00:00:{i:02}', TIMESTAMP_NTZ '2024-01-01 00:00:{i:02}', {i % 2 == 0}, X'0{i % 10}', "
        f"named_struct('x', {i}, 'y', named_struct('deep', 'd{i}')), array('t{i}'), map('k', {i}))"
    )


def insert(spark: Spark, name: str, start: int, n: int = 4) -> None:
    spark.sql(f"INSERT INTO {name} VALUES {', '.join(row(i) for i in range(start, start + n))}")


def unpartitioned(spark: Spark, name: str, version: str) -> None:
    spark.sql(f"CREATE TABLE {name} ({COLUMNS}) USING iceberg {properties(version)}")
    insert(spark, name, 0)
    insert(spark, name, 10)
    spark.sql(f"DELETE FROM {name} WHERE id = 11")


def evolved(spark: Spark, name: str, version: str) -> None:
    """Specs and columns that came, went and got other names; a column that was widened."""
    spark.sql(f"CREATE TABLE {name} ({COLUMNS}) USING iceberg PARTITIONED BY (days(at)) {properties(version)}")
    insert(spark, name, 0)
    spark.sql(f"ALTER TABLE {name} ADD PARTITION FIELD truncate(4, name)")
    insert(spark, name, 10)
    spark.sql(f"ALTER TABLE {name} DROP PARTITION FIELD days(at)")
    spark.sql(f"ALTER TABLE {name} ADD PARTITION FIELD bucket(4, id) AS shard")
    spark.sql(f"ALTER TABLE {name} RENAME COLUMN name TO title")
    spark.sql(f"ALTER TABLE {name} ALTER COLUMN small TYPE double")
    spark.sql(f"ALTER TABLE {name} DROP COLUMN tags")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN tags array<string>")
    others = "day, title, price, small, amount, at, local, flag, raw, point, counts, tags"
    spark.sql(f"INSERT INTO {name} SELECT id + 100, {others} FROM {name} WHERE id < 10")
    spark.sql(f"DELETE FROM {name} WHERE id IN (1, 102)")


def branched(spark: Spark, name: str, version: str) -> None:
    """Branches, tags, a rollback, an overwrite, snapshots that expired, and a metadata log that was cut."""
    cut = ", 'write.metadata.previous-versions-max' = '3', 'write.metadata.delete-after-commit.enabled' = 'true'"
    spark.sql(f"CREATE TABLE {name} ({COLUMNS}) USING iceberg PARTITIONED BY (day) {properties(version, cut)}")
    for start in (0, 10, 20):
        insert(spark, name, start)
    spark.sql(f"ALTER TABLE {name} CREATE BRANCH audit RETAIN 7 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS 3 DAYS")
    spark.sql(f"ALTER TABLE {name} CREATE TAG first RETAIN 30 DAYS")
    insert(spark, f"{name}.branch_audit", 30)
    spark.sql(f"DELETE FROM {name} WHERE id IN (2, 21)")
    before = spark.sql(f"SELECT snapshot_id FROM {name}.history ORDER BY made_current_at DESC LIMIT 1")[0][
        "snapshot_id"
    ]
    spark.sql(f"INSERT OVERWRITE {name} VALUES {row(50)}")
    spark.sql(f"CALL floe.system.rollback_to_snapshot('{name}', {before})")
    insert(spark, name, 40)
    spark.sql(f"CALL floe.system.rewrite_manifests('{name}')")
    oldest = spark.sql(f"SELECT committed_at FROM {name}.snapshots ORDER BY committed_at LIMIT 2")[-1]["committed_at"]
    spark.sql(f"CALL floe.system.expire_snapshots(table => '{name}', older_than => TIMESTAMP '{oldest}')")
    spark.sql(f"UPDATE {name} SET price = 1 WHERE id = 41")


def upgraded(spark: Spark, name: str, version: str) -> None:
    """Snapshots of several format versions; row ids start with the last of them."""
    spark.sql(f"CREATE TABLE {name} ({COLUMNS}) USING iceberg PARTITIONED BY (day) {properties('1')}")
    insert(spark, name, 0)
    for later in range(2, int(version) + 1):
        modes = ", ".join(f"'write.{kind}.mode' = 'merge-on-read'" for kind in ("delete", "update", "merge"))
        spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('format-version' = '{later}', {modes})")
        insert(spark, name, 10 * later)
        spark.sql(f"DELETE FROM {name} WHERE id IN (1, {10 * later + 2})")


def written_by_us(spark: Spark, name: str, version: str) -> None:
    """Deletes of every kind that the version has."""
    schema = pa.schema(
        [pa.field("id", pa.int64(), nullable=False), pa.field("day", pa.date32()), ("price", pa.float64())]
    )

    def rows(*ids: int) -> pa.Table:
        days = [dt.date(2024, 1, 1 + i % 2) for i in ids]
        return pa.table({"id": list(ids), "day": days, "price": [float("nan") if i % 3 else 1.5 for i in ids]}, schema)

    catalog = load_catalog("floe", type="sql", **spark.properties)
    table = catalog.create_table(name, schema, properties={"format-version": version})
    table.append(rows(1, 2, 3, 4))
    spark.sql(f"ALTER TABLE {name} ADD PARTITION FIELD day")
    table = catalog.load_table(name)
    table.append(rows(5, 6, 7, 8))
    if version != "1":
        table.delete("id in (2, 5)", mode="merge-on-read")
        table.apply_changes(upserts=rows(6, 9), key_cols=["id", "day"])
    table.delete("id = 7", mode="copy-on-write")
    table.upsert(rows(8, 10), join_cols=["id"])


def empty(spark: Spark, name: str, version: str) -> None:
    spark.sql(f"CREATE TABLE {name} ({COLUMNS}) USING iceberg PARTITIONED BY (day) {properties(version)}")


@pytest.fixture(scope="module", params=["1", "2", "3"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    scope="module",
    params=[unpartitioned, evolved, branched, upgraded, written_by_us, empty],
    ids=lambda make: make.__name__,
)
def name(spark: Spark, version: str, request: pytest.FixtureRequest) -> str:
    namespace = next(_names)
    spark.sql(f"CREATE NAMESPACE {namespace}")
    full = f"{namespace}.t"
    request.param(spark, full, version)
    return full


def spark_type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{spark_type(field.type)}' for field in kind)}>"
    if pa.types.is_map(kind):
        return f"map<{spark_type(kind.key_type)},{spark_type(kind.item_type)}>"
    if pa.types.is_list(kind):
        return f"array<{spark_type(kind.value_type)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    names = {"int32": "int", "int64": "bigint", "bool": "boolean", "date32[day]": "date"}
    return names.get(str(kind), str(kind))


@pytest.mark.parametrize("kind", sorted(set(floe_engine.metadata_table_names()) - NOT_JAVAS))
def test_columns_and_rows_as_spark_has_them(spark: Spark, ours: FloeCatalog, name: str, kind: str) -> None:
    found: pa.Table = getattr(ours.load_table(name).inspect, kind)()
    described = {row["col_name"]: row["data_type"] for row in spark.sql(f"DESCRIBE {name}.{kind}")}
    columns = {field.name: spark_type(field.type) for field in found.schema}
    if not described.get("partition") and columns.get("partition") == "struct<>":
        del columns["partition"]
    if "data_file" in columns:
        columns["data_file"] = columns["data_file"].replace("partition:struct<>,", "")
    theirs = {column: kind for column, kind in described.items() if column and not column.startswith(("#", "_"))}
    assert list(columns.items()) == list(theirs.items())[: len(columns)]
    mine, other = found.to_pylist(), spark.sql(f"SELECT * FROM {name}.{kind}")
    if kind.startswith("all_"):
        for row in itertools.chain(mine, other):
            row.get("data_file", row).pop("first_row_id", None)
    same_metadata_rows(mine, other)


@pytest.mark.parametrize("kind", OF_ONE_SNAPSHOT)
def test_earlier_snapshots_as_spark_has_them(spark: Spark, ours: FloeCatalog, name: str, kind: str) -> None:
    table: FloeTable = ours.load_table(name)
    for snapshot in table.snapshots():
        found = getattr(table.inspect, kind)(snapshot.snapshot_id)
        theirs = spark.sql(f"SELECT * FROM {name}.{kind} VERSION AS OF {snapshot.snapshot_id}")
        same_metadata_rows(found.to_pylist(), theirs)
