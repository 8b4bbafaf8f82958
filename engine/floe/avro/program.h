// Decoding records by a program: the schema of a file and the fields that a reader wants are compiled once into a flat
// list of operations, which is then run over every record.
//
// The reader's fields are matched by field id. Fields may come in another order, be missing (then they have their
// initial default, or are null), or have a type that may be promoted; what the reader does not want is skipped without
// being decoded. The decoded values are events, calls of a handler, each with the slot of the reader's field:
//
//   struct Handler {
//     void null(int slot);
//     void boolean(int slot, bool value);
//     void integer(int slot, int64_t value);        // int, long, date, time, timestamps (in the reader's unit)
//     void real(int slot, float value);
//     void real(int slot, double value);
//     void bytes(int slot, std::string_view value); // string (valid UTF-8), uuid, fixed, binary, decimal (big-endian)
//     void begin(int slot);                         // struct, list, map (key, value, key, value, ...)
//     void end(int slot);
//     bool key(int slot, int32_t key);              // of a map from int to a number or bytes, instead of integer();
//   };                                              // false: the value is not wanted, and no event is made of it
//
// A wanted field of a struct makes exactly one event (or one begin ... end) for each struct, in the order of the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "floe/avro/encoding.h"
#include "floe/avro/schema.h"
#include "floe/spec/type.h"

namespace floe::avro {

enum class OpCode : uint8_t {
  kNull,
  kBoolean,
  kInt,  // 32 bits
  kLong,
  kNarrow,  // a long that must fit 32 bits
  kScaled,  // times `arg`
  kFloat,
  kWidened,  // a float read as a double
  kDouble,
  kBytes,
  kString,
  kFixed,  // `arg` bytes
  kEnum,   // its symbols are symbols[arg]
  kUuidText,
  kDefault,   // constants[arg]
  kOptional,  // null if the branch is `arg`, else `body`; a null is an error if `flag`
  kBegin,
  kEnd,
  kArray,      // of `body`
  kLongByInt,  // a map, whose keys have the next slot and whose values have the one after
  kBytesByInt,
  kSkipLongs,  // `arg` of them
  kSkipBytes,
  kSkipFixed,           // `arg` bytes
  kUnion,               // branches[arg] are the lengths of the bodies that follow, one for each branch
  kSkipArray,           // of `body`
  kSkipLongArray,       // of items that are `arg` varints each
  kSkipPairArray,       // of items that are a varint and bytes
  kSkipBytesPairArray,  // of items that are bytes and a varint: maps from string to long
};

struct Op {
  OpCode code = OpCode::kNull;
  bool flag = false;
  int32_t slot = 0;
  int64_t arg = 0;
  uint32_t body = 0;  // how many of the following operations belong to this one
};

// A field of the reader. Slots are numbered from 0, the record itself; parents come before their children.
struct Slot {
  int32_t field_id = -1;
  int32_t parent = -1;
  int32_t position = 0;  // within the parent
  Type type;
};

struct Program {
  std::vector<Op> ops;
  std::vector<Slot> slots;
  std::vector<Value> constants;
  std::vector<std::vector<std::string>> symbols;
  std::vector<std::vector<uint32_t>> branches;

  int slot_of(int32_t field_id) const;  // -1 if there is none
};

enum class Matching : uint8_t {
  kById,        // by name only where a record of the file has no ids at all
  kByIdOrName,  // by name too where an id is not found
};

// Throws CorruptFile if `file` is no record, a required field is missing and has no default, or a type cannot be read
// as the wanted one; NotSupported where `wanted` asks for what Iceberg does not define, such as unions of several
// types.
Program compile(const AvroType& file, const std::vector<Field>& wanted, Matching matching = Matching::kById);

namespace internal {
bool valid_utf8(std::string_view text);
std::string parse_uuid(std::string_view text);  // 16 bytes
}  // namespace internal

// Runs a program over the blocks of one file.
template <typename Handler>
class Decoder {
 public:
  Decoder(const Program& program, Handler& handler) : program_(program), handler_(handler) {}

