// Compaction from a plan to the files, and what happens when others commit meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/transaction/overwrite.h"
#include "floe/transaction/row_delta.h"
#include "warehouse.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<int64_t> ids(const Table& table, const ScanOptions& options = {}) {
  return sorted_int64s(*read_all(table, options), "id");
}

std::vector<int64_t> range(int64_t first, int64_t end) {
  std::vector<int64_t> numbers(static_cast<size_t>(end - first));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::vector<int64_t> without(std::vector<int64_t> numbers, const std::set<int64_t>& gone) {
  std::erase_if(numbers, [&](int64_t n) { return gone.contains(n); });
  return numbers;
}

const Snapshot& head(const Table& table) { return *current_snapshot(table.metadata()); }

std::vector<DataFile> files_of(const Table& table, ManifestContent content) {
  std::vector<DataFile> files;
  for (const ManifestFile& file : manifests_of(*table.io(), head(table))) {
    if (file.content != content) continue;
    const ManifestReaderPtr reader = open_manifest(*table.io(), file);
    const std::vector<DataFile> all = reader->data_files();
    for (size_t i = 0; i < all.size(); ++i) {
      if (reader->entries()->status[i] != EntryStatus::kDeleted) files.push_back(all[i]);
    }
  }
  return files;
}
std::vector<DataFile> data_files(const Table& table) { return files_of(table, ManifestContent::kData); }
std::vector<DataFile> delete_files(const Table& table) { return files_of(table, ManifestContent::kDeletes); }

RewriteCounts compact(Table& table, const RewriteDataFilesOptions& options = {}) {
  return table.rewrite_data_files(options);
}

// Plans, runs all tasks as if each were in a process of its own, and lets others commit before the commit.
RewriteCounts compact_while(Table& table, const RewriteDataFilesOptions& options, const std::function<void()>& others) {
  const RewritePlan plan = plan_rewrite(table.loaded(), options, *table.io());
  std::vector<RewriteResult> results;
  for (const RewriteTask& task : plan.tasks) {
    const RewriteResult result = run(rewrite_task_from_bytes(to_bytes(task)), make_io({}));
    results.push_back(rewrite_result_from_bytes(to_bytes(result)));
  }
  others();
  RewriteCounts counts;
  table = Table(table.catalog(), commit_rewrite(*table.catalog(), table.loaded(), std::move(results), counts));
  return counts;
}

class Compaction : public testing::TestWithParam<int> {
 protected:
  // (id, text) with ids from 0, in files of ten, each a snapshot.
  Table many(const std::string& name, int files, PartitionSpec spec = {}, Properties properties = {}) {
    properties.emplace("format-version", std::to_string(GetParam()));
    properties.emplace("write.delete.mode", "merge-on-read");
    Table table = warehouse_.create(name, numbered_schema(), std::move(spec), std::move(properties));
    for (int i = 0; i < files; ++i) append_numbered(table, 10 * i, 10);
    return table;
  }

  static PartitionSpec by(const char* transform, const char* name) {
    return {.fields = {{.source_ids = {1}, .field_id = 1000, .name = name, .transform = parse_transform(transform)}}};
  }

  void expect_nothing_lost_or_left(const Table& table) { EXPECT_EQ(warehouse_.files(table), referenced_files(table)); }

  Warehouse warehouse_;
};

INSTANTIATE_TEST_SUITE_P(Version, Compaction, testing::Values(1, 2, 3),
                         [](const auto& version) { return "V" + std::to_string(version.param); });

TEST_P(Compaction, SmallFilesBecomeOne) {
  Table table = many("t", 6);
  const RewriteCounts counts = compact(table);
  EXPECT_EQ(counts.rewritten_data_files, 6);
  EXPECT_EQ(counts.added_data_files, 1);
  EXPECT_GT(counts.rewritten_bytes, 0);
  EXPECT_EQ(counts.failed_data_files, 0);
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(data_files(table).size(), 1);
  EXPECT_EQ(ids(table), range(0, 60));
  EXPECT_EQ(head(table).summary.get("operation"), "replace");
  EXPECT_EQ(head(table).summary.get("total-records"), "60");
  EXPECT_EQ(head(table).summary.get("deleted-data-files"), "6");
  expect_nothing_lost_or_left(table);
  // In the order in which they came, so that what was sorted by arrival stays so.
  const auto rows = read_all(table);
  EXPECT_EQ(static_cast<const arrow::Int64Array&>(*rows->GetColumnByName("id")).Value(0), 0);
}

TEST_P(Compaction, WhatIsDoneIsNotDoneAgain) {
  Table table = many("t", 6);
  compact(table);
  const int64_t snapshot = head(table).snapshot_id;
  EXPECT_EQ(compact(table).rewritten_data_files, 0);
  EXPECT_EQ(head(table).snapshot_id, snapshot);
  for (int i = 6; i < 9; ++i) append_numbered(table, 10 * i, 10);
  EXPECT_EQ(compact(table).rewritten_data_files, 0) << "four files: fewer than min-input-files";
  append_numbered(table, 90, 10);
  EXPECT_EQ(compact(table).rewritten_data_files, 5);
  EXPECT_EQ(ids(table), range(0, 100));
}

TEST_P(Compaction, OfAnEmptyTableIsNothing) {
  Table table = many("t", 0);
  EXPECT_EQ(compact(table, {.rewrite_all = true}).commits, 0);
  EXPECT_TRUE(table.metadata().snapshots.empty());
}

TEST_P(Compaction, GroupsDoNotCrossPartitionsNorSizes) {
  Table table = many("t", 12, by("truncate[30]", "thirty"));
  const RewritePlan by_partition = plan_rewrite(table.loaded(), {.min_input_files = 2}, *table.io());
  EXPECT_EQ(by_partition.tasks.size(), 4);
  const int64_t file = data_files(table).front().file_size_in_bytes;
  const RewritePlan by_size =
      plan_rewrite(table.loaded(), {.min_input_files = 2, .max_file_group_size_bytes = 5 * file / 2}, *table.io());
  EXPECT_EQ(by_size.tasks.size(), 4) << "a third file of each partition stays by itself";
  const RewritePlan by_files = plan_rewrite(
      table.loaded(),
      {.rewrite_all = true, .max_file_group_input_files = 2, .rewrite_job_order = RewriteJobOrder::kFilesDescending},
      *table.io());
  ASSERT_EQ(by_files.tasks.size(), 8);
  EXPECT_EQ(by_files.tasks.front().input_files, 2);
  EXPECT_EQ(by_files.tasks.back().input_files, 1);
  const RewritePlan some = plan_rewrite(table.loaded(), {.min_input_files = 2, .max_files_to_rewrite = 4}, *table.io());
  ASSERT_EQ(some.tasks.size(), 2);
  EXPECT_EQ(some.tasks.back().input_files, 1);

  const RewriteCounts counts = compact(table, {.min_input_files = 2});
  EXPECT_EQ(counts.added_data_files, 4);
  EXPECT_EQ(ids(table), range(0, 120));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, OfSomeFilesByAFilter) {
  Table table = many("t", 12);
  const RewriteCounts counts = compact(table, {.filter = parse_filter("id < 55")});
  EXPECT_EQ(counts.rewritten_data_files, 6);
  EXPECT_EQ(data_files(table).size(), 7);
  EXPECT_EQ(ids(table), range(0, 120)) << "rows of the files that do not match are not lost";
}

TEST_P(Compaction, OfFilesThatAreTooLarge) {
  Table table = many("t", 0);
  append_numbered(table, 0, 20'000);
  const int64_t size = data_files(table).front().file_size_in_bytes;
  const RewriteCounts counts = compact(table, {.target_file_size_bytes = size / 3});
  EXPECT_EQ(counts.rewritten_data_files, 1);
  EXPECT_GE(counts.added_data_files, 3);
  EXPECT_EQ(ids(table), range(0, 20'000));
}

TEST_P(Compaction, IntoAnotherSpec) {
  Table table = many("t", 6, by("truncate[10]", "ten"));
  table.change([](Transaction& transaction) {
    SpecUpdate update(transaction.staged().metadata);
    update.remove_field("ten");
    update.add_field("id", parse_transform("truncate[100]"), "hundred");
    update_spec(transaction, update);
  });
  EXPECT_EQ(compact(table).added_data_files, 1);
  EXPECT_EQ(data_files(table).front().spec_id, 1);
  EXPECT_EQ(ids(table), range(0, 60));
  EXPECT_EQ(compact(table, {.rewrite_all = true, .output_spec_id = 0}).added_data_files, 6);
  EXPECT_EQ(data_files(table).front().spec_id, 0);
  EXPECT_EQ(ids(table), range(0, 60));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, DeletedRowsAreGoneAndTheirDeletesWithThem) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 6);
  table.delete_rows({.filter = parse_filter("id in (3, 13, 23, 33, 43, 53)")});
  append_numbered(table, 60, 10);
  ASSERT_FALSE(delete_files(table).empty());
  compact(table);
  EXPECT_EQ(ids(table), without(range(0, 70), {3, 13, 23, 33, 43, 53}));
  EXPECT_EQ(data_files(table).size(), 1);
  EXPECT_EQ(data_files(table).front().record_count, 64);
  if (GetParam() == 3) {
    EXPECT_THAT(delete_files(table), IsEmpty());
  }
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, AFileWithManyDeletesIsRewrittenWhateverItsSize) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 1, {}, {{"write.delete.granularity", "file"}});
  const int64_t size = data_files(table).front().file_size_in_bytes;
  const RewriteDataFilesOptions fits{.target_file_size_bytes = size};
  table.delete_rows({.filter = parse_filter("id < 2")});
  EXPECT_EQ(compact(table, fits).rewritten_data_files, 0);
  RewriteDataFilesOptions many_files = fits;
  many_files.delete_file_threshold = 1;
  EXPECT_EQ(plan_rewrite(table.loaded(), many_files, *table.io()).tasks.size(), 1);
  table.delete_rows({.filter = parse_filter("id < 4")});
  EXPECT_EQ(compact(table, fits).rewritten_data_files, 1) << "four of ten rows";
  EXPECT_EQ(ids(table), range(4, 10));
  EXPECT_THAT(delete_files(table), IsEmpty());
}

