#include "floe/transaction/row_difference.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "floe/arrow_status.h"
#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

using testing::ElementsAre;

std::vector<uint8_t> differences(const arrow::Array& a, const arrow::Array& b) {
  std::vector<uint8_t> differs(a.length());
  mark_differences(a, b, differs);
  return differs;
}

TEST(RowDifference, AgreesWithValuesOfEveryType) {
  random_data::Rng random(3);
  const Schema schema = random_data::all_types();
  for (const Field* field : random_data::leaves(schema)) {
    std::vector<Value> left{Value(), Value()}, right{Value(), random_data::random_value(random, field->type)};
    for (int i = 0; i < 200; ++i) {
      left.push_back(random_data::random_value(random, field->type));
      right.push_back(random_data::chance(random, 2) ? left.back() : random_data::random_value(random, field->type));
    }
    const auto type = to_arrow_type(field->type);
    const auto found =
        differences(*to_array(left, field->type, type)->Slice(1), *to_array(right, field->type, type)->Slice(1));
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i], !(left[i + 1] == right[i + 1])) << to_string(field->type) << ", row " << i;
    }
  }
}

TEST(RowDifference, LooksIntoNestedColumns) {
  const Type text = primitive(TypeKind::kString);
  const Type real = primitive(TypeKind::kDouble);
  const Type row = struct_type(
      {Field{.id = 1, .name = "a", .type = text}, Field{.id = 2, .name = "b", .type = list_type(3, real, false)}});
  using Row = std::vector<Value>;
  const Value nan_list = Row{std::nan(""), Value()};
  const std::vector<Value> left = {Row{std::string("x"), nan_list}, Row{Value(), nan_list}, Value(), Value(),
                                   Row{Value(), Row{}}};
  const std::vector<Value> right = {Row{std::string("x"), nan_list}, Row{Value(), Row{1.0, Value()}}, Value(),
                                    Row{Value(), Value()}, Row{Value(), Value()}};
  const auto type = to_arrow_type(row);
  EXPECT_THAT(differences(*to_array(left, row, type), *to_array(right, row, type)), ElementsAre(0, 1, 0, 1, 1));
}

}  // namespace
}  // namespace floe
