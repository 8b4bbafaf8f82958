// Tables' names in messages.
#pragma once

#include <string>
#include <utility>

#include "floe/error.h"

namespace floe {

// Runs `work`. What it throws about arguments and properties comes out with the table's name, if it does not have it.
template <typename Work>
auto naming(const std::string& table, Work&& work) {
  const auto named = [&](const Error& error) { return "table " + table + ": " + error.what(); };
  const auto has_name = [&](const Error& error) { return std::string(error.what()).find(table) != std::string::npos; };
  try {
    return std::forward<Work>(work)();
  } catch (const InvalidArgument& error) {
    if (has_name(error)) throw;
    throw InvalidArgument(named(error));
  } catch (const NotSupported& error) {
    if (has_name(error)) throw;
    throw NotSupported(named(error));
  }
}

}  // namespace floe
