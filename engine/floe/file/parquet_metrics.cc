#include "floe/file/parquet_metrics.h"

#include <arrow/api.h>
#include <parquet/schema.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_map>

#include "floe/spec/type.h"

namespace floe {
namespace {

void find_floats(const std::vector<Field>& fields, std::vector<int>& path, std::vector<std::vector<int>>& paths,
                 ByFieldId<int64_t>& counts) {
  for (size_t i = 0; i < fields.size(); ++i) {
    path.push_back(static_cast<int>(i));
    const Type& type = fields[i].type;
    if (type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble) {
      paths.push_back(path);
      counts.emplace_back(fields[i].id, 0);
    } else if (type.kind == TypeKind::kStruct) {
      find_floats(*type.children, path, paths, counts);
    }
    path.pop_back();
  }
}

// NaNs that are not null, nor under a null of the structs around.
template <typename Array>
int64_t count_nans(const Array& array, const std::vector<std::shared_ptr<arrow::Array>>& structs) {
  const auto* values = array.raw_values();
  int64_t found = 0;
  for (int64_t i = 0; i < array.length(); ++i) found += std::isnan(values[i]) ? 1 : 0;
  const bool nulls = array.null_count() > 0 || std::any_of(structs.begin(), structs.end(),
                                                           [](const auto& parent) { return parent->null_count() > 0; });
  if (found == 0 || !nulls) return found;
  found = 0;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (std::isnan(values[i]) && array.IsValid(i) &&
        std::all_of(structs.begin(), structs.end(), [&](const auto& parent) { return parent->IsValid(i); }))
      ++found;
  }
  return found;
}

// A footer's minimum or maximum: Parquet's plain encoding is Iceberg's binary form, but for decimals kept as integers.
Value to_value(const std::string& bytes, const Type& type, parquet::Type::type physical) {
  if (type.kind == TypeKind::kDecimal && physical == parquet::Type::INT32) {
    int32_t unscaled = 0;
    std::memcpy(&unscaled, bytes.data(), std::min(bytes.size(), sizeof unscaled));
    return Value(Int128{unscaled});
  }
  if (type.kind == TypeKind::kDecimal && physical == parquet::Type::INT64) {
    int64_t unscaled = 0;
    std::memcpy(&unscaled, bytes.data(), std::min(bytes.size(), sizeof unscaled));
    return Value(Int128{unscaled});
  }
  return from_bytes(bytes, type);
}

bool has_bounds(const Type& type) {
  return type.kind != TypeKind::kVariant && type.kind != TypeKind::kGeometry && type.kind != TypeKind::kGeography;
}

// One column over all row groups.
struct ColumnMetrics {
  int64_t size = 0;
  int64_t values = 0;
  std::optional<int64_t> nulls = 0;  // no value: some row group does not say
  std::optional<Value> least, greatest;
  bool bounded = true;  // every row group that has values says what they lie between

  void add(const parquet::ColumnChunkMetaData& chunk, const Type& type) {
    values += chunk.num_values();
    const std::shared_ptr<parquet::Statistics> stats = chunk.is_stats_set() ? chunk.statistics() : nullptr;
    if (!stats || !stats->HasNullCount()) {
      nulls.reset();
    } else if (nulls) {
      *nulls += stats->null_count();
    }
    if (stats && stats->HasNullCount() && stats->null_count() == chunk.num_values()) return;
    if (!stats || !stats->HasMinMax() || !has_bounds(type)) {
      bounded = false;
      return;
    }
    Value low = to_value(stats->EncodeMin(), type, chunk.type());
    Value high = to_value(stats->EncodeMax(), type, chunk.type());
    if (!least || compare(low, *least, type) < 0) least = std::move(low);
    if (!greatest || compare(high, *greatest, type) > 0) greatest = std::move(high);
  }
};

int64_t start_of(const parquet::ColumnChunkMetaData& chunk) {
  const int64_t data = chunk.data_page_offset();
  return chunk.has_dictionary_page() && chunk.dictionary_page_offset() > 0
             ? std::min(data, chunk.dictionary_page_offset())
             : data;
}

// The field id of each leaf column; for the two parts of a variant, the variant's.
int32_t field_id_of(const parquet::ColumnDescriptor& column) {
  const auto& node = column.schema_node();
  return node->field_id() >= 0 || node->parent() == nullptr ? node->field_id() : node->parent()->field_id();
}

}  // namespace

