#include <arrow/util/thread_pool.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "floe/file/data_file_writer.h"
#include "floe/scan/test_table.h"

namespace floe {
namespace {

using random_data::Row;
using scan_test::field;
using scan_test::TestTable;
using ::testing::AllOf;
using ::testing::HasSubstr;

const auto kNansEqual = arrow::EqualOptions::Defaults().nans_equal(true);

Schema numbers() { return Schema{.fields = {field(1, "id", primitive(TypeKind::kLong))}}; }

std::vector<Row> sequence(int64_t begin, int64_t end) {
  std::vector<Row> rows;
  for (int64_t i = begin; i < end; ++i) rows.push_back({{1, Value(i)}});
  return rows;
}

// Ten files of a hundred rows in small row groups.
std::unique_ptr<TestTable> ten_files() {
  auto table = std::make_unique<TestTable>(numbers());
  std::vector<DataFile> files;
  for (int i = 0; i < 10; ++i) {
    files.push_back(table->write(sequence(100 * i, 100 * i + 100), {{"write.parquet.row-group-limit", "30"}}));
  }
  table->append(files);
  return table;
}

std::vector<int64_t> ids(const arrow::Table& table) {
  std::vector<int64_t> found;
  for (const auto& chunk : table.column(0)->chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < values.length(); ++i) found.push_back(values.Value(i));
  }
  return found;
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> values(end - begin);
  std::iota(values.begin(), values.end(), begin);
  return values;
}

TEST(Read, ComesInOrderHoweverLittleIsReadAhead) {
  const auto table = ten_files();
  for (const int64_t ahead : {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{64} << 20}) {
    for (const int64_t batch : {int64_t{1}, int64_t{7}, int64_t{100'000}}) {
      EXPECT_EQ(ids(*table->scan({.batch_rows = batch, .read_ahead_bytes = ahead})), range(0, 1000));
    }
  }
}

TEST(Read, UnorderedHasTheSameRows) {
  const auto table = ten_files();
  for (const int64_t ahead : {int64_t{0}, int64_t{64} << 20}) {
    std::vector<int64_t> found = ids(*table->scan({.batch_rows = 7, .read_ahead_bytes = ahead, .ordered = false}));
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, range(0, 1000));
  }
}

TEST(Read, LimitStopsEarly) {
  const auto table = ten_files();
  for (const int64_t limit : {0, 1, 29, 30, 31, 100, 250, 999, 1000, 5000}) {
    const auto counters = std::make_shared<ScanCounters>();
    EXPECT_EQ(ids(*table->scan({.limit = limit}, counters)), range(0, std::min<int64_t>(limit, 1000)));
    EXPECT_LE(counters->files_read, (limit + 99) / 100);
    EXPECT_EQ(counters->rows_out, std::min<int64_t>(limit, 1000));
    EXPECT_EQ(ids(*table->scan({.filter = parse_filter("id >= 500"), .limit = limit})),
              range(500, std::min<int64_t>(500 + limit, 1000)));
  }
}

TEST(Read, CountsWhatItReadsAndPrunes) {
  const auto table = ten_files();
  const auto counters = std::make_shared<ScanCounters>();
  EXPECT_EQ(table->scan({.filter = parse_filter("id >= 235 and id < 245")}, counters)->num_rows(), 10);
  EXPECT_EQ(counters->files_read, 1);
  EXPECT_EQ(counters->row_groups_read, 1);
  EXPECT_EQ(counters->row_groups_pruned, 3);
  EXPECT_GT(counters->bytes_read, 0);
}

TEST(Read, DroppingTheReaderStopsTheWork) {
  const auto table = ten_files();
  for (int taken = 0; taken < 5; ++taken) {
    for (int round = 0; round < 20; ++round) {
      ScanOptions options{.batch_rows = 5, .read_ahead_bytes = round % 2 == 0 ? 0 : 1 << 20};
      IoPtr io = make_io({});
      auto reader = read(table->metadata, plan(table->metadata, options, *io), options, io);
      io.reset();
      std::shared_ptr<arrow::RecordBatch> batch;
      for (int i = 0; i < taken; ++i) check(reader->ReadNext(&batch), "test");
      reader.reset();
    }
  }
}

TEST(Read, ReadsOnAfterTheTableIsGone) {
  auto table = ten_files();
  ScanOptions options{.batch_rows = 5, .read_ahead_bytes = 0};
  auto metadata = std::make_unique<TableMetadata>(table->metadata);
  auto reader = read(*metadata, plan(*metadata, options, *table->io), options, table->io);
  metadata.reset();
  EXPECT_EQ(ids(*check(reader->ToTable(), "test")), range(0, 1000));
}

TEST(Read, ErrorsSurfaceAfterTheRowsBeforeThem) {
  const auto table = ten_files();
  std::filesystem::remove(table->path("data-6.parquet"));
  ScanOptions options{.table_name = "db.t"};
  auto reader = read(table->metadata, plan(table->metadata, options, *table->io), options, table->io);
  std::shared_ptr<arrow::RecordBatch> batch;
  int64_t rows = 0;
  try {
    while (true) {
      check(reader->ReadNext(&batch), "read");
      ASSERT_TRUE(batch);
      rows += batch->num_rows();
    }
  } catch (const NotFound& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("db.t"), HasSubstr("1000"), HasSubstr("data-6.parquet")));
  }
  EXPECT_EQ(rows, 500);
}

