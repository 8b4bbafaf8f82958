// Files that are there already become part of a table.
#pragma once

#include <string>
#include <vector>

#include "floe/transaction/transaction.h"

namespace floe {

struct AddFilesOptions {
  std::string branch = "main";
  bool stage_only = false;        // a snapshot that no branch has yet
  bool refuse_duplicates = true;  // InvalidArgument for a file that is in the table already
  Properties snapshot_properties = {};
};

// Adds Parquet files by their locations, as one snapshot; their footers are read in parallel, their rows are not. They
// stay where they are, and belong to the table from now on. Files have no ids of the table's columns as a rule: if the
// table has no name mapping, it gets one of its current schema (`schema.name-mapping.default`) in the same commit. One
// that others gave it meanwhile stays; if it, or a schema that they changed, finds the columns of the files by other
// ids, the commit throws ConflictFound. See import_parquet for what is refused; a location given twice is.
void add_files(Transaction& transaction, const std::vector<std::string>& locations, const AddFilesOptions& options = {},
               const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

}  // namespace floe
