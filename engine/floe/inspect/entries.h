// The entries of manifests as Arrow, for the metadata tables that show files. Internal to inspect/.
#pragma once

#include <string_view>
#include <vector>

#include "floe/inspect/columns.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The columns of a data or delete file, with the table's partitions of all specs.
std::vector<Field> file_fields(const TableMetadata& table);

// A column of them, by its name: `field` is one of file_fields, a struct perhaps with fewer children.
ArrayPtr file_array(const EntryRange& range, const Field& field, const DataTypePtr& type);

// Whether the column is decoded from a map of statistics.
bool is_statistics_map(std::string_view name);

// The partitions of the range's entries. `type`: of union_partition_type, perhaps with fewer fields. Throws CorruptFile
// if a value is none of its field's type.
ArrayPtr partition_array(const EntryRange& range, const Type& type, const DataTypePtr& arrow_type);

}  // namespace floe
