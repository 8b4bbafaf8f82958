#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>

#include "floe/file/position_delete.h"
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

// Reading one file takes until it is let go.
class HeldIo : public Io {
 public:
  HeldIo(IoPtr inner, std::string held)
      : Io(shared_counters(*inner)), inner_(std::move(inner)), held_(std::move(held)) {}

  void let_go() { gate_.set_value(); }
  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override {
    wait(location);
    return inner_->open(location, size);
  }
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override {
    wait(location);
    return inner_->read(location, size);
  }
  bool exists(const std::string& location) override { return inner_->exists(location); }
  std::unique_ptr<OutputFile> create(const std::string& location) override { return inner_->create(location); }
  void remove(const std::string& location) override { inner_->remove(location); }
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override {
    inner_->list(prefix, take);
  }
  const std::string& principal() const override { return held_; }  // nothing of it is cached yet

 private:
  void wait(const std::string& location) {
    if (location == held_) open_.wait();
  }
  const IoPtr inner_;
  const std::string held_;
  std::promise<void> gate_;
  const std::shared_future<void> open_ = gate_.get_future();
};

TEST(Plan, FirstTasksComeBeforeTheLastManifestIsRead) {
  TestTable table(events());
  std::vector<std::string> files;
  for (int64_t i = 0; i < 3; ++i) {
    const DataFile file = table.write({event(i, 1)});
    table.append({file});
    files.push_back(file.file_path);
  }
  HeldIo io(table.io, table.manifests.back().manifest_path);
  Planner planner(table.metadata, {}, io);
  TaskPlanner tasks(planner.plan(), {.target_bytes = 1, .lookback = 1, .open_file_bytes = 0},
                    [&] { return planner.next(); });
  const std::optional<ScanPlan> first = tasks.next();
  ASSERT_TRUE(first);
  EXPECT_THAT(paths(*first), ElementsAre(files[0]));
  io.let_go();
  EXPECT_THAT(paths(*tasks.next()), ElementsAre(files[1]));
  EXPECT_THAT(paths(*tasks.next()), ElementsAre(files[2]));
  EXPECT_FALSE(tasks.next());
}

TEST(Plan, PlansThatAreDroppedWaitForNothingButWhatRuns) {
  TestTable table(events());
  for (int64_t i = 0; i < 50; ++i) table.append({table.write({event(i, 1)})});
  for (int i = 0; i < 20; ++i) {
    clear_manifest_cache();
    Planner planner(table.metadata, {}, *table.io);
    EXPECT_TRUE(planner.next());
  }
}

TEST(Plan, LimitPlansNoMoreFilesThanItTakes) {
  TestTable table(events());
  for (int64_t i = 0; i < 10; ++i) {
    table.append({table.write({event(i, 1), event(i, 2)}), table.write({event(i, 3), event(i, 4)})});
  }
  const auto files = [&](ScanOptions options) { return plan(table.metadata, options, *table.io).files(); };
  EXPECT_EQ(files({.limit = 0}), 0);
  EXPECT_EQ(files({.limit = 1}), 1);
  EXPECT_EQ(files({.limit = 5}), 3);
  EXPECT_EQ(files({.limit = 1000}), 20);
  EXPECT_EQ(files({.filter = parse_filter("id >= 0"), .limit = 1}), 20) << "how many match is not known";
  clear_manifest_cache();
  const int64_t opened = table.io->counters().files_opened;
  EXPECT_EQ(files({.limit = 3}), 2);
  EXPECT_LE(table.io->counters().files_opened - opened, 3) << "the list, a manifest, and one that is read ahead";
  EXPECT_EQ(table.scan({.limit = 5})->num_rows(), 5);

  // Files that lose rows do not count; of deletion vectors it is known how many.
  const ScanPlan all = plan(table.metadata, {}, *table.io);
  table.append(
      {write_position_deletes(*table.io, table.path("pos.parquet"), {{paths(all)[0], Positions{0}}}, 0, {}, {})},
      ManifestContent::kDeletes);
  EXPECT_EQ(files({.limit = 2}), 2);
  EXPECT_EQ(table.scan({.limit = 2})->num_rows(), 2);
}

