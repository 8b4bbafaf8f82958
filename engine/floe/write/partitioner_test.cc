#include "floe/write/partitioner.h"

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/spec/transform.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PartitionSpec spec_of(std::vector<std::pair<int32_t, std::string>> fields) {
  PartitionSpec spec;
  for (const auto& [source, transform] : fields) {
    spec.fields.push_back({.source_ids = {source},
                           .field_id = kFirstPartitionFieldId + static_cast<int32_t>(spec.fields.size()),
                           .name = fmt::format("p{}", spec.fields.size()),
                           .transform = parse_transform(transform)});
  }
  return spec;
}

std::shared_ptr<arrow::RecordBatch> batch_of(const Schema& schema, std::vector<std::shared_ptr<arrow::Array>> columns) {
  const int64_t rows = columns.at(0)->length();
  return arrow::RecordBatch::Make(to_arrow_schema(schema), rows, std::move(columns));
}

std::shared_ptr<arrow::Array> array_of(const Type& type, const std::vector<Value>& values) {
  return to_array(values, type, to_arrow_type(type));
}

Value random_value(const Type& type, std::mt19937_64& random) {
  auto pick = [&](auto... values) {
    std::common_type_t<decltype(values)...> all[] = {values...};
    return all[random() % sizeof...(values)];
  };
  if (random() % 8 == 0) return {};
  const int64_t small = static_cast<int64_t>(random() % 2001) - 1000;
  switch (type.kind) {
    case TypeKind::kBoolean:
      return Value(random() % 2 == 0);
    case TypeKind::kInt:
      return Value(static_cast<int32_t>(pick(small, int64_t{INT32_MIN + 2}, int64_t{INT32_MAX}, int64_t{-1})));
    case TypeKind::kDate:
      return Value(static_cast<int32_t>(small * 100));
    case TypeKind::kLong:
      return Value(pick(small, INT64_MIN + 2, INT64_MAX, int64_t{-1}));
    case TypeKind::kTime:
      return Value(std::abs(small) * 1'000'003);
    case TypeKind::kFloat:
      return Value(pick(0.0F, -0.0F, 1.5F, std::numeric_limits<float>::quiet_NaN()));
    case TypeKind::kDouble:
      return Value(pick(0.0, -0.0, 1.5, std::numeric_limits<double>::quiet_NaN()));
    case TypeKind::kDecimal:
      return Value(static_cast<Int128>(small) * (random() % 2 == 0 ? 1 : 1'000'000'000'007));
    case TypeKind::kString: {
      const char* texts[] = {"", "a", "iceberg", "\xC3\xA9t\xC3\xA9", "\xF0\x9F\x98\x80\xF0\x9F\x98\x81x"};
      return Value(std::string(texts[random() % 5]));
    }
    case TypeKind::kBinary:
      return Value(std::string("\0\xFF\x80 binary", random() % 10));
    case TypeKind::kUuid:
    case TypeKind::kFixed: {
      std::string bytes(type.kind == TypeKind::kUuid ? 16 : type.length, 'x');
      bytes[0] = static_cast<char>(random() % 4);
      return Value(bytes);
    }
    default:
      return Value(small * pick(int64_t{1}, int64_t{1'000'000'007}, int64_t{3'599'999'999'999}));
  }
}

// Row by row, spec/transform.h says what is right.
TEST(Partitioner, AgreesWithTheTransformOfSingleValuesForEveryTypeAndTransform) {
  const std::vector<Type> types = {primitive(TypeKind::kBoolean),
                                   primitive(TypeKind::kInt),
                                   primitive(TypeKind::kLong),
                                   primitive(TypeKind::kFloat),
                                   primitive(TypeKind::kDouble),
                                   primitive(TypeKind::kDate),
                                   primitive(TypeKind::kTime),
                                   primitive(TypeKind::kTimestamp),
                                   primitive(TypeKind::kTimestampTz),
                                   primitive(TypeKind::kTimestampNs),
                                   primitive(TypeKind::kTimestampTzNs),
                                   primitive(TypeKind::kString),
                                   primitive(TypeKind::kBinary),
                                   primitive(TypeKind::kUuid),
                                   fixed_type(5),
                                   decimal_type(9, 2),
                                   decimal_type(38, 5)};
  std::mt19937_64 random(1);
  int combinations = 0;
  for (const Type& type : types) {
    std::vector<Value> values;
    for (int i = 0; i < 300; ++i) values.push_back(random_value(type, random));
    const Schema schema{.fields = {{.id = 1, .name = "c", .type = type}}};
    const auto batch = batch_of(schema, {array_of(type, values)});
    for (const char* name :
         {"identity", "bucket[7]", "truncate[3]", "truncate[2147483647]", "year", "month", "day", "hour", "void"}) {
      const Transform transform = parse_transform(name);
      if (!can_transform(transform, type)) continue;
      ++combinations;
      Partitioner partitioner(schema, spec_of({{1, name}}));
      const std::vector<int32_t> numbers = partitioner.number(*batch->Slice(0, 100));
      std::vector<int32_t> rest = partitioner.number(*batch->Slice(100));
      rest.insert(rest.begin(), numbers.begin(), numbers.end());
      for (size_t i = 0; i < values.size(); ++i) {
        const Value expected = apply(transform, type, values[i]);
        ASSERT_EQ(partitioner.values(rest[i]), std::vector{expected})
            << to_string(type) << " " << name << " of " << to_json(values[i], type);
      }
      // One number a value.
      std::vector<Value> seen;
      for (size_t p = 0; p < partitioner.size(); ++p) {
        const Value value = partitioner.values(p).at(0);
        EXPECT_EQ(std::count(seen.begin(), seen.end(), value), 0) << to_string(type) << " " << name;
        seen.push_back(value);
      }
    }
  }
  EXPECT_GT(combinations, 50);
}

TEST(Trap04, TruncateOfNegativeIntsGoesDown) {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(TypeKind::kInt)}}};
  Partitioner partitioner(schema, spec_of({{1, "truncate[10]"}}));
  const auto batch = batch_of(schema, {array_of(schema.fields[0].type, {Value(-1), Value(1), Value(-11)})});
  const auto numbers = partitioner.number(*batch);
  EXPECT_EQ(partitioner.values(numbers[0]), std::vector{Value(-10)});
  EXPECT_EQ(partitioner.values(numbers[1]), std::vector{Value(0)});
  EXPECT_EQ(partitioner.values(numbers[2]), std::vector{Value(-20)});
}

