#include "floe/maintenance/expire_snapshots.h"

#include <gmock/gmock.h>

#include <map>

#include "floe/io/faulty_io.h"
#include "floe/maintenance/test_table.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// --- what goes -------------------------------------------------------------------------------------------------------

constexpr int64_t kNow = 1'000'000'000;

// A snapshot that is that old.
std::shared_ptr<const Snapshot> snapshot(int64_t id, std::optional<int64_t> parent, int64_t age) {
  auto made = std::make_shared<Snapshot>();
  made->snapshot_id = id;
  made->parent_snapshot_id = parent;
  made->timestamp_ms = kNow - age;
  return made;
}

// Main's snapshots 1, 2, ... 5, of ages 500, 400, ... 100.
TableMetadata chain() {
  TableMetadata table;
  for (int64_t id = 1; id <= 5; ++id) {
    table.snapshots.push_back(snapshot(id, id > 1 ? std::optional(id - 1) : std::nullopt, 600 - 100 * id));
  }
  table.refs["main"] = {.snapshot_id = 5};
  table.current_snapshot_id = 5;
  return table;
}

Expired expired(TableMetadata table, const ExpireSnapshotsOptions& options) {
  return expired_by({{{"db"}, "t"}, "", std::make_shared<const TableMetadata>(std::move(table)), {}}, options, kNow);
}
std::vector<int64_t> ids(TableMetadata table, const ExpireSnapshotsOptions& options) {
  return expired(std::move(table), options).snapshots;
}

TEST(ExpiredBy, KeepsTheLastOnesAndThoseThatAreNotOlder) {
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow, .retain_last = 3}), ElementsAre(1, 2));
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow - 300}), ElementsAre(1, 2));  // 3 is exactly as old
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow - 300, .retain_last = 4}), ElementsAre(1));
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow, .retain_last = 9}), IsEmpty());
  EXPECT_THROW(ids(chain(), {.retain_last = 0}), InvalidArgument);
}

TEST(ExpiredBy, AsksTheTableWhereTheCallerSaysNothing) {
  TableMetadata table = chain();
  EXPECT_THAT(ids(table, {}), IsEmpty());  // five days
  table.properties = {{"history.expire.max-snapshot-age-ms", "250"}, {"history.expire.min-snapshots-to-keep", "1"}};
  EXPECT_THAT(ids(table, {}), ElementsAre(1, 2, 3));
  table.properties["history.expire.min-snapshots-to-keep"] = "4";
  EXPECT_THAT(ids(table, {}), ElementsAre(1));
  table.properties["history.expire.max-snapshot-age-ms"] = "9223372036854775807";
  EXPECT_THAT(ids(table, {}), IsEmpty());
}

TEST(ExpiredBy, StopsAtTheFirstThatIsOlderWhateverComesBeforeIt) {
  TableMetadata table = chain();
  table.snapshots[0] = snapshot(1, std::nullopt, 50);  // a clock went wrong
  EXPECT_THAT(ids(table, {.older_than_ms = kNow - 250}), ElementsAre(1, 2, 3));
}

TEST(ExpiredBy, ABranchsOwnRetentionWins) {
  TableMetadata table = chain();
  table.refs["b"] = {.snapshot_id = 3, .min_snapshots_to_keep = 2};
  EXPECT_THAT(ids(table, {.older_than_ms = kNow}), ElementsAre(1, 4));
  table.refs["b"] = {.snapshot_id = 3, .max_snapshot_age_ms = 500};
  EXPECT_THAT(ids(table, {.older_than_ms = kNow, .retain_last = 1}), ElementsAre(4));
  table.refs["main"].min_snapshots_to_keep = 2;
  EXPECT_THAT(ids(table, {.older_than_ms = kNow, .retain_last = 1}), IsEmpty());
}

TEST(ExpiredBy, ATagKeepsItsSnapshotAlone) {
  TableMetadata table = chain();
  table.refs["t"] = {.snapshot_id = 3, .is_branch = false};
  EXPECT_THAT(ids(table, {.older_than_ms = kNow}), ElementsAre(1, 2, 4));
}

