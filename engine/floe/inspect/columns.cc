#include "floe/inspect/columns.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include <cstring>
#include <limits>
#include <utility>

#include "floe/arrow_status.h"

namespace floe {
namespace {

constexpr std::string_view kWhat = "a metadata table as Arrow";

// Memory that lives as long as the buffer.
template <typename Owner, typename T>
std::shared_ptr<arrow::Buffer> share(const std::shared_ptr<Owner>& owner, const T* data, size_t count) {
  struct Shared : arrow::Buffer {
    Shared(std::shared_ptr<Owner> of, const uint8_t* bytes, int64_t size)
        : arrow::Buffer(bytes, size), owner(std::move(of)) {}
    std::shared_ptr<Owner> owner;
  };
  return std::make_shared<Shared>(owner, reinterpret_cast<const uint8_t*>(data),
                                  static_cast<int64_t>(count * sizeof(T)));
}

struct Validity {
  std::shared_ptr<arrow::Buffer> bits;  // null: all are valid
  int64_t nulls = 0;
};

template <typename IsValid>
Validity validity(size_t n, const IsValid& is_valid) {
  arrow::TypedBufferBuilder<bool> builder;
  check(builder.Reserve(static_cast<int64_t>(n)), kWhat);
  for (size_t i = 0; i < n; ++i) builder.UnsafeAppend(is_valid(i));
  const int64_t nulls = builder.false_count();
  if (nulls == 0) return {};
  return {check(builder.Finish(), kWhat), nulls};
}

Validity validity(const EntryRange& range, const std::vector<int64_t>& column) {
  return validity(range.end - range.begin, [&](size_t i) { return column[range.begin + i] != kAbsent; });
}

Validity validity(const EntryRange& range, const BytesColumn& column) {
  return validity(range.end - range.begin, [&](size_t i) { return column.has(range.begin + i); });
}

// Where the values of the range's entries begin and end, in items of `width` bytes from the first one's on.
std::shared_ptr<arrow::Buffer> offsets_of(const EntryRange& range, const BytesColumn& column, int64_t width) {
  std::vector<int32_t> offsets;
  offsets.reserve(range.end - range.begin + 1);
  const int64_t first = column.offsets[range.begin];
  if (column.offsets[range.end] - first > std::numeric_limits<int32_t>::max()) {
    throw NotSupported("texts of more than 2 GiB in one part of a manifest");
  }
  for (size_t i = range.begin; i <= range.end; ++i) {
    offsets.push_back(static_cast<int32_t>((column.offsets[i] - first) / width));
  }
  return arrow::Buffer::FromVector(std::move(offsets));
}

std::shared_ptr<arrow::Buffer> bytes_of(const EntryRange& range, const BytesColumn& column) {
  const int64_t first = column.offsets[range.begin];
  return share(range.manifest, column.data.data() + first, static_cast<size_t>(column.offsets[range.end] - first));
}

// --- single values ---------------------------------------------------------------------------------------------------

using BytesOf = std::function<std::optional<std::string_view>(size_t)>;
using Bad = std::function<void(size_t)>;

// A value whose bytes were written before its type was promoted, or are none of the type.
template <typename T>
std::optional<T> promoted(std::string_view bytes, const Type& type) {
  try {
    return from_bytes(bytes, type).as<T>();
  } catch (const CorruptFile&) {
    return std::nullopt;
  }
}

template <typename T>
ArrayPtr fixed_width_array(size_t n, const Type& type, const DataTypePtr& arrow_type, const BytesOf& bytes_of,
                           const Bad& bad) {
  std::vector<T> values(n);
  arrow::TypedBufferBuilder<bool> valid;
  check(valid.Reserve(static_cast<int64_t>(n)), kWhat);
  for (size_t i = 0; i < n; ++i) {
    const auto bytes = bytes_of(i);
    bool known = bytes.has_value();
    if (known && bytes->size() == sizeof(T)) {
      std::memcpy(&values[i], bytes->data(), sizeof(T));
    } else if (known) {
      const std::optional<T> value = promoted<T>(*bytes, type);
      known = value.has_value();
      if (known) values[i] = *value;
      if (!known) bad(i);
    }
    valid.UnsafeAppend(known);
  }
  const int64_t nulls = valid.false_count();
  auto bits = nulls == 0 ? nullptr : check(valid.Finish(), kWhat);
  return arrow::MakeArray(arrow::ArrayData::Make(
      arrow_type, static_cast<int64_t>(n), {std::move(bits), arrow::Buffer::FromVector(std::move(values))}, nulls));
}

// `append(bytes)` is false for bytes that are no value of the type.
template <typename Builder, typename Append>
ArrayPtr built_array(Builder& builder, size_t n, const BytesOf& bytes_of, const Bad& bad, const Append& append) {
  for (size_t i = 0; i < n; ++i) {
    const auto bytes = bytes_of(i);
    if (bytes && append(*bytes)) continue;
    if (bytes) bad(i);
    check(builder.AppendNull(), kWhat);
  }
  return check(builder.Finish(), kWhat);
}

bool is_text(std::string_view bytes) {
  static const bool initialized = (arrow::util::InitializeUTF8(), true);
  return initialized && arrow::util::ValidateUTF8(bytes);
}

ArrayPtr decimal_array(size_t n, const Type& type, const DataTypePtr& arrow_type, const BytesOf& bytes_of,
                       const Bad& bad) {
  arrow::Decimal128Builder builder(arrow_type);
  return built_array(builder, n, bytes_of, bad, [&](std::string_view bytes) {
    const std::optional<Int128> value = promoted<Int128>(bytes, type);
    if (!value || !fits(*value, type)) return false;
    check(builder.Append(arrow::Decimal128(static_cast<int64_t>(*value >> 64), static_cast<uint64_t>(*value))), kWhat);
    return true;
  });
}

}  // namespace

ArrayPtr long_array(const EntryRange& range, const std::vector<int64_t>& column) {
  const Validity valid = validity(range, column);
  const auto values = share(range.manifest, column.data() + range.begin, range.end - range.begin);
  return std::make_shared<arrow::Int64Array>(range.size(), values, valid.bits, valid.nulls);
}

ArrayPtr int_array(const EntryRange& range, const std::vector<int64_t>& column) {
  const Validity valid = validity(range, column);
  std::vector<int32_t> values;
  values.reserve(range.end - range.begin);
  for (size_t i = range.begin; i < range.end; ++i) values.push_back(static_cast<int32_t>(column[i]));
  return std::make_shared<arrow::Int32Array>(range.size(), arrow::Buffer::FromVector(std::move(values)), valid.bits,
                                             valid.nulls);
}

ArrayPtr bytes_array(const EntryRange& range, const BytesColumn& column, const DataTypePtr& type) {
  const Validity valid = validity(range, column);
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, range.size(), {valid.bits, offsets_of(range, column, 1), bytes_of(range, column)}, valid.nulls));
}

