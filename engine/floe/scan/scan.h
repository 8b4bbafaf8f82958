// Scans: planned first (which files may hold matching rows), then read as a stream.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "floe/expression/expression.h"
#include "floe/file/parquet_reader.h"
#include "floe/file/positions.h"
#include "floe/io/io.h"
#include "floe/manifest/manifest.h"
#include "floe/scan/delete_index.h"
#include "floe/spec/table_metadata.h"

namespace floe {

struct ScanOptions {
  Expression filter;                        // default: every row
  std::vector<std::string> select = {"*"};  // full names; "*": all columns
  bool case_sensitive = true;
  // At most one of these; none: the current snapshot. A ref or a snapshot that is not there throws NotFound. The rows
  // come in the table's current schema, or in that of the snapshot for an id, a time or a tag.
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> as_of_ms;
  std::optional<std::string> ref;
  // Only the rows of files that appends added after a snapshot, or with it (`inclusive`), up to the one that is
  // scanned, whose ancestor it must be (one that was expired may be the parent of one); without an id from the oldest
  // ancestor on. What other operations did is passed over: files that overwrites or compactions wrote, and deletes of
  // any kind. The rows come in the order of the appends and in the table's current schema.
  struct AppendedSince {
    std::optional<int64_t> snapshot_id;
    bool inclusive = false;
  };
  std::optional<AppendedSince> appended_since;
  std::optional<int64_t> limit;
  int64_t batch_rows = 131'072;
  int64_t read_ahead_bytes = 64 << 20;  // decoded data waiting for the consumer
  int64_t delete_bytes = 256 << 20;     // what was read of delete files, kept for the data files to come
  bool ordered = true;                  // files and rows in plan order; false: as they come
  std::string table_name;               // for messages
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// The files to read: entries of shared, immutable manifests. Nothing is copied out of them.
struct ScanPlan {
  // Some of a file's row groups: those that start in these bytes of it.
  struct Split {
    int64_t start = 0;
    int64_t length = INT64_MAX;
    bool operator==(const Split&) const = default;
  };
  struct Part : ManifestPart {  // of a manifest of data files
    // Rows to leave out besides those that are deleted, beside `entries`: for changes that are not committed yet.
    // Empty, or null where there are none.
    std::vector<std::shared_ptr<const Positions>> without;
    std::vector<Split> splits;  // beside `entries`; empty: whole files

    // Whether the rows of the i-th file that are not deleted are all to be read.
    bool whole(size_t i) const;
  };
  SchemaPtr schema;                    // that the columns and the filter are of
  Schema projection;                   // what comes out
  BoundExpression filter;              // bound to `schema`
  std::shared_ptr<const KeySet> keys;  // if set, rows that have none of them may be left out
  std::optional<int64_t> snapshot_id;  // nullopt: an empty table
  std::vector<Part> parts;
  std::shared_ptr<const DeleteIndex> deletes;  // null: none matter

  int64_t manifests_total = 0, manifests_pruned = 0;
  int64_t files_total = 0, files_pruned = 0;  // of the manifests that were read
  int64_t files() const;
  int64_t rows() const;  // in the planned files, before the filter
};

// Plans a scan: reads the manifest list and, in parallel, only the manifests whose partition summaries may match. With
// a limit and without a filter, only as many as it takes to be sure of so many rows. Throws NotFound if the snapshot or
// a file of metadata is gone, CorruptFile if one cannot be decoded, InvalidArgument for columns that are not there and
// for `appended_since` of no ancestor, NotSupported for filters on metadata columns.
ScanPlan plan(const TableMetadata& table, const ScanOptions& options, Io& io);

// The same as a stream: the files of a manifest come while the next manifests are being read. Throws as plan() does.
class Planner {
 public:
  // Reads the manifest list and what it has of deletes. `table` and `io` outlive this.
  Planner(const TableMetadata& table, const ScanOptions& options, Io& io);
  ~Planner();  // waits for the reads that run

  // All but the parts; what is counted is what was read so far.
  const ScanPlan& plan() const;
  // The next files, in the plan's order; nullopt: that was all.
  std::optional<ScanPlan::Part> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The plan as a table, one row per file: file_path, file_format, record_count, file_size_in_bytes, snapshot_id,
// sequence_number, file_sequence_number, spec_id, partition (JSON text by the names of the partition fields),
// first_row_id, delete_files (paths; one for each deletion vector, too). One batch a manifest, made when it is asked
// for; columns are the manifest's own memory where all of its files are planned.
std::unique_ptr<arrow::RecordBatchReader> to_arrow(const ScanPlan& plan);

// Gives files, those of one manifest at a time; nullopt: that was all.
using NextPart = std::function<std::optional<ScanPlan::Part>()>;

// The same of files as they come: `next` gives those of `plan`, whose own parts do not matter.
std::unique_ptr<arrow::RecordBatchReader> to_arrow(const ScanPlan& plan, NextPart next);

// What reading a plan has done so far, as it happens: row groups and rows too.
struct ScanCounters : ParquetScanCounters {
  std::atomic<int64_t> files_read{0};  // opened
  std::atomic<int64_t> rows_out{0};
};

// Reads a plan: a stream in bounded memory (`read_ahead_bytes` beyond a batch of each file that is being decoded),
// files and columns in parallel on Arrow's CPU pool and on the thread that asks for batches. Errors come out of
// ReadNext, of the file whose turn it is, as statuses that arrow_status.h turns back into exceptions: NotFound naming
// table, snapshot and file for a file that is gone, CorruptFile, Cancelled. Dropping the reader stops the work. Throws
// NotSupported at once if the plan has files of a format that is not read.
std::unique_ptr<arrow::RecordBatchReader> read(const TableMetadata& table, ScanPlan plan, const ScanOptions& options,
                                               IoPtr io, std::shared_ptr<ScanCounters> counters = nullptr);

// Reads a plan as a join does, with the memory and the threads of read(): `map` makes of each batch one of any schema,
// on several threads at once, and `found` is given what has rows of that, on the calling thread and in the plan's
// order, with the file that it is of: a part of the plan, and an index of the part's `entries`. Throws as reading does.
using BatchMap = std::function<std::shared_ptr<arrow::RecordBatch>(const arrow::RecordBatch&)>;
void read_mapped(const TableMetadata& table, ScanPlan plan, const ScanOptions& options, IoPtr io, const BatchMap& map,
                 const std::function<void(size_t part, size_t index, const arrow::RecordBatch&)>& found);

// The rows of one planned file that match.
struct FoundRows {
  size_t part = 0;   // of the plan
  size_t index = 0;  // of the part's `entries`
  // Surely every row of the file that is not deleted matches, by its bounds or its partition. Then the file was not
  // read, and there are no positions.
  bool all = false;
  Positions positions;  // that match and are not deleted
};

// Finds the rows that match the plan's filter, file by file in the plan's order, reading nothing but the filter's
// columns. Files without any are left out. `found` is called on the calling thread, while the next files are being read
// ahead. Throws as reading does.
void find_rows(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io,
               const std::function<void(FoundRows)>& found);

// The rows of the plan's files that are deleted by position already: of deletion vectors and position delete files, in
// the plan's order, only of files that have some. What is written in their place must have them too.
void find_deleted(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io,
                  const std::function<void(FoundRows)>& found);

// The number of matching rows, at most `options.limit`: from metadata alone where a file matches wholly, by reading the
// filter's columns of the others.
int64_t count(const TableMetadata& table, const ScanPlan& plan, const ScanOptions& options, IoPtr io);

}  // namespace floe
