#include "floe/spec/type.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"
#include "floe/spec/json_codec.h"

namespace floe {
namespace {

using ::testing::HasSubstr;

Type read(const std::string& text) {
  const json::Document document(text, "test");
  return json::type_from_node(document.root());
}

std::string message_of(const std::string& text) {
  try {
    read(text);
  } catch (const CorruptFile& e) {
    return e.what();
  }
  return "";
}

std::string nested_lists(int depth) {
  std::string text = R"("int")";
  for (int i = 0; i < depth; ++i) {
    text = R"({"type":"list","element-id":1,"element-required":true,"element":)" + text + "}";
  }
  return text;
}

TEST(Type, EveryPrimitiveNameReadsAndWritesBack) {
  for (const char* name : {"unknown",
                           "boolean",
                           "int",
                           "long",
                           "float",
                           "double",
                           "decimal(9, 2)",
                           "date",
                           "time",
                           "timestamp",
                           "timestamptz",
                           "timestamp_ns",
                           "timestamptz_ns",
                           "string",
                           "uuid",
                           "fixed[16]",
                           "binary",
                           "variant",
                           "geometry",
                           "geometry(srid:4326)",
                           "geography",
                           "geography(srid:4326)",
                           "geography(srid:4326, karney)",
                           "geography(OGC:CRS84, vincenty)"}) {
    EXPECT_EQ(to_string(parse_primitive(name)), name);
    EXPECT_EQ(json::to_value(parse_primitive(name)), boost::json::value(name));
  }
}

TEST(Trap20, DecimalWithAndWithoutSpaces) {
  for (const char* name : {"decimal(9,2)", "decimal(9, 2)", " decimal ( 9 ,2 ) ", "DECIMAL(9,2)"}) {
    EXPECT_EQ(parse_primitive(name), decimal_type(9, 2)) << name;
  }
}

TEST(Type, ParametersTakeSpaces) {
  EXPECT_EQ(parse_primitive("fixed[ 16 ]"), fixed_type(16));
  EXPECT_EQ(parse_primitive("geography( srid:4326,karney )"), geography_type("srid:4326", "karney"));
  EXPECT_EQ(parse_primitive("geometry(a, b)"), geometry_type("a, b"));
  EXPECT_EQ(parse_primitive("geography('a, b', 'karney')"), geography_type("a, b", "karney"));
}

TEST(Type, DefaultsOfGeoTypesCompareEqualHoweverWritten) {
  EXPECT_EQ(parse_primitive("geometry(OGC:CRS84)"), parse_primitive("geometry"));
  EXPECT_EQ(parse_primitive("geography(OGC:CRS84, spherical)"), parse_primitive("geography"));
  EXPECT_EQ(parse_primitive("geometry('EPSG:3857')"), geometry_type("EPSG:3857")) << "as PyIceberg quotes it";
}

TEST(Type, RefusesWhatIsNoType) {
  for (const char* name : {"",
                           "integer",
                           "decimal",
                           "decimal(9)",
                           "decimal(9,2",
                           "decimal(39,2)",
                           "decimal(0,0)",
                           "decimal(9,10)",
                           "decimal(9,-1)",
                           "decimal(9,2,1)",
                           "decimal(99999999999,2)",
                           "decimal[9,2]",
                           "fixed",
                           "fixed[0]",
                           "fixed[-1]",
                           "fixed(16)",
                           "fixed[x]",
                           "int(4)",
                           "geometry[a]",
                           "geography(a, planar)",
                           "geography(a, karney, b)",
                           "("}) {
    EXPECT_THROW(parse_primitive(name), InvalidArgument) << name;
  }
}

TEST(Type, NestedTypesReadAndWriteBack) {
  const Type type = struct_type(
      {{.id = 1, .name = "tags", .type = list_type(2, primitive(TypeKind::kString), true)},
       {.id = 3,
        .name = "m",
        .required = true,
        .type =
            map_type(4, primitive(TypeKind::kInt), 5,
                     struct_type({{.id = 6, .name = "x", .type = decimal_type(38, 10), .doc = "how far"}}), false)}});
  const std::string text = json::serialize(json::to_value(type));
  EXPECT_EQ(read(text), type);
  EXPECT_EQ(to_string(type),
            "struct<1: tags: optional list<string>, 3: m: required map<int, struct<6: x: optional decimal(38, 10)>>>");
}

TEST(Type, SpecificationExampleWithDefaults) {
  const Type type = read(R"({"type": "struct", "fields": [
    {"id": 1, "name": "id", "required": true, "type": "uuid",
     "initial-default": "0db3e2a8-9d1d-42b9-aa7b-74ebe558dceb",
     "write-default": "ec5911be-b0a7-458c-8438-c9a3e53cffae"},
    {"id": 2, "name": "data", "required": false,
     "type": {"type": "list", "element-id": 3, "element-required": true, "element": "string"}}]})");
  const Field& id = children_of(type).at(0);
  EXPECT_EQ(to_human_string(id.initial_default, id.type), "0db3e2a8-9d1d-42b9-aa7b-74ebe558dceb");
  EXPECT_EQ(to_human_string(id.write_default, id.type), "ec5911be-b0a7-458c-8438-c9a3e53cffae");
  EXPECT_EQ(read(json::serialize(json::to_value(type))), type);
  EXPECT_TRUE(children_of(type).at(1).initial_default.is_null());
}

