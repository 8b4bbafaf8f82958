// Reading data files in ORC to Arrow, by field id, over Arrow's adapter.
#pragma once

#include <memory>
#include <string>

#include "floe/file/parquet_reader.h"

namespace floe {

// The file's rows in order, in the projection's Arrow schema, as read_parquet gives them; null at the end. An ORC file
// is read as a whole, by the split that it begins in. Throws CorruptFile or NotFound naming the file, NotSupported if
// it is encrypted or has timestamps outside the years 1677 to 2262, which the adapter cannot read.
BatchStream open_orc(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                     FileContext context, const std::string& name_mapping_json,
                     std::shared_ptr<ParquetScanCounters> counters);

}  // namespace floe
