// How many rows a planned file has, by metadata alone. Internal to scan/.
#pragma once

#include "floe/scan/scan.h"

namespace floe {

// How many rows of the part's i-th file come out of an unfiltered scan, or kNotKnown: of deletes only a vector says
// exactly how many it has. `finder`: null if the plan has no deletes.
int64_t live_rows(const ScanPlan& plan, const ScanPlan::Part& part, size_t i, DeleteFinder* finder);
int64_t live_rows(const ScanPlan& plan, const ScanPlan::Part& part, size_t i, const AppliedDeletes& deletes);

}  // namespace floe
