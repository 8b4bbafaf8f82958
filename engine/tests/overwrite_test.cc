// Deletes and overwrites from the front door to the files, and what happens when others commit meanwhile.
#include "floe/transaction/overwrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/io/faulty_io.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<arrow::RecordBatchReader> rows(int64_t first, int64_t n) {
  return stream_of({numbered_rows(first, n)});
}

std::vector<int64_t> ids(const Table& table, const ScanOptions& options = {}) {
  return sorted_int64s(*read_all(table, options), "id");
}

std::vector<int64_t> range(int64_t first, int64_t end) {
  std::vector<int64_t> numbers(static_cast<size_t>(end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Snapshot& head(const Table& table) { return *current_snapshot(table.metadata()); }

class Overwrite : public testing::Test {
 protected:
  static PartitionSpec by(const char* transform, const char* name) {
    return {.fields = {{.source_ids = {1}, .field_id = 1000, .name = name, .transform = parse_transform(transform)}}};
  }
  // [0, 30) in three partitions of ten.
  Table three_tens(const std::string& name, Properties properties = {}) {
    Table table = warehouse_.create(name, numbered_schema(), by("truncate[10]", "ten"), std::move(properties));
    append_numbered(table, 0, 30);
    return table;
  }

  Warehouse warehouse_;
};

TEST_F(Overwrite, FilesThatMatchWhollyGoWithoutBeingRead) {
  Table table = three_tens("t");
  for (const std::string& file : warehouse_.files(table)) {
    if (file.find("ten=10") != std::string::npos) table.io()->remove(file);
  }
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id >= 10 and id < 20")}));
  EXPECT_EQ(ids(table), joined(range(0, 10), range(20, 30)));
  EXPECT_EQ(head(table).summary.get("operation"), "delete");
  EXPECT_EQ(head(table).summary.get("deleted-records"), "10");
  EXPECT_EQ(head(table).summary.get("total-records"), "20");
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
}

TEST_F(Overwrite, BoundsAndPartitionsDecideTogether) {
  Table table = warehouse_.create("t", numbered_schema(), by("bucket[2]", "b"));
  append_numbered(table, 0, 100);
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id >= 0 and id < 1000")}));
  EXPECT_TRUE(ids(table).empty());
  EXPECT_EQ(head(table).summary.get("added-data-files"), "");
}

TEST_F(Overwrite, FilesThatMatchInPartAreWrittenAgainWithoutTheRows) {
  Table table = three_tens("t");
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id = 3 or id >= 18")}));
  EXPECT_EQ(ids(table), joined(range(0, 3), range(4, 18)));
  EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
  EXPECT_EQ(head(table).summary.get("deleted-data-files"), "3");
  EXPECT_EQ(head(table).summary.get("added-data-files"), "2");
  EXPECT_EQ(head(table).summary.get("total-records"), "17");
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
}

TEST_F(Overwrite, RowsOfNullStayWhereTheFilterIsNeitherTrueNorFalse) {
  Schema schema = numbered_schema();
  schema.fields[0].required = false;
  Table table = warehouse_.create("t", schema);
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE((i % 2 ? numbers.Append(i) : numbers.AppendNull()).ok());
    ASSERT_TRUE(texts.Append("x").ok());
  }
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64()), arrow::field("text", arrow::utf8())}),
                               4, {*numbers.Finish(), *texts.Finish()});
  table.append(*stream_of({batch}));
  table.delete_rows({.filter = parse_filter("id > 1")});
  EXPECT_EQ(read_all(table)->num_rows(), 3);
  table.delete_rows({.filter = parse_filter("not id > 1")});
  EXPECT_EQ(read_all(table)->num_rows(), 2);
}

TEST_F(Overwrite, NothingThatMatchesIsNoSnapshot) {
  Table table = three_tens("t");
  EXPECT_FALSE(table.delete_rows({.filter = parse_filter("id > 100")}));
  EXPECT_FALSE(table.delete_rows({.filter = parse_filter("text = 'nowhere'")}));  // bounds do not tell
  EXPECT_EQ(table.metadata().snapshots.size(), 1);
  Table empty = warehouse_.create("empty", numbered_schema());
  EXPECT_FALSE(empty.delete_rows({}));
}

