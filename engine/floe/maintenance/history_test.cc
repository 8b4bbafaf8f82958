// A thousand random histories of a table, with expiry and the removal of orphan files among what happens: what a kept
// snapshot needs is always there, and nothing else is left.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "floe/io/faulty_io.h"
#include "floe/maintenance/expire_snapshots.h"
#include "floe/maintenance/orphan_files.h"
#include "floe/maintenance/rewrite_manifests.h"
#include "floe/maintenance/test_table.h"

namespace floe {
namespace {

class Histories : public MaintenanceTest, public testing::WithParamInterface<int> {
 protected:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool one_in(int n) { return below(n) == 0; }

  const Snapshot* any_snapshot() {
    const auto& snapshots = table().snapshots;
    return snapshots.empty() ? nullptr : snapshots[below(static_cast<int>(snapshots.size()))].get();
  }
  std::string any_branch() {
    std::vector<std::string> names{"main"};
    for (const auto& [name, ref] : table().refs) {
      if (ref.is_branch) names.push_back(name);
    }
    return names[below(static_cast<int>(names.size()))];
  }

  // Time passes: the next snapshot is at least that much later.
  void wait(int64_t ms) {
    TableMetadata later = table();
    later.last_updated_ms += ms;
    hold(std::move(later));
  }

  // A change that may be refused, without a trace then.
  void attempt(const std::function<void(Transaction&)>& work, const std::vector<DataFile>& added = {}) {
    for (const DataFile& file : added) io_->write(file.file_path, "x");
    try {
      change(work);
    } catch (const Error&) {
      for (const DataFile& file : added) io_->remove(file.file_path);
    }
    note_snapshots();
  }
  void attempt(SnapshotChange snapshot) {
    const std::vector<DataFile> added = snapshot.added;
    attempt([&](Transaction& t) { t.add(std::move(snapshot)); }, added);
  }

  DataFile new_file() {
    DataFile made = file("f" + std::to_string(files_++), one_in(2) ? "mon" : "tue");
    known_.emplace(made.file_path, made);
    return made;
  }
  std::vector<DataFile> live_data(const std::string& branch) {
    std::vector<DataFile> found;
    const Snapshot* head = snapshot_by_ref(table(), branch);
    if (!head) return found;
    for (const LiveFile& live : live_files(table(), *head)) {
      const auto file = known_.find((folder_ / "t/data" / live.name).string());
      if (file != known_.end() && file->second.content == FileContent::kData) found.push_back(file->second);
    }
    std::ranges::shuffle(found, random_);
    return found;
  }

  void change_rows() {
    SnapshotChange change{.operation = "", .added = {}, .removed = {}, .branch = any_branch()};
    std::vector<DataFile> live = live_data(change.branch);
    for (int n = below(3); n > 0; --n) change.added.push_back(new_file());
    const int removed = one_in(2) ? 0 : below(3);
    for (int i = 0; i < std::min<int>(removed, static_cast<int>(live.size())); ++i) {
      change.removed.push_back(removal_of(live[i]));
    }
    if (table().format_version > 1 && one_in(3) && removed < static_cast<int>(live.size())) {
      const std::string name = "d" + std::to_string(files_++);
      change.added.push_back(table().format_version == 3 ? vector_of(live.back(), name)
                                                         : deletes_of(live.back(), name));
    }
    change.merge_manifests = one_in(2);
    change.stage_only = one_in(5);
    attempt(std::move(change));
  }

  void change_refs() {
    const Snapshot* at = any_snapshot();
    if (!at) return;
    const int64_t id = at->snapshot_id;
    SnapshotRef ref{.snapshot_id = id, .is_branch = one_in(2)};
    if (one_in(2)) ref.max_ref_age_ms = 1 + below(1000);
    if (ref.is_branch && one_in(3)) ref.min_snapshots_to_keep = 1 + below(3);
    if (ref.is_branch && one_in(3)) ref.max_snapshot_age_ms = 1 + below(1000);
    const std::string name = (ref.is_branch ? "b" : "t") + std::to_string(below(3));
    attempt([&](Transaction& t) {
      switch (below(4)) {
        case 0:
          return set_current_snapshot(t, id);
        case 1:
          return remove_ref(t, name, ref.is_branch);
        case 2:
          return cherry_pick(t, id);
        default:
          return set_ref(t, name, ref, RefChange::kCreateOrReplace);
      }
    });
  }

  void add_statistics() {
    const Snapshot* of = any_snapshot();
    if (!of) return;
    const int64_t id = of->snapshot_id;
    const std::string path = (folder_ / "t/metadata/s").string() + std::to_string(files_++);
    if (below(2) == 0) {
      add_statistics(table().statistics, id, path, SetStatistics{{.snapshot_id = id, .statistics_path = path}});
    } else {
      add_statistics(table().partition_statistics, id, path,
                     SetPartitionStatistics{{.snapshot_id = id, .statistics_path = path}});
    }
  }
  template <typename File>
  void add_statistics(const std::vector<File>& before, int64_t snapshot_id, const std::string& path,
                      const TableUpdate& update) {
    io_->write(path, "x");
    // Of a snapshot that goes at the same time, nobody sees that they were there.
    if (is_meanwhile_) orphans_.insert(path);
    // What it takes the place of is nobody's any more.
    for (const File& file : before) {
      if (file.snapshot_id == snapshot_id) orphans_.insert(file.statistics_path);
    }
    change([&](Transaction& t) { t.add(TableCommit{.requirements = {}, .updates = {update}}); });
  }

