// Makes snapshots. An action says which entries it adds; this does the rest: manifests, manifest list, sequence
// numbers, row ids, summary, and what is left behind when an attempt fails. Specification: "Snapshots", "Manifests",
// "Manifest Lists".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/manifest/manifest.h"

namespace floe {

// What an action wants the next snapshot to be.
struct SnapshotChange {
  std::string operation;           // "append"
  std::vector<DataFile> added;     // data files, each of a spec of the table
  std::string branch;              // which moves to the snapshot
  Properties snapshot_properties;  // of the caller
};

// Throws InvalidArgument if `branch` is a tag, CommitFailed for another branch than main before the first snapshot.
void check_branch(const LoadedTable& base, const std::string& branch);

// One snapshot in the making, over as many attempts as it takes. Manifests of what the action adds are written once
// (their sequence numbers are inherited), the manifest list for each attempt.
class SnapshotProducer {
 public:
  SnapshotProducer(IoPtr io, const LoadedTable& base, SnapshotChange change);

  // One attempt: writes what is missing, durably, and returns the commit.
  TableCommit build(const LoadedTable& base);

  // After the commit: removes the manifest lists of the other attempts.
  void succeeded(const TableMetadata& table) noexcept;

  // When surely no attempt was committed: removes all that was written.
  void failed() noexcept;

 private:
  void encode_manifests(const TableMetadata& table);
  Snapshot next_snapshot(const TableMetadata& table, const Snapshot* parent) const;
  TableCommit commit_of(const LoadedTable& base, Snapshot snapshot) const;
  void write_files();

  IoPtr io_;
  const SnapshotChange change_;
  const int64_t snapshot_id_;
  const std::string uuid_;
  std::vector<ManifestFile> manifests_;                         // of what the action adds
  std::vector<std::string> list_locations_;                     // one per attempt
  std::vector<std::pair<std::string, std::string>> unwritten_;  // locations and bytes
};

}  // namespace floe
