#include "floe/file/equality_delete.h"

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/parquet_reader.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

constexpr int64_t kFree = -1;  // no sequence number is negative

uint64_t hash_of(uint64_t key) {
  key *= 0x9E3779B97F4A7C15;
  return key ^ (key >> 32);
}
uint64_t hash_of(std::string_view key) { return hash_of(std::hash<std::string_view>()(key)); }

// An open hash table of numbers, each with a sequence number.
class NumberTable {
 public:
  using Key = uint64_t;

  int64_t find(uint64_t key) const { return slots_[slot_of(slots_, key)].sequence_number; }

  void put(uint64_t key, int64_t sequence_number) {
    Slot& slot = slots_[slot_of(slots_, key)];
    if (slot.sequence_number == kFree && ++size_ * 2 > slots_.size()) return grow(key, sequence_number);
    slot = {key, std::max(slot.sequence_number, sequence_number)};
  }

  size_t size() const { return size_; }
  size_t memory_use() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    uint64_t key = 0;
    int64_t sequence_number = kFree;
  };

  static size_t slot_of(const std::vector<Slot>& slots, uint64_t key) {
    const size_t mask = slots.size() - 1;
    size_t i = hash_of(key) & mask;
    while (slots[i].sequence_number != kFree && slots[i].key != key) i = (i + 1) & mask;
    return i;
  }

  void grow(uint64_t key, int64_t sequence_number) {
    std::vector<Slot> larger(slots_.size() * 2);
    for (const Slot& slot : slots_) {
      if (slot.sequence_number != kFree) larger[slot_of(larger, slot.key)] = slot;
    }
    larger[slot_of(larger, key)] = {key, sequence_number};
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
  size_t size_ = 0;
};

// The same of bytes.
class BytesTable {
 public:
  using Key = std::string_view;

  int64_t find(std::string_view key) const {
    const uint64_t hash = hash_of(key);
    return slots_[slot_of(slots_, hash, key)].sequence_number;
  }

  void put(std::string_view key, int64_t sequence_number) {
    const uint64_t hash = hash_of(key);
    Slot& slot = slots_[slot_of(slots_, hash, key)];
    if (slot.sequence_number != kFree) {
      slot.sequence_number = std::max(slot.sequence_number, sequence_number);
      return;
    }
    slot = {hash, bytes_.size(), static_cast<uint32_t>(key.size()), sequence_number};
    bytes_.append(key);
    if (++size_ * 2 > slots_.size()) grow();
  }

  size_t size() const { return size_; }
  size_t memory_use() const { return slots_.capacity() * sizeof(Slot) + bytes_.capacity(); }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint64_t begin = 0;  // in `bytes_`
    uint32_t length = 0;
    int64_t sequence_number = kFree;
  };

  size_t slot_of(const std::vector<Slot>& slots, uint64_t hash, std::string_view key) const {
    const size_t mask = slots.size() - 1;
    size_t i = hash & mask;
    while (slots[i].sequence_number != kFree && (slots[i].hash != hash || bytes_of(slots[i]) != key)) {
      i = (i + 1) & mask;
    }
    return i;
  }

  std::string_view bytes_of(const Slot& slot) const { return std::string_view(bytes_).substr(slot.begin, slot.length); }

  void grow() {
    std::vector<Slot> larger(slots_.size() * 2);
    for (const Slot& slot : slots_) {
      if (slot.sequence_number != kFree) larger[slot_of(larger, slot.hash, bytes_of(slot))] = slot;
    }
    slots_ = std::move(larger);
  }

  std::string bytes_;
  std::vector<Slot> slots_ = std::vector<Slot>(16);
  size_t size_ = 0;
};

// A field of the key: where it is in the columns, and its type.
struct KeyField {
  std::vector<int> path;  // the top-level column, then the children of structs
  Type type;
};

// NaNs become one.
template <typename Float, typename Bits>
Bits canonical(const uint8_t* at) {
  Float number;
  std::memcpy(&number, at, sizeof(number));
  if (std::isnan(number)) number = std::numeric_limits<Float>::quiet_NaN();
  return std::bit_cast<Bits>(number);
}

