#include "floe/transaction/merge_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/spec/transform.h"

namespace floe {
namespace {

using testing::ElementsAre;

const Type kLong = primitive(TypeKind::kLong);
const Type kString = primitive(TypeKind::kString);
const Type kDouble = primitive(TypeKind::kDouble);

Schema one_column(const Type& type) { return {.fields = {{.id = 1, .name = "key", .type = type}}}; }

PartitionSpec by(const std::string& transform) {
  return {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "part", .transform = parse_transform(transform)}}};
}

// Data files as a manifest has them.
class Files {
 public:
  explicit Files(Schema schema, PartitionSpec spec = {}) : schema_(std::move(schema)), spec_(std::move(spec)) {}

  // Null: the file has no such bound.
  Files& bounds(const Value& least, const Value& greatest, int32_t id = 1) {
    DataFile file = next();
    const Type& type = find_field(schema_, id)->type;
    if (!least.is_null()) file.lower_bounds = {{id, to_bytes(least, type)}};
    if (!greatest.is_null()) file.upper_bounds = {{id, to_bytes(greatest, type)}};
    return add(std::move(file));
  }
  Files& raw_bounds(const std::string& least, const std::string& greatest) {
    DataFile file = next();
    file.lower_bounds = {{1, least}};
    file.upper_bounds = {{1, greatest}};
    return add(std::move(file));
  }
  Files& partition(Value value) {
    DataFile file = next();
    file.partition = {std::move(value)};
    return add(std::move(file));
  }

  // Which of the files may have a row with one of the keys.
  std::vector<uint8_t> with(const std::vector<Value>& keys) const { return with(keys, schema_); }
  std::vector<uint8_t> with(const std::vector<Value>& keys, const Schema& now, const std::string& name = "key") const {
    ManifestWriter writer(3, schema_, spec_, ManifestContent::kData, 1);
    for (const DataFile& file : files_) writer.add({.snapshot_id = 1, .file = file});
    const auto [bytes, line] = writer.finish("manifest", 1);
    ManifestReader reader(arrow::Buffer::FromString(bytes), line);
    const auto type = to_arrow_schema(now);
    const auto rows = arrow::RecordBatch::Make(type, static_cast<int64_t>(keys.size()),
                                               {to_array(keys, now.fields[0].type, type->field(0)->type())});
    MergeSource source(rows, now, KeyColumns(now, {name}, true, "db.t"), "db.t");
    return source.may_have_keys(reader);
  }

 private:
  DataFile next() const {
    DataFile file;
    file.file_path = "file" + std::to_string(files_.size());
    file.record_count = 10;
    file.partition.resize(spec_.fields.size());
    return file;
  }
  Files& add(DataFile file) {
    files_.push_back(std::move(file));
    return *this;
  }

  const Schema schema_;
  const PartitionSpec spec_;
  std::vector<DataFile> files_;
};

std::string str(const char* text) { return text; }
Value i(int64_t number) { return number; }

TEST(MergeSource, BoundsBetweenTheKeysRuleOut) {
  Files files(one_column(kLong));
  files.bounds(i(0), i(9)).bounds(i(11), i(19)).bounds(i(20), i(29)).bounds(i(12), i(13)).bounds(i(51), i(99));
  EXPECT_THAT(files.with({i(50), i(10), i(20), Value(), i(14)}), ElementsAre(0, 1, 1, 0, 0));
  EXPECT_THAT(files.with({i(9)}), ElementsAre(1, 0, 0, 0, 0));
  EXPECT_THAT(files.with({i(0), i(100)}), ElementsAre(1, 0, 0, 0, 0));
}

TEST(MergeSource, BoundsThatAreMissingOrMakeNoSenseRuleOutNothing) {
  Files files(one_column(kLong));
  files.bounds(Value(), i(0)).bounds(i(9), Value()).bounds(i(9), i(0)).raw_bounds("x", "y").raw_bounds("", "");
  EXPECT_THAT(files.with({i(5)}), ElementsAre(1, 1, 1, 1, 1));
}

TEST(MergeSource, KeysThatAreAllNullRuleOutNothingByBounds) {
  Files files(one_column(kLong));
  files.bounds(i(0), i(9));
  EXPECT_THAT(files.with({Value()}), ElementsAre(1));
  EXPECT_THAT(files.with({}), ElementsAre(1));
}

TEST(MergeSource, TruncatedStringBounds) {
  Files files(one_column(kString));
  files.bounds(str("aaaa"), str("aaab")).bounds(str("b"), str("c"));  // of "aaaa...", rounded up where it was cut
  EXPECT_THAT(files.with({str("aaaaaaaaa"), str("zz")}), ElementsAre(1, 0));
  EXPECT_THAT(files.with({str("aaabc"), str("bzzzz")}), ElementsAre(0, 1));
}

TEST(MergeSource, Trap05NansInBoundsAndKeys) {
  const double nan = std::nan("");
  Files files(one_column(kDouble));
  files.bounds(1.0, 2.0).bounds(nan, 2.0).bounds(1.0, nan);
  EXPECT_THAT(files.with({5.0}), ElementsAre(0, 1, 1));
  EXPECT_THAT(files.with({5.0, nan}), ElementsAre(1, 1, 1));  // bounds tell nothing about NaN
}

