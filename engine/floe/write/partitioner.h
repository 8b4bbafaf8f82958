// Which partition each row of a batch belongs to, column by column: a transform over whole arrays, then small numbers
// for the distinct results.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "floe/spec/partition_spec.h"
#include "floe/spec/schema.h"

namespace floe {

// Numbers the partitions of a stream in the order in which they turn up.
class Partitioner {
 public:
  // Throws NotSupported, naming the field, for a transform that this engine does not know (nobody may write with it).
  Partitioner(const Schema& schema, const PartitionSpec& spec);
  ~Partitioner();

  // The partition number of every row. `batch` has the Arrow schema that to_arrow_schema makes of the table's.
  std::vector<int32_t> number(const arrow::RecordBatch& batch);

  size_t size() const;
  std::vector<Value> values(size_t partition) const;  // one per field of the spec

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct PartitionRows {
  int32_t partition = 0;
  std::shared_ptr<arrow::RecordBatch> rows;
};

// The batch's rows by partition, in ascending numbers and otherwise in their order. Rows of one partition that lie side
// by side are not copied; else the batch is copied once.
std::vector<PartitionRows> split(const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<int32_t>& numbers);

}  // namespace floe