// The values of one field of the key in a batch.
class KeyColumn {
 public:
  KeyColumn(const KeyField& field, const arrow::ArrayVector& columns) : kind_(field.type.kind) {
    array_ = columns[field.path[0]];
    for (size_t i = 1; i < field.path.size(); ++i) {
      // Null where the struct is.
      array_ = check(static_cast<const arrow::StructArray&>(*array_).GetFlattenedField(field.path[i]),
                     "a field of an equality delete");
    }
    if (array_->type_id() == arrow::Type::EXTENSION) {
      array_ = static_cast<const arrow::ExtensionArray&>(*array_).storage();
    }
    const arrow::DataType& type = *array_->type();
    if (arrow::is_base_binary_like(type.id())) {
      const auto& binary = static_cast<const arrow::BinaryArray&>(*array_);
      offsets_ = binary.raw_value_offsets();
      values_ = binary.raw_data();
    } else if (type.id() != arrow::Type::NA) {
      values_ = array_->data()->buffers[1] ? array_->data()->buffers[1]->data() : nullptr;
      if (type.id() != arrow::Type::BOOL) {
        width_ = static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8;
        values_ += array_->offset() * width_;
      }
    }
  }

  bool is_null(int64_t i) const { return array_->IsNull(i); }
  bool has_nulls() const { return array_->null_count() > 0; }

  // Of types of at most eight bytes.
  uint64_t number(int64_t i) const {
    const uint8_t* at = values_ + i * width_;
    switch (kind_) {
      case TypeKind::kFloat:
        return canonical<float, uint32_t>(at);
      case TypeKind::kDouble:
        return canonical<double, uint64_t>(at);
      default:
        if (width_ == 4) return read<uint32_t>(at);
        return read<uint64_t>(at);
    }
  }

  void append(int64_t i, std::string& out) const {
    const bool null = is_null(i);
    out.push_back(null ? '\0' : '\1');
    if (null) return;
    if (offsets_) {
      const auto length = static_cast<uint32_t>(offsets_[i + 1] - offsets_[i]);
      append_bytes(&length, sizeof(length), out);
      append_bytes(values_ + offsets_[i], length, out);
    } else if (kind_ == TypeKind::kBoolean) {
      out.push_back(static_cast<char>(arrow::bit_util::GetBit(values_, array_->offset() + i)));
    } else if (kind_ == TypeKind::kFloat || kind_ == TypeKind::kDouble) {
      const uint64_t bits = number(i);
      append_bytes(&bits, sizeof(bits), out);
    } else {
      append_bytes(values_ + i * width_, width_, out);
    }
  }

 private:
  template <typename T>
  static T read(const uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  static void append_bytes(const void* bytes, size_t n, std::string& out) {
    out.append(static_cast<const char*>(bytes), n);
  }

  const TypeKind kind_;
  std::shared_ptr<arrow::Array> array_;
  const int32_t* offsets_ = nullptr;  // of strings and bytes
  const uint8_t* values_ = nullptr;
  int width_ = 0;
};

bool is_number(const Type& type) {
  switch (type.kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
    case TypeKind::kFloat:
    case TypeKind::kDouble:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return true;
    default:
      return false;
  }
}

// A delete may have null in a field that the table requires: no row then matches.
void make_optional(Field& field) {
  field.required = false;
  if (field.type.kind != TypeKind::kStruct) return;
  std::vector<Field> children = children_of(field.type);
  for (Field& child : children) make_optional(child);
  field.type = struct_type(std::move(children));
}

KeyField key_field(const Schema& schema, const Schema& columns, int32_t id) {
  const auto path = path_to(schema, id);
  if (path.empty()) {
    throw InvalidArgument(fmt::format("an equality delete is by field id {}, which is in no schema of the table", id));
  }
  const auto refuse = [&](std::string_view problem) {
    throw InvalidArgument(
        fmt::format("an equality delete cannot be by field {} (id {}): it is {}", full_name(schema, id), id, problem));
  };
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    if (path[i]->type.kind != TypeKind::kStruct) refuse("inside a list or map");
  }
  const Type& type = path.back()->type;
  if (type.is_nested() || type.kind == TypeKind::kVariant) refuse("of type " + to_string(type));
  KeyField key{{}, type};
  const std::vector<Field>* fields = &columns.fields;
  for (const Field* step : path) {
    const auto at = std::find_if(fields->begin(), fields->end(), [&](const Field& f) { return f.id == step->id; });
    key.path.push_back(static_cast<int>(at - fields->begin()));
    fields = &children_of(at->type);
  }
  return key;
}

}  // namespace

struct EqualityDeletes::State {
  std::vector<int32_t> ids;
  Schema columns;
  std::vector<KeyField> fields;
  bool number = false;  // the key is one field, of at most eight bytes

  mutable std::mutex mutex;  // of adding
  NumberTable numbers;
  int64_t null_sequence_number = kFree;  // of the key that is null, where keys are numbers
  BytesTable bytes;

