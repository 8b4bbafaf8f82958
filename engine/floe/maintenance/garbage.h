// What all removal of files begins with.
#pragma once

#include <string_view>

#include "floe/catalog/catalog.h"

namespace floe {

// Throws InvalidArgument if the table's files may be another table's too, which `gc.enabled` = false says.
void check_garbage_collection(const LoadedTable& table, std::string_view what);

}  // namespace floe
