#include "floe/inspect/readable_metrics.h"

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "floe/arrow_status.h"

namespace floe {
namespace {

bool has_metrics(const Field& field) { return field.type.is_primitive() && field.type.kind != TypeKind::kVariant; }

// Where the items of a map belong: writers give keys in ascending order, mostly the same ones for each file.
class ColumnFinder {
 public:
  explicit ColumnFinder(const std::vector<int32_t>& sorted_ids) : ids_(sorted_ids) {}

  void start() { next_ = 0; }
  int find(int32_t id) {
    if (next_ >= ids_.size() || ids_[next_] != id) {
      next_ = std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin();
      if (next_ >= ids_.size() || ids_[next_] != id) return -1;
    }
    return static_cast<int>(next_++);
  }

 private:
  const std::vector<int32_t>& ids_;
  size_t next_ = 0;
};

// Calls `visit(column, entry, item)` for every item of the map that belongs to a column. A key may occur twice in one
// entry: then the first counts, as it does for planning.
template <typename Visit>
void for_each_item(const EntryRange& range, const MapColumn& map, const std::vector<int32_t>& ids, const Visit& visit) {
  ColumnFinder finder(ids);
  const size_t n = std::min(map.present.size(), range.end - range.begin);
  for (size_t i = 0; i < n; ++i) {
    finder.start();
    for (int32_t item = map.offsets[i]; item < map.offsets[i + 1]; ++item) {
      const int column = finder.find(map.keys[item]);
      if (column >= 0) visit(static_cast<size_t>(column), i, item);
    }
  }
}

// One column of counts for each id.
arrow::ArrayVector count_arrays(const EntryRange& range, const MapColumn& map, const std::vector<int32_t>& ids) {
  const size_t n = range.end - range.begin;
  struct Counts {
    std::vector<int64_t> values;
    std::vector<uint8_t> bits;
    int64_t known = 0;
  };
  std::vector<Counts> columns(ids.size());
  for_each_item(range, map, ids, [&](size_t column, size_t entry, int32_t item) {
    Counts& counts = columns[column];
    if (counts.values.empty()) {
      counts.values.resize(n);
      counts.bits.resize(arrow::bit_util::BytesForBits(static_cast<int64_t>(n)));
    }
    if (arrow::bit_util::GetBit(counts.bits.data(), static_cast<int64_t>(entry))) return;
    arrow::bit_util::SetBit(counts.bits.data(), static_cast<int64_t>(entry));
    counts.values[entry] = map.counts[item];
    ++counts.known;
  });
  arrow::ArrayVector arrays;
  for (Counts& counts : columns) {
    const auto nulls = static_cast<int64_t>(n) - counts.known;
    if (counts.known == 0) {
      arrays.push_back(null_array(static_cast<int64_t>(n), arrow::int64()));
    } else {
      arrays.push_back(std::make_shared<arrow::Int64Array>(
          static_cast<int64_t>(n), arrow::Buffer::FromVector(std::move(counts.values)),
          nulls == 0 ? nullptr : arrow::Buffer::FromVector(std::move(counts.bits)), nulls));
    }
  }
  return arrays;
}

}  // namespace

Field readable_metrics_field(const Schema& schema, int32_t first_id) {
  std::map<std::string, const Field*> columns;
  for_each_field(schema.fields, [&](const Field& field) {
    if (has_metrics(field)) columns.emplace(full_name(schema, field.id), &field);
  });
  int32_t id = first_id;
  std::vector<Field> fields;
  for (const auto& [name, column] : columns) {
    Field field{.id = id++, .name = name};
    const Type count = primitive(TypeKind::kLong);
    field.type = struct_type({{.id = id++, .name = "column_size", .type = count},
                              {.id = id++, .name = "value_count", .type = count},
                              {.id = id++, .name = "null_value_count", .type = count},
                              {.id = id++, .name = "nan_value_count", .type = count},
                              {.id = id++, .name = "lower_bound", .type = column->type},
                              {.id = id++, .name = "upper_bound", .type = column->type}});
    fields.push_back(std::move(field));
  }
  return {.id = id, .name = "readable_metrics", .type = struct_type(std::move(fields))};
}

ReadableMetrics::ReadableMetrics(const Schema& schema, const Field& field, DataTypePtr arrow_type)
    : arrow_type_(std::move(arrow_type)) {
  const std::vector<Field>& children = *field.type.children;
  std::map<std::string_view, size_t> positions;
  for (size_t i = 0; i < children.size(); ++i) positions.emplace(children[i].name, i);
  for_each_field(schema.fields, [&](const Field& column) {
    if (!has_metrics(column)) return;
    const auto at = positions.find(full_name(schema, column.id));
    if (at != positions.end()) columns_.push_back({column.id, column.type, at->second});
  });
  std::sort(columns_.begin(), columns_.end(), [](const Column& a, const Column& b) { return a.id < b.id; });
}

ArrayPtr ReadableMetrics::of(const EntryRange& range) const {
  const size_t n = range.end - range.begin;
  const EntryMaps& maps = *range.maps;
  std::vector<int32_t> ids;
  for (const Column& column : columns_) ids.push_back(column.id);

  std::vector<arrow::ArrayVector> metrics;  // of each metric, a column for each id
  for (const MapColumn* map :
       {&maps.column_sizes, &maps.value_counts, &maps.null_value_counts, &maps.nan_value_counts}) {
    metrics.push_back(count_arrays(range, *map, ids));
  }
  for (const MapColumn* map : {&maps.lower_bounds, &maps.upper_bounds}) {
    std::vector<std::vector<int32_t>> items(ids.size());  // of each column and entry; -1: none
    for_each_item(range, *map, ids, [&](size_t column, size_t entry, int32_t item) {
      if (items[column].empty()) items[column].assign(n, -1);
      if (items[column][entry] < 0) items[column][entry] = item;
    });
    arrow::ArrayVector bounds;
    for (size_t k = 0; k < ids.size(); ++k) {
      const auto& type = arrow_type_->field(static_cast<int>(columns_[k].position))->type()->field(4)->type();
      bounds.push_back(items[k].empty() ? null_array(static_cast<int64_t>(n), type)
                                        : value_array(
                                              n, columns_[k].type, type,
                                              [&](size_t i) {
                                                const int32_t item = items[k][i];
                                                return item < 0 ? std::nullopt : std::optional(map->value(item));
                                              },
                                              [](size_t) {}));
    }
    metrics.push_back(std::move(bounds));
  }

  arrow::ArrayVector children(columns_.size());
  for (size_t k = 0; k < columns_.size(); ++k) {
    arrow::ArrayVector of_column;
    for (const arrow::ArrayVector& metric : metrics) of_column.push_back(metric[k]);
    const auto position = static_cast<int>(columns_[k].position);
    children[position] = struct_array(range.size(), arrow_type_->field(position)->type(), of_column);
  }
  return struct_array(range.size(), arrow_type_, children);
}

}  // namespace floe
