#include "floe/io/io.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/io/local.h"

namespace floe {

void Io::write(const std::string& location, std::string_view bytes) {
  std::unique_ptr<OutputFile> file = create(location);
  check(file->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
  file->close();
}

std::vector<FileInfo> Io::list(const std::string& prefix) {
  std::vector<FileInfo> files;
  list(prefix, [&](FileInfo file) { files.push_back(std::move(file)); });
  std::ranges::sort(files, {}, &FileInfo::location);
  return files;
}

void Io::move(const std::string& from, const std::string& to) {
  constexpr int64_t kPiece = 8 << 20;
  const auto source = open(from);
  const int64_t size = check(source->GetSize(), from);
  const std::unique_ptr<OutputFile> copy = create(to);
  for (int64_t done = 0; done < size;) {
    const auto piece = check(source->ReadAt(done, std::min(kPiece, size - done)), from);
    if (piece->size() == 0) throw IoError(fmt::format("{} was cut while it was moved", from));
    check(copy->stream()->Write(piece), to);
    done += piece->size();
  }
  copy->close();
  remove(from);
}

IoPtr make_io(const Properties& properties) {
  // These two do to local files what we do; a class of the user's own may do anything.
  const auto impl = properties.find("py-io-impl");
  if (impl != properties.end() && impl->second != "pyiceberg.io.pyarrow.PyArrowFileIO" &&
      impl->second != "pyiceberg.io.fsspec.FsspecFileIO") {
    throw NotSupported(fmt::format("py-io-impl={}: this engine does its own I/O; remove the property", impl->second));
  }
  return make_local_io();
}

}  // namespace floe
