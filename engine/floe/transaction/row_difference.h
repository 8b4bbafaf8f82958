// Which rows of two batches differ: an update that changes nothing is none.
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <vector>

namespace floe {

// Sets `differs` for each row where two columns of one type and length differ. Nulls equal nulls and NaNs equal NaNs,
// at every depth; -0.0 is not 0.0.
void mark_differences(const arrow::Array& a, const arrow::Array& b, std::vector<uint8_t>& differs);

}  // namespace floe
