#include "floe/maintenance/table_stats.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/puffin.h"
#include "floe/maintenance/garbage.h"
#include "floe/maintenance/statistics.h"
#include "floe/maintenance/theta_sketch.h"
#include "floe/naming.h"
#include "floe/parallel.h"
#include "floe/scan/scan.h"
#include "floe/write/column_transform.h"

namespace floe {
namespace {

bool has_sketch(const Field& field) { return can_transform(Transform{}, field.type); }

std::vector<int32_t> columns_of(const Schema& schema, const TableStatsOptions& options) {
  std::vector<int32_t> ids;
  if (!options.columns) {
    for (const Field& field : schema.fields) {
      if (has_sketch(field)) ids.push_back(field.id);
    }
  }
  for (const std::string& name : options.columns.value_or(std::vector<std::string>())) {
    const Field* field = find_field(schema, name);
    if (!field) throw InvalidArgument(fmt::format("it has no column {}", name));
    if (!has_sketch(*field)) {
      throw InvalidArgument(fmt::format("column {} is of type {}: statistics are computed of primitive types only",
                                        name, to_string(field->type)));
    }
    if (std::ranges::find(ids, field->id) == ids.end()) ids.push_back(field->id);
  }
  if (ids.empty()) throw InvalidArgument("there are no columns to compute statistics of");
  return ids;
}

// How many bytes a number's serialization has.
size_t width_of(const Type& type) {
  switch (type.kind) {
    case TypeKind::kBoolean:
      return 1;
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kFloat:
      return 4;
    default:
      return 8;
  }
}

// A column's values, serialized one by one and forgotten.
class ColumnSketch {
 public:
  ColumnSketch(const Schema& schema, int32_t field_id)
      : values_(schema, field_id, {}, fmt::format("column {}", full_name(schema, field_id))), field_id_(field_id) {}

  void add(const arrow::RecordBatch& batch) {
    using Kind = ColumnTransform::Kind;
    switch (values_.kind()) {
      case Kind::kBytes:
        return values_.for_each(batch, [&](int64_t, std::string_view value) { sketch_.update(value); });
      case Kind::kInt128:
        return values_.for_each(
            batch, [&](int64_t, Int128 value) { sketch_.update(to_bytes(Value(value), values_.source())); });
      case Kind::kInt64:
        return values_.for_each(batch, [&, width = width_of(values_.source())](int64_t, int64_t value) {
          char bytes[sizeof(value)];  // little-endian, as this machine has it
          std::memcpy(bytes, &value, sizeof(value));
          sketch_.update({bytes, width});
        });
      case Kind::kNone:
        return;
    }
  }

  void write(const Snapshot& snapshot, PuffinWriter& file, std::vector<BlobMetadata>& written) const {
    const CompactThetaSketch sketch = sketch_.compact();
    BlobMetadata blob{.type = "apache-datasketches-theta-v1",
                      .snapshot_id = snapshot.snapshot_id,
                      .sequence_number = snapshot.sequence_number,
                      .fields = {field_id_},
                      .properties = {{"ndv", std::to_string(static_cast<int64_t>(sketch.estimate()))}}};
    PuffinBlob content;
    content.type = blob.type;
    content.fields = blob.fields;
    content.snapshot_id = blob.snapshot_id;
    content.sequence_number = blob.sequence_number;
    content.properties = blob.properties;
    file.add(std::move(content), sketch.to_bytes());
    written.push_back(std::move(blob));
  }

 private:
  ColumnTransform values_;
  int32_t field_id_;
  ThetaSketch sketch_;
};

std::vector<ColumnSketch> sketches_of(const TableMetadata& table, const std::string& name, const IoPtr& io,
                                      const TableStatsOptions& options) {
  const Snapshot* snapshot = options.snapshot_id ? snapshot_by_id(table, *options.snapshot_id) : nullptr;
  const SchemaPtr schema = snapshot ? schema_of(table, *snapshot) : current_schema(table);
  const std::vector<int32_t> columns = columns_of(*schema, options);
  ScanOptions scan;
  scan.select.clear();
  for (const int32_t id : columns) scan.select.push_back(full_name(*schema, id));
  scan.snapshot_id = options.snapshot_id;
  scan.ordered = false;
  scan.table_name = name;
  scan.stop = options.stop;
  ScanPlan planned = plan(table, scan, *io);
  std::vector<ColumnSketch> sketches;
  for (const int32_t id : columns) sketches.emplace_back(planned.projection, id);
  const auto rows = read(table, std::move(planned), scan, io);
  for (std::shared_ptr<arrow::RecordBatch> batch;;) {
    check(rows->ReadNext(&batch), fmt::format("table {}: reading the columns", name));
    if (!batch) return sketches;
    parallel_for(sketches.size(), [&](size_t i) { sketches[i].add(*batch); }, options.stop);
  }
}

StatisticsFile write_sketches(const std::vector<ColumnSketch>& sketches, const TableMetadata& table,
                              const Snapshot& snapshot, Io& io) {
  StatisticsFile file{
      .snapshot_id = snapshot.snapshot_id,
      .statistics_path = fmt::format("{}/{}-{}.stats", metadata_folder(table), snapshot.snapshot_id, new_uuid())};
  PuffinWriter writer(io, file.statistics_path);
  for (const ColumnSketch& sketch : sketches) sketch.write(snapshot, writer, file.blob_metadata);
  file.file_size_in_bytes = writer.finish();
  file.file_footer_size_in_bytes = writer.footer_size();
  return file;
}

}  // namespace

TableStatsResult compute_table_stats(Catalog& catalog, const LoadedTable& table, const TableStatsOptions& options) {
  TableStatsResult result{.table = load_same(catalog, table)};
  const Snapshot* snapshot = snapshot_to_measure(result.table, options.snapshot_id);
  if (!snapshot) return result;
  const TableMetadata& metadata = *result.table.metadata;
  const std::string name = to_string(table.identifier);
  const IoPtr io = catalog.io(result.table);
  const auto sketches = naming(name, [&] { return sketches_of(metadata, name, io, options); });
  result.file = write_sketches(sketches, metadata, *snapshot, *io);
  result.table =
      commit_statistics(catalog, result.table, result.file->statistics_path, SetStatistics{*result.file}, options.stop);
  return result;
}

}  // namespace floe
