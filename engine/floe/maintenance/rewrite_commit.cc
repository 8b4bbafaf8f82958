#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/manifest/manifest.h"
#include "floe/spec/value.h"
#include "floe/transaction/partition_set.h"
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

using Paths = std::set<std::string, std::less<>>;

// Whether a snapshot may have files that were written since the plan was made of `start`.
bool may_be_newer(const TableMetadata& table, const Snapshot& snapshot, const Snapshot* start) {
  return table.format_version < 2 || !start || snapshot.sequence_number > start->sequence_number;
}

// Manifests of data files that snapshots since the plan have, and that may have one of these files; each once.
std::vector<ManifestFile> manifests_with(const TableMetadata& table, const RewriteJob& job,
                                         const std::vector<DataFile>& files, Io& io) {
  PartitionSet partitions;
  for (const DataFile& file : files) {
    const PartitionSpec* spec = spec_by_id(table, file.spec_id);
    if (spec) {
      partitions.insert(file.spec_id, partition_bytes(file.partition, partition_type(*spec, *current_schema(table))));
    }
  }
  const Snapshot* start = snapshot_by_id(table, job.starting_snapshot);
  std::vector<ManifestFile> found;
  std::set<std::string> seen;
  for (const auto& snapshot : table.snapshots) {
    if (!may_be_newer(table, *snapshot, start)) continue;
    const std::vector<ManifestFile> manifests = manifests_of(io, *snapshot);
    const std::vector<uint8_t> may = partitions.may_have(table, manifests);
    for (size_t i = 0; i < manifests.size(); ++i) {
      const bool is_one = manifests[i].content == ManifestContent::kData && may[i];
      if (is_one && seen.insert(manifests[i].manifest_path).second) found.push_back(manifests[i]);
    }
  }
  return found;
}

// Those of the files that some snapshot has: their results were committed before.
Paths committed_among(const TableMetadata& table, const RewriteJob& job, const std::vector<DataFile>& files, Io& io) {
  Paths wanted, committed;
  for (const DataFile& file : files) wanted.insert(file.file_path);
  if (wanted.empty()) return committed;
  for (const ManifestFile& file : manifests_with(table, job, files, io)) {
    const ManifestPtr manifest = open_manifest(io, file)->entries();
    for (size_t i = 0; i < manifest->size; ++i) {
      if (wanted.contains(manifest->file_path[i])) committed.emplace(manifest->file_path[i]);
    }
  }
  return committed;
}

// Removes files that were written for a commit which does not have them. The same results may have been committed
// before, by somebody who did not get to note it: what the table has stays, and all of it where that cannot be told.
void discard(Catalog& catalog, const LoadedTable& base, const RewriteJob& job, const std::vector<DataFile>& files,
             Io& io) noexcept {
  if (files.empty()) return;
  try {
    const LoadedTable table = catalog.load_table(base.identifier);
    if (table.metadata->table_uuid != base.metadata->table_uuid) return;
    const Paths committed = committed_among(*table.metadata, job, files, io);
    std::vector<std::string> unused = locations_of(files);
    std::erase_if(unused, [&](const std::string& location) { return committed.contains(location); });
    remove_files(io, unused);
  } catch (const std::exception&) {
    return;  // they are orphan files
  }
}

void take_files(RewriteResult& result, std::vector<DataFile>& to) {
  std::ranges::move(result.added, std::back_inserter(to));
}

// Leaves out what was committed before.
void leave_out_committed(const TableMetadata& table, std::vector<RewriteResult>& results, Io& io) {
  std::vector<DataFile> files;
  for (const RewriteResult& result : results) std::ranges::copy(result.added, std::back_inserter(files));
  const Paths committed = committed_among(table, *results.front().job, files, io);
  std::erase_if(results, [&](const RewriteResult& result) {
    return std::ranges::any_of(result.added, [&](const DataFile& file) { return committed.contains(file.file_path); });
  });
}

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

// Leaves out results in conflict; their files are `unused`.
void leave_out_conflicting(const LoadedTable& table, std::vector<RewriteResult>& results, Io& io, RewriteCounts& counts,
                           std::vector<DataFile>& unused) {
  std::erase_if(results, [&](RewriteResult& result) {
    std::string why;
    if (!is_in_conflict(table, result, io, why)) return false;
    take_files(result, unused);
    counts.failed_data_files += static_cast<int64_t>(result.removed.size());
    counts.failures.push_back(std::move(why));
    return true;
  });
}

// Somebody ran a task twice: leaves the first result of each group. The files of the others are `unused`, unless it is
// the very same result.
void leave_first_of_each_group(std::vector<RewriteResult>& results, std::vector<DataFile>& unused) {
  std::set<int64_t> groups;
  Paths kept;
  for (const RewriteResult& result : results) {
    if (!groups.insert(result.group).second) continue;
    for (const DataFile& file : result.added) kept.insert(file.file_path);
  }
  groups.clear();
  std::erase_if(results, [&](RewriteResult& result) {
    if (groups.insert(result.group).second) return false;
    std::erase_if(result.added, [&](const DataFile& file) { return kept.contains(file.file_path); });
    take_files(result, unused);
    return true;
  });
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
  const RewriteJobPtr job = results.front().job;
  std::vector<DataFile> unused;
  leave_first_of_each_group(results, unused);
  try {
    LoadedTable table = base;
    if (!snapshot_by_id(*table.metadata, job->starting_snapshot)) table = catalog.load_table(base.identifier);
    while (!results.empty()) {
      try {
        table = commit_all(catalog, table, results, counts, stop);
        break;
      } catch (const ConflictFound&) {
        table = catalog.load_table(base.identifier);
        const size_t before = results.size();
        leave_out_committed(*table.metadata, results, *io);
        if (job->partial_progress) leave_out_conflicting(table, results, *io, counts, unused);
        if (results.size() == before) throw;
      }
    }
    discard(catalog, base, *job, unused, *io);
    return table;
  } catch (const CommitStateUnknown&) {
    throw;
  } catch (...) {
    for (RewriteResult& result : results) take_files(result, unused);
    discard(catalog, base, *job, unused, *io);
    throw;
  }
}

}  // namespace floe
