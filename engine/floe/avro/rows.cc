#include "floe/avro/rows.h"

#include <fmt/format.h>

#include <utility>

namespace floe::avro {

namespace {

// Builds rows out of events: a stack of the structs, lists and maps that are open.
class RowBuilder {
 public:
  RowBuilder(const Program& program, const std::function<void(std::vector<Value>)>& visit)
      : program_(program), visit_(visit) {}

  void null(int slot) { put(slot, Value()); }
  void boolean(int slot, bool value) { put(slot, value); }
  void real(int slot, float value) { put(slot, value); }
  void real(int slot, double value) { put(slot, value); }

  void integer(int slot, int64_t value) {
    const TypeKind kind = program_.slots[slot].type.kind;
    if (kind == TypeKind::kInt || kind == TypeKind::kDate) {
      put(slot, static_cast<int32_t>(value));
    } else {
      put(slot, value);
    }
  }

  void bytes(int slot, std::string_view value) {
    if (program_.slots[slot].type.kind == TypeKind::kDecimal) {
      put(slot, from_bytes(value, program_.slots[slot].type));
    } else {
      put(slot, std::string(value));
    }
  }

  bool key(int slot, int32_t value) {
    put(slot, value);
    return true;
  }

  void begin(int slot) {
    open_.emplace_back();
    const Type& type = program_.slots[slot].type;
    if (type.kind == TypeKind::kStruct) open_.back().resize(type.children->size());
    if (type.kind == TypeKind::kVariant) open_.back().resize(2);
  }

  void end(int slot) {
    std::vector<Value> done = std::move(open_.back());
    open_.pop_back();
    if (open_.empty()) {
      visit_(std::move(done));
    } else {
      put(slot, std::move(done));
    }
  }

 private:
  [[gnu::noinline]] void put(int slot, Value value) {  // inlined, it makes g++ 12 warn of what is not so
    const Slot& place = program_.slots[slot];
    const TypeKind parent = program_.slots[place.parent].type.kind;
    if (parent == TypeKind::kStruct || parent == TypeKind::kVariant) {
      open_.back()[place.position] = std::move(value);
    } else {
      open_.back().push_back(std::move(value));
    }
  }

  const Program& program_;
  const std::function<void(std::vector<Value>)>& visit_;
  std::vector<std::vector<Value>> open_;
};

void encode_decimal(Int128 unscaled, const Type& type, std::string& out) {
  for (int32_t shift = (decimal_bytes(type.precision) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(unscaled >> shift));
  }
}

void encode_value(const Type& type, const Value& value, std::string& out) {
  switch (type.kind) {
    case TypeKind::kUnknown:
      return;
    case TypeKind::kBoolean:
      out.push_back(value.as<bool>() ? 1 : 0);
      return;
    case TypeKind::kInt:
    case TypeKind::kDate:
      return append_long(out, value.as<int32_t>());
    case TypeKind::kLong:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return append_long(out, value.as<int64_t>());
    case TypeKind::kFloat:
      return append_number(out, value.as<float>());
    case TypeKind::kDouble:
      return append_number(out, value.as<double>());
    case TypeKind::kDecimal:
      return encode_decimal(value.as<Int128>(), type, out);
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      return append_bytes(out, value.as<std::string>());
    case TypeKind::kUuid:
    case TypeKind::kFixed: {
      const std::string& bytes = value.as<std::string>();
      if (bytes.size() != (type.kind == TypeKind::kUuid ? 16 : static_cast<size_t>(type.length))) {
        throw InvalidArgument(fmt::format("a value of {} bytes is no {}", bytes.size(), to_string(type)));
      }
      out += bytes;
      return;
    }
    case TypeKind::kVariant:
      for (const Value& part : value.as<std::vector<Value>>()) append_bytes(out, part.as<std::string>());
      return;
    case TypeKind::kStruct:
      return encode_row(*type.children, value.as<std::vector<Value>>(), out);
    case TypeKind::kList:
    case TypeKind::kMap: {
      const auto& items = value.as<std::vector<Value>>();
      const size_t width = type.children->size();
      if (!items.empty()) append_long(out, static_cast<int64_t>(items.size() / width));
      for (size_t i = 0; i < items.size(); ++i) encode((*type.children)[i % width], items[i], out);
      append_long(out, 0);
      return;
    }
  }
}

}  // namespace

void read_rows(std::string_view bytes, const std::string& file, const std::vector<Field>& wanted,
               const std::function<void(std::vector<Value> row)>& visit) {
  const Header header = read_header(bytes, file);
  Program program;
  try {
    program = compile(*parse_schema(header.schema), wanted);
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("{}: {}", file, e.what()));
  } catch (const NotSupported& e) {
    throw NotSupported(fmt::format("{}: {}", file, e.what()));
  }
  RowBuilder builder(program, visit);
  Decoder decoder(program, builder);
  for_each_block(bytes, header, file, [&](int64_t records, std::string_view data) { decoder.block(records, data); });
}

void encode(const Field& field, const Value& value, std::string& out) {
  if (field.type.kind == TypeKind::kUnknown) return;
  if (field.required && value.is_null()) {
    throw InvalidArgument(fmt::format("field {} ({}) is required and has no value", field.id, field.name));
  }
  if (!field.required) {
    append_long(out, value.is_null() == null_comes_first(field) ? 0 : 1);
    if (value.is_null()) return;
  }
  encode_value(field.type, value, out);
}

void encode_row(const std::vector<Field>& fields, const std::vector<Value>& row, std::string& out) {
  for (size_t i = 0; i < fields.size(); ++i) encode(fields[i], row.at(i), out);
}

}  // namespace floe::avro
