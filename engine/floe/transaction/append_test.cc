#include "floe/transaction/append.h"

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "floe/manifest/manifest.h"
#include "floe/transaction/scripted_catalog.h"

namespace floe {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Pair;

class Append : public testing::Test {
 protected:
  Append() : folder_(fs::temp_directory_path() / ("floe-append-" + new_uuid())), io_(make_io({})) {
    fs::create_directories(folder_);
  }
  ~Append() override { fs::remove_all(folder_); }

  TableMetadata new_table(int format_version = 2, Properties properties = {}) {
    properties.emplace("format-version", std::to_string(format_version));
    properties.emplace("commit.retry.min-wait-ms", "0");
    properties.emplace("commit.retry.max-wait-ms", "1");
    return new_table_metadata({.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}}},
                               .location = folder_ / "t",
                               .properties = std::move(properties)});
  }

  DataFile file(const std::string& name, int64_t rows = 10) {
    DataFile data;
    data.file_path = folder_ / "t/data" / name;
    data.record_count = rows;
    data.file_size_in_bytes = rows * 100;
    data.value_counts = {{1, rows}};
    return data;
  }

  std::vector<std::string> metadata_files(const std::string& containing = "") {
    std::vector<std::string> names;
    if (!fs::exists(folder_ / "t/metadata")) return names;
    for (const auto& entry : fs::directory_iterator(folder_ / "t/metadata")) {
      const std::string name = entry.path().filename();
      if (name.find(containing) != std::string::npos) names.push_back(name);
    }
    return names;
  }

  std::vector<ManifestFile> manifests_of(const Snapshot& snapshot) {
    const auto bytes = io_->read(snapshot.manifest_list);
    return read_manifest_list({reinterpret_cast<const char*>(bytes->data()), static_cast<size_t>(bytes->size())},
                              snapshot.manifest_list);
  }

  fs::path folder_;
  IoPtr io_;
};

TEST_F(Append, MakesASnapshotOfOneNewManifestAndAllFromBefore) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable first = append_files(catalog, catalog.now(), {file("a"), file("b", 5)}, {});
  const LoadedTable second = append_files(catalog, first, {file("c", 7)}, {.snapshot_properties = {{"run", "x"}}});

  ASSERT_EQ(second.metadata->snapshots.size(), 2);
  const Snapshot& snapshot = *current_snapshot(*second.metadata);
  EXPECT_EQ(snapshot.parent_snapshot_id, current_snapshot(*first.metadata)->snapshot_id);
  EXPECT_EQ(snapshot.sequence_number, 2);
  EXPECT_EQ(second.metadata->last_sequence_number, 2);
  EXPECT_EQ(snapshot.schema_id, second.metadata->current_schema_id);
  EXPECT_FALSE(snapshot.first_row_id);
  EXPECT_THAT(snapshot.summary.to_map(),
              IsSupersetOf({Pair("operation", "append"), Pair("added-data-files", "1"), Pair("added-records", "7"),
                            Pair("added-files-size", "700"), Pair("total-data-files", "3"), Pair("total-records", "22"),
                            Pair("total-files-size", "2200"), Pair("changed-partition-count", "1"),
                            Pair("manifests-created", "1"), Pair("manifests-kept", "1"),
                            Pair("manifests-replaced", "0"), Pair("run", "x")}));
  const auto manifests = manifests_of(snapshot);
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[0].sequence_number, 2);
  EXPECT_EQ(manifests[0].min_sequence_number, 2);
  EXPECT_EQ(manifests[0].added_snapshot_id, snapshot.snapshot_id);
  EXPECT_EQ(manifests[0].added_files_count, 1);
  EXPECT_EQ(manifests[0].added_rows_count, 7);
  EXPECT_EQ(manifests[1].sequence_number, 1);
  EXPECT_EQ(manifests[1].added_rows_count, 15);

  const auto reader = open_manifest(*io_, manifests[1]);
  const auto entries = reader->entries();
  ASSERT_EQ(entries->size, 2);
  EXPECT_EQ(entries->status[0], EntryStatus::kAdded);
  EXPECT_EQ(entries->sequence_number[1], 1);
  EXPECT_EQ(entries->snapshot_id[0], current_snapshot(*first.metadata)->snapshot_id);
  EXPECT_EQ(reader->data_files()[1].record_count, 5);
}

