#include "floe/spec/snapshot.h"

#include <fmt/format.h>

#include "floe/error.h"
#include "floe/spec/snapshot_json.h"

namespace floe {

namespace json {
namespace {

using Element = simdjson::dom::element;

// Snapshots come by the thousand, so they are read without a Node for each member; where an element is not what it
// should be, its Node is made after all, to fail with the path.
std::string_view string_of(const Element& element, const Node& parent, std::string_view key) {
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) [[likely]]
    return text;
  return parent.at(key).string();
}

int64_t int64_of(const Element& element, const Node& parent, std::string_view key) {
  int64_t value = 0;
  if (element.get(value) == simdjson::SUCCESS) [[likely]]
    return value;
  return parent.at(key).int64();
}

simdjson::dom::object object_of(const Node& node) {
  simdjson::dom::object object;
  if (node.element().get(object) != simdjson::SUCCESS) node.fail("is not an object");
  return object;
}

// The text of a map's value.
std::string text_of(const Element& element, const Node& parent, std::string_view key) {
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) [[likely]]
    return std::string(text);
  if (element.is_number() || element.is_bool()) return simdjson::minify(element);
  parent.at(key).fail("is not a string");
}

Summary summary_from_node(const Node& node) {
  Summary summary;
  for (const auto member : object_of(node)) {
    std::string_view text;
    if (member.value.get(text) == simdjson::SUCCESS) [[likely]] {
      summary.add(member.key, text);
    } else {
      summary.add(member.key, text_of(member.value, node, member.key));
    }
  }
  return Summary(summary);  // a copy takes no more memory than it needs
}

std::optional<int64_t> optional_int64(const Node& node, std::string_view key) {
  const auto value = node.find(key);
  return value ? std::optional(value->int64()) : std::nullopt;
}

std::optional<std::string> optional_string(const Node& node, std::string_view key) {
  const auto value = node.find(key);
  return value ? std::optional(std::string(value->string())) : std::nullopt;
}

template <typename Map>
void write_map(Writer& out, const Map& map) {
  out.begin_object();
  for (const auto& [key, value] : map) out.member(key, value);
  out.end_object();
}

template <typename T>
void write_optional(Writer& out, std::string_view key, const std::optional<T>& value) {
  if (value) out.member(key, *value);
}

}  // namespace

Properties properties_from_node(const Node& node) {
  Properties properties;
  for (const auto member : object_of(node)) {
    properties.insert_or_assign(std::string(member.key), text_of(member.value, node, member.key));
  }
  return properties;
}

Snapshot snapshot_from_node(const Node& node) {
  Snapshot snapshot;
  bool has_id = false;
  bool has_timestamp = false;
  for (const auto member : object_of(node)) {
    const std::string_view key = member.key;
    const Element value = member.value;
    if (value.is_null()) continue;
    if (key == "snapshot-id") {
      snapshot.snapshot_id = int64_of(value, node, key);
      has_id = true;
    } else if (key == "parent-snapshot-id") {
      const int64_t parent = int64_of(value, node, key);
      if (parent != -1) snapshot.parent_snapshot_id = parent;
    } else if (key == "sequence-number") {
      snapshot.sequence_number = int64_of(value, node, key);
    } else if (key == "timestamp-ms") {
      snapshot.timestamp_ms = int64_of(value, node, key);
      has_timestamp = true;
    } else if (key == "manifest-list") {
      snapshot.manifest_list = string_of(value, node, key);
    } else if (key == "manifests") {
      node.at(key).for_each([&](const Node& item) { snapshot.manifests.emplace_back(item.string()); });
    } else if (key == "summary") {
      snapshot.summary = summary_from_node(node.at(key));
    } else if (key == "schema-id") {
      snapshot.schema_id = node.at(key).int32();
    } else if (key == "first-row-id") {
      snapshot.first_row_id = int64_of(value, node, key);
    } else if (key == "added-rows") {
      snapshot.added_rows = int64_of(value, node, key);
    } else if (key == "key-id") {
      snapshot.key_id = string_of(value, node, key);
    }
  }
  if (!has_id) node.at("snapshot-id");  // throws, naming the field
  if (!has_timestamp) node.at("timestamp-ms").int64();
  if (snapshot.sequence_number < 0) node.at("sequence-number").fail("is negative");
  if (!snapshot.manifest_list.empty()) snapshot.manifests.clear();
  return snapshot;
}

void keep_fields_of(Snapshot& snapshot, int32_t format_version) {
  if (format_version < 2) snapshot.sequence_number = 0;
  if (format_version < 3) {
    snapshot.first_row_id.reset();
    snapshot.added_rows.reset();
    snapshot.key_id.reset();
  }
}

SnapshotRef snapshot_ref_from_node(const Node& node) {
  SnapshotRef ref;
  ref.snapshot_id = node.at("snapshot-id").int64();
  const Node type = node.at("type");
  if (type.string() != "branch" && type.string() != "tag") type.fail("is neither \"branch\" nor \"tag\"");
  ref.is_branch = type.string() == "branch";
  if (const auto count = node.find("min-snapshots-to-keep")) ref.min_snapshots_to_keep = count->int32();
  ref.max_snapshot_age_ms = optional_int64(node, "max-snapshot-age-ms");
  ref.max_ref_age_ms = optional_int64(node, "max-ref-age-ms");
  return ref;
}

