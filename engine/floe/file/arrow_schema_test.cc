#include "floe/file/arrow_schema.h"

#include <arrow/api.h>
#include <arrow/extension/uuid.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using ::testing::HasSubstr;

Schema every_type() {
  const auto field = [](int32_t id, std::string name, Type type, bool required = false) {
    return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
  };
  Schema schema;
  schema.fields = {
      field(1, "boolean", primitive(TypeKind::kBoolean), true),
      field(2, "int", primitive(TypeKind::kInt)),
      field(3, "long", primitive(TypeKind::kLong)),
      field(4, "float", primitive(TypeKind::kFloat)),
      field(5, "double", primitive(TypeKind::kDouble)),
      field(6, "decimal", decimal_type(9, 2)),
      field(7, "date", primitive(TypeKind::kDate)),
      field(8, "time", primitive(TypeKind::kTime)),
      field(9, "timestamp", primitive(TypeKind::kTimestamp)),
      field(10, "timestamptz", primitive(TypeKind::kTimestampTz)),
      field(11, "timestamp_ns", primitive(TypeKind::kTimestampNs)),
      field(12, "timestamptz_ns", primitive(TypeKind::kTimestampTzNs)),
      field(13, "string", primitive(TypeKind::kString)),
      field(14, "uuid", primitive(TypeKind::kUuid)),
      field(15, "fixed", fixed_type(7)),
      field(16, "binary", primitive(TypeKind::kBinary)),
      field(17, "unknown", primitive(TypeKind::kUnknown)),
      field(18, "variant", primitive(TypeKind::kVariant)),
      field(19, "struct", struct_type({field(20, "a", primitive(TypeKind::kInt), true)})),
      field(21, "list", list_type(22, primitive(TypeKind::kString), true)),
      field(23, "map",
            map_type(24, primitive(TypeKind::kString), 25,
                     list_type(26, struct_type({field(27, "b", decimal_type(38, 10))}), false), false)),
  };
  schema.fields[2].doc = "a doc";
  return schema;
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "nothing was thrown";
}

TEST(ArrowSchema, EveryTypeThereAndBack) {
  const Schema schema = every_type();
  const Schema back = from_arrow_schema(*to_arrow_schema(schema), 3, false);
  ASSERT_EQ(back.fields.size(), schema.fields.size());
  for (size_t i = 0; i < back.fields.size(); ++i)
    EXPECT_TRUE(back.fields[i] == schema.fields[i]) << to_string(back.fields[i].type);
}

TEST(ArrowSchema, GeometryIsWkbInBinary) {
  EXPECT_TRUE(to_arrow_type(geometry_type("srid:4326"))->Equals(arrow::binary()));
  EXPECT_TRUE(to_arrow_type(geography_type())->Equals(arrow::binary()));
}

TEST(ArrowSchema, FreshIdsGoLevelByLevel) {
  const auto inner = arrow::struct_({arrow::field("x", arrow::int32()), arrow::field("y", arrow::int32())});
  const Schema schema = from_arrow_schema(
      arrow::Schema({arrow::field("a", inner), arrow::field("b", arrow::list(arrow::utf8())),
                     arrow::field("c", arrow::map(arrow::utf8(), arrow::int64())), arrow::field("d", arrow::int8())}),
      2, true);
  EXPECT_EQ(schema.fields[0].id, 1);
  EXPECT_EQ(schema.fields[3].id, 4);
  EXPECT_EQ(schema.fields[0].type.children->at(0).id, 5);
  EXPECT_EQ(schema.fields[0].type.children->at(1).id, 6);
  EXPECT_EQ(schema.fields[1].type.children->at(0).id, 7);
  EXPECT_EQ(schema.fields[2].type.children->at(0).id, 8);
  EXPECT_EQ(schema.fields[2].type.children->at(1).id, 9);
  EXPECT_EQ(schema.fields[1].type.children->at(0).name, "element");
}

