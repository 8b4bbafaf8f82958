// For tests: an Io of which one call goes wrong.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/io/io.h"

namespace floe {

enum class Fault {
  kFails,      // nothing happens, and it throws IoError
  kLost,       // it happens, and it throws IoError all the same
  kTears,      // half of what is written appears, and it throws IoError; of what is read, half comes back
  kIsDelayed,  // it happens a little later
};

// Counts the calls that touch the store: reading, looking, creating, publishing, removing and listing files. Safe from
// many threads, whose calls are counted as they come.
class FaultyIo : public Io {
 public:
  explicit FaultyIo(IoPtr inner) : Io(shared_counters(*inner)), inner_(std::move(inner)) {}

  // The n-th call from now on, counted from 1, goes wrong.
  void break_call(int n, Fault fault) {
    fault_ = fault;
    calls_ = 0;
    at_ = n;
  }
  void repair() { at_ = 0; }
  int calls() const { return calls_; }  // since break_call

  std::shared_ptr<arrow::io::RandomAccessFile> open(const std::string& location, int64_t size) override {
    return around(
        location, [&] { return inner_->open(location, size); },
        [&](const auto&) -> std::shared_ptr<arrow::io::RandomAccessFile> {
          return std::make_shared<arrow::io::BufferReader>(half(*inner_->read(location)));
        });
  }
  std::shared_ptr<arrow::Buffer> read(const std::string& location, int64_t size) override {
    return around(
        location, [&] { return inner_->read(location, size); },
        [&](const std::shared_ptr<arrow::Buffer>& bytes) { return half(*bytes); });
  }
  bool exists(const std::string& location) override {
    return around(location, [&] { return inner_->exists(location); }, [](bool there) { return there; });
  }
  std::unique_ptr<OutputFile> create(const std::string& location) override {
    if (breaks() && fault_ != Fault::kIsDelayed) throw_error(location);
    return std::make_unique<File>(*this, location);
  }
  void remove(const std::string& location) override {
    if (breaks() && fault_ != Fault::kIsDelayed) {
      if (fault_ != Fault::kFails) inner_->remove(location);
      throw_error(location);
    }
    inner_->remove(location);
  }
  void list(const std::string& prefix, const std::function<void(FileInfo)>& take) override {
    const bool broken = breaks() && fault_ != Fault::kIsDelayed;
    if (!broken || fault_ == Fault::kTears) inner_->list(prefix, take);
    if (broken) throw_error(prefix);
  }
  const std::string& principal() const override { return inner_->principal(); }

 private:
  // Kept in memory until it is closed, so that it can be torn.
  class File : public OutputFile {
   public:
    File(FaultyIo& io, std::string location)
        : io_(io), location_(std::move(location)), stream_(check(arrow::io::BufferOutputStream::Create(), location_)) {}
    const std::shared_ptr<arrow::io::OutputStream>& stream() override { return as_output_; }
    void close() override {
      const std::shared_ptr<arrow::Buffer> bytes = check(stream_->Finish(), location_);
      const bool broken = io_.breaks() && io_.fault_ != Fault::kIsDelayed;
      if (broken && io_.fault_ == Fault::kTears) {
        io_.inner_->write(location_, half(*bytes)->ToString());
      } else if (!broken || io_.fault_ == Fault::kLost) {
        io_.inner_->write(location_, bytes->ToString());
      }
      if (broken) throw_error(location_);
    }
    void abort() noexcept override {}

   private:
    FaultyIo& io_;
    const std::string location_;
    const std::shared_ptr<arrow::io::BufferOutputStream> stream_;
    const std::shared_ptr<arrow::io::OutputStream> as_output_ = stream_;
  };

  static std::shared_ptr<arrow::Buffer> half(const arrow::Buffer& bytes) {
    return arrow::Buffer::FromString(bytes.ToString().substr(0, static_cast<size_t>(bytes.size() / 2)));
  }
  [[noreturn]] static void throw_error(const std::string& location) {
    throw IoError(location + ": the store does not answer");
  }

  bool breaks() {
    if (++calls_ != at_) return false;
    if (fault_ == Fault::kIsDelayed) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return true;
  }

  template <typename Call, typename Torn>
  auto around(const std::string& location, const Call& call, const Torn& torn) -> decltype(call()) {
    if (!breaks() || fault_ == Fault::kIsDelayed) return call();
    if (fault_ == Fault::kTears) return torn(call());
    if (fault_ == Fault::kLost) call();
    throw_error(location);
  }

  const IoPtr inner_;
  std::atomic<int> calls_{0};
  std::atomic<int> at_{0};
  Fault fault_ = Fault::kFails;
};

}  // namespace floe
