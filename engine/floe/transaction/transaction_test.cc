#include "floe/transaction/transaction.h"

#include <gmock/gmock.h>

#include "floe/transaction/append.h"
#include "floe/transaction/test_files.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TransactionTest : public TransactionFolder {
 protected:
  std::set<std::string> data_files() {
    std::set<std::string> names;
    if (!std::filesystem::exists(folder_ / "t/data")) return names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "t/data"))
      names.insert(entry.path().filename());
    return names;
  }
  // A step that has written a data file.
  void append_written(Transaction& transaction, const std::string& name) {
    DataFile data = file(name);
    io_->write(data.file_path, "rows");
    transaction.add(SnapshotChange{.added = {data}, .discard = {data.file_path}});
  }
};

TEST_F(TransactionTest, SeveralStepsAreOneCommit) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  Transaction transaction(catalog, catalog.now());
  append(transaction, {file("a", "mon", 0, 10), file("b", "mon", 0, 5)}, {});
  EXPECT_EQ(live_names(transaction.staged()).size(), 2);
  transaction.add(TableCommit{.updates = {SetProperties{{{"owner", "x"}}}}});
  transaction.add(SnapshotChange{.added = {file("c", "mon", 0, 7)}, .removed = {removal_of(file("a"))}});
  EXPECT_TRUE(catalog.commits_.empty());
  const LoadedTable table = transaction.commit();
  ASSERT_EQ(catalog.commits_.size(), 1);
  EXPECT_THAT(live_names(table), ElementsAre("b", "c"));
  EXPECT_EQ(table.metadata->properties.at("owner"), "x");
  // Sequence numbers and parents as if they had been committed one by one.
  ASSERT_EQ(table.metadata->snapshots.size(), 2);
  EXPECT_EQ(table.metadata->snapshots[0]->sequence_number, 1);
  EXPECT_EQ(table.metadata->snapshots[1]->sequence_number, 2);
  EXPECT_EQ(table.metadata->snapshots[1]->parent_snapshot_id, table.metadata->snapshots[0]->snapshot_id);
  EXPECT_EQ(table.metadata->snapshot_log.size(), 1);
  // One requirement for each thing, and on the table as it was.
  const auto& requirements = catalog.commits_[0].requirements;
  ASSERT_EQ(requirements.size(), 2);
  EXPECT_EQ(std::get<AssertRefSnapshotId>(requirements[1]).snapshot_id, std::nullopt);
  EXPECT_EQ(metadata_files(), referenced_metadata(table));
}

TEST_F(TransactionTest, ARetryBuildsAllStepsAnewOnTheNewTable) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  append_files(catalog, catalog.now(), {file("z")}, {});
  Transaction transaction(catalog, catalog.now());
  append(transaction, {file("a")}, {});
  transaction.add(SnapshotChange{.added = {file("c")}, .removed = {removal_of(file("a"))}});
  append_files(catalog, catalog.now(), {file("other")}, {});
  const LoadedTable table = transaction.commit();
  EXPECT_THAT(live_names(table), ElementsAre("c", "other", "z"));
  const auto& snapshots = table.metadata->snapshots;
  ASSERT_EQ(snapshots.size(), 4);
  for (size_t i = 0; i < snapshots.size(); ++i) {
    EXPECT_EQ(snapshots[i]->sequence_number, i + 1);
    if (i > 0) {
      EXPECT_EQ(snapshots[i]->parent_snapshot_id, snapshots[i - 1]->snapshot_id);
    }
  }
  EXPECT_EQ(metadata_files(), referenced_metadata(table));
  // The removed file's entry has the sequence number of the retry, not of the first attempt.
  for (const ManifestFile& manifest : manifests_of(*io_, *current_snapshot(*table.metadata))) {
    const ManifestPtr entries = open_manifest(*io_, manifest)->entries();
    for (size_t i = 0; i < entries->size; ++i) {
      if (entries->status[i] == EntryStatus::kDeleted) {
        EXPECT_EQ(entries->sequence_number[i], 3);
      }
    }
  }
}

