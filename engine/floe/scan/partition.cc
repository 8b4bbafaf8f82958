#include "floe/scan/partition.h"

#include <fmt/format.h>

#include "floe/error.h"

namespace floe {
namespace {

Type type_of(const Manifest& manifest, size_t field, const Schema& schema) {
  const PartitionField& partition_field = manifest.spec.fields[field];
  const Field* source =
      partition_field.source_ids.size() == 1 ? find_field(schema, partition_field.source_id()) : nullptr;
  if (!source || !can_transform(partition_field.transform, source->type)) return manifest.partition_types[field];
  return result_type(partition_field.transform, source->type);
}

}  // namespace

std::vector<Value> partition_values(const Manifest& manifest, size_t entry, const Schema& schema) {
  std::vector<Value> values;
  for (size_t i = 0; i < manifest.partition.size(); ++i) {
    const BytesColumn& column = manifest.partition[i];
    try {
      values.push_back(column.has(entry) ? from_bytes(column[entry], type_of(manifest, i, schema)) : Value());
    } catch (const CorruptFile& e) {
      throw CorruptFile(fmt::format("the manifest's entry of {}: partition field {}: {}", manifest.file_path[entry],
                                    manifest.spec.fields[i].name, e.what()));
    }
  }
  return values;
}

std::vector<std::pair<int32_t, Value>> identity_values(const Manifest& manifest, const std::vector<Value>& values) {
  std::vector<std::pair<int32_t, Value>> found;
  for (size_t i = 0; i < values.size(); ++i) {
    const PartitionField& field = manifest.spec.fields[i];
    if (field.transform.kind == TransformKind::kIdentity && field.source_ids.size() == 1) {
      found.emplace_back(field.source_id(), values[i]);
    }
  }
  return found;
}

}  // namespace floe
