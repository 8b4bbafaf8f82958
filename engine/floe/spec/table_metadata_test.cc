#include "floe/spec/table_metadata.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "floe/error.h"
#include "floe/spec/json.h"

namespace floe {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSchemaV1 =
    R"({"type": "struct", "fields": [{"id": 1, "name": "x", "required": true, "type": "long"}]})";

// A version 2 table with two snapshots; `extra` says which is current.
std::string v2(std::string_view extra = R"(, "current-snapshot-id": 20)") {
  return fmt::format(R"json({{
    "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1", "location": "s3://bucket/t",
    "last-sequence-number": 2, "last-updated-ms": 1700000000000, "last-column-id": 3, "current-schema-id": 1,
    "schemas": [
      {{"type": "struct", "schema-id": 0, "fields": [{{"id": 1, "name": "x", "required": true, "type": "long"}}]}},
      {{"type": "struct", "schema-id": 1, "identifier-field-ids": [1], "fields": [
        {{"id": 1, "name": "x", "required": true, "type": "long"}},
        {{"id": 3, "name": "z", "required": false, "type": "decimal(9,2)"}}]}}],
    "default-spec-id": 0, "last-partition-id": 1000,
    "partition-specs": [{{"spec-id": 0, "fields": [
      {{"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000}}]}}],
    "default-sort-order-id": 3,
    "sort-orders": [{{"order-id": 3, "fields": [
      {{"transform": "identity", "source-id": 1, "direction": "asc", "null-order": "nulls-first"}}]}}],
    "properties": {{"read.split.target.size": "134217728"}},
    "snapshots": [
      {{"snapshot-id": 10, "timestamp-ms": 1600000000000, "sequence-number": 1, "manifest-list": "s3://a/1.avro",
        "summary": {{"operation": "append"}}, "schema-id": 0}},
      {{"snapshot-id": 20, "parent-snapshot-id": 10, "timestamp-ms": 1650000000000, "sequence-number": 2,
        "manifest-list": "s3://a/2.avro", "summary": {{"operation": "append"}}}}],
    "snapshot-log": [{{"snapshot-id": 10, "timestamp-ms": 1600000000000}},
                     {{"snapshot-id": 20, "timestamp-ms": 1650000000000}}],
    "metadata-log": [{{"metadata-file": "s3://bucket/m1.json", "timestamp-ms": 1500}}]{} }})json",
                     extra);
}

std::string v1(std::string_view extra) {
  return fmt::format(R"({{"format-version": 1, "location": "s3://bucket/t", "last-updated-ms": 1602638573874,
    "last-column-id": 3, "schema": {}{} }})",
                     kSchemaV1, extra);
}

TableMetadata parse(std::string_view text) { return parse_table_metadata(text, "m.json"); }

std::string failure_of(std::string_view text) {
  try {
    parse(text);
  } catch (const CorruptFile& error) {
    return error.what();
  }
  return "read";
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  EXPECT_THAT(text, HasSubstr(what));
  return text.replace(text.find(what), what.size(), by);
}

TEST(TableMetadata, ComesBackFromItsJson) {
  const TableMetadata metadata = parse(v2(R"(, "current-snapshot-id": 20,
    "refs": {"main": {"snapshot-id": 20, "type": "branch", "min-snapshots-to-keep": 2, "max-snapshot-age-ms": 5},
             "old": {"snapshot-id": 10, "type": "tag", "max-ref-age-ms": 7}},
    "statistics": [{"snapshot-id": 10, "statistics-path": "s3://a/s.puffin", "file-size-in-bytes": 413,
      "file-footer-size-in-bytes": 42, "key-metadata": "a2V5", "blob-metadata": [{"type": "apache-datasketches-theta-v1",
      "snapshot-id": 10, "sequence-number": 1, "fields": [1], "properties": {"ndv": "3"}}]}],
    "partition-statistics": [{"snapshot-id": 10, "statistics-path": "s3://a/p.parquet", "file-size-in-bytes": 4}])"));
  EXPECT_EQ(metadata.refs.at("main").min_snapshots_to_keep, 2);
  EXPECT_FALSE(metadata.refs.at("old").is_branch);
  EXPECT_EQ(metadata.statistics.at(0).blob_metadata.at(0).properties.at("ndv"), "3");
  EXPECT_EQ(metadata.statistics.at(0).key_metadata, "a2V5");
  EXPECT_EQ(metadata.partition_statistics.at(0).statistics_path, "s3://a/p.parquet");
  EXPECT_EQ(default_sort_order(metadata).fields.size(), 1);
  EXPECT_EQ(current_schema(metadata)->identifier_field_ids, std::vector<int32_t>{1});
  EXPECT_EQ(parse(to_json(metadata)), metadata);
}

// Trap 19: -1, null and a missing field all mean that there is no current snapshot.
TEST(Trap19, MinusOneIsNoCurrentSnapshot) {
  for (const char* none : {R"(, "current-snapshot-id": -1)", R"(, "current-snapshot-id": null)", ""}) {
    const TableMetadata metadata = parse(v2(none));
    EXPECT_EQ(metadata.current_snapshot_id, std::nullopt);
    EXPECT_EQ(current_snapshot(metadata), nullptr);
    EXPECT_EQ(snapshot_by_ref(metadata, "main"), nullptr);
    EXPECT_TRUE(metadata.refs.empty());
  }
}

// Trap 19: readers of versions 1 and 2 fail without the field; version 3 writes null.
TEST(Trap19, NoCurrentSnapshotIsWrittenAsEachVersionsReadersWantIt) {
  TableMetadata metadata = parse(v2(""));
  EXPECT_THAT(to_json(metadata), HasSubstr(R"("current-snapshot-id":-1)"));
  metadata.format_version = 3;
  EXPECT_THAT(to_json(metadata), HasSubstr(R"("current-snapshot-id":null)"));
}

TEST(Trap19, MissingMainIsTheCurrentSnapshot) {
  const TableMetadata metadata =
      parse(v2(R"(, "current-snapshot-id": 20, "refs": {"t": {"snapshot-id": 10, "type": "tag"}})"));
  EXPECT_EQ(metadata.refs.at("main"), (SnapshotRef{.snapshot_id = 20, .is_branch = true}));
  EXPECT_EQ(snapshot_by_ref(metadata, "t")->snapshot_id, 10);
  EXPECT_EQ(snapshot_by_ref(metadata, "main")->snapshot_id, 20);
  EXPECT_EQ(snapshot_by_ref(metadata, "nothing"), nullptr);
}

TEST(Trap19, MainHasToBeABranchAndTheCurrentSnapshot) {
  EXPECT_EQ(failure_of(v2(R"(, "current-snapshot-id": 20, "refs": {"main": {"snapshot-id": 10, "type": "branch"}})")),
            "m.json: refs.main.snapshot-id is not the table's \"current-snapshot-id\"");
  EXPECT_EQ(failure_of(v2(R"(, "refs": {"main": {"snapshot-id": 10, "type": "branch"}})")),
            "m.json: refs.main.snapshot-id is not the table's \"current-snapshot-id\"");
  EXPECT_EQ(failure_of(v2(R"(, "current-snapshot-id": 20, "refs": {"main": {"snapshot-id": 20, "type": "tag"}})")),
            "m.json: refs.main.type is not \"branch\"");
  EXPECT_EQ(failure_of(v2(R"(, "refs": {"b": {"snapshot-id": 11, "type": "branch"}})")),
            "m.json: refs.b.snapshot-id names no snapshot of \"snapshots\"");
  EXPECT_EQ(failure_of(v2(R"(, "current-snapshot-id": 11)")),
            "m.json: current-snapshot-id names no snapshot of \"snapshots\"");
}

TEST(Trap19, TimeTravelFollowsTheLogWhateverItsOrder) {
  TableMetadata metadata = parse(v2());
  EXPECT_EQ(snapshot_as_of(metadata, 1599999999999), nullptr);
  EXPECT_EQ(snapshot_as_of(metadata, 1600000000000)->snapshot_id, 10);
  EXPECT_EQ(snapshot_as_of(metadata, 1650000000000 - 1)->snapshot_id, 10);
  EXPECT_EQ(snapshot_as_of(metadata, 1700000000000)->snapshot_id, 20);
  std::reverse(metadata.snapshot_log.begin(), metadata.snapshot_log.end());
  EXPECT_EQ(snapshot_as_of(metadata, 1600000000000)->snapshot_id, 10);
  EXPECT_EQ(snapshot_as_of(metadata, 1700000000000)->snapshot_id, 20);
  // Rolled back: snapshot 10 was current again from then on, though it is older.
  metadata.snapshot_log.push_back({1660000000000, 10});
  EXPECT_EQ(snapshot_as_of(metadata, 1700000000000)->snapshot_id, 10);
}

TEST(Trap19, SnapshotWithoutSchemaIdHasTheCurrentSchema) {
  const TableMetadata metadata = parse(v2());
  EXPECT_EQ(schema_of(metadata, *snapshot_by_id(metadata, 10))->schema_id, 0);
  EXPECT_EQ(schema_of(metadata, *snapshot_by_id(metadata, 20))->schema_id, 1);
}

// Trap 20: gzip is recognized by what the file holds, not by its name.
TEST(Trap20, GzipIsRecognizedByContent) {
  EXPECT_EQ(parse(gzip(v2())), parse(v2()));
  const std::string text = v2();
  const std::string two_members = gzip(text.substr(0, 100)) + gzip(text.substr(100));
  EXPECT_EQ(parse(two_members), parse(text));
}

TEST(Trap20, BrokenGzipIsCorrupt) {
  const std::string packed = gzip(v2());
  for (size_t length = 2; length < packed.size(); length += 13) {
    EXPECT_THAT(failure_of(packed.substr(0, length)), HasSubstr("broken gzip"));
  }
  EXPECT_THAT(failure_of(packed + "trailing"), HasSubstr("broken gzip"));
}

// A small file may state any size, and may unpack to a thousand times its own.
TEST(TableMetadata, GzipBombsEndInAnError) {
  std::string packed = gzip(std::string(50 << 20, ' '));
  EXPECT_THAT(failure_of(packed), HasSubstr("not valid JSON"));
  std::fill(packed.end() - 4, packed.end(), '\xff');
  EXPECT_THAT(failure_of(packed), HasSubstr("broken gzip"));
}

TEST(Trap20, DecimalsWithAndWithoutSpace) {
  EXPECT_EQ(parse(v2()), parse(replaced(v2(), "decimal(9,2)", "decimal(9, 2)")));
}

TEST(TableMetadata, VersionOneBeforeTheListsOfSchemasAndSpecs) {
  const TableMetadata metadata = parse(v1(
      R"(, "partition-spec": [{"name": "x", "transform": "identity", "source-id": 1},
                              {"name": "b", "transform": "bucket[4]", "source-id": 1}], "properties": {})"));
  EXPECT_EQ(metadata.table_uuid, "");
  EXPECT_EQ(metadata.last_sequence_number, 0);
  EXPECT_EQ(current_schema(metadata)->schema_id, 0);
  EXPECT_EQ(default_spec(metadata).fields.at(1).field_id, 1001);
  EXPECT_EQ(metadata.last_partition_id, 1001);
  EXPECT_TRUE(default_sort_order(metadata).fields.empty());
  EXPECT_EQ(parse(to_json(metadata)), metadata);
}

TEST(TableMetadata, VersionOneWithoutAnySpecIsUnpartitioned) {
  const TableMetadata metadata = parse(v1(""));
  EXPECT_TRUE(default_spec(metadata).is_unpartitioned());
  EXPECT_EQ(metadata.last_partition_id, 999);
}

TEST(TableMetadata, VersionOneWritesBothFormsAndNoSequenceNumbers) {
  const TableMetadata metadata = parse(v1(R"(, "current-snapshot-id": 1, "snapshots": [
      {"snapshot-id": 1, "timestamp-ms": 1, "manifests": ["a.avro"]}])"));
  const std::string text = to_json(metadata);
  for (const char* key : {"\"schema\":", "\"schemas\":", "\"partition-spec\":", "\"partition-specs\":"}) {
    EXPECT_THAT(text, HasSubstr(key));
  }
  EXPECT_THAT(text, Not(HasSubstr("sequence-number")));
  EXPECT_THAT(text, Not(HasSubstr("table-uuid")));
  EXPECT_EQ(parse(text), metadata);
}

TEST(TableMetadata, VersionOneKeepsItsOtherSchemasAndSpecs) {
  const TableMetadata metadata = parse(v1(fmt::format(
      R"(, "schemas": [{}, {{"type": "struct", "schema-id": 4, "fields": []}}], "current-schema-id": 4,
         "partition-specs": [{{"spec-id": 0, "fields": []}}, {{"spec-id": 2, "fields": []}}], "default-spec-id": 2)",
      kSchemaV1)));
  EXPECT_EQ(current_schema(metadata)->schema_id, 4);
  EXPECT_EQ(default_spec(metadata).spec_id, 2);
  EXPECT_NE(schema_by_id(metadata, 0), nullptr);
}

TEST(TableMetadata, ErrorsNameTheFieldThatIsMissing) {
  for (const char* key : {"format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms",
                          "last-column-id", "current-schema-id", "schemas", "default-spec-id", "last-partition-id",
                          "partition-specs", "default-sort-order-id", "sort-orders"}) {
    const std::string quoted = fmt::format("\"{}\":", key);
    EXPECT_EQ(failure_of(replaced(v2(), quoted, "\"other\":")),
              fmt::format("m.json: the document lacks the field \"{}\"", key));
  }
}

TEST(TableMetadata, ErrorsNameTheFieldThatIsWrong) {
  const auto wrong = [](const std::string& what, const std::string& by) {
    return failure_of(replaced(v2(), what, by));
  };
  EXPECT_EQ(wrong(R"("current-schema-id": 1)", R"("current-schema-id": 7)"),
            "m.json: current-schema-id names no schema of \"schemas\"");
  EXPECT_EQ(wrong(R"("default-spec-id": 0)", R"("default-spec-id": 7)"),
            "m.json: default-spec-id names no spec of \"partition-specs\"");
  EXPECT_EQ(wrong(R"("default-sort-order-id": 3)", R"("default-sort-order-id": 7)"),
            "m.json: default-sort-order-id names no order of \"sort-orders\"");
  EXPECT_EQ(wrong(R"("last-column-id": 3)", R"("last-column-id": 3000000000)"),
            "m.json: last-column-id is not a 32-bit integer");
  EXPECT_EQ(wrong(R"("snapshot-id": 20, "parent)", R"("snapshot-id": 10, "parent)"),
            "m.json: snapshots has the snapshot 10 twice");
  EXPECT_EQ(wrong(R"("timestamp-ms": 1650000000000, "sequence-number")", R"("sequence-number")"),
            "m.json: snapshots[1] lacks the field \"timestamp-ms\"");
  EXPECT_EQ(wrong(R"("manifest-list": "s3://a/2.avro", )", ""),
            "m.json: snapshots[1] lacks the field \"manifest-list\"");
  EXPECT_EQ(wrong(R"("location": "s3://bucket/t")", R"("location": "")"), "m.json: location is empty");
  EXPECT_THAT(wrong(R"json("type": "decimal(9,2)")json", R"json("type": "decimal(99,2)")json"),
              HasSubstr("schemas[1].fields[1]"));
}

TEST(TableMetadata, LaterVersionsAreRefusedByNumber) {
  try {
    parse(R"({"format-version": 4})");
    FAIL();
  } catch (const NotSupported& error) {
    EXPECT_THAT(error.what(), HasSubstr("format-version 4"));
  }
}

TEST(TableMetadata, TextCutAnywhereIsAnError) {
  const std::string text = v2();
  for (size_t length = 0; length + 1 < text.size(); length += 7) {
    EXPECT_THROW(parse(std::string_view(text).substr(0, length)), CorruptFile);
  }
}

TEST(TableMetadata, TrailingSlashOfTheLocationIsDropped) {
  EXPECT_EQ(parse(replaced(v2(), "s3://bucket/t\"", "s3://bucket/t//\"")).location, "s3://bucket/t");
}

std::string v3(std::string_view extra) {
  return replaced(v2(fmt::format(R"(, "current-snapshot-id": 20{})", extra)), R"("format-version": 2)",
                  R"("format-version": 3)");
}

TEST(TableMetadata, VersionThreeKeepsRowIdsAndKeys) {
  const TableMetadata metadata = parse(v3(R"(, "next-row-id": 12, "encryption-keys": [
      {"key-id": "a", "encrypted-key-metadata": "YQ==", "encrypted-by-id": "b", "properties": {"c": "d"}}])"));
  EXPECT_EQ(metadata.next_row_id, 12);
  EXPECT_EQ(metadata.encryption_keys.at(0).properties.at("c"), "d");
  EXPECT_EQ(parse(to_json(metadata)), metadata);
}

// PyIceberg writes no next-row-id; ids that snapshots took stay taken.
TEST(TableMetadata, MissingNextRowIdIsWhatSnapshotsLeaveFree) {
  EXPECT_EQ(parse(v3("")).next_row_id, 0);
  const std::string with_rows = replaced(v3(""), R"("schema-id": 0})", R"("first-row-id": 5, "added-rows": 7})");
  EXPECT_EQ(parse(with_rows).next_row_id, 12);
  EXPECT_THAT(failure_of(replaced(with_rows, R"("added-rows": 7)", R"("added-rows": 9223372036854775807)")),
              HasSubstr("out of range"));
}

TEST(TableMetadata, PropertiesThatAreNoStringsBecomeText) {
  const TableMetadata metadata = parse(replaced(v2(), R"("134217728")", "134217728"));
  EXPECT_EQ(metadata.properties.at("read.split.target.size"), "134217728");
}

NewTable new_table() {
  NewTable table;
  table.schema.fields = {{.id = 7, .name = "day", .required = true, .type = primitive(TypeKind::kDate)},
                         {.id = 3, .name = "name", .type = primitive(TypeKind::kString)}};
  table.spec.fields = {{.source_ids = {7}, .field_id = 0, .name = "month", .transform = parse_transform("month")}};
  table.sort_order.fields = {{.source_ids = {3}, .transform = {}}};
  table.location = "file:///warehouse/t/";
  table.properties = {{"a", "b"}};
  return table;
}

TEST(NewTableMetadata, GivesFreshIds) {
  const TableMetadata metadata = new_table_metadata(new_table());
  EXPECT_EQ(metadata.format_version, 2);
  EXPECT_EQ(metadata.location, "file:///warehouse/t");
  EXPECT_EQ(metadata.last_column_id, 2);
  EXPECT_EQ(current_schema(metadata)->fields.at(1).id, 2);
  EXPECT_EQ(default_spec(metadata).fields.at(0).source_id(), 1);
  EXPECT_EQ(default_spec(metadata).fields.at(0).field_id, 1000);
  EXPECT_EQ(metadata.last_partition_id, 1000);
  EXPECT_EQ(default_sort_order(metadata).order_id, 1);
  EXPECT_EQ(default_sort_order(metadata).fields.at(0).source_ids, std::vector<int32_t>{2});
  EXPECT_EQ(metadata.properties, (Properties{{"a", "b"}}));
  EXPECT_GT(metadata.last_updated_ms, 1700000000000);
  EXPECT_EQ(parse(to_json(metadata)), metadata);
}

TEST(NewTableMetadata, FormatVersionIsTakenOutOfTheProperties) {
  NewTable table = new_table();
  for (const int version : {1, 2, 3}) {
    table.properties["format-version"] = std::to_string(version);
    const TableMetadata metadata = new_table_metadata(table);
    EXPECT_EQ(metadata.format_version, version);
    EXPECT_EQ(metadata.properties, (Properties{{"a", "b"}}));
    EXPECT_EQ(parse(to_json(metadata)), metadata);
  }
}

TEST(NewTableMetadata, RefusesWhatCannotBe) {
  const auto refused = [](auto change) {
    NewTable table = new_table();
    change(table);
    EXPECT_THROW(new_table_metadata(table), InvalidArgument);
  };
  refused([](NewTable& table) { table.properties["format-version"] = "4"; });
  refused([](NewTable& table) { table.properties["format-version"] = "two"; });
  refused([](NewTable& table) { table.location = ""; });
  refused([](NewTable& table) { table.location = "relative/path"; });
  refused([](NewTable& table) { table.schema.fields[0].type = primitive(TypeKind::kVariant); });  // v3 only
  refused([](NewTable& table) { table.schema.fields[1].name = "day"; });
  refused([](NewTable& table) { table.spec.fields[0].source_ids = {99}; });
  refused([](NewTable& table) { table.spec.fields[0].transform = parse_transform("hour"); });  // not of a date
  refused([](NewTable& table) { table.spec.fields[0].name = "name"; });  // trap 20: a column of that name
  refused([](NewTable& table) { table.sort_order.fields[0].source_ids = {99}; });
}

TEST(Properties, NumbersAndBooleansAreReadWhole) {
  const Properties properties{{"n", "12"}, {"bad", "12x"}, {"b", "TRUE"}, {"empty", ""}};
  EXPECT_EQ(int_property(properties, "n", 1), 12);
  EXPECT_EQ(int_property(properties, "none", 1), 1);
  EXPECT_THROW(int_property(properties, "bad", 1), InvalidArgument);
  EXPECT_THROW(int_property(properties, "empty", 1), InvalidArgument);
  EXPECT_TRUE(bool_property(properties, "b", false));
  EXPECT_THROW(bool_property(properties, "n", false), InvalidArgument);
  EXPECT_EQ(string_property(properties, "none", "x"), "x");
}

TEST(Ids, AreRandomAndWellFormed) {
  std::set<std::string> uuids;
  std::set<int64_t> snapshots;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = new_uuid();
    EXPECT_TRUE(
        std::regex_match(uuid, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")))
        << uuid;
    uuids.insert(uuid);
    const int64_t id = new_snapshot_id();
    EXPECT_GT(id, 0);
    snapshots.insert(id);
  }
  EXPECT_EQ(uuids.size(), 1000);
  EXPECT_EQ(snapshots.size(), 1000);
}

}  // namespace
}  // namespace floe
