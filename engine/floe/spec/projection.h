// Schemas with fewer columns.
#pragma once

#include <cstdint>
#include <set>

#include "floe/spec/schema.h"

namespace floe {

// The fields with these ids, wholly, and of their parents what it takes to reach them, in the schema's order. A map
// keeps its whole key. Identifier fields that are left out are dropped from the list.
Schema project(const Schema& schema, const std::set<int32_t>& field_ids);

}  // namespace floe
