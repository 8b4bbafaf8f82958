#include "floe/write/partitioner.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/extension_type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "floe/arrow_status.h"
#include "floe/parallel.h"
#include "floe/spec/transform.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

constexpr int64_t kMicrosPerDay = 86'400'000'000;
constexpr int64_t kHoursPerDay = 24;

// Numbers 0, 1, 2, ... for distinct keys in the order in which they come. There are never many, so that all of it stays
// in the fastest cache; a key beyond `max_keys` gets kTooMany.
template <typename Key, typename View>
class Numbers {
 public:
  static constexpr int32_t kTooMany = -1;

  explicit Numbers(size_t max_keys) : max_keys_(max_keys), slots_(64, kEmpty) {}

  int32_t operator()(const View& key) {
    size_t slot = hash(key) & (slots_.size() - 1);
    while (slots_[slot] != kEmpty) {
      if (View(keys_[slots_[slot]]) == key) return slots_[slot];
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return add(key, slot);
  }

  const std::vector<Key>& keys() const { return keys_; }

 private:
  static constexpr int32_t kEmpty = -1;

  static size_t hash(const View& key) {
    if constexpr (std::is_same_v<View, std::string_view>) {
      return std::hash<std::string_view>()(key);
    } else if constexpr (std::is_same_v<View, Int128>) {
      return mix(static_cast<uint64_t>(key) ^ mix(static_cast<uint64_t>(key >> 64)));
    } else {
      return mix(static_cast<uint64_t>(key));
    }
  }
  static uint64_t mix(uint64_t x) {
    x *= 0x9E3779B97F4A7C15;
    return x ^ (x >> 32);
  }

  int32_t add(const View& key, size_t slot) {
    if (keys_.size() == max_keys_) return kTooMany;
    const auto number = static_cast<int32_t>(keys_.size());
    keys_.emplace_back(key);
    slots_[slot] = number;
    if (keys_.size() * 2 > slots_.size()) grow();
    return number;
  }

  void grow() {
    slots_.assign(slots_.size() * 4, kEmpty);
    for (size_t i = 0; i < keys_.size(); ++i) {
      size_t slot = hash(View(keys_[i])) & (slots_.size() - 1);
      while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<int32_t>(i);
    }
  }

  const size_t max_keys_;
  std::vector<int32_t> slots_;
  std::vector<Key> keys_;
};

// What the rows of one partition field are told apart by.
enum class KeyKind { kInt64, kBytes, kInt128, kNone };

KeyKind key_kind(const Transform& transform, const Type& source) {
  if (transform.kind == TransformKind::kVoid || source.kind == TypeKind::kUnknown) return KeyKind::kNone;
  if (transform.kind != TransformKind::kIdentity && transform.kind != TransformKind::kTruncate) return KeyKind::kInt64;
  switch (source.kind) {
    case TypeKind::kString:
    case TypeKind::kBinary:
    case TypeKind::kFixed:
    case TypeKind::kUuid:
      return KeyKind::kBytes;
    case TypeKind::kDecimal:
      return KeyKind::kInt128;
    default:
      return KeyKind::kInt64;
  }
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Calls visit(row, value) for every row that is not null.
template <typename ArrayType, typename F>
void for_each_value(const ArrayType& array, F&& visit) {
  if (array.null_count() == 0) {
    for (int64_t i = 0; i < array.length(); ++i) visit(i, array.GetView(i));
  } else {
    for (int64_t i = 0; i < array.length(); ++i) {
      if (!array.IsNull(i)) visit(i, array.GetView(i));
    }
  }
}

// Integers, booleans, dates and times of any width as int64; floats by their bits, all NaNs alike.
template <typename F>
void for_each_int64(const arrow::Array& array, F&& visit) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return for_each_value(static_cast<const arrow::BooleanArray&>(array), visit);
    case arrow::Type::INT32:
      return for_each_value(static_cast<const arrow::Int32Array&>(array), visit);
    case arrow::Type::INT64:
      return for_each_value(static_cast<const arrow::Int64Array&>(array), visit);
    case arrow::Type::DATE32:
      return for_each_value(static_cast<const arrow::Date32Array&>(array), visit);
    case arrow::Type::TIME64:
      return for_each_value(static_cast<const arrow::Time64Array&>(array), visit);
    case arrow::Type::TIMESTAMP:
      return for_each_value(static_cast<const arrow::TimestampArray&>(array), visit);
    case arrow::Type::FLOAT:
      return for_each_value(static_cast<const arrow::FloatArray&>(array), [&](int64_t i, float v) {
        visit(i, std::bit_cast<int32_t>(std::isnan(v) ? std::numeric_limits<float>::quiet_NaN() : v));
      });
    case arrow::Type::DOUBLE:
      return for_each_value(static_cast<const arrow::DoubleArray&>(array), [&](int64_t i, double v) {
        visit(i, std::bit_cast<int64_t>(std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v));
      });
    default:
      throw Error(fmt::format("cannot partition by an Arrow column of type {}", array.type()->ToString()));
  }
}

