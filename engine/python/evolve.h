// Changes of schemas and partition specs: the classes SchemaUpdate and SpecUpdate, which a transaction takes.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_evolve(nanobind::module_& m);

}  // namespace floe::python
