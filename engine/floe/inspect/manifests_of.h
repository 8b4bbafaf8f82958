// Which manifests a metadata table reads, and which of their entries a filter leaves. Internal to inspect/.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "floe/inspect/metadata_table.h"
#include "floe/manifest/manifest.h"

namespace floe {

// Those of the inspection's snapshot, in the order of its list.
std::vector<ManifestFile> manifests_of_snapshot(const Inspection& inspection);

// Those of all snapshots, each once, in the order in which snapshots have them. Where lists give one manifest
// different row ids to inherit, which branches of an upgraded table may do, the latest snapshot's counts.
std::vector<ManifestFile> manifests_of_all(const Inspection& inspection);

// The inspection's filter as manifests and their entries see it. Safe from many threads.
class EntryFilter {
 public:
  explicit EntryFilter(const Inspection& inspection);

  bool keeps_all() const { return filter_.kind == ExprKind::kTrue; }
  bool may_match(const ManifestFile& manifest) const;
  std::vector<uint8_t> may_match(ManifestReader& manifest) const;  // one for each entry

 private:
  struct OfSpec {
    const PartitionSpec* spec;
    BoundExpression filter;
  };
  BoundExpression filter_;
  std::map<int32_t, OfSpec> by_spec_;
};

}  // namespace floe
