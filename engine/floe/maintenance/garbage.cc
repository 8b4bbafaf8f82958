#include "floe/maintenance/garbage.h"

#include <fmt/format.h>

#include "floe/error.h"

namespace floe {

void check_garbage_collection(const LoadedTable& table, std::string_view what) {
  if (bool_property(table.metadata->properties, "gc.enabled", true)) return;
  throw InvalidArgument(fmt::format(
      "table {}: Cannot {}: GC is disabled (deleting files may corrupt other tables), as its property gc.enabled says",
      to_string(table.identifier), what));
}

LoadedTable load_same(Catalog& catalog, const LoadedTable& table) {
  LoadedTable now = catalog.load_table(table.identifier);
  if (now.metadata->table_uuid == table.metadata->table_uuid) return now;
  throw CommitFailed(fmt::format("table {} was replaced by another table; load it again", to_string(table.identifier)));
}

}  // namespace floe
