#include "floe/scan/matching_files.h"

namespace floe {

std::vector<uint8_t> matching_files(const TableMetadata& table, const ScanPlan& plan, const ScanPlan::Part& part) {
  const Manifest& manifest = *part.manifest;
  if (plan.filter.kind == ExprKind::kTrue) return std::vector<uint8_t>(manifest.size, 1);
  std::vector<uint8_t> must = must_match(plan.filter, *part.reader->stats(field_ids(plan.filter)));
  const PartitionSpec* spec = spec_by_id(table, manifest.spec_id);
  if (!spec) return must;
  const BoundExpression strict = project_strict(plan.filter, *spec, *plan.schema);
  if (strict.kind == ExprKind::kFalse) return must;
  const std::vector<uint8_t> by_partition = must_match(strict, *part.reader->partition_stats());
  for (size_t i = 0; i < must.size(); ++i) must[i] |= by_partition[i];
  return must;
}

}  // namespace floe