TEST(Type, MessagesNameTheField) {
  EXPECT_THAT(message_of(R"({"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"integer"}]})"),
              HasSubstr("fields[0].type"));
  EXPECT_THAT(message_of(R"({"type":"struct","fields":[{"id":1,"name":"a","type":"int"}]})"),
              HasSubstr("\"required\""));
  EXPECT_THAT(message_of(R"({"type":"struct","fields":[{"id":2147483648,"name":"a","required":true,"type":"int"}]})"),
              HasSubstr("fields[0].id"));
  EXPECT_THAT(message_of(R"({"type":"set","element":"int"})"), HasSubstr("\"set\""));
  EXPECT_THAT(message_of(R"({"type":"list","element-id":1,"element":"int"})"), HasSubstr("element-required"));
  EXPECT_THAT(message_of("7"), HasSubstr("test"));
  EXPECT_THAT(
      message_of(
          R"({"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"date","initial-default":"x"}]})"),
      HasSubstr("initial-default"));
}

TEST(Type, NestingIsBounded) {
  EXPECT_EQ(read(nested_lists(99)).kind, TypeKind::kList);
  EXPECT_THAT(message_of(nested_lists(100)), HasSubstr("deeper than 100"));
  EXPECT_THROW(read(nested_lists(5000)), CorruptFile);
}

TEST(Type, EqualityLooksAtEveryParameter) {
  EXPECT_NE(decimal_type(9, 2), decimal_type(9, 3));
  EXPECT_NE(fixed_type(4), fixed_type(5));
  EXPECT_NE(geography_type("", "karney"), geography_type());
  EXPECT_NE(list_type(1, primitive(TypeKind::kInt), true), list_type(1, primitive(TypeKind::kInt), false));
  EXPECT_NE(list_type(1, primitive(TypeKind::kInt), true), list_type(2, primitive(TypeKind::kInt), true));
  EXPECT_NE(struct_type({{.id = 1, .name = "a"}}), struct_type({{.id = 1, .name = "a", .doc = ""}}));
}

TEST(Type, MinimumFormatVersionLooksInside) {
  EXPECT_EQ(minimum_format_version(primitive(TypeKind::kTimestamp)), 1);
  EXPECT_EQ(minimum_format_version(primitive(TypeKind::kTimestampNs)), 3);
  EXPECT_EQ(minimum_format_version(list_type(1, primitive(TypeKind::kVariant), false)), 3);
  EXPECT_EQ(minimum_format_version(list_type(1, primitive(TypeKind::kUuid), false)), 1);
}

TEST(Type, PromotionsOfEachFormatVersion) {
  const auto promotes = [](const char* from, const char* to, int32_t version) {
    return can_promote(parse_primitive(from), parse_primitive(to), version);
  };
  for (const int32_t version : {1, 2, 3}) {
    EXPECT_TRUE(promotes("int", "long", version));
    EXPECT_TRUE(promotes("float", "double", version));
    EXPECT_TRUE(promotes("decimal(9, 2)", "decimal(18, 2)", version));
    EXPECT_TRUE(promotes("string", "string", version));
    EXPECT_FALSE(promotes("long", "int", version));
    EXPECT_FALSE(promotes("int", "double", version));
    EXPECT_FALSE(promotes("decimal(9, 2)", "decimal(18, 3)", version));
    EXPECT_FALSE(promotes("decimal(9, 2)", "decimal(8, 2)", version));
    EXPECT_FALSE(promotes("date", "timestamptz", version));
    EXPECT_FALSE(promotes("string", "binary", version));
    EXPECT_EQ(promotes("date", "timestamp", version), version == 3);
    EXPECT_EQ(promotes("date", "timestamp_ns", version), version == 3);
    EXPECT_EQ(promotes("unknown", "string", version), version == 3);
  }
}

}  // namespace
}  // namespace floe
