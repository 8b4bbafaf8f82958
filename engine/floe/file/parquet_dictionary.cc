#include "floe/file/parquet_dictionary.h"

#include <arrow/api.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <string_view>

namespace floe {
namespace {

constexpr int64_t kSampledValues = 32'768;  // of a column
constexpr int64_t kRun = 2'048;             // looked at side by side; runs lie evenly over the sample
constexpr double kWorthwhile = 0.6;         // of the plain encoding's bytes, before compression

// Counts distinct values by their hashes: rarely one too few, which does not matter.
class DistinctCounter {
 public:
  explicit DistinctCounter(int64_t values)
      : slots_(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(values, 1)) * 2)) {}

  void add(uint64_t hash) {
    hash |= 1;  // 0 marks an empty slot
    const size_t mask = slots_.size() - 1;
    size_t at = (hash >> 20) & mask;
    while (slots_[at] != 0 && slots_[at] != hash) at = (at + 1) & mask;
    if (slots_[at] == 0) ++count_;
    slots_[at] = hash;
  }
  int64_t count() const { return count_; }

 private:
  std::vector<uint64_t> slots_;
  int64_t count_ = 0;
};

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

uint64_t hash_of(const uint8_t* bytes, size_t size) {
  if (size > 16) return std::hash<std::string_view>()({reinterpret_cast<const char*>(bytes), size});
  uint64_t words[2] = {};
  if (size > 0) std::memcpy(words, bytes, size);
  return mix(words[0] + mix(words[1] + size));
}

struct Sampled {
  int64_t values = 0;  // that are not null
  int64_t distinct = 0;
  int64_t bytes = 0;  // of the values, plainly encoded
};

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

// Hashes values [begin, end) of a leaf array.
void add_values(const arrow::Array& array, int64_t begin, int64_t end, DistinctCounter& distinct, Sampled& sampled) {
  const auto add = [&](const uint8_t* bytes, size_t size, size_t overhead) {
    distinct.add(hash_of(bytes, size));
    ++sampled.values;
    sampled.bytes += static_cast<int64_t>(size + overhead);
  };
  if (const auto* binary = dynamic_cast<const arrow::BinaryArray*>(&array)) {
    for (int64_t i = begin; i < end; ++i) {
      if (binary->IsNull(i)) continue;
      const std::string_view view = binary->GetView(i);
      add(reinterpret_cast<const uint8_t*>(view.data()), view.size(), sizeof(uint32_t));
    }
    return;
  }
  const auto& type = dynamic_cast<const arrow::FixedWidthType&>(*array.type());
  const auto width = static_cast<size_t>(type.bit_width() / 8);
  const uint8_t* values = array.data()->buffers[1]->data() + static_cast<size_t>(array.offset()) * width;
  for (int64_t i = begin; i < end; ++i)
    if (!array.IsNull(i)) add(values + static_cast<size_t>(i) * width, width, 0);
}

bool has_dictionaries(const arrow::DataType& type) {
  if (type.id() == arrow::Type::STRING || type.id() == arrow::Type::BINARY) return true;
  const auto* fixed = dynamic_cast<const arrow::FixedWidthType*>(&type);
  return fixed != nullptr && fixed->bit_width() >= 8;
}

Sampled sample_column(const Arrays& arrays) {
  Sampled out;
  int64_t total = 0;
  for (const auto& array : arrays) total += array->length();
  DistinctCounter distinct(std::min(total, kSampledValues + kRun));
  const int64_t runs = kSampledValues / kRun;
  const int64_t stride = total <= kSampledValues ? kRun : total / runs;
  int64_t first = 0;  // of this array, in all of them
  for (const auto& array : arrays) {
    // The runs start at the multiples of `stride`; each may go over the end of an array.
    const int64_t last = first + array->length();
    for (int64_t run = first / stride * stride; run < last; run += stride) {
      const int64_t begin = std::max(run, first);
      const int64_t end = std::min(run + kRun, last);
      if (begin < end) add_values(*array, begin - first, end - first, distinct, out);
    }
    first = last;
  }
  out.distinct = distinct.count();
  return out;
}

// How many distinct values there probably are where a random sample showed so many: the D for which
// D (1 - exp(-values / D)) values are expected to be met.
double estimate_distinct(const Sampled& sampled) {
  const auto n = static_cast<double>(sampled.values);
  const auto d = static_cast<double>(sampled.distinct);
  double low = d, high = 1e12;
  for (int i = 0; i < 60; ++i) {
    const double middle = std::sqrt(low * high);
    (middle * -std::expm1(-n / middle) < d ? low : high) = middle;
  }
  return high;
}

bool worthwhile(const Sampled& sampled, bool whole_file, const DictionaryLimits& limits) {
  if (sampled.values == 0 || sampled.distinct == sampled.values) return false;
  const double width = static_cast<double>(sampled.bytes) / static_cast<double>(sampled.values);
  const auto rows = static_cast<double>(whole_file ? sampled.values : limits.rows);
  const double distinct =
      std::min(rows, whole_file ? static_cast<double>(sampled.distinct) : estimate_distinct(sampled));
  const double dictionary = distinct * width;
  if (dictionary > static_cast<double>(limits.dictionary_bytes)) return false;
  const double index_bits = std::max(1.0, std::ceil(std::log2(distinct)));
  return dictionary + rows * index_bits / 8 < kWorthwhile * rows * width;
}

// The leaf arrays of a column, depth first as Parquet orders them.
void collect_leaves(const std::shared_ptr<arrow::Array>& array, std::vector<Arrays>& columns, size_t& leaf) {
  switch (array->type_id()) {
    case arrow::Type::EXTENSION:
      return collect_leaves(static_cast<const arrow::ExtensionArray&>(*array).storage(), columns, leaf);
    case arrow::Type::STRUCT:
      for (const auto& field : static_cast<const arrow::StructArray&>(*array).fields())
        collect_leaves(field, columns, leaf);
      return;
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(*array);
      const int64_t first = list.value_offset(0);
      return collect_leaves(list.values()->Slice(first, list.value_offset(list.length()) - first), columns, leaf);
    }
    default:
      columns[leaf++].push_back(array);
  }
}

}  // namespace

std::vector<bool> choose_dictionaries(const std::vector<std::shared_ptr<arrow::RecordBatch>>& sample, int leaf_columns,
                                      bool whole_file, const DictionaryLimits& limits) {
  std::vector<Arrays> columns(static_cast<size_t>(leaf_columns));
  for (const auto& batch : sample) {
    size_t leaf = 0;
    for (const auto& column : batch->columns()) collect_leaves(column, columns, leaf);
  }
  std::vector<bool> out(columns.size(), false);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].empty() && has_dictionaries(*columns[i][0]->type()))
      out[i] = worthwhile(sample_column(columns[i]), whole_file, limits);
  }
  return out;
}

}  // namespace floe