template <typename F>
void for_each_bytes(const arrow::Array& array, F&& visit) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return for_each_value(static_cast<const arrow::BinaryArray&>(array), visit);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return for_each_value(static_cast<const arrow::LargeBinaryArray&>(array), visit);
    case arrow::Type::FIXED_SIZE_BINARY:
      return for_each_value(static_cast<const arrow::FixedSizeBinaryArray&>(array), visit);
    default:
      throw Error(fmt::format("cannot partition by an Arrow column of type {}", array.type()->ToString()));
  }
}

template <typename F>
void for_each_int128(const arrow::Array& array, F&& visit) {
  if (array.type_id() != arrow::Type::DECIMAL128) {
    throw Error(fmt::format("cannot partition by an Arrow column of type {}", array.type()->ToString()));
  }
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) continue;
    const arrow::Decimal128 v(decimals.GetValue(i));
    visit(i, static_cast<Int128>(v.high_bits()) << 64 | static_cast<Int128>(v.low_bits()));
  }
}

// The greatest multiple of the width that is not above the value.
template <typename T>
T truncate_int(T v, int32_t width) {
  T out = 0;
  if (__builtin_sub_overflow(v, (v % width + width) % width, &out)) {
    throw InvalidArgument(fmt::format("truncate[{}] of a value is out of range: it has no partition", width));
  }
  return out;
}

// Months or years since 1970 of days since 1970. Neighbouring rows often share their day.
class CalendarUnit {
 public:
  explicit CalendarUnit(bool months) : months_(months) {}

  int64_t operator()(int64_t day) {
    if (day != day_) {
      const CivilDate date = civil_from_days(day);
      unit_ = months_ ? (date.year - 1970) * 12 + date.month - 1 : date.year - 1970;
      day_ = day;
    }
    return unit_;
  }

 private:
  const bool months_;
  int64_t day_ = 0, unit_ = 0;
};

uint32_t hash_long(int64_t v) {
  char bytes[sizeof v];  // little-endian, as this machine has it
  std::memcpy(bytes, &v, sizeof v);
  return murmur3_32({bytes, sizeof v});
}

bool is_nanos(const Type& type) { return type.kind == TypeKind::kTimestampNs || type.kind == TypeKind::kTimestampTzNs; }

