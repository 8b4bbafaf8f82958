#include "floe/transaction/rewrite_rows.h"

#include <utility>

namespace floe {
namespace {

bool keeps_lineage(const TableMetadata& table) { return table.format_version >= 3; }

}  // namespace

std::vector<std::string> rewritten_columns(const TableMetadata& table) {
  if (!keeps_lineage(table)) return {"*"};
  return {"*", "_row_id", "_last_updated_sequence_number"};
}

std::vector<DataFile> rewrite_rows(const TableMetadata& table, ScanPlan plan, const ScanOptions& scan, const IoPtr& io,
                                   WriteOptions write) {
  write.row_lineage = keeps_lineage(table);
  const auto rows = read(table, std::move(plan), scan, io);
  return write_data_files(table, *rows, *io, write);
}

}  // namespace floe
