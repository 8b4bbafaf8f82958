#include "floe/maintenance/table_file.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "floe/error.h"
#include "floe/parallel.h"

namespace floe {

std::string_view to_string(FileKind kind) {
  switch (kind) {
    case FileKind::kData:
      return "data";
    case FileKind::kPositionDeletes:
      return "position deletes";
    case FileKind::kEqualityDeletes:
      return "equality deletes";
    case FileKind::kManifest:
      return "manifest";
    case FileKind::kManifestList:
      return "manifest list";
    case FileKind::kStatistics:
      return "statistics";
  }
  return "";
}

void remove_files(Io& io, const std::vector<TableFile>& files, int64_t concurrency, RemovedFiles& removed,
                  ProgressMeter& progress, const arrow::StopToken& stop) {
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  const auto remove_some = [&](size_t) {
    for (size_t i = next++; i < files.size() && !stop.IsStopRequested(); i = next++) {
      try {
        io.remove(files[i].location);
        const std::lock_guard lock(mutex);
        removed.add(files[i]);
      } catch (const Error& e) {
        const std::lock_guard lock(mutex);
        ++removed.failed;
        removed.add_problem(e.what());
      }
      progress.add(1);
    }
  };
  const size_t most = concurrency > 0 ? static_cast<size_t>(concurrency) : files.size();
  parallel_for(std::min(most, files.size()), remove_some, stop);
  check(stop.Poll(), "stopped");
}

}  // namespace floe
