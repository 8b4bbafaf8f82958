#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "floe/scan/test_table.h"

namespace floe {
namespace {

using scan_test::field;
using scan_test::Row;
using scan_test::TestTable;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Schema events() {
  return Schema{.fields = {field(1, "id", primitive(TypeKind::kLong)), field(2, "day", primitive(TypeKind::kDate)),
                           field(3, "place",
                                 struct_type({field(4, "city", primitive(TypeKind::kString)),
                                              field(5, "lat", primitive(TypeKind::kDouble))}))}};
}

PartitionSpec by_day() { return {.spec_id = 0, .fields = {{{2}, 1000, "day", {TransformKind::kIdentity}}}}; }

Row event(int64_t id, int32_t day) {
  return {{1, Value(id)}, {2, Value(day)}, {4, Value(std::string("x"))}, {5, Value()}};
}

ScanOptions where(const std::string& filter) { return {.filter = parse_filter(filter)}; }

std::vector<std::string> paths(const ScanPlan& plan) {
  std::vector<std::string> found;
  for (const ScanPlan::Part& part : plan.parts) {
    for (const uint32_t entry : part.entries) found.emplace_back(part.manifest->file_path[entry]);
  }
  return found;
}

TEST(Plan, EmptyTableHasNoFiles) {
  TestTable table(events());
  const ScanPlan found = plan(table.metadata, {}, *table.io);
  EXPECT_FALSE(found.snapshot_id);
  EXPECT_EQ(found.files(), 0);
  EXPECT_EQ(table.scan()->num_rows(), 0);
  EXPECT_EQ(count(table.metadata, found, {}, table.io), 0);
}

TEST(Plan, PrunesManifestsByPartitionAndFilesByPartitionAndBounds) {
  TestTable table(events(), by_day());
  const DataFile a = table.write({event(1, 10), event(5, 10)});
  const DataFile b = table.write({event(6, 11)});
  table.append({a, b});
  const DataFile c = table.write({event(7, 20)});
  const DataFile d = table.write({event(8, 20)});
  table.append({c, d});

  ScanPlan found = plan(table.metadata, {}, *table.io);
  EXPECT_THAT(paths(found), ElementsAre(a.file_path, b.file_path, c.file_path, d.file_path));
  EXPECT_EQ(found.rows(), 5);
  EXPECT_EQ(found.manifests_total, 2);

  found = plan(table.metadata, where("day = '1970-01-21'"), *table.io);
  EXPECT_THAT(paths(found), ElementsAre(c.file_path, d.file_path));
  EXPECT_EQ(found.manifests_pruned, 1);

  found = plan(table.metadata, where("day = '1970-01-12'"), *table.io);
  EXPECT_THAT(paths(found), ElementsAre(b.file_path));
  EXPECT_EQ(found.files_pruned, 1);

  found = plan(table.metadata, where("id = 8"), *table.io);
  EXPECT_THAT(paths(found), ElementsAre(d.file_path));
  EXPECT_EQ(found.files_total, 4);
  EXPECT_EQ(found.files_pruned, 3);

  EXPECT_TRUE(paths(plan(table.metadata, where("id = 3000"), *table.io)).empty());
  EXPECT_TRUE(paths(plan(table.metadata, where("false"), *table.io)).empty());
}

TEST(Plan, SkipsDeletedEntries) {
  TestTable table(events());
  const DataFile a = table.write({event(1, 1)});
  const DataFile b = table.write({event(2, 2)});
  table.append_entries(
      {{.status = EntryStatus::kDeleted, .sequence_number = 1, .file_sequence_number = 1, .file = a}, {.file = b}});
  EXPECT_THAT(paths(plan(table.metadata, {}, *table.io)), ElementsAre(b.file_path));
  EXPECT_EQ(table.scan()->num_rows(), 1);
}

TEST(Plan, PartitionsOfOlderSpecsPruneByTheirOwn) {
  TestTable table(events(), by_day());
  const DataFile by_days = table.write({event(1, 10)});
  table.append({by_days});
  table.metadata.partition_specs.push_back(
      {.spec_id = 1, .fields = {{{1}, 1001, "id_bucket", {TransformKind::kBucket, 16}}}});
  table.metadata.default_spec_id = 1;
  const DataFile by_bucket = table.write({event(2, 10)});
  table.append({by_bucket});
  EXPECT_THAT(paths(plan(table.metadata, where("day = '1970-01-11'"), *table.io)),
              ElementsAre(by_days.file_path, by_bucket.file_path));
  EXPECT_THAT(paths(plan(table.metadata, where("id = 2"), *table.io)), ElementsAre(by_bucket.file_path));
  EXPECT_TRUE(paths(plan(table.metadata, where("day = '1970-01-12'"), *table.io)).empty());
}

TEST(Plan, DeleteFilesOfOtherPartitionsAreNotRead) {
  TestTable table(events(), by_day());
  table.append({table.write({event(1, 10)}), table.write({event(2, 20)})});
  DataFile deletes = table.write({event(1, 10)});
  deletes.content = FileContent::kPositionDeletes;
  table.append({deletes}, ManifestContent::kDeletes);
  EXPECT_EQ(plan(table.metadata, {}, *table.io).deletes->size(), 1u);
  EXPECT_EQ(plan(table.metadata, where("id = 1"), *table.io).deletes->size(), 1u);
  EXPECT_EQ(plan(table.metadata, where("day = '1970-01-21'"), *table.io).deletes, nullptr);
}

TEST(Plan, MetadataColumnsAreSelectedByNameAndNeverByStar) {
  TestTable table(events(), by_day());
  const auto select = [&](std::vector<std::string> names) {
    std::vector<std::string> found;
    for (const Field& each : plan(table.metadata, {.select = std::move(names)}, *table.io).projection.fields) {
      found.push_back(fmt::format("{} {}", each.id, each.name));
    }
    return found;
  };
  EXPECT_THAT(select({"*"}), ElementsAre("1 id", "2 day", "3 place"));
  EXPECT_THAT(select({"_pos", "*", "_file", "_pos"}),
              ElementsAre("1 id", "2 day", "3 place", "2147483645 _pos", "2147483646 _file"));
  EXPECT_THAT(select({"_spec_id", "_deleted", "_partition"}),
              ElementsAre("2147483643 _spec_id", "2147483644 _deleted", "2147483642 _partition"));
  EXPECT_THROW(select({"_row_id"}), InvalidArgument);  // no row lineage before version 3
  table.metadata.format_version = 3;
  EXPECT_THAT(select({"_row_id", "_last_updated_sequence_number"}),
              ElementsAre("2147483540 _row_id", "2147483539 _last_updated_sequence_number"));
}

TEST(Plan, Trap21ColumnsOfUsersMayHaveTheNamesOfMetadataColumns) {
  Schema schema = events();
  schema.fields.push_back(field(6, "_pos", primitive(TypeKind::kString)));
  TestTable table(schema);
  const ScanPlan found = plan(table.metadata, {.filter = parse_filter("_pos = 'x'"), .select = {"_pos"}}, *table.io);
  ASSERT_EQ(found.projection.fields.size(), 1u);
  EXPECT_EQ(found.projection.fields[0].id, 6);
}

TEST(Plan, FiltersOnMetadataColumnsAreRefused) {
  TestTable table(events());
  try {
    plan(table.metadata, where("id = 1 and not (_pos > 5)"), *table.io);
    FAIL();
  } catch (const NotSupported& e) {
    EXPECT_THAT(e.what(), HasSubstr("_pos"));
  }
}

TEST(Plan, PartitionColumnHasTheFieldsOfAllSpecs) {
  TestTable table(events(), by_day());
  table.metadata.partition_specs.push_back({.spec_id = 1,
                                            .fields = {{{2}, 1000, "gone", {TransformKind::kVoid}},
                                                       {{1}, 1001, "id_bucket", {TransformKind::kBucket, 16}}}});
  const Schema projection = plan(table.metadata, {.select = {"_partition"}}, *table.io).projection;
  EXPECT_EQ(to_string(projection.fields[0].type), "struct<1000: gone: optional date, 1001: id_bucket: optional int>");
}

TEST(Plan, Trap19SnapshotsByIdTimeAndRefWithTheirSchemas) {
  TestTable table(events());
  const Snapshot first = table.append({table.write({event(1, 1)})});
  Schema wider = events();
  wider.schema_id = 1;
  wider.fields.push_back(field(6, "extra", primitive(TypeKind::kInt)));
  table.metadata.schemas.push_back(std::make_shared<const Schema>(wider));
  table.metadata.current_schema_id = 1;
  const Snapshot second = table.append({table.write({event(2, 2)})});
  table.metadata.refs["tag"] = {.snapshot_id = first.snapshot_id, .is_branch = false};
  table.metadata.refs["branch"] = {.snapshot_id = first.snapshot_id, .is_branch = true};
  const auto columns = [&](const ScanOptions& options) {
    return plan(table.metadata, options, *table.io).projection.fields.size();
  };
  const auto files = [&](const ScanOptions& options) { return plan(table.metadata, options, *table.io).files(); };

  EXPECT_EQ(files({}), 2);
  EXPECT_EQ(columns({}), 4u);
  EXPECT_EQ(files({.snapshot_id = first.snapshot_id}), 1);
  EXPECT_EQ(columns({.snapshot_id = first.snapshot_id}), 3u);
  EXPECT_EQ(files({.as_of_ms = second.timestamp_ms - 1}), 1);
  EXPECT_EQ(columns({.as_of_ms = second.timestamp_ms - 1}), 3u);
  EXPECT_EQ(files({.as_of_ms = second.timestamp_ms}), 2);
  EXPECT_EQ(files({.ref = "tag"}), 1);
  EXPECT_EQ(columns({.ref = "tag"}), 3u);
  EXPECT_EQ(files({.ref = "branch"}), 1);
  EXPECT_EQ(columns({.ref = "branch"}), 4u);
  EXPECT_EQ(files({.ref = "main"}), 2);
  EXPECT_THROW(files({.snapshot_id = 7}), NotFound);
  EXPECT_THROW(files({.as_of_ms = 5}), NotFound);
  EXPECT_THROW(files({.ref = "nobody"}), NotFound);
  EXPECT_THROW(files({.snapshot_id = first.snapshot_id, .ref = "tag"}), InvalidArgument);

  // A snapshot that does not say its schema has the current one.
  auto old = std::make_shared<Snapshot>(first);
  old->schema_id.reset();
  table.metadata.snapshots[0] = old;
  EXPECT_EQ(columns({.snapshot_id = first.snapshot_id}), 4u);
}

TEST(Plan, SelectsColumnsAtAnyDepth) {
  TestTable table(events());
  const auto select = [&](std::vector<std::string> names, bool case_sensitive = true) {
    const ScanPlan found =
        plan(table.metadata, {.select = std::move(names), .case_sensitive = case_sensitive}, *table.io);
    std::vector<std::string> all;
    for_each_field(found.projection.fields,
                   [&](const Field& each) { all.push_back(full_name(found.projection, each.id)); });
    return all;
  };
  EXPECT_THAT(select({"place.city", "id"}), ElementsAre("id", "place", "place.city"));
  EXPECT_THAT(select({"place"}), ElementsAre("place", "place.city", "place.lat"));
  EXPECT_THAT(select({"ID"}, false), ElementsAre("id"));
  EXPECT_TRUE(select({}).empty());
  try {
    select({"id", "nope", "Day"});
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("nope, Day"), HasSubstr("place.city")));
  }
}

