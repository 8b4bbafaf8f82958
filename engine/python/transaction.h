#pragma once

#include <nanobind/nanobind.h>

namespace floe::python {

void bind_transaction(nanobind::module_& m);

}  // namespace floe::python
