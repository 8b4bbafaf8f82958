// The commit loop: hands a commit to the catalog until one attempt succeeds. Specification: "Commit Conflict Resolution
// and Retry".
#pragma once

#include <arrow/util/cancel.h>

#include <functional>
#include <vector>

#include "floe/catalog/catalog.h"

namespace floe {

// Builds one attempt's commits, one of each table, from the tables as they are now. Called again after a conflict;
// files that an earlier attempt wrote and that nothing refers to are its own to remove.
using CommitBuilder = std::function<std::vector<TableCommit>(const std::vector<LoadedTable>& bases)>;

// A commit yet without updates, which no other table of the same name takes.
TableCommit commit_on(const TableMetadata& table);

// Commits with retries (`commit.retry.num-retries`, `.min-wait-ms`, `.max-wait-ms`, `.total-timeout-ms`, of the first
// table), exponential backoff and jitter. Returns the tables with the commits in them. Those of several tables of the
// catalog, each of which stands there once, are made at once, all or none, and a conflict at one of them builds all
// anew.
//
// CommitFailed: the table is loaded again and, unless it has the attempt's snapshot, the builder called again. Since
// somebody else's commit succeeded then, and the first attempt's base may have been old anyhow, up to sixteen attempts
// with short pauses between them count as one; only after the last comes a retry with its wait. (With no retries
// allowed there is one attempt.) A table that was replaced by another one meanwhile is not committed to.
//
// CommitStateUnknown: the table is loaded and looked at. If it has the attempt's snapshot, the commit succeeded. If it
// has not, the attempt may still arrive, also after its requirements ceased to hold, since a rollback makes them hold
// again. Only in a table whose last sequence number is the snapshot's or a later one it never can; other tables of
// version 1, and first snapshots, have no such proof. Another attempt is safe meanwhile: all have the same snapshot id,
// of which a table takes one. When no attempt is left and what became of one has not been learnt, CommitStateUnknown is
// thrown, and nothing may be removed.
//
// An attempt on several tables is there if its snapshots are in all of them, and never will be if it comes too late for
// one. If the catalog's server, against the protocol, has committed to some of them only, that is CommitStateUnknown
// whose message says to which.
//
// Any other exception means that nothing was committed: also Cancelled, when `stop` asks for it before an attempt.
std::vector<LoadedTable> commit_with_retry(Catalog& catalog, std::vector<LoadedTable> bases, const CommitBuilder& build,
                                           const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
