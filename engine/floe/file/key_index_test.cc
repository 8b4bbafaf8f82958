#include "floe/file/key_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::shared_ptr<arrow::Array> column(const Type& type, const std::vector<Value>& values) {
  return to_array(values, type, to_arrow_type(type));
}

std::vector<int64_t> find(const KeyIndex& index, const arrow::ArrayVector& columns) {
  std::vector<int64_t> rows;
  index.find(columns, rows);
  return rows;
}

const Type kLong = primitive(TypeKind::kLong);
const Type kString = primitive(TypeKind::kString);
const Type kDouble = primitive(TypeKind::kDouble);

TEST(KeyIndex, FindsTheFirstRowOfAKeyAndShowsDuplicates) {
  KeyIndex index({kLong});
  index.add({column(kLong, {int64_t{7}, int64_t{8}, int64_t{7}})});
  index.add({column(kLong, {int64_t{8}, int64_t{9}})});
  EXPECT_THAT(find(index, {column(kLong, {int64_t{9}, int64_t{7}, int64_t{10}, int64_t{8}})}),
              ElementsAre(4, 0, -1, 1));
  EXPECT_THAT(index.duplicates(), ElementsAre(Pair(0, 2), Pair(1, 3)));
  EXPECT_EQ(index.rows(), 5);
  EXPECT_EQ(index.keys(), 3);
}

TEST(KeyIndex, NullIsAValueOrMatchesNothing) {
  const auto rows = column(kLong, {Value(), int64_t{0}});
  KeyIndex equal({kLong}, {.nulls_equal = true});
  equal.add({rows});
  EXPECT_THAT(find(equal, {rows}), ElementsAre(0, 1));
  KeyIndex sql({kLong}, {.nulls_equal = false});
  sql.add({rows});
  EXPECT_THAT(find(sql, {rows}), ElementsAre(-1, 1));
  EXPECT_EQ(sql.keys(), 1);
}

TEST(KeyIndex, NullsAreDuplicatesOnlyWhereTheyAreValues) {
  for (const Type& type : {kLong, kString, primitive(TypeKind::kInt)}) {
    const auto rows = column(type, {Value(), Value()});
    KeyIndex equal({type}, {.nulls_equal = true});
    equal.add({rows});
    EXPECT_THAT(equal.duplicates(), ElementsAre(Pair(0, 1)));
    EXPECT_EQ(equal.keys(), 1);
    EXPECT_THAT(find(equal, {rows}), ElementsAre(0, 0));
    KeyIndex sql({type}, {.nulls_equal = false});
    sql.add({rows});
    EXPECT_TRUE(sql.duplicates().empty());
    EXPECT_EQ(sql.keys(), 0);
  }
}

TEST(KeyIndex, HashesAreThoseOfTheKey) {
  for (const std::vector<Type>& types : {std::vector{kDouble}, std::vector{kDouble, kLong}}) {
    KeyIndex index(types, {.nulls_equal = false, .zeros_equal = true});
    arrow::ArrayVector columns{column(kDouble, {0.0, -0.0, std::nan("1"), -std::nan("2"), 1.0})};
    if (types.size() == 2) columns.push_back(column(kLong, std::vector<Value>(5, int64_t{7})));
    std::vector<uint64_t> hashes;
    index.hash(columns, hashes);
    ASSERT_EQ(hashes.size(), 5);
    EXPECT_EQ(hashes[0], hashes[1]);
    EXPECT_EQ(hashes[2], hashes[3]);
    EXPECT_NE(hashes[0], hashes[2]);
    EXPECT_NE(hashes[0], hashes[4]);
  }
}

TEST(KeyIndex, ColumnsDoNotRunIntoEachOther) {
  KeyIndex index({kString, kString});
  index.add({column(kString, {std::string("ab"), std::string("a")}), column(kString, {std::string("c"), Value()})});
  EXPECT_THAT(find(index, {column(kString, {std::string("a"), std::string("ab"), std::string("a"), std::string("a")}),
                           column(kString, {std::string("bc"), std::string("c"), Value(), std::string("")})}),
              ElementsAre(-1, 0, 1, -1));
}

