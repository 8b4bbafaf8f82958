#include "floe/transaction/overwrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/expression/evaluate.h"
#include "floe/manifest/manifest.h"
#include "floe/naming.h"
#include "floe/parallel.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/file_matcher.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

constexpr std::string_view kUpdateIsolation = "write.update.isolation-level";

std::string name_of(const Transaction& transaction) { return to_string(transaction.base().identifier); }

std::vector<ManifestFile> live_manifests(Transaction& transaction, const std::string& branch) {
  const Snapshot* head = parent_snapshot(*transaction.staged().metadata, branch);
  std::vector<ManifestFile> manifests = head ? manifests_of(*transaction.io(), *head) : std::vector<ManifestFile>();
  std::erase_if(manifests, [](const ManifestFile& file) { return !may_have_files(file); });
  return manifests;
}

// What `find` finds in each of the manifests, which are opened in parallel.
template <typename Find>
std::vector<Removal> find_files(Transaction& transaction, const std::vector<ManifestFile>& manifests,
                                const arrow::StopToken& stop, const Find& find) {
  std::vector<std::vector<Removal>> found(manifests.size());
  parallel_for(
      manifests.size(), [&](size_t i) { find(*open_manifest(*transaction.io(), manifests[i]), found[i]); }, stop);
  std::vector<Removal> files;
  for (std::vector<Removal>& part : found) std::ranges::move(part, std::back_inserter(files));
  return files;
}

// --- by filter -------------------------------------------------------------------------------------------------------

// Position deletes of partitions of which every row matches, and all delete files where every row of the table does.
// Without the rows they are of no use to anybody, so that it does not matter if others remove them first.
std::vector<Removal> deletes_of_nothing_else(Transaction& transaction, const OverwriteOptions& options,
                                             const arrow::StopToken& stop) {
  const TableMetadata& table = *transaction.staged().metadata;
  const FileMatcher matcher(table, options.filter, options.case_sensitive);
  const bool everything = matcher.filter().kind == ExprKind::kTrue;
  std::vector<ManifestFile> manifests = live_manifests(transaction, options.branch);
  std::erase_if(manifests, [&](const ManifestFile& file) {
    return file.content != ManifestContent::kDeletes || !matcher.may_match(file);
  });
  return find_files(transaction, manifests, stop, [&](ManifestReader& reader, std::vector<Removal>& found) {
    const ManifestPtr manifest = reader.entries();
    const PartitionSpec* spec = spec_by_id(table, manifest->spec_id);
    if (!spec) return;
    // Not by their own bounds, which may be those of the rows that they delete: the partition has other rows.
    const std::vector<uint8_t> all =
        must_match(project_strict(matcher.filter(), *spec, *current_schema(table)), *reader.partition_stats());
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted) continue;
      const bool by_position = manifest->file_content[i] == FileContent::kPositionDeletes;
      if (!everything && !(by_position && all[i])) continue;
      found.push_back(removal_of(*manifest, i));
      found.back().may_be_gone = true;
    }
  });
}

// The table properties that say how rows leave, where the options do not.
struct RemovalProperties {
  std::string_view isolation, mode;
};
constexpr RemovalProperties kDelete{"write.delete.isolation-level", "write.delete.mode"};

// As PyIceberg does it, an overwrite that has no mode of its own is done as a delete.
RemovalProperties overwrite_properties(const Transaction& transaction) {
  const bool own = transaction.staged().metadata->properties.contains("write.update.mode");
  return {kUpdateIsolation, own ? "write.update.mode" : kDelete.mode};
}

