#include "floe/spec/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Field field(int32_t id, std::string name, Type type = primitive(TypeKind::kInt), bool required = false) {
  return {.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

// a: int, point: struct<x, y>, tags: list<string>, hits: list<struct<at>>, m: map<struct<k>, struct<v>>
Schema sample() {
  return {
      .schema_id = 4,
      .fields = {field(1, "a", primitive(TypeKind::kLong), true),
                 field(2, "point", struct_type({field(3, "x"), field(4, "y")})),
                 field(5, "tags", list_type(6, primitive(TypeKind::kString), true)),
                 field(7, "hits", list_type(8, struct_type({field(9, "at")}), true)),
                 field(10, "m", map_type(11, struct_type({field(13, "k")}), 12, struct_type({field(14, "v")}), true))},
      .identifier_field_ids = {1}};
}

int32_t id_of(const Schema& schema, std::string_view name, bool case_sensitive = true) {
  const Field* found = find_field(schema, name, case_sensitive);
  return found == nullptr ? -1 : found->id;
}

std::string refusal(const Schema& schema, int32_t format_version = 3) {
  try {
    validate(schema, format_version);
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "";
}

TEST(Schema, FindsByFullAndShortNames) {
  const Schema schema = sample();
  EXPECT_EQ(id_of(schema, "a"), 1);
  EXPECT_EQ(id_of(schema, "point.y"), 4);
  EXPECT_EQ(id_of(schema, "tags.element"), 6);
  EXPECT_EQ(id_of(schema, "hits.element"), 8);
  EXPECT_EQ(id_of(schema, "hits.element.at"), 9);
  EXPECT_EQ(id_of(schema, "hits.at"), 9);
  EXPECT_EQ(id_of(schema, "m.key.k"), 13);
  EXPECT_EQ(id_of(schema, "m.value.v"), 14);
  EXPECT_EQ(id_of(schema, "m.v"), 14);
  for (const char* name : {"", "A", "x", "point.", "point.z", ".point", "m.k", "hits.element.", "a.b"}) {
    EXPECT_EQ(id_of(schema, name), -1) << name;
  }
}

TEST(Schema, NamesMayHaveDots) {
  const Schema schema{.fields = {field(1, "a.b"), field(2, "a", struct_type({field(3, "c"), field(4, "d.e")}))}};
  EXPECT_EQ(id_of(schema, "a.b"), 1);
  EXPECT_EQ(id_of(schema, "a.c"), 3);
  EXPECT_EQ(id_of(schema, "a.d.e"), 4);
}

TEST(Schema, WithoutCaseALookUpMayBeAmbiguous) {
  const Schema schema{.fields = {field(1, "Straße"), field(2, "id"), field(3, "ID"), field(4, "ÄÖ")}};
  EXPECT_EQ(id_of(schema, "STRAßE", false), 1);
  EXPECT_EQ(id_of(schema, "äö", false), 4);
  EXPECT_EQ(id_of(schema, "äö", true), -1);
  EXPECT_EQ(id_of(schema, "ID", true), 3);
  EXPECT_THROW(id_of(schema, "Id", false), InvalidArgument);
}

TEST(Schema, PathsAndFullNames) {
  const Schema schema = sample();
  EXPECT_EQ(full_name(schema, 9), "hits.element.at");
  EXPECT_EQ(full_name(schema, 14), "m.value.v");
  EXPECT_EQ(full_name(schema, 99), "");
  EXPECT_EQ(path_to(schema, 14).size(), 3u);
  EXPECT_TRUE(path_to(schema, 99).empty());
  EXPECT_EQ(find_field(schema, 13)->name, "k");
  EXPECT_EQ(find_field(schema, 99), nullptr);
  EXPECT_EQ(index_by_id(schema).size(), 14u);
  EXPECT_EQ(index_by_id(schema).at(4)->name, "y");
  EXPECT_EQ(highest_field_id(schema), 14);
  EXPECT_EQ(highest_field_id({}), 0);
}

TEST(Schema, FreshIdsAreThoseOfPyIceberg) {
  // Expected ids as assign_fresh_schema_ids of PyIceberg 0.12 gives them.
  Schema schema = sample();
  schema.fields[0].id = 101;
  schema.identifier_field_ids = {101};
  int32_t last_id = 0;
  const Schema fresh = assign_fresh_ids(schema, last_id);
  const std::pair<const char*, int32_t> expected[] = {
      {"a", 1},       {"point", 2},    {"tags", 3},         {"hits", 4},         {"m", 5},
      {"point.x", 6}, {"point.y", 7},  {"tags.element", 8}, {"hits.element", 9}, {"hits.element.at", 10},
      {"m.key", 11},  {"m.value", 12}, {"m.key.k", 13},     {"m.value.v", 14}};
  for (const auto& [name, id] : expected) EXPECT_EQ(id_of(fresh, name), id) << name;
  EXPECT_EQ(last_id, 14);
  EXPECT_THAT(fresh.identifier_field_ids, ElementsAre(1));
  EXPECT_EQ(fresh.schema_id, 4);
}

TEST(Schema, FreshIdsGoOnFromTheLast) {
  int32_t last_id = 41;
  EXPECT_EQ(assign_fresh_ids({.fields = {field(1, "a")}}, last_id).fields[0].id, 42);
  EXPECT_EQ(last_id, 42);
  EXPECT_THROW(assign_fresh_ids({.fields = {field(1, "a")}, .identifier_field_ids = {7}}, last_id), InvalidArgument);
}

TEST(Schema, ReadsAndWritesBack) {
  const Schema schema = sample();
  const Schema back = schema_from_json(to_json(schema));
  EXPECT_TRUE(same_fields(back, schema));
  EXPECT_EQ(back.schema_id, 4);
  EXPECT_EQ(to_json(back), to_json(schema));
}

TEST(Schema, Version1HasNoIdOfItsOwn) {
  const Schema schema = schema_from_json(R"({"type":"struct","fields":[]})");
  EXPECT_EQ(schema.schema_id, 0);
  EXPECT_TRUE(schema.fields.empty());
}

TEST(Schema, BrokenJsonIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"type":"list","fields":[]})", R"({"fields":{}})", R"({"fields":[1]})",
                           R"({"fields":[],"schema-id":"0"})", R"({"fields":[],"identifier-field-ids":[1.0]})",
                           R"({"fields":[)", R"({"fields":[{"id":1,"name":"a","required":1,"type":"int"}]})"}) {
    EXPECT_THROW(schema_from_json(text), CorruptFile) << text;
  }
}