TEST_F(Append, TheNextAppendReadsNothing) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  const int64_t opened = io_->counters().files_opened;
  for (int i = 0; i < 5; ++i) table = append_files(catalog, table, {file(std::to_string(i))}, {});
  EXPECT_EQ(io_->counters().files_opened, opened);
  // What was kept is what was written.
  const Snapshot& snapshot = *current_snapshot(*table.metadata);
  EXPECT_EQ(*open_manifest_list(*io_, snapshot.manifest_list), manifests_of(snapshot));
}

TEST_F(Append, RequiresTheTableAndTheBranchAsTheyWere) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable first = append_files(catalog, catalog.now(), {file("a")}, {});
  append_files(catalog, first, {file("b")}, {});
  const auto& requirements = catalog.commits_.at(0).requirements;
  ASSERT_EQ(requirements.size(), 2);
  EXPECT_EQ(std::get<AssertTableUuid>(requirements[0]).uuid, first.metadata->table_uuid);
  EXPECT_EQ(std::get<AssertRefSnapshotId>(requirements[1]).ref, "main");
  EXPECT_EQ(std::get<AssertRefSnapshotId>(requirements[1]).snapshot_id, std::nullopt);
  EXPECT_EQ(std::get<AssertRefSnapshotId>(catalog.commits_.at(1).requirements[1]).snapshot_id,
            first.metadata->current_snapshot_id);
}

TEST_F(Append, VersionOneHasNoSequenceNumbers) {
  ScriptedCatalog catalog(io_, new_table(1), {});
  const LoadedTable table =
      append_files(catalog, append_files(catalog, catalog.now(), {file("a")}, {}), {file("b")}, {});
  EXPECT_EQ(current_snapshot(*table.metadata)->sequence_number, 0);
  EXPECT_EQ(table.metadata->last_sequence_number, 0);
  const auto manifests = manifests_of(*current_snapshot(*table.metadata));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[0].sequence_number, 0);
}

TEST_F(Append, KeepsTheManifestsThatAnOldSnapshotListsItself) {
  TableMetadata metadata = new_table(1);
  {
    ScriptedCatalog catalog(io_, metadata, {});
    metadata = *append_files(catalog, catalog.now(), {file("a", 4), file("b", 6)}, {}).metadata;
  }
  Snapshot old = *current_snapshot(metadata);
  const ManifestFile line = manifests_of(old).at(0);
  old.manifests = {line.manifest_path};
  old.manifest_list.clear();
  metadata.snapshots = {std::make_shared<const Snapshot>(old)};
  ScriptedCatalog catalog(io_, metadata, {});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("c")}, {});
  const auto manifests = manifests_of(*current_snapshot(*table.metadata));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[1].manifest_path, line.manifest_path);
  EXPECT_EQ(manifests[1].manifest_length, line.manifest_length);
  EXPECT_EQ(manifests[1].partition_spec_id, 0);
  EXPECT_EQ(manifests[1].added_snapshot_id, old.snapshot_id);
  EXPECT_EQ(manifests[1].added_files_count, 2);
  EXPECT_EQ(manifests[1].added_rows_count, 10);
}

TEST_F(Append, VersionThreeGivesRowsIds) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  const LoadedTable first = append_files(catalog, catalog.now(), {file("a", 10), file("b", 5)}, {});
  EXPECT_EQ(current_snapshot(*first.metadata)->first_row_id, 0);
  EXPECT_EQ(current_snapshot(*first.metadata)->added_rows, 15);
  EXPECT_EQ(first.metadata->next_row_id, 15);
  const LoadedTable second = append_files(catalog, first, {file("c", 7)}, {});
  EXPECT_EQ(current_snapshot(*second.metadata)->first_row_id, 15);
  EXPECT_EQ(current_snapshot(*second.metadata)->added_rows, 7);
  EXPECT_EQ(second.metadata->next_row_id, 22);
  const auto manifests = manifests_of(*current_snapshot(*second.metadata));
  EXPECT_EQ(manifests[0].first_row_id, 15);
  EXPECT_EQ(manifests[1].first_row_id, 0);
  EXPECT_THAT(open_manifest(*io_, manifests[1])->entries()->first_row_id, ElementsAre(0, 10));
}

