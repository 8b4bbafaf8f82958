// Bloom filters of Parquet files: which values their row groups surely do not have.
#pragma once

#include <parquet/file_reader.h>

#include <memory>
#include <span>
#include <vector>

#include "floe/expression/evaluate.h"
#include "floe/file/key_set.h"
#include "floe/file/parquet_columns.h"

namespace parquet {
class BloomFilter;
}

namespace floe {

// Of an open file, which outlives this. Values are hashed as the file's physical type has them, whatever the table's
// type is now. Filters that cannot be read, and those that lack the least or the greatest value that the footer knows
// of the column, are treated as absent: they only save work, and rows are there without them. (A filter has no
// checksum; bits that flip within it are not always noticed.) Throws as the store does.
class BloomFilters {
 public:
  explicit BloomFilters(parquet::ParquetFileReader& file);

  // Whether a row group may have rows that match, by what bloom filters say of the = and `in` of the filter. `plans`
  // are of the filter's columns; `stats` what the footer says of them, one group per row group.
  bool may_match(const BoundExpression& filter, const std::vector<ColumnPlan>& plans, const Stats& stats,
                 int row_group) const;

  // Whether a row group may have rows with one of the keys. `plans` and `stats` as above, of the key columns.
  bool may_have(const KeySet& keys, const std::vector<ColumnPlan>& plans, const Stats& stats, int row_group) const;

 private:
  BoundExpression without_absent(const BoundExpression& filter, const std::vector<ColumnPlan>& plans,
                                 int row_group) const;
  bool may_have(const ColumnPlan& column, std::span<const Value> values, int row_group) const;
  std::unique_ptr<parquet::BloomFilter> filter_of(int row_group, int column) const;

  parquet::ParquetFileReader& file_;
};

}  // namespace floe
