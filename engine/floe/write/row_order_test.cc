#include "floe/write/row_order.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

std::shared_ptr<arrow::RecordBatch> batch_of(const Schema& schema, const std::vector<std::vector<Value>>& columns) {
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < columns.size(); ++i) {
    arrays.push_back(to_array(columns[i], schema.fields[i].type, to_arrow_type(schema.fields[i].type)));
  }
  return arrow::RecordBatch::Make(to_arrow_schema(schema), static_cast<int64_t>(columns[0].size()), arrays);
}

// The rows in order, as positions in the batch.
std::vector<int> sorted(const Schema& schema, const SortOrder& order, const arrow::RecordBatch& batch) {
  RowKeys keys;
  RowOrder(order, schema).append_keys(batch, keys);
  std::vector<int> rows(keys.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return keys[a] < keys[b]; });
  return rows;
}

std::vector<int> ascending(size_t n) {
  std::vector<int> rows(n);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

// `values` are in ascending order.
void expect_order(const Type& type, std::vector<Value> values, const std::string& transform = "identity") {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = type}}};
  for (const bool up : {true, false}) {
    for (const bool nulls_first : {true, false}) {
      std::vector<Value> all = values;
      if (!up) std::reverse(all.begin(), all.end());
      all.insert(nulls_first ? all.begin() : all.end(), Value());
      const SortOrder order{.order_id = 1,
                            .fields = {{.source_ids = {1},
                                        .transform = parse_transform(transform),
                                        .ascending = up,
                                        .nulls_first = nulls_first}}};
      EXPECT_EQ(sorted(schema, order, *batch_of(schema, {all})), ascending(all.size()))
          << to_string(type) << " " << transform << (up ? " asc" : " desc") << (nulls_first ? " first" : " last");
      // From any order.
      std::vector<Value> turned(all.rbegin(), all.rend());
      std::vector<int> expected = ascending(all.size());
      std::reverse(expected.begin(), expected.end());
      EXPECT_EQ(sorted(schema, order, *batch_of(schema, {turned})), expected) << to_string(type) << " " << transform;
    }
  }
}

TEST(RowOrder, EveryTypeIsOrderedAsItsValuesAre) {
  expect_order(primitive(TypeKind::kBoolean), {false, true});
  expect_order(primitive(TypeKind::kInt), {INT32_MIN, -1, 0, 1, 256, INT32_MAX});
  expect_order(primitive(TypeKind::kLong), {INT64_MIN, int64_t{-256}, int64_t{-1}, int64_t{0}, INT64_MAX});
  expect_order(primitive(TypeKind::kDate), {-1, 0, 19'000});
  expect_order(primitive(TypeKind::kTime), {int64_t{0}, int64_t{86'399'999'999}});
  expect_order(primitive(TypeKind::kTimestampTz), {int64_t{-1}, int64_t{0}, int64_t{1}});
  expect_order(primitive(TypeKind::kTimestampNs), {INT64_MIN, int64_t{0}, INT64_MAX});
  expect_order(decimal_type(38, 3), {Int128{-1} << 100, Int128{-1}, Int128{0}, Int128{1}, Int128{1} << 100});
  expect_order(fixed_type(2), {std::string("\x00\x00", 2), std::string("\x00\x01", 2), std::string("\xFF\x00", 2)});
}

TEST(RowOrder, StringsAreOrderedByTheirBytes) {
  const std::vector<Value> texts = {
      std::string(),    std::string("\0", 1),    std::string("\0\0", 2),         std::string("\0a", 2),
      std::string("a"), std::string("a\0", 2),   std::string("a\0b", 3),         std::string("aa"),
      std::string("b"), std::string("\xC3\xA9"), std::string("\xF0\x9F\x98\x80")};
  expect_order(primitive(TypeKind::kString), texts);
  expect_order(primitive(TypeKind::kBinary),
               {std::string(), std::string("\x7F"), std::string("\x80"), std::string("\xFF"),
                std::string("\xFF\x00", 2), std::string("\xFF\xFF")});
}

TEST(Trap05, FloatsAreInTheirTotalOrder) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  expect_order(primitive(TypeKind::kFloat),
               {std::copysign(nan, -1.0F), -inf, -1.5F, -0.0F, 0.0F, 1e-40F, 1.5F, inf, nan});
  const double dinf = std::numeric_limits<double>::infinity(), dnan = std::numeric_limits<double>::quiet_NaN();
  expect_order(primitive(TypeKind::kDouble),
               {std::copysign(dnan, -1.0), -dinf, -1.5, -0.0, 0.0, 1e-310, 1.5, dinf, dnan});
}

TEST(RowOrder, TransformsOrderByWhatTheyGive) {
  expect_order(primitive(TypeKind::kInt), {INT32_MIN, -11, -1, 9, 10}, "truncate[10]");
  expect_order(primitive(TypeKind::kTimestamp),
               {int64_t{-86'400'000'001}, int64_t{-1}, int64_t{0}, int64_t{86'400'000'000}}, "day");
  expect_order(primitive(TypeKind::kDate), {-400, -1, 0, 366}, "year");
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(TypeKind::kString)}}};
  const SortOrder prefix{.order_id = 1, .fields = {{.source_ids = {1}, .transform = parse_transform("truncate[2]")}}};
  const auto batch = batch_of(schema, {{std::string("abz"), std::string("aba"), std::string("aaz")}});
  EXPECT_EQ(sorted(schema, prefix, *batch), (std::vector{2, 0, 1})) << "equal prefixes stay as they came";
  const SortOrder nothing{.order_id = 1, .fields = {{.source_ids = {1}, .transform = parse_transform("void")}}};
  EXPECT_EQ(sorted(schema, nothing, *batch), ascending(3));
  const SortOrder buckets{.order_id = 1, .fields = {{.source_ids = {1}, .transform = parse_transform("bucket[4]")}}};
  const auto order = sorted(schema, buckets, *batch);
  std::vector<int32_t> numbers;
  for (const int row : order) {
    const auto text = std::static_pointer_cast<arrow::StringArray>(batch->column(0))->GetString(row);
    numbers.push_back(apply(parse_transform("bucket[4]"), schema.fields[0].type, Value(text)).as<int32_t>());
  }
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST(RowOrder, LaterColumnsDecideAmongEquals) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kString)},
                                 {.id = 2, .name = "b", .type = primitive(TypeKind::kInt)}}};
  const SortOrder order{.order_id = 1,
                        .fields = {{.source_ids = {1}, .ascending = false}, {.source_ids = {2}, .ascending = true}}};
  const auto batch = batch_of(schema, {{std::string("a"), std::string("ab"), std::string("a"), Value()}, {2, 1, 1, 0}});
  EXPECT_EQ(sorted(schema, order, *batch), (std::vector{3, 1, 2, 0}));
}

