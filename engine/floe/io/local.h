// The local file system. Internal to the engine: users call make_io.
#pragma once

#include <cstdint>
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

// All bytes at the descriptor's position. Returns 0 or the errno; EFBIG beyond RLIMIT_FSIZE, and no signal.
int write_all(int fd, const char* data, size_t size);

// Returns the bytes read, fewer than `size` only at the end of the file, or -errno.
int64_t read_all(int fd, char* data, int64_t size, int64_t position);

}  // namespace floe
