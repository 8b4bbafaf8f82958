// Appending: the simplest change of a table. It conflicts with no other.
#pragma once

#include <arrow/util/cancel.h>

#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/manifest/data_file.h"
#include "floe/transaction/commit.h"

namespace floe {

struct AppendOptions {
  Properties snapshot_properties;  // cannot replace what the specification names
  std::string branch = "main";
};

// Throws InvalidArgument for what append_files refuses before it has files: a tag in place of a branch, snapshot
// properties that are not the caller's to set. Worth a call before much is written.
void check_append(const LoadedTable& base, const AppendOptions& options);

// Adds data files as one snapshot with one new manifest for each partition spec among them (fast append). No files make
// an empty snapshot. A branch that does not exist begins at the current snapshot.
//
// CommitStateUnknown: the files may be part of the table and must stay. Any other exception: they surely are not.
// `stop` is looked at before each attempt.
LoadedTable append_files(Catalog& catalog, const LoadedTable& base, const std::vector<DataFile>& files,
                         const AppendOptions& options, const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
