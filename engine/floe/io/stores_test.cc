// What every object store does, on each that can be had.
#include "floe/io/stores.h"

#include <arrow/buffer.h>
#include <arrow/filesystem/azurefs.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/io/test_stores.h"

namespace floe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct TestStore {
  const char* name;
  StoreKind kind;
  const char* bucket;
  std::function<Properties()> access;  // throws if the store cannot be had
};
void PrintTo(const TestStore& store, std::ostream* out) { *out << store.name; }

Properties minio_access() {
  return {{"s3.endpoint", minio_url()}, {"s3.access-key-id", "floe"}, {"s3.secret-access-key", "floe-secret"}};
}

Properties gcs_access() { return {{"gcs.service.host", gcs_url()}, {"gcs.no-auth", "true"}}; }

// The container is made when first asked for.
Properties azure_access() {
  const std::string host = azurite_url().substr(std::string("http://").size());
  const Properties access = {{"adls.account-name", "devstoreaccount1"}, {"adls.account-key", kAzuriteKey},
                             {"adls.blob-storage-authority", host},     {"adls.dfs-storage-authority", host},
                             {"adls.blob-storage-scheme", "http"},      {"adls.dfs-storage-scheme", "http"}};
  static const bool made = [&] {
    check(file_system(StoreKind::kAzure, "abfss://lake/x", access)->CreateDir("lake", false), "container");
    return true;
  }();
  (void)made;
  return access;
}

TEST(Stores, AnExpiryThatNoClockKnowsIsFarAway) {
  using std::chrono::milliseconds, std::chrono::system_clock;
  EXPECT_EQ(expiry_from_ms(1'700'000'000'000).time_since_epoch(), milliseconds(1'700'000'000'000));
  EXPECT_GT(expiry_from_ms(INT64_MAX), system_clock::now() + std::chrono::years(100));
  EXPECT_EQ(expiry_from_ms(INT64_MIN).time_since_epoch(), milliseconds(0));
}

class StoreTest : public testing::TestWithParam<TestStore> {
 protected:
  void SetUp() override {
    Properties access;
    try {
      access = GetParam().access();
    } catch (const std::runtime_error& error) {  // there is no such server
      GTEST_SKIP() << error.what();
    }
    io_ = make_io(access);
  }

  IoPtr io_;
  const std::string folder_ = new_folder(GetParam().bucket);
};

TEST_P(StoreTest, FilesComeAndGo) {
  const std::string location = folder_ + "/a b/c=1%20/ü+#?.txt";
  EXPECT_FALSE(io_->exists(location));
  io_->write(location, "hello");
  EXPECT_TRUE(io_->exists(location));
  EXPECT_EQ(text_of(*io_, location), "hello");
  EXPECT_EQ(text_of(*io_, location, 5), "hello");
  const auto file = io_->open(location, 5);
  EXPECT_EQ(check(file->ReadAt(1, 3), "read")->ToString(), "ell");
  EXPECT_EQ(check(file->ReadAt(4, 100), "read")->ToString(), "o");
  EXPECT_EQ(check(file->ReadAt(5, 1), "read")->size(), 0);
  io_->remove(location);
  EXPECT_FALSE(io_->exists(location));
  io_->remove(location);  // which is no error
  EXPECT_EQ(io_->counters().files_written, 1);
  EXPECT_GE(io_->counters().files_deleted, 1);  // some say that they delete what is not there
}

TEST_P(StoreTest, AnEmptyFileIsAFile) {
  io_->write(folder_ + "/empty", "");
  EXPECT_TRUE(io_->exists(folder_ + "/empty"));
  EXPECT_EQ(text_of(*io_, folder_ + "/empty"), "");
}

TEST_P(StoreTest, WhatIsNotThereIsNotFound) {
  for (const int64_t size : {-1, 5}) {
    EXPECT_THAT(message_of<NotFound>([&] { io_->read(folder_ + "/none", size); }), HasSubstr(folder_ + "/none"));
  }
}

TEST_P(StoreTest, AFileThatIsShorterThanItShouldBeIsCorrupt) {
  io_->write(folder_ + "/x", "hello");
  EXPECT_THAT(message_of<CorruptFile>([&] { io_->read(folder_ + "/x", 6); }), HasSubstr("was cut"));
  const auto file = io_->open(folder_ + "/x", 100);
  EXPECT_THAT(message_of<CorruptFile>([&] { check(file->ReadAt(50, 10), "read"); }), HasSubstr("was cut"));
}

