#include "floe/transaction/snapshot_producer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "floe/transaction/append.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/test_files.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Pair;

class SnapshotProducerTest : public TransactionFolder {
 protected:
  static LoadedTable commit(ScriptedCatalog& catalog, SnapshotChange change) {
    Transaction transaction(catalog, catalog.now());
    transaction.add(std::move(change));
    return transaction.commit();
  }
  static const Snapshot& head(const LoadedTable& table) { return *current_snapshot(*table.metadata); }
};

TEST_F(SnapshotProducerTest, RemovesFilesAndKeepsManifestsWithoutThem) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a"), file("b"), file("c", "tue")}});
  const LoadedTable before = commit(catalog, {.added = {file("d")}});
  const LoadedTable table = commit(catalog, {.removed = {removal_of(file("b"))}});

  EXPECT_THAT(live_names(table), ElementsAre("a", "c", "d"));
  EXPECT_THAT(
      head(table).summary.to_map(),
      IsSupersetOf({Pair("operation", "delete"), Pair("deleted-data-files", "1"), Pair("deleted-records", "10"),
                    Pair("removed-files-size", "1000"), Pair("total-data-files", "3"), Pair("total-records", "30"),
                    Pair("total-files-size", "3000"), Pair("manifests-created", "1"), Pair("manifests-kept", "1"),
                    Pair("manifests-replaced", "1"), Pair("changed-partition-count", "1")}));
  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[0], manifests_of(*io_, head(before))[0]);
  EXPECT_EQ(manifests[1].existing_files_count, 2);
  EXPECT_EQ(manifests[1].deleted_files_count, 1);
  EXPECT_EQ(manifests[1].added_files_count, 0);
}

TEST_F(SnapshotProducerTest, OnlyManifestsThatMayHaveARemovedFileAreOpened) {
  ScriptedCatalog catalog(io_, new_table(), {});
  for (const std::string day : {"mon", "tue", "wed"}) {
    const DataFile data = file(day, day);
    commit(catalog, {.added = {data}});
    commit(catalog, {.added = {deletes_of(data, day + "-deletes"), equality_deletes(day + "-keys", day)}});
  }
  const LoadedTable before = catalog.now();
  clear_manifest_cache();
  const int64_t opened = io_->counters().files_opened;
  Transaction transaction(catalog, before);
  transaction.add(SnapshotChange{.removed = {removal_of(file("tue", "tue"))}});
  EXPECT_EQ(io_->counters().files_opened - opened, 3);  // the list, and of that day data and deletes
  const LoadedTable table = transaction.commit();
  EXPECT_THAT(live_names(table),
              ElementsAre("mon", "mon-deletes", "mon-keys", "tue-keys", "wed", "wed-deletes", "wed-keys"));
  const auto was = manifests_of(*io_, head(before)), is = manifests_of(*io_, head(table));
  ASSERT_EQ(is.size(), 6);
  for (const size_t i : {0, 1, 4, 5}) EXPECT_EQ(is[i], was[i]);
  EXPECT_EQ(head(table).summary.get("manifests-kept"), "4");

  // A delete file is in no manifest of data.
  clear_manifest_cache();
  const int64_t again = io_->counters().files_opened;
  const LoadedTable without = commit(catalog, {.removed = {removal_of(equality_deletes("wed-keys", "wed"))}});
  EXPECT_EQ(io_->counters().files_opened - again, 2);
  EXPECT_FALSE(live_names(without).contains("wed-keys"));
}

TEST_F(SnapshotProducerTest, ManifestsForWhichThereIsNoRoomAreWrittenAtOnce) {
  ScriptedCatalog catalog(io_, new_table(), {});
  for (const std::string day : {"mon", "tue"}) commit(catalog, {.added = {file(day + "1", day), file(day + "2", day)}});
  SnapshotChange change{.added = {file("new")}, .removed = {removal_of(file("mon1")), removal_of(file("tue2", "tue"))}};
  SnapshotProducer producer(io_, catalog.now(), change, 0);
  producer.build(catalog.now());
  catalog.interfere();
  const LoadedTable table = catalog.commit({}, producer.build(catalog.now()));
  producer.succeeded(*table.metadata);
  EXPECT_THAT(live_names(table), ElementsAre("mon2", "new", "tue1"));
  EXPECT_EQ(metadata_files(), referenced_metadata(table));

  SnapshotProducer gives_up(io_, table, {.added = {file("x")}, .removed = {removal_of(file("new"))}}, 0);
  gives_up.build(table);
  gives_up.failed();
  EXPECT_EQ(metadata_files(), referenced_metadata(table));
}

