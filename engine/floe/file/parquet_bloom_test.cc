#include "floe/file/parquet_bloom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "floe/expression/literal.h"
#include "floe/file/test_files.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Le;

constexpr int64_t kGroups = 8, kGroupRows = 500, kRows = kGroups * kGroupRows;

// Even numbers, in an order that leaves every row group all of the range.
int64_t number_of_row(int64_t row) { return 2 * (row * 2371 % kRows); }

Value text(const std::string& prefix, int64_t number, size_t length) {
  std::string digits = std::to_string(number);
  digits.insert(0, length - prefix.size() - digits.size(), '0');
  return prefix + digits;
}

// Values of every type that has bloom filters, in the order of their numbers.
struct TypeOfValues {
  Type type;
  std::function<Value(int64_t)> value;
};
std::vector<TypeOfValues> types_of_values() {
  const auto as_int = [](int64_t n) { return Value(static_cast<int32_t>(n - kRows)); };
  const auto as_long = [](int64_t n) { return Value((n - kRows) * 5'000'000'007); };
  const auto as_decimal = [](int64_t n) { return Value(Int128{n - kRows} * 1017); };
  return {
      {primitive(TypeKind::kInt), as_int},
      {primitive(TypeKind::kLong), as_long},
      {primitive(TypeKind::kFloat), [](int64_t n) { return Value(static_cast<float>(n - kRows) / 4); }},
      {primitive(TypeKind::kDouble), [](int64_t n) { return Value(static_cast<double>(n - kRows) / 3); }},
      {decimal_type(9, 2), as_decimal},
      {decimal_type(18, 2), as_decimal},
      {decimal_type(25, 2), as_decimal},
      {decimal_type(38, 2), [](int64_t n) { return Value(Int128{n - kRows} * 1'000'000'000'000 * 1'000'000'000'000); }},
      {primitive(TypeKind::kDate), as_int},
      {primitive(TypeKind::kTime), [](int64_t n) { return Value(n * 1'000'003); }},
      {primitive(TypeKind::kTimestamp), as_long},
      {primitive(TypeKind::kTimestampTz), as_long},
      {primitive(TypeKind::kTimestampNs), as_long},
      {primitive(TypeKind::kTimestampTzNs), as_long},
      {primitive(TypeKind::kString), [](int64_t n) { return text("é", n, 30); }},
      {primitive(TypeKind::kUuid), [](int64_t n) { return text("\xff", n, 16); }},
      {fixed_type(7), [](int64_t n) { return text("", n, 7); }},
      {primitive(TypeKind::kBinary), [](int64_t n) { return text(std::string("\0\xff", 2), n, 20); }}};
}

BoundExpression equals(int32_t id, const Type& type, Value value) {
  return {
      .kind = ExprKind::kPredicate,
      .operands = {},
      .predicate = {.op = Op::kEqual, .field_id = id, .type = type, .literals = {std::move(value)}, .source = type}};
}

class BloomTest : public FileTest {
 protected:
  // A column of these values and the row's number.
  DataFile write_column(const Type& type, const std::function<Value(int64_t row)>& value, Properties properties = {}) {
    const Schema schema = schema_of(type);
    std::vector<std::vector<Value>> rows;
    for (int64_t row = 0; row < kRows; ++row) rows.push_back({value(row), row});
    properties.emplace("write.parquet.row-group-limit", std::to_string(kGroupRows));
    properties.emplace("write.parquet.bloom-filter-enabled.column.x", "true");
    return write(schema, rows, properties);
  }

  static Schema schema_of(const Type& type) {
    return {.fields = {test_field(1, "x", type), test_field(2, "row", primitive(TypeKind::kLong))}};
  }

  ParquetReadOptions options_of(const Schema& schema, BoundExpression filter) {
    return {.schema = std::make_shared<const Schema>(schema), .projection = schema, .filter = std::move(filter)};
  }

  // Of the file, what statistics and bloom filters leave to be read.
  size_t groups_left(const DataFile& file, const ParquetReadOptions& options) {
    counters_ = std::make_shared<ParquetScanCounters>();
    const ParquetFile parquet(*io_, file, std::make_shared<const ParquetReadOptions>(options), {}, "", counters_);
    EXPECT_EQ(counters_->row_groups_pruned + static_cast<int64_t>(parquet.row_groups()), kGroups);
    return parquet.row_groups();
  }

  size_t groups_left(const DataFile& file, const Schema& schema, const std::string& filter) {
    return groups_left(file, options_of(schema, bind(parse_filter(filter), schema)));
  }
  int64_t rows(const DataFile& file, const Schema& schema, const std::string& filter) {
    return read(file, options_of(schema, bind(parse_filter(filter), schema)))->num_rows();
  }

  // What the file's rows are read with as keys, of some of the columns.
  size_t groups_left(const DataFile& file, const Schema& schema, std::vector<Field> fields,
                     const std::vector<std::vector<Value>>& keys) {
    ParquetReadOptions options = options_of(schema, {});
    const auto batch = batch_of({.fields = fields}, keys);
    options.keys = std::make_shared<const KeySet>(std::move(fields), batch->columns());
    return groups_left(file, options);
  }
};

TEST_F(BloomTest, ValuesOfEveryTypeAreFoundAndOthersRuleOutRowGroups) {
  for (const auto& [type, value] : types_of_values()) {
    SCOPED_TRACE(to_string(type));
    const Schema schema = schema_of(type);
    const DataFile file = write_column(type, [&](int64_t row) { return value(number_of_row(row)); });
    size_t left = 0, keys_left = 0;
    for (int64_t row = 7; row < kRows; row += 97) {
      const Value there = value(number_of_row(row)), absent = value(number_of_row(row) + 1);
      const auto found = read(file, options_of(schema, equals(1, type, there)));
      ASSERT_EQ(found->num_rows(), 1);
      EXPECT_EQ(static_cast<const arrow::Int64Array&>(*found->column(1)->chunk(0)).Value(0), row);
      EXPECT_THAT(groups_left(file, schema, {schema.fields[0]}, {{absent}, {there}, {Value()}}), AllOf(Ge(1), Le(4)));
      left += groups_left(file, options_of(schema, equals(1, type, absent)));
      keys_left += groups_left(file, schema, {schema.fields[0]}, {{absent}});
      EXPECT_EQ(read(file, options_of(schema, equals(1, type, absent)))->num_rows(), 0);
    }
    EXPECT_LE(left, 20);  // of 42 * 8, where one in a hundred is a mistake
    EXPECT_EQ(keys_left, left);
  }
}

TEST_F(BloomTest, WidenedColumnsHashAsTheFilesType) {
  struct Widening {
    Type from, to;
    Value there, same;           // in the file, and as the wider type
    std::vector<Value> nowhere;  // within the bounds, or not of the narrower type at all
  };
  const Type kInt = primitive(TypeKind::kInt), kLong = primitive(TypeKind::kLong);
  const Type kFloat = primitive(TypeKind::kFloat), kDouble = primitive(TypeKind::kDouble);
  const float tenth = 0.1F;
  for (const Widening& widening : std::vector<Widening>{
           {kInt, kLong, int32_t{-6}, int64_t{-6}, {int64_t{-5}, int64_t{1} << 40, -6 + (int64_t{1} << 32)}},
           {kFloat, kDouble, tenth, static_cast<double>(tenth), {0.1, 1e300}},
           {decimal_type(9, 2), decimal_type(18, 2), Int128{-7}, Int128{-7}, {Int128{-5}, Int128{1} << 40}},
           {decimal_type(9, 2), decimal_type(38, 2), Int128{-7}, Int128{-7}, {Int128{-5}, Int128{1} << 100}},
           {decimal_type(20, 2), decimal_type(38, 2), Int128{-7}, Int128{-7}, {Int128{-5}, Int128{1} << 100}}}) {
    SCOPED_TRACE(to_string(widening.from) + " to " + to_string(widening.to));
    const DataFile file = write_column(widening.from, [&](int64_t row) {
      if (row == 1234) return widening.there;
      const int64_t number = number_of_row(row) - kRows;
      if (widening.from.kind == TypeKind::kInt) return number == -6 ? Value() : Value(static_cast<int32_t>(number));
      if (widening.from.kind == TypeKind::kFloat) return Value(static_cast<float>(number));
      return Value(Int128{number});
    });
    const Schema schema = schema_of(widening.to);
    EXPECT_EQ(read(file, options_of(schema, equals(1, widening.to, widening.same)))->num_rows(), 1);
    EXPECT_THAT(groups_left(file, options_of(schema, equals(1, widening.to, widening.same))), AllOf(Ge(1), Le(3)));
    for (const Value& value : widening.nowhere) {
      EXPECT_LE(groups_left(file, options_of(schema, equals(1, widening.to, value))), 2);
      EXPECT_LE(groups_left(file, schema, {schema.fields[0]}, {{value}}), 2);
    }
  }
}

TEST_F(BloomTest, ZerosOfBothSignsAndNans) {
  const double nan = std::nan("");
  for (const double zero : {0.0, -0.0}) {
    const Type type = primitive(TypeKind::kDouble);
    const Schema schema = schema_of(type);
    const DataFile file = write_column(type, [&](int64_t row) -> Value {
      if (row % kGroupRows == 3) return Value();
      if (row % kGroupRows == 4) return nan;
      if (row == 2222) return zero;
      return row % 2 == 0 ? 100.0 + static_cast<double>(row) : -100.0 - static_cast<double>(row);
    });
    EXPECT_EQ(rows(file, schema, "x = 0.0"), 1);
    EXPECT_EQ(rows(file, schema, "x = -0.0"), 1);
    EXPECT_THAT(groups_left(file, schema, "x = 0.0"), AllOf(Ge(1), Le(3)));
    for (const double key : {0.0, -0.0}) {
      EXPECT_THAT(groups_left(file, schema, {schema.fields[0]}, {{key}}), AllOf(Ge(1), Le(3)));
    }
    EXPECT_EQ(groups_left(file, schema, {schema.fields[0]}, {{nan}}), kGroups);  // as keys they are one, of many forms
    EXPECT_EQ(groups_left(file, schema, {schema.fields[0]}, {{nan}, {0.25}}), kGroups);
  }
}

TEST_F(BloomTest, ListsAndCombinations) {
  const Type type = primitive(TypeKind::kLong);
  const Schema schema = schema_of(type);
  const DataFile file = write_column(type, number_of_row);
  const auto at = [](int64_t row) { return "x = " + std::to_string(number_of_row(row)); };
  const auto left = [&](const std::string& filter) { return groups_left(file, schema, filter); };
  EXPECT_LE(left("x in (1, 3, 5, 7)"), 2);
  EXPECT_THAT(left("x in (1, 3, " + std::to_string(number_of_row(1)) + ")"), AllOf(Ge(1), Le(2)));
  EXPECT_THAT(left(at(0) + " or " + at(kGroupRows)), AllOf(Ge(2), Le(3)));
  EXPECT_LE(left(at(0) + " and " + at(kGroupRows)), 1);
  EXPECT_EQ(left("x != 1"), kGroups);
  EXPECT_EQ(left("x not in (1, 3)"), kGroups);
  EXPECT_EQ(left("not (x = 1 and row = 1)"), kGroups);
  EXPECT_EQ(left("x > 1000 and x < 1010"), kGroups);
  // One half is ruled out by the bounds, the other by the filter.
  EXPECT_THAT(left("x = 1 or row < " + std::to_string(kGroupRows)), AllOf(Ge(1), Le(2)));
  EXPECT_THAT(left(at(1) + " or (x = 1 and row > 5)"), AllOf(Ge(1), Le(2)));
  EXPECT_EQ(rows(file, schema, "x in (1, 3, " + std::to_string(number_of_row(1)) + ")"), 1);
  EXPECT_EQ(rows(file, schema, at(0) + " or " + at(kGroupRows)), 2);
  // Among so many values one is a false hit, so that nothing is read in vain.
  std::string many;
  for (int64_t i = 0; i < 10'000; ++i) many += (i ? ", " : "") + std::to_string(2 * i + 1);
  EXPECT_EQ(left("x in (" + many + ")"), kGroups);
}

TEST_F(BloomTest, MoreValuesAreLookedUpWhereFewAreMistaken) {
  const Type type = primitive(TypeKind::kLong);
  const Schema schema = schema_of(type);
  const DataFile file = write_column(type, number_of_row, {{"write.parquet.bloom-filter-fpp.column.x", "0.00001"}});
  std::vector<std::vector<Value>> keys;
  for (int64_t i = 0; i < 1000; ++i) keys.push_back({4 * i + 1});
  EXPECT_LE(groups_left(file, schema, {schema.fields[0]}, keys), 2);
}

TEST_F(BloomTest, KeysOfSeveralColumns) {
  const Schema schema = schema_of(primitive(TypeKind::kLong));
  const DataFile file = write_column(primitive(TypeKind::kLong), number_of_row);
  const std::vector<Field> both = schema.fields;
  // By the bounds of one and the filter of the other.
  EXPECT_EQ(groups_left(file, schema, both, {{number_of_row(5), int64_t{5}}}), 1);
  EXPECT_LE(groups_left(file, schema, both, {{int64_t{1}, int64_t{5}}}), 1);
  EXPECT_EQ(groups_left(file, schema, both, {{number_of_row(5), kRows}}), 0);
  EXPECT_EQ(groups_left(file, schema, {both[1]}, {{int64_t{0}}, {kRows - 1}}), 2);
  EXPECT_EQ(groups_left(file, schema, {both[1]}, {{Value()}}), kGroups);  // nothing is known of no keys
}

TEST_F(BloomTest, ColumnsWithinStructs) {
  const Schema schema{.fields = {test_field(1, "s",
                                            struct_type({test_field(2, "x", primitive(TypeKind::kInt)),
                                                         test_field(3, "y", primitive(TypeKind::kInt))}))}};
  std::vector<std::vector<Value>> all;
  for (int64_t row = 0; row < kRows; ++row) {
    const Value x = static_cast<int32_t>(number_of_row(row));
    all.push_back({row % 7 == 0 ? Value() : Value(std::vector<Value>{x, int32_t{1}})});
  }
  const DataFile file = write(schema, all,
                              {{"write.parquet.row-group-limit", std::to_string(kGroupRows)},
                               {"write.parquet.bloom-filter-enabled.column.s.x", "true"}});
  EXPECT_EQ(rows(file, schema, "s.x = " + std::to_string(number_of_row(1))), 1);
  EXPECT_LE(groups_left(file, schema, "s.x = 5"), 1);
  EXPECT_EQ(groups_left(file, schema, "s.y = 5"), 0);  // by its bounds
  EXPECT_EQ(groups_left(file, schema, "s.y = 1 and s.y != 2"), kGroups);
}

// --- damage ----------------------------------------------------------------------------------------------------------

class DamagedBloomTest : public BloomTest {
 protected:
  // Where the filters of the column are in the file: offset and length.
  std::vector<std::pair<int64_t, int64_t>> places(const DataFile& file) {
    const auto reader = parquet::ParquetFileReader::OpenFile(file.file_path);
    std::vector<std::pair<int64_t, int64_t>> found;
    for (int i = 0; i < reader->metadata()->num_row_groups(); ++i) {
      const auto chunk = reader->metadata()->RowGroup(i)->ColumnChunk(0);
      found.emplace_back(chunk->bloom_filter_offset().value(), chunk->bloom_filter_length().value());
    }
    return found;
  }

  static void overwrite(const DataFile& file, const std::string& bytes) {
    std::ofstream(file.file_path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_F(DamagedBloomTest, FiltersThatLackTheColumnsOwnBoundsAreNotTrusted) {
  for (const TypeKind kind : {TypeKind::kInt, TypeKind::kLong}) {
    const Type type = primitive(kind);
    const Schema schema = schema_of(type);
    const DataFile file = write_column(type, [&](int64_t row) {
      return kind == TypeKind::kInt ? Value(static_cast<int32_t>(number_of_row(row))) : Value(number_of_row(row));
    });
    const std::string good = bytes_of(file.file_path);
    std::string bytes = good;
    constexpr int64_t kHeader = 24;  // at most
    for (const auto& [offset, length] : places(file)) {
      std::fill_n(bytes.begin() + offset + kHeader, length - kHeader, '\0');
    }
    overwrite(file, bytes);
    for (int64_t row = 0; row < kRows; row += 111) {
      EXPECT_EQ(rows(file, schema, "x = " + std::to_string(number_of_row(row))), 1);
    }
  }
}

TEST_F(DamagedBloomTest, HeadersThatCannotBeReadRuleOutNothing) {
  const Type type = primitive(TypeKind::kLong);
  const Schema schema = schema_of(type);
  const DataFile file = write_column(type, number_of_row);
  const std::string good = bytes_of(file.file_path);
  const auto filters = places(file);
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = good;
    for (const auto& [offset, length] : filters) {
      if (round % 2 == 0) {
        for (int i = 0; i < 12; ++i) bytes[offset + i] = static_cast<char>(random());
      } else {
        bytes[offset + random() % 12] ^= static_cast<char>(1 << random() % 8);
      }
    }
    overwrite(file, bytes);
    const int64_t row = static_cast<int64_t>(random() % kRows);
    try {
      EXPECT_EQ(rows(file, schema, "x = " + std::to_string(number_of_row(row))), 1);
    } catch (const CorruptFile& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr(file.file_path));
    }
  }
}

}  // namespace
}  // namespace floe