ArrayPtr list_array(const EntryRange& range, const BytesColumn& column, const DataTypePtr& type) {
  const auto& element = static_cast<const arrow::ListType&>(*type).value_type();
  const int64_t width = element->byte_width();
  const Validity valid = validity(range, column);
  const auto bytes = bytes_of(range, column);
  const auto items = arrow::ArrayData::Make(element, bytes->size() / width, {nullptr, bytes}, 0);
  return std::make_shared<arrow::ListArray>(type, range.size(), offsets_of(range, column, width),
                                            arrow::MakeArray(items), valid.bits, valid.nulls);
}

ArrayPtr map_array(const EntryRange& range, const MapColumn& column, const DataTypePtr& type) {
  const auto& map = static_cast<const arrow::MapType&>(*type);
  if (column.present.empty()) return null_array(range.size(), type);  // the file has no such field
  const auto n = static_cast<int64_t>(column.keys.size());
  const auto keys = std::make_shared<arrow::Int32Array>(n, share(range.maps, column.keys.data(), column.keys.size()));
  ArrayPtr values;
  if (map.item_type()->id() == arrow::Type::INT64) {
    values = std::make_shared<arrow::Int64Array>(n, share(range.maps, column.counts.data(), column.counts.size()));
  } else {
    values = std::make_shared<arrow::BinaryArray>(n, share(range.maps, column.ends.data(), column.ends.size()),
                                                  share(range.maps, column.bytes.data(), column.bytes.size()));
  }
  const Validity valid = validity(column.present.size(), [&](size_t i) { return column.present[i] != 0; });
  return std::make_shared<arrow::MapArray>(type, range.size(),
                                           share(range.maps, column.offsets.data(), column.offsets.size()), keys,
                                           values, valid.bits, valid.nulls);
}

