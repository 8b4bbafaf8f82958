#include <gtest/gtest.h>

#include "floe/write/write.h"

namespace floe {
namespace {

TableMetadata table_with(Properties properties) {
  TableMetadata table;
  table.location = "s3://bucket/warehouse/db/events";
  table.properties = std::move(properties);
  return table;
}

TEST(DataLocation, IsBelowTheTableByDefault) {
  EXPECT_EQ(data_location(table_with({}), "", "f.parquet"), "s3://bucket/warehouse/db/events/data/f.parquet");
  EXPECT_EQ(data_location(table_with({}), "day=2013-01-01/carrier=UA", "f.parquet"),
            "s3://bucket/warehouse/db/events/data/day=2013-01-01/carrier=UA/f.parquet");
}

TEST(Trap25, WriteDataPathWinsOverTheOlderPropertiesAndLosesItsTrailingSlash) {
  EXPECT_EQ(data_location(table_with({{"write.data.path", "s3://other/data/"},
                                      {"write.folder-storage.path", "s3://folder"},
                                      {"write.object-storage.path", "s3://object"}}),
                          "", "f"),
            "s3://other/data/f");
  EXPECT_EQ(data_location(table_with({{"write.folder-storage.path", "s3://folder/"}}), "", "f"), "s3://folder/f");
  // Without the object store's layout its path means nothing.
  EXPECT_EQ(data_location(table_with({{"write.object-storage.path", "s3://object"}}), "", "f"),
            "s3://bucket/warehouse/db/events/data/f");
}

TEST(DataLocation, RelativePathsStartAtTheTable) {
  EXPECT_EQ(data_location(table_with({{"write.data.path", "files/"}}), "", "f"),
            "s3://bucket/warehouse/db/events/files/f");
}

// Hashes as other implementations give them for these names.
TEST(Trap25, ObjectStoreLayoutHashesTheNameIntoFoldersOf4448Bits) {
  const auto table = table_with({{"write.object-storage.enabled", "true"}});
  const std::string data = "s3://bucket/warehouse/db/events/data/";
  EXPECT_EQ(data_location(table, "", "a"), data + "0101/0110/1001/10110010/a");
  EXPECT_EQ(data_location(table, "", "b"), data + "1110/0111/1110/00000011/b");
  EXPECT_EQ(data_location(table, "", "c"), data + "0010/1101/0110/01011111/c");
  EXPECT_EQ(data_location(table, "", "d"), data + "1001/0001/0100/01110011/d");
}

TEST(Trap25, ObjectStoreLayoutHashesThePartitionPathToo) {
  EXPECT_EQ(data_location(table_with({{"write.object-storage.enabled", "true"}}), "string_field=example_string",
                          "test.parquet"),
            "s3://bucket/warehouse/db/events/data/0001/0010/1001/00000011/string_field=example_string/test.parquet");
}

TEST(Trap25, WithoutPartitionedPathsADashJoinsHashAndName) {
  const auto table =
      table_with({{"write.object-storage.enabled", "true"}, {"write.object-storage.partitioned-paths", "false"}});
  const std::string expected = "s3://bucket/warehouse/db/events/data/0110/1010/0011/11101000-test.parquet";
  EXPECT_EQ(data_location(table, "string_field=example_string", "test.parquet"), expected);
  EXPECT_EQ(data_location(table, "", "test.parquet"), expected);
}

TEST(Trap25, OutsideTheTableTheLayoutNamesDatabaseAndTable) {
  EXPECT_EQ(
      data_location(table_with({{"write.object-storage.enabled", "true"}, {"write.object-storage.path", "s3://o/p/"}}),
                    "", "a"),
      "s3://o/p/0101/0110/1001/10110010/db/events/a");
}

}  // namespace
}  // namespace floe