StatisticsFile statistics_from_node(const Node& node) {
  StatisticsFile file;
  file.snapshot_id = node.at("snapshot-id").int64();
  file.statistics_path = node.at("statistics-path").string();
  file.file_size_in_bytes = node.at("file-size-in-bytes").int64();
  file.file_footer_size_in_bytes = node.at("file-footer-size-in-bytes").int64();
  file.key_metadata = optional_string(node, "key-metadata");
  node.at("blob-metadata").for_each([&](const Node& item) {
    BlobMetadata blob;
    blob.type = item.at("type").string();
    blob.snapshot_id = item.at("snapshot-id").int64();
    blob.sequence_number = item.at("sequence-number").int64();
    item.at("fields").for_each([&](const Node& id) { blob.fields.push_back(id.int32()); });
    if (const auto properties = item.find("properties")) blob.properties = properties_from_node(*properties);
    file.blob_metadata.push_back(std::move(blob));
  });
  return file;
}

PartitionStatisticsFile partition_statistics_from_node(const Node& node) {
  return {.snapshot_id = node.at("snapshot-id").int64(),
          .statistics_path = std::string(node.at("statistics-path").string()),
          .file_size_in_bytes = node.at("file-size-in-bytes").int64()};
}

EncryptedKey encrypted_key_from_node(const Node& node) {
  EncryptedKey key;
  key.key_id = node.at("key-id").string();
  key.encrypted_key_metadata = node.at("encrypted-key-metadata").string();
  key.encrypted_by_id = optional_string(node, "encrypted-by-id");
  if (const auto properties = node.find("properties")) key.properties = properties_from_node(*properties);
  return key;
}

void write(Writer& out, const Properties& properties) { write_map(out, properties); }

void write(Writer& out, const Snapshot& snapshot, int32_t format_version) {
  out.begin_object();
  if (format_version > 1) out.member("sequence-number", snapshot.sequence_number);
  out.member("snapshot-id", snapshot.snapshot_id);
  write_optional(out, "parent-snapshot-id", snapshot.parent_snapshot_id);
  out.member("timestamp-ms", snapshot.timestamp_ms);
  if (!snapshot.summary.empty()) {
    out.key("summary");
    write_map(out, snapshot.summary);
  }
  if (snapshot.manifest_list.empty()) {
    out.key("manifests");
    out.begin_array();
    for (const std::string& manifest : snapshot.manifests) out.value(manifest);
    out.end_array();
  } else {
    out.member("manifest-list", snapshot.manifest_list);
  }
  write_optional(out, "schema-id", snapshot.schema_id);
  if (format_version > 2) {
    write_optional(out, "first-row-id", snapshot.first_row_id);
    write_optional(out, "added-rows", snapshot.added_rows);
    write_optional(out, "key-id", snapshot.key_id);
  }
  out.end_object();
}

void write_members(Writer& out, const SnapshotRef& ref) {
  out.member("snapshot-id", ref.snapshot_id);
  out.member("type", ref.is_branch ? "branch" : "tag");
  write_optional(out, "min-snapshots-to-keep", ref.min_snapshots_to_keep);
  write_optional(out, "max-snapshot-age-ms", ref.max_snapshot_age_ms);
  write_optional(out, "max-ref-age-ms", ref.max_ref_age_ms);
}

void write(Writer& out, const StatisticsFile& file) {
  out.begin_object();
  out.member("snapshot-id", file.snapshot_id);
  out.member("statistics-path", file.statistics_path);
  out.member("file-size-in-bytes", file.file_size_in_bytes);
  out.member("file-footer-size-in-bytes", file.file_footer_size_in_bytes);
  write_optional(out, "key-metadata", file.key_metadata);
  out.key("blob-metadata");
  out.begin_array();
  for (const BlobMetadata& blob : file.blob_metadata) {
    out.begin_object();
    out.member("type", blob.type);
    out.member("snapshot-id", blob.snapshot_id);
    out.member("sequence-number", blob.sequence_number);
    out.key("fields");
    out.begin_array();
    for (const int32_t id : blob.fields) out.value(id);
    out.end_array();
    if (!blob.properties.empty()) {
      out.key("properties");
      write(out, blob.properties);
    }
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

void write(Writer& out, const PartitionStatisticsFile& file) {
  out.begin_object();
  out.member("snapshot-id", file.snapshot_id);
  out.member("statistics-path", file.statistics_path);
  out.member("file-size-in-bytes", file.file_size_in_bytes);
  out.end_object();
}

void write(Writer& out, const EncryptedKey& key) {
  out.begin_object();
  out.member("key-id", key.key_id);
  out.member("encrypted-key-metadata", key.encrypted_key_metadata);
  write_optional(out, "encrypted-by-id", key.encrypted_by_id);
  if (!key.properties.empty()) {
    out.key("properties");
    write(out, key.properties);
  }
  out.end_object();
}

std::string finish(Writer& out, std::string_view what) {
  std::string text = out.take();
  if (!simdjson::validate_utf8(text)) throw InvalidArgument(fmt::format("{} has text that is not valid UTF-8", what));
  return text;
}

}  // namespace json

Snapshot snapshot_from_json(std::string_view text) {
  const json::Document document(text, "snapshot");
  return json::snapshot_from_node(document.root());
}

std::string to_json(const Snapshot& snapshot, int32_t format_version) {
  json::Writer out;
  json::write(out, snapshot, format_version);
  return json::finish(out, "the snapshot");
}

}  // namespace floe
