"""Golden tables: made by Spark and Iceberg's Java, with what they answer. Runs in Spark's environment:

    python -m testing.golden.spark_tables <folder of jars> <folder> [<name of a table> ...]

Makes the catalog `<folder>/catalog.db`, the warehouse `<folder>/warehouse`, and for each table of `TABLES` the file
`<folder>/answers/<name>.json`: an object of

    table      its identifier
    snapshots  {snapshot id: answer}: all rows of every snapshot
    filters    [[filter, answer]]: the rows that match; the filter in words of PyIceberg's parser
    columns    [[names of columns, answer]]: of these columns, metadata columns too
    metadata_tables  {name: answer}: all rows of `files`, `snapshots`, ...; `{"error": ...}` for what Java refuses

Where Java's own pruning loses rows, Spark is asked by an expression that it does not push down: counts of nulls in
structs of ORC files, and default values of columns that Parquet files lack.

An answer is {"columns": [...], "rows": [[...]]} of values as `testing/fixtures/spark_session.py` has them. Of tables
with types that Spark does not know, Iceberg's generic reader gives the rows of the current snapshot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testing.golden.java import Java

MERGE_ON_READ = {f"write.{operation}.mode": "merge-on-read" for operation in ("delete", "update", "merge")}
METADATA_TABLES = (
    "snapshots", "history", "refs", "metadata_log_entries", "manifests", "all_manifests", "entries", "all_entries",
    "files", "all_files", "data_files", "all_data_files", "delete_files", "all_delete_files", "partitions",
    "position_deletes",
)  # fmt: skip
LINEAGE = ("_row_id", "_last_updated_sequence_number")
PLACE = ("_file", "_pos", "_spec_id")


class Maker:
    """What makes one table, `name`."""

    def __init__(self, session: Any, folder: Path, name: str) -> None:
        self.session = session
        self.java = Java(session)
        self.folder = folder
        self.name = name
        #: What Spark is asked instead of the table: a view of the same files, which Spark reads where Iceberg cannot.
        self.judge: str | None = None

    def sql(self, statement: str) -> Any:
        """Runs a statement, in which `{t}` is the table."""
        return self.session.sql(statement.replace("{t}", self.name))

    def create(self, columns: str, version: int, more: str = "", **properties: str) -> None:
        properties = {"format-version": str(version), **{k.replace("_", "-"): v for k, v in properties.items()}}
        texts = ", ".join(f"'{k}' = '{v}'" for k, v in properties.items())
        self.sql(f"CREATE TABLE {{t}} ({columns}) USING iceberg {more} TBLPROPERTIES ({texts})")

    def alter(self, *changes: str) -> None:
        for change in changes:
            self.sql(f"ALTER TABLE {{t}} {change}")

    def judged_by(self, frame: Any) -> None:
        self.judge = self.name.replace(".", "_")
        frame.createOrReplaceTempView(self.judge)

    def java_table(self) -> Any:
        return self.java.table(self.name)


@dataclass(frozen=True)
class Golden:
    """How a table is made, and what is asked of it beside its snapshots."""

    make: Callable[[Maker], None]
    #: Filters that Spark and PyIceberg's parser read alike, or a pair of both texts.
    filters: tuple[str | tuple[str, str], ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()
    #: Spark does not know its types: Iceberg's generic reader is asked.
    generic: bool = False
    #: Spark's answers to what it can read; the test says what we do.
    refused: bool = field(default=False)


TABLES: dict[str, Golden] = {}


def golden(
    name: str, *filters: str | tuple[str, str], columns: tuple[tuple[str, ...], ...] = (), **options: bool
) -> Callable[[Callable[[Maker], None]], Callable[[Maker], None]]:
    def add(make: Callable[[Maker], None]) -> Callable[[Maker], None]:
        TABLES[name] = Golden(make, filters, columns, **options)
        return make

    return add


# --- every type ---

TYPES = """
    id bigint NOT NULL, boolean boolean, int int, float float, double double, decimal_9 decimal(9, 2),
    decimal_18 decimal(18, 4), decimal_38 decimal(38, 10), date date, timestamp timestamp_ntz, timestamptz timestamp,
    string string, binary binary, struct struct<a: int, inner: struct<b: string, c: struct<d: date>>>,
    list array<array<decimal(9, 2)>>, structs array<struct<x: bigint, y: array<string>>>,
    map map<string, map<int, double>>, deep map<bigint, array<struct<k: map<string, struct<z: boolean>>>>>
