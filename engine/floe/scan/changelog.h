// The changelog of a table: the rows that came and went between two snapshots, whoever wrote them and however, over
// copy-on-write and merge-on-read alike.
#pragma once

#include <arrow/record_batch.h>

#include <memory>
#include <string>
#include <vector>

#include "floe/scan/scan.h"

namespace floe {

struct ChangelogOptions {
  ScanOptions::AppendedSince since;  // where it begins; the scan's snapshot, or ref, is where it ends
  // Whether a row that left and one that came with the same identifier in one snapshot are an update.
  bool updates = false;
  // What identifies a row; none: the schema's identifier fields, and without those the row lineage of version 3.
  std::vector<std::string> identifier_columns;
};

// The columns of the scan, in the table's current schema, and after them
//
//   _change_type         "DELETE", "INSERT"; of updates "UPDATE_BEFORE", "UPDATE_AFTER"
//   _change_ordinal      the place of the snapshot among those looked at, from 0
//   _commit_snapshot_id  the snapshot that made the change
//
// snapshot by snapshot, the oldest first, and of each the rows that left before those that came. As in Spark, snapshots
// that replace files by others of the same rows (compactions) change nothing and do not count, and rows that were only
// copied from one file to another do not come out: those that left and came in one snapshot with the same lineage, or
// with the same values in all columns. Metadata columns such as `_file` say where a row is or was.
//
// The filter is applied to each row by itself: an update of which only one side matches is that side alone.
//
// A stream, with the memory and the threads of read(). Beyond that some 40 bytes for each row of the data files that
// one snapshot removes, or that deletes of its take out of files, where it adds rows, too. Throws as plan() does,
// InvalidArgument for a beginning that is no ancestor of the end, and where updates are asked for and nothing
// identifies rows. Out of ReadNext come NotFound for what was expired meanwhile, and InvalidArgument for several rows
// that left, or came, with one identifier.
std::unique_ptr<arrow::RecordBatchReader> changelog(TableMetadataPtr table, const ChangelogOptions& changes,
                                                    const ScanOptions& options, IoPtr io);

}  // namespace floe