TEST_F(Append, RetryRebuildsOnlyTheManifestListOnTheNewTable) {
  ScriptedCatalog catalog(io_, new_table(3), {Outcome::kAnotherWasFirst, Outcome::kAnotherWasFirst});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(catalog.commits_.size(), 3);
  EXPECT_EQ(table.metadata->snapshots.size(), 3);
  const Snapshot& snapshot = *current_snapshot(*table.metadata);
  EXPECT_EQ(snapshot.sequence_number, 3);
  EXPECT_EQ(snapshot.first_row_id, 0);
  EXPECT_EQ(manifests_of(snapshot).front().sequence_number, 3);
  EXPECT_EQ(metadata_files("-m0.avro").size(), 1);
  EXPECT_THAT(metadata_files("snap-"), ElementsAre(fs::path(snapshot.manifest_list).filename()));
  EXPECT_THAT(snapshot.manifest_list, HasSubstr(fmt::format("snap-{}-2-", snapshot.snapshot_id)));
}

TEST_F(Append, WithoutRetriesLeftItFailsAndLeavesNothing) {
  TableMetadata metadata = new_table(2, {{"commit.retry.num-retries", "1"}});
  ScriptedCatalog catalog(io_, metadata, std::deque<Outcome>(32, Outcome::kAnotherWasFirst));
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {}), CommitFailed);
  EXPECT_EQ(catalog.commits_.size(), 32);  // sixteen races each
  EXPECT_THAT(metadata_files(), ElementsAre("interfere.avro"));
}

TEST_F(Append, NoRetriesAllowedMeansOneAttempt) {
  ScriptedCatalog catalog(io_, new_table(2, {{"commit.retry.num-retries", "0"}}), {Outcome::kAnotherWasFirst});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {}), CommitFailed);
  EXPECT_EQ(catalog.commits_.size(), 1);
}

TEST_F(Append, AnErrorThatIsNoConflictIsNotRetriedAndLeavesNothing) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kIoError});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {}), IoError);
  EXPECT_EQ(catalog.commits_.size(), 1);
  EXPECT_TRUE(metadata_files().empty());
}

TEST_F(Append, ManifestsOfOtherSpecsStayAndEachSpecGetsItsOwn) {
  TableMetadata metadata =
      apply(new_table(),
            {AddPartitionSpec{{.fields = {{.source_ids = {1}, .field_id = 1000, .name = "id"}}}}, SetDefaultSpec{-1}});
  ScriptedCatalog catalog(io_, metadata, {});
  DataFile partitioned = file("p");
  partitioned.spec_id = metadata.default_spec_id;
  partitioned.partition = {Value(int64_t{4})};
  const LoadedTable table = append_files(catalog, catalog.now(), {partitioned, file("a")}, {});
  const auto manifests = manifests_of(*current_snapshot(*table.metadata));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[0].partition_spec_id, 0);
  EXPECT_EQ(manifests[1].partition_spec_id, metadata.default_spec_id);
  EXPECT_EQ(manifests[1].partitions->size(), 1);
}

TEST_F(Append, NoFilesMakeAnEmptySnapshot) {
  ScriptedCatalog catalog(io_, new_table(), {});
  LoadedTable table = append_files(catalog, catalog.now(), {}, {});
  EXPECT_TRUE(manifests_of(*current_snapshot(*table.metadata)).empty());
  table = append_files(catalog, append_files(catalog, table, {file("a")}, {}), {}, {});
  EXPECT_EQ(manifests_of(*current_snapshot(*table.metadata)).size(), 1);
  EXPECT_EQ(current_snapshot(*table.metadata)->summary.get("total-records"), "10");
  EXPECT_EQ(current_snapshot(*table.metadata)->summary.get("changed-partition-count"), "0");
}

TEST_F(Append, GoesToABranchAndKeepsItsRetention) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable main = append_files(catalog, catalog.now(), {file("a")}, {});
  const LoadedTable audit = append_files(catalog, main, {file("b", 3)}, {.branch = "audit"});
  EXPECT_EQ(audit.metadata->current_snapshot_id, main.metadata->current_snapshot_id);
  const Snapshot* head = snapshot_by_ref(*audit.metadata, "audit");
  EXPECT_EQ(head->parent_snapshot_id, main.metadata->current_snapshot_id);
  EXPECT_EQ(head->summary.get("total-records"), "13");
  EXPECT_EQ(std::get<AssertRefSnapshotId>(catalog.commits_.at(1).requirements[1]).snapshot_id, std::nullopt);

  SnapshotRef ref = audit.metadata->refs.at("audit");
  ref.min_snapshots_to_keep = 5;
  catalog.commit({}, {.updates = {SetSnapshotRef{"audit", ref}}});
  const LoadedTable again = append_files(catalog, catalog.now(), {file("c", 1)}, {.branch = "audit"});
  EXPECT_EQ(again.metadata->refs.at("audit").min_snapshots_to_keep, 5);
  EXPECT_EQ(snapshot_by_ref(*again.metadata, "audit")->parent_snapshot_id, head->snapshot_id);
}

