// Files that others wrote, added to tables without being read.
#include "floe/transaction/add_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "floe/arrow_status.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AddFiles : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::shared_ptr<arrow::RecordBatch>& rows, int64_t group = 1000) {
    const std::string location = warehouse_.location() + "/strangers/" + name;
    write_strangers_file(location, rows, group);
    return location;
  }

  template <typename E>
  static std::string refusal(Table& table, const std::vector<std::string>& locations) {
    try {
      table.add_files(locations);
    } catch (const E& e) {
      return e.what();
    }
    return "added";
  }

  Warehouse warehouse_;
};

TEST_F(AddFiles, WithoutIdsAreFoundByName) {
  Table table = warehouse_.create("t", numbered_schema());
  table.add_files({write("a.parquet", numbered_rows(0, 30), 10), write("b.parquet", numbered_rows(30, 5))});
  EXPECT_EQ(sorted_int64s(*read_all(table), "id").size(), 35);
  EXPECT_THAT(sorted_int64s(*read_all(table, {.filter = parse_filter("id >= 33")}), "id"), ElementsAre(33, 34));
  EXPECT_EQ(table.plan({.filter = parse_filter("id >= 33")}).files(), 1);
  EXPECT_EQ(table.metadata().properties.at("schema.name-mapping.default"),
            R"([{"field-id":1,"names":["id"]},{"field-id":2,"names":["text"]}])");
  const Snapshot& snapshot = *current_snapshot(table.metadata());
  EXPECT_EQ(snapshot.summary.get("operation"), "append");
  EXPECT_EQ(snapshot.summary.get("added-records"), "35");
  const ScanPlan plan = table.plan();
  const DataFile file = plan.parts.at(0).reader->data_files().at(0);
  EXPECT_EQ(file.split_offsets.size(), 3);
  EXPECT_EQ(file.value_counts, (ByFieldId<int64_t>{{1, 30}, {2, 30}}));
  EXPECT_EQ(file.null_value_counts, (ByFieldId<int64_t>{{1, 0}, {2, 0}}));
  EXPECT_EQ(from_bytes(file.lower_bounds.at(0).second, primitive(TypeKind::kLong)), Value(int64_t{0}));
  EXPECT_EQ(from_bytes(file.upper_bounds.at(0).second, primitive(TypeKind::kLong)), Value(int64_t{29}));
  EXPECT_EQ(file.column_sizes.size(), 2);
}

TEST_F(AddFiles, ColumnsThatTheTableNeverHadAreNotLostInSilence) {
  Schema narrow = numbered_schema();
  narrow.fields.pop_back();
  Table table = warehouse_.create("t", narrow);
  const std::string file = write("a.parquet", numbered_rows(0, 3));
  EXPECT_THAT(refusal<InvalidArgument>(table, {file}),
              HasSubstr("a.parquet: it has columns that the table lacks: text"));
  EXPECT_EQ(table.metadata().snapshots.size(), 0);
}

TEST_F(AddFiles, TheirPartitionFollowsFromTheirBounds) {
  Table table = warehouse_.create(
      "t", numbered_schema(),
      {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "ten", .transform = parse_transform("truncate[10]")}}});
  table.add_files({write("a.parquet", numbered_rows(20, 10))});
  EXPECT_EQ(table.plan({.filter = parse_filter("id < 20")}).files(), 0);
  EXPECT_THAT(refusal<InvalidArgument>(table, {write("b.parquet", numbered_rows(25, 10))}),
              HasSubstr("more than one partition values for Partition Field: ten. lower_value=20, upper_value=30"));
  Table buckets = warehouse_.create(
      "b", numbered_schema(),
      {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "b", .transform = parse_transform("bucket[10]")}}});
  EXPECT_THAT(refusal<InvalidArgument>(buckets, {write("c.parquet", numbered_rows(1, 1))}),
              HasSubstr("non-linear Partition Field: b with transform bucket[10]"));
  EXPECT_EQ(buckets.metadata().snapshots.size(), 0);
  EXPECT_FALSE(buckets.metadata().properties.contains("schema.name-mapping.default"));
}

TEST_F(AddFiles, PartitionsOfFloatsAreRefusedForThereMayBeNan) {
  Table table = warehouse_.create("t", {.fields = {{.id = 1, .name = "x", .type = primitive(TypeKind::kDouble)}}},
                                  {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "x"}}});
  const auto rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::float64())}), 1,
                                             {check(arrow::MakeArrayFromScalar(arrow::DoubleScalar(1.0), 1), "array")});
  EXPECT_THAT(refusal<InvalidArgument>(table, {write("a.parquet", rows)}), HasSubstr("column x"));
}