TEST_P(Compaction, FilesWithoutRowsAreReplacedByNone) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 2);
  append_numbered(table, 100, 10);
  const auto rows = stream_of({numbered_rows(0, 20)});
  table.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
  const RewriteCounts counts = compact(table, {.filter = parse_filter("id < 50"), .rewrite_all = true});
  EXPECT_EQ(counts.rewritten_data_files, 2);
  EXPECT_EQ(counts.added_data_files, 0);
  EXPECT_EQ(ids(table), range(100, 110));
}

TEST_P(Compaction, RowsKeepTheirLineage) {
  if (GetParam() < 3) GTEST_SKIP() << "row lineage is version 3's";
  Table table = many("t", 6);
  table.delete_rows({.filter = parse_filter("id = 7")});
  const ScanOptions lineage{.select = {"id", "_row_id", "_last_updated_sequence_number"}};
  const auto rows_of = [&] {
    std::map<int64_t, std::pair<int64_t, int64_t>> rows;
    const auto batch = read_all(table, lineage);
    const auto column = [&](const char* name) {
      return std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName(name));
    };
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      EXPECT_FALSE(column("_row_id")->IsNull(i));
      rows[column("id")->Value(i)] = {column("_row_id")->Value(i), column("_last_updated_sequence_number")->Value(i)};
    }
    return rows;
  };
  const auto before = rows_of();
  compact(table);
  EXPECT_EQ(data_files(table).size(), 1);
  EXPECT_EQ(rows_of(), before);
}