TEST_F(Append, RefusesTagsAndBranchesBeforeTheFirstSnapshot) {
  ScriptedCatalog catalog(io_, new_table(), {});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {.branch = "audit"}), CommitFailed);
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  catalog.commit(
      {},
      {.updates = {SetSnapshotRef{"v1", {.snapshot_id = *table.metadata->current_snapshot_id, .is_branch = false}}}});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("b")}, {.branch = "v1"}), InvalidArgument);
  EXPECT_THROW(check_append(catalog.now(), {.branch = "v1"}), InvalidArgument);
}

TEST_F(Append, RefusesAPathGivenTwiceDeleteFilesAndUnknownSpecs) {
  ScriptedCatalog catalog(io_, new_table(), {});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a"), file("a")}, {}), InvalidArgument);
  DataFile deletes = file("d");
  deletes.content = FileContent::kPositionDeletes;
  EXPECT_THROW(append_files(catalog, catalog.now(), {deletes}, {}), InvalidArgument);
  DataFile other = file("o");
  other.spec_id = 77;
  EXPECT_THROW(append_files(catalog, catalog.now(), {other}, {}), InvalidArgument);
  EXPECT_TRUE(catalog.commits_.empty());
  EXPECT_TRUE(metadata_files().empty());
}

TEST_F(Append, WritesMetadataWhereThePropertySays) {
  ScriptedCatalog catalog(io_, new_table(2, {{"write.metadata.path", folder_ / "elsewhere/"}}), {});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  const Snapshot& snapshot = *current_snapshot(*table.metadata);
  EXPECT_EQ(fs::path(snapshot.manifest_list).parent_path(), folder_ / "elsewhere");
  EXPECT_EQ(fs::path(manifests_of(snapshot)[0].manifest_path).parent_path(), folder_ / "elsewhere");
}

TEST_F(Append, AFirstSnapshotAfterAnUpgradeGivesIdsToOldRows) {
  ScriptedCatalog catalog(io_, new_table(2), {});
  append_files(catalog, catalog.now(), {file("a", 10)}, {});
  catalog.commit({}, {.updates = {UpgradeFormatVersion{3}}});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("b", 5)}, {});
  EXPECT_EQ(table.metadata->next_row_id, 15);
  EXPECT_EQ(current_snapshot(*table.metadata)->added_rows, 15);
  const auto manifests = manifests_of(*current_snapshot(*table.metadata));
  EXPECT_EQ(manifests[0].first_row_id, 0);
  EXPECT_EQ(manifests[1].first_row_id, 5);
}

// Trap 24: an unknown outcome is looked up, never guessed.

TEST_F(Append, Trap24ALostAnswerIsFoundInTheTable) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kLostAfterCommit});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(table.metadata->snapshots.size(), 1);
  EXPECT_EQ(catalog.commits_.size(), 1);
  EXPECT_EQ(manifests_of(*current_snapshot(*table.metadata)).size(), 1);
}

TEST_F(Append, Trap24ACommitThatIsRefusedWhenItIsSentAgainIsFoundInTheTable) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kRefusedAfterCommit});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(table.metadata->snapshots.size(), 1);
  EXPECT_EQ(catalog.commits_.size(), 1);
  EXPECT_EQ(manifests_of(*current_snapshot(*table.metadata)).size(), 1);
}

TEST_F(Append, Trap24ALostRequestIsSentAgain) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kLostBeforeCommit});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(table.metadata->snapshots.size(), 1);
  EXPECT_EQ(metadata_files("snap-").size(), 1);
  EXPECT_EQ(manifests_of(*current_snapshot(*table.metadata)).size(), 1);
}

TEST_F(Append, Trap24ARequestThatArrivesLateCommitsOnce) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kDelayed});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(catalog.commits_.size(), 2);
  ASSERT_EQ(table.metadata->snapshots.size(), 1);
  const Snapshot& snapshot = *current_snapshot(*table.metadata);
  EXPECT_THAT(snapshot.manifest_list, HasSubstr(fmt::format("snap-{}-0-", snapshot.snapshot_id)));
  EXPECT_EQ(manifests_of(snapshot).size(), 1);
  EXPECT_EQ(metadata_files("snap-").size(), 1);
}

TEST_F(Append, Trap24ARequestThatArrivesTooLateDoesNoHarm) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kDelayedPastAnother});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  EXPECT_EQ(table.metadata->snapshots.size(), 2);
  EXPECT_EQ(metadata_files("snap-").size(), 1);
}

