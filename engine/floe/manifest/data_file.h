// A data or delete file as manifests describe it. Specification: "Data File Fields".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/spec/value.h"

namespace floe {

enum class FileContent : uint8_t { kData = 0, kPositionDeletes = 1, kEqualityDeletes = 2 };
enum class FileFormat : uint8_t { kParquet, kAvro, kOrc, kPuffin };
FileFormat parse_file_format(std::string_view name);  // of any case; throws InvalidArgument
std::string to_string(FileFormat format);             // upper case, as Java writes it

template <typename T>
using ByFieldId = std::vector<std::pair<int32_t, T>>;  // sorted by field id

struct DataFile {
  FileContent content = FileContent::kData;
  std::string file_path;
  FileFormat file_format = FileFormat::kParquet;
  int32_t spec_id = 0;
  std::vector<Value> partition;  // one value per field of the spec
  int64_t record_count = 0;
  int64_t file_size_in_bytes = 0;
  ByFieldId<int64_t> column_sizes;
  ByFieldId<int64_t> value_counts;
  ByFieldId<int64_t> null_value_counts;
  ByFieldId<int64_t> nan_value_counts;
  ByFieldId<std::string> lower_bounds;
  ByFieldId<std::string> upper_bounds;
  std::optional<std::string> key_metadata;
  std::vector<int64_t> split_offsets;
  std::vector<int32_t> equality_ids;
  std::optional<int32_t> sort_order_id;
  std::optional<int64_t> first_row_id;              // v3
  std::optional<std::string> referenced_data_file;  // delete files
  std::optional<int64_t> content_offset;            // deletion vectors
  std::optional<int64_t> content_size_in_bytes;     // deletion vectors
  bool operator==(const DataFile&) const = default;
};

}  // namespace floe
