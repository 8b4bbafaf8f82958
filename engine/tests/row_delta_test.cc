// Streams of changes by key: equality deletes and the rows in their place, written without a read of the table.
#include "floe/transaction/row_delta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Rows = std::vector<std::pair<std::optional<int64_t>, std::string>>;

// (id, text) of which the id may be null.
Schema loose_schema() {
  Schema schema = numbered_schema();
  schema.fields[0].required = false;
  return schema;
}

std::unique_ptr<arrow::RecordBatchReader> rows(const Rows& values) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (const auto& [id, text] : values) {
    check(id ? ids.Append(*id) : ids.AppendNull(), "append");
    check(texts.Append(text), "append");
  }
  return stream_of({arrow::RecordBatch::Make(to_arrow_schema(loose_schema()), static_cast<int64_t>(values.size()),
                                             {*ids.Finish(), *texts.Finish()})});
}

std::unique_ptr<arrow::RecordBatchReader> ids_only(const std::vector<int64_t>& values) {
  arrow::Int64Builder ids;
  check(ids.AppendValues(values), "append");
  return stream_of({arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                             static_cast<int64_t>(values.size()), {*ids.Finish()})});
}

Rows rows_of(const Table& table, const ScanOptions& options = {}) {
  const auto batch = read_all(table, options);
  const auto& ids = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
  const auto& texts = static_cast<const arrow::StringArray&>(*batch->GetColumnByName("text"));
  Rows found;
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    found.emplace_back(ids.IsNull(i) ? std::nullopt : std::optional(ids.Value(i)), texts.GetString(i));
  }
  std::ranges::sort(found);
  return found;
}

std::vector<DataFile> delete_files(const Table& table) {
  std::vector<DataFile> files;
  for (const ManifestFile& file : manifests_of(*table.io(), *current_snapshot(table.metadata()))) {
    if (file.content != ManifestContent::kDeletes) continue;
    for (DataFile& each : open_manifest(*table.io(), file)->data_files()) files.push_back(std::move(each));
  }
  return files;
}

class RowDelta : public testing::Test {
 protected:
  static PartitionSpec by(int32_t column, const char* transform, const char* name) {
    return {
        .fields = {{.source_ids = {column}, .field_id = 1000, .name = name, .transform = parse_transform(transform)}}};
  }

  static void update(Table& table, std::vector<TableUpdate> updates) {
    Transaction transaction(*table.catalog(), table.loaded());
    transaction.add(TableCommit{.updates = std::move(updates)});
    table = Table(table.catalog(), transaction.commit());
  }

  static bool change(Table& table, const Rows& upserts, const std::vector<int64_t>& deletes,
                     std::vector<std::string> keys = {"id"}) {
    const auto upserted = rows(upserts);
    const auto deleted = ids_only(deletes);
    return table.apply_changes({.upserts = upserted.get(), .deletes = deleted.get()}, {.keys = std::move(keys)});
  }

  Warehouse warehouse_;
};

TEST_F(RowDelta, IsOneSnapshotAndReadsNothing) {
  Table table = warehouse_.create("t", numbered_schema());
  append_numbered(table, 0, 5);
  for (const std::string& file : warehouse_.files(table)) {
    if (file.ends_with(".parquet")) table.io()->remove(file);
  }
  EXPECT_TRUE(change(table, {{1, "one"}, {7, "seven"}}, {3, 3, 99}));
  const Summary& summary = current_snapshot(table.metadata())->summary;
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
  EXPECT_EQ(summary.get("operation"), "overwrite");
  EXPECT_EQ(summary.get("added-records"), "2");
  EXPECT_EQ(summary.get("added-equality-deletes"), "4");
  EXPECT_EQ(summary.get("added-equality-delete-files"), "1");
  EXPECT_EQ(summary.get("total-equality-deletes"), "4");
}

