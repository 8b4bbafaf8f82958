// Parquet files that somebody else wrote, as data files of a table: described from their footers, in which it is seen
// whether their columns can be read as the table's.
#pragma once

#include <string>

#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The file as one of the table's default partition spec, with metrics as `write.metadata.metrics.*` ask. Columns are
// found by field id, or by `name_mapping_json` where the file has none. The partition values follow from the columns'
// bounds, where those prove that all rows have the same one.
//
// Throws NotFound if there is no such file; CorruptFile if it is no Parquet file, or a column cannot be read as the
// table's; InvalidArgument if it has columns that the table never had, if it cannot be told that all rows are of one
// partition, or if a transform does not keep order;
// NotSupported for an encrypted file and for one that brings row ids of its own.
DataFile import_parquet(Io& io, const std::string& location, const TableMetadata& table,
                        const std::string& name_mapping_json);

}  // namespace floe
