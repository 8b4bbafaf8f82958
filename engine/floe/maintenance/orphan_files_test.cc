#include "floe/maintenance/orphan_files.h"

#include <gmock/gmock.h>

#include "floe/io/faulty_io.h"
#include "floe/maintenance/location.h"
#include "floe/maintenance/test_table.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kDay = int64_t{24} * 60 * 60 * 1000;

TEST(Location, IsTakenApart) {
  const auto parts = [](std::string_view location) {
    const LocationParts p = parts_of(location);
    return std::vector<std::string_view>{p.scheme, p.authority, p.path};
  };
  EXPECT_THAT(parts("s3://bucket/a/b"), ElementsAre("s3", "bucket", "/a/b"));
  EXPECT_THAT(parts("/a/b:c"), ElementsAre("", "", "/a/b:c"));
  EXPECT_THAT(parts("file:///a"), ElementsAre("file", "", "/a"));
  EXPECT_THAT(parts("file:/a"), ElementsAre("file", "", "/a"));
  EXPECT_THAT(parts("s3://bucket"), ElementsAre("s3", "bucket", ""));
  EXPECT_THAT(parts(""), ElementsAre("", "", ""));
  EXPECT_EQ(path_hash("s3://x//a///b"), path_hash("/a/b"));
  EXPECT_NE(path_hash("/a/b"), path_hash("/a/b/"));
}

// Files are as old as the epoch, unless a test says otherwise.
class OrphanFiles : public MaintenanceTest {
 protected:
  OrphanFilesResult remove(const OrphanFilesOptions& options = {}) {
    return remove_orphan_files(*catalog_, catalog_->now(), options);
  }
  std::string path(const std::string& name) const { return (folder_ / "t" / name).string(); }
  void put(const std::string& name, int64_t modified_ms = 0) {
    io_->write(path(name), "four");
    memory_->set_modified(path(name), modified_ms);
  }
};

TEST_F(OrphanFiles, AreThoseThatNothingMentions) {
  begin();
  append("a");
  replace("a", "b");
  const auto table_files = memory_->locations();
  put("data/left");
  put("metadata/left-m0.avro");
  put("data/day=mon/deep/left");
  const OrphanFilesResult result = remove();
  EXPECT_THAT(result.locations,
              UnorderedElementsAre(path("data/left"), path("metadata/left-m0.avro"), path("data/day=mon/deep/left")));
  EXPECT_EQ(result.orphans, 3);
  EXPECT_EQ(result.removed, 3);
  EXPECT_EQ(result.bytes, 12);
  EXPECT_EQ(memory_->locations(), table_files);
}

TEST_F(OrphanFiles, AreNotWhatMetadataFilesAndStatisticsAre) {
  begin();
  const int64_t id = append("a");
  for (const char* name : {"metadata/v1.metadata.json", "metadata/v2.metadata.json", "metadata/version-hint.text",
                           "metadata/s.puffin", "metadata/p.parquet"}) {
    put(name);
  }
  TableMetadata metadata = table();
  metadata.metadata_log.push_back({.timestamp_ms = 1, .metadata_file = path("metadata/v1.metadata.json")});
  metadata.statistics.push_back({.snapshot_id = id, .statistics_path = path("metadata/s.puffin")});
  metadata.partition_statistics.push_back({.snapshot_id = id, .statistics_path = path("metadata/p.parquet")});
  hold(metadata);
  EXPECT_THAT(remove({.dry_run = true}).locations, ElementsAre(path("metadata/v2.metadata.json")));
  for (const char* name : {"metadata/old.puffin", "metadata/old.parquet"}) put(name);  // replaced by those
  EXPECT_EQ(remove().removed, 3);
  for (const char* name : {"metadata/s.puffin", "metadata/p.parquet"}) EXPECT_TRUE(io_->exists(path(name))) << name;
}

TEST_F(OrphanFiles, YoungerThanTheGuardStay) {
  begin();
  append("a");
  put("data/young", now_ms() - 2 * kDay);
  put("data/old", now_ms() - 4 * kDay);
  EXPECT_THAT(remove().locations, ElementsAre(path("data/old")));
  EXPECT_THROW(remove({.older_than_ms = now_ms() - kDay / 2}), InvalidArgument);
  EXPECT_THAT(remove({.older_than_ms = now_ms() - kDay - 1000}).locations, ElementsAre(path("data/young")));
  put("data/new", now_ms() - 1);
  EXPECT_THAT(remove({.older_than_ms = now_ms() + 1, .allow_recent = true}).locations, ElementsAre(path("data/new")));
}

