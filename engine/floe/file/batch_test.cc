#include "floe/file/batch.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/extension/uuid.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"

namespace floe {
namespace {

using arrow::json::ArrayFromJSONString;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

Field field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

ArrayPtr array(const TypePtr& type, const std::string& json) { return ArrayFromJSONString(type, json).ValueOrDie(); }

ArrayPtr as(const ArrayPtr& values, const TypePtr& type) { return *arrow::compute::Cast(*values, type); }

std::shared_ptr<arrow::RecordBatch> batch(const std::vector<std::pair<std::string, ArrayPtr>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, values] : columns) {
    fields.push_back(arrow::field(name, values->type()));
    arrays.push_back(values);
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays.empty() ? 0 : arrays[0]->length(), arrays);
}

// The first column of what the batch becomes in a table of these fields.
ArrayPtr fitted(const std::vector<Field>& table, const arrow::RecordBatch& rows) {
  const Schema schema{.fields = table};
  auto out = BatchFitter(schema, *rows.schema(), "db.t").fit(rows);
  EXPECT_TRUE(out->ValidateFull().ok()) << out->ValidateFull().ToString();
  EXPECT_TRUE(out->schema()->Equals(*to_arrow_schema(schema)));
  return out->column(0);
}

ArrayPtr fitted(const Type& type, const ArrayPtr& values, bool required = false) {
  return fitted({field(1, "x", type, required)}, *batch({{"x", values}}));
}

void expect_fits(const Type& type, const ArrayPtr& values, const std::string& json) {
  const ArrayPtr expected = array(to_arrow_type(type)->id() == arrow::Type::EXTENSION
                                      ? static_cast<const arrow::ExtensionType&>(*to_arrow_type(type)).storage_type()
                                      : to_arrow_type(type),
                                  json);
  for (const auto& rows : {values, values->Slice(1)}) {
    ArrayPtr out = fitted(type, rows);
    EXPECT_TRUE(out->type()->Equals(*to_arrow_type(type)));
    if (out->type_id() == arrow::Type::EXTENSION) out = static_cast<const arrow::ExtensionArray&>(*out).storage();
    const ArrayPtr wanted = expected->Slice(expected->length() - rows->length());
    EXPECT_TRUE(out->Equals(*wanted)) << values->type()->ToString() << " as " << to_string(type) << ": "
                                      << out->ToString() << " instead of " << wanted->ToString();
  }
}

std::string refusal(const std::vector<Field>& table, const arrow::RecordBatch& rows) {
  try {
    BatchFitter(Schema{.fields = table}, *rows.schema(), "db.t").fit(rows);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "nothing was refused";
}

std::string refusal(const Type& type, const ArrayPtr& values, bool required = false) {
  return refusal({field(1, "x", type, required)}, *batch({{"x", values}}));
}

TEST(BatchFitter, WhatFitsIsNotCopied) {
  const Schema schema{.fields = {field(1, "a", primitive(TypeKind::kLong)), field(2, "b", primitive(TypeKind::kString)),
                                 field(3, "l", list_type(4, primitive(TypeKind::kInt), false))}};
  const auto rows = batch({{"b", array(arrow::utf8(), R"(["x", null])")},
                           {"a", array(arrow::int64(), "[1, 2]")},
                           {"l", array(arrow::list(arrow::int32()), "[[1], null]")}});
  const auto out = BatchFitter(schema, *rows->schema(), "t").fit(*rows);
  EXPECT_EQ(out->column(0)->data()->buffers[1], rows->column(1)->data()->buffers[1]);
  EXPECT_EQ(out->column(1)->data()->buffers[2], rows->column(0)->data()->buffers[2]);
  EXPECT_EQ(out->column(2)->data()->child_data[0]->buffers[1], rows->column(2)->data()->child_data[0]->buffers[1]);
}

TEST(BatchFitter, WidensWithoutLoss) {
  for (const auto& type : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::uint8(), arrow::uint16()}) {
    expect_fits(primitive(TypeKind::kInt), array(type, "[1, null, 100]"), "[1, null, 100]");
    expect_fits(primitive(TypeKind::kLong), array(type, "[1, null, 100]"), "[1, null, 100]");
  }
  expect_fits(primitive(TypeKind::kLong), array(arrow::uint32(), "[4294967295, 0]"), "[4294967295, 0]");
  expect_fits(primitive(TypeKind::kDouble), array(arrow::float32(), "[0.5, null]"), "[0.5, null]");
  expect_fits(primitive(TypeKind::kFloat), as(array(arrow::float32(), "[0.5, null]"), arrow::float16()), "[0.5, null]");
  expect_fits(decimal_type(18, 4), array(arrow::decimal128(9, 2), R"(["-1.25", null])"), R"(["-1.2500", null])");
  expect_fits(decimal_type(18, 2), array(arrow::decimal128(9, 2), R"(["-1.25", null])"), R"(["-1.25", null])");
  expect_fits(decimal_type(18, 2), as(array(arrow::decimal128(5, 2), R"(["-1.25", null])"), arrow::decimal32(5, 2)),
              R"(["-1.25", null])");
}

