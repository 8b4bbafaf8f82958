// Which delete files apply to which data files. Specification: "Scan Planning".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/scan/partition.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// Whether equality deletes of such a spec are the whole table's. Java counts specs of nothing but void fields, which is
// what version 1 leaves of dropped ones.
bool deletes_globally(const PartitionSpec& spec);

// A manifest, and some of its entries.
struct ManifestPart {
  ManifestReaderPtr reader;
  ManifestPtr manifest;
  std::vector<uint32_t> entries;
};

// A delete file: an entry of one of the index's manifests.
struct DeleteEntry {
  uint32_t part = 0;
  uint32_t entry = 0;
  auto operator<=>(const DeleteEntry&) const = default;
};

// What applies to one data file.
struct AppliedDeletes {
  // Of one of the index's sets of equality deletes, the files that apply, by sequence number.
  struct Equality {
    uint32_t set = 0;
    std::vector<DeleteEntry> files;
  };
  std::optional<DeleteEntry> vector;   // a deletion vector, which has what position delete files have
  std::vector<DeleteEntry> positions;  // position delete files; none beside a vector
  std::vector<Equality> equality;

  bool empty() const { return !vector && positions.empty() && equality.empty(); }
  std::vector<DeleteEntry> files() const;  // all of them
};

// Bounds of what the part's delete files are looked up by: paths and equality fields. Decoded once; the index asks too.
std::shared_ptr<const Stats> delete_stats(const ManifestPart& part);

// The delete files of a snapshot, found by what they apply to: by partition and sequence number, or by the data file
// that they name. Refers to manifests' columns; of its own it has some ten bytes a delete file.
class DeleteIndex {
 public:
  // Equality deletes with the same fields and scope: of one partition, or of the whole table.
  struct EqualitySet {
    std::vector<int32_t> equality_ids;  // ascending
    std::vector<DeleteEntry> files;     // by sequence number
  };

  // `schema` is the scan's. Throws CorruptFile, naming the delete file, if a file lacks what the specification asks of
  // it, or if a data file has several deletion vectors.
  DeleteIndex(const TableMetadata& table, SchemaPtr schema, std::vector<ManifestPart> parts);
  DeleteIndex(const DeleteIndex&) = delete;  // refers to itself

  size_t size() const { return size_; }  // delete files
  const std::vector<ManifestPart>& parts() const { return parts_; }
  const Manifest& manifest(const DeleteEntry& file) const { return *parts_[file.part].manifest; }
  const EqualitySet& equality_set(uint32_t set) const { return sets_[set]; }
  size_t equality_sets() const { return sets_.size(); }
  // Every field of equality deletes: what data files' bounds are compared on.
  const std::vector<int32_t>& equality_ids() const { return equality_ids_; }

 private:
  friend class DeleteFinder;

  // What is known of a file's values of one column.
  struct KeyBounds {
    bool may_be_null = true;
    bool only_nulls = false;
    bool has_bounds = false;
    Value lower, upper;
  };

  // Those of one partition, or of the table.
  struct Scope {
    std::vector<DeleteEntry> positions;  // of files that are not known to be of one data file; by sequence number
    std::vector<uint32_t> sets;
  };
  struct ByPath {
    DeleteEntry file;
    uint32_t next;  // of the same data file
  };
  template <typename T>
  using Paths = std::unordered_map<std::string_view, T>;

  int64_t sequence_number(const DeleteEntry& file) const { return manifest(file).sequence_number[file.entry]; }
  const PartitionSpec& spec_of(const Manifest& manifest) const;
  void add(const DeleteEntry& file);
  void add_vector(const DeleteEntry& file);
  void add_positions(const DeleteEntry& file);
  void add_equality(const DeleteEntry& file);
  Scope& scope_of(const DeleteEntry& file);
  // The type of a field of equality deletes, which the table may have dropped since; unknown if no schema has it.
  Type equality_type(int32_t field_id) const;
  static KeyBounds key_bounds(const Stats& stats, int32_t field_id, const Type& type, size_t entry);
  static bool never_equal(const KeyBounds& a, const KeyBounds& b, const Type& type);

  const SchemaPtr schema_;
  const std::vector<SchemaPtr> schemas_;
  const std::vector<PartitionSpec> specs_;
  const std::vector<ManifestPart> parts_;
  size_t size_ = 0;
  std::vector<PartitionKeys> keys_;                  // by part
  std::vector<std::shared_ptr<const Stats>> stats_;  // by part: bounds of paths and of equality fields

  Scope global_;
  std::unordered_map<std::string, Scope> partitions_;
  std::vector<EqualitySet> sets_;
  std::vector<std::vector<KeyBounds>> set_bounds_;  // beside sets_: of each file, of each field
  std::vector<int32_t> equality_ids_;               // ascending
  std::vector<Type> equality_types_;                // beside equality_ids_
  Paths<DeleteEntry> vectors_;
  Paths<uint32_t> paths_;  // where the chain of a data file's position deletes begins
  std::vector<ByPath> by_path_;
};

// Looks up the files of one data manifest. To be used by one thread.
class DeleteFinder {
 public:
  DeleteFinder(const DeleteIndex& index, ManifestReader& reader, ManifestPtr manifest);

  // Throws CorruptFile if a delete file names the data file and is of another partition, or if a deletion vector is
  // older than its data file.
  AppliedDeletes find(size_t entry);

 private:
  void find_vector(size_t entry, std::string_view path, AppliedDeletes& found);
  void find_positions(size_t entry, std::string_view path, AppliedDeletes& found);
  void find_equality(const DeleteIndex::Scope& scope, size_t entry, AppliedDeletes& found);
  bool may_delete(uint32_t set, size_t file, size_t entry);
  void check_partition(const DeleteEntry& file, size_t entry);

  const DeleteIndex& index_;
  const ManifestPtr manifest_;
  const PartitionKeys keys_;
  std::shared_ptr<const Stats> stats_;          // null: no equality deletes
  std::vector<DeleteIndex::KeyBounds> bounds_;  // beside equality_ids: of `bounds_entry_`
  size_t bounds_entry_ = SIZE_MAX;
  std::string key_, other_key_;
  std::string scope_key_;
  const DeleteIndex::Scope* scope_ = nullptr;  // of `scope_key_`
};

// The delete files of the index that apply to these entries of data manifests, by the index's parts; each once. Throws
// as DeleteFinder does.
std::vector<ManifestPart> applied_deletes(const DeleteIndex& index, const std::vector<const ManifestPart*>& data);

}  // namespace floe
