#include "floe/file/name_mapping.h"

#include <algorithm>

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

void write_fields(const std::vector<Field>& fields, json::Writer& writer) {
  writer.begin_array();
  for (const Field& field : fields) {
    writer.begin_object();
    writer.member("field-id", field.id);
    writer.key("names");
    writer.begin_array();
    writer.value(field.name);
    writer.end_array();
    if (field.type.is_nested()) {
      writer.key("fields");
      write_fields(*field.type.children, writer);
    }
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace

std::string name_mapping_of(const Schema& schema) {
  json::Writer writer;
  write_fields(schema.fields, writer);
  return writer.take();
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

}  // namespace floe
