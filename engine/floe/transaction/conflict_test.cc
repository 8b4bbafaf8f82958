#include "floe/transaction/conflict.h"

#include <gmock/gmock.h>

#include "floe/file/position_delete.h"
#include "floe/transaction/test_files.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

using testing::HasSubstr;

class Conflict : public TransactionFolder {
 protected:
  Conflict() : catalog_(io_, new_table(), {}) { commit({.added = {file("a", "mon", 0), file("b", "tue", 10)}}); }

  LoadedTable commit(SnapshotChange change) {
    Transaction transaction(catalog_, catalog_.now());
    transaction.add(std::move(change));
    return transaction.commit();
  }

  // What a change with these checks runs into which was planned before `other` committed; empty: nothing.
  std::string found(ConflictChecks checks, SnapshotChange other) {
    checks.starting_snapshot = catalog_.now().metadata->current_snapshot_id;
    const LoadedTable table = commit(std::move(other));
    try {
      check_conflicts(table, current_snapshot(*table.metadata), checks, *io_);
    } catch (const ConflictFound& e) {
      return e.what();
    }
    return "";
  }

  ScriptedCatalog catalog_;
};

TEST_F(Conflict, RowsThatCameAndMayMatch) {
  const ConflictChecks by_day{.no_added_data = parse_filter("day = 'mon'")};
  EXPECT_THAT(found(by_day, {.added = {file("c", "mon")}}), HasSubstr("added rows that may match"));
  EXPECT_EQ(found(by_day, {.added = {file("d", "tue")}}), "");
  const ConflictChecks by_id{.no_added_data = parse_filter("id >= 100")};
  EXPECT_EQ(found(by_id, {.added = {file("e", "mon", 50)}}), "");
  EXPECT_THAT(found(by_id, {.added = {file("f", "mon", 95)}}), HasSubstr("/f"));
  const ConflictChecks any{.no_added_data = Expression{}};
  EXPECT_THAT(found(any, {.added = {file("g", "sun")}}), HasSubstr("/g"));
  EXPECT_EQ(found(any, {.removed = {removal_of(file("g", "sun"))}}), "");
}

TEST_F(Conflict, RewrittenRowsDidNotCome) {
  EXPECT_EQ(found({.no_added_data = Expression{}},
                  {.operation = "replace", .added = {file("a2")}, .removed = {removal_of(file("a"))}}),
            "");
}

TEST_F(Conflict, FilesOfAnotherSpecAreJudgedByTheirOwn) {
  const Transform bucket = parse_transform("bucket[4]");
  const auto bucket_of = [&](int64_t id) { return apply(bucket, primitive(TypeKind::kLong), Value(id)); };
  catalog_.commit(
      {},
      {.updates = {AddPartitionSpec{
           {.spec_id = 1, .fields = {{.source_ids = {1}, .field_id = 1001, .name = "id_b", .transform = bucket}}}}}});
  DataFile other = file("c");
  other.spec_id = 1;
  other.partition = {bucket_of(7)};
  other.lower_bounds = other.upper_bounds = {};
  EXPECT_THAT(found({.no_added_data = parse_filter("id = 7")}, {.added = {other}}), HasSubstr("/c"));
  int64_t elsewhere = 8;
  while (bucket_of(elsewhere) == bucket_of(7)) ++elsewhere;
  other.file_path += "2";
  const Expression filter = parse_filter("id = " + std::to_string(elsewhere));
  EXPECT_EQ(found({.no_added_data = filter}, {.added = {other}}), "");
}

TEST_F(Conflict, DeletesThatMayMatch) {
  const ConflictChecks checks{.no_added_deletes = parse_filter("day = 'mon'")};
  EXPECT_THAT(found(checks, {.added = {deletes_of(file("a"), "d1")}}), HasSubstr("deleted rows that may match"));
  EXPECT_EQ(found(checks, {.added = {deletes_of(file("b", "tue"), "d2")}}), "");
}

TEST_F(Conflict, Trap18DeletesOfFilesThatAreRewritten) {
  ConflictChecks checks{.no_new_deletes = {file("a")}};
  EXPECT_THAT(found(checks, {.added = {deletes_of(file("a"), "d1")}}), HasSubstr("a file that is rewritten"));
  EXPECT_EQ(found(checks, {.added = {deletes_of(file("z"), "d2")}}), "");  // of another file in the partition
  EXPECT_THAT(found(checks, {.added = {equality_deletes("d3", "mon")}}), HasSubstr("/d3"));
  EXPECT_EQ(found(checks, {.added = {equality_deletes("d4", "tue")}}), "");
  DataFile of_several = deletes_of(file("a"), "d5");
  of_several.referenced_data_file.reset();
  EXPECT_THAT(found(checks, {.added = {of_several}}), HasSubstr("/d5"));
  checks.equality_deletes_stay = true;
  EXPECT_EQ(found(checks, {.added = {equality_deletes("d6", "mon")}}), "");
}