// The change that removes the rows which match, without those that come.
SnapshotChange removal(Transaction& transaction, const OverwriteOptions& options, const RemovalProperties& properties,
                       const WriteOptions& write) {
  const LoadedTable& staged = transaction.staged();
  check_branch(staged, options.branch);
  check_snapshot_properties(options.snapshot_properties);
  const Isolation isolation = options.isolation.value_or(isolation_level(*staged.metadata, properties.isolation));
  const DeleteMode mode = delete_mode(*staged.metadata, properties.mode, options.mode);
  SnapshotChange change{.branch = options.branch,
                        .stage_only = options.stage_only,
                        .checks = transaction.checks_for(options.branch),
                        .snapshot_properties = options.snapshot_properties};
  LeavingRows leaving = plan_removal(transaction, options.branch, options.filter, options.case_sensitive, write);
  if (!leaving.plan.parts.empty()) {
    find_rows(leaving.table, leaving.plan, leaving.scan, transaction.io(),
              [&](FoundRows rows) { leaving.add(std::move(rows)); });
  }
  try {
    remove_rows(transaction, std::move(leaving), mode, write, change);
    if (!change.removed.empty()) {
      std::ranges::move(deletes_of_nothing_else(transaction, options, write.stop), std::back_inserter(change.removed));
    }
  } catch (...) {
    remove_files(*transaction.io(), change.discard);
    throw;
  }
  change.checks.case_sensitive = options.case_sensitive;
  if (isolation == Isolation::kSerializable) change.checks.no_added_data = options.filter;
  return change;
}

// Whether any row leaves; of those that stay in part, the rest is added.
bool found_any(const SnapshotChange& change) { return !change.removed.empty() || !change.added.empty(); }

// A delete that found nothing. Under serializable isolation it relies on that there is nothing when it is committed.
class NothingFound : public Step {
 public:
  NothingFound(IoPtr io, SnapshotChange change)
      : io_(std::move(io)), branch_(std::move(change.branch)), checks_(std::move(change.checks)) {}

  TableCommit build(const LoadedTable& base) override {
    const Snapshot* head = parent_snapshot(*base.metadata, branch_);
    check_conflicts(base, head, checks_, *io_);
    TableCommit commit;
    const auto ref = base.metadata->refs.find(branch_);
    const bool is_there = ref != base.metadata->refs.end();
    commit.requirements.emplace_back(
        AssertRefSnapshotId{branch_, is_there ? std::optional(ref->second.snapshot_id) : std::nullopt});
    return commit;
  }

 private:
  const IoPtr io_;
  const std::string branch_;
  const ConflictChecks checks_;
};

WriteOptions named(WriteOptions write, const Transaction& transaction) {
  if (write.table_name.empty()) write.table_name = name_of(transaction);
  return write;
}

void check_data_files(const Transaction& transaction, const std::vector<DataFile>& files) {
  for (const DataFile& file : files) {
    if (file.content == FileContent::kData) continue;
    throw InvalidArgument(fmt::format("table {}: {} is a delete file; only data files can take the place of rows",
                                      name_of(transaction), file.file_path));
  }
}

// --- by partition ----------------------------------------------------------------------------------------------------

// Partitions of the table's default spec, and where files of any spec are with respect to them.
class Partitions {
 public:
  Partitions(const TableMetadata& table, const std::vector<DataFile>& files)
      : table_(table), spec_(default_spec(table)), type_(partition_type(spec_, *current_schema(table))) {
    for (const DataFile& file : files) {
      if (keys_.insert(partition_key(spec_.spec_id, file.partition, type_)).second) values_.push_back(file.partition);
    }
  }

  const std::vector<std::vector<Value>>& values() const { return values_; }

  // The manifests that may have files in one of the partitions; of other specs all.
  std::vector<ManifestFile> keep_candidates(std::vector<ManifestFile> manifests) const {
    PartitionSet set;
    for (const std::vector<Value>& values : values_) set.insert(spec_.spec_id, partition_bytes(values, type_));
    const std::vector<uint8_t> may = set.may_have(table_, manifests);
    std::vector<ManifestFile> kept;
    for (size_t i = 0; i < manifests.size(); ++i) {
      if (may[i] || manifests[i].partition_spec_id != spec_.spec_id) kept.push_back(std::move(manifests[i]));
    }
    return kept;
  }

