// partitions: what a snapshot's files sum up to in each partition.
#include <arrow/api.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/inspect/columns.h"
#include "floe/inspect/manifests_of.h"
#include "floe/inspect/metadata_table.h"
#include "floe/parallel.h"
#include "floe/scan/metadata_columns.h"
#include "floe/scan/partition.h"

namespace floe {
namespace {

// Java's ids. Reading goes by them.
enum Column : int32_t {
  kPartition = 1,
  kSpecId = 4,
  kRecords = 2,
  kFiles = 3,
  kFileBytes = 11,
  kPositionDeletes = 5,
  kPositionDeleteFiles = 6,
  kEqualityDeletes = 7,
  kEqualityDeleteFiles = 8,
  kLastUpdatedAt = 9,
  kLastUpdatedSnapshotId = 10,
};

Schema partitions_schema(const TableMetadata& table) {
  const Type number = primitive(TypeKind::kInt);
  const Type large = primitive(TypeKind::kLong);
  const auto column = [](int32_t id, const char* name, Type type, bool required = true) {
    return Field{.id = id, .name = name, .required = required, .type = std::move(type)};
  };
  Schema schema;
  Type partition = union_partition_type(table);
  if (!partition.children->empty()) {
    schema.fields = {column(kPartition, "partition", std::move(partition)), column(kSpecId, "spec_id", number)};
  }
  for (Field& field :
       std::vector<Field>{column(kRecords, "record_count", large), column(kFiles, "file_count", number),
                          column(kFileBytes, "total_data_file_size_in_bytes", large),
                          column(kPositionDeletes, "position_delete_record_count", large),
                          column(kPositionDeleteFiles, "position_delete_file_count", number),
                          column(kEqualityDeletes, "equality_delete_record_count", large),
                          column(kEqualityDeleteFiles, "equality_delete_file_count", number),
                          column(kLastUpdatedAt, "last_updated_at", primitive(TypeKind::kTimestampTz), false),
                          column(kLastUpdatedSnapshotId, "last_updated_snapshot_id", large, false)}) {
    schema.fields.push_back(std::move(field));
  }
  return schema;
}

// Of the files of each FileContent.
struct Totals {
  int64_t records[3] = {};
  int32_t files[3] = {};
  int64_t bytes[3] = {};

  void add(const Totals& other) {
    for (int i = 0; i < 3; ++i) {
      records[i] += other.records[i];
      files[i] += other.files[i];
      bytes[i] += other.bytes[i];
    }
  }
};

struct Partition {
  Value values;  // of union_partition_type
  int32_t spec_id = 0;
  Totals totals;
  const Snapshot* last_updated = nullptr;  // null: the snapshots of all files are gone

  // `spec_id` is that of the file which was changed last.
  void update(const Snapshot* snapshot, int32_t spec) {
    if (!snapshot || (last_updated && snapshot->timestamp_ms <= last_updated->timestamp_ms)) return;
    last_updated = snapshot;
    spec_id = spec;
  }
};

// In the order in which files have them.
struct Partitions {
  std::vector<Partition> partitions;
  std::unordered_map<std::string, size_t> places;

  Partition& at(const std::string& key, const std::function<Partition()>& make) {
    const auto [place, is_new] = places.try_emplace(key, partitions.size());
    if (is_new) partitions.push_back(make());
    return partitions[place->second];
  }
};

class Summing {
 public:
  explicit Summing(InspectionPtr inspection)
      : inspection_(std::move(inspection)),
        filter_(*inspection_),
        type_(union_partition_type(inspection_->metadata())) {
    for (const Field& field : *type_.children) fields_.fields.push_back({.field_id = field.id});
    for (const auto& snapshot : inspection_->metadata().snapshots) {
      snapshots_.emplace(snapshot->snapshot_id, snapshot.get());
    }
  }

  Partitions all() const {
    constexpr size_t kTogether = 64;
    std::vector<ManifestFile> manifests = manifests_of_snapshot(*inspection_);
    std::erase_if(manifests, [&](const ManifestFile& manifest) { return !filter_.may_match(manifest); });
    Partitions sums;
    for (size_t begin = 0; begin < manifests.size(); begin += kTogether) {
      std::vector<Partitions> parts(std::min(kTogether, manifests.size() - begin));
      parallel_for(
          parts.size(),
          [&](size_t i) { parts[i] = of_table(*inspection_, [&] { return of_manifest(manifests[begin + i]); }); },
          inspection_->stop);
      for (Partitions& part : parts) merge(std::move(part), sums);
    }
    return sums;
  }

