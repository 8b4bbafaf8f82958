#include <gtest/gtest.h>

#include <limits>

#include "floe/error.h"
#include "floe/expression/random_data.h"

namespace floe {
namespace {

Expression leaf(Op op, std::string column, std::vector<UnboundLiteral> literals = {}, Transform transform = {}) {
  return {
      .kind = ExprKind::kPredicate,
      .operands = {},
      .predicate = {.op = op, .column = std::move(column), .transform = transform, .literals = std::move(literals)}};
}

void expect_refused(const std::string& json, const std::string& part_of_message) {
  try {
    expression_from_json(json);
    FAIL() << "accepted: " << json;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part_of_message), std::string::npos) << json << ": " << error.what();
  }
}

TEST(ExpressionJson, ReadsWhatPyIcebergDumps) {
  EXPECT_EQ(expression_from_json("true").kind, ExprKind::kTrue);
  EXPECT_EQ(expression_from_json("false").kind, ExprKind::kFalse);
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"eq","value":5})"), leaf(Op::kEqual, "a", {int64_t{5}}));
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"eq","value":1.5})"), leaf(Op::kEqual, "a", {1.5}));
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"eq","value":true})"), leaf(Op::kEqual, "a", {true}));
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"eq","value":"1E+3"})"), leaf(Op::kEqual, "a", {"1E+3"}));
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"not-in","values":["2020-01-03","2020-01-02"]})"),
            leaf(Op::kNotIn, "a", {"2020-01-03", "2020-01-02"}));
  EXPECT_EQ(expression_from_json(R"({"type":"and","left":{"term":"a","type":"not-null"},"right":{"type":"not",
                                     "child":{"term":"a.b","type":"starts-with","value":"x"}}})"),
            both(leaf(Op::kNotNull, "a"), negate(leaf(Op::kStartsWith, "a.b", {"x"}))));
}

TEST(ExpressionJson, ReadsIntegersOfAnySize) {
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"eq","value":1180591620717411303424})"),
            leaf(Op::kEqual, "a", {"1180591620717411303424"}));
  EXPECT_EQ(expression_from_json(R"({"term":"a","type":"in","values":[9223372036854775807,-9223372036854775809]})"),
            leaf(Op::kIn, "a", {std::numeric_limits<int64_t>::max(), "-9223372036854775809"}));
  EXPECT_EQ(expression_from_json(R"({"term":"a 99999999999999999999","type":"eq","value":"\"99999999999999999999"})"),
            leaf(Op::kEqual, "a 99999999999999999999", {"\"99999999999999999999"}));
}

TEST(ExpressionJson, ReadsTheCurrentFormOfTheProtocol) {
  EXPECT_EQ(expression_from_json(R"({"type":"true"})").kind, ExprKind::kTrue);
  EXPECT_EQ(expression_from_json(R"({"type":"is-null","child":{"type":"reference","name":"a"}})"),
            leaf(Op::kIsNull, "a"));
  EXPECT_EQ(expression_from_json(R"({"type":"lt","left":{"type":"reference","name":"a"},
                                     "right":{"type":"literal","value":"2020-01-01","data-type":"date"}})"),
            leaf(Op::kLess, "a", {"2020-01-01"}));
  EXPECT_EQ(expression_from_json(R"({"type":"lt","left":7,"right":{"type":"reference","name":"a"}})"),
            leaf(Op::kGreater, "a", {int64_t{7}}));
  EXPECT_EQ(expression_from_json(R"({"type":"in","child":{"type":"reference","name":"a"},
                                     "values":{"type":"literals","values":[1,2],"data-type":"int"}})"),
            leaf(Op::kIn, "a", {int64_t{1}, int64_t{2}}));
  EXPECT_EQ(expression_from_json(R"({"type":"eq","left":{"type":"apply","function":"day",
                                     "arguments":[{"type":"reference","name":"ts"}]},"right":"2020-01-01"})"),
            leaf(Op::kEqual, "ts", {"2020-01-01"}, {.kind = TransformKind::kDay}));
  EXPECT_EQ(expression_from_json(
                R"({"type":"eq","term":{"type":"transform","transform":"bucket[16]","term":"a"},"value":3})"),
            leaf(Op::kEqual, "a", {int64_t{3}}, {.kind = TransformKind::kBucket, .width = 16}));
}