TEST_F(AddFiles, TwiceAreRefused) {
  Table table = warehouse_.create("t", numbered_schema());
  const std::string a = write("a.parquet", numbered_rows(0, 3));
  EXPECT_THAT(refusal<InvalidArgument>(table, {a, a}), HasSubstr("File paths must be unique"));
  Table other = warehouse_.load("t");
  table.add_files({a});
  EXPECT_THAT(refusal<InvalidArgument>(table, {a}), HasSubstr("already referenced by table"));
  EXPECT_THAT(refusal<InvalidArgument>(other, {a}), HasSubstr("already referenced by table"));  // after a retry
  table.add_files({a}, {.refuse_duplicates = false});
  EXPECT_EQ(read_all(table)->num_rows(), 6);
}

class AddFilesBesideOthers : public AddFiles {
 protected:
  // What comes of a table to which files are added while another writer makes these changes.
  Table add_beside(const std::string& name, const std::function<void(const Table&)>& change) {
    const Table table = warehouse_.create(name, numbered_schema());
    Transaction transaction(*table.catalog(), table.loaded());
    add_files(transaction, {write(name + ".parquet", numbered_rows(0, 3))});
    change(table);
    return {table.catalog(), transaction.commit()};
  }

  static void commit(const Table& table, std::vector<TableUpdate> updates) {
    Transaction other(*table.catalog(), table.loaded());
    append(other, *stream_of({numbered_rows(10, 1)}), {});  // so that it is a race
    other.add(TableCommit{.updates = std::move(updates)});
    other.commit();
  }

  static Schema with(std::vector<Field> fields) {
    Schema schema = numbered_schema();
    schema.fields = std::move(fields);
    return schema;
  }

  static constexpr const char* kMapping = "schema.name-mapping.default";
};

TEST_F(AddFilesBesideOthers, KeepTheMappingThatAnotherWriterMade) {
  const std::string theirs =
      R"([{"field-id":1,"names":["id","number"]},{"field-id":2,"names":["text"]},{"field-id":9,"names":["more"]}])";
  const Table table = add_beside("t", [&](const Table& t) { commit(t, {SetProperties{{{kMapping, theirs}}}}); });
  EXPECT_EQ(table.metadata().properties.at(kMapping), theirs);
  EXPECT_THAT(sorted_int64s(*read_all(table), "id"), ElementsAre(0, 1, 2, 10));
  // Two that add files at once set the same one.
  const Table both =
      add_beside("both", [&](const Table& t) { Table(t).add_files({write("other.parquet", numbered_rows(20, 1))}); });
  EXPECT_THAT(sorted_int64s(*read_all(both), "id"), ElementsAre(0, 1, 2, 20));
}

TEST_F(AddFilesBesideOthers, AMappingToOtherColumnsIsAConflict) {
  const auto change = [&](const Table& t) {
    commit(t, {SetProperties{{{kMapping, R"([{"field-id":2,"names":["id"]},{"field-id":1,"names":["text"]}])"}}}});
  };
  EXPECT_THROW(add_beside("t", change), ConflictFound);
  EXPECT_THAT(sorted_int64s(*read_all(warehouse_.load("t")), "id"), ElementsAre(10));
}

TEST_F(AddFilesBesideOthers, ColumnsThatAnotherWriterAddsAreInTheMappingAndRenamedOnesConflict) {
  const Schema schema = numbered_schema();
  std::vector<Field> more = schema.fields, renamed = schema.fields;
  more.push_back({.id = 3, .name = "more", .type = primitive(TypeKind::kLong)});
  renamed.at(1).name = "renamed";
  const Table table =
      add_beside("t", [&](const Table& t) { commit(t, {AddSchema{with(more)}, SetCurrentSchema{-1}}); });
  EXPECT_THAT(table.metadata().properties.at(kMapping), HasSubstr("more"));
  EXPECT_EQ(sorted_int64s(*read_all(table), "id").size(), 4);
  const auto change = [&](const Table& t) { commit(t, {AddSchema{with(renamed)}, SetCurrentSchema{-1}}); };
  EXPECT_THROW(add_beside("u", change), ConflictFound);
}

TEST_F(AddFiles, FilesThatDoNotFitAreRefusedAndStayWhereTheyAre) {
  Table table = warehouse_.create("t", numbered_schema());
  const auto text = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::utf8())}), 1,
                                             {check(arrow::MakeArrayFromScalar(arrow::StringScalar("x"), 1), "array")});
  const std::string wrong = write("wrong.parquet", text);
  EXPECT_THAT(refusal<CorruptFile>(table, {wrong}), HasSubstr("wrong.parquet"));
  EXPECT_THROW(table.add_files({warehouse_.location() + "/strangers/nowhere"}), NotFound);
  make_io({})->write(warehouse_.location() + "/strangers/no.parquet", "PAR1 it is not");
  EXPECT_THAT(refusal<CorruptFile>(table, {warehouse_.location() + "/strangers/no.parquet"}), HasSubstr("no.parquet"));
  EXPECT_TRUE(table.metadata().snapshots.empty());
  EXPECT_TRUE(make_io({})->exists(wrong));
}

}  // namespace
}  // namespace floe
