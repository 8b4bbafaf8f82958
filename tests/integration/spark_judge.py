"""Spark as the judge: the same table read by Iceberg's Java and by this engine, as comparable rows."""

from __future__ import annotations

import itertools
from typing import Any

from floe_iceberg import FloeTable
from testing.fixtures.services import Spark
from tests.integration.strangers import plain, rows

FORMATS = ["parquet", "avro", "orc"]
MERGE_ON_READ = {f"write.{operation}.mode": "merge-on-read" for operation in ("delete", "update", "merge")}
COPY_ON_WRITE = {f"write.{operation}.mode": "copy-on-write" for operation in ("delete", "update", "merge")}


def create(spark: Spark, name: str, columns: str, version: int, more: str = "", **properties: str) -> None:
    texts = ", ".join(
        f"'{k.replace('_', '-')}' = '{v}'" for k, v in {"format-version": str(version), **properties}.items()
    )
    spark.sql(f"CREATE TABLE {name} ({columns}) USING iceberg {more} TBLPROPERTIES ({texts})")


def spark_rows(spark: Spark, query: str) -> list[dict[str, Any]]:
    """The rows as `rows` gives ours. Spark has UUIDs as text."""
    found = spark.sql(query)
    for row in found:
        if row.get("uuid") is not None:
            row["uuid"] = bytes.fromhex(row["uuid"].replace("-", ""))
    return sorted(({k: plain(v) for k, v in row.items()} for row in found), key=repr)


def same_rows(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Fails with what differs. The entries of a map have no order."""
    assert len(ours) == len(theirs)
    for row in itertools.chain(ours, theirs):
        if row.get("map"):
            row["map"].sort(key=repr)
    differing = [
        (column, row[column], other.get(column))
        for row, other in zip(ours, theirs, strict=True)
        for column in row
        if row[column] != other.get(column)
    ]
    assert not differing, differing


def agree(spark: Spark, table: FloeTable, count: int | None = None) -> list[dict[str, Any]]:
    """Both read the same rows, which are given back."""
    table.refresh()
    ours = rows(table.scan().to_arrow())
    same_rows(ours, spark_rows(spark, f"SELECT * FROM {'.'.join(table.name())}"))
    assert table.scan().count() == len(ours)
    if count is not None:
        assert len(ours) == count
    return ours


def agree_on(spark: Spark, table: FloeTable, *columns: str, ref: str = "main") -> list[dict[str, Any]]:
    """Both read the same of these columns, be they the table's or metadata columns."""
    table.refresh()
    ours = rows(table.scan(selected_fields=columns, ref=ref).to_arrow().select(list(columns)))
    name = ".".join(table.name())
    same_rows(ours, spark_rows(spark, f"SELECT {', '.join(columns)} FROM {name} VERSION AS OF '{ref}'"))
    return ours