TEST_F(Overwrite, NothingThatMatchesIsNotThereWhenItIsCommittedEither) {
  for (const Isolation isolation : {Isolation::kSerializable, Isolation::kSnapshot}) {
    Table table = warehouse_.create(isolation == Isolation::kSerializable ? "t" : "u", numbered_schema());
    Table late = table;
    Transaction transaction(*late.catalog(), late.loaded());
    EXPECT_FALSE(delete_rows(transaction, {.filter = parse_filter("id = 7"), .isolation = isolation}));
    table.append(*rows(7, 1));
    if (isolation == Isolation::kSerializable) {
      EXPECT_THROW(transaction.commit(), ConflictFound);
    } else {
      EXPECT_NO_THROW(transaction.commit());
    }
  }
}

TEST_F(Overwrite, ByFilterIsOneSnapshot) {
  Table table = three_tens("t");
  table.overwrite(*rows(100, 5),
                  {.filter = parse_filter("id >= 5 and id < 20"), .snapshot_properties = {{"run", "7"}}});
  EXPECT_EQ(ids(table), joined(joined(range(0, 5), range(20, 30)), range(100, 105)));
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
  EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
  EXPECT_EQ(head(table).summary.get("run"), "7");
  EXPECT_EQ(head(table).summary.get("total-records"), "20");
}

TEST_F(Overwrite, WithoutAFilterReplacesAllThatIsThere) {
  Table table = three_tens("t");
  table.overwrite(*rows(7, 2));
  EXPECT_THAT(ids(table), ElementsAre(7, 8));
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
  Table empty = warehouse_.create("empty", numbered_schema());
  empty.overwrite(*rows(1, 1));
  EXPECT_EQ(head(empty).summary.get("operation"), "append");
}

TEST_F(Overwrite, GoesToABranch) {
  Table table = three_tens("t");
  table.append(*rows(40, 1), {.branch = "audit"});
  table.delete_rows({.filter = parse_filter("id < 15"), .branch = "audit"});
  EXPECT_EQ(ids(table).size(), 30);
  EXPECT_EQ(ids(table, {.ref = "audit"}), joined(range(15, 30), {40}));
}

TEST_F(Overwrite, PartitionsOfEveryTransform) {
  for (const char* transform : {"identity", "bucket[4]", "truncate[10]"}) {
    Table table = warehouse_.create(std::string("t") + transform[0], numbered_schema(),
                                    by(transform, transform[0] == 'i' ? "id" : "part"));
    EXPECT_TRUE(table.overwrite_partitions(*rows(0, 30))) << transform;  // an empty table
    EXPECT_EQ(ids(table), range(0, 30));
    EXPECT_TRUE(table.overwrite_partitions(*rows(5, 1))) << transform;
    std::vector<int64_t> expected;
    const Transform t = parse_transform(transform);
    const Type type = primitive(TypeKind::kLong);
    for (const int64_t id : range(0, 30)) {
      if (id == 5 || !(apply(t, type, Value(id)) == apply(t, type, Value(int64_t{5})))) expected.push_back(id);
    }
    EXPECT_EQ(ids(table), expected) << transform;
    EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
    EXPECT_FALSE(table.overwrite_partitions(*rows(0, 0)));
    EXPECT_EQ(table.metadata().snapshots.size(), 2);
  }
  Table unpartitioned = warehouse_.create("u", numbered_schema());
  EXPECT_THROW(unpartitioned.overwrite_partitions(*rows(0, 1)), InvalidArgument);
}