TEST_F(RowDelta, ReplacesOlderRowsAndNoneOfItsOwnSnapshot) {
  Table table = warehouse_.create("t", numbered_schema());
  append_numbered(table, 0, 4);
  change(table, {{1, "one"}, {7, "seven"}}, {3});
  EXPECT_EQ(rows_of(table), (Rows{{0, "row 0"}, {1, "one"}, {2, "row 2"}, {7, "seven"}}));
  change(table, {{1, "uno"}}, {});
  change(table, {}, {7});
  EXPECT_EQ(current_snapshot(table.metadata())->summary.get("operation"), "delete");
  append_numbered(table, 7, 1);  // what comes later is not deleted
  EXPECT_EQ(rows_of(table), (Rows{{0, "row 0"}, {1, "uno"}, {2, "row 2"}, {7, "row 7"}}));
  EXPECT_FALSE(change(table, {}, {}));
  EXPECT_EQ(table.metadata().snapshots.size(), 5);
}

TEST_F(RowDelta, FilesHaveTheKeyAloneInItsOrder) {
  Table table = warehouse_.create("t", numbered_schema());
  change(table, {{5, "five"}, {-3, "minus three"}}, {2});
  const std::vector<DataFile> files = delete_files(table);
  ASSERT_EQ(files.size(), 1);
  EXPECT_EQ(files[0].content, FileContent::kEqualityDeletes);
  EXPECT_THAT(files[0].equality_ids, ElementsAre(1));
  EXPECT_EQ(files[0].record_count, 3);
  EXPECT_EQ(files[0].sort_order_id, std::nullopt);
  ASSERT_EQ(files[0].lower_bounds.size(), 1);
  EXPECT_EQ(files[0].lower_bounds[0].second, to_bytes(Value(int64_t{-3}), primitive(TypeKind::kLong)));
  EXPECT_EQ(files[0].upper_bounds[0].second, to_bytes(Value(int64_t{5}), primitive(TypeKind::kLong)));
}

TEST_F(RowDelta, AKeyInSeveralRowsIsRefusedWithTheKeysShown) {
  Table table = warehouse_.create("t", numbered_schema());
  append_numbered(table, 0, 4);
  const auto before = warehouse_.files(table);
  for (const auto& [upserts, deletes] : std::vector<std::pair<Rows, std::vector<int64_t>>>{
           {{{1, "a"}, {2, "b"}, {1, "c"}}, {}}, {{{1, "a"}, {2, "b"}}, {5, 1}}}) {
    try {
      change(table, upserts, deletes);
      FAIL();
    } catch (const InvalidArgument& e) {
      EXPECT_THAT(e.what(), HasSubstr("(id=1)"));
      EXPECT_THAT(e.what(), HasSubstr("db.t"));
    }
  }
  EXPECT_EQ(warehouse_.files(table), before);
}

TEST_F(RowDelta, Trap15NullsOfKeysAreEqual) {
  Table table = warehouse_.create("t", loose_schema());
  table.append(*rows({{std::nullopt, "old"}, {1, "one"}, {0, "zero"}}));
  change(table, {{std::nullopt, "new"}}, {0});
  EXPECT_EQ(rows_of(table), (Rows{{std::nullopt, "new"}, {1, "one"}}));
  EXPECT_THROW(change(table, {{std::nullopt, "a"}, {std::nullopt, "b"}}, {}), InvalidArgument);
}

TEST_F(RowDelta, IsRefusedWhereItCannotBe) {
  Table table = warehouse_.create("t", numbered_schema());
  EXPECT_THROW(change(table, {}, {1}, {}), InvalidArgument);        // no identifier fields
  EXPECT_THROW(change(table, {}, {1}, {"nope"}), InvalidArgument);  // no such column
  EXPECT_THROW(change(table, {}, {1}, {"text"}), InvalidArgument);  // the rows lack it
  Table old = warehouse_.create("old", numbered_schema(), {}, {{"format-version", "1"}});
  EXPECT_THROW(change(old, {}, {1}), NotSupported);
  Schema floats = numbered_schema();
  floats.fields.push_back({.id = 3, .name = "x", .type = primitive(TypeKind::kDouble)});
  Table inexact = warehouse_.create("inexact", floats);
  EXPECT_THROW(change(inexact, {}, {1}, {"id", "x"}), InvalidArgument);
}

