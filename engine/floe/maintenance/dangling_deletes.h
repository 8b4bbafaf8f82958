// Delete files that delete nothing any more.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <string>

#include "floe/catalog/catalog.h"

namespace floe {

// Removes from a branch, as one snapshot, the delete files that apply to none of its data files: deletion vectors and
// position deletes of a data file that is not there, position deletes older than every data file of their partition,
// equality deletes not newer than any. Returns how many those were; without any there is no snapshot. `table` becomes
// the table as it is then. What others commit meanwhile is no conflict; if they move the branch back, it is looked at
// again.
int64_t remove_dangling_deletes(Catalog& catalog, LoadedTable& table, const std::string& branch,
                                const Properties& snapshot_properties = {},
                                const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
