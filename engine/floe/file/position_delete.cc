#include "floe/file/position_delete.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/data_file_reader.h"
#include "floe/file/data_file_writer.h"
#include "floe/file/parquet_writer.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

constexpr int64_t kWriteRows = 64 << 10;

BoundExpression path_is_one_of(std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  BoundPredicate predicate{.op = paths.size() == 1 ? Op::kEqual : Op::kIn,
                           .field_id = kDeleteFilePathId,
                           .type = primitive(TypeKind::kString),
                           .source = primitive(TypeKind::kString)};
  for (std::string& path : paths) predicate.literals.emplace_back(std::move(path));
  return {.kind = ExprKind::kPredicate, .operands = {}, .predicate = std::move(predicate)};
}

// Adds one batch, a run of rows of one path at a time.
void add_rows(const arrow::RecordBatch& batch, const std::string& location, PositionDeletes& deletes) {
  const auto& paths = static_cast<const arrow::StringArray&>(*batch.column(0));
  const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(1));
  for (int64_t begin = 0; begin < batch.num_rows();) {
    const std::string_view path = paths.GetView(begin);
    int64_t end = begin;
    while (end < batch.num_rows() && paths.GetView(end) == path) ++end;
    auto at = deletes.find(path);
    if (at == deletes.end()) at = deletes.emplace(path, Positions()).first;
    try {
      at->second.add(std::span(positions.raw_values() + begin, static_cast<size_t>(end - begin)));
    } catch (const InvalidArgument& e) {
      throw CorruptFile(fmt::format("{}: {}", location, e.what()));
    }
    begin = end;
  }
}

// Collects rows into batches.
class RowBuffer {
 public:
  RowBuffer(ParquetWriter& writer, const Schema& schema, std::string location)
      : writer_(writer), schema_(to_arrow_schema(schema)), location_(std::move(location)) {}

  void add(const std::string& path, std::span<const int64_t> positions) {
    for (size_t i = 0; i < positions.size(); ++i) check(paths_.Append(path), location_);
    check(positions_.AppendValues(positions.data(), static_cast<int64_t>(positions.size())), location_);
    if (positions_.length() >= kWriteRows) flush();
  }

  void flush() {
    const int64_t rows = positions_.length();
    if (rows == 0) return;
    writer_.write(*arrow::RecordBatch::Make(
        schema_, rows, {check(paths_.Finish(), location_), check(positions_.Finish(), location_)}));
  }

 private:
  ParquetWriter& writer_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::string location_;
  arrow::StringBuilder paths_;
  arrow::Int64Builder positions_;
};

}  // namespace

PositionDeletes read_position_deletes(Io& io, const DataFile& file, const std::vector<std::string>& wanted,
                                      const arrow::StopToken& stop) {
  ParquetReadOptions options;
  options.projection.fields = position_delete_fields();
  options.schema = std::make_shared<const Schema>(options.projection);
  if (!wanted.empty()) options.filter = path_is_one_of(wanted);
  options.use_threads = false;
  options.stop = stop;
  const auto reader = read_data_file(io, file, options, {}, std::string(kPositionDeleteNames));
  PositionDeletes deletes;
  while (const auto batch = check(reader->Next(), file.file_path)) add_rows(*batch, file.file_path, deletes);
  for (auto& [path, positions] : deletes) positions.shrink();
  return deletes;
}

DataFile write_position_deletes(Io& io, const std::string& location, const PositionDeletes& deletes, int32_t spec_id,
                                std::vector<Value> partition, const Properties& table_properties) {
  if (std::all_of(deletes.begin(), deletes.end(), [](const auto& each) { return each.second.empty(); })) {
    throw InvalidArgument(fmt::format("{}: there are no position deletes to write", location));
  }
  const Schema schema{.fields = position_delete_fields()};
  Properties properties = delete_properties(table_properties);
  properties.insert_or_assign("write.metadata.metrics.default", "full");  // whole paths as bounds
  ParquetWriter writer(io, location, schema, parquet_write_options(properties, schema), /*use_threads=*/false);
  RowBuffer rows(writer, schema, location);
  const std::string* data_file = nullptr;
  int data_files = 0;
  for (const auto& [path, positions] : deletes) {
    if (positions.empty()) continue;
    positions.for_each([&, &of = path](std::span<const int64_t> some) { rows.add(of, some); });
    data_file = &path;
    ++data_files;
  }
  rows.flush();
  DataFile file = writer.finish();
  file.content = FileContent::kPositionDeletes;
  file.spec_id = spec_id;
  file.partition = std::move(partition);
  if (data_files == 1) file.referenced_data_file = *data_file;
  return file;
}

}  // namespace floe
