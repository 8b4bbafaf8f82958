// The front door: what a C++ user meets first.
//
//   auto catalog = floe::open_catalog("demo", {{"type", "sql"}, {"uri", "sqlite:////tmp/demo.db"},
//                                              {"warehouse", "file:///tmp/warehouse"}});
//   auto table = floe::Table::load(catalog, {{"flights"}, "departures"});
//   table.append(*batches);
//   auto rows = table.scan({.filter = floe::parse_filter("dep_delay > 60")});
#pragma once

#include <arrow/table.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "floe/catalog/catalog.h"
#include "floe/error.h"
#include "floe/inspect/inspect.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/maintenance/rewrite_position_deletes.h"
#include "floe/scan/changelog.h"
#include "floe/scan/scan.h"
#include "floe/transaction/add_files.h"
#include "floe/transaction/append.h"
#include "floe/transaction/evolve.h"
#include "floe/transaction/manage_snapshots.h"
#include "floe/transaction/overwrite.h"
#include "floe/transaction/row_delta.h"
#include "floe/transaction/upsert.h"
#include "floe/write/write.h"

namespace floe {

// A handle on a table at one state of its metadata. Copies are cheap. Not for concurrent use of one handle; concurrent
// handles on one table are what Iceberg is for.
class Table {
 public:
  static Table load(CatalogPtr catalog, const TableIdentifier& identifier);
  static Table create(CatalogPtr catalog, const TableIdentifier& identifier, NewTable definition);
  // A table that is read without its catalog, by its metadata file or its folder (catalog/metadata_file.h). It stays as
  // it is, and no catalog would take its commits: they throw NoSuchTable.
  static Table open(const std::string& location, const Properties& properties = {});
  Table(CatalogPtr catalog, LoadedTable loaded);

  const TableIdentifier& identifier() const { return loaded_.identifier; }
  const TableMetadata& metadata() const { return *loaded_.metadata; }
  const LoadedTable& loaded() const { return loaded_; }
  const CatalogPtr& catalog() const { return catalog_; }
  const IoPtr& io() const { return io_; }

  void refresh();

  // Appends the rows of a stream as one snapshot and moves this handle to it. A stream without rows makes an empty
  // snapshot, as PyIceberg does.
  void append(arrow::RecordBatchReader& batches, const AppendOptions& options = {}, WriteOptions write = {});

  // The rows that match leave and those of the stream come, in one snapshot; without a filter the stream replaces all
  // that is there. See transaction/overwrite.h for what conflicts.
  void overwrite(arrow::RecordBatchReader& batches, const OverwriteOptions& options = {}, WriteOptions write = {});

  // Replaces the partitions into which the stream's rows fall. False: there were none, and nothing happened.
  bool overwrite_partitions(arrow::RecordBatchReader& batches, const PartitionOverwriteOptions& options = {},
                            WriteOptions write = {});

  // Deletes the rows that match. False: none did, and nothing happened.
  bool delete_rows(const OverwriteOptions& options, WriteOptions write = {});

  // Updates the rows that have the same key as one of the stream and differ from it, and inserts those that have none.
  // If others change the same rows meanwhile, it is done again on what they made of the table.
  UpsertCounts upsert(arrow::RecordBatchReader& rows, const UpsertOptions& options = {}, WriteOptions write = {});

  // Deletes and replaces rows by key without reading the table, for streams of changes. False: there were none, and
  // nothing happened. See transaction/row_delta.h for what it costs readers.
  bool apply_changes(const KeyChanges& changes, const KeyChangeOptions& options = {}, WriteOptions write = {});

  // Adds Parquet files that are there already, by their locations.
  void add_files(const std::vector<std::string>& locations, const AddFilesOptions& options = {},
                 const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

  // One or several changes as one commit, also those that have no method here: of schema, partitioning and sort order
  // (transaction/evolve.h), of branches and tags (transaction/manage_snapshots.h).
  void change(const std::function<void(Transaction&)>& work,
              const arrow::StopToken& stop = arrow::StopToken::Unstoppable());

  // Compaction: writes small files, and those with many deletes, again as fewer and better ones.
  RewriteCounts rewrite_data_files(const RewriteDataFilesOptions& options = {});
  // Small position delete files become fewer, or deletion vectors; equality deletes too, if asked.
  RewrittenDeletes rewrite_position_deletes(const RewritePositionDeletesOptions& options = {});

  ScanPlan plan(const ScanOptions& options = {}) const;
  std::unique_ptr<arrow::RecordBatchReader> scan(const ScanOptions& options = {}) const;

  // The rows that came and went between two snapshots (scan/changelog.h).
  std::unique_ptr<arrow::RecordBatchReader> changelog(const ChangelogOptions& changes = {},
                                                      const ScanOptions& options = {}) const;

  // A metadata table ("files", "snapshots", ...; see inspect/inspect.h for all of them).
  std::unique_ptr<arrow::RecordBatchReader> inspect(std::string_view name, const InspectOptions& options = {}) const;

 private:
  CatalogPtr catalog_;
  LoadedTable loaded_;
  IoPtr io_;
};

}  // namespace floe
