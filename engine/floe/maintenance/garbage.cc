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

}  // namespace floe
