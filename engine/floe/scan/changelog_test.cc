#include "floe/scan/changelog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/file/deletion_vector.h"
#include "floe/file/position_delete.h"
#include "floe/scan/test_table.h"

namespace floe {
namespace {

using scan_test::field;
using scan_test::Row;
using scan_test::TestTable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A table of ids and values, changed by rewriting files and by deletes.
struct Changing : TestTable {
  explicit Changing(int32_t format_version = 2)
      : TestTable(Schema{
            .fields = {field(1, "id", primitive(TypeKind::kLong)), field(2, "value", primitive(TypeKind::kString))}}) {
    metadata.format_version = format_version;
  }

  DataFile rows(const std::vector<std::pair<int64_t, std::string>>& pairs) {
    std::vector<Row> all;
    for (const auto& [id, value] : pairs) all.push_back({{1, Value(id)}, {2, Value(value)}});
    return write(all);
  }

  // A snapshot in which files take the place of others, all of the table's.
  void replace(const std::vector<DataFile>& old, const std::vector<DataFile>& by, const std::string& as = "overwrite") {
    operation = as;
    std::vector<ManifestEntry> entries;
    constexpr int64_t kAddedBy = 1;
    for (const DataFile& file : old) {
      entries.push_back({.status = EntryStatus::kDeleted,
                         .sequence_number = kAddedBy,
                         .file_sequence_number = kAddedBy,
                         .file = file});
    }
    for (const DataFile& file : by) entries.push_back({.file = file});
    std::erase_if(manifests, [](const ManifestFile& each) { return each.content == ManifestContent::kData; });
    append_entries(std::move(entries));
    operation = "append";
  }

  void delete_positions(const DataFile& file, const Positions& positions) {
    operation = "delete";
    append({write_position_deletes(*io, path(fmt::format("pos-{}.parquet", ++files)), {{file.file_path, positions}}, 0,
                                   {}, {})},
           ManifestContent::kDeletes);
    operation = "append";
  }