 private:
  Partitions of_manifest(const ManifestFile& file) const {
    const ManifestReaderPtr reader = open_manifest(*inspection_->io, file);
    const ManifestPtr manifest = reader->entries();
    const std::vector<uint8_t> keep = filter_.keeps_all() ? std::vector<uint8_t>() : filter_.may_match(*reader);
    const PartitionKeys keys(*manifest, fields_, *current_schema(inspection_->metadata()));
    const auto width =
        static_cast<int32_t>(std::count_if(fields_.fields.begin(), fields_.fields.end(),
                                           [&](const PartitionField& field) { return has(*manifest, field); }));
    Partitions partitions;
    std::string key;
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted || (!keep.empty() && !keep[i])) continue;
      // Partitions of several specs are one if their values are the same, and as many: so it is in Java, whose specs
      // with another number of fields make partitions of their own. In the key's place for the spec stands that number.
      keys.write(i, key);
      std::memcpy(key.data(), &width, sizeof(width));
      Partition& partition = partitions.at(key, [&] { return new_partition(*manifest, i); });
      const auto content = static_cast<size_t>(manifest->file_content[i]);
      Totals file_totals;
      file_totals.records[content] = std::max<int64_t>(manifest->record_count[i], 0);
      file_totals.files[content] = 1;
      file_totals.bytes[content] = manifest->file_size_in_bytes[i];
      partition.totals.add(file_totals);
      const auto snapshot = snapshots_.find(manifest->snapshot_id[i]);
      partition.update(snapshot == snapshots_.end() ? nullptr : snapshot->second, manifest->spec_id);
    }
    return partitions;
  }

  static bool has(const Manifest& manifest, const PartitionField& field) {
    return std::any_of(manifest.spec.fields.begin(), manifest.spec.fields.end(),
                       [&](const PartitionField& each) { return each.field_id == field.field_id; });
  }

  Partition new_partition(const Manifest& manifest, size_t entry) const {
    const std::vector<Value> values = partition_values(manifest, entry, *current_schema(inspection_->metadata()));
    return {.values = partition_struct(manifest, values, type_), .spec_id = manifest.spec_id};
  }

  static void merge(Partitions part, Partitions& sums) {
    std::vector<const std::string*> keys(part.partitions.size());
    for (const auto& [key, place] : part.places) keys[place] = &key;
    for (size_t i = 0; i < keys.size(); ++i) {
      Partition& from = part.partitions[i];
      Partition& into = sums.at(*keys[i], [&] { return Partition{.values = from.values, .spec_id = from.spec_id}; });
      into.totals.add(from.totals);
      into.update(from.last_updated, from.spec_id);
    }
  }

  const InspectionPtr inspection_;
  const EntryFilter filter_;
  const Type type_;
  PartitionSpec fields_;  // those of the type, by their ids
  std::unordered_map<int64_t, const Snapshot*> snapshots_;
};

Value value_of(const Partition& partition, int32_t column) {
  constexpr auto kData = static_cast<size_t>(FileContent::kData);
  constexpr auto kPositions = static_cast<size_t>(FileContent::kPositionDeletes);
  constexpr auto kEqualities = static_cast<size_t>(FileContent::kEqualityDeletes);
  const Totals& totals = partition.totals;
  const Snapshot* snapshot = partition.last_updated;
  switch (column) {
    case kPartition:
      return partition.values;
    case kSpecId:
      return partition.spec_id;
    case kRecords:
      return totals.records[kData];
    case kFiles:
      return totals.files[kData];
    case kFileBytes:
      return totals.bytes[kData];
    case kPositionDeletes:
      return totals.records[kPositions];
    case kPositionDeleteFiles:
      return totals.files[kPositions];
    case kEqualityDeletes:
      return totals.records[kEqualities];
    case kEqualityDeleteFiles:
      return totals.files[kEqualities];
    case kLastUpdatedAt:
      return snapshot ? Value(to_micros(snapshot->timestamp_ms)) : Value();
    default:  // kLastUpdatedSnapshotId
      return snapshot ? Value(snapshot->snapshot_id) : Value();
  }
}

// The values of fields that are wanted.
Value some_fields(const Value& partition, const Type& all, const Type& wanted) {
  std::vector<Value> values;
  for (size_t i = 0; i < all.children->size(); ++i) {
    const auto same = [&](const Field& field) { return field.id == (*all.children)[i].id; };
    if (std::any_of(wanted.children->begin(), wanted.children->end(), same)) {
      values.push_back(partition.as<std::vector<Value>>()[i]);
    }
  }
  return values;
}

constexpr size_t kBatchRows = 8192;

BatchStream rows_of_partitions(const InspectionPtr& inspection) {
  return [inspection, schema = to_arrow_schema(inspection->columns), all = union_partition_type(inspection->metadata()),
          sums = Summing(inspection).all(), next = size_t{0}]() mutable -> std::shared_ptr<arrow::RecordBatch> {
    const size_t begin = next;
    next = std::min(begin + kBatchRows, sums.partitions.size());
    if (begin == next) return nullptr;
    arrow::ArrayVector arrays;
    for (int i = 0; i < schema->num_fields(); ++i) {
      const Field& field = inspection->columns.fields[i];
      std::vector<Value> values;
      for (size_t k = begin; k < next; ++k) {
        Value value = value_of(sums.partitions[k], field.id);
        values.push_back(field.id == kPartition ? some_fields(value, all, field.type) : std::move(value));
      }
      arrays.push_back(to_array(values, field.type, schema->field(i)->type()));
    }
    return arrow::RecordBatch::Make(schema, static_cast<int64_t>(next - begin), std::move(arrays));
  };
}

BatchReaderPtr open_partitions(const InspectionPtr& inspection) {
  return read_in_order(inspection, inspection->snapshot ? 1 : 0,
                       [inspection](size_t) { return rows_of_partitions(inspection); });
}

}  // namespace

std::vector<MetadataTable> partition_tables() {
  return {{"partitions", true, true, &partitions_schema, &open_partitions}};
}

}  // namespace floe
