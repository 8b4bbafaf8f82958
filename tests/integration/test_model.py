"""Random sequences of changes against a plain list of rows: after each of them we, and PyIceberg or DuckDB, read the
rows that the model has, whatever the format version, the partitioning and the way in which rows are changed."""

from __future__ import annotations

import math
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import DoubleType, IntegerType, LongType, NestedField, StringType

from floe_iceberg import FloeUpsertResult
from tests.integration.strangers import Warehouse, plain, rows

Row = dict[str, Any]

EVER = 2**62  # milliseconds

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "g", StringType()),
    NestedField(3, "x", DoubleType()),
    NestedField(4, "s", StringType()),
)
ARROW = pa.schema([("id", pa.int64()), ("g", pa.string()), ("x", pa.float64()), ("s", pa.string())])


@dataclass
class Merge:
    """What becomes of rows whose key is that of a new row, and whether new rows without a match are inserted."""

    keys: tuple[str, ...]
    source: list[Row]
    matched: str
    inserts: bool

    def key(self, row: Row) -> tuple[Any, ...] | None:
        key = tuple(row[name] for name in self.keys)
        return None if None in key else key

    @property
    def options(self) -> dict[str, Any]:
        return {
            "join_cols": list(self.keys),
            "when_matched_update_all": self.matched == "update",
            "when_matched_delete": self.matched == "delete",
            "when_not_matched_insert_all": self.inserts or self.matched == "leave",  # one of them has to be done
        }


IDS = st.integers(0, 30) | st.none()
ROWS = st.fixed_dictionaries(
    {
        "id": IDS,
        "g": st.sampled_from(["a", "b", "c", None]),
        "x": st.sampled_from([0.0, -0.0, 1.5, -2.5, float("nan"), None]),
        "s": st.sampled_from(["", "x", "xy", "é", None]),
    }
)
BATCH = st.lists(ROWS, max_size=12)
NAMES = st.sampled_from(["e1", "e2", "e3"])
CHANGES = st.lists(st.tuples(ROWS, st.booleans()), max_size=8)  # a row, and whether its key is deleted
SOURCE = st.lists(ROWS, max_size=8, unique_by=lambda row: row["id"])  # one null key at most: it matches nothing
MERGES = st.sampled_from([("id",), ("g", "id")]).flatmap(
    lambda keys: st.builds(
        Merge,
        st.just(keys),
        st.lists(ROWS, max_size=8, unique_by=lambda row: tuple(row[key] for key in keys)),
        st.sampled_from(["update", "delete", "leave"]),
        st.booleans(),
    )
)

Partitioning = tuple[PartitionSpec, Callable[[Row], Any]]
PARTITIONINGS: dict[str, Partitioning] = {
    "none": (PartitionSpec(), lambda _row: None),
    "g": (PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "g")), lambda row: row["g"]),
    "bucket(id), truncate(s)": (
        PartitionSpec(
            PartitionField(1, 1000, BucketTransform(3), "id_bucket"),
            PartitionField(4, 1001, TruncateTransform(1), "s_1"),
        ),
        lambda row: (
            BucketTransform(3).transform(LongType())(row["id"]),
            None if row["s"] is None else row["s"][:1],
        ),
    ),
}


class Filter:
    """A filter's text, and what it says of a row."""

    def __init__(self, text: str, says: Callable[[Row], bool]) -> None:
        self.text, self.says = text, says

    def __repr__(self) -> str:
        return self.text


def _number(column: str, op: str, value: float) -> Filter:
    def says(row: Row) -> bool:
        mine = row[column]
        if mine is None or (isinstance(mine, float) and math.isnan(mine)):
            return op == "!=" and mine is not None
        return bool({"<": mine < value, ">=": mine >= value, "=": mine == value, "!=": mine != value}[op])

    return Filter(f"{column} {op} {value}", says)


