#include "floe/expression/evaluate.h"

#include <gtest/gtest.h>

#include <optional>

#include "floe/error.h"
#include "floe/expression/literal.h"
#include "floe/expression/random_data.h"

namespace floe {
namespace {

using random_data::below;
using random_data::chance;
using random_data::Rng;

const Schema& schema() {
  static const Schema kSchema = random_data::all_types();
  return kSchema;
}

BoundExpression bound(const std::string& text) { return bind(parse_filter(text), schema()); }

// The statistics of one group of rows, of one column.
struct Group {
  int64_t values = 10;
  int64_t nulls = 0;
  int64_t nans = 0;
  std::optional<std::string> lower;
  std::optional<std::string> upper;
};

Stats stats_of(const std::string& column, const Group& group) {
  Stats stats{.size = 1, .columns = {}};
  ColumnStats& c = stats.columns.emplace_back();
  c.field_id = find_field(schema(), column)->id;
  c.append(group.values, group.nulls, group.nans);
  group.lower ? c.lower_bounds.append(*group.lower) : c.lower_bounds.append_absent();
  group.upper ? c.upper_bounds.append(*group.upper) : c.upper_bounds.append_absent();
  return stats;
}

std::string bytes(const std::string& column, const Value& value) {
  return to_bytes(value, find_field(schema(), column)->type);
}

Group ints(int32_t lower, int32_t upper) { return {.lower = bytes("int", lower), .upper = bytes("int", upper)}; }
Group doubles(double lower, double upper) { return {.lower = bytes("double", lower), .upper = bytes("double", upper)}; }
Group strings(const std::string& lower, const std::string& upper) { return {.lower = lower, .upper = upper}; }

bool may(const std::string& filter, const std::string& column, const Group& group) {
  return may_match(bound(filter), stats_of(column, group))[0] != 0;
}
bool must(const std::string& filter, const std::string& column, const Group& group) {
  return must_match(bound(filter), stats_of(column, group))[0] != 0;
}

TEST(Evaluate, ComparisonsWithBounds) {
  const Group group = ints(30, 79);
  for (const char* filter : {"int < 30", "int <= 29", "int > 79", "int >= 80", "int = 29", "int = 80",
                             "int in (1, 29, 80, 99)", "int < 30 or int > 79", "int = 40 and int = 80"}) {
    EXPECT_FALSE(may(filter, "int", group)) << filter;
    EXPECT_FALSE(must(filter, "int", group)) << filter;
  }
  for (const char* filter : {"int < 31", "int <= 30", "int > 78", "int >= 79", "int = 30", "int = 79", "int in (1, 79)",
                             "int != 30", "int not in (30, 79)"}) {
    EXPECT_TRUE(may(filter, "int", group)) << filter;
    EXPECT_FALSE(must(filter, "int", group)) << filter;
  }
  for (const char* filter : {"int < 80", "int <= 79", "int > 29", "int >= 30", "int != 29", "int not in (29, 80)",
                             "int < 80 and int > 29", "int = 5 or int < 80"}) {
    EXPECT_TRUE(may(filter, "int", group)) << filter;
    EXPECT_TRUE(must(filter, "int", group)) << filter;
  }
}

TEST(Evaluate, GroupsOfOneValue) {
  const Group group = ints(5, 5);
  EXPECT_TRUE(must("int = 5", "int", group));
  EXPECT_TRUE(must("int in (1, 5, 9)", "int", group));
  EXPECT_FALSE(may("int != 5", "int", group));
  EXPECT_FALSE(may("int not in (1, 5, 9)", "int", group));
}

TEST(Evaluate, OnlyNulls) {
  const Group group{.values = 10, .nulls = 10, .nans = kNotKnown, .lower = {}, .upper = {}};
  for (const char* filter : {"int < 5", "int = 5", "int != 5", "int in (1, 2)", "int is not null"}) {
    EXPECT_FALSE(may(filter, "int", group)) << filter;
    EXPECT_FALSE(must(filter, "int", group)) << filter;
  }
  EXPECT_TRUE(must("int is null", "int", group));
  EXPECT_TRUE(must("int not in (1, 2)", "int", group));  // as `matches` has it
  EXPECT_FALSE(may("string not like 'x%'", "string", group));
  EXPECT_FALSE(may("double is nan", "double", group));
  EXPECT_FALSE(may("double is not nan", "double", group));
}

TEST(Evaluate, SomeNulls) {
  Group group = ints(5, 5);
  group.nulls = 3;
  EXPECT_FALSE(must("int = 5", "int", group));
  EXPECT_FALSE(must("int != 6", "int", group));
  EXPECT_TRUE(may("int is null", "int", group));
  EXPECT_FALSE(must("int is null", "int", group));
  EXPECT_FALSE(must("int is not null", "int", group));
}

// Of the "Also" list (py#3521): nulls or NaNs beside values prove nothing about the values.
TEST(Evaluate, StrictNegationsWithNullsAndNans) {
  Group some_nulls = ints(5, 5);
  some_nulls.nulls = 3;
  EXPECT_FALSE(must("int not in (5, 6)", "int", some_nulls));
  EXPECT_TRUE(must("int not in (6, 7)", "int", some_nulls));
  EXPECT_TRUE(may("int not in (5, 6)", "int", some_nulls));
  Group some_nans = doubles(5, 5);
  some_nans.nans = 3;
  EXPECT_FALSE(must("double != 5", "double", some_nans));
  EXPECT_FALSE(must("double not in (5, 6)", "double", some_nans));
  EXPECT_TRUE(must("double != 6", "double", some_nans));
  EXPECT_TRUE(may("double != 5", "double", some_nans));
}

TEST(Trap05, MissingCountsAreNotZero) {
  Group unknown = ints(30, 79);
  unknown.values = unknown.nulls = unknown.nans = kNotKnown;
  EXPECT_TRUE(may("int is null", "int", unknown));
  EXPECT_TRUE(may("int is not null", "int", unknown));
  EXPECT_FALSE(must("int is not null", "int", unknown));
  EXPECT_FALSE(must("int < 100", "int", unknown));
  EXPECT_FALSE(must("int != 100", "int", unknown));
  EXPECT_FALSE(may("int > 100", "int", unknown));

  Group no_nan_count = doubles(30, 79);
  no_nan_count.nans = kNotKnown;
  EXPECT_TRUE(may("double is nan", "double", no_nan_count));
  EXPECT_FALSE(must("double is not nan", "double", no_nan_count));
  EXPECT_FALSE(must("double < 100", "double", no_nan_count));
  EXPECT_TRUE(may("double != 30", "double", doubles(30, 79)));
  Group one_value = doubles(30, 30);
  one_value.nans = kNotKnown;
  EXPECT_TRUE(may("double != 30", "double", one_value));
  Group only_known_nulls{.values = kNotKnown, .nulls = 5, .nans = 0, .lower = {}, .upper = {}};
  EXPECT_TRUE(may("double = 1", "double", only_known_nulls));
}

TEST(Trap05, NanIsInNoBound) {
  Group group = doubles(1, 2);
  group.nans = 1;
  EXPECT_TRUE(may("double is nan", "double", group));
  EXPECT_TRUE(may("not double < 5", "double", group));  // the NaN
  EXPECT_TRUE(may("double != 1", "double", group));
  EXPECT_FALSE(must("double < 5", "double", group));
  EXPECT_FALSE(may("double > 5", "double", group));

  const Group only_nans{.values = 10, .nulls = 0, .nans = 10, .lower = {}, .upper = {}};
  EXPECT_TRUE(must("double is nan", "double", only_nans));
  EXPECT_TRUE(must("double != 5", "double", only_nans));
  EXPECT_TRUE(must("double not in (5, 6)", "double", only_nans));
  EXPECT_FALSE(may("double = 5", "double", only_nans));
  EXPECT_FALSE(may("double is not nan", "double", only_nans));

  // Old writers put NaN into bounds: such a bound says nothing.
  const double nan = std::nan("");
  EXPECT_TRUE(may("double > 5", "double", doubles(1, nan)));
  EXPECT_TRUE(may("double < 5", "double", doubles(nan, 9)));
  EXPECT_FALSE(must("double not in (1.0, 2.0)", "double", doubles(1, nan)));
}

TEST(Trap05, NegativeZeroEqualsZero) {
  EXPECT_TRUE(may("double = 0", "double", doubles(-5, -0.0)));
  EXPECT_TRUE(may("double = -0.0", "double", doubles(0.0, 5)));
  EXPECT_TRUE(may("double in (0, 7)", "double", doubles(-0.0, -0.0)));
  EXPECT_TRUE(must("double = 0", "double", doubles(-0.0, 0.0)));
  EXPECT_FALSE(may("double < 0", "double", doubles(-0.0, 5)));
  EXPECT_TRUE(may("double = 0", "double", doubles(0.0, -0.0)));  // in the other order: not inverted
}

TEST(Trap06, InvertedBoundsAreAbsent) {
  for (const char* filter : {"int = 5", "int < 5", "int > 500", "int in (1, 2)"}) {
    EXPECT_TRUE(may(filter, "int", ints(100, 50))) << filter;
  }
  EXPECT_FALSE(must("int != 5", "int", ints(100, 50)));
  EXPECT_FALSE(must("int not in (5, 6)", "int", ints(100, 50)));
}

TEST(Trap07, BoundsFromBeforeAPromotion) {
  const std::string five("\x05\0\0\0", 4), nine("\x09\0\0\0", 4);
  const Group as_ints{.lower = five, .upper = nine};
  EXPECT_FALSE(may("long < 5", "long", as_ints));
  EXPECT_TRUE(must("long <= 9", "long", as_ints));
  EXPECT_FALSE(may("long > 9", "long", as_ints));
  const Group as_floats{.lower = bytes("float", 1.5f), .upper = bytes("float", 2.5f)};
  EXPECT_FALSE(may("double < 1.5", "double", as_floats));
  EXPECT_TRUE(must("double <= 2.5", "double", as_floats));
  for (const std::string column : {"timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns"}) {  // days 5 to 9
    EXPECT_FALSE(may(column + " < '1970-01-06T00:00:00'", column, as_ints));
    EXPECT_TRUE(must(column + " <= '1970-01-10'", column, as_ints));
  }
  const Group short_decimal{.lower = std::string("\xff"), .upper = std::string("\x05")};  // -0.01 to 0.05
  EXPECT_FALSE(may("decimal38 < -0.0000000001", "decimal38", short_decimal));
  EXPECT_TRUE(must("decimal9 <= 0.05", "decimal9", short_decimal));
}

TEST(Evaluate, BytesOfAnotherTypeAreAbsent) {
  for (const std::string& garbage :
       {std::string(), std::string("\x01"), std::string("\x01\x02\x03"), std::string(17, 'x')}) {
    for (const char* column : {"int", "long", "float", "double", "date", "time", "timestamp", "decimal9"}) {
      if (garbage.size() == 1 && std::string(column) == "decimal9") continue;
      if (garbage.size() == 3 && std::string(column) == "decimal9") continue;
      EXPECT_TRUE(may(std::string(column) + " = 1", column, {.lower = garbage, .upper = garbage})) << column;
    }
  }
  // A date so far off that no nanosecond timestamp holds it.
  const std::string far("\xff\xff\xff\x7f", 4);
  EXPECT_TRUE(may("timestamp_ns = 0", "timestamp_ns", {.lower = far, .upper = far}));
}

TEST(Trap03, TruncatedStringBounds) {
  const Group group = strings("abc", "abf");  // of abcdef and abezzz, say
  EXPECT_TRUE(may("string = 'abcdef'", "string", group));
  EXPECT_TRUE(may("string = 'abezzz'", "string", group));
  EXPECT_FALSE(may("string = 'abg'", "string", group));
  EXPECT_FALSE(may("string = 'abb'", "string", group));
  EXPECT_TRUE(may("string like 'abcde%'", "string", group));
  EXPECT_TRUE(may("string like 'abe%'", "string", group));
  EXPECT_TRUE(may("string like 'a%'", "string", group));
  EXPECT_TRUE(may("string like '%'", "string", group));
  EXPECT_FALSE(may("string like 'abb%'", "string", group));
  EXPECT_FALSE(may("string like 'abg%'", "string", group));
  EXPECT_FALSE(may("string like 'b%'", "string", group));
  EXPECT_TRUE(must("string like 'ab%'", "string", group));
  EXPECT_FALSE(must("string like 'abc%'", "string", group));
  EXPECT_FALSE(may("string not like 'ab%'", "string", group));
  EXPECT_TRUE(may("string not like 'abc%'", "string", group));
  EXPECT_TRUE(must("string not like 'b%'", "string", group));
  EXPECT_TRUE(must("string not like 'aa%'", "string", group));
  EXPECT_FALSE(must("string not like 'abd%'", "string", group));
  // No upper bound: truncation found none.
  EXPECT_TRUE(may("string > 'zzz'", "string", {.lower = "abc", .upper = {}}));
  EXPECT_FALSE(may("string like 'abb%'", "string", {.lower = "abc", .upper = {}}));
}

TEST(Evaluate, StringsAndBytesCompareUnsigned) {
  EXPECT_FALSE(may("string < 'z'", "string", strings("\u4e2d", "\u4e2d")));
  EXPECT_FALSE(may("binary < '7f'", "binary", strings("\x80", "\xff")));
  EXPECT_TRUE(may("uuid > '7f000000-0000-0000-0000-000000000000'", "uuid",
                  strings(std::string(16, '\x01'), "\x80" + std::string(15, '\0'))));
  EXPECT_FALSE(may("string = ''", "string", strings("a", "b")));
  EXPECT_TRUE(must("string = ''", "string", strings("", "")));  // an empty bound is a bound
}

TEST(Evaluate, ColumnsAndTermsOfWhichNothingIsKnown) {
  const Stats stats = stats_of("int", ints(1, 2));
  EXPECT_EQ(may_match(bound("long = 5"), stats)[0], 1);
  EXPECT_EQ(must_match(bound("long != 5"), stats)[0], 0);
  const auto term =
      bind(expression_from_json(
               R"({"type":"eq","term":{"type":"transform","transform":"bucket[4]","term":"int"},"value":9})"),
           schema());
  EXPECT_EQ(may_match(term, stats)[0], 1);
  EXPECT_EQ(must_match(term, stats)[0], 0);
  EXPECT_EQ(may_match(always<BoundPredicate>(false), stats)[0], 0);
  EXPECT_EQ(must_match(always<BoundPredicate>(true), stats)[0], 1);
  EXPECT_TRUE(may_match(bound("int = 1"), Stats{}).empty());
}

TEST(Evaluate, RefusesColumnsOfAnotherLength) {
  Stats stats = stats_of("int", ints(1, 2));
  stats.size = 2;
  EXPECT_THROW(may_match(bound("int = 1"), stats), Error);
}

TEST(Evaluate, NegationsThatWereKept) {
  const Stats stats = stats_of("int", ints(1, 2));
  EXPECT_EQ(may_match(negate(bound("int < 5")), stats)[0], 0);
  EXPECT_EQ(may_match(negate(bound("int < 2")), stats)[0], 1);
  EXPECT_EQ(must_match(negate(bound("int > 5")), stats)[0], 0);
}

TEST(Evaluate, ValuesOfAPartition) {
  const Stats stats = stats_of_values({{2, Value(int32_t{5})}, {5, Value(std::nan(""))}, {14, Value()}},
                                      {schema().fields[1].type, schema().fields[4].type, schema().fields[13].type});
  const auto both_are = [&](const char* filter) {
    const bool may_be = may_match(bound(filter), stats)[0] != 0;
    EXPECT_EQ(may_be, must_match(bound(filter), stats)[0] != 0) << filter;
    return may_be;
  };
  EXPECT_TRUE(both_are("int = 5"));
  EXPECT_FALSE(both_are("int = 6"));
  EXPECT_TRUE(both_are("double is nan"));
  EXPECT_FALSE(both_are("double = 5"));
  EXPECT_TRUE(both_are("double != 5"));
  EXPECT_TRUE(both_are("string is null"));
  EXPECT_FALSE(both_are("string != 'x'"));
}

// --- Random groups of rows ---

// The bounds that a writer keeps: exact, or strings cut to one code point, or of an int although the column is long.
std::pair<std::string, std::string> written_bounds(Rng& rng, const Value& least, const Value& greatest,
                                                   const Type& type) {
  std::string lower = to_bytes(least, type), upper = to_bytes(greatest, type);
  if (type.kind == TypeKind::kString && chance(rng, 2)) {
    const auto cut = [](const std::string& text) {
      size_t end = text.empty() ? 0 : 1;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
      return text.substr(0, end);
    };
    lower = cut(lower);
    const std::string start = cut(upper);
    if (start != upper) upper = start + "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf";
  }
  if (type.kind == TypeKind::kLong && chance(rng, 2)) {
    for (std::string* bound : {&lower, &upper}) {
      const auto value = from_bytes(*bound, type).as<int64_t>();
      if (value == static_cast<int32_t>(value)) bound->resize(4);
    }
  }
  return {lower, upper};
}

void append_stats(Rng& rng, ColumnStats& stats, const std::vector<Value>& values, const Type& type) {
  int64_t nulls = 0, nans = 0;
  std::optional<Value> least, greatest;
  for (const auto& value : values) {
    nulls += value.is_null();
    nans += is_nan(value);
    if (value.is_null() || is_nan(value)) continue;
    if (!least || order(value, *least, type) < 0) least = value;
    if (!greatest || order(*greatest, value, type) < 0) greatest = value;
  }
  const auto known = [&](int64_t count) { return chance(rng, 6) ? kNotKnown : count; };
  stats.append(known(static_cast<int64_t>(values.size())), known(nulls), is_floating(type) ? known(nans) : kNotKnown);
  std::pair<std::string, std::string> bounds;
  if (least) bounds = written_bounds(rng, *least, *greatest, type);
  least && !chance(rng, 8) ? stats.lower_bounds.append(bounds.first) : stats.lower_bounds.append_absent();
  least && !chance(rng, 8) ? stats.upper_bounds.append(bounds.second) : stats.upper_bounds.append_absent();
}

TEST(Evaluate, AgreesWithTheRowsOfRandomGroups) {
  Rng rng(5);
  const auto columns = random_data::leaves(schema());
  constexpr size_t kGroups = 400;
  std::vector<std::vector<random_data::Row>> groups(kGroups);
  Stats stats{.size = kGroups, .columns = {}};
  for (const Field* column : columns) stats.columns.emplace_back().field_id = column->id;
  for (auto& group : groups) {
    const size_t rows = 1 + below(rng, 4);
    const size_t one_null_in = chance(rng, 4) ? 1 : 5;
    while (group.size() < rows) {
      group.push_back(chance(rng, 3) && !group.empty() ? group.back()
                                                       : random_data::random_row(rng, schema(), one_null_in));
    }
    for (size_t c = 0; c < columns.size(); ++c) {
      std::vector<Value> values;
      for (const auto& row : group) values.push_back(row[c].second);
      append_stats(rng, stats.columns[c], values, columns[c]->type);
    }
  }
  size_t pruned = 0, whole = 0;
  for (int i = 0; i < 3000; ++i) {
    const Expression unbound = random_data::random_filter(rng, schema(), columns);
    const BoundExpression filter = bind(unbound, schema());
    const auto may = may_match(filter, stats), must = must_match(filter, stats);
    for (size_t g = 0; g < kGroups; ++g) {
      size_t matching = 0;
      for (const auto& row : groups[g]) matching += matches(filter, random_data::values_of(row));
      ASSERT_TRUE(matching == 0 || may[g] == 1) << to_string(unbound) << "\n"
                                                << random_data::row_text(groups[g][0], schema());
      ASSERT_TRUE(matching == groups[g].size() || must[g] == 0) << to_string(unbound) << "\n"
                                                                << random_data::row_text(groups[g][0], schema());
      pruned += may[g] == 0;
      whole += must[g] == 1;
    }
  }
  EXPECT_GT(pruned, 100'000u);
  EXPECT_GT(whole, 100'000u);
}

}  // namespace
}  // namespace floe
