#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/branch.h"
#include "floe/maintenance/options.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/maintenance/row_order_text.h"
#include "floe/maintenance/sizes.h"
#include "floe/scan/partition.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/rewrite_rows.h"
#include "floe/transaction/snapshot_producer.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

constexpr int64_t kTargetFileBytes = 512 << 20;

int64_t target_of(const TableMetadata& table) {
  return int_property(table.properties, "write.target-file-size-bytes", kTargetFileBytes);
}

// A file that may be rewritten.
struct Candidate {
  uint32_t part = 0, entry = 0;  // of the plan
  int64_t sequence_number = 0;
  int64_t bytes = 0;
  bool many_deletes = false;
};

int64_t bytes_of(const std::vector<Candidate>& group) {
  int64_t bytes = 0;
  for (const Candidate& file : group) bytes += file.bytes;
  return bytes;
}

class RewritePlanner {
 public:
  RewritePlanner(const RewriteDataFilesOptions& options, const TableMetadata& table, const ScanPlan& plan,
                 const std::string& name)
      : options_(options), table_(table), plan_(plan), sizes_(sizes_of(options, target_of(table), name)) {}

  const Sizes& sizes() const { return sizes_; }

  std::vector<std::vector<Candidate>> groups() const {
    std::map<std::string, std::vector<Candidate>> partitions;
    // The latest manifests are first in a plan; version 1 tells age in no other way.
    for (auto p = static_cast<uint32_t>(plan_.parts.size()); p-- > 0;) add_candidates(p, partitions);
    std::vector<std::vector<Candidate>> groups;
    for (auto& [key, files] : partitions) {
      // In the order in which their rows came.
      std::ranges::stable_sort(files, {}, &Candidate::sequence_number);
      std::ranges::move(pack(files), std::back_inserter(groups));
    }
    if (!options_.rewrite_all) std::erase_if(groups, [&](const auto& group) { return !is_worth_it(group); });
    if (options_.max_files_to_rewrite) take_first(groups, *options_.max_files_to_rewrite);
    return groups;
  }

 private:
  // By partition of the output's spec; files of other specs have none there, and are together.
  void add_candidates(uint32_t p, std::map<std::string, std::vector<Candidate>>& partitions) const {
    const ScanPlan::Part& part = plan_.parts[p];
    const Manifest& manifest = *part.manifest;
    std::optional<PartitionKeys> keys;
    if (manifest.spec_id == table_.default_spec_id) keys.emplace(manifest, default_spec(table_), *plan_.schema);
    std::optional<DeleteFinder> deletes;
    if (plan_.deletes) deletes.emplace(*plan_.deletes, *part.reader, part.manifest);
    std::string key;
    for (const uint32_t entry : part.entries) {
      Candidate file{.part = p,
                     .entry = entry,
                     .sequence_number = manifest.sequence_number[entry],
                     .bytes = manifest.file_size_in_bytes[entry]};
      if (deletes) file.many_deletes = has_many_deletes(manifest, entry, deletes->find(entry));
      if (!options_.rewrite_all && !file.many_deletes && file.bytes >= sizes_.min && file.bytes <= sizes_.max) continue;
      if (keys) keys->write(entry, key);
      partitions[key].push_back(file);
    }
  }

  bool has_many_deletes(const Manifest& manifest, uint32_t entry, const AppliedDeletes& applied) const {
    const std::vector<DeleteEntry> files = applied.files();
    if (files.empty()) return false;
    if (static_cast<int64_t>(files.size()) >= options_.delete_file_threshold) return true;
    int64_t deleted = 0;  // as far as is known
    for (const DeleteEntry& file : files) {
      const Manifest& deletes = plan_.deletes->manifest(file);
      if (deletes.file_content[file.entry] != FileContent::kPositionDeletes) continue;
      const auto stats = delete_stats(plan_.deletes->parts()[file.part]);
      if (only_data_file(deletes, stats->column(kDeleteFilePathId), file.entry).empty()) continue;
      deleted += deletes.record_count[file.entry];
    }
    return static_cast<double>(deleted) >=
           options_.delete_ratio_threshold * static_cast<double>(manifest.record_count[entry]);
  }

  std::vector<std::vector<Candidate>> pack(const std::vector<Candidate>& files) const {
    std::vector<std::vector<Candidate>> groups;
    int64_t bytes = 0;
    for (const Candidate& file : files) {
      const bool full = groups.empty() || bytes + file.bytes > options_.max_file_group_size_bytes ||
                        static_cast<int64_t>(groups.back().size()) >= options_.max_file_group_input_files;
      if (full) {
        groups.emplace_back();
        bytes = 0;
      }
      groups.back().push_back(file);
      bytes += file.bytes;
    }
    return groups;
  }

  bool is_worth_it(const std::vector<Candidate>& group) const {
    const int64_t bytes = bytes_of(group);
    if (group.size() > 1 && static_cast<int64_t>(group.size()) >= options_.min_input_files) return true;
    if (group.size() > 1 && bytes > sizes_.target) return true;
    return bytes > sizes_.max || std::ranges::any_of(group, &Candidate::many_deletes);
  }

