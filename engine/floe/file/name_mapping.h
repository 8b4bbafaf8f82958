// Field ids for data files that carry none, by the names of their columns.
// Specification: "Column Projection", "Name Mapping Serialization".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"

namespace floe {

// The table property that has the mapping, as JSON.
inline constexpr std::string_view kNameMapping = "schema.name-mapping.default";

struct MappedField {
  std::vector<std::string> names;
  std::optional<int32_t> field_id;  // none: the files have the column and the table does not
  std::vector<MappedField> fields;  // of a struct; "element" of a list; "key" and "value" of a map
};
using NameMapping = std::vector<MappedField>;

// An empty text is an empty mapping. Throws CorruptFile naming the property and what is wrong with it.
NameMapping parse_name_mapping(std::string_view json);

// The mapping, as JSON, of every column of a schema by the name that it has now.
std::string name_mapping_of(const Schema& schema);

// A mapping, as JSON, after the schema has changed: a renamed column's new name stands beside its old ones, new columns
// are there, and a name that a column has taken over is nobody else's any more.
std::string evolved_name_mapping(std::string_view json, const Schema& before, const Schema& after);

// The mapping of a column of this name, or null.
const MappedField* find_name(const NameMapping& mapping, std::string_view name);

// Whether `mapping` finds each column that `other` finds, and by the same id.
bool covers(const NameMapping& mapping, const NameMapping& other);

}  // namespace floe
