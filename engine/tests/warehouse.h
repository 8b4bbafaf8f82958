// What the tests of this folder share: a catalog and a warehouse in a folder of their own.
#pragma once

#include <arrow/api.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "floe/catalog/test_database.h"
#include "floe/table.h"

namespace floe {

// A catalog "test" in a SQL database and its warehouse, removed at the end. With FLOE_TEST_KEEP they are in a folder of
// their own in the one that it names, and stay for others to read.
class Warehouse {
 public:
  explicit Warehouse(Database kind = Database::kSqlite);
  Warehouse(const Warehouse&) = delete;
  Warehouse& operator=(const Warehouse&) = delete;
  ~Warehouse();

  // The catalog anew, as another process would open it; its files through `io`, if given.
  CatalogPtr open(IoPtr io = nullptr) const;
  std::string uri() const;       // of the database
  std::string location() const;  // of the warehouse

  // The table "db.<name>".
  Table create(const std::string& name, Schema schema, PartitionSpec spec = {}, Properties properties = {}) const;
  Table load(const std::string& name) const;

  // Every file of a table, whatever it is for.
  std::set<std::string> files(const Table& table) const;

 private:
  std::filesystem::path folder_;
  TestDatabase database_;
};

// Every file that the table's metadata names, itself included: metadata files, manifest lists, manifests, data files.
std::set<std::string> referenced_files(const Table& table);

// A location without its scheme.
std::string local_path(const std::string& location);

// The rows of a scan in one batch.
std::shared_ptr<arrow::RecordBatch> read_all(const Table& table, const ScanOptions& options = {});

// The values of an int64 column, sorted.
std::vector<int64_t> sorted_int64s(const arrow::RecordBatch& rows, const std::string& column);

// (id, text): `n` rows whose ids count up from `first`.
Schema numbered_schema();
std::shared_ptr<arrow::RecordBatch> numbered_rows(int64_t first, int64_t n);
std::unique_ptr<arrow::RecordBatchReader> stream_of(std::vector<std::shared_ptr<arrow::RecordBatch>> batches);
void append_numbered(Table& table, int64_t first, int64_t n);

// A Parquet file as a stranger writes it: without field ids.
void write_strangers_file(const std::string& location, const std::shared_ptr<arrow::RecordBatch>& rows,
                          int64_t row_group = 1000);

// A stream that makes each batch when it is asked for; `make` may throw.
std::unique_ptr<arrow::RecordBatchReader> made_stream(std::shared_ptr<arrow::Schema> schema, int batches,
                                                      std::function<std::shared_ptr<arrow::RecordBatch>(int)> make);

}  // namespace floe