TEST(Read, CorruptFileMidStreamIsNamed) {
  const auto table = ten_files();
  {
    std::fstream file(table->path("data-3.parquet"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4);
    file << std::string(300, '\x7f');
  }
  try {
    table->scan();
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr("data-3.parquet"));
  }
}

TEST(Read, StopTokenEndsIt) {
  const auto table = ten_files();
  arrow::StopSource stop;
  ScanOptions options{.batch_rows = 5, .read_ahead_bytes = 0, .stop = stop.token()};
  auto reader = read(table->metadata, plan(table->metadata, options, *table->io), options, table->io);
  std::shared_ptr<arrow::RecordBatch> batch;
  check(reader->ReadNext(&batch), "read");
  stop.RequestStop();
  EXPECT_THROW(
      while (true) {
        check(reader->ReadNext(&batch), "read");
        if (!batch) break;
      },
      Cancelled);
}

TEST(Read, FilesOfAnyFormatMakeUpATable) {
  TestTable table(numbers());
  std::vector<DataFile> files = {table.write(sequence(0, 10))};
  for (const FileFormat format : {FileFormat::kAvro, FileFormat::kOrc}) {
    const auto first = static_cast<int64_t>(files.size()) * 10;
    const auto writers = data_file_writers(format, {}, *current_schema(table.metadata));
    const auto writer = writers.make(*table.io, table.path(fmt::format("{}.data", first)), false);
    writer->write(*scan_test::to_batch(sequence(first, first + 10), *current_schema(table.metadata)));
    files.push_back(writer->finish());
  }
  table.append(files);
  EXPECT_EQ(ids(*table.scan()), range(0, 30));
  EXPECT_EQ(ids(*table.scan({.filter = parse_filter("id >= 5 and id < 25")})), range(5, 25));
}

TEST(Read, AFileOfAnotherFormatThanItsManifestSaysIsCorrupt) {
  TestTable table(numbers());
  DataFile file = table.write(sequence(0, 1));
  file.file_format = FileFormat::kOrc;
  table.append({file});
  try {
    table.scan();
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr(file.file_path));
  }
}

TEST(Read, WorksOnAPoolThreadThatIsTheOnlyOne) {
  const auto table = ten_files();
  auto* pool = arrow::internal::GetCpuThreadPool();
  const int capacity = pool->GetCapacity();
  check(pool->SetCapacity(1), "test");
  auto scanned = check(pool->Submit([&] { return table->scan({.read_ahead_bytes = 100}); }), "test");
  EXPECT_EQ(ids(**scanned.result()), range(0, 1000));
  check(pool->SetCapacity(capacity), "test");
}

TEST(Read, IdentityPartitionValuesOfColumnsThatFilesLack) {
  // Hive-style files: the partition's column is only in the metadata. Its type was promoted since.
  TestTable table(numbers());
  const DataFile without = table.write(sequence(0, 3));
  const auto with_part = [](TypeKind kind) {
    Schema schema = numbers();
    schema.fields.push_back(field(2, "part", primitive(kind)));
    return std::make_shared<const Schema>(schema);
  };
  table.metadata.schemas = {with_part(TypeKind::kInt)};
  table.metadata.partition_specs = {{.spec_id = 0, .fields = {{{2}, 1000, "part", {TransformKind::kIdentity}}}}};
  DataFile file = without;
  file.partition = {Value(int32_t{7})};
  DataFile null_file = without;
  null_file.partition = {Value()};
  table.append({file, null_file});
  table.metadata.schemas = {with_part(TypeKind::kLong)};
  const auto found = table.scan();
  EXPECT_EQ(found->num_rows(), 6);
  EXPECT_EQ(found->column(1)->GetScalar(0).ValueOrDie()->ToString(), "7");
  EXPECT_EQ(found->column(1)->null_count(), 3);
  EXPECT_EQ(table.scan({.filter = parse_filter("part = 7 and id > 0")})->num_rows(), 2);
  EXPECT_EQ(table.scan({.filter = parse_filter("part is null")})->num_rows(), 3);
}

