#include "floe/spec/transform.h"

#include <gtest/gtest.h>

#include <limits>

#include "floe/error.h"

namespace floe {
namespace {

Type type_of(const char* name) { return parse_primitive(name); }

Value value_of(std::string_view text, const Type& type) {
  const std::optional<Value> value = parse_value(text, type);
  EXPECT_TRUE(value.has_value()) << text << " as " << to_string(type);
  return value.value_or(Value());
}

int32_t hash_of(const char* text, const char* type) {
  return static_cast<int32_t>(bucket_hash(value_of(text, type_of(type)), type_of(type)));
}

Value applied(const char* transform, const char* type, const Value& value) {
  return apply(parse_transform(transform), type_of(type), value);
}

// What the transform makes of the value that the text is.
Value applied_to(const char* transform, const char* type, const char* text) {
  return applied(transform, type, value_of(text, type_of(type)));
}

std::string human(const char* transform, const char* type, const Value& transformed) {
  return to_human_string(parse_transform(transform), type_of(type), transformed);
}

TEST(Transform, NamesReadAndWriteBack) {
  for (const char* name : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void"}) {
    EXPECT_EQ(to_string(parse_transform(name)), name);
    EXPECT_NE(parse_transform(name).kind, TransformKind::kUnknown) << name;
  }
  EXPECT_EQ(parse_transform("bucket[2147483647]").width, 2147483647);
  EXPECT_EQ(parse_transform("Identity").kind, TransformKind::kIdentity);
}

TEST(Transform, UnknownOnesAreKeptAsTheyAre) {
  for (const char* name : {"zorder", "bucketV2[4]", "Days", "year[4]", "geohash[3, 4]", ""}) {
    EXPECT_EQ(parse_transform(name).kind, TransformKind::kUnknown) << name;
    EXPECT_EQ(to_string(parse_transform(name)), name);
  }
  EXPECT_EQ(result_type(parse_transform("zorder"), type_of("int")), type_of("string"));
  EXPECT_FALSE(can_transform(parse_transform("zorder"), type_of("int")));
  EXPECT_THROW(applied("zorder", "int", 1), NotSupported);
  EXPECT_TRUE(applied("zorder", "int", {}).is_null());
}

TEST(Transform, WidthsMustBePositiveNumbers) {
  for (const char* name : {"bucket", "bucket[]", "bucket[0]", "bucket[-1]", "bucket[4", "bucket[4]]", "bucket[x]",
                           "truncate[ 4]", "truncate[2147483648]", "bucket["}) {
    EXPECT_THROW(parse_transform(name), InvalidArgument) << name;
  }
}

TEST(Transform, HashesOfAppendixB) {
  EXPECT_EQ(hash_of("34", "int"), 2017239379);
  EXPECT_EQ(hash_of("34", "long"), 2017239379);
  EXPECT_EQ(hash_of("14.20", "decimal(9, 2)"), -500754589);
  EXPECT_EQ(hash_of("2017-11-16", "date"), -653330422);
  EXPECT_EQ(hash_of("22:31:08", "time"), -662762989);
  EXPECT_EQ(hash_of("2017-11-16T22:31:08", "timestamp"), -2047944441);
  EXPECT_EQ(hash_of("2017-11-16T22:31:08.000001", "timestamp"), -1207196810);
  EXPECT_EQ(hash_of("2017-11-16T14:31:08-08:00", "timestamptz"), -2047944441);
  EXPECT_EQ(hash_of("2017-11-16T14:31:08.000001-08:00", "timestamptz"), -1207196810);
  EXPECT_EQ(hash_of("2017-11-16T22:31:08", "timestamp_ns"), -2047944441);
  EXPECT_EQ(hash_of("2017-11-16T22:31:08.000001001", "timestamp_ns"), -1207196810);
  EXPECT_EQ(hash_of("2017-11-16T14:31:08-08:00", "timestamptz_ns"), -2047944441);
  EXPECT_EQ(hash_of("2017-11-16T14:31:08.000001001-08:00", "timestamptz_ns"), -1207196810);
  EXPECT_EQ(hash_of("iceberg", "string"), 1210000089);
  EXPECT_EQ(hash_of("f79c3e09-677c-4bbd-a479-3f349cb785e7", "uuid"), 1488055340);
  EXPECT_EQ(hash_of("00010203", "fixed[4]"), -188683207);
  EXPECT_EQ(hash_of("00010203", "binary"), -188683207);
}

TEST(Transform, Murmur3OfEveryTailLength) {  // values of mmh3 5, the library that PyIceberg hashes with
  const std::pair<std::string_view, uint32_t> cases[] = {{"", 0U},
                                                         {"a", 1009084850U},
                                                         {"ab", 2613040991U},
                                                         {"abc", 3017643002U},
                                                         {"abcd", 1139631978U},
                                                         {"abcde", 3902511862U},
                                                         {"abcdef", 1635893381U},
                                                         {"abcdefg", 2285673222U},
                                                         {"abcdefgh", 1239272644U},
                                                         {"The quick brown fox jumps over the lazy dog", 776992547U},
                                                         {"\u00FF\u00FE", 226289726U}};
  for (const auto& [text, hash] : cases) EXPECT_EQ(murmur3_32(text), hash) << text;
}

TEST(Trap01, BucketsOfNegativeDecimals) {
  for (const auto& [unscaled, bucket] : {std::pair(-1, 13),
                                         {-128, 13},
                                         {-129, 1},
                                         {-32768, 3},
                                         {-32769, 14},
                                         {-8388608, 13},
                                         {127, 9},
                                         {128, 5},
                                         {-999999999, 8}}) {
    EXPECT_EQ(applied("bucket[16]", "decimal(9, 2)", Int128{unscaled}), Value(bucket)) << unscaled;
  }
}

TEST(Trap02, BucketsOfStringsOutsideTheBasicPlane) {
  EXPECT_EQ(hash_of("\U00010000", "string"), 1640069375);
  EXPECT_EQ(hash_of("\U0001F600\U0001F601", "string"), -1200408861);
  EXPECT_EQ(hash_of("\uD55C\uAE00", "string"), -1804479278);
}

TEST(Trap02, BucketIsNeverNegative) {
  for (int32_t i = 0; i < 1000; ++i) {
    const int32_t bucket = applied("bucket[7]", "int", i).as<int32_t>();
    EXPECT_TRUE(bucket >= 0 && bucket < 7);
    EXPECT_EQ(applied("bucket[7]", "long", int64_t{i}), Value(bucket)) << "promotion keeps the bucket";
  }
}

TEST(Trap02, NanosecondsFloorToMicrosecondsBeforeHashing) {
  for (const int64_t nanos : {-1L, -999L, -1000L, -1001L, 0L, 999L, 1000L}) {
    const int64_t micros = nanos >= 0 ? nanos / 1000 : -((-nanos + 999) / 1000);
    EXPECT_EQ(bucket_hash(nanos, type_of("timestamp_ns")), bucket_hash(micros, type_of("timestamp"))) << nanos;
  }
}

TEST(Trap03, TruncateCountsCodePoints) {
  const auto cut = [](const char* text) {
    return applied("truncate[3]", "string", std::string(text)).as<std::string>();
  };
  EXPECT_EQ(cut("iceberg"), "ice");
  EXPECT_EQ(cut("ic"), "ic");
  EXPECT_EQ(cut(""), "");
  EXPECT_EQ(cut("\u00E9\u00E8\u00EA\u00EB"), "\u00E9\u00E8\u00EA");
  EXPECT_EQ(cut("a\U0001F600b\U0001F601"), "a\U0001F600b");
  EXPECT_EQ(cut("\uD55C\uAE00\uC774\uB2E4"), "\uD55C\uAE00\uC774");
  EXPECT_EQ(applied_to("truncate[3]", "binary", "0102030405"), Value(std::string("\1\2\3")));
  EXPECT_EQ(applied_to("truncate[3]", "binary", "ffff"), Value(std::string("\xFF\xFF")));
}

TEST(Trap04, TruncateOfNegativeInts) {
  for (const auto& [value, expected] : {std::pair(1, 0), {9, 0}, {10, 10}, {0, 0}, {-1, -10}, {-10, -10}, {-11, -20}}) {
    EXPECT_EQ(applied("truncate[10]", "int", value), Value(expected)) << value;
    EXPECT_EQ(applied("truncate[10]", "long", int64_t{value}), Value(int64_t{expected})) << value;
    EXPECT_EQ(applied("truncate[10]", "decimal(9, 2)", Int128{value}), Value(Int128{expected})) << value;
  }
  EXPECT_EQ(applied_to("truncate[50]", "decimal(9, 2)", "10.65"), Value(Int128{1050}));
  EXPECT_EQ(applied_to("truncate[10]", "decimal(9, 2)", "-0.05"), Value(Int128{-10}));
  EXPECT_EQ(applied("truncate[2147483647]", "int", 2147483646), Value(0));
  EXPECT_EQ(applied("truncate[2147483647]", "int", -5), Value(-2147483647));
}

TEST(Trap04, TruncateBelowTheLowestIntHasNoResult) {
  EXPECT_THROW(applied("truncate[10]", "int", std::numeric_limits<int32_t>::min()), InvalidArgument);
  EXPECT_THROW(applied("truncate[10]", "long", std::numeric_limits<int64_t>::min()), InvalidArgument);
  EXPECT_EQ(applied("truncate[8]", "int", std::numeric_limits<int32_t>::min()),
            Value(std::numeric_limits<int32_t>::min()));
  EXPECT_THROW(applied("truncate[10]", "decimal(38, 0)", std::numeric_limits<Int128>::min()), InvalidArgument);
}

TEST(Trap09, TimeTransformsAreOffsetsFrom1970AndFloor) {
  struct Case {
    const char *type, *text;
    int year, month, day, hour;
  };
  const Case cases[] = {
      {"timestamp", "1970-01-01T00:00:00", 0, 0, 0, 0},
      {"timestamp", "2017-11-16T22:31:08.000001", 47, 574, 17486, 419686},
      {"timestamptz", "2017-11-16T14:31:08-08:00", 47, 574, 17486, 419686},
      {"timestamp", "1969-12-31T23:59:59.999999", -1, -1, -1, -1},
      {"timestamp", "1969-01-01T00:00:00", -1, -12, -365, -8760},
      {"timestamp", "1968-12-31T23:59:59", -2, -13, -366, -8761},
      {"timestamp_ns", "1969-12-31T23:59:59.999999999", -1, -1, -1, -1},
      {"timestamptz_ns", "2017-11-16T22:31:08.000001001+00:00", 47, 574, 17486, 419686},
      {"timestamp", "0001-01-01T00:00:00", -1969, -23628, -719162, -17259888},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(applied_to("year", c.type, c.text), Value(c.year)) << c.text;
    EXPECT_EQ(applied_to("month", c.type, c.text), Value(c.month)) << c.text;
    EXPECT_EQ(applied_to("day", c.type, c.text), Value(c.day)) << c.text;
    EXPECT_EQ(applied_to("hour", c.type, c.text), Value(c.hour)) << c.text;
  }
  EXPECT_EQ(applied("year", "date", -1), Value(-1));
  EXPECT_EQ(applied("month", "date", -1), Value(-1));
  EXPECT_EQ(applied("day", "date", -1), Value(-1));
  EXPECT_EQ(applied("year", "date", std::numeric_limits<int32_t>::max()), Value(5879610));
  EXPECT_EQ(applied("year", "timestamp", std::numeric_limits<int64_t>::min()), Value(-292278));
  EXPECT_THROW(applied("hour", "timestamp", std::numeric_limits<int64_t>::min()), InvalidArgument) << "no int";
}

TEST(Trap09, ResultTypes) {
  const auto result = [](const char* transform, const char* type) {
    return to_string(result_type(parse_transform(transform), type_of(type)));
  };
  EXPECT_EQ(result("day", "timestamp"), "date");
  EXPECT_EQ(result("year", "date"), "int");
  EXPECT_EQ(result("month", "date"), "int");
  EXPECT_EQ(result("hour", "timestamptz"), "int");
  EXPECT_EQ(result("bucket[4]", "string"), "int");
  EXPECT_EQ(result("truncate[4]", "decimal(9, 2)"), "decimal(9, 2)");
  EXPECT_EQ(result("identity", "uuid"), "uuid");
  EXPECT_EQ(result("void", "uuid"), "uuid");
}

TEST(Transform, SourceTypesOfTheSpecification) {
  const char* const kTypes[] = {"boolean",  "int",  "long",      "float",       "double",       "decimal(9, 2)",
                                "date",     "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns",
                                "string",   "uuid", "fixed[4]",  "binary",      "variant",      "geometry",
                                "geography"};
  const auto taken = [&](const char* transform) {
    std::string out;
    for (const char* type : kTypes) out += can_transform(parse_transform(transform), type_of(type)) ? 'x' : '.';
    return out;
  };
  EXPECT_EQ(taken("identity"), "xxxxxxxxxxxxxxxx...");
  EXPECT_EQ(taken("bucket[4]"), ".xx..xxxxxxxxxxx...");
  EXPECT_EQ(taken("truncate[4]"), ".xx..x......x..x...");
  EXPECT_EQ(taken("year"), "......x.xxxx.......");
  EXPECT_EQ(taken("month"), "......x.xxxx.......");
  EXPECT_EQ(taken("day"), "......x.xxxx.......");
  EXPECT_EQ(taken("hour"), "........xxxx.......");
  EXPECT_EQ(taken("void"), "xxxxxxxxxxxxxxxxxxx");
  EXPECT_FALSE(can_transform(parse_transform("identity"), struct_type({})));
  EXPECT_TRUE(can_transform(parse_transform("void"), struct_type({})));
  EXPECT_THROW(applied("bucket[4]", "boolean", true), InvalidArgument);
  EXPECT_THROW(applied("hour", "date", 1), InvalidArgument);
  EXPECT_THROW(bucket_hash(1.0, type_of("double")), InvalidArgument);
}

TEST(Transform, NullStaysNullAndVoidIsNull) {
  for (const char* transform : {"identity", "bucket[4]", "truncate[4]", "void"}) {
    EXPECT_TRUE(applied(transform, "int", {}).is_null());
  }
  EXPECT_TRUE(applied("void", "int", 5).is_null());
  EXPECT_EQ(applied("identity", "int", 5), Value(5));
  EXPECT_THROW(applied("bucket[4]", "int", int64_t{5}), InvalidArgument) << "held as another type's";
}

TEST(Transform, HumanStrings) {
  EXPECT_EQ(human("year", "timestamp", 47), "2017");
  EXPECT_EQ(human("year", "timestamp", -1), "1969");
  EXPECT_EQ(human("year", "timestamp", -1969), "0001");
  EXPECT_EQ(human("month", "timestamp", 574), "2017-11");
  EXPECT_EQ(human("month", "timestamp", -1), "1969-12");
  EXPECT_EQ(human("month", "timestamp", -12), "1969-01");
  EXPECT_EQ(human("day", "timestamp", 17486), "2017-11-16");
  EXPECT_EQ(human("day", "date", -1), "1969-12-31");
  EXPECT_EQ(human("hour", "timestamp", 419686), "2017-11-16-22");
  EXPECT_EQ(human("hour", "timestamp", -1), "1969-12-31-23");
  EXPECT_EQ(human("bucket[4]", "string", 3), "3");
  EXPECT_EQ(human("truncate[4]", "binary", std::string("abc")), "YWJj");
  EXPECT_EQ(human("identity", "date", 17486), "2017-11-16");
  EXPECT_EQ(human("identity", "timestamp_ns", std::numeric_limits<int64_t>::min()), "1677-09-21T00:12:43.145224192");
  EXPECT_EQ(human("void", "date", {}), "null");
  EXPECT_EQ(human("hour", "timestamp", {}), "null");
  EXPECT_EQ(human("zorder", "timestamp", std::string("x")), "x");
}

// Random values of every type with what PyIceberg 0.12 makes of them, both in binary form.
TEST(Transform, AgreesWithPyIceberg) {
  struct Case {
    const char *type, *transform, *value, *expected;
  };
  const Case cases[] = {
      {"int", "bucket[1000003]", "05e8fd47", "6f220700"},
      {"int", "truncate[7]", "32da5e16", "2dda5e16"},
      {"long", "bucket[1000003]", "2ee7000000000000", "69ea0e00"},
      {"long", "truncate[7]", "6160ffffffffffff", "5e60ffffffffffff"},
      {"date", "bucket[1000003]", "c19b1100", "afb70900"},
      {"date", "month", "51d4faff", "82d4ffff"},
      {"time", "bucket[1000003]", "539729bd13000000", "cbec0100"},
      {"timestamp", "bucket[1000003]", "384d3fa744cc6500", "d7e90a00"},
      {"timestamp", "month", "8f8bb892a5feffff", "ffffffff"},
      {"timestamp", "hour", "eaf48de383070000", "f7080000"},
      {"timestamptz", "bucket[1000003]", "df12961692dccb02", "77cf0400"},
      {"timestamptz", "month", "fc4207b6666e2b01", "317d0000"},
      {"timestamptz", "hour", "fe6fb1a5fcffffff", "fbffffff"},
      {"timestamp_ns", "bucket[1000003]", "df9446798f2be3ff", "36c60200"},
      {"timestamp_ns", "month", "a404000000000000", "00000000"},
      {"timestamp_ns", "hour", "58031045ed9b3e16", "3fcb0600"},
      {"timestamptz_ns", "bucket[1000003]", "21fcffffffffffff", "cf0e0d00"},
      {"timestamptz_ns", "month", "942c949f33fc1700", "02000000"},
      {"timestamptz_ns", "hour", "3dfbffffffffffff", "ffffffff"},
      {"string", "bucket[1000003]", "efa28f55c89fe4a89ef1bab7b1f38e93bfefbbb5f284bbaaeea8a45def8194f2a68f92",
       "d9b00a00"},
      {"string", "truncate[7]", "f48599acddb1", "f48599acddb1"},
      {"binary", "bucket[1000003]", "082389", "0c070700"},
      {"binary", "truncate[7]", "e47f1e175a90", "e47f1e175a90"},
      {"fixed[7]", "bucket[1000003]", "bc432fb946e6a9", "84200a00"},
      {"uuid", "bucket[1000003]", "471109f3b79f110a26f6229fa3452526", "28690100"},
      {"decimal(9, 2)", "bucket[1000003]", "02c6ed7d", "f7a30a00"},
      {"decimal(9, 2)", "truncate[7]", "08534d", "085348"},
      {"decimal(18, 0)", "bucket[1000003]", "59", "40670000"},
      {"decimal(38, 10)", "bucket[1000003]", "29eef92a", "beb40800"},
      {"decimal(38, 10)", "truncate[7]", "fe81ccbc6580c6e8c6a2", "fe81ccbc6580c6e8c69c"},
      {"decimal(38, 38)", "bucket[1000003]", "fd02cfc82a8fcdec09b9ab7d", "a9bd0300"},
      {"decimal(38, 38)", "truncate[7]", "fb4467bd3056db64c53461e09c30", "fb4467bd3056db64c53461e09c30"},
      {"decimal(3, 3)", "bucket[1000003]", "fcac", "c3be0400"},
      {"decimal(25, 7)", "bucket[1000003]", "fcd2", "7d8f0000"},
      {"decimal(25, 7)", "truncate[7]", "eac880af1a3ef6ac57", "eac880af1a3ef6ac57"},
  };
  for (const Case& c : cases) {
    const Type type = type_of(c.type);
    const auto bytes = [](const char* hex) { return value_of(hex, type_of("binary")).as<std::string>(); };
    const Value result = applied(c.transform, c.type, from_bytes(bytes(c.value), type));
    EXPECT_EQ(to_bytes(result, result_type(parse_transform(c.transform), type)), bytes(c.expected))
        << c.transform << " of " << c.type << " " << c.value;
  }
}

}  // namespace
}  // namespace floe