TEST_P(Compaction, AppendsMeanwhileAreNoConflict) {
  Table table = many("t", 6);
  Table other = warehouse_.load("t");
  const RewriteCounts counts = compact_while(table, {}, [&] { append_numbered(other, 60, 10); });
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(ids(table), range(0, 70));
  EXPECT_EQ(data_files(table).size(), 2);
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, Trap18RowsThatOthersDeleteMeanwhileDoNotComeBack) {
  Table table = many("t", 6);
  Table other = warehouse_.load("t");
  EXPECT_THROW(compact_while(table, {}, [&] { other.delete_rows({.filter = parse_filter("id = 3")}); }), ConflictFound);
  table.refresh();
  EXPECT_EQ(ids(table), without(range(0, 60), {3}));
  expect_nothing_lost_or_left(table);
  compact(table, {.rewrite_all = true});
  EXPECT_EQ(ids(table), without(range(0, 60), {3}));
}

TEST_P(Compaction, Trap18EqualityDeletesThatComeMeanwhileApplyToTheNewFiles) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  const auto delete_three = [](Table& other) {
    const auto rows = stream_of({numbered_rows(3, 1)});
    other.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
  };
  Table table = many("t", 6);
  Table other = warehouse_.load("t");
  compact_while(table, {}, [&] { delete_three(other); });
  EXPECT_EQ(data_files(table).size(), 1);
  EXPECT_EQ(ids(table), without(range(0, 60), {3}));

  Table newer = many("newer", 6);
  Table another = warehouse_.load("newer");
  EXPECT_THROW(compact_while(newer, {.use_starting_sequence_number = false}, [&] { delete_three(another); }),
               ConflictFound);
  newer.refresh();
  EXPECT_EQ(ids(newer), without(range(0, 60), {3}));
}

