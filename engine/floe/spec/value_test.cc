#include "floe/spec/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "floe/error.h"
#include "floe/spec/type.h"

namespace floe {
namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

Type type_of(const char* name) { return parse_primitive(name); }

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

// The value that `text` is as a type; the test fails if it is none.
Value value_of(std::string_view text, const Type& type) {
  const std::optional<Value> value = parse_value(text, type);
  EXPECT_TRUE(value.has_value()) << text << " as " << to_string(type);
  return value.value_or(Value());
}

Int128 int128(int64_t high, uint64_t low) { return static_cast<Int128>(high) << 64 | low; }

TEST(Value, EqualityIsOfRepresentation) {
  EXPECT_EQ(Value(kNan), Value(-kNan));
  EXPECT_NE(Value(0.0), Value(-0.0));
  EXPECT_NE(Value(0.0F), Value(-0.0F));
  EXPECT_NE(Value(1), Value(int64_t{1}));
  EXPECT_NE(Value(), Value(0));
  EXPECT_EQ(Value(std::vector<Value>{1, {}}), Value(std::vector<Value>{1, {}}));
}

TEST(Value, OrderOfFloats) {
  const Type type = primitive(TypeKind::kDouble);
  const std::vector<double> sorted = {-kInf, -1.5, -0.0, 0.0, 1e-300, 2, kInf, kNan};
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t k = 0; k < sorted.size(); ++k) {
      EXPECT_EQ(compare(sorted[i], sorted[k], type), i < k ? -1 : i > k ? 1 : 0) << sorted[i] << " " << sorted[k];
    }
  }
  EXPECT_LT(compare(-0.0F, 0.0F, primitive(TypeKind::kFloat)), 0);
}

TEST(Trap23, UuidsAndBytesOrderAsUnsigned) {
  const Type uuid = primitive(TypeKind::kUuid);
  const Value low = value_of("7fffffff-ffff-ffff-ffff-ffffffffffff", uuid);
  const Value high = value_of("80000000-0000-0000-0000-000000000000", uuid);
  EXPECT_LT(compare(low, high, uuid), 0);
  EXPECT_LT(compare(bytes({0x7F}), bytes({0x80}), primitive(TypeKind::kBinary)), 0);
  EXPECT_LT(compare(bytes({1}), bytes({1, 0}), primitive(TypeKind::kBinary)), 0);
}

TEST(Value, StringsOrderByCodePoint) {  // where UTF-16 would put the emoji first
  EXPECT_LT(compare(std::string("\uFF41"), std::string("\U0001F600"), primitive(TypeKind::kString)), 0);
}

TEST(Value, OrderOfTheRest) {
  EXPECT_LT(compare(false, true, type_of("boolean")), 0);
  EXPECT_LT(compare(int128(-1, 0), int128(0, 1), type_of("decimal(38, 0)")), 0);
  EXPECT_THROW(compare(1, int64_t{2}, type_of("int")), InvalidArgument);
  EXPECT_THROW(compare({}, 1, type_of("int")), InvalidArgument);
  EXPECT_THROW(compare(std::vector<Value>{}, std::vector<Value>{}, struct_type({})), InvalidArgument);
}

TEST(Value, BinaryForms) {
  const auto expect = [](const Value& value, const char* type, const std::string& form) {
    EXPECT_EQ(to_bytes(value, type_of(type)), form) << type;
    EXPECT_EQ(from_bytes(form, type_of(type)), value) << type;
  };
  expect(true, "boolean", bytes({1}));
  expect(false, "boolean", bytes({0}));
  expect(1234, "int", bytes({0xD2, 0x04, 0, 0}));
  expect(-1, "date", bytes({0xFF, 0xFF, 0xFF, 0xFF}));
  expect(int64_t{1234}, "long", bytes({0xD2, 0x04, 0, 0, 0, 0, 0, 0}));
  expect(int64_t{-2}, "timestamptz_ns", bytes({0xFE, 255, 255, 255, 255, 255, 255, 255}));
  expect(1.0F, "float", bytes({0, 0, 0x80, 0x3F}));
  expect(-0.0, "double", bytes({0, 0, 0, 0, 0, 0, 0, 0x80}));
  expect(std::string("ABC\u00E9"), "string", "ABC\u00E9");
  expect(std::string(), "string", "");
  expect(std::string("ab"), "fixed[2]", "ab");
  expect(bytes({0, 1}), "binary", bytes({0, 1}));
  const std::string uuid =
      bytes({0xF7, 0x9C, 0x3E, 0x09, 0x67, 0x7C, 0x4B, 0xBD, 0xA4, 0x79, 0x3F, 0x34, 0x9C, 0xB7, 0x85, 0xE7});
  expect(value_of("f79c3e09-677c-4bbd-a479-3f349cb785e7", type_of("uuid")), "uuid", uuid);
  EXPECT_EQ(from_bytes(bytes({7}), type_of("boolean")), Value(true)) << "any byte but zero";
}

