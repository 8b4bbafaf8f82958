// Statistics of a snapshot: a file is written, then committed. Internal to maintenance/.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <optional>
#include <string>

#include "floe/catalog/catalog.h"
#include "floe/spec/table_update.h"

namespace floe {

// The snapshot of this id, else the current one; null: the table has none. Throws NotFound for an id that is not there.
const Snapshot* snapshot_to_measure(const LoadedTable& table, std::optional<int64_t> snapshot_id);

// Commits that the table has the file at `location`, which goes again if that surely failed.
LoadedTable commit_statistics(Catalog& catalog, LoadedTable base, const std::string& location, TableUpdate update,
                              const arrow::StopToken& stop);

}  // namespace floe
