#include "floe/scan/scan_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "floe/file/data_file_writer.h"
#include "floe/file/position_delete.h"
#include "floe/scan/test_table.h"

namespace floe {
namespace {

using scan_test::check_tasks;
using scan_test::field;
using scan_test::read_tasks;
using scan_test::Row;
using scan_test::TestTable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Numbers : TestTable {
  Numbers() : TestTable(Schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}}) {}

  // Row groups of 30 rows.
  DataFile numbers(int64_t begin, int64_t end) {
    std::vector<Row> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back({{1, Value(i)}});
    return write(rows, {{"write.parquet.row-group-limit", "30"}});
  }

  std::vector<ScanPlan> tasks(const TaskOptions& options) const { return plan_tasks(plan(metadata, {}, *io), options); }
  std::string one_task() const { return to_bytes(metadata, tasks({.target_bytes = 1}).front(), {}); }
};

int64_t rows_of(const ScanTask& task, const IoPtr& io) {
  return check(read(task.table, task.plan, task.options, io)->ToTable(), "test")->num_rows();
}

TEST(ScanTasks, EveryRowGroupIsInOneOfThem) {
  Numbers table;
  table.append({table.numbers(0, 100), table.numbers(100, 130), table.numbers(130, 131)});
  EXPECT_EQ(table.tasks({.target_bytes = 1, .open_file_bytes = 0}).size(), 4 + 1 + 1);
  for (const int64_t target : {1, 100, 300, 1000, 1 << 20}) check_tasks(table, {}, target);
}

TEST(ScanTasks, WithoutOffsetsFilesAreSplitBySize) {
  Numbers table;
  for (const std::vector<int64_t>& offsets :
       std::vector<std::vector<int64_t>>{{}, {4, 4}, {9, 3}, {-1}, {4, 1 << 30}}) {
    DataFile file = table.numbers(0, 300);
    file.split_offsets = offsets;
    table.append({file});
  }
  EXPECT_GT(table.tasks({.target_bytes = 100}).size(), 5);
  for (const int64_t target : {1, 37, 100, 300, 1000, 1 << 20}) check_tasks(table, {}, target);
}

// A manifest may give the wrong size, or offsets that are not where row groups begin.
TEST(ScanTasks, WrongSizesAndOffsetsLoseNoRowGroup) {
  Numbers table;
  DataFile file = table.numbers(0, 300);
  file.split_offsets = {300, 301, 302};
  table.append({file});
  check_tasks(table, {}, 1);
  const ScanPlan planned = plan(table.metadata, {}, *table.io);
  EXPECT_EQ(plan_tasks(planned, {.target_bytes = 1, .open_file_bytes = 0}).size(), 3);
}

TEST(ScanTasks, ArePackedByWeight) {
  Numbers table;
  std::vector<DataFile> files;
  for (int i = 0; i < 20; ++i) files.push_back(table.numbers(0, 10));
  table.append(files);
  const int64_t size = files[0].file_size_in_bytes;
  EXPECT_EQ(table.tasks({.target_bytes = 4 * size, .open_file_bytes = 0}).size(), 5);
  EXPECT_EQ(table.tasks({.target_bytes = 4 * size, .open_file_bytes = 2 * size}).size(), 10);
  EXPECT_EQ(table.tasks({}).size(), 1);
  EXPECT_EQ(table.tasks({.parallelism = 100}).size(), 5) << "of 16 MB at least, and a file counts 4";
  EXPECT_TRUE(table.tasks({})[0].parts[0].splits.empty()) << "pieces that follow one another are one again";
}

