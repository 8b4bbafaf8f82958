// What partition fields and sort fields have in common: a transform over source columns. Internal to spec/.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "floe/spec/json.h"
#include "floe/spec/schema.h"
#include "floe/spec/transform.h"

namespace floe {

// The ids in `to` of the columns that have these ids in `from`, by name. Throws InvalidArgument if one is missing.
std::vector<int32_t> sources_by_name(const std::vector<int32_t>& ids, const Schema& from, const Schema& to);

// Throws InvalidArgument, beginning with `what`, if a source is missing, not primitive, inside a list or map, or not
// what the transform takes. A void transform may have lost its source.
void validate_sources(const std::vector<int32_t>& ids, const Transform& transform, const Schema& schema,
                      std::string_view what);

namespace json {

// "source-id" or, of transforms with several arguments, "source-ids". A transform of one argument that is given several
// becomes an unknown one: it is none that this engine can compute or prune on.
void read_transform_and_sources(const Node& node, Transform& transform, std::vector<int32_t>& ids);
void write_sources(boost::json::object& out, const std::vector<int32_t>& ids);

}  // namespace json
}  // namespace floe