// Row after row takes the place of its partition: of all rows with the same partition value, and of no others.
TEST_F(Overwrite, PartitionsOfTimesAndFloatsAndNulls) {
  constexpr int64_t kHour = 3'600'000'000, kDay = 24 * kHour;
  const Value null;
  struct Column {
    TypeKind kind;
    std::vector<Value> values;
    std::vector<const char*> transforms;
  };
  const std::vector<Column> columns = {{TypeKind::kTimestamp,
                                        {null, int64_t{-1}, int64_t{0}, kHour - 1, -kHour, -kHour - 1, kDay, -kDay - 1,
                                         32 * kDay, 400 * kDay, -366 * kDay, null},
                                        {"year", "month", "day", "hour", "void", "identity", "bucket[4]"}},
                                       {TypeKind::kDate,
                                        {null, 0, -1, -31, -32, -365, -366, 31, 365, null},
                                        {"year", "month", "day", "void", "identity", "bucket[4]"}},
                                       {TypeKind::kDouble,
                                        {null, 0.0, -0.0, std::nan(""), -std::nan(""), 1.5, -1.5, HUGE_VAL, null},
                                        {"identity", "void"}}};
  int tables = 0;
  for (const Column& column : columns) {
    const Type type = primitive(column.kind);
    const Schema schema{.fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                                   {.id = 2, .name = "x", .type = type}}};
    const auto batch_of = [&](std::vector<Value> numbers, const std::vector<Value>& values) {
      const auto arrow_schema = to_arrow_schema(schema);
      const auto rows = static_cast<int64_t>(numbers.size());
      return stream_of(
          {arrow::RecordBatch::Make(arrow_schema, rows,
                                    {to_array(numbers, schema.fields[0].type, arrow_schema->field(0)->type()),
                                     to_array(values, type, arrow_schema->field(1)->type())})});
    };
    for (const char* text : column.transforms) {
      SCOPED_TRACE(testing::Message() << text << " of " << to_string(type));
      const Transform transform = parse_transform(text);
      const auto partition = [&](const Value& value) {
        const Value result = apply(transform, type, value);
        const double* number = std::get_if<double>(&result.data);
        if (number && std::isnan(*number)) return std::string("NaN");  // whatever its bits
        return result.is_null() ? "null" : "is " + to_bytes(result, result_type(transform, type));
      };
      Table table =
          warehouse_.create("t" + std::to_string(++tables), schema,
                            {.fields = {{.source_ids = {2}, .field_id = 1000, .name = "p", .transform = transform}}});
      std::vector<Value> numbers;
      std::vector<std::pair<int64_t, std::string>> model;  // ids and partitions
      for (size_t i = 0; i < column.values.size(); ++i) {
        numbers.emplace_back(static_cast<int64_t>(i));
        model.emplace_back(static_cast<int64_t>(i), partition(column.values[i]));
      }
      EXPECT_TRUE(table.overwrite_partitions(*batch_of(numbers, column.values)));
      for (size_t i = 0; i < column.values.size(); ++i) {
        const int64_t id = 100 + static_cast<int64_t>(i);
        EXPECT_TRUE(table.overwrite_partitions(*batch_of({Value(id)}, {column.values[i]})));
        std::erase_if(model, [&](const auto& row) { return row.second == partition(column.values[i]); });
        model.emplace_back(id, partition(column.values[i]));
        std::vector<int64_t> expected;
        for (const auto& row : model) expected.push_back(row.first);
        EXPECT_EQ(ids(table), expected) << "value " << i;
      }
    }
  }
}

TEST_F(Overwrite, Trap19ABranchIsWrittenInTheCurrentSchema) {
  Table table = three_tens("t");
  table.append(*rows(40, 1), {.branch = "audit"});
  table.change([](Transaction& transaction) {
    SchemaUpdate schema(*transaction.staged().metadata);
    schema.add_column("", {.name = "more", .type = primitive(TypeKind::kLong)});
    update_schema(transaction, schema);
  });
  const auto with_more = [&](int64_t id) {
    const auto plain = numbered_rows(id, 1);
    const auto schema = to_arrow_schema(*current_schema(table.metadata()));
    return arrow::RecordBatch::Make(schema, 1, {plain->column(0), plain->column(1), plain->column(0)});
  };
  table.append(*stream_of({with_more(50)}), {.branch = "audit"});
  const auto& schema_of = [&] { return snapshot_by_ref(table.metadata(), "audit")->schema_id; };
  EXPECT_EQ(schema_of(), table.metadata().current_schema_id);
  table.upsert(*stream_of({with_more(3)}), {.keys = {"id"}, .mode = DeleteMode::kCopyOnWrite, .branch = "audit"});
  EXPECT_EQ(schema_of(), table.metadata().current_schema_id);
  table.delete_rows({.filter = parse_filter("more = 50"), .branch = "audit"});
  const auto batch = read_all(table, {.filter = parse_filter("more is not null"), .ref = "audit"});
  EXPECT_THAT(sorted_int64s(*batch, "more"), ElementsAre(3));
  EXPECT_EQ(ids(table, {.ref = "audit"}), joined(range(0, 30), {40}));
}

