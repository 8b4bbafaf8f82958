#include "floe/file/orc_reader.h"

#include <arrow/adapters/orc/adapter.h>
#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_value.h"
#include "floe/file/decoded_rows.h"
#include "floe/file/name_mapping.h"
#include "floe/file/parquet_columns.h"

namespace floe {
namespace {

namespace orc = arrow::adapters::orc;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using Node = parquet::arrow::SchemaField;

// Arrow has one code for a store that fails and for bytes that do not decode; only the first comes with a detail.
template <typename T>
T check_orc(arrow::Result<T> result, const std::string& location) {
  if (result.ok()) return std::move(result).ValueUnsafe();
  const arrow::Status& status = result.status();
  if (status.message().find("out of range for nanosecond") != std::string::npos) {
    throw NotSupported(fmt::format("{}: {}, which is not read from ORC files", location, status.message()));
  }
  if (!status.detail() && !status.IsCancelled() && !status.IsOutOfMemory()) {
    throw CorruptFile(fmt::format("{}: {}", location, status.message()));
  }
  throw_status(status, location);
}

// A field of the adapter's as one of a Parquet file's, whose columns are found in the same way.
Node node_of(const std::shared_ptr<arrow::Field>& field, int& leaves) {
  Node node;
  const auto& metadata = field->metadata();
  const int id = metadata ? metadata->FindKey("iceberg.id") : -1;
  node.field =
      field->WithMetadata(id < 0 ? nullptr : arrow::key_value_metadata({"PARQUET:field_id"}, {metadata->value(id)}));
  for (const auto& child : field->type()->fields()) node.children.push_back(node_of(child, leaves));
  if (node.children.empty()) node.column_index = leaves++;
  return node;
}

// One file being read.
class OrcFile {
 public:
  OrcFile(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options, FileContext context,
          const std::string& name_mapping_json, std::shared_ptr<ParquetScanCounters> counters)
      : location_(file.file_path), options_(std::move(options)), counters_(std::move(counters)) {
    if (file.key_metadata) throw NotSupported(fmt::format("{} is encrypted, which is not read yet", location_));
    const auto source = io.open(location_, file.file_size_in_bytes > 0 ? file.file_size_in_bytes : -1);
    reader_ = check_orc(orc::ORCFileReader::Open(source, arrow::default_memory_pool()), location_);
    const auto schema = check_orc(reader_->ReadSchema(), location_);
    int leaf = 0;
    for (const auto& field : schema->fields()) manifest_.schema_fields.push_back(node_of(field, leaf));
    columns_ = parquet_columns(location_, manifest_, parse_name_mapping(name_mapping_json), context.partition_values,
                               context.has_values);
    columns_.whole_structs = true;
    rows_.emplace(file, options_, std::move(context), columns_.has_ids);
    for (const Field& field : rows_->fields()) {
      const ColumnPlan& plan = plans_.emplace_back(plan_column(field, columns_));
      if (!plan.node) continue;
      const auto index = static_cast<int>(plan.node - manifest_.schema_fields.data());
      if (std::find(read_.begin(), read_.end(), index) == read_.end()) read_.push_back(index);
    }
    std::sort(read_.begin(), read_.end());
    rows_left_ = reader_->NumberOfRows();
  }

  BatchPtr next() {
    while (rows_left_ > 0) {
      check(options_->stop.Poll(), "reading was stopped");
      const BatchPtr decoded = decode();
      const int64_t rows = decoded ? decoded->num_rows() : std::min(rows_left_, options_->batch_rows);
      counters_->rows_decoded += rows;
      arrow::ArrayVector columns;
      for (const ColumnPlan& plan : plans_) columns.push_back(column(plan, decoded, rows));
      const BatchPtr batch = rows_->output(columns, first_row_, rows);
      first_row_ += rows;
      rows_left_ -= rows;
      if (batch->num_rows() > 0) return batch;
    }
    return nullptr;
  }

 private:
  // The next rows of the columns that are read; null if there are none of those.
  BatchPtr decode() {
    if (read_.empty()) return nullptr;
    if (!decoded_) {
      decoded_ = check_orc(reader_->GetRecordBatchReader(options_->batch_rows, selected()), location_);
      counters_->row_groups_read += reader_->NumberOfStripes();
    }
    BatchPtr batch = check_orc(decoded_->Next(), location_);
    const int64_t rows = batch ? batch->num_rows() : 0;
    if (rows == 0) throw CorruptFile(fmt::format("{}: it ends {} rows early", location_, rows_left_));
    if (rows > rows_left_) throw CorruptFile(fmt::format("{}: it has more rows than it says", location_));
    return batch;
  }

  // The names of the columns to read; none, which means all, if a name could be taken for a path. (A reader of single
  // stripes takes positions instead, but seeks by the row index, and crashes if that is corrupt.)
  std::vector<std::string> selected() {
    std::vector<std::string> names;
    for (const int index : read_) names.push_back(manifest_.schema_fields[index].field->name());
    const auto is_path = [](const Node& node) { return node.field->name().find('.') != std::string::npos; };
    if (std::ranges::none_of(manifest_.schema_fields, is_path)) return names;
    read_.resize(manifest_.schema_fields.size());
    std::iota(read_.begin(), read_.end(), 0);
    return {};
  }

  std::shared_ptr<arrow::Array> column(const ColumnPlan& plan, const BatchPtr& decoded, int64_t rows) const {
    if (!plan.node) return repeat(plan.constant, plan.field->type, plan.type, rows);
    const auto index = static_cast<int>(plan.node - manifest_.schema_fields.data());
    const auto at = std::lower_bound(read_.begin(), read_.end(), index) - read_.begin();
    return convert(decoded->column(static_cast<int>(at)), plan, columns_);
  }

  const std::string location_;
  const std::shared_ptr<const ParquetReadOptions> options_;
  const std::shared_ptr<ParquetScanCounters> counters_;
  std::unique_ptr<orc::ORCFileReader> reader_;
  parquet::arrow::SchemaManifest manifest_;
  ParquetColumns columns_;
  std::optional<DecodedRows> rows_;
  std::vector<ColumnPlan> plans_;
  std::vector<int> read_;  // which top-level columns of the file
  std::shared_ptr<arrow::RecordBatchReader> decoded_;
  int64_t first_row_ = 0;
  int64_t rows_left_ = 0;
};

}  // namespace

namespace {

// The ORC library's exceptions that Arrow lets through, as ours.
template <typename F>
auto orc_call(const std::string& location, F&& call) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw CorruptFile(fmt::format("{}: {}", location, e.what()));
  }
}

}  // namespace

BatchStream open_orc(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                     FileContext context, const std::string& name_mapping_json,
                     std::shared_ptr<ParquetScanCounters> counters) {
  if (options->split_start > 0) return [] { return BatchPtr(); };
  if (!counters) counters = std::make_shared<ParquetScanCounters>();
  const std::string location = file.file_path;
  auto opened = orc_call(location, [&] {
    return std::make_shared<OrcFile>(io, file, std::move(options), std::move(context), name_mapping_json,
                                     std::move(counters));
  });
  return [opened, location] { return orc_call(location, [&] { return opened->next(); }); };
}

}  // namespace floe
