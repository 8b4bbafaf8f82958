// Every operation, with each of its calls to the store gone wrong in turn: afterwards the table is the old or the new
// one, and what was reported is true. With FLOE_TEST_KEEP the tables stay: tests/integration/test_faults.py has
// PyIceberg read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "floe/io/faulty_io.h"
#include "floe/maintenance/expire_snapshots.h"
#include "floe/transaction/overwrite.h"
#include "warehouse.h"

namespace floe {
namespace {

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

void expire(Table& table) {
  table =
      Table(table.catalog(), expire_snapshots(*table.catalog(), table.loaded(), {.older_than_ms = INT64_MAX}).table);
}

void compact(Table& table) { table.rewrite_data_files({.rewrite_all = true}); }

void add_a_strangers_file(Table& table) {
  const std::string location = table.metadata().location + "/data/" + new_uuid() + ".parquet";
  write_strangers_file(location, numbered_rows(100, 5));
  try {
    table.add_files({location});
  } catch (...) {
    EXPECT_TRUE(make_io({})->exists(location)) << "it is not ours to remove";
    throw;
  }
}

// Breaks the n-th call for each n and each fault, until an operation is done before it comes to its n-th call: `broke`
// tells whether it came to it.
void for_every_fault(const std::function<bool(int n, Fault fault)>& broke) {
  for (const Fault fault : {Fault::kFails, Fault::kLost, Fault::kTears, Fault::kIsDelayed}) {
    const int step = fault == Fault::kIsDelayed ? 9 : 1;
    for (int n = 1;; n += step) {
      SCOPED_TRACE(testing::Message() << "call " << n << ", fault " << static_cast<int>(fault));
      ASSERT_LT(n, 500);
      if (!broke(n, fault) || testing::Test::HasFailure()) break;
    }
  }
}

enum class Told { kDone, kFailed, kUnknown };

Told told_of(const std::function<void()>& work) {
  try {
    work();
    return Told::kDone;
  } catch (const CommitStateUnknown&) {
    return Told::kUnknown;
  } catch (const Error&) {
    return Told::kFailed;
  }
}

void expect_all_that_is_referenced(const Warehouse& warehouse, const Table& table) {
  const std::set<std::string> there = warehouse.files(table);
  for (const std::string& file : referenced_files(table)) EXPECT_TRUE(there.contains(file)) << file;
}

class Faults : public testing::TestWithParam<std::pair<const char*, void (*)(Table&)>> {
 protected:
  // A table of two files, [0, 10) and [10, 20), each in a partition of its own; a third one is gone.
  Table new_table(const std::string& name) {
    Table table = warehouse_.create(
        name, numbered_schema(),
        {.fields =
             {{.source_ids = {1}, .field_id = 1000, .name = "id_trunc", .transform = parse_transform("truncate[10]")}}},
        {{"commit.retry.num-retries", "0"}, {"commit.manifest.min-count-to-merge", "2"}});
    append_numbered(table, 30, 10);
    table.delete_rows({});
    append_numbered(table, 0, 10);
    append_numbered(table, 10, 10);
    return table;
  }

  // What is there, in rows and in history.
  using State = std::pair<std::vector<int64_t>, size_t>;
  static State state_of(const Table& table) {
    return {sorted_int64s(*read_all(table), "id"), table.metadata().snapshots.size()};
  }

