#include "floe/write/partitioner.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>

#include "floe/arrow_status.h"
#include "floe/parallel.h"
#include "floe/write/column_transform.h"

namespace floe {
namespace {

// Numbers 0, 1, 2, ... for distinct keys in the order in which they come.
template <typename Key, typename View>
class Numbers {
 public:
  Numbers() : slots_(64, kEmpty) {}

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

  std::vector<int32_t> slots_;
  std::vector<Key> keys_;
};

// The partition values of one column, and the number of each. Number 0 is null.
class FieldPartitioner {
 public:
  FieldPartitioner(const PartitionField& field, const Schema& schema)
      : column_(schema, field.source_ids.empty() ? 0 : field.source_id(), field.transform,
                fmt::format("partition field '{}'", field.name)) {}

  // numbers[i]: of row i.
  void number(const arrow::RecordBatch& batch, std::vector<int32_t>& numbers) {
    numbers.assign(batch.num_rows(), 0);
    switch (column_.kind()) {
      case ColumnTransform::Kind::kBytes:
        return column_.for_each(batch, [&](int64_t row, std::string_view v) { numbers[row] = bytes_(v) + 1; });
      case ColumnTransform::Kind::kInt128:
        return column_.for_each(batch, [&](int64_t row, Int128 v) { numbers[row] = int128s_(v) + 1; });
      case ColumnTransform::Kind::kInt64:
        // All NaNs are alike.
        if (column_.source().kind == TypeKind::kFloat) {
          return column_.for_each(batch, [&](int64_t row, int64_t v) {
            const auto bits = static_cast<int32_t>(v);
            numbers[row] = ints_(std::isnan(std::bit_cast<float>(bits)) ? kFloatNan : bits) + 1;
          });
        }
        if (column_.source().kind == TypeKind::kDouble) {
          return column_.for_each(batch, [&](int64_t row, int64_t v) {
            numbers[row] = ints_(std::isnan(std::bit_cast<double>(v)) ? kDoubleNan : v) + 1;
          });
        }
        return column_.for_each(batch, [&](int64_t row, int64_t v) { numbers[row] = ints_(v) + 1; });
      case ColumnTransform::Kind::kNone:
        return;
    }
  }

  Value value(int32_t number) const {
    if (number == 0) return {};
    const size_t i = number - 1;
    if (column_.kind() == ColumnTransform::Kind::kBytes) return Value(bytes_.keys()[i]);
    if (column_.kind() == ColumnTransform::Kind::kInt128) return Value(int128s_.keys()[i]);
    const int64_t key = ints_.keys()[i];
    switch (column_.result().kind) {
      case TypeKind::kBoolean:
        return Value(key != 0);
      case TypeKind::kInt:
      case TypeKind::kDate:
        if (key != static_cast<int32_t>(key)) internal::refuse_value(column_.transform());
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
  static constexpr int64_t kFloatNan = std::bit_cast<int32_t>(std::numeric_limits<float>::quiet_NaN());
  static constexpr int64_t kDoubleNan = std::bit_cast<int64_t>(std::numeric_limits<double>::quiet_NaN());

  ColumnTransform column_;
  Numbers<int64_t, int64_t> ints_;
  Numbers<std::string, std::string_view> bytes_;
  Numbers<Int128, Int128> int128s_;
};

}  // namespace

struct Partitioner::State {
  std::vector<FieldPartitioner> fields;
  // Fields are folded one after the other: (number so far, number of the next field's value) gets a number.
  std::vector<Numbers<int64_t, int64_t>> folds;
};

Partitioner::Partitioner(const Schema& schema, const PartitionSpec& spec) : state_(std::make_unique<State>()) {
  for (const PartitionField& field : spec.fields) {
    state_->fields.emplace_back(field, schema);
    state_->folds.emplace_back();
  }
}

Partitioner::~Partitioner() = default;

std::vector<int32_t> Partitioner::number(const arrow::RecordBatch& batch) {
  std::vector<int32_t> numbers(batch.num_rows(), 0), next;
  for (size_t f = 0; f < state_->fields.size(); ++f) {
    state_->fields[f].number(batch, next);
    auto& fold = state_->folds[f];
    int64_t last_key = -1;
    int32_t last_number = 0;
    for (size_t i = 0; i < numbers.size(); ++i) {
      const int64_t key = static_cast<int64_t>(numbers[i]) << 32 | next[i];
      if (key != last_key) {
        last_number = fold(key);
        last_key = key;
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