TEST_F(OrphanFiles, OfHiddenNamesStayButOurOwnTemporaryOnesGo) {
  begin();
  append("a");
  for (const char* name : {"_SUCCESS", ".crc", "_temporary/0/x", "data/.hidden/x"}) put(name);
  put("data/.floe-tmp-0123456789abcdef0123456789abcdef");
  put("data/_day=mon/x");
  EXPECT_THAT(remove().locations, ElementsAre(path("data/.floe-tmp-0123456789abcdef0123456789abcdef")));
  TableMetadata metadata = table();
  metadata.partition_specs.front().fields.front().name = "_day";
  hold(metadata);
  EXPECT_THAT(remove().locations, ElementsAre(path("data/_day=mon/x")));
}

TEST_F(OrphanFiles, OfADryRunStay) {
  begin();
  append("a");
  for (int i = 0; i < 5; ++i) put("data/left" + std::to_string(i));
  const auto before = memory_->locations();
  const OrphanFilesResult result = remove({.dry_run = true, .most_listed = 2});
  EXPECT_EQ(result.orphans, 5);
  EXPECT_EQ(result.removed, 0);
  EXPECT_EQ(result.locations.size(), 2);
  EXPECT_EQ(memory_->locations(), before);
}

TEST_F(OrphanFiles, CanBeMovedIntoTheTrash) {
  begin();
  append("a");
  put("data/left");
  const std::string trash = path("data/trash/");
  EXPECT_EQ(remove({.trash = trash}).removed, 1);
  EXPECT_FALSE(io_->exists(path("data/left")));
  EXPECT_EQ(io_->read(path("data/trash") + path("data/left"))->ToString(), "four");
  EXPECT_THAT(remove({.trash = trash}).locations, IsEmpty());
}

TEST_F(OrphanFiles, BelowAnotherLocation) {
  begin();
  append("a");
  put("data/left");
  put("metadata/left");
  put("../t2/left");
  EXPECT_THAT(remove({.location = path("metadata")}).locations, ElementsAre(path("metadata/left")));
  EXPECT_THROW(remove({.location = folder_.string()}), InvalidArgument);  // where other tables are, too
  EXPECT_THROW(remove({.location = "file://" + folder_.string() + "/"}), InvalidArgument);
}

TEST_F(OrphanFiles, OutsideTheTablesLocationHaveToBeAskedFor) {
  const std::string elsewhere = (folder_ / "elsewhere").string();
  begin(2, {{"write.data.path", elsewhere}, {"write.metadata.path", elsewhere + "/meta"}});
  append("a");
  io_->write(elsewhere + "/left", "x");
  io_->write(elsewhere + "/meta/left", "x");
  EXPECT_THAT(remove({.dry_run = true}).locations, IsEmpty());
  EXPECT_THAT(remove({.outside = true}).locations, UnorderedElementsAre(elsewhere + "/left", elsewhere + "/meta/left"));
}

// The table's files are mentioned as "hdfs://one/...", and found as files.
class OrphanPrefixes : public OrphanFiles {
 protected:
  void mention_under(const std::string& prefix) {
    begin();
    append("a");
    DataFile other = file("b");
    other.file_path = prefix + other.file_path;
    io_->write(file("b").file_path, "x");
    commit({.operation = "", .added = {other}, .removed = {}});
    io_->remove(other.file_path);
    put("data/left");
  }
};

TEST_F(OrphanPrefixes, OfTheSameFileSystemAreTheSame) {
  for (const char* prefix : {"file://", "file:", "FILE://localhost"}) {
    mention_under(prefix);
    EXPECT_THAT(remove({.dry_run = true}).locations, ElementsAre(path("data/left"))) << prefix;
    for (const std::string& location : memory_->locations()) io_->remove(location);
  }
}

