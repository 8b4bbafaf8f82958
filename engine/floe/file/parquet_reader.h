// Reading data files in Parquet to Arrow, by field id.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/file/parquet_columns.h"
#include "floe/file/row_deletes.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

class KeySet;

struct ParquetReadOptions {
  SchemaPtr schema;        // the table's, which `filter` is bound to
  Schema projection;       // the columns wanted: fields of `schema`, nested ones perhaps with fewer children, and of
                           // spec/metadata_columns.h
  BoundExpression filter;  // prunes row groups, and filters rows
  std::shared_ptr<const KeySet> keys;  // if set, prunes row groups that surely have none of them
  int64_t batch_rows = 131'072;
  int64_t batch_bytes = 32 << 20;  // about; wide rows come in smaller batches
  bool use_threads = true;         // decode the columns of a batch in parallel
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
  int64_t split_start = 0;  // only row groups that start in [split_start, split_start + split_length)
  int64_t split_length = INT64_MAX;
};

// What is known of a data file's rows beyond the file and its DataFile, of which spec_id and first_row_id (inherited
// already) are `_spec_id` and the base of `_row_id`.
struct FileContext {
  std::vector<std::pair<int32_t, Value>> partition_values;  // of identity partition fields, by source field id
  Value partition;                              // `_partition`, a value of the type that its projected field has
  std::optional<int64_t> data_sequence_number;  // of the manifest entry; none: 0 to equality deletes, unknown to
                                                // `_last_updated_sequence_number`
  RowDeletes deletes;                           // all that apply to the file
  HasValues has_values;                         // what its manifest says; may be empty
};

// What reading has done so far, as it happens.
struct ParquetScanCounters {
  std::atomic<int64_t> row_groups_read{0};
  std::atomic<int64_t> row_groups_pruned{0};  // by statistics or bloom filters, or because no row of the filter's
                                              // columns matched
  std::atomic<int64_t> rows_decoded{0};       // of the row groups of which any column was decoded
  std::atomic<int64_t> bytes_read{0};         // compressed, of the columns that were decoded
};

// The batches of one row group, in order; null at the end. To be called by one thread at a time.
using BatchStream = std::function<std::shared_ptr<arrow::RecordBatch>()>;

// One file opened for reading: its footer is read, its columns are found, its row groups are pruned. Its row groups
// may be read by several threads, each with a stream of its own; a stream keeps what it needs of the file alive.
class ParquetFile {
 public:
  struct State;

  // Throws CorruptFile or NotFound naming the file, NotSupported if it is encrypted, InvalidArgument if a metadata
  // column is projected with a type that it has not.
  ParquetFile(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options, FileContext context,
              const std::string& name_mapping_json, std::shared_ptr<ParquetScanCounters> counters);

  size_t row_groups() const;     // how many are left to read
  int64_t rows(size_t i) const;  // in the i-th of them, before the filter and deletes
  bool filters(size_t i) const;  // whether its rows have to be looked at: statistics do not decide, or some are deleted
  BatchStream read(size_t i) const;

 private:
  std::shared_ptr<State> state_;
};

// Reads one file's rows in the projection's Arrow schema: columns by field id (by name mapping where they have none),
// promoted, missing ones the identity partition's value, their initial default or null. The filter's columns are
// decoded first, and of the others only the pages that hold rows that match, where few do. Deleted rows do not come
// out, unless `_deleted` is projected, which then marks them. Metadata columns are known by their ids. `_row_id` and
// `_last_updated_sequence_number` are the file's own where it has them and they are not null.
// Exceptions as above; they come out of ReadNext as statuses that arrow_status.h turns back.
std::unique_ptr<arrow::RecordBatchReader> read_parquet(Io& io, const DataFile& file, const ParquetReadOptions& options,
                                                       const FileContext& context, const std::string& name_mapping_json,
                                                       std::shared_ptr<ParquetScanCounters> counters = nullptr);

}  // namespace floe