TEST(ExpiredBy, RefsOfOldSnapshotsGoButMainNever) {
  TableMetadata table = chain();
  table.refs["old"] = {.snapshot_id = 2, .is_branch = false, .max_ref_age_ms = 399};
  table.refs["young"] = {.snapshot_id = 3, .is_branch = false, .max_ref_age_ms = 300};
  table.refs["lost"] = {.snapshot_id = 77};
  table.refs["main"].max_ref_age_ms = 1;
  Expired found = expired(table, {.older_than_ms = kNow});
  EXPECT_THAT(found.refs, ElementsAre("lost", "old"));
  EXPECT_THAT(found.snapshots, ElementsAre(1, 2, 4));
  table.properties["history.expire.max-ref-age-ms"] = "250";
  table.refs["young"].max_ref_age_ms.reset();
  EXPECT_THAT(expired(table, {.older_than_ms = kNow}).refs, ElementsAre("lost", "old", "young"));
}

TEST(ExpiredBy, SnapshotsOfNoBranchStayUntilTheyAreOld) {
  TableMetadata table = chain();
  table.snapshots.push_back(snapshot(6, 4, 300));
  table.snapshots.push_back(snapshot(7, 4, 50));
  EXPECT_THAT(ids(table, {.older_than_ms = kNow - 200}), ElementsAre(1, 2, 3, 6));
}

TEST(ExpiredBy, GivenIdsGoWhateverTheirAge) {
  EXPECT_THAT(ids(chain(), {.snapshot_ids = {3}}), ElementsAre(3));
  EXPECT_THAT(ids(chain(), {.older_than_ms = kNow - 400, .snapshot_ids = {3}}), ElementsAre(1, 3));
  EXPECT_THAT(ids(chain(), {.by_retention = false, .older_than_ms = kNow, .snapshot_ids = {3}}), ElementsAre(3));
  TableMetadata table = chain();
  table.refs["t"] = {.snapshot_id = 3, .is_branch = false};
  try {
    ids(table, {.snapshot_ids = {3}});
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("Cannot expire 3. Still referenced by refs: [t]"));
  }
  table.refs["t"].max_ref_age_ms = 1;  // it goes itself
  EXPECT_THAT(ids(table, {.snapshot_ids = {3}}), ElementsAre(3));
}

TEST(ExpiredBy, MainWithoutARefOfItsOwnIsTheCurrentSnapshot) {
  TableMetadata table = chain();
  table.refs.clear();
  EXPECT_THAT(ids(table, {.older_than_ms = kNow, .retain_last = 2}), ElementsAre(1, 2, 3));
  EXPECT_THROW(ids(table, {.snapshot_ids = {5}}), InvalidArgument);
}

TEST(ExpiredBy, AChainInACircleEnds) {
  TableMetadata table = chain();
  table.snapshots[0] = snapshot(1, 5, 500);
  EXPECT_THAT(ids(table, {.older_than_ms = 0}), IsEmpty());
}

// --- what it removes -------------------------------------------------------------------------------------------------

class ExpireSnapshots : public MaintenanceTest {
 protected:
  ExpireSnapshotsResult expire(ExpireSnapshotsOptions options = {.older_than_ms = INT64_MAX}) {
    return expire_snapshots(*catalog_, catalog_->now(), options);
  }
};

TEST_F(ExpireSnapshots, RemoveWhatNoKeptSnapshotReaches) {
  begin();
  append("a");
  append("b");
  replace("a", "c");
  const ExpireSnapshotsResult result = expire();
  EXPECT_EQ(result.expired.snapshots.size(), 2);
  EXPECT_EQ(result.table.metadata->snapshots.size(), 1);
  EXPECT_FALSE(there("a"));
  EXPECT_TRUE(there("b"));
  EXPECT_TRUE(there("c"));
  EXPECT_EQ(memory_->locations(), reachable());
  EXPECT_EQ(result.files.of(FileKind::kData), 1);
  EXPECT_EQ(result.files.of(FileKind::kManifestList), 2);
  EXPECT_EQ(result.files.of(FileKind::kManifest), 1);
  EXPECT_THAT(result.files.problems, IsEmpty());
}

