#include "floe/avro/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "floe/error.h"

namespace floe::avro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseSchema, EveryType) {
  const AvroTypePtr type = parse_schema(R"({"type": "record", "name": "r", "fields": [
    {"name": "n", "type": "null"}, {"name": "b", "type": "boolean"}, {"name": "i", "type": "int"},
    {"name": "l", "type": {"type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": true}, "field-id": 4},
    {"name": "f", "type": "float"}, {"name": "d", "type": "double"}, {"name": "y", "type": "bytes"},
    {"name": "s", "type": "string"}, {"name": "x", "type": {"type": "fixed", "name": "x", "size": 3}},
    {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["a", "b"]}},
    {"name": "a", "type": {"type": "array", "items": "int", "element-id": 9}},
    {"name": "m", "type": {"type": "map", "values": "int", "key-id": 10, "value-id": 11}},
    {"name": "u", "type": ["null", "int", "string"]}]})");
  ASSERT_EQ(type->kind, Kind::kRecord);
  std::vector<Kind> kinds;
  for (const AvroField& field : type->fields) kinds.push_back(field.type->kind);
  EXPECT_THAT(kinds, ElementsAre(Kind::kNull, Kind::kBoolean, Kind::kInt, Kind::kLong, Kind::kFloat, Kind::kDouble,
                                 Kind::kBytes, Kind::kString, Kind::kFixed, Kind::kEnum, Kind::kArray, Kind::kMap,
                                 Kind::kUnion));
  EXPECT_EQ(type->fields[3].id, 4);
  EXPECT_TRUE(type->fields[3].type->adjust_to_utc);
  EXPECT_EQ(type->fields[8].type->size, 3);
  EXPECT_EQ(type->fields[10].type->element_id, 9);
  EXPECT_EQ(type->fields[11].type->key_id, 10);
  EXPECT_EQ(type->fields[11].type->value_id, 11);
}

TEST(ParseSchema, NamesAreFoundInTheirNamespace) {
  const AvroTypePtr type = parse_schema(R"({"type": "record", "name": "r", "namespace": "a.b", "fields": [
    {"name": "x", "type": {"type": "fixed", "name": "f", "size": 3}},
    {"name": "y", "type": "f"}, {"name": "z", "type": "a.b.f"}, {"name": "w", "type": {"type": "f"}}]})");
  EXPECT_EQ(type->name, "a.b.r");
  for (const AvroField& field : type->fields) EXPECT_EQ(field.type->size, 3);
  EXPECT_THROW(parse_schema(R"({"type": "record", "name": "r", "fields": [{"name": "y", "type": "f"}]})"), CorruptFile);
}

TEST(ParseSchema, ATypeDefinedTwiceIsRead) {  // PyIceberg does not refer to types by name
  const AvroTypePtr type = parse_schema(R"({"type": "record", "name": "r", "fields": [
    {"name": "x", "type": {"type": "fixed", "name": "uuid_fixed", "size": 16}},
    {"name": "y", "type": {"type": "fixed", "name": "uuid_fixed", "size": 16}}]})");
  EXPECT_EQ(type->fields[1].type->size, 16);
}

TEST(ParseSchema, WhatIsNoSchema) {
  for (const char* text : {"", "{}", "[]", "7", R"("what")", R"({"type": "record"})",
                           R"({"type": "record", "name": "r"})", R"({"type": "fixed", "name": "f", "size": -1})",
                           R"({"type": "fixed", "name": "f", "size": 99999999999})", R"(["int", ["null"]])",
                           R"({"type": "array"})", R"({"type": "record", "name": "r", "fields": [{"name": "x"}]})"}) {
    EXPECT_THROW(parse_schema(text), CorruptFile) << text;
  }
}

TEST(ParseSchema, ATypeThatContainsItselfIsRefused) {
  EXPECT_THROW(parse_schema(R"({"type": "record", "name": "r", "fields": [{"name": "x", "type": ["null", "r"]}]})"),
               CorruptFile);
}

TEST(ParseSchema, NestingIsBounded) {
  std::string deep = "\"int\"";
  for (int i = 0; i < 400; ++i) deep = R"({"type": "array", "items": )" + deep + "}";
  EXPECT_THROW(parse_schema(deep), CorruptFile);
}

