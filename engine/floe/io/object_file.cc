#include "floe/io/object_file.h"

#include <arrow/buffer.h>
#include <arrow/util/io_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/io/input_file.h"

namespace floe {
namespace {

constexpr int64_t kWindow = 1 << 20;        // the least that is read at once
constexpr int64_t kUnsentBytes = 64 << 20;  // of one upload, handed over and perhaps not sent yet

bool says_one_of(const arrow::Status& status, std::initializer_list<std::string_view> words) {
  const std::string& message = status.message();
  return std::ranges::any_of(words, [&](std::string_view word) { return message.find(word) != std::string::npos; });
}

class ObjectFile final : public InputFile {
 public:
  ObjectFile(int64_t size, std::string location, std::shared_ptr<IoCounters> counters,
             std::function<int64_t(int64_t, int64_t, void*)> read)
      : InputFile(size, std::move(location), std::move(counters)), read_(std::move(read)) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  arrow::Result<int64_t> read_range(int64_t position, int64_t nbytes, char* out) override {
    if (nbytes == 0) return 0;
    try {
      if (nbytes >= kWindow) {
        fetch(position, nbytes, out);
      } else {
        copy_from_window(position, nbytes, out);
      }
      return nbytes;
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

  void fetch(int64_t position, int64_t bytes, void* out) {
    const int64_t n = read_(position, bytes, out);
    count_read(n);
    if (n < bytes) {
      throw CorruptFile(
          fmt::format("{} was cut: it should have {} bytes and has at most {}", location(), size(), position + n));
    }
  }

  // A request takes as long as some hundred thousand bytes do, and those who read a little read what follows next.
  void copy_from_window(int64_t position, int64_t bytes, char* out) {
    const std::lock_guard lock(mutex_);
    if (position < window_start_ || position + bytes > window_start_ + static_cast<int64_t>(window_.size())) {
      const int64_t start = size() <= kWindow ? 0 : position;
      std::string fetched(static_cast<size_t>(std::min(kWindow, size() - start)), '\0');
      fetch(start, static_cast<int64_t>(fetched.size()), fetched.data());
      window_ = std::move(fetched);
      window_start_ = start;
    }
    std::copy_n(window_.data() + (position - window_start_), bytes, out);
  }

  std::mutex mutex_;
  std::string window_;  // what was read last, and what follows
  int64_t window_start_ = 0;
  bool closed_ = false;
  const std::function<int64_t(int64_t, int64_t, void*)> read_;
};

// Sends in the background, and waits for what it has sent so far from time to time: Arrow's own streams would take any
// number of bytes from whoever is faster than the network.
class Upload final : public arrow::io::OutputStream {
 public:
  Upload(std::shared_ptr<arrow::io::OutputStream> stream, std::function<void(const arrow::Status&)> fail)
      : stream_(std::move(stream)), fail_(std::move(fail)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  arrow::Status Write(const void* data, int64_t nbytes) override { return sent(stream_->Write(data, nbytes), nbytes); }
  arrow::Status Write(const std::shared_ptr<arrow::Buffer>& data) override {
    return sent(stream_->Write(data), data->size());
  }
  arrow::Status Flush() override { return arrow::Status::OK(); }  // nothing is there before it is closed
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override { return arrow::Status::OK(); }  // closing the file does it
  bool closed() const override { return stream_->closed(); }

  // What could not be sent is told before closing: a stream that fails to close can no longer be aborted.
  arrow::Status finish() {
    arrow::Status status = stream_->Flush();
    if (status.ok()) status = stream_->Close();
    return in_our_words(status);
  }
  void give_up() { (void)stream_->Abort(); }

 private:
  arrow::Status sent(arrow::Status status, int64_t nbytes) {
    if (!status.ok()) return in_our_words(status);
    position_ += nbytes;
    unsent_ += nbytes;
    if (unsent_ < kUnsentBytes) return status;
    unsent_ = 0;
    return in_our_words(stream_->Flush());
  }

  arrow::Status in_our_words(const arrow::Status& status) const {
    if (status.ok()) return status;
    try {
      fail_(status);
    } catch (...) {
      return to_status(std::current_exception());
    }
    return status;
  }

  const std::shared_ptr<arrow::io::OutputStream> stream_;
  const std::function<void(const arrow::Status&)> fail_;
  int64_t position_ = 0;
  int64_t unsent_ = 0;
};

class ObjectOutputFile final : public OutputFile {
 public:
  ObjectOutputFile(std::shared_ptr<arrow::io::OutputStream> stream, std::string location,
                   std::shared_ptr<IoCounters> counters, std::function<void()> remove,
                   std::function<void(const arrow::Status&)> fail)
      : upload_(std::make_shared<Upload>(std::move(stream), std::move(fail))),
        stream_(upload_),
        location_(std::move(location)),
        counters_(std::move(counters)),
        remove_(std::move(remove)) {}
  ~ObjectOutputFile() override { abort(); }

  const std::shared_ptr<arrow::io::OutputStream>& stream() override { return stream_; }

  void close() override {
    if (finished_) throw InvalidArgument(fmt::format("{} was closed or aborted before", location_));
    const arrow::Status status = upload_->finish();
    if (!status.ok()) {
      abort();
      check(status, location_);
    }
    finished_ = true;
    counters_->files_written.fetch_add(1, std::memory_order_relaxed);
    counters_->bytes_written.fetch_add(upload_->Tell().ValueOr(0), std::memory_order_relaxed);
  }

  // Otherwise the stream's destructor would make a file of half of what was to be in it.
  void abort() noexcept override {
    if (std::exchange(finished_, true)) return;
    try {
      upload_->give_up();
      remove_();
    } catch (...) {  // what is left is an orphan
    }
  }

 private:
  const std::shared_ptr<Upload> upload_;
  const std::shared_ptr<arrow::io::OutputStream> stream_;
  const std::string location_;
  const std::shared_ptr<IoCounters> counters_;
  const std::function<void()> remove_;
  bool finished_ = false;
};

}  // namespace

bool is_missing(const arrow::Status& status) {
  if (!status.IsIOError()) return false;
  return arrow::internal::ErrnoFromStatus(status) == ENOENT ||
         says_one_of(status, {"NO_SUCH_KEY", "RESOURCE_NOT_FOUND", "NO_SUCH_BUCKET", "BlobNotFound"});
}

bool is_refused(const arrow::Status& status) {
  return says_one_of(status, {"ACCESS_DENIED", "ExpiredToken", "EXPIRED_TOKEN", "INVALID_ACCESS_KEY_ID",
                              "InvalidAccessKeyId", "INVALID_CLIENT_TOKEN_ID", "InvalidTokenId",
                              "SIGNATURE_DOES_NOT_MATCH", "HTTP status 403", "HTTP status 401", "PERMISSION_DENIED",
                              "UNAUTHENTICATED", "AuthenticationFailed", "AuthorizationFailure"});
}

void throw_store_error(const arrow::Status& status, std::string_view doing, std::string_view location,
                       std::string_view words) {
  if (status.IsCancelled()) throw Cancelled(fmt::format("cannot {} {}: {}", doing, location, words));
  if (is_missing(status)) throw NotFound(fmt::format("cannot {} {}: it is not there", doing, location));
  if (says_one_of(status, {"InvalidRange"})) {
    throw CorruptFile(
        fmt::format("cannot {} {}: it was cut: it is shorter than the table's metadata says", doing, location));
  }
  throw IoError(fmt::format("cannot {} {}: {}", doing, location, words));
}

std::shared_ptr<arrow::io::RandomAccessFile> object_file(int64_t size, std::string location,
                                                         std::shared_ptr<IoCounters> counters,
                                                         std::function<int64_t(int64_t, int64_t, void*)> read) {
  return std::make_shared<ObjectFile>(size, std::move(location), std::move(counters), std::move(read));
}

std::unique_ptr<OutputFile> object_output_file(std::shared_ptr<arrow::io::OutputStream> stream, std::string location,
                                               std::shared_ptr<IoCounters> counters, std::function<void()> remove,
                                               std::function<void(const arrow::Status&)> fail) {
  return std::make_unique<ObjectOutputFile>(std::move(stream), std::move(location), std::move(counters),
                                            std::move(remove), std::move(fail));
}

}  // namespace floe
