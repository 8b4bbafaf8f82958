// For tests of this folder: a catalog of one table in memory, whose commits turn out as the test wants.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "floe/catalog/test_catalog.h"
#include "floe/manifest/manifest_list.h"

namespace floe {

enum class Outcome {
  kCommitted,
  kAnotherWasFirst,      // another writer's snapshot gets in before
  kLostAfterCommit,      // committed, but the answer is lost
  kRefusedAfterCommit,   // committed, and sent again by the transport, whose answer is the refusal of the second
  kLostBeforeCommit,     // the request is lost
  kDelayed,              // the answer is lost; the request arrives just before the next commit
  kDelayedPastAnother,   // the same, and another writer's snapshot gets in before it arrives
  kDelayedPastRollback,  // the same, but that is rolled back just before it arrives
  kIoError,
};

class ScriptedCatalog : public TestCatalog {
 public:
  ScriptedCatalog(IoPtr io, TableMetadata table, std::deque<Outcome> outcomes)
      : outcomes_(std::move(outcomes)), io_(std::move(io)), table_(std::move(table)) {}

  // The next commits' outcomes; afterwards all are kCommitted.
  std::deque<Outcome> outcomes_;
  std::vector<TableCommit> commits_;  // as they were asked for
  int loads_ = 0;
  int failing_loads_ = 0;  // the next so many fail

  LoadedTable now() const { return {{{"db"}, "t"}, "", std::make_shared<const TableMetadata>(table_), {}}; }

  // What another writer does: one more snapshot with the same files.
  void interfere() {
    Snapshot snapshot;
    if (const Snapshot* parent = current_snapshot(table_)) snapshot = *parent;
    snapshot.parent_snapshot_id = table_.current_snapshot_id;
    snapshot.snapshot_id = new_snapshot_id();
    snapshot.sequence_number = table_.format_version == 1 ? 0 : table_.last_sequence_number + 1;
    snapshot.timestamp_ms = std::max(now_ms(), table_.last_updated_ms);
    if (table_.format_version >= 3) {
      snapshot.first_row_id = table_.next_row_id;
      snapshot.added_rows = 0;
    }
    if (snapshot.manifest_list.empty()) {
      snapshot.manifest_list = table_.location + "/metadata/interfere.avro";
      std::vector<ManifestFile> none;
      io_->write(snapshot.manifest_list,
                 write_manifest_list(table_.format_version, snapshot, none, &table_.next_row_id));
      snapshot.summary = Properties{{"operation", "append"}, {"total-records", "0"}};
    }
    const int64_t id = snapshot.snapshot_id;
    table_ = apply(std::move(table_), {AddSnapshot{std::move(snapshot)}, SetSnapshotRef{"main", {.snapshot_id = id}}});
  }

  void roll_back() {
    const int64_t parent = *current_snapshot(table_)->parent_snapshot_id;
    table_ = apply(std::move(table_), {SetSnapshotRef{"main", {.snapshot_id = parent}}});
  }

  // The delayed commit arrives, if there is one.
  void deliver() {
    if (!delayed_) return;
    if (std::exchange(after_rollback_, false)) roll_back();
    try {
      take(*std::exchange(delayed_, nullptr));
    } catch (const CommitFailed&) {  // nobody hears of it
    }
  }

  void replace_table() { table_.table_uuid = new_uuid(); }

  LoadedTable commit(const TableIdentifier&, const TableCommit& commit) override {
    commits_.push_back(commit);
    deliver();
    const Outcome outcome = outcomes_.empty() ? Outcome::kCommitted : outcomes_.front();
    if (!outcomes_.empty()) outcomes_.pop_front();
    switch (outcome) {
      case Outcome::kCommitted:
        take(commit);
        return now();
      case Outcome::kAnotherWasFirst:
        interfere();
        take(commit);
        return now();
      case Outcome::kLostAfterCommit:
        take(commit);
        break;
      case Outcome::kRefusedAfterCommit:
        take(commit);
        throw CommitFailed("another writer was first");
      case Outcome::kLostBeforeCommit:
        break;
      case Outcome::kDelayed:
        delayed_ = std::make_unique<TableCommit>(commit);
        break;
      case Outcome::kDelayedPastAnother:
        interfere();
        delayed_ = std::make_unique<TableCommit>(commit);
        break;
      case Outcome::kDelayedPastRollback:
        interfere();
        after_rollback_ = true;
        delayed_ = std::make_unique<TableCommit>(commit);
        break;
      case Outcome::kIoError:
        throw IoError("no space left");
    }
    throw CommitStateUnknown("the answer was lost");
  }

  LoadedTable load_table(const TableIdentifier&) override {
    ++loads_;
    if (failing_loads_ > 0) {
      --failing_loads_;
      throw IoError("no connection");
    }
    return now();
  }

  IoPtr io(const LoadedTable&) override { return io_; }

 private:
  void take(const TableCommit& commit) {
    for (const TableRequirement& requirement : commit.requirements) check(requirement, &table_);
    table_ = apply(table_, commit.updates);
  }

  IoPtr io_;
  TableMetadata table_;
  std::unique_ptr<TableCommit> delayed_;
  bool after_rollback_ = false;  // that is
};

}  // namespace floe
