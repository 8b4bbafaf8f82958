#include "floe/file/batch_metrics.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "floe/arrow_status.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

// Where the least and the greatest value are; -1: there is none.
struct Extremes {
  int64_t least = -1, greatest = -1;
  int64_t nans = 0;
};

template <typename ArrayType, typename Less>
Extremes extremes(const ArrayType& array, const Less& less) {
  Extremes found;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) continue;
    const auto value = array.GetView(i);
    if constexpr (std::is_floating_point_v<decltype(array.GetView(i))>) {
      if (std::isnan(value)) {
        ++found.nans;
        continue;
      }
    }
    if (found.least < 0 || less(value, array.GetView(found.least))) found.least = i;
    if (found.greatest < 0 || less(array.GetView(found.greatest), value)) found.greatest = i;
  }
  return found;
}

constexpr auto kLess = [](const auto& a, const auto& b) { return a < b; };

// -0.0 is less than 0.0.
constexpr auto kFloatLess = [](auto a, auto b) { return a < b || (a == b && std::signbit(a) && !std::signbit(b)); };

Extremes extremes_of(const arrow::Array& array) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return extremes(static_cast<const arrow::BooleanArray&>(array), kLess);
    case arrow::Type::INT32:
      return extremes(static_cast<const arrow::Int32Array&>(array), kLess);
    case arrow::Type::INT64:
      return extremes(static_cast<const arrow::Int64Array&>(array), kLess);
    case arrow::Type::FLOAT:
      return extremes(static_cast<const arrow::FloatArray&>(array), kFloatLess);
    case arrow::Type::DOUBLE:
      return extremes(static_cast<const arrow::DoubleArray&>(array), kFloatLess);
    case arrow::Type::DATE32:
      return extremes(static_cast<const arrow::Date32Array&>(array), kLess);
    case arrow::Type::TIME64:
      return extremes(static_cast<const arrow::Time64Array&>(array), kLess);
    case arrow::Type::TIMESTAMP:
      return extremes(static_cast<const arrow::TimestampArray&>(array), kLess);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return extremes(static_cast<const arrow::BinaryArray&>(array), kLess);
    case arrow::Type::FIXED_SIZE_BINARY:
      return extremes(static_cast<const arrow::FixedSizeBinaryArray&>(array), kLess);
    case arrow::Type::DECIMAL128:
      return extremes(static_cast<const arrow::Decimal128Array&>(array), [](std::string_view a, std::string_view b) {
        return arrow::Decimal128(reinterpret_cast<const uint8_t*>(a.data())) <
               arrow::Decimal128(reinterpret_cast<const uint8_t*>(b.data()));
      });
    default:
      return {};
  }
}

bool is_bounded(const Type& type) {
  return type.kind != TypeKind::kVariant && type.kind != TypeKind::kGeometry && type.kind != TypeKind::kGeography;
}

bool is_float(const Type& type) { return type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble; }

}  // namespace

BatchMetrics::BatchMetrics(const Schema& schema) {
  std::vector<int> path;
  find_columns(schema.fields, path);
  std::sort(columns_.begin(), columns_.end(), [](const auto& a, const auto& b) { return a.field_id < b.field_id; });
}

void BatchMetrics::find_columns(const std::vector<Field>& fields, std::vector<int>& path) {
  for (size_t i = 0; i < fields.size(); ++i) {
    path.push_back(static_cast<int>(i));
    if (fields[i].type.kind == TypeKind::kStruct) {
      find_columns(*fields[i].type.children, path);
    } else if (fields[i].type.is_primitive() && fields[i].type.kind != TypeKind::kUnknown) {
      columns_.push_back({.path = path, .field_id = fields[i].id, .type = fields[i].type});
    }
    path.pop_back();
  }
}

void BatchMetrics::add(const arrow::RecordBatch& batch) {
  rows_ += batch.num_rows();
  for (Column& column : columns_) {
    std::shared_ptr<arrow::Array> array = batch.column(column.path[0]);
    for (size_t depth = 1; depth < column.path.size(); ++depth) {  // null where a struct around is
      const auto& parent = static_cast<const arrow::StructArray&>(*array);
      array = check(parent.GetFlattenedField(column.path[depth]), "counting values");
    }
    add(column, *array);
  }
}

void BatchMetrics::add(Column& column, const arrow::Array& array) {
  column.nulls += array.null_count();
  if (!is_bounded(column.type)) return;
  const bool extension = array.type_id() == arrow::Type::EXTENSION;
  const Extremes found = extremes_of(extension ? *static_cast<const arrow::ExtensionArray&>(array).storage() : array);
  column.nans += found.nans;
  if (found.least < 0) return;
  Value low = value_at(array, found.least, column.type), high = value_at(array, found.greatest, column.type);
  if (column.least.is_null() || compare(low, column.least, column.type) < 0) column.least = std::move(low);
  if (column.greatest.is_null() || compare(high, column.greatest, column.type) > 0) column.greatest = std::move(high);
}

void BatchMetrics::fill_in(DataFile& file, const ByFieldId<MetricsMode>& modes) const {
  file.record_count = rows_;
  const std::unordered_map<int32_t, MetricsMode> mode_of(modes.begin(), modes.end());
  for (const Column& column : columns_) {
    const auto found = mode_of.find(column.field_id);
    if (found == mode_of.end() || found->second.kind == MetricsMode::Kind::kNone) continue;
    const int32_t id = column.field_id;
    file.value_counts.emplace_back(id, rows_);
    file.null_value_counts.emplace_back(id, column.nulls);
    if (is_float(column.type)) file.nan_value_counts.emplace_back(id, column.nans);
    if (column.least.is_null()) continue;
    if (auto bound = lower_bound(column.least, column.type, found->second)) {
      file.lower_bounds.emplace_back(id, std::move(*bound));
    }
    if (auto bound = upper_bound(column.greatest, column.type, found->second)) {
      file.upper_bounds.emplace_back(id, std::move(*bound));
    }
  }
}

}  // namespace floe
