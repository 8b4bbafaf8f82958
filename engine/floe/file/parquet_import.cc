#include "floe/file/parquet_import.h"

#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/metrics.h"
#include "floe/file/parquet_columns.h"
#include "floe/file/parquet_stats.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

// One column over all row groups.
struct ColumnSummary {
  int64_t values = 0;
  std::optional<int64_t> nulls = 0;  // no value: some row group does not say
  Value least, greatest;             // null: no row group has any, or one does not say
};

ColumnSummary summary_of(const ColumnStats& stats, const Type& type, size_t groups) {
  ColumnSummary summary;
  bool bounded = true;
  for (size_t i = 0; i < groups; ++i) {
    summary.values += std::max<int64_t>(stats.value_counts[i], 0);
    if (stats.null_counts[i] == kNotKnown) {
      summary.nulls.reset();
    } else if (summary.nulls) {
      *summary.nulls += stats.null_counts[i];
    }
    if (stats.value_counts[i] == stats.null_counts[i]) continue;
    if (!stats.lower_bounds.has(i) || !stats.upper_bounds.has(i)) {
      bounded = false;
      continue;
    }
    Value low = from_bytes(stats.lower_bounds[i], type), high = from_bytes(stats.upper_bounds[i], type);
    if (summary.least.is_null() || compare(low, summary.least, type) < 0) summary.least = std::move(low);
    if (summary.greatest.is_null() || compare(high, summary.greatest, type) > 0) summary.greatest = std::move(high);
  }
  if (!bounded) summary.least = summary.greatest = Value();
  return summary;
}

bool keeps_order(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kIdentity:
    case TransformKind::kTruncate:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
    case TransformKind::kHour:
      return true;
    default:
      return false;
  }
}

class Import {
 public:
  Import(std::string location, const TableMetadata& table)
      : location_(std::move(location)), table_(table), schema_(*current_schema(table)) {}

  DataFile describe(Io& io, const std::string& name_mapping_json) {
    const auto source = io.open(location_);
    const auto reader = parquet::ParquetFileReader::Open(source);
    footer_ = reader->metadata();
    parquet::arrow::SchemaManifest manifest;
    parquet::ArrowReaderProperties properties;
    properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    check(parquet::arrow::SchemaManifest::Make(footer_->schema(), footer_->key_value_metadata(), properties, &manifest),
          location_);
    refuse_row_ids();
    const ParquetColumns columns = parquet_columns(location_, manifest, parse_name_mapping(name_mapping_json), {});
    for (const Field& field : schema_.fields) plans_.push_back(plan_column(field, columns));
    refuse_unknown_columns();

    DataFile file;
    file.file_path = location_;
    file.file_format = FileFormat::kParquet;
    file.record_count = footer_->num_rows();
    file.file_size_in_bytes = check(source->GetSize(), location_);
    for (int i = 0; i < footer_->num_row_groups(); ++i) file.split_offsets.push_back(start_of(i));
    summarize();
    add_metrics(file);
    file.spec_id = table_.default_spec_id;
    for (const PartitionField& field : default_spec(table_).fields) file.partition.push_back(partition_value(field));
    return file;
  }

 private:
  // Rows with ids of another table's, or of this one's a second time, would no longer be told apart.
  void refuse_row_ids() const {
    for (int i = 0; i < footer_->schema()->group_node()->field_count(); ++i) {
      if (footer_->schema()->group_node()->field(i)->field_id() != kRowIdId) continue;
      throw NotSupported(
          fmt::format("{}: it has row ids (_row_id) of its own, which another file may have too; write "
                      "its rows to the table instead",
                      location_));
    }
  }

  // What the table has no column for nobody would see any more. Columns that it had once are another matter.
  void refuse_unknown_columns() const {
    std::vector<bool> known(static_cast<size_t>(footer_->num_columns()));
    for (const ColumnPlan& plan : plans_) {
      for (const int leaf : leaves(plan)) known[static_cast<size_t>(leaf)] = true;
    }
    std::vector<std::string> unknown;
    for (int i = 0; i < footer_->num_columns(); ++i) {
      const parquet::ColumnDescriptor* column = footer_->schema()->Column(i);
      const int32_t id = column->schema_node()->field_id();
      const auto has_id = [&](const SchemaPtr& schema) { return find_field(*schema, id) != nullptr; };
      const bool was_there = id >= 0 && (is_metadata_column(id) || std::ranges::any_of(table_.schemas, has_id));
      if (!known[static_cast<size_t>(i)] && !was_there) unknown.push_back(column->path()->ToDotString());
    }
    if (unknown.empty()) return;
    throw InvalidArgument(
        fmt::format("{}: it has columns that the table lacks: {}; add them to the table first (union_by_name)",
                    location_, fmt::join(unknown, ", ")));
  }

