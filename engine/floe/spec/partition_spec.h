// How a table's rows are grouped into files. Specification: "Partitioning".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/schema.h"
#include "floe/spec/transform.h"

namespace floe {

struct PartitionField {
  std::vector<int32_t> source_ids;  // one, but for transforms of several arguments (v3)
  int32_t field_id = 0;             // 1000 and up
  std::string name;
  Transform transform;

  int32_t source_id() const { return source_ids.front(); }
  bool operator==(const PartitionField&) const = default;
};

struct PartitionSpec {
  int32_t spec_id = 0;
  std::vector<PartitionField> fields;

  bool is_unpartitioned() const { return fields.empty(); }
  bool operator==(const PartitionSpec&) const = default;
};

inline constexpr int32_t kFirstPartitionFieldId = 1000;

// The struct of partition values: one optional field per partition field, in order, with its id. A field whose source
// column is gone keeps its place and, if its transform gives one type for all columns (bucket, year, month, day, hour),
// its type; else that is unknown.
Type partition_type(const PartitionSpec& spec, const Schema& schema);

// "dep_day=2013-01-01/carrier=UA": names and values encoded as a form is (space becomes +), as Java does it; null
// values are "null". Empty for an unpartitioned spec. `values` holds one value per partition field. Never parsed back.
std::string partition_path(const PartitionSpec& spec, const Schema& schema, const std::vector<Value>& values);

// The same spec with field ids counted up from `last_id`, which is updated, and source ids taken from `from` to `to` by
// the columns' names. For tables about to be created, whose schema got fresh ids.
PartitionSpec assign_fresh_ids(const PartitionSpec& spec, const Schema& from, const Schema& to, int32_t& last_id);

// For specs about to be added to a table. Throws InvalidArgument, naming the field, if a source column is missing (but
// for void), nested in a list or map, or of a type that the transform does not take; if the transform is unknown; if
// names or ids repeat; or if a name is that of a column that is not its source by identity or void.
void validate(const PartitionSpec& spec, const Schema& schema);

PartitionSpec partition_spec_from_json(std::string_view json);
std::string to_json(const PartitionSpec& spec);

// Only the array of fields, which is what manifests keep under "partition-spec"; the object form is read too.
std::string fields_to_json(const PartitionSpec& spec);
std::vector<PartitionField> partition_fields_from_json(std::string_view json);

}  // namespace floe