TEST_F(RowDelta, RowsThatDoNotFitLeaveNothingBehind) {
  Table table = warehouse_.create("t", numbered_schema());
  const auto before = warehouse_.files(table);
  EXPECT_THROW(change(table, {{1, "a"}, {std::nullopt, "b"}}, {}), InvalidArgument);  // null in a required column
  const auto torn = made_stream(to_arrow_schema(numbered_schema()), 2, [](int i) {
    if (i == 1) throw IoError("torn");
    return numbered_rows(0, 10);
  });
  EXPECT_THROW(table.apply_changes({.upserts = torn.get()}, {.keys = {"id"}}), IoError);
  EXPECT_EQ(warehouse_.files(table), before);
}

TEST_F(RowDelta, Trap14DeletesOfAPartitionStayInIt) {
  Table table = warehouse_.create("t", numbered_schema(), by(1, "truncate[10]", "ten"));
  append_numbered(table, 0, 30);
  change(table, {{5, "five"}, {25, "twenty-five"}}, {13});
  EXPECT_EQ(delete_files(table).size(), 3);
  EXPECT_EQ(rows_of(table).size(), 29);
  for (const DataFile& file : delete_files(table)) EXPECT_EQ(file.record_count, 1);
}

TEST_F(RowDelta, Trap14AKeyThatDoesNotTellThePartitionIsRefused) {
  Table table = warehouse_.create("t", numbered_schema(), by(2, "identity", "text"));
  append_numbered(table, 0, 3);
  EXPECT_THROW(change(table, {{1, "x"}}, {}), NotSupported);
  // With the partition column in the key the row of another text is another one.
  const auto upserts = rows({{1, "row 1"}, {2, "x"}});
  EXPECT_TRUE(table.apply_changes({.upserts = upserts.get()}, {.keys = {"id", "text"}}));
  EXPECT_EQ(rows_of(table), (Rows{{0, "row 0"}, {1, "row 1"}, {2, "row 2"}, {2, "x"}}));
}

TEST_F(RowDelta, Trap14ReachesFilesOfOlderSpecs) {
  Table table = warehouse_.create("t", numbered_schema(), by(1, "truncate[10]", "ten"));
  append_numbered(table, 0, 30);
  PartitionSpec buckets = by(1, "bucket[2]", "b");
  buckets.fields[0].field_id = 1001;
  update(table, {AddPartitionSpec{buckets}, SetDefaultSpec{-1}});
  append_numbered(table, 30, 10);
  change(table, {{5, "five"}, {35, "thirty-five"}}, {13, 33});
  EXPECT_EQ(rows_of(table).size(), 38);
  PartitionSpec text = by(2, "identity", "text");
  text.fields[0].field_id = 1002;
  update(table, {AddPartitionSpec{text}, SetDefaultSpec{-1}});
  EXPECT_THROW(change(table, {}, {1}), NotSupported);
  // An unpartitioned spec, where there is one, has the whole table's deletes.
  update(table, {AddPartitionSpec{{}}, SetDefaultSpec{-1}, SetDefaultSpec{2}});
  append_numbered(table, 40, 1);
  change(table, {{6, "six"}, {40, "forty"}}, {36});
  const Rows now = rows_of(table);
  EXPECT_EQ(now.size(), 38);
  EXPECT_NE(std::ranges::find(now, std::pair(std::optional<int64_t>(6), std::string("six"))), now.end());
}

