// snapshots, history, refs, metadata_log_entries and the files of statistics: what metadata.json says by itself.
#include <arrow/api.h>

#include <algorithm>
#include <set>
#include <utility>

#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/inspect/metadata_table.h"

namespace floe {
namespace {

const Type kBooleanType = primitive(TypeKind::kBoolean);
const Type kIntType = primitive(TypeKind::kInt);
const Type kLongType = primitive(TypeKind::kLong);
const Type kStringType = primitive(TypeKind::kString);
const Type kTimeType = primitive(TypeKind::kTimestampTz);

Field required(int32_t id, const char* name, Type type) {
  return {.id = id, .name = name, .required = true, .type = std::move(type)};
}
Field optional(int32_t id, const char* name, Type type) { return {.id = id, .name = name, .type = std::move(type)}; }

template <typename T>
Value value_of(const std::optional<T>& value) {
  return value ? Value(*value) : Value();
}

using Row = std::vector<Value>;

// The rows of all columns, of which those that are wanted become arrays.
BatchReaderPtr read_rows(const InspectionPtr& inspection, const Schema& all, const std::vector<Row>& rows) {
  const auto schema = to_arrow_schema(inspection->columns);
  arrow::ArrayVector arrays;
  for (int i = 0; i < schema->num_fields(); ++i) {
    const Field& field = inspection->columns.fields[i];
    const auto same = [&](const Field& each) { return each.id == field.id; };
    const size_t at = std::find_if(all.fields.begin(), all.fields.end(), same) - all.fields.begin();
    std::vector<Value> values;
    for (const Row& row : rows) values.push_back(row[at]);
    arrays.push_back(to_array(values, field.type, schema->field(i)->type()));
  }
  arrow::RecordBatchVector batches;
  const auto n = static_cast<int64_t>(rows.size());
  if (n > 0) batches.push_back(arrow::RecordBatch::Make(schema, n, std::move(arrays)));
  return read_batches(inspection, std::move(batches));
}

// --- snapshots -------------------------------------------------------------------------------------------------------

Schema snapshots_schema(const TableMetadata&) {
  return {.fields = {required(1, "committed_at", kTimeType), required(2, "snapshot_id", kLongType),
                     optional(3, "parent_id", kLongType), optional(4, "operation", kStringType),
                     optional(5, "manifest_list", kStringType),
                     optional(6, "summary", map_type(7, kStringType, 8, kStringType, true))}};
}

constexpr std::string_view kOperation = "operation";

// All of it but the operation, which has a column of its own.
Value summary_of(const Snapshot& snapshot) {
  if (snapshot.summary.empty()) return {};
  std::vector<Value> items;
  for (const auto& [key, value] : snapshot.summary) {
    if (key == kOperation) continue;
    items.emplace_back(std::string(key));
    items.emplace_back(std::string(value));
  }
  return items;
}

BatchReaderPtr open_snapshots(const InspectionPtr& inspection) {
  std::vector<Row> rows;
  for (const auto& snapshot : inspection->metadata().snapshots) {
    const bool named = snapshot->summary.contains(kOperation);
    rows.push_back({to_micros(snapshot->timestamp_ms), snapshot->snapshot_id, value_of(snapshot->parent_snapshot_id),
                    named ? Value(std::string(snapshot->summary.get(kOperation))) : Value(),
                    snapshot->manifest_list.empty() ? Value() : Value(snapshot->manifest_list), summary_of(*snapshot)});
  }
  return read_rows(inspection, snapshots_schema(inspection->metadata()), rows);
}

// --- history ---------------------------------------------------------------------------------------------------------

Schema history_schema(const TableMetadata&) {
  return {.fields = {required(1, "made_current_at", kTimeType), required(2, "snapshot_id", kLongType),
                     optional(3, "parent_id", kLongType), required(4, "is_current_ancestor", kBooleanType)}};
}

std::set<int64_t> current_ancestors(const TableMetadata& table) {
  std::set<int64_t> ids;
  const Snapshot* snapshot = current_snapshot(table);
  while (snapshot && ids.insert(snapshot->snapshot_id).second) {
    const auto& parent = snapshot->parent_snapshot_id;
    snapshot = parent ? snapshot_by_id(table, *parent) : nullptr;
  }
  return ids;
}

BatchReaderPtr open_history(const InspectionPtr& inspection) {
  const TableMetadata& table = inspection->metadata();
  const std::set<int64_t> ancestors = current_ancestors(table);
  std::vector<Row> rows;
  for (const SnapshotLogEntry& entry : table.snapshot_log) {
    const Snapshot* snapshot = snapshot_by_id(table, entry.snapshot_id);
    rows.push_back({to_micros(entry.timestamp_ms), entry.snapshot_id,
                    snapshot ? value_of(snapshot->parent_snapshot_id) : Value(),
                    ancestors.contains(entry.snapshot_id)});
  }
  return read_rows(inspection, history_schema(table), rows);
}

// --- refs ------------------------------------------------------------------------------------------------------------

Schema refs_schema(const TableMetadata&) {
  return {.fields = {required(1, "name", kStringType), required(2, "type", kStringType),
                     required(3, "snapshot_id", kLongType), optional(4, "max_reference_age_in_ms", kLongType),
                     optional(5, "min_snapshots_to_keep", kIntType), optional(6, "max_snapshot_age_in_ms", kLongType)}};
}

BatchReaderPtr open_refs(const InspectionPtr& inspection) {
  std::vector<Row> rows;
  for (const auto& [name, ref] : inspection->metadata().refs) {
    rows.push_back({name, std::string(ref.is_branch ? "BRANCH" : "TAG"), ref.snapshot_id, value_of(ref.max_ref_age_ms),
                    value_of(ref.min_snapshots_to_keep), value_of(ref.max_snapshot_age_ms)});
  }
  return read_rows(inspection, refs_schema(inspection->metadata()), rows);
}

// --- metadata_log_entries --------------------------------------------------------------------------------------------

Schema metadata_log_schema(const TableMetadata&) {
  return {.fields = {required(1, "timestamp", kTimeType), required(2, "file", kStringType),
                     optional(3, "latest_snapshot_id", kLongType), optional(4, "latest_schema_id", kIntType),
                     optional(5, "latest_sequence_number", kLongType)}};
}

// The last entry of the snapshot log that is not after the time, whether its snapshot is still there or not.
const SnapshotLogEntry* logged_at(const TableMetadata& table, int64_t timestamp_ms) {
  const SnapshotLogEntry* latest = nullptr;
  for (const SnapshotLogEntry& entry : table.snapshot_log) {
    if (entry.timestamp_ms <= timestamp_ms && (!latest || entry.timestamp_ms >= latest->timestamp_ms)) latest = &entry;
  }
  return latest;
}

BatchReaderPtr open_metadata_log(const InspectionPtr& inspection) {
  const TableMetadata& table = inspection->metadata();
  std::vector<MetadataLogEntry> files = table.metadata_log;
  files.push_back({table.last_updated_ms, inspection->table.metadata_location});
  std::vector<Row> rows;
  for (const MetadataLogEntry& file : files) {
    const SnapshotLogEntry* entry = logged_at(table, file.timestamp_ms);
    const Snapshot* snapshot = entry ? snapshot_by_id(table, entry->snapshot_id) : nullptr;
    rows.push_back({to_micros(file.timestamp_ms), file.metadata_file, entry ? Value(entry->snapshot_id) : Value(),
                    snapshot ? value_of(snapshot->schema_id) : Value(),
                    snapshot ? Value(snapshot->sequence_number) : Value()});
  }
  return read_rows(inspection, metadata_log_schema(table), rows);
}

// --- statistics ------------------------------------------------------------------------------------------------------

Schema statistics_schema(const TableMetadata&) {
  const Type blob = struct_type({
      required(6, "type", kStringType),
      required(7, "snapshot_id", kLongType),
      required(8, "sequence_number", kLongType),
      required(9, "fields", list_type(10, kIntType, true)),
      required(11, "properties", map_type(12, kStringType, 13, kStringType, true)),
  });
  return {.fields = {required(1, "snapshot_id", kLongType), required(2, "statistics_path", kStringType),
                     required(3, "file_size_in_bytes", kLongType), required(4, "file_footer_size_in_bytes", kLongType),
                     required(5, "blob_metadata", list_type(14, blob, true))}};
}

Value blobs_of(const StatisticsFile& file) {
  std::vector<Value> blobs;
  for (const BlobMetadata& blob : file.blob_metadata) {
    std::vector<Value> fields(blob.fields.begin(), blob.fields.end());
    std::vector<Value> properties;
    for (const auto& [key, value] : blob.properties) {
      properties.emplace_back(key);
      properties.emplace_back(value);
    }
    blobs.emplace_back(
        Row{blob.type, blob.snapshot_id, blob.sequence_number, std::move(fields), std::move(properties)});
  }
  return blobs;
}

BatchReaderPtr open_statistics(const InspectionPtr& inspection) {
  std::vector<Row> rows;
  for (const StatisticsFile& file : inspection->metadata().statistics) {
    rows.push_back({file.snapshot_id, file.statistics_path, file.file_size_in_bytes, file.file_footer_size_in_bytes,
                    blobs_of(file)});
  }
  return read_rows(inspection, statistics_schema(inspection->metadata()), rows);
}

Schema partition_statistics_schema(const TableMetadata&) {
  return {.fields = {required(1, "snapshot_id", kLongType), required(2, "statistics_path", kStringType),
                     required(3, "file_size_in_bytes", kLongType)}};
}

BatchReaderPtr open_partition_statistics(const InspectionPtr& inspection) {
  std::vector<Row> rows;
  for (const PartitionStatisticsFile& file : inspection->metadata().partition_statistics) {
    rows.push_back({file.snapshot_id, file.statistics_path, file.file_size_in_bytes});
  }
  return read_rows(inspection, partition_statistics_schema(inspection->metadata()), rows);
}

}  // namespace

std::vector<MetadataTable> log_tables() {
  return {{"snapshots", false, false, &snapshots_schema, &open_snapshots},
          {"history", false, false, &history_schema, &open_history},
          {"refs", false, false, &refs_schema, &open_refs},
          {"metadata_log_entries", false, false, &metadata_log_schema, &open_metadata_log},
          {"statistics_files", false, false, &statistics_schema, &open_statistics},
          {"partition_statistics_files", false, false, &partition_statistics_schema, &open_partition_statistics}};
}

}  // namespace floe
