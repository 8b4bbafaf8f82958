#include "floe/file/parquet_stats.h"

#include <arrow/type.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "floe/error.h"
#include "floe/expression/literal.h"

namespace floe {
namespace {

template <typename T>
T load(const std::string& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// A decimal as integers or as big-endian two's complement.
std::optional<Value> decimal_bound(const std::string& bytes, parquet::Type::type physical) {
  if (physical == parquet::Type::INT32 && bytes.size() == 4) return Value(Int128{load<int32_t>(bytes)});
  if (physical == parquet::Type::INT64 && bytes.size() == 8) return Value(Int128{load<int64_t>(bytes)});
  if (physical != parquet::Type::BYTE_ARRAY && physical != parquet::Type::FIXED_LEN_BYTE_ARRAY) return std::nullopt;
  if (bytes.empty() || bytes.size() > 16) return std::nullopt;
  unsigned __int128 value = static_cast<signed char>(bytes[0]) < 0 ? ~static_cast<unsigned __int128>(0) : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return Value(static_cast<Int128>(value));
}

// Zeros of either sign may stand for both: a lower bound of 0.0 means -0.0, an upper one of -0.0 means 0.0.
template <typename T>
std::optional<std::string> float_bound(const std::string& bytes, bool lower) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value = load<T>(bytes);
  if (std::isnan(value)) return std::nullopt;
  if (value == 0) value = lower ? -T{0} : T{0};
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::optional<std::string> sized(const std::string& bytes, size_t size) {
  return bytes.size() == size ? std::optional(bytes) : std::nullopt;
}

// A bound in Iceberg's binary form. `from` is the type that Arrow reads the column as.
std::optional<std::string> bound(const std::string& bytes, bool lower, const Field& field, const arrow::DataType& from,
                                 const parquet::ColumnDescriptor& column) {
  using T = arrow::Type;
  const bool int32 = column.physical_type() == parquet::Type::INT32;
  switch (field.type.kind) {
    case TypeKind::kBoolean:
      return sized(bytes, 1);
    case TypeKind::kInt:
    case TypeKind::kLong:  // an int's four bytes are read as what they are
      if (!arrow::is_signed_integer(from.id())) return std::nullopt;
      return sized(bytes, int32 ? 4 : 8);
    case TypeKind::kDate:
      return sized(bytes, 4);
    case TypeKind::kFloat:
    case TypeKind::kDouble:
      if (from.id() == T::FLOAT) return float_bound<float>(bytes, lower);
      if (from.id() == T::DOUBLE) return float_bound<double>(bytes, lower);
      return std::nullopt;
    case TypeKind::kDecimal:
      if (const auto value = decimal_bound(bytes, column.physical_type())) return to_bytes(*value, field.type);
      return std::nullopt;
    case TypeKind::kTime:
      if (from.id() != T::TIME64 || static_cast<const arrow::TimeType&>(from).unit() != arrow::TimeUnit::MICRO) {
        return std::nullopt;
      }
      return sized(bytes, 8);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs: {
      const bool nanos = field.type.kind >= TypeKind::kTimestampNs;
      if (from.id() != T::TIMESTAMP || static_cast<const arrow::TimestampType&>(from).unit() !=
                                           (nanos ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO)) {
        return std::nullopt;
      }
      return sized(bytes, 8);
    }
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
    case TypeKind::kUuid:
      return bytes;
    default:
      return std::nullopt;
  }
}

void append_bound(BytesColumn& bounds, const std::optional<std::string>& value) {
  if (value) {
    bounds.append(*value);
  } else {
    bounds.append_absent();
  }
}

void append_chunk(ColumnStats& stats, const ColumnPlan& plan, const parquet::RowGroupMetaData& row_group) {
  const auto chunk = row_group.ColumnChunk(plan.node->column_index);
  const auto* column = row_group.schema()->Column(plan.node->column_index);
  std::shared_ptr<parquet::Statistics> found;
  if (column->physical_type() != parquet::Type::INT96 && chunk->is_stats_set()) found = chunk->statistics();
  const int64_t nulls = found && found->HasNullCount() ? found->null_count() : kNotKnown;
  stats.append(std::max(chunk->num_values(), kNotKnown), nulls, kNotKnown);
  std::optional<std::string> lower, upper;
  if (found && found->HasMinMax() && column->sort_order() != parquet::SortOrder::UNKNOWN) {
    const arrow::DataType& from = *plan.node->field->type();
    lower = bound(found->EncodeMin(), true, *plan.field, from, *column);
    upper = bound(found->EncodeMax(), false, *plan.field, from, *column);
  }
  append_bound(stats.lower_bounds, lower);
  append_bound(stats.upper_bounds, upper);
}

void append_constant(ColumnStats& stats, const ColumnPlan& plan, int64_t rows) {
  const Value& value = plan.constant;
  const bool nan = is_nan(value);
  stats.append(rows, value.is_null() ? rows : 0, nan ? rows : 0);
  std::optional<std::string> bytes;
  if (!value.is_null() && !nan) bytes = to_bytes(value, plan.field->type);
  append_bound(stats.lower_bounds, bytes);
  append_bound(stats.upper_bounds, bytes);
}

void add_columns(const ColumnPlan& plan, const parquet::FileMetaData& footer, Stats& stats) {
  if (plan.field->type.kind == TypeKind::kStruct) {
    for (const ColumnPlan& child : plan.children) {
      if (child.node) add_columns(child, footer, stats);  // a constant below a struct is null where the struct is
    }
    return;
  }
  if (!plan.field->type.is_primitive() || plan.field->type.kind == TypeKind::kVariant) return;
  if (plan.node && !plan.node->is_leaf()) return;
  ColumnStats column;
  column.field_id = plan.field->id;
  for (int i = 0; i < footer.num_row_groups(); ++i) {
    const auto row_group = footer.RowGroup(i);
    if (plan.node) {
      append_chunk(column, plan, *row_group);
    } else {
      append_constant(column, plan, row_group->num_rows());
    }
  }
  stats.columns.push_back(std::move(column));
}

}  // namespace

Stats row_group_stats(const std::vector<ColumnPlan>& plans, const parquet::FileMetaData& footer) {
  Stats stats;
  stats.size = static_cast<size_t>(footer.num_row_groups());
  for (const ColumnPlan& plan : plans) add_columns(plan, footer, stats);
  return stats;
}

}  // namespace floe
