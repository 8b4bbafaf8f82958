// Every operation, with each of its calls to the store gone wrong in turn: afterwards the table is the old or the new
// one, and what was reported is true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "floe/catalog/test_catalog.h"
#include "floe/io/faulty_io.h"
#include "floe/transaction/overwrite.h"
#include "warehouse.h"

namespace floe {
namespace {

// Another catalog whose tables' files are behind a faulty Io.
class FaultyCatalog : public TestCatalog {
 public:
  explicit FaultyCatalog(CatalogPtr inner) : inner_(std::move(inner)) {}

  IoPtr io(const LoadedTable& table) override {
    if (!io_) io_ = std::make_shared<FaultyIo>(inner_->io(table));
    return io_;
  }
  LoadedTable load_table(const TableIdentifier& table) override { return inner_->load_table(table); }
  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override {
    return inner_->commit(table, commit);
  }

  std::shared_ptr<FaultyIo> io_;

 private:
  CatalogPtr inner_;
};

using Operation = std::function<void(Table& table)>;

std::unique_ptr<arrow::RecordBatchReader> rows(int64_t first, int64_t n) {
  return stream_of({numbered_rows(first, n)});
}

void append(Table& table) { table.append(*rows(100, 10)); }
void merge_append(Table& table) { table.append(*rows(100, 10), {.merge_manifests = true}); }
void overwrite(Table& table) { table.overwrite(*rows(100, 5), {.filter = parse_filter("id < 15")}); }
void replace_all(Table& table) { table.overwrite(*rows(100, 5)); }
void delete_files(Table& table) { table.delete_rows({.filter = parse_filter("id < 10")}); }
void delete_some(Table& table) { table.delete_rows({.filter = parse_filter("id = 3")}); }
void delete_on_read(Table& table) {
  table.delete_rows({.filter = parse_filter("id = 3 or id = 12"), .mode = DeleteMode::kMergeOnRead});
}
void change_by_key(Table& table) {
  const auto upserts = rows(18, 4), deletes = rows(3, 1);
  table.apply_changes({.upserts = upserts.get(), .deletes = deletes.get()}, {.keys = {"id"}});
}
void overwrite_partitions(Table& table) { table.overwrite_partitions(*rows(4, 3)); }
void upsert(Table& table, DeleteMode mode) {
  // 18 and 19 are there, with other texts.
  const auto texts = numbered_rows(100, 4), keys = numbered_rows(18, 4);
  const auto batch = arrow::RecordBatch::Make(keys->schema(), 4, {keys->column(0), texts->column(1)});
  table.upsert(*stream_of({batch}), {.keys = {"id"}, .mode = mode});
}
void upsert_by_copy(Table& table) { upsert(table, DeleteMode::kCopyOnWrite); }
void upsert_on_read(Table& table) { upsert(table, DeleteMode::kMergeOnRead); }
void transaction(Table& table) {
  Transaction several(*table.catalog(), table.loaded());
  append(several, *rows(100, 5), {});
  delete_rows(several, {.filter = parse_filter("id < 102")});
  several.add(TableCommit{.updates = {SetProperties{{{"a", "b"}}}}});
  table = Table(table.catalog(), several.commit());
}

void publish(Table& table) {
  table.change([](Transaction& several) {
    SchemaUpdate schema(*several.staged().metadata);
    schema.add_column("", {.name = "more", .type = primitive(TypeKind::kLong)});
    update_schema(several, schema);
    append(several, *rows(100, 5), {.snapshot_properties = {{"wap.id", "audit"}}, .stage_only = true});
    append(several, *rows(200, 5), {});
    publish_changes(several, "audit");
  });
}

void compact(Table& table) { table.rewrite_data_files({.rewrite_all = true}); }
class Faults : public testing::TestWithParam<std::pair<const char*, void (*)(Table&)>> {
 protected:
  // A table of two files, [0, 10) and [10, 20), each in a partition of its own.
  Table new_table(const std::string& name) {
    Table table = warehouse_.create(
        name, numbered_schema(),
        {.fields =
             {{.source_ids = {1}, .field_id = 1000, .name = "id_trunc", .transform = parse_transform("truncate[10]")}}},
        {{"commit.retry.num-retries", "0"}, {"commit.manifest.min-count-to-merge", "2"}});
    append_numbered(table, 0, 10);
    append_numbered(table, 10, 10);
    return table;
  }

  // Its ids, and how it came to them.
  static std::pair<std::vector<int64_t>, std::string> state(const Table& table) {
    return {sorted_int64s(*read_all(table), "id"),
            std::string(current_snapshot(table.metadata())->summary.get("operation"))};
  }

  Warehouse warehouse_;
};

TEST_P(Faults, LeaveTheOldTableOrTheNewOne) {
  const Operation operation = GetParam().second;
  Table expected = new_table("expected");
  const auto before = state(expected);
  operation(expected);
  const auto after = state(expected);
  ASSERT_NE(before, after);

  int tables = 0;
  bool changed = true;  // the last table is not as it was
  for (const Fault fault : {Fault::kFails, Fault::kLost, Fault::kTears, Fault::kIsDelayed}) {
    bool broke = true;
    for (int n = 1; broke; n += fault == Fault::kIsDelayed ? 9 : 1) {
      SCOPED_TRACE(testing::Message() << "call " << n << ", fault " << static_cast<int>(fault));
      if (changed) new_table("t" + std::to_string(++tables));
      const std::string name = "t" + std::to_string(tables);
      clear_manifest_cache();
      const auto catalog = std::make_shared<FaultyCatalog>(warehouse_.open());
      Table table = Table::load(catalog, {{"db"}, name});
      catalog->io_->break_call(n, fault);
      enum { kDone, kFailed, kUnknown } reported = kDone;
      try {
        operation(table);
      } catch (const CommitStateUnknown&) {
        reported = kUnknown;
      } catch (const Error&) {
        reported = kFailed;
      }
      broke = catalog->io_->calls() >= n;
      clear_manifest_cache();
      const Table now = warehouse_.load(name);
      const auto found = state(now);
      changed = found != before;
      EXPECT_TRUE((found == after && reported != kFailed) || (found == before && reported != kDone));
      const std::set<std::string> there = warehouse_.files(now);
      for (const std::string& file : referenced_files(now)) EXPECT_TRUE(there.contains(file)) << file;
      ASSERT_LT(n, 500);
      if (testing::Test::HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Operations, Faults,
    testing::Values(std::pair{"Append", &append}, std::pair{"MergeAppend", &merge_append},
                    std::pair{"Overwrite", &overwrite}, std::pair{"ReplaceAll", &replace_all},
                    std::pair{"DeleteFiles", &delete_files}, std::pair{"DeleteSome", &delete_some},
                    std::pair{"DeleteOnRead", &delete_on_read}, std::pair{"ChangeByKey", &change_by_key},
                    std::pair{"OverwritePartitions", &overwrite_partitions}, std::pair{"UpsertByCopy", &upsert_by_copy},
                    std::pair{"UpsertOnRead", &upsert_on_read}, std::pair{"Transaction", &transaction},
                    std::pair{"Publish", &publish}, std::pair{"Compact", &compact}),
    [](const auto& test) { return std::string(test.param.first); });

}  // namespace
}  // namespace floe