TEST_F(Append, Trap24AnOutcomeThatCannotBeLearntDeletesNothing) {
  ScriptedCatalog catalog(io_, new_table(2, {{"commit.retry.num-retries", "2"}}),
                          std::deque<Outcome>(20, Outcome::kLostBeforeCommit));
  catalog.failing_loads_ = 1000;
  try {
    append_files(catalog, catalog.now(), {file("a")}, {});
    FAIL();
  } catch (const CommitStateUnknown& e) {
    EXPECT_THAT(e.what(), HasSubstr("db.t"));
  }
  EXPECT_EQ(catalog.commits_.size(), 3);
  EXPECT_EQ(metadata_files("-m0.avro").size(), 1);
  EXPECT_EQ(metadata_files("snap-").size(), 3);
}

TEST_F(Append, Trap24ALateCommitIsFoundEvenIfTheNextAttemptFails) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kDelayed, Outcome::kIoError});
  const LoadedTable table = append_files(catalog, catalog.now(), {file("a")}, {});
  ASSERT_EQ(table.metadata->snapshots.size(), 1);
  EXPECT_EQ(manifests_of(*current_snapshot(*table.metadata)).size(), 1);
}

TEST_F(Append, Trap24AnErrorAfterAnUnknownOutcomeDeletesNothing) {
  ScriptedCatalog catalog(io_, new_table(), {Outcome::kLostBeforeCommit, Outcome::kIoError});
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {}), CommitStateUnknown);
  EXPECT_EQ(metadata_files("snap-").size(), 2);
}

// A rollback makes the requirements of an attempt hold again that others seemed to have made obsolete.
TEST_F(Append, Trap24ARequestThatArrivesAfterARollbackCommitsOnce) {
  for (const int version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    ScriptedCatalog catalog(io_, new_table(version), {});
    append_files(catalog, catalog.now(), {file("a")}, {});
    catalog.outcomes_ = {Outcome::kDelayedPastRollback};
    const LoadedTable table = append_files(catalog, catalog.now(), {file("b")}, {});
    const Snapshot& snapshot = *current_snapshot(*table.metadata);
    EXPECT_EQ(manifests_of(snapshot).size(), 2);
    // The attempt itself in version 1; in later ones its sequence number is too low by then.
    EXPECT_THAT(snapshot.manifest_list, HasSubstr(fmt::format("-{}-", version == 1 ? 0 : 2)));
    EXPECT_TRUE(fs::exists(snapshot.manifest_list));
  }
}

TEST_F(Append, Trap24WhatARollbackMayLetInIsNotRemoved) {
  for (const int version : {1, 2}) {
    SCOPED_TRACE(version);
    ScriptedCatalog catalog(io_, new_table(version, {{"commit.retry.num-retries", "0"}}), {});
    append_files(catalog, catalog.now(), {file("a")}, {});
    const size_t before = metadata_files("snap-").size();
    catalog.outcomes_ = {Outcome::kDelayedPastRollback};
    if (version == 1) {
      EXPECT_THROW(append_files(catalog, catalog.now(), {file("b")}, {}), CommitStateUnknown);
      catalog.deliver();
      EXPECT_EQ(manifests_of(*current_snapshot(*catalog.now().metadata)).size(), 2);
    } else {
      EXPECT_THROW(append_files(catalog, catalog.now(), {file("b")}, {}), CommitFailed);
      EXPECT_EQ(metadata_files("snap-").size(), before);
      catalog.deliver();
      EXPECT_EQ(manifests_of(*current_snapshot(*catalog.now().metadata)).size(), 1);
    }
  }
}

TEST_F(Append, DoesNotCommitToATableThatReplacedTheOneWrittenTo) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable base = catalog.now();
  catalog.replace_table();
  EXPECT_THROW(append_files(catalog, base, {file("a")}, {}), CommitFailed);
  EXPECT_TRUE(catalog.now().metadata->snapshots.empty());
  EXPECT_TRUE(metadata_files().empty());
}

TEST_F(Append, StopsBetweenAttempts) {
  ScriptedCatalog catalog(io_, new_table(), {});
  arrow::StopSource stop;
  stop.RequestStop();
  EXPECT_THROW(append_files(catalog, catalog.now(), {file("a")}, {}, stop.token()), Cancelled);
  EXPECT_TRUE(catalog.commits_.empty());
  EXPECT_TRUE(metadata_files().empty());
}

}  // namespace
}  // namespace floe
