#include "floe/io/local.h"

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "floe/error.h"

namespace floe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Runs `body` in a child process, which may then be limited, mounted over or killed. Returns its exit status.
int in_child(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& e) {
      fmt::print(stderr, "child: {}\n", e.what());
    }
    _exit(code);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

template <typename E>
std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const E& e) {
    return e.what();
  }
  ADD_FAILURE() << "no exception of the wanted class";
  return "";
}

class LocalIoTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "floe-io-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
    io_ = make_local_io(/*anonymous_files=*/GetParam());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_))
      if (!entry.is_directory()) out.push_back(entry.path().lexically_relative(dir_).string());
    return out;
  }
  std::string contents(const std::string& location) { return io_->read(location)->ToString(); }

  std::string dir_;
  IoPtr io_;
};
INSTANTIATE_TEST_SUITE_P(WritingAside, LocalIoTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "anonymous" : "named"; });

TEST_P(LocalIoTest, NothingIsThereBeforeClose) {
  const std::string location = "file://" + dir_ + "/a/b/x.parquet";
  auto file = io_->create(location);
  ASSERT_TRUE(file->stream()->Write("hello").ok());
  EXPECT_FALSE(io_->exists(location));
  file->close();
  EXPECT_EQ(contents(location), "hello");
  EXPECT_THAT(names(), ElementsAre("a/b/x.parquet"));
}

