#include "warehouse.h"

#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/catalog/sql_catalog.h"
#include "floe/file/arrow_schema.h"

namespace floe {

namespace fs = std::filesystem;

namespace {

const char* kept_in() { return std::getenv("FLOE_TEST_KEEP"); }

fs::path new_folder() {
  const fs::path folder = (kept_in() ? fs::path(kept_in()) : fs::temp_directory_path()) / ("floe-test-" + new_uuid());
  fs::create_directories(folder / "warehouse");
  return folder;
}

}  // namespace

Warehouse::Warehouse(Database kind) : folder_(new_folder()), database_(kind, folder_) {
  open()->create_namespace({"db"});
}

Warehouse::~Warehouse() {
  if (kept_in()) return;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string Warehouse::uri() const { return database_.url(); }
std::string Warehouse::location() const { return "file://" + (folder_ / "warehouse").string(); }

CatalogPtr Warehouse::open(IoPtr io) const {
  return open_sql_catalog("test", {{"uri", uri()}, {"warehouse", location()}}, std::move(io));
}

Table Warehouse::create(const std::string& name, Schema schema, PartitionSpec spec, Properties properties) const {
  return Table::create(open(), {{"db"}, name},
                       {.schema = std::move(schema), .spec = std::move(spec), .properties = std::move(properties)});
}

Table Warehouse::load(const std::string& name) const { return Table::load(open(), {{"db"}, name}); }

std::set<std::string> Warehouse::files(const Table& table) const {
  std::set<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(local_path(table.metadata().location))) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
  return files;
}

std::string local_path(const std::string& location) {
  for (const std::string_view scheme : {"file://", "file:"}) {  // the latter is Hadoop's
    if (location.starts_with(scheme)) return location.substr(scheme.size());
  }
  return location;
}

std::set<std::string> referenced_files(const Table& table) {
  std::set<std::string> files{local_path(table.loaded().metadata_location)};
  for (const MetadataLogEntry& entry : table.metadata().metadata_log) files.insert(local_path(entry.metadata_file));
  for (const auto& snapshot : table.metadata().snapshots) {
    files.insert(local_path(snapshot->manifest_list));
    for (const ManifestFile& manifest : *open_manifest_list(*table.io(), snapshot->manifest_list)) {
      files.insert(local_path(manifest.manifest_path));
      const ManifestPtr entries = open_manifest(*table.io(), manifest)->entries();
      for (size_t i = 0; i < entries->size; ++i) {
        if (entries->status[i] == EntryStatus::kDeleted) continue;
        files.insert(local_path(std::string(entries->file_path[i])));
      }
    }
  }
  return files;
}

std::shared_ptr<arrow::RecordBatch> read_all(const Table& table, const ScanOptions& options) {
  const auto rows = check(table.scan(options)->ToTable(), "scan");
  return check(rows->CombineChunksToBatch(), "combine");
}

std::vector<int64_t> sorted_int64s(const arrow::RecordBatch& rows, const std::string& column) {
  const auto& array = static_cast<const arrow::Int64Array&>(*rows.GetColumnByName(column));
  std::vector<int64_t> values(array.raw_values(), array.raw_values() + array.length());
  std::sort(values.begin(), values.end());
  return values;
}

Schema numbered_schema() {
  return {.fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                     {.id = 2, .name = "text", .type = primitive(TypeKind::kString)}}};
}

std::shared_ptr<arrow::RecordBatch> numbered_rows(int64_t first, int64_t n) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (int64_t id = first; id < first + n; ++id) {
    check(ids.Append(id), "append");
    check(texts.Append(fmt::format("row {}", id)), "append");
  }
  return arrow::RecordBatch::Make(to_arrow_schema(numbered_schema()), n, {*ids.Finish(), *texts.Finish()});
}

std::unique_ptr<arrow::RecordBatchReader> stream_of(std::vector<std::shared_ptr<arrow::RecordBatch>> batches) {
  const auto schema = batches.at(0)->schema();
  const int count = static_cast<int>(batches.size());
  return made_stream(schema, count, [batches = std::move(batches)](int i) { return batches[i]; });
}

void write_strangers_file(const std::string& location, const std::shared_ptr<arrow::RecordBatch>& rows,
                          int64_t row_group) {
  const auto table = check(arrow::Table::FromRecordBatches({rows}), "table");
  const auto bytes = check(arrow::io::BufferOutputStream::Create(), "buffer");
  check(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), bytes, row_group), "write");
  make_io({})->write(location, check(bytes->Finish(), "finish")->ToString());
}

void append_numbered(Table& table, int64_t first, int64_t n) { table.append(*stream_of({numbered_rows(first, n)})); }

namespace {

class MadeStream : public arrow::RecordBatchReader {
 public:
  MadeStream(std::shared_ptr<arrow::Schema> schema, int batches,
             std::function<std::shared_ptr<arrow::RecordBatch>(int)> make)
      : schema_(std::move(schema)), batches_(batches), make_(std::move(make)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      *out = next_ < batches_ ? make_(next_++) : nullptr;
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const int batches_;
  const std::function<std::shared_ptr<arrow::RecordBatch>(int)> make_;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<arrow::RecordBatchReader> made_stream(std::shared_ptr<arrow::Schema> schema, int batches,
                                                      std::function<std::shared_ptr<arrow::RecordBatch>(int)> make) {
  return std::make_unique<MadeStream>(std::move(schema), batches, std::move(make));
}

}  // namespace floe
