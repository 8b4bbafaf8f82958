// Rows in the order of a table's sort order. Specification: "Sorting".
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/sort_order.h"
#include "floe/write/column_transform.h"

namespace floe {

// One key of bytes for each row.
struct RowKeys {
  std::string bytes;
  std::vector<uint64_t> ends;

  size_t size() const { return ends.size(); }
  std::string_view operator[](size_t row) const {
    const uint64_t begin = row == 0 ? 0 : ends[row - 1];
    return std::string_view(bytes).substr(begin, ends[row] - begin);
  }
};

class RowOrder {
 public:
  // Throws NotSupported for a transform that this version does not know, InvalidArgument if a column is missing or
  // cannot be sorted by.
  RowOrder(const SortOrder& order, const Schema& schema);

  // Appends a key for each row: rows are in order as their keys are, compared as unsigned bytes. Floats are in their
  // total order: negative NaNs first, -0.0 before 0.0, NaNs last.
  void append_keys(const arrow::RecordBatch& batch, RowKeys& keys) const;

 private:
  struct Column {
    ColumnTransform values;
    bool ascending, nulls_first;
    uint32_t width;  // bytes of every value; 0: they differ
  };
  void append_column(const Column& column, const arrow::RecordBatch& batch, char* out, std::vector<uint64_t>& at) const;

  std::vector<Column> columns_;
};

}  // namespace floe