TEST(Schema, SameFieldsIgnoresTheIdAndTheOrderOfIdentifiers) {
  Schema a = sample();
  Schema b = sample();
  b.schema_id = 9;
  a.identifier_field_ids = {1, 3};
  b.identifier_field_ids = {3, 1};
  EXPECT_TRUE(same_fields(a, b));
  b.identifier_field_ids = {3};
  EXPECT_FALSE(same_fields(a, b));
}

TEST(Schema, ValidatesIdsAndNames) {
  EXPECT_EQ(refusal(sample()), "");
  EXPECT_THAT(refusal({.fields = {field(1, "a"), field(1, "b")}}), HasSubstr("\"b\" has the id 1 of \"a\""));
  EXPECT_THAT(refusal({.fields = {field(1, "a"), field(2, "a")}}), HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(refusal({.fields = {field(1, "a.b"), field(2, "a", struct_type({field(3, "b")}))}}),
              HasSubstr("\"a.b\""));
  EXPECT_THAT(refusal({.fields = {field(1, "s", struct_type({field(1, "b")}))}}), HasSubstr("s.b"));
  EXPECT_THAT(refusal({.fields = {field(-1, "a")}}), HasSubstr("-1"));
  EXPECT_THAT(refusal({.fields = {field(2147483546, "a")}}), HasSubstr("2147483546"));
  EXPECT_THAT(refusal({.fields = {field(1, "a\xFF")}}), HasSubstr("column 1 is not UTF-8"));
}

TEST(Schema, ValidatesTypesAgainstTheFormatVersion) {
  const Schema schema{.fields = {field(1, "t", list_type(2, primitive(TypeKind::kTimestampNs), false))}};
  EXPECT_EQ(refusal(schema, 3), "");
  EXPECT_THAT(refusal(schema, 2), HasSubstr("\"t.element\" has the type timestamp_ns, which needs format version 3"));
  EXPECT_THAT(refusal({.fields = {field(1, "u", primitive(TypeKind::kUnknown), true)}}), HasSubstr("must be optional"));
}

TEST(Schema, ValidatesIdentifierFields) {
  const auto with = [](Field f, int32_t id) {
    return refusal({.fields = {std::move(f)}, .identifier_field_ids = {id}});
  };
  EXPECT_EQ(with(field(1, "a", primitive(TypeKind::kInt), true), 1), "");
  EXPECT_EQ(with(field(1, "s", struct_type({field(2, "b", primitive(TypeKind::kInt), true)}), true), 2), "");
  EXPECT_THAT(with(field(1, "a"), 1), HasSubstr("Identifier field 1 invalid: not a required field: column \"a\""));
  EXPECT_THAT(with(field(1, "a"), 5), HasSubstr("5"));
  EXPECT_THAT(with(field(1, "a", primitive(TypeKind::kDouble), true), 1),
              HasSubstr("must not be float or double field"));
  EXPECT_THAT(with(field(1, "a", primitive(TypeKind::kFloat), true), 1),
              HasSubstr("must not be float or double field"));
  EXPECT_THAT(with(field(1, "s", struct_type({}), true), 1), HasSubstr("not a primitive type field"));
  EXPECT_THAT(with(field(1, "s", struct_type({field(2, "b", primitive(TypeKind::kInt), true)})), 2),
              HasSubstr("inside the optional \"s\""));
  EXPECT_THAT(with(field(1, "l", list_type(2, primitive(TypeKind::kInt), true), true), 2), HasSubstr("list or map"));
  EXPECT_THAT(with(field(1, "m", map_type(2, primitive(TypeKind::kInt), 3, primitive(TypeKind::kInt), true), true), 2),
              HasSubstr("list or map"));
}

TEST(Schema, ValidatesDefaults) {
  const auto with = [](Type type, Value initial, Value write, int32_t version = 3) {
    Field f = field(1, "a", std::move(type));
    f.initial_default = std::move(initial);
    f.write_default = std::move(write);
    return refusal({.fields = {std::move(f)}}, version);
  };
  const Type point = struct_type({field(2, "x"), field(3, "y")});
  EXPECT_EQ(with(primitive(TypeKind::kInt), 1, 2), "");
  EXPECT_THAT(with(primitive(TypeKind::kInt), 1, 2, 2), HasSubstr("needs format version 3"));
  EXPECT_THAT(with(primitive(TypeKind::kInt), int64_t{1}, {}), HasSubstr("initial default that is not a int"));
  EXPECT_THAT(with(primitive(TypeKind::kInt), {}, true), HasSubstr("write default"));
  EXPECT_THAT(with(decimal_type(3, 1), Int128{1000}, {}), HasSubstr("decimal(3, 1)"));
  EXPECT_THAT(with(fixed_type(2), std::string("abc"), {}), HasSubstr("fixed[2]"));
  EXPECT_THAT(with(primitive(TypeKind::kGeometry), std::string(21, 'x'), {}), HasSubstr("must default to null"));
  EXPECT_THAT(with(primitive(TypeKind::kVariant), {}, std::string("x")), HasSubstr("must default to null"));
  EXPECT_EQ(with(point, std::vector<Value>(2), {}), "");
  EXPECT_THAT(with(point, std::vector<Value>{1, {}}, {}), HasSubstr("give the struct {}"));
}

TEST(Schema, ValidatesDepth) {
  Type deep = primitive(TypeKind::kInt);
  for (int i = 0; i < 150; ++i) deep = list_type(1000 - i, std::move(deep), false);
  EXPECT_THAT(refusal({.fields = {field(1, "a", deep)}}), HasSubstr("deeper"));
}

TEST(Schema, ManyColumnsAreFast) {  // would take minutes if looking up were quadratic in anything but the scan
  Schema schema;
  for (int32_t i = 1; i <= 5000; ++i) schema.fields.push_back(field(i, "column_" + std::to_string(i)));
  validate(schema, 2);
  for (int32_t i = 1; i <= 5000; i += 10) EXPECT_EQ(id_of(schema, "column_" + std::to_string(i)), i);
  EXPECT_TRUE(same_fields(schema_from_json(to_json(schema)), schema));
}

}  // namespace
}  // namespace floe
