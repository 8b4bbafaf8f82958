#include "floe/write/row_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

#include "floe/error.h"

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

// --- curves ----------------------------------------------------------------------------------------------------------

constexpr size_t kMaxZColumns = 8;
constexpr uint64_t kSign64 = uint64_t{1} << 63;

// Values as 64 bits that are ordered as they are.
uint64_t z_bits(int64_t value, TypeKind type) {
  if (type == TypeKind::kFloat) {  // as the double of the same value
    const auto wide = static_cast<double>(std::bit_cast<float>(static_cast<int32_t>(value)));
    value = std::bit_cast<int64_t>(wide);
  }
  if (type == TypeKind::kFloat || type == TypeKind::kDouble) value = total_order(value);
  return static_cast<uint64_t>(value) ^ kSign64;
}

// The eight bytes from the `skip`th on.
uint64_t z_bits(std::string_view bytes, size_t skip) {
  uint64_t bits = 0;
  for (size_t i = 0; i < 8; ++i) {
    bits = bits << 8 | (skip + i < bytes.size() ? static_cast<uint8_t>(bytes[skip + i]) : 0);
  }
  return bits;
}

unsigned __int128 z_bits(Int128 value) {
  return static_cast<unsigned __int128>(value) ^ static_cast<unsigned __int128>(1) << 127;
}

// The bits of a byte `n` apart, for each byte.
std::array<uint64_t, 256> spread_bits(size_t n) {
  std::array<uint64_t, 256> spread{};
  for (size_t byte = 0; byte < 256; ++byte) {
    for (size_t bit = 0; bit < 8; ++bit) spread[byte] |= static_cast<uint64_t>(byte >> bit & 1) << (bit * n);
  }
  return spread;
}

// Coordinates become the place along the Hilbert curve, whose bits are those of the n numbers in turn. From the highest
// bit down, what is below it is turned and mirrored as the part of the curve is that it leads into; then bits are those
// of a Gray code (J. Skilling, "Programming the Hilbert curve", 2004).
void to_hilbert(uint64_t* x, size_t n) {
  for (uint64_t bit = kSign64; bit > 1; bit >>= 1) {
    const uint64_t below = bit - 1;
    for (size_t i = 0; i < n; ++i) {
      if (x[i] & bit) {
        x[0] ^= below;
      } else {
        const uint64_t differ = (x[0] ^ x[i]) & below;
        x[0] ^= differ;
        x[i] ^= differ;
      }
    }
  }
  for (size_t i = 1; i < n; ++i) x[i] ^= x[i - 1];
  uint64_t flip = 0;
  for (uint64_t bit = kSign64; bit > 1; bit >>= 1) {
    if (x[n - 1] & bit) flip ^= bit - 1;
  }
  for (size_t i = 0; i < n; ++i) x[i] ^= flip;
}

}  // namespace

RowOrder::RowOrder(const std::vector<ZOrderColumn>& columns, const Schema& schema, Curve curve) : curve_(curve) {
  const char* name = curve == Curve::kZOrder ? "Z-order" : "Hilbert order";
  if (columns.empty() || columns.size() > kMaxZColumns) {
    throw InvalidArgument(fmt::format("a {} is over one to {} columns, not {}", name, kMaxZColumns, columns.size()));
  }
  for (const ZOrderColumn& column : columns) {
    z_columns_.push_back(z_column(column, schema, fmt::format("{}, column {}", name, z_columns_.size() + 1)));
  }
}

