#include "floe/spec/spec_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/error.h"

namespace floe {
namespace {

bool is_void(const PartitionField& field) { return field.transform.kind == TransformKind::kVoid; }

bool is_time(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kDay:
    case TransformKind::kHour:
      return true;
    default:
      return false;
  }
}

bool is(const PartitionField& field, int32_t source_id, const Transform& transform) {
  return field.source_ids.size() == 1 && field.source_id() == source_id && field.transform == transform;
}

std::string freed_name(const PartitionField& field) { return fmt::format("{}_{}", field.name, field.field_id); }

bool same_partitions(const PartitionSpec& a, const PartitionSpec& b) {
  return std::ranges::equal(a.fields, b.fields, [](const PartitionField& x, const PartitionField& y) {
    return x.source_ids == y.source_ids && x.transform == y.transform && x.name == y.name;
  });
}

}  // namespace

SpecUpdate::SpecUpdate(TableMetadataPtr table, bool case_sensitive)
    : table_(std::move(table)), case_sensitive_(case_sensitive), last_partition_id_(table_->last_partition_id) {}

const PartitionField* SpecUpdate::find(std::string_view name) const {
  const auto& fields = default_spec(*table_).fields;
  const auto found = std::ranges::find(fields, name, &PartitionField::name);
  return found == fields.end() ? nullptr : &*found;
}

const PartitionField* SpecUpdate::find_added(std::string_view name) const {
  const auto found = std::ranges::find(added_, name, &PartitionField::name);
  return found == added_.end() ? nullptr : &*found;
}

std::string SpecUpdate::name_for(int32_t source_id, const Transform& transform) const {
  std::string column = full_name(*current_schema(*table_), source_id);
  switch (transform.kind) {
    case TransformKind::kIdentity:
      return column;
    case TransformKind::kBucket:
      return fmt::format("{}_bucket_{}", column, transform.width);
    case TransformKind::kTruncate:
      return fmt::format("{}_trunc_{}", column, transform.width);
    case TransformKind::kVoid:
      return column + "_null";
    default:
      return fmt::format("{}_{}", column, to_string(transform));
  }
}

PartitionField SpecUpdate::new_field(int32_t source_id, const Transform& transform,
                                     const std::optional<std::string>& name) {
  if (table_->format_version >= 2) {
    for (const PartitionSpec& spec : table_->partition_specs) {
      for (const PartitionField& field : spec.fields) {
        if (is(field, source_id, transform) && (!name || *name == field.name)) return field;
      }
    }
  }
  return {.source_ids = {source_id},
          .field_id = ++last_partition_id_,
          .name = name ? *name : name_for(source_id, transform),
          .transform = transform};
}

void SpecUpdate::add_field(std::string_view column, const Transform& transform, std::optional<std::string> name) {
  const Schema& schema = *current_schema(*table_);
  const Field* source = find_field(schema, column, case_sensitive_);
  if (source == nullptr) {
    throw InvalidArgument(fmt::format("Could not find field with name {}, case_sensitive={}", column,
                                      case_sensitive_ ? "True" : "False"));
  }
  if (!can_transform(transform, source->type)) {
    throw InvalidArgument(
        fmt::format("{} cannot transform {} values from {}", to_string(transform), to_string(source->type), column));
  }
  for (const PartitionField& field : default_spec(*table_).fields) {
    if (!is(field, source->id, transform)) continue;
    if (!removed(field)) {
      throw InvalidArgument(fmt::format("Duplicate partition field for {} of {}: {} already exists",
                                        to_string(transform), column, field.name));
    }
    if (table_->format_version > 1) continue;
    removed_.erase(field.field_id);  // it would stay beside its equal
    if (name && *name != field.name) rename_field(field.name, *name);
    return;
  }
  for (const PartitionField& field : added_) {
    if (is(field, source->id, transform)) {
      throw InvalidArgument(fmt::format("Already added partition: {}", field.name));
    }
    if (is_time(transform) && is_time(field.transform) && field.source_id() == source->id) {
      throw InvalidArgument(fmt::format("Cannot add time partition field: {} conflicts with {}: both are of {}",
                                        name.value_or(name_for(source->id, transform)), field.name, column));
    }
  }
  PartitionField field = new_field(source->id, transform, name);
  if (find_added(field.name) != nullptr) {
    throw InvalidArgument(fmt::format("Already added partition field with name: {}", field.name));
  }
  // The name of a field that holds nothing any more is free.
  if (const PartitionField* same_name = find(field.name)) {
    if (!is_void(*same_name) && !removed(*same_name)) {
      throw InvalidArgument(fmt::format("Cannot add duplicate partition field name: {}", field.name));
    }
    if (is_void(*same_name) || table_->format_version == 1) renamed_[same_name->name] = freed_name(*same_name);
  }
  added_.push_back(std::move(field));
}

void SpecUpdate::remove_field(std::string_view name) {
  if (find_added(name) != nullptr) throw InvalidArgument(fmt::format("Cannot delete newly added field {}", name));
  if (renamed_.contains(name)) throw InvalidArgument(fmt::format("Cannot rename and delete field {}", name));
  const PartitionField* field = find(name);
  if (field == nullptr) throw InvalidArgument(fmt::format("No such partition field: {}", name));
  removed_.insert(field->field_id);
}

void SpecUpdate::rename_field(std::string_view name, const std::string& new_name) {
  if (find_added(name) != nullptr) throw InvalidArgument("Cannot rename recently added partitions");
  const PartitionField* field = find(name);
  if (field == nullptr) throw InvalidArgument(fmt::format("Cannot find partition field {}", name));
  if (removed(*field)) throw InvalidArgument(fmt::format("Cannot delete and rename partition field {}", name));
  const PartitionField* same_name = find(new_name);
  if (same_name != nullptr && is_void(*same_name)) renamed_[new_name] = freed_name(*same_name);
  renamed_[std::string(name)] = new_name;
}

PartitionSpec SpecUpdate::apply() const {
  PartitionSpec spec;
  for (PartitionField field : default_spec(*table_).fields) {
    if (removed(field)) {
      if (table_->format_version >= 2) continue;
      field.transform = {.kind = TransformKind::kVoid};
    }
    if (const auto renamed = renamed_.find(field.name); renamed != renamed_.end()) field.name = renamed->second;
    spec.fields.push_back(std::move(field));
  }
  spec.fields.insert(spec.fields.end(), added_.begin(), added_.end());

  PartitionSpec known = spec;
  std::erase_if(known.fields, is_void);  // their columns may be gone
  validate(known, *current_schema(*table_));
  for (const PartitionSpec& other : table_->partition_specs) {
    if (same_partitions(spec, other)) return other;
    spec.spec_id = std::max(spec.spec_id, other.spec_id + 1);
  }
  return spec;
}

}  // namespace floe
