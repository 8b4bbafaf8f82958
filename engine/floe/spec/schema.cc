#include "floe/spec/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "floe/error.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

// Calls `visit(field, full name)` at every depth, parents first.
template <typename F>
void walk_names(const std::vector<Field>& fields, const std::string& parent, F&& visit) {
  for (const Field& field : fields) {
    const std::string name = parent.empty() ? field.name : fmt::format("{}.{}", parent, field.name);
    visit(field, name);
    walk_names(children_of(field.type), name, visit);
  }
}

// Fills `path` down to the field, innermost last; false if there is none.
bool find_path(const std::vector<Field>& fields, int32_t field_id, std::vector<const Field*>& path) {
  for (const Field& field : fields) {
    path.push_back(&field);
    if (field.id == field_id || find_path(children_of(field.type), field_id, path)) return true;
    path.pop_back();
  }
  return false;
}

// A look-up by name. Names may contain dots themselves, so every child whose name begins the rest is followed.
struct NameSearch {
  bool fold = false;        // the name is in folded case, and the fields' names are to be
  bool short_form = false;  // the name leaves out "element" and "value" above structs
  std::vector<const Field*> found{};

  void in_fields(std::span<const Field> fields, std::string_view rest) {
    for (const Field& field : fields) {
      const std::string folded = fold ? fold_case(field.name) : std::string();
      const std::string_view name = fold ? folded : std::string_view(field.name);
      if (!rest.starts_with(name)) continue;
      if (rest.size() == name.size()) {
        found.push_back(&field);
      } else if (rest[name.size()] == '.') {
        in_type(field.type, rest.substr(name.size() + 1));
      }
    }
  }

  void in_type(const Type& type, std::string_view rest) {
    const std::span<const Field> children = children_of(type);
    const bool skips_last = short_form && type.kind != TypeKind::kStruct && !children.empty() &&
                            children.back().type.kind == TypeKind::kStruct;
    in_fields(skips_last ? children.first(children.size() - 1) : children, rest);
    if (skips_last) in_type(children.back().type, rest);
  }
};

using Renumbered = std::unordered_map<int32_t, int32_t>;

// The ids of siblings first, then those below each of them.
std::vector<Field> with_fresh_ids(std::vector<Field> fields, int32_t& last_id, Renumbered& renumbered) {
  for (Field& field : fields) {
    const int32_t id = ++last_id;
    renumbered[std::exchange(field.id, id)] = id;
  }
  for (Field& field : fields) {
    if (!field.type.children) continue;
    field.type.children =
        std::make_shared<const std::vector<Field>>(with_fresh_ids(*field.type.children, last_id, renumbered));
  }
  return fields;
}

[[noreturn]] void refuse(const std::string& name, const std::string& problem) {
  throw InvalidArgument(fmt::format("column \"{}\" {}", name, problem));
}

bool always_null(const Type& type) {
  return type.kind == TypeKind::kUnknown || type.kind == TypeKind::kVariant || type.kind == TypeKind::kGeometry ||
         type.kind == TypeKind::kGeography;
}

void validate_default(const Field& field, const std::string& name, std::string_view which, const Value& value) {
  if (value.is_null()) return;
  if (always_null(field.type))
    refuse(name, fmt::format("has an {}, but {} must default to null", which, to_string(field.type)));
  if (!fits(value, field.type)) {
    refuse(name, fmt::format("has an {} that is not a {}", which, to_string(field.type)));
  }
  if (field.type.kind != TypeKind::kStruct) return;
  const auto& members = value.as<std::vector<Value>>();
  if (!std::ranges::all_of(members, &Value::is_null)) {
    refuse(name,
           fmt::format("is a struct whose {} has values; put them on its fields and give the struct {{}}", which));
  }
}