TEST(BatchFitter, RefusesWhatMayLose) {
  EXPECT_THAT(refusal(primitive(TypeKind::kInt), array(arrow::int64(), "[1]")), HasSubstr("int64"));
  EXPECT_THAT(refusal(primitive(TypeKind::kInt), array(arrow::uint32(), "[1]")), HasSubstr("uint32"));
  EXPECT_THAT(refusal(primitive(TypeKind::kLong), array(arrow::uint64(), "[1]")), HasSubstr("uint64"));
  EXPECT_THAT(refusal(primitive(TypeKind::kFloat), array(arrow::float64(), "[1]")), HasSubstr("double"));
  EXPECT_THAT(refusal(primitive(TypeKind::kLong), array(arrow::float64(), "[1]")), HasSubstr("double"));
  EXPECT_THAT(refusal(primitive(TypeKind::kString), array(arrow::int64(), "[1]")), HasSubstr("string"));
  EXPECT_THAT(refusal(decimal_type(9, 2), array(arrow::decimal128(10, 2), R"(["1.00"])")), HasSubstr("decimal"));
  EXPECT_THAT(refusal(decimal_type(9, 2), array(arrow::decimal128(9, 3), R"(["1.000"])")), HasSubstr("decimal"));
  EXPECT_THAT(refusal(primitive(TypeKind::kDate), array(arrow::timestamp(arrow::TimeUnit::MICRO), "[1]")),
              HasSubstr("date"));
  EXPECT_THAT(refusal(fixed_type(3), array(arrow::fixed_size_binary(4), R"(["abcd"])")), HasSubstr("fixed[3]"));
}

TEST(BatchFitter, TimestampsOfEveryUnit) {
  const auto micros = primitive(TypeKind::kTimestamp);
  expect_fits(micros, array(arrow::timestamp(arrow::TimeUnit::SECOND), "[-1, null]"), "[-1000000, null]");
  expect_fits(micros, array(arrow::timestamp(arrow::TimeUnit::MILLI), "[-1, null]"), "[-1000, null]");
  expect_fits(micros, array(arrow::timestamp(arrow::TimeUnit::NANO), "[-1000, null]"), "[-1, null]");
  expect_fits(primitive(TypeKind::kTimestampNs), array(arrow::timestamp(arrow::TimeUnit::MICRO), "[-1, null]"),
              "[-1000, null]");
  expect_fits(primitive(TypeKind::kTime), array(arrow::time32(arrow::TimeUnit::MILLI), "[1, null]"), "[1000, null]");
  EXPECT_THAT(refusal(micros, array(arrow::timestamp(arrow::TimeUnit::NANO), "[1000, 1001]")),
              AllOf(HasSubstr("column x"), HasSubstr("lose data")));
  EXPECT_THAT(refusal(micros, array(arrow::timestamp(arrow::TimeUnit::SECOND), "[9223372036854775]")),
              HasSubstr("out of bounds"));
}

