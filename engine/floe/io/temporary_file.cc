#include "floe/io/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/io/local.h"

namespace floe {
namespace {

std::string describe(int error) { return std::generic_category().message(error); }

std::string system_folder() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

}  // namespace

TemporaryFile::TemporaryFile(std::string folder) : folder_(folder.empty() ? system_folder() : std::move(folder)) {
  std::string path = folder_ + "/floe-XXXXXX";
  fd_ = ::mkostemp(path.data(), O_CLOEXEC);
  if (fd_ < 0) {
    throw IoError(fmt::format("cannot make a temporary file in {}: {}. Set another folder for temporary files (TMPDIR)",
                              folder_, describe(errno)));
  }
  ::unlink(path.c_str());
}

TemporaryFile::~TemporaryFile() { ::close(fd_); }

int64_t TemporaryFile::append(std::string_view bytes) {
  if (const int error = write_all(fd_, bytes.data(), bytes.size())) {
    throw IoError(
        fmt::format("cannot write a temporary file in {} after {} bytes: {}. Make room there, or set "
                    "another folder for temporary files (TMPDIR)",
                    folder_, size_, describe(error)));
  }
  const int64_t offset = size_;
  size_ += static_cast<int64_t>(bytes.size());
  return offset;
}

std::shared_ptr<arrow::Buffer> TemporaryFile::read(int64_t offset, int64_t size) const {
  auto buffer = check(arrow::AllocateBuffer(size), folder_);
  const int64_t n = read_all(fd_, reinterpret_cast<char*>(buffer->mutable_data()), size, offset);
  if (n != size) {
    throw IoError(fmt::format("cannot read back a temporary file in {}: {}", folder_,
                              n < 0 ? describe(static_cast<int>(-n)) : "it was cut"));
  }
  return buffer;
}

}  // namespace floe