TEST(ScanTasks, OptionsComeFromTheTable) {
  TableMetadata table;
  EXPECT_EQ(task_options(table, {}).target_bytes, 134217728);
  EXPECT_EQ(task_options(table, {}).lookback, 10);
  EXPECT_EQ(task_options(table, {}).open_file_bytes, 4194304);
  table.properties = {{"read.split.target-size", "5"}, {"read.split.planning-lookback", "6"}};
  EXPECT_EQ(task_options(table, {}).target_bytes, 5);
  EXPECT_EQ(task_options(table, {{"read.split.target-size", "7"}}).target_bytes, 7);
  EXPECT_EQ(task_options(table, {}).lookback, 6);
  EXPECT_EQ(task_options(table, {}, 3).parallelism, 3);
  EXPECT_FALSE(task_options(table, {{"read.split.adaptive-size.enabled", "false"}}, 3).parallelism);
  for (const auto& [key, value] : Properties{{"read.split.target-size", "0"},
                                             {"read.split.planning-lookback", "0"},
                                             {"read.split.open-file-cost", "-1"},
                                             {"read.split.target-size", "many"}}) {
    EXPECT_THROW(task_options(table, {{key, value}}), InvalidArgument) << key;
  }
}

TEST(ScanTasks, SplitsOfOneFileInOneTaskHaveTheirDeletes) {
  Numbers table;
  const DataFile file = table.numbers(0, 300);
  table.append({file});
  Positions every_third;
  for (int64_t i = 0; i < 300; i += 3) every_third.add(i);
  table.append(
      {write_position_deletes(*table.io, table.path("pos.parquet"), {{file.file_path, every_third}}, 0, {}, {})},
      ManifestContent::kDeletes);
  ScanPlan planned = plan(table.metadata, {}, *table.io);
  ScanPlan::Part& part = planned.parts[0];
  const int64_t middle = file.split_offsets[5];
  part.entries = {0, 0};
  part.splits = {{middle, INT64_MAX}, {0, middle}};
  EXPECT_EQ(check(read(table.metadata, planned, {}, table.io)->ToTable(), "test")->num_rows(), 200);
  EXPECT_EQ(count(table.metadata, planned, {}, table.io), 200);
  check_tasks(table, {}, 1);
  check_tasks(table, {}, 400);
}

TEST(ScanTasks, CarryWhatTheScanAsksFor) {
  Numbers table;
  table.append({table.numbers(0, 100)});
  const ScanOptions options{.filter = parse_filter("ID >= 95"),
                            .select = {"Id", "_pos", "_partition"},
                            .case_sensitive = false,
                            .limit = 3,
                            .table_name = "ns.numbers"};
  const ScanPlan planned = plan(table.metadata, options, *table.io);
  const ScanTask task = scan_task_from_bytes(to_bytes(table.metadata, planned, options, {{"s3.region", "eu"}}));
  EXPECT_EQ(task.options.table_name, "ns.numbers");
  EXPECT_EQ(task.plan.snapshot_id, planned.snapshot_id);
  EXPECT_EQ(task.plan.projection.fields, planned.projection.fields);
  EXPECT_EQ(task.plan.filter, planned.filter);
  EXPECT_EQ(task.io, Properties({{"s3.region", "eu"}}));
  EXPECT_EQ(rows_of(task, table.io), 3);
}

TEST(ScanTasks, HaveNothingOfTheTablesHistoryAndProperties) {
  Numbers table;
  table.metadata.properties = {{"password", "geheim"}, {"schema.name-mapping.default", "[]"}};
  table.append({table.numbers(0, 10)});
  const std::string bytes = table.one_task();
  EXPECT_THAT(bytes, ::testing::Not(HasSubstr("geheim")));
  const ScanTask task = scan_task_from_bytes(bytes);
  EXPECT_THAT(task.table.properties, ElementsAre(std::pair("schema.name-mapping.default", "[]")));
  EXPECT_TRUE(task.table.snapshots.empty());
}

TEST(ScanTasks, RowIdsAndSequenceNumbersAreThoseOfTheTable) {
  Numbers table;
  table.metadata.format_version = 3;
  table.append({table.numbers(0, 10)});
  table.append({table.numbers(10, 100)});
  ScanOptions options{.select = {"_file", "_pos", "_row_id", "_last_updated_sequence_number"}};
  const auto expected = scan_test::by_position(table.scan(options));
  const auto found = scan_test::by_position(read_tasks(table, options, 1));
  EXPECT_TRUE(found->Equals(*expected)) << found->ToString() << expected->ToString();
}

