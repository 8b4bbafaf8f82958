"""Iceberg's Java API behind a Spark session, for what SQL has no words for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


class Java:
    """Classes by their full names, and what several tables need of them.

    A row is given as JSON by field id, as the specification serializes single values: `{"1": 5, "2": "x"}`. (Numbers
    alone would not do: py4j makes a Java Integer of every small one.)
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self.jvm = session._jvm
        self.iceberg = session._jvm.org.apache.iceberg

    def table(self, name: str) -> Any:
        return self.iceberg.spark.Spark3Util.loadIcebergTable(self._session._jsparkSession, name)

    def ints(self, values: Iterable[int]) -> Any:
        values = list(values)
        array = self._session.sparkContext._gateway.new_array(self.jvm.int, len(values))
        for i, value in enumerate(values):
            array[i] = value
        return array

    def schema(self, fields: list[dict[str, Any]]) -> Any:
        return self.iceberg.SchemaParser.fromJson(json.dumps({"type": "struct", "schema-id": 0, "fields": fields}))

    def record(self, struct: Any, row: dict[int, Any]) -> Any:
        return self.iceberg.SingleValueParser.fromJson(struct, json.dumps({str(k): v for k, v in row.items()}))

    def create_table(self, name: str, fields: list[dict[str, Any]], version: int, **properties: str) -> Any:
        """A table of types that Spark does not know. Unpartitioned."""
        namespace, _, table = name.partition(".")
        catalog = self._session._jsparkSession.sessionState().catalogManager().catalog("floe").icebergCatalog()
        identifier = self.iceberg.catalog.TableIdentifier.parse(f"{namespace}.{table}")
        properties = {"format-version": str(version), **{k.replace("_", "-"): v for k, v in properties.items()}}
        spec = self.iceberg.PartitionSpec.unpartitioned()
        return catalog.createTable(identifier, self.schema(fields), spec, self.jvm.java.util.HashMap(properties))

    def append(self, table: Any, file_format: str, rows: list[dict[int, Any]]) -> None:
        """Adds a data file of an unpartitioned table, written from values as Iceberg holds them."""
        file_format = getattr(self.iceberg.FileFormat, file_format.upper())
        out = self._output(table, file_format, None).encryptingOutputFile()
        writer = self.iceberg.InternalData.write(file_format, out).schema(table.schema()).build()
        writer.addAll([self.record(table.schema().asStruct(), row) for row in rows])
        writer.close()
        file = (
            self.iceberg.DataFiles.builder(table.spec())
            .withInputFile(out.toInputFile())
            .withFormat(file_format)
            .withMetrics(writer.metrics())
            .build()
        )
        table.newAppend().appendFile(file).commit()

    def delete_keys(
        self,
        table: Any,
        field_ids: list[int],
        keys: list[dict[int, Any]],
        partition: dict[int, Any] | None = None,
        file_format: str = "parquet",
    ) -> None:
        """Commits an equality delete file of these keys, in one partition (by partition field id) or in none."""
        spec = table.spec()
        schema = table.schema().select([table.schema().findColumnName(i) for i in field_ids])
        where = None if partition is None else self.record(spec.partitionType(), partition)
        file_format = getattr(self.iceberg.FileFormat, file_format.upper())
        factory = (
            self.jvm.org.apache.iceberg.data.GenericFileWriterFactory.Builder(table)
            .deleteFileFormat(file_format)
            .equalityFieldIds(self.ints(field_ids))
            .equalityDeleteRowSchema(schema)
            .build()
        )
        writer = factory.newEqualityDeleteWriter(self._output(table, file_format, where, spec), spec, where)
        for key in keys:
            writer.write(self.record(schema.asStruct(), key))
        writer.close()
        table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()

    def read(self, name: str) -> tuple[list[str], list[list[Any]]]:
        """The rows of a table whose types Spark does not know, as `to_json` has values."""
        table = self.table(name)
        columns = [field.name() for field in table.schema().columns()]
        rows = self.iceberg.data.IcebergGenerics.read(table).build()
        found = []
        iterator = rows.iterator()
        while iterator.hasNext():
            row = iterator.next()
            found.append([self.to_json(row.get(i)) for i in range(len(columns))])
        rows.close()
        return columns, found

    def to_json(self, value: Any) -> Any:
        from testing.fixtures.spark_session import to_json

        if not hasattr(value, "getClass"):
            return to_json(value)
        match value.getClass().getName():
            case "java.time.LocalDate":
                return {"date": value.toString()}
            case "java.time.LocalTime":
                return {"time": value.toString()}
            case "java.time.LocalDateTime":
                return {"nanos": value.toEpochSecond(self.jvm.java.time.ZoneOffset.UTC) * 10**9 + value.getNano()}
            case "java.time.OffsetDateTime":
                return {"nanos": value.toEpochSecond() * 10**9 + value.getNano()}
            case "java.util.UUID":
                return {"binary": value.toString().replace("-", "")}
            case "java.nio.HeapByteBuffer":
                return to_json(self.iceberg.util.ByteBuffers.toByteArray(value))
            case other:
                raise TypeError(f"{other} has no form in JSON")

    def _output(self, table: Any, file_format: Any, partition: Any, spec: Any = None) -> Any:
        files = self.iceberg.io.OutputFileFactory.builderFor(table, 1, 1).format(file_format).build()
        return files.newOutputFile() if partition is None else files.newOutputFile(spec, partition)
