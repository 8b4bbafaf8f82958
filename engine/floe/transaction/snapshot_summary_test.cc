#include "floe/transaction/snapshot_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Pair;

TableMetadata table_by_day(Properties properties = {}) {
  return new_table_metadata({.schema = {.fields = {{.id = 1, .name = "day", .type = primitive(TypeKind::kString)}}},
                             .spec = {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "day"}}},
                             .location = "/t",
                             .properties = std::move(properties)});
}

DataFile data_file(Value day, int64_t rows, int64_t bytes) {
  DataFile file;
  file.file_path = "/t/f.parquet";
  file.partition = {std::move(day)};
  file.record_count = rows;
  file.file_size_in_bytes = bytes;
  return file;
}

Value text(const char* value) { return Value(std::string(value)); }

TEST(SnapshotSummary, FirstSnapshotCountsFromNothing) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  counter.add(data_file(text("a"), 3, 100));
  counter.add(data_file(text("a"), 4, 200));
  counter.add(data_file(text("b"), 5, 300));
  EXPECT_EQ(counter.summary(nullptr), (Properties{{"added-data-files", "3"},
                                                  {"added-records", "12"},
                                                  {"added-files-size", "600"},
                                                  {"changed-partition-count", "2"},
                                                  {"total-data-files", "3"},
                                                  {"total-records", "12"},
                                                  {"total-files-size", "600"},
                                                  {"total-delete-files", "0"},
                                                  {"total-position-deletes", "0"},
                                                  {"total-equality-deletes", "0"}}));
}

TEST(SnapshotSummary, NullIsAnotherPartitionThanTheTextNull) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  counter.add(data_file(Value(), 1, 1));
  counter.add(data_file(text("null"), 1, 1));
  EXPECT_EQ(counter.summary(nullptr).at("changed-partition-count"), "2");
}

TEST(Trap24, ATotalThatTheParentDoesNotKnowStaysUnknown) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  counter.add(data_file(text("a"), 3, 100));
  const Summary parent{{"total-records", "10"}, {"total-files-size", "many"}, {"total-delete-files", "-1"}};
  const Properties summary = counter.summary(&parent);
  EXPECT_EQ(summary.at("total-records"), "13");
  for (const char* unknown : {"total-data-files", "total-files-size", "total-delete-files", "total-equality-deletes"}) {
    EXPECT_FALSE(summary.contains(unknown)) << unknown;
  }
}

TEST(SnapshotSummary, RemovedFilesAreCountedOffAndNoTotalGoesBelowZero) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  counter.remove(data_file(text("a"), 3, 100));
  const Summary parent{{"total-records", "10"}, {"total-data-files", "0"}};
  const Properties summary = counter.summary(&parent);
  EXPECT_THAT(summary, IsSupersetOf({Pair("deleted-records", "3"), Pair("deleted-data-files", "1"),
                                     Pair("removed-files-size", "100"), Pair("total-records", "7")}));
  EXPECT_FALSE(summary.contains("total-data-files"));
}

TEST(SnapshotSummary, DeleteFilesAreCountedByKind) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  DataFile positions = data_file(text("a"), 3, 10), vector = positions, equality = positions;
  positions.content = vector.content = FileContent::kPositionDeletes;
  vector.file_format = FileFormat::kPuffin;
  equality.content = FileContent::kEqualityDeletes;
  counter.add(positions);
  counter.add(vector);
  counter.add(equality);
  EXPECT_THAT(counter.summary(nullptr),
              IsSupersetOf({Pair("added-delete-files", "3"), Pair("added-position-delete-files", "1"),
                            Pair("added-dvs", "1"), Pair("added-equality-delete-files", "1"),
                            Pair("added-position-deletes", "6"), Pair("added-equality-deletes", "3"),
                            Pair("total-delete-files", "3"), Pair("total-position-deletes", "6"),
                            Pair("total-equality-deletes", "3"), Pair("total-records", "0")}));
}

TEST(SnapshotSummary, PartitionsAreDescribedUpToTheLimit) {
  const TableMetadata table = table_by_day({{"write.summary.partition-limit", "1"}});
  SummaryCounter counter(table);
  counter.add(data_file(text("a b"), 3, 100));
  EXPECT_THAT(counter.summary(nullptr),
              IsSupersetOf({Pair("partition-summaries-included", "true"),
                            Pair("partitions.day=a+b", "added-data-files=1,added-files-size=100,added-records=3")}));
  counter.add(data_file(text("c"), 3, 100));
  EXPECT_FALSE(counter.summary(nullptr).contains("partition-summaries-included"));
}

TEST(Trap24, CallersCannotSetWhatTheEngineCounts) {
  for (const char* key : {"operation", "added-records", "removed-dvs", "total-records", "changed-partition-count",
                          "manifests-created", "partitions.day=a"}) {
    try {
      check_snapshot_properties({{key, "1"}});
      FAIL() << key;
    } catch (const InvalidArgument& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
    }
  }
  check_snapshot_properties({{"wap.id", "7"}, {"engine-name", "floe"}, {"dagster.run", "x"}, {"", "y"}});
}

TEST(SnapshotSummary, AFileOfAnotherSpecsShapeIsRefused) {
  const TableMetadata table = table_by_day();
  SummaryCounter counter(table);
  DataFile file = data_file(text("a"), 1, 1);
  file.partition.clear();
  EXPECT_THROW(counter.add(file), InvalidArgument);
  file.spec_id = 9;
  EXPECT_THROW(counter.add(file), InvalidArgument);
}

}  // namespace
}  // namespace floe
