#include "floe/scan/metadata_columns.h"

#include <algorithm>
#include <map>
#include <set>

#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

// Names are those of the newest spec that has the field. A field that is void in one spec has its type from another.
Type all_partitions_type(const TableMetadata& table, const Schema& schema) {
  std::vector<const PartitionSpec*> specs;
  for (const PartitionSpec& spec : table.partition_specs) specs.push_back(&spec);
  std::sort(specs.begin(), specs.end(),
            [](const PartitionSpec* a, const PartitionSpec* b) { return a->spec_id > b->spec_id; });
  struct Part {
    Field field;
    bool is_void;
  };
  std::map<int32_t, Part> parts;
  for (const PartitionSpec* spec : specs) {
    const Type type = partition_type(*spec, schema);
    for (size_t i = 0; i < spec->fields.size(); ++i) {
      const Field& field = (*type.children)[i];
      const bool is_void = spec->fields[i].transform.kind == TransformKind::kVoid;
      const auto [found, is_new] = parts.try_emplace(field.id, Part{field, is_void});
      if (is_new || !found->second.is_void || is_void) continue;
      found->second.field.type = field.type;
      found->second.is_void = false;
    }
  }
  std::vector<Field> fields;
  for (auto& [id, part] : parts) fields.push_back(std::move(part.field));
  return struct_type(std::move(fields));
}

}  // namespace

std::optional<Field> metadata_column(const TableMetadata& table, const Schema& schema, std::string_view name) {
  std::vector<Field> fields = {file_field(), pos_field(), deleted_field(), spec_id_field()};
  if (table.format_version >= 3) {
    fields.push_back(row_id_field());
    fields.push_back(last_updated_sequence_number_field());
  }
  for (Field& field : fields) {
    if (field.name == name) return std::move(field);
  }
  Field partition = partition_field({});
  if (partition.name != name) return std::nullopt;
  partition.type = all_partitions_type(table, schema);
  return partition;
}

Type union_partition_type(const TableMetadata& table) {
  const Schema& schema = *current_schema(table);
  std::set<int32_t> active;
  for (const PartitionSpec& spec : table.partition_specs) {
    for (const PartitionField& field : spec.fields) {
      const auto& ids = field.source_ids;
      if (std::all_of(ids.begin(), ids.end(), [&](int32_t id) { return find_field(schema, id) != nullptr; })) {
        active.insert(field.field_id);
      }
    }
  }
  const Field all = *metadata_column(table, schema, "_partition");
  std::vector<Field> fields;
  for (const Field& field : *all.type.children) {
    if (active.contains(field.id)) fields.push_back(field);
  }
  return struct_type(std::move(fields));
}

Value partition_struct(const Manifest& manifest, const std::vector<Value>& partition, const Type& type) {
  std::vector<Value> values;
  for (const Field& field : *type.children) {
    const auto& parts = manifest.spec.fields;
    const auto found =
        std::find_if(parts.begin(), parts.end(), [&](const PartitionField& part) { return part.field_id == field.id; });
    values.push_back(found == parts.end() ? Value() : partition[found - parts.begin()]);
  }
  return Value(std::move(values));
}

}  // namespace floe