  void happen() {
    wait(below(200));
    switch (below(10)) {
      case 0:
      case 1:
        return change_refs();
      case 2:
        return add_statistics();
      case 3:
        if (table().current_snapshot_id) rewrite_manifests(*catalog_, catalog_->now());
        return note_snapshots();
      default:
        return change_rows();
    }
  }

  // What each snapshot needs, when it is new.
  void note_snapshots() {
    for (const auto& snapshot : table().snapshots) {
      if (!needs_.contains(snapshot->snapshot_id)) add_reachable(*snapshot, needs_[snapshot->snapshot_id]);
    }
  }

  ExpireSnapshotsOptions any_expiry() {
    ExpireSnapshotsOptions options;
    if (const Snapshot* snapshot = any_snapshot(); snapshot && !one_in(4)) {
      options.older_than_ms = snapshot->timestamp_ms + below(2);
    }
    if (one_in(8)) options.older_than_ms = INT64_MAX;
    if (one_in(3)) options.retain_last = 1 + below(4);
    if (const Snapshot* snapshot = any_snapshot(); snapshot && one_in(4)) {
      options.snapshot_ids = {snapshot->snapshot_id};
      options.by_retention = one_in(2);
    }
    options.clean_expired_metadata = one_in(2);
    return options;
  }

  // Every kept snapshot has all that it had. Without faults, nothing else is there but orphans that we know of.
  void check_files(bool is_all) {
    clear_manifest_cache();
    std::set<std::string> needed, there = memory_->locations();
    for (const auto& snapshot : table().snapshots) {
      const auto noted = needs_.find(snapshot->snapshot_id);
      ASSERT_NE(noted, needs_.end());
      std::set<std::string> found;
      for (const std::string& file : noted->second) ASSERT_TRUE(there.contains(file)) << file;
      add_reachable(*snapshot, found);
      EXPECT_EQ(found, noted->second);
      needed.insert(found.begin(), found.end());
    }
    for (const StatisticsFile& file : table().statistics) needed.insert(file.statistics_path);
    for (const auto& file : table().partition_statistics) needed.insert(file.statistics_path);
    for (const auto& [name, ref] : table().refs) EXPECT_NE(snapshot_by_id(table(), ref.snapshot_id), nullptr) << name;
    if (!is_all) return;
    std::erase_if(there, [&](const std::string& file) { return orphans_.contains(file) && !needed.contains(file); });
    EXPECT_EQ(there, needed);
  }

  // While others commit, and with one call to the store that goes wrong, perhaps.
  void expire() {
    const bool is_alone = one_in(2), is_broken = one_in(3);
    const auto faulty = std::make_shared<FaultyIo>(memory_);
    InterruptedCatalog catalog(faulty, table(), {});
    if (!is_alone) {
      catalog.meanwhile_ = [&](ScriptedCatalog& c) {
        hold(*c.now().metadata);
        is_meanwhile_ = true;
        happen();
        is_meanwhile_ = false;
        for (const TableCommit& commit : catalog_->commits_) {
          try {
            c.commit(c.now().identifier, commit);
          } catch (const Error&) {  // as before
          }
        }
      };
    }
    const ExpireSnapshotsOptions options = any_expiry();
    if (is_broken) faulty->break_call(1 + below(20), one_in(2) ? Fault::kFails : Fault::kTears);
    try {
      const ExpireSnapshotsResult result = expire_snapshots(catalog, catalog.now(), options);
      if (!result.files.problems.empty()) left_over_ = true;
    } catch (const Error&) {
      EXPECT_TRUE(is_broken || !options.snapshot_ids.empty());
    }
    faulty->repair();
    hold(*catalog.now().metadata);
    note_snapshots();
    check_files(!left_over_);
  }

  void remove_orphans() {
    const std::string young = (folder_ / "t/data/young").string() + std::to_string(files_++);
    const std::string old = (folder_ / "t/data/old").string() + std::to_string(files_++);
    for (const std::string& made : {young, old}) io_->write(made, "x");
    memory_->set_modified(young, 1000);
    remove_orphan_files(*catalog_, catalog_->now(), {.older_than_ms = 1000, .location = (folder_ / "t").string()});
    EXPECT_FALSE(io_->exists(old));
    EXPECT_TRUE(io_->exists(young));
    io_->remove(young);
    orphans_.clear();
    left_over_ = false;
    check_files(true);
  }

  std::minstd_rand random_;
  int files_ = 0;
  std::map<std::string, DataFile> known_;
  std::map<int64_t, std::set<std::string>> needs_;
  std::set<std::string> orphans_;
  bool is_meanwhile_ = false;  // it happens while snapshots expire
  bool left_over_ = false;     // a fault left files that nothing mentions
};

TEST_P(Histories, NothingNeededGoesAndNothingElseStays) {
  constexpr int kHistories = 100;
  for (int history = GetParam() * kHistories; history < (GetParam() + 1) * kHistories; ++history) {
    SCOPED_TRACE(testing::Message() << "history " << history);
    random_.seed(static_cast<unsigned>(history) + 1);
    for (const std::string& location : memory_->locations()) io_->remove(location);
    known_.clear();
    needs_.clear();
    orphans_.clear();
    left_over_ = false;
    begin(1 + below(3), {{"commit.manifest.min-count-to-merge", "2"}});
    for (int step = 0; step < 20; ++step) {
      happen();
      if (one_in(5)) expire();
      if (one_in(10)) remove_orphans();
      if (HasFailure()) return;
    }
    remove_orphans();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Hundreds, Histories, testing::Range(0, 10));

}  // namespace
}  // namespace floe
