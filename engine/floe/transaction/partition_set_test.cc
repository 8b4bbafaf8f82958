#include "floe/transaction/partition_set.h"

#include <gmock/gmock.h>

#include <cmath>

#include "floe/spec/table_update.h"

namespace floe {
namespace {

using testing::ElementsAre;

class PartitionSetTest : public testing::Test {
 protected:
  // Partitioned by (i: int, f: double).
  static TableMetadata new_table() {
    return new_table_metadata({.schema = {.fields = {{.id = 1, .name = "i", .type = primitive(TypeKind::kInt)},
                                                     {.id = 2, .name = "f", .type = primitive(TypeKind::kDouble)}}},
                               .spec = {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "i"},
                                                   {.source_ids = {2}, .field_id = 1001, .name = "f"}}},
                               .location = "/t"});
  }

  static std::string i(int32_t value) { return to_bytes(Value(value), primitive(TypeKind::kInt)); }
  static std::string f(double value) { return to_bytes(Value(value), primitive(TypeKind::kDouble)); }

  static FieldSummary between(const std::string& lower, const std::string& upper, bool null = false, bool nan = false) {
    return {.contains_null = null, .contains_nan = nan, .lower_bound = lower, .upper_bound = upper};
  }
  static ManifestFile manifest(FieldSummary by_i, FieldSummary by_f, int32_t spec_id = 0) {
    return {.partition_spec_id = spec_id, .partitions = std::vector{std::move(by_i), std::move(by_f)}};
  }

  const TableMetadata table_ = new_table();
  // What one to nine have in i and f, without and with nulls and NaN.
  const ManifestFile plain_ = manifest(between(i(1), i(9)), between(f(1), f(9)));
  const ManifestFile special_ = manifest(between(i(1), i(9), true), between(f(1), f(9), true, true));
  const ManifestFile unknown_ = {};
  const ManifestFile of_other_spec_ = manifest(between(i(1), i(9)), between(f(1), f(9)), 7);

  std::vector<uint8_t> may_have(const PartitionBytes& partition) {
    PartitionSet set;
    set.insert(0, partition);
    return set.may_have(table_, {plain_, special_, unknown_, of_other_spec_});
  }
};

TEST_F(PartitionSetTest, BySummariesOfEachField) {
  EXPECT_THAT(may_have({i(5), f(5)}), ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(may_have({i(5), f(10)}), ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(may_have({i(0), f(5)}), ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(PartitionSet().may_have(table_, {plain_, unknown_}), ElementsAre(0, 0));
}

TEST_F(PartitionSetTest, Trap05NullsAndNansAreNotWithinBounds) {
  EXPECT_THAT(may_have({std::nullopt, f(5)}), ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(may_have({i(5), std::nullopt}), ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(may_have({i(5), f(std::nan(""))}), ElementsAre(0, 1, 1, 0));
  ManifestFile zero = plain_;
  (*zero.partitions)[1] = between(f(0.0), f(0.0));
  PartitionSet set;
  set.insert(0, {i(5), f(-0.0)});
  EXPECT_THAT(set.may_have(table_, {zero}), ElementsAre(1));
}

TEST_F(PartitionSetTest, SeveralValuesOfAField) {
  PartitionSet set;
  for (const int32_t value : {-1, 20, 5}) set.insert(0, {i(value), f(value)});
  set.insert(0, {std::nullopt, std::nullopt});
  EXPECT_THAT(set.may_have(table_, {plain_, special_}), ElementsAre(1, 1));
  PartitionSet elsewhere;
  for (const int32_t value : {-1, 20, 30}) elsewhere.insert(0, {i(value), f(value)});
  EXPECT_THAT(elsewhere.may_have(table_, {plain_, special_}), ElementsAre(0, 0));
}

TEST_F(PartitionSetTest, Trap07ValuesFromBeforeAPromotionAndAfter) {
  const TableMetadata promoted =
      apply(table_, {AddSchema{{.fields = {{.id = 1, .name = "i", .type = primitive(TypeKind::kLong)},
                                           {.id = 2, .name = "f", .type = primitive(TypeKind::kDouble)}}}},
                     SetCurrentSchema{-1}});
  const auto wide = [](int64_t value) { return to_bytes(Value(value), primitive(TypeKind::kLong)); };
  const ManifestFile newer = manifest(between(wide(1), wide(9)), between(f(1), f(9)));
  for (const std::string& five : {i(5), wide(5)}) {
    PartitionSet set;
    set.insert(0, {five, f(5)});
    set.insert(0, {wide(5), f(5)});
    EXPECT_THAT(set.may_have(promoted, {plain_, newer}), ElementsAre(1, 1));
  }
  PartitionSet set;
  set.insert(0, {i(50), f(5)});
  EXPECT_THAT(set.may_have(promoted, {plain_, newer}), ElementsAre(0, 0));
}

TEST_F(PartitionSetTest, FieldsOfColumnsThatAreGoneTellNothing) {
  const TableMetadata dropped =
      apply(table_, {AddPartitionSpec{{.spec_id = 1}}, SetDefaultSpec{-1},
                     AddSchema{{.fields = {{.id = 2, .name = "f", .type = primitive(TypeKind::kDouble)}}}},
                     SetCurrentSchema{-1}});
  PartitionSet set;
  set.insert(0, {i(50), f(5)});
  EXPECT_THAT(set.may_have(dropped, {plain_}), ElementsAre(1));
  PartitionSet elsewhere;
  elsewhere.insert(0, {i(5), f(50)});
  EXPECT_THAT(elsewhere.may_have(dropped, {plain_}), ElementsAre(0));
}

}  // namespace
}  // namespace floe
