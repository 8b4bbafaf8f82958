#include "floe/file/position_delete.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "floe/file/test_files.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;

class PositionDeleteTest : public FileTest {};

std::string long_path(const std::string& name) { return "s3://bucket/" + std::string(200, 'x') + "/" + name; }

template <typename T>
T bound(const ByFieldId<T>& bounds, int32_t id) {
  for (const auto& [field, value] : bounds) {
    if (field == id) return value;
  }
  return T();
}

TEST_F(PositionDeleteTest, WhatIsWrittenIsRead) {
  std::mt19937_64 random(5);
  PositionDeletes deletes;
  for (int f = 0; f < 30; ++f) {
    Positions& positions = deletes[long_path(std::to_string(f))];
    for (uint64_t n = random() % 20'000; n > 0; --n) positions.add(static_cast<int64_t>(random() % 1'000'000));
  }
  deletes[long_path("large")].add((int64_t{1} << 40) + 5);
  deletes[long_path("none")];
  const std::vector<Value> partition = {Value(int32_t{3})};
  const DataFile file = write_position_deletes(*io_, new_path(), deletes, 2, partition, {});
  EXPECT_EQ(file.content, FileContent::kPositionDeletes);
  EXPECT_EQ(file.spec_id, 2);
  EXPECT_EQ(file.partition, partition);
  EXPECT_EQ(file.file_size_in_bytes, static_cast<int64_t>(bytes_of(file.file_path).size()));
  EXPECT_FALSE(file.referenced_data_file);
  std::erase_if(deletes, [](const auto& each) { return each.second.empty(); });
  const PositionDeletes all = read_position_deletes(*io_, file);
  EXPECT_EQ(all, deletes);
  int64_t rows = 0;
  for (const auto& [path, positions] : all) rows += positions.count();
  EXPECT_EQ(file.record_count, rows);

  const PositionDeletes two =
      read_position_deletes(*io_, file, {long_path("large"), long_path("3"), long_path("3"), "?"});
  EXPECT_THAT(two, ElementsAre(Key(long_path("3")), Key(long_path("large"))));
  EXPECT_EQ(two.at(long_path("3")), deletes.at(long_path("3")));
  EXPECT_TRUE(read_position_deletes(*io_, file, {"elsewhere"}).empty());
}

// Cut bounds would make deletes of one file look like those of many.
TEST_F(PositionDeleteTest, Trap16BoundsAreWholePaths) {
  const std::string path = long_path("a");
  const Properties properties = {{"write.metadata.metrics.default", "none"},
                                 {"write.metadata.metrics.column.file_path", "truncate(4)"}};
  const DataFile one = write_position_deletes(*io_, new_path(), {{path, {1, 7}}}, 0, {}, properties);
  EXPECT_EQ(one.referenced_data_file, path);
  EXPECT_EQ(bound(one.lower_bounds, kDeleteFilePathId), path);
  EXPECT_EQ(bound(one.upper_bounds, kDeleteFilePathId), path);
  const DataFile two =
      write_position_deletes(*io_, new_path(), {{path, {1}}, {long_path("b"), {1}}, {long_path("c"), {}}}, 0, {}, {});
  EXPECT_FALSE(two.referenced_data_file);
  EXPECT_EQ(bound(two.lower_bounds, kDeleteFilePathId), path);
  EXPECT_EQ(bound(two.upper_bounds, kDeleteFilePathId), long_path("b"));
}

TEST_F(PositionDeleteTest, OnlyRowGroupsOfWantedFilesAreRead) {
  PositionDeletes deletes;
  for (int f = 0; f < 10; ++f) {
    std::mt19937_64 random(f);
    Positions& positions = deletes[long_path(std::to_string(f))];
    while (positions.count() < 10'000) positions.add(static_cast<int64_t>(random() >> 20));
  }
  const DataFile file = write_position_deletes(
      *io_, new_path(), deletes, 0, {},
      {{"write.delete.parquet.row-group-limit", "10000"}, {"write.parquet.row-group-limit", "1000000"}});
  const auto bytes_read = [&](const std::vector<std::string>& wanted) {
    const int64_t before = io_->counters().bytes_read;
    read_position_deletes(*io_, file, wanted);
    return io_->counters().bytes_read - before;
  };
  EXPECT_LT(bytes_read({long_path("4")}) * 3, bytes_read({}));
}

// By other engines: more columns, any order of rows, without field ids.
TEST_F(PositionDeleteTest, FilesOfOtherWritersAreRead) {
  std::vector<Field> fields = position_delete_fields();
  fields.push_back({.id = kDeleteRowId,
                    .name = "row",
                    .required = true,
                    .type = struct_type({test_field(1, "id", primitive(TypeKind::kLong))})});
  const auto row = [](const char* path, int64_t pos) {
    return std::vector<Value>{Value(std::string(path)), Value(pos), std::vector<Value>{Value(int64_t{1})}};
  };
  const DataFile file = write({.fields = fields}, {row("b", 3), row("a", 9), row("b", 1), row("a", 9)});
  EXPECT_EQ(read_position_deletes(*io_, file), (PositionDeletes{{"a", {9}}, {"b", {1, 3}}}));
}

TEST_F(PositionDeleteTest, NoPositionsAreRefused) {
  const DataFile file = write({.fields = position_delete_fields()}, {{Value(std::string("a")), Value(int64_t{-1})}});
  try {
    read_position_deletes(*io_, file);
    FAIL();
  } catch (const CorruptFile& e) {
    EXPECT_THAT(e.what(), HasSubstr(file.file_path));
    EXPECT_THAT(e.what(), HasSubstr("-1"));
  }
  EXPECT_THROW(write_position_deletes(*io_, new_path(), {{"a", {}}}, 0, {}, {}), InvalidArgument);
  EXPECT_THROW(write_position_deletes(*io_, new_path(), {}, 0, {}, {}), InvalidArgument);
  std::vector<Field> optional = position_delete_fields();
  optional[0].required = false;
  EXPECT_THROW(read_position_deletes(*io_, write({.fields = optional}, {{Value(), Value(int64_t{1})}})), CorruptFile);
  DataFile avro = file;
  avro.file_format = FileFormat::kAvro;
  EXPECT_THROW(read_position_deletes(*io_, avro), CorruptFile);
}

TEST_F(PositionDeleteTest, DamagedFilesAreRefused) {
  const DataFile file = write_position_deletes(*io_, new_path(), {{"a", {1, 2, 3}}}, 0, {}, {});
  const std::string good = bytes_of(file.file_path);
  for (size_t n = 0; n < good.size(); n += 37) {
    DataFile cut = file;
    cut.file_path = new_path();
    cut.file_size_in_bytes = static_cast<int64_t>(n);
    std::ofstream(cut.file_path, std::ios::binary) << good.substr(0, n);
    EXPECT_THROW(read_position_deletes(*io_, cut), Error) << n;
  }
}

}  // namespace
}  // namespace floe