TEST(ExpressionJson, RefusesWhatItCannotMean) {
  expect_refused(R"({"term":"a","type":"eq","value":null})", "null");
  expect_refused(R"({"term":"a","type":"eq"})", "value");
  expect_refused(R"({"type":"eq","value":1})", "term");
  expect_refused(R"({"term":"a","type":"eq","value":[1]})", "not a literal");
  expect_refused(R"({"term":"a","type":"in","values":[1,null]})", "null");
  expect_refused(R"({"term":"a","type":"near","value":1})", "near");
  expect_refused(R"({"type":"and","left":true})", "right");
  expect_refused(R"({"type":"is-null","child":{"type":"reference","id":3}})", "by name");
  expect_refused(R"({"type":"eq","left":{"type":"reference","name":"a"},"right":{"type":"reference","name":"b"}})",
                 "two columns");
  expect_refused(R"({"type":"eq","left":1,"right":1})", "two literals");
  expect_refused(R"({"type":"starts-with","left":"x","right":{"type":"reference","name":"a"}})", "starts with");
  expect_refused(R"({"type":"is-null","child":{"type":"apply","function":"upper","arguments":["a"]}})", "transform");
  expect_refused("", "JSON");
  expect_refused("{\"type\":", "JSON");
  expect_refused("[]", "");
  expect_refused("\"a\"", "");
}

TEST(ExpressionJson, RefusesDeepNestingWithoutOverflowingTheStack) {
  std::string json;
  for (int i = 0; i < 100'000; ++i) json += R"({"type":"not","child":)";
  expect_refused(json + "true" + std::string(100'000, '}'), "JSON");
}

TEST(ExpressionJson, ReadsLongChainsThatLeanToOneSide) {
  std::string json = R"({"term":"a","type":"is-null"})";
  for (int i = 0; i < 900; ++i) json = R"({"type":"or","left":)" + json + R"(,"right":{"term":"b","type":"is-nan"}})";
  EXPECT_EQ(expression_from_json(json).operands.size(), 901u);
}

TEST(ExpressionJson, IsReadAgain) {
  random_data::Rng rng(2);
  const Schema schema = random_data::all_types();
  const auto columns = random_data::leaves(schema);
  for (int i = 0; i < 2000; ++i) {
    const Expression filter = random_data::random_filter(rng, schema, columns, 3);
    const std::string json = to_json(filter);
    if (json.find("Infinity") != std::string::npos) continue;  // becomes text, below
    EXPECT_EQ(expression_from_json(json), filter) << json;
  }
  std::string chain = "a = 0";
  for (int i = 1; i < 10'000; ++i) chain += " or a = " + std::to_string(i);
  EXPECT_EQ(expression_from_json(to_json(parse_filter(chain))), parse_filter(chain));
}

TEST(ExpressionJson, WritesInfinityAsTextThatBindsAgain) {
  const Schema schema = random_data::all_types();
  const auto filter = leaf(Op::kLess, "double", {-std::numeric_limits<double>::infinity()});
  const std::string json = to_json(filter);
  EXPECT_EQ(json, R"({"type":"lt","term":"double","value":"-Infinity"})");
  EXPECT_EQ(bind(expression_from_json(json), schema), bind(filter, schema));
  EXPECT_THROW(to_json(leaf(Op::kLess, "double", {std::numeric_limits<double>::quiet_NaN()})), InvalidArgument);
}

}  // namespace
}  // namespace floe
