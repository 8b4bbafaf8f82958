// What the entries of manifests say, as conflict checks, removals and summaries ask it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The partition values of a manifest's entry, of the types that `partition` (partition_type of the spec) asks for: an
// int that was promoted since becomes a long, and a field whose type is not known any more is null. Throws CorruptFile.
std::vector<Value> partition_of(const Manifest& manifest, size_t entry, const Type& partition);

// Tells partitions apart by spec and values, which paths do not (a null from the text "null"). `values` are of the
// types of `partition`.
std::string partition_key(int32_t spec_id, const std::vector<Value>& values, const Type& partition);

bool is_deletion_vector(const DataFile& file);

// The one data file whose rows a position delete file or deletion vector deletes; empty if it may be several. Writers
// that do not name it give its whole path as both bounds. `paths` are the statistics of kDeleteFilePathId, or null.
std::string_view only_data_file(const Manifest& manifest, const ColumnStats* paths, size_t entry);

// Counts of version 1 may not be known.
bool may_have_files(const ManifestFile& manifest);

}  // namespace floe
