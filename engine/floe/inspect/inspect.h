// Metadata tables: what a table's metadata says, as tables. Names, types and order of their columns are those of
// Iceberg's Java, where it has the table.
//
//   snapshots, history, refs, metadata_log_entries         of the table's metadata alone
//   statistics_files, partition_statistics_files
//   manifests, entries, files, data_files, delete_files,   of one snapshot
//   partitions, position_deletes
//   all_manifests, all_entries, all_files,                 of every snapshot that the metadata has; a manifest is read
//   all_data_files, all_delete_files                       once, however many snapshots it is of
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/expression/expression.h"
#include "floe/io/io.h"

namespace floe {

struct InspectOptions {
  // At most one of these, for tables of one snapshot; none: the current one. A table without snapshots has no rows.
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> as_of_ms;
  std::optional<std::string> ref;
  // Names of columns, or of children of the struct columns `data_file`, `partition` and `readable_metrics`
  // ("readable_metrics.price"); "*": all. What is not asked for is not decoded.
  std::vector<std::string> columns = {"*"};
  // On the rows of the table itself: only files that may hold rows which match, by partition and bounds. For entries,
  // files, partitions and position_deletes in all their forms.
  Expression filter;
  bool case_sensitive = true;  // of the filter
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

std::vector<std::string> metadata_table_names();

// The columns of a metadata table. Throws NotFound, with the names that there are, for other names.
Schema metadata_table_schema(const TableMetadata& table, std::string_view name);

// A metadata table's rows, as a stream in bounded memory, but for `partitions`, which holds a row for each of them.
// Manifests are read in parallel, on Arrow's CPU pool and on the thread that asks for batches, and their rows come in
// the order of the manifest lists. Throws NotFound for a snapshot that is not there, InvalidArgument for options that
// the table does not have. Further errors come out of ReadNext as statuses that arrow_status.h turns back.
std::unique_ptr<arrow::RecordBatchReader> inspect(const LoadedTable& table, std::string_view name,
                                                  const InspectOptions& options, IoPtr io);

}  // namespace floe
