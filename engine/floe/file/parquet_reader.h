// Reading data files in Parquet to Arrow, by field id.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

struct RowGroupRange {
  int64_t first_row = 0;  // position in the file of the first row that comes out
  int64_t rows = 0;
};

struct ParquetReadOptions {
  Schema projection;       // the columns wanted, with the ids and types of the table's schema
  BoundExpression filter;  // prunes row groups, and filters rows
  int64_t batch_rows = 131'072;
  bool use_threads = true;
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
  int64_t split_start = 0;  // only row groups that start in [split_start, split_start + split_length)
  int64_t split_length = INT64_MAX;
};

struct ParquetScanCounters {
  std::atomic<int64_t> row_groups_read{0};
  std::atomic<int64_t> row_groups_pruned{0};
};

// Reads one file's rows in the projection's Arrow schema: columns by field id (by name mapping where the file has no
// ids), promoted, missing ones null or their initial default or, for identity partition columns, `partition_values`.
// Only what the filter needs is decoded first where that saves work. Throws CorruptFile or NotFound naming the file.
std::unique_ptr<arrow::RecordBatchReader> read_parquet(Io& io, const DataFile& file, const ParquetReadOptions& options,
                                                       const std::vector<std::pair<int32_t, Value>>& partition_values,
                                                       const std::string& name_mapping_json,
                                                       ParquetScanCounters* counters);

}  // namespace floe
