// Statistics of a snapshot's columns: how many distinct values each has, as a theta sketch. Specification: "Table
// Statistics", puffin-spec.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"

namespace floe {

struct TableStatsOptions {
  // Full names, also of fields inside structs. Default: all top-level columns of primitive types (those that are points
  // and shapes apart, whose values have no serialization of their own).
  std::optional<std::vector<std::string>> columns = {};
  // Default: the current snapshot, with the names of the current schema; else with those of the snapshot's schema.
  std::optional<int64_t> snapshot_id = {};
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

struct TableStatsResult {
  LoadedTable table;  // afterwards
  std::optional<StatisticsFile> file;
};

// Reads the columns once, writes a sketch of each (maintenance/theta_sketch.h) into a Puffin file beside the table's
// metadata, with `ndv`, the estimate that it gives, and commits that the snapshot has it, in the place of what it had.
// Rows that are deleted do not count, nulls and empty strings neither; NaNs and zeros are told apart by their bits. A
// table without a snapshot gets none.
//
// Throws NotFound if the table has no such snapshot, InvalidArgument for columns that are not there, not primitive, or
// inside a list or a map, and for none at all, and what reading and commit_with_retry throw. In memory: what a scan
// takes, and 64 KiB a column.
TableStatsResult compute_table_stats(Catalog& catalog, const LoadedTable& table, const TableStatsOptions& options = {});

}  // namespace floe
