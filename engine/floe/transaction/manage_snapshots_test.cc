#include "floe/transaction/manage_snapshots.h"

#include <gmock/gmock.h>

#include "floe/error.h"
#include "floe/transaction/append.h"
#include "floe/transaction/overwrite.h"
#include "floe/transaction/test_files.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ManageSnapshotsTest : public TransactionFolder {
 protected:
  static LoadedTable change(Catalog& catalog, const LoadedTable& base, const std::function<void(Transaction&)>& work) {
    Transaction transaction(catalog, base);
    work(transaction);
    return transaction.commit();
  }
  LoadedTable change(const std::function<void(Transaction&)>& work) { return change(*catalog_, catalog_->now(), work); }

  int64_t append_file(const std::string& name, const std::string& day = "mon", AppendOptions options = {}) {
    return append_files(*catalog_, catalog_->now(), {file(name, day)}, options).metadata->snapshots.back()->snapshot_id;
  }

  // A snapshot that no branch has.
  int64_t stage(const std::string& name, const Properties& properties = {}) {
    return append_file(name, "mon", {.snapshot_properties = properties, .stage_only = true});
  }

  int64_t stage_overwrite(const std::string& name, const std::string& day) {
    return change([&](Transaction& t) { overwrite_partitions(t, {file(name, day)}, {.stage_only = true}); })
        .metadata->snapshots.back()
        ->snapshot_id;
  }

  SnapshotRef ref(const std::string& name) {
    table_ = catalog_->now();
    return table_.metadata->refs.at(name);
  }

  template <typename Exception>
  std::string refusal(const std::function<void(Transaction&)>& work) {
    try {
      change(work);
    } catch (const Exception& e) {
      return e.what();
    }
    return "it was not refused";
  }

  void begin(int32_t format_version = 2) { catalog_.emplace(io_, new_table(format_version), std::deque<Outcome>{}); }

  std::optional<ScriptedCatalog> catalog_;
  LoadedTable table_;
};

TEST_F(ManageSnapshotsTest, RefsAreMadeReplacedRenamedAndRemoved) {
  begin();
  const int64_t first = append_file("a"), second = append_file("b");
  change([&](Transaction& t) {
    set_ref(t, "tag", {.snapshot_id = first, .is_branch = false, .max_ref_age_ms = 5}, RefChange::kCreate);
    set_ref(t, "branch", {.snapshot_id = first, .min_snapshots_to_keep = 2}, RefChange::kCreate);
  });
  EXPECT_EQ(ref("tag").max_ref_age_ms, 5);
  EXPECT_EQ(ref("branch").min_snapshots_to_keep, 2);
  EXPECT_THAT(refusal<AlreadyExists>([&](Transaction& t) {
                set_ref(t, "tag", {.snapshot_id = second, .is_branch = false}, RefChange::kCreate);
              }),
              HasSubstr("there is a tag tag already"));
  EXPECT_THAT(refusal<InvalidArgument>(
                  [&](Transaction& t) { set_ref(t, "tag", {.snapshot_id = second}, RefChange::kCreateOrReplace); }),
              HasSubstr("tag is a tag, not a branch"));
  EXPECT_THAT(refusal<NotFound>([&](Transaction& t) { set_ref(t, "x", {.snapshot_id = second}, RefChange::kReplace); }),
              HasSubstr("there is no branch or tag x"));
  EXPECT_THAT(refusal<NotFound>([&](Transaction& t) { set_ref(t, "x", {.snapshot_id = 1}, RefChange::kCreate); }),
              HasSubstr("unknown snapshot id: 1"));
  change([&](Transaction& t) {
    set_ref(t, "tag", {.snapshot_id = second, .is_branch = false}, RefChange::kReplace);
    rename_branch(t, "branch", "other");
  });
  EXPECT_EQ(ref("tag").snapshot_id, second);
  EXPECT_EQ(ref("tag").max_ref_age_ms, 5);
  EXPECT_EQ(ref("other").min_snapshots_to_keep, 2);
  EXPECT_FALSE(table_.metadata->refs.contains("branch"));
  EXPECT_THAT(refusal<AlreadyExists>([](Transaction& t) { rename_branch(t, "other", "tag"); }), HasSubstr("already"));
  EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { remove_ref(t, "main", true); }), HasSubstr("cannot be"));
  EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { rename_branch(t, "main", "x"); }), HasSubstr("cannot be"));
  EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { remove_ref(t, "tag", true); }), HasSubstr("not a branch"));
  change([](Transaction& t) {
    remove_ref(t, "tag", false);
    remove_ref(t, "other", true);
  });
  EXPECT_EQ(catalog_->now().metadata->refs.size(), 1);
}