// The partition values of one column, and the number of each. Number 0 is null.
class FieldPartitioner {
 public:
  FieldPartitioner(const PartitionField& field, const Schema& schema, size_t max_values)
      : transform_(field.transform), ints_(max_values), bytes_(max_values), int128s_(max_values) {
    if (transform_.kind == TransformKind::kUnknown) {
      throw NotSupported(
          fmt::format("partition field '{}' has transform '{}', which this version does not know: it "
                      "can read the table but not write to it",
                      field.name, transform_.text));
    }
    if (transform_.kind == TransformKind::kVoid) return;  // its source column may be gone
    const auto path = path_to(schema, field.source_id());
    if (path.empty()) {
      throw InvalidArgument(
          fmt::format("partition field '{}': the table has no column with id {}", field.name, field.source_id()));
    }
    const std::vector<Field>* siblings = &schema.fields;
    for (const Field* step : path) {
      steps_.push_back(static_cast<int>(step - siblings->data()));
      if (step != path.back() && step->type.kind != TypeKind::kStruct) {
        throw InvalidArgument(fmt::format("partition field '{}': its column is inside a list or a map", field.name));
      }
      siblings = step->type.children.get();
    }
    source_ = path.back()->type;
    if (!can_transform(transform_, source_)) {
      throw InvalidArgument(fmt::format("partition field '{}': {} does not take values of type {}", field.name,
                                        to_string(transform_), to_string(source_)));
    }
    kind_ = key_kind(transform_, source_);
    result_ = result_type(transform_, source_);
  }

  // numbers[i]: of row i. False if there are too many values.
  bool number(const arrow::RecordBatch& batch, std::vector<int32_t>& numbers) {
    numbers.assign(batch.num_rows(), 0);
    if (kind_ == KeyKind::kNone) return true;
    const std::shared_ptr<arrow::Array> array = source_array(batch);
    bool fits = true;
    auto assign = [&](auto& table) {
      return [&](int64_t row, auto key) {
        const int32_t number = table(key);
        fits &= number >= 0;
        numbers[row] = number + 1;
      };
    };
    if (kind_ == KeyKind::kBytes) {
      number_bytes(*array, assign(bytes_));
    } else if (kind_ == KeyKind::kInt128) {
      number_int128(*array, assign(int128s_));
    } else {
      number_int64(*array, assign(ints_));
    }
    return fits;
  }

  Value value(int32_t number) const {
    if (number == 0) return {};
    const size_t i = number - 1;
    if (kind_ == KeyKind::kBytes) return Value(bytes_.keys()[i]);
    if (kind_ == KeyKind::kInt128) return Value(int128s_.keys()[i]);
    const int64_t key = ints_.keys()[i];
    switch (result_.kind) {
      case TypeKind::kBoolean:
        return Value(key != 0);
      case TypeKind::kInt:
      case TypeKind::kDate:
        if (key != static_cast<int32_t>(key)) {
          throw InvalidArgument(
              fmt::format("{} of a value is out of range: it has no partition", to_string(transform_)));
        }
        return Value(static_cast<int32_t>(key));
      case TypeKind::kFloat:
        return Value(std::bit_cast<float>(static_cast<int32_t>(key)));
      case TypeKind::kDouble:
        return Value(std::bit_cast<double>(key));
      default:
        return Value(key);
    }
  }

 private:
  // The column itself: nested ones are null where a struct around them is.
  std::shared_ptr<arrow::Array> source_array(const arrow::RecordBatch& batch) const {
    std::shared_ptr<arrow::Array> array = batch.column(steps_.front());
    for (size_t i = 1; i < steps_.size(); ++i) {
      array = check(static_cast<const arrow::StructArray&>(*array).GetFlattenedField(steps_[i]), "partition column");
    }
    if (array->type_id() == arrow::Type::EXTENSION) {
      array = static_cast<const arrow::ExtensionArray&>(*array).storage();
    }
    return array;
  }

  template <typename F>
  void number_bytes(const arrow::Array& array, F&& assign) {
    if (transform_.kind == TransformKind::kIdentity) return for_each_bytes(array, assign);
    const int32_t width = transform_.width;
    if (source_.kind == TypeKind::kString) {
      for_each_bytes(array, [&](int64_t row, std::string_view v) { assign(row, first_code_points(v, width)); });
    } else {
      for_each_bytes(array, [&](int64_t row, std::string_view v) { assign(row, v.substr(0, width)); });
    }
  }

  template <typename F>
  void number_int128(const arrow::Array& array, F&& assign) {
    if (transform_.kind == TransformKind::kIdentity) return for_each_int128(array, assign);
    for_each_int128(array, [&](int64_t row, Int128 v) { assign(row, truncate_int(v, transform_.width)); });
  }

