#include "floe/manifest/manifest_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/avro/container.h"
#include "floe/avro/rows.h"
#include "floe/error.h"
#include "floe/manifest/fields.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

ManifestFile test_manifest(const std::string& path) {
  return {.manifest_path = path,
          .manifest_length = 5000,
          .partition_spec_id = 2,
          .sequence_number = 4,
          .min_sequence_number = 3,
          .added_snapshot_id = 11,
          .added_files_count = 1,
          .existing_files_count = 2,
          .deleted_files_count = 3,
          .added_rows_count = 10,
          .existing_rows_count = 20,
          .deleted_rows_count = 30,
          .partitions =
              std::vector<FieldSummary>{
                  {.contains_null = true, .contains_nan = false, .lower_bound = "a", .upper_bound = ""},
                  {.contains_null = false, .contains_nan = std::nullopt, .lower_bound = {}, .upper_bound = {}}},
          .key_metadata = "k"};
}

const Snapshot kSnapshot{.snapshot_id = 11, .parent_snapshot_id = 10, .sequence_number = 4};

TEST(ManifestList, WhatIsWrittenIsRead) {
  for (const int32_t version : {2, 3}) {
    std::vector<ManifestFile> manifests = {test_manifest("a"), test_manifest("b"), test_manifest("c")};
    manifests[1].content = ManifestContent::kDeletes;
    manifests[1].partitions->clear();  // of a spec without fields
    manifests[1].key_metadata.reset();
    manifests[2].partitions.reset();  // not known
    int64_t next_row_id = 100;
    const std::string bytes = write_manifest_list(version, kSnapshot, manifests, &next_row_id);
    EXPECT_EQ(read_manifest_list(bytes, "list"), manifests);
  }
}

TEST(ManifestList, TheHeaderNamesTheSnapshot) {
  std::vector<ManifestFile> manifests;
  int64_t next_row_id = 100;
  const std::string bytes = write_manifest_list(3, kSnapshot, manifests, &next_row_id);
  const avro::Header header = avro::read_header(bytes, "list");
  EXPECT_EQ(header.values.at("snapshot-id"), "11");
  EXPECT_EQ(header.values.at("parent-snapshot-id"), "10");
  EXPECT_EQ(header.values.at("sequence-number"), "4");
  EXPECT_EQ(header.values.at("format-version"), "3");
  EXPECT_EQ(header.values.at("first-row-id"), "100");
  EXPECT_THAT(read_manifest_list(bytes, "list"), IsEmpty());
}

TEST(ManifestList, Version1HasNoSequenceNumbersAndUnknownCounts) {
  ManifestFile manifest = test_manifest("a");
  manifest.added_files_count = manifest.added_rows_count = kNotKnown;
  std::vector<ManifestFile> manifests = {manifest};
  const std::string bytes = write_manifest_list(1, kSnapshot, manifests, nullptr);
  manifest.sequence_number = manifest.min_sequence_number = 0;
  EXPECT_THAT(read_manifest_list(bytes, "list"), ElementsAre(manifest));
  EXPECT_FALSE(avro::read_header(bytes, "list").values.contains("sequence-number"));

  EXPECT_THAT(([&] { write_manifest_list(2, kSnapshot, manifests, nullptr); }),
              ThrowsMessage<InvalidArgument>(HasSubstr("added_files_count of the manifest a")));
  manifests[0].content = ManifestContent::kDeletes;
  EXPECT_THROW(write_manifest_list(1, kSnapshot, manifests, nullptr), InvalidArgument);
}

TEST(ManifestList, OldNamesOfFieldsAreReadByTheirIds) {
  std::vector<Field> fields = manifest_fields::list_fields(1);
  for (Field& field : fields) {
    if (field.id == 504) field.name = "added_data_files_count";
  }
  avro::Writer writer(avro::to_avro_schema(fields, "manifest_file"), {}, avro::Codec::kNull);
  const Value none;
  avro::encode_row(
      fields,
      {std::string("a"), int64_t{1}, int32_t{0}, int64_t{5}, int32_t{77}, none, none, none, none, none, none, none},
      writer.record());
  writer.end_record();
  const auto manifests = read_manifest_list(writer.finish(), "list");
  ASSERT_EQ(manifests.size(), 1);
  EXPECT_EQ(manifests[0].added_files_count, 77);
  EXPECT_EQ(manifests[0].existing_files_count, kNotKnown);
}

