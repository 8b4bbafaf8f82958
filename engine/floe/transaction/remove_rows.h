// Takes rows out of data files: by writing the files again without them (copy-on-write), or by delete files beside them
// (merge-on-read). What deletes, overwrites and upserts have in common.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/file/position_delete.h"
#include "floe/scan/scan.h"
#include "floe/transaction/transaction.h"
#include "floe/write/write.h"

namespace floe {

// What becomes of files of which not all rows leave: they are written again without them, or delete files say which.
enum class DeleteMode { kCopyOnWrite, kMergeOnRead };
DeleteMode parse_delete_mode(std::string_view text);  // "copy-on-write", "merge-on-read"; throws InvalidArgument
// What is asked for, or else what a table property such as "write.delete.mode" says; copy-on-write by default. Throws
// NotSupported where merge-on-read is asked for and the table is of version 1, which has no delete files.
DeleteMode delete_mode(const TableMetadata& table, std::string_view property, std::optional<DeleteMode> asked);

// Rows that are to leave a branch: of some data files all, of others part.
struct LeavingRows {
  TableMetadata table;  // as if the branch were its current state
  ScanOptions scan;
  ScanPlan plan;  // of `table`; without parts where the branch has no rows
  std::vector<FoundRows> whole, part;

  void add(FoundRows rows);  // of the plan's files, none of them deleted already

  const Manifest& manifest(const FoundRows& rows) const { return *plan.parts[rows.part].manifest; }
  size_t entry(const FoundRows& rows) const { return plan.parts[rows.part].entries[rows.index]; }
  std::string path(const FoundRows& rows) const { return std::string(manifest(rows).file_path[entry(rows)]); }
  // Of the file, and of what deletes its rows. Of types that the table's schema knows.
  Type partition_type_of(const FoundRows& rows) const;
  std::vector<Value> partition(const FoundRows& rows) const;
  DataFile data_file(const FoundRows& rows) const;  // path, spec and partition of it
};

// Plans which of the branch's files may have rows that match, as the transaction has staged it.
LeavingRows plan_removal(const Transaction& transaction, const std::string& branch, const Expression& filter,
                         bool case_sensitive, const WriteOptions& write);

// Writes what it takes, and adds it to the change: files that come and go, what to discard if it fails, and what others
// must not have done meanwhile. Merge-on-read writes position delete files in version 2 (`write.delete.granularity`)
// and deletion vectors in version 3, with the older deletes of the file, which go; version 1 always rewrites. Files of
// which no row is left go without being read. Rows that are written again keep their lineage. If it throws, what was
// written is in `change.discard`.
void remove_rows(const Transaction& transaction, LeavingRows rows, DeleteMode mode, const WriteOptions& write,
                 SnapshotChange& change);

// Writes position delete files of one partition, one for each data file or one for all (`write.delete.granularity`),
// and adds them to the change. If it throws, what was written is in `change.discard`.
void add_position_deletes(const TableMetadata& table, const std::string& table_name, Io& io, PositionDeletes deletes,
                          int32_t spec_id, const std::vector<Value>& partition, SnapshotChange& change);

}  // namespace floe
