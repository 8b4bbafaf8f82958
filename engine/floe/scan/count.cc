#include <algorithm>

#include "floe/arrow_status.h"
#include "floe/scan/scan.h"

namespace floe {
namespace {

// Per entry of the manifest: 1 if surely all its rows match.
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

int64_t count_rows(arrow::RecordBatchReader& reader) {
  int64_t rows = 0;
  std::shared_ptr<arrow::RecordBatch> batch;
  while (true) {
    check(reader.ReadNext(&batch), "counting rows");
    if (!batch) return rows;
    rows += batch->num_rows();
  }
}

}  // namespace

int64_t count(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io) {
  const int64_t limit = std::max<int64_t>(options.limit.value_or(INT64_MAX), 0);
  int64_t rows = 0;
  ScanPlan rest = plan;
  rest.projection.fields.clear();
  rest.parts.clear();
  for (const ScanPlan::Part& part : plan.parts) {
    check(options.stop.Poll(), "counting was stopped");
    const std::vector<uint8_t> must = matching_files(table, plan, part);
    ScanPlan::Part left{part.reader, part.manifest, {}};
    for (const uint32_t entry : part.entries) {
      const int64_t count = part.manifest->record_count[entry];
      if (must[entry] && count >= 0) {
        rows += count;
      } else {
        left.entries.push_back(entry);
      }
    }
    if (!left.entries.empty()) rest.parts.push_back(std::move(left));
  }
  if (rest.parts.empty() || rows >= limit) return std::min(rows, limit);
  ScanOptions reading = options;
  reading.limit = limit - rows;
  return rows + count_rows(*read(table, std::move(rest), reading, std::move(io)));
}

}  // namespace floe
