// A transform over a whole column: what partitions and sort orders are made of.
#pragma once

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"
#include "floe/spec/transform.h"
#include "floe/spec/utf8.h"

namespace floe {

// One source column of batches that have the Arrow schema which to_arrow_schema makes of the table's, transformed.
class ColumnTransform {
 public:
  // What a transformed value is given as: floats and doubles by their bits (of 32 and 64), everything else of at most
  // 64 bits as a number, decimals unscaled. kNone: every value is null.
  enum class Kind : uint8_t { kInt64, kBytes, kInt128, kNone };

  // `what` is for messages: "partition field 'day'". Throws InvalidArgument if there is no such column (but for void),
  // it is inside a list or a map, or the transform does not take its type; NotSupported if the transform is unknown.
  ColumnTransform(const Schema& schema, int32_t source_id, const Transform& transform, const std::string& what);

  Kind kind() const { return kind_; }
  const Transform& transform() const { return transform_; }
  const Type& source() const { return source_; }
  const Type& result() const { return result_; }

  // Calls visit(row, value) for every row whose value is not null, in order, with an int64_t, std::string_view or
  // Int128 as kind() says. Throws InvalidArgument if a value is out of the transform's range.
  template <typename F>
  void for_each(const arrow::RecordBatch& batch, F&& visit) const;

 private:
  template <typename F>
  void visit_int64(const arrow::Array& array, F&& visit) const;
  template <typename F>
  void visit_buckets(const arrow::Array& array, F&& visit) const;
  template <typename F>
  void visit_bytes(const arrow::Array& array, F&& visit) const;
  template <typename F>
  void visit_int128(const arrow::Array& array, F&& visit) const;

  std::shared_ptr<arrow::Array> source_array(const arrow::RecordBatch& batch) const;
  int64_t units_per_day() const;

  Transform transform_;
  std::vector<int> steps_;  // positions of the column and of the struct fields inside it
  Type source_;
  Type result_;
  Kind kind_ = Kind::kNone;
};

namespace internal {

inline constexpr int64_t kHoursPerDay = 24;

[[noreturn]] void refuse_column(const arrow::Array& array);
[[noreturn]] void refuse_value(const Transform& transform);
Int128 decimal_value(const uint8_t* bytes);
uint32_t hash_long(int64_t value);

inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// The greatest multiple of the width that is not above the value.
template <typename T>
T truncate_int(T v, const Transform& transform) {
  const int32_t width = transform.width;
  T out = 0;
  if (__builtin_sub_overflow(v, (v % width + width) % width, &out)) refuse_value(transform);
  return out;
}

// Months or years since 1970 of days since 1970. Neighbouring rows often share their day.
class CalendarUnit {
 public:
  explicit CalendarUnit(bool months) : months_(months) {}

  int64_t operator()(int64_t day) {
    if (day != day_) {
      const CivilDate date = civil_from_days(day);
      unit_ = months_ ? (date.year - 1970) * 12 + date.month - 1 : date.year - 1970;
      day_ = day;
    }
    return unit_;
  }

 private:
  const bool months_;
  int64_t day_ = 0, unit_ = 0;
};

template <typename ArrayType, typename F>
void for_each_value(const ArrayType& array, F&& visit) {
  if (array.null_count() == 0) {
    for (int64_t i = 0; i < array.length(); ++i) visit(i, array.GetView(i));
  } else {
    for (int64_t i = 0; i < array.length(); ++i) {
      if (!array.IsNull(i)) visit(i, array.GetView(i));
    }
  }
}

// Integers, booleans, dates and times of any width as int64; floats by their bits.
template <typename F>
void for_each_int64(const arrow::Array& array, F&& visit) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return for_each_value(static_cast<const arrow::BooleanArray&>(array), visit);
    case arrow::Type::INT32:
      return for_each_value(static_cast<const arrow::Int32Array&>(array), visit);
    case arrow::Type::INT64:
      return for_each_value(static_cast<const arrow::Int64Array&>(array), visit);
    case arrow::Type::DATE32:
      return for_each_value(static_cast<const arrow::Date32Array&>(array), visit);
    case arrow::Type::TIME64:
      return for_each_value(static_cast<const arrow::Time64Array&>(array), visit);
    case arrow::Type::TIMESTAMP:
      return for_each_value(static_cast<const arrow::TimestampArray&>(array), visit);
    case arrow::Type::FLOAT:
      return for_each_value(static_cast<const arrow::FloatArray&>(array),
                            [&](int64_t i, float v) { visit(i, std::bit_cast<int32_t>(v)); });
    case arrow::Type::DOUBLE:
      return for_each_value(static_cast<const arrow::DoubleArray&>(array),
                            [&](int64_t i, double v) { visit(i, std::bit_cast<int64_t>(v)); });
    default:
      refuse_column(array);
  }
}