TEST(KeyIndex, NanEqualsNanAndZerosAsAsked) {
  const auto rows = column(kDouble, {std::nan("1"), 0.0});
  const auto wanted = column(kDouble, {-std::nan("2"), -0.0});
  KeyIndex exact({kDouble});
  exact.add({rows});
  EXPECT_THAT(find(exact, {wanted}), ElementsAre(0, -1));
  KeyIndex same({kDouble}, {.zeros_equal = true});
  same.add({rows});
  EXPECT_THAT(find(same, {wanted}), ElementsAre(0, 1));
}

TEST(KeyIndex, SlicedColumnsKeepTheirOffset) {
  KeyIndex index({kString});
  index.add({column(kString, {std::string("x"), std::string("y"), Value(), std::string("z")})->Slice(1)});
  EXPECT_THAT(find(index, {column(kString, {std::string("x"), std::string("z"), Value()})->Slice(1)}),
              ElementsAre(2, 1));
}

TEST(KeyIndex, EveryTypeOfKeyIsFoundAgain) {
  const std::vector<std::pair<Type, std::vector<Value>>> columns = {
      {primitive(TypeKind::kBoolean), {true, false}},
      {primitive(TypeKind::kInt), {int32_t{-1}, int32_t{1}}},
      {primitive(TypeKind::kDate), {int32_t{-1}, int32_t{1}}},
      {kLong, {int64_t{-1}, int64_t{1}}},
      {primitive(TypeKind::kTime), {int64_t{0}, int64_t{1}}},
      {primitive(TypeKind::kTimestamp), {int64_t{-1}, int64_t{1}}},
      {primitive(TypeKind::kTimestampTzNs), {int64_t{-1}, int64_t{1}}},
      {primitive(TypeKind::kFloat), {-1.5F, 1.5F}},
      {kDouble, {-1.5, 1.5}},
      {decimal_type(38, 2), {Int128{-150}, Int128{150}}},
      {kString, {std::string("a"), std::string("b")}},
      {primitive(TypeKind::kUuid), {std::string(16, 'a'), std::string(16, 'b')}},
      {fixed_type(3), {std::string("abc"), std::string("abd")}},
      {primitive(TypeKind::kBinary), {std::string("\0a", 2), std::string("\0b", 2)}},
  };
  for (const auto& [type, values] : columns) {
    KeyIndex index({type});
    index.add({column(type, {values[0], Value(), values[1]})});
    EXPECT_THAT(find(index, {column(type, {values[1], values[0], Value()})}), ElementsAre(2, 0, 1)) << to_string(type);
  }
  EXPECT_THROW(KeyIndex({geometry_type()}), NotSupported);
}

TEST(KeyIndex, AgreesWithAMapOnRandomKeysOfTwoColumns) {
  std::mt19937_64 random(7);
  std::map<std::pair<std::optional<int64_t>, std::string>, int64_t> model;
  KeyIndex index({kLong, kString});
  int64_t row = 0;
  auto batch = [&](std::vector<std::pair<std::optional<int64_t>, std::string>>& keys) {
    std::vector<Value> numbers, texts;
    for (size_t i = 0; i < 1000; ++i) {
      std::optional<int64_t> number;
      if (random() % 50 != 0) number = static_cast<int64_t>(random() % 300);
      keys.emplace_back(number, std::string(random() % 4, 'x'));
      numbers.emplace_back();
      if (number) numbers.back() = *number;
      texts.emplace_back(keys.back().second);
    }
    return arrow::ArrayVector{column(kLong, numbers), column(kString, texts)};
  };
  for (int i = 0; i < 5; ++i) {
    std::vector<std::pair<std::optional<int64_t>, std::string>> keys;
    index.add(batch(keys));
    for (const auto& key : keys) model.emplace(key, row++);
  }
  EXPECT_EQ(index.keys(), static_cast<int64_t>(model.size()));
  std::vector<std::pair<std::optional<int64_t>, std::string>> keys;
  const std::vector<int64_t> found = find(index, batch(keys));
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto expected = model.find(keys[i]);
    EXPECT_EQ(found[i], expected == model.end() ? -1 : expected->second);
  }
}

}  // namespace
}  // namespace floe
