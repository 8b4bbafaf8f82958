// A data file being written, in any format.
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// Batches come in the table's Arrow schema (file/batch.h makes them so). Destroyed without finish(): nothing is left.
class DataFileWriter {
 public:
  virtual ~DataFileWriter() = default;

  // Throws InvalidArgument for values that the format cannot hold.
  virtual void write(const arrow::RecordBatch& batch) = 0;
  virtual int64_t bytes_written() const = 0;    // encoded so far, with an estimate of what is buffered
  virtual int64_t bytes_in_memory() const = 0;  // buffered, encoded or not
  virtual void end_row_group() = 0;             // writes what is buffered early, to free its memory, if the format can

  // Closes the file durably, and says what is in it. spec_id, partition and sort order are the caller's to fill in.
  virtual DataFile finish() = 0;
};

// Makes the writers of one table.
struct DataFileWriters {
  FileFormat format = FileFormat::kParquet;
  // `use_threads`: the columns of a batch may be encoded in parallel (only if no other writer runs on the same pool).
  std::function<std::unique_ptr<DataFileWriter>(Io& io, const std::string& location, bool use_threads)> make;
  int64_t memory_each = 0;  // what each may hold that end_row_group() does not free
};

// How to write comes from the table properties of the format (`write.parquet.*`, `write.avro.*`, `write.orc.*`) and
// `write.metadata.metrics.*`. Throws InvalidArgument or NotSupported naming the property, and NotSupported naming the
// column if the format has no such type.
DataFileWriters data_file_writers(FileFormat format, const Properties& table_properties, const Schema& schema);

// The same for delete files: `write.delete.<name>` in the place of `write.<name>`, neither bloom filters nor
// `write.metadata.metrics.*`, which are for the columns of data files.
Properties delete_properties(const Properties& table_properties);

// Throws NotSupported for a property of this prefix that is none of the known ones: nothing that a user asks for is
// ignored.
void refuse_unknown_properties(const Properties& properties, std::string_view prefix,
                               std::initializer_list<std::string_view> known);

std::string_view file_extension(FileFormat format);  // "parquet"

}  // namespace floe
