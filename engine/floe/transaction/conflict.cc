#include "floe/transaction/conflict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <utility>

#include "floe/error.h"
#include "floe/file/position_delete.h"
#include "floe/manifest/manifest.h"
#include "floe/parallel.h"
#include "floe/scan/delete_index.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/file_matcher.h"
#include "floe/transaction/partition_set.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

constexpr std::string_view kAdvice = "Read the table again and repeat the change";

Type partition_type_of(const TableMetadata& table, int32_t spec_id) {
  const PartitionSpec* spec = spec_by_id(table, spec_id);
  return spec ? partition_type(*spec, *current_schema(table)) : struct_type({});
}

class Checker {
 public:
  Checker(const LoadedTable& base, const ConflictChecks& checks, Io& io)
      : base_(base), table_(*base.metadata), checks_(checks), io_(io) {
    if (checks.no_added_data) data_matcher_.emplace(table_, *checks.no_added_data, checks.case_sensitive);
    if (checks.no_added_deletes) delete_matcher_.emplace(table_, *checks.no_added_deletes, checks.case_sensitive);
    for (const auto& [spec_id, values] : checks.no_added_in) {
      const Type type = partition_type_of(table_, spec_id);
      partitions_.insert(partition_key(spec_id, values, type));
      in_partitions_.insert(spec_id, partition_bytes(values, type));
    }
    for (const DataFile& file : checks.no_new_deletes) {
      rewritten_.insert(file.file_path);
      rewritten_in_[partition_key(file.spec_id, file.partition, partition_type_of(table_, file.spec_id))].push_back(
          file.file_path);
    }
  }

  void check(const std::vector<const Snapshot*>& snapshots) {
    std::vector<std::pair<const Snapshot*, ManifestFile>> manifests;
    for (const Snapshot* snapshot : snapshots) {
      for (ManifestFile& file : manifests_of(io_, *snapshot)) {
        if (file.added_snapshot_id != snapshot->snapshot_id || !concerns(*snapshot, file)) continue;
        manifests.emplace_back(snapshot, std::move(file));
      }
    }
    parallel_for(manifests.size(), [&](size_t i) {
      const auto& [snapshot, file] = manifests[i];
      const ManifestReaderPtr reader = open_manifest(io_, file);
      file.content == ManifestContent::kData ? check_data(*snapshot, file, reader)
                                             : check_deletes(*snapshot, file, *reader);
    });
    if (added_.empty()) return;
    if (const auto contradicts = checks_.find_added(base_, added_)) {
      const ManifestPart& part = added_[contradicts->first];
      const uint32_t entry = part.entries[contradicts->second];
      added(part.manifest->snapshot_id[entry], part.manifest->file_path[entry]);
    }
  }

 private:
  bool concerns(const Snapshot& snapshot, const ManifestFile& file) const {
    if (file.content == ManifestContent::kDeletes) {
      return (delete_matcher_ && delete_matcher_->may_match(file)) || !rewritten_.empty();
    }
    if (!checks_.still_there.empty() && file.deleted_files_count != 0) return true;
    return adds_rows(snapshot) && file.added_files_count != 0 &&
           ((data_matcher_ && data_matcher_->may_match(file)) || may_be_in_partitions(file) || is_of_other_spec(file));
  }

  bool may_be_in_partitions(const ManifestFile& file) const {
    return !partitions_.empty() && in_partitions_.may_have(table_, {file}).front() != 0;
  }

  bool is_of_other_spec(const ManifestFile& file) const {
    return checks_.only_specs && !checks_.only_specs->contains(file.partition_spec_id);
  }

  static bool adds_rows(const Snapshot& snapshot) { return snapshot.summary.get("operation") != "replace"; }

