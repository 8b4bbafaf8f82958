// For tests: files in memory, with times of the test's choice.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/io/io.h"

namespace floe {

class MemoryIo : public Io {
 public:
  MemoryIo() : principal_(fmt::format("memory-{}", next_++)) {}

  std::set<std::string> locations() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> all;
    for (const auto& [location, file] : files_) all.insert(location);
    return all;
  }
  void set_modified(const std::string& location, int64_t modified_ms) {
    const std::lock_guard lock(mutex_);
    files_.at(location).modified_ms = modified_ms;
  }

  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t) override {
    return std::make_shared<arrow::io::BufferReader>(read(location, -1));
  }
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(location);
    if (found == files_.end()) throw NotFound(fmt::format("cannot open {}: it is not there", location));
    return found->second.bytes;
  }
  bool exists(const std::string& location) override {
    const std::lock_guard lock(mutex_);
    return files_.contains(location);
  }
  std::unique_ptr<OutputFile> create(const std::string& location) override {
    return std::make_unique<File>(*this, location);
  }
  void remove(const std::string& location) override {
    const std::lock_guard lock(mutex_);
    files_.erase(location);
  }
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override {
    std::vector<FileInfo> found;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [location, file] : files_) {
        if (location.starts_with(prefix)) found.push_back({location, file.bytes->size(), file.modified_ms});
      }
    }
    for (FileInfo& file : found) take(std::move(file));
  }
  const std::string& principal() const override { return principal_; }

 private:
  struct Held {
    std::shared_ptr<arrow::Buffer> bytes;
    int64_t modified_ms = 0;
  };

  class File : public OutputFile {
   public:
    File(MemoryIo& io, std::string location)
        : io_(io), location_(std::move(location)), stream_(check(arrow::io::BufferOutputStream::Create(), location_)) {}
    const std::shared_ptr<arrow::io::OutputStream>& stream() override { return as_output_; }
    void close() override {
      Held held{check(stream_->Finish(), location_), 0};
      const std::lock_guard lock(io_.mutex_);
      if (!io_.files_.emplace(location_, std::move(held)).second) {
        throw AlreadyExists(fmt::format("{} exists already", location_));
      }
    }
    void abort() noexcept override {}

   private:
    MemoryIo& io_;
    const std::string location_;
    const std::shared_ptr<arrow::io::BufferOutputStream> stream_;
    const std::shared_ptr<arrow::io::OutputStream> as_output_ = stream_;
  };

  static inline std::atomic<int> next_{0};
  const std::string principal_;
  mutable std::mutex mutex_;
  std::map<std::string, Held> files_;
};

}  // namespace floe
