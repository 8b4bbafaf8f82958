#include "floe/avro/program.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

namespace floe::avro {

namespace {

// Named types are compiled again wherever they are used, so that a small schema can ask for very many operations.
constexpr size_t kMaxOps = 500'000;

constexpr int64_t kMicrosOfDay = 86'400'000'000;

class Compiler {
 public:
  Compiler(Program& program, Matching matching) : program_(program), matching_(matching) {}

  void read_struct(const std::vector<AvroField>& file, const std::vector<Field>& wanted, int slot);

 private:
  void read(const AvroType& file, const Field& wanted, int slot);
  void read_union(const AvroType& file, const Field& wanted, int slot);
  void read_primitive(const AvroType& file, const Field& wanted, int slot);
  void read_variant(const AvroType& file, int slot);
  void read_list(const AvroType& file, const Field& wanted, int slot);
  void read_map(const AvroType& file, const Field& wanted, int slot);
  void read_missing(const Field& wanted, int slot);
  void read_constant(const Field& wanted, int slot);

  void skip(const AvroType& file);
  void skip_array(const AvroType& items);

  const AvroField* match(const std::vector<AvroField>& file, const Field& wanted) const;
  int new_slot(const Field& field, int parent, int position);
  size_t emit(Op op);
  void close(size_t op) { program_.ops[op].body = static_cast<uint32_t>(program_.ops.size() - op - 1); }
  template <typename Branch>
  void emit_union(const std::vector<AvroTypePtr>& branches, Branch&& emit_branch);
  [[noreturn]] static void mismatch(const AvroType& file, const Field& wanted);