  void check_data(const Snapshot& snapshot, const ManifestFile& file, const ManifestReaderPtr& reader) {
    const bool by_filter = data_matcher_ && data_matcher_->may_match(file);
    const std::vector<Match> matches = by_filter ? data_matcher_->match(*reader) : std::vector<Match>();
    const ManifestPtr manifest = reader->entries();
    ManifestPart may_match{reader, manifest, {}};
    const Type partition = partition_type_of(table_, manifest->spec_id);
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->snapshot_id[i] != snapshot.snapshot_id) continue;
      if (manifest->status[i] == EntryStatus::kDeleted && checks_.still_there.contains(manifest->file_path[i])) {
        found(snapshot.snapshot_id, "removed a data file of which rows are deleted", manifest->file_path[i]);
      }
      if (manifest->status[i] != EntryStatus::kAdded || !adds_rows(snapshot)) continue;
      if (by_filter && matches[i] != Match::kNone) {
        if (!checks_.find_added) added(snapshot.snapshot_id, manifest->file_path[i]);
        may_match.entries.push_back(static_cast<uint32_t>(i));
      }
      if (is_of_other_spec(file)) {
        found(snapshot.snapshot_id,
              fmt::format("added rows under the partition spec {}, which the deletes by key do not reach",
                          file.partition_spec_id),
              manifest->file_path[i]);
      }
      if (!partitions_.empty() &&
          partitions_.contains(partition_key(manifest->spec_id, partition_of(*manifest, i, partition), partition))) {
        found(snapshot.snapshot_id, "added rows to a partition that is replaced", manifest->file_path[i]);
      }
    }
    if (may_match.entries.empty()) return;
    std::lock_guard lock(mutex_);
    added_.push_back(std::move(may_match));
  }

  void check_deletes(const Snapshot& snapshot, const ManifestFile& file, ManifestReader& reader) const {
    const bool by_filter = delete_matcher_ && delete_matcher_->may_match(file);
    const std::vector<Match> matches = by_filter ? delete_matcher_->match(reader) : std::vector<Match>();
    const std::shared_ptr<const Stats> stats = reader.stats({kDeleteFilePathId});
    const ColumnStats* paths = stats->column(kDeleteFilePathId);
    const ManifestPtr manifest = reader.entries();
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->snapshot_id[i] != snapshot.snapshot_id || manifest->status[i] != EntryStatus::kAdded) continue;
      if (by_filter && matches[i] != Match::kNone) {
        found(snapshot.snapshot_id, fmt::format("deleted rows that may match {}", to_string(*checks_.no_added_deletes)),
              manifest->file_path[i]);
      }
      if (applies(*manifest, paths, i))
        found(snapshot.snapshot_id, "deleted rows of a file that is rewritten", manifest->file_path[i]);
    }
  }

  // Whether a delete file that is newer than all the rewritten files applies to one of them.
  bool applies(const Manifest& manifest, const ColumnStats* paths, size_t i) const {
    if (rewritten_.empty()) return false;
    const bool by_position = manifest.file_content[i] == FileContent::kPositionDeletes;
    if (!by_position && checks_.equality_deletes_stay) return false;
    if (!by_position && deletes_globally(manifest.spec)) return true;
    const std::string_view only = only_data_file(manifest, paths, i);
    if (!only.empty()) return rewritten_.contains(only);
    const Type partition = partition_type_of(table_, manifest.spec_id);
    const auto files =
        rewritten_in_.find(partition_key(manifest.spec_id, partition_of(manifest, i, partition), partition));
    if (files == rewritten_in_.end()) return false;
    return !by_position || has_positions_of(manifest, paths, i, files->second);
  }

  // Whether a position delete file of several data files deletes rows of one of these.
  bool has_positions_of(const Manifest& manifest, const ColumnStats* paths, size_t i,
                        const std::vector<std::string>& files) const {
    std::vector<std::string> within;
    std::ranges::copy_if(files, std::back_inserter(within), [&](const std::string& path) {
      return (!paths || !paths->lower_bounds.has(i) || paths->lower_bounds[i] <= path) &&
             (!paths || !paths->upper_bounds.has(i) || path.starts_with(paths->upper_bounds[i]) ||
              path <= paths->upper_bounds[i]);
    });
    if (within.empty()) return false;
    try {
      return !read_position_deletes(io_, data_file(manifest, i), within).empty();
    } catch (const NotFound&) {
      return true;  // nobody knows
    }
  }

  [[noreturn]] void added(int64_t snapshot_id, std::string_view path) const {
    found(snapshot_id,
          checks_.find_added ? "added rows of the same keys"
                             : fmt::format("added rows that may match {}", to_string(*checks_.no_added_data)),
          path);
  }

  [[noreturn]] void found(int64_t snapshot_id, const std::string& what, std::string_view path) const {
    throw ConflictFound(fmt::format("table {}: snapshot {} of another writer {}: {}. {}", to_string(base_.identifier),
                                    snapshot_id, what, path, kAdvice));
  }

  const LoadedTable& base_;
  const TableMetadata& table_;
  const ConflictChecks& checks_;
  Io& io_;
  std::optional<FileMatcher> data_matcher_, delete_matcher_;
  std::set<std::string, std::less<>> partitions_;
  PartitionSet in_partitions_;                                    // the same
  std::set<std::string, std::less<>> rewritten_;                  // paths
  std::map<std::string, std::vector<std::string>> rewritten_in_;  // by partition

  std::mutex mutex_;
  std::vector<ManifestPart> added_;  // files for `find_added`
};

