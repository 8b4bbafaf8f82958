// Scans: the classes Scan and Plan.
#pragma once

#include <nanobind/nanobind.h>

#include "floe/scan/scan.h"
#include "floe/table.h"

namespace floe::python {

struct Scan {
  Table table;
  ScanOptions options;
};

void bind_scan(nanobind::module_& m);

}  // namespace floe::python
