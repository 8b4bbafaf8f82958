// What a Parquet footer says about the row groups, as statistics that filters can be evaluated on.
#pragma once

#include <parquet/metadata.h>

#include <vector>

#include "floe/expression/evaluate.h"
#include "floe/file/parquet_columns.h"

namespace floe {

// Statistics of the primitive columns of `plans` (structs are looked into), one group per row group. Columns that the
// file lacks have their constant. Bounds that cannot be trusted are left out: those of INT96, of unsigned order under a
// signed type, of another unit or scale than the table's, NaN, and all that Parquet's own rules exclude.
Stats row_group_stats(const std::vector<ColumnPlan>& plans, const parquet::FileMetaData& footer);

}  // namespace floe
