// Position delete files: rows that are deleted by data file and position. Specification: "Position Delete Files".
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "floe/file/positions.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/snapshot.h"

namespace floe {

// The name mapping of files that some engine wrote without field ids.
inline constexpr std::string_view kPositionDeleteNames =
    R"([{"field-id": 2147483546, "names": ["file_path"]}, {"field-id": 2147483545, "names": ["pos"]}])";

// Positions by data file path.
using PositionDeletes = std::map<std::string, Positions, std::less<>>;

// Reads a position delete file. `wanted`: only of these data files, of which row groups of other files are not read;
// none: of all. Memory beyond the positions is a batch's. Throws CorruptFile naming the file, or NotFound.
PositionDeletes read_position_deletes(Io& io, const DataFile& file, const std::vector<std::string>& wanted = {},
                                      const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

// Writes one Parquet file, sorted by path and position, with whole paths as bounds, and with `referenced_data_file` if
// `deletes` are of one data file. spec_id and partition are those of the data files. `table_properties`:
// `write.delete.parquet.*`, else `write.parquet.*`. Throws InvalidArgument if there is nothing to write.
DataFile write_position_deletes(Io& io, const std::string& location, const PositionDeletes& deletes, int32_t spec_id,
                                std::vector<Value> partition, const Properties& table_properties);

}  // namespace floe
