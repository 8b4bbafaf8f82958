#include "floe/maintenance/rewrite_manifests.h"

#include <gmock/gmock.h>

#include "floe/maintenance/test_table.h"
#include "floe/transaction/overwrite.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class RewriteManifests : public MaintenanceTest {
 protected:
  RewriteManifestsResult rewrite(const RewriteManifestsOptions& options = {}) {
    return rewrite_manifests(*catalog_, catalog_->now(), options);
  }

  std::vector<ManifestFile> manifests(const std::string& ref = "main") {
    return manifests_of(*io_, *snapshot_by_ref(table(), ref));
  }

  // What entries say, by the name of the file.
  std::map<std::string, LiveFile> entries(const std::string& ref = "main") {
    std::map<std::string, LiveFile> found;
    for (LiveFile& file : live_files(table(), *snapshot_by_ref(table(), ref))) found.emplace(file.name, file);
    return found;
  }

  void expect_same(const std::map<std::string, LiveFile>& before, const std::map<std::string, LiveFile>& after) {
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, file] : before) {
      SCOPED_TRACE(name);
      ASSERT_TRUE(after.contains(name));
      EXPECT_EQ(after.at(name).sequence_number, file.sequence_number);
      EXPECT_EQ(after.at(name).snapshot_id, file.snapshot_id);
      EXPECT_EQ(after.at(name).first_row_id, file.first_row_id);
      EXPECT_EQ(after.at(name).status, EntryStatus::kExisting);
    }
  }
};

class RewriteManifestsOfVersion : public RewriteManifests, public testing::WithParamInterface<int> {};

// Trap 12 and 13: what files inherit where they are becomes explicit.
TEST_P(RewriteManifestsOfVersion, Trap13KeepsWhatEntriesInherit) {
  begin(GetParam());
  append("a", "mon");
  append("b", "tue");
  replace("a", "c", "mon");
  append("d", "mon");
  const auto before = entries();
  const Summary totals = current_snapshot(table())->summary;
  const RewriteManifestsResult result = rewrite();
  EXPECT_EQ(result.rewritten, 4);
  EXPECT_EQ(result.added, 1);
  EXPECT_THAT(manifests(), SizeIs(1));
  expect_same(before, entries());
  const Summary& summary = current_snapshot(table())->summary;
  EXPECT_EQ(summary.get("operation"), "replace");
  EXPECT_EQ(summary.get("total-data-files"), totals.get("total-data-files"));
  EXPECT_EQ(summary.get("total-records"), totals.get("total-records"));
  EXPECT_EQ(summary.get("manifests-created"), "1");
  EXPECT_EQ(summary.get("manifests-replaced"), "4");
  EXPECT_EQ(summary.get("added-data-files"), "");
  if (GetParam() >= 2) {
    EXPECT_EQ(manifests().front().min_sequence_number, 2);
  }
  append("e", "mon");  // the table goes on
  EXPECT_EQ(live_names(catalog_->now()), (std::set<std::string>{"b", "c", "d", "e"}));
}

INSTANTIATE_TEST_SUITE_P(Versions, RewriteManifestsOfVersion, testing::Values(1, 2, 3));

TEST_F(RewriteManifests, ClusterByPartitionInManifestsOfTheTargetSize) {
  begin();
  for (int i = 0; i < 12; ++i) append("f" + std::to_string(i), i % 2 == 0 ? "mon" : "tue");
  int64_t bytes = 0;
  for (const ManifestFile& file : manifests()) bytes += file.manifest_length;
  change([&](Transaction& t) {
    t.add(TableCommit{
        .requirements = {},
        .updates = {SetProperties{{{"commit.manifest.target-size-bytes", std::to_string((bytes + 1) / 2)}}}}});
  });
  EXPECT_EQ(rewrite().added, 2);
  std::set<std::string> days;
  for (const ManifestFile& file : manifests()) {
    ASSERT_TRUE(file.partitions.has_value());
    EXPECT_EQ(file.partitions->front().lower_bound, file.partitions->front().upper_bound);
    EXPECT_EQ(file.existing_files_count, 6);
    EXPECT_EQ(file.added_files_count, 0);
    days.insert(*file.partitions->front().lower_bound);
  }
  EXPECT_EQ(days, (std::set<std::string>{"mon", "tue"}));
}

