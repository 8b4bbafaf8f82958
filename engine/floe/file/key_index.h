// Finds rows by key, the values of one or several columns: what equality deletes and upserts join on.
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "floe/spec/type.h"

namespace floe {

struct KeyIndexOptions {
  // Whether a null is a value like others (equality deletes), or makes its row match nothing (SQL's joins).
  bool nulls_equal = true;
  // Whether -0.0 is the same as 0.0. (NaN always equals NaN.)
  bool zeros_equal = false;
};

// Rows are numbered from 0 in the order in which they are added. Memory in proportion to their keys. Adding is for one
// thread; finding is for any number of them once nothing is added any more.
class KeyIndex {
 public:
  // The columns' types, all primitive. Throws NotSupported for those that have no order (variant, geometry, geography).
  explicit KeyIndex(std::vector<Type> types, KeyIndexOptions options = {});
  ~KeyIndex();

  // One array per column, of the Arrow type that to_arrow_type gives and of one length. Of several rows with the same
  // key the first is the one that is found.
  void add(const arrow::ArrayVector& columns);

  // For each row of `columns` the number of the added row with the same key, or -1.
  void find(const arrow::ArrayVector& columns, std::vector<int64_t>& rows) const;

  // For each row of `columns` a number that rows of the same key share.
  void hash(const arrow::ArrayVector& columns, std::vector<uint64_t>& hashes) const;

  int64_t rows() const;  // that were added
  int64_t keys() const;  // different ones, of rows that can be found
  size_t memory_use() const;

  // Some of the rows (second) whose key an earlier one (first) had already.
  const std::vector<std::pair<int64_t, int64_t>>& duplicates() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