TEST(ToAvroSchema, FollowsAppendixA) {
  const auto type_text = [](const Type& type) {
    const std::string text = to_avro_schema({{.id = 7, .name = "x", .required = true, .type = type}}, "t");
    const std::string prefix = R"({"type":"record","name":"t","fields":[{"name":"x","type":)";
    EXPECT_EQ(text.substr(0, prefix.size()), prefix);
    return text.substr(prefix.size(), text.size() - prefix.size() - std::string(R"(,"field-id":7}]})").size());
  };
  EXPECT_EQ(type_text(primitive(TypeKind::kUnknown)), R"("null")");
  EXPECT_EQ(type_text(primitive(TypeKind::kLong)), R"("long")");
  EXPECT_EQ(type_text(decimal_type(9, 2)),
            R"({"type":"fixed","name":"decimal_9_2","size":4,"logicalType":"decimal","precision":9,"scale":2})");
  EXPECT_EQ(type_text(primitive(TypeKind::kDate)), R"({"type":"int","logicalType":"date"})");
  EXPECT_EQ(type_text(primitive(TypeKind::kTime)), R"({"type":"long","logicalType":"time-micros"})");
  EXPECT_EQ(type_text(primitive(TypeKind::kTimestamp)),
            R"({"type":"long","logicalType":"timestamp-micros","adjust-to-utc":false})");
  EXPECT_EQ(type_text(primitive(TypeKind::kTimestampTzNs)),
            R"({"type":"long","logicalType":"timestamp-nanos","adjust-to-utc":true})");
  EXPECT_EQ(type_text(primitive(TypeKind::kUuid)),
            R"({"type":"fixed","name":"uuid_fixed","size":16,"logicalType":"uuid"})");
  EXPECT_EQ(type_text(fixed_type(5)), R"({"type":"fixed","name":"fixed_5","size":5})");
  EXPECT_EQ(type_text(geometry_type()), R"("bytes")");
  EXPECT_EQ(
      type_text(primitive(TypeKind::kVariant)),
      R"({"type":"record","name":"r7","fields":[{"name":"metadata","type":"bytes"},{"name":"value","type":"bytes"}]})");
  EXPECT_EQ(type_text(list_type(8, primitive(TypeKind::kInt), false)),
            R"({"type":"array","items":["null","int"],"element-id":8})");
  EXPECT_EQ(
      type_text(struct_type({{.id = 8, .name = "y", .required = false, .type = primitive(TypeKind::kString)}})),
      R"({"type":"record","name":"r7","fields":[{"name":"y","type":["null","string"],"default":null,"field-id":8}]})");
  // Maps are arrays with the logical type map, whatever their keys.
  EXPECT_EQ(type_text(map_type(8, primitive(TypeKind::kInt), 9, primitive(TypeKind::kLong), true)),
            R"({"type":"array","logicalType":"map","items":{"type":"record","name":"k8_v9","fields":)"
            R"([{"name":"key","type":"int","field-id":8},{"name":"value","type":"long","field-id":9}]}})");
}

TEST(ToAvroSchema, NamedTypesAreDefinedOnceUnderNamesOfTheirOwn) {
  const std::string text =
      to_avro_schema({{.id = 1, .name = "a", .required = true, .type = primitive(TypeKind::kUuid)},
                      {.id = 2, .name = "b", .required = true, .type = primitive(TypeKind::kUuid)}},
                     "t");
  EXPECT_THAT(text, HasSubstr(R"("name":"uuid_fixed",)"));
  EXPECT_THAT(text, HasSubstr(R"("name":"uuid_fixed_2",)"));
}

TEST(ToAvroSchema, DefaultsComeFirstInTheirUnion) {
  Field field{.id = 1, .name = "a", .required = false, .type = primitive(TypeKind::kInt)};
  EXPECT_TRUE(null_comes_first(field));
  field.initial_default = int32_t{5};
  EXPECT_FALSE(null_comes_first(field));
  EXPECT_THAT(to_avro_schema({field}, "t"), HasSubstr(R"("type":["int","null"],"default":5)"));
  field.type = primitive(TypeKind::kBinary);
  field.initial_default = std::string("\x01\xff", 2);
  EXPECT_THAT(to_avro_schema({field}, "t"), HasSubstr("\"default\":\"\\u0001\xc3\xbf\""));
  field.type = decimal_type(4, 2);
  field.initial_default = Int128{-1};
  field.required = true;
  EXPECT_THAT(to_avro_schema({field}, "t"), HasSubstr("\"default\":\"\xc3\xbf\xc3\xbf\""));
}

TEST(AvroName, OnlyLettersDigitsAndUnderscoresRemain) {
  EXPECT_EQ(make_avro_name("abc_1"), "abc_1");
  EXPECT_EQ(make_avro_name("1st"), "_1st");
  EXPECT_EQ(make_avro_name("a b.c"), "a_x20b_x2Ec");
  EXPECT_EQ(make_avro_name("\xc3\xa9"), "_xE9");
  EXPECT_EQ(make_avro_name("\xf0\x9f\x98\x80"), "_x1F600");
  EXPECT_EQ(make_avro_name("\xf0"), "_x0");  // no UTF-8, and still a name
  EXPECT_EQ(make_avro_name(""), "_");
}

TEST(DecimalBytes, AreTheFewestForThePrecision) {
  EXPECT_EQ(decimal_bytes(1), 1);
  EXPECT_EQ(decimal_bytes(2), 1);
  EXPECT_EQ(decimal_bytes(3), 2);
  EXPECT_EQ(decimal_bytes(9), 4);
  EXPECT_EQ(decimal_bytes(10), 5);
  EXPECT_EQ(decimal_bytes(18), 8);
  EXPECT_EQ(decimal_bytes(19), 9);
  EXPECT_EQ(decimal_bytes(38), 16);
}

TEST(ToIcebergPrimitive, LogicalTypes) {
  const auto read = [](const char* text) { return to_iceberg_primitive(*parse_schema(text)); };
  EXPECT_EQ(read(R"({"type": "int", "logicalType": "date"})"), primitive(TypeKind::kDate));
  EXPECT_EQ(read(R"(["null", {"type": "long", "logicalType": "timestamp-micros"}])"), primitive(TypeKind::kTimestamp));
  EXPECT_EQ(read(R"({"type": "long", "logicalType": "timestamp-nanos", "adjust-to-utc": true})"),
            primitive(TypeKind::kTimestampTzNs));
  EXPECT_EQ(read(R"({"type": "fixed", "name": "d", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2})"),
            decimal_type(9, 2));
  EXPECT_EQ(read(R"({"type": "fixed", "name": "d", "size": 4, "logicalType": "decimal", "precision": 99})"),
            fixed_type(4));  // an annotation that makes no sense is ignored
  EXPECT_EQ(read(R"({"type": "long", "logicalType": "surprise"})"), primitive(TypeKind::kLong));
  EXPECT_THROW(read(R"({"type": "array", "items": "int"})"), NotSupported);
  EXPECT_THROW(read(R"(["int", "string"])"), NotSupported);
}

}  // namespace
}  // namespace floe::avro
