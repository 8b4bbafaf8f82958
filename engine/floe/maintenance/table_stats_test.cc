#include "floe/maintenance/table_stats.h"

#include <arrow/api.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "floe/expression/expression.h"
#include "floe/file/puffin.h"
#include "floe/file/test_files.h"
#include "floe/maintenance/expire_snapshots.h"
#include "floe/maintenance/test_table.h"
#include "floe/maintenance/theta_sketch.h"
#include "floe/transaction/overwrite.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

using Rows = std::vector<std::vector<Value>>;
using Names = std::vector<std::string>;

Value text(const char* value) { return std::string(value); }

class TableStats : public MaintenanceTest {
 protected:
  void begin_with(std::vector<Field> fields, int format_version = 3) {
    hold(new_table_metadata({.schema = {.fields = std::move(fields)},
                             .location = folder_ / "t",
                             .properties = {{"format-version", std::to_string(format_version)}}}));
  }

  int64_t add(const Rows& rows) {
    const auto batch = batch_of(*current_schema(table()), rows);
    const auto reader = check(arrow::RecordBatchReader::Make({batch}, batch->schema()), "rows");
    change([&](Transaction& t) { floe::append(t, *reader, {}); });
    return table().snapshots.back()->snapshot_id;
  }

  TableStatsResult compute(std::optional<Names> columns = std::nullopt,
                           std::optional<int64_t> snapshot_id = std::nullopt) {
    return compute_table_stats(*catalog_, catalog_->now(), {.columns = std::move(columns), .snapshot_id = snapshot_id});
  }

  std::string refusal(Names columns) {
    try {
      compute(std::move(columns));
    } catch (const InvalidArgument& e) {
      return e.what();
    }
    return "none";
  }

  // By field id.
  static std::map<int32_t, std::string> distinct_values(const StatisticsFile& file) {
    std::map<int32_t, std::string> counts;
    for (const BlobMetadata& blob : file.blob_metadata) counts.emplace(blob.fields.at(0), blob.properties.at("ndv"));
    return counts;
  }

  std::string sketch_in(const StatisticsFile& file, size_t column = 0) {
    const PuffinFile puffin(*io_, file.statistics_path, file.file_size_in_bytes);
    return puffin.read(puffin.footer().blobs.at(column));
  }

  int64_t files_of_statistics() {
    return std::ranges::count_if(memory_->locations(),
                                 [](const std::string& location) { return location.ends_with(".stats"); });
  }
};

TEST_F(TableStats, CountTheDistinctValuesOfEachColumn) {
  for (const int version : {1, 2, 3}) {
    begin(version);
    add({{int64_t{1}, text("mon")}, {int64_t{2}, text("mon")}, {int64_t{2}, text("tue")}});
    const int64_t last = add({{int64_t{3}, text("mon")}, {Value(), text("mon")}});
    const TableStatsResult result = compute();
    ASSERT_TRUE(result.file);
    const StatisticsFile& file = *result.file;
    EXPECT_EQ(file.snapshot_id, last);
    EXPECT_THAT(distinct_values(file), ElementsAre(Pair(1, "3"), Pair(2, "2")));
    EXPECT_THAT(table().statistics, ElementsAre(file));
    EXPECT_THAT(result.table.metadata->statistics, ElementsAre(file));
    EXPECT_THAT(file.statistics_path, StartsWith((folder_ / "t/metadata").string()));
  }
}

TEST_F(TableStats, AreAPuffinFileWhoseFooterAgreesWithTheMetadata) {
  begin();
  add({{int64_t{1}, text("mon")}, {int64_t{2}, text("tue")}});
  const Snapshot snapshot = *table().snapshots.back();
  const StatisticsFile file = *compute().file;
  const auto bytes = io_->read(file.statistics_path);
  EXPECT_EQ(file.file_size_in_bytes, bytes->size());
  EXPECT_EQ(bytes->ToString().substr(static_cast<size_t>(bytes->size() - file.file_footer_size_in_bytes), 5), "PFA1{");
  const PuffinFile puffin(*io_, file.statistics_path);
  ASSERT_EQ(puffin.footer().blobs.size(), 2);
  ASSERT_EQ(file.blob_metadata.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    const PuffinBlob& blob = puffin.footer().blobs[i];
    EXPECT_EQ(blob.type, "apache-datasketches-theta-v1");
    EXPECT_THAT(blob.fields, ElementsAre(static_cast<int32_t>(i + 1)));
    EXPECT_EQ(blob.snapshot_id, snapshot.snapshot_id);
    EXPECT_EQ(blob.sequence_number, snapshot.sequence_number);
    EXPECT_THAT(blob.properties, ElementsAre(Pair("ndv", "2")));
    const BlobMetadata metadata{.type = blob.type,
                                .snapshot_id = blob.snapshot_id,
                                .sequence_number = blob.sequence_number,
                                .fields = blob.fields,
                                .properties = blob.properties};
    EXPECT_EQ(file.blob_metadata[i], metadata);
  }
}