TEST_P(StoreTest, AFileAppearsWhenItIsClosedAndNotOtherwise) {
  const std::string large(11 << 20, 'x');  // more than one part of an upload
  for (const std::string& bytes : {std::string("small"), large}) {
    const std::string location = folder_ + fmt::format("/{}", bytes.size());
    {
      const auto file = io_->create(location);
      check(file->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
      if (GetParam().kind != StoreKind::kAzure) {
        EXPECT_FALSE(io_->exists(location));
      }
    }
    EXPECT_FALSE(io_->exists(location));
    {
      const auto file = io_->create(location);
      const auto stream = file->stream();  // which outlives the file
      check(stream->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
      file->abort();
      check(stream->Close(), "close");
    }
    EXPECT_FALSE(io_->exists(location));
    const auto file = io_->create(location);
    check(file->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
    file->close();
    EXPECT_EQ(io_->read(location)->size(), static_cast<int64_t>(bytes.size()));
    EXPECT_THROW(file->close(), InvalidArgument);
  }
  EXPECT_EQ(io_->counters().bytes_written, 5 + (11 << 20));
}

TEST_P(StoreTest, ManyThreadsReadAndWriteAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::string location = fmt::format("{}/{}", folder_, i);
      const std::string bytes(100'000 + i, static_cast<char>('a' + i));
      io_->write(location, bytes);
      const auto file = io_->open(location, static_cast<int64_t>(bytes.size()));
      EXPECT_EQ(check(file->ReadAt(50'000, 10), "read")->ToString(), bytes.substr(0, 10));
      EXPECT_EQ(text_of(*io_, location), bytes);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(io_->list(folder_).size(), 8);
}

TEST_P(StoreTest, ListsEveryFileBelow) {
  for (const char* name : {"/a/1", "/a/b/2", "/c", "/ab/3"}) io_->write(folder_ + name, "12345");
  std::vector<std::string> locations;
  const std::string& below = folder_;
  for (const FileInfo& file : io_->list(below + "/a/")) {
    EXPECT_EQ(file.size, 5);
    EXPECT_GT(file.modified_ms, 1'600'000'000'000);
    locations.push_back(file.location);
  }
  EXPECT_THAT(locations, ElementsAre(below + "/a/1", below + "/a/b/2"));
  EXPECT_TRUE(io_->list(folder_ + "/none").empty());
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest,
                         testing::Values(TestStore{"seaweedfs", StoreKind::kS3, "s3://lake", s3_access},
                                         TestStore{"minio", StoreKind::kS3, "s3://lake", minio_access},
                                         TestStore{"gcs", StoreKind::kGcs, "gs://lake", gcs_access},
                                         TestStore{"azure", StoreKind::kAzure, "abfss://lake", azure_access},
                                         TestStore{"azure_with_account", StoreKind::kAzure,
                                                   "abfss://lake@devstoreaccount1.dfs.core.windows.net", azure_access}),
                         [](const auto& test) { return test.param.name; });

TEST(Locations, NameTheStoreAndWhatIsInIt) {
  EXPECT_EQ(store_of("s3a://b/x"), StoreKind::kS3);
  EXPECT_EQ(store_of("gs://b/x"), StoreKind::kGcs);
  EXPECT_EQ(store_of("wasbs://c@a.blob.core.windows.net/x"), StoreKind::kAzure);
  EXPECT_EQ(store_of("/b/x"), std::nullopt);
  EXPECT_EQ(store_of("file:///b/x"), std::nullopt);
  EXPECT_EQ(object_path("s3://b/x%20y/z"), "b/x%20y/z");
  EXPECT_EQ(object_path("abfss://c@a.dfs.core.windows.net/x@y"), "c/x@y");
  EXPECT_EQ(object_path("abfs://c/x"), "c/x");
  EXPECT_EQ(azure_account("abfss://c@a.dfs.core.windows.net/x@y"), "a");
  EXPECT_EQ(azure_account("abfss://c/x@y"), "");
  for (const char* wrong : {"gs://", "gs:///x", "s3://b//x", "s3://me@b/x", "file:///x"}) {
    EXPECT_THROW(object_path(wrong), InvalidArgument) << wrong;
  }
}

TEST(GcsOptions, WhatArrowCannotDoIsRefusedByName) {
  for (const char* key : {"gcs.requester-pays", "gcs.version-aware", "gcs.session-kwargs"}) {
    EXPECT_THAT(message_of<NotSupported>([&] { make_io({{key, "x"}})->exists("gs://b/x"); }), HasSubstr(key));
  }
  EXPECT_THROW(make_io({{"gcs.no-auth", "true"}, {"gcs.service.host", "nowhere"}})->exists("gs://b/x"),
               InvalidArgument);
}

TEST(AzureOptions, WhatArrowCannotDoIsRefusedByName) {
  for (const char* key : {"adls.token", "adls.connection-string", "adls.credential"}) {
    EXPECT_THAT(message_of<NotSupported>([&] { make_io({{key, "x"}})->exists("abfs://c@a/x"); }), HasSubstr(key));
  }
  EXPECT_THAT(message_of<InvalidArgument>([&] { make_io({})->exists("abfs://c/x"); }), HasSubstr("adls.account-name"));
  EXPECT_THROW(make_io({{"adls.client-id", "x"}})->exists("abfs://c@a/x"), InvalidArgument);
}

TEST(AzureOptions, ACatalogsTokensAreOfOneAccountEach) {
  const auto token_for = [](const std::string& location) {
    const Properties lent = {{"adls.sas-token.a.dfs.core.windows.net", "?sv=1&sig=of-a"},
                             {"adls.sas-token.b", "sv=1&sig=of-b"}};
    const auto store = file_system(StoreKind::kAzure, location, lent);
    return static_cast<const arrow::fs::AzureFileSystem&>(*store).options().SasToken();
  };
  EXPECT_EQ(token_for("abfss://c@a.dfs.core.windows.net/x"), "sv=1&sig=of-a");
  EXPECT_EQ(token_for("abfss://c@b.dfs.core.windows.net/x"), "sv=1&sig=of-b");
}

}  // namespace
}  // namespace floe
