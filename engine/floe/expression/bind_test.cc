#include <gtest/gtest.h>

#include <limits>

#include "floe/error.h"
#include "floe/expression/random_data.h"

namespace floe {
namespace {

using random_data::Rng;

const Schema& schema() {
  static const Schema kSchema = random_data::all_types();
  return kSchema;
}

BoundExpression bound(const std::string& text) { return bind(parse_filter(text), schema()); }

BoundExpression bound(Op op, const std::string& column, std::vector<UnboundLiteral> literals) {
  return bind({.kind = ExprKind::kPredicate, .operands = {}, .predicate = {op, column, {}, std::move(literals)}},
              schema());
}

void expect_predicate(const BoundExpression& actual, Op op, int32_t field_id, const std::vector<Value>& literals) {
  ASSERT_EQ(actual.kind, ExprKind::kPredicate);
  EXPECT_EQ(actual.predicate.op, op);
  EXPECT_EQ(actual.predicate.field_id, field_id);
  EXPECT_EQ(actual.predicate.literals, literals);
  EXPECT_EQ(actual.predicate.type, find_field(schema(), field_id)->type);
}

void expect_always(bool answer, const BoundExpression& actual) {
  EXPECT_EQ(actual.kind, answer ? ExprKind::kTrue : ExprKind::kFalse);
}

void expect_refused(const std::string& text, const std::string& part_of_message) {
  try {
    bound(text);
    FAIL() << "bound: " << text;
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(part_of_message), std::string::npos) << text << ": " << error.what();
  }
}

bool row_matches(const std::string& filter, const std::string& column, const Value& value) {
  const int32_t id = find_field(schema(), column)->id;
  return matches(bound(filter), [&](int32_t field_id) { return field_id == id ? value : Value(); });
}

TEST(Bind, ReadsLiteralsAsTheColumnsType) {
  expect_predicate(bound("int = 5"), Op::kEqual, 2, {int32_t{5}});
  expect_predicate(bound("int = '5'"), Op::kEqual, 2, {int32_t{5}});
  expect_predicate(bound("long > 5"), Op::kGreater, 3, {int64_t{5}});
  expect_predicate(bound("float = 0.1"), Op::kEqual, 4, {0.1f});
  expect_predicate(bound("double < 5"), Op::kLess, 5, {5.0});
  expect_predicate(bound("double < '1e999999'"), Op::kLess, 5, {std::numeric_limits<double>::infinity()});
  expect_predicate(bound("decimal9 = 14.2"), Op::kEqual, 6, {Int128{1420}});
  expect_predicate(bound("decimal9 = -3"), Op::kEqual, 6, {Int128{-300}});
  expect_predicate(bound("decimal9 = 1.5e1"), Op::kEqual, 6, {Int128{1500}});
  expect_predicate(bound("date >= '2017-11-16'"), Op::kGreaterEqual, 8, {int32_t{17486}});
  expect_predicate(bound("date = 17486"), Op::kEqual, 8, {int32_t{17486}});
  expect_predicate(bound("time = '22:31:08'"), Op::kEqual, 9, {int64_t{81'068'000'000}});
  expect_predicate(bound("timestamp = '1970-01-01T00:00:00.000001'"), Op::kEqual, 10, {int64_t{1}});
  expect_predicate(bound("timestamptz = '1970-01-01T01:00:00+01:00'"), Op::kEqual, 11, {int64_t{0}});
  expect_predicate(bound("timestamp_ns = '1970-01-01T00:00:00.000000001'"), Op::kEqual, 12, {int64_t{1}});
  expect_predicate(bound("string = 'x'"), Op::kEqual, 14, {std::string("x")});
  expect_predicate(bound("boolean = true"), Op::kEqual, 1, {true});
  expect_predicate(bound("boolean = 'TRUE'"), Op::kEqual, 1, {true});
  expect_predicate(bound("uuid = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'"), Op::kEqual, 15,
                   {std::string("\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7")});
  expect_predicate(bound("fixed = '0001FF'"), Op::kEqual, 16, {std::string("\x00\x01\xff", 3)});
  expect_predicate(bound("binary != ''"), Op::kNotEqual, 17, {std::string()});
  expect_predicate(bound("nested.int = 5"), Op::kEqual, 19, {int32_t{5}});
}

TEST(Bind, TakesTimestampsOfPyIcebergsJson) {
  // PyIceberg writes a timestamp of either kind without its offset, in UTC, and a datetime compared with a date too.
  expect_predicate(bound("timestamptz = '1970-01-01T00:00:01'"), Op::kEqual, 11, {int64_t{1'000'000}});
  expect_predicate(bound("timestamptz_ns = '1970-01-01T00:00:01'"), Op::kEqual, 13, {int64_t{1'000'000'000}});
  expect_predicate(bound("date = '1969-12-31T23:59:59'"), Op::kEqual, 8, {int32_t{-1}});
  expect_predicate(bound("timestamp = '1970-01-02'"), Op::kEqual, 10, {int64_t{86'400'000'000}});
  expect_predicate(bound("timestamptz = '1970-01-02'"), Op::kEqual, 11, {int64_t{86'400'000'000}});
  expect_refused("timestamp = '1970-01-01T00:00:00+01:00'", "cannot be read as its type timestamp");
}

TEST(Bind, RefusesLiteralsThatAreNotOfTheType) {
  for (const char* text :
       {"int = 'x'", "int = true", "int = '1e'", "boolean = 1", "string = 5", "string > true", "date = '2017-02-29'",
        "date = 'x'", "timestamp = 'yesterday'", "uuid = 'x'", "fixed = '00'", "fixed = '00010'", "binary = 'xy'",
        "binary = 5", "decimal9 = '1,5'", "double = 'nan'", "float = 'x'", "time = '25:00:00'", "string = '\xE4'"}) {
    expect_refused(text, "cannot be read as its type");
  }
  EXPECT_THROW(bound(Op::kEqual, "double", {std::nan("")}), InvalidArgument);
  EXPECT_THROW(bound(Op::kIn, "int", {std::nan("")}), InvalidArgument);
  EXPECT_THROW(bound(Op::kEqual, "int", {}), InvalidArgument);
  EXPECT_THROW(bound(Op::kIsNull, "int", {int64_t{1}}), InvalidArgument);
  expect_refused("int like 'x%'", "only strings start with");
  expect_refused("binary like 'x%'", "only strings start with");
  expect_refused("nested = 5", "only `is null`");
}

TEST(Bind, MakesLiteralsOutOfRangeTrueOrFalse) {
  for (const char* text : {"int < 3000000000", "int <= 3000000000", "int != 3000000000", "int > -3000000000",
                           "int >= -99999999999999999999", "int != -3000000000", "decimal9 < 10000000",
                           "date > -3000000000", "not int > 3000000000", "int < 1e300", "decimal9 > -1e300"}) {
    expect_always(true, bound(text));
  }
  for (const char* text : {"int > 3000000000", "int = 3000000000", "long = 99999999999999999999", "int < -3000000000",
                           "decimal9 = 10000000", "not int < 3000000000", "int in (3000000000)"}) {
    expect_always(false, bound(text));
  }
  expect_predicate(bound("int in (3000000000, 7)"), Op::kEqual, 2, {int32_t{7}});
  expect_predicate(bound("int <= 2147483647"), Op::kLessEqual, 2, {INT32_MAX});
}

TEST(Bind, ComparesFractionsExactly) {
  expect_predicate(bound("int > 1.5"), Op::kGreater, 2, {int32_t{1}});
  expect_predicate(bound("int >= 1.5"), Op::kGreater, 2, {int32_t{1}});
  expect_predicate(bound("int < 1.5"), Op::kLessEqual, 2, {int32_t{1}});
  expect_predicate(bound("int <= -1.5"), Op::kLessEqual, 2, {int32_t{-2}});
  expect_predicate(bound("int > -0.5"), Op::kGreater, 2, {int32_t{-1}});
  expect_always(false, bound("int = 1.5"));
  expect_predicate(bound("int != 1.5"), Op::kNotNull, 2, {});
  expect_predicate(bound("int = 1.50e1"), Op::kEqual, 2, {int32_t{15}});
  expect_predicate(bound("int in (1.5, 2.0)"), Op::kEqual, 2, {int32_t{2}});
  expect_predicate(bound("decimal9 >= 1.234"), Op::kGreater, 6, {Int128{123}});
  expect_predicate(bound("decimal9 = 1.230"), Op::kEqual, 6, {Int128{123}});
  expect_always(false, bound("decimal9 = 1.234"));
}

TEST(Bind, RoundsDoublesToTheScaleOfADecimalColumn) {
  expect_predicate(bound(Op::kEqual, "decimal9", {1.1}), Op::kEqual, 6, {Int128{110}});
  expect_predicate(bound(Op::kEqual, "decimal9", {0.125}), Op::kEqual, 6, {Int128{13}});
  expect_predicate(bound(Op::kEqual, "decimal9", {-0.125}), Op::kEqual, 6, {Int128{-13}});
  expect_predicate(bound(Op::kEqual, "decimal9", {1.005}), Op::kEqual, 6, {Int128{100}});  // 1.00499999999999989...
  expect_always(true, bound(Op::kLess, "decimal9", {std::numeric_limits<double>::infinity()}));
  expect_always(false, bound(Op::kEqual, "decimal9", {9999999.999}));
}

TEST(Bind, FloatsBeyondTheFiniteOnesStillMeetInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(row_matches("float > 1e39", "float", infinity));
  EXPECT_FALSE(row_matches("float > 1e39", "float", std::numeric_limits<float>::max()));
  EXPECT_TRUE(row_matches("float < 1e39", "float", std::numeric_limits<float>::max()));
  EXPECT_FALSE(row_matches("float < 1e39", "float", infinity));
  EXPECT_TRUE(row_matches("float < -1e39", "float", -infinity));
  EXPECT_FALSE(row_matches("float = 1e39", "float", infinity));
  EXPECT_TRUE(row_matches("float = 'inf'", "float", infinity));
}

TEST(Bind, SortsListsAndDropsDuplicates) {
  expect_predicate(bound("int in (3, 1, 2, 3, 1)"), Op::kIn, 2, {int32_t{1}, int32_t{2}, int32_t{3}});
  expect_predicate(bound("int in (1, 1)"), Op::kEqual, 2, {int32_t{1}});
  expect_predicate(bound("int not in (1, 1.0)"), Op::kNotEqual, 2, {int32_t{1}});
  expect_predicate(bound("double in (0.0, -0.0)"), Op::kEqual, 5, {0.0});
  expect_always(false, bound(Op::kIn, "int", {}));
  expect_always(true, bound(Op::kNotIn, "int", {}));
}

TEST(Bind, KnowsWhatIsNeverNullOrNan) {
  Schema required = schema();
  required.fields[1].required = true;
  expect_always(false, bind(parse_filter("int is null"), required));
  expect_always(true, bind(parse_filter("int is not null"), required));
  expect_always(false, bound("int is nan"));
  expect_always(true, bound("string is not nan"));

  // A required field of an optional struct is null where the struct is.
  Schema nested = schema();
  auto children = *nested.fields.back().type.children;
  children[0].required = true;
  nested.fields.back().type = struct_type(children);
  expect_predicate(bind(parse_filter("nested.int is null"), nested), Op::kIsNull, 19, {});
}

TEST(Bind, UnknownColumnsAreAlwaysNull) {
  const Schema unknown{.fields = {{.id = 1, .name = "u", .type = primitive(TypeKind::kUnknown)}}};
  expect_always(true, bind(parse_filter("u is null"), unknown));
  expect_always(false, bind(parse_filter("u is not null"), unknown));
  expect_always(false, bind(parse_filter("u = 5"), unknown));
  expect_always(false, bind(parse_filter("not u = 5"), unknown));
}

TEST(Bind, FindsColumnsWithoutCase) {
  EXPECT_EQ(bind(parse_filter("NESTED.Int = 5"), schema(), false).predicate.field_id, 19);
  EXPECT_THROW(bind(parse_filter("NESTED.Int = 5"), schema(), true), InvalidArgument);
}

TEST(Bind, NamesTheColumnsThereAreAndRefusesListsAndMaps) {
  expect_refused("intt = 5", "\"intt\"");
  expect_refused("intt = 5", "boolean, int, long");
  const Schema lists{.fields = {{.id = 1, .name = "l", .type = list_type(2, primitive(TypeKind::kInt), false)}}};
  EXPECT_THROW(bind(parse_filter("l.element = 5"), lists), InvalidArgument);
  EXPECT_EQ(bind(parse_filter("l is null"), lists).predicate.field_id, 1);
}

TEST(Bind, RewritesNegations) {
  expect_predicate(bound("not int < 5"), Op::kGreaterEqual, 2, {int32_t{5}});
  expect_predicate(bound("not not int < 5"), Op::kLess, 2, {int32_t{5}});
  EXPECT_EQ(bound("not (int < 5 and long = 1)"), bound("int >= 5 or long != 1"));
  EXPECT_EQ(bound("not (int in (1, 2) or string like 'x%')"), bound("int not in (1, 2) and string not like 'x%'"));
  EXPECT_EQ(bound("not double < 5"), bound("double >= 5 or double is nan"));
  EXPECT_EQ(bound("not double = 5"), bound("double != 5"));
}

TEST(Bind, NegationsMatchTheRowsThatThreeValuedLogicSays) {
  Rng rng(3);
  const auto columns = random_data::leaves(schema());
  const std::function<BoundExpression(const Expression&)> with_negations = [&](const Expression& filter) {
    if (filter.kind == ExprKind::kPredicate) return bind(filter, schema());
    BoundExpression result{.kind = filter.kind, .operands = {}, .predicate = {}};
    for (const auto& operand : filter.operands) result.operands.push_back(with_negations(operand));
    return result;
  };
  for (int i = 0; i < 2000; ++i) {
    const Expression filter = negate(random_data::random_filter(rng, schema(), columns));
    const BoundExpression rewritten = bind(filter, schema());
    const BoundExpression literal = with_negations(filter);
    for (int k = 0; k < 20; ++k) {
      const auto row = random_data::random_row(rng, schema());
      ASSERT_EQ(matches(rewritten, random_data::values_of(row)), matches(literal, random_data::values_of(row)))
          << to_string(filter) << "\n"
          << random_data::row_text(row, schema());
    }
  }
}

TEST(Bind, TermsWithTransforms) {
  const Expression filter = expression_from_json(
      R"({"type":"eq","term":{"type":"transform","transform":"day","term":"timestamp"},"value":"1970-01-02"})");
  const BoundExpression day = bind(filter, schema());
  EXPECT_EQ(day.predicate.type, primitive(TypeKind::kDate));
  EXPECT_EQ(day.predicate.source, primitive(TypeKind::kTimestamp));
  EXPECT_TRUE(matches(day, [](int32_t) { return Value(int64_t{86'400'000'000 + 5}); }));
  EXPECT_FALSE(matches(day, [](int32_t) { return Value(int64_t{5}); }));
  EXPECT_FALSE(matches(day, [](int32_t) { return Value(); }));
  EXPECT_THROW(bind(expression_from_json(
                        R"({"type":"eq","term":{"type":"transform","transform":"day","term":"string"},"value":1})"),
                    schema()),
               InvalidArgument);
}

TEST(Bind, RefusesDeepNesting) {
  Expression deep = parse_filter("int = 0");
  for (int i = 0; i < 1000; ++i) {
    deep =
        i % 2 == 0 ? both(std::move(deep), parse_filter("int = 1")) : either(std::move(deep), parse_filter("int = 2"));
  }
  EXPECT_THROW(bind(deep, schema()), InvalidArgument);
}

TEST(Matches, NullsAsInPyIcebergsScans) {
  const Value null;
  for (const char* filter : {"int = 5", "int != 5", "int < 5", "int in (1, 5)", "int not in (5)", "not int = 5",
                             "string not like 'x%'", "double is not nan", "double is nan", "int is not null"}) {
    EXPECT_FALSE(row_matches(filter, "int", null)) << filter;
  }
  for (const char* filter : {"int is null", "int not in (1, 5)", "not int in (1, 5)"}) {
    EXPECT_TRUE(row_matches(filter, "int", null)) << filter;
  }
}

TEST(Trap05, NanAndNegativeZero) {
  const Value nan(std::nan(""));
  for (const char* filter :
       {"double = 5", "double < 5", "double >= 5", "double in (1, 5)", "double is not nan", "double is null"}) {
    EXPECT_FALSE(row_matches(filter, "double", nan)) << filter;
  }
  for (const char* filter :
       {"double != 5", "double not in (1, 5)", "double is nan", "not double < 5", "not double >= 5"}) {
    EXPECT_TRUE(row_matches(filter, "double", nan)) << filter;
  }
  for (const char* filter : {"double = 0.0", "double = -0.0", "double in (0, 1)", "double >= 0"}) {
    EXPECT_TRUE(row_matches(filter, "double", -0.0)) << filter;
    EXPECT_TRUE(row_matches(filter, "double", 0.0)) << filter;
  }
  EXPECT_FALSE(row_matches("double < 0", "double", -0.0));
}

}  // namespace
}  // namespace floe
