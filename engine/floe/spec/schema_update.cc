#include "floe/spec/schema_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <unordered_map>

#include "floe/error.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

constexpr std::string_view kAllow = "allow_incompatible_changes";

// The struct that fields are added to: the column itself, the elements of a list, the values of a map.
const Field& struct_of(const Field& parent, std::string_view parent_name, std::string_view name) {
  const bool has_members = parent.type.kind == TypeKind::kList || parent.type.kind == TypeKind::kMap;
  const Field& target = has_members ? children_of(parent.type).back() : parent;
  if (target.type.kind == TypeKind::kStruct) return target;
  throw InvalidArgument(fmt::format("Cannot add column '{}' to non-struct type: {}", name, parent_name));
}

std::string reason_of(const Type& from, const Type& to, int32_t format_version) {
  if (can_promote(from, to, kLatestFormatVersion)) {
    return fmt::format("that needs format version {}, and the table's is {}", kLatestFormatVersion, format_version);
  }
  return "ints may become longs, floats doubles, decimals may get more digits, and in format version 3 dates may "
         "become "
         "timestamps";
}

// The elements of a list, the keys or the values of a map.
bool is_member(const Schema& schema, int32_t id) {
  const std::vector<const Field*> path = path_to(schema, id);
  return path.size() > 1 && path[path.size() - 2]->type.kind != TypeKind::kStruct;
}

// A default of the old type as one of the new type.
Value promoted(const Value& value, const Type& from, const Type& to, std::string_view name) {
  if (value.is_null() || from == to) return value;
  if (can_promote(from, to, kLatestFormatVersion)) return from_bytes(to_bytes(value, from), to);
  if (fits(value, to)) return value;
  throw InvalidArgument(
      fmt::format("Cannot change column type: {}: {} -> {}: it has a default, which is not one of the "
                  "new type",
                  name, to_string(from), to_string(to)));
}

}  // namespace

SchemaUpdate::SchemaUpdate(const TableMetadata& table, SchemaUpdateOptions options)
    : SchemaUpdate(*current_schema(table), table.last_column_id, table.format_version, options) {}

SchemaUpdate::SchemaUpdate(Schema schema, int32_t last_column_id, int32_t format_version, SchemaUpdateOptions options)
    : base_(std::move(schema)),
      base_last_column_id_(last_column_id),
      format_version_(format_version),
      options_(options),
      last_column_id_(last_column_id) {}

std::string SchemaUpdate::folded(std::string_view name) const {
  return options_.case_sensitive ? std::string(name) : fold_case(name);
}

std::optional<int32_t> SchemaUpdate::find_added(std::string_view name) const {
  auto added = added_names_.find(name);
  if (added == added_names_.end() && !options_.case_sensitive) {
    const std::string wanted = folded(name);
    added = std::ranges::find_if(added_names_, [&](const auto& entry) { return folded(entry.first) == wanted; });
  }
  return added == added_names_.end() ? std::nullopt : std::optional(added->second);
}

// A name that was freed by dropping a column may be that of an added one.
std::optional<int32_t> SchemaUpdate::find(std::string_view name) const {
  const Field* field = find_field(base_, name, options_.case_sensitive);
  if (field != nullptr && !dropped_.contains(field->id)) return field->id;
  const std::optional<int32_t> added = find_added(name);
  return added || field == nullptr ? added : std::optional(field->id);
}

const Field& SchemaUpdate::field(int32_t id) const {
  const auto changed = changed_.find(id);
  return changed == changed_.end() ? *find_field(base_, id) : changed->second;
}

const Field& SchemaUpdate::column(std::string_view name) const { return field(id_of(name)); }

// Throws unless the column is there and stays.
int32_t SchemaUpdate::id_of(std::string_view name) const {
  const std::optional<int32_t> id = find(name);
  if (!id) {
    throw InvalidArgument(fmt::format("Could not find field with name {}, case_sensitive={}", name,
                                      options_.case_sensitive ? "True" : "False"));
  }
  for (const Field* field : path_to(base_, *id)) {
    if (!dropped_.contains(field->id)) continue;
    throw InvalidArgument(fmt::format("Cannot update a column that will be deleted: {}", name));
  }
  return *id;
}

// Throws also if it is part of a map's key, which cannot change.
int32_t SchemaUpdate::id_for_change(std::string_view name, std::string_view verb) const {
  const int32_t id = id_of(name);
  const Type* parent = nullptr;
  for (const Field* field : path_to(base_, id)) {
    if (parent != nullptr && parent->kind == TypeKind::kMap && field == &children_of(*parent).front()) {
      throw InvalidArgument(fmt::format("Cannot {} map keys: {}: {}", verb, to_string(*parent), name));
    }
    parent = &field->type;
  }
  return id;
}

