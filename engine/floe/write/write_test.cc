#include "floe/write/write.h"

#include <arrow/api.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/statistics.h>
#include <sys/resource.h>

#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "floe/arrow_status.h"
#include "floe/file/data_file_reader.h"
#include "floe/file/data_file_writer.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// Batches made one at a time by a function, which may throw.
class MadeBatches : public arrow::RecordBatchReader {
 public:
  MadeBatches(int batches, std::function<std::shared_ptr<arrow::RecordBatch>(int)> make)
      : batches_(batches), make_(std::move(make)), schema_(make_(0)->schema()) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      *out = next_ < batches_ ? make_(next_++) : nullptr;
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  const int batches_;
  const std::function<std::shared_ptr<arrow::RecordBatch>(int)> make_;
  const std::shared_ptr<arrow::Schema> schema_;
  int next_ = 0;
};

// Rows (id, key): ids count up from `first_id`, keys are what `key_of` says.
std::shared_ptr<arrow::RecordBatch> rows(int64_t first_id, int64_t n, const std::function<int32_t(int64_t)>& key_of) {
  arrow::Int64Builder ids;
  arrow::Int32Builder keys;
  for (int64_t id = first_id; id < first_id + n; ++id) {
    check(ids.Append(id), "append");
    const int32_t key = key_of(id);
    check(key < 0 ? keys.AppendNull() : keys.Append(key), "append");
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("key", arrow::int32())}), n,
      {*ids.Finish(), *keys.Finish()});
}

class Write : public testing::Test {
 protected:
  Write() : folder_(fs::temp_directory_path() / ("floe-write-" + new_uuid())), io_(make_io({})) {
    fs::create_directories(folder_);
  }
  ~Write() override { fs::remove_all(folder_); }

  TableMetadata table(const std::string& transform = "", Properties properties = {}, SortOrder order = {}) {
    PartitionSpec spec;
    if (!transform.empty()) {
      spec.fields = {{.source_ids = {2},
                      .field_id = 1000,
                      .name = transform == "identity" ? "key" : "key_part",
                      .transform = parse_transform(transform)}};
    }
    return new_table_metadata({.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                                                     {.id = 2, .name = "key", .type = primitive(TypeKind::kInt)}}},
                               .spec = spec,
                               .sort_order = std::move(order),
                               .location = folder_ / "t",
                               .properties = std::move(properties)});
  }

  std::vector<std::string> files_on_disk() {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    return files;
  }

  // The ids in a file, and a check that what is said of it is so.
  std::vector<int64_t> read_ids(const TableMetadata& metadata, const DataFile& file) {
    EXPECT_EQ(static_cast<int64_t>(fs::file_size(file.file_path)), file.file_size_in_bytes);
    auto reader = read_data_file(*io_, file, {.projection = *current_schema(metadata)}, {}, "");
    std::vector<int64_t> ids;
    for (const auto& batch : *reader) {
      const auto& array = static_cast<const arrow::Int64Array&>(*(*batch)->column(0));
      ids.insert(ids.end(), array.raw_values(), array.raw_values() + array.length());
    }
    EXPECT_EQ(static_cast<int64_t>(ids.size()), file.record_count);
    return ids;
  }

  fs::path folder_;
  IoPtr io_;
};

