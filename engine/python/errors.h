// The engine's exceptions as Python's: every class of floe/error.h is raised as the class of the same name in
// floe_engine.errors, or as the subclass of it that `register_errors` put in its place.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_errors(nanobind::module_& m);

// Throws the engine's exception of the same name, if Python code raised one of the engine's errors.
void rethrow_engines(nanobind::python_error& error);

}  // namespace floe::python
