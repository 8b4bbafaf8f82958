// Data files in Parquet, to and from Arrow, by field id.
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

// How to write, from the table properties `write.parquet.*` and `write.metadata.metrics.*` (read once per write).
struct ParquetWriteOptions;
std::shared_ptr<const ParquetWriteOptions> parquet_write_options(const Properties& table_properties,
                                                                 const Schema& schema);

// One Parquet file being written. Batches come in the table's Arrow schema (file/batch.h makes them so). Row groups
// close by bytes (`write.parquet.row-group-size-bytes`) or rows. The columns of a batch are encoded in parallel where
// `use_threads` (only if no other writer runs on the same pool).
class ParquetWriter {
 public:
  ParquetWriter(Io& io, const std::string& location, const Schema& schema,
                std::shared_ptr<const ParquetWriteOptions> options, bool use_threads);
  ~ParquetWriter();  // without finish(): aborts, nothing is left

  void write(const arrow::RecordBatch& batch);
  int64_t bytes_written() const;  // encoded so far, with an estimate of what is buffered

  // Closes the file durably. The metrics come from the file's own footer and from the batches (NaN counts).
  // spec_id, partition and sort order are the caller's to fill in.
  DataFile finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

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
