// The fields of manifests and manifest lists, by their ids in the specification, and the schemas of their Avro files.
// Internal to manifest/.
#pragma once

#include <vector>

#include "floe/spec/table_metadata.h"

namespace floe::manifest_fields {

// "Manifest Entry Fields"
inline constexpr int32_t kStatus = 0;
inline constexpr int32_t kSnapshotId = 1;
inline constexpr int32_t kDataFile = 2;
inline constexpr int32_t kSequenceNumber = 3;
inline constexpr int32_t kFileSequenceNumber = 4;

// "Data File Fields"
inline constexpr int32_t kContent = 134;
inline constexpr int32_t kFilePath = 100;
inline constexpr int32_t kFileFormat = 101;
inline constexpr int32_t kPartition = 102;
inline constexpr int32_t kRecordCount = 103;
inline constexpr int32_t kFileSizeInBytes = 104;
inline constexpr int32_t kBlockSizeInBytes = 105;  // v1 only
inline constexpr int32_t kColumnSizes = 108;
inline constexpr int32_t kValueCounts = 109;
inline constexpr int32_t kNullValueCounts = 110;
inline constexpr int32_t kNanValueCounts = 137;
inline constexpr int32_t kLowerBounds = 125;
inline constexpr int32_t kUpperBounds = 128;
inline constexpr int32_t kKeyMetadata = 131;
inline constexpr int32_t kSplitOffsets = 132;
inline constexpr int32_t kEqualityIds = 135;
inline constexpr int32_t kSortOrderId = 140;
inline constexpr int32_t kFirstRowId = 142;
inline constexpr int32_t kReferencedDataFile = 143;
inline constexpr int32_t kContentOffset = 144;
inline constexpr int32_t kContentSizeInBytes = 145;

// The schema of a manifest as this version writes it. `partition` is the struct of partition values.
std::vector<Field> entry_fields(int32_t format_version, const Type& partition);

// What a reader of any version asks for: entry_fields of the latest version, where everything that an earlier version
// may lack is optional, and only the fields of `data_file` that are listed.
std::vector<Field> wanted_entry_fields(const Type& partition, const std::vector<int32_t>& data_file_ids,
                                       bool with_entry_fields);

// "Manifest Lists": `manifest_file` as this version writes it, and as a reader of any version wants it (version 0).
std::vector<Field> list_fields(int32_t format_version);

}  // namespace floe::manifest_fields