TEST_F(ExpireSnapshots, CountDeleteFilesByKindAndDeletionVectorsByTheirFile) {
  begin(3);
  const DataFile a = file("a"), b = file("b", "tue");
  commit({.operation = "", .added = {a, b}, .removed = {}});
  DataFile first = vector_of(a, "v.puffin", 4), second = vector_of(b, "v.puffin", 44);
  commit({.operation = "", .added = {first, second, equality_deletes("e", "mon")}, .removed = {}});
  commit({.operation = "", .added = {file("c")}, .removed = {removal_of(a), removal_of(equality_deletes("e", "mon"))}});
  ExpireSnapshotsResult result = expire();
  EXPECT_EQ(result.files.of(FileKind::kPositionDeletes), 0);  // b's vector is in the file
  EXPECT_EQ(result.files.of(FileKind::kEqualityDeletes), 1);
  commit({.operation = "", .added = {}, .removed = {removal_of(b)}});
  result = expire();
  EXPECT_EQ(result.files.of(FileKind::kPositionDeletes), 1);
  EXPECT_EQ(memory_->locations(), reachable());
}

TEST_F(ExpireSnapshots, RemoveTheirFilesOfStatisticsAndNoOthers) {
  begin();
  const int64_t first = append("a"), second = append("b");
  for (const char* name : {"s1", "s2", "p1", "p2", "nobodys"}) io_->write(name, "x");
  change([&](Transaction& t) {
    t.add(TableCommit{.requirements = {},
                      .updates = {SetStatistics{{.snapshot_id = first, .statistics_path = "s1"}},
                                  SetStatistics{{.snapshot_id = second, .statistics_path = "s2"}},
                                  SetPartitionStatistics{{.snapshot_id = first, .statistics_path = "p1"}},
                                  SetPartitionStatistics{{.snapshot_id = second, .statistics_path = "p2"}}}});
  });
  EXPECT_EQ(expire({.older_than_ms = INT64_MAX, .dry_run = true}).files.of(FileKind::kStatistics), 2);
  EXPECT_EQ(expire().files.of(FileKind::kStatistics), 2);
  EXPECT_FALSE(io_->exists("s1"));
  EXPECT_FALSE(io_->exists("p1"));
  for (const char* name : {"s2", "p2", "nobodys"}) EXPECT_TRUE(io_->exists(name)) << name;
  ASSERT_EQ(table().statistics.size(), 1);
  EXPECT_EQ(table().statistics[0].snapshot_id, second);
  ASSERT_EQ(table().partition_statistics.size(), 1);
  EXPECT_EQ(table().partition_statistics[0].snapshot_id, second);
}

TEST_F(ExpireSnapshots, KeepStatisticsThatAKeptSnapshotHasToo) {
  begin();
  const int64_t first = append("a"), second = append("b");
  for (const char* name : {"s", "p"}) io_->write(name, "x");
  change([&](Transaction& t) {
    t.add(TableCommit{.requirements = {},
                      .updates = {SetStatistics{{.snapshot_id = first, .statistics_path = "s"}},
                                  SetStatistics{{.snapshot_id = second, .statistics_path = "s"}},
                                  SetPartitionStatistics{{.snapshot_id = first, .statistics_path = "p"}},
                                  SetPartitionStatistics{{.snapshot_id = second, .statistics_path = "file:p"}}}});
  });
  EXPECT_EQ(expire().files.of(FileKind::kStatistics), 0);
  EXPECT_TRUE(io_->exists("s"));
  EXPECT_TRUE(io_->exists("p"));
}

TEST_F(ExpireSnapshots, RemoveNoStatisticsIfTheyLeaveTheFiles) {
  begin();
  const int64_t first = append("a");
  append("b");
  io_->write("p1", "x");
  change([&](Transaction& t) {
    t.add(TableCommit{.requirements = {},
                      .updates = {SetPartitionStatistics{{.snapshot_id = first, .statistics_path = "p1"}}}});
  });
  expire({.older_than_ms = INT64_MAX, .delete_files = false});
  EXPECT_TRUE(io_->exists("p1"));
  EXPECT_TRUE(table().partition_statistics.empty());
}

