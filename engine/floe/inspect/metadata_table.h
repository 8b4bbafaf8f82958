// What a metadata table is made of, and what is asked of one. Internal to inspect/.
#pragma once

#include <arrow/record_batch.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/error.h"
#include "floe/expression/expression.h"
#include "floe/file/parquet_reader.h"
#include "floe/io/io.h"

namespace floe {

// One request. `table` shares what it points to, so that a stream may outlive the caller's.
struct Inspection {
  LoadedTable table;
  const Snapshot* snapshot = nullptr;  // of tables of one snapshot; null: there is none
  Schema columns;                      // those wanted, of structs perhaps with fewer children
  BoundExpression filter;              // bound to the current schema
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
  IoPtr io;

  const TableMetadata& metadata() const { return *table.metadata; }
};
using InspectionPtr = std::shared_ptr<const Inspection>;
using BatchReaderPtr = std::unique_ptr<arrow::RecordBatchReader>;

struct MetadataTable {
  std::string_view name;
  bool of_one_snapshot;
  bool filtered;  // whether a filter is an option
  Schema (*schema)(const TableMetadata& table);
  BatchReaderPtr (*open)(const InspectionPtr& inspection);
};

// Those of each file of this folder.
std::vector<MetadataTable> log_tables();        // of metadata alone
std::vector<MetadataTable> manifest_tables();   // manifests
std::vector<MetadataTable> entry_tables();      // entries and files
std::vector<MetadataTable> partition_tables();  // partitions
std::vector<MetadataTable> delete_tables();     // position_deletes

// Reads sources 0, ..., n - 1 in parallel, some of each at a time, and gives their batches in order. `open` and what it
// gives are called on any thread; a source's batches by one at a time.
BatchReaderPtr read_in_order(const InspectionPtr& inspection, size_t n, std::function<BatchStream(size_t)> open);

// Batches that there are.
BatchReaderPtr read_batches(const InspectionPtr& inspection, arrow::RecordBatchVector batches);

// Whole milliseconds as microseconds. Throws CorruptFile if they are out of range.
int64_t to_micros(int64_t ms);

// `work()`; a NotFound names the table, too: metadata refers to a file that is gone.
template <typename Work>
auto of_table(const Inspection& inspection, Work&& work) {
  try {
    return work();
  } catch (const NotFound& e) {
    throw NotFound("table " + to_string(inspection.table.identifier) +
                   ": a file that its metadata refers to is gone: " + e.what());
  }
}

}  // namespace floe
