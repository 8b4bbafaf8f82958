// What appends added on the way from one snapshot to another. Internal to scan/.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

struct Appends {
  std::unordered_set<int64_t> snapshots;
  std::vector<ManifestFile> manifests;  // of data files, in the order in which those snapshots added them
};

// Up to `end`. Throws InvalidArgument if `end` does not descend from where the scan is to begin, NotFound if a manifest
// list is gone.
Appends find_appends(const TableMetadata& table, const Snapshot& end, const ScanOptions& options, Io& io);

}  // namespace floe