TEST_F(Overwrite, PartitionsInFilesOfOlderSpecs) {
  Table table = warehouse_.create("t", numbered_schema());
  const auto change_spec = [&](PartitionSpec spec) {
    Transaction transaction(*table.catalog(), table.loaded());
    transaction.add(TableCommit{.updates = {AddPartitionSpec{std::move(spec)}, SetDefaultSpec{-1}}});
    table = Table(table.catalog(), transaction.commit());
  };
  change_spec(by("truncate[10]", "ten"));
  append_numbered(table, 0, 30);
  // A finer spec: the older one's files may have rows of the partition, or surely have none.
  PartitionSpec finer = by("truncate[10]", "ten");
  finer.fields.push_back({.source_ids = {2}, .field_id = 1001, .name = "text", .transform = {}});
  change_spec(finer);
  EXPECT_THROW(table.overwrite_partitions(*rows(5, 1)), NotSupported);
  EXPECT_TRUE(table.overwrite_partitions(*rows(100, 1)));
  EXPECT_EQ(ids(table), joined(range(0, 30), {100}));
  // A coarser one again: the finer one's file lies in the partition wholly.
  change_spec(by("truncate[10]", "ten"));
  EXPECT_TRUE(table.overwrite_partitions(*rows(102, 1)));
  EXPECT_EQ(ids(table), joined(range(0, 30), {102}));
}

// Asks for a stop when it is read from the n-th time.
class StoppingIo : public FaultyIo {
 public:
  StoppingIo(int n, arrow::StopSource& stop) : FaultyIo(make_io({})), n_(n), stop_(stop) {}
  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override {
    count();
    return FaultyIo::open(location, size);
  }
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override {
    count();
    return FaultyIo::read(location, size);
  }
  int reads() const { return reads_; }

 private:
  void count() {
    if (++reads_ == n_) stop_.RequestStop();
  }
  const int n_;
  arrow::StopSource& stop_;
  std::atomic<int> reads_{0};
};

TEST_F(Overwrite, StopsInTheMidstOfManyManifests) {
  constexpr int kManifests = 60, kReads = 10;
  Table table = three_tens("t");
  const Table stale = table;
  for (int i = 0; i < kManifests; ++i) append_numbered(table, i % 10, 1);
  const std::set<std::string> before = warehouse_.files(table);
  // Of the plan; and of the attempt that checks what others have added since the plan was made.
  for (const bool planned_before : {false, true}) {
    arrow::StopSource stop;
    const auto io = std::make_shared<StoppingIo>(kReads, stop);
    Table changed(warehouse_.open(io), planned_before ? stale.loaded() : table.loaded());
    clear_manifest_cache();
    EXPECT_THROW(changed.overwrite_partitions(*rows(5, 1), {}, {.stop = stop.token()}), Cancelled);
    EXPECT_GE(io->reads(), kReads);
    EXPECT_LT(io->reads(), kManifests);
    EXPECT_EQ(warehouse_.files(table), before);
  }
  table.refresh();
  EXPECT_EQ(table.metadata().snapshots.size(), 1 + kManifests);
}

TEST_F(Overwrite, Trap13RewrittenRowsKeepTheirIds) {
  Table table = three_tens("t", {{"format-version", "3"}});
  const auto ids_of = [&] {
    const auto batch = read_all(table, {.select = {"id", "_row_id", "_last_updated_sequence_number"}});
    std::map<int64_t, std::pair<int64_t, int64_t>> rows;
    const auto column = [&](int i) { return static_cast<const arrow::Int64Array&>(*batch->column(i)).raw_values(); };
    for (int64_t i = 0; i < batch->num_rows(); ++i) rows[column(0)[i]] = {column(1)[i], column(2)[i]};
    return rows;
  };
  auto expected = ids_of();
  table.delete_rows({.filter = parse_filter("id = 3 or id = 14")});
  expected.erase(3);
  expected.erase(14);
  EXPECT_EQ(ids_of(), expected);
  table.overwrite(*rows(100, 1), {.filter = parse_filter("id = 5")});
  expected.erase(5);
  const auto now = ids_of();
  for (const auto& [id, lineage] : expected) EXPECT_EQ(now.at(id), lineage) << id;
  EXPECT_GE(now.at(100).first, 30);
  EXPECT_EQ(now.at(100).second, 3);
}

class MergeOnRead : public Overwrite {
 protected:
  static std::vector<DataFile> delete_files(const Table& table) {
    std::vector<DataFile> files;
    for (const ManifestFile& file : manifests_of(*table.io(), head(table))) {
      if (file.content != ManifestContent::kDeletes) continue;
      const ManifestReaderPtr reader = open_manifest(*table.io(), file);
      const ManifestPtr manifest = reader->entries();
      const std::vector<DataFile> all = reader->data_files();
      for (size_t i = 0; i < all.size(); ++i) {
        if (manifest->status[i] != EntryStatus::kDeleted) files.push_back(all[i]);
      }
    }
    return files;
  }
};