ArrayPtr value_array(size_t n, const Type& type, const DataTypePtr& arrow_type, const BytesOf& bytes_of,
                     const Bad& bad) {
  if (arrow_type->id() == arrow::Type::EXTENSION && type.kind != TypeKind::kVariant) {
    const auto& storage = static_cast<const arrow::ExtensionType&>(*arrow_type).storage_type();
    return arrow::ExtensionType::WrapArray(arrow_type, value_array(n, type, storage, bytes_of, bad));
  }
  switch (type.kind) {
    case TypeKind::kBoolean: {
      arrow::BooleanBuilder builder;
      return built_array(builder, n, bytes_of, bad, [&](std::string_view bytes) {
        if (bytes.size() != 1) return false;
        check(builder.Append(bytes[0] != 0), kWhat);
        return true;
      });
    }
    case TypeKind::kInt:
    case TypeKind::kDate:
      return fixed_width_array<int32_t>(n, type, arrow_type, bytes_of, bad);
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return fixed_width_array<int64_t>(n, type, arrow_type, bytes_of, bad);
    case TypeKind::kFloat:
      return fixed_width_array<float>(n, type, arrow_type, bytes_of, bad);
    case TypeKind::kDouble:
      return fixed_width_array<double>(n, type, arrow_type, bytes_of, bad);
    case TypeKind::kDecimal:
      return decimal_array(n, type, arrow_type, bytes_of, bad);
    case TypeKind::kString: {
      arrow::StringBuilder builder;
      return built_array(builder, n, bytes_of, bad, [&](std::string_view bytes) {
        if (!is_text(bytes)) return false;
        check(builder.Append(bytes), kWhat);
        return true;
      });
    }
    case TypeKind::kFixed:
    case TypeKind::kUuid: {
      arrow::FixedSizeBinaryBuilder builder(arrow_type);
      return built_array(builder, n, bytes_of, bad, [&](std::string_view bytes) {
        if (bytes.size() != static_cast<size_t>(builder.byte_width())) return false;
        check(builder.Append(bytes), kWhat);
        return true;
      });
    }
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography: {
      arrow::BinaryBuilder builder;
      return built_array(builder, n, bytes_of, bad, [&](std::string_view bytes) {
        check(builder.Append(bytes), kWhat);
        return true;
      });
    }
    default:  // unknown, variant
      return null_array(static_cast<int64_t>(n), arrow_type);
  }
}

ArrayPtr struct_array(int64_t n, const DataTypePtr& type, const arrow::ArrayVector& children) {
  return std::make_shared<arrow::StructArray>(type, n, children);
}

ArrayPtr null_array(int64_t n, const DataTypePtr& type) { return check(arrow::MakeArrayOfNull(type, n), kWhat); }

ArrayPtr constant_array(int64_t n, const arrow::Scalar& value) {
  return check(arrow::MakeArrayFromScalar(value, n), kWhat);
}

}  // namespace floe
