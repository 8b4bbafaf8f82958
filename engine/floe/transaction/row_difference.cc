#include "floe/transaction/row_difference.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/compare.h>
#include <arrow/extension_type.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "floe/arrow_status.h"

namespace floe {
namespace {

// `same(row)` is asked of rows where both values are there.
template <typename F>
void mark(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs, F&& same) {
  if (a.null_count() == 0 && b.null_count() == 0) {
    for (int64_t i = 0; i < a.length(); ++i) differs[i] |= !same(i);
    return;
  }
  for (int64_t i = 0; i < a.length(); ++i) {
    const bool present = !a.IsNull(i);
    differs[i] |= present == b.IsNull(i) || (present && !same(i));
  }
}

template <typename T, typename Bits = T>
void mark_numbers(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs) {
  const T* left = a.data()->GetValues<T>(1);
  const T* right = b.data()->GetValues<T>(1);
  mark(a, b, differs, [&](int64_t i) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(left[i]) && std::isnan(right[i])) return true;
    }
    return std::bit_cast<Bits>(left[i]) == std::bit_cast<Bits>(right[i]);
  });
}

template <typename ArrayType>
void mark_views(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs) {
  const auto& left = static_cast<const ArrayType&>(a);
  const auto& right = static_cast<const ArrayType&>(b);
  mark(a, b, differs, [&](int64_t i) { return left.GetView(i) == right.GetView(i); });
}

void mark_structs(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs) {
  mark(a, b, differs, [](int64_t) { return true; });
  const auto left = check(static_cast<const arrow::StructArray&>(a).Flatten(), "comparing rows");
  const auto right = check(static_cast<const arrow::StructArray&>(b).Flatten(), "comparing rows");
  for (size_t i = 0; i < left.size(); ++i) mark_differences(*left[i], *right[i], differs);
}

void mark_one_by_one(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs) {
  const auto exactly = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  mark(a, b, differs, [&](int64_t i) { return a.RangeEquals(b, i, i + 1, i, exactly); });
}

}  // namespace

void mark_differences(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs) {
  switch (a.type_id()) {
    case arrow::Type::EXTENSION:
      return mark_differences(*static_cast<const arrow::ExtensionArray&>(a).storage(),
                              *static_cast<const arrow::ExtensionArray&>(b).storage(), differs);
    case arrow::Type::NA:
      return;
    case arrow::Type::BOOL:
      return mark_views<arrow::BooleanArray>(a, b, differs);
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return mark_numbers<int32_t>(a, b, differs);
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      return mark_numbers<int64_t>(a, b, differs);
    case arrow::Type::FLOAT:
      return mark_numbers<float, uint32_t>(a, b, differs);
    case arrow::Type::DOUBLE:
      return mark_numbers<double, uint64_t>(a, b, differs);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return mark_views<arrow::BinaryArray>(a, b, differs);
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::DECIMAL128:
      return mark_views<arrow::FixedSizeBinaryArray>(a, b, differs);
    case arrow::Type::STRUCT:
      return mark_structs(a, b, differs);
    default:
      return mark_one_by_one(a, b, differs);
  }
}

}  // namespace floe
