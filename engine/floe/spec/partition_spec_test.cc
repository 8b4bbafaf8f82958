#include "floe/spec/partition_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Schema sample() {
  const Type point = struct_type({{.id = 6, .name = "x", .type = primitive(TypeKind::kInt)}});
  return {.fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "ts", .type = primitive(TypeKind::kTimestampTz)},
                     {.id = 3, .name = "name", .type = primitive(TypeKind::kString)},
                     {.id = 4, .name = "price", .type = decimal_type(9, 2)},
                     {.id = 5, .name = "point", .type = point},
                     {.id = 7, .name = "tags", .type = list_type(8, primitive(TypeKind::kString), true)}}};
}

PartitionField field(int32_t source, int32_t id, std::string name, std::string_view transform) {
  return {.source_ids = {source}, .field_id = id, .name = std::move(name), .transform = parse_transform(transform)};
}

std::string refusal(PartitionField f) {
  try {
    validate({.fields = {std::move(f)}}, sample());
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "";
}

TEST(PartitionSpec, ReadsAndWritesBack) {
  const PartitionSpec spec{.spec_id = 3,
                           .fields = {field(4, 1000, "ts_day", "day"), field(1, 1001, "id_bucket", "bucket[16]")}};
  EXPECT_EQ(partition_spec_from_json(to_json(spec)), spec);
  EXPECT_EQ(to_json(spec),
            R"({"spec-id":3,"fields":[{"name":"ts_day","transform":"day","field-id":1000,"source-id":4},)"
            R"({"name":"id_bucket","transform":"bucket[16]","field-id":1001,"source-id":1}]})");
}

TEST(Trap11, FieldsAloneAreAnArrayAndTheObjectIsReadToo) {
  const PartitionSpec spec{.spec_id = 3, .fields = {field(4, 1000, "ts_day", "day")}};
  EXPECT_EQ(fields_to_json(spec), R"([{"name":"ts_day","transform":"day","field-id":1000,"source-id":4}])");
  EXPECT_EQ(partition_fields_from_json(fields_to_json(spec)), spec.fields);
  EXPECT_EQ(partition_fields_from_json(to_json(spec)), spec.fields);
  EXPECT_EQ(fields_to_json({}), "[]");
}

TEST(PartitionSpec, Version1FieldsAreNumberedFrom1000) {
  const auto fields = partition_fields_from_json(
      R"([{"name":"a","transform":"day","source-id":2},{"name":"b","transform":"identity","source-id":1}])");
  EXPECT_EQ(fields.at(0).field_id, 1000);
  EXPECT_EQ(fields.at(1).field_id, 1001);
  EXPECT_THROW(partition_fields_from_json(R"([{"name":"a","transform":"day","source-id":2,"field-id":1000},)"
                                          R"({"name":"b","transform":"identity","source-id":1}])"),
               CorruptFile);
}

TEST(PartitionSpec, SeveralSourcesAreKept) {
  const char* text = R"([{"name":"z","transform":"zorder","field-id":1000,"source-ids":[1,2]}])";
  const PartitionSpec spec{.fields = partition_fields_from_json(text)};
  EXPECT_THAT(spec.fields.at(0).source_ids, ElementsAre(1, 2));
  EXPECT_EQ(fields_to_json(spec), text);
  const auto one = partition_fields_from_json(R"([{"name":"z","transform":"day","field-id":1000,"source-ids":[2]}])");
  EXPECT_EQ(one.at(0), field(2, 1000, "z", "day"));
}

TEST(PartitionSpec, AKnownTransformOfSeveralSourcesIsOneThatWeDoNotKnow) {  // not a bucket of the first column
  const char* text = R"([{"name":"z","transform":"bucket[4]","field-id":1000,"source-ids":[1,2]}])";
  const PartitionSpec spec{.fields = partition_fields_from_json(text)};
  EXPECT_EQ(spec.fields.at(0).transform.kind, TransformKind::kUnknown);
  EXPECT_EQ(fields_to_json(spec), text);
}

TEST(PartitionSpec, BrokenJsonIsRefused) {
  for (const char* text :
       {"", "7", "{}", R"([{}])", R"([{"name":"a","transform":"day"}])", R"([{"name":"a","source-id":1}])",
        R"([{"transform":"day","source-id":1}])", R"([{"name":"a","transform":"bucket[0]","source-id":1}])",
        R"([{"name":"a","transform":"day","source-ids":[]}])", R"([{"name":"a","transform":"day","source-id":"1"}])"}) {
    EXPECT_THROW(partition_fields_from_json(text), CorruptFile) << text;
  }
}

TEST(PartitionSpec, TypeHasOneOptionalFieldAPartitionField) {
  const PartitionSpec spec{.fields = {field(2, 1000, "ts_day", "day"), field(1, 1001, "id_bucket", "bucket[16]"),
                                      field(3, 1002, "name", "identity"), field(4, 1003, "p", "truncate[10]"),
                                      field(1, 1004, "v", "void"), field(3, 1005, "z", "zorder")}};
  EXPECT_EQ(to_string(partition_type(spec, sample())),
            "struct<1000: ts_day: optional date, 1001: id_bucket: optional int, 1002: name: optional string, "
            "1003: p: optional decimal(9, 2), 1004: v: optional long, 1005: z: optional string>");
}

TEST(Trap10, AFieldWhoseSourceIsDroppedKeepsItsPlace) {
  const PartitionSpec spec{.fields = {field(99, 1000, "gone", "identity"), field(3, 1001, "name", "identity"),
                                      field(99, 1002, "gone_bucket", "bucket[4]"), field(99, 1003, "gone_day", "day"),
                                      field(99, 1004, "gone_void", "void")}};
  EXPECT_EQ(to_string(partition_type(spec, sample())),
            "struct<1000: gone: optional unknown, 1001: name: optional string, 1002: gone_bucket: optional int, "
            "1003: gone_day: optional date, 1004: gone_void: optional unknown>");
  EXPECT_EQ(partition_path(spec, sample(), {7, std::string("a"), 3, 17486, {}}),
            "gone=7/name=a/gone_bucket=3/gone_day=2017-11-16/gone_void=null");
}

TEST(Trap25, PathsEncodeNamesAndValuesAsForms) {
  const PartitionSpec spec{.fields = {field(2, 1000, "ts day", "hour"), field(3, 1001, "n/ä=%", "identity")}};
  EXPECT_EQ(partition_path(spec, sample(), {419686, std::string("a b/c=d%é+~*-_.")}),
            "ts+day=2017-11-16-22/n%2F%C3%A4%3D%25=a+b%2Fc%3Dd%25%C3%A9%2B%7E*-_.");
  EXPECT_EQ(partition_path(spec, sample(), {{}, std::string()}), "ts+day=null/n%2F%C3%A4%3D%25=");
  EXPECT_EQ(partition_path(spec, sample(), {-1, std::string("../..")}),
            "ts+day=1969-12-31-23/n%2F%C3%A4%3D%25=..%2F..");
  EXPECT_EQ(partition_path({}, sample(), {}), "");
  EXPECT_THROW(partition_path(spec, sample(), {1}), InvalidArgument);
}

TEST(Trap25, PathsOfTimestamps) {
  const PartitionSpec spec{.fields = {field(2, 1000, "ts", "identity")}};
  EXPECT_EQ(partition_path(spec, sample(), {int64_t{1}}), "ts=1970-01-01T00%3A00%3A00.000001%2B00%3A00");
}

TEST(PartitionSpec, FreshIdsFollowNames) {
  const Schema from{
      .fields = {{.id = 10, .name = "s", .type = struct_type({{.id = 12, .name = "x"}})}, {.id = 11, .name = "y"}}};
  int32_t last_column = 0;
  const Schema to = assign_fresh_ids(from, last_column);
  int32_t last_id = 999;
  const PartitionSpec spec{.spec_id = 5, .fields = {field(11, 7, "y", "identity"), field(12, 8, "x", "void")}};
  const PartitionSpec fresh = assign_fresh_ids(spec, from, to, last_id);
  EXPECT_EQ(fresh.fields.at(0), field(2, 1000, "y", "identity"));
  EXPECT_EQ(fresh.fields.at(1), field(3, 1001, "x", "void"));
  EXPECT_EQ(last_id, 1001);
  EXPECT_THROW(assign_fresh_ids({.fields = {field(99, 7, "y", "identity")}}, from, to, last_id), InvalidArgument);
}

TEST(PartitionSpec, ValidatesSources) {
  EXPECT_EQ(refusal(field(2, 1000, "d", "day")), "");
  EXPECT_EQ(refusal(field(6, 1000, "x", "identity")), "") << "within a struct";
  EXPECT_EQ(refusal(field(99, 1000, "x", "void")), "") << "a void's column may be gone";
  EXPECT_THAT(refusal(field(99, 1000, "x", "identity")), HasSubstr("\"x\": source column 99"));
  EXPECT_THAT(refusal(field(8, 1000, "x", "identity")), HasSubstr("\"tags.element\" is inside a list or map"));
  EXPECT_THAT(refusal(field(5, 1000, "x", "identity")), HasSubstr("does not take column \"point\""));
  EXPECT_THAT(refusal(field(3, 1000, "x", "day")),
              HasSubstr("day does not take column \"name\", which is of type string"));
  EXPECT_THAT(refusal(field(3, 1000, "x", "bukcet[4]")), HasSubstr("\"bukcet[4]\" is not known"));
}

TEST(Trap20, NamesMayBeThoseOfTheirSourceOnly) {
  EXPECT_EQ(refusal(field(3, 1000, "name", "identity")), "");
  EXPECT_EQ(refusal(field(3, 1000, "name", "void")), "");
  EXPECT_THAT(refusal(field(3, 1000, "name", "bucket[4]")), HasSubstr("choose another name"));
  EXPECT_THAT(refusal(field(3, 1000, "id", "identity")), HasSubstr("choose another name"));
}

TEST(PartitionSpec, ValidatesThatNamesAndIdsAreUnique) {
  EXPECT_THROW(validate({.fields = {field(2, 1000, "d", "day"), field(2, 1001, "d", "hour")}}, sample()),
               InvalidArgument);
  EXPECT_THROW(validate({.fields = {field(2, 1000, "d", "day"), field(2, 1000, "h", "hour")}}, sample()),
               InvalidArgument);
  EXPECT_THROW(validate({.fields = {field(2, 1000, "", "day")}}, sample()), InvalidArgument);
}

}  // namespace
}  // namespace floe