TEST(Trap01, DecimalsAreMinimalTwosComplement) {
  const std::pair<Int128, std::string> cases[] = {{0, bytes({0})},
                                                  {1, bytes({1})},
                                                  {-1, bytes({0xFF})},
                                                  {127, bytes({0x7F})},
                                                  {128, bytes({0, 0x80})},
                                                  {-128, bytes({0x80})},
                                                  {-129, bytes({0xFF, 0x7F})},
                                                  {255, bytes({0, 0xFF})},
                                                  {32767, bytes({0x7F, 0xFF})},
                                                  {-32768, bytes({0x80, 0})},
                                                  {-32769, bytes({0xFF, 0x7F, 0xFF})},
                                                  {1420, bytes({0x05, 0x8C})},
                                                  {-8388608, bytes({0x80, 0, 0})}};
  for (const auto& [value, form] : cases) {
    EXPECT_EQ(to_bytes(value, decimal_type(38, 2)), form);
    EXPECT_EQ(from_bytes(form, decimal_type(9, 2)), Value(value));
  }
  for (const Int128 value : {std::numeric_limits<Int128>::max(), std::numeric_limits<Int128>::min()}) {
    EXPECT_EQ(to_bytes(value, decimal_type(38, 0)).size(), 16u);
    EXPECT_EQ(from_bytes(to_bytes(value, decimal_type(38, 0)), decimal_type(38, 0)), Value(value));
  }
  EXPECT_EQ(from_bytes(bytes({0xFF, 0xFF, 0xFF, 0x80}), decimal_type(9, 2)), Value(Int128{-128})) << "padded";
  EXPECT_EQ(from_bytes(std::string(20, '\xFF'), decimal_type(9, 2)), Value(Int128{-1}));
  EXPECT_THROW(from_bytes(std::string(17, '\x01'), decimal_type(38, 0)), CorruptFile);
  EXPECT_THROW(from_bytes(bytes({0}) + std::string(16, '\xFF'), decimal_type(38, 0)), CorruptFile);
  EXPECT_THROW(from_bytes("", decimal_type(38, 0)), CorruptFile);
}

