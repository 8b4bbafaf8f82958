#include "floe/file/key_index.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_primitive.h>
#include <arrow/extension_type.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "floe/error.h"

namespace floe {
namespace {

constexpr size_t kDuplicatesKept = 5;
constexpr size_t kFirstSlots = 1024;

bool is_bytes(const Type& type) { return type.kind == TypeKind::kString || type.kind == TypeKind::kBinary; }

// Bytes of a value within a key; of strings, of their length.
size_t width_of(const Type& type) {
  switch (type.kind) {
    case TypeKind::kUnknown:
      return 0;
    case TypeKind::kBoolean:
      return 1;
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kFloat:
    case TypeKind::kString:
    case TypeKind::kBinary:
      return 4;
    case TypeKind::kLong:
    case TypeKind::kDouble:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return 8;
    case TypeKind::kDecimal:
    case TypeKind::kUuid:
      return 16;
    case TypeKind::kFixed:
      return static_cast<size_t>(type.length);
    default:
      throw NotSupported(fmt::format("a column of type {} cannot be part of a key", to_string(type)));
  }
}

// The keys of some rows, as bytes side by side: a byte per column that says whether it is null, then the values.
struct EncodedKeys {
  std::vector<uint8_t> bytes;
  std::vector<int64_t> begins;     // rows + 1
  std::vector<uint8_t> matchless;  // rows that match nothing; empty if there are none

  std::string_view operator[](int64_t row) const {
    return {reinterpret_cast<const char*>(bytes.data()) + begins[row],
            static_cast<size_t>(begins[row + 1] - begins[row])};
  }
};

const arrow::Array& storage_of(const arrow::Array& array) {
  return array.type_id() == arrow::Type::EXTENSION ? *static_cast<const arrow::ExtensionArray&>(array).storage()
                                                   : array;
}

template <typename T>
void normalize(T& value, bool zeros_equal) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
    if (zeros_equal && value == 0) value = 0;
  }
}

// Writes one column's values at `at[row]` and moves that past them.
class ColumnEncoder {
 public:
  ColumnEncoder(const Type& type, const arrow::Array& column, bool zeros_equal)
      : type_(type), column_(storage_of(column)), width_(width_of(type)), zeros_equal_(zeros_equal) {}

  void add_lengths(std::vector<int64_t>& lengths) const {
    if (!is_bytes(type_)) return;
    const auto& strings = static_cast<const arrow::BinaryArray&>(column_);
    for (int64_t i = 0; i < strings.length(); ++i) lengths[i] += strings.IsNull(i) ? 0 : strings.value_length(i);
  }

  void encode(std::vector<uint8_t*>& at) const {
    switch (type_.kind) {
      case TypeKind::kUnknown:
        return;
      case TypeKind::kBoolean:
        return each(at, [&, &a = static_cast<const arrow::BooleanArray&>(column_)](int64_t i) {
          return static_cast<uint8_t>(a.Value(i));
        });
      case TypeKind::kFloat:
        return numbers<float>(at);
      case TypeKind::kDouble:
        return numbers<double>(at);
      case TypeKind::kString:
      case TypeKind::kBinary:
        return strings(at);
      case TypeKind::kDecimal:
      case TypeKind::kUuid:
      case TypeKind::kFixed:
        return fixed(at);
      default:
        return width_ == 4 ? numbers<int32_t>(at) : numbers<int64_t>(at);
    }
  }

 private:
  template <typename F>
  void each(std::vector<uint8_t*>& at, F&& value_of) const {
    for (int64_t i = 0; i < column_.length(); ++i) {
      const auto value = value_of(i);
      if (!column_.IsNull(i)) std::memcpy(at[i], &value, sizeof value);
      at[i] += sizeof value;
    }
  }

  template <typename T>
  void numbers(std::vector<uint8_t*>& at) const {
    const T* values = column_.data()->template GetValues<T>(1);
    each(at, [&](int64_t i) {
      T value = values[i];
      normalize(value, zeros_equal_);
      return value;
    });
  }

  void fixed(std::vector<uint8_t*>& at) const {
    const auto& values = static_cast<const arrow::FixedSizeBinaryArray&>(column_);
    for (int64_t i = 0; i < values.length(); ++i) {
      if (!values.IsNull(i)) std::memcpy(at[i], values.GetValue(i), width_);
      at[i] += width_;
    }
  }

  void strings(std::vector<uint8_t*>& at) const {
    const auto& values = static_cast<const arrow::BinaryArray&>(column_);
    for (int64_t i = 0; i < values.length(); ++i) {
      const std::string_view value = values.IsNull(i) ? std::string_view() : values.GetView(i);
      const auto length = static_cast<uint32_t>(value.size());
      std::memcpy(at[i], &length, sizeof length);
      if (length > 0) std::memcpy(at[i] + sizeof length, value.data(), length);
      at[i] += sizeof length + length;
    }
  }

  const Type& type_;
  const arrow::Array& column_;
  const size_t width_;
  const bool zeros_equal_;
};

