#include <gmock/gmock.h>

#include <deque>
#include <functional>

#include "floe/transaction/append.h"
#include "floe/transaction/test_files.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TableIdentifier kA{{"db"}, "a"}, kB{{"db"}, "b"};

enum class Together {
  kCommitted,
  kAnotherWasFirst,   // at table b
  kLostAfterCommit,   // committed, but the answer is lost
  kLostBeforeCommit,  // the request is lost
  kHalfAndRefused,    // against the protocol, the first table's commit is made and that of the others refused
  kHalfAndLost,       // the same, and no answer comes
};

// A catalog in memory, whose commits of several tables turn out as the test wants.
class TogetherCatalog : public TestCatalog {
 public:
  explicit TogetherCatalog(CatalogPtr inner) : inner_(std::move(inner)) {}

  std::deque<Together> outcomes_;  // of the next commits; afterwards all are kCommitted
  std::vector<std::vector<TableChange>> asked_;
  std::function<void()> interfere_;
  bool commits_tables_ = true;
  int failing_loads_ = 0;  // the next so many fail

  IoPtr io(const LoadedTable& table) override { return inner_->io(table); }
  LoadedTable load_table(const TableIdentifier& table) override {
    if (failing_loads_ > 0) {
      --failing_loads_;
      throw IoError("no connection");
    }
    return inner_->load_table(table);
  }
  LoadedTable commit(const TableIdentifier& table, const TableCommit& commit) override {
    return inner_->commit(table, commit);
  }
  bool commits_tables() const override { return commits_tables_; }
  void commit_tables(const std::vector<TableChange>& changes) override {
    if (!commits_tables_) return Catalog::commit_tables(changes);
    asked_.push_back(changes);
    const Together outcome = outcomes_.empty() ? Together::kCommitted : outcomes_.front();
    if (!outcomes_.empty()) outcomes_.pop_front();
    switch (outcome) {
      case Together::kCommitted:
        return inner_->commit_tables(changes);
      case Together::kAnotherWasFirst:
        interfere_();
        return inner_->commit_tables(changes);
      case Together::kLostAfterCommit:
        inner_->commit_tables(changes);
        break;
      case Together::kLostBeforeCommit:
        break;
      case Together::kHalfAndRefused:
        inner_->commit(changes[0].table, changes[0].commit);
        throw CommitFailed("another writer was first");
      case Together::kHalfAndLost:
        inner_->commit(changes[0].table, changes[0].commit);
        break;
    }
    throw CommitStateUnknown("the answer was lost");
  }

 private:
  const CatalogPtr inner_;
};

class CommitTogetherTest : public TransactionFolder {
 protected:
  CommitTogetherTest()
      : inner_(open_catalog("memory", {{"type", "in-memory"}, {"warehouse", (folder_ / "wh").string()}})),
        catalog_(inner_) {
    inner_->create_namespace({"db"});
    create(kA);
    create(kB);
    catalog_.interfere_ = [&] { append_files(*inner_, now(kB), {file("other")}, {}); };
  }

  void create(const TableIdentifier& table) {
    inner_->create_table(table, {.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                                                       {.id = 2, .name = "day", .type = primitive(TypeKind::kString)}}},
                                 .spec = {.fields = {{.source_ids = {2}, .field_id = 1000, .name = "day"}}},
                                 .properties = {{"commit.retry.num-retries", "2"},
                                                {"commit.retry.min-wait-ms", "0"},
                                                {"commit.retry.max-wait-ms", "1"}}});
  }
  LoadedTable now(const TableIdentifier& table) { return inner_->load_table(table); }

  // A step that has written a data file.
  void append_written(Transaction& transaction, const std::string& name) {
    DataFile data = file(name);
    data.file_path = transaction.base().metadata->location + "/data/" + name;
    io_->write(data.file_path, "rows");
    transaction.add(SnapshotChange{.added = {data}, .discard = {data.file_path}});
  }

  // The files of a table's folders, and those of them that its metadata refers to.
  std::set<std::string> files_of(const TableIdentifier& table) {
    std::set<std::string> names;
    for (const FileInfo& each : io_->list(now(table).metadata->location)) {
      names.insert(std::filesystem::path(each.location).filename());
    }
    return names;
  }
  std::set<std::string> referenced(const TableIdentifier& table) {
    const LoadedTable loaded = now(table);
    std::set<std::string> names = referenced_metadata(loaded);
    names.insert(std::filesystem::path(loaded.metadata_location).filename());
    for (const MetadataLogEntry& entry : loaded.metadata->metadata_log) {
      names.insert(std::filesystem::path(entry.metadata_file).filename());
    }
    for (const auto& snapshot : loaded.metadata->snapshots) {
      for (const LiveFile& live : live_files(*loaded.metadata, *snapshot)) {
        if (live.name != "other" && live.name != "z") names.insert(live.name);  // files that are entries only
      }
    }
    return names;
  }
  void expect_nothing_else() {
    for (const TableIdentifier& table : {kA, kB}) EXPECT_EQ(files_of(table), referenced(table)) << table.name;
  }

  CatalogPtr inner_;
  TogetherCatalog catalog_;
};

