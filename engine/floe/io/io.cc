#include "floe/io/io.h"

#include <fmt/format.h>

#include "floe/arrow_status.h"
#include "floe/io/local.h"

namespace floe {

void Io::write(const std::string& location, std::string_view bytes) {
  std::unique_ptr<OutputFile> file = create(location);
  check(file->stream()->Write(bytes.data(), static_cast<int64_t>(bytes.size())), "write");
  file->close();
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