EncodedKeys encode(const std::vector<Type>& types, const arrow::ArrayVector& columns, const KeyIndexOptions& options) {
  EncodedKeys keys;
  const int64_t rows = columns.front()->length();
  size_t width = types.size();
  std::vector<ColumnEncoder> encoders;
  for (size_t c = 0; c < types.size(); ++c) {
    width += width_of(types[c]);
    encoders.emplace_back(types[c], *columns[c], options.zeros_equal);
  }
  std::vector<int64_t> lengths(rows, static_cast<int64_t>(width));
  for (const ColumnEncoder& encoder : encoders) encoder.add_lengths(lengths);
  keys.begins.resize(rows + 1);
  for (int64_t i = 0; i < rows; ++i) keys.begins[i + 1] = keys.begins[i] + lengths[i];
  keys.bytes.resize(keys.begins[rows]);

  std::vector<uint8_t*> at(rows);
  for (int64_t i = 0; i < rows; ++i) at[i] = keys.bytes.data() + keys.begins[i] + types.size();
  for (const ColumnEncoder& encoder : encoders) encoder.encode(at);

  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c]->null_count() == 0) continue;
    if (!options.nulls_equal) keys.matchless.resize(rows);
    for (int64_t i = 0; i < rows; ++i) {
      if (!columns[c]->IsNull(i)) continue;
      keys.bytes[keys.begins[i] + static_cast<int64_t>(c)] = 1;
      if (!options.nulls_equal) keys.matchless[i] = 1;
    }
  }
  return keys;
}

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t hash_of(std::string_view key) {
  uint64_t hash = 0x9e3779b97f4a7c15 ^ key.size();
  size_t i = 0;
  for (; i + 8 <= key.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, key.data() + i, 8);
    hash = mix(hash ^ word, 0xbf58476d1ce4e5b9);
  }
  uint64_t rest = 0;
  if (i < key.size()) std::memcpy(&rest, key.data() + i, key.size() - i);
  return mix(hash ^ rest, 0x94d049bb133111eb);
}

// One column whose values fit into a hash: two of them are the same where their hashes are.
bool hashes_tell(const std::vector<Type>& types) {
  const TypeKind kind = types.front().kind;
  return types.size() == 1 && kind >= TypeKind::kInt && kind <= TypeKind::kTimestampTzNs && kind != TypeKind::kDecimal;
}

// Of two different numbers two different ones.
uint64_t hash_of(uint64_t number) {
  number = (number ^ (number >> 33)) * 0xff51afd7ed558ccd;
  number = (number ^ (number >> 33)) * 0xc4ceb9fe1a85ec53;
  return number ^ (number >> 33);
}

template <typename T>
std::vector<uint64_t> hashes_of(const arrow::Array& column, bool zeros_equal) {
  const T* values = column.data()->template GetValues<T>(1);
  std::vector<uint64_t> hashes(static_cast<size_t>(column.length()));
  for (int64_t i = 0; i < column.length(); ++i) {
    T value = values[i];
    normalize(value, zeros_equal);
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    hashes[i] = hash_of(bits);
  }
  return hashes;
}

std::vector<uint64_t> hashes_of(const Type& type, const arrow::Array& column, bool zeros_equal) {
  if (type.kind == TypeKind::kFloat) return hashes_of<float>(column, zeros_equal);
  if (type.kind == TypeKind::kDouble) return hashes_of<double>(column, zeros_equal);
  return width_of(type) == 4 ? hashes_of<int32_t>(column, false) : hashes_of<int64_t>(column, false);
}

}  // namespace

struct KeyIndex::State {
  // A key in the table: open addressing, linear probing.
  struct Slot {
    uint64_t hash = 0;
    int64_t key = -1;  // which of `keys`; -1: empty
  };

  std::vector<Type> types;
  KeyIndexOptions options;
  std::vector<Slot> slots = std::vector<Slot>(kFirstSlots);
  std::vector<uint8_t> bytes;      // of the different keys, side by side
  std::vector<int64_t> begins{0};  // of each key, and the end
  std::vector<int64_t> row_of;     // the first row that has it
  std::vector<std::pair<int64_t, int64_t>> duplicates;
  int64_t rows = 0;
  bool exact = false;     // hashes_tell(types): then there are no bytes,
  int64_t null_row = -1;  // and this is the first row that is null, if that is a value

  std::string_view key(int64_t k) const {
    return {reinterpret_cast<const char*>(bytes.data()) + begins[k], static_cast<size_t>(begins[k + 1] - begins[k])};
  }