void validate_field(const Field& field, const std::string& name, int32_t format_version) {
  if (!simdjson::validate_utf8(name) || !simdjson::validate_utf8(field.doc.value_or(""))) {
    throw InvalidArgument(fmt::format("the name or comment of column {} is not UTF-8", field.id));
  }
  if (field.id < 0 || is_metadata_column(field.id)) {
    refuse(name, fmt::format("has the id {}; ids are 0 to {}", field.id, kHighestUserFieldId));
  }
  if (const int32_t needed = field.type.is_nested() ? 1 : minimum_format_version(field.type); needed > format_version) {
    refuse(name, fmt::format("has the type {}, which needs format version {}; the table's is {}", to_string(field.type),
                             needed, format_version));
  }
  if (field.type.kind == TypeKind::kUnknown && field.required) refuse(name, "is of type unknown and must be optional");
  if (!field.initial_default.is_null() && format_version < 3) {
    refuse(name,
           fmt::format("has an initial default, which needs format version 3; the table's is {}", format_version));
  }
  validate_default(field, name, "initial default", field.initial_default);
  validate_default(field, name, "write default", field.write_default);
}

// Lists and maps keep nothing of their children but id, type and being required.
void validate_children(const Field& field, const std::string& name) {
  const std::vector<Field>& children = children_of(field.type);
  const size_t expected = field.type.kind == TypeKind::kMap ? 2 : field.type.kind == TypeKind::kList ? 1 : 0;
  if (expected == 0) return;
  if (children.size() != expected) refuse(name, "is a list or map without its children");
  if (field.type.kind == TypeKind::kMap && !children[0].required) refuse(name, "is a map whose key is optional");
  for (const Field& child : children) {
    if (!child.initial_default.is_null() || !child.write_default.is_null()) {
      refuse(name, fmt::format("has a default on its {}; only fields of structs have defaults", child.name));
    }
  }
}

void validate_depth(const std::vector<Field>& fields, int depth) {
  for (const Field& field : fields) {
    if (depth > json::kMaxTypeDepth) refuse(field.name, fmt::format("is nested deeper than {}", json::kMaxTypeDepth));
    validate_depth(children_of(field.type), depth + 1);
  }
}

void validate_identifier(const Schema& schema, int32_t field_id) {
  const std::vector<const Field*> path = path_to(schema, field_id);
  if (path.empty()) throw InvalidArgument(fmt::format("identifier field {} is no column of the schema", field_id));
  const auto invalid = [&](std::string_view problem) {
    const std::string name = full_name(schema, field_id);
    throw InvalidArgument(fmt::format("Identifier field {} invalid: {}: column \"{}\"", field_id, problem, name));
  };
  const Field& column = *path.back();
  const TypeKind kind = column.type.kind;
  if (column.type.is_nested()) invalid("not a primitive type field");
  if (!column.required) invalid("not a required field");
  if (kind == TypeKind::kFloat || kind == TypeKind::kDouble) invalid("must not be float or double field");
  if (kind == TypeKind::kVariant || kind == TypeKind::kUnknown) {
    invalid(fmt::format("must not be {} field", to_string(column.type)));
  }
  for (const Field* field : path) {
    if (field->type.kind == TypeKind::kList || field->type.kind == TypeKind::kMap) {
      invalid("must not be inside a list or map");
    }
    if (!field->required) invalid(fmt::format("must not be inside the optional \"{}\"", field->name));
  }
}

}  // namespace

bool same_fields(const Schema& a, const Schema& b) {
  const auto ids = [](const Schema& s) {
    return std::set<int32_t>(s.identifier_field_ids.begin(), s.identifier_field_ids.end());
  };
  return a.fields == b.fields && ids(a) == ids(b);
}

const Field* find_field(const Schema& schema, int32_t field_id) {
  const std::vector<const Field*> path = path_to(schema, field_id);
  return path.empty() ? nullptr : path.back();
}

