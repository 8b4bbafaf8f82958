// What a plan is before its files are known. Internal to scan/.
#pragma once

#include "floe/scan/scan.h"

namespace floe {

// Where a scan looks, and in which schema. Throws as plan() does.
struct Origin {
  const Snapshot* snapshot = nullptr;  // null: a table without one
  SchemaPtr schema;
};
Origin find_origin(const TableMetadata& table, const ScanOptions& options);

// The schema, the projection and the filter of a scan in this schema. Throws as plan() does for columns.
ScanPlan plan_head(const TableMetadata& table, SchemaPtr schema, const ScanOptions& options);

}  // namespace floe
