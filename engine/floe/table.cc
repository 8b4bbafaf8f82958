#include "floe/table.h"

#include <utility>

#include "floe/catalog/metadata_file.h"
#include "floe/catalog/planning_mode.h"
#include "floe/error.h"

namespace floe {
namespace {

constexpr int64_t kUpsertsPerRetry = 5;

}  // namespace

Table Table::load(CatalogPtr catalog, const TableIdentifier& identifier) {
  LoadedTable loaded = catalog->load_table(identifier);
  return {std::move(catalog), std::move(loaded)};
}

Table Table::create(CatalogPtr catalog, const TableIdentifier& identifier, NewTable definition) {
  LoadedTable loaded = catalog->create_table(identifier, std::move(definition));
  return {std::move(catalog), std::move(loaded)};
}

Table Table::open(const std::string& location, const Properties& properties) {
  Properties catalog_properties = properties;  // what they say about access to files counts, nothing else
  catalog_properties["type"] = "in-memory";
  catalog_properties.erase("uri");
  CatalogPtr catalog = open_catalog("static-table", catalog_properties);
  LoadedTable loaded{.identifier = {{"static-table"}, location}};
  const IoPtr io = make_io(properties);
  loaded.metadata_location = loaded.identifier.name = find_metadata(*io, location);
  loaded.metadata = read_metadata(*io, loaded.metadata_location);
  return {std::move(catalog), std::move(loaded)};
}

Table::Table(CatalogPtr catalog, LoadedTable loaded)
    : catalog_(std::move(catalog)), loaded_(std::move(loaded)), io_(catalog_->io(loaded_)) {}

void Table::refresh() {
  loaded_ = catalog_->load_table(loaded_.identifier);
  io_ = catalog_->io(loaded_);
}

void Table::append(arrow::RecordBatchReader& batches, const AppendOptions& options, WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Transaction transaction(*catalog_, loaded_);
  floe::append(transaction, batches, options, std::move(write));
  loaded_ = transaction.commit(stop);
}

void Table::overwrite(arrow::RecordBatchReader& batches, const OverwriteOptions& options, WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Transaction transaction(*catalog_, loaded_);
  floe::overwrite(transaction, batches, options, std::move(write));
  loaded_ = transaction.commit(stop);
}

bool Table::overwrite_partitions(arrow::RecordBatchReader& batches, const PartitionOverwriteOptions& options,
                                 WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Transaction transaction(*catalog_, loaded_);
  const bool any = floe::overwrite_partitions(transaction, batches, options, std::move(write));
  loaded_ = transaction.commit(stop);
  return any;
}

bool Table::delete_rows(const OverwriteOptions& options, WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Transaction transaction(*catalog_, loaded_);
  const bool any = floe::delete_rows(transaction, options, std::move(write));
  loaded_ = transaction.commit(stop);
  return any;
}

UpsertCounts Table::upsert(arrow::RecordBatchReader& rows, const UpsertOptions& options, WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Upsert upsert(loaded_, rows, options, std::move(write));
  // Somebody committed whenever this starts anew, so that many writers of the same rows all get through in the end.
  int64_t left = kUpsertsPerRetry * int_property(metadata().properties, "commit.retry.num-retries", 4);
  for (LoadedTable base = loaded_;; base = catalog_->load_table(loaded_.identifier)) {
    try {
      Transaction transaction(*catalog_, base);
      const UpsertCounts counts = upsert.add_to(transaction);
      loaded_ = transaction.commit(stop);
      return counts;
    } catch (const ConflictFound&) {
      if (left-- <= 0) throw;
    }
  }
}

bool Table::apply_changes(const KeyChanges& changes, const KeyChangeOptions& options, WriteOptions write) {
  const arrow::StopToken stop = write.stop;
  Transaction transaction(*catalog_, loaded_);
  const bool any = floe::apply_changes(transaction, changes, options, std::move(write));
  loaded_ = transaction.commit(stop);
  return any;
}

void Table::add_files(const std::vector<std::string>& locations, const AddFilesOptions& options,
                      const arrow::StopToken& stop) {
  Transaction transaction(*catalog_, loaded_);
  floe::add_files(transaction, locations, options, stop);
  loaded_ = transaction.commit(stop);
}

void Table::change(const std::function<void(Transaction&)>& work, const arrow::StopToken& stop) {
  Transaction transaction(*catalog_, loaded_);
  work(transaction);
  loaded_ = transaction.commit(stop);
}

RewriteCounts Table::rewrite_data_files(const RewriteDataFilesOptions& options) {
  return floe::rewrite_data_files(*catalog_, loaded_, options);
}

RewrittenDeletes Table::rewrite_position_deletes(const RewritePositionDeletesOptions& options) {
  return floe::rewrite_position_deletes(*catalog_, loaded_, options);
}

ScanPlan Table::plan(const ScanOptions& options) const {
  check_clients_plan(*catalog_, loaded_);
  return floe::plan(metadata(), options, *io_);
}

std::unique_ptr<arrow::RecordBatchReader> Table::scan(const ScanOptions& options) const {
  return read(metadata(), plan(options), options, io_);
}

std::unique_ptr<arrow::RecordBatchReader> Table::changelog(const ChangelogOptions& changes,
                                                           const ScanOptions& options) const {
  return floe::changelog(loaded_.metadata, changes, options, io_);
}

std::unique_ptr<arrow::RecordBatchReader> Table::inspect(std::string_view name, const InspectOptions& options) const {
  return floe::inspect(loaded_, name, options, io_);
}

}  // namespace floe
