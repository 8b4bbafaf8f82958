// Keys that rows are looked up by, as a whole: between which values they lie, and which groups of rows may have one.
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "floe/expression/evaluate.h"
#include "floe/spec/schema.h"

namespace floe {

// Between which values a key column lies.
struct KeyRange {
  Value least, greatest;  // null: there are no values
  bool has_nan = false;   // then they tell nothing

  void add(const arrow::Array& values, const Type& type);
  bool known() const { return !has_nan && !least.is_null(); }
};

// A key has one value in each of some columns; one with a null in it is none. -0.0 is 0.0. Safe from many threads.
class KeySet {
 public:
  // Primitive columns outside lists and maps, and what the keys have in each: arrays of one length, of the Arrow type
  // that to_arrow_type gives.
  KeySet(std::vector<Field> fields, const arrow::ArrayVector& columns);

  size_t columns() const { return columns_.size(); }
  const Field& field(size_t column) const { return columns_[column]->field; }
  const std::shared_ptr<arrow::Array>& values(size_t column) const { return columns_[column]->values; }
  const KeyRange& range(size_t column) const { return columns_[column]->range; }

  // Per group: 0 if surely none of its rows has one of the keys, by the bounds of each column, else 1.
  std::vector<uint8_t> may_have(const Stats& stats) const;

  // What a column has of different values within the bounds of one group, ascending. nullopt: that is not known, or
  // there are more than `most`.
  std::optional<std::vector<Value>> within(size_t column, const Stats& stats, size_t group, size_t most) const;

 private:
  struct Column {
    Field field;
    std::shared_ptr<arrow::Array> values;
    KeyRange range;
    // Distinct and ascending, of one kind or the other; filled in when first needed.
    mutable std::once_flag once;
    mutable std::vector<int64_t> numbers;
    mutable std::vector<Value> others;
  };
  struct Bounds {
    Value least, greatest;
  };

  static std::optional<Bounds> bounds_of(const Column& column, const Stats& stats, size_t group);
  static bool may_have(const Column& column, const Bounds& bounds);
  static std::pair<size_t, size_t> place(const Column& column, const Bounds& bounds);

  std::vector<std::unique_ptr<Column>> columns_;
};

}  // namespace floe
