// Where data files go.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "floe/spec/transform.h"
#include "floe/write/write.h"

namespace floe {
namespace {

constexpr int kHashBits = 20;

std::string data_folder(const TableMetadata& table, bool object_storage) {
  for (std::string_view key : {"write.data.path", "write.object-storage.path", "write.folder-storage.path"}) {
    if (key == "write.object-storage.path" && !object_storage) continue;
    if (auto found = table.properties.find(key); found != table.properties.end() && !found->second.empty()) {
      return resolve_path(table, found->second);
    }
  }
  return resolve_path(table, "data");
}

// The low 20 bits of the name's hash as binary digits, in folders of 4, 4, 4 and 8 of them.
std::string hash_folders(std::string_view name) {
  const uint32_t hash = murmur3_32(name);
  std::string folders;
  for (int bit = kHashBits - 1; bit >= 0; --bit) {
    folders += (hash >> bit & 1) != 0 ? '1' : '0';
    if (bit == 16 || bit == 12 || bit == 8) folders += '/';
  }
  return folders;
}

// "<database>/<table>", by which a reader of an object store knows whose files these are.
std::string location_context(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t last = path.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::string(path.substr(last == 0 ? 1 : 0));
  const size_t parent = path.rfind('/', last - 1);
  return std::string(path.substr(parent == std::string_view::npos ? 0 : parent + 1));
}

}  // namespace

std::string data_location(const TableMetadata& table, const std::string& partition_path, const std::string& file_name) {
  const bool object_storage = bool_property(table.properties, "write.object-storage.enabled", false);
  const std::string folder = data_folder(table, object_storage);
  if (!object_storage) {
    return partition_path.empty() ? fmt::format("{}/{}", folder, file_name)
                                  : fmt::format("{}/{}/{}", folder, partition_path, file_name);
  }
  const bool with_partition = bool_property(table.properties, "write.object-storage.partitioned-paths", true);
  const std::string name =
      with_partition && !partition_path.empty() ? fmt::format("{}/{}", partition_path, file_name) : file_name;
  if (!folder.starts_with(table.location)) {
    return fmt::format("{}/{}/{}/{}", folder, hash_folders(name), location_context(table.location), name);
  }
  return fmt::format("{}/{}{}{}", folder, hash_folders(name), with_partition ? '/' : '-', name);
}

}  // namespace floe