  // kAll: in one of the partitions; kNone: surely none of its rows is.
  std::vector<Match> match(const Manifest& manifest) const {
    std::vector<Match> matches(manifest.size, Match::kNone);
    const PartitionSpec* spec = spec_by_id(table_, manifest.spec_id);
    if (!spec) {
      throw CorruptFile(
          fmt::format("a manifest is of the partition spec {}, which the table does not have", manifest.spec_id));
    }
    const Type type = partition_type(*spec, *current_schema(table_));
    const std::vector<std::pair<size_t, size_t>> shared = shared_fields(*spec);
    std::set<std::string> keys;
    for (const std::vector<Value>& values : values_) keys.insert(key_of_shared(values, type_, shared, true));
    for (size_t i = 0; i < manifest.size; ++i) {
      if (!keys.contains(key_of_shared(partition_of(manifest, i, type), type, shared, false))) continue;
      matches[i] = shared.size() == spec_.fields.size() ? Match::kAll : Match::kSome;
    }
    return matches;
  }

 private:
  // Fields of the default spec and of another one that are the same function of the same column.
  std::vector<std::pair<size_t, size_t>> shared_fields(const PartitionSpec& other) const {
    std::vector<std::pair<size_t, size_t>> shared;
    for (size_t i = 0; i < spec_.fields.size(); ++i) {
      for (size_t k = 0; k < other.fields.size(); ++k) {
        const bool same = spec_.fields[i].source_ids == other.fields[k].source_ids &&
                          spec_.fields[i].transform == other.fields[k].transform;
        if (!same) continue;
        shared.emplace_back(i, k);
        break;
      }
    }
    return shared;
  }

  static std::string key_of_shared(const std::vector<Value>& values, const Type& type,
                                   const std::vector<std::pair<size_t, size_t>>& shared, bool of_default) {
    std::vector<Value> chosen;
    std::vector<Field> fields;
    for (const auto& [mine, theirs] : shared) {
      const size_t i = of_default ? mine : theirs;
      chosen.push_back(values[i]);
      fields.push_back((*type.children)[i]);
    }
    return partition_key(0, chosen, struct_type(std::move(fields)));
  }

  const TableMetadata& table_;
  const PartitionSpec& spec_;
  const Type type_;
  std::set<std::string> keys_;
  std::vector<std::vector<Value>> values_;
};

std::vector<Removal> files_in(Transaction& transaction, const Partitions& partitions, const std::string& branch,
                              const arrow::StopToken& stop) {
  return find_files(
      transaction, partitions.keep_candidates(live_manifests(transaction, branch)), stop,
      [&](ManifestReader& reader, std::vector<Removal>& found) {
        const ManifestPtr manifest = reader.entries();
        const std::vector<Match> matches = partitions.match(*manifest);
        for (size_t i = 0; i < manifest->size; ++i) {
          if (manifest->status[i] == EntryStatus::kDeleted || matches[i] == Match::kNone) continue;
          const bool is_data = manifest->file_content[i] == FileContent::kData;
          if (matches[i] == Match::kAll) {
            found.push_back(removal_of(*manifest, i));
            found.back().may_be_gone = !is_data;  // without the rows, deletes are of no use to anybody
          } else if (is_data) {
            throw NotSupported(fmt::format(
                "table {}: {} was written under the older partition spec {} and may have rows of the partitions to be "
                "replaced. Overwrite by a filter instead, or rewrite the file",
                name_of(transaction), manifest->file_path[i], manifest->spec_id));
          }
        }
      });
}

void check_partitioned(const Transaction& transaction) {
  if (default_spec(*transaction.staged().metadata).is_unpartitioned()) {
    throw InvalidArgument(
        fmt::format("table {}: Cannot apply dynamic overwrite on an unpartitioned table.", name_of(transaction)));
  }
}

