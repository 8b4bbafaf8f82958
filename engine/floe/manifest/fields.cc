#include "floe/manifest/fields.h"

#include <algorithm>
#include <utility>

namespace floe::manifest_fields {

namespace {

Field required(int32_t id, const char* name, Type type, const char* doc) {
  return {.id = id, .name = name, .required = true, .type = std::move(type), .doc = doc};
}

Field optional(int32_t id, const char* name, Type type, const char* doc) {
  return {.id = id, .name = name, .required = false, .type = std::move(type), .doc = doc};
}

const Type kIntType = primitive(TypeKind::kInt);
const Type kLongType = primitive(TypeKind::kLong);
const Type kStringType = primitive(TypeKind::kString);
const Type kBinaryType = primitive(TypeKind::kBinary);
const Type kBooleanType = primitive(TypeKind::kBoolean);

Type map_of(int32_t key_id, int32_t value_id, const Type& value) {
  return map_type(key_id, kIntType, value_id, value, true);
}

std::vector<Field> data_file_fields(int32_t version, const Type& partition) {
  std::vector<Field> fields;
  if (version >= 2) {
    fields.push_back(required(kContent, "content", kIntType, "0: data, 1: position deletes, 2: equality deletes"));
  }
  fields.push_back(required(kFilePath, "file_path", kStringType, "Location of the file, with its scheme"));
  fields.push_back(required(kFileFormat, "file_format", kStringType, "avro, orc, parquet or puffin"));
  fields.push_back(required(kPartition, "partition", partition, "Partition values, by the manifest's spec"));
  fields.push_back(required(kRecordCount, "record_count", kLongType, "Number of records in the file"));
  fields.push_back(required(kFileSizeInBytes, "file_size_in_bytes", kLongType, "Total size of the file"));
  if (version == 1) {
    fields.push_back(required(kBlockSizeInBytes, "block_size_in_bytes", kLongType, "Deprecated; a default"));
  }
  fields.push_back(optional(kColumnSizes, "column_sizes", map_of(117, 118, kLongType), "Bytes by column id"));
  fields.push_back(optional(kValueCounts, "value_counts", map_of(119, 120, kLongType), "Values by column id"));
  fields.push_back(optional(kNullValueCounts, "null_value_counts", map_of(121, 122, kLongType), "Nulls by column id"));
  fields.push_back(optional(kNanValueCounts, "nan_value_counts", map_of(138, 139, kLongType), "NaNs by column id"));
  fields.push_back(optional(kLowerBounds, "lower_bounds", map_of(126, 127, kBinaryType), "Lower bounds by column id"));
  fields.push_back(optional(kUpperBounds, "upper_bounds", map_of(129, 130, kBinaryType), "Upper bounds by column id"));
  fields.push_back(optional(kKeyMetadata, "key_metadata", kBinaryType, "Encryption key metadata"));
  fields.push_back(optional(kSplitOffsets, "split_offsets", list_type(133, kLongType, true), "Where row groups start"));
  if (version >= 2) {
    fields.push_back(optional(kEqualityIds, "equality_ids", list_type(136, kIntType, true),
                              "Columns that equality deletes compare"));
  }
  fields.push_back(optional(kSortOrderId, "sort_order_id", kIntType, "Id of the file's sort order"));
  if (version >= 3) {
    fields.push_back(optional(kFirstRowId, "first_row_id", kLongType, "_row_id of the first row"));
  }
  if (version >= 2) {
    fields.push_back(
        optional(kReferencedDataFile, "referenced_data_file", kStringType, "The only data file that deletes refer to"));
  }
  if (version >= 3) {
    fields.push_back(optional(kContentOffset, "content_offset", kLongType, "Where the content starts in the file"));
    fields.push_back(optional(kContentSizeInBytes, "content_size_in_bytes", kLongType, "Length of that content"));
  }
  return fields;
}

}  // namespace

std::vector<Field> entry_fields(int32_t format_version, const Type& partition) {
  std::vector<Field> fields = {required(kStatus, "status", kIntType, "0: existing, 1: added, 2: deleted")};
  if (format_version == 1) {
    fields.push_back(required(kSnapshotId, "snapshot_id", kLongType, "Snapshot that added or deleted the file"));
  } else {
    fields.push_back(optional(kSnapshotId, "snapshot_id", kLongType, "Snapshot that added or deleted the file"));
    fields.push_back(optional(kSequenceNumber, "sequence_number", kLongType, "Data sequence number"));
    fields.push_back(optional(kFileSequenceNumber, "file_sequence_number", kLongType, "File sequence number"));
  }
  fields.push_back(required(kDataFile, "data_file", struct_type(data_file_fields(format_version, partition)),
                            "The file, its partition values and its metrics"));
  return fields;
}

std::vector<Field> wanted_entry_fields(const Type& partition, const std::vector<int32_t>& data_file_ids,
                                       bool with_entry_fields) {
  std::vector<Field> file;
  for (Field& field : data_file_fields(kLatestFormatVersion, partition)) {
    if (std::find(data_file_ids.begin(), data_file_ids.end(), field.id) == data_file_ids.end()) continue;
    if (field.id == kContent) field.initial_default = int32_t{0};
    file.push_back(std::move(field));
  }
  const Type data_file = struct_type(std::move(file));
  std::vector<Field> fields;
  for (Field& field : entry_fields(kLatestFormatVersion, partition)) {
    if (field.id == kDataFile) {
      field.type = data_file;
    } else if (!with_entry_fields) {
      continue;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::vector<Field> list_fields(int32_t format_version) {
  const Type summary = struct_type({
      required(509, "contains_null", kBooleanType, "Whether any file has a null in this field"),
      optional(518, "contains_nan", kBooleanType, "Whether any file has a NaN in this field"),
      optional(510, "lower_bound", kBinaryType, "Least value"),
      optional(511, "upper_bound", kBinaryType, "Greatest value"),
  });
  const bool reading = format_version == 0;
  const int32_t version = reading ? kLatestFormatVersion : format_version;

  std::vector<Field> fields = {
      required(500, "manifest_path", kStringType, "Location of the manifest, with its scheme"),
      required(501, "manifest_length", kLongType, "Length of the manifest in bytes"),
      required(502, "partition_spec_id", kIntType, "Id of the spec that the manifest was written with"),
  };
  if (version >= 2) {
    fields.push_back(required(517, "content", kIntType, "0: data, 1: deletes"));
    fields.push_back(required(515, "sequence_number", kLongType, "Sequence number of the commit that added it"));
    fields.push_back(required(516, "min_sequence_number", kLongType, "Least data sequence number of its live files"));
  }
  fields.push_back(required(503, "added_snapshot_id", kLongType, "Snapshot that added the manifest"));
  const bool counts = version >= 2 && !reading;
  const auto count = counts ? required : optional;
  fields.push_back(count(504, "added_files_count", kIntType, "Files with status added"));
  fields.push_back(count(505, "existing_files_count", kIntType, "Files with status existing"));
  fields.push_back(count(506, "deleted_files_count", kIntType, "Files with status deleted"));
  fields.push_back(count(512, "added_rows_count", kLongType, "Rows in files with status added"));
  fields.push_back(count(513, "existing_rows_count", kLongType, "Rows in files with status existing"));
  fields.push_back(count(514, "deleted_rows_count", kLongType, "Rows in files with status deleted"));
  fields.push_back(
      optional(507, "partitions", list_type(508, summary, true), "Summaries of the spec's fields, in their order"));
  fields.push_back(optional(519, "key_metadata", kBinaryType, "Encryption key metadata"));
  if (version >= 3) fields.push_back(optional(520, "first_row_id", kLongType, "First _row_id of the added files"));
  if (reading) {
    for (Field& field : fields) {
      if (field.id == 517) field.initial_default = int32_t{0};
      if (field.id == 515 || field.id == 516) field.initial_default = int64_t{0};
    }
  }
  return fields;
}

}  // namespace floe::manifest_fields
