// Rows that are written again into new files and stay the rows that they are.
#pragma once

#include <string>
#include <vector>

#include "floe/scan/scan.h"
#include "floe/write/write.h"

namespace floe {

// What a scan of rows that are to be written again selects: all columns, and their lineage where the table keeps it
// (version 3).
std::vector<std::string> rewritten_columns(const TableMetadata& table);

// Writes the rows of a plan, which is of a scan of rewritten_columns, into files of the table's default spec, with
// their lineage. As read and write_data_files in all else.
std::vector<DataFile> rewrite_rows(const TableMetadata& table, ScanPlan plan, const ScanOptions& scan, const IoPtr& io,
                                   WriteOptions write);

}  // namespace floe
