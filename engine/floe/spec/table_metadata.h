// A table's metadata: everything that metadata.json holds, format versions 1 to 3. Specification: "Table Metadata".
// A value: changing a table means making a new one with `apply` (table_update.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "floe/spec/partition_spec.h"
#include "floe/spec/schema.h"
#include "floe/spec/snapshot.h"
#include "floe/spec/sort_order.h"

namespace floe {

inline constexpr int32_t kLatestFormatVersion = 3;

struct TableMetadata {
  int32_t format_version = 2;
  std::string table_uuid;  // empty only in old v1 tables
  std::string location;    // without a trailing slash
  int64_t last_sequence_number = 0;
  int64_t last_updated_ms = 0;
  int32_t last_column_id = 0;
  std::vector<SchemaPtr> schemas;
  int32_t current_schema_id = 0;
  std::vector<PartitionSpec> partition_specs;
  int32_t default_spec_id = 0;
  int32_t last_partition_id = kFirstPartitionFieldId - 1;
  Properties properties;
  std::optional<int64_t> current_snapshot_id;
  std::vector<std::shared_ptr<const Snapshot>> snapshots;
  std::vector<SnapshotLogEntry> snapshot_log;
  std::vector<MetadataLogEntry> metadata_log;
  std::vector<SortOrder> sort_orders;
  int32_t default_sort_order_id = 0;
  std::map<std::string, SnapshotRef, std::less<>> refs;
  std::vector<StatisticsFile> statistics;
  std::vector<PartitionStatisticsFile> partition_statistics;
  int64_t next_row_id = 0;                    // v3
  std::vector<EncryptedKey> encryption_keys;  // v3
};
using TableMetadataPtr = std::shared_ptr<const TableMetadata>;

// The same values throughout; schemas and snapshots that are shared are not looked into.
bool operator==(const TableMetadata& a, const TableMetadata& b);

// Look-ups. Pointers live as long as the metadata; null means that there is none.
const SchemaPtr& current_schema(const TableMetadata& metadata);
SchemaPtr schema_by_id(const TableMetadata& metadata, int32_t schema_id);
const PartitionSpec& default_spec(const TableMetadata& metadata);
const PartitionSpec* spec_by_id(const TableMetadata& metadata, int32_t spec_id);
const SortOrder& default_sort_order(const TableMetadata& metadata);
const Snapshot* snapshot_by_id(const TableMetadata& metadata, int64_t snapshot_id);
const Snapshot* current_snapshot(const TableMetadata& metadata);
// The snapshot that a branch or tag names; "main" without such a ref is the current snapshot.
const Snapshot* snapshot_by_ref(const TableMetadata& metadata, std::string_view ref);
// The snapshot that was current at a time, by the snapshot log: the latest entry not after it, whatever its order.
const Snapshot* snapshot_as_of(const TableMetadata& metadata, int64_t timestamp_ms);
// The schema that the snapshot was written with; the current one where the snapshot does not say.
SchemaPtr schema_of(const TableMetadata& metadata, const Snapshot& snapshot);

// Reads metadata.json, gzip-compressed (recognized by content) or not. `file` is what error messages call it. Fields
// that this version does not know are dropped. Throws CorruptFile naming the field that is missing or wrong.
TableMetadata parse_table_metadata(std::string_view bytes, const std::string& file);

// Writes metadata.json of the table's own format version.
std::string to_json(const TableMetadata& metadata);

// gzip, for `write.metadata.compression-codec`.
std::string gzip(std::string_view bytes);

// The metadata of a table about to be created: fresh ids, uuid, validation. The properties "format-version" (default 2)
// and those that only creation reads are taken out. Throws InvalidArgument naming what is wrong.
struct NewTable {
  Schema schema;
  PartitionSpec spec;
  SortOrder sort_order;
  std::string location;
  Properties properties;
};
TableMetadata new_table_metadata(const NewTable& table);

// The value of a table property as a number or a boolean. Throws InvalidArgument naming key and value if it is not one.
int64_t int_property(const Properties& properties, std::string_view key, int64_t otherwise);
bool bool_property(const Properties& properties, std::string_view key, bool otherwise);
std::string string_property(const Properties& properties, std::string_view key, std::string_view otherwise);

// Where a path that a property gives points to, without trailing slashes: a relative one starts at the table's location
// ("Path Construction").
std::string resolve_path(const TableMetadata& table, std::string_view path);
// Where metadata files go: `write.metadata.path`, else "<location>/metadata".
std::string metadata_folder(const TableMetadata& table);

std::string new_uuid();     // random, version 4
int64_t new_snapshot_id();  // random, positive
int64_t now_ms();           // Unix time

}  // namespace floe
