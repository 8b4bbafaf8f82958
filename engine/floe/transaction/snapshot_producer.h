// Makes snapshots. An action says which files come and which go; this does the rest: manifests, manifest list, sequence
// numbers, row ids, summary, and what is left behind when an attempt fails. Specification: "Snapshots", "Manifests",
// "Manifest Lists".
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/manifest/manifest.h"
#include "floe/transaction/conflict.h"
#include "floe/transaction/manifest_rewrite.h"
#include "floe/transaction/partition_set.h"
#include "floe/transaction/step.h"

namespace floe {

// A file of the table, by what tells it apart: deletion vectors share the path of their Puffin file.
struct FileId {
  std::string path;
  std::optional<int64_t> content_offset;  // of a deletion vector
  auto operator<=>(const FileId&) const = default;
};
FileId id_of(const DataFile& file);
FileId id_of(const Manifest& manifest, size_t entry);

// A file to be removed, and where it is: only manifests that may have it are opened.
struct Removal {
  FileId id;
  FileContent content = FileContent::kData;
  int32_t spec_id = 0;
  PartitionBytes partition;
  bool may_be_gone = false;  // false: if it is not live (any more), that is a conflict
};
Removal removal_of(const Manifest& manifest, size_t entry);

std::vector<std::string> locations_of(const std::vector<DataFile>& files);
void remove_files(Io& io, const std::vector<std::string>& locations) noexcept;  // that nothing refers to

// What an action wants the next snapshot to be.
struct SnapshotChange {
  std::string operation;        // empty: "append", "delete" or "overwrite", as the files tell
  std::vector<DataFile> added;  // data and delete files, each of a spec of the table
  // Data and delete files. With a data file go the deletion vectors and position deletes that refer to it alone.
  std::vector<Removal> removed;
  bool refuse_duplicates = false;                    // a file to be added that is live already throws InvalidArgument
  std::vector<std::string> discard = {};             // locations of files that a failed change removes
  std::optional<int64_t> data_sequence_number = {};  // of added data files that rewrite older ones
  std::string branch = std::string(kMainBranch);     // which moves to the snapshot
  bool stage_only = false;                           // no branch moves: somebody looks at the snapshot first
  std::optional<bool> merge_manifests = {};          // default: `commit.manifest-merge.enabled`, else false
  std::optional<int32_t> cluster_spec = {};          // whose manifests are written anew, clustered by partition
  ConflictChecks checks = {};                        // against what others committed since the change was planned
  Properties snapshot_properties = {};               // of the caller
};

// Throws InvalidArgument if `branch` is a tag, CommitFailed for another branch than main before the first snapshot.
void check_branch(const LoadedTable& base, const std::string& branch);

// The branch's head; a branch that does not exist begins where the table is. Null: nowhere.
const Snapshot* parent_snapshot(const TableMetadata& table, const std::string& branch);

// The manifests of a snapshot, also where version 1 lists them in the snapshot itself.
std::vector<ManifestFile> manifests_of(Io& io, const Snapshot& snapshot);

// One snapshot in the making, over as many attempts as it takes. Manifests of what the action adds are written once
// (their sequence numbers are inherited), manifests of which files are removed or that are merged once for each state
// of their sources, those that are clustered as long as all their sources are there, the manifest list for each
// attempt. Manifests that cannot have a file to be removed are not opened.
class SnapshotProducer : public Step {
 public:
  // `manifest_bytes`: of manifests that wait in memory to be written side by side with the list; others are written at
  // once.
  SnapshotProducer(IoPtr io, const LoadedTable& base, SnapshotChange change, size_t manifest_bytes = 32 << 20);

  int64_t snapshot_id() const { return snapshot_id_; }

  // Writes what is missing, durably. Throws ConflictFound.
  TableCommit build(const LoadedTable& base) override;
  void succeeded(const TableMetadata& table) noexcept override;
  void failed() noexcept override;

 private:
  // What the entries of a manifest are: those of one file that inherits anew are other ones.
  using ManifestKey = std::tuple<std::string, int64_t, int64_t>;
  struct Filtered {
    std::optional<ManifestFile> replacement;  // without the files that were removed
    std::vector<DataFile> removed;
  };
  struct Clustered {
    std::set<ManifestKey> sources;
    std::vector<ManifestFile> manifests;
  };

  void encode_manifests(const TableMetadata& table);
  ManifestFile encode(const TableMetadata& table, const std::vector<ManifestSource>& sources,
                      const std::string& location);
  std::string manifest_location(const TableMetadata& table);
  ManifestReaderPtr open(const ManifestFile& file);
  void keep(const std::string& location, std::string bytes);
  std::vector<ManifestFile> without_removed(const LoadedTable& base, std::vector<ManifestFile> manifests,
                                            std::vector<DataFile>& removed);
  void filter(const TableMetadata& table, const std::vector<ManifestFile>& manifests);
  Filtered filtered(const TableMetadata& table, const ManifestFile& file);
  std::vector<uint8_t> entries_to_remove(const ManifestFile& file, ManifestReader& reader) const;
  void check_added(const LoadedTable& base, const std::vector<ManifestFile>& manifests);
  std::vector<ManifestFile> merged(const TableMetadata& table, const std::vector<ManifestFile>& manifests);
  std::vector<ManifestFile> clustered(const TableMetadata& table, const std::vector<ManifestFile>& manifests);
  Snapshot next_snapshot(const TableMetadata& table, const Snapshot* parent,
                         const std::vector<DataFile>& removed) const;
  std::string operation(bool removes) const;
  TableCommit commit_of(const LoadedTable& base, Snapshot snapshot) const;
  void write_files(const std::vector<ManifestFile>& manifests, const std::string& list_location, std::string list);

  static ManifestKey key_of(const ManifestFile& file);

  IoPtr io_;
  const SnapshotChange change_;
  const int64_t snapshot_id_;
  const std::string uuid_;
  std::map<FileId, bool> removed_;                           // whether it may be gone
  std::set<std::string, std::less<>> removed_paths_;         // of all of these
  PartitionSet data_removed_from_, removed_from_;            // the partitions of those that are data files, and of all
  std::set<std::string, std::less<>> vectors_for_;           // data files that get a new deletion vector
  int32_t encoded_version_ = 0;                              // the format version of what follows; 0: nothing yet
  std::vector<ManifestFile> manifests_;                      // of what the action adds
  std::map<ManifestKey, Filtered> filtered_;                 // what became of the table's manifests
  std::map<std::vector<ManifestKey>, ManifestFile> merged_;  // by their sources
  std::map<ManifestContent, Clustered> clustered_;
  std::vector<std::string> manifest_locations_;             // of all that were made
  std::vector<std::string> list_locations_;                 // one per attempt
  std::mutex mutex_;                                        // guards what follows, and manifest_locations_
  std::unordered_map<std::string, std::string> unwritten_;  // manifests, by location
  size_t room_;                                             // for more of them
};

}  // namespace floe