TEST(Partitioner, ValuesWhosePartitionIsOutOfRangeAreRefused) {
  for (const TypeKind kind : {TypeKind::kInt, TypeKind::kLong, TypeKind::kTimestamp}) {
    const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(kind)}}};
    Partitioner partitioner(schema, spec_of({{1, kind == TypeKind::kTimestamp ? "hour" : "truncate[10]"}}));
    const Value lowest = kind == TypeKind::kInt ? Value(INT32_MIN) : Value(INT64_MIN);
    const auto batch = batch_of(schema, {array_of(schema.fields[0].type, {lowest})});
    EXPECT_THROW(
        {
          partitioner.number(*batch);
          partitioner.values(0);
        },
        InvalidArgument);
  }
}

TEST(Trap05, NegativeZeroAndNanArePartitionsOfTheirOwn) {
  const Schema schema{.fields = {{.id = 1, .name = "c", .type = primitive(TypeKind::kDouble)}}};
  Partitioner partitioner(schema, spec_of({{1, "identity"}}));
  const double nan = std::nan("1"), other_nan = -std::nan("2");
  const auto batch = batch_of(
      schema, {array_of(schema.fields[0].type, {Value(0.0), Value(-0.0), Value(nan), Value(other_nan), Value()})});
  EXPECT_THAT(partitioner.number(*batch), ElementsAre(0, 1, 2, 2, 3));
}

TEST(Partitioner, TellsPartitionsOfSeveralFieldsApart) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kInt)},
                                 {.id = 2, .name = "b", .type = primitive(TypeKind::kString)}}};
  Partitioner partitioner(schema, spec_of({{1, "identity"}, {2, "truncate[1]"}}));
  const auto batch = batch_of(
      schema, {array_of(schema.fields[0].type, {Value(1), Value(1), Value(2), Value()}),
               array_of(schema.fields[1].type,
                        {Value(std::string("xa")), Value(), Value(std::string("xb")), Value(std::string("xc"))})});
  EXPECT_THAT(partitioner.number(*batch), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(partitioner.number(*batch), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(partitioner.values(1), (std::vector{Value(1), Value()}));
  EXPECT_EQ(partitioner.values(3), (std::vector{Value(), Value(std::string("x"))}));
}

TEST(Partitioner, NestedColumnsAreNullWhereTheirStructIs) {
  const Schema schema{.fields = {{.id = 1,
                                  .name = "s",
                                  .type = struct_type({{.id = 2, .name = "skipped", .type = primitive(TypeKind::kLong)},
                                                       {.id = 3, .name = "x", .type = primitive(TypeKind::kInt)}})}}};
  const auto children = std::vector{array_of(primitive(TypeKind::kLong), {Value(int64_t{9}), Value(int64_t{9})}),
                                    array_of(primitive(TypeKind::kInt), {Value(7), Value(7)})};
  const auto arrow_type = to_arrow_schema(schema)->field(0)->type();
  const uint8_t valid = 0b01;
  const auto array = std::make_shared<arrow::StructArray>(
      arrow_type, 2, children, std::make_shared<arrow::Buffer>(&valid, 1), arrow::kUnknownNullCount);
  Partitioner partitioner(schema, spec_of({{3, "identity"}}));
  EXPECT_THAT(partitioner.number(*batch_of(schema, {array})), ElementsAre(0, 1));
  EXPECT_EQ(partitioner.values(0), std::vector{Value(7)});
  EXPECT_EQ(partitioner.values(1), std::vector{Value()});
}

TEST(Partitioner, UnpartitionedRowsAreAllAlike) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kInt)}}};
  Partitioner partitioner(schema, {});
  EXPECT_THAT(partitioner.number(*batch_of(schema, {array_of(schema.fields[0].type, {Value(1), Value(2)})})),
              ElementsAre(0, 0));
  EXPECT_EQ(partitioner.size(), 1);
  EXPECT_TRUE(partitioner.values(0).empty());
}

