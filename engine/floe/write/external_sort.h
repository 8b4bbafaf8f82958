// Rows put aside while a stream is read, and given back partition by partition, in bounded memory.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "floe/write/row_order.h"

namespace floe {

struct ExternalSortOptions {
  int64_t memory = 128 << 20;  // of rows; what is more goes to a temporary file
  std::string folder;          // for that file; empty: the system's (TMPDIR)
  std::string table_name;      // for messages
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// Sorts rows by partition, and within each by `order`; rows that are equal in it, or all where there is none, stay as
// they came.
//
// What does not fit into memory becomes sorted runs, one after the other in one temporary file (io/temporary_file.h).
// A run holds each partition's rows as small record batches beside their keys, so that runs are merged by looking at
// one batch of each. Too many runs for that are merged to fewer first.
class ExternalSort {
 public:
  // Batches have this schema. `order` may be null; it must outlive this.
  ExternalSort(std::shared_ptr<arrow::Schema> schema, const RowOrder* order, ExternalSortOptions options);
  ~ExternalSort();

  // Throws IoError naming the folder if the rows cannot be put there, Cancelled.
  void add(const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<int32_t>& partitions);

  struct Partition {
    int32_t number = 0;
    int64_t rows = 0;
    int64_t bytes = 0;  // in memory, about
  };
  // Once, after all rows: the partitions in ascending numbers.
  std::vector<Partition> finish();

  // The rows of one partition, in batches; null at the end. Streams may be read by different threads; they refer to
  // this.
  std::function<std::shared_ptr<arrow::RecordBatch>()> read(const Partition& partition) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
