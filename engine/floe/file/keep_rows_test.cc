#include "floe/file/keep_rows.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <gtest/gtest.h>

#include "floe/arrow_status.h"
#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/test_files.h"

namespace floe {
namespace {

const auto kNansEqual = arrow::EqualOptions::Defaults().nans_equal(true);

// Of every type, with few and with many unwanted rows, from any place of the column and of the selection.
TEST(KeepRowsTest, AgreesWithArrowsFilter) {
  random_data::Rng rng(99);
  Schema schema = random_data::all_types();
  schema.fields.push_back(test_field(30, "list", list_type(31, primitive(TypeKind::kInt), false)));
  for (int round = 0; round < 30; ++round) {
    std::vector<std::vector<Value>> rows;
    for (int i = 0; i < 300; ++i) {
      const random_data::Row from = random_data::random_row(rng, schema, round % 3 == 0 ? 1'000'000 : 6);
      std::vector<Value>& row = rows.emplace_back();
      for (const Field& field : schema.fields) {
        row.push_back(field.type.is_nested() ? Value() : random_data::values_of(from)(field.id));
      }
    }
    const auto batch = batch_of(schema, rows);
    RowSelection selection;
    const size_t one_in = 1 + random_data::below(rng, 120);
    for (int i = 0; i < 400; ++i) selection.append(!random_data::chance(rng, one_in), 1);
    const auto offset = static_cast<int64_t>(random_data::below(rng, 50));
    const auto begin = static_cast<int64_t>(random_data::below(rng, 100));
    for (const auto& column : batch->columns()) {
      const auto part = column->Slice(offset, 250);
      const auto kept = check(keep_rows(part, selection, begin), "test");
      const auto expected = check(arrow::compute::Filter(part, selection.slice(begin, 250)), "test").make_array();
      check(kept->ValidateFull(), "test");
      EXPECT_TRUE(kept->Equals(*expected, kNansEqual)) << column->type()->ToString();
      EXPECT_EQ(kept->null_count(), expected->null_count());
    }
  }
}

}  // namespace
}  // namespace floe
