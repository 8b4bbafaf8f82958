// The format's values to and from JSON nodes, so that a document embeds another one's parts without text in between.
// Internal to the engine; the headers of the values have the functions that take and give text.
//
// Reading throws CorruptFile naming the document and the field. Readers take what writers of other implementations are
// known to write (see each function); writing gives the canonical form.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <vector>

#include "floe/spec/json.h"
#include "floe/spec/partition_spec.h"
#include "floe/spec/schema.h"
#include "floe/spec/sort_order.h"

namespace floe::json {

// How deep types (and values of them) may nest.
inline constexpr int kMaxTypeDepth = 100;

std::vector<int32_t> int32s_from_node(const Node& array);

Type type_from_node(const Node& node);
boost::json::value to_value(const Type& type);

std::vector<Field> fields_from_node(const Node& array);  // of a struct or schema

// A missing "schema-id" (v1, and requests to create a table) is 0.
Schema schema_from_node(const Node& node);
boost::json::value to_value(const Schema& schema);

// A missing "spec-id" is 0. Fields without ids (v1) get them in order from kFirstPartitionFieldId on; a spec where only
// some have one is refused. A field of several sources ("source-ids") with a transform that takes one is kept as an
// unknown transform.
PartitionSpec partition_spec_from_node(const Node& node);
// The array of fields alone, or the object form.
std::vector<PartitionField> partition_fields_from_node(const Node& node);
boost::json::value to_value(const PartitionSpec& spec);
boost::json::value fields_to_value(const PartitionSpec& spec);

SortOrder sort_order_from_node(const Node& node);
boost::json::value to_value(const SortOrder& order);

// The single-value form ("Appendix D"). JSON's null is the null value.
Value value_from_node(const Node& node, const Type& type);
boost::json::value to_value(const Value& value, const Type& type);

}  // namespace floe::json