  // Each change as "ordinal type id value".
  std::vector<std::string> changes(const ChangelogOptions& changes = {}, const ScanOptions& options = {}) {
    const auto reader = changelog(std::make_shared<const TableMetadata>(metadata), changes, options, io);
    const auto table = check(reader->ToTable(), "changes");
    check(table->ValidateFull(), "changes");
    std::vector<std::string> found;
    for (const auto& batch : check(arrow::TableBatchReader(*table).ToRecordBatches(), "changes")) {
      for (int64_t i = 0; i < batch->num_rows(); ++i) {
        const auto text = [&](const char* name) {
          return check(batch->GetColumnByName(name)->GetScalar(i), "changes")->ToString();
        };
        const int64_t snapshot = std::stoll(text("_commit_snapshot_id"));
        EXPECT_NE(snapshot_by_id(metadata, snapshot), nullptr);
        found.push_back(
            fmt::format("{} {} {} {}", text("_change_ordinal"), text("_change_type"), text("id"), text("value")));
      }
    }
    return found;
  }
};

TEST(Changelog, OfAppendsIsTheirRows) {
  Changing table;
  EXPECT_THAT(table.changes(), IsEmpty());
  table.append({table.rows({{1, "a"}})});
  table.append({table.rows({{2, "b"}, {3, "c"}})});
  EXPECT_THAT(table.changes(), ElementsAre("0 INSERT 1 a", "1 INSERT 2 b", "1 INSERT 3 c"));
  EXPECT_THAT(table.changes({.since = {.snapshot_id = 1000}}), ElementsAre("0 INSERT 2 b", "0 INSERT 3 c"));
  EXPECT_THAT(table.changes({}, {.snapshot_id = 1000}), ElementsAre("0 INSERT 1 a"));
  EXPECT_THAT(table.changes({}, {.limit = 2}), ElementsAre("0 INSERT 1 a", "1 INSERT 2 b"));
  EXPECT_THAT(table.changes({}, {.filter = parse_filter("id >= 3")}), ElementsAre("1 INSERT 3 c"));
}

TEST(Changelog, OfRewrittenFilesLeavesOutRowsThatWereOnlyCopied) {
  for (const int32_t version : {1, 2, 3}) {
    Changing table(version);
    const DataFile old = table.rows({{1, "a"}, {1, "a"}, {2, "b"}, {3, "c"}});
    table.append({old});
    table.replace({old}, {table.rows({{3, "c"}, {1, "a"}, {2, "x"}, {4, "d"}})});
    const ChangelogOptions since{.since = {.snapshot_id = 1000}};
    EXPECT_THAT(table.changes(since), ElementsAre("0 DELETE 1 a", "0 DELETE 2 b", "0 INSERT 2 x", "0 INSERT 4 d"));
    EXPECT_THAT(table.changes(since, {.filter = parse_filter("value = 'x'")}), ElementsAre("0 INSERT 2 x"));
  }
}

TEST(Changelog, PairsUpdatesByIdentifier) {
  Changing table;
  const DataFile old = table.rows({{1, "a"}, {2, "b"}, {3, "c"}});
  table.append({old});
  table.replace({old}, {table.rows({{3, "c"}, {2, "x"}, {4, "d"}})});
  const ChangelogOptions by_id{.since = {.snapshot_id = 1000}, .updates = true, .identifier_columns = {"id"}};
  const auto updated = ElementsAre("0 DELETE 1 a", "0 UPDATE_BEFORE 2 b", "0 UPDATE_AFTER 2 x", "0 INSERT 4 d");
  EXPECT_THAT(table.changes(by_id), updated);
  EXPECT_THAT(table.changes(by_id, {.select = {"id", "value", "_pos"}}), updated);
  EXPECT_THAT(table.changes(by_id, {.filter = parse_filter("value != 'x'")}),
              ElementsAre("0 DELETE 1 a", "0 DELETE 2 b", "0 INSERT 4 d"))
      << "an update that leaves the filter";
}

TEST(Changelog, OfUpdatesNeedsWhatIdentifiesARow) {
  Changing table;
  const DataFile old = table.rows({{1, "a"}, {1, "b"}, {2, "b"}});
  table.append({old});
  table.replace({old}, {table.rows({{1, "x"}, {2, "b"}})});
  EXPECT_THROW(table.changes({.updates = true}), InvalidArgument);
  EXPECT_THROW(table.changes({.updates = true, .identifier_columns = {"other"}}), InvalidArgument);
  EXPECT_THROW(table.changes({.updates = true, .identifier_columns = {"id"}}), InvalidArgument) << "two rows of id 1";
  EXPECT_THAT(table.changes({.since = {.snapshot_id = 1000}}).size(), 3u);
}

TEST(Changelog, OfDeletesIsWhatTheyTakeOutOfFilesThatStay) {
  Changing table;
  const DataFile file = table.rows({{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}});
  const DataFile other = table.rows({{5, "e"}});
  table.append({file, other});
  table.delete_positions(file, {0, 2});
  table.delete_positions(file, {2, 3});
  EXPECT_THAT(table.changes({.since = {.snapshot_id = 1000}}),
              ElementsAre("0 DELETE 1 a", "0 DELETE 3 c", "1 DELETE 4 d"));

  DataFile keys = table.write(
      {{{1, Value(int64_t{4})}, {2, Value(std::string("d"))}}, {{1, Value(int64_t{5})}, {2, Value(std::string("e"))}}});
  keys.content = FileContent::kEqualityDeletes;
  keys.equality_ids = {1};
  table.append({keys}, ManifestContent::kDeletes);
  EXPECT_THAT(table.changes({.since = {.snapshot_id = 1002}}), ElementsAre("0 DELETE 5 e"));

  table.replace({file, other}, {});
  EXPECT_THAT(table.changes({.since = {.snapshot_id = 1003}}), ElementsAre("0 DELETE 2 b")) << "the others had left";
}

TEST(Changelog, OfAVectorThatTakesThePlaceOfAnotherIsWhatItHasMore) {
  Changing table(3);
  const DataFile file = table.rows({{1, "a"}, {2, "b"}, {3, "c"}});
  table.append({file});
  for (const Positions& positions : {Positions{0}, Positions{0, 2}}) {
    DeletionVectorWriter writer(*table.io, table.path(fmt::format("dv-{}.puffin", ++table.files)));
    writer.add(file.file_path, 0, {}, positions);
    std::erase_if(table.manifests, [](const ManifestFile& each) { return each.content == ManifestContent::kDeletes; });
    table.operation = "delete";
    table.append(writer.finish(), ManifestContent::kDeletes);
  }
  EXPECT_THAT(table.changes(),
              ElementsAre("0 INSERT 1 a", "0 INSERT 2 b", "0 INSERT 3 c", "1 DELETE 1 a", "2 DELETE 3 c"));
}

TEST(Changelog, PassesOverWhatChangesNoRows) {
  Changing table;
  const DataFile a = table.rows({{1, "a"}}), b = table.rows({{2, "b"}});
  table.append({a});
  table.append({b});
  const DataFile both = table.rows({{1, "a"}, {2, "b"}});
  table.replace({a, b}, {both}, "replace");
  table.replace({both}, {table.rows({{1, "a"}})});
  EXPECT_THAT(table.changes(), ElementsAre("0 INSERT 1 a", "1 INSERT 2 b", "2 DELETE 2 b"));
}

TEST(Changelog, SaysWhatExpiredSnapshotsHide) {
  Changing table;
  const DataFile file = table.rows({{1, "a"}, {2, "b"}});
  table.append({file});
  table.append({table.rows({{3, "c"}})});
  table.delete_positions(file, {0});
  table.metadata.snapshots.erase(table.metadata.snapshots.begin());
  EXPECT_THAT(table.changes(), ElementsAre("0 INSERT 3 c", "1 DELETE 1 a")) << "an append says all by itself";
  table.metadata.snapshots.erase(table.metadata.snapshots.begin());
  try {
    table.changes();
    FAIL();
  } catch (const NotFound& e) {
    EXPECT_THAT(e.what(), HasSubstr("1001"));
  }
  EXPECT_THROW(table.changes({.since = {.snapshot_id = 7}}), InvalidArgument);
}

}  // namespace
}  // namespace floe
