#include "floe/write/row_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace floe {
namespace {

// Each value begins with one of these, so that nulls have their place.
constexpr char kNullFirst = 0, kValue = 1, kNullLast = 2;

uint32_t width_of(const ColumnTransform& column) {
  switch (column.kind()) {
    case ColumnTransform::Kind::kBytes:
    case ColumnTransform::Kind::kNone:
      return 0;
    case ColumnTransform::Kind::kInt128:
      return 16;
    case ColumnTransform::Kind::kInt64:
      break;
  }
  // Other transforms may leave the range of their type.
  const bool kept = column.transform().kind == TransformKind::kIdentity;
  switch (column.source().kind) {
    case TypeKind::kBoolean:
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kFloat:
      return kept ? 4 : 8;
    default:
      return 8;
  }
}

// Big-endian, negative numbers before positive ones.
template <typename Unsigned>
void put_number(char* out, Unsigned bits, char flip) {
  constexpr int kBits = sizeof(Unsigned) * 8;
  bits ^= static_cast<Unsigned>(1) << (kBits - 1);
  for (int shift = kBits - 8; shift >= 0; shift -= 8) *out++ = static_cast<char>(bits >> shift) ^ flip;
}

// The bits of a float as a number that is ordered as IEEE 754's totalOrder is.
template <typename Signed>
Signed total_order(Signed bits) {
  return bits < 0 ? bits ^ std::numeric_limits<Signed>::max() : bits;
}

// Bytes that end with two zeros; a zero among them is followed by 0xFF.
size_t escaped_size(std::string_view bytes) {
  return bytes.size() + static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\0')) + 2;
}

char* put_bytes(char* out, std::string_view bytes, char flip) {
  for (const char c : bytes) {
    *out++ = static_cast<char>(c ^ flip);
    if (c == '\0') *out++ = static_cast<char>('\xFF' ^ flip);
  }
  *out++ = flip;
  *out++ = flip;
  return out;
}

}  // namespace

RowOrder::RowOrder(const SortOrder& order, const Schema& schema) {
  for (const SortField& field : order.fields) {
    const std::string what = fmt::format("sort order {}, field {}", order.order_id, columns_.size() + 1);
    ColumnTransform values(schema, field.source_ids.empty() ? 0 : field.source_ids.front(), field.transform, what);
    const uint32_t width = width_of(values);
    columns_.push_back({std::move(values), field.ascending, field.nulls_first, width});
  }
}

void RowOrder::append_keys(const arrow::RecordBatch& batch, RowKeys& keys) const {
  const auto rows = static_cast<size_t>(batch.num_rows());
  std::vector<uint64_t> sizes(rows, 0);
  for (const Column& column : columns_) {
    for (uint64_t& size : sizes) size += 1 + column.width;
    if (column.values.kind() != ColumnTransform::Kind::kBytes) continue;
    column.values.for_each(batch, [&](int64_t row, std::string_view value) { sizes[row] += escaped_size(value); });
  }
  std::vector<uint64_t> at(rows);  // where the next part of each key goes
  std::exclusive_scan(sizes.begin(), sizes.end(), at.begin(), keys.bytes.size());
  for (size_t row = 0; row < rows; ++row) keys.ends.push_back(at[row] + sizes[row]);
  keys.bytes.resize(keys.ends.empty() ? 0 : keys.ends.back());
  for (const Column& column : columns_) append_column(column, batch, keys.bytes.data(), at);
}

void RowOrder::append_column(const Column& column, const arrow::RecordBatch& batch, char* out,
                             std::vector<uint64_t>& at) const {
  const char flip = column.ascending ? '\0' : '\xFF';
  const uint32_t width = column.width;
  for (uint64_t& position : at) {
    out[position] = column.nulls_first ? kNullFirst : kNullLast;
    position += 1 + width;
  }
  const auto value_at = [&](int64_t row) {
    out[at[row] - width - 1] = kValue;
    return out + at[row] - width;
  };
  switch (column.values.kind()) {
    case ColumnTransform::Kind::kBytes:
      return column.values.for_each(batch, [&](int64_t row, std::string_view value) {
        at[row] = static_cast<uint64_t>(put_bytes(value_at(row), value, flip) - out);
      });
    case ColumnTransform::Kind::kInt128:
      return column.values.for_each(batch, [&](int64_t row, Int128 value) {
        put_number(value_at(row), static_cast<unsigned __int128>(value), flip);
      });
    case ColumnTransform::Kind::kInt64: {
      const TypeKind type = column.values.result().kind;
      return column.values.for_each(batch, [&](int64_t row, int64_t value) {
        if (type == TypeKind::kFloat) value = total_order(static_cast<int32_t>(value));
        if (type == TypeKind::kDouble) value = total_order(value);
        if (width == 4) {
          put_number(value_at(row), static_cast<uint32_t>(value), flip);
        } else {
          put_number(value_at(row), static_cast<uint64_t>(value), flip);
        }
      });
    }
    case ColumnTransform::Kind::kNone:
      return;
  }
}

}  // namespace floe