TEST(Partitioner, VoidOfADroppedColumnIsNull) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kInt)}}};
  Partitioner partitioner(schema, spec_of({{77, "void"}, {1, "identity"}}));
  EXPECT_THAT(partitioner.number(*batch_of(schema, {array_of(schema.fields[0].type, {Value(1), Value(2)})})),
              ElementsAre(0, 1));
  EXPECT_EQ(partitioner.values(1), (std::vector{Value(), Value(2)}));
}

TEST(Partitioner, UnknownTransformsAreNotWrittenWith) {
  const Schema schema{.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kInt)}}};
  EXPECT_THROW(Partitioner(schema, spec_of({{1, "zorder"}})), NotSupported);
}

// split

std::shared_ptr<arrow::RecordBatch> numbered_rows(int64_t n) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (int64_t i = 0; i < n; ++i) {
    check(ids.Append(i), "append");
    check(i % 3 == 0 ? names.AppendNull() : names.Append(std::to_string(i)), "append");
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())}), n,
      {*ids.Finish(), *names.Finish()});
}

std::vector<int64_t> ids(const arrow::RecordBatch& batch) {
  const auto& array = static_cast<const arrow::Int64Array&>(*batch.column(0));
  return {array.raw_values(), array.raw_values() + array.length()};
}

TEST(Split, OnePartitionIsTheBatchItself) {
  const auto batch = numbered_rows(3);
  const auto parts = split(batch, {4, 4, 4});
  ASSERT_EQ(parts.size(), 1);
  EXPECT_EQ(parts[0].partition, 4);
  EXPECT_EQ(parts[0].rows, batch);
}

TEST(Split, RunsAreSlicedWithoutACopy) {
  const auto batch = numbered_rows(6);
  const auto parts = split(batch, {5, 5, 0, 2, 2, 2});
  ASSERT_EQ(parts.size(), 3);
  EXPECT_EQ(parts[0].partition, 0);
  EXPECT_THAT(ids(*parts[0].rows), ElementsAre(2));
  EXPECT_THAT(ids(*parts[1].rows), ElementsAre(3, 4, 5));
  EXPECT_EQ(parts[2].partition, 5);
  EXPECT_THAT(ids(*parts[2].rows), ElementsAre(0, 1));
  for (const auto& part : parts) {
    EXPECT_EQ(part.rows->column(0)->data()->buffers[1], batch->column(0)->data()->buffers[1]);
  }
}

TEST(Split, MixedRowsKeepTheirOrderAndTheirNulls) {
  const auto batch = numbered_rows(7);
  const auto parts = split(batch, {1, 0, 1, 2, 0, 1, 2});
  ASSERT_EQ(parts.size(), 3);
  EXPECT_THAT(ids(*parts[0].rows), ElementsAre(1, 4));
  EXPECT_THAT(ids(*parts[1].rows), ElementsAre(0, 2, 5));
  EXPECT_THAT(ids(*parts[2].rows), ElementsAre(3, 6));
  EXPECT_TRUE(parts[1].rows->column(1)->IsNull(0));
  EXPECT_EQ(static_cast<const arrow::StringArray&>(*parts[1].rows->column(1)).GetString(2), "5");
}

TEST(Split, AnEmptyBatchHasNoParts) { EXPECT_TRUE(split(numbered_rows(0), {}).empty()); }

}  // namespace
}  // namespace floe