const Field* find_field(const Schema& schema, std::string_view name, bool case_sensitive) {
  const std::string folded = case_sensitive ? std::string(name) : fold_case(name);
  NameSearch search{.fold = !case_sensitive};
  search.in_fields(schema.fields, folded);
  if (search.found.empty()) {
    search.short_form = true;
    search.in_fields(schema.fields, folded);
  }
  if (search.found.empty()) return nullptr;
  if (search.found.size() > 1 && !case_sensitive) {
    std::vector<std::string> names;
    names.reserve(search.found.size());
    for (const Field* field : search.found) names.push_back(full_name(schema, field->id));
    throw InvalidArgument(fmt::format("the name \"{}\" is ambiguous without case: {}", name, fmt::join(names, ", ")));
  }
  return search.found.front();
}

std::string full_name(const Schema& schema, int32_t field_id) {
  std::vector<std::string_view> names;
  for (const Field* field : path_to(schema, field_id)) names.push_back(field->name);
  return fmt::format("{}", fmt::join(names, "."));
}

std::vector<const Field*> path_to(const Schema& schema, int32_t field_id) {
  std::vector<const Field*> path;
  find_path(schema.fields, field_id, path);
  return path;
}

void for_each_field(const std::vector<Field>& fields, const std::function<void(const Field&)>& visit) {
  for (const Field& field : fields) {
    visit(field);
    for_each_field(children_of(field.type), visit);
  }
}

std::unordered_map<int32_t, const Field*> index_by_id(const Schema& schema) {
  std::unordered_map<int32_t, const Field*> index;
  for_each_field(schema.fields, [&](const Field& field) { index.emplace(field.id, &field); });
  return index;
}

int32_t highest_field_id(const Schema& schema) {
  int32_t highest = 0;
  for_each_field(schema.fields, [&](const Field& field) { highest = std::max(highest, field.id); });
  return highest;
}

Schema assign_fresh_ids(const Schema& schema, int32_t& last_id) {
  Renumbered renumbered;
  Schema fresh{.schema_id = schema.schema_id, .fields = with_fresh_ids(schema.fields, last_id, renumbered)};
  for (const int32_t id : schema.identifier_field_ids) {
    const auto found = renumbered.find(id);
    if (found == renumbered.end()) {
      throw InvalidArgument(fmt::format("identifier field {} is no column of the schema", id));
    }
    fresh.identifier_field_ids.push_back(found->second);
  }
  return fresh;
}

void validate(const Schema& schema, int32_t format_version) {
  validate_depth(schema.fields, 1);
  std::unordered_map<int32_t, std::string> ids;
  std::unordered_set<std::string> names;
  walk_names(schema.fields, "", [&](const Field& field, const std::string& name) {
    validate_field(field, name, format_version);
    validate_children(field, name);
    if (!names.insert(name).second) refuse(name, "is there twice");
    const auto [other, fresh] = ids.emplace(field.id, name);
    if (!fresh) refuse(name, fmt::format("has the id {} of \"{}\"", field.id, other->second));
  });
  for (const int32_t id : schema.identifier_field_ids) validate_identifier(schema, id);
}

Schema schema_from_json(std::string_view json) {
  const json::Document document(json, "schema");
  return json::schema_from_node(document.root());
}

std::string to_json(const Schema& schema) { return json::serialize(json::to_value(schema)); }

}  // namespace floe

namespace floe::json {

Schema schema_from_node(const Node& node) {
  if (const auto type = node.find("type"); type && type->string() != "struct") type->fail("is not \"struct\"");
  Schema schema;
  if (const auto id = node.find("schema-id")) schema.schema_id = id->int32();
  schema.fields = fields_from_node(node.at("fields"));
  if (const auto ids = node.find("identifier-field-ids")) schema.identifier_field_ids = int32s_from_node(*ids);
  return schema;
}

boost::json::value to_value(const Schema& schema) {
  boost::json::object out{{"type", "struct"}, {"schema-id", schema.schema_id}};
  if (!schema.identifier_field_ids.empty()) {
    out["identifier-field-ids"] =
        boost::json::array(schema.identifier_field_ids.begin(), schema.identifier_field_ids.end());
  }
  out["fields"] = to_value(struct_type(schema.fields)).at("fields");
  return out;
}

}  // namespace floe::json
