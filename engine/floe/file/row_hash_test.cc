#include "floe/file/row_hash.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "floe/arrow_status.h"
#include "floe/error.h"

namespace floe {
namespace {

std::shared_ptr<arrow::Array> of(const std::shared_ptr<arrow::DataType>& type, std::string_view json) {
  return check(arrow::json::ArrayFromJSONString(type, json), "test");
}

size_t different(const std::vector<RowHash>& hashes) { return std::set(hashes.begin(), hashes.end()).size(); }

TEST(RowHash, TellsNullsEmptyAndNestedValuesApart) {
  for (const auto& [type, json, n] : std::vector<std::tuple<std::shared_ptr<arrow::DataType>, const char*, size_t>>{
           {arrow::utf8(), R"([null, "", "a", "b", "a", null])", 4},
           {arrow::boolean(), "[null, false, true, true]", 3},
           {arrow::int32(), "[null, 0, 1, -1, 0]", 4},
           {arrow::float64(), "[null, 0.0, -0.0, 1.5]", 4},
           {arrow::fixed_size_binary(2), R"([null, "ab", "ba"])", 3},
           {arrow::decimal128(38, 2), R"([null, "0.00", "-1.28"])", 3},
           {arrow::list(arrow::int64()), "[null, [], [null], [1, 2], [2, 1], [1], [1, 2]]", 6},
           {arrow::map(arrow::utf8(), arrow::int64()), R"([null, [], [["a", 1]], [["a", null]], [["b", 1]]])", 5},
           {arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}),
            R"([null, {"a": null, "b": null}, {"a": 1, "b": "x"}, {"a": 1, "b": null}, {"a": 1, "b": "x"}])", 4},
           {arrow::null(), "[null, null]", 1}}) {
    const auto array = of(type, json);
    EXPECT_EQ(different(row_hashes({array}, array->length())), n) << type->ToString();
  }
}

TEST(RowHash, IsThatOfTheRowWhereverItStandsInAnArray) {
  const auto lists = of(arrow::list(arrow::utf8()), R"([["a"], null, ["b", "c"], [], ["b", "c"]])");
  const auto structs =
      of(arrow::struct_({arrow::field("x", arrow::int32())}), R"([{"x":1}, {"x":2}, null, {"x":2}, null])");
  const auto all = row_hashes({lists, structs}, 5);
  const auto some = row_hashes({lists->Slice(2, 2), structs->Slice(2, 2)}, 2);
  EXPECT_THAT(some, testing::ElementsAre(all[2], all[3]));
  EXPECT_EQ(all[2], all[4]);
}

TEST(RowHash, KeepsWhatIsBesideANullOfAStructOutOfIt) {
  const auto members = of(arrow::int64(), "[1, 2]");
  const auto bits = arrow::Buffer::FromString(std::string(1, '\0'));
  const auto nulls = std::make_shared<arrow::StructArray>(arrow::struct_({arrow::field("x", arrow::int64())}), 2,
                                                          arrow::ArrayVector{members}, bits);
  EXPECT_EQ(different(row_hashes({nulls}, 2)), 1u);
}

TEST(RowHash, RefusesTypesThatTablesDoNotHave) {
  EXPECT_THROW(row_hashes({of(arrow::int8(), "[1]")}, 1), NotSupported);
}

}  // namespace
}  // namespace floe
