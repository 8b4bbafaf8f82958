// A table's schema: fields with ids that never change their meaning. Specification: "Schemas and Data Types".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "floe/spec/type.h"

namespace floe {

struct Schema {
  int32_t schema_id = 0;
  std::vector<Field> fields;
  std::vector<int32_t> identifier_field_ids;
};
using SchemaPtr = std::shared_ptr<const Schema>;

// Equality of fields and identifier fields; the id of the schema itself does not count.
bool same_fields(const Schema& a, const Schema& b);

// The field with this id at any depth, or null. The pointer lives as long as the schema.
const Field* find_field(const Schema& schema, int32_t field_id);

// The field with this full name ("a.b", a list's "a.element", a map's "a.key" and "a.value"; for a list or map of
// structs the short form "a.b" is found too), or null. Throws InvalidArgument if `name` is ambiguous without case.
const Field* find_field(const Schema& schema, std::string_view name, bool case_sensitive = true);

// The full dotted name of a field, or an empty string.
std::string full_name(const Schema& schema, int32_t field_id);

// The fields from the top-level column down to the field itself; empty if there is none.
std::vector<const Field*> path_to(const Schema& schema, int32_t field_id);

// Calls `visit` for every field at every depth, parents first.
void for_each_field(const std::vector<Field>& fields, const std::function<void(const Field&)>& visit);

// Every field at every depth by its id, for more than a few look-ups. The pointers live as long as the schema.
std::unordered_map<int32_t, const Field*> index_by_id(const Schema& schema);

int32_t highest_field_id(const Schema& schema);

// The same schema with ids counted up from `last_id` (top-level fields first, then level by level as PyIceberg and Java
// do), which is updated. Identifier field ids follow their fields.
Schema assign_fresh_ids(const Schema& schema, int32_t& last_id);

// Throws InvalidArgument, naming the field, if ids or full names repeat or ids are those of metadata columns, an
// identifier field is missing, optional (or in an optional struct), a float or inside a list or map, a default does not
// fit its type, a type or an initial default needs a later format version, or types nest deeper than JSON is read.
void validate(const Schema& schema, int32_t format_version);

Schema schema_from_json(std::string_view json);
std::string to_json(const Schema& schema);

}  // namespace floe
