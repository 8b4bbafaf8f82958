// What concurrent writers did to a table, and whether the table shows exactly that.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "floe/table.h"

namespace floe {

// What the writers do: appends alone; or every kind of change, also of the same rows; or also those changes for which
// the table is of history_spec().
enum class Workload { kAppends, kMix, kPartitions };
std::string_view name_of(Workload workload);
Workload parse_workload(std::string_view name);

// The commits of one writer have the ids from writer * kWriterCommits on.
constexpr int64_t kWriterCommits = 1'000;

// Puts the ids that all writers change into one partition, and those of each writer into one of its own.
PartitionSpec history_spec();

// One step of a commit, of a table with numbered_schema(). Its snapshot has the commit's id as the property "commit",
// and its place in the commit as "step".
struct Change {
  enum class Kind { kAppend, kUpsert, kDelete, kOverwrite, kChangeByKey, kOverwritePartition };
  Kind kind = Kind::kAppend;
  std::map<int64_t, std::string> rows = {};  // that come: text by id
  int64_t first = 0, end = 0;                // the rows with these ids leave: [first, end)
};
std::string to_string(const Change& change);
std::shared_ptr<arrow::RecordBatch> rows_of(const Change& change);
std::string filter_of(const Change& change);

// The steps of a commit follow from its id: the same to who commits and to who checks.
std::vector<Change> steps_of(Workload workload, int64_t commit);

// How a commit went, as its writer saw it. In conflict: others contradicted it. Failed: they were first, too often.
enum class Reported { kSucceeded, kFailed, kConflict, kUnknown };
struct Report {
  Reported reported = Reported::kFailed;
  int64_t snapshot = -1;     // of a success: the current one of the writer's handle after it
  UpsertCounts counts = {};  // of an upsert
};

// Every commit that was tried, by its id.
using History = std::map<int64_t, Report>;

// One line for each commit as the writers print it.
std::string line_of(int64_t commit, const Report& report);
void read_lines(const std::string& lines, History& history);

// Fails the test for everything that the history does not explain. The snapshots are one chain with ascending sequence
// numbers; each is a step of a commit that somebody tried, and the steps of a commit follow each other. Each success is
// there once, or changes nothing of the state that its writer saw; each failure left no snapshot, and is a conflict
// only if the commit is of rows that others change as well, or a compaction took its files away; an unknown outcome is
// there whole or not at all. Compactions may be between the commits of others. All steps done in the order of the chain
// on a model of the table make the table's rows, and of each upsert the counts that were reported. The table's files
// are those that its metadata names (`files`: those that are there).
void expect_history(const Table& table, Workload workload, const History& history, const std::set<std::string>& files);

}  // namespace floe
