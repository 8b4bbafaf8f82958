#include "floe/transaction/written_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TableMetadata table(int format_version = 2) {
  return new_table_metadata(
      {.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                             {.id = 2, .name = "carrier", .type = primitive(TypeKind::kString)}}},
       .spec = {.fields = {{.source_ids = {2}, .field_id = 1000, .name = "carrier", .transform = {}}}},
       .location = "/warehouse/t",
       .properties = {{"format-version", std::to_string(format_version)}}});
}

DataFile file(const std::string& name, Value carrier) {
  DataFile data;
  data.file_path = "/warehouse/t/data/" + name;
  data.record_count = 7;
  data.file_size_in_bytes = 700;
  data.partition = {std::move(carrier)};
  data.value_counts = {{1, 7}};
  data.lower_bounds = {{1, std::string(8, '\0')}};
  data.split_offsets = {4};
  return data;
}

class WrittenFiles : public testing::TestWithParam<int> {};

TEST_P(WrittenFiles, ArriveAsTheyWere) {
  const TableMetadata there = table(GetParam());
  const std::vector<DataFile> files = {file("a", std::string("UA")), file("b", Value())};
  const auto back = written_files_from_bytes(there, written_files_to_bytes(there, files));
  ASSERT_EQ(back.size(), 2u);
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(back[i].file_path, files[i].file_path);
    EXPECT_EQ(back[i].record_count, 7);
    EXPECT_EQ(back[i].file_size_in_bytes, 700);
    EXPECT_EQ(back[i].partition, files[i].partition);
    EXPECT_EQ(back[i].value_counts, files[i].value_counts);
    EXPECT_EQ(back[i].lower_bounds, files[i].lower_bounds);
    EXPECT_EQ(back[i].split_offsets, files[i].split_offsets);
  }
}
INSTANTIATE_TEST_SUITE_P(FormatVersions, WrittenFiles, testing::Values(1, 2, 3));

TEST(WrittenFiles, OfAnotherTableAreRefused) {
  const std::string bytes = written_files_to_bytes(table(), {file("a", Value())});
  EXPECT_THAT([&] { written_files_from_bytes(table(), bytes); },
              ThrowsMessage<InvalidArgument>(HasSubstr("those of another table")));
}

TEST(WrittenFiles, CutOrChangedAnywhereAreNoCrash) {
  const TableMetadata there = table();
  const std::string bytes = written_files_to_bytes(there, {file("a", std::string("UA"))});
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_THROW(written_files_from_bytes(there, bytes.substr(0, i)), CorruptFile) << i;
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    try {
      written_files_from_bytes(there, changed);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace floe