  template <typename F>
  void number_int64(const arrow::Array& array, F&& assign) {
    switch (transform_.kind) {
      case TransformKind::kIdentity:
        return for_each_int64(array, [&](int64_t row, int64_t v) { assign(row, v); });
      case TransformKind::kTruncate:
        return for_each_int64(array, [&](int64_t row, int64_t v) { assign(row, truncate_int(v, transform_.width)); });
      case TransformKind::kBucket:
        return number_buckets(array, assign);
      case TransformKind::kYear:
      case TransformKind::kMonth: {
        CalendarUnit unit(transform_.kind == TransformKind::kMonth);
        const int64_t per_day = units_per_day();
        return for_each_int64(array, [&](int64_t row, int64_t v) { assign(row, unit(floor_div(v, per_day))); });
      }
      case TransformKind::kDay: {
        const int64_t per_day = units_per_day();
        return for_each_int64(array, [&](int64_t row, int64_t v) { assign(row, floor_div(v, per_day)); });
      }
      case TransformKind::kHour: {
        const int64_t per_hour = units_per_day() / kHoursPerDay;
        return for_each_int64(array, [&](int64_t row, int64_t v) { assign(row, floor_div(v, per_hour)); });
      }
      case TransformKind::kVoid:
      case TransformKind::kUnknown:
        return;
    }
  }

  template <typename F>
  void number_buckets(const arrow::Array& array, F&& assign) {
    auto bucket = [&](int64_t row, uint32_t hash) {
      assign(row, static_cast<int64_t>((hash & 0x7FFFFFFF) % static_cast<uint32_t>(transform_.width)));
    };
    switch (source_.kind) {
      case TypeKind::kString:
      case TypeKind::kBinary:
      case TypeKind::kFixed:
      case TypeKind::kUuid:
        return for_each_bytes(array, [&](int64_t row, std::string_view v) { bucket(row, murmur3_32(v)); });
      case TypeKind::kDecimal:
        return for_each_int128(array, [&](int64_t row, Int128 v) { bucket(row, bucket_hash(Value(v), source_)); });
      default: {
        const int64_t unit = is_nanos(source_) ? 1000 : 1;  // nanoseconds hash as microseconds
        return for_each_int64(array, [&](int64_t row, int64_t v) { bucket(row, hash_long(floor_div(v, unit))); });
      }
    }
  }

  int64_t units_per_day() const {
    if (source_.kind == TypeKind::kDate) return 1;
    return is_nanos(source_) ? kMicrosPerDay * 1000 : kMicrosPerDay;
  }

  Transform transform_;
  std::vector<int> steps_;  // positions of the column and of the struct fields inside it
  Type source_;
  Type result_;
  KeyKind kind_ = KeyKind::kNone;
  Numbers<int64_t, int64_t> ints_;
  Numbers<std::string, std::string_view> bytes_;
  Numbers<Int128, Int128> int128s_;
};

}  // namespace

struct Partitioner::State {
  std::vector<FieldPartitioner> fields;
  // Fields are folded one after the other: (number so far, number of the next field's value) gets a number.
  std::vector<Numbers<int64_t, int64_t>> folds;
  size_t max_partitions;
  std::string table_name;

  [[noreturn]] void too_many() const {
    throw InvalidArgument(
        fmt::format("table {}: the rows fall into more than {} partitions, and each one needs an open file. Append "
                    "fewer partitions at a time, or raise max_open_writers (each open file takes memory)",
                    table_name, max_partitions));
  }
};

Partitioner::Partitioner(const Schema& schema, const PartitionSpec& spec, size_t max_partitions, std::string table_name)
    : state_(std::make_unique<State>()) {
  state_->max_partitions = max_partitions;
  state_->table_name = std::move(table_name);
  for (const PartitionField& field : spec.fields) {
    state_->fields.emplace_back(field, schema, max_partitions);
    state_->folds.emplace_back(max_partitions);
  }
}

