#include <fmt/format.h>

#include "floe/error.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/table_update.h"

namespace floe {

namespace {

using json::Node;

std::vector<std::string> strings_from(const Node& array) {
  std::vector<std::string> items;
  array.for_each([&](const Node& item) { items.emplace_back(item.string()); });
  return items;
}

std::vector<int64_t> int64s_from(const Node& array) {
  std::vector<int64_t> items;
  array.for_each([&](const Node& item) { items.push_back(item.int64()); });
  return items;
}

std::string string_at(const Node& node, std::string_view key) { return std::string(node.at(key).string()); }

TableUpdate add_schema_from(const Node& node) {
  AddSchema update{.schema = json::schema_from_node(node.at("schema")), .last_column_id = {}};
  if (const auto last = node.find("last-column-id")) update.last_column_id = last->int32();
  return update;
}

TableUpdate add_spec_from(const Node& node) {
  const Node spec = node.at("spec");
  AddPartitionSpec update{json::partition_spec_from_node(spec)};
  size_t i = 0;
  spec.at("fields").for_each([&](const Node& field) {
    if (!field.find("field-id")) update.spec.fields[i].field_id = 0;
    ++i;
  });
  return update;
}

TableUpdate update_from(const Node& node) {
  const std::string_view action = node.at("action").string();
  if (action == "assign-uuid") return AssignUuid{string_at(node, "uuid")};
  if (action == "upgrade-format-version") return UpgradeFormatVersion{node.at("format-version").int32()};
  if (action == "add-schema") return add_schema_from(node);
  if (action == "set-current-schema") return SetCurrentSchema{node.at("schema-id").int32()};
  if (action == "add-spec") return add_spec_from(node);
  if (action == "set-default-spec") return SetDefaultSpec{node.at("spec-id").int32()};
  if (action == "add-sort-order") return AddSortOrder{json::sort_order_from_node(node.at("sort-order"))};
  if (action == "set-default-sort-order") return SetDefaultSortOrder{node.at("sort-order-id").int32()};
  if (action == "add-snapshot") return AddSnapshot{json::snapshot_from_node(node.at("snapshot"))};
  if (action == "set-snapshot-ref") {
    return SetSnapshotRef{string_at(node, "ref-name"), json::snapshot_ref_from_node(node)};
  }
  if (action == "remove-snapshots") return RemoveSnapshots{int64s_from(node.at("snapshot-ids"))};
  if (action == "remove-snapshot-ref") return RemoveSnapshotRef{string_at(node, "ref-name")};
  if (action == "set-location") return SetLocation{string_at(node, "location")};
  if (action == "set-properties") return SetProperties{json::properties_from_node(node.at("updates"))};
  if (action == "remove-properties") return RemoveProperties{strings_from(node.at("removals"))};
  if (action == "set-statistics") return SetStatistics{json::statistics_from_node(node.at("statistics"))};
  if (action == "remove-statistics") return RemoveStatistics{node.at("snapshot-id").int64()};
  if (action == "set-partition-statistics") {
    return SetPartitionStatistics{json::partition_statistics_from_node(node.at("partition-statistics"))};
  }
  if (action == "remove-partition-statistics") return RemovePartitionStatistics{node.at("snapshot-id").int64()};
  if (action == "remove-partition-specs") return RemovePartitionSpecs{json::int32s_from_node(node.at("spec-ids"))};
  if (action == "remove-schemas") return RemoveSchemas{json::int32s_from_node(node.at("schema-ids"))};
  if (action == "add-encryption-key") return AddEncryptionKey{json::encrypted_key_from_node(node.at("encryption-key"))};
  if (action == "remove-encryption-key") return RemoveEncryptionKey{string_at(node, "key-id")};
  throw NotSupported(fmt::format("table update \"{}\" is not known", action));
}

TableRequirement requirement_from(const Node& node) {
  const std::string_view type = node.at("type").string();
  if (type == "assert-create") return AssertCreate{};
  if (type == "assert-table-uuid") return AssertTableUuid{string_at(node, "uuid")};
  if (type == "assert-ref-snapshot-id") {
    AssertRefSnapshotId requirement{string_at(node, "ref"), {}};
    if (const auto id = node.find("snapshot-id")) requirement.snapshot_id = id->int64();
    return requirement;
  }
  if (type == "assert-last-assigned-field-id") {
    return AssertLastAssignedFieldId{node.at("last-assigned-field-id").int32()};
  }
  if (type == "assert-current-schema-id") return AssertCurrentSchemaId{node.at("current-schema-id").int32()};
  if (type == "assert-last-assigned-partition-id") {
    return AssertLastAssignedPartitionId{node.at("last-assigned-partition-id").int32()};
  }
  if (type == "assert-default-spec-id") return AssertDefaultSpecId{node.at("default-spec-id").int32()};
  if (type == "assert-default-sort-order-id") {
    return AssertDefaultSortOrderId{node.at("default-sort-order-id").int32()};
  }
  throw NotSupported(fmt::format("table requirement \"{}\" is not known", type));
}

// Writes the members of one update, "action" first.
struct UpdateWriter {
  json::Writer& out;
  int32_t format_version;

