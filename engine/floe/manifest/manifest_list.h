// Manifest lists: which manifests make up a snapshot. Specification: "Manifest Lists".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/expression/evaluate.h"
#include "floe/spec/table_metadata.h"

namespace floe {

enum class ManifestContent : uint8_t { kData = 0, kDeletes = 1 };

struct FieldSummary {
  bool contains_null = false;
  std::optional<bool> contains_nan;
  std::optional<std::string> lower_bound;
  std::optional<std::string> upper_bound;
  bool operator==(const FieldSummary&) const = default;
};

struct ManifestFile {
  std::string manifest_path;
  int64_t manifest_length = 0;
  int32_t partition_spec_id = 0;
  ManifestContent content = ManifestContent::kData;
  int64_t sequence_number = 0;      // 0 in v1
  int64_t min_sequence_number = 0;  // 0 in v1
  int64_t added_snapshot_id = 0;
  // Optional in v1; kNotKnown where absent.
  int64_t added_files_count = kNotKnown;
  int64_t existing_files_count = kNotKnown;
  int64_t deleted_files_count = kNotKnown;
  int64_t added_rows_count = kNotKnown;
  int64_t existing_rows_count = kNotKnown;
  int64_t deleted_rows_count = kNotKnown;
  std::optional<std::vector<FieldSummary>> partitions;  // one per field of the spec; old writers left them out
  std::optional<std::string> key_metadata;
  std::optional<int64_t> first_row_id;  // v3
  bool operator==(const ManifestFile&) const = default;
};

// Throws CorruptFile naming `file`.
std::vector<ManifestFile> read_manifest_list(std::string_view bytes, const std::string& file);

// The manifest list of a snapshot, as a whole file: Avro, deflate. v3: data manifests without first_row_id get theirs,
// counted from `next_row_id`, which is updated ("First Row ID Assignment").
std::string write_manifest_list(int32_t format_version, const Snapshot& snapshot, std::vector<ManifestFile>& manifests,
                                int64_t* next_row_id);

// The partition summaries of manifests of one spec, as statistics by partition field id.
Stats partition_stats(const std::vector<const ManifestFile*>& manifests, const PartitionSpec& spec);

}  // namespace floe