  int64_t start_of(int row_group) const {
    const auto chunk = footer_->RowGroup(row_group)->ColumnChunk(0);
    const int64_t dictionary = chunk->has_dictionary_page() ? chunk->dictionary_page_offset() : 0;
    return dictionary > 0 ? std::min(dictionary, chunk->data_page_offset()) : chunk->data_page_offset();
  }

  void summarize() {
    const Stats stats = row_group_stats(plans_, *footer_);
    for (const ColumnStats& column : stats.columns) {
      const Type& type = find_field(schema_, column.field_id)->type;
      summaries_.emplace(column.field_id, summary_of(column, type, stats.size));
    }
  }

  void add_metrics(DataFile& file) const {
    const ByFieldId<MetricsMode> modes = metrics_modes(table_.properties, schema_);
    for (const auto& [id, mode] : modes) {
      if (mode.kind == MetricsMode::Kind::kNone) continue;
      const auto found = summaries_.find(id);
      if (found == summaries_.end()) continue;
      const ColumnSummary& column = found->second;
      file.value_counts.emplace_back(id, column.values);
      if (column.nulls) file.null_value_counts.emplace_back(id, *column.nulls);
      const Type& type = find_field(schema_, id)->type;
      if (column.least.is_null()) continue;
      if (auto bound = lower_bound(column.least, type, mode)) file.lower_bounds.emplace_back(id, std::move(*bound));
      if (auto bound = upper_bound(column.greatest, type, mode)) file.upper_bounds.emplace_back(id, std::move(*bound));
    }
    add_sizes(file, plans_, modes);
    std::ranges::sort(file.column_sizes);
  }

  void add_sizes(DataFile& file, const std::vector<ColumnPlan>& plans, const ByFieldId<MetricsMode>& modes) const {
    for (const ColumnPlan& plan : plans) {
      add_sizes(file, plan.children, modes);
      if (!plan.node || !plan.children.empty() || !plan.node->is_leaf()) continue;
      const auto mode = std::ranges::find(modes, plan.field->id, [](const auto& entry) { return entry.first; });
      if (mode == modes.end() || mode->second.kind == MetricsMode::Kind::kNone) continue;
      int64_t size = 0;
      for (int i = 0; i < footer_->num_row_groups(); ++i) {
        size += footer_->RowGroup(i)->ColumnChunk(plan.node->column_index)->total_compressed_size();
      }
      file.column_sizes.emplace_back(plan.field->id, size);
    }
  }

  Value partition_value(const PartitionField& field) const {
    if (field.transform.kind == TransformKind::kVoid) return {};
    if (!keeps_order(field.transform) || field.source_ids.size() != 1) {
      throw InvalidArgument(
          fmt::format("{}: Cannot infer partition value from parquet metadata for a non-linear "
                      "Partition Field: {} with transform {}",
                      location_, field.name, to_string(field.transform)));
    }
    const Field* source = find_field(schema_, field.source_id());
    if (source && (source->type.kind == TypeKind::kFloat || source->type.kind == TypeKind::kDouble)) {
      throw InvalidArgument(
          fmt::format("{}: its footer does not say whether column {}, of which partition field {} is made, has NaN; "
                      "write its rows to the table instead",
                      location_, source->name, field.name));
    }
    const auto found = summaries_.find(field.source_id());
    if (!source || found == summaries_.end()) {
      throw InvalidArgument(fmt::format("{}: its footer does not say what lies in the column of partition field {}",
                                        location_, field.name));
    }
    const ColumnSummary& column = found->second;
    if (column.nulls == column.values) return {};
    if (!column.nulls || column.least.is_null()) {
      throw InvalidArgument(
          fmt::format("{}: its footer does not say what lies in column {}, of which partition field "
                      "{} is made",
                      location_, source->name, field.name));
    }
    const Value low = apply(field.transform, source->type, column.least);
    const Value high = apply(field.transform, source->type, column.greatest);
    if (!(low == high) || *column.nulls > 0) {
      throw InvalidArgument(fmt::format(
          "{}: Cannot infer partition value from parquet metadata as there are more than one partition values for "
          "Partition Field: {}. lower_value={}, upper_value={}, nulls={}",
          location_, field.name, to_human_string(field.transform, source->type, low),
          to_human_string(field.transform, source->type, high), *column.nulls));
    }
    return low;
  }

  const std::string location_;
  const TableMetadata& table_;
  const Schema& schema_;
  std::shared_ptr<parquet::FileMetaData> footer_;
  std::vector<ColumnPlan> plans_;
  std::unordered_map<int32_t, ColumnSummary> summaries_;
};

}  // namespace

DataFile import_parquet(Io& io, const std::string& location, const TableMetadata& table,
                        const std::string& name_mapping_json) {
  try {
    return Import(location, table).describe(io, name_mapping_json);
  } catch (const parquet::ParquetStatusException& e) {
    check(e.status(), location);
    throw;
  } catch (const parquet::ParquetException& e) {
    throw CorruptFile(fmt::format("{}: {}", location, e.what()));
  }
}

}  // namespace floe