  // All records of a block. Throws CorruptFile if they are not exactly its bytes.
  void block(int64_t records, std::string_view data) {
    Cursor in(data);
    const Op* const first = program_.ops.data();
    const Op* const end = first + program_.ops.size();
    for (; records > 0; --records) item(in, first, end);
    if (in.left() != 0) corrupt("a block has more bytes than its records");
  }

 private:
  // Items that take no bytes (records without fields, arrays of nulls) could be claimed without end.
  static constexpr int64_t kMaxEmptyItems = 1 << 16;

  void item(Cursor& in, const Op* first, const Op* end) {
    const char* const before = in.position();
    run(in, first, end);
    if (in.position() == before && --empty_items_left_ < 0) [[unlikely]]
      corrupt("there are too many items that take no bytes");
  }

  // The count of the next run of items in an array, 0 at its end; `bytes` is the run's size where the file tells.
  static int64_t next_run(Cursor& in, int64_t* bytes) {
    const int64_t count = in.read_long();
    *bytes = -1;
    if (count >= 0) [[likely]]
      return count;
    if (count == INT64_MIN) corrupt("a count is out of range");
    *bytes = in.read_long();
    if (*bytes < 0 || static_cast<uint64_t>(*bytes) > in.left()) corrupt("the data ends within an array");
    return -count;
  }

  template <typename Skip>
  static void skip_runs(Cursor& in, Skip&& skip) {
    int64_t bytes;
    while (int64_t count = next_run(in, &bytes)) {
      if (bytes >= 0) {
        in.read_fixed(static_cast<uint64_t>(bytes));
      } else {
        skip(count);
      }
    }
  }

  template <typename ReadValue>
  void read_map(Cursor& in, int slot, ReadValue&& read_value) {
    handler_.begin(slot);
    int64_t bytes;
    while (int64_t count = next_run(in, &bytes)) {
      for (; count > 0; --count) {
        const int32_t key = in.read_int();
        read_value(slot + 2, handler_.key(slot + 1, key));
      }
    }
    handler_.end(slot);
  }

