#include "floe/transaction/append.h"

#include <fmt/format.h>

#include <utility>

#include "floe/error.h"
#include "floe/naming.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {

void check_append(const LoadedTable& base, const AppendOptions& options) {
  check_branch(base, options.branch);
  check_snapshot_properties(options.snapshot_properties);
}

namespace {

SnapshotChange change_of(std::vector<DataFile> files, const AppendOptions& options) {
  return {.operation = "append",
          .added = std::move(files),
          .refuse_duplicates = options.refuse_duplicates,
          .branch = options.branch,
          .stage_only = options.stage_only,
          .merge_manifests = options.merge_manifests,
          .snapshot_properties = options.snapshot_properties};
}

}  // namespace

void append(Transaction& transaction, std::vector<DataFile> files, const AppendOptions& options) {
  for (const DataFile& file : files) {
    if (file.content != FileContent::kData) {
      throw InvalidArgument(fmt::format("table {}: {} is a delete file; only data files can be appended",
                                        to_string(transaction.base().identifier), file.file_path));
    }
  }
  transaction.add(change_of(std::move(files), options));
}

void append(Transaction& transaction, arrow::RecordBatchReader& batches, const AppendOptions& options,
            WriteOptions write) {
  if (write.table_name.empty()) write.table_name = to_string(transaction.base().identifier);
  naming(write.table_name, [&] {
    check_append(transaction.staged(), options);
    SnapshotChange change =
        change_of(write_data_files(*transaction.staged().metadata, batches, *transaction.io(), write), options);
    change.discard = locations_of(change.added);
    transaction.add(std::move(change));
  });
}

LoadedTable append_files(Catalog& catalog, const LoadedTable& base, std::vector<DataFile> files,
                         const AppendOptions& options, const arrow::StopToken& stop) {
  Transaction transaction(catalog, base);
  append(transaction, std::move(files), options);
  return transaction.commit(stop);
}

}  // namespace floe
