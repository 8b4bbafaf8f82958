// Reading data files in Avro to Arrow, by field id.
#pragma once

#include <memory>
#include <string>

#include "floe/file/parquet_reader.h"

namespace floe {

// The file's rows in order, in the projection's Arrow schema, as read_parquet gives them; null at the end. An Avro file
// is read as a whole, by the split that it begins in, and block by block. Throws CorruptFile or NotFound naming the
// file, NotSupported if it is encrypted.
BatchStream open_avro(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                      FileContext context, const std::string& name_mapping_json,
                      std::shared_ptr<ParquetScanCounters> counters);

}  // namespace floe
