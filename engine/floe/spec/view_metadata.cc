#include "floe/spec/view_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "floe/error.h"
#include "floe/spec/json.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/json_writer.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/table_metadata.h"
#include "floe/spec/view_metadata_json.h"

namespace floe {

namespace {

using json::Node;

constexpr int32_t kFormatVersion = 1;
constexpr int32_t kLastAdded = -1;  // instead of the id of what an update before has added

template <typename T, typename Read>
std::vector<T> list_from(const Node& array, Read read) {
  std::vector<T> items;
  array.for_each([&](const Node& item) { items.push_back(read(item)); });
  return items;
}

ViewVersion version_from_node(const Node& node) {
  ViewVersion version;
  version.version_id = node.at("version-id").int32();
  version.schema_id = node.at("schema-id").int32();
  version.timestamp_ms = node.at("timestamp-ms").int64();
  if (const auto summary = node.find("summary")) version.summary = json::properties_from_node(*summary);
  node.at("representations").for_each([&](const Node& item) {
    if (item.at("type").string() != "sql") return;
    version.representations.push_back(
        {.sql = std::string(item.at("sql").string()), .dialect = std::string(item.at("dialect").string())});
  });
  if (const auto catalog = node.find("default-catalog")) version.default_catalog = catalog->string();
  version.default_namespace = list_from<std::string>(node.at("default-namespace"),
                                                     [](const Node& level) { return std::string(level.string()); });
  return version;
}

void write(json::Writer& out, const ViewVersion& version) {
  out.begin_object();
  out.member("version-id", version.version_id);
  out.member("schema-id", version.schema_id);
  out.member("timestamp-ms", version.timestamp_ms);
  out.key("summary");
  json::write(out, version.summary);
  out.key("representations");
  out.begin_array();
  for (const SqlRepresentation& each : version.representations) {
    out.begin_object();
    out.member("type", "sql");
    out.member("sql", each.sql);
    out.member("dialect", each.dialect);
    out.end_object();
  }
  out.end_array();
  if (version.default_catalog) out.member("default-catalog", *version.default_catalog);
  out.key("default-namespace");
  out.begin_array();
  for (const std::string& level : version.default_namespace) out.value(level);
  out.end_array();
  out.end_object();
}

const ViewVersion* version_by_id(const ViewMetadata& view, int32_t id) {
  const auto found = std::ranges::find(view.versions, id, &ViewVersion::version_id);
  return found == view.versions.end() ? nullptr : &*found;
}

bool same_definition(const ViewVersion& a, const ViewVersion& b) {
  return a.schema_id == b.schema_id && a.summary == b.summary && a.representations == b.representations &&
         a.default_catalog == b.default_catalog && a.default_namespace == b.default_namespace;
}

std::set<std::string> dialects_of(const ViewVersion& version) {
  std::set<std::string> dialects;
  for (const SqlRepresentation& each : version.representations) {
    std::string dialect = each.dialect;
    std::ranges::transform(dialect, dialect.begin(), [](unsigned char c) { return std::tolower(c); });
    dialects.insert(std::move(dialect));
  }
  return dialects;
}

void refuse_lost_dialects(const ViewMetadata& view, const NewView& definition) {
  Properties properties = view.properties;
  for (const auto& [key, value] : definition.properties) properties.insert_or_assign(key, value);
  if (bool_property(properties, "replace.drop-dialect.allowed", false)) return;
  const std::set<std::string> kept = dialects_of(definition.version);
  for (const std::string& dialect : dialects_of(current_version(view))) {
    if (kept.contains(dialect)) continue;
    throw InvalidArgument(
        fmt::format("the view has a query in the dialect {}, which its replacement lacks: give one, or set the "
                    "view's property replace.drop-dialect.allowed to true",
                    dialect));
  }
}

void begin_update(json::Writer& out, std::string_view action) {
  out.begin_object();
  out.member("action", action);
}

// Gives the id that the version to come refers to.
int32_t write_schema(json::Writer& out, const ViewMetadata& view, Schema schema) {
  schema.schema_id = 0;
  for (const Schema& known : view.schemas) {
    if (same_fields(known, schema)) return known.schema_id;
    schema.schema_id = std::max(schema.schema_id, known.schema_id + 1);
  }
  begin_update(out, "add-schema");
  out.key("schema");
  out.raw(to_json(schema));
  out.member("last-column-id", highest_field_id(schema));
  out.end_object();
  return kLastAdded;
}

// Gives the id to become the current one.
int32_t write_version(json::Writer& out, const ViewMetadata& view, ViewVersion version) {
  version.version_id = 1;
  for (const ViewVersion& known : view.versions) {
    if (same_definition(known, version)) return known.version_id;
    version.version_id = std::max(version.version_id, known.version_id + 1);
  }
  begin_update(out, "add-view-version");
  out.key("view-version");
  write(out, version);
  out.end_object();
  return kLastAdded;
}

}  // namespace

const ViewVersion& current_version(const ViewMetadata& view) { return *version_by_id(view, view.current_version_id); }

ViewMetadata parse_view_metadata(std::string_view text, const std::string& document) {
  const json::Document parsed(text, document);
  return json::view_metadata_from_node(parsed.root(), document);
}

ViewMetadata json::view_metadata_from_node(const Node& root, const std::string& document) {
  ViewMetadata view;
  const Node format = root.at("format-version");
  view.format_version = format.int32();
  if (view.format_version > kFormatVersion) {
    throw NotSupported(fmt::format("{}: format-version {} of a view is later than {}, the last one known here",
                                   document, view.format_version, kFormatVersion));
  }
  if (view.format_version < 1) format.fail("is less than 1");
  view.view_uuid = root.at("view-uuid").string();
  view.location = root.at("location").string();
  view.schemas = list_from<Schema>(root.at("schemas"), json::schema_from_node);
  view.versions = list_from<ViewVersion>(root.at("versions"), version_from_node);
  const Node current = root.at("current-version-id");
  view.current_version_id = current.int32();
  if (version_by_id(view, view.current_version_id) == nullptr) current.fail("names no version of \"versions\"");
  std::set<int32_t> schema_ids;
  for (const Schema& schema : view.schemas) schema_ids.insert(schema.schema_id);
  for (const ViewVersion& version : view.versions) {
    if (schema_ids.contains(version.schema_id)) continue;
    root.at("versions").fail(fmt::format("has a version of the schema {}, which is not there", version.schema_id));
  }
  view.version_log = list_from<ViewHistoryEntry>(root.at("version-log"), [](const Node& item) {
    return ViewHistoryEntry{item.at("timestamp-ms").int64(), item.at("version-id").int32()};
  });
  if (const auto properties = root.find("properties")) view.properties = json::properties_from_node(*properties);
  return view;
}

std::string to_json(const ViewMetadata& view) {
  json::Writer out;
  out.begin_object();
  out.member("view-uuid", view.view_uuid);
  out.member("format-version", view.format_version);
  out.member("location", view.location);
  out.key("schemas");
  out.begin_array();
  for (const Schema& schema : view.schemas) out.raw(to_json(schema));
  out.end_array();
  out.member("current-version-id", view.current_version_id);
  out.key("versions");
  out.begin_array();
  for (const ViewVersion& version : view.versions) write(out, version);
  out.end_array();
  out.key("version-log");
  out.begin_array();
  for (const ViewHistoryEntry& entry : view.version_log) {
    out.begin_object();
    out.member("timestamp-ms", entry.timestamp_ms);
    out.member("version-id", entry.version_id);
    out.end_object();
  }
  out.end_array();
  out.key("properties");
  json::write(out, view.properties);
  out.end_object();
  return json::finish(out, "the view's metadata");
}

ViewVersion view_version_from_json(std::string_view text) {
  const json::Document document(text, "a version of a view");
  return version_from_node(document.root());
}

std::string to_json(const ViewVersion& version) {
  json::Writer out;
  write(out, version);
  return json::finish(out, "the view's definition");
}

void validate(const NewView& definition) {
  validate(definition.schema, kLatestFormatVersion);
  const ViewVersion& version = definition.version;
  if (version.representations.empty()) throw InvalidArgument("a view needs a query: its version has none");
  for (const SqlRepresentation& each : version.representations) {
    if (each.sql.empty() || each.dialect.empty()) throw InvalidArgument("a view's query needs its SQL and its dialect");
  }
  if (dialects_of(version).size() < version.representations.size()) {
    throw InvalidArgument("a view has one query in each dialect: its version has two in one");
  }
}

std::string view_replacement_to_json(const ViewMetadata& view, const NewView& definition) {
  validate(definition);
  refuse_lost_dialects(view, definition);
  json::Writer out;
  out.begin_object();
  out.key("requirements");
  out.begin_array();
  out.begin_object();
  out.member("type", "assert-view-uuid");
  out.member("uuid", view.view_uuid);
  out.end_object();
  out.end_array();
  out.key("updates");
  out.begin_array();
  if (!definition.location.empty() && definition.location != view.location) {
    begin_update(out, "set-location");
    out.member("location", definition.location);
    out.end_object();
  }
  if (!definition.properties.empty()) {
    begin_update(out, "set-properties");
    out.key("updates");
    json::write(out, definition.properties);
    out.end_object();
  }
  ViewVersion version = definition.version;
  version.schema_id = write_schema(out, view, definition.schema);
  const int32_t version_id = write_version(out, view, std::move(version));
  begin_update(out, "set-current-view-version");
  out.member("view-version-id", version_id);
  out.end_object();
  out.end_array();
  out.end_object();
  return json::finish(out, "the view's definition");
}

}  // namespace floe
