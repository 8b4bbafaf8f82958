// Files of a table that are to go, and their removal.
#pragma once

#include <arrow/util/cancel.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "floe/io/io.h"
#include "floe/maintenance/progress.h"

namespace floe {

enum class FileKind : uint8_t { kData, kPositionDeletes, kEqualityDeletes, kManifest, kManifestList, kStatistics };
inline constexpr size_t kFileKinds = 6;
std::string_view to_string(FileKind kind);

struct TableFile {
  std::string location;
  FileKind kind = FileKind::kData;
  int64_t size = 0;  // 0 where metadata does not say (manifest lists)
};

// What was removed, and what went wrong meanwhile.
struct RemovedFiles {
  std::array<int64_t, kFileKinds> counts{};
  int64_t bytes = 0;  // as metadata has them
  int64_t failed = 0;
  std::vector<std::string> problems;  // the first hundred

  int64_t of(FileKind kind) const { return counts[static_cast<size_t>(kind)]; }
  void add(const TableFile& file) {
    ++counts[static_cast<size_t>(file.kind)];
    bytes += file.size;
  }
  void add_problem(std::string text) {
    constexpr size_t kMost = 100;
    if (problems.size() < kMost) problems.push_back(std::move(text));
  }
};

// Removes files side by side, `concurrency` at a time (0: as many as Arrow's CPU pool has threads). One that cannot be
// removed stays and is counted as failed. Throws Cancelled.
void remove_files(Io& io, const std::vector<TableFile>& files, int64_t concurrency, RemovedFiles& removed,
                  ProgressMeter& progress, const arrow::StopToken& stop);

}  // namespace floe
