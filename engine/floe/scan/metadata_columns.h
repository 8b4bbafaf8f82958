// The metadata columns of a scan: what each of them is, and its value in each data file.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The field of `_file`, `_pos`, `_deleted`, `_spec_id`, `_partition`, `_row_id` or `_last_updated_sequence_number`;
// nullopt for other names, and for the last two where the table keeps no row lineage (before version 3). `_partition`
// is a struct of the partition fields of all the table's specs, by their ids.
std::optional<Field> metadata_column(const TableMetadata& table, const Schema& schema, std::string_view name);

// The type of partitions of any spec in metadata tables and statistics: `_partition`'s, but of the fields whose columns
// the current schema has.
Type union_partition_type(const TableMetadata& table);

// A partition (partition_values) as a value of `type`, one of these structs: null for fields that its spec lacks.
Value partition_struct(const Manifest& manifest, const std::vector<Value>& partition, const Type& type);

}  // namespace floe