  // The slot that has the key, or the empty one where it belongs.
  size_t slot_of(uint64_t hash, std::string_view wanted) const {
    const size_t mask = slots.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      const Slot& slot = slots[at];
      if (slot.key < 0 || (slot.hash == hash && (exact || key(slot.key) == wanted))) return at;
    }
  }

  void insert(uint64_t hash, std::string_view wanted, int64_t row) {
    Slot& slot = slots[slot_of(hash, wanted)];
    if (slot.key >= 0) return add_duplicate(row_of[slot.key], row);
    slot = {hash, static_cast<int64_t>(row_of.size())};
    row_of.push_back(row);
    if (exact) return;
    bytes.insert(bytes.end(), wanted.begin(), wanted.end());
    begins.push_back(static_cast<int64_t>(bytes.size()));
  }

  void insert_null(int64_t row) {
    if (!options.nulls_equal) return;
    if (null_row >= 0) return add_duplicate(null_row, row);
    null_row = row;
  }

  void add_duplicate(int64_t first, int64_t second) {
    if (duplicates.size() < kDuplicatesKept) duplicates.emplace_back(first, second);
  }

  // Half of the slots stay empty.
  void make_room(size_t more) {
    const size_t wanted = std::bit_ceil(2 * (row_of.size() + more));
    if (wanted <= slots.size()) return;
    std::vector<Slot> old(wanted);
    old.swap(slots);
    const size_t mask = slots.size() - 1;
    for (const Slot& slot : old) {
      if (slot.key < 0) continue;
      size_t at = slot.hash & mask;
      while (slots[at].key >= 0) at = (at + 1) & mask;
      slots[at] = slot;
    }
  }
};

KeyIndex::KeyIndex(std::vector<Type> types, KeyIndexOptions options) : state_(std::make_unique<State>()) {
  if (types.empty()) throw InvalidArgument("a key needs at least one column");
  for (const Type& type : types) width_of(type);
  state_->exact = hashes_tell(types);
  state_->types = std::move(types);
  state_->options = options;
}

KeyIndex::~KeyIndex() = default;

void KeyIndex::add(const arrow::ArrayVector& columns) {
  State& state = *state_;
  const int64_t rows = columns.front()->length();
  state.make_room(static_cast<size_t>(rows));
  if (state.exact) {
    const arrow::Array& column = *columns.front();
    const auto hashes = hashes_of(state.types.front(), column, state.options.zeros_equal);
    for (int64_t i = 0; i < rows; ++i) {
      column.IsNull(i) ? state.insert_null(state.rows + i) : state.insert(hashes[i], {}, state.rows + i);
    }
    state.rows += rows;
    return;
  }
  const EncodedKeys keys = encode(state.types, columns, state.options);
  for (int64_t i = 0; i < rows; ++i) {
    if (!keys.matchless.empty() && keys.matchless[i]) continue;
    const std::string_view key = keys[i];
    state.insert(hash_of(key), key, state.rows + i);
  }
  state.rows += rows;
}

void KeyIndex::find(const arrow::ArrayVector& columns, std::vector<int64_t>& rows) const {
  // Hashes of a group of rows first, so that the processor fetches their slots side by side.
  constexpr int64_t kGroup = 64;
  const State& state = *state_;
  const int64_t n = columns.front()->length();
  rows.assign(n, -1);
  const size_t mask = state.slots.size() - 1;
  if (state.exact) {
    const arrow::Array& column = *columns.front();
    const auto wanted = hashes_of(state.types.front(), column, state.options.zeros_equal);
    for (int64_t i = 0; i < n; ++i) {
      if (i + kGroup < n) __builtin_prefetch(&state.slots[wanted[i + kGroup] & mask]);
      const int64_t key = state.slots[state.slot_of(wanted[i], {})].key;
      if (column.IsNull(i)) {
        rows[i] = state.null_row;
      } else if (key >= 0) {
        rows[i] = state.row_of[key];
      }
    }
    return;
  }
  if (state.row_of.empty()) return;
  const EncodedKeys keys = encode(state.types, columns, state.options);
  uint64_t hashes[kGroup];
  for (int64_t begin = 0; begin < n; begin += kGroup) {
    const int64_t end = std::min(begin + kGroup, n);
    for (int64_t i = begin; i < end; ++i) {
      hashes[i - begin] = hash_of(keys[i]);
      __builtin_prefetch(&state.slots[hashes[i - begin] & mask]);
    }
    for (int64_t i = begin; i < end; ++i) {
      if (!keys.matchless.empty() && keys.matchless[i]) continue;
      const int64_t key = state.slots[state.slot_of(hashes[i - begin], keys[i])].key;
      if (key >= 0) rows[i] = state.row_of[key];
    }
  }
}

void KeyIndex::hash(const arrow::ArrayVector& columns, std::vector<uint64_t>& hashes) const {
  if (state_->exact) {
    hashes = hashes_of(state_->types.front(), *columns.front(), state_->options.zeros_equal);
    return;
  }
  const EncodedKeys keys = encode(state_->types, columns, state_->options);
  hashes.clear();
  for (int64_t i = 0; i < columns.front()->length(); ++i) hashes.push_back(hash_of(keys[i]));
}

int64_t KeyIndex::rows() const { return state_->rows; }
int64_t KeyIndex::keys() const { return static_cast<int64_t>(state_->row_of.size()) + (state_->null_row >= 0 ? 1 : 0); }

size_t KeyIndex::memory_use() const {
  const State& state = *state_;
  return state.slots.capacity() * sizeof(State::Slot) + state.bytes.capacity() +
         (state.begins.capacity() + state.row_of.capacity()) * sizeof(int64_t);
}

const std::vector<std::pair<int64_t, int64_t>>& KeyIndex::duplicates() const { return state_->duplicates; }

}  // namespace floe
