// Rows in the order of a table's sort order, or along a curve through several columns. Specification: "Sorting".
#pragma once

#include <arrow/record_batch.h>

#include <cstdint>
#include <optional>
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

// A column to cluster rows by along with others, and bounds of its values, if they are known: the values of all columns
// then count alike, however large they are and whatever they begin with.
struct ZOrderColumn {
  int32_t field_id = 0;
  std::optional<Value> lower = {}, upper = {};
};

// Both bring rows near each other that are near each other in all the columns. What follows on a Hilbert curve is
// always near; a Z-order jumps, and takes less time.
enum class Curve : uint8_t { kZOrder, kHilbert };

class RowOrder {
 public:
  // Throws NotSupported for a transform that this version does not know, InvalidArgument if a column is missing or
  // cannot be sorted by.
  RowOrder(const SortOrder& order, const Schema& schema);

  // Along a curve. A key of a Z-order is the bits of all columns' values in turn, the highest first, each as 64 bits
  // that are ordered as the values are (of strings and binaries, the first that differ within the bounds); a key of a
  // Hilbert curve is the place along it of what has these coordinates. Nulls are with the least values. Throws
  // InvalidArgument for less than one or more than eight columns.
  RowOrder(const std::vector<ZOrderColumn>& columns, const Schema& schema, Curve curve = Curve::kZOrder);

  // Appends a key for each row: rows are in order as their keys are, compared as unsigned bytes. Floats are in their
  // total order: negative NaNs first, -0.0 before 0.0, NaNs last.
  void append_keys(const arrow::RecordBatch& batch, RowKeys& keys) const;

 private:
  struct Column {
    ColumnTransform values;
    bool ascending, nulls_first;
    uint32_t width;  // bytes of every value; 0: they differ
  };
  struct ZColumn {
    ColumnTransform values;
    size_t skip = 0;  // bytes that all values begin with
    int shift = 0;    // then bits
  };
  void append_column(const Column& column, const arrow::RecordBatch& batch, char* out, std::vector<uint64_t>& at) const;
  void append_interleaved(const arrow::RecordBatch& batch, RowKeys& keys) const;
  static ZColumn z_column(const ZOrderColumn& column, const Schema& schema, const std::string& what);

  std::vector<Column> columns_;
  std::vector<ZColumn> z_columns_;  // of a curve, which has no others
  Curve curve_ = Curve::kZOrder;
};

}  // namespace floe
