#include "floe/table.h"

#include <utility>

#include "floe/error.h"

namespace floe {

Table Table::load(CatalogPtr catalog, const TableIdentifier& identifier) {
  LoadedTable loaded = catalog->load_table(identifier);
  return {std::move(catalog), std::move(loaded)};
}

Table Table::create(CatalogPtr catalog, const TableIdentifier& identifier, NewTable definition) {
  LoadedTable loaded = catalog->create_table(identifier, std::move(definition));
  return {std::move(catalog), std::move(loaded)};
}

Table::Table(CatalogPtr catalog, LoadedTable loaded)
    : catalog_(std::move(catalog)), loaded_(std::move(loaded)), io_(catalog_->io(loaded_)) {}

void Table::refresh() {
  loaded_ = catalog_->load_table(loaded_.identifier);
  io_ = catalog_->io(loaded_);
}

void Table::append(arrow::RecordBatchReader& batches, const AppendOptions& options, WriteOptions write) {
  check_append(loaded_, options);
  if (write.table_name.empty()) write.table_name = to_string(loaded_.identifier);
  const std::vector<DataFile> files = write_data_files(metadata(), batches, *io_, write);
  try {
    loaded_ = append_files(*catalog_, loaded_, files, options, write.stop);
  } catch (const CommitStateUnknown&) {
    throw;  // the files may be part of the table
  } catch (...) {
    remove_data_files(*io_, files);
    throw;
  }
}

ScanPlan Table::plan(const ScanOptions& options) const { return floe::plan(metadata(), options, *io_); }

std::unique_ptr<arrow::RecordBatchReader> Table::scan(const ScanOptions& options) const {
  return read(metadata(), plan(options), options, io_);
}

}  // namespace floe
