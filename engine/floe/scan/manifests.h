// The manifests of a snapshot, and what a filter leaves of them. Internal to scan/.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "floe/scan/delete_index.h"
#include "floe/scan/scan.h"

namespace floe {

// Throws NotFound or CorruptFile.
std::shared_ptr<const std::vector<ManifestFile>> listed_manifests(const Snapshot& snapshot, Io& io);

// Which of a manifest's entries are looked at.
using EntryChoice = std::function<bool(const Manifest& manifest, size_t entry)>;
bool is_live(const Manifest& manifest, size_t entry);  // not deleted

// A filter as it prunes manifests and their entries. Safe from many threads. Refers to the table.
class ManifestFilter {
 public:
  ManifestFilter(const TableMetadata& table, const BoundExpression& filter, const Schema& schema);

  // Which manifests may hold files that match, in their order.
  std::vector<const ManifestFile*> prune(const std::vector<ManifestFile>& manifests) const;

  struct Read {
    ManifestPart part;
    int64_t chosen = 0;  // entries, before the filter
  };
  // The chosen entries of a manifest of data files that may match. Bounds of `more_columns` are decoded in the same
  // pass, for whoever asks for them afterwards.
  Read read_data(const ManifestFile& file, const std::vector<int32_t>& more_columns, Io& io,
                 const EntryChoice& choice = is_live) const;

  // Deletes of a partition that cannot match apply to data files that cannot; those of the whole table are of a spec
  // whose partitions tell nothing, and are kept.
  ManifestPart read_deletes(const ManifestFile& file, Io& io) const;

 private:
  struct Projected {
    const PartitionSpec* spec;
    BoundExpression filter;
  };
  struct Open;

  const Projected* find(int32_t spec_id) const;
  Open open(ManifestReaderPtr reader, const EntryChoice& choice) const;

  const BoundExpression filter_;
  const std::vector<int32_t> columns_;
  std::map<int32_t, Projected> by_spec_;
};

// What the delete manifests among these hold; null: nothing.
std::shared_ptr<const DeleteIndex> read_deletes(const TableMetadata& table, const SchemaPtr& schema,
                                                const std::vector<const ManifestFile*>& manifests,
                                                const ManifestFilter& filter, Io& io, const arrow::StopToken& stop);

}  // namespace floe