"""
ROWS_OF_TYPES = """
    (1, true, -2147483648, float('NaN'), double('-Infinity'), -9999999.99, -1.28, -3.2768, date'1969-12-31',
     timestamp_ntz'1969-12-31 23:59:59.999999', timestamp'2013-01-01 05:00:00', '', X'',
     named_struct('a', 1, 'inner', named_struct('b', null, 'c', named_struct('d', date'2020-02-29'))),
     array(array(1.5, null), null, array()), array(named_struct('x', 1L, 'y', array('p', null)), null),
     map('k', map(1, 1.5D, 2, null), 'n', null),
     map(7L, array(named_struct('k', map('q', named_struct('z', true))), null))),
    (2, false, 0, float('-0.0'), double('-0.0'), 0, 0, 0, date'2013-01-01', timestamp_ntz'2013-01-01 05:00:00',
     timestamp'1969-12-31 23:59:59.999999', 'über 😀', X'FF00',
     named_struct('a', null, 'inner', null), array(), array(), map(), map()),
    (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (4, true, 2147483647, float('Infinity'), 1.5D, 9999999.99, 99999999999999.9999,
     9999999999999999999999999999.9999999999, date'9999-12-31', timestamp_ntz'2261-12-31 23:59:59.999999',
     timestamp'0001-01-02 00:00:00', repeat('z', 60), X'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
     named_struct('a', 2, 'inner', named_struct('b', 'x', 'c', null)), array(array(-1.28)),
     array(named_struct('x', null, 'y', array())), map('', map()), map(0L, array()))
"""
FILTERS_OF_TYPES = (
    "boolean = true", "int < 0", "int IS NULL", "id IN (1, 4, 99)", "decimal_9 < 0", "decimal_18 = -1.28",
    "decimal_38 > 1", "date < '1970-01-01'", "date = '9999-12-31'", "timestamp < '1970-01-01T00:00:00'",
    ("timestamptz < timestamp'1970-01-01 00:00:00'", "timestamptz < '1970-01-01T00:00:00+00:00'"),
    "string = ''", "string LIKE 'ü%'", "string > 'zzz'",
    ("coalesce(string, 'null') NOT IN ('', 'x')", "string NOT IN ('', 'x')"),  # null is not among them
    ("isnan(float)", "float IS NAN"), ("float IS NOT NULL AND NOT isnan(float)", "float IS NOT NAN"), "struct.a = 1",
    "struct.inner.b IS NULL", "struct.inner.b IS NOT NULL",
    ("coalesce(struct.inner.c.d, date'1900-01-01') = date'1900-01-01'", "struct.inner.c.d IS NULL"),
    "struct.inner.c.d = '2020-02-29'", "NOT (id = 1 OR int IS NULL)",
)  # fmt: skip


def make_types(version: int, file_format: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        rows = ROWS_OF_TYPES
        if file_format == "orc":
            rows = rows.replace("0001-01-02", "1701-01-02")  # see the header of file/orc_reader.h
        m.create(TYPES, version, **{"write.format.default": file_format})
        m.sql(f"INSERT INTO {{t}} VALUES {rows}")
        m.sql("INSERT INTO {t} SELECT * FROM {t} WHERE id < 3")

    return make


for _version, _format in (
    (1, "parquet"),
    (2, "parquet"),
    (2, "avro"),
    (2, "orc"),
    (3, "parquet"),
    (3, "avro"),
    (3, "orc"),
):
    # Of ORC files Java gives the rows of a file all the same _row_id.
    _lineage = (("id", *LINEAGE),) if _version == 3 and _format != "orc" else ()
    _columns = (("id", "struct.inner.c.d"), ("id", *PLACE), *_lineage)
    golden(f"types_v{_version}_{_format}", *FILTERS_OF_TYPES, columns=_columns)(make_types(_version, _format))

# --- schemas and specs that change ---


def make_evolved(version: int, file_format: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        m.create(
            "id int, name string, f float, d decimal(9, 2), s struct<a: int, b: string>, gone string, "
            "l array<struct<p: int, q: string>>, mm map<string, struct<v: float>>",
            version,
            **{"write.format.default": file_format},
        )
        m.sql(
            "INSERT INTO {t} VALUES (1, 'a', 1.5, 1.25, named_struct('a', 1, 'b', 'x'), 'g', "
            "array(named_struct('p', 1, 'q', 'y'), null), map('k', named_struct('v', 1.5))), "
            "(2, null, null, null, null, null, null, null), (-7, 'neg', -1.5, -1.28, named_struct('a', -1, 'b', null), "
            "'h', array(), map())"
        )
        m.alter(
            "RENAME COLUMN name TO title", "ALTER COLUMN id TYPE bigint", "ALTER COLUMN f TYPE double",
            "ALTER COLUMN d TYPE decimal(18, 2)", "RENAME COLUMN s.a TO aa", "ALTER COLUMN s.aa TYPE bigint",
            "ADD COLUMN s.c bigint", "ALTER COLUMN l.element.p TYPE bigint", "ADD COLUMN l.element.r date FIRST",
            "RENAME COLUMN l.element.q TO qq", "ALTER COLUMN mm.value.v TYPE double", "ADD COLUMN mm.value.w string",
            "DROP COLUMN gone", "ADD COLUMN gone bigint AFTER id", "ALTER COLUMN title FIRST",
        )  # fmt: skip
        m.sql(
            f"INSERT INTO {{t}} VALUES ('c', {2**40}, 7, 2.5, 9999999999.25, named_struct('aa', {2**41}, 'b', 'y', "
            f"'c', 3), array(named_struct('r', date'2020-01-01', 'p', {2**42}, 'qq', 'z')), "
            "map('k', named_struct('v', 1e300, 'w', 'new')))"
        )
        m.alter("DROP COLUMN s.b", "ADD COLUMN s.b struct<n: int>")
        m.sql("INSERT INTO {t} SELECT * FROM {t} WHERE id > 1")

    return make


for _version, _format in ((1, "parquet"), (2, "parquet"), (2, "avro"), (2, "orc"), (3, "parquet")):
    golden(
        f"evolved_v{_version}_{_format}", "id < 0", "id = 1", f"id > {2**33}", "f < 0", "f = 1.5", "d < 0", "d = 1.25",
        "d > 99999999.99", "s.aa = 1", "s.aa < 0",
        ("coalesce(s.c, -1) = -1", "s.c IS NULL"), "s.b IS NULL", "gone = 7", "gone IS NULL",
        "title = 'a'", "title LIKE 'n%'", columns=(("gone", "s.aa"), ("id", *PLACE)),
    )(make_evolved(_version, _format))  # fmt: skip


def make_defaults(file_format: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        m.create(
            "id bigint, s struct<a: int>, l array<struct<p: int>>, mm map<string, struct<v: int>>", 3,
            **{"write.format.default": file_format},
        )  # fmt: skip
        m.sql(
            "INSERT INTO {t} VALUES (1, named_struct('a', 1), array(named_struct('p', 1), null), "
            "map('k', named_struct('v', 1))), (2, null, null, null)"
        )
        types, literal = m.java.iceberg.types.Types, m.java.iceberg.expressions.Literal.of
        update = m.java_table().updateSchema()

        def add(parent: str | None, name: str, of: Any, value: Any) -> None:
            default = value if hasattr(value, "to") else literal(value)
            update.addColumn(parent, name, of, None, default.to(of))

        add(None, "d_int", types.IntegerType.get(), 5)
        add(None, "d_long", types.LongType.get(), 2**40)
        add(None, "d_double", types.DoubleType.get(), 1.5)
        add(None, "d_boolean", types.BooleanType.get(), True)
        add(None, "d_string", types.StringType.get(), "über")
        add(None, "d_date", types.DateType.get(), "2020-02-29")
        add(None, "d_timestamp", types.TimestampType.withoutZone(), "2020-02-29T01:02:03.000004")
        add(None, "d_timestamptz", types.TimestampType.withZone(), "1969-12-31T23:59:59.999999+00:00")
        add(None, "d_decimal", types.DecimalType.of(9, 2), literal(m.java.jvm.java.math.BigDecimal("-1.28")))
        add(None, "d_binary", types.BinaryType.get(), literal(m.java.jvm.java.nio.ByteBuffer.wrap(b"\xff\x00")))
        add("s", "b", types.StringType.get(), "in a struct")
        add("l", "q", types.LongType.get(), 7)
        add("mm", "w", types.StringType.get(), "in a map")
        update.commit()
        m.sql(
            "INSERT INTO {t} VALUES (3, named_struct('a', 3, 'b', null), array(named_struct('p', 2, 'q', null)), "
            "map('k', named_struct('v', 2, 'w', 'x')), 6, 6, 2.5, null, 'given', date'2021-02-03', null, null, 1, null)"
        )

    return make


for _format in ("parquet", "avro"):  # Java reads no default values of ORC files
    golden(
        f"defaults_{_format}",
        ("coalesce(d_int, -1) = 5", "d_int = 5"), ("coalesce(d_int, 5) <> 5", "d_int <> 5"),
        ("coalesce(d_string, '') = 'über'", "d_string = 'über'"), ("coalesce(d_decimal, 0) < 0", "d_decimal < 0"),
        ("coalesce(d_date, date'1900-01-01') > date'2021-01-01'", "d_date > '2021-01-01'"),
        ("coalesce(d_boolean, true) = false", "d_boolean = false"), "d_double IS NULL",
        ("coalesce(s.b, '') = 'in a struct'", "s.b = 'in a struct'"),
        (f"coalesce(d_long, 0) >= {2**40}", f"d_long >= {2**40}"),
        # Of a null struct's child alone, Java's reader of Parquet gives the default.
        columns=(("id", "d_date"), *((("id", "s.b"),) if _format == "avro" else ())),
    )(make_defaults(_format))  # fmt: skip


TRANSFORMS = {
    "identity": "boolean, int, decimal_9, date, string, timestamp",
    "bucket": "bucket(4, id), bucket(4, int), bucket(4, string), bucket(4, date), bucket(4, decimal_38), "
    "bucket(4, timestamp), bucket(4, timestamptz), bucket(4, binary)",
    "truncate": "truncate(10, int), truncate(3, string), truncate(10, decimal_18), truncate(4, binary)",
    "dates": "years(date), months(timestamp), days(timestamptz)",
    "hours": "months(date), hours(timestamp), hours(timestamptz)",
}


def make_transform(version: int, fields: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        m.create(TYPES, version, f"PARTITIONED BY ({fields})")
        rows = ROWS_OF_TYPES.replace("-2147483648", "-2147483640")  # which truncation does not take below the least
        m.sql(f"INSERT INTO {{t}} VALUES {rows}")

    return make


for _version in (1, 2, 3):
    for _name, _fields in TRANSFORMS.items():
        if _version == 2 or _name in ("identity", "dates"):
            golden(f"partitioned_v{_version}_{_name}", *FILTERS_OF_TYPES)(make_transform(_version, _fields))


def make_specs(version: int) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        m.create("id int, part string, day date, ts timestamp, gone bigint", version, "PARTITIONED BY (part)")

        def insert() -> None:
            m.sql(
                "INSERT INTO {t} VALUES (1, 'a', date'1969-12-31', timestamp'1969-12-31 23:00:00', 1), "
                "(2, null, null, null, null), (3, 'b', date'2020-02-29', timestamp'2020-02-29 10:00:00', 3)"
            )

        insert()
        m.alter("ADD PARTITION FIELD bucket(4, id)")
        insert()
        m.alter("DROP PARTITION FIELD part", "ADD PARTITION FIELD gone")
        insert()
        m.alter("REPLACE PARTITION FIELD id_bucket_4 WITH days(ts)", "DROP PARTITION FIELD gone")
        insert()
        m.alter("ADD PARTITION FIELD truncate(1, part) AS p", "ALTER COLUMN id TYPE bigint")
        m.sql("INSERT INTO {t} SELECT id + 10, part, day, ts, gone FROM {t}")
        if version > 1:  # where a field that is dropped leaves no void one, which Java could not write afterwards
            m.alter("DROP COLUMN gone")
            m.alter("SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
        m.sql("DELETE FROM {t} WHERE id IN (3, 11)")

    return make


for _version in (1, 2, 3):
    golden(
        f"specs_v{_version}", "part = 'a'", "part IS NULL", "id = 1", "id > 10", "day < '1970-01-01'",
        ("ts < timestamp'1970-01-01 00:00:00'", "ts < '1970-01-01T00:00:00+00:00'"), "part = 'b' AND id = 3",
        "part LIKE 'b%'", columns=(("id", *PLACE),),
    )(make_specs(_version))  # fmt: skip

# --- files that were there before ---

PLAIN = """
    id bigint, i int, s string, b binary, d9 decimal(9, 2), d18 decimal(18, 4), d38 decimal(38, 10), f float, dd double,
    bo boolean, dt date, ts timestamp, st struct<a: int, b: string>, l array<int>, ls array<struct<x: int>>,
    m map<string, int>, nothing int
"""
ROWS_OF_PLAIN = """
    SELECT id, CAST(id % 7 - 3 AS int) AS i, concat('s', id % 5) AS s, CAST(concat('b', id) AS binary) AS b,
           CAST(id * 1.25 - 100 AS decimal(9, 2)) AS d9, CAST(id * -1.28 AS decimal(18, 4)) AS d18,
           CAST(id * -3.2768 AS decimal(38, 10)) AS d38, CAST(id / 3 AS float) AS f, id / 7D AS dd, id % 3 = 0 AS bo,
           date_add(date'1969-12-25', CAST(id AS int)) AS dt,
           timestampadd(MICROSECOND, id * 1234567, timestamp'1969-12-31 23:59:00') AS ts,
           named_struct('a', CAST(id AS int), 'b', IF(id % 2 = 0, null, 'x')) AS st, array(CAST(id AS int), null) AS l,
           IF(id % 4 = 0, null, array(named_struct('x', CAST(id AS int)))) AS ls,
           IF(id % 5 = 0, null, map(concat('k', id), CAST(id AS int))) AS m, CAST(null AS int) AS nothing
    FROM range({first}, {end})
"""  # fmt: skip
FILTERS_OF_PLAIN = (
    "id < 10", "i = -3", "s = 's2'", "d9 < -50", "d18 > -10", "d38 < -100", "bo = true", "dt < '1970-01-01'",
    ("ts < timestamp'1970-01-01 00:00:00'", "ts < '1970-01-01T00:00:00+00:00'"), "st.b IS NULL", "st.a = 5",
    "nothing IS NULL", "f > 20", "dd <= 0.5",
)  # fmt: skip

#: Files as Spark writes them for itself, without field ids: settings of the session, and options of the writer.
WRITERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "snappy": ({}, {"compression": "snappy"}),
    "gzip": ({}, {"compression": "gzip"}),
    "zstd": ({}, {"compression": "zstd"}),
    "lz4": ({}, {"compression": "lz4"}),
    "lz4_raw": ({}, {"compression": "lz4_raw"}),
    "uncompressed": ({}, {"compression": "uncompressed", "parquet.enable.dictionary": "false"}),
    "pages_v2": ({}, {"compression": "zstd", "parquet.writer.version": "v2", "parquet.page.size": "512"}),
    "pages_v2_delta": ({}, {"parquet.writer.version": "v2", "parquet.enable.dictionary": "false"}),
    "int96": ({"spark.sql.parquet.outputTimestampType": "INT96"}, {}),
    "millis": ({"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS"}, {}),
    "legacy": ({"spark.sql.parquet.writeLegacyFormat": "true"}, {"parquet.block.size": "4096"}),
}


def make_migrated(
    settings: dict[str, str], options: dict[str, str], file_format: str = "parquet", by_spark: bool = False
) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        m.create(PLAIN, 2)
        path = m.folder / "plain" / m.name
        for key, value in settings.items():
            m.session.conf.set(key, value)
        frame = m.sql(ROWS_OF_PLAIN.format(first=0, end=200))
        frame.drop("nothing").write.format(file_format).options(**options).save(str(path))
        for key in settings:
            m.session.conf.unset(key)
        m.sql(f"CALL floe.system.add_files('{m.name}', '`{file_format}`.`{path}`')")
        if by_spark:
            m.judged_by(
                m.session.read.format(file_format).load(str(path)).selectExpr("*", "CAST(null AS int) AS nothing")
            )
        else:
            m.sql("INSERT INTO {t} " + ROWS_OF_PLAIN.format(first=200, end=210))

    return make


for _name, (_settings, _options) in WRITERS.items():
    golden(f"migrated_{_name}", *FILTERS_OF_PLAIN, columns=(("id", "st.b"),))(
        make_migrated(_settings, _options, by_spark=_name == "legacy")  # whose lists Iceberg's Java does not read
    )
golden("migrated_orc", *FILTERS_OF_PLAIN)(make_migrated({}, {}, "orc", by_spark=True))  # nor these timestamps


@golden(
    "identity_values", "part = 'a b'", "part IS NULL", "day = '2020-02-29'", "n > 1", "number = 2",
    columns=(("id",), ("part", "number"), ("day",)),
)  # fmt: skip
def make_identity_values(m: Maker) -> None:
    """Columns that the files do not have, as Hive partitions."""
    path = m.folder / "plain" / m.name
    m.sql(
        "SELECT * FROM VALUES (1L, 1, 'a b', date'2020-02-29', 1), (2L, 2, 'ü/=%', date'2020-02-29', 2), "
        "(3L, 3, 'c', date'1969-12-31', 2) AS t(id, n, part, day, number)"
    ).write.partitionBy("part", "day", "number").parquet(str(path))
    m.create("id bigint, n int, part string, day date, number int", 2, "PARTITIONED BY (part, day, number)")
    m.sql(f"CALL floe.system.add_files('{m.name}', '`parquet`.`{path}`')")
    m.sql("INSERT INTO {t} VALUES (4, 4, null, null, null), (5, 5, 'a b', date'2020-02-29', 1)")
    m.alter("RENAME COLUMN n TO nn", "ADD COLUMN n bigint", "ALTER COLUMN number TYPE bigint")
    m.sql("INSERT INTO {t} VALUES (6, 6, 'c', date'1969-12-31', 2, 7)")


#: Physical forms of columns that parquet-mr's own writer is asked for.
PHYSICAL = """
    message t {
      optional int64 id; optional binary s (STRING); optional int32 d32 (DECIMAL(9, 2));
      optional int64 d64 (DECIMAL(18, 4)); optional fixed_len_byte_array(4) df (DECIMAL(9, 2));
      optional fixed_len_byte_array(16) dl (DECIMAL(38, 10)); optional binary db (DECIMAL(9, 2)); optional float f;
      optional double d; optional int32 small (INT_8); optional int64 ts (TIMESTAMP(MICROS, true));
      optional binary js (JSON); optional binary en (ENUM);
      optional group two (LIST) { repeated int32 array; }
      optional group bag (LIST) { repeated group bag { optional int32 array_element; } }
      optional group kv (MAP) {
        repeated group map (MAP_KEY_VALUE) { required binary key (STRING); optional int32 value; }
      }
    }
"""  # fmt: skip
PHYSICAL_COLUMNS = """
    id bigint, s string, d32 decimal(9, 2), d64 decimal(18, 4), df decimal(9, 2), dl decimal(38, 10), db decimal(9, 2),
    f float, d double, small int, ts timestamp, js string, en string, two array<int>, bag array<int>,
    kv map<string, int>
"""


@golden(
    "physical", "id = 5", "d32 < 0", "d64 > 0", "df = -1.28", "dl < 0", "db < 0", "db = -1.28", "f > 1", "small < 0",
    "en LIKE 'e%'", "s IS NULL",
)  # fmt: skip
def make_physical(m: Maker) -> None:
    """Decimals of every physical form, lists and maps of older writers, byte stream split, both page versions."""
    jvm = m.java.jvm
    parquet = jvm.org.apache.parquet
    message = parquet.schema.MessageTypeParser.parseMessageType(PHYSICAL)
    binary = parquet.io.api.Binary.fromConstantByteArray
    folder = m.folder / "plain" / m.name
    folder.mkdir(parents=True)
    for index, (version, codec, split) in enumerate(
        (("PARQUET_1_0", "SNAPPY", False), ("PARQUET_2_0", "ZSTD", False), ("PARQUET_2_0", "UNCOMPRESSED", True))
    ):
        writer = (
            parquet.hadoop.example.ExampleParquetWriter.builder(
                jvm.org.apache.hadoop.fs.Path(f"{folder}/{index}.parquet")
            )
            .withType(message)
            .withWriterVersion(getattr(parquet.column.ParquetProperties.WriterVersion, version))
            .withCompressionCodec(getattr(parquet.hadoop.metadata.CompressionCodecName, codec))
            .withByteStreamSplitEncoding(split)
            .withDictionaryEncoding(not split)
            .build()
        )
        groups = parquet.example.data.simple.SimpleGroupFactory(message)
        for i in range(index * 20, index * 20 + 20):
            row = groups.newGroup()
            unscaled = -128 if i % 5 == 0 else i * 1000 - 20000
            _add_long(jvm, row, "id", i)
            if i % 3:
                row.append("s", f"s{i % 4}")
            row.append("d32", unscaled)
            _add_long(jvm, row, "d64", unscaled * 100003)
            row.append("df", binary(unscaled.to_bytes(4, "big", signed=True)))
            row.append("dl", binary((unscaled * 10**20).to_bytes(16, "big", signed=True)))
            shortest = max(1, ((unscaled if unscaled >= 0 else ~unscaled).bit_length() + 8) // 8)
            row.append("db", binary(unscaled.to_bytes(shortest, "big", signed=True)))
            _add_float(jvm, row, "f", i / 4)
            row.append("d", i / 8)
            row.append("small", i % 9 - 4)
            _add_long(jvm, row, "ts", 1_600_000_000_000_000 + i)
            row.append("js", '{"a": 1}')
            row.append("en", ("eins", "zwei")[i % 2])
            two = row.addGroup("two")
            for n in range(i % 3):
                two.append("array", n)
            bag = row.addGroup("bag")
            for n in range(i % 3):
                element = bag.addGroup("bag")
                if n:
                    element.append("array_element", n)
            if i % 4:
                entry = row.addGroup("kv").addGroup("map").append("key", f"k{i}")
                if i % 2:
                    entry.append("value", i)
            writer.write(row)
        writer.close()
    m.create(PHYSICAL_COLUMNS, 2, **{"read.parquet.vectorization.enabled": "false"})
    m.sql(f"CALL floe.system.add_files('{m.name}', '`parquet`.`{folder}`')")
    m.judged_by(m.session.read.parquet(str(folder)))


def _add_long(jvm: Any, row: Any, name: str, value: int) -> None:
    """py4j would make a small number an int, which the group takes for another type."""
    row.add(row.getType().getFieldIndex(name), jvm.org.apache.parquet.example.data.simple.LongValue(value))


def _add_float(jvm: Any, row: Any, name: str, value: float) -> None:
    row.add(row.getType().getFieldIndex(name), jvm.org.apache.parquet.example.data.simple.FloatValue(value))


# --- deletes of every kind ---


def make_position_deletes(granularity: str, file_format: str, more: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        properties = {"write.delete.granularity": granularity, "write.format.default": file_format, **MERGE_ON_READ}
        m.create("id bigint, part string, value double", 2, more, **properties)
        changes(m)

    return make


def changes(m: Maker) -> None:
    for first in range(0, 300, 100):
        m.sql(f"INSERT INTO {{t}} SELECT id, concat('p', id % 3), id / 2 FROM range({first}, {first + 100})")
    m.sql("DELETE FROM {t} WHERE id % 10 = 3")
    m.sql("DELETE FROM {t} WHERE id % 10 = 4 AND id < 150")
    m.sql("UPDATE {t} SET value = -1 WHERE id % 50 = 5")
    m.sql(
        "MERGE INTO {t} t USING (SELECT id FROM range(290, 310)) s ON t.id = s.id "
        "WHEN MATCHED AND t.id = 299 THEN DELETE WHEN MATCHED THEN UPDATE SET value = 7 "
        "WHEN NOT MATCHED THEN INSERT (id, part, value) VALUES (s.id, 'new', 8)"
    )


FILTERS_OF_CHANGES = ("id > 150", "part = 'p1'", "value < 0", "part = 'new' OR id < 10")
for _granularity, _format, _more in (
    ("file", "parquet", "PARTITIONED BY (part)"), ("partition", "parquet", "PARTITIONED BY (part)"),
    ("partition", "parquet", ""), ("file", "avro", ""), ("partition", "orc", "PARTITIONED BY (bucket(2, id))"),
):  # fmt: skip
    _name = f"position_deletes_{_granularity}_{_format}" + ("" if _more else "_unpartitioned")
    golden(_name, *FILTERS_OF_CHANGES, columns=(("id", *PLACE),))(make_position_deletes(_granularity, _format, _more))


@golden("deletion_vectors", *FILTERS_OF_CHANGES, columns=(("id", *PLACE), ("id", *LINEAGE)))
def make_deletion_vectors(m: Maker) -> None:
    m.create("id bigint, part string, value double", 3, "PARTITIONED BY (part)", **MERGE_ON_READ)
    changes(m)


def make_equality_deletes(version: int, file_format: str) -> Callable[[Maker], None]:
    """Equality deletes of several keys, under several specs, with nulls, of columns that change.

    Not of dropped ones, with which Java fails.
    """

    def make(m: Maker) -> None:
        m.create(
            "id int, part string, name string", version, "PARTITIONED BY (part)",
            **{"write.format.default": file_format, **MERGE_ON_READ},
        )  # fmt: skip

        def insert(first: int) -> None:
            m.sql(
                f"INSERT INTO {{t}} SELECT CAST(IF(id % 10 = 9, null, id) AS int), concat('p', id % 2), "
                f"IF(id % 5 = 1, null, concat('n', id % 4)) FROM range({first}, {first + 20})"
            )

        insert(0)
        table = m.java_table()
        m.java.delete_keys(table, [1], [{1: 2}, {1: 4}, {1: 1000}], {1000: "p0"}, file_format)
        m.java.delete_keys(table, [1], [{1: 3}, {}], {1000: "p1"}, file_format)  # null, too
        m.java.delete_keys(table, [1, 3], [{1: 5, 3: "n1"}, {1: 7, 3: "x"}, {1: 11}], {1000: "p1"}, file_format)
        m.sql("INSERT INTO {t} VALUES (2, 'p0', 'again'), (null, 'p1', null)")
        m.sql("DELETE FROM {t} WHERE id = 6")  # position deletes, or a deletion vector, besides
        m.alter("ALTER COLUMN id TYPE bigint", "RENAME COLUMN name TO title")
        table.refresh()
        m.java.delete_keys(table, [1], [{1: 10}, {1: 2**40}], {1000: "p0"}, file_format)
        m.alter("DROP PARTITION FIELD part")
        m.sql("INSERT INTO {t} SELECT id, 'p1', 'global' FROM range(100, 110)")
        table.refresh()
        m.java.delete_keys(table, [1], [{1: 12}, {1: 101}], None, file_format)  # of every partition
        m.java.delete_keys(table, [3], [{3: "n3"}, {}], None, file_format)
        m.sql("INSERT INTO {t} VALUES (12, 'p0', 'n3'), (13, 'p0', null)")

    return make


for _version, _format in ((2, "parquet"), (2, "avro"), (2, "orc"), (3, "parquet")):
    golden(
        f"equality_deletes_v{_version}_{_format}", "id = 2", "id IS NULL", "part = 'p1'", "title IS NULL", "id > 50",
        "title = 'n3'", columns=(("id",), ("part",)),
    )(make_equality_deletes(_version, _format))  # fmt: skip


@golden("upgraded", *FILTERS_OF_CHANGES, columns=(("id", *LINEAGE),))
def make_upgraded(m: Maker) -> None:
    """A table that began in version 1, with deletes of every kind."""
    m.create("id bigint, part string, value double", 1, "PARTITIONED BY (part)")
    m.sql("INSERT INTO {t} SELECT id, concat('p', id % 3), id / 2 FROM range(1000, 1010)")
    m.sql("DELETE FROM {t} WHERE id = 1003")
    m.alter("SET TBLPROPERTIES ('format-version' = '2')")
    texts = ", ".join(f"'{k}' = '{v}'" for k, v in MERGE_ON_READ.items())
    m.alter(f"SET TBLPROPERTIES ({texts})")
    changes(m)
    m.java.delete_keys(m.java_table(), [1], [{1: 1005}, {1: 7}], {1000: "p0"})
    m.java.delete_keys(m.java_table(), [1], [{1: 8}], {1000: "p2"})
    m.alter("SET TBLPROPERTIES ('format-version' = '3')")
    m.sql("INSERT INTO {t} VALUES (2000, 'p0', 0), (7, 'p1', 0)")
    m.sql("DELETE FROM {t} WHERE id % 7 = 2")
    m.sql("UPDATE {t} SET value = -3 WHERE id IN (1001, 2000)")


@golden("rewritten", *FILTERS_OF_CHANGES, columns=(("id", *LINEAGE),))
def make_rewritten(m: Maker) -> None:
    make_deletion_vectors(m)
    m.sql(f"CALL floe.system.rewrite_data_files(table => '{m.name}', options => map('rewrite-all', 'true'))")
    m.sql(f"CALL floe.system.rewrite_manifests('{m.name}')")
    m.sql("DELETE FROM {t} WHERE id = 20")


# --- histories ---


@golden("refs", "id > 1")
def make_refs(m: Maker) -> None:
    m.create("id bigint", 2, **MERGE_ON_READ)
    m.sql("INSERT INTO {t} VALUES (1), (2)")
    m.alter("CREATE TAG first RETAIN 30 DAYS", "CREATE BRANCH side WITH SNAPSHOT RETENTION 2 SNAPSHOTS")
    m.sql("INSERT INTO {t}.branch_side VALUES (10)")
    m.sql("DELETE FROM {t} WHERE id = 1")
    m.alter("ADD COLUMN s string")
    m.sql("INSERT INTO {t} VALUES (3, 'x')")
    first = m.sql("SELECT snapshot_id FROM {t}.refs WHERE name = 'first'").collect()[0][0]
    m.sql(f"CALL floe.system.rollback_to_snapshot('{m.name}', {first})")
    m.sql("INSERT INTO {t} VALUES (4, 'y')")


@golden("empty", "id > 1")
def make_empty(m: Maker) -> None:
    m.create("id bigint, s struct<a: int>", 2, "PARTITIONED BY (bucket(2, id))")


@golden("emptied", "id > 1")
def make_emptied(m: Maker) -> None:
    m.create("id bigint, part string", 2, "PARTITIONED BY (part)")
    m.sql("INSERT INTO {t} VALUES (1, 'a'), (2, 'b')")
    m.sql("DELETE FROM {t}")


@golden("odd_names", "pos = 1", "file_path = 'p'", columns=(("id", "pos"),))
def make_odd_names(m: Maker) -> None:
    """Names that Avro cannot have, that differ in case, that are also those of metadata columns of delete files."""
    m.create(
        "id bigint, `a b` int, `ü-x` string, `1st` int, pos bigint, file_path string, `s t` struct<`c/d`: int>",
        2, "PARTITIONED BY (`a b`)", **MERGE_ON_READ,
    )  # fmt: skip
    m.sql("INSERT INTO {t} VALUES (1, 2, 'x', 3, 1, 'p', named_struct('c/d', 4)), (2, null, 'y', 4, 2, 'q', null)")
    m.sql("DELETE FROM {t} WHERE id = 2")


@golden("sorted", "id > 2 AND name = 'c'", columns=(("name", "id"),))
def make_sorted(m: Maker) -> None:
    m.create("id bigint NOT NULL, name string", 2)
    m.alter("WRITE ORDERED BY name DESC NULLS LAST, id", "SET IDENTIFIER FIELDS id")
    m.sql("INSERT INTO {t} VALUES (3, 'a'), (1, 'c'), (2, null), (4, 'c')")


# --- what Spark writes of variants ---

VARIANTS = """
    (1, parse_json('{"a": 1, "b": {"c": [1, 2.5, null, "x"]}, "d": true}')), (2, parse_json('"text"')), (3, null),
    (4, parse_json('null')), (5, parse_json('[]')), (6, parse_json('{"a": 12345678901234, "e": 1e300}')),
    (7, parse_json('{"a": "mixed"}'))
"""


@golden("variants", "id > 2", "v IS NULL")
def make_variants(m: Maker) -> None:
    m.create("id bigint, v variant", 3)
    m.sql(f"INSERT INTO {{t}} VALUES {VARIANTS}")


@golden("variants_shredded", refused=True)
def make_variants_shredded(m: Maker) -> None:
    m.create("id bigint, v variant", 3, **{"write.parquet.shred-variants": "true"})
    m.sql('INSERT INTO {t} VALUES (1, parse_json(\'{"a": 1, "b": "x"}\')), (2, parse_json(\'{"a": 2, "b": "y"}\'))')


# --- types that Spark does not know ---


def fields(*types: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"id": i, "name": name, "required": False, "type": of} for i, (name, of) in enumerate(types, start=1)]


@golden("java_types", generic=True)
def make_java_types(m: Maker) -> None:
    table = m.java.create_table(
        m.name,
        fields(("id", "long"), ("time", "time"), ("uuid", "uuid"), ("fixed", "fixed[5]"), ("ts", "timestamp"),
               ("tstz", "timestamptz"), ("decimal", "decimal(18, 4)")),
        2,
    )  # fmt: skip
    m.java.append(
        table, "parquet",
        [
            {1: 1, 2: "00:00:00", 3: "00000000-0000-0000-0000-000000000000", 4: "0000000000",
             5: "1969-12-31T23:59:59.999999", 6: "2013-01-01T05:00:00+00:00", 7: "-1.2800"},
            {1: 2, 2: "23:59:59.999999", 3: "ffffffff-ffff-4fff-bfff-ffffffffffff", 4: "FFFFFFFFFF",
             5: "2020-02-29T00:00:00", 6: "1969-12-31T23:59:59.999999+00:00", 7: "0.0000"},
            {1: 3},
        ],
    )  # fmt: skip


def make_nanos(file_format: str) -> Callable[[Maker], None]:
    def make(m: Maker) -> None:
        table = m.java.create_table(
            m.name, fields(("id", "long"), ("ns", "timestamp_ns"), ("nstz", "timestamptz_ns")), 3
        )
        m.java.append(table, file_format, [
            {1: 1, 2: "1969-12-31T23:59:59.999999999", 3: "2020-02-29T01:02:03.000000001+00:00"}, {1: 2},
        ])  # fmt: skip

    return make


for _format in ("parquet", "avro"):
    golden(f"nanos_{_format}", generic=True)(make_nanos(_format))


@golden("unknown_columns", generic=True)
def make_unknown(m: Maker) -> None:
    table = m.java.create_table(m.name, fields(("id", "long"), ("nothing", "unknown")), 3)
    m.java.append(table, "parquet", [{1: 1}, {1: 2}])


# --- what is made by hand ---


@golden("embedded_manifests", "id > 1", "part = 'a'")
def make_embedded_manifests(m: Maker) -> None:
    """A table of version 1 whose snapshots name their manifests themselves, as early writers had it."""
    made = m.name + "_made"
    m.sql(f"CREATE TABLE {made} (id bigint, part string) USING iceberg PARTITIONED BY (part) "
          "TBLPROPERTIES ('format-version' = '1')")  # fmt: skip
    m.sql(f"INSERT INTO {made} VALUES (1, 'a'), (2, 'b')")
    m.sql(f"INSERT INTO {made} VALUES (3, 'a')")
    m.sql(f"DELETE FROM {made} WHERE id = 1")
    table = m.java.table(made)
    location = Path(table.operations().current().metadataFileLocation().removeprefix("file:"))
    metadata = json.loads(location.read_text())
    for snapshot in metadata["snapshots"]:
        manifests = table.snapshot(snapshot["snapshot-id"]).allManifests(table.io())
        snapshot["manifests"] = [manifest.path() for manifest in manifests]
        del snapshot["manifest-list"]
    by_hand = location.with_name("00009-by-hand.metadata.json")
    by_hand.write_text(json.dumps(metadata))
    m.sql(f"CALL floe.system.register_table('{m.name}', '{by_hand}')")


@golden("encrypted", refused=True)
def make_encrypted(m: Maker) -> None:
    """A data file with key metadata. (Nothing here manages keys, so the file itself is not encrypted.)"""
    made = m.name + "_made"
    m.sql(f"CREATE TABLE {made} (id bigint) USING iceberg")
    m.sql(f"INSERT INTO {made} VALUES (1)")
    m.create("id bigint", 3)
    table = m.java_table()
    file = (
        m.java.iceberg.DataFiles.builder(table.spec())
        .withInputFile(table.io().newInputFile(m.sql(f"SELECT file_path FROM {made}.files").collect()[0][0]))
        .withFormat("parquet")
        .withRecordCount(1)
        .withEncryptionKeyMetadata(m.java.jvm.java.nio.ByteBuffer.wrap(b"\x01key"))
        .build()
    )
    table.newAppend().appendFile(file).commit()


# --- making them ---


def answers(m: Maker, table: Golden) -> dict[str, Any]:
    from testing.fixtures.spark_session import to_json

    def ask(query: str) -> dict[str, Any]:
        try:
            frame = m.session.sql(query.replace("{t}", m.judge or m.name))
            return {"columns": frame.columns, "rows": [[to_json(value) for value in row] for row in frame.collect()]}
        except Exception as error:
            causes = [line for line in str(error).splitlines() if line.startswith("Caused by: ")]
            return {"error": (causes or str(error).splitlines())[-1]}

    found: dict[str, Any] = {"table": m.name, "snapshots": {}, "filters": [], "columns": [], "metadata_tables": {}}
    if table.generic:
        columns, rows = m.java.read(m.name)
        snapshot = m.java_table().currentSnapshot().snapshotId()
        found["snapshots"][str(snapshot)] = {"columns": columns, "rows": rows}
        return found
    if m.judge:
        found["snapshots"][str(m.java_table().currentSnapshot().snapshotId())] = ask("SELECT * FROM {t}")
    for snapshot in () if m.judge else m.java_table().snapshots():
        found["snapshots"][str(snapshot.snapshotId())] = ask(
            f"SELECT * FROM {{t}} VERSION AS OF {snapshot.snapshotId()}"
        )
    for text in table.filters:
        theirs, ours = text if isinstance(text, tuple) else (text, text)
        found["filters"].append([ours, ask(f"SELECT * FROM {{t}} WHERE {theirs}")])
    for names in table.columns:
        found["columns"].append([names, ask(f"SELECT {', '.join(names)} FROM {{t}}")])
    for name in () if m.judge else METADATA_TABLES:
        found["metadata_tables"][name] = ask(f"SELECT * FROM {{t}}.{name}")
    return found


def main() -> None:
    from testing.fixtures.spark_session import start

    jars, folder, *names = sys.argv[1:]
    root = Path(folder).resolve()
    (root / "answers").mkdir(parents=True, exist_ok=True)
    session = start(jars, f"{root}/catalog.db", f"file://{root}/warehouse")
    session.sql("CREATE NAMESPACE golden")
    # Keys that were read for one snapshot would be taken for those of another whose column is wider: rows come back.
    session.conf.set("spark.sql.iceberg.executor-cache.enabled", "false")
    # Spark's own, for what Iceberg's Java cannot read, fails with decimals in delta-encoded byte arrays.
    session.conf.set("spark.sql.parquet.enableVectorizedReader", "false")
    for name in names or TABLES:
        m = Maker(session, root, f"golden.{name}")
        try:
            TABLES[name].make(m)
            found = answers(m, TABLES[name])
        except Exception as error:
            found = {"table": m.name, "error": f"{type(error).__name__}: {error}"}
        (root / "answers" / f"{name}.json").write_text(json.dumps(found))
    session.stop()


if __name__ == "__main__":
    main()