  void action(std::string_view name) const { out.member("action", name); }

  template <typename List>
  void list(std::string_view key, const List& items) const {
    out.key(key);
    out.begin_array();
    for (const auto& item : items) out.value(item);
    out.end_array();
  }

  void operator()(const AssignUuid& u) const {
    action("assign-uuid");
    out.member("uuid", u.uuid);
  }
  void operator()(const UpgradeFormatVersion& u) const {
    action("upgrade-format-version");
    out.member("format-version", u.format_version);
  }
  void operator()(const AddSchema& u) const {
    action("add-schema");
    out.key("schema");
    out.raw(to_json(u.schema));
    if (u.last_column_id) out.member("last-column-id", *u.last_column_id);
  }
  void operator()(const SetCurrentSchema& u) const {
    action("set-current-schema");
    out.member("schema-id", u.schema_id);
  }
  void operator()(const AddPartitionSpec& u) const;
  void operator()(const SetDefaultSpec& u) const {
    action("set-default-spec");
    out.member("spec-id", u.spec_id);
  }
  void operator()(const AddSortOrder& u) const {
    action("add-sort-order");
    out.key("sort-order");
    out.raw(to_json(u.order));
  }
  void operator()(const SetDefaultSortOrder& u) const {
    action("set-default-sort-order");
    out.member("sort-order-id", u.order_id);
  }
  void operator()(const AddSnapshot& u) const {
    action("add-snapshot");
    out.key("snapshot");
    json::write(out, u.snapshot, format_version);
  }
  void operator()(const SetSnapshotRef& u) const {
    action("set-snapshot-ref");
    out.member("ref-name", u.name);
    json::write_members(out, u.ref);
  }
  void operator()(const RemoveSnapshots& u) const {
    action("remove-snapshots");
    list("snapshot-ids", u.snapshot_ids);
  }
  void operator()(const RemoveSnapshotRef& u) const {
    action("remove-snapshot-ref");
    out.member("ref-name", u.name);
  }
  void operator()(const SetLocation& u) const {
    action("set-location");
    out.member("location", u.location);
  }
  void operator()(const SetProperties& u) const {
    action("set-properties");
    out.key("updates");
    json::write(out, u.updates);
  }
  void operator()(const RemoveProperties& u) const {
    action("remove-properties");
    list("removals", u.removals);
  }
  void operator()(const SetStatistics& u) const {
    action("set-statistics");
    out.member("snapshot-id", u.statistics.snapshot_id);  // deprecated, but older catalogs want it
    out.key("statistics");
    json::write(out, u.statistics);
  }
  void operator()(const RemoveStatistics& u) const {
    action("remove-statistics");
    out.member("snapshot-id", u.snapshot_id);
  }
  void operator()(const SetPartitionStatistics& u) const {
    action("set-partition-statistics");
    out.key("partition-statistics");
    json::write(out, u.statistics);
  }
  void operator()(const RemovePartitionStatistics& u) const {
    action("remove-partition-statistics");
    out.member("snapshot-id", u.snapshot_id);
  }
  void operator()(const RemovePartitionSpecs& u) const {
    action("remove-partition-specs");
    list("spec-ids", u.spec_ids);
  }
  void operator()(const RemoveSchemas& u) const {
    action("remove-schemas");
    list("schema-ids", u.schema_ids);
  }
  void operator()(const AddEncryptionKey& u) const {
    action("add-encryption-key");
    out.key("encryption-key");
    json::write(out, u.key);
  }
  void operator()(const RemoveEncryptionKey& u) const {
    action("remove-encryption-key");
    out.member("key-id", u.key_id);
  }
};

// Ids that are still to be assigned (0) are left out.
void UpdateWriter::operator()(const AddPartitionSpec& u) const {
  action("add-spec");
  boost::json::object spec = json::to_value(u.spec).as_object();
  for (boost::json::value& field : spec["fields"].as_array()) {
    if (field.as_object()["field-id"] == 0) field.as_object().erase("field-id");
  }
  out.key("spec");
  out.raw(json::serialize(spec));
}

// Writes the members of one requirement, "type" first.
struct RequirementWriter {
  json::Writer& out;

