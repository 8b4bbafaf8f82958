#include "floe/maintenance/partition_stats.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/data_file_writer.h"
#include "floe/maintenance/garbage.h"
#include "floe/maintenance/statistics.h"
#include "floe/manifest/manifest.h"
#include "floe/parallel.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/partition.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

// The specification's ids.
enum Column : int32_t {
  kPartition = 1,
  kSpecId,
  kDataRecords,
  kDataFiles,
  kDataBytes,
  kPositionDeletes,
  kPositionDeleteFiles,
  kEqualityDeletes,
  kEqualityDeleteFiles,
  kTotalRecords,
  kLastUpdatedAt,
  kLastUpdatedSnapshotId,
  kVectors,
};

struct Partition {
  std::vector<Value> values;  // of union_partition_type
  int32_t spec_id = 0;
  int64_t data_records = 0, data_bytes = 0, position_deletes = 0, equality_deletes = 0;
  int32_t data_files = 0, position_delete_files = 0, equality_delete_files = 0, vectors = 0;
  const Snapshot* last_updated = nullptr;  // null: the snapshots of all its files are gone

  void add_file(const Manifest& manifest, size_t entry) {
    const int64_t records = std::max<int64_t>(manifest.record_count[entry], 0);
    switch (manifest.file_content[entry]) {
      case FileContent::kData:
        data_records += records;
        data_bytes += manifest.file_size_in_bytes[entry];
        ++data_files;
        return;
      case FileContent::kPositionDeletes:
        position_deletes += records;
        ++(manifest.file_format[entry] == FileFormat::kPuffin ? vectors : position_delete_files);
        return;
      case FileContent::kEqualityDeletes:
        equality_deletes += records;
        ++equality_delete_files;
        return;
    }
  }
  void update(const Snapshot* snapshot) {
    if (!snapshot || (last_updated && snapshot->timestamp_ms <= last_updated->timestamp_ms)) return;
    last_updated = snapshot;
  }
  void add(const Partition& other) {
    data_records += other.data_records;
    data_bytes += other.data_bytes;
    position_deletes += other.position_deletes;
    equality_deletes += other.equality_deletes;
    data_files += other.data_files;
    position_delete_files += other.position_delete_files;
    equality_delete_files += other.equality_delete_files;
    vectors += other.vectors;
    update(other.last_updated);
  }
};

using Partitions = std::unordered_map<std::string, Partition>;  // by PartitionKeys

class Summing {
 public:
  Summing(Io& io, const TableMetadata& table) : io_(io), table_(table), type_(union_partition_type(table)) {
    for (const auto& snapshot : table.snapshots) snapshots_.emplace(snapshot->snapshot_id, snapshot.get());
  }

  std::vector<Partition> of(const Snapshot& snapshot, const arrow::StopToken& stop) const {
    constexpr size_t kTogether = 64;
    const std::vector<ManifestFile> manifests = manifests_of(io_, snapshot);
    Partitions sums;
    for (size_t begin = 0; begin < manifests.size(); begin += kTogether) {
      std::vector<Partitions> parts(std::min(kTogether, manifests.size() - begin));
      parallel_for(parts.size(), [&](size_t i) { parts[i] = of_manifest(manifests[begin + i]); }, stop);
      for (Partitions& part : parts) merge(part, sums);
    }
    return sorted(std::move(sums));
  }

 private:
  Partitions of_manifest(const ManifestFile& file) const {
    const ManifestPtr manifest = open_manifest(io_, file)->entries();
    const Schema& schema = *current_schema(table_);
    const PartitionSpec* spec = spec_by_id(table_, manifest->spec_id);
    const PartitionKeys keys(*manifest, spec ? *spec : manifest->spec, schema);
    Partitions partitions;
    std::string key;
    for (size_t i = 0; i < manifest->size; ++i) {
      keys.write(i, key);
      const auto [found, is_new] = partitions.try_emplace(key);
      Partition& partition = found->second;
      if (is_new) {
        partition.values =
            partition_struct(*manifest, partition_values(*manifest, i, schema), type_).as<std::vector<Value>>();
        partition.spec_id = manifest->spec_id;
      }
      if (manifest->status[i] != EntryStatus::kDeleted) partition.add_file(*manifest, i);
      const auto snapshot = snapshots_.find(manifest->snapshot_id[i]);
      if (snapshot != snapshots_.end()) partition.update(snapshot->second);
    }
    return partitions;
  }

  static void merge(Partitions& part, Partitions& sums) {
    sums.merge(part);
    for (const auto& [key, partition] : part) sums.at(key).add(partition);
  }

  std::vector<Partition> sorted(Partitions sums) const {
    std::vector<Partition> partitions;
    partitions.reserve(sums.size());
    for (auto& [key, partition] : sums) partitions.push_back(std::move(partition));
    std::ranges::sort(partitions, [&](const Partition& a, const Partition& b) {
      const int order = compare_values(a, b);
      return order != 0 ? order < 0 : a.spec_id < b.spec_id;
    });
    return partitions;
  }

  // Nulls first.
  int compare_values(const Partition& a, const Partition& b) const {
    for (size_t i = 0; i < type_.children->size(); ++i) {
      const Value &left = a.values[i], &right = b.values[i];
      const int order = left.is_null() || right.is_null()
                            ? static_cast<int>(right.is_null()) - static_cast<int>(left.is_null())
                            : compare(left, right, (*type_.children)[i].type);
      if (order != 0) return order;
    }
    return 0;
  }

  Io& io_;
  const TableMetadata& table_;
  const Type type_;
  std::unordered_map<int64_t, const Snapshot*> snapshots_;
};

