"""One table whose schema, partitioning and refs Spark and this engine change in turns: both read the same rows."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, StringType

from floe_iceberg import FloeCatalog
from testing.fixtures.services import Spark
from tests.integration.spark_judge import agree

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_both_evolve_one_table(spark: Spark, ours: FloeCatalog, ns: str, version: str) -> None:
    name = f"{ns}.t"
    schema = pa.schema([("id", pa.int32()), ("day", pa.date32()), ("s", pa.struct([("a", pa.float32())]))])
    table = ours.create_table(name, schema=schema, properties={"format-version": version})
    first = {"id": 1, "day": dt.date(2013, 1, 1), "s": {"a": 1.5}}
    table.append(pa.Table.from_pylist([first, {"id": None, "day": None, "s": None}], schema=schema))
    with table.transaction() as transaction:
        with transaction.update_schema() as update:
            update.update_column("id", LongType()).rename_column("day", "d").add_column(("s", "b"), StringType())
            update.add_column("gone", StringType(), doc="soon").move_first("gone")
        with transaction.update_spec() as spec:
            spec.add_field("d", "month").add_field("id", "bucket[4]")
    table.append(
        pa.Table.from_pylist([{"id": 2**40, "d": dt.date(2013, 2, 1), "s": {"b": "x"}}], table.schema().as_arrow())
    )
    agree(spark, table, 3)

    spark.sql(f"ALTER TABLE {name} DROP COLUMN gone")
    spark.sql(f"ALTER TABLE {name} ADD COLUMN gone bigint AFTER id")
    spark.sql(f"ALTER TABLE {name} DROP PARTITION FIELD d_month")
    spark.sql(f"INSERT INTO {name} VALUES (3, 7, DATE '2013-03-01', named_struct('a', 2.5, 'b', 'y'))")
    agree(spark, table, 4)

    with table.update_spec() as spec:
        spec.remove_field("id_bucket_4").add_field("d", "month")
    with table.update_schema() as update:
        # Not dropped: of a struct whose files have none of its columns any more Spark does not see that it was there.
        update.rename_column("s.a", "aa")
        if version == "3":
            update.add_column("filled", LongType(), required=True, default_value=9)
    table.update_sort_order().asc("d", IdentityTransform()).commit()
    row = {"id": 4, "gone": 8, "d": dt.date(2013, 3, 1), "s": {"b": "z"}}
    table.append(pa.Table.from_pylist([row], pa.schema([f for f in table.schema().as_arrow() if f.name in row])))
    read = agree(spark, table, 5)
    assert sorted(r["gone"] is None for r in read) == [False, False, True, True, True]
    assert [spark.sql(f"SELECT count(*) AS n FROM {name} WHERE d = DATE '2013-03-01'")] == [[{"n": 2}]]
    spark.sql(f"DELETE FROM {name} WHERE d = DATE '2013-03-01'")
    agree(spark, table, 3)


@pytest.mark.parametrize("version", ["2", "3"])
def test_either_publishes_what_the_other_staged(spark: Spark, ours: FloeCatalog, ns: str, version: str) -> None:
    name = f"{ns}.t"
    ids = pa.schema([("id", pa.int64())])
    table = ours.create_table(name, schema=ids, properties={"format-version": version})
    table.append(pa.table({"id": [1]}, ids))
    table.append(pa.table({"id": [2]}, ids), snapshot_properties={"wap.id": "ours"}, branch=None)
    table.append(pa.table({"id": [3]}, ids))
    spark.sql(f"CALL floe.system.publish_changes('{name}', 'ours')")
    assert [row["id"] for row in agree(spark, table)] == [1, 2, 3]
    with pytest.raises(ValueError, match="published already"):
        table.manage_snapshots().publish_changes("ours")

    spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('write.wap.enabled' = 'true')")
    spark.sql("SET spark.wap.id = theirs")
    spark.sql(f"INSERT INTO {name} VALUES (4)")
    spark.sql("RESET spark.wap.id")
    table.refresh().append(pa.table({"id": [5]}, ids))
    table.manage_snapshots().publish_changes("theirs").commit()
    assert [row["id"] for row in agree(spark, table)] == [1, 2, 3, 4, 5]
    with table.manage_snapshots() as snapshots:
        snapshots.create_snapshot("release", max_ref_age_ms=10**9).create_branch(
            table.snapshots()[0].snapshot_id, "side"
        )
        snapshots.rollback_to_snapshot(table.snapshots()[0].snapshot_id)
    assert [row["id"] for row in agree(spark, table)] == [1]
    assert spark.sql(f"SELECT count(*) AS n FROM {name} VERSION AS OF 'release'") == [{"n": 5}]
    spark.sql(f"CALL floe.system.fast_forward('{name}', 'main', 'release')")
    agree(spark, table, 5)