TEST_F(MergeOnRead, Trap16PositionDeletesOfEachPartitionOrFile) {
  for (const char* granularity : {"partition", "file"}) {
    Table table =
        three_tens(granularity, {{"write.delete.mode", "merge-on-read"}, {"write.delete.granularity", granularity}});
    append_numbered(table, 0, 10);  // a second file in the first partition
    EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id = 3 or id = 14")}));
    EXPECT_EQ(head(table).summary.get("operation"), "delete");
    EXPECT_EQ(head(table).summary.get("added-position-deletes"), "3");
    EXPECT_EQ(head(table).summary.get("deleted-data-files"), "");
    EXPECT_EQ(delete_files(table).size(), granularity[0] == 'f' ? 3 : 2);
    EXPECT_EQ(ids(table).size(), 37);
    EXPECT_FALSE(table.delete_rows({.filter = parse_filter("id = 3")}));
    table.delete_rows({.filter = parse_filter("id = 4")});
    EXPECT_EQ(ids(table).size(), 35);
    // With the last rows of a partition its files go, and their deletes.
    table.delete_rows({.filter = parse_filter("id < 10")});
    EXPECT_EQ(ids(table), joined(range(10, 14), range(15, 30)));
    EXPECT_EQ(delete_files(table).size(), 1);
  }
  Table wrong = three_tens("w", {{"write.delete.mode", "merge-on-read"}, {"write.delete.granularity", "row"}});
  EXPECT_THROW(wrong.delete_rows({.filter = parse_filter("id = 3")}), InvalidArgument);
}

TEST_F(MergeOnRead, Trap17AVectorForEachFileMergedWithTheOlderOne) {
  Table table = three_tens("t", {{"format-version", "3"}});
  const OverwriteOptions options{.filter = parse_filter("id = 3 or id = 14"), .mode = DeleteMode::kMergeOnRead};
  EXPECT_TRUE(table.delete_rows(options));
  EXPECT_EQ(head(table).summary.get("added-dvs"), "2");
  EXPECT_FALSE(table.delete_rows(options));
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id = 4"), .mode = DeleteMode::kMergeOnRead}));
  EXPECT_EQ(head(table).summary.get("added-dvs"), "1");
  EXPECT_EQ(head(table).summary.get("removed-dvs"), "1");
  EXPECT_EQ(head(table).summary.get("total-position-deletes"), "3");
  EXPECT_EQ(delete_files(table).size(), 2);
  EXPECT_EQ(ids(table), joined({0, 1, 2}, joined(range(5, 14), range(15, 30))));
  // Rewriting a file leaves its vector behind.
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id = 5"), .mode = DeleteMode::kCopyOnWrite}));
  EXPECT_EQ(delete_files(table).size(), 1);
  EXPECT_EQ(ids(table), joined({0, 1, 2}, joined(range(6, 14), range(15, 30))));
}

TEST_F(MergeOnRead, Trap17VectorsTakeInPositionDeletesFromBeforeAnUpgrade) {
  Table table = three_tens("t", {{"write.delete.mode", "merge-on-read"}});
  table.delete_rows({.filter = parse_filter("id = 3")});
  Transaction upgrade(*table.catalog(), table.loaded());
  upgrade.add(TableCommit{.updates = {UpgradeFormatVersion{3}}});
  table = Table(table.catalog(), upgrade.commit());
  table.delete_rows({.filter = parse_filter("id = 4")});
  EXPECT_EQ(ids(table), joined({0, 1, 2}, range(5, 30)));
  ASSERT_EQ(delete_files(table).size(), 1);
  EXPECT_EQ(delete_files(table)[0].file_format, FileFormat::kPuffin);
  EXPECT_EQ(delete_files(table)[0].record_count, 2);
}

TEST_F(MergeOnRead, Trap17PositionDeletesFromBeforeAnUpgradeThatComeMeanwhileConflict) {
  Table table = three_tens("t", {{"write.delete.mode", "merge-on-read"}});
  Transaction upgrade(*table.catalog(), table.loaded());
  upgrade.add(TableCommit{.updates = {UpgradeFormatVersion{3}}});
  EXPECT_TRUE(delete_rows(upgrade, {.filter = parse_filter("id = 4")}));
  table.delete_rows({.filter = parse_filter("id = 3")});
  EXPECT_THROW(upgrade.commit(), ConflictFound);  // the vector would hide the others' deletes
  EXPECT_EQ(ids(warehouse_.load("t")), joined({0, 1, 2}, range(4, 30)));
}

