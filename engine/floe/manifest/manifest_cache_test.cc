#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "floe/error.h"
#include "floe/manifest/manifest.h"

namespace floe {
namespace {

class ManifestCache : public testing::Test {
 protected:
  ManifestCache() {
    std::string pattern = (std::filesystem::temp_directory_path() / "manifest_cache.XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw IoError("no temporary folder");
    folder_ = pattern;
    set_manifest_cache_bytes(size_t{64} << 20);
    clear_manifest_cache();
  }
  ~ManifestCache() override {
    std::filesystem::remove_all(folder_);
    clear_manifest_cache();
  }

  ManifestFile write(const std::string& name, int files = 10) {
    ManifestWriter writer(2, {.fields = {{.id = 1, .name = "a", .type = primitive(TypeKind::kLong)}}}, {},
                          ManifestContent::kData, 7);
    for (int i = 0; i < files; ++i) {
      DataFile file;
      file.file_path = "s3://b/" + name + std::to_string(i);
      file.record_count = i;
      file.value_counts = {{1, i}};
      writer.add({.file = file});
    }
    auto [bytes, file] = writer.finish((folder_ / name).string(), 1);
    io_->write(file.manifest_path, bytes);
    return file;
  }

  std::filesystem::path folder_;
  IoPtr io_ = make_io({});
};

TEST_F(ManifestCache, AManifestIsReadOnce) {
  const ManifestFile file = write("a");
  const auto first = open_manifest(*io_, file);
  const CacheStats before = manifest_cache_stats();
  EXPECT_EQ(open_manifest(*io_, file), first);
  EXPECT_EQ(manifest_cache_stats().hits, before.hits + 1);
  EXPECT_EQ(manifest_cache_stats().misses, before.misses);
  clear_manifest_cache();
  EXPECT_EQ(manifest_cache_stats().bytes, 0);
  EXPECT_NE(open_manifest(*io_, file), first);
  EXPECT_EQ(first->entries()->size, 10);  // still good
}

TEST_F(ManifestCache, WhatEntriesInheritIsPartOfTheKey) {
  ManifestFile file = write("a");
  EXPECT_EQ(open_manifest(*io_, file)->entries()->sequence_number.at(0), 1);
  file.sequence_number = 5;
  EXPECT_EQ(open_manifest(*io_, file)->entries()->sequence_number.at(0), 5);
  file.first_row_id = 100;
  EXPECT_EQ(open_manifest(*io_, file)->entries()->first_row_id.at(0), 100);
}

TEST_F(ManifestCache, WhatIsDecodedCounts) {
  const auto reader = open_manifest(*io_, write("a", 1000));
  const size_t before = manifest_cache_stats().bytes;
  reader->entries();
  const size_t after = manifest_cache_stats().bytes;
  EXPECT_GT(after, before);
  reader->stats({1});
  EXPECT_GT(manifest_cache_stats().bytes, after);
}

TEST_F(ManifestCache, TheLeastRecentlyUsedGoFirstAndTheBoundHolds) {
  const ManifestFile a = write("a"), b = write("b"), c = write("c");
  open_manifest(*io_, a)->entries();
  open_manifest(*io_, b)->entries();
  const size_t two = manifest_cache_stats().bytes;
  set_manifest_cache_bytes(two + two / 4);
  const auto kept = open_manifest(*io_, a);  // used again
  open_manifest(*io_, c)->entries();
  EXPECT_LE(manifest_cache_stats().bytes, two + two / 4);
  EXPECT_EQ(open_manifest(*io_, a), kept);
  const int64_t misses = manifest_cache_stats().misses;
  open_manifest(*io_, b);
  EXPECT_EQ(manifest_cache_stats().misses, misses + 1);
}

TEST_F(ManifestCache, ManifestsThatOutgrowTheBoundAreDroppedAndStillWork) {
  const ManifestFile file = write("a", 1000);
  const auto reader = open_manifest(*io_, file);
  set_manifest_cache_bytes(manifest_cache_stats().bytes + 10);
  EXPECT_EQ(reader->entries()->size, 1000);
  EXPECT_EQ(manifest_cache_stats().bytes, 0);
  EXPECT_EQ(reader->stats({1})->size, 1000);
}

TEST_F(ManifestCache, NothingIsKeptWhereItIsTurnedOff) {
  set_manifest_cache_bytes(0);
  const ManifestFile file = write("a");
  EXPECT_NE(open_manifest(*io_, file), open_manifest(*io_, file));
  EXPECT_EQ(manifest_cache_stats().bytes, 0);
}

TEST_F(ManifestCache, ListsAreKeptToo) {
  std::vector<ManifestFile> manifests = {write("a")};
  const std::string location = (folder_ / "list").string();
  io_->write(location, write_manifest_list(2, {.snapshot_id = 7}, manifests, nullptr));
  const auto list = open_manifest_list(*io_, location);
  EXPECT_THAT(*list, testing::ElementsAre(manifests[0]));
  EXPECT_EQ(open_manifest_list(*io_, location), list);
  EXPECT_GT(manifest_cache_stats().bytes, 0);
}

TEST_F(ManifestCache, AFileThatIsNotThereIsNotKept) {
  ManifestFile file = write("a");
  file.manifest_path += "x";
  EXPECT_THROW(open_manifest(*io_, file), NotFound);
  EXPECT_THROW(open_manifest_list(*io_, file.manifest_path), NotFound);
  EXPECT_EQ(manifest_cache_stats().bytes, 0);
}

TEST_F(ManifestCache, ManyThreads) {
  std::vector<ManifestFile> files;
  for (int i = 0; i < 8; ++i) files.push_back(write("m" + std::to_string(i), 50));
  open_manifest(*io_, files[0])->entries();
  set_manifest_cache_bytes(manifest_cache_stats().bytes * 4);  // too few for all
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto reader = open_manifest(*io_, files[(i * 7 + t) % files.size()]);
        if (reader->stats({1})->columns.at(0).value_counts.at(49) != 49) ++wrong;
        if (reader->entries()->size != 50) ++wrong;
        if (i % 50 == 0) clear_manifest_cache();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace floe
