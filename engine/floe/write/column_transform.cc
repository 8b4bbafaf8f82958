#include "floe/write/column_transform.h"

#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include "floe/arrow_status.h"

namespace floe {
namespace {

constexpr int64_t kMicrosPerDay = 86'400'000'000;

ColumnTransform::Kind kind_of(const Transform& transform, const Type& source) {
  using Kind = ColumnTransform::Kind;
  if (transform.kind == TransformKind::kVoid || source.kind == TypeKind::kUnknown) return Kind::kNone;
  if (transform.kind != TransformKind::kIdentity && transform.kind != TransformKind::kTruncate) return Kind::kInt64;
  switch (source.kind) {
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
    case TypeKind::kUuid:
      return Kind::kBytes;
    case TypeKind::kDecimal:
      return Kind::kInt128;
    default:
      return Kind::kInt64;
  }
}

}  // namespace

ColumnTransform::ColumnTransform(const Schema& schema, int32_t source_id, const Transform& transform,
                                 const std::string& what)
    : transform_(transform) {
  if (transform_.kind == TransformKind::kUnknown) {
    throw NotSupported(
        fmt::format("{} has transform '{}', which this version does not know: it can read the table but "
                    "not write to it",
                    what, transform_.text));
  }
  if (transform_.kind == TransformKind::kVoid) return;  // its source column may be gone
  const auto path = path_to(schema, source_id);
  if (path.empty()) throw InvalidArgument(fmt::format("{}: the table has no column with id {}", what, source_id));
  const std::vector<Field>* siblings = &schema.fields;
  for (const Field* step : path) {
    steps_.push_back(static_cast<int>(step - siblings->data()));
    if (step != path.back() && step->type.kind != TypeKind::kStruct) {
      throw InvalidArgument(fmt::format("{}: its column is inside a list or a map", what));
    }
    siblings = step->type.children.get();
  }
  source_ = path.back()->type;
  if (!can_transform(transform_, source_)) {
    throw InvalidArgument(
        fmt::format("{}: {} does not take values of type {}", what, to_string(transform_), to_string(source_)));
  }
  kind_ = kind_of(transform_, source_);
  result_ = result_type(transform_, source_);
}

// The column itself: nested ones are null where a struct around them is.
std::shared_ptr<arrow::Array> ColumnTransform::source_array(const arrow::RecordBatch& batch) const {
  std::shared_ptr<arrow::Array> array = batch.column(steps_.front());
  for (size_t i = 1; i < steps_.size(); ++i) {
    array = check(static_cast<const arrow::StructArray&>(*array).GetFlattenedField(steps_[i]), "a nested column");
  }
  if (array->type_id() == arrow::Type::EXTENSION) {
    array = static_cast<const arrow::ExtensionArray&>(*array).storage();
  }
  return array;
}

int64_t ColumnTransform::units_per_day() const {
  if (source_.kind == TypeKind::kDate) return 1;
  return internal::is_nanos(source_) ? kMicrosPerDay * 1000 : kMicrosPerDay;
}

namespace internal {

void refuse_column(const arrow::Array& array) {
  throw Error(fmt::format("cannot transform an Arrow column of type {}", array.type()->ToString()));
}

void refuse_value(const Transform& transform) {
  throw InvalidArgument(fmt::format("{} of a value is out of range: it can be neither partitioned nor sorted by it",
                                    to_string(transform)));
}

Int128 decimal_value(const uint8_t* bytes) {
  const arrow::Decimal128 v(bytes);
  return static_cast<Int128>(v.high_bits()) << 64 | static_cast<Int128>(v.low_bits());
}

uint32_t hash_long(int64_t value) {
  char bytes[sizeof value];  // little-endian, as this machine has it
  std::memcpy(bytes, &value, sizeof value);
  return murmur3_32({bytes, sizeof value});
}

}  // namespace internal
}  // namespace floe