TEST_F(ManageSnapshotsTest, BranchesMoveForwardAlone) {
  begin();
  const int64_t first = append_file("a");
  change([&](Transaction& t) { set_ref(t, "audit", {.snapshot_id = first}, RefChange::kCreate); });
  const int64_t audited = append_file("b", "mon", {.branch = "audit"});
  change([](Transaction& t) { fast_forward(t, "main", "audit"); });
  EXPECT_EQ(catalog_->now().metadata->current_snapshot_id, audited);
  append_file("c");
  append_file("d", "mon", {.branch = "audit"});
  EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { fast_forward(t, "main", "audit"); }),
              HasSubstr("main is not an ancestor of audit"));
  change([](Transaction& t) { fast_forward(t, "new", "audit"); });
  EXPECT_EQ(ref("new").snapshot_id, ref("audit").snapshot_id);
}

TEST_F(ManageSnapshotsTest, WhatARefKeepsIsChangedPieceByPiece) {
  begin();
  append_file("a");
  change([](Transaction& t) {
    set_retention(t, "main", {.min_snapshots_to_keep = 3});
    set_retention(t, "main", {.max_snapshot_age_ms = 9});
  });
  EXPECT_EQ(ref("main").min_snapshots_to_keep, 3);
  EXPECT_EQ(ref("main").max_snapshot_age_ms, 9);
  append_file("b");
  EXPECT_EQ(ref("main").min_snapshots_to_keep, 3);
  EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { set_retention(t, "main", {.max_ref_age_ms = 0}); }),
              HasSubstr("positive"));
  EXPECT_THAT(refusal<NotFound>([](Transaction& t) { set_retention(t, "x", {}); }), HasSubstr("no branch or tag x"));
}

TEST_F(ManageSnapshotsTest, TheTableRollsBack) {
  begin();
  const int64_t first = append_file("a"), second = append_file("b");
  change([](Transaction& t) { set_retention(t, "main", {.min_snapshots_to_keep = 3}); });
  change([&](Transaction& t) { rollback_to_snapshot(t, first); });
  EXPECT_THAT(live_names(catalog_->now()), ElementsAre("a"));
  EXPECT_EQ(ref("main").min_snapshots_to_keep, 3);
  EXPECT_THAT(refusal<InvalidArgument>([&](Transaction& t) { rollback_to_snapshot(t, second); }),
              HasSubstr("not an ancestor of the current state"));
  EXPECT_THAT(refusal<NotFound>([&](Transaction& t) { rollback_to_snapshot(t, 1); }),
              HasSubstr("Cannot roll back to unknown snapshot id: 1"));
  change([&](Transaction& t) { set_current_snapshot(t, second); });
  EXPECT_THAT(live_names(catalog_->now()), ElementsAre("a", "b"));
  const int64_t made = snapshot_by_id(*catalog_->now().metadata, first)->timestamp_ms;
  EXPECT_THAT(refusal<InvalidArgument>([&](Transaction& t) { rollback_to_timestamp(t, made); }),
              HasSubstr("no valid snapshot older than"));
  change([&](Transaction& t) { rollback_to_timestamp(t, made + 1'000'000); });
  EXPECT_EQ(catalog_->now().metadata->current_snapshot_id, second);
  // A transaction goes on from where it rolled back to.
  change([&](Transaction& t) {
    rollback_to_snapshot(t, first);
    append(t, {file("c")}, {});
  });
  EXPECT_THAT(live_names(catalog_->now()), ElementsAre("a", "c"));
}

TEST_F(ManageSnapshotsTest, ARollbackDoesNotUndoWhatItHasNotSeen) {
  begin();
  const int64_t first = append_file("a");
  append_file("b");
  const LoadedTable before = catalog_->now();
  append_file("c");
  EXPECT_THROW(change(*catalog_, before, [&](Transaction& t) { rollback_to_snapshot(t, first); }), CommitFailed);
  EXPECT_THAT(live_names(catalog_->now()), ElementsAre("a", "b", "c"));
}

TEST_F(ManageSnapshotsTest, TheNextSnapshotIsTakenAsItIs) {
  begin();
  append_file("a");
  const int64_t staged = stage("s", {{"wap.id", "w"}});
  change([](Transaction& t) { EXPECT_GT(publish_changes(t, "w"), 0); });
  EXPECT_EQ(catalog_->now().metadata->current_snapshot_id, staged);
  EXPECT_EQ(catalog_->now().metadata->snapshots.size(), 2);
  EXPECT_THAT(refusal<InvalidArgument>([&](Transaction& t) { cherry_pick(t, staged); }),
              HasSubstr("is on the main branch already"));
}

