// Changing a table: actions produce updates and requirements, and the commit loop hands them to the catalog until one
// attempt succeeds. Specification: "Snapshots", "Commit Conflict Resolution and Retry".
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/manifest/data_file.h"

namespace floe {

// Builds one attempt's commit from the table as it is now. Called again after a conflict; files that an earlier attempt
// wrote and that nothing refers to are its own to remove.
using CommitBuilder = std::function<TableCommit(const LoadedTable& base)>;

// Commits with retries (`commit.retry.num-retries`, `.min-wait-ms`, `.max-wait-ms`, `.total-timeout-ms`), exponential
// backoff and jitter. CommitFailed: the table is loaded again and the builder called again. CommitStateUnknown: the
// table is loaded and looked at: if it has the attempt's snapshot the commit succeeded; if it cannot be learnt, the
// exception goes on and nothing is deleted.
LoadedTable commit_with_retry(Catalog& catalog, LoadedTable base, const CommitBuilder& build);

struct AppendOptions {
  Properties snapshot_properties;  // cannot replace what the specification names
  std::string branch = "main";
};

// Adds data files as one snapshot with one new manifest (fast append).
LoadedTable append_files(Catalog& catalog, const LoadedTable& base, const std::vector<DataFile>& files,
                         const AppendOptions& options);

}  // namespace floe