TEST_F(RowDelta, KeysInStructs) {
  const Type inner = struct_type({{.id = 3, .name = "a", .required = true, .type = primitive(TypeKind::kLong)},
                                  {.id = 4, .name = "b", .type = primitive(TypeKind::kString)}});
  const Schema schema{
      .fields = {{.id = 1, .name = "s", .type = inner}, {.id = 2, .name = "v", .type = primitive(TypeKind::kLong)}}};
  const auto row = [&](std::vector<int64_t> keys, int64_t v, bool with_null) {
    arrow::Int64Builder a, values;
    arrow::StringBuilder b;
    std::vector<uint8_t> valid;
    for (const int64_t key : keys) {
      check(a.Append(key), "");
      check(b.Append("b"), "");
      check(values.Append(v), "");
      valid.push_back(1);
    }
    if (with_null) {
      check(a.Append(0), "");
      check(b.AppendNull(), "");
      check(values.Append(v), "");
      valid.push_back(0);
    }
    arrow::TypedBufferBuilder<bool> bits;
    for (const uint8_t bit : valid) check(bits.Append(bit), "");
    const auto arrow_schema = to_arrow_schema(schema);
    const auto structs =
        std::make_shared<arrow::StructArray>(arrow_schema->field(0)->type(), static_cast<int64_t>(valid.size()),
                                             arrow::ArrayVector{*a.Finish(), *b.Finish()}, *bits.Finish());
    return stream_of(
        {arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(valid.size()), {structs, *values.Finish()})});
  };
  for (const char* version : {"2", "3"}) {
    Table table = warehouse_.create(std::string("t") + version, schema, {}, {{"format-version", version}});
    table.append(*row({1, 2, 3}, 10, true));
    const auto upserts = row({2, 9}, 20, false), deletes = row({3}, 0, true);
    EXPECT_TRUE(table.apply_changes({.upserts = upserts.get(), .deletes = deletes.get()}, {.keys = {"s.a"}}));
    EXPECT_THAT(sorted_int64s(*read_all(table), "v"), ElementsAre(10, 20, 20)) << version;
  }
}

TEST_F(RowDelta, SeesEarlierStepsOfItsTransactionAndGoesToBranches) {
  Table table = warehouse_.create("t", numbered_schema());
  append_numbered(table, 0, 2);
  Transaction transaction(*table.catalog(), table.loaded());
  append(transaction, *stream_of({numbered_rows(10, 2)}), {});
  const auto deletes = ids_only({10, 0});
  apply_changes(transaction, {.deletes = deletes.get()}, {.keys = {"id"}});
  append(transaction, *stream_of({numbered_rows(10, 1)}), {});
  table = Table(table.catalog(), transaction.commit());
  EXPECT_EQ(rows_of(table), (Rows{{1, "row 1"}, {10, "row 10"}, {11, "row 11"}}));
  const auto more = ids_only({1});
  table.apply_changes({.deletes = more.get()}, {.keys = {"id"}, .branch = "side"});
  EXPECT_EQ(rows_of(table).size(), 3);
  EXPECT_EQ(rows_of(table, {.ref = "side"}).size(), 2);
}

TEST_F(RowDelta, OthersMayCommitMeanwhile) {
  Table table = warehouse_.create("t", numbered_schema(), by(1, "truncate[10]", "ten"));
  append_numbered(table, 0, 5);
  Table other = table, late = table;
  append_numbered(other, 5, 5);
  change(table, {{1, "one"}}, {7});  // comes after what others appended
  EXPECT_EQ(rows_of(table).size(), 9);
  change(late, {{1, "uno"}}, {});  // and the last of several changes holds
  EXPECT_EQ(rows_of(late)[1].second, "uno");
  EXPECT_EQ(rows_of(late).size(), 9);
}

TEST_F(RowDelta, AndRowsOfASpecThatItDoesNotReachAreAConflict) {
  Table table = warehouse_.create("t", numbered_schema(), by(1, "truncate[10]", "ten"));
  append_numbered(table, 0, 5);
  Table other = table;
  PartitionSpec buckets = by(1, "bucket[2]", "b");
  buckets.fields[0].field_id = 1001;
  update(other, {AddPartitionSpec{buckets}, SetDefaultSpec{-1}});
  Table unaware = table;
  change(unaware, {{1, "one"}}, {});
  append_numbered(other, 5, 5);
  EXPECT_THROW(change(table, {{7, "seven"}}, {}), ConflictFound);
  table.refresh();
  change(table, {{7, "seven"}}, {});
  EXPECT_EQ(rows_of(table).size(), 10);
}

