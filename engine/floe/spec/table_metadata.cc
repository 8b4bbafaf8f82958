#include "floe/spec/table_metadata.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstring>

#include "floe/error.h"

namespace floe {

namespace {

const SortOrder kUnsorted;

// `all` may be of structs or of pointers to them.
template <typename Range, typename Project, typename Id>
auto find_by(const Range& all, Project id_of, Id id) {
  return std::find_if(all.begin(), all.end(), [&](const auto& item) { return id_of(item) == id; });
}

template <size_t kBytes>
std::array<uint8_t, kBytes> random_bytes() {
  std::array<uint8_t, kBytes> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw IoError("the operating system gives no random numbers");
  }
  return bytes;
}

bool same_snapshots(const TableMetadata& a, const TableMetadata& b) {
  return std::ranges::equal(a.snapshots, b.snapshots, [](const auto& x, const auto& y) { return x == y || *x == *y; });
}

bool same_schemas(const TableMetadata& a, const TableMetadata& b) {
  return std::ranges::equal(a.schemas, b.schemas, [](const SchemaPtr& x, const SchemaPtr& y) {
    return x == y || (x->schema_id == y->schema_id && same_fields(*x, *y));
  });
}

void check_location(const std::string& location) {
  if (location.empty()) throw InvalidArgument("a table needs a location");
  if (location.front() != '/' && location.find(':') == std::string::npos) {
    throw InvalidArgument(
        fmt::format("table location \"{}\" is neither an absolute path nor a URI with a scheme", location));
  }
}

}  // namespace

bool operator==(const TableMetadata& a, const TableMetadata& b) {
  return a.format_version == b.format_version && a.table_uuid == b.table_uuid && a.location == b.location &&
         a.last_sequence_number == b.last_sequence_number && a.last_updated_ms == b.last_updated_ms &&
         a.last_column_id == b.last_column_id && a.current_schema_id == b.current_schema_id &&
         a.partition_specs == b.partition_specs && a.default_spec_id == b.default_spec_id &&
         a.last_partition_id == b.last_partition_id && a.properties == b.properties &&
         a.current_snapshot_id == b.current_snapshot_id && a.snapshot_log == b.snapshot_log &&
         a.metadata_log == b.metadata_log && a.sort_orders == b.sort_orders &&
         a.default_sort_order_id == b.default_sort_order_id && a.refs == b.refs && a.statistics == b.statistics &&
         a.partition_statistics == b.partition_statistics && a.next_row_id == b.next_row_id &&
         a.encryption_keys == b.encryption_keys && same_schemas(a, b) && same_snapshots(a, b);
}

const SchemaPtr& current_schema(const TableMetadata& metadata) {
  const auto found =
      find_by(metadata.schemas, [](const SchemaPtr& schema) { return schema->schema_id; }, metadata.current_schema_id);
  if (found == metadata.schemas.end()) {
    throw InvalidArgument(fmt::format("table {} has no schema with its current schema id {}", metadata.location,
                                      metadata.current_schema_id));
  }
  return *found;
}

SchemaPtr schema_by_id(const TableMetadata& metadata, int32_t schema_id) {
  const auto found = find_by(metadata.schemas, [](const SchemaPtr& schema) { return schema->schema_id; }, schema_id);
  return found == metadata.schemas.end() ? nullptr : *found;
}

const PartitionSpec& default_spec(const TableMetadata& metadata) {
  const PartitionSpec* spec = spec_by_id(metadata, metadata.default_spec_id);
  if (spec == nullptr) {
    throw InvalidArgument(fmt::format("table {} has no partition spec with its default spec id {}", metadata.location,
                                      metadata.default_spec_id));
  }
  return *spec;
}

const PartitionSpec* spec_by_id(const TableMetadata& metadata, int32_t spec_id) {
  const auto found = find_by(metadata.partition_specs, [](const PartitionSpec& spec) { return spec.spec_id; }, spec_id);
  return found == metadata.partition_specs.end() ? nullptr : &*found;
}

const SortOrder& default_sort_order(const TableMetadata& metadata) {
  const auto found = find_by(
      metadata.sort_orders, [](const SortOrder& order) { return order.order_id; }, metadata.default_sort_order_id);
  return found == metadata.sort_orders.end() ? kUnsorted : *found;
}

const Snapshot* snapshot_by_id(const TableMetadata& metadata, int64_t snapshot_id) {
  // The latest ones are asked for most.
  const auto found = std::find_if(metadata.snapshots.rbegin(), metadata.snapshots.rend(),
                                  [&](const auto& snapshot) { return snapshot->snapshot_id == snapshot_id; });
  return found == metadata.snapshots.rend() ? nullptr : found->get();
}

const Snapshot* current_snapshot(const TableMetadata& metadata) {
  return metadata.current_snapshot_id ? snapshot_by_id(metadata, *metadata.current_snapshot_id) : nullptr;
}

