#include "floe/file/parquet_bloom.h"

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "floe/expression/literal.h"

namespace floe {
namespace {

// So many values are always looked up, and more as long as not more than so many of them are found by mistake.
constexpr size_t kFewValues = 100;
constexpr double kFalseHits = 3;

// In the order of their bytes in the file. (The engine runs on little-endian machines, as Parquet's files are.)
template <typename T>
std::string plain(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

using Forms = std::optional<std::vector<std::string>>;

// The forms that a value may have in a column of the file: none, one, or as zeros do two. nullopt: not known.
class Encoder {
 public:
  Encoder(const ColumnPlan& plan, const parquet::ColumnDescriptor& column)
      : type_(plan.field->type), from_(storage(*plan.node->field->type())), column_(column) {}

  Forms operator()(const Value& value) const {
    switch (type_.kind) {
      case TypeKind::kInt:
        return arrow::is_signed_integer(from_.id()) ? integer(value.as<int32_t>()) : std::nullopt;
      case TypeKind::kLong:
        return arrow::is_signed_integer(from_.id()) ? integer(value.as<int64_t>()) : std::nullopt;
      case TypeKind::kDate:
        return from_.id() == arrow::Type::DATE32 ? integer(value.as<int32_t>()) : std::nullopt;
      case TypeKind::kFloat:
        return floating(value.as<float>());
      case TypeKind::kDouble:
        return floating(value.as<double>());
      case TypeKind::kDecimal:
        return decimal(value.as<Int128>());
      case TypeKind::kTime:
        return is_in<arrow::TimeType>(arrow::Type::TIME64, arrow::TimeUnit::MICRO) ? integer(value.as<int64_t>())
                                                                                   : std::nullopt;
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampTz:
        return timestamp(value, arrow::TimeUnit::MICRO);
      case TypeKind::kTimestampNs:
      case TypeKind::kTimestampTzNs:
        return timestamp(value, arrow::TimeUnit::NANO);
      case TypeKind::kString:
      case TypeKind::kBinary:
        if (column_.physical_type() != parquet::Type::BYTE_ARRAY) return std::nullopt;
        return {{value.as<std::string>()}};
      case TypeKind::kFixed:
      case TypeKind::kUuid:
        if (column_.physical_type() != parquet::Type::FIXED_LEN_BYTE_ARRAY) return std::nullopt;
        return {{value.as<std::string>()}};
      default:
        return std::nullopt;
    }
  }

 private:
  // NOLINTBEGIN(bugprone-return-const-ref-from-parameter): callers hold the type
  static const arrow::DataType& storage(const arrow::DataType& type) {
    if (type.id() != arrow::Type::EXTENSION) return type;
    return *static_cast<const arrow::ExtensionType&>(type).storage_type();
  }
  // NOLINTEND(bugprone-return-const-ref-from-parameter)

  template <typename T>
  bool is_in(arrow::Type::type id, arrow::TimeUnit::type unit) const {
    return from_.id() == id && static_cast<const T&>(from_).unit() == unit;
  }

  Forms timestamp(const Value& value, arrow::TimeUnit::type unit) const {
    return is_in<arrow::TimestampType>(arrow::Type::TIMESTAMP, unit) ? integer(value.as<int64_t>()) : std::nullopt;
  }

  Forms integer(Int128 value) const {
    const auto as = [&](auto zero) -> Forms {
      using T = decltype(zero);
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return Forms{std::in_place};
      return {{plain(static_cast<T>(value))}};
    };
    if (column_.physical_type() == parquet::Type::INT32) return as(int32_t{});
    if (column_.physical_type() == parquet::Type::INT64) return as(int64_t{});
    return std::nullopt;
  }

  Forms floating(double value) const {
    const auto as = [&](auto zero) -> Forms {
      using T = decltype(zero);
      if (std::isnan(value)) return std::nullopt;  // of which there are many
      if (value == 0) return {{plain(T{0}), plain(-T{0})}};
      if (static_cast<double>(static_cast<T>(value)) != value) return Forms{std::in_place};
      return {{plain(static_cast<T>(value))}};
    };
    if (column_.physical_type() == parquet::Type::FLOAT) return as(float{});
    if (column_.physical_type() == parquet::Type::DOUBLE) return as(double{});
    return std::nullopt;
  }

  // Big-endian two's complement where it is bytes of a fixed length. Of any length there are several forms.
  Forms decimal(Int128 value) const {
    if (!arrow::is_decimal(from_.id()) || static_cast<const arrow::DecimalType&>(from_).scale() != type_.scale) {
      return std::nullopt;
    }
    if (column_.physical_type() != parquet::Type::FIXED_LEN_BYTE_ARRAY) return integer(value);
    std::string bytes(static_cast<size_t>(std::max(column_.type_length(), 0)), value < 0 ? '\xff' : '\0');
    for (size_t i = bytes.size(); i-- > 0;) {
      bytes[i] = static_cast<char>(value & 0xff);
      value >>= 8;
    }
    const bool negative = !bytes.empty() && static_cast<signed char>(bytes[0]) < 0;
    if (value != (negative ? -1 : 0)) return Forms{std::in_place};
    return {{bytes}};
  }

  const Type& type_;
  const arrow::DataType& from_;
  const parquet::ColumnDescriptor& column_;
};

const ColumnPlan* find_plan(const std::vector<ColumnPlan>& plans, int32_t field_id) {
  for (const ColumnPlan& plan : plans) {
    if (plan.field->id == field_id) return &plan;
    if (plan.field->type.kind != TypeKind::kStruct) continue;
    if (const ColumnPlan* found = find_plan(plan.children, field_id)) return found;
  }
  return nullptr;
}

// How many values may be looked up in the column's filter with some hope; 0: it has none. How often one that is not
// there is found follows from the filter's size, if all that the column has are different.
size_t most_values(const parquet::ColumnChunkMetaData& chunk) {
  if (!chunk.bloom_filter_offset()) return 0;
  const auto bits = 8 * static_cast<double>(std::max<int64_t>(chunk.bloom_filter_length().value_or(0), 1));
  const double false_hits = std::pow(1 - std::exp(-8 * static_cast<double>(chunk.num_values()) / bits), 8);
  return std::max(kFewValues, static_cast<size_t>(kFalseHits / std::max(false_hits, 1e-6)));
}

// Whether the filter has the least and the greatest value of the column, as far as the footer has these uncut.
bool is_of(const parquet::BloomFilter& filter, const parquet::ColumnChunkMetaData& chunk) {
  if (!chunk.is_stats_set()) return true;
  const auto stats = chunk.statistics();
  if (!stats || !stats->HasMinMax()) return true;
  const auto has = [&](const std::string& bytes, std::optional<bool> exact) {
    switch (chunk.type()) {
      case parquet::Type::INT32:
      case parquet::Type::INT64:
        break;
      case parquet::Type::BYTE_ARRAY:
      case parquet::Type::FIXED_LEN_BYTE_ARRAY:
        if (!exact.value_or(false)) return true;
        break;
      default:  // zeros, whose sign the footer has not
        return true;
    }
    return filter.FindHash(filter.Hash(std::string_view(bytes)));
  };
  return has(stats->EncodeMin(), stats->is_min_value_exact()) && has(stats->EncodeMax(), stats->is_max_value_exact());
}

}  // namespace

BloomFilters::BloomFilters(parquet::ParquetFileReader& file) : file_(file) {}

std::unique_ptr<parquet::BloomFilter> BloomFilters::filter_of(int row_group, int column) const {
  try {
    const auto group = file_.GetBloomFilterReader().RowGroup(row_group);
    auto filter = group ? group->GetColumnBloomFilter(column) : nullptr;
    if (!filter || filter->GetBitsetSize() % parquet::BlockSplitBloomFilter::kMinimumBloomFilterBytes != 0 ||
        !is_of(*filter, *file_.metadata()->RowGroup(row_group)->ColumnChunk(column))) {
      return nullptr;
    }
    return filter;
  } catch (const parquet::ParquetStatusException& e) {
    if (!e.status().IsInvalid()) throw;  // of the store
    return nullptr;
  } catch (const parquet::ParquetException&) {
    return nullptr;
  }
}

bool BloomFilters::may_have(const ColumnPlan& column, std::span<const Value> values, int row_group) const {
  if (!column.node || !column.node->is_leaf()) return true;
  const int leaf = column.node->column_index;
  const size_t most = most_values(*file_.metadata()->RowGroup(row_group)->ColumnChunk(leaf));
  if (most == 0 || values.size() > most) return true;
  const Encoder forms_of(column, *file_.metadata()->schema()->Column(leaf));
  std::unique_ptr<parquet::BloomFilter> filter;
  for (const Value& value : values) {
    const Forms forms = forms_of(value);
    if (!forms) return true;
    for (const std::string& form : *forms) {
      if (!filter) filter = filter_of(row_group, leaf);
      if (!filter || filter->FindHash(filter->Hash(std::string_view(form)))) return true;
    }
  }
  return false;
}

// The filter with what the row group surely does not have made false.
BoundExpression BloomFilters::without_absent(const BoundExpression& filter, const std::vector<ColumnPlan>& plans,
                                             int row_group) const {
  switch (filter.kind) {
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      const bool all = filter.kind == ExprKind::kAnd;
      BoundExpression rest = always<BoundPredicate>(all);
      for (const BoundExpression& operand : filter.operands) {
        BoundExpression next = without_absent(operand, plans, row_group);
        rest = all ? both(std::move(rest), std::move(next)) : either(std::move(rest), std::move(next));
        if (all && rest.kind == ExprKind::kFalse) break;
      }
      return rest;
    }
    case ExprKind::kPredicate: {
      const BoundPredicate& predicate = filter.predicate;
      if ((predicate.op != Op::kEqual && predicate.op != Op::kIn) ||
          predicate.transform.kind != TransformKind::kIdentity) {
        return filter;
      }
      const ColumnPlan* column = find_plan(plans, predicate.field_id);
      if (!column || may_have(*column, predicate.literals, row_group)) return filter;
      return always<BoundPredicate>(false);
    }
    default:
      return filter;
  }
}

bool BloomFilters::may_match(const BoundExpression& filter, const std::vector<ColumnPlan>& plans, const Stats& stats,
                             int row_group) const {
  const BoundExpression rest = without_absent(filter, plans, row_group);
  if (rest.kind == ExprKind::kFalse) return false;
  return rest == filter || floe::may_match(rest, stats)[static_cast<size_t>(row_group)] != 0;
}

bool BloomFilters::may_have(const KeySet& keys, const std::vector<ColumnPlan>& plans, const Stats& stats,
                            int row_group) const {
  for (size_t i = 0; i < keys.columns(); ++i) {
    const ColumnPlan* column = find_plan(plans, keys.field(i).id);
    if (!column || !column->node) continue;
    const size_t most = most_values(*file_.metadata()->RowGroup(row_group)->ColumnChunk(column->node->column_index));
    if (most == 0) continue;
    const auto values = keys.within(i, stats, static_cast<size_t>(row_group), most);
    if (values && !may_have(*column, *values, row_group)) return false;
  }
  return true;
}

}  // namespace floe
