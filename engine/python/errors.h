// The engine's exceptions as Python's: every class of floe/error.h is raised as the class of the same name in
// floe_engine.errors, or as the subclass of it that `register_errors` put in its place.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_errors(nanobind::module_& m);

}  // namespace floe::python