Partitioner::~Partitioner() = default;

std::vector<int32_t> Partitioner::number(const arrow::RecordBatch& batch) {
  std::vector<int32_t> numbers(batch.num_rows(), 0), next;
  for (size_t f = 0; f < state_->fields.size(); ++f) {
    if (!state_->fields[f].number(batch, next)) state_->too_many();
    auto& fold = state_->folds[f];
    int64_t last_key = -1;
    int32_t last_number = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      const int64_t key = static_cast<int64_t>(numbers[i]) << 32 | next[i];
      if (key != last_key) {
        last_number = fold(key);
        last_key = key;
        if (last_number < 0) state_->too_many();
      }
      numbers[i] = last_number;
    }
  }
  return numbers;
}

size_t Partitioner::size() const { return state_->folds.empty() ? 1 : state_->folds.back().keys().size(); }

std::vector<Value> Partitioner::values(size_t partition) const {
  std::vector<Value> values(state_->fields.size());
  auto number = static_cast<int64_t>(partition);
  for (size_t f = values.size(); f-- > 0;) {
    const int64_t key = state_->folds[f].keys()[number];
    values[f] = state_->fields[f].value(static_cast<int32_t>(key & 0xFFFFFFFF));
    number = key >> 32;
  }
  return values;
}

namespace {

// The rows [begin, end) of `order` belong to one partition.
struct Range {
  int32_t partition;
  int64_t begin, end;
};

std::shared_ptr<arrow::RecordBatch> take(const arrow::RecordBatch& batch, const std::vector<int32_t>& order) {
  const auto indices = std::make_shared<arrow::Int32Array>(order.size(), arrow::Buffer::Wrap(order));
  std::vector<std::shared_ptr<arrow::Array>> columns(batch.num_columns());
  parallel_for(columns.size(), [&](size_t i) {
    columns[i] = check(arrow::compute::Take(*batch.column(static_cast<int>(i)), *indices,
                                            arrow::compute::TakeOptions::NoBoundsCheck()),
                       "splitting rows by partition");
  });
  return arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), std::move(columns));
}

}  // namespace

std::vector<PartitionRows> split(const std::shared_ptr<arrow::RecordBatch>& batch,
                                 const std::vector<int32_t>& numbers) {
  if (numbers.empty()) return {};
  const int32_t highest = *std::max_element(numbers.begin(), numbers.end());
  std::vector<int64_t> begins(highest + 2, 0);  // begins[p]: where the rows of p begin once sorted by partition
  int64_t runs = 1;
  for (size_t i = 0; i < numbers.size(); ++i) {
    ++begins[numbers[i] + 1];
    runs += i > 0 && numbers[i] != numbers[i - 1] ? 1 : 0;
  }
  const int64_t partitions = std::count_if(begins.begin(), begins.end(), [](int64_t rows) { return rows > 0; });
  std::partial_sum(begins.begin(), begins.end(), begins.begin());

  std::vector<PartitionRows> parts;
  if (runs == partitions) {
    for (int64_t begin = 0, end = 0; begin < batch->num_rows(); begin = end) {
      const int32_t partition = numbers[begin];
      end = begin + begins[partition + 1] - begins[partition];
      parts.push_back({partition, partitions == 1 ? batch : batch->Slice(begin, end - begin)});
    }
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.partition < b.partition; });
    return parts;
  }
  std::vector<int32_t> order(numbers.size());
  std::vector<int64_t> ends(begins.begin(), begins.end() - 1);
  for (size_t i = 0; i < numbers.size(); ++i) order[ends[numbers[i]]++] = static_cast<int32_t>(i);
  const auto sorted = take(*batch, order);
  for (int32_t p = 0; p <= highest; ++p) {
    if (begins[p + 1] > begins[p]) parts.push_back({p, sorted->Slice(begins[p], begins[p + 1] - begins[p])});
  }
  return parts;
}

}  // namespace floe