TEST_F(RowDelta, FilesThatOthersRewroteMeanwhileAreTheirConflict) {
  Table table = warehouse_.create("t", numbered_schema());
  append_numbered(table, 0, 5);
  Transaction rewrite(*table.catalog(), table.loaded());
  delete_rows(rewrite, {.filter = parse_filter("id = 3"), .mode = DeleteMode::kCopyOnWrite});
  change(table, {}, {1});
  EXPECT_THROW(rewrite.commit(), ConflictFound);
  // On what is there now, the rows stay deleted wherever they go.
  table.delete_rows({.filter = parse_filter("id = 3"), .mode = DeleteMode::kCopyOnWrite});
  EXPECT_EQ(rows_of(table), (Rows{{0, "row 0"}, {2, "row 2"}, {4, "row 4"}}));
}

TEST_F(RowDelta, ReplacedRowsAreNewOnesOfTheLineage) {
  Table table = warehouse_.create("t", numbered_schema(), {}, {{"format-version", "3"}});
  append_numbered(table, 0, 3);
  change(table, {{1, "one"}}, {});
  const auto batch =
      read_all(table, {.filter = parse_filter("id = 1"), .select = {"_row_id", "_last_updated_sequence_number"}});
  EXPECT_THAT(sorted_int64s(*batch, "_row_id"), ElementsAre(3));
  EXPECT_THAT(sorted_int64s(*batch, "_last_updated_sequence_number"), ElementsAre(2));
}

struct Kind {
  const char *name, *version, *transform, *format;
};

class RandomChanges : public RowDelta, public testing::WithParamInterface<Kind> {};

TEST_P(RandomChanges, AreAsAMapHasThem) {
  const Kind& kind = GetParam();
  Table table =
      warehouse_.create("t", loose_schema(), *kind.transform ? by(1, kind.transform, "part") : PartitionSpec(),
                        {{"format-version", kind.version},
                         {"write.delete.format.default", kind.format},
                         {"commit.manifest-merge.enabled", "true"},
                         {"commit.manifest.min-count-to-merge", "4"}});
  std::mt19937 random(7);
  std::map<std::optional<int64_t>, std::string> model;
  const auto key = [&]() -> std::optional<int64_t> {
    const int64_t id = static_cast<int64_t>(random() % 40) - 10;
    return id == 29 ? std::nullopt : std::optional(id);
  };
  for (int round = 0; round < 25; ++round) {
    std::map<std::optional<int64_t>, std::string> upserts;
    Rows deletes;
    for (size_t i = random() % 8; i-- > 0;) upserts[key()] = "r" + std::to_string(round);
    for (size_t i = random() % 5; i-- > 0;) {
      const auto id = key();
      if (!upserts.contains(id)) deletes.emplace_back(id, "whatever");
    }
    const auto upserted = rows(Rows(upserts.begin(), upserts.end())), deleted = rows(deletes);
    table.apply_changes({.upserts = upserted.get(), .deletes = deleted.get()}, {.keys = {"id"}});
    for (const auto& [id, text] : deletes) model.erase(id);
    for (const auto& [id, text] : upserts) model[id] = text;
    if (round % 7 == 6) {  // with other ways of changing rows in between
      const auto mode = random() % 2 == 0 ? DeleteMode::kCopyOnWrite : DeleteMode::kMergeOnRead;
      table.delete_rows({.filter = parse_filter("id >= 3 and id < 6"), .mode = mode});
      std::erase_if(model, [](const auto& row) { return row.first && *row.first >= 3 && *row.first < 6; });
    }
    ASSERT_EQ(rows_of(table), Rows(model.begin(), model.end())) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RandomChanges,
                         testing::Values(Kind{"V2", "2", "", "parquet"}, Kind{"V3", "3", "", "parquet"},
                                         Kind{"V2Partitioned", "2", "bucket[3]", "parquet"},
                                         Kind{"V3Partitioned", "3", "truncate[10]", "parquet"},
                                         Kind{"Avro", "2", "", "avro"}, Kind{"Orc", "3", "bucket[3]", "orc"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace floe
