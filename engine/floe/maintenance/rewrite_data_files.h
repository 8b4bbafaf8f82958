// Compaction: data files are written again, so that there are fewer and better ones. Rows stay what they are. A plan
// makes groups of files, each group is a task that runs anywhere, and what the tasks wrote is committed.
//
// A commit replaces files and relies on nothing but them: rows that others add never contradict it. If others removed
// one of the files, or deleted some of its rows, the group of the file is in conflict, since its new files would bring
// the rows back. Equality deletes that come later go on applying, because the new files have the data sequence number
// that the table had when the plan was made.
#pragma once

#include <arrow/util/cancel.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/expression/expression.h"
#include "floe/maintenance/progress.h"
#include "floe/scan/scan.h"
#include "floe/spec/sort_order.h"
#include "floe/transaction/snapshot_producer.h"
#include "floe/write/row_order.h"

namespace floe {

// In which order groups are rewritten.
enum class RewriteJobOrder { kNone, kBytesAscending, kBytesDescending, kFilesAscending, kFilesDescending };

struct RewriteDataFilesOptions {
  Expression filter;  // files that may have rows which match; default: all
  bool case_sensitive = true;
  std::string branch = "main";
  Properties snapshot_properties = {};
  // How rows are put in order within a group: by these fields, or along a curve over these columns. Neither: in
  // the table's sort order, and as they come if it has none (bin-packing). Bounds of the columns make all of them count
  // alike along a curve.
  std::vector<SortField> sort_order = {};
  std::vector<std::string> z_order = {};
  Curve curve = Curve::kZOrder;

  // The members from here to `output_spec_id` are the options of Spark's procedure of the same names.
  std::optional<int64_t> target_file_size_bytes = {};  // default: `write.target-file-size-bytes`
  std::optional<int64_t> min_file_size_bytes = {};     // smaller files are rewritten; default: 0.75 of the target
  std::optional<int64_t> max_file_size_bytes = {};     // larger ones, too; default: 1.8 of it
  int64_t min_input_files = 5;  // groups of fewer files are left alone, unless they make a whole file
  // Files with so many delete files, or of whose rows such a part is deleted (by deletes of that file alone), are
  // rewritten whatever their size.
  int64_t delete_file_threshold = std::numeric_limits<int32_t>::max();
  double delete_ratio_threshold = 0.3;
  bool rewrite_all = false;  // every file
  int64_t max_file_group_size_bytes = 100LL << 30;
  int64_t max_file_group_input_files = std::numeric_limits<int64_t>::max();
  std::optional<int64_t> max_files_to_rewrite = {};
  // Groups are committed as they are done, in at most about `max_commits` commits. A group that fails, or is in
  // conflict, does not keep the others from being committed. Otherwise there is one commit of all or nothing.
  bool partial_progress = false;
  int64_t max_commits = 10;
  std::optional<int64_t> max_failed_commits = {};  // more of them end the run; default: max_commits
  int64_t max_concurrent_file_group_rewrites = 5;  // bounded by the threads of Arrow's CPU pool, too
  RewriteJobOrder rewrite_job_order = RewriteJobOrder::kNone;
  bool use_starting_sequence_number = true;    // false: equality deletes that come meanwhile are conflicts
  bool remove_dangling_deletes = false;        // afterwards; see dangling_deletes.h
  std::optional<int32_t> output_spec_id = {};  // default: the table's default spec

