// Data files that another process wrote, as bytes: a write is tasks that write files anywhere, and one commit of all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// Files that write_data_files (write/write.h) wrote for a table: its uuid, and a manifest of them.
std::string written_files_to_bytes(const TableMetadata& table, const std::vector<DataFile>& files);

// The files again, as `append` (append.h) takes them. Throws CorruptFile if these are no such bytes, InvalidArgument if
// the files are another table's, or of a partition spec that it has no more.
std::vector<DataFile> written_files_from_bytes(const TableMetadata& table, std::string_view bytes);

}  // namespace floe