TEST_F(Write, UnpartitionedRowsMakeOneFileInOrder) {
  const TableMetadata metadata = table();
  MadeBatches batches(3, [](int i) { return rows(i * 10, 10, [](int64_t) { return 1; }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 1);
  EXPECT_TRUE(files[0].file_path.starts_with((folder_ / "t/data/00000-0-").string())) << files[0].file_path;
  EXPECT_TRUE(files[0].file_path.ends_with("-00001.parquet"));
  EXPECT_TRUE(files[0].partition.empty());
  std::vector<int64_t> expected(30);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(read_ids(metadata, files[0]), expected);
  EXPECT_THAT(files_on_disk(), ElementsAre(files[0].file_path));
}

// Rows that are written anew stay who they are, by reserved field ids and not by names.
TEST_F(Write, RowsKeepTheirLineageWhereTheyHaveOne) {
  const auto with_lineage = [](int) {
    const auto plain = rows(0, 2, [](int64_t) { return 1; });
    arrow::Int64Builder ids, numbers;
    check(ids.AppendValues({7, 0}, {true, false}), "append");
    check(numbers.AppendValues({3, 0}, {true, false}), "append");
    auto batch = *plain->AddColumn(2, "_row_id", *ids.Finish());
    return *batch->AddColumn(3, "_last_updated_sequence_number", *numbers.Finish());
  };
  const TableMetadata metadata = table("", {{"format-version", "3"}});
  MadeBatches batches(1, with_lineage);
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t", .row_lineage = true});
  ASSERT_EQ(files.size(), 1);
  EXPECT_EQ(read_ids(metadata, files[0]).size(), 2);
  const auto parquet = parquet::ParquetFileReader::OpenFile(files[0].file_path);
  const auto* schema = parquet->metadata()->schema();
  ASSERT_EQ(schema->num_columns(), 4);
  EXPECT_EQ(schema->Column(2)->schema_node()->field_id(), kRowIdId);
  EXPECT_EQ(schema->Column(3)->schema_node()->field_id(), kLastUpdatedSequenceNumberId);
  EXPECT_EQ(parquet->metadata()->RowGroup(0)->ColumnChunk(2)->statistics()->null_count(), 1);

  MadeBatches again(1, with_lineage);
  EXPECT_THROW(write_data_files(metadata, again, *io_, {.table_name = "db.t"}), InvalidArgument);
}

TEST_F(Write, EachPartitionGetsItsRowsInOneFile) {
  const TableMetadata metadata = table("identity");
  MadeBatches batches(
      4, [](int i) { return rows(i * 1000, 1000, [](int64_t id) { return static_cast<int32_t>(id % 7) - 1; }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 7);
  std::set<int64_t> seen;
  for (const DataFile& file : files) {
    ASSERT_EQ(file.partition.size(), 1);
    const Value& key = file.partition[0];
    const std::string folder =
        fmt::format("/t/data/key={}/", key.is_null() ? "null" : std::to_string(key.as<int32_t>()));
    EXPECT_THAT(file.file_path, HasSubstr(folder));
    const std::vector<int64_t> ids = read_ids(metadata, file);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    for (const int64_t id : ids) {
      EXPECT_EQ(id % 7 - 1, key.is_null() ? -1 : key.as<int32_t>());
      EXPECT_TRUE(seen.insert(id).second);
    }
  }
  EXPECT_EQ(seen.size(), 4000);
}

TEST_F(Write, APartitionWithALongValueHasAShortPath) {
  const TableMetadata metadata =
      new_table_metadata({.schema = {.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kString)},
                                                {.id = 2, .name = "b", .type = primitive(TypeKind::kString)}}},
                          .spec = {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "a"},
                                              {.source_ids = {2}, .field_id = 1001, .name = "b"}}},
                          .location = folder_ / "t"});
  MadeBatches batches(1, [](int) {
    arrow::StringBuilder a, b;
    check(a.Append(std::string(198, 'x') + "\xC3\xA9"), "append");
    check(b.Append(std::string(70'000, 'y')), "append");
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())}),
                                    1, {*a.Finish(), *b.Finish()});
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 1);
  EXPECT_EQ(files[0].partition[1].as<std::string>().size(), 70'000);
  EXPECT_THAT(files[0].file_path, HasSubstr("/data/a=" + std::string(198, 'x') + "/b=" + std::string(198, 'y') + "/0"));
}

