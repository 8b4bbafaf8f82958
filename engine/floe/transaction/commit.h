// The commit loop: hands a commit to the catalog until one attempt succeeds. Specification: "Commit Conflict Resolution
// and Retry".
#pragma once

#include <arrow/util/cancel.h>

#include <functional>

#include "floe/catalog/catalog.h"

namespace floe {

// Builds one attempt's commit from the table as it is now. Called again after a conflict; files that an earlier attempt
// wrote and that nothing refers to are its own to remove.
using CommitBuilder = std::function<TableCommit(const LoadedTable& base)>;

// Commits with retries (`commit.retry.num-retries`, `.min-wait-ms`, `.max-wait-ms`, `.total-timeout-ms`), exponential
// backoff and jitter. Returns the table with the commit in it.
//
// CommitFailed: the table is loaded again and the builder called again. Since somebody else's commit succeeded then,
// and the first attempt's base may have been old anyhow, up to eight attempts with short pauses between them count as
// one; only after the eighth comes a retry with its wait. (With no retries allowed there is one attempt.) A table that
// was replaced by another one meanwhile is not committed to.
//
// CommitStateUnknown: the table is loaded and looked at. If it has the attempt's snapshot, the commit succeeded. If it
// has not, and the attempt's requirements no longer hold, the attempt can never succeed. Otherwise it may still arrive,
// and building another one on the same base is safe: their requirements let only one of the two in. When no attempt is
// left and the outcome of one has not been learnt, CommitStateUnknown is thrown.
//
// Any other exception means that nothing was committed: also Cancelled, when `stop` asks for it before an attempt.
LoadedTable commit_with_retry(Catalog& catalog, LoadedTable base, const CommitBuilder& build,
                              const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