  static void take_first(std::vector<std::vector<Candidate>>& groups, int64_t files) {
    for (std::vector<Candidate>& group : groups) {
      if (static_cast<int64_t>(group.size()) > files) group.resize(static_cast<size_t>(files));
      files -= static_cast<int64_t>(group.size());
    }
    std::erase_if(groups, [](const auto& group) { return group.empty(); });
  }

  const RewriteDataFilesOptions& options_;
  const TableMetadata& table_;
  const ScanPlan& plan_;
  const Sizes sizes_;
};

// The table as its files are read and written again.
TableMetadata without_snapshots(const TableMetadata& table) {
  TableMetadata bare = table;
  bare.current_snapshot_id.reset();
  bare.snapshots.clear();
  bare.snapshot_log.clear();
  bare.metadata_log.clear();
  bare.refs.clear();
  bare.statistics.clear();
  bare.partition_statistics.clear();
  return bare;
}

std::vector<ZOrderColumn> z_order_of(const RewriteDataFilesOptions& options, const Schema& schema,
                                     const std::string& table_name) {
  std::vector<ZOrderColumn> columns;
  for (const std::string& name : options.z_order) {
    const Field* field = find_field(schema, name, options.case_sensitive);
    if (!field) throw InvalidArgument(fmt::format("table {}: it has no column {}", table_name, name));
    columns.push_back({.field_id = field->id});
  }
  if (!columns.empty()) RowOrder(columns, schema, options.curve);  // refuses columns that cannot be
  return columns;
}

// An order that the table does not have has no id.
SortOrder order_of(const RewriteDataFilesOptions& options, const TableMetadata& table) {
  if (options.sort_order.empty()) return default_sort_order(table);
  validate({.order_id = 1, .fields = options.sort_order}, *current_schema(table));
  for (const SortOrder& known : table.sort_orders) {
    if (known.fields == options.sort_order) return known;
  }
  return {.order_id = 0, .fields = options.sort_order};
}

// Of the column in all the files that have values. False if some are not known.
bool set_bounds(ZOrderColumn& column, const Type& type, const std::vector<ManifestPart>& files) {
  for (const ManifestPart& part : files) {
    const auto stats = part.reader->stats({column.field_id});
    const ColumnStats* known = stats->column(column.field_id);
    if (!known) return false;
    for (const uint32_t entry : part.entries) {
      const int64_t values = known->value_counts[entry];
      if (values != kNotKnown && values == known->null_counts[entry]) continue;
      if (!known->lower_bounds.has(entry) || !known->upper_bounds.has(entry)) return false;
      const auto take = [&](std::optional<Value>& bound, std::string_view bytes, int sign) {
        Value value = from_bytes(bytes, type);
        if (!bound || compare(value, *bound, type) * sign > 0) bound = std::move(value);
      };
      take(column.lower, known->lower_bounds[entry], -1);
      take(column.upper, known->upper_bounds[entry], 1);
    }
  }
  return true;
}

// With the bounds that all files of the group have together, where all have some.
std::vector<ZOrderColumn> with_bounds(std::vector<ZOrderColumn> columns, const Schema& schema,
                                      const std::vector<ManifestPart>& files) {
  for (ZOrderColumn& column : columns) {
    bool known = false;
    try {
      known = set_bounds(column, find_field(schema, column.field_id)->type, files);
    } catch (const CorruptFile&) {  // bounds of another type
    }
    if (!known) column.lower = column.upper = std::nullopt;
  }
  return columns;
}

RewriteTask task_of(const RewriteJobPtr& job, const ScanPlan& plan, const std::vector<Candidate>& group,
                    const Sizes& sizes, const std::vector<ZOrderColumn>& z_order) {
  RewriteTask task{.job = job, .deletes = plan.deletes};
  task.input_files = static_cast<int64_t>(group.size());
  task.input_bytes = bytes_of(group);
  task.file_bytes = sizes.file_bytes(task.input_bytes);
  for (size_t i = 0; i < group.size(); ++i) {
    const ScanPlan::Part& part = plan.parts[group[i].part];
    if (i == 0 || group[i - 1].part != group[i].part) task.files.push_back({part.reader, part.manifest, {}});
    task.files.back().entries.push_back(group[i].entry);
  }
  task.z_order = with_bounds(z_order, *current_schema(job->table), task.files);
  return task;
}

