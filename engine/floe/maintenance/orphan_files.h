// Finds the files below a table's location that its metadata does not mention, and removes them: what writers that
// failed or were killed left, and what expiry did not get to.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/maintenance/progress.h"

namespace floe {

// What becomes of a file whose path is mentioned under another scheme or authority only.
enum class PrefixMismatch {
  kError,   // nothing is removed
  kIgnore,  // it stays
  kDelete,  // it is an orphan
};
PrefixMismatch parse_prefix_mismatch(std::string_view text);  // of any case; throws InvalidArgument

struct OrphanFilesOptions {
  std::optional<int64_t> older_than_ms = {};  // Unix time; default: three days ago. Younger files stay
  bool allow_recent = false;                  // `older_than_ms` may be less than a day ago
  std::optional<std::string> location = {};   // looks below it; default: the table's location
  bool outside = false;  // also where `write.data.path` and `write.metadata.path` are, if elsewhere
  std::map<std::string, std::string> equal_schemes = {};  // "s3a" -> "s3"; a key may be several: "s3n,s3a"
  std::map<std::string, std::string> equal_authorities = {};
  PrefixMismatch prefix_mismatch = PrefixMismatch::kError;
  std::optional<std::string> trash = {};  // a location: they are moved below it, under their whole paths
  bool dry_run = false;                   // removes nothing
  size_t most_listed = 100'000;           // in the result
  int64_t max_concurrent_deletes = 0;     // 0: as many as Arrow's CPU pool has threads
  Progress progress = {};
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

struct OrphanFilesResult {
  std::vector<std::string> locations;  // of orphans, `most_listed` of them
  int64_t looked_at = 0;               // files
  int64_t orphans = 0, bytes = 0;      // found
  int64_t removed = 0, failed = 0;
  std::vector<std::string> problems;  // the first hundred
};

// A file stays if anything mentions its path: the current metadata file and those in its log, the table's manifest
// lists, manifests, live data and delete files of all snapshots, files of statistics, and version-hint.text. So do
// files and folders whose names begin with "_" or "." (as Spark has it), but not our own temporary files and not
// folders of partitions. What is mentioned is read before the listing, and once more what has come since, before
// anything goes.
//
// `older_than_ms` is what protects files that a writer has made and not committed yet: the default is Spark's, and less
// than a day has to be asked for. Other tables' files below the same location are orphans to this one; so a location
// above the table's own is refused, and `outside` has to be asked for.
//
// Throws InvalidArgument for that, for `gc.enabled` = false, and for conflicting schemes and authorities (kError).
// Also if files are found, but not a single one that is mentioned, below the table's own location: then they are
// mentioned by another path, such as through a link.
//
// Held in memory: 16 bytes for each file that is mentioned; the orphans are in a temporary file beyond 4 MiB.
OrphanFilesResult remove_orphan_files(Catalog& catalog, const LoadedTable& table,
                                      const OrphanFilesOptions& options = {});

}  // namespace floe