  Warehouse warehouse_;
};

TEST_P(Faults, LeaveTheOldTableOrTheNewOne) {
  const Operation operation = GetParam().second;
  Table expected = new_table("expected");
  const State before = state_of(expected);
  operation(expected);
  const State after = state_of(expected);
  ASSERT_NE(before, after);

  int tables = 0;
  bool changed = true;  // the last table is not as it was
  for_every_fault([&](int n, Fault fault) {
    if (changed) new_table("t" + std::to_string(++tables));
    const std::string name = "t" + std::to_string(tables);
    clear_manifest_cache();
    const auto io = std::make_shared<FaultyIo>(make_io({}));
    const CatalogPtr catalog = warehouse_.open(io);
    io->break_call(n, fault);
    const Told told = told_of([&] {
      Table table = Table::load(catalog, {{"db"}, name});
      operation(table);
    });
    const bool broke = io->calls() >= n;
    clear_manifest_cache();
    const Table now = warehouse_.load(name);
    const State found = state_of(now);
    changed = found != before;
    EXPECT_TRUE((found == after && told != Told::kFailed) || (found == before && told != Told::kDone));
    expect_all_that_is_referenced(warehouse_, now);
    return broke;
  });
}

TEST(FaultsOfSeveralTables, LeaveAllOfThemOldOrNew) {
  const Warehouse warehouse;
  int pairs = 0;
  bool changed = true;  // the last pair is not as it was
  for_every_fault([&](int n, Fault fault) {
    if (changed) ++pairs;
    const std::vector<std::string> names = {"a" + std::to_string(pairs), "b" + std::to_string(pairs)};
    for (const std::string& name : names) {
      if (!changed) continue;
      Table table = warehouse.create(name, numbered_schema(), {}, {{"commit.retry.num-retries", "0"}});
      append_numbered(table, 0, 10);
    }
    clear_manifest_cache();
    const auto io = std::make_shared<FaultyIo>(make_io({}));
    const CatalogPtr catalog = warehouse.open(io);
    io->break_call(n, fault);
    const Told told = told_of([&] {
      Transaction first(*catalog, catalog->load_table({{"db"}, names[0]}));
      Transaction second(*catalog, catalog->load_table({{"db"}, names[1]}));
      append(first, *rows(100, 5), {});
      delete_rows(second, {.filter = parse_filter("id < 3")});
      commit_together(*catalog, {&first, &second});
    });
    const bool broke = io->calls() >= n;
    clear_manifest_cache();
    std::vector<int64_t> counts;
    for (const std::string& name : names) {
      const Table now = warehouse.load(name);
      counts.push_back(read_all(now)->num_rows());
      expect_all_that_is_referenced(warehouse, now);
    }
    changed = counts != std::vector<int64_t>{10, 10};
    EXPECT_TRUE((counts == std::vector<int64_t>{15, 7} && told != Told::kFailed) || (!changed && told != Told::kDone))
        << counts[0] << " and " << counts[1] << " rows";
    return broke;
  });
  EXPECT_GT(pairs, 1);
}

TEST(FaultsOfNewTables, LeaveNoneOrAWholeOne) {
  const Warehouse warehouse;
  int tables = 0;
  for_every_fault([&](int n, Fault fault) {
    const std::string name = "t" + std::to_string(++tables);
    const auto io = std::make_shared<FaultyIo>(make_io({}));
    const CatalogPtr catalog = warehouse.open(io);
    io->break_call(n, fault);
    const Told told = told_of([&] { Table::create(catalog, {{"db"}, name}, {.schema = numbered_schema()}); });
    EXPECT_NE(told, Told::kUnknown);
    EXPECT_EQ(warehouse.open()->table_exists({{"db"}, name}), told == Told::kDone);
    if (told == Told::kFailed) warehouse.create(name, numbered_schema());  // nothing is in the way
    Table table = warehouse.load(name);
    append_numbered(table, 0, 3);
    EXPECT_EQ(read_all(table)->num_rows(), 3);
    expect_all_that_is_referenced(warehouse, table);
    return io->calls() >= n;
  });
  EXPECT_GT(tables, 4);
}

INSTANTIATE_TEST_SUITE_P(
    Operations, Faults,
    testing::Values(std::pair{"Append", &append}, std::pair{"MergeAppend", &merge_append},
                    std::pair{"Overwrite", &overwrite}, std::pair{"ReplaceAll", &replace_all},
                    std::pair{"DeleteFiles", &delete_files}, std::pair{"DeleteSome", &delete_some},
                    std::pair{"DeleteOnRead", &delete_on_read}, std::pair{"ChangeByKey", &change_by_key},
                    std::pair{"OverwritePartitions", &overwrite_partitions}, std::pair{"UpsertByCopy", &upsert_by_copy},
                    std::pair{"UpsertOnRead", &upsert_on_read}, std::pair{"Transaction", &transaction},
                    std::pair{"Publish", &publish}, std::pair{"AddFiles", &add_a_strangers_file},
                    std::pair{"ExpireSnapshots", &expire}, std::pair{"RewriteDataFiles", &compact}),
    [](const auto& test) { return std::string(test.param.first); });

}  // namespace
}  // namespace floe