// The same file under two spellings, as tables that moved have it.
TEST_F(ExpireSnapshots, KeepWhatIsMentionedUnderAnotherScheme) {
  begin();
  DataFile other = file("a");
  other.file_path = "file://" + other.file_path;
  append("a");
  commit({.operation = "", .added = {other}, .removed = {removal_of(file("a"))}});
  expire();
  EXPECT_TRUE(there("a"));
}

TEST_F(ExpireSnapshots, CanLeaveTheFiles) {
  begin();
  append("a");
  replace("a", "b");
  const auto before = memory_->locations();
  const ExpireSnapshotsResult result = expire({.older_than_ms = INT64_MAX, .delete_files = false});
  EXPECT_EQ(result.expired.snapshots.size(), 1);
  EXPECT_EQ(memory_->locations(), before);
}

TEST_F(ExpireSnapshots, OfADryRunChangeNothingAndListWhatWouldGo) {
  begin();
  append("a");
  replace("a", "b");
  const auto before = memory_->locations();
  const TableMetadata table_before = table();
  const ExpireSnapshotsResult dry = expire({.older_than_ms = INT64_MAX, .dry_run = true});
  EXPECT_EQ(memory_->locations(), before);
  EXPECT_EQ(table(), table_before);
  EXPECT_EQ(*dry.table.metadata, table_before);
  const ExpireSnapshotsResult done = expire();
  EXPECT_EQ(dry.files.counts, done.files.counts);
  EXPECT_EQ(dry.files.bytes, done.files.bytes);
  EXPECT_EQ(dry.expired.snapshots, done.expired.snapshots);
  std::set<std::string> listed;
  for (const TableFile& file : dry.listed) listed.insert(file.location);
  std::set<std::string> went;
  const auto after = memory_->locations();
  std::ranges::set_difference(before, after, std::inserter(went, went.end()));
  EXPECT_EQ(listed, went);
}

TEST_F(ExpireSnapshots, AreRefusedWhereFilesMayBeOthers) {
  begin(2, {{"gc.enabled", "false"}});
  append("a");
  EXPECT_THROW(expire(), InvalidArgument);
  EXPECT_THROW(expire({.dry_run = true}), InvalidArgument);
}

TEST_F(ExpireSnapshots, NobodyKnowsAreNotFound) {
  begin();
  append("a");
  EXPECT_THROW(expire({.snapshot_ids = {77}}), NotFound);
}

TEST_F(ExpireSnapshots, WithoutAnyChangeCommitNothing) {
  begin();
  append("a");
  const size_t commits = catalog_->commits_.size();
  EXPECT_THAT(expire().expired.snapshots, IsEmpty());
  EXPECT_EQ(catalog_->commits_.size(), commits);
}

TEST_F(ExpireSnapshots, CleanSchemasAndSpecsThatNothingUses) {
  begin();
  const auto add_spec = [&](int32_t field_id) {
    change([&](Transaction& t) {
      t.add(TableCommit{
          .requirements = {},
          .updates = {
              AddPartitionSpec{
                  {.fields = {{.source_ids = {1}, .field_id = field_id, .name = "p" + std::to_string(field_id)}}}},
              SetDefaultSpec{-1}}});
    });
  };
  const auto add_schema = [&](int32_t id) {
    change([&](Transaction& t) {
      Schema schema = *current_schema(*t.staged().metadata);
      schema.fields.push_back({.id = id, .name = "c" + std::to_string(id), .type = primitive(TypeKind::kLong)});
      t.add(TableCommit{.requirements = {}, .updates = {AddSchema{schema, id}, SetCurrentSchema{-1}}});
    });
  };
  append("a");     // schema 0, spec 0
  add_schema(3);   // 1, of no snapshot
  add_schema(4);   // 2
  add_spec(1001);  // 1, of no file
  add_spec(1002);  // 2
  commit({.operation = "delete", .added = {}, .removed = {}});
  ASSERT_EQ(table().schemas.size(), 3);
  ASSERT_EQ(table().partition_specs.size(), 3);
  const ExpireSnapshotsResult result = expire({.older_than_ms = INT64_MAX, .clean_expired_metadata = true});
  EXPECT_THAT(result.schemas, ElementsAre(0, 1));
  EXPECT_THAT(result.specs, ElementsAre(1));  // a file of spec 0 is live
  EXPECT_EQ(table().schemas.size(), 1);
  EXPECT_EQ(table().partition_specs.size(), 2);
  EXPECT_EQ(memory_->locations(), reachable());
}

