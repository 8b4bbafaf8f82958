#include "floe/maintenance/rewrite_manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/garbage.h"
#include "floe/transaction/manifest_rewrite.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

bool can_rewrite(const TableMetadata& table, int32_t spec_id, const std::vector<ManifestFile>& manifests) {
  std::map<ManifestContent, std::vector<ManifestFile>> sources;
  for (const ManifestFile& file : manifests) {
    if (file.partition_spec_id == spec_id) sources[file.content].push_back(file);
  }
  return std::ranges::any_of(sources, [&](const auto& of) { return can_cluster(table, of.second); });
}

std::set<std::string> paths_of(Io& io, const Snapshot& snapshot) {
  std::set<std::string> paths;
  for (const ManifestFile& file : manifests_of(io, snapshot)) paths.insert(file.manifest_path);
  return paths;
}

int64_t count_missing(const std::set<std::string>& of, const std::set<std::string>& in) {
  return std::ranges::count_if(of, [&](const std::string& path) { return !in.contains(path); });
}

}  // namespace

RewriteManifestsResult rewrite_manifests(Catalog& catalog, const LoadedTable& table,
                                         const RewriteManifestsOptions& options) {
  RewriteManifestsResult result{.table = load_same(catalog, table)};
  const TableMetadata& before = *result.table.metadata;
  const std::string name = to_string(table.identifier);
  const int32_t spec_id = options.spec_id.value_or(before.default_spec_id);
  if (!spec_by_id(before, spec_id)) {
    throw InvalidArgument(fmt::format("table {}: it has no partition spec {}", name, spec_id));
  }
  check_branch(result.table, options.branch);
  const Snapshot* head = snapshot_by_ref(before, options.branch);
  if (!head && options.branch != kMainBranch) {
    throw NotFound(fmt::format("table {}: there is no branch {}", name, options.branch));
  }
  const IoPtr io = catalog.io(result.table);
  if (!head || !can_rewrite(before, spec_id, manifests_of(*io, *head))) return result;

  Transaction transaction(catalog, result.table);
  transaction.add(SnapshotChange{.operation = "replace",
                                 .added = {},
                                 .removed = {},
                                 .branch = options.branch,
                                 .merge_manifests = false,
                                 .cluster_spec = spec_id,
                                 .snapshot_properties = options.snapshot_properties});
  const int64_t snapshot_id = *transaction.snapshots().begin();
  result.table = transaction.commit(options.stop);
  const TableMetadata& after = *result.table.metadata;
  const Snapshot* made = snapshot_by_id(after, snapshot_id);
  const Snapshot* parent =
      made && made->parent_snapshot_id ? snapshot_by_id(after, *made->parent_snapshot_id) : nullptr;
  if (!made || !parent) return result;  // somebody has expired them already
  const std::set<std::string> old_paths = paths_of(*io, *parent), new_paths = paths_of(*io, *made);
  result.rewritten = count_missing(old_paths, new_paths);
  result.added = count_missing(new_paths, old_paths);
  return result;
}

}  // namespace floe
