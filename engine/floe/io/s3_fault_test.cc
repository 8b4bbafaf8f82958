// S3 on a bad day: a proxy before SeaweedFS, which drops, cuts, delays and refuses.
#include <arrow/buffer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "floe/arrow_status.h"
#include "floe/io/test_stores.h"
#include "floe/test_http_server.h"

namespace floe {
namespace {

using testing::HasSubstr;

const std::string kLarge(11 << 20, 'x');  // more than one part of an upload

TestAnswer slow_down() {
  return {.status = 503,
          .body = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>slow down</Message></Error>",
          .headers = {{"Content-Type", "application/xml"}}};
}

// One request of each operation is answered otherwise for as many times as the test says.
class S3FaultTest : public testing::Test {
 protected:
  using Fault = std::function<TestAnswer(const TestRequest&)>;

  // The next `times` requests that `of` says true for.
  void break_next(int times, std::function<bool(const TestRequest&)> of, Fault fault) {
    left_ = times;
    of_ = std::move(of);
    fault_ = std::move(fault);
  }

  IoPtr io(Properties more = {}) {
    more.insert({{"s3.endpoint", proxy_.url()}, {"s3.retry.num-retries", "2"}});
    more.merge(s3_access());
    return make_io(more);
  }

  int count(const std::function<bool(const TestRequest&)>& of) const {
    int found = 0;
    for (const TestRequest& request : proxy_.requests()) found += of(request) ? 1 : 0;
    return found;
  }

  const std::string folder_ = new_folder("s3://lake");
  const IoPtr good_ = make_io(s3_access());

