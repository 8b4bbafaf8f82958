// Manifests: lists of files, decoded into columns (struct of arrays). Specification: "Manifests".
// Only the statistics of the columns that a query asks for are decoded; pruning is a loop over arrays.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "floe/expression/evaluate.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/manifest/manifest_list.h"
#include "floe/spec/table_metadata.h"

namespace floe {

enum class EntryStatus : uint8_t { kExisting = 0, kAdded = 1, kDeleted = 2 };

// An optional number that is absent.
inline constexpr int64_t kAbsent = INT64_MIN;

// The entries of one manifest, column by column. Inheritance is done: snapshot ids, sequence numbers and first row ids
// are those that the specification gives each entry, or kAbsent.
struct Manifest {
  size_t size = 0;
  int32_t spec_id = 0;
  SchemaPtr schema;    // as written into the manifest
  PartitionSpec spec;  // as written into the manifest
  ManifestContent content = ManifestContent::kData;

  std::vector<EntryStatus> status;
  std::vector<int64_t> snapshot_id;
  std::vector<int64_t> sequence_number;
  std::vector<int64_t> file_sequence_number;
  std::vector<FileContent> file_content;
  BytesColumn file_path;
  std::vector<FileFormat> file_format;
  std::vector<int64_t> record_count;
  std::vector<int64_t> file_size_in_bytes;
  std::vector<int64_t> sort_order_id;
  std::vector<int64_t> first_row_id;
  BytesColumn split_offsets;  // int64s side by side, native byte order
  BytesColumn equality_ids;   // int32s side by side
  BytesColumn referenced_data_file;
  std::vector<int64_t> content_offset;
  std::vector<int64_t> content_size_in_bytes;
  BytesColumn key_metadata;

  // Partition values, one column per field of `spec` in its order, in binary single-value form (absent: null).
  std::vector<BytesColumn> partition;
  std::vector<Type> partition_types;
};
using ManifestPtr = std::shared_ptr<const Manifest>;

// Everything about an entry's file but the statistics of its columns.
DataFile data_file(const Manifest& manifest, size_t entry);

// Opens a manifest for reading in parts: entries() first, statistics of further columns when asked. Decoded parts are
// kept, so that a second query of a cached manifest decodes nothing. Safe from many threads. Throws CorruptFile naming
// the manifest.
class ManifestReader {
 public:
  // `grew` is told whenever decoding adds bytes to memory_use(). Throws CorruptFile if the header cannot be read.
  ManifestReader(std::shared_ptr<arrow::Buffer> bytes, const ManifestFile& file,
                 std::function<void(size_t bytes)> grew = {});
  ~ManifestReader();

  ManifestPtr entries();

  // Counts and bounds of these columns, one group per entry, and possibly of others that were asked for before. Columns
  // without any are left out. Whoever needs entries and statistics asks for the statistics first: one pass over the
  // file then decodes both.
  std::shared_ptr<const Stats> stats(const std::vector<int32_t>& field_ids);

  // Partition values as statistics by partition field id.
  std::shared_ptr<const Stats> partition_stats();

  // Whole entries, with all their statistics: for rewriting, and for Python.
  std::vector<DataFile> data_files();

  size_t memory_use() const;  // bytes held; grows with what was decoded

 private:
  struct State;
  std::unique_ptr<State> state_;
};
using ManifestReaderPtr = std::shared_ptr<ManifestReader>;

// Fills in the counts of files and rows that a list of version 1 may leave out and later ones must have.
void count_entries(const Manifest& manifest, ManifestFile& file);

// The process-wide cache of manifests and manifest lists, which never change once written. Bounded by
// `set_manifest_cache_bytes` (default 256 MiB; 0 turns it off), in what memory_use() says; the least recently used go
// first. Keyed by (principal, path, length) and what the list's line gives to inherit: one principal never reads
// another's, and branches of an upgraded table may give one manifest different first row ids.
ManifestReaderPtr open_manifest(Io& io, const ManifestFile& file);
std::shared_ptr<const std::vector<ManifestFile>> open_manifest_list(Io& io, const std::string& location);
// Puts a list that was just written into the cache, so that the next commit need not read it.
void keep_manifest_list(Io& io, const std::string& location, std::vector<ManifestFile> list);
void set_manifest_cache_bytes(size_t bytes);
struct CacheStats {
  int64_t hits = 0, misses = 0, evictions = 0;
  size_t bytes = 0;
};
CacheStats manifest_cache_stats();
void clear_manifest_cache();

// One entry to write. ADDED entries leave sequence numbers to inheritance; the others carry theirs.
struct ManifestEntry {
  EntryStatus status = EntryStatus::kAdded;
  int64_t snapshot_id = 0;
  std::optional<int64_t> sequence_number;
  std::optional<int64_t> file_sequence_number;
  DataFile file;
};

// Writes a manifest entry by entry in blocks of 64 KiB, and sums up what the manifest list needs.
class ManifestWriter {
 public:
  // `snapshot_id` is that of the commit that adds the manifest. Codec: "deflate" (Iceberg's default), "zstd", "null".
  ManifestWriter(int32_t format_version, const Schema& schema, const PartitionSpec& spec, ManifestContent content,
                 int64_t snapshot_id, const std::string& codec = "deflate");
  ~ManifestWriter();

  void add(const ManifestEntry& entry);
  int64_t bytes_written() const;

  // The file's bytes, and its line for the manifest list (with `location` and length; sequence numbers assigned by the
  // commit are 0 until `sequence_number` is filled in by the snapshot's producer).
  std::pair<std::string, ManifestFile> finish(const std::string& location, int64_t sequence_number);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