TEST_F(CommitTogetherTest, ChangesOfTwoTablesAreOneCommit) {
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b1");
  append_written(b, "b2");
  EXPECT_TRUE(now(kA).metadata->snapshots.empty());
  const std::vector<LoadedTable> tables = commit_together(catalog_, {&a, &b});
  ASSERT_EQ(catalog_.asked_.size(), 1);
  ASSERT_EQ(tables.size(), 2);
  EXPECT_EQ(tables[0].metadata_location, now(kA).metadata_location);
  EXPECT_THAT(live_names(tables[0]), ElementsAre("a"));
  EXPECT_THAT(live_names(now(kB)), ElementsAre("b1", "b2"));
  expect_nothing_else();
  EXPECT_THROW(commit_together(catalog_, {&a, &b}), InvalidArgument);
  EXPECT_THROW(a.commit(), InvalidArgument);
}

TEST_F(CommitTogetherTest, AConflictAtOneBuildsTheMetadataOfAllAnew) {
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b");
  catalog_.outcomes_ = {Together::kAnotherWasFirst, Together::kAnotherWasFirst};
  const std::vector<LoadedTable> tables = commit_together(catalog_, {&a, &b});
  EXPECT_EQ(catalog_.asked_.size(), 3);
  EXPECT_THAT(live_names(tables[0]), ElementsAre("a"));
  EXPECT_THAT(live_names(tables[1]), ElementsAre("b", "other"));
  EXPECT_EQ(tables[1].metadata->snapshots.size(), 3);
  expect_nothing_else();
}

TEST_F(CommitTogetherTest, WhatContradictsOneTableLeavesAllOfThem) {
  append_files(*inner_, now(kB), {file("z")}, {});
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b");
  ConflictChecks checks = b.checks_for("main");
  checks.no_added_data = Expression{};
  b.add(SnapshotChange{.removed = {removal_of(file("z"))}, .checks = checks});
  catalog_.outcomes_ = {Together::kAnotherWasFirst};
  EXPECT_THROW(commit_together(catalog_, {&a, &b}), ConflictFound);
  EXPECT_TRUE(now(kA).metadata->snapshots.empty());
  EXPECT_THAT(live_names(now(kB)), ElementsAre("other", "z"));
  expect_nothing_else();
  EXPECT_THROW(append_written(a, "more"), InvalidArgument);
}

TEST_F(CommitTogetherTest, Trap24ALostAnswerIsLookedUpInTheTables) {
  for (const Together outcome : {Together::kLostAfterCommit, Together::kLostBeforeCommit}) {
    const size_t before = now(kA).metadata->snapshots.size();
    Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
    append_written(a, "a" + std::to_string(before));
    append_written(b, "b" + std::to_string(before));
    catalog_.outcomes_ = {outcome};
    commit_together(catalog_, {&a, &b});
    EXPECT_EQ(now(kA).metadata->snapshots.size(), before + 1);
    EXPECT_EQ(now(kB).metadata->snapshots.size(), before + 1);
    expect_nothing_else();
  }
}

TEST_F(CommitTogetherTest, TablesThatCannotBeLoadedAfterTheCommitAreLoadedAgain) {
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b");
  catalog_.failing_loads_ = 1;
  EXPECT_THAT(live_names(commit_together(catalog_, {&a, &b})[1]), ElementsAre("b"));
  EXPECT_EQ(catalog_.asked_.size(), 1);
  expect_nothing_else();
}