NanCounter::NanCounter(const Schema& schema) {
  std::vector<int> path;
  find_floats(schema.fields, path, paths_, counts_);
}

void NanCounter::add(const arrow::RecordBatch& batch) {
  for (size_t i = 0; i < paths_.size(); ++i) {
    std::vector<std::shared_ptr<arrow::Array>> structs;
    std::shared_ptr<arrow::Array> array = batch.column(paths_[i][0]);
    for (size_t depth = 1; depth < paths_[i].size(); ++depth) {
      structs.push_back(array);
      array = static_cast<const arrow::StructArray&>(*array).field(paths_[i][depth]);
    }
    counts_[i].second += array->type_id() == arrow::Type::FLOAT
                             ? count_nans(static_cast<const arrow::FloatArray&>(*array), structs)
                             : count_nans(static_cast<const arrow::DoubleArray&>(*array), structs);
  }
}

void add_parquet_metrics(DataFile& file, const parquet::FileMetaData& footer, const Schema& schema,
                         const ByFieldId<MetricsMode>& modes, const NanCounter& nans) {
  std::unordered_map<int32_t, MetricsMode> mode_of(modes.begin(), modes.end());
  std::unordered_map<int32_t, int64_t> nans_of(nans.counts().begin(), nans.counts().end());
  std::unordered_map<int32_t, const Field*> outside_lists;
  for (const Field* field : fields_outside_lists(schema)) outside_lists[field->id] = field;

  file.record_count = footer.num_rows();
  std::map<int32_t, ColumnMetrics> columns;  // by field id, as manifests want them
  for (int group = 0; group < footer.num_row_groups(); ++group) {
    const auto row_group = footer.RowGroup(group);
    file.split_offsets.push_back(start_of(*row_group->ColumnChunk(0)));
    int32_t previous = -1;
    for (int i = 0; i < row_group->num_columns(); ++i) {
      const auto chunk = row_group->ColumnChunk(i);
      const int32_t id = field_id_of(*footer.schema()->Column(i));
      ColumnMetrics& column = columns[id];
      column.size += chunk->total_compressed_size();
      const auto field = outside_lists.find(id);
      if (field != outside_lists.end() && id != previous) column.add(*chunk, field->second->type);
      previous = id;
    }
  }

  for (const auto& [id, column] : columns) {
    const MetricsMode mode = mode_of[id];
    if (mode.kind == MetricsMode::Kind::kNone) continue;
    file.column_sizes.emplace_back(id, column.size);
    const auto field = outside_lists.find(id);
    if (field == outside_lists.end()) continue;
    file.value_counts.emplace_back(id, column.values);
    if (column.nulls) file.null_value_counts.emplace_back(id, *column.nulls);
    if (const auto found = nans_of.find(id); found != nans_of.end())
      file.nan_value_counts.emplace_back(id, found->second);
    // Row groups of nothing but NaN have no minimum; those of other types without one are not known.
    const bool floats = nans_of.contains(id);
    if (!column.least || !(column.bounded || floats)) continue;
    const Type& type = field->second->type;
    if (auto bound = lower_bound(*column.least, type, mode)) file.lower_bounds.emplace_back(id, std::move(*bound));
    if (auto bound = upper_bound(*column.greatest, type, mode)) file.upper_bounds.emplace_back(id, std::move(*bound));
  }
}

}  // namespace floe