// Equality deletes apply to files of their own partition and spec alone.
TEST_P(Compaction, Trap18EqualityDeletesMeanwhileConflictWithFilesThatChangeTheirSpec) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 6, by("truncate[100]", "hundred"));
  table.change([](Transaction& transaction) {
    SpecUpdate update(transaction.staged().metadata);
    update.remove_field("hundred");
    update.add_field("id", parse_transform("bucket[2]"), "b");
    update_spec(transaction, update);
  });
  Table other = warehouse_.load("t");
  EXPECT_THROW(compact_while(table, {},
                             [&] {
                               const auto rows = stream_of({numbered_rows(3, 1)});
                               other.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
                             }),
               ConflictFound);
  table.refresh();
  EXPECT_EQ(ids(table), without(range(0, 60), {3}));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, AConflictOfOneGroupLeavesTheOthersWithPartialProgress) {
  Table table = many("t", 12, by("truncate[30]", "thirty"));
  Table other = warehouse_.load("t");
  const RewriteCounts counts = compact_while(table, {.min_input_files = 2, .partial_progress = true},
                                             [&] { other.delete_rows({.filter = parse_filter("id = 3")}); });
  EXPECT_EQ(counts.rewritten_data_files, 9);
  EXPECT_EQ(counts.failed_data_files, 3);
  ASSERT_EQ(counts.failures.size(), 1);
  EXPECT_THAT(counts.failures.front(), HasSubstr("another writer"));
  EXPECT_EQ(ids(table), without(range(0, 120), {3}));
  expect_nothing_lost_or_left(table);
  EXPECT_EQ(compact(table, {.min_input_files = 2}).rewritten_data_files, 3) << "the next run finds what is left";
  EXPECT_EQ(ids(table), without(range(0, 120), {3}));
}

TEST_P(Compaction, PartialProgressIsSeveralCommits) {
  Table table = many("t", 12, by("truncate[30]", "thirty"));
  std::map<std::string, std::pair<int64_t, int64_t>> seen;
  const RewriteCounts counts = compact(table, {.min_input_files = 2,
                                               .partial_progress = true,
                                               .max_commits = 2,
                                               .progress = [&](std::string_view phase, int64_t done, int64_t total) {
                                                 seen[std::string(phase)] = {done, total};
                                               }});
  EXPECT_EQ(counts.commits, 2);
  EXPECT_EQ(counts.added_data_files, 4);
  EXPECT_EQ(seen["file groups"], std::pair(int64_t{4}, int64_t{4}));
  EXPECT_EQ(ids(table), range(0, 120));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, AGroupThatFailsLeavesNothingBehind) {
  Table table = many("t", 12, by("truncate[30]", "thirty"));
  const std::vector<DataFile> files = data_files(table);
  const std::string broken = local_path(files.front().file_path);
  std::filesystem::rename(broken, broken + ".away");
  EXPECT_THROW(compact(table, {.min_input_files = 2}), NotFound);
  const RewriteCounts counts = compact(table, {.min_input_files = 2, .partial_progress = true});
  EXPECT_EQ(counts.rewritten_data_files, 9);
  EXPECT_EQ(counts.failed_data_files, 3);
  EXPECT_THAT(counts.failures, ElementsAre(HasSubstr(broken)));
  std::filesystem::rename(broken + ".away", broken);
  EXPECT_EQ(ids(table), range(0, 120));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, AStopLeavesNothingBehind) {
  Table table = many("t", 12, by("truncate[30]", "thirty"));
  arrow::StopSource stop;
  EXPECT_THROW(compact(table, {.min_input_files = 2,
                               .stop = stop.token(),
                               .progress = [&](std::string_view, int64_t, int64_t) { stop.RequestStop(); }}),
               Cancelled);
  EXPECT_EQ(ids(table), range(0, 120));
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, OfABranchLeavesTheOthers) {
  Table table = many("t", 6);
  table.change([&](Transaction& transaction) {
    set_ref(transaction, "b", {.snapshot_id = head(table).snapshot_id}, RefChange::kCreate);
  });
  append_numbered(table, 60, 10);
  const int64_t main = head(table).snapshot_id;
  compact(table, {.branch = "b"});
  EXPECT_EQ(head(table).snapshot_id, main);
  EXPECT_EQ(ids(table, {.ref = "b"}), range(0, 60));
  EXPECT_EQ(ids(table), range(0, 70));
  EXPECT_EQ(plan(table.metadata(), {.ref = "b"}, *table.io()).files(), 1);
  EXPECT_THROW(compact(table, {.branch = "c"}), NotFound);
}

