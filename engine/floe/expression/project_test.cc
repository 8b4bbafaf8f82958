#include <gtest/gtest.h>

#include <optional>

#include "floe/error.h"
#include "floe/expression/evaluate.h"
#include "floe/expression/random_data.h"

namespace floe {
namespace {

using random_data::pick;
using random_data::Rng;

const Schema& schema() {
  static const Schema kSchema = random_data::all_types();
  return kSchema;
}

BoundExpression bound(const std::string& text) { return bind(parse_filter(text), schema()); }

PartitionSpec spec_of(const std::vector<std::pair<std::string, std::string>>& columns) {
  PartitionSpec spec{.spec_id = 1, .fields = {}};
  for (const auto& [column, transform] : columns) {
    spec.fields.push_back({.source_ids = {find_field(schema(), column)->id},
                           .field_id = kFirstPartitionFieldId + static_cast<int32_t>(spec.fields.size()),
                           .name = column + "_" + transform,
                           .transform = parse_transform(transform)});
  }
  return spec;
}

// One predicate of a partition field: the operation and its literals, as text.
std::string text(const BoundExpression& expression) {
  static const char* const kOps[] = {"null", "not null", "nan", "not nan", "<",          "<=", ">",
                                     ">=",   "=",        "!=",  "starts",  "not starts", "in", "not in"};
  switch (expression.kind) {
    case ExprKind::kTrue:
      return "true";
    case ExprKind::kFalse:
      return "false";
    case ExprKind::kPredicate: {
      std::string result = kOps[static_cast<int>(expression.predicate.op)];
      for (const auto& literal : expression.predicate.literals) {
        result += " " + to_human_string(literal, expression.predicate.type);
      }
      return result;
    }
    default: {
      std::string result;
      for (const auto& operand : expression.operands) {
        if (!result.empty()) result += expression.kind == ExprKind::kAnd ? " & " : " | ";
        result += text(operand);
      }
      return "(" + result + ")";
    }
  }
}

std::string inclusive(const std::string& filter, const std::string& column, const std::string& transform) {
  return text(project_inclusive(bound(filter), spec_of({{column, transform}}), schema()));
}
std::string strict(const std::string& filter, const std::string& column, const std::string& transform) {
  return text(project_strict(bound(filter), spec_of({{column, transform}}), schema()));
}

TEST(Project, Identity) {
  for (const char* filter : {"int < 5", "int is null", "int != 5", "int in (1, 2)", "int not in (1, 2)"}) {
    EXPECT_EQ(inclusive(filter, "int", "identity"), text(bound(filter)));
    EXPECT_EQ(strict(filter, "int", "identity"), text(bound(filter)));
  }
  EXPECT_EQ(project_inclusive(bound("int < 5"), spec_of({{"int", "identity"}}), schema()).predicate.field_id, 1000);
  EXPECT_EQ(inclusive("double is nan", "double", "identity"), "nan");
}

TEST(Project, VoidAndUnknownTransformsTellNothing) {
  for (const char* transform : {"void", "zorder[3]"}) {
    for (const char* filter : {"int < 5", "int is null", "int is not null", "int = 1", "int != 1"}) {
      EXPECT_EQ(inclusive(filter, "int", transform), "true");
      EXPECT_EQ(strict(filter, "int", transform), "false");
    }
  }
  PartitionSpec several = spec_of({{"int", "identity"}});
  several.fields[0].source_ids = {2, 3};
  EXPECT_EQ(text(project_inclusive(bound("int < 5"), several, schema())), "true");
  EXPECT_EQ(text(project_strict(bound("int < 5"), several, schema())), "false");
}

TEST(Project, Bucket) {
  EXPECT_EQ(inclusive("int = 34", "int", "bucket[16]"), "= 3");  // Appendix B: hash 2017239379
  EXPECT_EQ(strict("int = 34", "int", "bucket[16]"), "false");
  EXPECT_EQ(inclusive("int != 34", "int", "bucket[16]"), "true");
  EXPECT_EQ(strict("int != 34", "int", "bucket[16]"), "!= 3");
  EXPECT_EQ(inclusive("int > 34", "int", "bucket[16]"), "true");
  EXPECT_EQ(strict("int > 34", "int", "bucket[16]"), "false");
  EXPECT_EQ(inclusive("int in (34, 35)", "int", "bucket[1]"), "= 0");
  EXPECT_EQ(strict("int not in (34, 35)", "int", "bucket[1]"), "!= 0");
  EXPECT_EQ(inclusive("int is null", "int", "bucket[16]"), "null");
  EXPECT_EQ(strict("string like 'x%'", "string", "bucket[16]"), "false");
}

TEST(Project, TruncateOfNumbers) {
  EXPECT_EQ(inclusive("int < 16", "int", "truncate[16]"), "<= 0");
  EXPECT_EQ(inclusive("int <= 16", "int", "truncate[16]"), "<= 16");
  EXPECT_EQ(inclusive("int > 9", "int", "truncate[10]"), ">= 10");
  EXPECT_EQ(inclusive("int >= 9", "int", "truncate[10]"), ">= 0");
  EXPECT_EQ(inclusive("int = -1", "int", "truncate[10]"), "= -10");
  EXPECT_EQ(inclusive("int != 9", "int", "truncate[10]"), "true");
  EXPECT_EQ(strict("int < 10", "int", "truncate[10]"), "< 10");
  EXPECT_EQ(strict("int <= 9", "int", "truncate[10]"), "< 10");
  EXPECT_EQ(strict("int > 15", "int", "truncate[16]"), "> 0");
  EXPECT_EQ(strict("int >= 16", "int", "truncate[16]"), "> 0");
  EXPECT_EQ(strict("int = 9", "int", "truncate[10]"), "false");
  EXPECT_EQ(strict("int not in (1, 11, 12)", "int", "truncate[10]"), "not in 0 10");
  EXPECT_EQ(inclusive("decimal9 < 1.00", "decimal9", "truncate[50]"), "<= 0.50");
}

TEST(Project, TruncateOfTheLeastIntsWrapsInOtherWriters) {
  // -2147483648 truncated by 10 is below the range; Java writes 2147483646.
  EXPECT_EQ(inclusive("int >= -2147483647", "int", "truncate[10]"), "true");
  EXPECT_EQ(inclusive("int <= -2147483647", "int", "truncate[10]"), "= 2147483646");
  EXPECT_EQ(inclusive("int <= 5", "int", "truncate[10]"), "(<= 0 | = 2147483646)");
  EXPECT_EQ(strict("int > 5", "int", "truncate[10]"), "(> 0 & != 2147483646)");
  EXPECT_EQ(inclusive("int = -2147483648", "int", "truncate[10]"), "= 2147483646");
  EXPECT_EQ(inclusive("int <= 5", "int", "truncate[8]"), "<= 0");
}

TEST(Project, ComparisonsAtTheEndsOfTheType) {
  EXPECT_EQ(inclusive("int < -2147483648", "int", "truncate[8]"), "false");
  EXPECT_EQ(inclusive("long > 9223372036854775807", "long", "truncate[8]"), "false");
  EXPECT_EQ(strict("int <= 2147483647", "int", "truncate[8]"), "not null");
  EXPECT_EQ(strict("int >= -2147483648", "int", "truncate[8]"), "not null");
  // The hour of such a timestamp is no int: nothing can be said.
  EXPECT_EQ(inclusive("timestamp < 9223372036854775807", "timestamp", "hour"), "true");
  EXPECT_EQ(strict("timestamp < 9223372036854775807", "timestamp", "hour"), "false");
}

TEST(Project, TruncateOfStrings) {
  EXPECT_EQ(inclusive("string < 'abcd'", "string", "truncate[2]"), "<= ab");
  EXPECT_EQ(inclusive("string < 'ab'", "string", "truncate[2]"), "< ab");
  EXPECT_EQ(inclusive("string > 'abcd'", "string", "truncate[2]"), ">= ab");
  EXPECT_EQ(strict("string < 'abcd'", "string", "truncate[2]"), "< ab");
  EXPECT_EQ(strict("string <= 'abcd'", "string", "truncate[2]"), "< ab");
  EXPECT_EQ(strict("string > 'abcd'", "string", "truncate[2]"), "> ab");
  EXPECT_EQ(strict("string >= 'ab'", "string", "truncate[2]"), ">= ab");
}

// Of the "Also" list: NOT STARTS_WITH projected by a prefix longer than the width must not prune.
TEST(Project, PrefixesAndTruncate) {
  EXPECT_EQ(inclusive("string like 'a%'", "string", "truncate[2]"), "starts a");
  EXPECT_EQ(inclusive("string like 'ab%'", "string", "truncate[2]"), "= ab");
  EXPECT_EQ(inclusive("string like 'abc%'", "string", "truncate[2]"), "= ab");
  EXPECT_EQ(strict("string like 'a%'", "string", "truncate[2]"), "starts a");
  EXPECT_EQ(strict("string like 'ab%'", "string", "truncate[2]"), "= ab");
  EXPECT_EQ(strict("string like 'abc%'", "string", "truncate[2]"), "false");
  EXPECT_EQ(inclusive("string not like 'a%'", "string", "truncate[2]"), "not starts a");
  EXPECT_EQ(inclusive("string not like 'ab%'", "string", "truncate[2]"), "!= ab");
  EXPECT_EQ(inclusive("string not like 'abc%'", "string", "truncate[2]"), "true");
  EXPECT_EQ(strict("string not like 'abc%'", "string", "truncate[2]"), "!= ab");
  EXPECT_EQ(inclusive("string like '\u4e2d\u4e2d%'", "string", "truncate[2]"),
            "= \u4e2d\u4e2d");  // code points, not bytes
  EXPECT_EQ(inclusive("string like '\u4e2d%'", "string", "truncate[2]"), "starts \u4e2d");
}

TEST(Project, Dates) {
  EXPECT_EQ(inclusive("timestamp < '2017-11-16T00:00:00'", "timestamp", "day"), "<= 2017-11-15");
  EXPECT_EQ(inclusive("timestamp <= '2017-11-16T00:00:00'", "timestamp", "day"), "<= 2017-11-16");
  EXPECT_EQ(inclusive("timestamp > '2017-11-15T23:59:59.999999'", "timestamp", "day"), ">= 2017-11-16");
  EXPECT_EQ(strict("timestamp < '2017-11-16T00:00:00'", "timestamp", "day"), "< 2017-11-16");
  EXPECT_EQ(strict("timestamp >= '2017-11-16T00:00:00'", "timestamp", "day"), "> 2017-11-15");
  EXPECT_EQ(inclusive("timestamp = '1969-12-31T23:59:59'", "timestamp", "year"), "= -1");
  EXPECT_EQ(inclusive("date = '1969-12-31'", "date", "month"), "= -1");
  EXPECT_EQ(inclusive("timestamptz >= '2017-11-16T01:00:00+02:00'", "timestamptz", "hour"), ">= 419663");
  EXPECT_EQ(inclusive("timestamp in ('2017-11-16T00:00:00', '2017-11-16T01:00:00')", "timestamp", "day"),
            "= 2017-11-16");
}

TEST(Project, TermsOfTheSpecsOwnTransform) {
  const auto filter = bind(
      expression_from_json(
          R"({"type":"lt","term":{"type":"transform","transform":"day","term":"timestamp"},"value":"2017-11-16"})"),
      schema());
  EXPECT_EQ(text(project_inclusive(filter, spec_of({{"timestamp", "day"}}), schema())), "< 2017-11-16");
  EXPECT_EQ(text(project_strict(filter, spec_of({{"timestamp", "day"}}), schema())), "< 2017-11-16");
  EXPECT_EQ(text(project_inclusive(filter, spec_of({{"timestamp", "hour"}}), schema())), "true");
  EXPECT_EQ(text(project_strict(filter, spec_of({{"timestamp", "hour"}}), schema())), "false");
}

TEST(Project, SeveralFieldsOfOneColumn) {
  const PartitionSpec spec = spec_of({{"int", "bucket[1]"}, {"int", "truncate[10]"}});
  EXPECT_EQ(text(project_inclusive(bound("int = 5"), spec, schema())), "(= 0 & = 0)");
  EXPECT_EQ(text(project_strict(bound("int != 5"), spec, schema())), "(!= 0 | != 0)");
}

const std::vector<Transform>& all_transforms() {
  static const std::vector<Transform> kTransforms = [] {
    std::vector<Transform> transforms;
    for (const char* name :
         {"identity", "bucket[1]", "bucket[3]", "bucket[16]", "truncate[1]", "truncate[2]", "truncate[3]",
          "truncate[10]", "truncate[100]", "year", "month", "day", "hour", "void", "zorder"}) {
      transforms.push_back(parse_transform(name));
    }
    return transforms;
  }();
  return kTransforms;
}

PartitionSpec random_spec(Rng& rng, const std::vector<const Field*>& columns) {
  PartitionSpec spec{.spec_id = 1, .fields = {}};
  const size_t wanted = 1 + random_data::below(rng, 3);
  while (spec.fields.size() < wanted) {
    const Field* column = pick(rng, columns);
    const Transform& transform = pick(rng, all_transforms());
    const bool unknown = transform.kind == TransformKind::kUnknown;
    if (!unknown && !can_transform(transform, column->type)) continue;
    spec.fields.push_back({.source_ids = {column->id},
                           .field_id = kFirstPartitionFieldId + static_cast<int32_t>(spec.fields.size()),
                           .name = "p" + std::to_string(spec.fields.size()),
                           .transform = transform});
  }
  return spec;
}

// As a writer that wraps round (Java) or one that refuses values without a partition (this engine).
std::optional<std::vector<Value>> partition_of(const random_data::Row& row, const PartitionSpec& spec) {
  std::vector<Value> partition;
  for (const auto& field : spec.fields) {
    const Value value = random_data::values_of(row)(field.source_id());
    const Type& type = find_field(schema(), field.source_id())->type;
    if (field.transform.kind == TransformKind::kUnknown) {
      partition.emplace_back(std::string("whatever"));
    } else if (field.transform.kind == TransformKind::kTruncate && type.kind == TypeKind::kInt && !value.is_null()) {
      const auto n = value.as<int32_t>();
      const int32_t width = field.transform.width;
      const int32_t rest = ((n % width) + width) % width;
      partition.emplace_back(static_cast<int32_t>(static_cast<uint32_t>(n) - static_cast<uint32_t>(rest)));
    } else {
      try {
        partition.push_back(apply(field.transform, type, value));
      } catch (const InvalidArgument&) {
        return std::nullopt;
      }
    }
  }
  return partition;
}

Stats stats_of_partition(const std::vector<Value>& partition, const PartitionSpec& spec) {
  std::vector<std::pair<int32_t, Value>> values;
  std::vector<Type> types;
  for (size_t i = 0; i < partition.size(); ++i) {
    values.emplace_back(spec.fields[i].field_id, partition[i]);
    types.push_back(result_type(spec.fields[i].transform, find_field(schema(), spec.fields[i].source_id())->type));
  }
  return stats_of_values(values, types);
}

// Random filters, specs and rows: an inclusive projection holds for the partition of every row that matches, a strict
// one only for partitions whose rows all match, and the residual gives the same rows as the filter.
TEST(Project, HoldsForRandomFiltersSpecsAndRows) {
  Rng rng(4);
  const auto columns = random_data::leaves(schema());
  int inclusive_false = 0, strict_true = 0, residual_simpler = 0;
  for (int i = 0; i < 6000; ++i) {
    const PartitionSpec spec = random_spec(rng, columns);
    std::vector<const Field*> named;
    for (const auto& field : spec.fields) named.push_back(find_field(schema(), field.source_id()));
    if (random_data::chance(rng, 4)) named.push_back(pick(rng, columns));
    const Expression unbound = random_data::random_filter(rng, schema(), named);
    const BoundExpression filter = bind(unbound, schema());
    const BoundExpression may = project_inclusive(filter, spec, schema());
    const BoundExpression must = project_strict(filter, spec, schema());
    for (int k = 0; k < 20; ++k) {
      const auto row = random_data::random_row(rng, schema(), 8);
      const auto partition = partition_of(row, spec);
      if (!partition) continue;
      const Stats stats = stats_of_partition(*partition, spec);
      const bool matching = matches(filter, random_data::values_of(row));
      const bool may_hold = may_match(may, stats)[0] != 0;
      const bool must_hold = must_match(must, stats)[0] != 0;
      const BoundExpression rest = residual(filter, spec, schema(), *partition);
      ASSERT_TRUE(!matching || may_hold) << to_string(unbound) << "\n" << random_data::row_text(row, schema());
      ASSERT_TRUE(matching || !must_hold) << to_string(unbound) << "\n" << random_data::row_text(row, schema());
      ASSERT_EQ(matches(rest, random_data::values_of(row)), matching) << to_string(unbound) << "\n"
                                                                      << random_data::row_text(row, schema());
      inclusive_false += !may_hold;
      strict_true += must_hold;
      residual_simpler += rest != filter;
    }
  }
  EXPECT_GT(inclusive_false, 10'000);  // it prunes
  EXPECT_GT(strict_true, 10'000);
  EXPECT_GT(residual_simpler, 20'000);
}

TEST(Residual, KeepsOnlyWhatThePartitionLeavesOpen) {
  const PartitionSpec spec = spec_of({{"timestamp", "day"}});
  const BoundExpression filter = bound("timestamp >= '1970-01-02T12:00:00' and int = 5");
  const auto of_day = [&](int32_t day) { return residual(filter, spec, schema(), {Value(day)}); };
  EXPECT_EQ(of_day(0).kind, ExprKind::kFalse);
  EXPECT_EQ(of_day(1), filter);
  EXPECT_EQ(of_day(2), bound("int = 5"));
  EXPECT_EQ(residual(filter, spec, schema(), {Value()}).kind, ExprKind::kFalse);
  EXPECT_THROW(residual(filter, spec, schema(), {}), InvalidArgument);
}

}  // namespace
}  // namespace floe