TEST(BatchFitter, TimeZonesOtherThanUtcAreRefused) {
  const auto in = [](const char* zone) { return arrow::timestamp(arrow::TimeUnit::MICRO, zone); };
  const auto tz = primitive(TypeKind::kTimestampTz);
  for (const char* zone : {"UTC", "+00:00", "Etc/UTC", "Z"}) expect_fits(tz, array(in(zone), "[1, null]"), "[1, null]");
  EXPECT_THAT(refusal(tz, array(in("Europe/Berlin"), "[1]")), HasSubstr("cast it to UTC"));
  EXPECT_THAT(refusal(tz, array(arrow::timestamp(arrow::TimeUnit::MICRO), "[1]")), HasSubstr("time zone"));
  EXPECT_THAT(refusal(primitive(TypeKind::kTimestamp), array(in("UTC"), "[1]")), HasSubstr("no time zone"));
}

TEST(BatchFitter, StringsAndBinaryOfEveryLayout) {
  const std::string json = R"(["a", null, "", "ünï"])";
  for (const auto& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view(), arrow::binary(),
                           arrow::large_binary(), arrow::binary_view()}) {
    const ArrayPtr values = as(array(arrow::utf8(), json), type);
    expect_fits(primitive(TypeKind::kString), values, json);
    expect_fits(primitive(TypeKind::kBinary), values, json);
  }
  const auto invalid = array(arrow::binary(), R"(["a"])");
  arrow::BinaryBuilder builder;
  ASSERT_TRUE(builder.Append("\xff").ok());
  EXPECT_THAT(refusal(primitive(TypeKind::kString), *builder.Finish()), HasSubstr("UTF8"));
}

TEST(BatchFitter, DictionariesAreDecoded) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const ArrayPtr dictionary = std::make_shared<arrow::DictionaryArray>(type, array(arrow::int8(), "[1, 0, null, 0]"),
                                                                       array(arrow::utf8(), R"(["a", null])"));
  expect_fits(primitive(TypeKind::kString), dictionary, R"([null, "a", null, "a"])");
  const auto views = arrow::dictionary(arrow::int32(), arrow::utf8_view());
  expect_fits(primitive(TypeKind::kString),
              std::make_shared<arrow::DictionaryArray>(views, array(arrow::int32(), "[1, 0]"),
                                                       as(array(arrow::utf8(), R"(["a", "b"])"), arrow::utf8_view())),
              R"(["b", "a"])");
  // A null in the dictionary that no row uses harms nobody.
  EXPECT_EQ(fitted(primitive(TypeKind::kString), dictionary->Slice(3), true)->length(), 1);
  EXPECT_THAT(refusal(primitive(TypeKind::kString), dictionary, true), HasSubstr("row 0"));
}

TEST(BatchFitter, UuidsAsExtensionOrBytes) {
  const auto bytes = array(arrow::fixed_size_binary(16), R"(["0123456789abcdef", null])");
  expect_fits(primitive(TypeKind::kUuid), bytes, R"(["0123456789abcdef", null])");
  const ArrayPtr uuids = arrow::ExtensionType::WrapArray(arrow::extension::uuid(), bytes);
  expect_fits(primitive(TypeKind::kUuid), uuids, R"(["0123456789abcdef", null])");
  expect_fits(fixed_type(16), uuids, R"(["0123456789abcdef", null])");
}

