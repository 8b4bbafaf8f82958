// Files that only snapshots which a table has lost reach.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "floe/io/io.h"
#include "floe/maintenance/progress.h"
#include "floe/maintenance/table_file.h"
#include "floe/spec/table_metadata.h"

namespace floe {

struct UnreachableSearch {
  std::function<void(std::vector<TableFile>)> take;  // some of the files; called from the calling thread
  std::function<void(std::string)> problem;          // one call at a time
  Progress progress;
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// Hands over every file that the snapshots `removed` of the table `before` reach and no snapshot of `after` does, each
// once: data and delete files first, then manifests, manifest lists, and files of statistics. What metadata that is
// kept mentions is never among them, under whatever scheme or authority.
//
// A list or manifest of a removed snapshot that cannot be read is a problem, and what it alone reaches is left out. One
// of a kept snapshot that cannot be read ends the search with its exception, before the first file was handed over.
// Throws Cancelled.
//
// Manifests that kept snapshots share are not opened for the removed ones; without others, none is opened at all. Held
// in memory: the lines of all manifests, each once; nine bytes for each live file of the manifests that only removed
// snapshots have; and some 100,000 files at a time, or those of one manifest.
void find_unreachable_files(Io& io, const TableMetadata& before, const std::vector<int64_t>& removed,
                            const TableMetadata& after, const UnreachableSearch& search);

}  // namespace floe