 private:
  std::atomic<int> left_{0};
  std::function<bool(const TestRequest&)> of_;
  Fault fault_;
  TestHttpServer proxy_{[this](const TestRequest& request) {
    if (left_ > 0 && of_(request) && left_.fetch_sub(1) > 0) return fault_(request);
    return pass_on(request, s3_url());
  }};
};

bool is_get(const TestRequest& request) { return request.method == "GET"; }
bool is_put(const TestRequest& request) { return request.method == "PUT"; }
bool is_part(const TestRequest& request) {
  return is_put(request) && request.target.find("partNumber") != std::string::npos;
}
bool is_completion(const TestRequest& request) {
  return request.method == "POST" && request.target.find("uploadId=") != std::string::npos;
}
bool is_abortion(const TestRequest& request) {
  return request.method == "DELETE" && request.target.find("uploadId=") != std::string::npos;
}

TEST_F(S3FaultTest, ReadingOutlivesWhatPasses) {
  good_->write(folder_ + "/x", kLarge);
  const std::vector<Fault> faults = {[](const TestRequest&) { return slow_down(); },
                                     [](const TestRequest&) { return TestAnswer{.status = 500}; },
                                     [](const TestRequest&) { return TestAnswer{.delivery = TestAnswer::kNone}; },
                                     [](const TestRequest& request) {
                                       TestAnswer cut = pass_on(request, s3_url());
                                       cut.delivery = TestAnswer::kCut;
                                       return cut;
                                     }};
  for (size_t i = 0; i < faults.size(); ++i) {
    break_next(2, is_get, faults[i]);
    EXPECT_EQ(text_of(*io(), folder_ + "/x", static_cast<int64_t>(kLarge.size())), kLarge) << i;
  }
}

TEST_F(S3FaultTest, AStoreThatStaysAwayIsAnIoErrorThatNamesTheFile) {
  good_->write(folder_ + "/x", "hello");
  break_next(1000, [](const TestRequest&) { return true; }, [](const TestRequest&) { return slow_down(); });
  const IoPtr io = this->io({{"s3.retry.num-retries", "0"}});
  EXPECT_THAT(message_of<IoError>([&] { io->read(folder_ + "/x", 5); }), HasSubstr(folder_ + "/x"));
  EXPECT_THAT(message_of<IoError>([&] { io->write(folder_ + "/y", "hello"); }), HasSubstr(folder_ + "/y"));
  EXPECT_THAT(message_of<IoError>([&] { io->list(folder_); }), HasSubstr(folder_));
  EXPECT_THAT(message_of<IoError>([&] { io->remove(folder_ + "/x"); }), HasSubstr(folder_ + "/x"));
  EXPECT_THROW(io->exists(folder_ + "/x"), IoError);
  EXPECT_FALSE(good_->exists(folder_ + "/y"));
  EXPECT_TRUE(good_->exists(folder_ + "/x"));
}

TEST_F(S3FaultTest, AStoreThatDoesNotAnswerIsAnIoErrorInTime) {
  good_->write(folder_ + "/x", "hello");
  break_next(1, is_get, [this](const TestRequest& request) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    return pass_on(request, s3_url());
  });
  const IoPtr io = this->io({{"s3.request-timeout", "1"}, {"s3.retry.num-retries", "0"}});
  EXPECT_THAT(message_of<IoError>([&] { io->read(folder_ + "/x", 5); }), HasSubstr("x"));
  EXPECT_EQ(text_of(*io, folder_ + "/x", 5), "hello");
}

TEST_F(S3FaultTest, WritingOutlivesWhatPasses) {
  break_next(2, is_put, [](const TestRequest&) { return slow_down(); });
  io()->write(folder_ + "/a", "hello");
  break_next(2, is_put, [](const TestRequest&) { return TestAnswer{.delivery = TestAnswer::kNone}; });
  io()->write(folder_ + "/b", "hello");
  break_next(2, is_part, [](const TestRequest&) { return slow_down(); });
  io()->write(folder_ + "/c", kLarge);
  EXPECT_EQ(text_of(*good_, folder_ + "/a"), "hello");
  EXPECT_EQ(text_of(*good_, folder_ + "/b"), "hello");
  EXPECT_EQ(text_of(*good_, folder_ + "/c"), kLarge);
}

TEST_F(S3FaultTest, ASmallFileIsOneRequest) {
  io()->write(folder_ + "/x", "hello");
  EXPECT_EQ(count([](const TestRequest&) { return true; }), 1);
  io()->read(folder_ + "/x", 5);
  EXPECT_EQ(count([](const TestRequest&) { return true; }), 2);
}

TEST_F(S3FaultTest, AnUploadThatIsTornIsAbortedAndNothingIsThere) {
  break_next(1000, is_part, [](const TestRequest&) { return slow_down(); });
  const IoPtr io = this->io({{"s3.retry.num-retries", "1"}});
  EXPECT_THAT(message_of<IoError>([&] { io->write(folder_ + "/part", kLarge); }), HasSubstr(folder_ + "/part"));
  EXPECT_EQ(count(is_abortion), 1);
  EXPECT_FALSE(good_->exists(folder_ + "/part"));

  break_next(1000, is_completion, [](const TestRequest&) { return slow_down(); });
  EXPECT_THAT(message_of<IoError>([&] { io->write(folder_ + "/end", kLarge); }), HasSubstr(folder_ + "/end"));
  EXPECT_FALSE(good_->exists(folder_ + "/end"));
}

TEST_F(S3FaultTest, AnUploadThatIsGivenUpIsAborted) {
  {
    const auto file = io()->create(folder_ + "/x");
    check(file->stream()->Write(kLarge.data(), static_cast<int64_t>(kLarge.size())), "write");
  }
  EXPECT_EQ(count(is_abortion), 1);
  EXPECT_EQ(count(is_completion), 0);
  EXPECT_FALSE(good_->exists(folder_ + "/x"));
}

// The file may be there, whole; its writer knows it under no name that a table has.
TEST_F(S3FaultTest, ALostAnswerToTheLastRequestOfAnUploadIsAnErrorOrWellDone) {
  break_next(1, is_completion, [](const TestRequest& request) {
    pass_on(request, s3_url());
    return TestAnswer{.delivery = TestAnswer::kNone};
  });
  try {
    io()->write(folder_ + "/x", kLarge);
    EXPECT_EQ(text_of(*good_, folder_ + "/x"), kLarge);
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr(folder_ + "/x"));
  }
}

TEST_F(S3FaultTest, ADeletionIsOneRequest) {
  good_->write(folder_ + "/x", "hello");
  io()->remove(folder_ + "/x");
  EXPECT_EQ(count([](const TestRequest&) { return true; }), 1);
  EXPECT_FALSE(good_->exists(folder_ + "/x"));
}

TEST_F(S3FaultTest, ALostAnswerToADeletionIsNoError) {
  good_->write(folder_ + "/x", "hello");
  break_next(
      1, [](const TestRequest& request) { return request.method == "DELETE"; },
      [](const TestRequest& request) {
        pass_on(request, s3_url());
        return TestAnswer{.delivery = TestAnswer::kNone};
      });
  io()->remove(folder_ + "/x");
  EXPECT_FALSE(good_->exists(folder_ + "/x"));
}

}  // namespace
}  // namespace floe