TEST_F(Conflict, PositionDeletesOfSeveralFilesAreReadToSeeOfWhich) {
  std::filesystem::create_directories(folder_ / "t/data");
  const PositionDeletes deletes{{file("a").file_path, Positions({1})}, {file("z").file_path, Positions({2})}};
  const std::string location = folder_ / "t/data/deletes.parquet";
  const DataFile written = write_position_deletes(*io_, location, deletes, 0, {Value(std::string("mon"))}, {});
  ASSERT_FALSE(written.referenced_data_file);
  EXPECT_THAT(found({.no_new_deletes = {file("a")}}, {.added = {written}}), HasSubstr("a file that is rewritten"));
  DataFile again = written;
  again.file_path = folder_ / "t/data/again.parquet";
  std::filesystem::copy(location, again.file_path);
  EXPECT_EQ(found({.no_new_deletes = {file("between")}}, {.added = {again}}), "");
}

TEST_F(Conflict, Trap18GlobalEqualityDeletesApplyToEveryFile) {
  catalog_.commit({}, {.updates = {AddPartitionSpec{{.spec_id = 1}}}});
  DataFile global = equality_deletes("global", "mon");
  global.spec_id = 1;
  global.partition.clear();
  EXPECT_THAT(found({.no_new_deletes = {file("a")}}, {.added = {global}}), HasSubstr("/global"));
}

TEST_F(Conflict, Trap18EqualityDeletesOfVoidFieldsAreGlobalToo) {
  catalog_.commit(
      {},
      {.updates = {AddPartitionSpec{
           {.spec_id = 1,
            .fields = {{.source_ids = {2}, .field_id = 1000, .name = "day", .transform = parse_transform("void")}}}}}});
  DataFile global = equality_deletes("global", "mon");
  global.spec_id = 1;
  global.partition = {Value()};
  EXPECT_THAT(found({.no_new_deletes = {file("a")}}, {.added = {global}}), HasSubstr("/global"));
}

TEST_F(Conflict, RemovedFilesThatAreDeletedFrom) {
  const ConflictChecks checks{.still_there = {file("a").file_path}};
  EXPECT_EQ(found(checks, {.removed = {removal_of(file("b", "tue"))}}), "");
  EXPECT_THAT(found(checks, {.operation = "replace", .added = {file("a2")}, .removed = {removal_of(file("a"))}}),
              HasSubstr("removed a data file"));
}

TEST_F(Conflict, RowsThatCameToAPartition) {
  const ConflictChecks checks{.no_added_in = {{0, {Value(std::string("mon"))}}}};
  EXPECT_THAT(found(checks, {.added = {file("c", "mon")}}), HasSubstr("a partition that is replaced"));
  EXPECT_EQ(found(checks, {.added = {file("d", "tue")}}), "");
}

TEST_F(Conflict, SnapshotsOfTheSameTransactionAreNone) {
  ConflictChecks checks{.starting_snapshot = catalog_.now().metadata->current_snapshot_id,
                        .no_added_data = Expression{}};
  const LoadedTable table = commit({.added = {file("c")}});
  checks.own_snapshots = {*table.metadata->current_snapshot_id};
  check_conflicts(table, current_snapshot(*table.metadata), checks, *io_);
}

TEST_F(Conflict, AHistoryThatIsNotKnownIsAConflict) {
  const LoadedTable table = commit({.added = {file("c")}});
  const Snapshot* head = current_snapshot(*table.metadata);
  for (const ConflictChecks& checks : {ConflictChecks{.starting_snapshot = 77, .no_added_data = Expression{}},
                                       ConflictChecks{.starting_snapshot = 77, .still_there = {"x"}}}) {
    EXPECT_THROW(check_conflicts(table, head, checks, *io_), ConflictFound);
    EXPECT_THROW(check_conflicts(table, nullptr, checks, *io_), ConflictFound);  // the branch is gone
  }
  check_conflicts(table, head, {.starting_snapshot = 77}, *io_);  // relies on nothing
  // Planned on an empty table: everything is new.
  EXPECT_THROW(check_conflicts(table, head, {.no_added_data = Expression{}}, *io_), ConflictFound);
}

TEST_F(Conflict, IsolationLevels) {
  TableMetadata table = new_table();
  EXPECT_EQ(isolation_level(table, "write.delete.isolation-level"), Isolation::kSerializable);
  table.properties["write.delete.isolation-level"] = "SNAPSHOT";
  EXPECT_EQ(isolation_level(table, "write.delete.isolation-level"), Isolation::kSnapshot);
  table.properties["write.delete.isolation-level"] = "none";
  EXPECT_THROW(isolation_level(table, "write.delete.isolation-level"), InvalidArgument);
}

}  // namespace
}  // namespace floe
