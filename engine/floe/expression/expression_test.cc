#include "floe/expression/expression.h"

#include <gtest/gtest.h>

#include "floe/expression/random_data.h"

namespace floe {
namespace {

Expression leaf(std::string column) {
  return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = {.op = Op::kIsNull, .column = std::move(column)}};
}

TEST(Building, SimplifiesWithTrueAndFalse) {
  const auto yes = always<Predicate>(true), no = always<Predicate>(false);
  EXPECT_EQ(both(yes, leaf("a")), leaf("a"));
  EXPECT_EQ(both(leaf("a"), yes), leaf("a"));
  EXPECT_EQ(both(leaf("a"), no), no);
  EXPECT_EQ(either(no, leaf("a")), leaf("a"));
  EXPECT_EQ(either(leaf("a"), yes), yes);
  EXPECT_EQ(negate(yes), no);
  EXPECT_EQ(negate(negate(leaf("a"))), leaf("a"));
}

TEST(Building, KeepsChainsFlat) {
  const auto chain = both(both(leaf("a"), leaf("b")), both(leaf("c"), leaf("d")));
  EXPECT_EQ(chain.kind, ExprKind::kAnd);
  ASSERT_EQ(chain.operands.size(), 4u);
  EXPECT_EQ(chain.operands[2], leaf("c"));
  EXPECT_EQ(either(leaf("a"), both(leaf("b"), leaf("c"))).operands.size(), 2u);
}

TEST(ToString, ShowsLiterals) {
  EXPECT_EQ(to_string(parse_filter("a > 5 and not (b is not null or c like 'x%')")),
            "(a > 5) and (not ((b is not null) or (c like 'x%')))");
  EXPECT_EQ(to_string(parse_filter("\"a b\" in ('it''s', 'x') or true")), "true");
  EXPECT_EQ(to_string(parse_filter("\"a b\" in ('it''s', 'x')")), "\"a b\" in ('it''s', 'x')");
  EXPECT_EQ(to_string(parse_filter("a != 1.5e0")), "a != 1.5e0");
}

TEST(ToString, IsReadAgain) {
  random_data::Rng rng(1);
  const Schema schema = random_data::all_types();
  const auto columns = random_data::leaves(schema);
  for (int i = 0; i < 2000; ++i) {
    const Expression filter = random_data::random_filter(rng, schema, columns, 3);
    const std::string text = to_string(filter);
    if (text.find("in ()") != std::string::npos || text.find("inf") != std::string::npos) continue;  // no such text
    EXPECT_EQ(parse_filter(text), filter) << text;
  }
}

TEST(FieldIds, AreSortedAndWithoutDuplicates) {
  const Schema schema = random_data::all_types();
  const auto filter = bind(parse_filter("string = 'x' or (int > 1 and nested.int > 2) or int < 0"), schema);
  EXPECT_EQ(field_ids(filter), (std::vector<int32_t>{2, 14, 19}));
}

}  // namespace
}  // namespace floe
