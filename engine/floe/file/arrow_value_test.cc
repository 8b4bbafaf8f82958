#include "floe/file/arrow_value.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"

namespace floe {
namespace {

TEST(ArrowValue, EveryPrimitiveValueComesBackFromASlice) {
  random_data::Rng random(11);
  const Schema schema = random_data::all_types();
  for (const Field* field : random_data::leaves(schema)) {
    std::vector<Value> values{Value()};
    for (int i = 0; i < 50; ++i) values.push_back(random_data::random_value(random, field->type));
    values.emplace_back();
    const auto column = to_array(values, field->type, to_arrow_type(field->type))->Slice(1);
    for (int64_t i = 0; i < column->length(); ++i) {
      EXPECT_EQ(value_at(*column, i, field->type), values[i + 1]) << to_string(field->type) << ", row " << i;
    }
  }
}

}  // namespace
}  // namespace floe