TEST(Plan, MissingManifestNamesTableSnapshotAndPath) {
  TestTable table(events());
  const Snapshot snapshot = table.append({table.write({event(1, 1)})});
  clear_manifest_cache();
  std::filesystem::remove(table.manifests[0].manifest_path);
  ScanOptions options;
  options.table_name = "db.events";
  try {
    plan(table.metadata, options, *table.io);
    FAIL();
  } catch (const NotFound& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("db.events"), HasSubstr(std::to_string(snapshot.snapshot_id)),
                                HasSubstr(table.manifests[0].manifest_path)));
  }
}

TEST(Plan, CorruptManifestIsNamed) {
  TestTable table(events());
  table.append({table.write({event(1, 1)})});
  clear_manifest_cache();
  std::filesystem::resize_file(table.manifests[0].manifest_path, 100);
  EXPECT_THROW(plan(table.metadata, {}, *table.io), CorruptFile);
}

TEST(Plan, StopTokenEndsIt) {
  TestTable table(events());
  table.append({table.write({event(1, 1)})});
  arrow::StopSource stop;
  stop.RequestStop();
  EXPECT_THROW(plan(table.metadata, {.stop = stop.token()}, *table.io), Cancelled);
}

TEST(Plan, SnapshotsOfVersion1ListTheirManifestsThemselves) {
  TestTable table(events(), by_day());
  table.append({table.write({event(1, 10)}), table.write({event(2, 11)})});
  auto embedded = std::make_shared<Snapshot>(*table.metadata.snapshots[0]);
  embedded->manifest_list.clear();
  embedded->manifests = {table.manifests[0].manifest_path};
  table.metadata.snapshots[0] = embedded;
  table.metadata.format_version = 1;
  EXPECT_EQ(plan(table.metadata, {}, *table.io).files(), 2);
  EXPECT_EQ(plan(table.metadata, where("day = '1970-01-12'"), *table.io).files(), 1);
}