TEST_F(SnapshotProducerTest, Trap12OnlyNewFilesInheritSequenceNumbers) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable first = commit(catalog, {.added = {file("a"), file("b")}});
  commit(catalog, {.added = {file("c")}});
  const LoadedTable table = commit(catalog, {.added = {file("d")}, .removed = {removal_of(file("b"))}});

  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 3);
  EXPECT_EQ(manifests[0].min_sequence_number, 3);  // d
  EXPECT_EQ(manifests[2].sequence_number, 3);      // a, and b deleted
  EXPECT_EQ(manifests[2].min_sequence_number, 1);
  const ManifestPtr entries = open_manifest(*io_, manifests[2])->entries();
  ASSERT_EQ(entries->size, 2);
  EXPECT_THAT(entries->status, ElementsAre(EntryStatus::kExisting, EntryStatus::kDeleted));
  EXPECT_THAT(entries->sequence_number, ElementsAre(1, 1));
  EXPECT_THAT(entries->file_sequence_number, ElementsAre(1, 1));
  // An existing file names the snapshot that added it, a deleted one that which deleted it.
  EXPECT_THAT(entries->snapshot_id, ElementsAre(head(first).snapshot_id, head(table).snapshot_id));
  EXPECT_EQ(head(table).summary.get("operation"), "overwrite");
}

TEST_F(SnapshotProducerTest, Trap12ManifestsOfVersionOneAreSequenceNumberZero) {
  ScriptedCatalog catalog(io_, new_table(1), {});
  commit(catalog, {.added = {file("a"), file("b")}});
  catalog.commit({}, {.updates = {UpgradeFormatVersion{2}}});
  const LoadedTable table = commit(catalog, {.removed = {removal_of(file("b"))}});
  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 1);
  EXPECT_EQ(manifests[0].sequence_number, 1);
  EXPECT_EQ(manifests[0].min_sequence_number, 0);
  EXPECT_THAT(open_manifest(*io_, manifests[0])->entries()->sequence_number, ElementsAre(0, 0));
}

// Else files of a manifest of version 1 would be older than deletes that were committed before them.
TEST_F(SnapshotProducerTest, Trap12ManifestsAreMadeAnewForATableThatWasUpgradedMeanwhile) {
  ScriptedCatalog catalog(io_, new_table(1), {});
  SnapshotProducer producer(io_, catalog.now(), {.operation = "append", .added = {file("a")}});
  producer.build(catalog.now());
  catalog.commit({}, {.updates = {UpgradeFormatVersion{2}}});
  catalog.interfere();
  const LoadedTable table = catalog.commit({}, producer.build(catalog.now()));
  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_GE(manifests.size(), 1);
  EXPECT_EQ(manifests[0].sequence_number, 2);
  EXPECT_THAT(open_manifest(*io_, manifests[0])->entries()->sequence_number, ElementsAre(2));
}

TEST_F(SnapshotProducerTest, CountsThatVersionOneLeftOutAreMadeUpForAfterAnUpgrade) {
  ScriptedCatalog catalog(io_, new_table(1), {});
  LoadedTable table = commit(catalog, {.added = {file("a"), file("b")}});
  Snapshot bare = head(table);
  std::vector<ManifestFile> manifests = manifests_of(*io_, bare);
  for (ManifestFile& manifest : manifests) {
    manifest.added_files_count = manifest.existing_files_count = manifest.deleted_files_count = kNotKnown;
    manifest.added_rows_count = manifest.existing_rows_count = manifest.deleted_rows_count = kNotKnown;
  }
  bare.parent_snapshot_id = bare.snapshot_id++;
  bare.manifest_list = folder_ / "t/metadata/bare.avro";
  io_->write(bare.manifest_list, write_manifest_list(1, bare, manifests, nullptr));
  catalog.commit({}, {.updates = {AddSnapshot{bare}, SetSnapshotRef{"main", {.snapshot_id = bare.snapshot_id}},
                                  UpgradeFormatVersion{3}}});
  table = commit(catalog, {.operation = "append", .added = {file("c")}});
  manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[1].added_files_count, 2);
  EXPECT_EQ(manifests[1].existing_rows_count, 0);
  EXPECT_EQ(head(table).added_rows, 30);
  EXPECT_THAT(live_names(table), ElementsAre("a", "b", "c"));
}

