// Locations taken apart, to tell whether two of them name the same file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace floe {

// "s3://bucket/a/b" is of scheme "s3" and authority "bucket", and its path is "/a/b"; a plain path has that alone.
struct LocationParts {
  std::string_view scheme, authority, path;
};
LocationParts parts_of(std::string_view location);

// Of the path alone, in which several slashes are one: equal for all locations that may name the same file, whatever
// their scheme and authority. Where it says "the same" of two that are not, a file stays that could have gone.
uint64_t path_hash(std::string_view location);

}  // namespace floe
