#include "floe/file/name_mapping.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "floe/spec/json.h"
#include "floe/spec/json_writer.h"

namespace floe {
namespace {

constexpr int kMaxDepth = 100;

NameMapping parse_fields(const json::Node& node, int depth) {
  if (depth > kMaxDepth) node.fail("is nested too deeply");
  NameMapping fields;
  node.for_each([&](const json::Node& item) {
    MappedField field;
    item.at("names").for_each([&](const json::Node& name) { field.names.emplace_back(name.string()); });
    if (auto id = item.find("field-id")) field.field_id = id->int32();
    if (auto children = item.find("fields")) field.fields = parse_fields(*children, depth + 1);
    fields.push_back(std::move(field));
  });
  return fields;
}

void write_fields(const NameMapping& fields, json::Writer& writer) {
  writer.begin_array();
  for (const MappedField& field : fields) {
    writer.begin_object();
    if (field.field_id) writer.member("field-id", *field.field_id);
    writer.key("names");
    writer.begin_array();
    for (const std::string& name : field.names) writer.value(name);
    writer.end_array();
    if (!field.fields.empty()) {
      writer.key("fields");
      write_fields(field.fields, writer);
    }
    writer.end_object();
  }
  writer.end_array();
}

std::string to_json(const NameMapping& mapping) {
  json::Writer writer;
  write_fields(mapping, writer);
  return writer.take();
}

NameMapping mapping_of(const std::vector<Field>& fields) {
  NameMapping mapping;
  for (const Field& field : fields) {
    mapping.push_back({.names = {field.name}, .field_id = field.id, .fields = mapping_of(children_of(field.type))});
  }
  return mapping;
}

// The mapping of one struct's fields, or of a list's or map's.
class Evolution {
 public:
  Evolution(const Schema& before, const Schema& after) : before_(index_by_id(before)), after_(index_by_id(after)) {}

  NameMapping fields(NameMapping mapping, const std::vector<Field>& now) const {
    std::unordered_map<std::string_view, int32_t> taken;  // names that columns have got
    NameMapping added;
    for (const Field& field : now) {
      const auto was = before_.find(field.id);
      if (was == before_.end()) added.push_back(mapping_of({field}).front());
      if (was == before_.end() || was->second->name != field.name) taken.emplace(field.name, field.id);
    }
    for (MappedField& field : mapping) {
      const auto is = field.field_id ? after_.find(*field.field_id) : after_.end();
      if (is != after_.end()) {
        const bool renamed = taken.contains(is->second->name) && taken.at(is->second->name) == *field.field_id;
        if (renamed && !std::ranges::count(field.names, is->second->name)) field.names.push_back(is->second->name);
        field.fields = fields(std::move(field.fields), children_of(is->second->type));
      }
      std::erase_if(field.names, [&](const std::string& name) {
        const auto owner = taken.find(name);
        return owner != taken.end() && owner->second != field.field_id;
      });
    }
    std::erase_if(mapping, [](const MappedField& field) { return field.names.empty(); });
    std::ranges::move(added, std::back_inserter(mapping));
    return mapping;
  }

 private:
  const std::unordered_map<int32_t, const Field*> before_, after_;
};

}  // namespace

std::string name_mapping_of(const Schema& schema) { return to_json(mapping_of(schema.fields)); }

std::string evolved_name_mapping(std::string_view json, const Schema& before, const Schema& after) {
  return to_json(Evolution(before, after).fields(parse_name_mapping(json), after.fields));
}

NameMapping parse_name_mapping(std::string_view json) {
  if (json.empty()) return {};
  const json::Document document(json, "table property schema.name-mapping.default");
  return parse_fields(document.root(), 0);
}

const MappedField* find_name(const NameMapping& mapping, std::string_view name) {
  for (const MappedField& field : mapping) {
    if (std::find(field.names.begin(), field.names.end(), name) != field.names.end()) return &field;
  }
  return nullptr;
}

bool covers(const NameMapping& mapping, const NameMapping& other) {
  return std::ranges::all_of(other, [&](const MappedField& field) {
    return std::ranges::all_of(field.names, [&](const std::string& name) {
      const MappedField* found = find_name(mapping, name);
      return found && found->field_id == field.field_id && covers(found->fields, field.fields);
    });
  });
}

}  // namespace floe