// The change that puts files in the place of their partitions.
SnapshotChange replacement(Transaction& transaction, std::vector<DataFile> files,
                           const PartitionOverwriteOptions& options,
                           const arrow::StopToken& stop = arrow::StopToken::Unstoppable()) {
  check_partitioned(transaction);
  check_data_files(transaction, files);
  const TableMetadata& table = *transaction.staged().metadata;
  for (const DataFile& file : files) {
    if (file.spec_id == table.default_spec_id) continue;
    throw InvalidArgument(
        fmt::format("table {}: {} is of the partition spec {}, but the partitions to replace are of "
                    "the table's default spec {}",
                    name_of(transaction), file.file_path, file.spec_id, table.default_spec_id));
  }
  SnapshotChange change{.operation = "overwrite",
                        .branch = options.branch,
                        .stage_only = options.stage_only,
                        .checks = transaction.checks_for(options.branch),
                        .snapshot_properties = options.snapshot_properties};
  change.snapshot_properties.insert_or_assign(std::string(kReplacePartitions), "true");
  const Partitions partitions(table, files);
  change.added = std::move(files);
  change.removed = files_in(transaction, partitions, options.branch, stop);
  if (options.isolation.value_or(isolation_level(table, kUpdateIsolation)) == Isolation::kSerializable) {
    for (const std::vector<Value>& values : partitions.values()) {
      change.checks.no_added_in.push_back({table.default_spec_id, values});
    }
  }
  return change;
}

}  // namespace

bool delete_rows(Transaction& transaction, const OverwriteOptions& options, WriteOptions write) {
  return naming(name_of(transaction), [&] {
    SnapshotChange change = removal(transaction, options, kDelete, named(std::move(write), transaction));
    const bool any = found_any(change);
    if (any) {
      transaction.add(std::move(change));
    } else if (!change.checks.empty()) {
      transaction.add(std::make_unique<NothingFound>(transaction.io(), std::move(change)));
    }
    return any;
  });
}

bool overwrite(Transaction& transaction, arrow::RecordBatchReader& batches, const OverwriteOptions& options,
               WriteOptions write) {
  return naming(name_of(transaction), [&] {
    write = named(std::move(write), transaction);
    SnapshotChange change = removal(transaction, options, overwrite_properties(transaction), write);
    const bool any = found_any(change);
    try {
      std::vector<DataFile> files = write_data_files(*transaction.staged().metadata, batches, *transaction.io(), write);
      std::ranges::move(locations_of(files), std::back_inserter(change.discard));
      std::ranges::move(files, std::back_inserter(change.added));
    } catch (...) {
      remove_files(*transaction.io(), change.discard);
      throw;
    }
    transaction.add(std::move(change));
    return any;
  });
}

bool overwrite(Transaction& transaction, std::vector<DataFile> files, const OverwriteOptions& options) {
  return naming(name_of(transaction), [&] {
    check_data_files(transaction, files);
    SnapshotChange change = removal(transaction, options, overwrite_properties(transaction), named({}, transaction));
    const bool any = found_any(change);
    std::ranges::move(files, std::back_inserter(change.added));
    transaction.add(std::move(change));
    return any;
  });
}

bool overwrite_partitions(Transaction& transaction, arrow::RecordBatchReader& batches,
                          const PartitionOverwriteOptions& options, WriteOptions write) {
  return naming(name_of(transaction), [&] {
    check_partitioned(transaction);
    check_branch(transaction.staged(), options.branch);
    check_snapshot_properties(options.snapshot_properties);
    const TableMetadata& table = *transaction.staged().metadata;
    const arrow::StopToken stop = write.stop;
    std::vector<DataFile> files =
        write_data_files(table, batches, *transaction.io(), named(std::move(write), transaction));
    const std::vector<std::string> locations = locations_of(files);
    SnapshotChange change;
    try {
      change = replacement(transaction, std::move(files), options, stop);
    } catch (...) {
      remove_files(*transaction.io(), locations);
      throw;
    }
    change.discard = locations;
    if (change.added.empty()) return false;
    transaction.add(std::move(change));
    return true;
  });
}

bool overwrite_partitions(Transaction& transaction, std::vector<DataFile> files,
                          const PartitionOverwriteOptions& options) {
  return naming(name_of(transaction), [&] {
    SnapshotChange change = replacement(transaction, std::move(files), options);
    if (change.added.empty()) return false;
    transaction.add(std::move(change));
    return true;
  });
}

}  // namespace floe
