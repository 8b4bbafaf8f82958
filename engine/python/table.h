// Tables: the class Table, a handle on one state of a table. It never changes; what changes a table returns a new one.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_table(nanobind::module_& m);

}  // namespace floe::python
