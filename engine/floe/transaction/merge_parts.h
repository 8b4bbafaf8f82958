// All the new rows of an upsert, in parts that fit into memory.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "floe/transaction/merge_source.h"
#include "floe/write/external_sort.h"
#include "floe/write/write.h"

namespace floe {

// Rows of the same key are in the same part. Rows that take no more than the budget are one part, in memory; others go
// by the hash of their key to a temporary file, and come back a part of about half the budget at a time.
class MergeParts {
 public:
  // Reads the stream to its end. Rows may have any form that fits the schema (file/batch.h). Throws InvalidArgument for
  // rows that do not fit and, while there is one part, for keys that rows share; IoError, Cancelled.
  MergeParts(arrow::RecordBatchReader& rows, const Schema& schema, const KeyColumns& keys, int64_t memory,
             const WriteOptions& write);
  ~MergeParts();

  const std::shared_ptr<arrow::Schema>& schema() const { return arrow_schema_; }
  Expression key_range() const { return in_ranges(keys_, ranges_); }  // what every row that has one of the keys matches

  // Throws InvalidArgument for keys that rows of the part share.
  size_t size() const { return whole_ ? 1 : parts_.size(); }
  std::shared_ptr<MergeSource> part(size_t i) const;

 private:
  void put_aside(const arrow::RecordBatch& rows);

  const Schema& schema_;
  const KeyColumns& keys_;
  const WriteOptions& write_;
  const int64_t memory_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
  std::vector<KeyRange> ranges_;
  std::shared_ptr<MergeSource> whole_;

  // Or, of rows that are put aside:
  std::unique_ptr<ExternalSort> aside_;
  std::unique_ptr<KeyIndex> hasher_;
  int64_t matchless_ = 0;  // rows so far whose key has a null
  std::vector<std::vector<ExternalSort::Partition>> parts_;
};

}  // namespace floe