// Trap 13: data manifests without a first row id get ranges as long as their live rows; delete manifests never one.
TEST(Trap13, FirstRowIdsOfManifests) {
  const auto manifest = [](const char* path, int64_t added, int64_t existing, std::optional<int64_t> first_row_id) {
    ManifestFile file = test_manifest(path);
    file.added_rows_count = added;
    file.existing_rows_count = existing;
    file.first_row_id = first_row_id;
    return file;
  };
  std::vector<ManifestFile> manifests = {manifest("existing", 75, 0, 925), manifest("added1", 100, 25, {}),
                                         manifest("added2", 0, 100, {}), manifest("deletes", 50, 0, 3),
                                         manifest("added3", 125, 25, {})};
  manifests[3].content = ManifestContent::kDeletes;
  int64_t next_row_id = 1000;
  const auto read = read_manifest_list(write_manifest_list(3, kSnapshot, manifests, &next_row_id), "list");
  EXPECT_EQ(next_row_id, 1375);
  std::vector<std::optional<int64_t>> ids;
  for (const ManifestFile& file : read) ids.push_back(file.first_row_id);
  EXPECT_THAT(ids, ElementsAre(925, 1000, 1125, std::nullopt, 1225));
  EXPECT_EQ(read, manifests);  // the caller learns them too
}

TEST(Trap13, AFailedAssignmentUsesNoRowIds) {
  std::vector<ManifestFile> manifests = {test_manifest("a"), test_manifest("b")};
  manifests[1].existing_rows_count = kNotKnown;
  int64_t next_row_id = 1000;
  EXPECT_THROW(write_manifest_list(3, kSnapshot, manifests, &next_row_id), InvalidArgument);
  EXPECT_EQ(next_row_id, 1000);
  manifests[1].existing_rows_count = INT64_MAX;
  EXPECT_THROW(write_manifest_list(3, kSnapshot, manifests, &next_row_id), CorruptFile);
}

TEST(ManifestList, SummariesAreStatistics) {
  const PartitionSpec spec{.spec_id = 2,
                           .fields = {{.source_ids = {1}, .field_id = 1000, .name = "a", .transform = {}},
                                      {.source_ids = {2}, .field_id = 1001, .name = "b", .transform = {}}}};
  ManifestFile bounds = test_manifest("a");
  ManifestFile all_null = test_manifest("b");
  all_null.partitions->at(0) = {.contains_null = true, .contains_nan = false, .lower_bound = {}, .upper_bound = {}};
  ManifestFile unknown = test_manifest("c");
  unknown.partitions.reset();
  const Stats stats = partition_stats({&bounds, &all_null, &unknown}, spec);
  EXPECT_EQ(stats.size, 3);
  ASSERT_EQ(stats.columns.size(), 2);
  const ColumnStats& a = stats.columns[0];
  EXPECT_EQ(a.field_id, 1000);
  EXPECT_THAT(a.value_counts, ElementsAre(kNotKnown, 1, kNotKnown));
  EXPECT_THAT(a.null_counts, ElementsAre(1, 1, kNotKnown));
  EXPECT_THAT(a.nan_counts, ElementsAre(0, 0, kNotKnown));
  EXPECT_EQ(a.lower_bounds[0], "a");
  EXPECT_TRUE(a.upper_bounds.has(0));  // the empty string is a bound
  EXPECT_FALSE(a.upper_bounds.has(1));
  EXPECT_FALSE(a.lower_bounds.has(2));
  // Neither nulls nor bounds, and whether there are NaNs is not known: nothing can be said.
  EXPECT_EQ(stats.columns[1].value_counts[0], kNotKnown);
}

TEST(CorruptManifestList, EveryTruncationIsNoticedOrEndsAtABlock) {
  std::vector<ManifestFile> manifests = {test_manifest("a")};
  const std::string bytes = write_manifest_list(2, kSnapshot, manifests, nullptr);
  for (size_t length = 0; length < bytes.size(); ++length) {
    try {
      EXPECT_THAT(read_manifest_list(std::string_view(bytes).substr(0, length), "s3://b/list.avro"), IsEmpty());
    } catch (const CorruptFile& e) {
      EXPECT_THAT(e.what(), HasSubstr("s3://b/list.avro"));
    }
  }
}

}  // namespace
}  // namespace floe
