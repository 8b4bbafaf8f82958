#include "floe/spec/partition_spec.h"

#include <fmt/format.h>

#include <unordered_set>

#include "floe/error.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/source_ids.h"

namespace floe {
namespace {

// The type of a partition value whose source column is gone: known only if it is the same for every column.
Type sourceless_type(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return primitive(TypeKind::kInt);
    case TransformKind::kDay:
      return primitive(TypeKind::kDate);
    default:
      return primitive(TypeKind::kUnknown);
  }
}

// application/x-www-form-urlencoded, as java.net.URLEncoder writes it.
void append_encoded(std::string& out, std::string_view text) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '-' || c == '*' || c == '_';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<uint8_t>(c));
    }
  }
}

void validate_name(const PartitionField& field, const Schema& schema) {
  const Field* column = find_field(schema, field.name);
  if (column == nullptr) return;
  const bool may_share =
      field.transform.kind == TransformKind::kIdentity || field.transform.kind == TransformKind::kVoid;
  if (may_share && field.source_ids.size() == 1 && field.source_id() == column->id) return;
  throw InvalidArgument(fmt::format("Cannot create {} in schema: {}; choose another name",
                                    field.transform.kind == TransformKind::kIdentity
                                        ? "identity partition sourced from different field"
                                        : "partition with a name that exists",
                                    field.name));
}

}  // namespace

Type partition_type(const PartitionSpec& spec, const Schema& schema) {
  std::vector<Field> fields;
  for (const PartitionField& field : spec.fields) {
    const Field* source = field.source_ids.empty() ? nullptr : find_field(schema, field.source_id());
    const bool known = source != nullptr || field.transform.kind == TransformKind::kUnknown;
    fields.push_back({.id = field.field_id,
                      .name = field.name,
                      .type = known ? result_type(field.transform, source == nullptr ? Type() : source->type)
                                    : sourceless_type(field.transform)});
  }
  return struct_type(std::move(fields));
}

std::string partition_path(const PartitionSpec& spec, const Schema& schema, const std::vector<Value>& values) {
  if (values.size() != spec.fields.size()) {
    throw InvalidArgument(fmt::format("partition spec {} has {} fields, but {} values were given", spec.spec_id,
                                      spec.fields.size(), values.size()));
  }
  const Type type = partition_type(spec, schema);
  std::string path;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) path += '/';
    append_encoded(path, spec.fields[i].name);
    path += '=';
    append_encoded(path, to_human_string(spec.fields[i].transform, children_of(type)[i].type, values[i]));
  }
  return path;
}

PartitionSpec assign_fresh_ids(const PartitionSpec& spec, const Schema& from, const Schema& to, int32_t& last_id) {
  PartitionSpec fresh = spec;
  for (PartitionField& field : fresh.fields) {
    field.source_ids = sources_by_name(field.source_ids, from, to);
    field.field_id = ++last_id;
  }
  return fresh;
}

void validate(const PartitionSpec& spec, const Schema& schema) {
  std::unordered_set<std::string_view> names;
  std::unordered_set<int32_t> ids;
  for (const PartitionField& field : spec.fields) {
    if (!simdjson::validate_utf8(field.name)) {
      throw InvalidArgument(fmt::format("the name of partition field {} is not UTF-8", field.field_id));
    }
    const std::string what = fmt::format("partition field \"{}\"", field.name);
    if (field.name.empty()) throw InvalidArgument(fmt::format("partition field {} has no name", field.field_id));
    if (!names.insert(field.name).second) throw InvalidArgument(what + " is there twice");
    if (!ids.insert(field.field_id).second) {
      throw InvalidArgument(fmt::format("{} has the id {} of another field", what, field.field_id));
    }
    validate_sources(field.source_ids, field.transform, schema, what);
    validate_name(field, schema);
  }
}

PartitionSpec partition_spec_from_json(std::string_view json) {
  const json::Document document(json, "partition spec");
  return json::partition_spec_from_node(document.root());
}

std::string to_json(const PartitionSpec& spec) { return json::serialize(json::to_value(spec)); }

std::string fields_to_json(const PartitionSpec& spec) { return json::serialize(json::fields_to_value(spec)); }

std::vector<PartitionField> partition_fields_from_json(std::string_view json) {
  const json::Document document(json, "partition spec");
  return json::partition_fields_from_node(document.root());
}

}  // namespace floe

namespace floe::json {

PartitionSpec partition_spec_from_node(const Node& node) {
  PartitionSpec spec;
  if (const auto id = node.find("spec-id")) spec.spec_id = id->int32();
  spec.fields = partition_fields_from_node(node.at("fields"));
  return spec;
}

std::vector<PartitionField> partition_fields_from_node(const Node& node) {
  if (node.is_object()) return partition_fields_from_node(node.at("fields"));
  std::vector<PartitionField> fields;
  size_t with_id = 0;
  node.for_each([&](const Node& item) {
    PartitionField field{.name = std::string(item.at("name").string())};
    read_transform_and_sources(item, field.transform, field.source_ids);
    const auto id = item.find("field-id");
    field.field_id = id ? id->int32() : kFirstPartitionFieldId + static_cast<int32_t>(fields.size());
    with_id += id ? 1 : 0;
    fields.push_back(std::move(field));
  });
  if (with_id != 0 && with_id != fields.size()) {
    node.fail(fmt::format("has {} fields, but only {} of them have a \"field-id\"", fields.size(), with_id));
  }
  return fields;
}

boost::json::value to_value(const PartitionSpec& spec) {
  return boost::json::object{{"spec-id", spec.spec_id}, {"fields", fields_to_value(spec)}};
}

boost::json::value fields_to_value(const PartitionSpec& spec) {
  boost::json::array fields;
  for (const PartitionField& field : spec.fields) {
    boost::json::object out{
        {"name", field.name}, {"transform", to_string(field.transform)}, {"field-id", field.field_id}};
    write_sources(out, field.source_ids);
    fields.push_back(std::move(out));
  }
  return fields;
}

}  // namespace floe::json
