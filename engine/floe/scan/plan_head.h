// What a plan is before its files are known. Internal to scan/.
#pragma once

#include "floe/scan/scan.h"

namespace floe {

// The schema, the projection and the filter of a scan in this schema. Throws as plan() does for columns.
ScanPlan plan_head(const TableMetadata& table, SchemaPtr schema, const ScanOptions& options);

}  // namespace floe
