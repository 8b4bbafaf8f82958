#include <gtest/gtest.h>

#include "floe/error.h"
#include "floe/expression/expression.h"

namespace floe {
namespace {

Expression leaf(Op op, std::string column, std::vector<UnboundLiteral> literals = {}) {
  return {.kind = ExprKind::kPredicate,
          .operands = {},
          .predicate = {.op = op, .column = std::move(column), .transform = {}, .literals = std::move(literals)}};
}

const int64_t kOne = 1;
const int64_t kTwo = 2;

void expect_refused(const std::string& text, const std::string& part_of_message) {
  try {
    parse_filter(text);
    FAIL() << "accepted: " << text;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(part_of_message), std::string::npos) << text << ": " << error.what();
  }
}

TEST(ParseFilter, ReadsEveryComparison) {
  const std::pair<const char*, Op> kCases[] = {
      {"<", Op::kLess},  {"<=", Op::kLessEqual}, {">", Op::kGreater},   {">=", Op::kGreaterEqual},
      {"=", Op::kEqual}, {"==", Op::kEqual},     {"!=", Op::kNotEqual}, {"<>", Op::kNotEqual},
  };
  for (const auto& [text, op] : kCases) {
    EXPECT_EQ(parse_filter(std::string("a") + text + "1"), leaf(op, "a", {kOne})) << text;
    EXPECT_EQ(parse_filter(std::string("a ") + text + " 1"), leaf(op, "a", {kOne})) << text;
  }
}

TEST(ParseFilter, MirrorsAComparisonWhoseLiteralComesFirst) {
  EXPECT_EQ(parse_filter("1 < a"), leaf(Op::kGreater, "a", {kOne}));
  EXPECT_EQ(parse_filter("1 <= a"), leaf(Op::kGreaterEqual, "a", {kOne}));
  EXPECT_EQ(parse_filter("1 > a"), leaf(Op::kLess, "a", {kOne}));
  EXPECT_EQ(parse_filter("1 >= a"), leaf(Op::kLessEqual, "a", {kOne}));
  EXPECT_EQ(parse_filter("'x' = a"), leaf(Op::kEqual, "a", {"x"}));
  EXPECT_EQ(parse_filter("true != a"), leaf(Op::kNotEqual, "a", {true}));
}

TEST(ParseFilter, KeepsDecimalsAsTextAndExponentsAsDoubles) {
  EXPECT_EQ(parse_filter("a = -5"), leaf(Op::kEqual, "a", {int64_t{-5}}));
  EXPECT_EQ(parse_filter("a = +5"), leaf(Op::kEqual, "a", {int64_t{5}}));
  EXPECT_EQ(parse_filter("a = 14.20"), leaf(Op::kEqual, "a", {"14.20"}));
  EXPECT_EQ(parse_filter("a=-.5"), leaf(Op::kEqual, "a", {"-.5"}));
  EXPECT_EQ(parse_filter("a = 1."), leaf(Op::kEqual, "a", {"1."}));
  EXPECT_EQ(parse_filter("a = 1.5e3"), leaf(Op::kEqual, "a", {1500.0}));
  EXPECT_EQ(parse_filter("a = 1E-1"), leaf(Op::kEqual, "a", {0.1}));
  EXPECT_EQ(parse_filter("a = 99999999999999999999"), leaf(Op::kEqual, "a", {"99999999999999999999"}));
  for (const char* text : {"a = 5x", "a = 1.5.2", "a = 0x10", "a = 1_000", "a = 1and b = 2", "a = 1e999", "a = - 5",
                           "a = .", "a = 1..2"}) {
    EXPECT_THROW(parse_filter(text), InvalidArgument) << text;
  }
}

TEST(ParseFilter, ReadsStringsWithDoubledQuotesAndBackslashes) {
  EXPECT_EQ(parse_filter("a = 'it''s'"), leaf(Op::kEqual, "a", {"it's"}));
  EXPECT_EQ(parse_filter("a = ''"), leaf(Op::kEqual, "a", {""}));
  EXPECT_EQ(parse_filter("a = 'a''''b'"), leaf(Op::kEqual, "a", {"a''b"}));
  EXPECT_EQ(parse_filter(R"(a = 'x\'y')"), leaf(Op::kEqual, "a", {R"(x\'y)"}));
  EXPECT_EQ(parse_filter("a = '\u00e9 and b = 1'"), leaf(Op::kEqual, "a", {"\u00e9 and b = 1"}));
  expect_refused("a = 'x", "does not end");
  expect_refused(R"(a = 'C:\')", "does not end");
}

TEST(ParseFilter, ReadsListsAndNullAndNanTests) {
  EXPECT_EQ(parse_filter("a in (1, 2)"), leaf(Op::kIn, "a", {kOne, kTwo}));
  EXPECT_EQ(parse_filter("a NOT IN('x','y''z')"), leaf(Op::kNotIn, "a", {"x", "y'z"}));
  EXPECT_EQ(parse_filter("a in (true)"), leaf(Op::kIn, "a", {true}));
  EXPECT_EQ(parse_filter("a in (1, 2.5)"), leaf(Op::kIn, "a", {kOne, "2.5"}));
  EXPECT_EQ(parse_filter("a is   not\n null"), leaf(Op::kNotNull, "a"));
  EXPECT_EQ(parse_filter("a IS NULL"), leaf(Op::kIsNull, "a"));
  EXPECT_EQ(parse_filter("a is nan"), leaf(Op::kIsNan, "a"));
  EXPECT_EQ(parse_filter("a is not NaN"), leaf(Op::kNotNan, "a"));
  for (const char* text :
       {"a in ()", "a in (1,)", "a in (1 2)", "a in 1", "a is", "a is not", "a isnull", "a not null"}) {
    EXPECT_THROW(parse_filter(text), InvalidArgument) << text;
  }
}

TEST(ParseFilter, ReadsLikeAsPrefixOrEquality) {
  EXPECT_EQ(parse_filter("a like 'x%'"), leaf(Op::kStartsWith, "a", {"x"}));
  EXPECT_EQ(parse_filter("a not like 'x%'"), leaf(Op::kNotStartsWith, "a", {"x"}));
  EXPECT_EQ(parse_filter("a like 'x'"), leaf(Op::kEqual, "a", {"x"}));
  EXPECT_EQ(parse_filter("a not like 'x'"), leaf(Op::kNotEqual, "a", {"x"}));
  EXPECT_EQ(parse_filter("a like '%'"), leaf(Op::kStartsWith, "a", {""}));
  EXPECT_EQ(parse_filter(R"(a like 'x\%')"), leaf(Op::kEqual, "a", {"x%"}));
  EXPECT_EQ(parse_filter(R"(a like 'x\%%')"), leaf(Op::kStartsWith, "a", {"x%"}));
  for (const char* text : {"a like '%x'", "a like '%%'", "a like 'a%b%'", "a like 5", "a like x"}) {
    EXPECT_THROW(parse_filter(text), InvalidArgument) << text;
  }
}

TEST(ParseFilter, BetweenBindsTighterThanAnd) {
  const Expression range = both(leaf(Op::kGreaterEqual, "a", {kOne}), leaf(Op::kLessEqual, "a", {kTwo}));
  EXPECT_EQ(parse_filter("a between 1 and 2"), range);
  EXPECT_EQ(parse_filter("a between 1 and 2 and b = 1"), both(range, leaf(Op::kEqual, "b", {kOne})));
  EXPECT_THROW(parse_filter("1 between 1 and 2"), InvalidArgument);
}

TEST(ParseFilter, NotBindsTighterThanAndWhichBindsTighterThanOr) {
  const Expression a = leaf(Op::kEqual, "a", {kOne}), b = leaf(Op::kEqual, "b", {kOne}),
                   c = leaf(Op::kEqual, "c", {kOne});
  EXPECT_EQ(parse_filter("a=1 or b=1 and c=1"), either(a, both(b, c)));
  EXPECT_EQ(parse_filter("a=1 and b=1 or c=1"), either(both(a, b), c));
  EXPECT_EQ(parse_filter("(a=1 or b=1)and(c=1)"), both(either(a, b), c));
  EXPECT_EQ(parse_filter("not a=1 and b=1"), both(negate(a), b));
  EXPECT_EQ(parse_filter("not (a=1 and b=1)"), negate(both(a, b)));
  EXPECT_EQ(parse_filter("not not a=1"), a);
  EXPECT_EQ(parse_filter("not not not a=1"), negate(a));
}

TEST(ParseFilter, SimplifiesTrueAndFalse) {
  EXPECT_EQ(parse_filter("TRUE").kind, ExprKind::kTrue);
  EXPECT_EQ(parse_filter("(false)").kind, ExprKind::kFalse);
  EXPECT_EQ(parse_filter("not true").kind, ExprKind::kFalse);
  EXPECT_EQ(parse_filter("true and a = 1"), leaf(Op::kEqual, "a", {kOne}));
  EXPECT_EQ(parse_filter("a = 1 or true").kind, ExprKind::kTrue);
}

TEST(ParseFilter, TakesWordsOfTheGrammarAsNames) {
  for (const char* name :
       {"and", "or", "in", "is", "like", "between", "null", "nan", "true", "trueish", "nota", "_a", "a$"}) {
    EXPECT_EQ(parse_filter(std::string(name) + " = 1"), leaf(Op::kEqual, name, {kOne})) << name;
  }
  EXPECT_EQ(parse_filter("true = true"), leaf(Op::kEqual, "true", {true}));
  EXPECT_EQ(parse_filter("true is null"), leaf(Op::kIsNull, "true"));
}

TEST(ParseFilter, ReadsDottedAndQuotedNames) {
  EXPECT_EQ(parse_filter("a.b . c = 1"), leaf(Op::kEqual, "a.b.c", {kOne}));
  EXPECT_EQ(parse_filter("\"a b\" = 1"), leaf(Op::kEqual, "a b", {kOne}));
  EXPECT_EQ(parse_filter("\"not\" = 1"), leaf(Op::kEqual, "not", {kOne}));
  EXPECT_EQ(parse_filter("a.\"b c\".d = 1"), leaf(Op::kEqual, "a.b c.d", {kOne}));
  EXPECT_EQ(parse_filter("\"a.b\" = 1"), leaf(Op::kEqual, "a.b", {kOne}));
  EXPECT_EQ(parse_filter("\"say \"\"hi\"\"\" = 1"), leaf(Op::kEqual, "say \"hi\"", {kOne}));
  EXPECT_EQ(parse_filter("gr\u00f6\u00dfe = 1"), leaf(Op::kEqual, "gr\u00f6\u00dfe", {kOne}));
  for (const char* text : {"a..b = 1", "a.1 = 1", "1a = 1", "$a = 1", "a. = 1", "\"a = 1"}) {
    EXPECT_THROW(parse_filter(text), InvalidArgument) << text;
  }
}

TEST(ParseFilter, SaysWhereAndWhatWasExpected) {
  expect_refused("", "expected a column's name, found the end");
  expect_refused("a = 1 b", "at character 7: expected `and`, `or` or the end, found \"b\"");
  expect_refused("a = b", "expected a literal");
  expect_refused("a = \"x\"", "expected a literal");
  expect_refused("a", "expected a comparison");
  expect_refused("(a = 1", "expected `and`, `or` or `)`, found the end");
  expect_refused("a = null", "expected a literal");
  expect_refused("a = date '2020-01-01'", "expected a literal");
  expect_refused("a = 1;", "expected `and`, `or` or the end, found \";\"");
  expect_refused(std::string("a = 1\0", 6), "expected `and`");
}

TEST(ParseFilter, TakesLongChainsAndRefusesDeepNesting) {
  std::string chain = "a = 0";
  for (int i = 1; i < 10'000; ++i) chain += " and not a = " + std::to_string(i);
  EXPECT_EQ(parse_filter(chain).operands.size(), 10'000u);

  const std::string deep = std::string(200, '(') + "a = 1" + std::string(200, ')');
  EXPECT_EQ(parse_filter(deep), leaf(Op::kEqual, "a", {kOne}));
  expect_refused(std::string(100'000, '(') + "a = 1", "parentheses inside each other");
  std::string nots;
  for (int i = 0; i < 100'000; ++i) nots += "not ";
  EXPECT_EQ(parse_filter(nots + "a = 1"), leaf(Op::kEqual, "a", {kOne}));
}

}  // namespace
}  // namespace floe
