#include "floe/file/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "floe/error.h"

namespace floe {
namespace {

using Kind = MetricsMode::Kind;

const Type kString = primitive(TypeKind::kString);
const Type kBinary = primitive(TypeKind::kBinary);

MetricsMode truncate(int32_t length) { return {Kind::kTruncate, length}; }
std::optional<std::string> lower(const std::string& text, const Type& type, int32_t length) {
  return lower_bound(Value(text), type, truncate(length));
}
std::optional<std::string> upper(const std::string& text, const Type& type, int32_t length) {
  return upper_bound(Value(text), type, truncate(length));
}

Field field(int32_t id, std::string name, Type type) {
  return {.id = id, .name = std::move(name), .type = std::move(type)};
}

TEST(Trap03, BoundsAreCutByCodePointsNotBytes) {
  EXPECT_EQ(lower("日本語テキスト", kString, 3), "日本語");
  EXPECT_EQ(upper("日本語テキスト", kString, 3), "日本誟");  // the last one, plus one
  EXPECT_EQ(lower("日本語", kString, 3), "日本語");
  EXPECT_EQ(upper("日本語", kString, 3), "日本語");
  EXPECT_EQ(lower("😀😁😂", kString, 2), "😀😁");
  EXPECT_EQ(upper("😀😁😂", kString, 2), "😀😂");
  EXPECT_EQ(upper("abc", kString, 2), "ac");
}

TEST(Trap03, UpperBoundsStepOverSurrogatesAndCarryLeft) {
  EXPECT_EQ(upper("a\xED\x9F\xBF"
                  "z",
                  kString, 2),
            "a\xEE\x80\x80");                   // U+D7FF -> U+E000
  const std::string last = "\xF4\x8F\xBF\xBF";  // U+10FFFF
  EXPECT_EQ(upper("a" + last + "z", kString, 2), "b");
  EXPECT_EQ(upper("a" + last + last + "z", kString, 3), "b");
  EXPECT_EQ(upper(last + last + "z", kString, 2), std::nullopt);
  EXPECT_EQ(lower(last + last + "z", kString, 2), last + last);
  EXPECT_EQ(upper("\x7Fz", kString, 1), "\xC2\x80");  // one more byte than before
}

TEST(Trap03, BinaryBoundsAreCutByBytes) {
  EXPECT_EQ(lower("\x01\xFF\xFF", kBinary, 2), "\x01\xFF");
  EXPECT_EQ(upper("\x01\xFF\xFF", kBinary, 2), "\x02");
  EXPECT_EQ(upper("\xFF\xFF\xFF", kBinary, 2), std::nullopt);
  EXPECT_EQ(upper("\x01\xFF", kBinary, 2), "\x01\xFF");
}

TEST(Trap03, WhatIsNoUtf8HasNoBound) {
  EXPECT_EQ(lower("\xFF\xFE", kString, 16), std::nullopt);
  EXPECT_EQ(upper("a\x80", kString, 16), std::nullopt);
  EXPECT_EQ(lower_bound(Value(std::string("a\xC3")), kString, {Kind::kFull, 0}), std::nullopt);
}

TEST(Trap05, BoundsAreNeverNaN) {
  EXPECT_EQ(lower_bound(Value(std::nan("")), primitive(TypeKind::kDouble), truncate(16)), std::nullopt);
  EXPECT_EQ(upper_bound(Value(std::nanf("")), primitive(TypeKind::kFloat), truncate(16)), std::nullopt);
}

TEST(Trap05, EmptyAndZeroAreBoundsToo) {
  EXPECT_EQ(lower("", kString, 16), "");
  EXPECT_EQ(upper("", kString, 16), "");
  EXPECT_EQ(lower_bound(Value(int32_t{0}), primitive(TypeKind::kInt), truncate(16)), std::string(4, '\0'));
}

TEST(Trap01, DecimalBoundsAreTheFewestBigEndianBytes) {
  const Type decimal = decimal_type(9, 2);
  EXPECT_EQ(lower_bound(Value(Int128{-128}), decimal, truncate(16)), "\x80");
  EXPECT_EQ(upper_bound(Value(Int128{128}), decimal, truncate(16)), std::string("\x00\x80", 2));
}

TEST(MetricsModes, ParsesWhatJavaParses) {
  EXPECT_EQ(parse_metrics_mode("None", "k").kind, Kind::kNone);
  EXPECT_EQ(parse_metrics_mode("COUNTS", "k").kind, Kind::kCounts);
  EXPECT_EQ(parse_metrics_mode("full", "k").kind, Kind::kFull);
  EXPECT_EQ(parse_metrics_mode("truncate(7)", "k"), truncate(7));
  for (const char* text :
       {"", "truncate", "truncate(0)", "truncate(-1)", "truncate(x)", "truncate(1", "bounds", "truncate(99999999999)"})
    EXPECT_THROW(parse_metrics_mode(text, "k"), InvalidArgument) << text;
}

TEST(MetricsModes, ColumnsThenDefaultThenInferred) {
  Schema schema;
  schema.fields = {field(1, "a", kString), field(2, "s", struct_type({field(5, "b", kString), field(6, "c", kString)})),
                   field(3, "l", list_type(7, kString, false)), field(4, "d", kString)};
  const auto all = metrics_modes({}, schema);
  ASSERT_EQ(all.size(), 5u);
  for (const auto& [id, mode] : all) EXPECT_EQ(mode, truncate(16)) << id;

  const auto set = metrics_modes({{"write.metadata.metrics.default", "counts"},
                                  {"write.metadata.metrics.column.s.b", "full"},
                                  {"write.metadata.metrics.column.l.element", "none"}},
                                 schema);
  EXPECT_EQ(set[0].second.kind, Kind::kCounts);
  EXPECT_EQ(set[2], (std::pair<int32_t, MetricsMode>(5, {Kind::kFull, 0})));
  EXPECT_EQ(set[4], (std::pair<int32_t, MetricsMode>(7, {Kind::kNone, 0})));

  // Top-level columns come before nested ones.
  const auto limited = metrics_modes({{"write.metadata.metrics.max-inferred-column-defaults", "3"}}, schema);
  EXPECT_EQ(limited[0].second, truncate(16));      // a
  EXPECT_EQ(limited[1].second, truncate(16));      // d
  EXPECT_EQ(limited[2].second, truncate(16));      // s.b
  EXPECT_EQ(limited[3].second.kind, Kind::kNone);  // s.c
}

TEST(MetricsModes, ABadModeNamesItsProperty) {
  const Schema schema{.fields = {field(1, "a", kString)}};
  try {
    metrics_modes({{"write.metadata.metrics.column.a", "some"}}, schema);
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("write.metadata.metrics.column.a=some"));
  }
}

TEST(Bounds, ModesWithoutBoundsHaveNone) {
  EXPECT_EQ(lower_bound(Value(int32_t{1}), primitive(TypeKind::kInt), {Kind::kCounts, 0}), std::nullopt);
  EXPECT_EQ(upper_bound(Value(int32_t{1}), primitive(TypeKind::kInt), {Kind::kNone, 0}), std::nullopt);
  EXPECT_EQ(upper_bound(Value(std::string(100, 'x')), kString, {Kind::kFull, 0}), std::string(100, 'x'));
}

}  // namespace
}  // namespace floe
