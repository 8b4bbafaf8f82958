// For tests: object stores that are there.
#pragma once

#include <arrow/buffer.h>
#include <arrow/filesystem/s3fs.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>

#include "floe/arrow_status.h"
#include "floe/io/io.h"
#include "floe/test_service.h"

namespace floe {

// AWS's library wants to end before the process does.
class S3Environment : public testing::Environment {
 public:
  void TearDown() override { check(arrow::fs::EnsureS3Finalized(), "S3"); }
};

// How SeaweedFS of testing/fixtures is reached.
inline Properties s3_access() {
  return {{"s3.endpoint", s3_url()},
          {"s3.access-key-id", "floe"},
          {"s3.secret-access-key", "floe-secret"},
          {"s3.retry.num-retries", "1"}};
}

inline std::string text_of(Io& io, const std::string& location, int64_t size = -1) {
  return io.read(location, size)->ToString();
}

template <typename E>
std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no exception";
  return "";
}

// A folder that no other test has.
inline std::string new_folder(const std::string& bucket) {
  static std::atomic<int> number{0};
  return fmt::format("{}/{}-{}", bucket, ::getpid(), ++number);
}

}  // namespace floe
