// Rows that leave, by filter or by partition, and rows that take their place: delete, overwrite, replace. Each is one
// snapshot.
#pragma once

#include <arrow/record_batch.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/transaction/conflict.h"
#include "floe/transaction/remove_rows.h"
#include "floe/transaction/transaction.h"
#include "floe/write/write.h"

namespace floe {

struct OverwriteOptions {
  Expression filter;  // the rows that leave; default: all
  bool case_sensitive = true;
  std::string branch = "main";
  bool stage_only = false;  // a snapshot that no branch has yet
  // Default: `write.delete.isolation-level` of a delete, `write.update.isolation-level` of an overwrite.
  std::optional<Isolation> isolation = {};
  // Default: `write.delete.mode`, of an overwrite `write.update.mode` if the table has it; else copy-on-write.
  std::optional<DeleteMode> mode = {};
  Properties snapshot_properties = {};  // cannot replace what the specification names
};

// Deletes the rows that match. A file whose metadata prove that all its rows match goes without being read. Of the
// others those with matching rows are rewritten without them (copy-on-write; rows keep their `_row_id`), or get
// position delete files (version 2; `write.delete.granularity`) or deletion vectors (version 3, with the older deletes
// of the file, which go). Version 1 always rewrites. If nothing matches there is no snapshot, and false comes back; the
// step then only looks at what others did. `write` is for rows that are written again.
//
// Under serializable isolation the commit throws ConflictFound if others added rows that may match. In any case it does
// if they removed one of the files, or deleted rows of one that is rewritten or gets a deletion vector.
bool delete_rows(Transaction& transaction, const OverwriteOptions& options, WriteOptions write = {});

// The same, and the rows of a stream, or of files that are written already, come in the same snapshot. Such files stay
// where they are if the commit fails. False: no rows matched.
bool overwrite(Transaction& transaction, arrow::RecordBatchReader& batches, const OverwriteOptions& options,
               WriteOptions write = {});
bool overwrite(Transaction& transaction, std::vector<DataFile> files, const OverwriteOptions& options);

struct PartitionOverwriteOptions {
  std::string branch = "main";
  bool stage_only = false;                  // a snapshot that no branch has yet
  std::optional<Isolation> isolation = {};  // default: `write.update.isolation-level`
  Properties snapshot_properties = {};
};

// Replaces the partitions, by value of the table's default spec, into which the rows fall (dynamic overwrite). Files of
// other specs go too if they lie in such a partition wholly, and stay if they surely have none of its rows; if neither
// is certain it throws NotSupported. Without rows there is no step, and false comes back. Throws InvalidArgument if the
// table is not partitioned. Under serializable isolation rows that others added to these partitions are a conflict.
bool overwrite_partitions(Transaction& transaction, arrow::RecordBatchReader& batches,
                          const PartitionOverwriteOptions& options, WriteOptions write = {});
bool overwrite_partitions(Transaction& transaction, std::vector<DataFile> files,
                          const PartitionOverwriteOptions& options);

}  // namespace floe
