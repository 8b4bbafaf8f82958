#include "floe/scan/live_rows.h"

namespace floe {

int64_t live_rows(const ScanPlan& plan, const ScanPlan::Part& part, size_t i, const AppliedDeletes& deletes) {
  const int64_t rows = part.manifest->record_count[part.entries[i]];
  if (rows < 0 || !part.whole(i) || !deletes.positions.empty() || !deletes.equality.empty()) return kNotKnown;
  if (!deletes.vector) return rows;
  const int64_t deleted = plan.deletes->manifest(*deletes.vector).record_count[deletes.vector->entry];
  return deleted < 0 || deleted > rows ? kNotKnown : rows - deleted;
}

int64_t live_rows(const ScanPlan& plan, const ScanPlan::Part& part, size_t i, DeleteFinder* finder) {
  return live_rows(plan, part, i, finder ? finder->find(part.entries[i]) : AppliedDeletes());
}

}  // namespace floe
