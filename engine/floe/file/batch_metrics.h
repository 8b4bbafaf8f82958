// The metrics of a data file whose own footer has none that could be used (Avro, ORC): from its batches.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "floe/file/metrics.h"

namespace floe {

class BatchMetrics {
 public:
  explicit BatchMetrics(const Schema& schema);

  // Batches have `schema`'s columns.
  void add(const arrow::RecordBatch& batch);

  int64_t rows() const { return rows_; }

  // Fills in record count and, for columns outside lists and maps, counts and bounds, each as `modes` ask.
  void fill_in(DataFile& file, const ByFieldId<MetricsMode>& modes) const;

 private:
  struct Column {
    std::vector<int> path;  // positions from the column down to the field
    int32_t field_id = 0;
    Type type;
    int64_t nulls = 0;
    int64_t nans = 0;
    Value least, greatest;  // null: no value so far
  };
  void find_columns(const std::vector<Field>& fields, std::vector<int>& path);
  static void add(Column& column, const arrow::Array& array);

  std::vector<Column> columns_;
  int64_t rows_ = 0;
};

}  // namespace floe