template <typename F>
void for_each_bytes(const arrow::Array& array, F&& visit) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return for_each_value(static_cast<const arrow::BinaryArray&>(array), visit);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return for_each_value(static_cast<const arrow::LargeBinaryArray&>(array), visit);
    case arrow::Type::FIXED_SIZE_BINARY:
      return for_each_value(static_cast<const arrow::FixedSizeBinaryArray&>(array), visit);
    default:
      refuse_column(array);
  }
}

template <typename F>
void for_each_int128(const arrow::Array& array, F&& visit) {
  if (array.type_id() != arrow::Type::DECIMAL128) refuse_column(array);
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  for (int64_t i = 0; i < array.length(); ++i) {
    if (!array.IsNull(i)) visit(i, decimal_value(decimals.GetValue(i)));
  }
}

inline bool is_nanos(const Type& type) {
  return type.kind == TypeKind::kTimestampNs || type.kind == TypeKind::kTimestampTzNs;
}

}  // namespace internal

template <typename F>
void ColumnTransform::for_each(const arrow::RecordBatch& batch, F&& visit) const {
  if (kind_ == Kind::kNone) return;
  const std::shared_ptr<arrow::Array> array = source_array(batch);
  // Each instantiation of `visit` takes one of the three; the others are never called.
  if constexpr (std::is_invocable_v<F, int64_t, int64_t>) {
    if (kind_ == Kind::kInt64) visit_int64(*array, visit);
  }
  if constexpr (std::is_invocable_v<F, int64_t, std::string_view>) {
    if (kind_ == Kind::kBytes) visit_bytes(*array, visit);
  }
  if constexpr (std::is_invocable_v<F, int64_t, Int128>) {
    if (kind_ == Kind::kInt128) visit_int128(*array, visit);
  }
}

template <typename F>
void ColumnTransform::visit_bytes(const arrow::Array& array, F&& visit) const {
  if (transform_.kind == TransformKind::kIdentity) return internal::for_each_bytes(array, visit);
  const int32_t width = transform_.width;
  if (source_.kind == TypeKind::kString) {
    internal::for_each_bytes(array, [&](int64_t row, std::string_view v) { visit(row, first_code_points(v, width)); });
  } else {
    internal::for_each_bytes(array, [&](int64_t row, std::string_view v) { visit(row, v.substr(0, width)); });
  }
}

template <typename F>
void ColumnTransform::visit_int128(const arrow::Array& array, F&& visit) const {
  if (transform_.kind == TransformKind::kIdentity) return internal::for_each_int128(array, visit);
  internal::for_each_int128(array, [&](int64_t row, Int128 v) { visit(row, internal::truncate_int(v, transform_)); });
}

template <typename F>
void ColumnTransform::visit_int64(const arrow::Array& array, F&& visit) const {
  using internal::floor_div;
  switch (transform_.kind) {
    case TransformKind::kIdentity:
      return internal::for_each_int64(array, [&](int64_t row, int64_t v) { visit(row, v); });
    case TransformKind::kTruncate:
      return internal::for_each_int64(
          array, [&](int64_t row, int64_t v) { visit(row, internal::truncate_int(v, transform_)); });
    case TransformKind::kBucket:
      return visit_buckets(array, visit);
    case TransformKind::kYear:
    case TransformKind::kMonth: {
      internal::CalendarUnit unit(transform_.kind == TransformKind::kMonth);
      const int64_t per_day = units_per_day();
      return internal::for_each_int64(array, [&](int64_t row, int64_t v) { visit(row, unit(floor_div(v, per_day))); });
    }
    case TransformKind::kDay: {
      const int64_t per_day = units_per_day();
      return internal::for_each_int64(array, [&](int64_t row, int64_t v) { visit(row, floor_div(v, per_day)); });
    }
    case TransformKind::kHour: {
      const int64_t per_hour = units_per_day() / internal::kHoursPerDay;
      return internal::for_each_int64(array, [&](int64_t row, int64_t v) { visit(row, floor_div(v, per_hour)); });
    }
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return;
  }
}

template <typename F>
void ColumnTransform::visit_buckets(const arrow::Array& array, F&& visit) const {
  const auto bucket = [&](int64_t row, uint32_t hash) {
    visit(row, static_cast<int64_t>((hash & 0x7FFFFFFF) % static_cast<uint32_t>(transform_.width)));
  };
  switch (source_.kind) {
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
    case TypeKind::kUuid:
      return internal::for_each_bytes(array, [&](int64_t row, std::string_view v) { bucket(row, murmur3_32(v)); });
    case TypeKind::kDecimal:
      return internal::for_each_int128(array,
                                       [&](int64_t row, Int128 v) { bucket(row, bucket_hash(Value(v), source_)); });
    default: {
      const int64_t unit = internal::is_nanos(source_) ? 1000 : 1;  // nanoseconds hash as microseconds
      return internal::for_each_int64(
          array, [&](int64_t row, int64_t v) { bucket(row, internal::hash_long(internal::floor_div(v, unit))); });
    }
  }
}

}  // namespace floe
