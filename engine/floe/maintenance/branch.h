// Branches as upkeep takes them. Internal to maintenance/.
#pragma once

#include <fmt/format.h>

#include <string>

#include "floe/error.h"
#include "floe/spec/table_metadata.h"

namespace floe {

// Rows begin new branches, upkeep does not. Throws NotFound for one that is not there, InvalidArgument for a tag.
inline void check_is_branch(const TableMetadata& table, const std::string& branch, const std::string& table_name) {
  const auto ref = table.refs.find(branch);
  if (ref == table.refs.end()) {
    if (branch != kMainBranch) throw NotFound(fmt::format("table {} has no branch {}", table_name, branch));
  } else if (!ref->second.is_branch) {
    throw InvalidArgument(fmt::format("table {}: '{}' is a tag; only a branch can be compacted", table_name, branch));
  }
}

}  // namespace floe
