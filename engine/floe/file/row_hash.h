// Hashes of whole rows, of columns of any type: two rows are taken for the same where their hashes are.
#pragma once

#include <arrow/array.h>

#include <compare>
#include <cstdint>
#include <vector>

namespace floe {

// 128 bits, so that no two rows of a table share one by chance, and seeded anew in each process, so that nobody can
// write rows that do.
struct RowHash {
  uint64_t high, low;
  auto operator<=>(const RowHash&) const = default;
};

// Of the rows of columns of one length. Nulls equal nulls and nothing else; floats are compared by their bits, lists
// and maps element by element in their order. Throws NotSupported for Arrow types that Iceberg's do not become.
std::vector<RowHash> row_hashes(const arrow::ArrayVector& columns, int64_t rows);

}  // namespace floe
