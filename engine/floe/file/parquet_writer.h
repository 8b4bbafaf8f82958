// Writing data files in Parquet from Arrow, with field ids and column metrics.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>

#include "floe/file/data_file_writer.h"

namespace floe {

// How to write, from the table properties `write.parquet.*` and `write.metadata.metrics.*` (read once per write).
struct ParquetWriteOptions;
std::shared_ptr<const ParquetWriteOptions> parquet_write_options(const Properties& table_properties,
                                                                 const Schema& schema);

// One Parquet file being written. Batches come in the table's Arrow schema (file/batch.h makes them so). Row groups
// close by bytes (`write.parquet.row-group-size-bytes`) or rows. The columns of a batch are encoded in parallel where
// `use_threads` (only if no other writer runs on the same pool).
class ParquetWriter final : public DataFileWriter {
 public:
  ParquetWriter(Io& io, const std::string& location, const Schema& schema,
                std::shared_ptr<const ParquetWriteOptions> options, bool use_threads);
  ~ParquetWriter() override;

  void write(const arrow::RecordBatch& batch) override;
  int64_t bytes_written() const override;
  int64_t bytes_in_memory() const override;
  void end_row_group() override;

  // The metrics come from the file's own footer and from the batches (NaN counts).
  DataFile finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
