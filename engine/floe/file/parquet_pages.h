// Decodes of a flat Parquet column only the pages that hold wanted rows.
#pragma once

#include <arrow/array.h>
#include <parquet/arrow/reader.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace floe {

// Which rows of a row group are wanted: one bit each.
struct RowSelection {
  std::vector<uint8_t> bits;
  int64_t rows = 0;
  int64_t selected = 0;

  void append(const arrow::BooleanArray& mask);  // null: not wanted
  void append(bool wanted, int64_t count);
  void recount();                                   // after bits were cleared
  int64_t count(int64_t begin, int64_t end) const;  // wanted rows of [begin, end)
  std::shared_ptr<arrow::BooleanArray> slice(int64_t begin, int64_t length) const;
};

// The columns of one row group, of which pages without wanted rows are skipped, neither decompressed nor decoded. Both
// arguments must outlive it.
class SparseRowGroup {
 public:
  SparseRowGroup(parquet::ParquetFileReader& file, int row_group, const RowSelection& selection,
                 parquet::ArrowReaderProperties properties);
  ~SparseRowGroup();

  // The wanted rows of a column that is a leaf at the top of the schema. `convert` is called with what Arrow decodes,
  // some pages at a time, and returns as many rows.
  arrow::Result<std::shared_ptr<arrow::Array>> read(
      int leaf, const std::function<std::shared_ptr<arrow::Array>(const std::shared_ptr<arrow::Array>&)>& convert);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace floe