TEST_F(SnapshotProducerTest, DeletedEntriesAreNotCarriedFurtherAndEmptyManifestsGo) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a"), file("b"), file("c")}});
  commit(catalog, {.removed = {removal_of(file("a"))}});
  LoadedTable table = commit(catalog, {.removed = {removal_of(file("b"))}});
  EXPECT_EQ(manifests_of(*io_, head(table)).at(0).deleted_files_count, 1);
  table = commit(catalog, {.removed = {removal_of(file("c"))}});
  ASSERT_EQ(manifests_of(*io_, head(table)).size(), 1);  // that c was deleted
  // A fast append keeps even that (rust#2545); the next removal does not.
  table = commit(catalog, {.operation = "append", .added = {file("d")}});
  EXPECT_EQ(manifests_of(*io_, head(table)).size(), 2);
  table = commit(catalog, {.added = {file("e")}, .removed = {removal_of(file("d"))}});
  EXPECT_EQ(manifests_of(*io_, head(table)).size(), 2);
  EXPECT_THAT(live_names(table), ElementsAre("e"));
}

TEST_F(SnapshotProducerTest, Trap13RewrittenManifestsSayFirstRowIds) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  commit(catalog, {.added = {file("a", "mon", 0, 10), file("b", "mon", 0, 5), file("c", "mon", 0, 7)}});
  const LoadedTable table = commit(catalog, {.added = {file("d", "mon", 0, 4)}, .removed = {removal_of(file("b"))}});
  std::map<std::string, int64_t> first_ids;
  for (const LiveFile& live : live_files(*table.metadata, head(table))) first_ids[live.name] = live.first_row_id;
  EXPECT_THAT(first_ids, ElementsAre(Pair("a", 0), Pair("c", 15), Pair("d", 22)));
  EXPECT_GE(table.metadata->next_row_id, 26);
}

TEST_F(SnapshotProducerTest, Trap13MergedManifestsSayFirstRowIdsAndRetriesAssignAnew) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  commit(catalog, {.added = {file("a", "mon", 0, 10)}});
  commit(catalog, {.added = {file("b", "mon", 0, 5)}});
  catalog.commit({}, {.updates = {SetProperties{{{"commit.manifest.min-count-to-merge", "2"}}}}});
  catalog.outcomes_ = {Outcome::kAnotherWasFirst};
  const LoadedTable table =
      commit(catalog, {.operation = "append", .added = {file("c", "mon", 0, 7)}, .merge_manifests = true});
  ASSERT_EQ(manifests_of(*io_, head(table)).size(), 1);
  std::map<std::string, int64_t> first_ids;
  for (const LiveFile& live : live_files(*table.metadata, head(table))) first_ids[live.name] = live.first_row_id;
  EXPECT_THAT(first_ids, ElementsAre(Pair("a", 0), Pair("b", 10), Pair("c", 15)));
}

TEST_F(SnapshotProducerTest, Trap16And17DeletesThatReferToARemovedFileAloneGoWithIt) {
  for (const int version : {2, 3}) {
    ScriptedCatalog catalog(io_, new_table(version), {});
    const DataFile a = file("a"), b = file("b"), c = file("c", "tue");
    commit(catalog, {.added = {a, b, c}});
    std::vector<DataFile> deletes;
    if (version == 2) {
      DataFile by_bounds = deletes_of(a, "a-deletes");  // as writers do that do not name the file
      by_bounds.referenced_data_file.reset();
      by_bounds.lower_bounds = by_bounds.upper_bounds = {{kDeleteFilePathId, a.file_path}};
      DataFile of_both = deletes_of(a, "both-deletes");
      of_both.referenced_data_file.reset();
      of_both.lower_bounds = {{kDeleteFilePathId, a.file_path}};
      of_both.upper_bounds = {{kDeleteFilePathId, b.file_path}};
      deletes = {by_bounds, of_both, deletes_of(b, "b-deletes")};
    } else {
      deletes = {vector_of(a, "dv", 4), vector_of(b, "dv", 44), vector_of(c, "dv", 84)};
    }
    LoadedTable table = commit(catalog, {.added = deletes});
    EXPECT_EQ(head(table).summary.get("operation"), "delete");
    EXPECT_EQ(head(table).summary.get(version == 2 ? "added-position-delete-files" : "added-dvs"), "3");
    table = commit(catalog, {.removed = {removal_of(a)}});
    EXPECT_EQ(head(table).summary.get("removed-delete-files"), "1");
    EXPECT_EQ(head(table).summary.get(version == 2 ? "removed-position-delete-files" : "removed-dvs"), "1");
    EXPECT_EQ(head(table).summary.get("total-delete-files"), "2");
    if (version == 2) {
      EXPECT_THAT(live_names(table), ElementsAre("b", "b-deletes", "both-deletes", "c"));
    }
    // Delete files are listed apart from data files, and under the spec of what they delete from.
    for (const ManifestFile& manifest : manifests_of(*io_, head(table))) {
      EXPECT_EQ(open_manifest(*io_, manifest)->entries()->content, manifest.content);
    }
  }
}