RowOrder::ZColumn RowOrder::z_column(const ZOrderColumn& column, const Schema& schema, const std::string& what) {
  ZColumn z{.values = ColumnTransform(schema, column.field_id, {}, what)};
  if (!column.lower || !column.upper || column.lower->is_null() || column.upper->is_null()) return z;
  const Type& type = z.values.source();
  if (z.values.kind() == ColumnTransform::Kind::kBytes) {
    const std::string lower = to_bytes(*column.lower, type), upper = to_bytes(*column.upper, type);
    z.skip = static_cast<size_t>(std::ranges::mismatch(lower, upper).in1 - lower.begin());
    z.shift = std::countl_zero(z_bits(lower, z.skip) ^ z_bits(upper, z.skip));
  } else if (z.values.kind() == ColumnTransform::Kind::kInt128) {
    const unsigned __int128 differ =
        z_bits(std::get<Int128>(column.lower->data)) ^ z_bits(std::get<Int128>(column.upper->data));
    const int high = std::countl_zero(static_cast<uint64_t>(differ >> 64));
    z.shift = high < 64 ? high : 64 + std::countl_zero(static_cast<uint64_t>(differ));
  } else if (z.values.kind() == ColumnTransform::Kind::kInt64) {
    const auto bits = [&](const Value& value) {
      int64_t number = 0;
      std::visit(
          [&](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, float>) {
              number = std::bit_cast<int32_t>(v);
            } else if constexpr (std::is_same_v<T, double>) {
              number = std::bit_cast<int64_t>(v);
            } else if constexpr (std::is_integral_v<T>) {
              number = static_cast<int64_t>(v);
            }
          },
          value.data);
      return z_bits(number, type.kind);
    };
    z.shift = std::countl_zero(bits(*column.lower) ^ bits(*column.upper));
  }
  z.shift = std::min(z.shift, z.values.kind() == ColumnTransform::Kind::kInt128 ? 127 : 63);
  return z;
}

RowOrder::RowOrder(const SortOrder& order, const Schema& schema) {
  for (const SortField& field : order.fields) {
    const std::string what = fmt::format("sort order {}, field {}", order.order_id, columns_.size() + 1);
    ColumnTransform values(schema, field.source_ids.empty() ? 0 : field.source_ids.front(), field.transform, what);
    const uint32_t width = width_of(values);
    columns_.push_back({std::move(values), field.ascending, field.nulls_first, width});
  }
}

void RowOrder::append_interleaved(const arrow::RecordBatch& batch, RowKeys& keys) const {
  const size_t n = z_columns_.size();
  const auto rows = static_cast<size_t>(batch.num_rows());
  std::vector<uint64_t> bits(rows * n, 0);
  for (size_t c = 0; c < n; ++c) {
    const ZColumn& column = z_columns_[c];
    const auto at = [&](int64_t row) -> uint64_t& { return bits[static_cast<size_t>(row) * n + c]; };
    switch (column.values.kind()) {
      case ColumnTransform::Kind::kBytes:
        column.values.for_each(
            batch, [&](int64_t row, std::string_view value) { at(row) = z_bits(value, column.skip) << column.shift; });
        break;
      case ColumnTransform::Kind::kInt128:
        column.values.for_each(batch, [&](int64_t row, Int128 value) {
          at(row) = static_cast<uint64_t>(z_bits(value) << column.shift >> 64);
        });
        break;
      case ColumnTransform::Kind::kInt64: {
        const TypeKind type = column.values.result().kind;
        column.values.for_each(batch,
                               [&](int64_t row, int64_t value) { at(row) = z_bits(value, type) << column.shift; });
        break;
      }
      case ColumnTransform::Kind::kNone:
        break;
    }
  }
  if (curve_ == Curve::kHilbert) {
    for (size_t row = 0; row < rows; ++row) to_hilbert(&bits[row * n], n);
  }
  const std::array<uint64_t, 256> spread = spread_bits(n);
  const size_t begin = keys.bytes.size();
  keys.bytes.resize(begin + rows * n * 8);
  char* out = keys.bytes.data() + begin;
  for (size_t row = 0; row < rows; ++row) {
    for (int byte = 56; byte >= 0; byte -= 8) {
      uint64_t together = 0;
      for (size_t c = 0; c < n; ++c) together |= spread[bits[row * n + c] >> byte & 0xFF] << (n - 1 - c);
      for (size_t k = n; k-- > 0;) *out++ = static_cast<char>(together >> (8 * k));
    }
    keys.ends.push_back(begin + (row + 1) * n * 8);
  }
}

void RowOrder::append_keys(const arrow::RecordBatch& batch, RowKeys& keys) const {
  if (!z_columns_.empty()) return append_interleaved(batch, keys);
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