  int64_t memory = 512 << 20;    // what all groups at work may hold together of rows
  std::string sort_folder = {};  // see WriteOptions
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
  Progress progress = {};  // of groups, written or failed
};

// Sets the members that Spark's procedure has as options by their names there ("target-file-size-bytes",
// "partial-progress.enabled", ...). Throws InvalidArgument for names that it does not have, and for values that cannot
// be.
void set_options(RewriteDataFilesOptions& options, const Properties& values);

// Sets how rows are put in order as Spark's procedure has it: `strategy` is "binpack", "sort" or empty, `sort_order`
// such as "day DESC NULLS LAST, bucket(16, id)", "zorder(lat, lon)" or "hilbert(lat, lon)"; empty, "sort" is by the
// table's order. Throws InvalidArgument for what contradicts itself or the table.
void set_strategy(RewriteDataFilesOptions& options, std::string_view strategy, std::string_view sort_order,
                  const TableMetadata& table);

// What all tasks of a plan have in common.
struct RewriteJob {
  std::string id;  // of the plan
  std::string table_name;
  TableMetadata table;  // as files are written: without snapshots, and with the spec of the output as its default one
  SortOrder order;      // of the rows of a group
  std::string branch;
  int64_t starting_snapshot = 0;
  std::optional<int64_t> data_sequence_number;  // of the new files; nullopt: that of the commit
  bool partial_progress = false;
  Properties snapshot_properties;
};
using RewriteJobPtr = std::shared_ptr<const RewriteJob>;

// One group of files, which is rewritten as a whole. Refers to manifests.
struct RewriteTask {
  RewriteJobPtr job;
  int64_t group = 0;                // from 0, as planned
  std::vector<ManifestPart> files;  // in the order of their rows
  std::shared_ptr<const DeleteIndex> deletes;
  int64_t input_files = 0, input_bytes = 0;
  int64_t file_bytes = 0;             // of each file that it writes
  std::vector<ZOrderColumn> z_order;  // in place of the job's order
  Curve curve = Curve::kZOrder;
};

// What came of a task.
struct RewriteResult {
  RewriteJobPtr job;
  int64_t group = 0;
  std::vector<Removal> removed;
  int64_t removed_bytes = 0;
  std::vector<DataFile> added;
};

struct RewritePlan {
  RewriteJobPtr job;  // null: there is nothing to do
  std::vector<RewriteTask> tasks;
};

// Tasks and results as bytes, for other processes. Whoever runs a task needs an Io for the table's files besides.
// Reading checks all that it is given, and throws CorruptFile.
std::string to_bytes(const RewriteTask& task);
std::string to_bytes(const RewriteResult& result);
RewriteTask rewrite_task_from_bytes(std::string_view bytes);
RewriteResult rewrite_result_from_bytes(std::string_view bytes);

// Which files are rewritten, in which groups. A group is of one partition; files of other specs than that of the output
// are put together, and become files of its partitions. Throws InvalidArgument for options that contradict each other
// or the table, and what planning a scan throws.
RewritePlan plan_rewrite(const LoadedTable& table, const RewriteDataFilesOptions& options, Io& io);

struct RewriteTaskOptions {
  int64_t memory = 512 << 20;
  std::string sort_folder = {};
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// Writes the rows of a group again, without those that are deleted, in the table's sort order if it has one. Needs no
// catalog. If it throws, nothing is left.
RewriteResult run(const RewriteTask& task, const IoPtr& io, const RewriteTaskOptions& options = {});

struct RewriteCounts {
  int64_t rewritten_data_files = 0, added_data_files = 0;
  int64_t rewritten_bytes = 0;
  int64_t failed_data_files = 0;  // of groups that failed or were in conflict
  int64_t removed_delete_files = 0;
  int64_t commits = 0;
  std::vector<std::string> failures;  // what the groups failed of
};

// Puts what the tasks of one plan wrote in the place of what they read, as one snapshot, and adds to `counts`. Of
// several results of one group the first is taken; results that were committed before are left out, so that a step
// which was killed may be done again. Returns the table with it. Files of results that are not committed are removed,
// unless some snapshot of the table has them: after any exception but CommitStateUnknown, those of all. Throws
// ConflictFound for groups in conflict; with partial progress these are left out instead, and are failures in `counts`.
LoadedTable commit_rewrite(Catalog& catalog, const LoadedTable& base, std::vector<RewriteResult> results,
                           RewriteCounts& counts, const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

// All of it: plans, runs and commits. `table` becomes the table as it is then. What a run leaves undone the next one
// finds. With partial progress it throws only if more commits fail than may, or for what concerns more than a group:
// Cancelled, CommitStateUnknown.
RewriteCounts rewrite_data_files(Catalog& catalog, LoadedTable& table, const RewriteDataFilesOptions& options);

}  // namespace floe