  std::vector<KeyColumn> key_columns(const arrow::ArrayVector& arrays) const {
    std::vector<KeyColumn> found;
    for (const KeyField& field : fields) found.emplace_back(field, arrays);
    return found;
  }

  void add_numbers(const KeyColumn& column, int64_t rows, int64_t sequence_number) {
    for (int64_t i = 0; i < rows; ++i) {
      if (column.is_null(i)) {
        null_sequence_number = std::max(null_sequence_number, sequence_number);
      } else {
        numbers.put(column.number(i), sequence_number);
      }
    }
  }

  void clear_numbers(const KeyColumn& column, int64_t rows, int64_t data_sequence_number, uint8_t* bits,
                     int64_t offset) const {
    const bool nulls = column.has_nulls();
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t deleted = nulls && column.is_null(i) ? null_sequence_number : numbers.find(column.number(i));
      if (deleted > data_sequence_number) arrow::bit_util::ClearBit(bits, offset + i);
    }
  }
};

EqualityDeletes::EqualityDeletes(const Schema& schema, std::vector<int32_t> equality_ids) : state_(new State) {
  std::sort(equality_ids.begin(), equality_ids.end());
  equality_ids.erase(std::unique(equality_ids.begin(), equality_ids.end()), equality_ids.end());
  if (equality_ids.empty()) throw InvalidArgument("an equality delete file has no equality ids");
  state_->columns = project(schema, {equality_ids.begin(), equality_ids.end()});
  state_->columns.identifier_field_ids.clear();
  for (const int32_t id : equality_ids) state_->fields.push_back(key_field(schema, state_->columns, id));
  state_->number = equality_ids.size() == 1 && is_number(state_->fields[0].type);
  state_->ids = std::move(equality_ids);
}
EqualityDeletes::~EqualityDeletes() = default;

const std::vector<int32_t>& EqualityDeletes::equality_ids() const { return state_->ids; }
const Schema& EqualityDeletes::columns() const { return state_->columns; }

int64_t EqualityDeletes::size() const {
  return static_cast<int64_t>(state_->numbers.size() + state_->bytes.size()) + (state_->null_sequence_number != kFree);
}

size_t EqualityDeletes::memory_use() const {
  return sizeof(State) + state_->numbers.memory_use() + state_->bytes.memory_use();
}

void EqualityDeletes::add(Io& io, const DataFile& file, int64_t sequence_number, const std::string& name_mapping_json,
                          const arrow::StopToken& stop) {
  if (file.file_format != FileFormat::kParquet) {
    throw NotSupported(fmt::format("{}: equality delete files of format {} are not read yet", file.file_path,
                                   to_string(file.file_format)));
  }
  ParquetReadOptions options;
  options.projection = state_->columns;
  for (Field& field : options.projection.fields) make_optional(field);
  options.schema = std::make_shared<const Schema>(options.projection);
  options.use_threads = false;
  options.stop = stop;
  const auto reader = read_parquet(io, file, options, {}, name_mapping_json);
  while (const auto batch = check(reader->Next(), file.file_path)) {
    add(batch->columns(), batch->num_rows(), sequence_number);
  }
}

void EqualityDeletes::add(const arrow::ArrayVector& columns, int64_t rows, int64_t sequence_number) {
  if (sequence_number < 0) throw InvalidArgument(fmt::format("{} is no sequence number", sequence_number));
  const std::vector<KeyColumn> key = state_->key_columns(columns);
  const std::lock_guard lock(state_->mutex);
  if (state_->number) return state_->add_numbers(key[0], rows, sequence_number);
  std::string row;
  for (int64_t i = 0; i < rows; ++i) {
    row.clear();
    for (const KeyColumn& column : key) column.append(i, row);
    state_->bytes.put(row, sequence_number);
  }
}

void EqualityDeletes::clear_bits(const arrow::ArrayVector& columns, int64_t rows, int64_t data_sequence_number,
                                 uint8_t* bits, int64_t offset) const {
  const std::vector<KeyColumn> key = state_->key_columns(columns);
  if (state_->number) return state_->clear_numbers(key[0], rows, data_sequence_number, bits, offset);
  std::string row;
  for (int64_t i = 0; i < rows; ++i) {
    if (!arrow::bit_util::GetBit(bits, offset + i)) continue;
    row.clear();
    for (const KeyColumn& column : key) column.append(i, row);
    if (state_->bytes.find(row) > data_sequence_number) arrow::bit_util::ClearBit(bits, offset + i);
  }
}

}  // namespace floe
