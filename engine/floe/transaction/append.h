// Appending: the simplest change of a table. It conflicts with no other.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <optional>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/manifest/data_file.h"
#include "floe/transaction/transaction.h"
#include "floe/write/write.h"

namespace floe {

struct AppendOptions {
  Properties snapshot_properties;  // cannot replace what the specification names
  std::string branch = "main";
  bool stage_only = false;                   // the branch does not move: write-audit-publish
  std::optional<bool> merge_manifests = {};  // default: `commit.manifest-merge.enabled`, else false, as in PyIceberg
  bool refuse_duplicates = false;            // InvalidArgument for a file that the branch has already
};

// Throws InvalidArgument for what append_files refuses before it has files: a tag in place of a branch, snapshot
// properties that are not the caller's to set. Worth a call before much is written.
void check_append(const LoadedTable& base, const AppendOptions& options);

// Adds data files as one snapshot with one new manifest for each partition spec among them (fast append), or merges
// manifests where that is asked for. No files make an empty snapshot. A branch that does not exist begins at the
// current snapshot.
//
// Files that are written already stay the caller's if the change fails.
void append(Transaction& transaction, std::vector<DataFile> files, const AppendOptions& options);
// The rows of a stream; without rows, an empty snapshot as PyIceberg makes it.
void append(Transaction& transaction, arrow::RecordBatchReader& batches, const AppendOptions& options,
            WriteOptions write = {});

// A transaction of this alone. CommitStateUnknown: the files may be part of the table and must stay. Any other
// exception: they surely are not. `stop` is looked at before each attempt.
LoadedTable append_files(Catalog& catalog, const LoadedTable& base, std::vector<DataFile> files,
                         const AppendOptions& options, const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
