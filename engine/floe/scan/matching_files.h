// Planned files whose rows all match. Internal to scan/.
#pragma once

#include <cstdint>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

// Per entry of the part's manifest: 1 if surely all its rows match the plan's filter, by bounds or by partition.
std::vector<uint8_t> matching_files(const TableMetadata& table, const ScanPlan& plan, const ScanPlan::Part& part);

}  // namespace floe