TEST(BatchFitter, ListsOfEveryLayout) {
  const Type longs = list_type(2, primitive(TypeKind::kLong), false);
  const std::string json = "[[1, 2], null, [3, 4], [5, null]]";
  for (const auto& type :
       {arrow::list(arrow::int32()), arrow::large_list(arrow::int64()), arrow::fixed_size_list(arrow::int16(), 2),
        arrow::list_view(arrow::int32()), arrow::large_list_view(arrow::int64())}) {
    expect_fits(longs, array(type, json), json);
  }
}

TEST(BatchFitter, NestedFieldsAreFoundByNameAtEveryDepth) {
  const Type table = struct_type({field(2, "a", primitive(TypeKind::kLong)),
                                  field(3, "b",
                                        list_type(4,
                                                  struct_type({field(5, "c", primitive(TypeKind::kString)),
                                                               field(6, "d", primitive(TypeKind::kDouble))}),
                                                  false)),
                                  field(7, "new", primitive(TypeKind::kInt))});
  const auto inner = arrow::struct_({arrow::field("d", arrow::float32()), arrow::field("c", arrow::large_utf8())});
  const auto incoming = arrow::struct_({arrow::field("b", arrow::large_list(inner)), arrow::field("a", arrow::int8())});
  expect_fits(table, array(incoming, R"([{"a": 1, "b": [{"c": "x", "d": 0.5}, null]}, null, {"a": 2, "b": null},
                                  {"a": null, "b": []}])"),
              R"([{"a": 1, "b": [{"c": "x", "d": 0.5}, null], "new": null}, null, {"a": 2, "b": null, "new": null},
                  {"a": null, "b": [], "new": null}])");
}

TEST(BatchFitter, Maps) {
  const Type table = map_type(2, primitive(TypeKind::kString), 3, primitive(TypeKind::kLong), false);
  for (const auto& type :
       {arrow::map(arrow::utf8(), arrow::int64()), arrow::map(arrow::large_utf8(), arrow::int32())}) {
    expect_fits(table, array(type, R"([[["a", 1], ["b", null]], null, []])"), R"([[["a", 1], ["b", null]], null, []])");
  }
}

TEST(BatchFitter, MissingColumnsAreDefaultsOrNulls) {
  Field filled = field(2, "filled", primitive(TypeKind::kInt), true);
  filled.write_default = Value(int32_t{7});
  const Schema schema{
      .fields = {field(1, "null", primitive(TypeKind::kString)), filled, field(3, "x", primitive(TypeKind::kInt))}};
  const auto rows = batch({{"x", array(arrow::int32(), "[1, 2]")}});
  const auto out = BatchFitter(schema, *rows->schema(), "t").fit(*rows);
  EXPECT_EQ(out->column(0)->null_count(), 2);
  EXPECT_TRUE(out->column(1)->Equals(*array(arrow::int32(), "[7, 7]")));
}

TEST(BatchFitter, ColumnsOfNullsFitWhatIsOptional) {
  expect_fits(primitive(TypeKind::kLong), array(arrow::null(), "[null, null]"), "[null, null]");
  EXPECT_THAT(refusal(primitive(TypeKind::kLong), array(arrow::null(), "[null]"), true), HasSubstr("row 0"));
}

TEST(BatchFitter, AllThatDoesNotFitIsListedAtOnce) {
  const auto rows = batch({{"A", array(arrow::int64(), "[1]")},
                           {"t", array(arrow::timestamp(arrow::TimeUnit::MICRO), "[1]")},
                           {"dup", array(arrow::int64(), "[1]")},
                           {"dup", array(arrow::int64(), "[1]")},
                           {"s", array(arrow::struct_({arrow::field("more", arrow::int8())}), R"([{"more": 1}])")}});
  const std::string message =
      refusal({field(1, "a", primitive(TypeKind::kLong), true), field(2, "t", primitive(TypeKind::kString)),
               field(3, "dup", primitive(TypeKind::kLong)),
               field(4, "s", struct_type({field(5, "needed", primitive(TypeKind::kInt), true)}))},
              *rows);
  EXPECT_THAT(message, HasSubstr("db.t"));
  EXPECT_THAT(message, HasSubstr("(required long) is missing"));
  EXPECT_THAT(message, HasSubstr("it has 'a'"));
  EXPECT_THAT(message, HasSubstr("timestamp[us] in the data"));
  EXPECT_THAT(message, HasSubstr("more than once"));
  EXPECT_THAT(message, HasSubstr("s.needed"));
  EXPECT_THAT(message, HasSubstr("s.more"));
}

