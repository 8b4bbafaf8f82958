// How rows within data files are sorted. Specification: "Sorting".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"
#include "floe/spec/transform.h"

namespace floe {

struct SortField {
  std::vector<int32_t> source_ids;
  Transform transform;
  bool ascending = true;
  bool nulls_first = true;
  bool operator==(const SortField&) const = default;
};

// Order 0 is the unsorted one and has no fields.
struct SortOrder {
  int32_t order_id = 0;
  std::vector<SortField> fields;
  bool operator==(const SortOrder&) const = default;
};

SortOrder assign_fresh_ids(const SortOrder& order, const Schema& from, const Schema& to);
void validate(const SortOrder& order, const Schema& schema);

SortOrder sort_order_from_json(std::string_view json);
std::string to_json(const SortOrder& order);

}  // namespace floe
