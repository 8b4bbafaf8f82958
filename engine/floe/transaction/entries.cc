#include "floe/transaction/entries.h"

#include <fmt/format.h>

#include "floe/error.h"

namespace floe {

std::vector<Value> partition_of(const Manifest& manifest, size_t entry, const Type& partition) {
  if (partition.children->size() != manifest.partition.size()) {
    throw CorruptFile(fmt::format("the manifest's entry of {}: it has {} partition values where spec {} has {} fields",
                                  manifest.file_path[entry], manifest.partition.size(), manifest.spec_id,
                                  partition.children->size()));
  }
  std::vector<Value> values;
  for (size_t i = 0; i < manifest.partition.size(); ++i) {
    const BytesColumn& column = manifest.partition[i];
    try {
      values.push_back(column.has(entry) ? from_bytes(column[entry], (*partition.children)[i].type) : Value());
    } catch (const CorruptFile& e) {
      throw CorruptFile(fmt::format("the manifest's entry of {}: partition field {}: {}", manifest.file_path[entry],
                                    (*partition.children)[i].name, e.what()));
    }
  }
  return values;
}

std::string partition_key(int32_t spec_id, const std::vector<Value>& values, const Type& partition) {
  std::string key = fmt::format("{}", spec_id);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].is_null()) {
      key += "/-";
    } else {
      const std::string bytes = to_bytes(values[i], (*partition.children)[i].type);
      key += fmt::format("/{}:{}", bytes.size(), bytes);
    }
  }
  return key;
}

bool is_deletion_vector(const DataFile& file) {
  return file.content == FileContent::kPositionDeletes && file.file_format == FileFormat::kPuffin;
}

std::string_view only_data_file(const Manifest& manifest, const ColumnStats* paths, size_t entry) {
  if (manifest.file_content[entry] != FileContent::kPositionDeletes) return {};
  if (manifest.referenced_data_file.has(entry)) return manifest.referenced_data_file[entry];
  if (!paths || !paths->lower_bounds.has(entry) || !paths->upper_bounds.has(entry)) return {};
  return paths->lower_bounds[entry] == paths->upper_bounds[entry] ? paths->lower_bounds[entry] : std::string_view();
}

bool may_have_files(const ManifestFile& manifest) {
  return manifest.added_files_count != 0 || manifest.existing_files_count != 0;
}

}  // namespace floe