TEST_F(TableStats, HashValuesAsTheSpecificationSerializesThem) {
  const std::vector<std::pair<Type, std::vector<Value>>> columns = {
      {primitive(TypeKind::kBoolean), {true, false}},
      {primitive(TypeKind::kInt), {-1, INT32_MAX}},
      {primitive(TypeKind::kLong), {int64_t{-1}, INT64_MIN}},
      {primitive(TypeKind::kFloat), {1.5F, -2.5F}},
      {primitive(TypeKind::kDouble), {1.5, -2.5}},
      {decimal_type(9, 2), {Int128{-128}, Int128{255}}},
      {decimal_type(38, 0), {Int128{1} << 100, Int128{-1} << 90}},
      {primitive(TypeKind::kDate), {-1, 19'000}},
      {primitive(TypeKind::kTime), {int64_t{0}, int64_t{86'399'999'999}}},
      {primitive(TypeKind::kTimestamp), {int64_t{-1}, int64_t{1'600'000'000'000'000}}},
      {primitive(TypeKind::kTimestampTz), {int64_t{-1}, int64_t{1'600'000'000'000'000}}},
      {primitive(TypeKind::kTimestampNs), {int64_t{-1}, int64_t{1'600'000'000'000'000'001}}},
      {primitive(TypeKind::kString), {text("a"), text("a string of more than sixteen bytes")}},
      {primitive(TypeKind::kUuid), {std::string("0123456789abcdef"), std::string("\xFF\x00 3456789abcdef", 16)}},
      {fixed_type(3), {std::string("abc"), std::string("\0\0\0", 3)}},
      {primitive(TypeKind::kBinary), {std::string("\0", 1), std::string("\xFF\xFE")}},
  };
  std::vector<Field> fields;
  Rows rows(2);
  for (const auto& [type, values] : columns) {
    const auto id = static_cast<int32_t>(fields.size() + 1);
    fields.push_back(test_field(id, "c" + std::to_string(id), type));
    for (size_t row = 0; row < 2; ++row) rows[row].push_back(values[row]);
  }
  begin_with(fields);
  add(rows);
  const StatisticsFile file = *compute().file;
  ASSERT_EQ(file.blob_metadata.size(), columns.size());
  for (size_t i = 0; i < columns.size(); ++i) {
    ThetaSketch expected;
    for (const Value& value : columns[i].second) expected.update(to_bytes(value, columns[i].first));
    EXPECT_EQ(sketch_in(file, i), expected.compact().to_bytes()) << to_string(columns[i].first);
    EXPECT_EQ(file.blob_metadata[i].properties.at("ndv"), "2");
  }
}

TEST_F(TableStats, DoNotCountNullsAndEmptyStrings) {
  begin_with({test_field(1, "s", primitive(TypeKind::kString)), test_field(2, "u", primitive(TypeKind::kUnknown))});
  add({{text("a"), Value()}, {Value(), Value()}, {text(""), Value()}});
  EXPECT_THAT(distinct_values(*compute().file), ElementsAre(Pair(1, "1"), Pair(2, "0")));
}

TEST_F(TableStats, TellFloatsApartByTheirBits) {
  begin_with({test_field(1, "d", primitive(TypeKind::kDouble))});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  add({{0.0}, {-0.0}, {nan}, {nan}, {std::copysign(nan, -1.0)}});
  EXPECT_THAT(distinct_values(*compute().file), ElementsAre(Pair(1, "4")));
}

TEST_F(TableStats, EstimateWhatIsMoreThanASketchHolds) {
  begin();
  Rows rows;
  ThetaSketch expected;
  for (int64_t id = 0; id < 20'000; ++id) {
    rows.push_back({id, text(id % 2 ? "mon" : "tue")});
    expected.update(to_bytes(Value(id), primitive(TypeKind::kLong)));
  }
  add(rows);
  const StatisticsFile file = *compute(Names{"id"}).file;
  EXPECT_EQ(sketch_in(file), expected.compact().to_bytes());
  EXPECT_NEAR(std::stod(file.blob_metadata[0].properties.at("ndv")), 20'000, 600);
}

TEST_F(TableStats, DoNotCountDeletedRows) {
  for (const char* mode : {"copy-on-write", "merge-on-read"}) {
    for (const int version : {2, 3}) {
      begin(version, {{"write.delete.mode", mode}});
      add({{int64_t{1}, text("mon")}, {int64_t{2}, text("mon")}, {int64_t{3}, text("tue")}});
      change([&](Transaction& t) { delete_rows(t, {.filter = parse_filter("id >= 2")}); });
      EXPECT_THAT(distinct_values(*compute().file), ElementsAre(Pair(1, "1"), Pair(2, "1"))) << mode << version;
    }
  }
}

TEST_F(TableStats, AreOfTheColumnsThatAreAskedFor) {
  begin();
  add({{int64_t{1}, text("mon")}});
  const StatisticsFile file = *compute(Names{"day", "id", "day"}).file;
  ASSERT_EQ(file.blob_metadata.size(), 2);
  EXPECT_THAT(file.blob_metadata[0].fields, ElementsAre(2));
  EXPECT_THAT(distinct_values(file), ElementsAre(Pair(1, "1"), Pair(2, "1")));
  EXPECT_THAT(refusal({"id", "none"}), HasSubstr("no column none"));
  EXPECT_THAT(refusal({"ID"}), HasSubstr("no column ID"));
  EXPECT_THAT(refusal({"_file"}), HasSubstr("no column _file"));
  EXPECT_THAT(refusal({}), HasSubstr("no columns"));
  EXPECT_THAT(refusal({}), StartsWith("table db.t"));
}

TEST_F(TableStats, OfFieldsInsideStructsHaveToBeAskedFor) {
  begin_with({test_field(1, "s",
                         struct_type({test_field(2, "x", primitive(TypeKind::kInt)),
                                      test_field(3, "y", primitive(TypeKind::kString))})),
              test_field(4, "l", list_type(5, primitive(TypeKind::kInt), false)), test_field(6, "g", geometry_type()),
              test_field(7, "id", primitive(TypeKind::kLong))});
  const Value none{}, list = std::vector<Value>{1, 2};
  add({{std::vector<Value>{1, text("a")}, list, none, int64_t{1}},
       {none, list, none, int64_t{2}},
       {std::vector<Value>{2, none}, none, none, int64_t{3}},
       {std::vector<Value>{2, text("b")}, none, none, int64_t{4}}});
  EXPECT_THAT(distinct_values(*compute().file), ElementsAre(Pair(4, "4")));  // new tables number fields level by level
  EXPECT_THAT(distinct_values(*compute(Names{"s.y", "s.x"}).file), ElementsAre(Pair(5, "2"), Pair(6, "2")));
  EXPECT_THAT(refusal({"s"}), HasSubstr("column s is of type struct"));
  EXPECT_THAT(refusal({"g"}), HasSubstr("column g is of type geometry"));
  EXPECT_THAT(refusal({"l.element"}), HasSubstr("inside a list or a map"));
  begin_with({test_field(1, "l", list_type(2, primitive(TypeKind::kInt), false))});
  add({{list}});
  EXPECT_THROW(compute(), InvalidArgument);
}

TEST_F(TableStats, AreOfTheSnapshotThatIsAskedFor) {
  begin();
  const int64_t first = add({{int64_t{1}, text("mon")}});
  add({{int64_t{2}, text("mon")}});
  Schema renamed = *current_schema(table());
  renamed.fields[0].name = "number";
  change([&](Transaction& t) {
    t.add(TableCommit{.requirements = {}, .updates = {AddSchema{renamed}, SetCurrentSchema{-1}}});
  });
  EXPECT_THAT(distinct_values(*compute(Names{"id"}, first).file), ElementsAre(Pair(1, "1")));
  EXPECT_THAT(distinct_values(*compute(Names{"number"}).file), ElementsAre(Pair(1, "2")));
  EXPECT_EQ(table().statistics.size(), 2);
  EXPECT_THROW(compute({}, 77), NotFound);
}

TEST_F(TableStats, OfNoSnapshotAreNoneAndOfNoRowsAreEmpty) {
  begin();
  EXPECT_FALSE(compute().file);
  EXPECT_THAT(table().statistics, IsEmpty());
  add({});
  const StatisticsFile file = *compute().file;
  EXPECT_THAT(distinct_values(file), ElementsAre(Pair(1, "0"), Pair(2, "0")));
  EXPECT_EQ(sketch_in(file), CompactThetaSketch().to_bytes());
}

TEST_F(TableStats, TakeThePlaceOfThoseThatTheSnapshotHad) {
  begin();
  add({{int64_t{1}, text("mon")}});
  const StatisticsFile first = *compute().file;
  const StatisticsFile second = *compute(Names{"id"}).file;
  EXPECT_THAT(table().statistics, ElementsAre(second));
  EXPECT_NE(first.statistics_path, second.statistics_path);
  EXPECT_TRUE(io_->exists(first.statistics_path));  // older metadata files mention it
}

TEST_F(TableStats, ExpireWithTheirSnapshot) {
  begin();
  const int64_t first = add({{int64_t{1}, text("mon")}});
  const std::string old = compute().file->statistics_path;
  add({{int64_t{2}, text("mon")}});
  const std::string kept = compute().file->statistics_path;
  expire_snapshots(*catalog_, catalog_->now(), {.by_retention = false, .snapshot_ids = {first}});
  EXPECT_FALSE(io_->exists(old));
  EXPECT_TRUE(io_->exists(kept));
  EXPECT_EQ(table().statistics.size(), 1);
}

TEST_F(TableStats, OfACommitThatFailsLeaveNoFile) {
  begin();
  add({{int64_t{1}, text("mon")}});
  catalog_->outcomes_ = {Outcome::kIoError};
  EXPECT_THROW(compute(), IoError);
  EXPECT_EQ(files_of_statistics(), 0);
}

TEST_F(TableStats, OfASnapshotThatExpiresMeanwhileAreNotCommitted) {
  begin();
  const int64_t first = add({{int64_t{1}, text("mon")}});
  add({{int64_t{2}, text("mon")}});
  InterruptedCatalog catalog(io_, table(), {});
  catalog.meanwhile_ = [&](ScriptedCatalog& c) {
    Transaction transaction(c, c.now());
    transaction.add(TableCommit{.requirements = {}, .updates = {RemoveSnapshots{{first}}}});
    transaction.commit();
  };
  EXPECT_THROW(compute_table_stats(catalog, catalog.now(), {.snapshot_id = first}), Error);
  EXPECT_EQ(files_of_statistics(), 0);
}

TEST_F(TableStats, AreCommittedBesideWhatOthersCommit) {
  begin();
  add({{int64_t{1}, text("mon")}});
  catalog_->outcomes_ = {Outcome::kAnotherWasFirst};
  const StatisticsFile file = *compute().file;
  EXPECT_THAT(table().statistics, ElementsAre(file));
  EXPECT_EQ(table().snapshots.size(), 2);
}

TEST_F(TableStats, WhoseAnswerIsLostStay) {
  begin();
  add({{int64_t{1}, text("mon")}});
  catalog_->outcomes_ = {Outcome::kLostBeforeCommit};
  EXPECT_THROW(compute(), CommitStateUnknown);
  EXPECT_EQ(files_of_statistics(), 1);
}

TEST_F(TableStats, AreNotReadOfFilesThatAreGone) {
  begin();
  add({{int64_t{1}, text("mon")}});
  for (const std::string& location : memory_->locations()) {
    if (location.ends_with(".parquet")) io_->remove(location);
  }
  EXPECT_THROW(compute(), NotFound);
  EXPECT_EQ(files_of_statistics(), 0);
}

}  // namespace
}  // namespace floe
