// The partition values of a manifest's entries.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/schema.h"

namespace floe {

// The type of one partition field: that which it has for `schema`'s columns; of columns that are gone, the manifest's.
Type partition_field_type(const Manifest& manifest, size_t field, const Schema& schema);

// One value per field of the manifest's spec, of that type (an int that was promoted since becomes a long). Throws
// CorruptFile.
std::vector<Value> partition_values(const Manifest& manifest, size_t entry, const Schema& schema);

// Of those, the values of identity fields by their source column's id: what a file that lacks the column has in it.
std::vector<std::pair<int32_t, Value>> identity_values(const Manifest& manifest, const std::vector<Value>& values);

// Partitions as bytes, equal where the specification has spec and partition values equal: however a manifest holds them
// (promoted since, or with its fields in another order), and with one NaN.
class PartitionKeys {
 public:
  PartitionKeys(const Manifest& manifest, const PartitionSpec& spec, const Schema& schema);
  void write(size_t entry, std::string& key) const;  // in place of what `key` held

 private:
  struct Part {
    const BytesColumn* values;  // null: the manifest has none
    Type from, to;
  };
  int32_t spec_id_;
  std::vector<Part> parts_;
};

}  // namespace floe
