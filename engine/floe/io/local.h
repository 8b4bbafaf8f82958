// The local file system. Internal to the engine: users call make_io.
#pragma once

#include <string>
#include <string_view>

#include "floe/io/io.h"

namespace floe {

// The path that a location names: what follows "file://" (with no host or "localhost") or "file:", or the location
// itself if it is an absolute path. Nothing is decoded: "%20", "#" and "?" stand for themselves, as in Hadoop's paths,
// so that every file name round-trips. Throws NotSupported naming any other scheme, and InvalidArgument for a relative
// path, another host, a ".." segment or a NUL byte.
std::string local_path(std::string_view location);

// `anonymous_files` false writes aside under a name (".floe-tmp-..." in the same directory), as on file systems without
// O_TMPFILE. Such a name left behind by a killed process is listed by list(), and is an orphan file like any other.
IoPtr make_local_io(bool anonymous_files = true);

}  // namespace floe
