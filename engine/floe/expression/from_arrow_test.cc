#include "floe/expression/from_arrow.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <gtest/gtest.h>

#include <limits>

namespace floe {
namespace {

namespace cp = arrow::compute;

// The filter's text; "-": there is none.
std::string text(const cp::Expression& expression, NanOrder nan = NanOrder::kNone) {
  const auto filter = from_arrow(expression, nan);
  return filter ? to_string(*filter) : "-";
}

cp::Expression a() { return cp::field_ref("a"); }

TEST(FromArrow, ComparisonsAndChains) {
  EXPECT_EQ(text(cp::greater(a(), cp::literal(5))), "a > 5");
  EXPECT_EQ(
      text(cp::and_(cp::less_equal(a(), cp::literal(int64_t{7})), cp::not_equal(cp::field_ref("b"), cp::literal("x")))),
      "(a <= 7) and (b != 'x')");
  EXPECT_EQ(text(cp::or_(cp::equal(a(), cp::literal(1)), cp::not_(cp::less(a(), cp::literal(0))))),
            "(a = 1) or (not (a < 0))");
  EXPECT_EQ(text(cp::field_ref("flag")), "flag = true");
  EXPECT_EQ(text(cp::literal(true)), "true");
}

TEST(FromArrow, TestsOfAColumn) {
  EXPECT_EQ(text(cp::is_null(a())), "a is null");
  EXPECT_EQ(text(cp::is_valid(a())), "a is not null");
  EXPECT_EQ(text(cp::call("is_nan", {a()})), "a is nan");
  EXPECT_EQ(text(cp::call("starts_with", {a()}, cp::MatchSubstringOptions("x"))), "a like 'x%'");
  EXPECT_EQ(text(cp::is_null(cp::field_ref(arrow::FieldRef("s", "x")))), "s.x is null");
}

TEST(FromArrow, LiteralsKeepTheirValue) {
  const auto compared = [](const std::shared_ptr<arrow::Scalar>& scalar) {
    const auto filter = from_arrow(cp::equal(a(), cp::literal(scalar)), NanOrder::kNone);
    return filter ? to_json(*filter) : "-";
  };
  const auto value = [](const std::string& json) { return R"({"type":"eq","term":"a","value":)" + json + "}"; };
  EXPECT_EQ(compared(std::make_shared<arrow::Date32Scalar>(-1)), value("\"1969-12-31\""));
  EXPECT_EQ(compared(std::make_shared<arrow::Time64Scalar>(1, arrow::time64(arrow::TimeUnit::MICRO))),
            value("\"00:00:00.000001\""));
  EXPECT_EQ(compared(std::make_shared<arrow::TimestampScalar>(1, arrow::timestamp(arrow::TimeUnit::SECOND))),
            value("\"1970-01-01T00:00:01\""));
  EXPECT_EQ(compared(std::make_shared<arrow::TimestampScalar>(-1, arrow::timestamp(arrow::TimeUnit::NANO, "UTC"))),
            value("\"1969-12-31T23:59:59.999999999+00:00\""));
  EXPECT_EQ(compared(std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(-125), arrow::decimal128(9, 2))),
            value("\"-1.25\""));
  EXPECT_EQ(compared(std::make_shared<arrow::FloatScalar>(0.5f)), value("5E-1"));
  EXPECT_EQ(compared(std::make_shared<arrow::DoubleScalar>(std::numeric_limits<double>::infinity())),
            value("\"Infinity\""));
}

// Trap 5: SQL engines and Iceberg disagree about NaN.
TEST(Trap05, NanIsGreatestForWhoeverThinksSo) {
  EXPECT_EQ(text(cp::greater(a(), cp::literal(0.5)), NanOrder::kGreatest), "(a > 0.5e0) or (a is nan)");
  EXPECT_EQ(text(cp::greater_equal(a(), cp::literal(0.5)), NanOrder::kGreatest), "(a >= 0.5e0) or (a is nan)");
  EXPECT_EQ(text(cp::less(a(), cp::literal(0.5)), NanOrder::kGreatest), "a < 0.5e0");
  EXPECT_EQ(text(cp::greater(a(), cp::literal(0.5)), NanOrder::kNone), "a > 0.5e0");
  EXPECT_EQ(text(cp::greater(a(), cp::literal(5)), NanOrder::kGreatest), "a > 5");
}

TEST(FromArrow, WhatFiltersLackIsNone) {
  EXPECT_EQ(text(cp::equal(a(), cp::field_ref("b"))), "-");
  EXPECT_EQ(text(cp::equal(cp::call("add", {a(), cp::literal(1)}), cp::literal(2))), "-");
  EXPECT_EQ(text(cp::equal(a(), cp::literal(std::numeric_limits<double>::quiet_NaN()))), "-");
  EXPECT_EQ(text(cp::equal(a(), cp::literal(arrow::MakeNullScalar(arrow::int32())))), "-");
  EXPECT_EQ(text(cp::equal(cp::field_ref("x.y"), cp::literal(1))), "-");
  EXPECT_EQ(text(cp::is_null(a(), /*nan_is_null=*/true)), "-");
  EXPECT_EQ(text(cp::call("starts_with", {a()}, cp::MatchSubstringOptions("x", /*ignore_case=*/true))), "-");
  EXPECT_EQ(text(cp::literal(arrow::MakeNullScalar(arrow::boolean()))), "-");
  // One part that cannot be said leaves nothing.
  EXPECT_EQ(text(cp::and_(cp::greater(a(), cp::literal(1)), cp::equal(a(), cp::field_ref("b")))), "-");
  EXPECT_EQ(text(cp::not_(cp::equal(a(), cp::field_ref("b")))), "-");
  cp::Expression deep = cp::is_null(a());
  for (int i = 0; i < 2 * kMaxExpressionDepth; ++i) deep = cp::not_(deep);
  EXPECT_EQ(text(deep), "-");
}

}  // namespace
}  // namespace floe
