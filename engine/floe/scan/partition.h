// The partition values of a manifest's entries.
#pragma once

#include <utility>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/schema.h"

namespace floe {

// One value per field of the manifest's spec, of the type that the field has for `schema`'s columns (an int that was
// promoted since becomes a long); columns that are gone keep the type that the manifest has. Throws CorruptFile.
std::vector<Value> partition_values(const Manifest& manifest, size_t entry, const Schema& schema);

// Of those, the values of identity fields by their source column's id: what a file that lacks the column has in it.
std::vector<std::pair<int32_t, Value>> identity_values(const Manifest& manifest, const std::vector<Value>& values);

}  // namespace floe
