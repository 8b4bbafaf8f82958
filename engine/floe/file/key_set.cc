#include "floe/file/key_set.h"

#include <algorithm>

#include "floe/error.h"
#include "floe/expression/literal.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

// Whether values are held as int32_t or int64_t.
bool is_number(const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return true;
    default:
      return false;
  }
}

bool is_narrow(const Type& type) { return type.kind == TypeKind::kInt || type.kind == TypeKind::kDate; }

int64_t number_of(const Value& value) {
  const auto* narrow = std::get_if<int32_t>(&value.data);
  return narrow ? *narrow : value.as<int64_t>();
}

Value value_of(int64_t number, const Type& type) {
  return is_narrow(type) ? Value(static_cast<int32_t>(number)) : Value(number);
}

// Calls `widen` with the rows of the least and the greatest number, if there are any.
template <typename T, typename F>
void widen_by_ends(const arrow::Array& values, F&& widen) {
  const T* numbers = values.data()->GetValues<T>(1);
  int64_t least = -1, greatest = -1;
  for (int64_t row = 0; row < values.length(); ++row) {
    if (values.IsNull(row)) continue;
    if (least < 0 || numbers[row] < numbers[least]) least = row;
    if (greatest < 0 || numbers[row] > numbers[greatest]) greatest = row;
  }
  if (least < 0) return;
  widen(least);
  widen(greatest);
}

template <typename T>
std::vector<int64_t> sorted_numbers(const arrow::Array& values) {
  const T* numbers = values.data()->GetValues<T>(1);
  std::vector<int64_t> sorted;
  sorted.reserve(static_cast<size_t>(values.length() - values.null_count()));
  for (int64_t row = 0; row < values.length(); ++row) {
    if (values.IsValid(row)) sorted.push_back(numbers[row]);
  }
  if (!std::ranges::is_sorted(sorted)) std::ranges::sort(sorted);
  const auto rest = std::ranges::unique(sorted);
  sorted.erase(rest.begin(), rest.end());
  return sorted;
}

std::vector<Value> sorted_values(const arrow::Array& values, const Type& type) {
  std::vector<Value> sorted;
  for (int64_t row = 0; row < values.length(); ++row) {
    if (values.IsValid(row)) sorted.push_back(value_at(values, row, type));
  }
  std::ranges::sort(sorted, [&](const Value& a, const Value& b) { return order(a, b, type) < 0; });
  const auto rest = std::ranges::unique(sorted, [&](const Value& a, const Value& b) { return order(a, b, type) == 0; });
  sorted.erase(rest.begin(), rest.end());
  return sorted;
}

}  // namespace

void KeyRange::add(const arrow::Array& values, const Type& type) {
  const auto widen = [&](int64_t row) {
    Value value = value_at(values, row, type);
    has_nan |= is_nan(value);
    if (greatest.is_null() || compare(value, greatest, type) > 0) greatest = value;
    if (least.is_null() || compare(value, least, type) < 0) least = std::move(value);
  };
  if (is_number(type))
    return is_narrow(type) ? widen_by_ends<int32_t>(values, widen) : widen_by_ends<int64_t>(values, widen);
  for (int64_t row = 0; row < values.length() && !has_nan; ++row) {
    if (values.IsValid(row)) widen(row);
  }
}

KeySet::KeySet(std::vector<Field> fields, const arrow::ArrayVector& columns) {
  for (size_t i = 0; i < fields.size(); ++i) {
    auto column = std::make_unique<Column>();
    column->field = std::move(fields[i]);
    column->values = columns[i];
    column->range.add(*column->values, column->field.type);
    columns_.push_back(std::move(column));
  }
}

// Those of a group that can be trusted; they may be truncated.
std::optional<KeySet::Bounds> KeySet::bounds_of(const Column& column, const Stats& stats, size_t group) {
  const ColumnStats* bounds = column.range.known() ? stats.column(column.field.id) : nullptr;
  if (!bounds || !bounds->lower_bounds.has(group) || !bounds->upper_bounds.has(group)) return std::nullopt;
  const Type& type = column.field.type;
  try {
    Bounds found{from_bytes(bounds->lower_bounds[group], type), from_bytes(bounds->upper_bounds[group], type)};
    if (is_nan(found.least) || is_nan(found.greatest) || order(found.least, found.greatest, type) > 0) {
      return std::nullopt;
    }
    return found;
  } catch (const CorruptFile&) {  // they are none of the type
    return std::nullopt;
  }
}

// Which of the column's sorted values lie between the bounds.
std::pair<size_t, size_t> KeySet::place(const Column& column, const Bounds& bounds) {
  const Type& type = column.field.type;
  std::call_once(column.once, [&] {
    if (!is_number(type)) {
      column.others = sorted_values(*column.values, type);
    } else {
      column.numbers =
          is_narrow(type) ? sorted_numbers<int32_t>(*column.values) : sorted_numbers<int64_t>(*column.values);
    }
  });
  const auto between = [](const auto& sorted, const auto& below, const auto& above) {
    const auto first = std::ranges::partition_point(sorted, below);
    const auto last = std::partition_point(first, sorted.end(), [&](const auto& v) { return !above(v); });
    return std::pair<size_t, size_t>(first - sorted.begin(), last - sorted.begin());
  };
  if (!is_number(type)) {
    return between(
        column.others, [&](const Value& v) { return order(v, bounds.least, type) < 0; },
        [&](const Value& v) { return order(v, bounds.greatest, type) > 0; });
  }
  const int64_t least = number_of(bounds.least), greatest = number_of(bounds.greatest);
  return between(column.numbers, [&](int64_t v) { return v < least; }, [&](int64_t v) { return v > greatest; });
}

bool KeySet::may_have(const Column& column, const Bounds& bounds) {
  const Type& type = column.field.type;
  const KeyRange& range = column.range;
  if (order(range.least, bounds.greatest, type) > 0 || order(range.greatest, bounds.least, type) < 0) return false;
  // A key that surely lies between them spares sorting all of them.
  if (order(range.least, bounds.least, type) >= 0 || order(range.greatest, bounds.greatest, type) <= 0) return true;
  const auto [first, last] = place(column, bounds);
  return first < last;
}

std::vector<uint8_t> KeySet::may_have(const Stats& stats) const {
  std::vector<uint8_t> may(stats.size, 1);
  for (const auto& column : columns_) {
    for (size_t i = 0; i < may.size(); ++i) {
      if (!may[i]) continue;
      if (const auto bounds = bounds_of(*column, stats, i)) may[i] = may_have(*column, *bounds);
    }
  }
  return may;
}

std::optional<std::vector<Value>> KeySet::within(size_t i, const Stats& stats, size_t group, size_t most) const {
  const Column& column = *columns_[i];
  if (!column.range.known()) return std::nullopt;
  const std::optional<Bounds> bounds = bounds_of(column, stats, group);
  const auto [first, last] = place(column, bounds.value_or(Bounds{column.range.least, column.range.greatest}));
  if (last - first > most) return std::nullopt;
  std::vector<Value> values;
  for (size_t at = first; at < last; ++at) {
    values.push_back(column.others.empty() ? value_of(column.numbers[at], column.field.type) : column.others[at]);
  }
  return values;
}

}  // namespace floe
