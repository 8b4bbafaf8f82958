// Expires snapshots: decides by the table's retention what it no longer keeps, forgets that in one commit, and then
// removes the files that no kept snapshot reaches.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/maintenance/progress.h"
#include "floe/maintenance/table_file.h"

namespace floe {

struct ExpireSnapshotsOptions {
  // Whether retention decides (see expired_by). False: `snapshot_ids` go, and nothing else.
  bool by_retention = true;
  std::optional<int64_t> older_than_ms = {};  // Unix time; default: now - `history.expire.max-snapshot-age-ms` (5 days)
  std::optional<int64_t> retain_last = {};    // default: `history.expire.min-snapshots-to-keep` (1)
  std::vector<int64_t> snapshot_ids = {};     // go in any case
  bool clean_expired_metadata = false;        // also schemas and partition specs that nothing uses any more
  bool delete_files = true;                   // false: the files stay, as orphans
  bool dry_run = false;                       // changes nothing, and lists what would be removed
  int64_t max_concurrent_deletes = 0;         // 0: as many as Arrow's CPU pool has threads
  Progress progress = {};
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// What a table does not keep.
struct Expired {
  std::vector<int64_t> snapshots;
  std::vector<std::string> refs;
};

// As Java decides. Branches and tags whose snapshot is older than `max_ref_age_ms` (of the ref, or else of the table's
// `history.expire.max-ref-age-ms`) go, the main branch never. Of each branch that stays, the last `retain_last`
// snapshots stay and those before them that are not older than `older_than_ms`, up to the first that is; what the
// branch says itself wins over the options. Snapshots that no ref reaches stay until they are older. Tags keep their
// snapshot alone. Throws InvalidArgument if one of `snapshot_ids` is what a branch or tag that stays is at, or
// `retain_last` is less than one.
Expired expired_by(const LoadedTable& table, const ExpireSnapshotsOptions& options, int64_t now_ms);

struct ExpireSnapshotsResult {
  LoadedTable table;  // afterwards
  Expired expired;
  std::vector<int32_t> schemas, specs;  // their ids
  RemovedFiles files;                   // in a dry run, what would be removed
  std::vector<TableFile> listed;        // in a dry run
};

// Works on the table as the catalog has it now; decides anew after each conflict. A snapshot that another writer has
// put a branch or tag on meanwhile stays.
//
// Files go once the commit is surely done: whatever interrupts that, what is left is orphan files. So from the commit
// on nothing is thrown; what goes wrong is among the problems of `files`. Throws InvalidArgument before that if the
// table has `gc.enabled` = false, NotFound for an unknown snapshot id, and what commit_with_retry throws. See
// unreachable_files.h for what is held in memory.
ExpireSnapshotsResult expire_snapshots(Catalog& catalog, const LoadedTable& table,
                                       const ExpireSnapshotsOptions& options = {});

}  // namespace floe
