#include "floe/maintenance/dangling_deletes.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/scan/delete_index.h"
#include "floe/scan/partition.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

constexpr int64_t kNoFile = std::numeric_limits<int64_t>::max();
constexpr int kAttempts = 5;

// The delete files of a snapshot, and what its data files are like.
class Search {
 public:
  Search(const TableMetadata& table, const Snapshot& head, Io& io, const arrow::StopToken& stop)
      : table_(table), schema_(*current_schema(table)), stop_(stop) {
    std::vector<ManifestFile> data, deletes;
    for (ManifestFile& file : manifests_of(io, head)) {
      if (may_have_files(file)) (file.content == ManifestContent::kData ? data : deletes).push_back(std::move(file));
    }
    read(deletes, io, [&](ManifestReader& reader) { look_at_deletes(reader); });
    if (deletes_.empty()) return;
    read(data, io, [&](ManifestReader& reader) { look_at_data(reader); });
  }

  std::vector<Removal> dangling() const {
    std::vector<Removal> found;
    for (const Delete& file : deletes_) {
      if (is_dangling(file)) found.push_back(file.removal);
    }
    return found;
  }

 private:
  struct Delete {
    Removal removal;
    int64_t sequence_number = 0;
    std::string partition;  // its key
    std::string only;       // the data file, if it is of one alone
    bool is_global = false;
  };

  template <typename Look>
  void read(const std::vector<ManifestFile>& manifests, Io& io, const Look& look) {
    parallel_for(manifests.size(), [&](size_t i) { look(*open_manifest(io, manifests[i])); }, stop_);
  }

  const PartitionSpec& spec_of(const Manifest& manifest) const {
    const PartitionSpec* spec = spec_by_id(table_, manifest.spec_id);
    if (!spec) throw CorruptFile("a manifest is of a partition spec that the table does not have");
    return *spec;
  }

  void look_at_deletes(ManifestReader& reader) {
    const auto stats = reader.stats({kDeleteFilePathId});
    const ManifestPtr manifest = reader.entries();
    const PartitionSpec& spec = spec_of(*manifest);
    const PartitionKeys keys(*manifest, spec, schema_);
    std::vector<Delete> found;
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted) continue;
      Delete file{.removal = removal_of(*manifest, i), .sequence_number = manifest->sequence_number[i]};
      keys.write(i, file.partition);
      if (file.removal.content == FileContent::kPositionDeletes) {
        file.only = only_data_file(*manifest, stats->column(kDeleteFilePathId), i);
      } else {
        file.is_global = deletes_globally(spec);
      }
      found.push_back(std::move(file));
    }
    const std::lock_guard lock(mutex_);
    for (Delete& file : found) {
      if (!file.only.empty()) wanted_.insert(file.only);
      deletes_.push_back(std::move(file));
    }
  }

  void look_at_data(ManifestReader& reader) {
    const ManifestPtr manifest = reader.entries();
    const PartitionKeys keys(*manifest, spec_of(*manifest), schema_);
    std::unordered_map<std::string, int64_t> oldest;
    std::vector<std::string> there;
    std::string key, path;
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted) continue;
      keys.write(i, key);
      int64_t& least = oldest.try_emplace(key, kNoFile).first->second;
      least = std::min(least, manifest->sequence_number[i]);
      path = manifest->file_path[i];
      if (wanted_.contains(path)) there.push_back(path);
    }
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, sequence_number] : oldest) {
      int64_t& least = oldest_.try_emplace(partition, kNoFile).first->second;
      least = std::min(least, sequence_number);
      oldest_of_all_ = std::min(oldest_of_all_, sequence_number);
    }
    there_.insert(there.begin(), there.end());
  }

  bool is_dangling(const Delete& file) const {
    if (!file.only.empty() && !there_.contains(file.only)) return true;
    const auto found = oldest_.find(file.partition);
    const int64_t oldest = file.is_global ? oldest_of_all_ : found == oldest_.end() ? kNoFile : found->second;
    const bool by_position = file.removal.content == FileContent::kPositionDeletes;
    return by_position ? file.sequence_number < oldest : file.sequence_number <= oldest;
  }

  const TableMetadata& table_;
  const Schema& schema_;
  const arrow::StopToken stop_;
  std::mutex mutex_;
  std::vector<Delete> deletes_;
  std::unordered_set<std::string> wanted_;           // data files that deletes name
  std::unordered_set<std::string> there_;            // those of them that are live
  std::unordered_map<std::string, int64_t> oldest_;  // data sequence number, by partition
  int64_t oldest_of_all_ = kNoFile;
};

}  // namespace

int64_t remove_dangling_deletes(Catalog& catalog, LoadedTable& table, const std::string& branch,
                                const Properties& snapshot_properties, const arrow::StopToken& stop) {
  for (int attempt = 1;; ++attempt) {
    const Snapshot* head = parent_snapshot(*table.metadata, branch);
    if (!head) return 0;
    SnapshotChange change{.operation = "replace",
                          .branch = branch,
                          .checks = {.starting_snapshot = head->snapshot_id, .not_moved_back = true},
                          .snapshot_properties = snapshot_properties};
    change.removed = Search(*table.metadata, *head, *catalog.io(table), stop).dangling();
    for (Removal& removal : change.removed) removal.may_be_gone = true;
    const auto count = static_cast<int64_t>(change.removed.size());
    if (count == 0) return 0;
    try {
      Transaction transaction(catalog, table);
      transaction.add(std::move(change));
      table = transaction.commit(stop);
      return count;
    } catch (const ConflictFound&) {
      if (attempt == kAttempts) throw;
      table = catalog.load_table(table.identifier);
    }
  }
}

}  // namespace floe