TEST_F(MergeOnRead, PositionDeletesWithBoundsOfTheirRowsStayWithTheirFiles) {
  Table table = three_tens("t", {{"write.delete.mode", "merge-on-read"}});
  table.delete_rows({.filter = parse_filter("id = 3")});
  // As of a writer that keeps the deleted rows beside their positions.
  DataFile deletes = delete_files(table).at(0);
  Transaction change(*table.catalog(), table.loaded());
  const Type partition = partition_type(default_spec(table.metadata()), *current_schema(table.metadata()));
  change.add(SnapshotChange{.removed = {{.id = id_of(deletes),
                                         .content = deletes.content,
                                         .spec_id = deletes.spec_id,
                                         .partition = partition_bytes(deletes.partition, partition)}}});
  const std::string three = to_bytes(Value(int64_t{3}), primitive(TypeKind::kLong));
  deletes.value_counts.emplace_back(1, 1);
  deletes.null_value_counts.emplace_back(1, 0);
  deletes.lower_bounds.emplace_back(1, three);
  deletes.upper_bounds.emplace_back(1, three);
  change.add(SnapshotChange{.added = {deletes}});
  table = Table(table.catalog(), change.commit());
  table.delete_rows({.filter = parse_filter("id = 3 or id >= 20")});
  EXPECT_EQ(ids(table), joined({0, 1, 2}, range(4, 20)));
}

TEST_F(MergeOnRead, DeletesOfFilesThatAreRemovedOrDeletedFromMeanwhileConflict) {
  Table one = three_tens("t", {{"format-version", "3"}, {"write.delete.mode", "merge-on-read"}});
  Table two = warehouse_.load("t"), three = warehouse_.load("t");
  one.delete_rows({.filter = parse_filter("id = 3")});
  EXPECT_THROW(two.delete_rows({.filter = parse_filter("id = 4")}), ConflictFound);  // their vectors would be two
  three.delete_rows({.filter = parse_filter("id = 14")});                            // another file
  Table four = warehouse_.load("t");
  three.delete_rows({.filter = parse_filter("id = 24"), .mode = DeleteMode::kCopyOnWrite});
  EXPECT_THROW(four.delete_rows({.filter = parse_filter("id = 25")}), ConflictFound);
  EXPECT_EQ(ids(warehouse_.load("t")).size(), 27);
}

TEST_F(MergeOnRead, VersionOneRewrites) {
  Table table = three_tens("t", {{"format-version", "1"}, {"write.delete.mode", "merge-on-read"}});
  EXPECT_TRUE(table.delete_rows({.filter = parse_filter("id = 3")}));
  EXPECT_EQ(ids(table).size(), 29);
}

TEST_F(MergeOnRead, AnOverwriteIsOneSnapshotToo) {
  Table table = three_tens("t", {{"write.delete.mode", "merge-on-read"}});
  table.overwrite(*rows(100, 1), {.filter = parse_filter("id >= 5 and id < 20")});
  EXPECT_EQ(table.metadata().snapshots.size(), 2);
  EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
  EXPECT_EQ(ids(table), joined(range(0, 5), joined(range(20, 30), {100})));
  EXPECT_EQ(delete_files(table).size(), 1);
}

// Two writers that begin at the same state.

TEST_F(Overwrite, AppendsNeverConflict) {
  Table one = three_tens("t"), two = warehouse_.load("t");
  one.overwrite(*rows(100, 1));
  two.append(*rows(200, 1));
  EXPECT_THAT(ids(two), ElementsAre(100, 200));
}

Expression within(int64_t first, int64_t end) {
  return parse_filter("id >= " + std::to_string(first) + " and id < " + std::to_string(end));
}

