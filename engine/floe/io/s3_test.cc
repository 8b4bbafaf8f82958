#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "floe/arrow_status.h"
#include "floe/io/stores.h"
#include "floe/io/test_stores.h"

namespace floe {
namespace {

using testing::HasSubstr;
using testing::Not;

const testing::Environment* const kEnvironment = testing::AddGlobalTestEnvironment(new S3Environment);

class S3Test : public testing::Test {
 protected:
  IoPtr io_ = make_io(s3_access());
  const std::string folder_ = new_folder("s3://lake");
};

TEST_F(S3Test, NoBucketAndNoPlaceForKeys) {
  EXPECT_FALSE(io_->exists("s3://no-such-bucket-here/none"));
  EXPECT_THROW(io_->read("s3://"), InvalidArgument);
  EXPECT_THROW(io_->read("s3://lake/a//b"), InvalidArgument);
  EXPECT_THAT(message_of<InvalidArgument>([&] { io_->read("s3://key:geheim@lake/x"); }), Not(HasSubstr("geheim")));
}

TEST_F(S3Test, OtherSchemesMeanTheSameStore) {
  io_->write(folder_ + "/x", "hello");
  EXPECT_EQ(text_of(*io_, "s3a" + folder_.substr(2) + "/x"), "hello");
  EXPECT_EQ(text_of(*io_, "s3n" + folder_.substr(2) + "/x"), "hello");
}

TEST_F(S3Test, ReadsOfALittleAreFewRequests) {
  std::string large;
  for (int i = 0; large.size() < (size_t{3} << 20); ++i) large += std::to_string(i);
  io_->write(folder_ + "/small", "hello");
  io_->write(folder_ + "/large", large);
  const auto small = io_->open(folder_ + "/small", 5);
  for (const size_t at : {3, 0, 4, 1}) {
    EXPECT_EQ(check(small->ReadAt(static_cast<int64_t>(at), 1), "read")->ToString(),
              std::string("hello").substr(at, 1));
  }
  EXPECT_EQ(io_->counters().reads, 1);
  const auto file = io_->open(folder_ + "/large", static_cast<int64_t>(large.size()));
  for (const auto& [at, bytes] : std::vector<std::pair<size_t, size_t>>{{100, 1000},
                                                                        {1100, 100'000},
                                                                        {500'000, 500'000},
                                                                        {(1 << 20) + 50, 100},
                                                                        {50, 2 << 20},
                                                                        {large.size() - 7, 7}}) {
    const auto read = check(file->ReadAt(static_cast<int64_t>(at), static_cast<int64_t>(bytes)), "read");
    EXPECT_EQ(read->ToString(), large.substr(at, bytes)) << at;
  }
  EXPECT_EQ(io_->counters().reads, 1 + 4);
}

TEST_F(S3Test, DeletesNamesOfAllKindsAndInBothWays) {
  for (const char* name : {"/a/x", "/a b/c=1%20/ü+#?.txt"}) {
    io_->write(folder_ + name, "hello");
    io_->remove(folder_ + name);
    EXPECT_FALSE(io_->exists(folder_ + name));
  }
  const IoPtr proxied = make_io({{"s3.endpoint", s3_url()},
                                 {"s3.access-key-id", "floe"},
                                 {"s3.secret-access-key", "floe-secret"},
                                 {"s3.force-virtual-addressing", "false"},
                                 {"ssl.cabundle", "/etc/ssl/certs/ca-certificates.crt"}});
  proxied->write(folder_ + "/x", "hello");
  proxied->remove(folder_ + "/x");  // Arrow's way
  EXPECT_FALSE(io_->exists(folder_ + "/x"));
}

TEST_F(S3Test, AForkedChildHasConnectionsOfItsOwn) {
  io_->write(folder_ + "/x", "hello");
  const pid_t pid = ::fork();
  if (pid == 0) {
    int code = 1;
    try {
      const IoPtr io = make_io(s3_access());
      io->write(folder_ + "/child", "hello");
      code = text_of(*io, folder_ + "/x") == "hello" ? 0 : 2;
    } catch (const std::exception& error) {
      fmt::print(stderr, "child: {}\n", error.what());
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text_of(*io_, folder_ + "/child"), "hello");
}

TEST_F(S3Test, AWrongKeyIsSaidWithoutIt) {
  Properties wrong = s3_access();
  wrong["s3.secret-access-key"] = "topsecret";
  const std::string message = message_of<IoError>([&] { make_io(wrong)->write(folder_ + "/x", "hello"); });
  EXPECT_THAT(message, HasSubstr(folder_ + "/x"));
  EXPECT_THAT(message, Not(HasSubstr("topsecret")));
  EXPECT_THROW(make_io(wrong)->read(folder_ + "/x"), IoError);
  EXPECT_THROW(make_io(wrong)->remove(folder_ + "/x"), IoError);
}

TEST_F(S3Test, CredentialsAreRenewedWhenTheyAreRefused) {
  io_->write(folder_ + "/x", "hello");
  Properties lent = {{"s3.access-key-id", "floe"}, {"s3.secret-access-key", "no longer"}};
  int renewals = 0;
  const auto renew = [&]() -> std::vector<VendedCredential> {
    ++renewals;
    lent["s3.secret-access-key"] = "floe-secret";
    return {{folder_, lent}};
  };
  const IoPtr io = make_io(s3_access(), {.principal = "me", .credentials = {{folder_, lent}}, .renew = renew});
  EXPECT_EQ(text_of(*io, folder_ + "/x"), "hello");
  io->write(folder_ + "/y", "hello");
  EXPECT_EQ(renewals, 1);
}

TEST_F(S3Test, CredentialsAreRenewedBeforeTheyExpireAmidReading) {
  const std::string large = std::string(3 << 20, 'a') + std::string(3 << 20, 'b');
  io_->write(folder_ + "/x", large);
  const auto in = [](int seconds) {
    const auto time = std::chrono::system_clock::now() + std::chrono::seconds(seconds);
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count());
  };
  Properties lent = {{"s3.session-token-expires-at-ms", in(1)}};
  int renewals = 0;
  const auto renew = [&]() -> std::vector<VendedCredential> {
    ++renewals;
    lent["s3.session-token-expires-at-ms"] = in(1000);
    return {{"", lent}};
  };
  const IoPtr io = make_io(s3_access(), {.principal = "me", .credentials = {{"", lent}}, .renew = renew});
  const auto file = io->open(folder_ + "/x", static_cast<int64_t>(large.size()));
  EXPECT_EQ(check(file->ReadAt(0, 1), "read")->ToString(), "a");
  EXPECT_EQ(renewals, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(check(file->ReadAt(3 << 20, 2 << 20), "read")->ToString(), std::string(2 << 20, 'b'));
  EXPECT_EQ(check(file->ReadAt(1, 2 << 20), "read")->ToString(), std::string(2 << 20, 'a'));
  EXPECT_EQ(renewals, 1);
}

TEST_F(S3Test, TheLongestPrefixDecidesWhichCredentialCounts) {
  io_->write(folder_ + "/a/x", "hello");
  io_->write(folder_ + "/b/x", "hello");
  const Properties wrong = {{"s3.secret-access-key", "wrong"}};
  const IoPtr io = make_io(
      s3_access(),
      {.principal = "me", .credentials = {{"", wrong}, {folder_ + "/a", s3_access()}, {"s3://", wrong}}, .renew = {}});
  EXPECT_EQ(text_of(*io, folder_ + "/a/x"), "hello");
  EXPECT_EQ(text_of(*io, "s3a" + folder_.substr(2) + "/a/x"), "hello");
  EXPECT_THROW(io->read(folder_ + "/b/x"), IoError);
}

TEST(S3Options, WhatArrowCannotDoIsRefusedByName) {
  for (const auto& [key, value] : Properties{{"s3.remote-signing-enabled", "true"},
                                             {"s3.signer", "S3V4RestSigner"},
                                             {"s3.profile-name", "p"},
                                             {"s3.sse-kms-key-id", "k"},
                                             {"s3.sse.type", "kms"},
                                             {"s3.resolve-region", "true"},
                                             {"s3.delete-enabled", "false"},
                                             {"s3.write.tags.team", "t"}}) {
    EXPECT_THAT(message_of<NotSupported>([&] { make_io({{key, value}})->exists("s3://b/x"); }), HasSubstr(key));
  }
  const auto refused = [](const std::string& key, const std::string& value) {
    const std::string message = message_of<InvalidArgument>([&] { make_io({{key, value}})->exists("s3://b/x"); });
    EXPECT_THAT(message, HasSubstr(key));
    EXPECT_THAT(message, Not(HasSubstr("geheim")));
  };
  refused("s3.access-key-id", "a");
  refused("s3.proxy-uri", "nonsense:geheim");
  refused("s3.endpoint", "ftp://x");
  refused("s3.connect-timeout", "soon");
  refused("s3.retry.num-retries", "-1");
}

TEST(S3Options, NothingIsAskedOfAStoreThatIsNotUsed) {
  EXPECT_FALSE(make_io({{"s3.sse.type", "kms"}})->exists("/no/such/file"));
  EXPECT_THAT(message_of<NotSupported>([] { make_io({})->exists("hdfs://host/x"); }), HasSubstr("hdfs"));
}

TEST(S3Options, PrincipalsAreToldApart) {
  const auto principal = [](const std::string& key) {
    return make_io({{"s3.access-key-id", key}, {"s3.secret-access-key", "geheim"}})->principal();
  };
  EXPECT_EQ(principal("a"), principal("a"));
  EXPECT_NE(principal("a"), principal("b"));
  EXPECT_THAT(principal("a"), Not(HasSubstr("geheim")));
  EXPECT_NE(make_io({}, {.principal = "me", .credentials = {}, .renew = {}})->principal(), make_io({})->principal());
}

TEST(S3Options, OneFileSystemServesAllThatAreTheSame) {
  const Properties access = {{"s3.endpoint", "http://127.0.0.1:1"}, {"s3.anonymous", "true"}};
  const auto first = file_system(StoreKind::kS3, "s3://b/x", access);
  Properties more = access;
  more["warehouse"] = "s3://b/w";
  EXPECT_EQ(file_system(StoreKind::kS3, "s3://c/y", more), first);
  more["s3.region"] = "eu-west-1";
  EXPECT_NE(file_system(StoreKind::kS3, "s3://b/x", more), first);
}

}  // namespace
}  // namespace floe
