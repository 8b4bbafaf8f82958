// Fits what a caller hands in to the table: batches of any column order and compatible types become batches of the
// table's own Arrow schema.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>

#include "floe/spec/schema.h"

namespace floe {

// Decides once per stream how its columns map to the table's (by name, at every depth; dictionary, large and view
// types decoded, ints and floats widened, time zones other than UTC refused), then converts batches. Throws
// InvalidArgument that lists every column that is extra, missing though required, or of a type that does not fit, with
// the table's name; nullable data in a required column is refused when a null is met.
class BatchFitter {
 public:
  BatchFitter(const Schema& table_schema, const arrow::Schema& incoming, const std::string& table_name);
  ~BatchFitter();

  std::shared_ptr<arrow::RecordBatch> fit(const arrow::RecordBatch& batch) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace floe