// A change of [ten, ten + 10), of which the last row is deleted already, and the rows that are then left of it.
struct ChangeOfATen {
  void (*change)(Table& table, int64_t ten);
  std::vector<int64_t> left;
};
const std::vector<ChangeOfATen> kChanges = {
    {[](Table& t, int64_t ten) { t.delete_rows({.filter = within(ten + 3, ten + 5)}); }, {0, 1, 2, 5, 6, 7, 8}},
    {[](Table& t, int64_t ten) { t.delete_rows({.filter = within(ten, ten + 10)}); }, {}},
    {[](Table& t, int64_t ten) { t.overwrite(*rows(ten + 1, 1), {.filter = within(ten + 1, ten + 8)}); }, {0, 1, 8}},
    {[](Table& t, int64_t ten) { t.overwrite(*rows(ten + 6, 1), {.filter = within(ten, ten + 10)}); }, {6}},
    {[](Table& t, int64_t ten) { t.overwrite_partitions(*rows(ten + 5, 2)); }, {5, 6}},
    {[](Table& t, int64_t ten) { t.append(*rows(ten + 9, 1)); }, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
    {[](Table& t, int64_t ten) {
       const auto texts = numbered_rows(1000, 2), keys = numbered_rows(ten + 8, 2);  // the second one is new
       const auto batch = arrow::RecordBatch::Make(keys->schema(), 2, {keys->column(0), texts->column(1)});
       t.upsert(*stream_of({batch}), {.keys = {"id"}, .mode = delete_mode(t.metadata(), "write.delete.mode", {})});
     },
     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
};

TEST_F(Overwrite, WritersOfDifferentPartitionsDoNotConflict) {
  const std::vector<Properties> kinds_of_tables = {
      {{"write.delete.mode", "copy-on-write"}},
      {{"write.delete.mode", "merge-on-read"}, {"write.delete.granularity", "partition"}},
      {{"write.delete.mode", "merge-on-read"}, {"write.delete.granularity", "file"}},
      {{"write.delete.mode", "merge-on-read"}, {"format-version", "3"}},
  };
  const auto n = static_cast<int64_t>(kChanges.size());
  for (size_t kind = 0; kind < kinds_of_tables.size(); ++kind) {
    for (const bool backwards : {false, true}) {
      SCOPED_TRACE(testing::Message() << "table " << kind << (backwards ? " backwards" : ""));
      const std::string name = "t" + std::to_string(kind) + (backwards ? "b" : "");
      Table table = warehouse_.create(name, numbered_schema(), by("truncate[10]", "ten"), kinds_of_tables[kind]);
      append_numbered(table, 0, 10 * n);
      Expression last_ones = always<Predicate>(false);
      for (int64_t i = 0; i < n; ++i) last_ones = either(std::move(last_ones), within(10 * i + 9, 10 * i + 10));
      table.delete_rows({.filter = last_ones});
      std::vector<Table> writers;  // all of which begin here
      for (int64_t i = 0; i < n; ++i) writers.push_back(warehouse_.load(name));
      std::vector<int64_t> expected;
      for (int64_t k = 0; k < n; ++k) {
        const int64_t i = backwards ? n - 1 - k : k;
        const ChangeOfATen& change = kChanges[static_cast<size_t>(i)];
        EXPECT_NO_THROW(change.change(writers[static_cast<size_t>(i)], 10 * i)) << i;
        for (const int64_t left : change.left) expected.push_back(10 * i + left);
      }
      std::ranges::sort(expected);
      EXPECT_EQ(ids(warehouse_.load(name)), expected);
    }
  }
}

// Their delete files are of no use without the rows, whoever removes or replaces them.
TEST_F(Overwrite, DeletesThatComeMeanwhileDoNotMatterToPartitionsThatGo) {
  for (const std::string version : {"2", "3"}) {
    for (const bool by_filter : {true, false}) {
      SCOPED_TRACE(version + (by_filter ? " by filter" : " by partition"));
      const std::string name = "t" + version + (by_filter ? "f" : "p");
      Table one = three_tens(name, {{"write.delete.mode", "merge-on-read"}, {"format-version", version}});
      one.delete_rows({.filter = parse_filter("id = 3 or id = 13")});
      Table two = warehouse_.load(name);
      one.delete_rows({.filter = parse_filter("id = 4 or id = 14")});
      if (by_filter) {
        EXPECT_NO_THROW(two.overwrite(*rows(5, 1), {.filter = within(0, 10)}));
      } else {
        EXPECT_NO_THROW(two.overwrite_partitions(*rows(5, 1)));
      }
      EXPECT_EQ(ids(two), joined({5, 10, 11, 12}, range(15, 30)));
      // Those of the other partition; of version 3 they are one vector.
      EXPECT_EQ(head(two).summary.get("total-delete-files"), version == "2" ? "2" : "1");
    }
  }
}

TEST_F(Overwrite, WritersOfOnePartitionDo) {
  Table one = three_tens("t"), two = warehouse_.load("t");
  one.overwrite_partitions(*rows(1, 1));
  const auto files = warehouse_.files(one);
  EXPECT_THROW(two.overwrite_partitions(*rows(2, 1)), ConflictFound);
  EXPECT_EQ(warehouse_.files(one), files);  // and leave nothing
  EXPECT_EQ(ids(warehouse_.load("t")), joined({1}, range(10, 30)));
}

TEST_F(Overwrite, RowsThatCameConflictUnderSerializableIsolationOnly) {
  for (const bool serializable : {true, false}) {
    const std::string name = serializable ? "serializable" : "snapshot";
    Table one = three_tens(name, {{"write.delete.isolation-level", name}}), two = warehouse_.load(name);
    one.append(*rows(0, 1));
    if (serializable) {
      try {
        two.delete_rows({.filter = parse_filter("id < 5")});
        FAIL();
      } catch (const ConflictFound& e) {
        EXPECT_THAT(e.what(), HasSubstr("db.serializable"));
        EXPECT_THAT(e.what(), HasSubstr(std::to_string(head(one).snapshot_id)));
      }
      two = warehouse_.load(name);
      two.delete_rows({.filter = parse_filter("id < 5")});
      EXPECT_EQ(ids(two), range(5, 30));
    } else {
      two.delete_rows({.filter = parse_filter("id < 5")});
      EXPECT_EQ(ids(two), joined({0}, range(5, 30)));
    }
  }
}

TEST_F(Overwrite, FilesRemovedMeanwhileConflictWhateverTheIsolation) {
  Table one = three_tens("t"), two = warehouse_.load("t");
  one.delete_rows({.filter = parse_filter("id = 3")});
  EXPECT_THROW(two.delete_rows({.filter = parse_filter("id = 4"), .isolation = Isolation::kSnapshot}), ConflictFound);
  EXPECT_EQ(ids(warehouse_.load("t")), joined(range(0, 3), range(4, 30)));
}

TEST_F(Overwrite, AnExpiredStartIsAConflict) {
  Table one = three_tens("t"), two = warehouse_.load("t");
  const int64_t start = head(one).snapshot_id;
  one.append(*rows(500, 1));
  Transaction expiry(*one.catalog(), one.loaded());
  expiry.add(TableCommit{.updates = {RemoveSnapshots{{start}}}});
  expiry.commit();
  EXPECT_THROW(two.delete_rows({.filter = parse_filter("id < 10")}), ConflictFound);
}

TEST_F(Overwrite, InATransactionSeesTheStepsBefore) {
  Table table = three_tens("t"), other = warehouse_.load("t");
  {
    Transaction transaction(*table.catalog(), table.loaded());
    append(transaction, *rows(100, 10), {});
    EXPECT_TRUE(delete_rows(transaction, {.filter = parse_filter("id >= 105 or id = 3")}));
    overwrite(transaction, *rows(200, 1), {.filter = parse_filter("id >= 20 and id < 30")});
    other.append(*rows(50, 1));  // matches none of the filters
    table = Table(table.catalog(), transaction.commit());
  }
  EXPECT_EQ(ids(table), joined(joined(range(0, 3), range(4, 20)), joined({50}, joined(range(100, 105), {200}))));
  EXPECT_EQ(table.metadata().snapshots.size(), 5);
  const std::set<std::string> referenced = referenced_files(table);
  for (const std::string& file : warehouse_.files(table)) {
    EXPECT_TRUE(referenced.contains(file)) << file;  // the attempt that failed left nothing
  }
}

TEST_F(Overwrite, InATransactionThatMovedTheBranchBackIsPlannedThere) {
  Table table = three_tens("t");
  const int64_t first = head(table).snapshot_id;
  append_numbered(table, 30, 10);
  Transaction transaction(*table.catalog(), table.loaded());
  transaction.add(TableCommit{.updates = {SetSnapshotRef{"old", {.snapshot_id = first}}}});
  EXPECT_TRUE(delete_rows(transaction, {.filter = parse_filter("id = 3"), .branch = "old"}));
  EXPECT_TRUE(delete_rows(transaction, {.filter = parse_filter("id = 4"), .branch = "old"}));
  append_numbered(table, 40, 10);  // has nothing to do with that branch
  table = Table(table.catalog(), transaction.commit());
  EXPECT_EQ(ids(table, {.ref = "old"}), joined({0, 1, 2}, range(5, 30)));
  EXPECT_EQ(ids(table), range(0, 50));
}

TEST_F(Overwrite, ADroppedTransactionLeavesNothing) {
  Table table = three_tens("t");
  const auto files = warehouse_.files(table);
  {
    Transaction transaction(*table.catalog(), table.loaded());
    append(transaction, *rows(100, 10), {});
    delete_rows(transaction, {.filter = parse_filter("id = 3")});
    EXPECT_GT(warehouse_.files(table).size(), files.size());
  }
  EXPECT_EQ(warehouse_.files(table), files);
}

}  // namespace
}  // namespace floe