TEST_F(CommitTogetherTest, Trap24WhatMayBeCommittedStays) {
  for (const Together outcome : {Together::kLostAfterCommit, Together::kLostBeforeCommit}) {
    const std::string name = outcome == Together::kLostAfterCommit ? "after" : "before";
    {
      Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
      append_written(a, name);
      append_written(b, name);
      catalog_.outcomes_ = std::deque<Together>(10, outcome);
      catalog_.failing_loads_ = 1000;
      EXPECT_THROW(commit_together(catalog_, {&a, &b}), CommitStateUnknown);
      catalog_.failing_loads_ = 0;
    }
    EXPECT_TRUE(files_of(kA).contains(name));
    EXPECT_TRUE(files_of(kB).contains(name));
  }
  EXPECT_THAT(live_names(now(kA)), ElementsAre("after"));
  EXPECT_THAT(live_names(now(kB)), ElementsAre("after"));
}

TEST_F(CommitTogetherTest, AnAttemptThatComesTooLateForOneTableIsDoneAgain) {
  append_files(*inner_, now(kB), {file("z")}, {});
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b");
  catalog_.outcomes_ = {Together::kLostBeforeCommit};
  append_files(*inner_, now(kB), {file("other")}, {});
  commit_together(catalog_, {&a, &b});
  EXPECT_EQ(catalog_.asked_.size(), 2);
  EXPECT_THAT(live_names(now(kA)), ElementsAre("a"));
  EXPECT_THAT(live_names(now(kB)), ElementsAre("b", "other", "z"));
  expect_nothing_else();
}

TEST_F(CommitTogetherTest, AServerThatCommitsHalfIsToldAndNothingIsRemoved) {
  for (const Together outcome : {Together::kHalfAndRefused, Together::kHalfAndLost}) {
    const std::string name = outcome == Together::kHalfAndRefused ? "refused" : "lost";
    Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
    append_written(a, name);
    append_written(b, name);
    catalog_.outcomes_ = {outcome};
    try {
      commit_together(catalog_, {&a, &b});
      ADD_FAILURE() << "half a commit is taken for a whole one";
    } catch (const CommitStateUnknown& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("committed to db.a"), HasSubstr("to db.b")));
    }
    EXPECT_TRUE(live_names(now(kA)).contains(name));
    EXPECT_TRUE(files_of(kA).contains(name));
    EXPECT_TRUE(files_of(kB).contains(name));
  }
  EXPECT_THAT(live_names(now(kB)), IsEmpty());
}

TEST_F(CommitTogetherTest, ATableThatIsOnlyReliedOnTakesPart) {
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  b.add(TableCommit{.requirements = {AssertRefSnapshotId{"main", std::nullopt}}});
  commit_together(catalog_, {&a, &b});
  ASSERT_EQ(catalog_.asked_.size(), 1);
  EXPECT_EQ(catalog_.asked_[0].size(), 2);

  Transaction again(catalog_, now(kA)), relied(catalog_, now(kB));
  append_written(again, "again");
  relied.add(TableCommit{.requirements = {AssertRefSnapshotId{"main", std::nullopt}}});
  catalog_.interfere_();
  EXPECT_THROW(commit_together(catalog_, {&again, &relied}), CommitFailed);
  EXPECT_THAT(live_names(now(kA)), ElementsAre("a"));
  expect_nothing_else();
}

TEST_F(CommitTogetherTest, WhereOneTableChangesItIsAnOrdinaryCommit) {
  catalog_.commits_tables_ = false;
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  const std::vector<LoadedTable> tables = commit_together(catalog_, {&b, &a});
  EXPECT_TRUE(tables[0].metadata->snapshots.empty());
  EXPECT_THAT(live_names(tables[1]), ElementsAre("a"));
  EXPECT_THAT(commit_together(catalog_, {}), IsEmpty());
}

TEST_F(CommitTogetherTest, ACatalogThatCannotSaysSoAndNothingStays) {
  catalog_.commits_tables_ = false;
  Transaction a(catalog_, now(kA)), b(catalog_, now(kB));
  append_written(a, "a");
  append_written(b, "b");
  try {
    commit_together(catalog_, {&a, &b});
    ADD_FAILURE();
  } catch (const NotSupported& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("catalog test"), HasSubstr("tables db.a, db.b")));
  }
  expect_nothing_else();
  EXPECT_TRUE(now(kA).metadata->snapshots.empty());
}

}  // namespace
}  // namespace floe