TEST(ScanTasks, RowsOfChangesThatAreNotCommittedStayWhereTheyWerePlanned) {
  Numbers table;
  table.append({table.numbers(0, 10)});
  ScanPlan planned = plan(table.metadata, {}, *table.io);
  planned.parts[0].without = {std::make_shared<const Positions>(Positions{1})};
  EXPECT_THROW(to_bytes(table.metadata, planned, {}), NotSupported);
}

TEST(ScanTasks, FilesOfOtherFormatsAreWhole) {
  Numbers table;
  std::vector<DataFile> files;
  for (const FileFormat format : {FileFormat::kAvro, FileFormat::kOrc}) {
    const Schema& schema = *current_schema(table.metadata);
    const auto writer = data_file_writers(format, {}, schema).make(*table.io, table.path(to_string(format)), false);
    std::vector<Row> rows;
    for (int64_t i = 0; i < 1000; ++i) rows.push_back({{1, Value(i)}});
    writer->write(*scan_test::to_batch(rows, schema));
    files.push_back(writer->finish());
    files.back().split_offsets = {4, 100, 200};
  }
  table.append(files);
  EXPECT_EQ(table.tasks({.target_bytes = 1}).size(), 2);
  check_tasks(table, {}, 1);
}

TEST(ScanTasks, OfTablesOfVersion1) {
  Numbers table;
  table.metadata.format_version = 1;
  table.metadata.table_uuid = "";
  table.append({table.numbers(0, 100)});
  check_tasks(table, {}, 1);
}

// What an old snapshot's schema lacks may be what partitions are made of today.
TEST(ScanTasks, OfTheScansSnapshotInItsSchema) {
  Numbers table;
  const int64_t old = table.append({table.numbers(0, 10)}).snapshot_id;
  Schema wider = *current_schema(table.metadata);
  wider.schema_id = 1;
  wider.fields.push_back(field(2, "day", primitive(TypeKind::kDate)));
  table.metadata.schemas.push_back(std::make_shared<const Schema>(wider));
  table.metadata.current_schema_id = 1;
  table.metadata.last_column_id = 2;
  table.metadata.partition_specs.push_back(
      {.spec_id = 1, .fields = {{.source_ids = {2}, .field_id = 1000, .name = "day", .transform = {}}}});
  table.metadata.default_spec_id = 1;
  table.append({table.write({{{1, Value(int64_t{10})}, {2, Value(int32_t{5})}}})});
  const ScanOptions then{.select = {"*", "_partition", "_file", "_pos"}, .snapshot_id = old};
  EXPECT_TRUE(read_tasks(table, then, 1)->Equals(*table.scan(then)));
  check_tasks(table, {.select = {"*", "_partition"}, .snapshot_id = old}, 1);
  check_tasks(table, {.filter = parse_filter("day = '1970-01-06'")}, 1);
}

TEST(ScanTasks, LaterVersionsAreRefused) {
  Numbers table;
  table.append({table.numbers(0, 10)});
  std::string bytes = table.one_task();
  bytes[4] = 2;
  EXPECT_THROW(scan_task_from_bytes(bytes), NotSupported);
}

TEST(ScanTasks, BytesThatAreCutOrChangedAreAnErrorOrATask) {
  Numbers table;
  const DataFile file = table.numbers(0, 10);
  table.append({file});
  table.append(
      {write_position_deletes(*table.io, table.path("pos.parquet"), {{file.file_path, Positions{1}}}, 0, {}, {})},
      ManifestContent::kDeletes);
  const std::string bytes = table.one_task();
  ASSERT_EQ(rows_of(scan_task_from_bytes(bytes), table.io), 9);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THROW(scan_task_from_bytes(bytes.substr(0, n)), CorruptFile) << n;
  }
  EXPECT_THROW(scan_task_from_bytes(bytes + "x"), CorruptFile);
  random_data::Rng rng(7);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes;
    for (size_t k = 1 + random_data::below(rng, 3); k > 0; --k) {
      changed[random_data::below(rng, changed.size())] = static_cast<char>(random_data::below(rng, 256));
    }
    try {
      scan_task_from_bytes(changed);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace floe
