#include "floe/maintenance/partition_stats.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <stdexcept>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/maintenance/test_table.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kNull = INT64_MIN;

class PartitionStats : public MaintenanceTest {
 protected:
  PartitionStatsResult compute(std::optional<int64_t> snapshot_id = std::nullopt) {
    return compute_partition_stats(*catalog_, catalog_->now(), {.snapshot_id = snapshot_id});
  }

  std::shared_ptr<arrow::Table> read(const PartitionStatisticsFile& file) {
    const auto reader = check(parquet::arrow::OpenFile(io_->open(file.statistics_path), arrow::default_memory_pool()),
                              "read the statistics");
    return check(reader->ReadTable(), "read the statistics");
  }
  // The partition's fields, by comma; "-" for null.
  std::vector<std::string> partitions(const PartitionStatisticsFile& file) {
    const auto table = check(read(file)->CombineChunks(), "one chunk");
    const auto& column = static_cast<const arrow::StructArray&>(*table->GetColumnByName("partition")->chunk(0));
    std::vector<std::string> texts;
    for (int64_t row = 0; row < column.length(); ++row) {
      std::string text;
      for (int i = 0; i < column.num_fields(); ++i) {
        const auto value = check(column.field(i)->GetScalar(row), "a value");
        text += (i > 0 ? "," : "") + (value->is_valid ? value->ToString() : "-");
      }
      texts.push_back(text);
    }
    return texts;
  }
  std::vector<int64_t> column(const PartitionStatisticsFile& file, const std::string& name) {
    std::vector<int64_t> values;
    const auto table = read(file);
    const auto found = table->GetColumnByName(name);
    if (!found) throw std::out_of_range(name);
    for (int64_t row = 0; row < found->length(); ++row) {
      const auto value = check(found->GetScalar(row), "a value");
      values.push_back(!value->is_valid ? kNull
                       : value->type->id() == arrow::Type::INT32
                           ? static_cast<const arrow::Int32Scalar&>(*value).value
                           : static_cast<const arrow::Int64Scalar&>(*value).value);
    }
    return values;
  }

  int64_t files_of_statistics() {
    return std::ranges::count_if(memory_->locations(), [](const std::string& location) {
      return location.find("/partition-stats-") != std::string::npos;
    });
  }

  void partition_by_id_too() {
    change([&](Transaction& t) {
      t.add(TableCommit{.requirements = {},
                        .updates = {AddPartitionSpec{{.spec_id = 1,
                                                      .fields = {{.source_ids = {2}, .field_id = 1000, .name = "day"},
                                                                 {.source_ids = {1}, .field_id = 1001, .name = "id"}}}},
                                    SetDefaultSpec{-1}}});
    });
  }
};

TEST_F(PartitionStats, SumUpTheFilesOfEachPartition) {
  begin();
  append("b", "tue");
  DataFile none = file("n");
  none.partition = {Value()};
  commit({.operation = "", .added = {file("a"), file("c"), none}, .removed = {}});
  const int64_t last = append("d", "tue");
  const PartitionStatsResult result = compute();
  ASSERT_TRUE(result.file);
  EXPECT_EQ(result.file->snapshot_id, last);
  EXPECT_THAT(result.file->statistics_path, StartsWith((folder_ / "t/metadata/partition-stats-").string()));
  EXPECT_THAT(result.file->statistics_path, EndsWith(".parquet"));
  EXPECT_EQ(result.file->file_size_in_bytes, io_->read(result.file->statistics_path)->size());
  EXPECT_THAT(table().partition_statistics, ElementsAre(*result.file));
  EXPECT_THAT(partitions(*result.file), ElementsAre("-", "mon", "tue"));  // nulls first
  EXPECT_THAT(column(*result.file, "spec_id"), ElementsAre(0, 0, 0));
  EXPECT_THAT(column(*result.file, "data_record_count"), ElementsAre(10, 20, 20));
  EXPECT_THAT(column(*result.file, "data_file_count"), ElementsAre(1, 2, 2));
  EXPECT_THAT(column(*result.file, "total_data_file_size_in_bytes"), ElementsAre(1000, 2000, 2000));
  EXPECT_THAT(column(*result.file, "total_record_count"), ElementsAre(10, 20, 20));
  const Snapshot& snapshot = *table().snapshots.back();
  EXPECT_EQ(column(*result.file, "last_updated_snapshot_id").back(), snapshot.snapshot_id);
  EXPECT_EQ(column(*result.file, "last_updated_at").back(), snapshot.timestamp_ms);
}

