// Changes by key without a read of the table, for streams of changes: what has one of the keys is deleted by equality
// deletes, and the rows that take its place are appended, as one snapshot.
#pragma once

#include <arrow/record_batch.h>

#include <string>
#include <vector>

#include "floe/transaction/transaction.h"
#include "floe/write/write.h"

namespace floe {

// Rows in any form that fits the table (file/batch.h). A key stands in all of them once at most, but may be deleted
// several times.
struct KeyChanges {
  arrow::RecordBatchReader* upserts = nullptr;  // rows that replace those of the same key, or are new
  arrow::RecordBatchReader* deletes = nullptr;  // rows, or keys alone: of other columns nothing is read
};

struct KeyChangeOptions {
  std::vector<std::string> keys;  // full names of columns; none: the identifier fields
  bool case_sensitive = true;
  std::string branch = std::string(kMainBranch);
  bool stage_only = false;  // a snapshot that no branch has yet
  Properties snapshot_properties;
};

// Deletes all rows of the branch that have one of the keys, and appends the upserts. In a key null equals null, as in
// all equality deletes (other than in an upsert, where it matches nothing). Without changes there is no step, and false
// comes back. Memory in proportion to the keys; the rows of the upserts are streamed.
//
// Nothing of the table is read but its manifest list, so that this costs the same on any table. Readers pay: they apply
// the deletes until files are rewritten. Row lineage of a replaced row ends; the row in its place is a new one.
//
// Equality deletes are of a partition spec, and reach files of this spec alone, or are of an unpartitioned spec, and
// reach all. So there are delete files for each spec that the branch has data files of, if all of its partition columns
// are among the key's; else for an unpartitioned spec, if the table has one; else it throws NotSupported.
//
// Others may commit what they like meanwhile: equality deletes delete all rows that are older than they are, whether
// these were there when the change was planned or not. ConflictFound is thrown only if they added data files of a
// partition spec that the deletes do not reach.
//
// Throws InvalidArgument for rows that do not fit the table, for keys that stand in several rows (showing some), for
// key columns that are missing, nested, of floating point or in a list or map; NotSupported in version 1, which has no
// delete files, and for types that keys cannot have.
bool apply_changes(Transaction& transaction, const KeyChanges& changes, const KeyChangeOptions& options,
                   WriteOptions write = {});

}  // namespace floe
