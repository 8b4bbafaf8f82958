// Arrow's compute functions, which are registered when somebody asks for it.
#pragma once

#include <arrow/compute/initialize.h>

#include "floe/arrow_status.h"

namespace floe {

// To be called before anything that looks functions up (Take, Filter, SortIndices, expressions). Costs nothing twice.
inline void initialize_compute() {
  static const arrow::Status status = arrow::compute::Initialize();
  check(status, "Arrow's compute functions");
}

}  // namespace floe