TEST_F(SnapshotProducerTest, Trap16DeletesOfAnOlderSpecAreListedUnderIt) {
  const TableMetadata metadata =
      apply(new_table(), {AddPartitionSpec{{.spec_id = 1, .fields = {}}}, SetDefaultSpec{-1}});
  ScriptedCatalog catalog(io_, metadata, {});
  const DataFile old = file("old");
  commit(catalog, {.added = {old}});
  const LoadedTable table = commit(catalog, {.added = {deletes_of(old, "deletes")}});
  EXPECT_EQ(manifests_of(*io_, head(table)).at(0).partition_spec_id, 0);
  EXPECT_EQ(manifests_of(*io_, head(table)).at(0).content, ManifestContent::kDeletes);
}

TEST_F(SnapshotProducerTest, Trap17OneDeletionVectorForEachDataFile) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  const DataFile a = file("a");
  commit(catalog, {.added = {a}});
  const DataFile first = vector_of(a, "dv1");
  commit(catalog, {.added = {first}});
  EXPECT_THROW(commit(catalog, {.added = {vector_of(a, "dv2")}}), ConflictFound);
  EXPECT_THROW(commit(catalog, {.added = {vector_of(a, "dv2", 4), vector_of(a, "dv2", 44)}}), InvalidArgument);
  EXPECT_THROW(commit(catalog, {.added = {deletes_of(a, "positions")}}), InvalidArgument);
  const LoadedTable table = commit(catalog, {.added = {vector_of(a, "dv2")}, .removed = {removal_of(first)}});
  EXPECT_THAT(live_names(table), ElementsAre("a", "dv2"));
  // Of vectors that share a file, the one at the offset goes.
  const DataFile b = file("b");
  commit(catalog, {.added = {b}});
  commit(catalog, {.added = {vector_of(b, "dv2", 44)}});
  const LoadedTable without = commit(catalog, {.removed = {removal_of(vector_of(b, "dv2", 44))}});
  EXPECT_THAT(live_names(without), ElementsAre("a", "b", "dv2"));
  EXPECT_EQ(head(without).summary.get("total-delete-files"), "1");
}

TEST_F(SnapshotProducerTest, Trap18RewrittenFilesMayKeepTheirSequenceNumber) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a"), file("b")}});
  commit(catalog, {.added = {equality_deletes("eq", "mon")}});
  const LoadedTable table = commit(catalog, {.operation = "replace",
                                             .added = {file("ab", "mon", 0, 20)},
                                             .removed = {removal_of(file("a")), removal_of(file("b"))},
                                             .data_sequence_number = 1});
  EXPECT_EQ(head(table).summary.get("operation"), "replace");
  for (const LiveFile& live : live_files(*table.metadata, head(table))) {
    EXPECT_EQ(live.sequence_number, live.name == "ab" ? 1 : 2) << live.name;
  }
  const auto manifests = manifests_of(*io_, head(table));
  EXPECT_EQ(manifests[0].sequence_number, 3);
  EXPECT_EQ(manifests[0].min_sequence_number, 1);
  EXPECT_EQ(open_manifest(*io_, manifests[0])->entries()->file_sequence_number[0], 3);
}

TEST_F(SnapshotProducerTest, Trap24ARetryRebuildsWithoutFilesThatAreGoneAndReusesWhatIsUnchanged) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a"), file("b")}});
  Transaction transaction(catalog, catalog.now());
  transaction.add(SnapshotChange{.added = {file("d")}, .removed = {removal_of(file("b"))}});
  commit(catalog, {.added = {file("c")}});
  const LoadedTable table = transaction.commit();
  EXPECT_EQ(catalog.commits_.size(), 4);
  EXPECT_THAT(live_names(table), ElementsAre("a", "c", "d"));
  EXPECT_EQ(metadata_files(), referenced_metadata(table));  // nothing of the first attempt is left
  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 3);
  EXPECT_THAT(manifests[2].manifest_path, HasSubstr("-m1.avro"));  // as the first attempt wrote it
}