TEST_P(LocalIoTest, AbortAndDestructionLeaveNothing) {
  {
    auto aborted = io_->create(dir_ + "/aborted");
    ASSERT_TRUE(aborted->stream()->Write(std::string(1 << 20, 'x')).ok());
    aborted->abort();
    EXPECT_FALSE(aborted->stream()->Write("more").ok());
    EXPECT_THROW(aborted->close(), InvalidArgument);
    auto dropped = io_->create(dir_ + "/dropped");
    ASSERT_TRUE(dropped->stream()->Write("x").ok());
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(LocalIoTest, AnExistingFileIsNotReplaced) {
  const std::string location = dir_ + "/x";
  io_->write(location, "first");
  EXPECT_THAT(message_of<AlreadyExists>([&] { io_->write(location, "second"); }), HasSubstr(location));
  EXPECT_EQ(contents(location), "first");
  EXPECT_THAT(names(), SizeIs(1));
  std::filesystem::create_directory(dir_ + "/directory");
  EXPECT_THROW(io_->write(dir_ + "/directory", "x"), AlreadyExists);
}

TEST_P(LocalIoTest, OfManyWritersOfOneLocationOneWins) {
  const std::string location = dir_ + "/new/directory/x";
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      try {
        io_->write(location, std::string(100'000, static_cast<char>('a' + i)));
        ++won;
      } catch (const AlreadyExists&) {
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  const std::string bytes = contents(location);
  EXPECT_EQ(bytes, std::string(100'000, bytes[0]));
  EXPECT_THAT(names(), SizeIs(1));
}

TEST_P(LocalIoTest, WritesOfEverySizeArriveInOrder) {
  std::string expected;
  auto file = io_->create(dir_ + "/x");
  for (size_t size : {0, 1, 100, 256 << 10, 1, (256 << 10) + 1, 3 << 20, 7, 40 << 20}) {
    const std::string part(size, static_cast<char>('a' + size % 26));
    ASSERT_TRUE(file->stream()->Write(part).ok());
    expected += part;
    EXPECT_EQ(*file->stream()->Tell(), static_cast<int64_t>(expected.size()));
  }
  ASSERT_TRUE(file->stream()->Close().ok());  // as libraries do that were handed the stream
  file->close();
  EXPECT_TRUE(contents(dir_ + "/x") == expected);
  EXPECT_EQ(io_->counters().bytes_written, static_cast<int64_t>(expected.size()));
  EXPECT_EQ(io_->counters().files_written, 1);
}

// Large parts are written by other threads, small ones are gathered: whatever the mix, and however many files at once.
TEST_P(LocalIoTest, ManyFilesWrittenAtOnceKeepTheirOwnBytes) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::string expected;
      auto file = io_->create(dir_ + "/" + std::to_string(t));
      for (int i = 0; i < 40; ++i) {
        const auto size = static_cast<size_t>((i * 7919 + t * 104729) % 5 == 0 ? 1 : (i * t * 99'991) % 3'000'000);
        auto part = arrow::Buffer::FromString(std::string(size, static_cast<char>('a' + (i + t) % 26)));
        expected += part->ToString();
        EXPECT_TRUE(
            (i % 2 == 0 ? file->stream()->Write(part) : file->stream()->Write(part->data(), part->size())).ok());
      }
      if (t == 0) return file->abort();
      file->close();
      EXPECT_TRUE(contents(dir_ + "/" + std::to_string(t)) == expected) << t;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(names(), SizeIs(5));
}

// The signal would kill a C++ program; a Python one ignores it. Neither may lose the error.
TEST_P(LocalIoTest, AFileSizeLimitIsAnIoErrorAndLeavesNothing) {
  for (const bool ignored : {false, true}) {
    const int status = in_child([&] {
      if (ignored) std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit = {1 << 20, 1 << 20};
      setrlimit(RLIMIT_FSIZE, &limit);
      const std::string error = message_of<IoError>([&] { io_->write(dir_ + "/x", std::string(2 << 20, 'x')); });
      sigset_t pending;
      sigpending(&pending);
      if (sigismember(&pending, SIGXFSZ)) return 3;
      return error.find(dir_ + "/x") != std::string::npos && error.find("File too large") != std::string::npos ? 0 : 1;
    });
    EXPECT_EQ(status, 0) << "ignored: " << ignored;
    EXPECT_THAT(names(), IsEmpty());
  }
}

TEST_P(LocalIoTest, AFullDiskIsAnIoErrorAndLeavesNothing) {
  const int status = in_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", dir_.c_str(), "tmpfs", 0, "size=1m") != 0) {
      return 77;
    }
    io_->write(dir_ + "/fits", "x");
    const std::string error = message_of<IoError>([&] { io_->write(dir_ + "/x", std::string(2 << 20, 'x')); });
    if (error.find("No space left") == std::string::npos) return 1;
    const std::vector<std::string> left = names();
    io_->write(dir_ + "/fits too", std::string(500'000, 'x'));  // what failed gave its space back
    return left == std::vector<std::string>{"fits"} ? 0 : 2;
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "may not mount a small file system here";
  EXPECT_EQ(status, 0);
}

TEST_P(LocalIoTest, AKilledWriterLeavesNothingThatLooksLikeATableFile) {
  const int status = in_child([&] {
    auto file = io_->create(dir_ + "/x.parquet");
    (void)file->stream()->Write(std::string(1 << 20, 'x'));
    raise(SIGKILL);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(io_->exists(dir_ + "/x.parquet"));
  const auto left = io_->list(dir_);  // what a clean-up of orphan files would see
  if (GetParam()) {
    EXPECT_THAT(left, IsEmpty());
  } else {
    ASSERT_THAT(left, SizeIs(1));
    EXPECT_THAT(left[0].location, HasSubstr("/.floe-tmp-"));
  }
}

TEST_P(LocalIoTest, NamesAreTakenAsTheyAreWritten) {
  for (const std::string name : {"a b", "a%20b", "100%", "q?x=1", "h#frag", "k=v/x", "ü/日本語", "tab\there", "a+b",
                                 "..x", "x..", "back\\slash", "colon:x", "file:x", "new\nline", "s3://x"}) {
    SCOPED_TRACE(name);
    for (const std::string& prefix :
         {std::string("file://"), std::string("file:"), std::string(), std::string("FILE://localhost")}) {
      const std::string location = prefix + dir_ + "/" + name;
      io_->write(location, location);
      EXPECT_TRUE(std::filesystem::is_regular_file(dir_ + "/" + name));
      EXPECT_EQ(contents(location), location);
      const auto files = io_->list(prefix + dir_);
      ASSERT_THAT(files, SizeIs(1));
      EXPECT_EQ(std::filesystem::path(files[0].location).lexically_normal(),
                std::filesystem::path(location).lexically_normal());
      io_->remove(files[0].location);
      EXPECT_FALSE(io_->exists(location));
    }
  }
}

TEST_P(LocalIoTest, LocationsThatCannotBeAreRefused) {
  for (const std::string location : {"", "x", "a/b", "./x", "file:x", "file://host/x", "file://", "/a/../b", "/..",
                                     "file:///a/..", "/a/b/../../c"}) {
    EXPECT_THROW(io_->open(location), InvalidArgument) << location;
    EXPECT_THROW(io_->create(location), InvalidArgument) << location;
    EXPECT_THROW(io_->remove(location), InvalidArgument) << location;
    EXPECT_THROW(io_->list(location), InvalidArgument) << location;
  }
  EXPECT_THROW(io_->open(std::string("/a\0b", 4)), InvalidArgument);
  EXPECT_THROW(io_->create(dir_ + "/"), InvalidArgument);
  const std::string message = message_of<NotSupported>([&] { io_->open("s3://key:secret@bucket/x"); });
  EXPECT_THAT(message, HasSubstr("'s3'"));
  EXPECT_THAT(message, Not(HasSubstr("secret")));
  EXPECT_THROW(make_io({{"py-io-impl", "my.own.FileIO"}}), NotSupported);
  EXPECT_TRUE(make_io({{"py-io-impl", "pyiceberg.io.pyarrow.PyArrowFileIO"}})->exists(dir_));
}

TEST_P(LocalIoTest, WhatIsNotThereIsNotFound) {
  EXPECT_THAT(message_of<NotFound>([&] { io_->open(dir_ + "/x"); }), HasSubstr(dir_ + "/x"));
  EXPECT_THROW(io_->read(dir_ + "/x"), NotFound);
  EXPECT_FALSE(io_->exists(dir_ + "/x"));
  io_->remove(dir_ + "/x");
  io_->remove(dir_ + "/no/such/directory");
  EXPECT_EQ(io_->counters().files_deleted, 0);
  EXPECT_THAT(io_->list(dir_ + "/x"), IsEmpty());
  io_->write(dir_ + "/file", "x");
  EXPECT_FALSE(io_->exists(dir_ + "/file/below"));
  EXPECT_THROW(io_->open(dir_ + "/file/below"), NotFound);
}

TEST_P(LocalIoTest, AFileMovesAndReplacesNothing) {
  io_->write(dir_ + "/a", "1");
  io_->write(dir_ + "/b", "2");
  io_->move(dir_ + "/a", dir_ + "/new/folder/a");
  EXPECT_FALSE(io_->exists(dir_ + "/a"));
  EXPECT_EQ(io_->read(dir_ + "/new/folder/a")->ToString(), "1");
  EXPECT_THROW(io_->move(dir_ + "/b", dir_ + "/new/folder/a"), AlreadyExists);
  EXPECT_EQ(io_->read(dir_ + "/b")->ToString(), "2");
  EXPECT_THROW(io_->move(dir_ + "/nowhere", dir_ + "/c"), NotFound);
  io_->Io::move(dir_ + "/b", dir_ + "/c");  // as between stores that know no better way
  EXPECT_FALSE(io_->exists(dir_ + "/b"));
  EXPECT_EQ(io_->read(dir_ + "/c")->ToString(), "2");
}

TEST_P(LocalIoTest, WhatIsNoFileIsAnIoError) {
  EXPECT_THROW(io_->open(dir_), IoError);
  EXPECT_THROW(io_->remove(dir_), IoError);
  ASSERT_EQ(mkfifo((dir_ + "/pipe").c_str(), 0600), 0);
  EXPECT_THAT(message_of<IoError>([&] { io_->open(dir_ + "/pipe"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(io_->list(dir_), IsEmpty());
  io_->write(dir_ + "/file", "x");
  EXPECT_THROW(io_->create(dir_ + "/file/x"), IoError);
  EXPECT_THROW(io_->create(dir_ + "/file/x/y"), IoError);
  EXPECT_THROW(io_->write(dir_ + "/" + std::string(300, 'x'), "x"), IoError);
}

TEST_P(LocalIoTest, AShorterFileThanMetadataSaysIsCorrupt) {
  io_->write(dir_ + "/x", "12345");
  EXPECT_EQ(io_->read(dir_ + "/x", 5)->ToString(), "12345");
  EXPECT_EQ(io_->read(dir_ + "/x", 4)->ToString(), "12345");  // some writers state too little
  const std::string message = message_of<CorruptFile>([&] { io_->read(dir_ + "/x", 6); });
  EXPECT_THAT(message, HasSubstr(dir_ + "/x"));
  EXPECT_THAT(message, HasSubstr("5 bytes"));
}

TEST_P(LocalIoTest, AFileCutWhileItIsReadIsAnError) {
  io_->write(dir_ + "/x", std::string(10'000, 'x'));
  auto file = io_->open(dir_ + "/x");
  std::filesystem::resize_file(dir_ + "/x", 100);
  EXPECT_EQ((*file->ReadAt(0, 100))->size(), 100);
  EXPECT_TRUE(file->ReadAt(0, 101).status().IsInvalid());
}

TEST_P(LocalIoTest, ReadsStayWithinTheFile) {
  io_->write(dir_ + "/x", "0123456789");
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  {
    const IoPtr short_lived = make_local_io();
    file = short_lived->open("file://" + dir_ + "/x");
  }
  EXPECT_EQ(*file->GetSize(), 10);
  EXPECT_EQ((*file->ReadAt(8, INT64_MAX))->ToString(), "89");
  EXPECT_EQ((*file->ReadAt(INT64_MAX, 1))->size(), 0);
  EXPECT_FALSE(file->ReadAt(-1, 1).ok());
  EXPECT_FALSE(file->ReadAt(0, -1).ok());
  ASSERT_TRUE(file->Seek(3).ok());
  EXPECT_EQ((*file->Read(4))->ToString(), "3456");
  EXPECT_EQ(*file->Tell(), 7);
  ASSERT_TRUE(file->Close().ok());
  EXPECT_FALSE(file->ReadAt(0, 1).ok());
}

TEST_P(LocalIoTest, CountsWhatItDoes) {
  io_->write(dir_ + "/x", "0123456789");
  auto file = io_->open(dir_ + "/x");
  (void)file->ReadAt(0, 4);
  (void)io_->read(dir_ + "/x");
  io_->remove(dir_ + "/x");
  EXPECT_EQ(io_->counters().files_opened, 2);
  EXPECT_EQ(io_->counters().reads, 2);
  EXPECT_EQ(io_->counters().bytes_read, 14);
  EXPECT_EQ(io_->counters().files_deleted, 1);
}

TEST_P(LocalIoTest, ListsFilesBelowAndNothingElse) {
  io_->write(dir_ + "/t/data/a=1/x", "12");
  io_->write(dir_ + "/t/data/y", "1");
  io_->write(dir_ + "/t/metadata/z", "");
  io_->write(dir_ + "/t2/other", "1");
  std::filesystem::create_directory_symlink(dir_, dir_ + "/t/circle");
  std::filesystem::create_symlink(dir_ + "/gone", dir_ + "/t/dangling");
  const auto files = io_->list("file://" + dir_ + "/t/");
  ASSERT_THAT(files, SizeIs(3));
  EXPECT_EQ(files[0].location, "file://" + dir_ + "/t/data/a=1/x");
  EXPECT_EQ(files[0].size, 2);
  EXPECT_GT(files[0].modified_ms, 1'600'000'000'000);
  EXPECT_EQ(files[1].location, "file://" + dir_ + "/t/data/y");
  EXPECT_EQ(files[2].location, "file://" + dir_ + "/t/metadata/z");
  EXPECT_THAT(io_->list(dir_ + "/t/data/y"), SizeIs(1));
}

TEST_P(LocalIoTest, ADirectoryThatMayNotBeWrittenIsAnIoError) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  std::filesystem::create_directory(dir_ + "/closed");
  std::filesystem::permissions(dir_ + "/closed", std::filesystem::perms::owner_read);
  EXPECT_THROW(io_->create(dir_ + "/closed/x"), IoError);
  EXPECT_THROW(io_->create(dir_ + "/closed/below/x"), IoError);
}

}  // namespace
}  // namespace floe