  Program& program_;
  Matching matching_;
};

std::string_view kind_name(Kind kind) {
  static constexpr std::string_view names[] = {"null",   "boolean", "int",  "long",  "float", "double", "bytes",
                                               "string", "fixed",   "enum", "array", "map",   "record", "union"};
  return names[static_cast<size_t>(kind)];
}

void Compiler::mismatch(const AvroType& file, const Field& wanted) {
  throw CorruptFile(fmt::format("field {} ({}) is stored as Avro {}, which cannot be read as {}", wanted.id,
                                wanted.name, kind_name(file.kind), to_string(wanted.type)));
}

size_t Compiler::emit(Op op) {
  if (program_.ops.size() >= kMaxOps) throw CorruptFile("the Avro schema is too large");
  program_.ops.push_back(op);
  return program_.ops.size() - 1;
}

int Compiler::new_slot(const Field& field, int parent, int position) {
  program_.slots.push_back({.field_id = field.id, .parent = parent, .position = position, .type = field.type});
  return static_cast<int>(program_.slots.size() - 1);
}

const AvroField* Compiler::match(const std::vector<AvroField>& file, const Field& wanted) const {
  bool any_id = false;
  for (const AvroField& field : file) {
    if (field.id == wanted.id) return &field;
    any_id = any_id || field.id.has_value();
  }
  if (any_id && matching_ == Matching::kById) return nullptr;
  const std::string avro_name = make_avro_name(wanted.name);
  for (const AvroField& field : file) {
    if (field.name == wanted.name || field.name == avro_name) return &field;
  }
  return nullptr;
}

void Compiler::read_struct(const std::vector<AvroField>& file, const std::vector<Field>& wanted, int slot) {
  emit({.code = OpCode::kBegin, .slot = slot});
  std::vector<const AvroField*> matches;
  for (const Field& field : wanted) matches.push_back(match(file, field));

  for (const AvroField& stored : file) {
    const auto found = std::find(matches.begin(), matches.end(), &stored);
    if (found == matches.end()) {
      skip(*stored.type);
    } else {
      const auto position = found - matches.begin();
      read(*stored.type, wanted[position], new_slot(wanted[position], slot, static_cast<int>(position)));
    }
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    // A field of the file that matches twice is read for the first of them.
    const bool read_already =
        matches[i] != nullptr && std::find(matches.begin(), matches.begin() + i, matches[i]) == matches.begin() + i;
    if (!read_already) read_missing(wanted[i], new_slot(wanted[i], slot, static_cast<int>(i)));
  }
  emit({.code = OpCode::kEnd, .slot = slot});
}

void Compiler::read_missing(const Field& wanted, int slot) {
  if (!wanted.initial_default.is_null()) return read_constant(wanted, slot);
  if (wanted.required) {
    throw CorruptFile(fmt::format("the required field {} ({}) is missing", wanted.id, wanted.name));
  }
  emit({.code = OpCode::kNull, .slot = slot});
}

void Compiler::read_constant(const Field& wanted, int slot) {
  const Type& type = wanted.type;
  if (type.is_nested() || type.kind == TypeKind::kVariant) {
    // The specification allows empty ones only; the fields of a struct then have their own defaults.
    emit({.code = OpCode::kBegin, .slot = slot});
    if (type.kind == TypeKind::kStruct) {
      for (size_t i = 0; i < type.children->size(); ++i) {
        const Field& child = (*type.children)[i];
        read_missing(child, new_slot(child, slot, static_cast<int>(i)));
      }
    } else if (type.kind == TypeKind::kVariant || !wanted.initial_default.as<std::vector<Value>>().empty()) {
      throw NotSupported(fmt::format("field {} ({}) has a default value that is not empty", wanted.id, wanted.name));
    }
    emit({.code = OpCode::kEnd, .slot = slot});
    return;
  }
  emit({.code = OpCode::kDefault, .slot = slot, .arg = static_cast<int64_t>(program_.constants.size())});
  const bool decimal = type.kind == TypeKind::kDecimal;
  program_.constants.push_back(decimal ? Value(to_bytes(wanted.initial_default, type)) : wanted.initial_default);
}

void Compiler::read(const AvroType& file, const Field& wanted, int slot) {
  if (file.kind == Kind::kUnion) return read_union(file, wanted, slot);
  if (file.kind == Kind::kNull) {
    if (wanted.required) mismatch(file, wanted);
    emit({.code = OpCode::kNull, .slot = slot});
    return;
  }
  switch (wanted.type.kind) {
    case TypeKind::kStruct:
      if (file.kind != Kind::kRecord) mismatch(file, wanted);
      return read_struct(file.fields, *wanted.type.children, slot);
    case TypeKind::kVariant:
      return file.kind == Kind::kRecord ? read_variant(file, slot) : mismatch(file, wanted);
    case TypeKind::kList:
      return read_list(file, wanted, slot);
    case TypeKind::kMap:
      return read_map(file, wanted, slot);
    default:
      return read_primitive(file, wanted, slot);
  }
}

template <typename Branch>
void Compiler::emit_union(const std::vector<AvroTypePtr>& branches, Branch&& emit_branch) {
  const size_t op = emit({.code = OpCode::kUnion, .arg = static_cast<int64_t>(program_.branches.size())});
  const size_t table = program_.branches.size();
  program_.branches.emplace_back();
  for (const AvroTypePtr& branch : branches) {
    const size_t start = program_.ops.size();
    emit_branch(*branch);
    program_.branches[table].push_back(static_cast<uint32_t>(program_.ops.size() - start));
  }
  close(op);
}

void Compiler::read_union(const AvroType& file, const Field& wanted, int slot) {
  const auto is_null = [](const AvroTypePtr& branch) { return branch->kind == Kind::kNull; };
  const auto nulls = std::count_if(file.inner.begin(), file.inner.end(), is_null);
  if (file.inner.size() - nulls > 1) {
    throw NotSupported(fmt::format("field {} ({}) is an Avro union of several types, which Iceberg does not define",
                                   wanted.id, wanted.name));
  }
  if (file.inner.size() == 2 && nulls == 1) {
    const int null_branch = is_null(file.inner[0]) ? 0 : 1;
    const size_t op = emit({.code = OpCode::kOptional, .flag = wanted.required, .slot = slot, .arg = null_branch});
    read(*file.inner[1 - null_branch], wanted, slot);
    close(op);
    return;
  }
  emit_union(file.inner, [&](const AvroType& branch) { read(branch, wanted, slot); });
}

// How a value stored as `file` is read as `type`; nullopt if it cannot be.
std::optional<Op> conversion(const AvroType& file, const Type& type) {
  const auto op = [](OpCode code, int64_t arg = 0) { return Op{.code = code, .arg = arg}; };
  switch (type.kind) {
    case TypeKind::kBoolean:
      if (file.kind == Kind::kBoolean) return op(OpCode::kBoolean);
      break;
    case TypeKind::kInt:
    case TypeKind::kDate:
      if (file.kind == Kind::kInt) return op(OpCode::kInt);
      if (file.kind == Kind::kLong) return op(OpCode::kNarrow);
      break;
    case TypeKind::kLong:
      if (file.kind == Kind::kInt) return op(OpCode::kInt);
      if (file.kind == Kind::kLong) return op(OpCode::kLong);
      break;
    case TypeKind::kTime:
      if (file.kind == Kind::kLong) return op(OpCode::kLong);
      if (file.kind == Kind::kInt && file.logical_type == "time-millis") return op(OpCode::kScaled, 1000);
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
      if (file.kind == Kind::kInt && file.logical_type == "date") return op(OpCode::kScaled, kMicrosOfDay);
      if (file.kind == Kind::kLong && file.logical_type.ends_with("timestamp-millis")) return op(OpCode::kScaled, 1000);
      if (file.kind == Kind::kLong && !file.logical_type.ends_with("timestamp-nanos")) return op(OpCode::kLong);
      break;
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      if (file.kind == Kind::kInt && file.logical_type == "date") return op(OpCode::kScaled, kMicrosOfDay * 1000);
      if (file.kind == Kind::kLong && file.logical_type.ends_with("timestamp-millis")) {
        return op(OpCode::kScaled, 1'000'000);
      }
      if (file.kind == Kind::kLong && file.logical_type.ends_with("timestamp-micros")) return op(OpCode::kScaled, 1000);
      if (file.kind == Kind::kLong) return op(OpCode::kLong);
      break;
    case TypeKind::kFloat:
      if (file.kind == Kind::kFloat) return op(OpCode::kFloat);
      break;
    case TypeKind::kDouble:
      if (file.kind == Kind::kFloat) return op(OpCode::kWidened);
      if (file.kind == Kind::kDouble) return op(OpCode::kDouble);
      break;
    case TypeKind::kString:
      if (file.kind == Kind::kString || file.kind == Kind::kBytes) return op(OpCode::kString);
      if (file.kind == Kind::kEnum) return op(OpCode::kEnum);
      break;
    case TypeKind::kBinary:
    case TypeKind::kGeometry:
    case TypeKind::kGeography:
      if (file.kind == Kind::kString || file.kind == Kind::kBytes) return op(OpCode::kBytes);
      if (file.kind == Kind::kFixed) return op(OpCode::kFixed, file.size);
      break;
    case TypeKind::kUuid:
      if (file.kind == Kind::kFixed && file.size == 16) return op(OpCode::kFixed, file.size);
      if (file.kind == Kind::kString) return op(OpCode::kUuidText);
      break;
    case TypeKind::kFixed:
      if (file.kind == Kind::kFixed && file.size == type.length) return op(OpCode::kFixed, file.size);
      break;
    case TypeKind::kDecimal:
      if (file.logical_type == "decimal" && (file.scale != type.scale || file.precision > type.precision)) break;
      if (file.kind == Kind::kFixed && file.size >= 1) return op(OpCode::kFixed, file.size);
      if (file.kind == Kind::kBytes) return op(OpCode::kBytes);
      break;
    default:
      break;
  }
  return std::nullopt;
}

void Compiler::read_primitive(const AvroType& file, const Field& wanted, int slot) {
  if (wanted.type.kind == TypeKind::kUnknown) {  // always null, whatever a file may hold
    skip(file);
    emit({.code = OpCode::kNull, .slot = slot});
    return;
  }
  std::optional<Op> op = conversion(file, wanted.type);
  if (!op) mismatch(file, wanted);
  op->slot = slot;
  if (op->code == OpCode::kEnum) {
    op->arg = static_cast<int64_t>(program_.symbols.size());
    program_.symbols.push_back(file.symbols);
  }
  emit(*op);
}

// Its two fields have no ids and are known by their names.
void Compiler::read_variant(const AvroType& file, int slot) {
  const std::vector<Field> fields = {{.name = "metadata", .required = true, .type = primitive(TypeKind::kBinary)},
                                     {.name = "value", .required = true, .type = primitive(TypeKind::kBinary)}};
  std::vector<AvroField> stored;
  for (const AvroField& field : file.fields) stored.push_back({.name = field.name, .id = {}, .type = field.type});
  read_struct(stored, fields, slot);
}

void Compiler::read_list(const AvroType& file, const Field& wanted, int slot) {
  if (file.kind != Kind::kArray) mismatch(file, wanted);
  const Field& element = wanted.type.children->at(0);
  const size_t op = emit({.code = OpCode::kArray, .slot = slot});
  read(*file.inner[0], element, new_slot(element, slot, 0));
  close(op);
}

// A map of Avro's, or an array of records whose first field is the key and whose second is the value. The maps that
// manifests are full of, from int to long and to bytes, have operations of their own.
void Compiler::read_map(const AvroType& file, const Field& wanted, int slot) {
  const Field& key = wanted.type.children->at(0);
  const Field& value = wanted.type.children->at(1);
  const size_t op = emit({.code = OpCode::kArray, .slot = slot});
  const int key_slot = new_slot(key, slot, 0);
  if (file.kind == Kind::kMap) {
    read(AvroType{.kind = Kind::kString}, key, key_slot);
    read(*file.inner[0], value, new_slot(value, slot, 1));
  } else {
    if (file.kind != Kind::kArray || file.inner[0]->kind != Kind::kRecord || file.inner[0]->fields.size() != 2) {
      mismatch(file, wanted);
    }
    const std::vector<AvroField>& entry = file.inner[0]->fields;
    const bool swapped = entry[0].id == value.id && entry[1].id == key.id && key.id != value.id;
    if (swapped) mismatch(file, wanted);
    read(*entry[0].type, key, key_slot);
    read(*entry[1].type, value, new_slot(value, slot, 1));
  }
  close(op);
  const auto is = [&](size_t at, OpCode code) { return program_.ops[at].code == code; };
  if (program_.ops.size() == op + 3 && is(op + 1, OpCode::kInt) &&
      (is(op + 2, OpCode::kLong) || is(op + 2, OpCode::kBytes))) {
    const OpCode code = is(op + 2, OpCode::kLong) ? OpCode::kLongByInt : OpCode::kBytesByInt;
    program_.ops.resize(op + 1);
    program_.ops[op] = {.code = code, .slot = slot};
  }
}

void Compiler::skip(const AvroType& file) {
  switch (file.kind) {
    case Kind::kNull:
      return;
    case Kind::kBoolean:
      emit({.code = OpCode::kSkipFixed, .arg = 1});
      return;
    case Kind::kInt:
    case Kind::kLong:
    case Kind::kEnum:
      emit({.code = OpCode::kSkipLongs, .arg = 1});
      return;
    case Kind::kFloat:
      emit({.code = OpCode::kSkipFixed, .arg = 4});
      return;
    case Kind::kDouble:
      emit({.code = OpCode::kSkipFixed, .arg = 8});
      return;
    case Kind::kFixed:
      emit({.code = OpCode::kSkipFixed, .arg = file.size});
      return;
    case Kind::kBytes:
    case Kind::kString:
      emit({.code = OpCode::kSkipBytes});
      return;
    case Kind::kRecord:
      for (const AvroField& field : file.fields) skip(*field.type);
      return;
    case Kind::kUnion:
      return emit_union(file.inner, [&](const AvroType& branch) { skip(branch); });
    case Kind::kArray:
      return skip_array(*file.inner[0]);
    case Kind::kMap: {
      const Kind value = file.inner[0]->kind;
      if (value == Kind::kInt || value == Kind::kLong) {
        emit({.code = OpCode::kSkipBytesPairArray});
        return;
      }
      const size_t op = emit({.code = OpCode::kSkipArray});
      emit({.code = OpCode::kSkipBytes});
      skip(*file.inner[0]);
      close(op);
      return;
    }
  }
}

void Compiler::skip_array(const AvroType& items) {
  const auto is_long = [](const AvroType& type) { return type.kind == Kind::kInt || type.kind == Kind::kLong; };
  if (is_long(items)) {
    emit({.code = OpCode::kSkipLongArray, .arg = 1});
    return;
  }
  if (items.kind == Kind::kRecord && items.fields.size() == 2 && is_long(*items.fields[0].type)) {
    const AvroType& value = *items.fields[1].type;
    if (is_long(value)) {
      emit({.code = OpCode::kSkipLongArray, .arg = 2});
      return;
    }
    if (value.kind == Kind::kBytes || value.kind == Kind::kString) {
      emit({.code = OpCode::kSkipPairArray});
      return;
    }
  }
  const size_t op = emit({.code = OpCode::kSkipArray});
  skip(items);
  close(op);
}

}  // namespace

int Program::slot_of(int32_t field_id) const {
  for (size_t i = 1; i < slots.size(); ++i) {
    if (slots[i].field_id == field_id) return static_cast<int>(i);
  }
  return -1;
}

Program compile(const AvroType& file, const std::vector<Field>& wanted, Matching matching) {
  if (file.kind != Kind::kRecord) throw CorruptFile("the file's records are no Avro records");
  Program program;
  program.slots.push_back({.type = struct_type(wanted)});
  Compiler(program, matching).read_struct(file.fields, wanted, 0);
  return program;
}

namespace internal {

bool valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::string parse_uuid(std::string_view text) {
  std::string bytes;
  int digits = 0, high = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) corrupt("the text of a uuid is malformed");
    if (digits++ % 2 == 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high << 4 | digit));
    }
  }
  if (digits != 32) corrupt("the text of a uuid is malformed");
  return bytes;
}

}  // namespace internal

}  // namespace floe::avro
