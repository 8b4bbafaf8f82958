// What all upkeep that removes files begins with.
#pragma once

#include <string_view>

#include "floe/catalog/catalog.h"

namespace floe {

// Throws InvalidArgument if the table's files may be another table's too, which `gc.enabled` = false says.
void check_garbage_collection(const LoadedTable& table, std::string_view what);

// The table as the catalog has it now. Throws CommitFailed if another one has taken its name.
LoadedTable load_same(Catalog& catalog, const LoadedTable& table);

}  // namespace floe
