// Metadata files as a catalog that keeps only a pointer writes and reads them, and as they are found without one.
#pragma once

#include <string>

#include "floe/io/io.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The location of the table's next metadata file: "<location or write.metadata.path>/00003-<uuid>.metadata.json", and
// ".gz.metadata.json" when `write.metadata.compression-codec` is gzip.
std::string next_metadata_location(const TableMetadata& metadata, const std::string& previous_location);

TableMetadataPtr read_metadata(Io& io, const std::string& location);

// The metadata file of a table that is opened without its catalog. `location` is the file itself ("....metadata.json",
// "....metadata.json.gz") or the table's folder. Of a folder, "metadata/version-hint.text" names it: by the number of a
// version (3 is "v3.metadata.json", and later versions that are there already are newer than the hint), or by the
// file's name with or without ".metadata.json". Without a hint it is the file with the highest version number, of
// several the one that was written last. Throws NotFound if the folder has none, or not the one that the hint names.
std::string find_metadata(Io& io, const std::string& location);

// Adds the previous file to the metadata log, cut to `write.metadata.previous-versions-max`, and writes the file.
// Returns what was written. The caller removes the file again if its commit surely failed.
TableMetadataPtr write_metadata(Io& io, TableMetadata metadata, const std::string& location,
                                const TableMetadata* previous, const std::string& previous_location);

// After a successful commit: removes files that fell out of the log, if `write.metadata.delete-after-commit.enabled`.
// Failures are not errors.
void remove_old_metadata(Io& io, const TableMetadata& previous, const TableMetadata& current) noexcept;

}  // namespace floe
