// Avro files of any content: the header and its schema, every codec, and decoding and skipping every type.
#include <string>

#include "floe/avro/rows.h"
#include "floe/error.h"

namespace floe::avro {
namespace {

Field field(int32_t id, Type type) { return {.id = id, .name = "f" + std::to_string(id), .type = std::move(type)}; }

// One field of every type, with ids counted from 1.
std::vector<Field> every_type() {
  std::vector<Type> types;
  for (int kind = static_cast<int>(TypeKind::kUnknown); kind < static_cast<int>(TypeKind::kStruct); ++kind) {
    Type type = primitive(static_cast<TypeKind>(kind));
    if (type.kind == TypeKind::kDecimal) type = decimal_type(9, 2);
    if (type.kind == TypeKind::kFixed) type = fixed_type(4);
    types.push_back(std::move(type));
  }
  const Type text = primitive(TypeKind::kString);
  types.push_back(struct_type({field(50, text), field(51, primitive(TypeKind::kLong))}));
  types.push_back(list_type(52, text, false));
  types.push_back(map_type(53, primitive(TypeKind::kInt), 54, primitive(TypeKind::kLong), true));
  types.push_back(map_type(55, primitive(TypeKind::kInt), 56, primitive(TypeKind::kBinary), true));
  types.push_back(map_type(57, text, 58, list_type(59, text, false), false));
  std::vector<Field> fields;
  for (Type& type : types) fields.push_back(field(static_cast<int32_t>(fields.size() + 1), std::move(type)));
  return fields;
}

template <typename F>
void attempt(F&& work) {
  try {
    work();
  } catch (const Error&) {
  }
}

void fuzz(std::string_view data) {
  static const std::vector<Field> wanted = every_type();
  if (data.empty()) return;
  const char mode = data[0];
  data.remove_prefix(1);
  switch (mode) {
    case 'f':  // a whole file
      attempt([&] { read_rows(data, "f", wanted, [](std::vector<Value>) {}); });
      attempt([&] { read_rows(data, "f", {}, [](std::vector<Value>) {}); });
      break;
    case 's':  // a schema, and records of it
      attempt([&] {
        const size_t split = std::min(data.size(), data.find('\0'));
        const AvroTypePtr schema = parse_schema(data.substr(0, split));
        data.remove_prefix(std::min(data.size(), split + 1));
        struct Ignore {
          void null(int) {}
          void boolean(int, bool) {}
          void integer(int, int64_t) {}
          void real(int, float) {}
          void real(int, double) {}
          void bytes(int, std::string_view) {}
          void begin(int) {}
          void end(int) {}
          bool key(int, int32_t key) { return key % 2 == 0; }
        } ignore;
        for (const auto& fields : {wanted, std::vector<Field>{}}) {
          const Program program = compile(*schema, fields, Matching::kByIdOrName);
          Decoder<Ignore> decoder(program, ignore);
          decoder.block(3, data);
        }
      });
      break;
    case 'r':  // records of a schema with every type, which come out as they went in
      attempt([&] {
        static const AvroTypePtr schema = parse_schema(to_avro_schema(wanted, "r"));
        Writer writer(to_avro_schema(wanted, "r"), {}, Codec::kNull);
        writer.record() = data;
        writer.end_record();
        std::vector<std::vector<Value>> rows;
        read_rows(writer.finish(), "f", wanted, [&](std::vector<Value> row) { rows.push_back(std::move(row)); });
        Writer again(to_avro_schema(wanted, "r"), {}, Codec::kNull);
        for (const std::vector<Value>& row : rows) {
          encode_row(wanted, row, again.record());
          again.end_record();
        }
        read_rows(again.finish(), "f", wanted, [&](const std::vector<Value>& row) {
          if (row != rows.at(0)) __builtin_trap();
        });
      });
      break;
    default: {  // a compressed block
      Scratch scratch;
      const auto codec = static_cast<Codec>(static_cast<uint8_t>(mode) % 4);
      attempt([&] { decompress(codec, data, 1 << 20, scratch); });
      if (decompress(codec, compress(codec, data), 1 << 20, scratch) != data) __builtin_trap();
    }
  }
}

}  // namespace
}  // namespace floe::avro

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  floe::avro::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