TEST_F(Write, PartitionsThatComeOneAfterTheOtherDoToo) {
  const TableMetadata metadata = table("identity");
  MadeBatches batches(
      6, [](int i) { return rows(i * 100, 100, [](int64_t id) { return static_cast<int32_t>(id / 150); }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 4);
  for (const DataFile& file : files) EXPECT_EQ(read_ids(metadata, file).size(), 150);
}

TEST_F(Write, FilesRollAtTheTargetSize) {
  const TableMetadata metadata = table("", {{"write.target-file-size-bytes", "100000"}});
  MadeBatches batches(20, [](int i) {
    return rows(i * 10'000, 10'000, [](int64_t id) { return static_cast<int32_t>(id * 2654435761 % 1'000'000'007); });
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_GT(files.size(), 3);
  std::vector<int64_t> all;
  std::set<std::string> names;
  for (const DataFile& file : files) {
    EXPECT_LT(file.file_size_in_bytes, 400'000);
    EXPECT_TRUE(names.insert(file.file_path).second);
    const auto ids = read_ids(metadata, file);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  std::vector<int64_t> expected(200'000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST_F(Write, AHugeBatchIsTakenInPieces) {
  const TableMetadata metadata = table("bucket[3]", {{"write.target-file-size-bytes", "100000"}});
  MadeBatches batches(1, [](int) { return rows(0, 600'000, [](int64_t id) { return static_cast<int32_t>(id); }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  EXPECT_GT(files.size(), 6);  // some of the three partitions' files rolled
  int64_t total = 0;
  for (const DataFile& file : files) total += static_cast<int64_t>(read_ids(metadata, file).size());
  EXPECT_EQ(total, 600'000);
}

TEST_F(Write, AStreamWithoutRowsMakesNoFiles) {
  MadeBatches batches(2, [](int) { return rows(0, 0, [](int64_t) { return 0; }); });
  EXPECT_TRUE(write_data_files(table("identity"), batches, *io_, {.table_name = "db.t"}).empty());
  EXPECT_TRUE(files_on_disk().empty());
}

// Ten partitions have open files; the rows of all others wait, first in memory, then in a temporary file.
TEST_F(Write, PartitionsBeyondTheOpenWritersGetOneFileEach) {
  for (const int64_t memory : {int64_t{128} << 20, int64_t{100'000}}) {
    const TableMetadata metadata = table("identity");
    MadeBatches batches(5, [](int i) {
      return rows(i * 20'000, 20'000, [](int64_t id) { return static_cast<int32_t>(id * 7 % 1'000); });
    });
    const auto files =
        write_data_files(metadata, batches, *io_,
                         {.table_name = "db.t", .max_open_writers = 10, .sort_memory = memory, .sort_folder = folder_});
    ASSERT_EQ(files.size(), 1'000);
    int64_t total = 0;
    for (const DataFile& file : files) {
      const std::vector<int64_t> ids = read_ids(metadata, file);
      EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end())) << "rows stay in the order of the stream";
      for (const int64_t id : ids) EXPECT_EQ(id * 7 % 1'000, file.partition[0].as<int32_t>());
      total += static_cast<int64_t>(ids.size());
      EXPECT_FALSE(file.sort_order_id.has_value());
    }
    EXPECT_EQ(total, 100'000);
    EXPECT_EQ(files_on_disk().size(), 1'000) << "and nothing else";
    fs::remove_all(folder_ / "t");
  }
}

TEST_F(Write, TenThousandPartitionsAreWritten) {
  // Where syncing costs nothing, if there is such a place.
  const fs::path folder =
      fs::path(fs::exists("/dev/shm") ? "/dev/shm" : folder_.string()) / ("floe-write-" + new_uuid());
  const TableMetadata metadata = table("identity", {{"write.data.path", folder}});
  MadeBatches batches(
      3, [](int i) { return rows(i * 10'000, 10'000, [](int64_t id) { return static_cast<int32_t>(id % 10'000); }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t", .sort_memory = 300'000});
  EXPECT_EQ(files.size(), 10'000);
  for (const DataFile& file : files) EXPECT_EQ(file.record_count, 3);
  fs::remove_all(folder);
}

// What is said of the size while a file is written is near enough to what it has in the end.
TEST_F(Write, FilesComeNearTheirTargetSize) {
  const int64_t target = 4 << 20;
  const TableMetadata metadata =
      table("", {{"write.target-file-size-bytes", std::to_string(target)}, {"write.parquet.page-size-bytes", "65536"}});
  MadeBatches batches(3, [](int i) {
    return rows(i * 1'000'000, 1'000'000,
                [](int64_t id) { return static_cast<int32_t>(id * 2654435761 % 1'000'000'007); });
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_GT(files.size(), 2);
  for (size_t i = 0; i + 1 < files.size(); ++i) {
    EXPECT_GT(files[i].file_size_in_bytes, target * 85 / 100);
    EXPECT_LT(files[i].file_size_in_bytes, target * 115 / 100);
  }
}

TEST_F(Write, AFolderForTemporaryFilesThatIsNotThereIsNamed) {
  MadeBatches batches(1, [](int) { return rows(0, 1'000, [](int64_t id) { return static_cast<int32_t>(id); }); });
  try {
    write_data_files(
        table("identity"), batches, *io_,
        {.table_name = "db.t", .max_open_writers = 5, .sort_memory = 1, .sort_folder = folder_ / "no_such"});
    FAIL();
  } catch (const IoError& e) {
    EXPECT_THAT(e.what(), HasSubstr("no_such"));
    EXPECT_THAT(e.what(), HasSubstr("TMPDIR"));
  }
  EXPECT_TRUE(files_on_disk().empty());
}

TEST_F(Write, NoRoomForRowsPutAsideLeavesNothing) {
  MadeBatches batches(20, [](int i) {
    return rows(i * 10'000, 10'000,
                [](int64_t id) { return static_cast<int32_t>(id * 2654435761 % 1'000'000'007 % 50); });
  });
  const TableMetadata metadata = table("identity", {{"write.target-file-size-bytes", "1"}});
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 200'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  try {
    write_data_files(metadata, batches, *io_,
                     {.table_name = "db.t", .max_open_writers = 5, .sort_memory = 100'000, .sort_folder = folder_});
    ADD_FAILURE() << "there was room";
  } catch (const IoError& e) {
    EXPECT_THAT(e.what(), HasSubstr(folder_.string()));
    EXPECT_THAT(e.what(), HasSubstr("temporary file"));
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(files_on_disk().empty());
}

TEST_F(Write, StoppingWhileRowsArePutAsideLeavesNothing) {
  arrow::StopSource stop;
  MadeBatches batches(100, [&](int i) {
    if (i == 5) stop.RequestStop();
    EXPECT_LT(i, 7) << "went on after the request";
    return rows(i * 1'000, 1'000, [](int64_t id) { return static_cast<int32_t>(id % 100); });
  });
  EXPECT_THROW(write_data_files(table("identity"), batches, *io_,
                                {.table_name = "db.t",
                                 .max_open_writers = 3,
                                 .sort_memory = 1'000,
                                 .sort_folder = folder_,
                                 .stop = stop.token()}),
               Cancelled);
  EXPECT_TRUE(files_on_disk().empty());
}

// key descending with nulls last, then id.
SortOrder by_key_and_id() {
  return {.order_id = 1,
          .fields = {{.source_ids = {2}, .ascending = false, .nulls_first = false}, {.source_ids = {1}}}};
}

TEST_F(Write, RowsAreSortedByTheTablesSortOrder) {
  for (const int64_t memory : {int64_t{128} << 20, int64_t{200'000}}) {
    const TableMetadata metadata = table("", {}, by_key_and_id());
    MadeBatches batches(10, [](int i) {
      return rows((9 - i) * 10'000, 10'000, [](int64_t id) { return static_cast<int32_t>(id * 31 % 7) - 1; });
    });
    const auto files = write_data_files(metadata, batches, *io_,
                                        {.table_name = "db.t", .sort_memory = memory, .sort_folder = folder_});
    ASSERT_EQ(files.size(), 1);
    EXPECT_EQ(files[0].sort_order_id, 1);
    std::vector<int64_t> expected(100'000);
    std::iota(expected.begin(), expected.end(), 0);
    std::stable_sort(expected.begin(), expected.end(), [](int64_t a, int64_t b) { return a * 31 % 7 > b * 31 % 7; });
    EXPECT_EQ(read_ids(metadata, files[0]), expected);
    EXPECT_EQ(files_on_disk().size(), 1);
    fs::remove_all(folder_ / "t");
  }
}

TEST_F(Write, PartitionsAreSortedEachAndFilesOfOneFollowEachOther) {
  const TableMetadata metadata = table("bucket[3]", {{"write.target-file-size-bytes", "100000"}}, by_key_and_id());
  MadeBatches batches(10, [](int i) {
    return rows(i * 30'000, 30'000, [](int64_t id) { return static_cast<int32_t>(id * 2654435761 % 1'000'000'007); });
  });
  const auto files =
      write_data_files(metadata, batches, *io_, {.table_name = "db.t", .sort_memory = 2 << 20, .sort_folder = folder_});
  EXPECT_GT(files.size(), 6);
  std::map<int32_t, std::vector<int64_t>> ids;
  for (const DataFile& file : files) {
    const auto more = read_ids(metadata, file);
    auto& all = ids[file.partition[0].as<int32_t>()];
    all.insert(all.end(), more.begin(), more.end());
  }
  size_t total = 0;
  for (const auto& [bucket, all] : ids) {
    total += all.size();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](int64_t a, int64_t b) {
      return a * 2654435761 % 1'000'000'007 > b * 2654435761 % 1'000'000'007;
    }));
  }
  EXPECT_EQ(total, 300'000);
}

TEST_F(Write, ASortOrderThatIsNotKnownIsRefused) {
  SortOrder order = by_key_and_id();
  TableMetadata metadata = table("", {}, order);
  metadata.sort_orders.back().fields[0].transform = parse_transform("zorder[3]");
  MadeBatches batches(1, [](int) { return rows(0, 1, [](int64_t) { return 1; }); });
  try {
    write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
    FAIL();
  } catch (const NotSupported& e) {
    EXPECT_THAT(e.what(), HasSubstr("zorder"));
    EXPECT_THAT(e.what(), HasSubstr("sort order 1"));
  }
}

TEST_F(Write, AFailingStreamLeavesNothing) {
  MadeBatches batches(9, [](int i) {
    if (i == 5) throw IoError("the source broke");
    return rows(i * 100, 100, [](int64_t id) { return static_cast<int32_t>(id % 3); });
  });
  EXPECT_THROW(write_data_files(table("identity", {{"write.target-file-size-bytes", "1"}}), batches, *io_,
                                {.table_name = "db.t"}),
               IoError);
  EXPECT_TRUE(files_on_disk().empty());
}

TEST_F(Write, AStoreWithoutRoomLeavesNothing) {
  const TableMetadata metadata = table("", {{"write.data.path", "/proc/no/such/place"}});
  MadeBatches batches(2, [](int i) { return rows(i, 100, [](int64_t) { return 1; }); });
  EXPECT_THROW(write_data_files(metadata, batches, *io_, {.table_name = "db.t"}), Error);
}

TEST_F(Write, StoppingLeavesNothing) {
  arrow::StopSource stop;
  MadeBatches batches(100, [&](int i) {
    if (i == 5) stop.RequestStop();
    EXPECT_LT(i, 7) << "went on after the request";
    return rows(i * 100, 100, [](int64_t id) { return static_cast<int32_t>(id % 3); });
  });
  EXPECT_THROW(write_data_files(table("identity"), batches, *io_, {.table_name = "db.t", .stop = stop.token()}),
               Cancelled);
  EXPECT_TRUE(files_on_disk().empty());
}

TEST_F(Write, RowsThatDoNotFitLeaveNothing) {
  MadeBatches batches(2, [](int) {
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::utf8())}), 0,
                                    {*arrow::MakeEmptyArray(arrow::utf8())});
  });
  try {
    write_data_files(table(), batches, *io_, {.table_name = "db.t"});
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("db.t"));
  }
  EXPECT_TRUE(files_on_disk().empty());
}

TEST_F(Write, FilesAreOfTheFormatThatThePropertyOrTheCallAsksFor) {
  const std::vector<std::tuple<std::string, std::optional<FileFormat>, FileFormat>> cases = {
      {"avro", std::nullopt, FileFormat::kAvro},
      {"ORC", std::nullopt, FileFormat::kOrc},
      {"orc", FileFormat::kAvro, FileFormat::kAvro},
      {"avro", FileFormat::kParquet, FileFormat::kParquet}};
  for (const auto& [property, asked, expected] : cases) {
    const TableMetadata metadata = table("bucket[3]", {{"write.format.default", property}}, by_key_and_id());
    MadeBatches batches(3, [](int i) {
      return rows(i * 1'000, 1'000, [](int64_t id) { return static_cast<int32_t>(id * 31 % 7) - 1; });
    });
    const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t", .format = asked});
    EXPECT_GE(files.size(), 3);
    int64_t total = 0;
    for (const DataFile& file : files) {
      EXPECT_EQ(file.file_format, expected);
      EXPECT_TRUE(file.file_path.ends_with(fmt::format(".{}", file_extension(expected)))) << file.file_path;
      EXPECT_EQ(file.sort_order_id, 1);
      total += static_cast<int64_t>(read_ids(metadata, file).size());
    }
    EXPECT_EQ(total, 3'000);
  }
}

// An open ORC file holds a stripe that cannot be written early, so few are open.
TEST_F(Write, ManyPartitionsInOrc) {
  const TableMetadata metadata = table("identity", {{"write.format.default", "orc"}});
  MadeBatches batches(
      2, [](int i) { return rows(i * 5'000, 5'000, [](int64_t id) { return static_cast<int32_t>(id % 50); }); });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 50);
  for (const DataFile& file : files) EXPECT_EQ(read_ids(metadata, file).size(), 200);
}

TEST_F(Write, RefusesByNameWhatItDoesNotDo) {
  for (const auto& [key, value] : Properties{{"write.format.default", "csv"},
                                             {"write.location-provider.impl", "com.example.Locations"},
                                             {"write.py-location-provider.impl", "my.Locations"},
                                             {"encryption.key-id", "k"}}) {
    MadeBatches batches(1, [](int) { return rows(0, 1, [](int64_t) { return 1; }); });
    try {
      write_data_files(table("", {{key, value}}), batches, *io_, {.table_name = "db.t"});
      FAIL() << key;
    } catch (const NotSupported& e) {
      EXPECT_THAT(e.what(), HasSubstr(key));
      EXPECT_THAT(e.what(), HasSubstr("db.t"));
    }
  }
  MadeBatches batches(1, [](int) { return rows(0, 1, [](int64_t) { return 1; }); });
  EXPECT_EQ(write_data_files(table("", {{"write.format.default", "PARQUET"}}), batches, *io_, {}).size(), 1);
  EXPECT_THROW(write_data_files(table(), batches, *io_, {.max_open_writers = 0}), InvalidArgument);
}

// Row groups end early, and nothing else changes.
TEST_F(Write, ManyOpenFilesShareTheirMemory) {
  const TableMetadata metadata = table("bucket[20]");
  MadeBatches batches(10, [](int i) {
    return rows(i * 100'000, 100'000, [](int64_t id) { return static_cast<int32_t>(id * 2654435761 % 1'000'000'007); });
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t", .row_group_memory = 1 << 20});
  ASSERT_EQ(files.size(), 20);
  int64_t total = 0;
  bool early = false;
  for (const DataFile& file : files) {
    total += static_cast<int64_t>(read_ids(metadata, file).size());
    early |= file.split_offsets.size() > 1;
  }
  EXPECT_EQ(total, 1'000'000);
  EXPECT_TRUE(early);
}

// Pieces that were put together first, then others, because the rows of one fall into few partitions.
TEST_F(Write, RowsOfManyPartitionsStayInTheirOrder) {
  const TableMetadata metadata = table("identity");
  MadeBatches batches(90, [](int i) {
    const int32_t partitions = i / 30 == 1 ? 2 : 150;
    return rows(i * 10'000, 10'000, [&](int64_t id) { return static_cast<int32_t>(id % partitions); });
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 150);
  int64_t total = 0;
  for (const DataFile& file : files) {
    const std::vector<int64_t> ids = read_ids(metadata, file);
    EXPECT_TRUE(std::ranges::is_sorted(ids)) << file.file_path;
    total += static_cast<int64_t>(ids.size());
  }
  EXPECT_EQ(total, 900'000);
}

// A partition that gets a row of each batch must not keep all the batches.
TEST_F(Write, ARarePartitionDoesNotKeepBatchesInMemory) {
  const TableMetadata metadata = table("identity");
  int64_t most = 0;
  const int64_t before = arrow::default_memory_pool()->bytes_allocated();
  MadeBatches batches(60, [&](int i) {
    most = std::max(most, arrow::default_memory_pool()->bytes_allocated() - before);
    return rows(i * 100'000, 100'000, [](int64_t id) { return id % 100'000 == 500 ? 1 : 0; });
  });
  const auto files = write_data_files(metadata, batches, *io_, {.table_name = "db.t"});
  ASSERT_EQ(files.size(), 2);
  EXPECT_LT(most, 30 << 20) << "60 batches take 72 MB";
}

}  // namespace
}  // namespace floe
