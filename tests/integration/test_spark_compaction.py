"""Iceberg's Java as the judge of compaction: it reads what we compact, and each of us compacts the other's tables."""

from __future__ import annotations

import pytest

from floe_iceberg import FloeCatalog, FloeTable
from testing.fixtures.services import Spark
from tests.integration.spark_judge import MERGE_ON_READ, agree, agree_on, create
from tests.integration.test_spark_changes import LINEAGE, SPECS, ids, numbered, three_appends

pytestmark = pytest.mark.slow

EVERYTHING = {"rewrite-all": True, "remove-dangling-deletes": True}


def changed(ours: FloeCatalog, name: str, spec: str, version: int) -> tuple[FloeTable, set[int]]:
    properties = MERGE_ON_READ if version > 1 else {}
    table = three_appends(ours, name, SPECS[spec], version, **properties)
    for row_filter in ("id in (1, 5, 21, 41)", "id in (2, 22)"):
        table.delete(row_filter)
    if version > 1 and spec == "unpartitioned":
        table.apply_changes(deletes=numbered(10, 13).select(["id"]), key_cols=["id"])
        return table, set(range(60)) - {1, 2, 5, 10, 11, 12, 21, 22, 41}
    return table, set(range(60)) - {1, 2, 5, 21, 22, 41}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_spark_reads_and_compacts_what_we_compacted(
    spark: Spark, ours: FloeCatalog, ns: str, spec: str, version: int
) -> None:
    table, expected = changed(ours, f"{ns}.t", spec, version)
    name = ".".join(table.name())
    lineage = agree_on(spark, table, *LINEAGE) if version == 3 else []
    table.maintenance.rewrite_position_delete_files(options={"rewrite-all": True})
    assert ids(agree(spark, table)) == expected
    table.maintenance.rewrite_data_files(options=EVERYTHING)
    assert ids(agree(spark, table)) == expected
    if version == 3:
        assert agree_on(spark, table, *LINEAGE) == lineage
    table.append(numbered(60, 70))
    table.maintenance.rewrite_data_files(sort_order="zorder(id, part)", options=EVERYTHING)
    table.maintenance.rewrite_data_files(sort_order="value DESC NULLS LAST", options=EVERYTHING)
    assert ids(agree(spark, table)) == expected | set(range(60, 70))
    spark.sql(f"CALL floe.system.rewrite_data_files(table => '{name}', options => map('rewrite-all', 'true'))")
    spark.sql(f"DELETE FROM {name} WHERE id = 65")
    assert ids(agree(spark, table)) == (expected | set(range(60, 70))) - {65}


@pytest.mark.parametrize("version", [2, 3])
def test_we_compact_what_spark_wrote(spark: Spark, ours: FloeCatalog, ns: str, version: int) -> None:
    create(spark, f"{ns}.t", "id BIGINT, part STRING", version, "PARTITIONED BY (part)", **MERGE_ON_READ)
    for first in range(0, 60, 10):
        values = ", ".join(f"({i}, 'p{i % 2}')" for i in range(first, first + 10))
        spark.sql(f"INSERT INTO {ns}.t VALUES {values}")
    spark.sql(f"DELETE FROM {ns}.t WHERE id % 7 = 0")
    table = ours.load_table(f"{ns}.t")
    expected = {i for i in range(60) if i % 7 != 0}
    lineage = agree_on(spark, table, *LINEAGE) if version == 3 else []
    assert ids(agree(spark, table)) == expected
    result = table.maintenance.rewrite_data_files(options={"min-input-files": 2, **EVERYTHING})
    assert result.rewritten_data_files_count == 12
    assert result.added_data_files_count == 2
    assert ids(agree(spark, table)) == expected
    if version == 3:
        assert agree_on(spark, table, *LINEAGE) == lineage
    spark.sql(f"DELETE FROM {ns}.t WHERE id = 1")
    assert ids(agree(spark, table)) == expected - {1}