void SchemaUpdate::add_column(std::string_view parent, Field field) {
  const std::string given = parent.empty() ? field.name : fmt::format("{}.{}", parent, field.name);
  int32_t parent_id = kRoot;
  std::string full_path = given;
  if (!parent.empty()) {
    id_for_change(parent);
    const Field* column = find_field(base_, parent, options_.case_sensitive);
    if (column == nullptr) {
      throw InvalidArgument(fmt::format("Cannot add column '{}' to {}, which is new itself: add it with all its fields",
                                        field.name, parent));
    }
    parent_id = struct_of(*column, parent, field.name).id;
    full_path = fmt::format("{}.{}", full_name(base_, parent_id), field.name);
  }
  const Field* existing = find_field(base_, given, options_.case_sensitive);
  if ((existing != nullptr && !dropped_.contains(existing->id)) || find_added(given)) {
    throw InvalidArgument(fmt::format("Cannot add column, name already exists: {}", given));
  }
  if (field.required && field.initial_default.is_null() && !options_.allow_incompatible_changes) {
    throw InvalidArgument(fmt::format(
        "Incompatible change: cannot add required column: {}: rows that are there have no value for it. Add "
        "it as optional, {}or say {}",
        given, format_version_ >= 3 ? "give it a default, " : "", kAllow));
  }
  if (field.required && field.write_default.is_null()) field.write_default = field.initial_default;
  field = assign_fresh_ids({.fields = {std::move(field)}}, last_column_id_).fields.front();
  added_[parent_id].push_back(field.id);
  added_parents_[field.id] = parent_id;
  added_names_[given] = field.id;
  added_names_[full_path] = field.id;
  changed_[field.id] = std::move(field);
}

void SchemaUpdate::drop_column(std::string_view name) {
  const std::optional<int32_t> known = find(name);
  if (known && added_parents_.contains(*known)) {
    throw InvalidArgument(fmt::format("Could not find field with name {}, case_sensitive={}: it has just been added",
                                      name, options_.case_sensitive ? "True" : "False"));
  }
  if (known && dropped_.contains(*known)) return;
  const int32_t id = id_for_change(name, "delete");
  if (added_.contains(id)) throw InvalidArgument(fmt::format("Cannot delete a column that has additions: {}", name));
  if (changed_.contains(id)) throw InvalidArgument(fmt::format("Cannot delete a column that has updates: {}", name));
  if (is_member(base_, id)) {
    throw InvalidArgument(fmt::format("Cannot delete {}: a list has its elements and a map its values", name));
  }
  dropped_.insert(id);
}

void SchemaUpdate::rename_column(std::string_view name, const std::string& new_name) {
  const int32_t id = id_for_change(name);
  if (new_name.empty()) throw InvalidArgument(fmt::format("Cannot rename {}: the new name is empty", name));
  if (is_member(base_, id)) {
    throw InvalidArgument(fmt::format("Cannot rename {}: elements, keys and values have no names of their own", name));
  }
  if (identifiers_ && !added_parents_.contains(id)) {
    const std::string old_path = full_name(base_, id);
    const std::string parent = old_path.substr(0, old_path.size() - find_field(base_, id)->name.size());
    std::ranges::replace(*identifiers_, old_path, parent + new_name);
  }
  Field renamed = field(id);
  renamed.name = new_name;
  changed_[id] = std::move(renamed);
}

void SchemaUpdate::update_type(std::string_view name, const Type& type) {
  const int32_t id = id_of(name);
  Field updated = field(id);
  if (updated.type == type) return;
  if (updated.type.is_nested() || type.is_nested()) {
    throw InvalidArgument(fmt::format("Cannot change column type: {} is not a primitive",
                                      to_string(updated.type.is_nested() ? updated.type : type)));
  }
  if (!can_promote(updated.type, type, format_version_) && !options_.allow_incompatible_changes) {
    throw InvalidArgument(
        fmt::format("Cannot change column type: {}: {} -> {}: {}. Add a column of the new type, or say {}", name,
                    to_string(updated.type), to_string(type), reason_of(updated.type, type, format_version_), kAllow));
  }
  id_for_change(name);
  updated.initial_default = promoted(updated.initial_default, updated.type, type, name);
  updated.write_default = promoted(updated.write_default, updated.type, type, name);
  updated.type = type;
  changed_[id] = std::move(updated);
}

