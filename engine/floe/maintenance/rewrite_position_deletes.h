// Rewrites delete files, so that scans read fewer of them. What is deleted stays the same.
#pragma once

#include <arrow/util/cancel.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "floe/catalog/catalog.h"
#include "floe/expression/expression.h"

namespace floe {

struct RewritePositionDeletesOptions {
  Expression filter;  // delete files of partitions that may have rows which match; default: all
  bool case_sensitive = true;
  std::string branch = "main";
  Properties snapshot_properties = {};

  // The members from here to `partial_progress` are options of Spark's procedure of the same names.
  std::optional<int64_t> target_file_size_bytes = {};  // default: `write.delete.target-file-size-bytes`
  std::optional<int64_t> min_file_size_bytes = {};     // smaller files are rewritten; default: 0.75 of the target
  std::optional<int64_t> max_file_size_bytes = {};     // larger ones, too; default: 1.8 of it
  int64_t min_input_files = 5;
  bool rewrite_all = false;
  int64_t max_file_group_size_bytes = 1LL << 30;  // of files whose positions are in memory at once
  bool partial_progress = false;                  // a commit for each group

  // Equality deletes become position deletes (version 2) or deletion vectors (version 3), too: the files that have
  // some are read. Takes no filter.
  bool convert_equality_deletes = false;

  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// Sets the members that Spark's procedure has as options by their names there, and "convert-equality-deletes". Throws
// InvalidArgument for names that it does not have, and for values that cannot be.
void set_options(RewritePositionDeletesOptions& options, const Properties& values);

struct RewrittenDeletes {
  int64_t rewritten_delete_files = 0, added_delete_files = 0;
  int64_t rewritten_bytes = 0, added_bytes = 0;
  int64_t commits = 0;
};

// Version 2: small position delete files of one partition become one (or one a data file, by
// `write.delete.granularity`), without the positions of data files that are not there any more. Version 3: all position
// delete files that are left from before an upgrade become deletion vectors. `table` becomes the table as it is then.
// Throws ConflictFound if others removed one of the delete files, or changed rows of data files that get a deletion
// vector; after any exception but CommitStateUnknown nothing is left behind, except groups that were committed.
RewrittenDeletes rewrite_position_deletes(Catalog& catalog, LoadedTable& table,
                                          const RewritePositionDeletesOptions& options);

}  // namespace floe
