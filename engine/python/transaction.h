// Transactions, and the changes that tables share with them.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string>
#include <vector>

#include "floe/table.h"

namespace floe::python {

// One upsert as one commit: the table with it, and what it counted.
nanobind::tuple upsert(const Table& table, const nanobind::object& source, std::vector<std::string> keys,
                       bool case_sensitive, bool update_matched, bool delete_matched, bool insert_unmatched,
                       const Properties& snapshot_properties, const std::string& branch,
                       const std::optional<std::string>& mode);

void bind_transaction(nanobind::module_& m);

}  // namespace floe::python