// The snapshots of other writers after the starting one, up to `head`.
std::vector<const Snapshot*> snapshots_since(const LoadedTable& base, const Snapshot* head,
                                             const ConflictChecks& checks) {
  std::vector<const Snapshot*> snapshots;
  const Snapshot* snapshot = head;
  bool from_the_first = true;  // the walk ended where the history begins
  while (snapshot && snapshot->snapshot_id != checks.starting_snapshot) {
    if (!checks.own_snapshots.contains(snapshot->snapshot_id)) snapshots.push_back(snapshot);
    from_the_first = !snapshot->parent_snapshot_id;
    snapshot = from_the_first || snapshots.size() > base.metadata->snapshots.size()
                   ? nullptr
                   : snapshot_by_id(*base.metadata, *snapshot->parent_snapshot_id);
  }
  if (!snapshot && (checks.starting_snapshot || !from_the_first)) {
    throw ConflictFound(fmt::format(
        "table {}: {} is not in the history of the branch (any more): what other writers committed since is not "
        "known. {}",
        to_string(base.identifier),
        checks.starting_snapshot
            ? fmt::format("snapshot {}, on which the change was planned,", *checks.starting_snapshot)
            : "the empty table, on which the change was planned,",
        kAdvice));
  }
  return snapshots;
}

}  // namespace

Isolation parse_isolation(std::string_view text) {
  std::string level(text);
  std::ranges::transform(level, level.begin(), [](unsigned char c) { return std::tolower(c); });
  if (level == "serializable") return Isolation::kSerializable;
  if (level == "snapshot") return Isolation::kSnapshot;
  throw InvalidArgument(fmt::format("the isolation level is '{}'; it is one of serializable and snapshot", text));
}

Isolation isolation_level(const TableMetadata& table, std::string_view property) {
  const std::string level = string_property(table.properties, property, "serializable");
  try {
    return parse_isolation(level);
  } catch (const InvalidArgument& e) {
    throw InvalidArgument(fmt::format("table property '{}': {}", property, e.what()));
  }
}

void check_conflicts(const LoadedTable& base, const Snapshot* head, const ConflictChecks& checks, Io& io) {
  if (checks.empty()) return;
  const std::vector<const Snapshot*> snapshots = snapshots_since(base, head, checks);
  if (!snapshots.empty()) Checker(base, checks, io).check(snapshots);
}

}  // namespace floe
