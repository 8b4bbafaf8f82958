#include <algorithm>
#include <optional>

#include "floe/arrow_status.h"
#include "floe/scan/live_rows.h"
#include "floe/scan/matching_files.h"
#include "floe/scan/scan.h"

namespace floe {
namespace {

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
    std::optional<DeleteFinder> finder;
    if (plan.deletes) finder.emplace(*plan.deletes, *part.reader, part.manifest);
    ScanPlan::Part left{{part.reader, part.manifest, {}}, {}};
    for (size_t i = 0; i < part.entries.size(); ++i) {
      const bool all = must[part.entries[i]] != 0;
      const int64_t count = all ? live_rows(plan, part, i, finder ? &*finder : nullptr) : kNotKnown;
      if (count >= 0) {
        rows += count;
      } else {
        left.entries.push_back(part.entries[i]);
        if (!part.without.empty()) left.without.push_back(part.without[i]);
        if (!part.splits.empty()) left.splits.push_back(part.splits[i]);
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
