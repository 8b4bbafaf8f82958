#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>

#include "floe/error.h"
#include "floe/spec/json_codec.h"
#include "floe/spec/snapshot_json.h"
#include "floe/spec/table_metadata.h"
#include "floe/spec/table_metadata_json.h"

namespace floe {

namespace {

using json::Node;

// Far above any metadata seen (a million snapshots are some 700 MB), far below what a hostile file could ask for.
constexpr size_t kMaxMetadataBytes = size_t{1} << 30;
constexpr size_t kMaxDeflateRatio = 1032;

bool is_gzip(std::string_view bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

// The length that a gzip member's trailer states, as far as deflate can reach it: a first guess, not a promise.
size_t expected_size(std::string_view member) {
  size_t stated = 0;
  for (size_t i = 0; i < 4 && member.size() >= 4; ++i) {
    stated |= size_t{static_cast<unsigned char>(member[member.size() - 4 + i])} << (8 * i);
  }
  return std::clamp(stated, size_t{1}, std::min(member.size() * kMaxDeflateRatio, kMaxMetadataBytes));
}

std::string gunzip(std::string_view bytes, const std::string& file) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (decompressor == nullptr) throw std::bad_alloc();
  std::string text;
  while (!bytes.empty()) {  // a file may hold several members, one after the other
    const size_t start = text.size();
    size_t room = expected_size(bytes);
    while (true) {
      text.resize(start + room);
      size_t read = 0;
      size_t written = 0;
      const libdeflate_result result = libdeflate_gzip_decompress_ex(decompressor.get(), bytes.data(), bytes.size(),
                                                                     text.data() + start, room, &read, &written);
      if (result == LIBDEFLATE_SUCCESS) {
        text.resize(start + written);
        bytes.remove_prefix(read);
        break;
      }
      if (result != LIBDEFLATE_INSUFFICIENT_SPACE) throw CorruptFile(fmt::format("{}: broken gzip data", file));
      if (start + room >= kMaxMetadataBytes) {
        throw CorruptFile(fmt::format("{}: more than {} bytes of metadata", file, kMaxMetadataBytes));
      }
      room = std::min(room * 2, kMaxMetadataBytes - start);
    }
  }
  return text;
}

template <typename T, typename Read>
std::vector<T> list_from(const Node& root, std::string_view key, Read read) {
  std::vector<T> items;
  if (const auto list = root.find(key)) list->for_each([&](const Node& item) { items.push_back(read(item)); });
  return items;
}

// Before version 2 a field may be missing.
std::optional<Node> required_from_v2(const Node& root, std::string_view key, int32_t format_version) {
  return format_version > 1 ? std::optional(root.at(key)) : root.find(key);
}

void read_schemas(const Node& root, TableMetadata& metadata) {
  if (const auto list = required_from_v2(root, "schemas", metadata.format_version)) {
    list->for_each([&](const Node& item) {
      metadata.schemas.push_back(std::make_shared<const Schema>(json::schema_from_node(item)));
    });
  }
  if (metadata.schemas.empty()) {
    if (metadata.format_version > 1) root.at("schemas").fail("is empty");
    metadata.schemas.push_back(std::make_shared<const Schema>(json::schema_from_node(root.at("schema"))));
    metadata.current_schema_id = metadata.schemas.front()->schema_id;
    return;
  }
  const Node id = root.at("current-schema-id");
  metadata.current_schema_id = id.int32();
  if (schema_by_id(metadata, metadata.current_schema_id) == nullptr) id.fail("names no schema of \"schemas\"");
}

int32_t highest_partition_field_id(const std::vector<PartitionSpec>& specs) {
  int32_t highest = kFirstPartitionFieldId - 1;
  for (const PartitionSpec& spec : specs) {
    for (const PartitionField& field : spec.fields) highest = std::max(highest, field.field_id);
  }
  return highest;
}

void read_specs(const Node& root, TableMetadata& metadata) {
  if (const auto list = required_from_v2(root, "partition-specs", metadata.format_version)) {
    list->for_each([&](const Node& item) { metadata.partition_specs.push_back(json::partition_spec_from_node(item)); });
  }
  if (metadata.partition_specs.empty()) {
    if (metadata.format_version > 1) root.at("partition-specs").fail("is empty");
    PartitionSpec spec;
    if (const auto fields = root.find("partition-spec")) spec.fields = json::partition_fields_from_node(*fields);
    metadata.partition_specs.push_back(std::move(spec));
  } else {
    const Node id = root.at("default-spec-id");
    metadata.default_spec_id = id.int32();
    if (spec_by_id(metadata, metadata.default_spec_id) == nullptr) id.fail("names no spec of \"partition-specs\"");
  }
  const auto last = required_from_v2(root, "last-partition-id", metadata.format_version);
  metadata.last_partition_id = last ? last->int32() : highest_partition_field_id(metadata.partition_specs);
}

void read_sort_orders(const Node& root, TableMetadata& metadata) {
  if (const auto list = required_from_v2(root, "sort-orders", metadata.format_version)) {
    list->for_each([&](const Node& item) { metadata.sort_orders.push_back(json::sort_order_from_node(item)); });
  }
  if (metadata.sort_orders.empty()) metadata.sort_orders.emplace_back();
  const auto id = required_from_v2(root, "default-sort-order-id", metadata.format_version);
  metadata.default_sort_order_id = id ? id->int32() : 0;
  const bool known = std::ranges::any_of(
      metadata.sort_orders, [&](const SortOrder& order) { return order.order_id == metadata.default_sort_order_id; });
  if (!known && metadata.default_sort_order_id != 0) id->fail("names no order of \"sort-orders\"");
}

void read_snapshots(const Node& root, TableMetadata& metadata) {
  const auto list = root.find("snapshots");
  if (!list) return;
  std::vector<int64_t> ids;
  list->for_each([&](const Node& item) {
    Snapshot snapshot = json::snapshot_from_node(item);
    json::keep_fields_of(snapshot, metadata.format_version);
    // Version 1 may list the manifests themselves, and tables are upgraded from it.
    const bool has_list = !snapshot.manifest_list.empty() || item.find("manifests");
    if (!has_list && metadata.format_version > 1) item.at("manifest-list").fail("is empty");
    ids.push_back(snapshot.snapshot_id);
    metadata.snapshots.push_back(std::make_shared<const Snapshot>(std::move(snapshot)));
  });
  std::ranges::sort(ids);
  const auto twice = std::ranges::adjacent_find(ids);
  if (twice != ids.end()) list->fail(fmt::format("has the snapshot {} twice", *twice));
}

// "refs" is optional, and so is its "main"; but what is there has to agree with "current-snapshot-id" (-1 is null).
void read_refs(const Node& root, TableMetadata& metadata) {
  if (const auto id = root.find("current-snapshot-id"); id && id->int64() != -1) {
    metadata.current_snapshot_id = id->int64();
    if (current_snapshot(metadata) == nullptr) id->fail("names no snapshot of \"snapshots\"");
  }
  if (const auto refs = root.find("refs")) {
    refs->for_each_member([&](std::string_view name, const Node& item) {
      const SnapshotRef ref = json::snapshot_ref_from_node(item);
      if (snapshot_by_id(metadata, ref.snapshot_id) == nullptr) {
        item.at("snapshot-id").fail("names no snapshot of \"snapshots\"");
      }
      if (name == kMainBranch) {
        if (!ref.is_branch) item.at("type").fail("is not \"branch\"");
        if (metadata.current_snapshot_id != ref.snapshot_id) {
          item.at("snapshot-id").fail("is not the table's \"current-snapshot-id\"");
        }
      }
      metadata.refs.insert_or_assign(std::string(name), ref);
    });
  }
  if (metadata.current_snapshot_id && !metadata.refs.contains(kMainBranch)) {
    metadata.refs.emplace(kMainBranch, SnapshotRef{.snapshot_id = *metadata.current_snapshot_id});
  }
}

void read_logs(const Node& root, TableMetadata& metadata) {
  metadata.snapshot_log = list_from<SnapshotLogEntry>(root, "snapshot-log", [](const Node& item) {
    return SnapshotLogEntry{item.at("timestamp-ms").int64(), item.at("snapshot-id").int64()};
  });
  metadata.metadata_log = list_from<MetadataLogEntry>(root, "metadata-log", [](const Node& item) {
    return MetadataLogEntry{item.at("timestamp-ms").int64(), std::string(item.at("metadata-file").string())};
  });
}

// Row ids that snapshots hold are taken, whatever "next-row-id" is missing (PyIceberg leaves it out).
int64_t next_row_id(const Node& root, const TableMetadata& metadata) {
  if (const auto id = root.find("next-row-id")) {
    if (id->int64() < 0) id->fail("is negative");
    return id->int64();
  }
  int64_t next = 0;
  for (const auto& snapshot : metadata.snapshots) {
    int64_t end = 0;
    if (__builtin_add_overflow(snapshot->first_row_id.value_or(0), snapshot->added_rows.value_or(0), &end)) {
      root.fail(fmt::format("has row ids out of range in snapshot {}", snapshot->snapshot_id));
    }
    next = std::max(next, end);
  }
  return next;
}

template <typename List, typename Write>
void write_list(json::Writer& out, std::string_view key, const List& list, Write write_item) {
  out.key(key);
  out.begin_array();
  for (const auto& item : list) write_item(item);
  out.end_array();
}

void write_schemas(json::Writer& out, const TableMetadata& metadata) {
  if (metadata.format_version == 1) {
    out.key("schema");
    out.raw(to_json(*current_schema(metadata)));
  }
  out.member("current-schema-id", metadata.current_schema_id);
  write_list(out, "schemas", metadata.schemas, [&](const SchemaPtr& schema) { out.raw(to_json(*schema)); });
}

void write_specs(json::Writer& out, const TableMetadata& metadata) {
  if (metadata.format_version == 1) {
    out.key("partition-spec");
    out.raw(fields_to_json(default_spec(metadata)));
  }
  out.member("default-spec-id", metadata.default_spec_id);
  write_list(out, "partition-specs", metadata.partition_specs,
             [&](const PartitionSpec& spec) { out.raw(to_json(spec)); });
  out.member("last-partition-id", metadata.last_partition_id);
}

// Older readers fail where "current-snapshot-id" is missing or null: before version 3, none is -1.
void write_refs(json::Writer& out, const TableMetadata& metadata) {
  out.key("current-snapshot-id");
  if (metadata.current_snapshot_id) {
    out.value(*metadata.current_snapshot_id);
  } else if (metadata.format_version > 2) {
    out.null();
  } else {
    out.value(-1);
  }
  out.key("refs");
  out.begin_object();
  for (const auto& [name, ref] : metadata.refs) {
    out.key(name);
    out.begin_object();
    json::write_members(out, ref);
    out.end_object();
  }
  out.end_object();
}

void write_logs(json::Writer& out, const TableMetadata& metadata) {
  write_list(out, "snapshot-log", metadata.snapshot_log, [&](const SnapshotLogEntry& entry) {
    out.begin_object();
    out.member("snapshot-id", entry.snapshot_id);
    out.member("timestamp-ms", entry.timestamp_ms);
    out.end_object();
  });
  write_list(out, "metadata-log", metadata.metadata_log, [&](const MetadataLogEntry& entry) {
    out.begin_object();
    out.member("metadata-file", entry.metadata_file);
    out.member("timestamp-ms", entry.timestamp_ms);
    out.end_object();
  });
}

}  // namespace

TableMetadata parse_table_metadata(std::string_view bytes, const std::string& file) {
  const std::string text = is_gzip(bytes) ? gunzip(bytes, file) : std::string();
  const json::Document document(is_gzip(bytes) ? std::string_view(text) : bytes, file);
  return json::table_metadata_from_node(document.root(), file);
}

TableMetadata json::table_metadata_from_node(const Node& root, const std::string& document) {
  TableMetadata metadata;
  const Node version = root.at("format-version");
  metadata.format_version = version.int32();
  if (metadata.format_version > kLatestFormatVersion) {
    throw NotSupported(fmt::format("{}: format-version {} is later than {}, the last one known here", document,
                                   metadata.format_version, kLatestFormatVersion));
  }
  if (metadata.format_version < 1) version.fail("is less than 1");

  if (const auto uuid = required_from_v2(root, "table-uuid", metadata.format_version)) {
    metadata.table_uuid = uuid->string();
  }
  metadata.location = root.at("location").string();
  while (metadata.location.size() > 1 && metadata.location.back() == '/') metadata.location.pop_back();
  if (metadata.location.empty()) root.at("location").fail("is empty");
  if (metadata.format_version > 1) {
    const Node last = root.at("last-sequence-number");
    metadata.last_sequence_number = last.int64();
    if (metadata.last_sequence_number < 0) last.fail("is negative");
  }
  metadata.last_updated_ms = root.at("last-updated-ms").int64();
  metadata.last_column_id = root.at("last-column-id").int32();
  read_schemas(root, metadata);
  read_specs(root, metadata);
  read_sort_orders(root, metadata);
  if (const auto properties = root.find("properties")) metadata.properties = json::properties_from_node(*properties);
  read_snapshots(root, metadata);
  read_refs(root, metadata);
  read_logs(root, metadata);
  metadata.statistics = list_from<StatisticsFile>(root, "statistics", json::statistics_from_node);
  metadata.partition_statistics =
      list_from<PartitionStatisticsFile>(root, "partition-statistics", json::partition_statistics_from_node);
  if (metadata.format_version > 2) {
    metadata.next_row_id = next_row_id(root, metadata);
    metadata.encryption_keys = list_from<EncryptedKey>(root, "encryption-keys", json::encrypted_key_from_node);
  }
  return metadata;
}

std::string to_json(const TableMetadata& metadata) {
  json::Writer out;
  out.reserve(4096 + 1024 * metadata.snapshots.size() + 256 * metadata.metadata_log.size());
  out.begin_object();
  out.member("format-version", metadata.format_version);
  if (!metadata.table_uuid.empty()) out.member("table-uuid", metadata.table_uuid);
  out.member("location", metadata.location);
  if (metadata.format_version > 1) out.member("last-sequence-number", metadata.last_sequence_number);
  out.member("last-updated-ms", metadata.last_updated_ms);
  out.member("last-column-id", metadata.last_column_id);
  write_schemas(out, metadata);
  write_specs(out, metadata);
  out.member("default-sort-order-id", metadata.default_sort_order_id);
  write_list(out, "sort-orders", metadata.sort_orders, [&](const SortOrder& order) { out.raw(to_json(order)); });
  out.key("properties");
  json::write(out, metadata.properties);
  write_refs(out, metadata);
  if (metadata.format_version > 2) {
    out.member("next-row-id", metadata.next_row_id);
    if (!metadata.encryption_keys.empty()) {
      write_list(out, "encryption-keys", metadata.encryption_keys,
                 [&](const EncryptedKey& key) { json::write(out, key); });
    }
  }
  write_list(out, "snapshots", metadata.snapshots,
             [&](const auto& snapshot) { json::write(out, *snapshot, metadata.format_version); });
  write_list(out, "statistics", metadata.statistics, [&](const StatisticsFile& item) { json::write(out, item); });
  write_list(out, "partition-statistics", metadata.partition_statistics,
             [&](const PartitionStatisticsFile& item) { json::write(out, item); });
  write_logs(out, metadata);
  out.end_object();
  return json::finish(out, fmt::format("the metadata of table {}", metadata.location));
}

std::string gzip(std::string_view bytes) {
  constexpr int kLevel = 6;
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(kLevel), libdeflate_free_compressor);
  if (compressor == nullptr) throw std::bad_alloc();
  std::string out(libdeflate_gzip_compress_bound(compressor.get(), bytes.size()), '\0');
  out.resize(libdeflate_gzip_compress(compressor.get(), bytes.data(), bytes.size(), out.data(), out.size()));
  return out;
}

}  // namespace floe