TEST(RowOrder, NestedColumnsAreNullWhereTheirStructIs) {
  const Schema schema{
      .fields = {
          {.id = 1, .name = "s", .type = struct_type({{.id = 2, .name = "x", .type = primitive(TypeKind::kInt)}})}}};
  using Row = std::vector<Value>;
  const auto batch = batch_of(schema, {{Row{Value(5)}, Value(), Row{Value(3)}}});
  const SortOrder order{.order_id = 1, .fields = {{.source_ids = {2}, .nulls_first = false}}};
  EXPECT_EQ(sorted(schema, order, *batch), (std::vector{2, 0, 1}));
}

TEST(RowOrder, RefusesAMissingColumn) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kInt)}}};
  EXPECT_THROW(RowOrder({.order_id = 1, .fields = {{.source_ids = {9}}}}, schema), InvalidArgument);
}

// --- curves ---

std::vector<int> z_sorted(const Schema& schema, const std::vector<ZOrderColumn>& columns,
                          const arrow::RecordBatch& batch, Curve curve = Curve::kZOrder) {
  RowKeys keys;
  RowOrder(columns, schema, curve).append_keys(batch, keys);
  std::vector<int> rows(keys.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return keys[a] < keys[b]; });
  return rows;
}

TEST(ZOrder, OneColumnIsOrderedAsItsValuesAre) {
  const auto expect = [](const Type& type, std::vector<Value> values) {
    const Schema schema{.fields = {{.id = 1, .name = "c", .type = type}}};
    for (const bool bounds : {false, true}) {
      ZOrderColumn column{.field_id = 1};
      if (bounds) {
        column.lower = values.front();
        column.upper = values.back();
      }
      std::vector<Value> all{Value()};
      all.insert(all.end(), values.begin(), values.end());
      for (const Curve curve : {Curve::kZOrder, Curve::kHilbert}) {
        EXPECT_EQ(z_sorted(schema, {column}, *batch_of(schema, {all}), curve), ascending(all.size()))
            << to_string(type) << (bounds ? " with bounds" : "") << (curve == Curve::kHilbert ? " Hilbert" : "");
      }
    }
  };
  expect(primitive(TypeKind::kBoolean), {false, true});
  expect(primitive(TypeKind::kInt), {INT32_MIN, -1, 0, 1, 256, INT32_MAX});
  expect(primitive(TypeKind::kLong), {INT64_MIN, int64_t{-256}, int64_t{-1}, int64_t{0}, int64_t{7}, INT64_MAX});
  expect(primitive(TypeKind::kLong), {int64_t{1'000'000}, int64_t{1'000'001}, int64_t{1'000'007}});
  expect(primitive(TypeKind::kFloat), {-INFINITY, -1.5F, -0.0F, 0.0F, 1e-30F, 2.0F, INFINITY});
  expect(primitive(TypeKind::kDouble), {-1e300, -2.0, -0.0, 0.0, 1e-300, 0.5, 1e300});
  expect(decimal_type(9, 2), {Int128{-500}, Int128{-1}, Int128{0}, Int128{1}, Int128{500}});
  expect(primitive(TypeKind::kString),
         {std::string("a"), std::string("a\x01"), std::string("ab"), std::string("b"), std::string("\xC3\xA9")});
}