void order(std::vector<RewriteTask>& tasks, RewriteJobOrder order) {
  const auto by = [&](const auto& compare, int64_t RewriteTask::* size) {
    std::ranges::stable_sort(tasks, compare, size);
  };
  switch (order) {
    case RewriteJobOrder::kNone:
      break;
    case RewriteJobOrder::kBytesAscending:
      return by(std::ranges::less(), &RewriteTask::input_bytes);
    case RewriteJobOrder::kBytesDescending:
      return by(std::ranges::greater(), &RewriteTask::input_bytes);
    case RewriteJobOrder::kFilesAscending:
      return by(std::ranges::less(), &RewriteTask::input_files);
    case RewriteJobOrder::kFilesDescending:
      return by(std::ranges::greater(), &RewriteTask::input_files);
  }
}

}  // namespace

void set_options(RewriteDataFilesOptions& options, const Properties& values) {
  OptionReader reader(values, "rewrite_data_files");
  read_grouping(reader, options);
  reader.read("delete-file-threshold", options.delete_file_threshold, 0);
  reader.read("delete-ratio-threshold", options.delete_ratio_threshold);
  reader.read("max-file-group-input-files", options.max_file_group_input_files);
  reader.read("max-files-to-rewrite", options.max_files_to_rewrite);
  reader.read("partial-progress.max-commits", options.max_commits);
  reader.read("partial-progress.max-failed-commits", options.max_failed_commits, 0);
  reader.read("max-concurrent-file-group-rewrites", options.max_concurrent_file_group_rewrites);
  auto job_order = static_cast<size_t>(options.rewrite_job_order);
  reader.read("rewrite-job-order", job_order, {"none", "bytes-asc", "bytes-desc", "files-asc", "files-desc"});
  options.rewrite_job_order = static_cast<RewriteJobOrder>(job_order);
  reader.read("use-starting-sequence-number", options.use_starting_sequence_number);
  reader.read("remove-dangling-deletes", options.remove_dangling_deletes);
  reader.read("output-spec-id", options.output_spec_id);
  reader.finish();
}

void set_strategy(RewriteDataFilesOptions& options, std::string_view strategy, std::string_view sort_order,
                  const TableMetadata& table) {
  const bool by_default = strategy.empty() && sort_order.empty();
  if (by_default || strategy == "binpack") {
    if (sort_order.empty()) return;
    throw InvalidArgument(
        "rewrite_data_files: the strategy binpack takes no sort order; leave the strategy out, or sort");
  }
  if (!strategy.empty() && strategy != "sort") {
    throw InvalidArgument(
        fmt::format("rewrite_data_files: the strategy is '{}'; it is one of binpack and sort", strategy));
  }
  if (!sort_order.empty()) {
    RowOrderText order = parse_row_order(sort_order, *current_schema(table), options.case_sensitive);
    options.sort_order = std::move(order.fields);
    options.z_order = std::move(order.z_order);
    options.curve = order.curve;
  } else if (default_sort_order(table).fields.empty()) {
    throw InvalidArgument("rewrite_data_files: the table has no sort order; say by what to sort");
  }
}

RewritePlan plan_rewrite(const LoadedTable& table, const RewriteDataFilesOptions& options, Io& io) {
  const std::string name = to_string(table.identifier);
  check_is_branch(*table.metadata, options.branch, name);
  check_snapshot_properties(options.snapshot_properties);
  TableMetadata branch = *table.metadata;
  const Snapshot* head = parent_snapshot(*table.metadata, options.branch);
  branch.default_spec_id = options.output_spec_id.value_or(branch.default_spec_id);
  if (!spec_by_id(branch, branch.default_spec_id)) {
    throw InvalidArgument(
        fmt::format("table {}: output-spec-id is {}, which the table does not have", name, branch.default_spec_id));
  }
  const Sizes sizes = sizes_of(options, target_of(branch), name);
  const std::vector<ZOrderColumn> z_order = z_order_of(options, *current_schema(branch), name);
  if (!head) return {};
  branch.current_snapshot_id = head->snapshot_id;

  const ScanOptions scan{
      .filter = options.filter, .case_sensitive = options.case_sensitive, .table_name = name, .stop = options.stop};
  const ScanPlan plan = floe::plan(branch, scan, io);
  const auto groups = RewritePlanner(options, branch, plan, name).groups();
  if (groups.empty()) return {};

  auto job = std::make_shared<RewriteJob>();
  job->id = new_uuid();
  job->table_name = name;
  job->table = without_snapshots(branch);
  job->order = order_of(options, branch);
  job->branch = options.branch;
  job->starting_snapshot = head->snapshot_id;
  if (options.use_starting_sequence_number) job->data_sequence_number = head->sequence_number;
  job->partial_progress = options.partial_progress;
  job->snapshot_properties = options.snapshot_properties;
  RewritePlan rewrite{.job = std::move(job), .tasks = {}};
  for (const auto& group : groups) rewrite.tasks.push_back(task_of(rewrite.job, plan, group, sizes, z_order));
  order(rewrite.tasks, options.rewrite_job_order);
  for (size_t i = 0; i < rewrite.tasks.size(); ++i) {
    rewrite.tasks[i].group = static_cast<int64_t>(i);
    rewrite.tasks[i].curve = options.curve;
  }
  return rewrite;
}

}  // namespace floe