const Snapshot* snapshot_by_ref(const TableMetadata& metadata, std::string_view ref) {
  const auto found = metadata.refs.find(ref);
  if (found != metadata.refs.end()) return snapshot_by_id(metadata, found->second.snapshot_id);
  return ref == kMainBranch ? current_snapshot(metadata) : nullptr;
}

const Snapshot* snapshot_as_of(const TableMetadata& metadata, int64_t timestamp_ms) {
  const SnapshotLogEntry* latest = nullptr;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) {
    // Of entries with one time, the one logged last was current in the end.
    if (entry.timestamp_ms <= timestamp_ms && (latest == nullptr || entry.timestamp_ms >= latest->timestamp_ms)) {
      latest = &entry;
    }
  }
  return latest == nullptr ? nullptr : snapshot_by_id(metadata, latest->snapshot_id);
}

SchemaPtr schema_of(const TableMetadata& metadata, const Snapshot& snapshot) {
  if (snapshot.schema_id) {
    if (SchemaPtr schema = schema_by_id(metadata, *snapshot.schema_id)) return schema;
  }
  return current_schema(metadata);
}

TableMetadata new_table_metadata(const NewTable& table) {
  TableMetadata metadata;
  metadata.properties = table.properties;
  const int64_t version = int_property(table.properties, "format-version", metadata.format_version);
  if (version < 1 || version > kLatestFormatVersion) {
    throw InvalidArgument(fmt::format("format-version {} is not one of 1 to {}", version, kLatestFormatVersion));
  }
  metadata.properties.erase("format-version");
  metadata.format_version = static_cast<int32_t>(version);

  metadata.location = table.location;
  while (metadata.location.size() > 1 && metadata.location.back() == '/') metadata.location.pop_back();
  check_location(metadata.location);
  metadata.table_uuid = new_uuid();
  metadata.last_updated_ms = now_ms();

  // Specs and orders name their columns by the ids of the schema given, which therefore have to be sound.
  if (!table.spec.fields.empty() || !table.sort_order.fields.empty()) validate(table.schema, kLatestFormatVersion);
  Schema schema = assign_fresh_ids(table.schema, metadata.last_column_id);
  schema.schema_id = 0;
  validate(schema, metadata.format_version);

  PartitionSpec spec = assign_fresh_ids(table.spec, table.schema, schema, metadata.last_partition_id);
  spec.spec_id = 0;
  validate(spec, schema);
  metadata.partition_specs.push_back(std::move(spec));

  SortOrder order = assign_fresh_ids(table.sort_order, table.schema, schema);
  order.order_id = order.fields.empty() ? 0 : 1;
  validate(order, schema);
  metadata.default_sort_order_id = order.order_id;
  metadata.sort_orders.push_back(std::move(order));

  metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
  return metadata;
}

int64_t int_property(const Properties& properties, std::string_view key, int64_t otherwise) {
  const auto found = properties.find(key);
  if (found == properties.end()) return otherwise;
  const std::string& text = found->second;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw InvalidArgument(fmt::format("property {} = \"{}\" is not an integer", key, text));
  }
  return value;
}

bool bool_property(const Properties& properties, std::string_view key, bool otherwise) {
  const auto found = properties.find(key);
  if (found == properties.end()) return otherwise;
  std::string text = found->second;
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text == "true") return true;
  if (text == "false") return false;
  throw InvalidArgument(fmt::format("property {} = \"{}\" is neither \"true\" nor \"false\"", key, found->second));
}

std::string string_property(const Properties& properties, std::string_view key, std::string_view otherwise) {
  const auto found = properties.find(key);
  return found == properties.end() ? std::string(otherwise) : found->second;
}

std::string resolve_path(const TableMetadata& table, std::string_view path) {
  const bool absolute = path.starts_with('/') || path.find(':') != std::string_view::npos;
  std::string resolved = absolute ? std::string(path) : fmt::format("{}/{}", table.location, path);
  while (resolved.size() > 1 && resolved.ends_with('/') && !resolved.ends_with("://")) resolved.pop_back();
  return resolved;
}

std::string metadata_folder(const TableMetadata& table) {
  const std::string path = string_property(table.properties, "write.metadata.path", "");
  return resolve_path(table, path.empty() ? "metadata" : path);
}

std::string new_uuid() {
  auto bytes = random_bytes<16>();
  bytes[6] = (bytes[6] & 0x0f) | 0x40;  // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80;  // RFC 4122's variant
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    fmt::format_to(std::back_inserter(text), "{:02x}", bytes[i]);
  }
  return text;
}

int64_t new_snapshot_id() {
  int64_t id = 0;
  while (id == 0) {
    const auto bytes = random_bytes<8>();
    std::memcpy(&id, bytes.data(), sizeof(id));
    id &= INT64_MAX;
  }
  return id;
}

int64_t now_ms() {
  using std::chrono::milliseconds, std::chrono::system_clock;
  return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace floe