void SchemaUpdate::update_doc(std::string_view name, const std::string& doc) {
  const int32_t id = id_for_change(name);
  Field updated = field(id);
  if (updated.doc == doc) return;
  if (is_member(base_, id)) {
    throw InvalidArgument(fmt::format("Cannot document {}: elements, keys and values have no comments", name));
  }
  updated.doc = doc;
  changed_[id] = std::move(updated);
}

void SchemaUpdate::set_required(std::string_view name, bool required) {
  const int32_t id = id_for_change(name);
  Field updated = field(id);
  if (updated.required == required) return;
  const bool has_values = added_parents_.contains(id) && !updated.initial_default.is_null();
  if (required && !has_values && !options_.allow_incompatible_changes) {
    throw InvalidArgument(
        fmt::format("Cannot change column nullability: {}: optional -> required: there may be rows without a value. If "
                    "there are none, say {}",
                    name, kAllow));
  }
  updated.required = required;
  changed_[id] = std::move(updated);
}

void SchemaUpdate::set_write_default(std::string_view name, Value value) {
  const int32_t id = id_for_change(name);
  Field updated = field(id);
  if (updated.write_default == value) return;
  if (value.is_null() && updated.required && !options_.allow_incompatible_changes) {
    throw InvalidArgument(
        fmt::format("Cannot take the default from {}: it is required, and writers that do not know it "
                    "rely on its default. If there are none, say {}",
                    name, kAllow));
  }
  if (!fits(value, updated.type)) {
    throw InvalidArgument(fmt::format("Invalid default value: {} is a {}", name, to_string(updated.type)));
  }
  updated.write_default = std::move(value);
  changed_[id] = std::move(updated);
}

void SchemaUpdate::move(std::string_view name, Where where, std::string_view other) {
  const auto usable = [&](std::string_view column) {
    const std::optional<int32_t> id = find(column);
    return id && !dropped_.contains(*id) ? id : std::nullopt;
  };
  const auto parent_of = [&](int32_t id) {
    if (const auto added = added_parents_.find(id); added != added_parents_.end()) return added->second;
    const std::vector<const Field*> path = path_to(base_, id);
    return path.size() > 1 ? path[path.size() - 2]->id : kRoot;
  };
  const std::string_view side = where == Where::kBefore ? "before" : "after";
  const std::optional<int32_t> id = usable(name);
  if (!id) throw InvalidArgument(fmt::format("Cannot move missing column: {}", name));
  const int32_t parent = parent_of(*id);
  if (parent != kRoot) {
    const Type& type = find_field(base_, parent)->type;
    if (type.kind != TypeKind::kStruct) {
      throw InvalidArgument(fmt::format("Cannot move fields in non-struct type: {}: {}", to_string(type), name));
    }
  }
  Move move{.field_id = *id, .where = where};
  if (where != Where::kFirst) {
    const std::optional<int32_t> other_id = usable(other);
    if (!other_id) throw InvalidArgument(fmt::format("Cannot move {} {} missing column: {}", name, side, other));
    if (*other_id == *id) throw InvalidArgument(fmt::format("Cannot move {} {} itself", name, side));
    if (parent_of(*other_id) != parent) {
      throw InvalidArgument(fmt::format("Cannot move field {} to a different struct, that of {}", name, other));
    }
    move.other_id = *other_id;
  }
  moves_[parent].push_back(move);
}

void SchemaUpdate::move_first(std::string_view name) { move(name, Where::kFirst); }
void SchemaUpdate::move_before(std::string_view name, std::string_view other) { move(name, Where::kBefore, other); }
void SchemaUpdate::move_after(std::string_view name, std::string_view other) { move(name, Where::kAfter, other); }

void SchemaUpdate::set_identifier_fields(std::vector<std::string> names) { identifiers_ = std::move(names); }

// --- union by name ---------------------------------------------------------------------------------------------------

void SchemaUpdate::union_by_name(const Schema& other) { union_fields(other.fields, base_.fields, {}); }

void SchemaUpdate::union_fields(const std::vector<Field>& fields, const std::vector<Field>& existing,
                                std::string_view parent) {
  std::unordered_map<std::string, const Field*> by_name;
  for (const Field& field : existing) by_name.emplace(folded(field.name), &field);
  const auto same_as = [&](const Field& field) {
    const auto found = by_name.find(folded(field.name));
    return found == by_name.end() ? nullptr : found->second;
  };
  for (const Field& field : fields) {
    if (const Field* same = same_as(field)) union_types(field, *same);
  }
  for (const Field& field : fields) {
    if (const Field* same = same_as(field)) {
      union_field(field, *same);
    } else {
      add_column(parent, field);
    }
  }
}

