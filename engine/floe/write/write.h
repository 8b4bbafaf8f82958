// A stream of record batches becomes data files, partitioned and sorted in one pass.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/spec/table_metadata.h"
#include "floe/write/row_order.h"

namespace floe {

struct WriteOptions {
  std::string table_name;            // for messages
  std::optional<FileFormat> format;  // none: `write.format.default`, else Parquet
  // One per partition. Rows of further partitions are put aside, and written partition by partition afterwards.
  int32_t max_open_writers = 256;
  // What the open files together may hold of row groups that are not written yet. Beyond it the largest end early.
  int64_t row_group_memory = 128 << 20;
  // Rows put aside, to be sorted or because their partition has no open file, stay in memory up to so many bytes;
  // beyond it they go to a temporary file in `sort_folder` (empty: the system's, TMPDIR), which has no name there.
  int64_t sort_memory = 128 << 20;
  std::string sort_folder;
  // Rows are clustered along a curve over these columns, in place of the table's sort order.
  std::vector<ZOrderColumn> z_order;
  Curve curve = Curve::kZOrder;
  // The stream has the columns `_row_id` and `_last_updated_sequence_number` besides the table's, and the files get
  // them: of rows that were in the table before (version 3). Null: what the commit assigns.
  bool row_lineage = false;
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
};

// Writes the stream as files of the table's default spec and current schema, rolling at
// `write.target-file-size-bytes`, each sorted by the table's default sort order. All files are durable on return. On
// any exception every file written is removed.
//
// Throws InvalidArgument for rows that do not fit the table, NotSupported for table properties that ask for another
// layout or encryption, and for columns that the file format cannot hold, IoError if there is no room for rows put
// aside, Cancelled, and what the reader or the store throws.
std::vector<DataFile> write_data_files(const TableMetadata& table, arrow::RecordBatchReader& batches, Io& io,
                                       const WriteOptions& options);

// Writes the keys of rows as equality delete files of one of the table's specs, by partition, each sorted by key.
// `keys` has the columns of equality_delete_schema (file/equality_delete.h), on which all of the spec's partition
// fields depend. How files are written comes from `write.delete.*`, else `write.*` (`write.delete.format.default`,
// `write.delete.target-file-size-bytes`, `write.delete.parquet.*` and so on). As write_data_files in all else.
std::vector<DataFile> write_equality_deletes(const TableMetadata& table, const PartitionSpec& spec,
                                             const std::vector<int32_t>& equality_ids, arrow::RecordBatchReader& keys,
                                             Io& io, const WriteOptions& options);

// Removes files that nothing refers to. One that cannot be removed stays behind.
void remove_data_files(Io& io, const std::vector<DataFile>& files) noexcept;

// Where data files go: `write.data.path`, `write.object-storage.enabled`, else "<location>/data". `partition_path` is
// empty or "a=1/b=2".
std::string data_location(const TableMetadata& table, const std::string& partition_path, const std::string& file_name);

}  // namespace floe