TEST_P(Compaction, ATaskThatIsRunTwiceIsCommittedOnce) {
  Table table = many("t", 6);
  const RewritePlan plan = plan_rewrite(table.loaded(), {}, *table.io());
  std::vector<RewriteResult> results;
  for (int i = 0; i < 2; ++i) results.push_back(run(plan.tasks.at(0), table.io()));
  results.push_back(results.front());
  RewriteCounts counts;
  table = Table(table.catalog(), commit_rewrite(*table.catalog(), table.loaded(), std::move(results), counts));
  EXPECT_EQ(ids(table), range(0, 60));
  expect_nothing_lost_or_left(table);
}

// An orchestrator that was killed after the commit does its step again.
TEST_P(Compaction, ResultsThatWereCommittedBeforeStayWhatTheTableHas) {
  for (const bool partial_progress : {false, true}) {
    Table table = many(partial_progress ? "partial" : "whole", 6);
    const Table stale = table;
    const RewritePlan plan = plan_rewrite(table.loaded(), {.partial_progress = partial_progress}, *table.io());
    ASSERT_EQ(plan.tasks.size(), 1);
    const RewriteResult first = run(plan.tasks[0], make_io({})), second = run(plan.tasks[0], make_io({}));
    const auto commit = [&](const Table& base, std::vector<RewriteResult> results) {
      RewriteCounts counts;
      table = Table(base.catalog(), commit_rewrite(*base.catalog(), base.loaded(), std::move(results), counts));
      return counts.commits;
    };
    EXPECT_EQ(commit(table, {second}), 1);
    const int64_t committed = head(table).snapshot_id;
    EXPECT_EQ(commit(table, {second}), 0);
    EXPECT_EQ(commit(stale, {second}), 0);
    try {  // the first of a group is taken, which is in conflict with the other one
      EXPECT_EQ(commit(stale, {first, second}), 0);
    } catch (const ConflictFound&) {
      table.refresh();
    }
    EXPECT_EQ(head(table).snapshot_id, committed);
    EXPECT_EQ(ids(table), range(0, 60));
    expect_nothing_lost_or_left(table);
  }
}

TEST_P(Compaction, OptionsThatContradictEachOtherAreRefusedByName) {
  Table table = many("t", 1);
  RewriteDataFilesOptions options;
  const auto message = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const InvalidArgument& e) {
      return e.what();
    }
    return "no exception";
  };
  EXPECT_THAT(message([&] { set_options(options, {{"min-files", "3"}}); }), HasSubstr("min-files"));
  EXPECT_THAT(message([&] { set_options(options, {{"min-input-files", "0"}}); }),
              HasSubstr("'min-input-files' is '0'"));
  EXPECT_THAT(message([&] { set_options(options, {{"delete-ratio-threshold", "1.5"}}); }), HasSubstr("at most 1"));
  EXPECT_THAT(message([&] { set_options(options, {{"rewrite-job-order", "size"}}); }), HasSubstr("bytes-asc"));
  EXPECT_THAT(message([&] { compact(table, {.min_file_size_bytes = 1LL << 40}); }), HasSubstr("min-file-size-bytes"));
  EXPECT_THAT(message([&] { compact(table, {.output_spec_id = 7}); }), HasSubstr("output-spec-id is 7"));
  set_options(options, {{"partial-progress.enabled", "TRUE"}, {"rewrite-job-order", "BYTES_DESC"}});
  EXPECT_TRUE(options.partial_progress);
  EXPECT_EQ(options.rewrite_job_order, RewriteJobOrder::kBytesDescending);
}

std::vector<int64_t> ids_as_they_come(const Table& table) {
  const auto batch = read_all(table);
  const auto& array = static_cast<const arrow::Int64Array&>(*batch->GetColumnByName("id"));
  return {array.raw_values(), array.raw_values() + array.length()};
}

