#include "floe/transaction/append.h"

#include <fmt/format.h>

#include "floe/error.h"
#include "floe/transaction/snapshot_producer.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {

void check_append(const LoadedTable& base, const AppendOptions& options) {
  check_branch(base, options.branch);
  check_snapshot_properties(options.snapshot_properties);
}

LoadedTable append_files(Catalog& catalog, const LoadedTable& base, const std::vector<DataFile>& files,
                         const AppendOptions& options, const arrow::StopToken& stop) {
  for (const DataFile& file : files) {
    if (file.content != FileContent::kData) {
      throw InvalidArgument(fmt::format("table {}: {} is a delete file; only data files can be appended",
                                        to_string(base.identifier), file.file_path));
    }
  }
  SnapshotProducer producer(catalog.io(base), base,
                            {.operation = "append",
                             .added = files,
                             .branch = options.branch,
                             .snapshot_properties = options.snapshot_properties});
  try {
    auto build = [&](const LoadedTable& table) { return producer.build(table); };
    LoadedTable committed = commit_with_retry(catalog, base, build, stop);
    producer.succeeded(*committed.metadata);
    return committed;
  } catch (const CommitStateUnknown&) {
    throw;  // what was written may be part of the table
  } catch (...) {
    producer.failed();
    throw;
  }
}

}  // namespace floe