TEST(ZOrder, StringsAreTakenFromWhereTheyDiffer) {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(TypeKind::kString)}}};
  const std::string begin = "https://example.org/";
  const auto batch = batch_of(schema, {{begin + "b", begin + "a", begin + "c"}});
  EXPECT_EQ(z_sorted(schema, {{.field_id = 1, .lower = Value(begin + "a"), .upper = Value(begin + "c")}}, *batch),
            (std::vector<int>{1, 0, 2}));
}

// Of a square, each quarter comes as a whole, whatever the values' sizes.
TEST(ZOrder, NeighboursInAllColumnsAreNeighbours) {
  const Schema schema{.fields = {{.id = 1, .name = "x", .type = primitive(TypeKind::kInt)},
                                 {.id = 2, .name = "y", .type = primitive(TypeKind::kTimestamp)}}};
  constexpr int64_t kStep = 1'000'000'007, kBegin = 1'700'000'000'000'000;
  std::vector<Value> x, y;
  for (int32_t i = 0; i < 16; ++i) {
    for (int64_t k = 0; k < 16; ++k) {
      x.emplace_back(i);
      y.emplace_back(kBegin + k * kStep);
    }
  }
  const std::vector<int> rows = z_sorted(schema,
                                         {{.field_id = 1, .lower = Value(0), .upper = Value(15)},
                                          {.field_id = 2, .lower = Value(kBegin), .upper = Value(kBegin + 15 * kStep)}},
                                         *batch_of(schema, {x, y}));
  for (size_t quarter = 0; quarter < 4; ++quarter) {
    int least = 15, most = 0;
    for (size_t i = quarter * 64; i < (quarter + 1) * 64; ++i) {
      least = std::min(least, rows[i] / 16);
      most = std::max(most, rows[i] / 16);
    }
    EXPECT_LE(most - least, 7) << quarter;
  }
}

// The cells of a cube, and what comes next to each.
TEST(HilbertOrder, GoesFromEachCellToANeighbour) {
  for (const auto& [columns, side] : std::vector<std::pair<size_t, int>>{{2, 32}, {3, 8}, {4, 4}, {5, 2}}) {
    SCOPED_TRACE(columns);
    Schema schema;
    std::vector<ZOrderColumn> order;
    for (size_t c = 0; c < columns; ++c) {
      const auto id = static_cast<int32_t>(c + 1);
      schema.fields.push_back({.id = id, .name = "c" + std::to_string(id), .type = primitive(TypeKind::kInt)});
      order.push_back({.field_id = id, .lower = Value(100 * side), .upper = Value(101 * side - 1)});
    }
    std::vector<std::vector<Value>> values(columns);
    size_t cells = 1;
    for (size_t c = 0; c < columns; ++c) cells *= static_cast<size_t>(side);
    for (size_t cell = 0; cell < cells; ++cell) {
      auto rest = static_cast<int32_t>(cell);
      for (size_t c = 0; c < columns; ++c, rest /= side) values[c].emplace_back(100 * side + rest % side);
    }
    const std::vector<int> rows = z_sorted(schema, order, *batch_of(schema, values), Curve::kHilbert);
    ASSERT_EQ(rows.size(), cells);
    for (size_t i = 1; i < cells; ++i) {
      int apart = 0;
      for (size_t c = 0; c < columns; ++c) {
        apart += std::abs(values[c][rows[i]].as<int32_t>() - values[c][rows[i - 1]].as<int32_t>());
      }
      ASSERT_EQ(apart, 1) << i;
    }
  }
}

TEST(ZOrder, ColumnsThatCannotBeAreRefused) {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(TypeKind::kLong)}}};
  EXPECT_THROW(RowOrder(std::vector<ZOrderColumn>(), schema), InvalidArgument);
  EXPECT_THROW(RowOrder(std::vector<ZOrderColumn>(9, {.field_id = 1}), schema), InvalidArgument);
  EXPECT_THROW(RowOrder(std::vector<ZOrderColumn>{{.field_id = 2}}, schema), InvalidArgument);
}

}  // namespace
}  // namespace floe