TEST_F(OrphanPrefixes, ThatConflictAreAnErrorOrAsTheCallerSays) {
  mention_under("hdfs://One");
  const auto before = memory_->locations();
  try {
    remove();
    FAIL();
  } catch (const InvalidArgument& e) {
    EXPECT_THAT(e.what(), HasSubstr("hdfs://one and file://"));
  }
  EXPECT_EQ(memory_->locations(), before);
  EXPECT_THAT(remove({.prefix_mismatch = PrefixMismatch::kIgnore, .dry_run = true}).locations,
              ElementsAre(path("data/left")));
  EXPECT_THAT(remove({.prefix_mismatch = PrefixMismatch::kDelete, .dry_run = true}).locations,
              UnorderedElementsAre(path("data/left"), file("b").file_path));
  EXPECT_THROW(remove({.equal_schemes = {{"hdfs, viewfs", "file"}}}), InvalidArgument);  // their authorities differ
  EXPECT_THAT(remove({.equal_schemes = {{"hdfs, viewfs", "file"}}, .equal_authorities = {{"one", ""}}}).locations,
              ElementsAre(path("data/left")));
}

// As through a link: everything is there, under another path.
TEST_F(OrphanFiles, AreNotAllFilesOfATableThatIsMentionedByAnotherPath) {
  begin();
  append("a");
  TableMetadata metadata = table();
  metadata.location = (folder_ / "link").string();
  io_->write((folder_ / "link/data/a").string(), "x");
  hold(metadata);
  EXPECT_THROW(remove(), InvalidArgument);
  EXPECT_TRUE(io_->exists((folder_ / "link/data/a").string()));
}

TEST_F(OrphanFiles, AreRefusedWhereFilesMayBeOthers) {
  begin(2, {{"gc.enabled", "false"}});
  append("a");
  EXPECT_THROW(remove(), InvalidArgument);
}

// A catalog of which another writer commits between its first and its second answer.
TEST_F(OrphanFiles, ThatAreMentionedMeanwhileStay) {
  class Late : public ScriptedCatalog {
   public:
    using ScriptedCatalog::ScriptedCatalog;
    std::function<void()> second_;
    LoadedTable load_table(const TableIdentifier& table) override {
      if (loads_ == 1 && second_) std::exchange(second_, nullptr)();
      return ScriptedCatalog::load_table(table);
    }
  };
  begin();
  append("a");
  put("data/added-later");
  put("data/left");
  Late catalog(io_, table(), {});
  catalog.second_ = [&] { append_files(catalog, catalog.now(), {file("added-later")}, {}); };
  EXPECT_THAT(remove_orphan_files(catalog, catalog.now()).locations, ElementsAre(path("data/left")));
  EXPECT_TRUE(there("added-later"));
}

// What does not fit into memory.
TEST_F(OrphanFiles, MayBeMany) {
  begin();
  append("a");
  const std::string deep(200, 'x');
  constexpr int kMany = 30'000;
  for (int i = 0; i < kMany; ++i) put("data/" + deep + std::to_string(i));
  const OrphanFilesResult result = remove();
  EXPECT_EQ(result.removed, kMany);
  EXPECT_EQ(std::set<std::string>(result.locations.begin(), result.locations.end()).size(), kMany);
  EXPECT_EQ(memory_->locations(), reachable());
}

TEST_F(OrphanFiles, WithAFailingStoreAreAtWorstLeft) {
  for (const Fault fault : {Fault::kFails, Fault::kLost, Fault::kTears}) {
    bool broke = true;
    for (int n = 1; broke; ++n) {
      SCOPED_TRACE(testing::Message() << "call " << n << ", fault " << static_cast<int>(fault));
      ASSERT_LT(n, 100);
      begin();
      const std::string name = std::to_string(n) + "-" + std::to_string(static_cast<int>(fault)) + "-";
      append(name + "a");
      replace(name + "a", name + "b");
      put("data/" + name + "left1");
      put("data/" + name + "left2");
      clear_manifest_cache();
      const auto faulty = std::make_shared<FaultyIo>(memory_);
      ScriptedCatalog catalog(faulty, table(), {});
      faulty->break_call(n, fault);
      try {
        const OrphanFilesResult result = remove_orphan_files(catalog, catalog.now(), {.location = path("")});
        EXPECT_EQ(result.failed, faulty->calls() >= n ? 1 : 0);
      } catch (const Error&) {
        EXPECT_GE(faulty->calls(), n);
      }
      broke = faulty->calls() >= n;
      clear_manifest_cache();
      for (const std::string& location : reachable()) EXPECT_TRUE(io_->exists(location)) << location;
      for (const std::string& location : memory_->locations()) io_->remove(location);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace floe
