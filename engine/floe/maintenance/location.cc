#include "floe/maintenance/location.h"

#include <functional>

namespace floe {

LocationParts parts_of(std::string_view location) {
  LocationParts parts{.scheme = {}, .authority = {}, .path = location};
  const size_t colon = location.find_first_of(":/");
  if (colon == std::string_view::npos || location[colon] != ':') return parts;
  parts.scheme = location.substr(0, colon);
  parts.path = location.substr(colon + 1);
  if (!parts.path.starts_with("//")) return parts;
  const size_t slash = parts.path.find('/', 2);
  parts.authority = parts.path.substr(2, slash == std::string_view::npos ? slash : slash - 2);
  parts.path = slash == std::string_view::npos ? std::string_view() : parts.path.substr(slash);
  return parts;
}

uint64_t path_hash(std::string_view location) {
  const std::string_view path = parts_of(location).path;
  if (path.find("//") == std::string_view::npos) return std::hash<std::string_view>()(path);
  std::string single;
  single.reserve(path.size());
  for (const char c : path) {
    if (c != '/' || !single.ends_with('/')) single += c;
  }
  return std::hash<std::string_view>()(single);
}

}  // namespace floe
