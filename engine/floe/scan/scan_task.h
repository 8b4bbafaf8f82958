// Scan tasks as bytes: what another process, on another machine, needs to read them, without a catalog.
//
// | bytes    | what                                                                                                  |
// | 4        | "FLST"                                                                                                |
// | 1        | the version of this form, 1                                                                           |
// | 8        | the length of the header, little-endian                                                               |
// | so many  | the header, a JSON object: see below                                                                  |
// | the rest | manifests as the specification has them, one after the other: data files, then the deletes that apply |
//
// Members of the header: "table" (its name), "metadata" (the table's metadata.json without snapshots, and of its
// properties only the name mapping), "schema-id" and "snapshot-id" of the scan, "select", "filter" (as in the REST
// protocol), "case-sensitive", "limit", "io" (properties of the store), "data" (one object per data manifest: "length",
// and "splits" as pairs of start and length, one for each entry, where not all files are whole) and "deletes" (the same
// without splits). Statistics are only those of the columns that the scan reads.
//
// There are no secrets in it but what the caller puts into "io", which should be none: keys and tokens are the
// reader's.
#pragma once

#include <string>
#include <string_view>

#include "floe/scan/scan.h"

namespace floe {

struct ScanTask {
  TableMetadata table;  // as much as reading needs
  ScanPlan plan;
  ScanOptions options;  // that the plan was made with: the columns, the filter, the limit
  Properties io;
};

// A plan, or a task of one (plan_tasks.h), made with `options` of `table`. Throws NotSupported for one with rows of
// changes that are not committed.
std::string to_bytes(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options,
                     const Properties& io = {});

// Throws CorruptFile if they are no task, NotSupported if they are of a later version. Memory in proportion to the
// bytes.
ScanTask scan_task_from_bytes(std::string_view bytes);

}  // namespace floe