// --- others at the same time, and failures
// ----------------------------------------------------------------------------

class ExpireMeanwhile : public ExpireSnapshots {
 protected:
  ExpireSnapshotsResult expire_while(const std::function<void(Transaction&)>& work) {
    InterruptedCatalog catalog(io_, table(), {});
    catalog.meanwhile_ = [&](ScriptedCatalog& c) {
      Transaction transaction(c, c.now());
      work(transaction);
      transaction.commit();
    };
    ExpireSnapshotsResult result = expire_snapshots(catalog, catalog.now(), {.older_than_ms = INT64_MAX});
    hold(*catalog.now().metadata);
    return result;
  }
};

TEST_F(ExpireMeanwhile, ASnapshotWithANewTagStays) {
  begin();
  const int64_t first = append("a");
  replace("a", "b");
  replace("b", "c");
  const ExpireSnapshotsResult result = expire_while(
      [&](Transaction& t) { set_ref(t, "keep", {.snapshot_id = first, .is_branch = false}, RefChange::kCreate); });
  EXPECT_EQ(result.expired.snapshots.size(), 1);
  EXPECT_NE(snapshot_by_ref(table(), "keep"), nullptr);
  EXPECT_TRUE(there("a"));
  EXPECT_FALSE(there("b"));
  EXPECT_EQ(memory_->locations(), reachable());
}

TEST_F(ExpireMeanwhile, TheTableIsRolledBack) {
  begin();
  const int64_t first = append("a");
  replace("a", "b");
  expire_while([&](Transaction& t) { set_current_snapshot(t, first); });
  EXPECT_TRUE(there("a"));
  EXPECT_EQ(memory_->locations(), reachable());
}

TEST_F(ExpireMeanwhile, RowsComeAndGo) {
  begin();
  append("a");
  append("b");
  const ExpireSnapshotsResult result = expire_while([&](Transaction& t) {
    io_->write(file("c").file_path, "x");
    t.add({.operation = "", .added = {file("c")}, .removed = {removal_of(file("a"))}});
  });
  EXPECT_EQ(result.expired.snapshots.size(), 1);
  EXPECT_TRUE(there("a"));  // the snapshot before the last one still has it
  EXPECT_EQ(memory_->locations(), reachable());
  expire();
  EXPECT_FALSE(there("a"));
  EXPECT_EQ(memory_->locations(), reachable());
}

TEST_F(ExpireMeanwhile, SomebodyElseExpiresToo) {
  begin();
  append("a");
  replace("a", "b");
  const int64_t first = table().snapshots.front()->snapshot_id;
  const ExpireSnapshotsResult result = expire_while(
      [&](Transaction& t) { t.add(TableCommit{.requirements = {}, .updates = {RemoveSnapshots{{first}}}}); });
  EXPECT_THAT(result.expired.snapshots, IsEmpty());  // theirs to clean
  EXPECT_TRUE(there("a"));
}

TEST_F(ExpireSnapshots, WhoseAnswerIsLostAreLookedFor) {
  begin();
  append("a");
  replace("a", "b");
  catalog_->outcomes_ = {Outcome::kLostAfterCommit};
  EXPECT_EQ(expire().expired.snapshots.size(), 1);
  EXPECT_EQ(memory_->locations(), reachable());
  replace("b", "c");
  catalog_->outcomes_ = {Outcome::kLostBeforeCommit};
  EXPECT_THROW(expire(), CommitStateUnknown);
  EXPECT_TRUE(there("b"));
}

