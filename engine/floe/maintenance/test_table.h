// For tests of this folder: a table in memory whose data files are a byte each.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/io/memory_io.h"
#include "floe/manifest/manifest.h"
#include "floe/transaction/append.h"
#include "floe/transaction/manage_snapshots.h"
#include "floe/transaction/test_files.h"
#include "floe/transaction/transaction.h"

namespace floe {

// Another writer does something just before a commit arrives.
class InterruptedCatalog : public ScriptedCatalog {
 public:
  using ScriptedCatalog::ScriptedCatalog;
  std::function<void(ScriptedCatalog&)> meanwhile_;

  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override {
    if (const auto work = std::exchange(meanwhile_, nullptr)) work(*this);
    return ScriptedCatalog::commit(table, commit);
  }
};

class MaintenanceTest : public TransactionFolder {
 protected:
  MaintenanceTest() { io_ = memory_; }

  void begin(int format_version = 2, Properties properties = {}) {
    hold(new_table(format_version, std::move(properties)));
  }
  // Goes on with a table as it is given.
  void hold(TableMetadata table) { catalog_.emplace(io_, std::move(table), std::deque<Outcome>{}); }

  // What is found in it stays valid until the table changes.
  const TableMetadata& table() {
    LoadedTable now = catalog_->now();
    if (!now_.metadata || !(*now.metadata == *now_.metadata)) now_ = std::move(now);
    return *now_.metadata;
  }

  LoadedTable change(const std::function<void(Transaction&)>& work) {
    Transaction transaction(*catalog_, catalog_->now());
    work(transaction);
    return transaction.commit();
  }

  // A snapshot with these changes. Returns its id.
  int64_t commit(SnapshotChange snapshot) {
    for (const DataFile& added : snapshot.added) {
      if (!io_->exists(added.file_path)) io_->write(added.file_path, "x");
    }
    const LoadedTable after = change([&](Transaction& t) { t.add(std::move(snapshot)); });
    return after.metadata->snapshots.back()->snapshot_id;
  }
  int64_t append(const std::string& name, const std::string& day = "mon") {
    return commit({.operation = "", .added = {file(name, day)}, .removed = {}});
  }
  // `name` goes, `by` comes.
  int64_t replace(const std::string& name, const std::string& by, const std::string& day = "mon") {
    return commit({.operation = "", .added = {file(by, day)}, .removed = {removal_of(file(name, day))}});
  }

  // Every file that a snapshot reaches, metadata files apart.
  std::set<std::string> reachable() {
    std::set<std::string> all;
    for (const auto& snapshot : table().snapshots) add_reachable(*snapshot, all);
    for (const StatisticsFile& file : table().statistics) all.insert(file.statistics_path);
    for (const PartitionStatisticsFile& file : table().partition_statistics) all.insert(file.statistics_path);
    return all;
  }
  void add_reachable(const Snapshot& snapshot, std::set<std::string>& all) {
    if (!snapshot.manifest_list.empty()) all.insert(snapshot.manifest_list);
    for (const ManifestFile& manifest : manifests_of(*io_, snapshot)) {
      all.insert(manifest.manifest_path);
      const ManifestPtr entries = ManifestReader(io_->read(manifest.manifest_path), manifest).entries();
      for (size_t i = 0; i < entries->size; ++i) {
        if (entries->status[i] != EntryStatus::kDeleted) all.emplace(entries->file_path[i]);
      }
    }
  }

  bool there(const std::string& name) { return io_->exists((folder_ / "t/data" / name).string()); }

  const std::shared_ptr<MemoryIo> memory_ = std::make_shared<MemoryIo>();
  std::optional<ScriptedCatalog> catalog_;
  LoadedTable now_;
};

}  // namespace floe