TEST(Count, FromMetadataWhereFilesMatchWhollyElseFromRows) {
  const auto table = ten_files();
  const auto counted = [&](const std::string& filter, std::optional<int64_t> limit = {}) {
    ScanOptions options{.filter = parse_filter(filter), .limit = limit};
    return count(table->metadata, plan(table->metadata, options, *table->io), options, table->io);
  };
  EXPECT_EQ(counted("id >= 235"), 765);
  EXPECT_EQ(counted("id >= 235 and id < 245"), 10);
  EXPECT_EQ(counted("id is null"), 0);
  EXPECT_EQ(counted("true", 17), 17);
  EXPECT_EQ(counted("id >= 235", 100), 100);
  EXPECT_EQ(counted("id >= 235 and id < 245", 3), 3);

  // Only one file has to be read for this: the others need not even be there.
  for (const int i : {1, 2, 4, 5, 6, 7, 8, 9, 10})
    std::filesystem::remove(table->path(fmt::format("data-{}.parquet", i)));
  EXPECT_EQ(counted("id >= 235"), 765);
  EXPECT_EQ(counted("true"), 1000);
}

// Whatever the partitioning and however little metadata tells: the rows that match, and no others.
TEST(Scan, RandomTablesAndFilters) {
  random_data::Rng rng(1913);
  const Schema schema = random_data::all_types();
  const auto columns = random_data::leaves(schema);
  const std::vector<PartitionSpec> specs = {
      {},
      {.fields = {{{2}, 1000, "int", {TransformKind::kIdentity}}}},
      {.fields = {{{3}, 1000, "bucket", {TransformKind::kBucket, 3}},
                  {{14}, 1001, "trunc", {TransformKind::kTruncate, 1}}}},
      {.fields = {{{8}, 1000, "month", {TransformKind::kMonth}}, {{10}, 1001, "hour", {TransformKind::kHour}}}},
      {.fields = {{{6}, 1000, "decimal", {TransformKind::kBucket, 5}},
                  {{1}, 1001, "flag", {TransformKind::kIdentity}}}},
      {.fields = {{{20}, 1000, "nested", {TransformKind::kTruncate, 2}}, {{4}, 1001, "void", {TransformKind::kVoid}}}}};
  for (const PartitionSpec& spec : specs) {
    TestTable table(schema, spec);
    std::vector<Row> rows;
    for (int i = 0; i < 2; ++i) {
      std::vector<DataFile> files;
      for (int k = 0; k < 4; ++k) {
        // Rows of one partition: copies of one row, but for the columns that nobody partitions by.
        std::vector<Row> members;
        const Row model = random_data::random_row(rng, schema);
        for (int r = 0; r < 8; ++r) {
          Row member = random_data::random_row(rng, schema);
          for (const PartitionField& part : spec.fields) {
            for (size_t c = 0; c < member.size(); ++c) {
              if (member[c].first == part.source_id()) member[c] = model[c];
            }
          }
          members.push_back(std::move(member));
        }
        files.push_back(table.write(members, {{"write.parquet.row-group-limit", "3"}}));
        rows.insert(rows.end(), members.begin(), members.end());
      }
      table.append(files);
    }
    for (int i = 0; i < 40; ++i) {
      const Expression filter = random_data::random_filter(rng, schema, columns);
      const BoundExpression bound = bind(filter, schema);
      std::vector<Row> expected;
      for (const Row& row : rows) {
        if (matches(bound, random_data::values_of(row))) expected.push_back(row);
      }
      const auto expected_table =
          check(arrow::Table::FromRecordBatches({scan_test::to_batch(expected, schema)}), "test");
      const ScanOptions options{.filter = filter, .batch_rows = 3};
      const auto found = table.scan(options);
      ASSERT_TRUE(found->Equals(*expected_table, kNansEqual)) << to_string(filter) << "\n"
                                                              << found->ToString() << "\ninstead of\n"
                                                              << expected_table->ToString();
      EXPECT_EQ(count(table.metadata, plan(table.metadata, options, *table.io), options, table.io),
                static_cast<int64_t>(expected.size()))
          << to_string(filter);
    }
  }
}

}  // namespace
}  // namespace floe
