// Catalogs: `open_catalog` and the class Catalog. Identifiers cross as lists of levels, everything that a table
// consists of as the JSON of the specification.
#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_catalog(nanobind::module_& m);

}  // namespace floe::python
