// Writes manifests anew: without files that leave the table, or several as one. Specification: "Manifests", "Sequence
// Number Inheritance", "First Row ID Inheritance".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// A manifest to be written anew. `removed` has an entry for each of its own, 1 for files that leave the table with the
// snapshot; empty: none does.
struct ManifestSource {
  ManifestFile file;
  ManifestReaderPtr reader;
  std::vector<uint8_t> removed;
};

// One manifest, in version and codec as snapshot `snapshot_id` of the table writes them, with the entries of all the
// sources, in order. What a file inherits where it is becomes explicit: sequence numbers, and the first row id. Files
// that the snapshot adds stay ADDED and inherit; those removed become DELETED by the snapshot; entries that were
// DELETED before are left out. The sources are of one spec and content.
//
// In the line for the manifest list the sequence number is 0 and the least one INT64_MAX where files inherit it, for
// the producer to fill in. Throws CorruptFile for entries without what they have to have.
std::pair<std::string, ManifestFile> rewrite_manifests(const TableMetadata& table, int64_t snapshot_id,
                                                       std::optional<int64_t> data_sequence_number,
                                                       const std::vector<ManifestSource>& sources,
                                                       const std::string& location);

// Which manifests are to become one ("commit.manifest.target-size-bytes", "commit.manifest.min-count-to-merge"), as
// Java packs them: side by side in the list and of one spec and content, from the end, so that the newest bin is the
// one that is not full. The bin with a manifest of `snapshot_id` waits until it has enough members. `manifests` are in
// the order of the list, newest first; the result has every one of them once, bins of one stay as they are.
std::vector<std::vector<ManifestFile>> bins_to_merge(const TableMetadata& table, int64_t snapshot_id,
                                                     const std::vector<ManifestFile>& manifests);

// Whether the manifests of a spec and content are to be written anew, clustered: not if they are none, or one that need
// not be divided.
bool can_cluster(const TableMetadata& table, const std::vector<ManifestFile>& sources);

// Manifests of one spec and content written anew, as rewrite_manifests does it: the live files of all of them by
// partition, in as many manifests of about the same size as "commit.manifest.target-size-bytes" asks for, all EXISTING.
// `write` takes each one's bytes, from any thread.
//
// Held in memory: 12 bytes for each file, each partition once, and for each thread the whole entries of 20,000 files
// and of one source. Sources whose files go to several manifests are read for each. Throws NotSupported if the table's
// schema has lost a column that the spec needs.
struct ManifestSink {
  std::function<ManifestReaderPtr(const ManifestFile&)> open;
  std::function<std::string()> next_location;
  std::function<void(const std::string& location, std::string bytes)> write;
};
std::vector<ManifestFile> cluster_manifests(const TableMetadata& table, int64_t snapshot_id,
                                            const std::vector<ManifestFile>& sources, const ManifestSink& sink);

}  // namespace floe