TEST_F(PartitionStats, HaveTheSpecificationsColumns) {
  for (const int version : {1, 2, 3}) {
    begin(version);
    append("a");
    const Schema schema = partition_stats_schema(table());
    std::vector<int32_t> ids;
    for (const Field& field : schema.fields) ids.push_back(field.id);
    if (version == 3) {
      EXPECT_THAT(ids, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
    } else {
      EXPECT_THAT(ids, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    }
    EXPECT_EQ(schema.fields[5].required, version == 3);  // position_delete_record_count
    const auto written = read(*compute().file)->schema();
    EXPECT_TRUE(written->Equals(*to_arrow_schema(schema), false)) << written->ToString();
    EXPECT_EQ(written->field(2)->metadata()->Get("PARQUET:field_id").ValueOrDie(), "3");
    EXPECT_EQ(written->field(0)->type()->field(0)->metadata()->Get("PARQUET:field_id").ValueOrDie(), "1000");
    EXPECT_FALSE(written->field(0)->nullable());
  }
}

TEST_F(PartitionStats, TellKindsOfDeletesApart) {
  begin(2);
  const DataFile a = file("a");
  commit({.operation = "", .added = {a, file("b", "tue")}, .removed = {}});
  commit({.operation = "", .added = {deletes_of(a, "p"), equality_deletes("e", "tue")}, .removed = {}});
  const PartitionStatisticsFile of_v2 = *compute().file;
  EXPECT_THAT(column(of_v2, "position_delete_record_count"), ElementsAre(1, 0));
  EXPECT_THAT(column(of_v2, "position_delete_file_count"), ElementsAre(1, 0));
  EXPECT_THAT(column(of_v2, "equality_delete_record_count"), ElementsAre(0, 10));
  EXPECT_THAT(column(of_v2, "equality_delete_file_count"), ElementsAre(0, 1));
  EXPECT_THAT(column(of_v2, "total_record_count"), ElementsAre(kNull, kNull));  // they may find no row
}

TEST_F(PartitionStats, KnowHowManyRowsDeletionVectorsLeave) {
  begin(3);
  const DataFile a = file("a"), b = file("b", "tue");
  commit({.operation = "", .added = {a, b}, .removed = {}});
  DataFile vector = vector_of(a, "v.puffin");
  vector.record_count = 4;
  commit({.operation = "", .added = {vector}, .removed = {}});
  const PartitionStatisticsFile file = *compute().file;
  EXPECT_THAT(column(file, "position_delete_record_count"), ElementsAre(4, 0));
  EXPECT_THAT(column(file, "position_delete_file_count"), ElementsAre(0, 0));
  EXPECT_THAT(column(file, "dv_count"), ElementsAre(1, 0));
  EXPECT_THAT(column(file, "total_record_count"), ElementsAre(6, 10));
}

TEST_F(PartitionStats, KeepSpecsApartAndHaveTheFieldsOfAll) {
  begin();
  append("a");
  partition_by_id_too();
  DataFile b = file("b");
  b.spec_id = 1;
  b.partition = {Value(std::string("mon")), Value(int64_t{7})};
  commit({.operation = "", .added = {b}, .removed = {}});
  const PartitionStatisticsFile file = *compute().file;
  EXPECT_THAT(partitions(file), ElementsAre("mon,-", "mon,7"));
  EXPECT_THAT(column(file, "spec_id"), ElementsAre(0, 1));
}

// So that one sees when it became empty.
TEST_F(PartitionStats, HaveARowOfZerosForAPartitionThatLostItsLastFile) {
  begin();
  commit({.operation = "", .added = {file("a"), file("b", "tue")}, .removed = {}});
  const int64_t last = commit({.operation = "", .added = {}, .removed = {removal_of(file("b", "tue"))}});
  const PartitionStatisticsFile file = *compute().file;
  EXPECT_THAT(partitions(file), ElementsAre("mon", "tue"));
  EXPECT_THAT(column(file, "data_file_count"), ElementsAre(1, 0));
  EXPECT_EQ(column(file, "last_updated_snapshot_id")[1], last);
}

TEST_F(PartitionStats, AreOfTheSnapshotThatIsAskedFor) {
  begin();
  const int64_t first = append("a");
  append("b");
  EXPECT_THAT(column(*compute(first).file, "data_file_count"), ElementsAre(1));
  EXPECT_THAT(column(*compute().file, "data_file_count"), ElementsAre(2));
  EXPECT_EQ(table().partition_statistics.size(), 2);
  EXPECT_THROW(compute(77), NotFound);
}

TEST_F(PartitionStats, ThatAreThereAreNotComputedAgain) {
  begin();
  append("a");
  const PartitionStatisticsFile first = *compute().file;
  const size_t commits = catalog_->commits_.size();
  EXPECT_EQ(*compute().file, first);
  EXPECT_EQ(catalog_->commits_.size(), commits);
}

TEST_F(PartitionStats, OfNothingAreNone) {
  begin();
  EXPECT_FALSE(compute().file);
  commit({.operation = "delete", .added = {}, .removed = {}});
  EXPECT_FALSE(compute().file);
  EXPECT_TRUE(table().partition_statistics.empty());
}

TEST_F(PartitionStats, NeedPartitions) {
  begin();
  TableMetadata metadata = table();
  metadata.partition_specs.front().fields.clear();
  hold(metadata);
  try {
    compute();
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("not partitioned"));
  }
}

TEST_F(PartitionStats, AreAvroInATableOfAvro) {
  begin(2, {{"write.format.default", "avro"}});
  append("a");
  const PartitionStatisticsFile file = *compute().file;
  EXPECT_THAT(file.statistics_path, EndsWith(".avro"));
  EXPECT_EQ(file.file_size_in_bytes, io_->read(file.statistics_path)->size());
}

TEST_F(PartitionStats, OfACommitThatFailsLeaveNoFile) {
  begin();
  append("a");
  catalog_->outcomes_ = {Outcome::kIoError};
  EXPECT_THROW(compute(), IoError);
  EXPECT_EQ(files_of_statistics(), 0);
}

TEST_F(PartitionStats, OfASnapshotThatExpiresMeanwhileAreNotCommitted) {
  begin();
  const int64_t first = append("a");
  append("b");
  InterruptedCatalog catalog(io_, table(), {});
  catalog.meanwhile_ = [&](ScriptedCatalog& c) {
    Transaction transaction(c, c.now());
    transaction.add(TableCommit{.requirements = {}, .updates = {RemoveSnapshots{{first}}}});
    transaction.commit();
  };
  EXPECT_THROW(compute_partition_stats(catalog, catalog.now(), {.snapshot_id = first}), Error);
  EXPECT_EQ(files_of_statistics(), 0);
}

TEST_F(PartitionStats, WhoseAnswerIsLostStay) {
  begin();
  append("a");
  catalog_->outcomes_ = {Outcome::kLostBeforeCommit};
  EXPECT_THROW(compute(), CommitStateUnknown);
  EXPECT_EQ(files_of_statistics(), 1);
}

}  // namespace
}  // namespace floe
