// Upkeep of tables.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_maintenance(nanobind::module_& m);

}  // namespace floe::python
