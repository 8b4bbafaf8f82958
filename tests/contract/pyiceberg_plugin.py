"""A storage plugin on PyIceberg alone, so that the contract is not shaped to our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg import exceptions
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.table import ALWAYS_TRUE, Table

from floe_core import (
    ConflictError,
    NotFoundError,
    NotSupportedError,
    SchemaChange,
    SchemaChangeType,
    SchemaEvolution,
    SnapshotInfo,
    StoragePlugin,
    TableConfig,
    TableSchema,
    WriteConfig,
    WriteMode,
)
from floe_iceberg.schema import to_pyiceberg_schema


class PlainPyIcebergPlugin(StoragePlugin):
    """Tables in a PyIceberg catalog, changed by PyIceberg's own code."""

    name = "plain-pyiceberg"
    version = "1.0.0"
    floe_api_version = "1.0"

    def __init__(self, catalog: Catalog | None = None) -> None:
        super().__init__()
        self._catalog = catalog or InMemoryCatalog("plain")

    def create_table(self, config: TableConfig, *, if_not_exists: bool = False) -> Table:
        self._catalog.create_namespace_if_not_exists(config.namespace)
        try:
            return self._catalog.create_table(config.identifier, to_pyiceberg_schema(config.table_schema))
        except exceptions.TableAlreadyExistsError as error:
            if if_not_exists:
                return self.load_table(config.identifier)
            raise ConflictError("table", config.identifier) from error

    def load_table(self, identifier: str) -> Table:
        try:
            return self._catalog.load_table(identifier)
        except exceptions.NoSuchTableError as error:
            raise NotFoundError("table", identifier) from error

    def drop_table(self, identifier: str, *, purge: bool = False) -> None:
        self.load_table(identifier)
        self._catalog.drop_table(identifier)

    def write(self, table: Table, data: Any, config: WriteConfig | None = None) -> Table:
        config = config or WriteConfig()
        if not hasattr(data, "__arrow_c_stream__"):
            raise ValueError(f"a {type(data).__name__} is no Arrow stream")
        rows = pa.table(data)
        match config.mode:
            case WriteMode.APPEND:
                table.append(rows, config.snapshot_properties)
            case WriteMode.OVERWRITE:
                table.overwrite(rows, config.overwrite_filter or ALWAYS_TRUE, config.snapshot_properties)
            case WriteMode.UPSERT:
                table.upsert(rows, list(config.join_columns or ()))
            case _:
                raise NotSupportedError(str(config.mode), self.name)
        return table

    def read(
        self,
        table: Table,
        *,
        row_filter: str | None = None,
        columns: Sequence[str] | None = None,
        snapshot_id: int | None = None,
    ) -> Any:
        if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
            raise NotFoundError("snapshot", str(snapshot_id))
        selected = ("*",) if columns is None else tuple(columns)
        return table.scan(row_filter or ALWAYS_TRUE, selected, snapshot_id=snapshot_id).to_arrow()

    def evolve_schema(self, table: Table, changes: SchemaEvolution | Iterable[SchemaChange]) -> Table:
        evolution = SchemaEvolution.of(changes)
        with table.update_schema(evolution.allow_incompatible_changes) as update:
            for change in evolution.changes:
                if change.change_type is SchemaChangeType.ADD_COLUMN and change.field is not None:
                    added = TableSchema(fields=(change.field,))
                    update.add_column(change.field.name, to_pyiceberg_schema(added).fields[0].field_type)
                elif change.change_type is SchemaChangeType.RENAME_COLUMN:
                    update.rename_column(change.source_column or "", change.new_name or "")
                elif change.change_type is SchemaChangeType.DELETE_COLUMN and evolution.allow_incompatible_changes:
                    update.delete_column(change.source_column or "")
                else:
                    raise NotSupportedError(str(change.change_type), self.name)
        return table

    def create_snapshot(self, table: Table, name: str | None = None, *, empty: bool = False) -> SnapshotInfo:
        if name in table.refresh().refs():
            raise ConflictError("snapshot", str(name))
        if empty or table.current_snapshot() is None:
            with table.transaction() as transaction, transaction.update_snapshot().fast_append():
                pass
        snapshot = table.current_snapshot()
        assert snapshot is not None
        if name is not None:
            table.manage_snapshots().create_tag(snapshot.snapshot_id, name).commit()
        return SnapshotInfo.from_pyiceberg_snapshot(snapshot)

    def list_snapshots(self, table: Table) -> list[SnapshotInfo]:
        return [SnapshotInfo.from_pyiceberg_snapshot(snapshot) for snapshot in reversed(table.snapshots())]

    def delete(self, table: Table, row_filter: str, *, snapshot_properties: Mapping[str, str] | None = None) -> Table:
        table.delete(row_filter, dict(snapshot_properties or {}))
        return table
