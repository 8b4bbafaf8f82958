#include "floe/file/avro_columns.h"

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"

namespace floe {
namespace {

constexpr const char* kStep = "decoding Avro records";

// The type without extension types in it, which builders do not know.
std::shared_ptr<arrow::DataType> storage_type(const std::shared_ptr<arrow::DataType>& type) {
  const auto field = [&](int i) { return type->field(i)->WithType(storage_type(type->field(i)->type())); };
  switch (type->id()) {
    case arrow::Type::EXTENSION:
      return storage_type(static_cast<const arrow::ExtensionType&>(*type).storage_type());
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (int i = 0; i < type->num_fields(); ++i) fields.push_back(field(i));
      return arrow::struct_(fields);
    }
    case arrow::Type::LIST:
      return arrow::list(field(0));
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(map.key_field()->WithType(storage_type(map.key_type())),
                                              map.item_field()->WithType(storage_type(map.item_type())));
    }
    default:
      return type;
  }
}

arrow::ArrayBuilder* child_of(arrow::ArrayBuilder* parent, int position) {
  switch (parent->type()->id()) {
    case arrow::Type::STRUCT:
      return static_cast<arrow::StructBuilder*>(parent)->field_builder(position);
    case arrow::Type::LIST:
      return static_cast<arrow::ListBuilder*>(parent)->value_builder();
    default: {
      auto* const map = static_cast<arrow::MapBuilder*>(parent);
      return position == 0 ? map->key_builder() : map->item_builder();
    }
  }
}

void checked(const arrow::Status& status) {
  if (status.IsCapacityError()) throw NotSupported(fmt::format("{}: {}", kStep, status.message()));
  check(status, kStep);
}

template <typename Builder, typename T>
void append(arrow::ArrayBuilder* builder, T value) {
  checked(static_cast<Builder*>(builder)->Append(value));
}

}  // namespace

AvroColumns::AvroColumns(const avro::Program& program, const std::vector<Field>& fields) : fields_(fields) {
  for (const Field& field : fields) {
    columns_.push_back(check(arrow::MakeBuilder(storage_type(to_arrow_type(field.type))), kStep));
  }
  slots_.resize(program.slots.size());
  for (size_t i = 1; i < slots_.size(); ++i) {
    const avro::Slot& slot = program.slots[i];
    slots_[i].type = &slot.type;
    slots_[i].builder = slot.parent == 0 ? columns_[static_cast<size_t>(slot.position)].get()
                                         : child_of(slots_[static_cast<size_t>(slot.parent)].builder, slot.position);
  }
}

arrow::ArrayVector AvroColumns::finish() {
  arrow::ArrayVector out;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const auto array = check(columns_[i]->Finish(), kStep);
    out.push_back(arrow::MakeArray(relabel(*array->data(), to_arrow_type(fields_[i].type))));
  }
  return out;
}

void AvroColumns::null(int slot) { checked(slots_[slot].builder->AppendNull()); }

void AvroColumns::boolean(int slot, bool value) { append<arrow::BooleanBuilder>(slots_[slot].builder, value); }

void AvroColumns::integer(int slot, int64_t value) {
  arrow::ArrayBuilder* const builder = slots_[slot].builder;
  switch (slots_[slot].type->kind) {
    case TypeKind::kInt:
      return append<arrow::Int32Builder>(builder, static_cast<int32_t>(value));
    case TypeKind::kDate:
      return append<arrow::Date32Builder>(builder, static_cast<int32_t>(value));
    case TypeKind::kTime:
      return append<arrow::Time64Builder>(builder, value);
    case TypeKind::kLong:
      return append<arrow::Int64Builder>(builder, value);
    default:
      return append<arrow::TimestampBuilder>(builder, value);
  }
}

void AvroColumns::real(int slot, float value) { append<arrow::FloatBuilder>(slots_[slot].builder, value); }
void AvroColumns::real(int slot, double value) { append<arrow::DoubleBuilder>(slots_[slot].builder, value); }

void AvroColumns::bytes(int slot, std::string_view value) {
  arrow::ArrayBuilder* const builder = slots_[slot].builder;
  const Type& type = *slots_[slot].type;
  switch (type.kind) {
    case TypeKind::kDecimal: {
      const Int128 unscaled = from_bytes(value, type).as<Int128>();
      return append<arrow::Decimal128Builder>(
          builder, arrow::Decimal128(static_cast<int64_t>(unscaled >> 64), static_cast<uint64_t>(unscaled)));
    }
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return append<arrow::FixedSizeBinaryBuilder>(builder, value);
    default:
      return append<arrow::BinaryBuilder>(builder, value);
  }
}

void AvroColumns::begin(int slot) {
  if (slot == 0) return;
  arrow::ArrayBuilder* const builder = slots_[slot].builder;
  switch (builder->type()->id()) {
    case arrow::Type::STRUCT:
      return checked(static_cast<arrow::StructBuilder*>(builder)->Append());
    case arrow::Type::LIST:
      return checked(static_cast<arrow::ListBuilder*>(builder)->Append());
    default:
      return checked(static_cast<arrow::MapBuilder*>(builder)->Append());
  }
}

bool AvroColumns::key(int slot, int32_t value) {
  integer(slot, value);
  return true;
}

}  // namespace floe