TEST_F(RewriteManifests, OfDataAndDeletesApart) {
  begin();
  commit({.operation = "", .added = {file("a")}, .removed = {}});
  commit({.operation = "", .added = {file("b"), deletes_of(file("a"), "d1")}, .removed = {}});
  commit({.operation = "", .added = {equality_deletes("e", "mon")}, .removed = {}});
  const auto before = entries();
  EXPECT_EQ(rewrite().added, 2);
  expect_same(before, entries());
  EXPECT_THAT(manifests(), SizeIs(2));
}

TEST_F(RewriteManifests, OfOneSpecOnly) {
  begin();
  append("a");
  append("b");
  change([&](Transaction& t) {
    t.add(TableCommit{.requirements = {},
                      .updates = {AddPartitionSpec{{.fields = {{.source_ids = {1}, .field_id = 1001, .name = "i"}}}},
                                  SetDefaultSpec{-1}}});
  });
  for (const int64_t i : {3, 1, 2}) {
    DataFile other = file("n" + std::to_string(i));
    other.spec_id = 1;
    other.partition = {Value(int64_t{i})};
    commit({.operation = "", .added = {other}, .removed = {}});
  }
  EXPECT_EQ(rewrite().rewritten, 3);
  EXPECT_THAT(manifests(), SizeIs(3));
  EXPECT_EQ(rewrite({.spec_id = 0}).rewritten, 2);
  EXPECT_THAT(manifests(), SizeIs(2));
  EXPECT_THROW(rewrite({.spec_id = 7}), InvalidArgument);
}

TEST_F(RewriteManifests, OfABranch) {
  begin();
  append("a");
  change([&](Transaction& t) { set_ref(t, "b", {.snapshot_id = *table().current_snapshot_id}, RefChange::kCreate); });
  commit({.operation = "", .added = {file("x")}, .removed = {}, .branch = "b"});
  EXPECT_EQ(rewrite({.branch = "b"}).added, 1);
  EXPECT_THAT(manifests("b"), SizeIs(1));
  EXPECT_EQ(live_names(catalog_->now()), (std::set<std::string>{"a"}));
  EXPECT_EQ(live_names(catalog_->now(), "b"), (std::set<std::string>{"a", "x"}));
  EXPECT_THROW(rewrite({.branch = "nowhere"}), NotFound);
}

TEST_F(RewriteManifests, WithNothingToDoMakeNoSnapshot) {
  begin();
  EXPECT_EQ(rewrite().added, 0);
  append("a");
  const size_t snapshots = table().snapshots.size();
  EXPECT_EQ(rewrite().added, 0);
  EXPECT_EQ(table().snapshots.size(), snapshots);
}

TEST_F(RewriteManifests, KeepWhatOthersAddMeanwhile) {
  begin();
  append("a");
  append("b");
  InterruptedCatalog catalog(io_, table(), {});
  catalog.meanwhile_ = [&](ScriptedCatalog& c) {
    io_->write(file("c").file_path, "x");
    append_files(c, c.now(), {file("c")}, {});
  };
  const auto files_before = memory_->locations();
  const RewriteManifestsResult result = rewrite_manifests(catalog, catalog.now());
  hold(*catalog.now().metadata);
  EXPECT_EQ(result.rewritten, 2);
  EXPECT_THAT(manifests(), SizeIs(2));
  EXPECT_EQ(live_names(catalog_->now()), (std::set<std::string>{"a", "b", "c"}));
  for (const std::string& location : reachable()) EXPECT_TRUE(io_->exists(location)) << location;
}

TEST_F(RewriteManifests, AreDoneAgainWhereOthersChangeTheSame) {
  begin();
  append("a");
  append("b");
  InterruptedCatalog catalog(io_, table(), {});
  catalog.meanwhile_ = [&](ScriptedCatalog& c) {
    Transaction transaction(c, c.now());
    transaction.add({.operation = "", .added = {}, .removed = {removal_of(file("a"))}});
    transaction.commit();
  };
  rewrite_manifests(catalog, catalog.now());
  hold(*catalog.now().metadata);
  EXPECT_EQ(live_names(catalog_->now()), (std::set<std::string>{"b"}));
  EXPECT_THAT(manifests(), SizeIs(1));
  // Those of the first attempt are gone again.
  std::set<std::string> there = memory_->locations(), needed = reachable();
  there.erase(file("a").file_path);
  needed.erase(file("a").file_path);
  EXPECT_EQ(there, needed);
}

}  // namespace
}  // namespace floe