TEST_F(ExpireSnapshots, WithAnUnreadableManifestLeaveItAndWhatItHas) {
  begin();
  const int64_t first = append("a");
  commit({.operation = "", .added = {file("b", "tue")}, .removed = {removal_of(file("a"))}});
  commit({.operation = "", .added = {file("c", "tue")}, .removed = {removal_of(file("b", "tue"))}});
  const std::string manifest = manifests_of(*io_, *snapshot_by_id(table(), first)).front().manifest_path;
  io_->remove(manifest);
  io_->write(manifest, "not a manifest");
  clear_manifest_cache();
  const ExpireSnapshotsResult result = expire();
  EXPECT_EQ(result.expired.snapshots.size(), 2);
  EXPECT_TRUE(there("a"));
  EXPECT_FALSE(there("b"));
  EXPECT_TRUE(io_->exists(manifest));
  ASSERT_EQ(result.files.problems.size(), 1);
  EXPECT_THAT(result.files.problems[0], HasSubstr(manifest));
}

TEST_F(ExpireSnapshots, RemoveNothingWhileAKeptManifestCannotBeRead) {
  begin();
  append("a");
  replace("a", "b");
  const std::string manifest = manifests_of(*io_, *current_snapshot(table())).front().manifest_path;
  const auto bytes = io_->read(manifest)->ToString();
  io_->remove(manifest);
  io_->write(manifest, "not a manifest");
  clear_manifest_cache();
  const auto before = memory_->locations();
  const ExpireSnapshotsResult result = expire();
  EXPECT_EQ(memory_->locations(), before);
  EXPECT_EQ(result.files.problems.size(), 1);
}

TEST_F(ExpireSnapshots, ThatAreStoppedBeforeTheCommitThrowAndLaterDoNot) {
  begin();
  append("a");
  replace("a", "b");
  arrow::StopSource stop;
  stop.RequestStop();
  EXPECT_THROW(expire({.older_than_ms = INT64_MAX, .stop = stop.token()}), Cancelled);
  EXPECT_EQ(table().snapshots.size(), 2);
  arrow::StopSource later;
  const ExpireSnapshotsResult result =
      expire({.older_than_ms = INT64_MAX,
              .progress = [&](std::string_view, int64_t, int64_t) { later.RequestStop(); },
              .stop = later.token()});
  EXPECT_EQ(table().snapshots.size(), 1);
  EXPECT_EQ(result.files.problems.size(), 1);
}

// Each call to the store fails in turn: what kept snapshots need is always there.
TEST_F(ExpireSnapshots, WithAFailingStoreNeverRemoveWhatIsNeeded) {
  for (const Fault fault : {Fault::kFails, Fault::kLost, Fault::kTears}) {
    bool broke = true;
    for (int n = 1; broke; ++n) {
      SCOPED_TRACE(testing::Message() << "call " << n << ", fault " << static_cast<int>(fault));
      ASSERT_LT(n, 200);
      begin();
      const std::string name = std::to_string(n) + "-" + std::to_string(static_cast<int>(fault)) + "-";
      append(name + "a");
      append(name + "b", "tue");
      replace(name + "a", name + "c");
      replace(name + "c", name + "d");
      clear_manifest_cache();
      const auto faulty = std::make_shared<FaultyIo>(memory_);
      ScriptedCatalog catalog(faulty, table(), {});
      faulty->break_call(n, fault);
      const ExpireSnapshotsResult result = expire_snapshots(catalog, catalog.now(), {.older_than_ms = INT64_MAX});
      broke = faulty->calls() >= n;
      clear_manifest_cache();
      hold(*catalog.now().metadata);
      EXPECT_EQ(table().snapshots.size(), 1);
      EXPECT_EQ(broke, !result.files.problems.empty());
      const auto there = memory_->locations();
      for (const std::string& file : reachable()) EXPECT_TRUE(there.contains(file)) << file;
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace floe
