// What the files that an Io opens have in common, wherever their bytes are. Internal to io/.
#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "floe/io/io.h"

namespace floe {

// A file of known size. Reading at a place is safe from many threads; reading on from the last place is not.
class InputFile : public arrow::io::RandomAccessFile {
 public:
  InputFile(int64_t size, std::string location, std::shared_ptr<IoCounters> counters)
      : size_(size), location_(std::move(location)), counters_(std::move(counters)) {
    set_mode(arrow::io::FileMode::READ);
  }

  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("seek before the start of ", location_);
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    if (closed()) return arrow::Status::Invalid(location_, " is closed");
    if (position < 0 || nbytes < 0) return arrow::Status::Invalid("bad range of ", location_);
    return read_range(position, within(position, nbytes), static_cast<char*>(out));
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    // The request may be a corrupt file's: allocate no more than there is to read.
    const int64_t most = position < 0 || nbytes < 0 ? 0 : within(position, nbytes);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(most));
    ARROW_ASSIGN_OR_RAISE(const int64_t n, ReadAt(position, nbytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(n, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, ReadAt(position_, nbytes, out));
    position_ += n;
    return n;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }

 protected:
  // All of these bytes, which are within the file.
  virtual arrow::Result<int64_t> read_range(int64_t position, int64_t nbytes, char* out) = 0;

  int64_t size() const { return size_; }
  const std::string& location() const { return location_; }
  void count_read(int64_t bytes) {
    counters_->reads.fetch_add(1, std::memory_order_relaxed);
    counters_->bytes_read.fetch_add(bytes, std::memory_order_relaxed);
  }

 private:
  int64_t within(int64_t position, int64_t nbytes) const { return std::clamp<int64_t>(size_ - position, 0, nbytes); }

  const int64_t size_;
  int64_t position_ = 0;
  const std::string location_;
  const std::shared_ptr<IoCounters> counters_;
};

}  // namespace floe