TEST_F(SnapshotProducerTest, Trap24ARemovedFileThatIsGoneIsAConflict) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a"), file("b")}});
  Transaction transaction(catalog, catalog.now());
  transaction.add(SnapshotChange{.added = {file("d")}, .removed = {removal_of(file("b"))}});
  const LoadedTable other = commit(catalog, {.removed = {removal_of(file("b"))}});
  EXPECT_THROW(transaction.commit(), ConflictFound);
  EXPECT_EQ(metadata_files(), referenced_metadata(other));
  const LoadedTable table = commit(catalog, {.added = {file("d")}, .removed = {removal_of(file("b"), true)}});
  EXPECT_THAT(live_names(table), ElementsAre("a", "d"));
  EXPECT_EQ(head(table).summary.get("operation"), "append");  // nothing was removed
}

TEST_F(SnapshotProducerTest, Trap24FastAppendsKeepManifestsOfDeletesAlone) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a")}});
  commit(catalog, {.added = {file("b")}});
  commit(catalog, {.added = {deletes_of(file("a"), "deletes")}});
  LoadedTable table = commit(catalog, {.removed = {removal_of(file("b"))}});
  const std::vector<ManifestFile> before = manifests_of(*io_, head(table));
  ASSERT_EQ(before.size(), 3);  // of a, of the deletes, and that b was deleted
  table = append_files(catalog, table, {file("c")}, {});
  const std::vector<ManifestFile> after = manifests_of(*io_, head(table));
  EXPECT_EQ(std::vector(after.begin() + 1, after.end()), before);
  EXPECT_THAT(live_names(table), ElementsAre("a", "c", "deletes"));
}

TEST_F(SnapshotProducerTest, CommitsToOtherBranchesDoNotDisturb) {
  ScriptedCatalog catalog(io_, new_table(3), {});
  commit(catalog, {.added = {file("a")}});
  Transaction transaction(catalog, catalog.now());
  transaction.add(SnapshotChange{.added = {file("b")}});
  commit(catalog, {.added = {file("x")}, .branch = "audit"});
  const LoadedTable table = transaction.commit();  // its sequence number and row ids were taken
  EXPECT_EQ(head(table).sequence_number, 3);
  EXPECT_THAT(live_names(table), ElementsAre("a", "b"));
  EXPECT_THAT(live_names(table, "audit"), ElementsAre("a", "x"));
}

TEST_F(SnapshotProducerTest, AStagedSnapshotMovesNoBranch) {
  ScriptedCatalog catalog(io_, new_table(), {});
  const LoadedTable before = commit(catalog, {.added = {file("a")}});
  const LoadedTable table =
      append_files(catalog, catalog.now(), {file("b")}, {.snapshot_properties = {{"wap.id", "7"}}, .stage_only = true});
  EXPECT_EQ(table.metadata->current_snapshot_id, before.metadata->current_snapshot_id);
  ASSERT_EQ(table.metadata->snapshots.size(), 2);
  const Snapshot& staged = *table.metadata->snapshots.back();
  EXPECT_EQ(staged.summary.get("wap.id"), "7");
  EXPECT_EQ(staged.parent_snapshot_id, before.metadata->current_snapshot_id);
  EXPECT_EQ(live_files(*table.metadata, staged).size(), 2);
}

TEST_F(SnapshotProducerTest, FilesThatAreThereAlreadyAreRefusedWhereAsked) {
  ScriptedCatalog catalog(io_, new_table(), {});
  commit(catalog, {.added = {file("a")}});
  EXPECT_THROW(commit(catalog, {.added = {file("a")}, .refuse_duplicates = true}), InvalidArgument);
  EXPECT_EQ(catalog.now().metadata->snapshots.size(), 1);
}