TEST(Trap07, BoundsOfPromotedColumnsDecodeByLength) {
  EXPECT_EQ(from_bytes(bytes({0xFE, 0xFF, 0xFF, 0xFF}), type_of("long")), Value(int64_t{-2}));
  EXPECT_EQ(from_bytes(bytes({0, 0, 0x80, 0x3F}), type_of("double")), Value(1.0));
  EXPECT_EQ(from_bytes(bytes({0xFF, 0xFF, 0xFF, 0xFF}), type_of("timestamp")), Value(int64_t{-86'400'000'000}));
  EXPECT_EQ(from_bytes(bytes({1, 0, 0, 0}), type_of("timestamp_ns")), Value(int64_t{86'400'000'000'000}));
  EXPECT_THROW(from_bytes(bytes({1, 0, 0, 0}), type_of("timestamptz")), CorruptFile);
  EXPECT_THROW(from_bytes(bytes({0, 0, 0, 0x7F}), type_of("timestamp_ns")), CorruptFile) << "out of range";
}

TEST(Value, BinaryFormsOfWrongLengthAreRefused) {
  for (const char* type : {"boolean", "int", "long", "float", "double", "date", "time", "timestamp", "timestamptz",
                           "timestamp_ns", "timestamptz_ns", "uuid"}) {
    for (const size_t length : {0, 2, 3, 5, 7, 9, 15, 17}) {
      EXPECT_THROW(from_bytes(std::string(length, 'x'), type_of(type)), CorruptFile) << type << " " << length;
    }
  }
  EXPECT_THROW(from_bytes("abc", type_of("fixed[2]")), CorruptFile);
  EXPECT_EQ(from_bytes("a", type_of("fixed[2]")), Value(std::string("a"))) << "a cut bound";
  EXPECT_TRUE(from_bytes("abc", type_of("unknown")).is_null());
  EXPECT_THROW(to_bytes({}, type_of("int")), InvalidArgument);
  EXPECT_THROW(to_bytes(1, type_of("long")), InvalidArgument);
  EXPECT_THROW(to_bytes(std::vector<Value>{}, struct_type({})), InvalidArgument);
}

TEST(Value, JsonFormsOfTheSpecification) {
  const auto expect = [](const char* json, const char* name) {
    EXPECT_EQ(to_json(value_from_json(json, type_of(name)), type_of(name)), json) << name;
  };
  expect("true", "boolean");
  expect("34", "int");
  expect("-9223372036854775808", "long");
  expect("\"14.20\"", "decimal(4, 2)");
  expect("\"-0.05\"", "decimal(2, 2)");
  expect("\"99999999999999999999999999999999999999\"", "decimal(38, 0)");
  expect("\"0.00000000000000000000000000000000000001\"", "decimal(38, 38)");
  expect("\"2017-11-16\"", "date");
  expect("\"22:31:08.123456\"", "time");
  expect("\"2017-11-16T22:31:08.123456\"", "timestamp");
  expect("\"2017-11-16T22:31:08.123456789\"", "timestamp_ns");
  expect("\"2017-11-16T22:31:08.123456789+00:00\"", "timestamptz_ns");
  expect("\"iceberg \\\" \\u0000 \u00E9\"", "string");
  expect("\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"", "uuid");
  expect("\"000102ff\"", "fixed[4]");
  expect("\"000102ff\"", "binary");
  expect("\"\"", "binary");
  expect("\"POINT (30 10)\"", "geometry");
  expect("\"POINT Z (30.5 10 -1)\"", "geography");
  expect("null", "int");
  EXPECT_EQ(value_from_json("1", type_of("double")), Value(1.0));
  EXPECT_EQ(value_from_json(to_json(0.1, type_of("double")), type_of("double")), Value(0.1));
  EXPECT_EQ(value_from_json(to_json(0.1F, type_of("float")), type_of("float")), Value(0.1F));
  EXPECT_EQ(value_from_json(to_json(1e16, type_of("double")), type_of("double")), Value(1e16));
  EXPECT_EQ(value_from_json("\"2E+20\"", decimal_type(38, 0)), value_of("200000000000000000000", decimal_type(38, 0)));
}

TEST(Trap23, TimestampsWithZoneAreWrittenWithPlusZero) {
  const Type type = type_of("timestamptz");
  EXPECT_EQ(to_json(int64_t{1}, type), "\"1970-01-01T00:00:00.000001+00:00\"");
  EXPECT_EQ(to_json(int64_t{0}, type), "\"1970-01-01T00:00:00+00:00\"");
  EXPECT_EQ(value_from_json("\"1970-01-01T00:00:00Z\"", type), Value(int64_t{0}));
  for (const char* text : {"\"1970-01-01T01:00:00+01:00\"", "\"1970-01-01T00:00:00\"", "0"}) {
    EXPECT_THROW(value_from_json(text, type), CorruptFile) << text;
  }
  EXPECT_THROW(value_from_json("\"1970-01-01T00:00:00+00:00\"", type_of("timestamp")), CorruptFile);
}

TEST(Value, JsonOfAnotherTypeIsRefused) {
  const std::pair<const char*, const char*> cases[] = {{"1.0", "int"},
                                                       {"2147483648", "int"},
                                                       {"9223372036854775808", "long"},
                                                       {"\"1\"", "int"},
                                                       {"1", "boolean"},
                                                       {"14.20", "decimal(4, 2)"},
                                                       {"\"14.201\"", "decimal(5, 2)"},
                                                       {"\"140.20\"", "decimal(4, 2)"},
                                                       {"\"0001020\"", "binary"},
                                                       {"\"000102\"", "fixed[4]"},
                                                       {"\"xx\"", "binary"},
                                                       {"\"2017-02-29\"", "date"},
                                                       {"\"24:00:00\"", "time"},
                                                       {"1e39", "float"},
                                                       {"{}", "string"},
                                                       {"1", "unknown"},
                                                       {"1", "variant"},
                                                       {"\"POINT (1)\"", "geometry"},
                                                       {"\"f79c3e09-677c-4bbd-a479-3f349cb785e\"", "uuid"},
                                                       {"", "int"},
                                                       {"[", "int"}};
  for (const auto& [json, type] : cases)
    EXPECT_THROW(value_from_json(json, type_of(type)), CorruptFile) << json << " " << type;
  EXPECT_THROW(to_json(kNan, type_of("double")), InvalidArgument);
  EXPECT_THROW(to_json(std::string("\xFF"), type_of("string")), InvalidArgument);
  EXPECT_THROW(to_json(kInf, type_of("double")), InvalidArgument);
}

TEST(Value, JsonOfNestedTypes) {
  const Type pair =
      struct_type({{.id = 1, .name = "a", .type = type_of("int")}, {.id = 2, .name = "b", .type = type_of("string")}});
  EXPECT_EQ(value_from_json(R"({"1": 1, "2": "bar"})", pair), Value(std::vector<Value>{1, std::string("bar")}));
  EXPECT_EQ(to_json(std::vector<Value>{1, std::string("bar")}, pair), R"({"1":1,"2":"bar"})");
  EXPECT_EQ(value_from_json(R"({"2": null})", pair), Value(std::vector<Value>(2)));
  EXPECT_EQ(to_json(std::vector<Value>(2), pair), "{}");
  EXPECT_THROW(value_from_json(R"({"3": 1})", pair), CorruptFile);

  const Type list = list_type(3, type_of("long"), false);
  EXPECT_EQ(to_json(value_from_json("[1,null,3]", list), list), "[1,null,3]");
  EXPECT_EQ(to_json(value_from_json("[]", list), list), "[]");

  const Type map = map_type(4, type_of("string"), 5, pair, false);
  const char* text = R"({"keys":["a","b"],"values":[{"1":1},null]})";
  EXPECT_EQ(to_json(value_from_json(text, map), map), text);
  EXPECT_THROW(value_from_json(R"({"keys":["a"],"values":[]})", map), CorruptFile);
  EXPECT_THROW(value_from_json(R"({"keys":[null],"values":[null]})", map), CorruptFile);
  EXPECT_THROW(value_from_json(R"({"keys":["a"]})", map), CorruptFile);
}

TEST(Value, FitsLooksAtKindRangeAndMembers) {
  EXPECT_TRUE(fits({}, type_of("int")));
  EXPECT_TRUE(fits(Int128{-999}, decimal_type(3, 1)));
  EXPECT_FALSE(fits(Int128{1000}, decimal_type(3, 1)));
  EXPECT_FALSE(fits(int64_t{86'400'000'000}, type_of("time")));
  EXPECT_FALSE(fits(int64_t{-1}, type_of("time")));
  EXPECT_FALSE(fits(std::string("\xFF"), type_of("string")));
  EXPECT_FALSE(fits(1, type_of("unknown")));
  const Type list = list_type(1, type_of("int"), true);
  EXPECT_TRUE(fits(std::vector<Value>{1, 2}, list));
  EXPECT_FALSE(fits(std::vector<Value>{1, {}}, list));
  EXPECT_FALSE(fits(std::vector<Value>{true}, list));
  const Type map = map_type(1, type_of("int"), 2, type_of("int"), false);
  EXPECT_TRUE(fits(std::vector<Value>{1, {}}, map));
  EXPECT_FALSE(fits(std::vector<Value>{1}, map));
  EXPECT_FALSE(fits(std::vector<Value>{1, 2}, struct_type({{.id = 1, .name = "a", .type = type_of("int")}})));
}

TEST(Value, HumanStrings) {
  const auto text = [](const Value& value, const char* type) { return to_human_string(value, type_of(type)); };
  EXPECT_EQ(text({}, "int"), "null");
  EXPECT_EQ(text(true, "boolean"), "true");
  EXPECT_EQ(text(-5, "int"), "-5");
  EXPECT_EQ(text(1.0, "double"), "1.0");
  EXPECT_EQ(text(0.1F, "float"), "0.1");
  EXPECT_EQ(text(1e20, "double"), "1e+20");
  EXPECT_EQ(text(kNan, "double"), "nan");
  EXPECT_EQ(text(Int128{1420}, "decimal(9, 2)"), "14.20");
  EXPECT_EQ(text(Int128{-5}, "decimal(9, 2)"), "-0.05");
  EXPECT_EQ(text(Int128{1}, "decimal(9, 7)"), "1E-7");
  EXPECT_EQ(text(Int128{-123}, "decimal(38, 20)"), "-1.23E-18");
  EXPECT_EQ(text(Int128{1}, "decimal(9, 6)"), "0.000001");
  EXPECT_EQ(text(17486, "date"), "2017-11-16");
  EXPECT_EQ(text(-719529, "date"), "-0001-12-31") << "the day before year 0 began";
  EXPECT_EQ(text(2932897, "date"), "+10000-01-01");
  EXPECT_EQ(text(int64_t{81'068'000'000}, "time"), "22:31:08");
  EXPECT_EQ(text(int64_t{81'068'000'001}, "time"), "22:31:08.000001");
  EXPECT_EQ(text(int64_t{-1}, "timestamp"), "1969-12-31T23:59:59.999999");
  EXPECT_EQ(text(int64_t{-1}, "timestamptz_ns"), "1969-12-31T23:59:59.999999999+00:00");
  EXPECT_EQ(text(bytes({0xFB, 0xFF}), "binary"), "+/8=");
  EXPECT_EQ(text(bytes({0xFB}), "binary"), "+w==");
  EXPECT_EQ(text(std::string("abc"), "fixed[3]"), "YWJj");
  EXPECT_EQ(text(std::string("a b"), "string"), "a b");
  EXPECT_EQ(to_human_string(7, primitive(TypeKind::kUnknown)), "7") << "of a column that is gone";
  EXPECT_EQ(text(std::numeric_limits<Int128>::min(), "decimal(38, 0)"), "-170141183460469231731687303715884105728");
}

TEST(ParseValue, AcceptsWhatPyIcebergDoes) {
  const std::tuple<const char*, const char*, Value> cases[] = {
      {"true", "boolean", true},
      {"FALSE", "boolean", false},
      {"-42", "int", -42},
      {"+42", "int", 42},
      {"5.0", "int", 5},
      {"1e3", "long", int64_t{1000}},
      {"-9223372036854775808", "long", std::numeric_limits<int64_t>::min()},
      {"1.5", "float", 1.5F},
      {"-1e300", "double", -1e300},
      {"inf", "double", kInf},
      {"14.20", "decimal(9, 2)", Int128{1420}},
      {"14.2", "decimal(9, 2)", Int128{1420}},
      {"14.200", "decimal(9, 2)", Int128{1420}},
      {".5", "decimal(9, 2)", Int128{50}},
      {"1.42e1", "decimal(9, 2)", Int128{1420}},
      {"-0", "decimal(9, 2)", Int128{0}},
      {"2017-11-16", "date", 17486},
      {"1969-12-31", "date", -1},
      {"2016-02-29", "date", 16860},
      {"22:31", "time", int64_t{81'060'000'000}},
      {"22:31:08.5", "time", int64_t{81'068'500'000}},
      {"2017-11-16T22:31:08", "timestamp", int64_t{1510871468000000}},
      {"2017-11-16 22:31:08.000001", "timestamp", int64_t{1510871468000001}},
      {"2017-11-16T14:31:08-08:00", "timestamptz", int64_t{1510871468000000}},
      {"2017-11-16T22:31:08Z", "timestamptz", int64_t{1510871468000000}},
      {"2017-11-17T04:01:08.1+0530", "timestamptz", int64_t{1510871468100000}},
      {"2017-11-16T22:31:08.000001001", "timestamp_ns", int64_t{1510871468000001001}},
      {"2017-11-16T14:31:08.000001001-08:00", "timestamptz_ns", int64_t{1510871468000001001}},
      {"000102FF", "binary", bytes({0, 1, 2, 255})},
      {"", "string", std::string()},
  };
  for (const auto& [text, type, value] : cases) {
    EXPECT_EQ(parse_value(text, type_of(type)), value) << text << " as " << type;
  }
  EXPECT_EQ(parse_value("+5881580-07-11", type_of("date")), Value(std::numeric_limits<int32_t>::max()));
  EXPECT_EQ(parse_value("F79C3E09677C4BBDA4793F349CB785E7", type_of("uuid")),
            parse_value("f79c3e09-677c-4bbd-a479-3f349cb785e7", type_of("uuid")));
}

TEST(ParseValue, RefusesWhatDoesNotFit) {
  const std::pair<const char*, const char*> cases[] = {{"yes", "boolean"},
                                                       {"", "int"},
                                                       {"2147483648", "int"},
                                                       {"5.5", "int"},
                                                       {" 5", "int"},
                                                       {"5x", "int"},
                                                       {"0x5", "int"},
                                                       {"9223372036854775808", "long"},
                                                       {"1e400", "double"},
                                                       {"1e39", "float"},
                                                       {"nan", "double"},
                                                       {"", "float"},
                                                       {"14.201", "decimal(9, 2)"},
                                                       {"12345678.00", "decimal(9, 2)"},
                                                       {"1e99999999999", "decimal(9, 2)"},
                                                       {"1e999", "int"},
                                                       {"1e-999", "decimal(9, 2)"},
                                                       {".", "decimal(9, 2)"},
                                                       {"1e", "decimal(9, 2)"},
                                                       {"--1", "decimal(9, 2)"},
                                                       {"123456789012345678901234567890123456789", "decimal(38, 0)"},
                                                       {"2017-02-29", "date"},
                                                       {"2017-00-01", "date"},
                                                       {"2017-13-01", "date"},
                                                       {"2017-1-1", "date"},
                                                       {"2017-11-31", "date"},
                                                       {"2017-11-16T00:00", "date"},
                                                       {"20171116", "date"},
                                                       {"5881580-07-11", "date"},
                                                       {"+5881580-07-12", "date"},
                                                       {"+99999999-01-01", "date"},
                                                       {"24:00", "time"},
                                                       {"22:60", "time"},
                                                       {"22:31:60", "time"},
                                                       {"22", "time"},
                                                       {"22:31:08.", "time"},
                                                       {"22:31:08.0000001", "time"},
                                                       {"22:31:08Z", "time"},
                                                       {"2017-11-16", "timestamp"},
                                                       {"2017-11-16T22:31:08Z", "timestamp"},
                                                       {"2017-11-16T22:31:08", "timestamptz"},
                                                       {"2017-11-16T22:31:08+25:00", "timestamptz"},
                                                       {"2017-11-16T22:31:08+01:60", "timestamptz"},
                                                       {"2017-11-16T22:31:08.0000001", "timestamp"},
                                                       {"2017-11-16x22:31:08", "timestamp"},
                                                       {"2300-01-01T00:00:00", "timestamp_ns"},
                                                       {"+300000-01-01T00:00:00", "timestamp"},
                                                       {"f79c3e09-677c-4bbd-a479-3f349cb785e7f", "uuid"},
                                                       {"f79c3e09+677c-4bbd-a479-3f349cb785e7", "uuid"},
                                                       {"zz", "uuid"},
                                                       {"0", "binary"},
                                                       {"0g", "binary"},
                                                       {"00", "fixed[2]"},
                                                       {"1", "unknown"},
                                                       {"1", "variant"},
                                                       {"POINT (1 2)", "geometry"}};
  for (const auto& [text, type] : cases)
    EXPECT_EQ(parse_value(text, type_of(type)), std::nullopt) << text << " as " << type;
}

TEST(Calendar, IsProlepticGregorian) {
  EXPECT_EQ(days_from_civil(1970, 1, 1), 0);
  EXPECT_EQ(days_from_civil(2000, 2, 29), 11016);
  EXPECT_EQ(days_from_civil(1, 1, 1), -719162);
  EXPECT_EQ(days_from_civil(0, 2, 29), -719469);
  for (int32_t days = -1'000'000; days <= 3'000'000; days += 97) {
    const CivilDate date = civil_from_days(days);
    ASSERT_EQ(days_from_civil(date.year, date.month, date.day), days);
  }
  for (const int32_t days : {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    const CivilDate date = civil_from_days(days);
    EXPECT_EQ(days_from_civil(date.year, date.month, date.day), days);
  }
}

}  // namespace
}  // namespace floe