TEST(ArrowSchema, OddTypesBecomeTheNextThatIcebergHas) {
  const auto kind = [](std::shared_ptr<arrow::DataType> type) {
    return from_arrow_schema(arrow::Schema({arrow::field("x", std::move(type))}), 2, true).fields[0].type.kind;
  };
  EXPECT_EQ(kind(arrow::uint8()), TypeKind::kInt);
  EXPECT_EQ(kind(arrow::uint32()), TypeKind::kLong);
  EXPECT_EQ(kind(arrow::float16()), TypeKind::kFloat);
  EXPECT_EQ(kind(arrow::large_utf8()), TypeKind::kString);
  EXPECT_EQ(kind(arrow::utf8_view()), TypeKind::kString);
  EXPECT_EQ(kind(arrow::dictionary(arrow::int8(), arrow::utf8())), TypeKind::kString);
  EXPECT_EQ(kind(arrow::binary_view()), TypeKind::kBinary);
  EXPECT_EQ(kind(arrow::large_list(arrow::int32())), TypeKind::kList);
  EXPECT_EQ(kind(arrow::fixed_size_list(arrow::int32(), 3)), TypeKind::kList);
  EXPECT_EQ(kind(arrow::timestamp(arrow::TimeUnit::SECOND, "+00:00")), TypeKind::kTimestampTz);
  EXPECT_EQ(kind(arrow::timestamp(arrow::TimeUnit::MILLI)), TypeKind::kTimestamp);
}

TEST(ArrowSchema, WhatIcebergLacksIsRefusedWithColumnAndAdvice) {
  const auto message = [](std::shared_ptr<arrow::DataType> type) {
    return message_of([&] {
      const auto nested = arrow::struct_({arrow::field("x", std::move(type))});
      from_arrow_schema(arrow::Schema({arrow::field("s", nested)}), 2, true);
    });
  };
  for (const auto& type :
       {arrow::uint64(), arrow::date64(), arrow::duration(arrow::TimeUnit::SECOND), arrow::null(),
        arrow::timestamp(arrow::TimeUnit::NANO), arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin"),
        arrow::time64(arrow::TimeUnit::NANO), arrow::decimal256(50, 2), arrow::decimal128(5, -2),
        arrow::month_interval(), arrow::sparse_union(arrow::FieldVector{})}) {
    EXPECT_THAT(message(type), HasSubstr("column s.x has type")) << type->ToString();
    EXPECT_THAT(message(type), HasSubstr("cast it")) << type->ToString();
  }
}

TEST(ArrowSchema, NanosecondsAndNullsNeedVersion3) {
  const auto kind = [](std::shared_ptr<arrow::DataType> type) {
    return from_arrow_schema(arrow::Schema({arrow::field("x", std::move(type))}), 3, true).fields[0].type.kind;
  };
  EXPECT_EQ(kind(arrow::timestamp(arrow::TimeUnit::NANO)), TypeKind::kTimestampNs);
  EXPECT_EQ(kind(arrow::timestamp(arrow::TimeUnit::NANO, "UTC")), TypeKind::kTimestampTzNs);
  EXPECT_EQ(kind(arrow::null()), TypeKind::kUnknown);
}

TEST(ArrowSchema, FieldIdsThatAreMissingOrNoNumbersAreRefused) {
  const auto with = [](const char* id) {
    return arrow::Schema(
        {arrow::field("x", arrow::int32(), true, arrow::key_value_metadata({"PARQUET:field_id"}, {id}))});
  };
  EXPECT_EQ(from_arrow_schema(with("7"), 2, false).fields[0].id, 7);
  for (const char* id : {"", "x", "-1", "1.5", "99999999999", " 1"})
    EXPECT_THROW(from_arrow_schema(with(id), 2, false), InvalidArgument) << id;
  EXPECT_THAT(message_of([] { from_arrow_schema(arrow::Schema({arrow::field("abc", arrow::int32())}), 2, false); }),
              HasSubstr("abc"));
}

TEST(ArrowSchema, EndlessNestingIsRefused) {
  std::shared_ptr<arrow::DataType> type = arrow::int32();
  for (int i = 0; i < 500; ++i) type = arrow::list(type);
  EXPECT_THROW(from_arrow_schema(arrow::Schema({arrow::field("x", type)}), 2, true), InvalidArgument);
}

// A C data import that does not know the class of an extension type leaves its name as metadata.
TEST(ArrowSchema, ExtensionTypesAreKnownByNameToo) {
  const auto with = [](const char* name) {
    return arrow::Schema({arrow::field("x", arrow::fixed_size_binary(16), true,
                                       arrow::key_value_metadata({"ARROW:extension:name"}, {name}))});
  };
  EXPECT_EQ(from_arrow_schema(with("arrow.uuid"), 2, true).fields[0].type.kind, TypeKind::kUuid);
  EXPECT_THAT(message_of([&] { from_arrow_schema(with("my.type"), 2, true); }), HasSubstr("my.type"));
}

}  // namespace
}  // namespace floe
