// Orders of rows as Spark's procedures take them, as text. Internal to maintenance/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/sort_order.h"
#include "floe/write/row_order.h"

namespace floe {

struct RowOrderText {
  std::vector<SortField> fields;
  std::vector<std::string> z_order;  // columns of a curve; then there are no fields
  Curve curve = Curve::kZOrder;
};

// "day DESC NULLS LAST, bucket(16, id)", "zorder(lat, lon)" or "hilbert(lat, lon)". Nulls are first by default, and
// last in descending order. A name with other characters than letters, digits, '_' and '.' is put in backticks. Throws
// InvalidArgument for what does not parse, for columns that are not there, and for transforms that do not take them.
RowOrderText parse_row_order(std::string_view text, const Schema& schema, bool case_sensitive);

}  // namespace floe
