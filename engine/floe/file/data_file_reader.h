// Data and delete files opened for reading, in any format.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>
#include <vector>

#include "floe/file/parquet_reader.h"

namespace floe {

// The file's rows in the projection's Arrow schema, as read_parquet gives them, in parts that may be read by several
// threads: a Parquet file's row groups that are left, and Avro and ORC files as a whole. Throws as ParquetFile's
// constructor does, and NotSupported for Puffin.
std::vector<BatchStream> open_data_file(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                                        FileContext context, const std::string& name_mapping_json,
                                        std::shared_ptr<ParquetScanCounters> counters);

// The same one after the other. Exceptions come out of ReadNext as statuses that arrow_status.h turns back.
std::unique_ptr<arrow::RecordBatchReader> read_data_file(Io& io, const DataFile& file,
                                                         const ParquetReadOptions& options, const FileContext& context,
                                                         const std::string& name_mapping_json,
                                                         std::shared_ptr<ParquetScanCounters> counters = nullptr);

}  // namespace floe