PREDICATES = (
    st.builds(_number, st.just("id"), st.sampled_from(["<", ">=", "=", "!="]), st.integers(-1, 31))
    | st.builds(_number, st.just("x"), st.sampled_from(["<", ">=", "=", "!="]), st.sampled_from([0.0, 1.5, -3.0]))
    | st.sampled_from(
        [
            Filter("g = 'a'", lambda row: row["g"] == "a"),
            Filter("g is null", lambda row: row["g"] is None),
            Filter("g is not null", lambda row: row["g"] is not None),
            Filter("x is nan", lambda row: row["x"] is not None and math.isnan(row["x"])),
            Filter("s in ('x', 'é')", lambda row: row["s"] in ("x", "é")),
            Filter("s like 'x%'", lambda row: row["s"] is not None and row["s"].startswith("x")),
        ]
    )
)
FILTERS = st.recursive(
    PREDICATES,
    lambda inner: (
        st.builds(lambda a, b: Filter(f"({a}) and ({b})", lambda row: a.says(row) and b.says(row)), inner, inner)
        | st.builds(lambda a, b: Filter(f"({a}) or ({b})", lambda row: a.says(row) or b.says(row)), inner, inner)
    ),
    max_leaves=3,
)


def arrow(batch: list[Row], schema: pa.Schema = ARROW) -> pa.Table:
    return pa.Table.from_pylist(batch, schema=schema)


def same(a: Row, b: Row) -> bool:
    return repr([plain(a[name]) for name in ARROW.names]) == repr([plain(b[name]) for name in ARROW.names])


class Model:
    """What the table has to hold."""

    def __init__(self, partition: Callable[[Row], Any]) -> None:
        self.rows: list[Row] = []
        self.partition = partition

    def append(self, batch: list[Row]) -> None:
        self.rows = self.rows + batch

    def delete(self, condition: Filter) -> None:
        self.rows = [row for row in self.rows if not condition.says(row)]

    def overwrite(self, batch: list[Row], condition: Filter) -> None:
        self.delete(condition)
        self.append(batch)

    def overwrite_partitions(self, batch: list[Row]) -> None:
        touched = {self.partition(row) for row in batch}
        self.rows = [row for row in self.rows if self.partition(row) not in touched] + batch

    def upsert(self, source: list[Row]) -> tuple[int, int, int]:
        return self.merge(Merge(("id",), source, "update", True))

    def merge(self, merge: Merge) -> tuple[int, int, int]:
        """Returns how many rows are updated, inserted and deleted."""
        new = {key: row for row in merge.source if (key := merge.key(row)) is not None}
        there = {merge.key(row) for row in self.rows} - {None}
        inserted = [row for row in merge.source if merge.key(row) not in there]
        if not merge.options["when_not_matched_insert_all"]:
            inserted = []
        updated = deleted = 0
        kept: list[Row] = []
        for row in self.rows:
            key = merge.key(row)
            match = None if key is None else new.get(key)
            if match is not None and merge.matched == "delete":
                deleted += 1
                continue
            if match is not None and merge.matched == "update" and not same(row, match):
                updated += 1
                row = match
            kept.append(row)
        self.rows = kept + inserted
        return updated, len(inserted), deleted

    def apply_changes(self, upserts: list[Row], deletes: list[Row], keys: list[str]) -> None:
        """Nulls in keys are equal."""
        gone = {tuple(row[key] for key in keys) for row in upserts + deletes}
        self.rows = [row for row in self.rows if tuple(row[key] for key in keys) not in gone] + upserts


class Extra:
    """A column that came later. It is the same one whatever it is called."""

    def __init__(self, name: str, default: int | None) -> None:
        self.name, self.default, self.kind = name, default, pa.int32()


