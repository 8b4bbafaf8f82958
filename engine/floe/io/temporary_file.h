// A file for what does not fit into memory.
#pragma once

#include <arrow/buffer.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace floe {

// It has no name, so that nothing is left of it when it is closed, whatever happens to the process.
class TemporaryFile {
 public:
  // In a folder that exists; empty: the system's for temporary files (TMPDIR, else /tmp). Throws IoError naming it.
  explicit TemporaryFile(std::string folder);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Returns where the bytes are. One thread at a time. Throws IoError naming the folder (no space left, for one).
  int64_t append(std::string_view bytes);

  // By any number of threads.
  std::shared_ptr<arrow::Buffer> read(int64_t offset, int64_t size) const;

  int64_t size() const { return size_; }

 private:
  std::string folder_;
  int fd_ = -1;
  int64_t size_ = 0;
};

}  // namespace floe
