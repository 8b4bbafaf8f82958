// Bound filters as Arrow compute expressions, for rows.
#pragma once

#include <arrow/compute/expression.h>

#include "floe/expression/expression.h"

namespace floe {

// The filter over batches of the schema that `to_arrow_schema` (file/arrow_schema.h) makes of `schema`: columns are
// referred to by path of position. True for the rows that `matches` is true for; where it is null, a row does not
// match. Throws NotSupported for a term with a transform, InvalidArgument if a column is not in `schema`.
arrow::compute::Expression to_arrow(const BoundExpression& filter, const Schema& schema);

}  // namespace floe
