// The metrics of a Parquet file just written: from its footer, and NaN counts from its batches.
#pragma once

#include <arrow/record_batch.h>
#include <parquet/metadata.h>

#include <cstdint>
#include <vector>

#include "floe/file/metrics.h"

namespace floe {

// Counts NaNs in the float and double columns that are not inside lists or maps. Batches have `schema`'s columns.
class NanCounter {
 public:
  explicit NanCounter(const Schema& schema);
  void add(const arrow::RecordBatch& batch);
  const ByFieldId<int64_t>& counts() const { return counts_; }

 private:
  std::vector<std::vector<int>> paths_;  // positions from the column down to the field, one path for each count
  ByFieldId<int64_t> counts_;
};

// Fills in record count, split offsets, column sizes, and, for columns outside lists and maps, counts and bounds, each
// as `modes` ask. A column whose statistics the footer lacks (switched off, or a value longer than 4 KiB) gets what is
// known.
void add_parquet_metrics(DataFile& file, const parquet::FileMetaData& footer, const Schema& schema,
                         const ByFieldId<MetricsMode>& modes, const NanCounter& nans);

}  // namespace floe
