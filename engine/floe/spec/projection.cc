#include "floe/spec/projection.h"

#include <memory>
#include <optional>

namespace floe {
namespace {

std::optional<Field> project_field(const Field& field, const std::set<int32_t>& ids) {
  if (ids.contains(field.id)) return field;
  if (!field.type.is_nested()) return std::nullopt;
  std::vector<Field> children;
  for (const Field& child : *field.type.children) {
    if (auto kept = project_field(child, ids)) children.push_back(std::move(*kept));
  }
  if (children.empty()) return std::nullopt;
  if (field.type.kind == TypeKind::kMap) {
    const std::vector<Field>& entry = *field.type.children;
    const bool has_value = children.back().id == entry[1].id;
    children = {entry[0], has_value ? children.back() : entry[1]};
  }
  Field out = field;
  out.type.children = std::make_shared<const std::vector<Field>>(std::move(children));
  return out;
}

}  // namespace

Schema project(const Schema& schema, const std::set<int32_t>& field_ids) {
  Schema out;
  out.schema_id = schema.schema_id;
  for (const Field& field : schema.fields) {
    if (auto kept = project_field(field, field_ids)) out.fields.push_back(std::move(*kept));
  }
  for (const int32_t id : schema.identifier_field_ids) {
    if (find_field(out, id)) out.identifier_field_ids.push_back(id);
  }
  return out;
}

}  // namespace floe