TEST_P(Compaction, SortsByTheTablesOrderOrAnother) {
  Table table = many("t", 6);
  RewriteDataFilesOptions options{.rewrite_all = true};
  EXPECT_THROW(set_strategy(options, "sort", "", table.metadata()), InvalidArgument) << "the table has no order";
  EXPECT_THROW(set_strategy(options, "binpack", "id", table.metadata()), InvalidArgument);
  EXPECT_THROW(set_strategy(options, "shuffle", "id", table.metadata()), InvalidArgument);
  set_strategy(options, "sort", "id DESC", table.metadata());
  compact(table, options);
  std::vector<int64_t> down = range(0, 60);
  std::ranges::reverse(down);
  EXPECT_EQ(ids_as_they_come(table), down);
  EXPECT_FALSE(data_files(table).front().sort_order_id) << "the table does not have this order";

  table.change(
      [](Transaction& transaction) { update_sort_order(transaction, {{.source_ids = {1}, .transform = {}}}); });
  RewriteDataFilesOptions by_table{.rewrite_all = true};
  set_strategy(by_table, "sort", "", table.metadata());
  compact(table, by_table);
  EXPECT_EQ(ids_as_they_come(table), range(0, 60));
  EXPECT_EQ(data_files(table).front().sort_order_id, 1);
  options.sort_order = {{.source_ids = {1}, .transform = {}}};
  compact(table, options);
  EXPECT_EQ(data_files(table).front().sort_order_id, 1) << "the same order, said again";
  compact(table, {.rewrite_all = true});
  EXPECT_EQ(data_files(table).front().sort_order_id, 1) << "bin-packing keeps the table's order";
}

TEST_P(Compaction, AlongAZCurve) {
  const Schema schema{.fields = {{.id = 1, .name = "x", .type = primitive(TypeKind::kLong)},
                                 {.id = 2, .name = "y", .type = primitive(TypeKind::kLong)}}};
  Table table = warehouse_.create("t", schema, {}, {{"format-version", std::to_string(GetParam())}});
  constexpr int64_t kSide = 128;
  for (int64_t x = 0; x < kSide; x += 16) {
    arrow::Int64Builder xs, ys;
    for (int64_t i = 0; i < 16 * kSide; ++i) {
      check(xs.Append(x + i / kSide), "append");
      check(ys.Append((i % kSide) << 20), "append");
    }
    table.append(
        *stream_of({arrow::RecordBatch::Make(to_arrow_schema(schema), 16 * kSide, {*xs.Finish(), *ys.Finish()})}));
  }
  RewriteDataFilesOptions options{.rewrite_all = true};
  set_strategy(options, "sort", "zorder(x, y)", table.metadata());
  compact(table, options);
  const auto rows = read_all(table);
  ASSERT_EQ(rows->num_rows(), kSide * kSide);
  for (const char* name : {"x", "y"}) {  // the first quarter is a quarter of the square
    const auto& values = static_cast<const arrow::Int64Array&>(*rows->GetColumnByName(name));
    int64_t most = 0;
    for (int64_t i = 0; i < kSide * kSide / 4; ++i) most = std::max(most, values.Value(i));
    EXPECT_EQ(most, (kSide / 2 - 1) << (*name == 'x' ? 0 : 20)) << name;
  }
  EXPECT_FALSE(data_files(table).front().sort_order_id);
}

TEST_P(Compaction, DanglingDeletesAreRemoved) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 6, by("truncate[30]", "thirty"));
  table.delete_rows({.filter = parse_filter("id in (3, 13)")});
  const auto rows = stream_of({numbered_rows(4, 30)});
  table.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
  compact(table, {.filter = parse_filter("id < 30"), .rewrite_all = true});
  EXPECT_EQ(ids(table), without(range(0, 60), [] {
              std::set<int64_t> gone{3};
              for (int64_t id = 4; id < 34; ++id) gone.insert(id);
              return gone;
            }()));
  const std::vector<int64_t> left = ids(table);
  const size_t before = delete_files(table).size();
  RewriteCounts counts = compact(table, {.remove_dangling_deletes = true});
  EXPECT_EQ(counts.removed_delete_files, GetParam() == 2 ? 2 : 1) << "those of the partition that was rewritten";
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(head(table).summary.get("operation"), "replace");
  EXPECT_EQ(delete_files(table).size(), before - static_cast<size_t>(counts.removed_delete_files));
  EXPECT_EQ(ids(table), left);
  EXPECT_EQ(compact(table, {.remove_dangling_deletes = true}).commits, 0);
  compact(table, {.rewrite_all = true, .remove_dangling_deletes = true});
  EXPECT_THAT(delete_files(table), IsEmpty());
  EXPECT_EQ(ids(table), left);
  expect_nothing_lost_or_left(table);
}