TEST_F(TransactionTest, AnotherWritersRowsBeforeOwnStepsAreConflicts) {
  ScriptedCatalog catalog(io_, new_table(), {});
  append_files(catalog, catalog.now(), {file("z")}, {});
  Transaction transaction(catalog, catalog.now());
  append(transaction, {file("a")}, {});
  ConflictChecks checks = transaction.checks_for("main");
  checks.no_added_data = Expression{};
  transaction.add(SnapshotChange{.added = {file("c")}, .removed = {removal_of(file("a"))}, .checks = checks});
  const LoadedTable other = append_files(catalog, catalog.now(), {file("other")}, {});
  EXPECT_THROW(transaction.commit(), ConflictFound);
  EXPECT_EQ(metadata_files(), referenced_metadata(other));
}

TEST_F(TransactionTest, NothingStaysWhenItIsDroppedOrFails) {
  ScriptedCatalog catalog(io_, new_table(), {});
  {
    Transaction transaction(catalog, catalog.now());
    append_written(transaction, "a");
    append_written(transaction, "b");
    EXPECT_EQ(data_files().size(), 2);
  }
  EXPECT_THAT(metadata_files(), IsEmpty());
  EXPECT_THAT(data_files(), IsEmpty());
  {
    Transaction transaction(catalog, catalog.now());
    append_written(transaction, "a");
    catalog.outcomes_ = {Outcome::kIoError};
    EXPECT_THROW(transaction.commit(), IoError);
    EXPECT_THROW(transaction.commit(), InvalidArgument);
    EXPECT_THROW(append_written(transaction, "b"), InvalidArgument);
  }
  EXPECT_THAT(metadata_files(), IsEmpty());
  EXPECT_THAT(data_files(), IsEmpty());
}

TEST_F(TransactionTest, Trap24WhatMayBeCommittedStays) {
  ScriptedCatalog catalog(io_, new_table(2, {{"commit.retry.num-retries", "0"}}), {Outcome::kLostBeforeCommit});
  catalog.failing_loads_ = 100;
  {
    Transaction transaction(catalog, catalog.now());
    append_written(transaction, "a");
    EXPECT_THROW(transaction.commit(), CommitStateUnknown);
  }
  EXPECT_EQ(metadata_files().size(), 2);
  EXPECT_THAT(data_files(), ElementsAre("a"));
}

TEST_F(TransactionTest, AStepThatFailsLeavesTheOthers) {
  ScriptedCatalog catalog(io_, new_table(), {});
  Transaction transaction(catalog, catalog.now());
  append(transaction, {file("a")}, {});
  EXPECT_THROW(transaction.add(SnapshotChange{.removed = {removal_of(file("nowhere"))}}), ConflictFound);
  EXPECT_THROW(transaction.add(TableCommit{.updates = {SetDefaultSpec{77}}}), InvalidArgument);
  const LoadedTable table = transaction.commit();
  EXPECT_THAT(live_names(table), ElementsAre("a"));
  EXPECT_EQ(metadata_files(), referenced_metadata(table));
}

TEST_F(TransactionTest, RequirementsHoldOnWhatIsStagedAndAreAskedOfTheBase) {
  ScriptedCatalog catalog(io_, new_table(), {});
  Transaction transaction(catalog, catalog.now());
  const Schema schema{.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                                 {.id = 2, .name = "day", .type = primitive(TypeKind::kString)},
                                 {.id = 3, .name = "more", .type = primitive(TypeKind::kLong)}}};
  transaction.add(TableCommit{{AssertCurrentSchemaId{0}}, {AddSchema{schema}, SetCurrentSchema{-1}}});
  EXPECT_THROW(transaction.add(TableCommit{{AssertCurrentSchemaId{0}}, {SetProperties{{{"a", "b"}}}}}), CommitFailed);
  transaction.add(TableCommit{{AssertCurrentSchemaId{1}}, {SetProperties{{{"a", "b"}}}}});
  append(transaction, {file("a")}, {});
  const LoadedTable table = transaction.commit();
  EXPECT_EQ(table.metadata->current_schema_id, 1);
  EXPECT_EQ(current_snapshot(*table.metadata)->schema_id, 1);
  ASSERT_EQ(catalog.commits_[0].requirements.size(), 3);
  EXPECT_EQ(std::get<AssertCurrentSchemaId>(catalog.commits_[0].requirements[0]).current_schema_id, 0);
}

TEST_F(TransactionTest, WithoutChangesNothingIsCommitted) {
  ScriptedCatalog catalog(io_, new_table(), {});
  Transaction transaction(catalog, catalog.now());
  EXPECT_TRUE(transaction.commit().metadata->snapshots.empty());
  EXPECT_TRUE(catalog.commits_.empty());
}

}  // namespace
}  // namespace floe