  template <typename T>
  void write(std::string_view type, std::string_view key, const T& value) const {
    out.member("type", type);
    out.member(key, value);
  }

  void operator()(const AssertCreate&) const { out.member("type", "assert-create"); }
  void operator()(const AssertTableUuid& r) const { write("assert-table-uuid", "uuid", r.uuid); }
  void operator()(const AssertRefSnapshotId& r) const {
    write("assert-ref-snapshot-id", "ref", r.ref);
    out.key("snapshot-id");  // null says that there is no such ref: it is never left out
    if (r.snapshot_id) {
      out.value(*r.snapshot_id);
    } else {
      out.null();
    }
  }
  void operator()(const AssertLastAssignedFieldId& r) const {
    write("assert-last-assigned-field-id", "last-assigned-field-id", r.last_assigned_field_id);
  }
  void operator()(const AssertCurrentSchemaId& r) const {
    write("assert-current-schema-id", "current-schema-id", r.current_schema_id);
  }
  void operator()(const AssertLastAssignedPartitionId& r) const {
    write("assert-last-assigned-partition-id", "last-assigned-partition-id", r.last_assigned_partition_id);
  }
  void operator()(const AssertDefaultSpecId& r) const {
    write("assert-default-spec-id", "default-spec-id", r.default_spec_id);
  }
  void operator()(const AssertDefaultSortOrderId& r) const {
    write("assert-default-sort-order-id", "default-sort-order-id", r.default_sort_order_id);
  }
};

template <typename T, typename Visitor>
std::string to_json_array(const std::vector<T>& items, json::Writer& out, const Visitor& visitor,
                          std::string_view what) {
  out.begin_array();
  for (const T& item : items) {
    out.begin_object();
    std::visit(visitor, item);
    out.end_object();
  }
  out.end_array();
  return json::finish(out, what);
}

}  // namespace

std::vector<TableUpdate> updates_from_json(std::string_view json_array) {
  const json::Document document(json_array, "table updates");
  std::vector<TableUpdate> updates;
  document.root().for_each([&](const Node& node) { updates.push_back(update_from(node)); });
  return updates;
}

std::vector<TableRequirement> requirements_from_json(std::string_view json_array) {
  const json::Document document(json_array, "table requirements");
  std::vector<TableRequirement> requirements;
  document.root().for_each([&](const Node& node) { requirements.push_back(requirement_from(node)); });
  return requirements;
}

std::string to_json(const std::vector<TableUpdate>& updates, int32_t format_version) {
  json::Writer out;
  return to_json_array(updates, out, UpdateWriter{out, format_version}, "the table updates");
}

std::string to_json(const std::vector<TableRequirement>& requirements) {
  json::Writer out;
  return to_json_array(requirements, out, RequirementWriter{out}, "the table requirements");
}

}  // namespace floe