  void run(Cursor& in, const Op* op, const Op* end) {
    while (op < end) {
      const int slot = op->slot;
      switch (op->code) {
        case OpCode::kNull:
          handler_.null(slot);
          break;
        case OpCode::kBoolean:
          handler_.boolean(slot, in.read_boolean());
          break;
        case OpCode::kInt:
        case OpCode::kNarrow:
          handler_.integer(slot, in.read_int());
          break;
        case OpCode::kLong:
          handler_.integer(slot, in.read_long());
          break;
        case OpCode::kScaled: {
          int64_t value;
          if (__builtin_mul_overflow(in.read_long(), op->arg, &value)) corrupt("a time is out of range");
          handler_.integer(slot, value);
          break;
        }
        case OpCode::kFloat:
          handler_.real(slot, in.read_number<float>());
          break;
        case OpCode::kWidened:
          handler_.real(slot, static_cast<double>(in.read_number<float>()));
          break;
        case OpCode::kDouble:
          handler_.real(slot, in.read_number<double>());
          break;
        case OpCode::kBytes:
          handler_.bytes(slot, in.read_bytes());
          break;
        case OpCode::kString: {
          const std::string_view text = in.read_bytes();
          if (!internal::valid_utf8(text)) corrupt("a string is not UTF-8");
          handler_.bytes(slot, text);
          break;
        }
        case OpCode::kFixed:
          handler_.bytes(slot, in.read_fixed(static_cast<uint64_t>(op->arg)));
          break;
        case OpCode::kEnum: {
          const std::vector<std::string>& symbols = program_.symbols[op->arg];
          const int64_t index = in.read_long();
          if (index < 0 || static_cast<uint64_t>(index) >= symbols.size()) corrupt("an enum has no such symbol");
          handler_.bytes(slot, symbols[index]);
          break;
        }
        case OpCode::kUuidText:
          handler_.bytes(slot, internal::parse_uuid(in.read_bytes()));
          break;
        case OpCode::kDefault:
          constant(slot, program_.constants[op->arg]);
          break;
        case OpCode::kOptional: {
          const int64_t branch = in.read_long();
          if (branch != 0 && branch != 1) [[unlikely]]
            corrupt("a union has no such branch");
          if (branch != op->arg) break;  // its body follows
          if (op->flag) corrupt("a required field is null");
          handler_.null(slot);
          op += op->body;
          break;
        }
        case OpCode::kBegin:
          handler_.begin(slot);
          break;
        case OpCode::kEnd:
          handler_.end(slot);
          break;
        case OpCode::kArray: {
          handler_.begin(slot);
          int64_t bytes;
          while (int64_t count = next_run(in, &bytes)) {
            for (; count > 0; --count) item(in, op + 1, op + 1 + op->body);
          }
          handler_.end(slot);
          op += op->body;
          break;
        }
        case OpCode::kLongByInt:
          read_map(in, slot, [&](int value_slot, bool wanted) {
            if (wanted) {
              handler_.integer(value_slot, in.read_long());
            } else {
              in.skip_longs(1);
            }
          });
          break;
        case OpCode::kBytesByInt:
          read_map(in, slot, [&](int value_slot, bool wanted) {
            const std::string_view value = in.read_bytes();
            if (wanted) handler_.bytes(value_slot, value);
          });
          break;
        case OpCode::kSkipLongs:
          in.skip_longs(static_cast<uint64_t>(op->arg));
          break;
        case OpCode::kSkipBytes:
          in.read_bytes();
          break;
        case OpCode::kSkipFixed:
          in.read_fixed(static_cast<uint64_t>(op->arg));
          break;
        case OpCode::kUnion: {
          const std::vector<uint32_t>& bodies = program_.branches[op->arg];
          const int64_t branch = in.read_long();
          if (branch < 0 || static_cast<uint64_t>(branch) >= bodies.size()) corrupt("a union has no such branch");
          const Op* body = op + 1;
          for (int64_t i = 0; i < branch; ++i) body += bodies[i];
          run(in, body, body + bodies[branch]);
          op += op->body;
          break;
        }
        case OpCode::kSkipArray:
          skip_runs(in, [&](int64_t count) {
            if (op->body == 0) return;  // items that are nothing
            for (; count > 0; --count) item(in, op + 1, op + 1 + op->body);
          });
          op += op->body;
          break;
        case OpCode::kSkipLongArray:
          skip_runs(in, [&](int64_t count) {
            uint64_t longs;
            if (__builtin_mul_overflow(static_cast<uint64_t>(count), static_cast<uint64_t>(op->arg), &longs)) {
              corrupt("a count is out of range");
            }
            in.skip_longs(longs);
          });
          break;
        case OpCode::kSkipPairArray:
          skip_runs(in, [&](int64_t count) {
            for (; count > 0; --count) {
              in.skip_longs(1);
              in.read_bytes();
            }
          });
          break;
        case OpCode::kSkipBytesPairArray:
          skip_runs(in, [&](int64_t count) {
            for (; count > 0; --count) {
              in.read_bytes();
              in.skip_longs(1);
            }
          });
          break;
      }
      ++op;
    }
  }

  void constant(int slot, const Value& value) {
    if (const auto* v = std::get_if<bool>(&value.data)) {
      handler_.boolean(slot, *v);
    } else if (const auto* i = std::get_if<int32_t>(&value.data)) {
      handler_.integer(slot, *i);
    } else if (const auto* l = std::get_if<int64_t>(&value.data)) {
      handler_.integer(slot, *l);
    } else if (const auto* f = std::get_if<float>(&value.data)) {
      handler_.real(slot, *f);
    } else if (const auto* d = std::get_if<double>(&value.data)) {
      handler_.real(slot, *d);
    } else {
      handler_.bytes(slot, value.as<std::string>());  // decimals were made bytes when the program was compiled
    }
  }

  const Program& program_;
  Handler& handler_;
  int64_t empty_items_left_ = kMaxEmptyItems;
};

}  // namespace floe::avro
