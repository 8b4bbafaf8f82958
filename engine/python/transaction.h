// Transactions, and the changes that tables share with them.
#pragma once

#include <nanobind/nanobind.h>

#include "floe/table.h"

namespace floe::python {

// One upsert as one commit: the table with it, and what it counted.
nanobind::tuple upsert(const Table& table, const nanobind::object& source, const UpsertOptions& options);

void bind_transaction(nanobind::module_& m);

}  // namespace floe::python