TEST_F(ManageSnapshotsTest, StagedAppendsArePublishedOnce) {
  for (const int32_t version : {1, 2, 3}) {
    begin(version);
    append_file("a");
    const int64_t staged = stage("s", {{"wap.id", "w"}, {"by", "me"}});
    append_file("b");
    const LoadedTable table = change([](Transaction& t) { publish_changes(t, "w"); });
    EXPECT_THAT(live_names(table), ElementsAre("a", "b", "s"));
    const Snapshot& published = *current_snapshot(*table.metadata);
    EXPECT_EQ(published.summary.get("operation"), "append");
    EXPECT_EQ(published.summary.get("published-wap-id"), "w");
    EXPECT_EQ(published.summary.get("source-snapshot-id"), std::to_string(staged));
    EXPECT_EQ(published.summary.get("total-records"), "30");
    EXPECT_FALSE(published.summary.contains("by"));
    EXPECT_THAT(refusal<InvalidArgument>([](Transaction& t) { publish_changes(t, "w"); }),
                HasSubstr("the changes of wap.id w are published already"));
    EXPECT_THAT(refusal<NotFound>([](Transaction& t) { publish_changes(t, "x"); }), HasSubstr("with the wap.id \"x\""));
    EXPECT_THAT(refusal<NotFound>([](Transaction& t) { publish_changes(t, ""); }), HasSubstr("with the wap.id"));
  }
}

TEST_F(ManageSnapshotsTest, Trap13PickedRowsGetIdsOfTheirOwn) {
  begin(3);
  append_file("a");
  const int64_t staged = stage("s");
  append_file("b");
  const LoadedTable table = change([&](Transaction& t) { cherry_pick(t, staged); });
  std::map<std::string, int64_t> first_row_ids;
  for (const LiveFile& live : live_files(*table.metadata, *current_snapshot(*table.metadata))) {
    first_row_ids[live.name] = live.first_row_id;
  }
  EXPECT_EQ(first_row_ids, (std::map<std::string, int64_t>{{"a", 0}, {"b", 20}, {"s", 30}}));
}

TEST_F(ManageSnapshotsTest, ARetryPicksOnceMoreOrFindsThatItIsThere) {
  begin();
  append_file("a");
  const int64_t staged = stage("s", {{"wap.id", "w"}});
  const LoadedTable before = catalog_->now();
  append_file("b");
  // Would have moved forward on `before`.
  change(*catalog_, before, [&](Transaction& t) { cherry_pick(t, staged); });
  EXPECT_THAT(live_names(catalog_->now()), ElementsAre("a", "b", "s"));
  EXPECT_THROW(change(*catalog_, before, [&](Transaction& t) { cherry_pick(t, staged); }), InvalidArgument);
  EXPECT_EQ(metadata_files(), referenced_metadata(catalog_->now()));
}

TEST_F(ManageSnapshotsTest, OverwritesOfPartitionsArePickedUnlessThesePartitionsChanged) {
  begin();
  append_files(*catalog_, catalog_->now(), {file("mon", "mon"), file("tue", "tue")}, {});
  const int64_t monday = stage_overwrite("mon2", "mon");
  append_file("tue2", "tue");
  const LoadedTable table = change([&](Transaction& t) { cherry_pick(t, monday); });
  EXPECT_THAT(live_names(table), ElementsAre("mon2", "tue", "tue2"));
  EXPECT_EQ(current_snapshot(*table.metadata)->summary.get("operation"), "overwrite");

  const int64_t again = stage_overwrite("mon3", "mon");
  append_file("mon4", "mon");
  EXPECT_THAT(refusal<ConflictFound>([&](Transaction& t) { cherry_pick(t, again); }), HasSubstr("mon4"));
}

TEST_F(ManageSnapshotsTest, OtherChangesAreNotPicked) {
  begin();
  const int64_t first = append_file("a");
  const LoadedTable removed =
      change([&](Transaction& t) { t.add(SnapshotChange{.removed = {removal_of(file("a"))}, .stage_only = true}); });
  const int64_t staged = removed.metadata->snapshots.back()->snapshot_id;
  EXPECT_EQ(removed.metadata->current_snapshot_id, first);
  append_file("b");
  EXPECT_THAT(refusal<NotSupported>([&](Transaction& t) { cherry_pick(t, staged); }),
              HasSubstr("whose operation is \"delete\""));
  EXPECT_THAT(refusal<NotFound>([](Transaction& t) { cherry_pick(t, 1); }), HasSubstr("unknown snapshot id: 1"));
}

TEST_F(ManageSnapshotsTest, ASnapshotOfItsOwnChangesNothing) {
  begin();
  int64_t id = 0;
  change([&](Transaction& t) { create_snapshot(t, "main"); });
  append_file("a");
  const LoadedTable table = change([&](Transaction& t) {
    id = create_snapshot(t, "main", {{"why", "release"}});
    set_ref(t, "release", {.snapshot_id = id, .is_branch = false}, RefChange::kCreate);
  });
  EXPECT_EQ(table.metadata->current_snapshot_id, id);
  EXPECT_EQ(ref("release").snapshot_id, id);
  EXPECT_THAT(live_names(table), ElementsAre("a"));
  EXPECT_EQ(current_snapshot(*table.metadata)->summary.get("why"), "release");
}

}  // namespace
}  // namespace floe