// Of an unpartitioned spec they are the whole table's, also of files of later specs.
TEST_P(Compaction, EqualityDeletesOfTheWholeTableAreKeptForFilesOfOtherSpecs) {
  if (GetParam() == 1) GTEST_SKIP() << "version 1 has no delete files";
  Table table = many("t", 6, by("truncate[30]", "thirty"));
  table.change([](Transaction& transaction) {
    SpecUpdate update(transaction.staged().metadata);
    update.remove_field("thirty");
    update_spec(transaction, update);
  });
  const auto rows = stream_of({numbered_rows(3, 1)});
  table.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
  const std::vector<int64_t> left = without(range(0, 60), {3});
  EXPECT_EQ(ids(table), left);
  EXPECT_EQ(compact(table, {.filter = parse_filter("id > 100"), .remove_dangling_deletes = true}).removed_delete_files,
            0);
  EXPECT_EQ(ids(table), left);
}

TEST_P(Compaction, TasksAndResultsOfEveryKindAreTheSameAsBytes) {
  Table table = many("t", 6, by("truncate[30]", "thirty"));
  if (GetParam() > 1) {
    table.delete_rows({.filter = parse_filter("id in (3, 13)")});
    const auto rows = stream_of({numbered_rows(35, 1)});
    table.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
    append_numbered(table, 60, 10);
  }
  const std::vector<int64_t> before = ids(table);
  RewriteDataFilesOptions options{.snapshot_properties = {{"why", "nightly"}}, .rewrite_all = true};
  set_strategy(options, "", "zorder(id, text)", table.metadata());
  compact_while(table, options, [] {});
  EXPECT_EQ(ids(table), before);
  EXPECT_EQ(head(table).summary.get("why"), "nightly");
  EXPECT_LE(data_files(table).size(), 3);
  expect_nothing_lost_or_left(table);
}

TEST_P(Compaction, BytesThatAreNoneAreRefused) {
  Table table = many("t", 5);
  const RewritePlan plan = plan_rewrite(table.loaded(), {}, *table.io());
  const std::string task = to_bytes(plan.tasks.at(0));
  const std::string result = to_bytes(run(plan.tasks.at(0), table.io()));
  for (size_t size = 0; size < task.size(); size += 7) {
    EXPECT_THROW(rewrite_task_from_bytes(task.substr(0, size)), CorruptFile) << size;
  }
  for (size_t size = 0; size < result.size(); size += 7) {
    EXPECT_THROW(rewrite_result_from_bytes(result.substr(0, size)), CorruptFile) << size;
  }
  EXPECT_THROW(rewrite_task_from_bytes(result), CorruptFile);
  EXPECT_THROW(rewrite_result_from_bytes(result + "x"), CorruptFile);
}

// --- delete files ---

class DeleteFiles : public Compaction {
 protected:
  // Rows [0, 60) in two partitions, of which some are deleted by six position delete files or deletion vectors.
  Table with_deletes(const std::string& name, Properties properties = {}) {
    Table table = many(name, 6, by("truncate[30]", "thirty"), std::move(properties));
    for (const char* filter : {"id in (1, 11, 31)", "id in (2, 41)", "id = 3 or id = 33"}) {
      table.delete_rows({.filter = parse_filter(filter)});
    }
    return table;
  }
  static std::vector<int64_t> left() { return without(range(0, 60), {1, 2, 3, 11, 31, 33, 41}); }

  RewrittenDeletes rewrite(Table& table, const RewritePositionDeletesOptions& options = {}) {
    return table.rewrite_position_deletes(options);
  }
};

INSTANTIATE_TEST_SUITE_P(Version, DeleteFiles, testing::Values(2, 3),
                         [](const auto& version) { return "V" + std::to_string(version.param); });

TEST_P(DeleteFiles, SmallOnesBecomeOneOfEachPartition) {
  if (GetParam() == 3) GTEST_SKIP() << "version 3 has a deletion vector for each data file";
  Table table = with_deletes("t");
  ASSERT_EQ(delete_files(table).size(), 6);
  EXPECT_EQ(rewrite(table).commits, 0) << "three of each: fewer than min-input-files";
  const RewrittenDeletes counts = rewrite(table, {.min_input_files = 2});
  EXPECT_EQ(counts.rewritten_delete_files, 6);
  EXPECT_EQ(counts.added_delete_files, 2);
  EXPECT_GT(counts.rewritten_bytes, counts.added_bytes);
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(delete_files(table).size(), 2);
  EXPECT_EQ(head(table).summary.get("operation"), "replace");
  EXPECT_EQ(ids(table), left());
  expect_nothing_lost_or_left(table);
  EXPECT_EQ(rewrite(table, {.min_input_files = 2}).commits, 0);
}

