#include <utility>

#include "floe/maintenance/rewrite_data_files.h"
#include "floe/transaction/rewrite_rows.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
RewriteResult run(const RewriteTask& task, const IoPtr& io, const RewriteTaskOptions& options) {
  TableMetadata table = task.job->table;
  table.sort_orders = {task.job->order};
  table.default_sort_order_id = task.job->order.order_id;
  table.properties.insert_or_assign("write.target-file-size-bytes", std::to_string(task.file_bytes));
  const ScanOptions scan{.select = rewritten_columns(table),
                         .read_ahead_bytes = options.memory / 8,
                         .delete_bytes = options.memory / 4,
                         .table_name = task.job->table_name,
                         .stop = options.stop};
  ScanPlan plan = floe::plan(table, scan, *io);  // of no files, since the table has no snapshot here
  plan.snapshot_id = task.job->starting_snapshot;
  plan.deletes = task.deletes;
  RewriteResult result{.job = task.job, .group = task.group, .removed_bytes = task.input_bytes};
  for (const ManifestPart& part : task.files) {
    plan.parts.push_back({part, {}});
    for (const uint32_t entry : part.entries) result.removed.push_back(removal_of(*part.manifest, entry));
  }
  result.added = rewrite_rows(table, std::move(plan), scan, io,
                              {.table_name = task.job->table_name,
                               .row_group_memory = options.memory / 4,
                               .sort_memory = options.memory / 4,
                               .sort_folder = options.sort_folder,
                               .z_order = task.z_order,
                               .curve = task.curve,
                               .stop = options.stop});
  return result;
}

}  // namespace floe
