// Catalogs that Python code keeps. The engine plans, writes and retries; that code loads the tables and commits to
// them.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_python_catalog(nanobind::module_& m);

}  // namespace floe::python
