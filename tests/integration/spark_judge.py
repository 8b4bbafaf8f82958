"""Spark as the judge: the same table read by Iceberg's Java and by this engine, as comparable rows."""

from __future__ import annotations

import datetime as dt
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


def plain_metadata(value: Any, path: str = "") -> Any:
    """A value that compares: without zones, maps in an order, and without what test_spark_inspect.py excuses."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        plain_values = {name: plain_metadata(each, name) for name, each in value.items()}
        return {name: each for name, each in plain_values.items() if (name, each) != ("partition", {})}
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return sorted(value)
    if isinstance(value, list):
        return [plain_metadata(each) for each in value]
    return None if path in ("lower_bound", "upper_bound") and value == "null" else value


def comparable_metadata(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted((plain_metadata(row) for row in rows), key=repr)


def same_metadata_rows(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Fails with what differs."""
    assert len(ours) == len(theirs)
    differing = [
        (column, mine[column], other.get(column))
        for mine, other in zip(comparable_metadata(ours), comparable_metadata(theirs), strict=True)
        for column in other
        if mine[column] != other[column]
    ]
    assert differing == []