TEST_F(SnapshotProducerTest, PartitionValuesSurvivePromotedAndDroppedColumns) {
  TableMetadata metadata =
      new_table_metadata({.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kInt)},
                                                {.id = 2, .name = "gone", .type = primitive(TypeKind::kString)}}},
                          .spec = {.fields = {{.source_ids = {1}, .field_id = 1000, .name = "id"},
                                              {.source_ids = {2}, .field_id = 1001, .name = "gone"}}},
                          .location = folder_ / "t"});
  ScriptedCatalog catalog(io_, metadata, {});
  DataFile a = file("a"), b = file("b");
  a.partition = {Value(int32_t{4}), Value(std::string("x"))};
  b.partition = {Value(int32_t{5}), Value(std::string("y"))};
  a.lower_bounds = a.upper_bounds = b.lower_bounds = b.upper_bounds = {};
  commit(catalog, {.added = {a, b}});
  catalog.commit({}, {.updates = {AddPartitionSpec{{.spec_id = 1}}, SetDefaultSpec{-1},
                                  AddSchema{{.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)}}}},
                                  SetCurrentSchema{-1}}});
  const LoadedTable table = commit(catalog, {.removed = {removal_of(b)}});
  EXPECT_THAT(live_names(table), ElementsAre("a"));
  const auto files = open_manifest(*io_, manifests_of(*io_, head(table)).at(0))->data_files();
  EXPECT_EQ(files.at(0).partition.at(1), Value(std::string("x")));
}

class MergedManifests : public SnapshotProducerTest {};

TEST_F(MergedManifests, AreNewFirstAndOfOneSpecAndContent) {
  ScriptedCatalog catalog(
      io_, new_table(2, {{"commit.manifest-merge.enabled", "true"}, {"commit.manifest.min-count-to-merge", "3"}}), {});
  commit(catalog, {.added = {file("a")}});
  LoadedTable table = commit(catalog, {.added = {file("b"), deletes_of(file("a"), "a-deletes")}});
  EXPECT_EQ(manifests_of(*io_, head(table)).size(), 3);  // not enough to merge
  table = commit(catalog, {.operation = "append", .added = {file("c")}});
  const auto manifests = manifests_of(*io_, head(table));
  ASSERT_EQ(manifests.size(), 2);
  EXPECT_EQ(manifests[0].content, ManifestContent::kData);
  EXPECT_EQ(manifests[1].content, ManifestContent::kDeletes);
  const ManifestPtr entries = open_manifest(*io_, manifests[0])->entries();
  ASSERT_EQ(entries->size, 3);
  EXPECT_THAT(std::string(entries->file_path[0]), HasSubstr("/c"));
  EXPECT_THAT(std::string(entries->file_path[2]), HasSubstr("/a"));
  EXPECT_THAT(entries->status, ElementsAre(EntryStatus::kAdded, EntryStatus::kExisting, EntryStatus::kExisting));
  EXPECT_THAT(entries->sequence_number, ElementsAre(3, 2, 1));
  EXPECT_EQ(manifests[0].min_sequence_number, 1);
  EXPECT_EQ(head(table).summary.get("manifests-created"), "1");
  EXPECT_EQ(head(table).summary.get("manifests-kept"), "1");
  EXPECT_EQ(head(table).summary.get("manifests-replaced"), "2");
  EXPECT_EQ(metadata_files(), referenced_metadata(table));
}

TEST_F(MergedManifests, ArePackedFromTheOldestUpToTheTargetSize) {
  std::vector<ManifestFile> manifests;
  for (const int64_t length : {10, 60, 50, 60, 40}) {
    manifests.push_back({.manifest_path = fmt::format("m{}", manifests.size()),
                         .manifest_length = length,
                         .added_snapshot_id = manifests.empty() ? 7 : 1});
  }
  TableMetadata table = new_table(2, {{"commit.manifest.target-size-bytes", "100"}});
  const auto sizes = [&](const char* min_count) {
    table.properties["commit.manifest.min-count-to-merge"] = min_count;
    std::vector<size_t> result;
    for (const auto& bin : bins_to_merge(table, 7, manifests)) result.push_back(bin.size());
    return result;
  };
  EXPECT_THAT(sizes("100"), ElementsAre(1, 1, 1, 2));
  EXPECT_THAT(sizes("2"), ElementsAre(2, 1, 2));
}

TEST_F(MergedManifests, AreNotTheDefault) {
  ScriptedCatalog catalog(io_, new_table(2, {{"commit.manifest.min-count-to-merge", "1"}}), {});
  for (const char* name : {"a", "b", "c"}) commit(catalog, {.added = {file(name)}});
  EXPECT_EQ(manifests_of(*io_, head(catalog.now())).size(), 3);
}

}  // namespace
}  // namespace floe
