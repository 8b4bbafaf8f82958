#include "floe/file/row_hash.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#define XXH_INLINE_ALL
#include <arrow/vendored/xxhash.h>
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <string_view>

#include "floe/error.h"

namespace floe {
namespace {

constexpr uint64_t kNull = 0x9e3779b97f4a7c15;

RowHash random_seed() {
  std::random_device random;
  const auto word = [&] { return uint64_t{random()} << 32 | random(); };
  return {word(), word()};
}

RowHash seed() {
  static const RowHash kSeed = random_seed();
  return kSeed;
}

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

void add(RowHash& hash, const RowHash& value) {
  hash.high = mix(hash.high ^ value.high, 0xbf58476d1ce4e5b9) + kNull;
  hash.low = mix(hash.low ^ value.low, 0x94d049bb133111eb) + kNull;
}

void add(RowHash& hash, uint64_t value) { add(hash, RowHash{value ^ seed().high, value ^ seed().low}); }

void add(RowHash& hash, std::string_view bytes) {
  const XXH128_hash_t value = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed().low);
  add(hash, RowHash{value.high64, value.low64});
}

void add_column(const arrow::Array& column, std::vector<RowHash>& rows);

template <typename F>
void add_each(const arrow::Array& column, std::vector<RowHash>& rows, const F& value_of) {
  for (int64_t i = 0; i < column.length(); ++i) {
    if (column.IsNull(i)) {
      add(rows[i], kNull);
    } else {
      add(rows[i], uint64_t{1});  // so that no value is taken for a null
      add(rows[i], value_of(i));
    }
  }
}

template <typename T>
void add_numbers(const arrow::Array& column, std::vector<RowHash>& rows) {
  const T* values = column.data()->GetValues<T>(1);
  add_each(column, rows, [&](int64_t i) { return static_cast<uint64_t>(values[i]); });
}

template <typename A>
void add_bytes(const arrow::Array& column, std::vector<RowHash>& rows) {
  const auto& values = static_cast<const A&>(column);
  add_each(column, rows, [&](int64_t i) { return std::string_view(values.GetView(i)); });
}

void add_struct(const arrow::StructArray& column, std::vector<RowHash>& rows) {
  const std::vector<RowHash> members = row_hashes(column.fields(), column.length());
  add_each(column, rows, [&](int64_t i) { return members[i]; });
}

template <typename A>
void add_lists(const A& column, std::vector<RowHash>& rows) {
  if (column.length() == 0) return;
  const int64_t begin = column.value_offset(0), end = column.value_offset(column.length());
  const std::vector<RowHash> elements = row_hashes({column.values()->Slice(begin, end - begin)}, end - begin);
  add_each(column, rows, [&](int64_t i) {
    RowHash list = seed();
    add(list, static_cast<uint64_t>(column.value_length(i)));
    const int64_t first = column.value_offset(i) - begin;
    for (int64_t k = 0; k < column.value_length(i); ++k) add(list, elements[first + k]);
    return list;
  });
}

void add_column(const arrow::Array& column, std::vector<RowHash>& rows) {
  using arrow::Type;
  switch (column.type_id()) {
    case Type::EXTENSION:
      return add_column(*static_cast<const arrow::ExtensionArray&>(column).storage(), rows);
    case Type::NA:
      for (RowHash& row : rows) add(row, kNull);
      return;
    case Type::BOOL: {
      const auto& values = static_cast<const arrow::BooleanArray&>(column);
      return add_each(column, rows, [&](int64_t i) { return static_cast<uint64_t>(values.Value(i)); });
    }
    case Type::INT32:
    case Type::FLOAT:
    case Type::DATE32:
      return add_numbers<uint32_t>(column, rows);
    case Type::INT64:
    case Type::DOUBLE:
    case Type::TIME64:
    case Type::TIMESTAMP:
      return add_numbers<uint64_t>(column, rows);
    case Type::FIXED_SIZE_BINARY:
    case Type::DECIMAL128:
      return add_bytes<arrow::FixedSizeBinaryArray>(column, rows);
    case Type::STRING:
    case Type::BINARY:
      return add_bytes<arrow::BinaryArray>(column, rows);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return add_bytes<arrow::LargeBinaryArray>(column, rows);
    case Type::STRUCT:
      return add_struct(static_cast<const arrow::StructArray&>(column), rows);
    case Type::LIST:
    case Type::MAP:
      return add_lists(static_cast<const arrow::ListArray&>(column), rows);
    case Type::LARGE_LIST:
      return add_lists(static_cast<const arrow::LargeListArray&>(column), rows);
    default:
      throw NotSupported(fmt::format("rows with a column of type {} are not compared", column.type()->ToString()));
  }
}

}  // namespace

std::vector<RowHash> row_hashes(const arrow::ArrayVector& columns, int64_t rows) {
  std::vector<RowHash> hashes(static_cast<size_t>(rows), seed());
  for (const auto& column : columns) add_column(*column, hashes);
  return hashes;
}

}  // namespace floe
