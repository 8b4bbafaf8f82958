#include "floe/scan/appends.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/scan/manifests.h"

namespace floe {

std::vector<const Snapshot*> snapshots_since(const ScanOptions::AppendedSince& since, const TableMetadata& table,
                                             const Snapshot& end, const std::string& table_name) {
  std::unordered_map<int64_t, const Snapshot*> known;
  for (const auto& snapshot : table.snapshots) known.emplace(snapshot->snapshot_id, snapshot.get());
  std::vector<const Snapshot*> snapshots;
  for (const Snapshot* next = &end; next && snapshots.size() <= known.size();) {
    snapshots.push_back(next);
    if (since.snapshot_id == next->snapshot_id && since.inclusive) return snapshots;
    const std::optional<int64_t> parent = next->parent_snapshot_id;
    if (since.snapshot_id && since.snapshot_id == parent && !since.inclusive) return snapshots;
    const auto found = parent ? known.find(*parent) : known.end();
    next = found == known.end() ? nullptr : found->second;
  }
  if (!since.snapshot_id) return snapshots;
  throw InvalidArgument(
      fmt::format("table {}: snapshot {} does not come before snapshot {}, so there is nothing "
                  "between them",
                  table_name, *since.snapshot_id, end.snapshot_id));
}

Appends find_appends(const TableMetadata& table, const Snapshot& end, const ScanOptions& options, Io& io) {
  std::vector<const Snapshot*> snapshots = snapshots_since(*options.appended_since, table, end, options.table_name);
  std::erase_if(snapshots, [](const Snapshot* snapshot) { return snapshot->summary.get("operation") != "append"; });
  std::reverse(snapshots.begin(), snapshots.end());

  // What a snapshot added is in manifests of its own, also where it merged older ones into them.
  std::vector<std::vector<ManifestFile>> added(snapshots.size());
  parallel_for(
      snapshots.size(),
      [&](size_t i) {
        for (const ManifestFile& manifest : *listed_manifests(*snapshots[i], io)) {
          const bool own = manifest.added_snapshot_id == snapshots[i]->snapshot_id;
          if (own && manifest.content == ManifestContent::kData) added[i].push_back(manifest);
        }
      },
      options.stop);

  Appends appends;
  std::unordered_set<std::string_view>
      paths;  // of version 1's embedded lists, whose manifests seem to be each one's own
  for (size_t i = 0; i < snapshots.size(); ++i) {
    appends.snapshots.insert(snapshots[i]->snapshot_id);
    for (const ManifestFile& manifest : added[i]) {
      if (paths.insert(manifest.manifest_path).second) appends.manifests.push_back(manifest);
    }
  }
  return appends;
}

}  // namespace floe