Value value_of(const Partition& partition, int32_t column, bool total_known) {
  const Snapshot* snapshot = partition.last_updated;
  switch (column) {
    case kPartition:
      return partition.values;
    case kSpecId:
      return partition.spec_id;
    case kDataRecords:
      return partition.data_records;
    case kDataFiles:
      return partition.data_files;
    case kDataBytes:
      return partition.data_bytes;
    case kPositionDeletes:
      return partition.position_deletes;
    case kPositionDeleteFiles:
      return partition.position_delete_files;
    case kEqualityDeletes:
      return partition.equality_deletes;
    case kEqualityDeleteFiles:
      return partition.equality_delete_files;
    case kTotalRecords:
      return total_known ? Value(partition.data_records - partition.position_deletes) : Value();
    case kLastUpdatedAt:
      return snapshot ? Value(snapshot->timestamp_ms) : Value();
    case kLastUpdatedSnapshotId:
      return snapshot ? Value(snapshot->snapshot_id) : Value();
    default:  // kVectors
      return partition.vectors;
  }
}

// Java reads no ORC here.
FileFormat format_of(const Properties& properties) {
  const FileFormat format = parse_file_format(string_property(properties, "write.format.default", "parquet"));
  return format == FileFormat::kAvro ? format : FileFormat::kParquet;
}

PartitionStatisticsFile write_stats(Io& io, const TableMetadata& table, int64_t snapshot_id,
                                    const std::vector<Partition>& partitions) {
  constexpr size_t kTogether = 8192;
  const Schema schema = partition_stats_schema(table);
  const auto arrow_schema = to_arrow_schema(schema);
  const FileFormat format = format_of(table.properties);
  const std::string location = fmt::format("{}/partition-stats-{}-{}.{}", metadata_folder(table), snapshot_id,
                                           new_uuid(), file_extension(format));
  const auto writer = data_file_writers(format, {}, schema).make(io, location, true);
  // Vectors delete rows that are there; other deletes may find none.
  const bool total_known = std::ranges::none_of(partitions, [](const Partition& partition) {
    return partition.position_delete_files > 0 || partition.equality_delete_files > 0;
  });
  for (size_t begin = 0; begin < partitions.size(); begin += kTogether) {
    const size_t end = std::min(begin + kTogether, partitions.size());
    arrow::ArrayVector arrays;
    for (int i = 0; i < arrow_schema->num_fields(); ++i) {
      const Field& field = schema.fields[i];
      std::vector<Value> values;
      for (size_t k = begin; k < end; ++k) values.push_back(value_of(partitions[k], field.id, total_known));
      arrays.push_back(to_array(values, field.type, arrow_schema->field(i)->type()));
    }
    writer->write(*arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(end - begin), std::move(arrays)));
  }
  return {.snapshot_id = snapshot_id,
          .statistics_path = location,
          .file_size_in_bytes = writer->finish().file_size_in_bytes};
}

}  // namespace

Schema partition_stats_schema(const TableMetadata& table) {
  const bool is_v3 = table.format_version >= 3;
  Schema schema;
  const auto add = [&](int32_t id, const char* name, Type type, bool required) {
    schema.fields.push_back({.id = id, .name = name, .required = required, .type = std::move(type)});
  };
  const Type number = primitive(TypeKind::kInt), large = primitive(TypeKind::kLong);
  add(kPartition, "partition", union_partition_type(table), true);
  add(kSpecId, "spec_id", number, true);
  add(kDataRecords, "data_record_count", large, true);
  add(kDataFiles, "data_file_count", number, true);
  add(kDataBytes, "total_data_file_size_in_bytes", large, true);
  add(kPositionDeletes, "position_delete_record_count", large, is_v3);
  add(kPositionDeleteFiles, "position_delete_file_count", number, is_v3);
  add(kEqualityDeletes, "equality_delete_record_count", large, is_v3);
  add(kEqualityDeleteFiles, "equality_delete_file_count", number, is_v3);
  add(kTotalRecords, "total_record_count", large, false);
  add(kLastUpdatedAt, "last_updated_at", large, false);
  add(kLastUpdatedSnapshotId, "last_updated_snapshot_id", large, false);
  if (is_v3) add(kVectors, "dv_count", number, true);
  return schema;
}

PartitionStatsResult compute_partition_stats(Catalog& catalog, const LoadedTable& table,
                                             const PartitionStatsOptions& options) {
  PartitionStatsResult result{.table = load_same(catalog, table)};
  const TableMetadata& metadata = *result.table.metadata;
  const std::string name = to_string(table.identifier);
  const Snapshot* snapshot = snapshot_to_measure(result.table, options.snapshot_id);
  if (union_partition_type(metadata).children->empty()) {
    throw InvalidArgument(
        fmt::format("table {}: it is not partitioned, so there are no statistics of partitions", name));
  }
  if (!snapshot) return result;
  for (const PartitionStatisticsFile& file : metadata.partition_statistics) {
    if (file.snapshot_id != snapshot->snapshot_id) continue;
    result.file = file;
    return result;
  }
  const IoPtr io = catalog.io(result.table);
  const std::vector<Partition> partitions = Summing(*io, metadata).of(*snapshot, options.stop);
  if (partitions.empty()) return result;
  result.file = write_stats(*io, metadata, snapshot->snapshot_id, partitions);
  result.table = commit_statistics(catalog, result.table, result.file->statistics_path,
                                   SetPartitionStatistics{*result.file}, options.stop);
  return result;
}

}  // namespace floe