TEST(Plan, AsArrowOneRowAFile) {
  TestTable table(events(), by_day());
  const DataFile a = table.write({event(1, 10), event(5, 10)});
  const DataFile b = table.write({event(6, 11)});
  const Snapshot snapshot = table.append({a, b});
  for (const std::string filter : {"true", "id = 6"}) {
    const auto found = check(to_arrow(plan(table.metadata, where(filter), *table.io))->ToTable(), "test");
    check(found->ValidateFull(), "test");
    const int64_t last = found->num_rows() - 1;
    ASSERT_EQ(last, filter == "true" ? 1 : 0);
    const auto cell = [&](const std::string& name) {
      return check(check(found->GetColumnByName(name)->GetScalar(last), "test")->CastTo(arrow::utf8()), "test")
          ->ToString();
    };
    EXPECT_EQ(cell("file_path"), b.file_path);
    EXPECT_EQ(cell("file_format"), "PARQUET");
    EXPECT_EQ(cell("spec_id"), "0");
    EXPECT_EQ(cell("partition"), R"({"day": "1970-01-12"})");
    EXPECT_EQ(cell("record_count"), "1");
    EXPECT_EQ(cell("file_size_in_bytes"), std::to_string(b.file_size_in_bytes));
    EXPECT_EQ(cell("snapshot_id"), std::to_string(snapshot.snapshot_id));
    EXPECT_EQ(cell("sequence_number"), "1");
  }
}

}  // namespace
}  // namespace floe