class Changes(RuleBasedStateMachine):
    """One table, changed at random."""

    @initialize(
        version=st.sampled_from([1, 2, 3]),
        mode=st.sampled_from(["copy-on-write", "merge-on-read"]),
        granularity=st.sampled_from(["file", "partition"]),
        merge=st.booleans(),
        partitioning=st.sampled_from(sorted(PARTITIONINGS)),
    )
    def create(self, version: int, mode: str, granularity: str, merge: bool, partitioning: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.warehouse = Warehouse(Path(self.folder.name))
        spec, partition = PARTITIONINGS[partitioning]
        properties = {
            "format-version": str(version),
            "write.delete.granularity": granularity,
            "commit.manifest-merge.enabled": str(merge).lower(),
            "commit.manifest.min-count-to-merge": "3",
        }
        if version > 1:
            properties |= {f"write.{change}.mode": mode for change in ("delete", "update", "merge")}
        self.partitioned = bool(spec.fields)
        # What identifies a row in changes by key has to tell its partition.
        self.keys = ["id", *({"g": ["g"], "bucket(id), truncate(s)": ["s"]}.get(partitioning, []))]
        self.version = version
        self.began_at = version
        self.strangers_files = 0
        self.by_bucket = "bucket" in partitioning
        self.table = self.warehouse.ours.create_table("ns.t", SCHEMA, partition_spec=spec, properties=properties)
        self.model = Model(partition)
        self.extras: list[Extra] = []
        self.evolved = False  # the partitioning
        self.past: dict[int, list[Row]] = {}  # what main held, by snapshot
        self.tags: dict[str, list[Row]] = {}
        self.published = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(batch=BATCH)
    def append(self, batch: list[Row]) -> None:
        self.table.append(arrow(batch))
        self.model.append(batch)

    @rule(condition=FILTERS)
    def delete(self, condition: Filter) -> None:
        self.table.delete(condition.text)
        self.model.delete(condition)

    @rule(batch=BATCH, condition=FILTERS)
    def overwrite(self, batch: list[Row], condition: Filter) -> None:
        before = len(self.table.snapshots())
        self.table.overwrite(arrow(batch), overwrite_filter=condition.text)
        assert len(self.table.snapshots()) <= before + 1
        self.model.overwrite(batch, condition)

    @rule(batch=BATCH)
    def overwrite_partitions(self, batch: list[Row]) -> None:
        if not self.partitioned or self.evolved:
            return
        self.table.dynamic_partition_overwrite(arrow(batch))
        self.model.overwrite_partitions(batch)

    @rule(merge=MERGES)
    def upsert(self, merge: Merge) -> None:
        result = self.table.upsert(arrow(merge.source), **merge.options)
        assert isinstance(result, FloeUpsertResult)
        assert (result.rows_updated, result.rows_inserted, result.rows_deleted) == self.model.merge(merge)

    @rule(batch=BATCH)
    def add_files(self, batch: list[Row]) -> None:
        if self.evolved or self.by_bucket or not batch:  # no bounds tell a bucket
            return
        if self.partitioned:  # the rows of a file are of one partition
            batch = [{**row, "g": batch[0]["g"]} for row in batch]
        self.strangers_files += 1
        path = f"{self.folder.name}/{self.strangers_files}.parquet"
        pq.write_table(arrow(batch), path)
        self.table.add_files([f"file://{path}"])
        self.model.append(batch)

    @rule(version=st.sampled_from([2, 3]))
    def upgrade(self, version: int) -> None:
        if version <= self.version:
            return
        with self.table.transaction() as transaction:
            transaction.upgrade_table_version(version)
        self.version = version

    @rule(changes=CHANGES)
    def apply_changes(self, changes: list[tuple[Row, bool]]) -> None:
        if self.version == 1:
            return
        last = {tuple(row[key] for key in self.keys): (row, deleted) for row, deleted in changes}
        upserts = [row for row, deleted in last.values() if not deleted]
        deletes = [row for row, deleted in last.values() if deleted]
        self.table.apply_changes(arrow(upserts), arrow(deletes).select(self.keys), key_cols=self.keys)
        self.model.apply_changes(upserts, deletes, self.keys)

    @rule(batch=BATCH, condition=FILTERS, source=SOURCE)
    def transaction(self, batch: list[Row], condition: Filter, source: list[Row]) -> None:
        with self.table.transaction() as transaction:
            transaction.append(arrow(batch))
            transaction.delete(condition.text)
            transaction.upsert(arrow(source), join_cols=["id"])
            transaction.set_properties(touched="yes")
        self.model.append(batch)
        self.model.delete(condition)
        self.model.upsert(source)

    @rule(batch=BATCH, condition=FILTERS)
    def failed_transaction(self, batch: list[Row], condition: Filter) -> None:
        class Stop(Exception):
            pass

        before = self.table.metadata_location
        try:
            with self.table.transaction() as transaction:
                transaction.append(arrow(batch))
                transaction.delete(condition.text)
                raise Stop
        except Stop:
            pass
        assert self.table.refresh().metadata_location == before

    @rule(first=BATCH, second=BATCH)
    def append_with_stale_handles(self, first: list[Row], second: list[Row]) -> None:
        other = self.warehouse.ours.load_table("ns.t")
        self.table.append(arrow(first))
        other.append(arrow(second))
        self.table.refresh()
        self.model.append(first + second)

    @rule(first=SOURCE, second=SOURCE)
    def upsert_with_stale_handles(self, first: list[Row], second: list[Row]) -> None:
        other = self.warehouse.ours.load_table("ns.t")
        self.table.upsert(arrow(first), join_cols=["id"])
        other.upsert(arrow(second), join_cols=["id"])
        self.table.refresh()
        self.model.upsert(first)
        self.model.upsert(second)

    # --- what the table is made of ---

    def expected(self, held: list[Row]) -> list[Row]:
        """Rows as the table has them now: nobody gives the columns that came later values."""
        later = {extra.name: extra.default for extra in self.extras}
        types = {**{field.name: field.type for field in ARROW}, **{extra.name: extra.kind for extra in self.extras}}
        schema = pa.schema([(name, types[name]) for name in self.table.schema().column_names])
        return rows(arrow([{**row, **later} for row in held], schema))

    @rule(name=NAMES, default=st.sampled_from([None, 7]))
    def add_column(self, name: str, default: int | None) -> None:
        if any(extra.name == name for extra in self.extras):
            return
        default = default if self.version == 3 else None
        with self.table.update_schema() as update:
            update.add_column(name, IntegerType(), default_value=default)
        self.extras.append(Extra(name, default))

    @rule(name=NAMES, new_name=NAMES)
    def change_column(self, name: str, new_name: str) -> None:
        """Renamed and widened; dropped where the name is taken."""
        extra = next((extra for extra in self.extras if extra.name == name), None)
        if extra is None:
            return
        with self.table.update_schema() as update:
            if any(other.name == new_name for other in self.extras):
                update.delete_column(name)
                self.extras.remove(extra)
            else:
                update.rename_column(name, new_name).update_column(name, LongType()).move_first(name)
                extra.name, extra.kind = new_name, pa.int64()

    @rule(name=st.sampled_from(sorted(PARTITIONINGS)))
    def change_partitioning(self, name: str) -> None:
        wanted = {(field.source_id, str(field.transform)) for field in PARTITIONINGS[name][0].fields}
        there = {(field.source_id, str(field.transform)): field.name for field in self.table.spec().fields}
        with self.table.update_spec() as update:
            for key, field in there.items():
                if key not in wanted and key[1] != "void":
                    update.remove_field(field)
            for source, transform in sorted(wanted - there.keys()):
                update.add_field(SCHEMA.find_field(source).name, transform)
        if self.table.metadata.default_spec_id != 0 or self.evolved:
            self.evolved = self.partitioned = True
            self.keys = ["id", "g", "s"]

    @rule(back=st.integers(0, 5))
    def roll_back(self, back: int) -> None:
        snapshot = self.table.current_snapshot()
        while snapshot is not None and back > 0 and snapshot.parent_snapshot_id is not None:
            snapshot, back = self.table.snapshot_by_id(snapshot.parent_snapshot_id), back - 1
        if snapshot is None or snapshot.snapshot_id not in self.past:
            return
        self.table.manage_snapshots().rollback_to_snapshot(snapshot.snapshot_id).commit()
        self.model.rows = self.past[snapshot.snapshot_id]

    @rule(name=st.sampled_from(["t1", "t2"]))
    def tag(self, name: str) -> None:
        snapshot = self.table.current_snapshot()
        if snapshot is None:
            return
        self.table.manage_snapshots().create_tag(snapshot.snapshot_id, name).commit()
        self.tags[name] = self.model.rows

    @rule(batch=BATCH, meanwhile=BATCH)
    def publish(self, batch: list[Row], meanwhile: list[Row]) -> None:
        if self.table.current_snapshot() is None:
            return
        self.published += 1
        wap_id = str(self.published)
        self.table.append(arrow(batch), snapshot_properties={"wap.id": wap_id}, branch=None)
        self.table.append(arrow(meanwhile))
        self.table.manage_snapshots().publish_changes(wap_id).commit()
        self.model.append(meanwhile + batch)

    @rule(condition=FILTERS, merge=MERGES, deletes=st.booleans())
    def publish_changes_of_rows(self, condition: Filter, merge: Merge, deletes: bool) -> None:
        head = self.table.current_snapshot()
        if head is None:
            return
        before = len(self.table.snapshots())
        self.published += 1
        properties = {"wap.id": str(self.published)}
        if deletes:
            self.table.delete(condition.text, snapshot_properties=properties, branch=None)
            self.model.delete(condition)
        else:
            self.table.upsert(arrow(merge.source), **merge.options, snapshot_properties=properties, branch=None)
            self.model.merge(merge)
        assert self.table.current_snapshot() == head
        if len(self.table.snapshots()) > before:
            self.table.manage_snapshots().publish_changes(properties["wap.id"]).commit()

    @rule(batch=BATCH)
    def work_on_a_branch(self, batch: list[Row]) -> None:
        snapshot = self.table.current_snapshot()
        if snapshot is None:
            return
        self.table.manage_snapshots().create_branch(snapshot.snapshot_id, "work").commit()
        self.table.append(arrow(batch), branch="work")
        with self.table.manage_snapshots() as snapshots:
            snapshots.fast_forward("main", "work").remove_branch("work")
        self.model.append(batch)

    # --- upkeep, which changes no rows ---

    @rule(
        everything=st.booleans(),
        condition=FILTERS | st.none(),
        order=st.sampled_from([None, "s DESC, id", "zorder(id, x, s)"]),
        partial=st.booleans(),
        dangling=st.booleans(),
    )
    def compact(
        self, everything: bool, condition: Filter | None, order: str | None, partial: bool, dangling: bool
    ) -> None:
        self.table.maintenance.rewrite_data_files(
            sort_order=order,
            where=None if condition is None else condition.text,
            options={
                "min-input-files": 2,
                "rewrite-all": everything,
                "max-file-group-input-files": 4,
                "partial-progress.enabled": partial,
                "remove-dangling-deletes": dangling,
            },
        )

    @rule(batch=BATCH, changes=CHANGES)
    def compact_while_others_commit(self, batch: list[Row], changes: list[tuple[Row, bool]]) -> None:
        plan = self.table.maintenance.plan_rewrite(options={"rewrite-all": True, "partial-progress.enabled": True})
        results = [task.run() for task in pickle.loads(pickle.dumps(plan.tasks))]
        self.append(batch)
        self.apply_changes(changes)
        plan.commit(results)

    @rule(everything=st.booleans(), convert=st.booleans())
    def rewrite_deletes(self, everything: bool, convert: bool) -> None:
        self.table.maintenance.rewrite_position_delete_files(
            options={"min-input-files": 2, "rewrite-all": everything, "convert-equality-deletes": convert}
        )

    @rule(retain_last=st.integers(1, 4), clean=st.booleans())
    def expire(self, retain_last: int, clean: bool) -> None:
        kept = self.table.maintenance.expire_snapshots(
            older_than=EVER, retain_last=retain_last, clean_expired_metadata=clean
        )
        assert (kept.failed, kept.problems) == (0, [])
        for snapshot in kept.snapshots:
            self.past.pop(snapshot, None)
        self.nothing_is_left_over()

    @rule()
    def rewrite_manifests(self) -> None:
        before = len(self.table.snapshots())
        made = self.table.maintenance.rewrite_manifests().added_manifests_count
        assert len(self.table.snapshots()) == before + (made > 0)

    def nothing_is_left_over(self) -> None:
        found = self.table.maintenance.remove_orphan_files(older_than=EVER, allow_recent=True)
        assert found.files.to_pylist() == []

    @invariant()
    def tags_hold_what_they_held(self) -> None:
        for name, held in getattr(self, "tags", {}).items():
            assert rows(self.table.scan(ref=name, selected_fields=tuple(ARROW.names)).to_arrow()) == rows(arrow(held))

    @invariant()
    def the_changelog_leads_from_the_rows_before_to_those_now(self) -> None:
        snapshot = self.table.current_snapshot() if hasattr(self, "model") else None
        if snapshot is None or snapshot.parent_snapshot_id is None or snapshot.snapshot_id in self.past:
            return
        scan = self.table.scan(selected_fields=tuple(ARROW.names))
        before = Counter(map(repr, rows(scan.update(snapshot_id=snapshot.parent_snapshot_id).to_arrow())))
        now = Counter(map(repr, rows(scan.to_arrow())))
        changes = self.table.incremental_changelog_scan(
            from_snapshot_id_exclusive=snapshot.parent_snapshot_id, selected_fields=tuple(ARROW.names)
        ).to_arrow()
        for kind, expected in (("DELETE", before - now), ("INSERT", now - before)):
            found = changes.filter(pc.equal(changes["_change_type"], kind)).select(ARROW.names)
            assert Counter(map(repr, rows(found))) == expected, kind

    @invariant()
    def everybody_reads_the_models_rows(self) -> None:
        if not hasattr(self, "model"):
            return
        expected = self.expected(self.model.rows)
        assert rows(self.table.scan().to_arrow()) == expected
        assert self.table.scan().count() == len(expected)
        snapshot = self.table.current_snapshot()
        if snapshot is None:
            return
        self.past[snapshot.snapshot_id] = self.model.rows
        summary = {} if snapshot.summary is None else snapshot.summary.additional_properties
        by_key = summary.get("total-equality-deletes", "0") != "0"
        if by_key and self.partitioned:
            return  # DuckDB fails ("Comparison on NULL values") on files with null partitions beside equality deletes
        if by_key and any(row["id"] is None for row in self.model.rows):
            return  # DuckDB 1.5.5 drops rows with a null key if any later equality delete applies, null in it or not
        if self.version < 3 and not by_key:
            assert rows(self.warehouse.theirs.load_table("ns.t").scan().to_arrow()) == expected
        elif self.began_at > 1:  # DuckDB 1.5.5 wants sequence numbers in what was written before an upgrade, too
            assert rows(self.warehouse.duckdb("ns.t")) == expected

    @rule(condition=FILTERS)
    def scan(self, condition: Filter) -> None:
        expected = self.expected([row for row in self.model.rows if condition.says(row)])
        found = self.table.scan(condition.text)
        assert rows(found.to_arrow()) == expected
        assert found.count() == len(expected)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )


TestChanges = Changes.TestCase
TestChanges.settings = _settings(15)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_changes() -> None:
    run_state_machine_as_test(Changes, settings=_settings(200))
