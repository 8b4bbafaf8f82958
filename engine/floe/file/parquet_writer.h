// Writing data files in Parquet from Arrow, with field ids and column metrics.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>

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
  int64_t bytes_written() const;    // encoded so far, with an estimate of what is buffered
  int64_t bytes_in_memory() const;  // held for the row group being written, encoded or not

  // Ends the row group early, to free its memory.
  void end_row_group();

  // Closes the file durably. The metrics come from the file's own footer and from the batches (NaN counts).
  // spec_id, partition and sort order are the caller's to fill in.
  DataFile finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
