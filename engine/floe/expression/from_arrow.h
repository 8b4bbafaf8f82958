// Arrow compute expressions as row filters: what other engines push down to a dataset.
#pragma once

#include <arrow/compute/expression.h>

#include <optional>

#include "floe/expression/expression.h"

namespace floe {

// Whether comparisons take NaN for greater than every number, as SQL engines do, or for nothing, as Arrow does.
enum class NanOrder { kNone, kGreatest };

// The filter that matches exactly the rows for which `expression` is true, or nullopt if there is none: for functions
// that filters lack, comparisons of two columns, literals that are null or NaN or of types without an exact text, and
// names with dots.
std::optional<Expression> from_arrow(const arrow::compute::Expression& expression, NanOrder nan);

}  // namespace floe
