#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/spec/value.h"
#include "floe/transaction/snapshot_summary.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

constexpr std::string_view kAdvice = "Its files stay as they are; the next run finds them again";

// What makes a conflict of what others committed since the plan was made.
ConflictChecks checks_of(const RewriteResult& result, const TableMetadata& table) {
  const RewriteJob& job = *result.job;
  ConflictChecks checks{.starting_snapshot = job.starting_snapshot};
  checks.equality_deletes_stay = job.data_sequence_number.has_value();
  for (const Removal& removal : result.removed) {
    DataFile file;
    file.file_path = removal.id.path;
    file.spec_id = removal.spec_id;
    if (const PartitionSpec* spec = spec_by_id(table, removal.spec_id)) {
      file.partition = partition_values(removal.partition, partition_type(*spec, *current_schema(table)));
    }
    checks.no_new_deletes.push_back(std::move(file));
    // Equality deletes apply within a partition of the spec that the file had.
    if (removal.spec_id != job.table.default_spec_id) checks.equality_deletes_stay = false;
  }
  return checks;
}

// The step of a commit. Row ids are as the table's format version has them, so that there is none on another one.
class RewriteStep : public Step {
 public:
  RewriteStep(IoPtr io, const LoadedTable& base, int32_t format_version, SnapshotChange change)
      : format_version_(format_version), producer_(std::move(io), base, std::move(change)) {}

  TableCommit build(const LoadedTable& base) override {
    if (base.metadata->format_version != format_version_) {
      throw ConflictFound(
          fmt::format("table {}: it was upgraded to format version {} while its files were rewritten. {}",
                      to_string(base.identifier), base.metadata->format_version, kAdvice));
    }
    return producer_.build(base);
  }
  void succeeded(const TableMetadata& table) noexcept override { producer_.succeeded(table); }
  void failed() noexcept override { producer_.failed(); }

 private:
  const int32_t format_version_;
  SnapshotProducer producer_;
};

SnapshotChange change_of(const std::vector<RewriteResult>& results, const TableMetadata& table) {
  const RewriteJob& job = *results.front().job;
  SnapshotChange change{.operation = "replace",
                        .data_sequence_number = job.data_sequence_number,
                        .branch = job.branch,
                        .checks = {.starting_snapshot = job.starting_snapshot, .equality_deletes_stay = true},
                        .snapshot_properties = job.snapshot_properties};
  for (const RewriteResult& result : results) {
    std::ranges::copy(result.removed, std::back_inserter(change.removed));
    std::ranges::copy(result.added, std::back_inserter(change.added));
    ConflictChecks checks = checks_of(result, table);
    std::ranges::move(checks.no_new_deletes, std::back_inserter(change.checks.no_new_deletes));
    change.checks.equality_deletes_stay &= checks.equality_deletes_stay;
  }
  return change;
}

LoadedTable commit_all(Catalog& catalog, const LoadedTable& base, const std::vector<RewriteResult>& results,
                       RewriteCounts& counts, const arrow::StopToken& stop) {
  Transaction transaction(catalog, base);
  const RewriteJob& job = *results.front().job;
  transaction.add(std::make_unique<RewriteStep>(transaction.io(), base, job.table.format_version,
                                                change_of(results, *base.metadata)));
  LoadedTable table = transaction.commit(stop);
  const Snapshot* snapshot = snapshot_by_id(*table.metadata, *transaction.snapshots().begin());
  if (snapshot) counts.removed_delete_files += summary_number(snapshot->summary, "removed-delete-files").value_or(0);
  for (const RewriteResult& result : results) {
    counts.rewritten_data_files += static_cast<int64_t>(result.removed.size());
    counts.rewritten_bytes += result.removed_bytes;
    counts.added_data_files += static_cast<int64_t>(result.added.size());
  }
  ++counts.commits;
  return table;
}

void discard(Io& io, const RewriteResult& result) { remove_files(io, locations_of(result.added)); }

// Whether the files of a group are all there as they were.
bool is_in_conflict(const LoadedTable& table, const RewriteResult& result, Io& io, std::string& why) {
  ConflictChecks checks = checks_of(result, *table.metadata);
  for (const Removal& removal : result.removed) checks.still_there.insert(removal.id.path);
  try {
    check_conflicts(table, parent_snapshot(*table.metadata, result.job->branch), checks, io);
    return false;
  } catch (const ConflictFound& e) {
    why = e.what();
    return true;
  }
}

// Those that are left; files of the others are removed.
std::vector<RewriteResult> without_conflicting(const LoadedTable& table, std::vector<RewriteResult> results, Io& io,
                                               RewriteCounts& counts) {
  std::erase_if(results, [&](const RewriteResult& result) {
    std::string why;
    if (!is_in_conflict(table, result, io, why)) return false;
    discard(io, result);
    counts.failed_data_files += static_cast<int64_t>(result.removed.size());
    counts.failures.push_back(std::move(why));
    return true;
  });
  return results;
}

// Somebody ran a task twice.
std::vector<RewriteResult> first_of_each_group(std::vector<RewriteResult> results, Io& io) {
  std::set<int64_t> groups;
  std::set<std::string> kept;
  for (const RewriteResult& result : results) {
    if (!groups.insert(result.group).second) continue;
    for (const DataFile& file : result.added) kept.insert(file.file_path);
  }
  groups.clear();
  std::erase_if(results, [&](const RewriteResult& result) {
    if (groups.insert(result.group).second) return false;
    for (const DataFile& file : result.added) {
      if (!kept.contains(file.file_path)) remove_files(io, {file.file_path});  // not the very same result
    }
    return true;
  });
  return results;
}

void check_same_job(const LoadedTable& base, const std::vector<RewriteResult>& results) {
  for (const RewriteResult& result : results) {
    const RewriteJob& job = *result.job;
    if (job.table.table_uuid != base.metadata->table_uuid) {
      throw InvalidArgument(fmt::format("table {}: the files were rewritten for another table, {}",
                                        to_string(base.identifier), job.table_name));
    }
    if (job.id != results.front().job->id) {
      throw InvalidArgument(
          fmt::format("table {}: the results are of different plans; commit those of each by themselves",
                      to_string(base.identifier)));
    }
  }
}

}  // namespace

LoadedTable commit_rewrite(Catalog& catalog, const LoadedTable& base, std::vector<RewriteResult> results,
                           RewriteCounts& counts, const arrow::StopToken& stop) {
  if (results.empty()) return base;
  check_same_job(base, results);
  const IoPtr io = catalog.io(base);
  results = first_of_each_group(std::move(results), *io);
  const RewriteJob& job = *results.front().job;
  const RewriteJobPtr alive = results.front().job;
  try {
    LoadedTable table = base;
    if (!snapshot_by_id(*table.metadata, job.starting_snapshot)) table = catalog.load_table(base.identifier);
    while (!results.empty()) {
      try {
        return commit_all(catalog, table, results, counts, stop);
      } catch (const ConflictFound&) {
        if (!job.partial_progress) throw;
        table = catalog.load_table(base.identifier);
        const size_t before = results.size();
        results = without_conflicting(table, std::move(results), *io, counts);
        if (results.size() == before) throw;
      }
    }
    return table;
  } catch (const CommitStateUnknown&) {
    throw;
  } catch (...) {
    for (const RewriteResult& result : results) discard(*io, result);
    throw;
  }
}

}  // namespace floe
