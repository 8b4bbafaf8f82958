// The wanted rows of a decoded column.
#pragma once

#include <arrow/array.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>

#include "floe/file/parquet_pages.h"

namespace floe {

// The column has the rows of the selection from `begin` on. Arrow's filter looks at every row; where few are unwanted,
// which is what deletes leave, the runs of rows between them are copied instead.
arrow::Result<std::shared_ptr<arrow::Array>> keep_rows(const std::shared_ptr<arrow::Array>& column,
                                                       const RowSelection& selection, int64_t begin);

}  // namespace floe
