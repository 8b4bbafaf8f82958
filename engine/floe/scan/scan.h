// Scans: planned first (which files may hold matching rows), then read as a stream.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/io/io.h"
#include "floe/manifest/manifest.h"
#include "floe/spec/table_metadata.h"

namespace floe {

struct ScanOptions {
  Expression filter;                        // default: every row
  std::vector<std::string> select = {"*"};  // full names; "*": all columns
  bool case_sensitive = true;
  // At most one of these; none: the current snapshot. A ref or a snapshot that is not there throws NotFound.
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> as_of_ms;
  std::optional<std::string> ref;
  std::optional<int64_t> limit;
  int64_t batch_rows = 131'072;
  int64_t read_ahead_bytes = 64 << 20;  // decoded data waiting for the consumer
  bool ordered = true;                  // files and rows in plan order; false: as they come
  std::string table_name;               // for messages
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// The files to read: entries of shared, immutable manifests. Nothing is copied out of them.
struct ScanPlan {
  struct Part {
    ManifestReaderPtr reader;
    ManifestPtr manifest;
    std::vector<uint32_t> entries;  // which of the manifest's entries
  };
  SchemaPtr schema;                    // that the snapshot asks for
  Schema projection;                   // what comes out
  BoundExpression filter;              // bound to `schema`
  std::optional<int64_t> snapshot_id;  // nullopt: an empty table
  std::vector<Part> parts;

  int64_t manifests_total = 0, manifests_pruned = 0;
  int64_t files_total = 0, files_pruned = 0;  // of the manifests that were read
  int64_t files() const;
  int64_t rows() const;  // in the planned files, before the filter
};

// Plans a scan: reads the manifest list and, in parallel, only the manifests whose partition summaries may match.
// Throws NotFound if the snapshot is gone, CorruptFile if a manifest cannot be decoded, NotSupported if the snapshot
// has delete files (until row-level deletes are read).
ScanPlan plan(const TableMetadata& table, const ScanOptions& options, Io& io);

// The plan as a table, one row per file: file_path, file_format, spec_id, partition (JSON text), record_count,
// file_size_in_bytes, sequence_number, ...
std::unique_ptr<arrow::RecordBatchReader> to_arrow(const ScanPlan& plan);

struct ScanCounters;  // files and row groups read and pruned, as they happen

// Reads a plan: a stream in bounded memory (`read_ahead_bytes`), several files at a time.
std::unique_ptr<arrow::RecordBatchReader> read(const TableMetadata& table, ScanPlan plan, const ScanOptions& options,
                                               IoPtr io, std::shared_ptr<ScanCounters> counters = nullptr);

// The number of matching rows: from metadata alone where every file either matches wholly or not at all.
int64_t count(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io);

}  // namespace floe
