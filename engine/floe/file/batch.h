// Fits what a caller hands in to the table: batches of any column order and compatible types become batches of the
// table's own Arrow schema.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>
#include <vector>

#include "floe/spec/schema.h"

namespace floe {

// Decides once per stream how its columns map to the table's, then converts batches, without copying what fits as it
// is.
//
// Columns are found by name, at every depth. Dictionary, large and view types are decoded, ints and floats widened,
// decimals to more digits, timestamps and times to the table's unit if no digit is lost; columns of nulls fit anything
// optional. What the data lacks gets its write default, else null. Throws InvalidArgument that lists every column that
// is extra, missing though required, or of a type that does not fit (a time zone other than UTC, for one), with the
// table's name. Nulls in a required column are refused when one is met, with column and row.
class BatchFitter {
 public:
  BatchFitter(const Schema& table_schema, const arrow::Schema& incoming, const std::string& table_name);
  ~BatchFitter();

  // Throws InvalidArgument if a value does not fit (out of range, lost digits, not UTF-8), if one batch holds more than
  // 2 GiB of strings in a column, or if the batch is malformed or not of the stream's schema.
  std::shared_ptr<arrow::RecordBatch> fit(const arrow::RecordBatch& batch) const;

  const std::shared_ptr<arrow::Schema>& schema() const;  // of what fit() returns: the table's

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Of columns that have `table_fields`, those that `file_fields` has, which is the same without unknown ones at any
// depth (parquet_schema.h).
arrow::ArrayVector known_columns(const arrow::ArrayVector& columns, const std::vector<Field>& file_fields,
                                 const std::vector<Field>& table_fields);

// What the rows take in memory, about, whatever else their buffers hold. Quicker than Arrow's ReferencedBufferSize,
// which many small batches feel.
int64_t bytes_of(const arrow::RecordBatch& batch);

// The same rows, copied where they would keep a much larger batch in memory.
std::shared_ptr<arrow::RecordBatch> compact(const std::shared_ptr<arrow::RecordBatch>& batch);

}  // namespace floe
