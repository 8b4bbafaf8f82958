// What appends added on the way from one snapshot to another. Internal to scan/.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

// The snapshots on the way, the newest first. Throws InvalidArgument if `end` does not descend from where it begins.
std::vector<const Snapshot*> snapshots_since(const ScanOptions::AppendedSince& since, const TableMetadata& table,
                                             const Snapshot& end, const std::string& table_name);

struct Appends {
  std::unordered_set<int64_t> snapshots;
  std::vector<ManifestFile> manifests;  // of data files, in the order in which those snapshots added them
};

// Up to `end`. Throws InvalidArgument if `end` does not descend from where the scan is to begin, NotFound if a manifest
// list is gone.
Appends find_appends(const TableMetadata& table, const Snapshot& end, const ScanOptions& options, Io& io);

}  // namespace floe
