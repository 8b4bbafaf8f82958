// Who plans scans of a table: its clients, or the server of its catalog.
#pragma once

#include "floe/catalog/catalog.h"

namespace floe {

// "scan-planning-mode" is "client" (the default) or "server", as the server says it of the table, else as the catalog's
// properties do. Throws NotSupported, naming the table, where it is "server": servers are not asked for plans yet.
// InvalidArgument for anything else.
void check_clients_plan(const Catalog& catalog, const LoadedTable& table);

}  // namespace floe