TEST(MergeSource, ZerosOfBothSignsAreOneKey) {
  Files files(one_column(kDouble));
  files.bounds(-0.0, -0.0).bounds(0.0, 0.0).bounds(-1.0, -0.0).bounds(0.0, 1.0).bounds(1.0, 2.0);
  EXPECT_THAT(files.with({0.0}), ElementsAre(1, 1, 1, 1, 0));
  EXPECT_THAT(files.with({-0.0}), ElementsAre(1, 1, 1, 1, 0));
  EXPECT_THAT(files.with({-9.0, -0.0, 9.0}), ElementsAre(1, 1, 1, 1, 0));
  // A partition by value tells nothing either.
  Files parts(one_column(kDouble), by("identity"));
  parts.partition(-0.0).partition(0.0);
  EXPECT_THAT(parts.with({0.0}), ElementsAre(1, 1));
}

TEST(MergeSource, PartitionsOfKeyColumns) {
  Files bucket(one_column(kLong), by("bucket[16]"));
  std::vector<uint8_t> expected;
  for (int32_t b = 0; b < 16; ++b) {
    bucket.partition(b);
    expected.push_back(apply(parse_transform("bucket[16]"), kLong, i(34)) == Value(b));
  }
  EXPECT_EQ(bucket.with({i(34)}), expected);

  Files truncate(one_column(kLong), by("truncate[10]"));
  truncate.partition(i(-10)).partition(i(0)).partition(i(10)).partition(Value());
  EXPECT_THAT(truncate.with({i(-1), i(15)}), ElementsAre(1, 0, 1, 0));

  Files day(one_column(primitive(TypeKind::kTimestamp)), by("day"));
  day.partition(int32_t{-1}).partition(int32_t{0}).partition(int32_t{1});
  EXPECT_THAT(day.with({i(-1), i(86'400'000'000)}), ElementsAre(1, 0, 1));

  Files text(one_column(kString), by("truncate[2]"));
  text.partition(str("ab")).partition(str("b"));
  EXPECT_THAT(text.with({str("abc"), Value()}), ElementsAre(1, 0));

  Files nothing(one_column(kLong), by("void"));
  nothing.partition(Value());
  EXPECT_THAT(nothing.with({i(1)}), ElementsAre(1));
}

TEST(MergeSource, BoundsAndPartitionsOfAColumnThatWasWidenedSince) {
  const Schema before = one_column(primitive(TypeKind::kInt)), now = one_column(kLong);
  Files files(before);
  files.bounds(int32_t{0}, int32_t{9}).bounds(int32_t{-20}, int32_t{-10});
  EXPECT_THAT(files.with({i(-15), i(int64_t{1} << 33)}, now), ElementsAre(0, 1));
  Files parts(before, by("identity"));
  parts.partition(int32_t{5}).partition(int32_t{7});
  EXPECT_EQ(parts.with({i(5)}, now)[0], 1);
  Files buckets(before, by("bucket[4]"));  // int and long hash alike
  for (int32_t b = 0; b < 4; ++b) buckets.partition(b);
  const auto bucket = static_cast<size_t>(apply(parse_transform("bucket[4]"), kLong, i(5)).as<int32_t>());
  EXPECT_EQ(buckets.with({i(5)}, now)[bucket], 1);
}

TEST(MergeSource, NestedKeyColumns) {
  const Schema schema{
      .fields = {{.id = 1, .name = "who", .type = struct_type({{.id = 2, .name = "number", .type = kLong}})}}};
  Files files(schema);
  files.bounds(i(0), i(9), 2).bounds(i(10), i(19), 2);
  const auto who = [](Value number) { return Value(std::vector<Value>{std::move(number)}); };
  EXPECT_THAT(files.with({who(i(12)), Value(), who(Value())}, schema, "who.number"), ElementsAre(0, 1));
}

TEST(MergeSource, RangesOfKeys) {
  const auto range_of = [](const Type& type, const std::vector<Value>& values) {
    KeyRange range;
    range.add(*to_array(values, type, to_arrow_type(type)), type);
    return range;
  };
  const int64_t most = std::numeric_limits<int64_t>::max();
  const KeyRange longs = range_of(kLong, {Value(), i(3), i(-most), i(most), Value()});
  EXPECT_TRUE(longs.known());
  EXPECT_EQ(longs.least, i(-most));
  EXPECT_EQ(longs.greatest, i(most));
  EXPECT_FALSE(range_of(kLong, {Value()}).known());
  EXPECT_FALSE(range_of(kLong, {}).known());
  EXPECT_FALSE(range_of(kDouble, {1.0, std::nan("")}).known());
  KeyRange more = range_of(kDouble, {1.0});
  more.add(*to_array({-3.0, 8.0}, kDouble, to_arrow_type(kDouble)), kDouble);
  EXPECT_EQ(more.least, Value(-3.0));
  EXPECT_EQ(more.greatest, Value(8.0));
}

}  // namespace
}  // namespace floe
