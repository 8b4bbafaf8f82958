// Arrow columns from the columns of manifests, sharing their memory where the layouts agree. Internal to inspect/.
#pragma once

#include <arrow/array.h>
#include <arrow/buffer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "floe/manifest/whole_entries.h"
#include "floe/spec/type.h"

namespace floe {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using DataTypePtr = std::shared_ptr<arrow::DataType>;

// Some entries of a manifest, [begin, end).
struct EntryRange {
  ManifestPtr manifest;
  size_t begin = 0, end = 0;
  std::shared_ptr<const EntryMaps> maps;  // beside them (of `begin` the first); null: not decoded

  auto size() const { return static_cast<int64_t>(end - begin); }
};

// `column` is one of the manifest's. Absent numbers are null.
ArrayPtr long_array(const EntryRange& range, const std::vector<int64_t>& column);
ArrayPtr int_array(const EntryRange& range, const std::vector<int64_t>& column);
// Strings and bytes. `type` is arrow::utf8() or arrow::binary().
ArrayPtr bytes_array(const EntryRange& range, const BytesColumn& column, const DataTypePtr& type);
// Lists of int32s or int64s, which lie side by side.
ArrayPtr list_array(const EntryRange& range, const BytesColumn& column, const DataTypePtr& type);
// One of `range.maps`.
ArrayPtr map_array(const EntryRange& range, const MapColumn& column, const DataTypePtr& type);

// A column of n values of a primitive type, from their binary single-value form (nullopt: null). `bad` is called for
// bytes that are no value of the type; if it returns, they are null.
ArrayPtr value_array(size_t n, const Type& type, const DataTypePtr& arrow_type,
                     const std::function<std::optional<std::string_view>(size_t)>& bytes_of,
                     const std::function<void(size_t)>& bad);

// The same numbers, and their memory.
template <typename T>
ArrayPtr number_array(std::vector<T> values, const DataTypePtr& type) {
  const auto n = static_cast<int64_t>(values.size());
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, n, {nullptr, arrow::Buffer::FromVector(std::move(values))}, /*null_count=*/0));
}

// Structs that are not null.
ArrayPtr struct_array(int64_t n, const DataTypePtr& type, const arrow::ArrayVector& children);

ArrayPtr null_array(int64_t n, const DataTypePtr& type);
ArrayPtr constant_array(int64_t n, const arrow::Scalar& value);

}  // namespace floe
