// Evaluates filters on what is known about groups of rows: the partition summaries of manifests, the bounds of files,
// the partition values of files, the statistics of row groups. All of them are the same thing here, columns of
// statistics with one entry per group, and pruning is a loop over arrays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/expression/expression.h"

namespace floe {

// Byte strings side by side, some of them absent.
struct BytesColumn {
  std::vector<int64_t> offsets{0};  // size + 1
  std::string data;
  std::vector<uint8_t> present;

  size_t size() const { return present.size(); }
  bool has(size_t i) const { return present[i] != 0; }
  std::string_view operator[](size_t i) const {
    return std::string_view(data).substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
  void append(std::string_view bytes) {
    data.append(bytes);
    offsets.push_back(static_cast<int64_t>(data.size()));
    present.push_back(1);
  }
  void append_absent() {
    offsets.push_back(static_cast<int64_t>(data.size()));
    present.push_back(0);
  }
};

inline constexpr int64_t kNotKnown = -1;

// What is known of one column in each of n groups of rows. A count that is not known is kNotKnown, never 0.
// Bounds are in the binary single-value form; they may be truncated. Inverted ones, NaN, and bytes that are not of the
// column's type count as absent.
//
// Of counts only this matters: whether nulls or NaNs are 0, and whether they make up all values. Who knows no more than
// that (the partition summaries of manifests) may say 1 value and 1 null for "only nulls", and kNotKnown for "some".
struct ColumnStats {
  int32_t field_id = 0;
  std::vector<int64_t> value_counts;  // nulls and NaNs included
  std::vector<int64_t> null_counts;
  std::vector<int64_t> nan_counts;
  BytesColumn lower_bounds;
  BytesColumn upper_bounds;

  void append(int64_t values, int64_t nulls, int64_t nans);  // without bounds; bounds follow by the caller
};

struct Stats {
  size_t size = 0;  // groups
  std::vector<ColumnStats> columns;

  const ColumnStats* column(int32_t field_id) const;  // null: nothing is known
};

// One group whose columns have a single value each: the values of a partition.
Stats stats_of_values(const std::vector<std::pair<int32_t, Value>>& values, const std::vector<Type>& types);

// Per group: 0 if surely no row matches, else 1. Predicates under a transform, and columns without statistics, tell
// nothing. Throws InvalidArgument if nesting exceeds kMaxExpressionDepth, Error if columns are not `stats.size` long.
std::vector<uint8_t> may_match(const BoundExpression& filter, const Stats& stats);

// Per group: 1 if surely every row matches, else 0.
std::vector<uint8_t> must_match(const BoundExpression& filter, const Stats& stats);

}  // namespace floe