// What is below two columns of the same name.
void SchemaUpdate::union_types(const Field& field, const Field& existing) {
  if (!field.type.is_nested()) return;
  const std::string name = full_name(base_, existing.id);
  if (field.type.kind != existing.type.kind) {
    throw InvalidArgument(
        fmt::format("Cannot change column type: {}: {} -> {}", name, to_string(existing.type), to_string(field.type)));
  }
  const std::vector<Field>& theirs = children_of(field.type);
  const std::vector<Field>& ours = children_of(existing.type);
  if (field.type.kind == TypeKind::kStruct) return union_fields(theirs, ours, name);
  for (size_t i = 0; i < theirs.size(); ++i) union_types(theirs[i], ours[i]);
  for (size_t i = 0; i < theirs.size(); ++i) union_field(theirs[i], ours[i]);
}

void SchemaUpdate::union_field(const Field& field, const Field& existing) {
  const std::string name = full_name(base_, existing.id);
  if (!field.required && existing.required) set_required(name, false);
  const bool uuid_as_bytes = existing.type.kind == TypeKind::kUuid && field.type == fixed_type(16);
  if (field.type.is_primitive() && !can_promote(field.type, existing.type, kLatestFormatVersion) && !uuid_as_bytes) {
    update_type(name, field.type);
  }
  if (field.doc && field.doc != existing.doc) update_doc(name, *field.doc);
  if (field.write_default.is_null()) return;
  const Type& type = column(name).type;
  set_write_default(name, promoted(field.write_default, field.type, type, name));
}

// --- applying --------------------------------------------------------------------------------------------------------

Field SchemaUpdate::applied(const Field& field) const {
  const auto changed = changed_.find(field.id);
  Field result = changed == changed_.end() ? field : changed->second;
  if (field.type.is_nested()) {
    std::vector<Field> children = applied(*field.type.children, field.id);
    if (children.empty() && !field.type.children->empty()) {
      throw InvalidArgument(
          fmt::format("Cannot delete all fields of {}, since files could not hold it; delete it instead",
                      full_name(base_, field.id)));
    }
    result.type.children = std::make_shared<const std::vector<Field>>(std::move(children));
  }
  return result;
}

std::vector<Field> SchemaUpdate::applied(const std::vector<Field>& fields, int32_t parent_id) const {
  std::vector<Field> result;
  for (const Field& field : fields) {
    if (!dropped_.contains(field.id)) result.push_back(applied(field));
  }
  if (const auto added = added_.find(parent_id); added != added_.end()) {
    for (const int32_t id : added->second) result.push_back(changed_.at(id));
  }
  const auto moves = moves_.find(parent_id);
  if (moves == moves_.end()) return result;
  for (const Move& move : moves->second) {
    const auto position = [&](int32_t id) { return std::ranges::find(result, id, &Field::id); };
    const auto from = position(move.field_id);
    if (from == result.end() || (move.where != Where::kFirst && position(move.other_id) == result.end())) {
      throw InvalidArgument(fmt::format("Cannot move {}: it, or the column that it is to be beside, is deleted",
                                        field(move.field_id).name));
    }
    Field moving = std::move(*from);
    result.erase(from);
    auto to = move.where == Where::kFirst ? result.begin() : position(move.other_id);
    if (move.where == Where::kAfter) ++to;
    result.insert(to, std::move(moving));
  }
  return result;
}

std::vector<int32_t> SchemaUpdate::identifiers_of(const Schema& schema) const {
  const auto missing = [](std::string_view name) {
    return InvalidArgument(
        fmt::format("Cannot find identifier field {}. In case of deletion, update the identifier fields first.", name));
  };
  if (!identifiers_) {
    for (const int32_t id : base_.identifier_field_ids) {
      if (find_field(schema, id) == nullptr) throw missing(full_name(base_, id));
    }
    return base_.identifier_field_ids;
  }
  std::set<int32_t> ids;
  for (const std::string& name : *identifiers_) {
    const Field* found = find_field(schema, name, options_.case_sensitive);
    if (found == nullptr) throw missing(name);
    ids.insert(found->id);
  }
  return {ids.begin(), ids.end()};
}

Schema SchemaUpdate::apply() const {
  Schema result{.schema_id = base_.schema_id, .fields = applied(base_.fields, kRoot)};
  result.identifier_field_ids = identifiers_of(result);
  validate(result, format_version_);
  return result;
}

}  // namespace floe