TEST_P(DeleteFiles, OfOnePartitionByAFilterAndGroupByGroup) {
  if (GetParam() == 3) GTEST_SKIP() << "version 3 has a deletion vector for each data file";
  Table table = with_deletes("t", {{"write.delete.granularity", "file"}});
  const size_t before = delete_files(table).size();
  const RewrittenDeletes first = rewrite(table, {.filter = parse_filter("id = 5"), .rewrite_all = true});
  EXPECT_EQ(first.added_delete_files, 2) << "of two data files";
  EXPECT_LT(first.rewritten_delete_files, static_cast<int64_t>(before));
  EXPECT_EQ(ids(table), left());
  EXPECT_EQ(rewrite(table, {.rewrite_all = true, .partial_progress = true}).commits, 2);
  EXPECT_EQ(ids(table), left());
  expect_nothing_lost_or_left(table);
}

TEST_P(DeleteFiles, PositionsOfFilesThatAreGoneAreDropped) {
  if (GetParam() == 3) GTEST_SKIP() << "deletion vectors go with their data files";
  Table table = with_deletes("t");
  compact(table, {.filter = parse_filter("id < 30"), .rewrite_all = true});
  const RewrittenDeletes counts = rewrite(table, {.rewrite_all = true});
  EXPECT_EQ(counts.added_delete_files, 1) << "nothing is left of the other partition's";
  EXPECT_EQ(ids(table), left());
  expect_nothing_lost_or_left(table);
}

TEST_P(DeleteFiles, FromBeforeAnUpgradeBecomeVectors) {
  if (GetParam() == 3) GTEST_SKIP() << "the table begins as one of version 2";
  Table table = with_deletes("t");
  table.change([](Transaction& transaction) { transaction.add(TableCommit{.updates = {UpgradeFormatVersion{3}}}); });
  table.delete_rows({.filter = parse_filter("id = 44")});  // a vector already, beside the older files
  const RewrittenDeletes counts = rewrite(table, {.min_input_files = 2});
  EXPECT_EQ(counts.commits, 1);
  for (const DataFile& file : delete_files(table)) EXPECT_EQ(file.file_format, FileFormat::kPuffin) << file.file_path;
  EXPECT_EQ(ids(table), without(left(), {44}));
  expect_nothing_lost_or_left(table);
  EXPECT_EQ(rewrite(table, {.rewrite_all = true}).commits, 0);
}

TEST_P(DeleteFiles, EqualityDeletesBecomePositions) {
  Table table = with_deletes("t");
  const auto rows = stream_of({numbered_rows(3, 20)});
  table.apply_changes({.deletes = rows.get()}, {.keys = {"id"}});
  append_numbered(table, 5, 1);  // after the deletes
  std::set<int64_t> gone;
  for (int64_t id = 3; id < 23; ++id) gone.insert(id);
  std::vector<int64_t> expected = without(left(), gone);
  expected.push_back(5);
  std::ranges::sort(expected);
  ASSERT_EQ(ids(table), expected);
  EXPECT_THROW(rewrite(table, {.filter = parse_filter("id = 3"), .convert_equality_deletes = true}), InvalidArgument);
  EXPECT_EQ(rewrite(table, {.convert_equality_deletes = true}).commits, 1);
  for (const DataFile& file : delete_files(table)) EXPECT_EQ(file.content, FileContent::kPositionDeletes);
  EXPECT_EQ(ids(table), expected);
  expect_nothing_lost_or_left(table);
  EXPECT_EQ(rewrite(table, {.convert_equality_deletes = true}).commits, 0);
}

TEST_P(DeleteFiles, OptionsThatAreNotKnownAreRefusedByName) {
  RewritePositionDeletesOptions options;
  EXPECT_THROW(set_options(options, {{"delete-ratio-threshold", "0.5"}}), InvalidArgument);
  set_options(options, {{"min-input-files", "2"}, {"convert-equality-deletes", "true"}});
  EXPECT_EQ(options.min_input_files, 2);
  EXPECT_TRUE(options.convert_equality_deletes);
}

}  // namespace
}  // namespace floe
