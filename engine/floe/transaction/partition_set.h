// Partitions of files that are looked for, and which manifests may have such files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// The values of a partition in binary single-value form, one for each field of its spec; nullopt is null. They stay as
// they are when columns change, and from_bytes reads them as the types that these have then.
using PartitionBytes = std::vector<std::optional<std::string>>;
PartitionBytes partition_bytes(const Manifest& manifest, size_t entry);
PartitionBytes partition_bytes(const std::vector<Value>& values, const Type& partition);
// Back again, as the types that `partition` asks for; null where a type is not known. Throws CorruptFile.
std::vector<Value> partition_values(const PartitionBytes& bytes, const Type& partition);

class PartitionSet {
 public:
  void insert(int32_t spec_id, const PartitionBytes& partition);

  // Of each manifest: 1 if it is of the spec of a partition here, and by its partition summaries may have files of it.
  // Fields are looked at one by one: of specs of several fields, it may tell less than could be told.
  std::vector<uint8_t> may_have(const TableMetadata& table, const std::vector<ManifestFile>& manifests) const;

 private:
  using FieldValues = std::set<std::optional<std::string>>;
  std::map<int32_t, std::vector<FieldValues>> specs_;  // the values of each field
};

}  // namespace floe
