// Writes a table's manifests anew, so that planning opens few of them and skips most.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <optional>
#include <string>

#include "floe/catalog/catalog.h"
#include "floe/transaction/transaction.h"

namespace floe {

struct RewriteManifestsOptions {
  std::optional<int32_t> spec_id = {};            // whose manifests; default: the table's default spec
  std::string branch = std::string(kMainBranch);  // of which snapshot
  Properties snapshot_properties = {};
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

struct RewriteManifestsResult {
  LoadedTable table;                 // afterwards
  int64_t rewritten = 0, added = 0;  // manifests
};

// A "replace" snapshot of the branch: the live files of all its manifests of the spec, data and deletes apart, are
// listed by partition in as few manifests as `commit.manifest.target-size-bytes` allows, as EXISTING, with the snapshot
// ids, sequence numbers and row ids that they have. No snapshot where there is nothing to do: no manifests, or one that
// need not be divided.
//
// Manifests that others add meanwhile stay beside them; where others change those that were read, all is done again.
// Throws InvalidArgument for a spec that the table has not or a tag, NotFound for an unknown branch, NotSupported for a
// spec that needs a column which the schema has lost. See cluster_manifests for what is held in memory.
RewriteManifestsResult rewrite_manifests(Catalog& catalog, const LoadedTable& table,
                                         const RewriteManifestsOptions& options = {});

}  // namespace floe