TEST(BatchFitter, ANullInARequiredColumnNamesColumnAndRow) {
  EXPECT_THAT(refusal(primitive(TypeKind::kLong), array(arrow::int64(), "[1, 2, null]"), true),
              AllOf(HasSubstr("column x"), HasSubstr("row 2")));
  EXPECT_THAT(refusal(primitive(TypeKind::kLong), array(arrow::int8(), "[1, null]"), true), HasSubstr("row 1"));
  EXPECT_EQ(fitted(primitive(TypeKind::kLong), array(arrow::int64(), "[1, null]")->Slice(0, 1), true)->length(), 1);
}

TEST(BatchFitter, NestedNullsCountOnlyWhereSomebodySeesThem) {
  const Type list = list_type(2, primitive(TypeKind::kInt), true);
  for (const auto& type : {arrow::list(arrow::int32()), arrow::large_list(arrow::int32())}) {
    EXPECT_THAT(refusal(list, array(type, "[[1], [], null, [2, null]]")),
                AllOf(HasSubstr("x.element"), HasSubstr("row 3")));
    EXPECT_EQ(fitted(list, array(type, "[[1], [null], [2]]")->Slice(2))->length(), 1);
    EXPECT_EQ(fitted(list, array(type, "[[1], [null], [2]]")->Slice(0, 1))->length(), 1);
  }
  const Type outer = struct_type({field(2, "a", primitive(TypeKind::kInt), true)});
  for (const auto& type : {arrow::int32(), arrow::int8()}) {
    const ArrayPtr child = array(type, "[1, null, null]");
    const auto bits = array(arrow::boolean(), "[true, false, true]")->data()->buffers[1];
    const auto masked = std::make_shared<arrow::StructArray>(arrow::struct_({arrow::field("a", type)}), 3,
                                                             arrow::ArrayVector{child}, bits);
    EXPECT_THAT(refusal(outer, masked), AllOf(HasSubstr("x.a"), HasSubstr("row 2")));
    EXPECT_EQ(fitted(outer, masked->Slice(0, 2))->null_count(), 1);
    // One level further up: the list is null there.
    const Type lists = list_type(5, outer, false);
    const auto offsets = array(arrow::int32(), "[0, 2, 3]")->data()->buffers[1];
    const auto valid = array(arrow::boolean(), "[true, false]")->data()->buffers[1];
    const auto hidden = std::make_shared<arrow::ListArray>(arrow::list(masked->type()), 2, offsets, masked, valid);
    EXPECT_EQ(fitted(lists, hidden)->length(), 2);
  }
}

TEST(BatchFitter, ABatchThatIsNotOfItsStreamsSchemaIsRefused) {
  const Schema schema{.fields = {field(1, "x", primitive(TypeKind::kLong))}};
  const BatchFitter fitter(schema, arrow::Schema({arrow::field("x", arrow::int64())}), "db.t");
  EXPECT_THROW(fitter.fit(*batch({{"x", array(arrow::utf8(), R"(["a"])")}})), InvalidArgument);
  EXPECT_THROW(fitter.fit(*batch({})), InvalidArgument);
  auto data = array(arrow::int64(), "[1, 2]")->data()->Copy();
  data->length = 1'000;  // more than the buffer has
  EXPECT_THROW(fitter.fit(*batch({{"x", arrow::MakeArray(data)}})), InvalidArgument);
}

}  // namespace
}  // namespace floe
