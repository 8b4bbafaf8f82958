// What the header of a manifest says: its schema and spec, and the programs that decode its entries. Manifests of one
// table share their headers, so layouts are kept and found again by the header's bytes. Internal to manifest/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/avro/container.h"
#include "floe/avro/program.h"
#include "floe/manifest/manifest.h"

namespace floe {

struct ManifestLayout {
  SchemaPtr schema;
  PartitionSpec spec;
  std::optional<int32_t> spec_id;  // v1 manifests may not say it
  std::optional<ManifestContent> content;
  bool has_sequence_numbers = true;  // false: all are 0 (v1)
  std::vector<Type> partition_types;

  avro::Program entries;            // everything but the maps of statistics
  avro::Program stats;              // value, null and NaN counts and bounds
  avro::Program entries_and_stats;  // in one pass
  avro::Program all_maps;           // stats, and the sizes of columns
  avro::Program whole;              // entries and all maps
};

// Throws CorruptFile naming `file`, NotSupported if it is encrypted.
avro::Header manifest_header(std::string_view bytes, const std::string& file);

// Throws CorruptFile or NotSupported, naming `file`.
std::shared_ptr<const ManifestLayout> manifest_layout(const avro::Header& header, const std::string& file);

}  // namespace floe
