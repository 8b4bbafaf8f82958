#include "floe/catalog/planning_mode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "floe/error.h"
#include "floe/spec/table_metadata.h"

namespace floe {

void check_clients_plan(const Catalog& catalog, const LoadedTable& table) {
  constexpr std::string_view kMode = "scan-planning-mode";
  std::string mode = string_property(table.config, kMode, string_property(catalog.properties(), kMode, "client"));
  std::ranges::transform(mode, mode.begin(), [](unsigned char c) { return std::tolower(c); });
  if (mode == "client") return;
  if (mode != "server") {
    throw InvalidArgument(
        fmt::format("table {}: {}={} is neither client nor server", to_string(table.identifier), kMode, mode));
  }
  throw NotSupported(
      fmt::format("table {}: its catalog's server wants to plan scans itself ({}=server), which it cannot be asked for "
                  "yet; changes of its rows work",
                  to_string(table.identifier), kMode));
}

}  // namespace floe