struct Appended {
  Appended() {
    for (int64_t i = 0; i < 3; ++i) append(i);
    table.operation = "overwrite";
    append(3);
    table.operation = "append";
    append(4);
  }
  void append(int64_t i) {
    const DataFile file = table.write({event(i, 1), event(i, 2)});
    table.append({file});
    files.push_back(file);
  }
  // Indices of the files that are planned.
  std::vector<size_t> planned(ScanOptions options) {
    std::vector<size_t> found;
    for (const std::string& path : paths(plan(table.metadata, options, *table.io))) {
      const auto file =
          std::find_if(files.begin(), files.end(), [&](const DataFile& f) { return f.file_path == path; });
      found.push_back(static_cast<size_t>(file - files.begin()));
    }
    return found;
  }
  std::vector<size_t> since(std::optional<int64_t> id, bool inclusive = false, std::optional<int64_t> to = {}) {
    return planned({.snapshot_id = to, .appended_since = ScanOptions::AppendedSince{id, inclusive}});
  }

  TestTable table{events()};
  std::vector<DataFile> files;
};

TEST(Appends, AreThoseBetweenTwoSnapshotsTheOldestFirst) {
  Appended table;
  EXPECT_THAT(table.since({}), ElementsAre(0, 1, 2, 4)) << "what an overwrite wrote is not appended";
  EXPECT_THAT(table.since(1000), ElementsAre(1, 2, 4));
  EXPECT_THAT(table.since(1000, true), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(table.since(1000, false, 1002), ElementsAre(1, 2));
  EXPECT_THAT(table.since(1002, true, 1002), ElementsAre(2));
  EXPECT_THAT(table.since(1003, true, 1003), ElementsAre());
  EXPECT_THAT(table.planned({.appended_since = ScanOptions::AppendedSince{1000}, .limit = 3}), ElementsAre(1, 2));
  EXPECT_THAT(table.planned({.filter = parse_filter("id = 2"), .appended_since = ScanOptions::AppendedSince{1000}}),
              ElementsAre(2));
}

TEST(Appends, SinceASnapshotThatIsNoAncestorAreRefused) {
  Appended table;
  EXPECT_THROW(table.since(7), InvalidArgument);
  EXPECT_THROW(table.since(1002, false, 1001), InvalidArgument);
  EXPECT_THROW(table.since(1004), InvalidArgument) << "as in Java: what comes after the end was not appended before it";
  EXPECT_THAT(table.since(1004, true), ElementsAre(4));
  TestTable empty(events());
  EXPECT_EQ(empty.scan({.appended_since = ScanOptions::AppendedSince{}})->num_rows(), 0);
  EXPECT_THROW(empty.scan({.appended_since = ScanOptions::AppendedSince{7}}), InvalidArgument);
}

TEST(Appends, MayBeginAfterASnapshotThatWasExpired) {
  Appended table;
  table.table.metadata.snapshots.erase(table.table.metadata.snapshots.begin());
  EXPECT_THAT(table.since(1000), ElementsAre(1, 2, 4));
  EXPECT_THROW(table.since(1000, true), InvalidArgument);
  EXPECT_THAT(table.since({}), ElementsAre(1, 2, 4));
}

TEST(Appends, StayThoseOfTheirSnapshotsWhereManifestsAreMergedAndRowsDeleted) {
  Appended table;
  std::vector<ManifestEntry> merged;
  for (size_t i = 0; i < table.files.size(); ++i) {
    merged.push_back({.status = EntryStatus::kExisting,
                      .snapshot_id = 1000 + static_cast<int64_t>(i),
                      .sequence_number = 1 + static_cast<int64_t>(i),
                      .file_sequence_number = 1 + static_cast<int64_t>(i),
                      .file = table.files[i]});
  }
  table.files.push_back(table.table.write({event(5, 1), event(5, 2)}));
  merged.push_back({.file = table.files.back()});
  table.table.manifests.clear();
  table.table.append_entries(merged);
  EXPECT_THAT(table.since(1000), ElementsAre(1, 2, 4, 5));

  TestTable& t = table.table;
  t.operation = "delete";
  t.append(
      {write_position_deletes(*t.io, t.path("pos.parquet"), {{table.files[1].file_path, Positions{0}}}, 0, {}, {})},
      ManifestContent::kDeletes);
  const ScanOptions appended{.appended_since = ScanOptions::AppendedSince{1000}};
  EXPECT_EQ(t.scan(appended)->num_rows(), 8);
  EXPECT_EQ(t.scan()->num_rows(), 11);
  const ScanPlan planned = plan(t.metadata, appended, *t.io);
  EXPECT_EQ(count(t.metadata, planned, appended, t.io), 8);
  scan_test::check_tasks(t, appended, 1);
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
