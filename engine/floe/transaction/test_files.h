// For tests of this folder: a table's folder, and data files that are entries of manifests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "floe/manifest/manifest.h"
#include "floe/transaction/scripted_catalog.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {

// A live file of a snapshot, and what its entry inherits or says.
struct LiveFile {
  std::string name;  // the last part of its path
  int64_t sequence_number = 0;
  int64_t snapshot_id = 0;
  EntryStatus status = EntryStatus::kAdded;
  int64_t first_row_id = kAbsent;
};

class TransactionFolder : public testing::Test {
 protected:
  TransactionFolder()
      : folder_(std::filesystem::temp_directory_path() / ("floe-transaction-" + new_uuid())), io_(make_io({})) {
    std::filesystem::create_directories(folder_);
  }
  ~TransactionFolder() override { std::filesystem::remove_all(folder_); }

  // (id: long, day: string), by day.
  TableMetadata new_table(int format_version = 2, Properties properties = {}) {
    properties.emplace("format-version", std::to_string(format_version));
    properties.emplace("commit.retry.min-wait-ms", "0");
    properties.emplace("commit.retry.max-wait-ms", "1");
    return new_table_metadata({.schema = {.fields = {{.id = 1, .name = "id", .type = primitive(TypeKind::kLong)},
                                                     {.id = 2, .name = "day", .type = primitive(TypeKind::kString)}}},
                               .spec = {.fields = {{.source_ids = {2}, .field_id = 1000, .name = "day"}}},
                               .location = folder_ / "t",
                               .properties = std::move(properties)});
  }

  // `rows` rows whose ids are from `first` on.
  DataFile file(const std::string& name, const std::string& day = "mon", int64_t first = 0, int64_t rows = 10) {
    DataFile data;
    data.file_path = folder_ / "t/data" / name;
    data.partition = {Value(day)};
    data.record_count = rows;
    data.file_size_in_bytes = rows * 100;
    data.value_counts = {{1, rows}, {2, rows}};
    data.null_value_counts = {{1, 0}, {2, 0}};
    const Type type = primitive(TypeKind::kLong);
    data.lower_bounds = {{1, to_bytes(Value(first), type)}};
    data.upper_bounds = {{1, to_bytes(Value(first + rows - 1), type)}};
    return data;
  }

  // Of a file whose partition is of ints, longs and strings.
  static Removal removal_of(const DataFile& file, bool may_be_gone = false) {
    Removal removal{.id = id_of(file), .content = file.content, .spec_id = file.spec_id, .may_be_gone = may_be_gone};
    for (const Value& value : file.partition) {
      const TypeKind kind = std::holds_alternative<int32_t>(value.data)   ? TypeKind::kInt
                            : std::holds_alternative<int64_t>(value.data) ? TypeKind::kLong
                                                                          : TypeKind::kString;
      removal.partition.emplace_back(to_bytes(value, primitive(kind)));
    }
    return removal;
  }

  DataFile deletes_of(const DataFile& data, const std::string& name) {
    DataFile deletes;
    deletes.content = FileContent::kPositionDeletes;
    deletes.file_path = folder_ / "t/data" / name;
    deletes.spec_id = data.spec_id;
    deletes.partition = data.partition;
    deletes.record_count = 1;
    deletes.file_size_in_bytes = 50;
    deletes.referenced_data_file = data.file_path;
    return deletes;
  }

  DataFile vector_of(const DataFile& data, const std::string& name, int64_t offset = 4) {
    DataFile vector = deletes_of(data, name);
    vector.file_format = FileFormat::kPuffin;
    vector.content_offset = offset;
    vector.content_size_in_bytes = 40;
    return vector;
  }

  DataFile equality_deletes(const std::string& name, const std::string& day) {
    DataFile deletes = file(name, day);
    deletes.content = FileContent::kEqualityDeletes;
    deletes.equality_ids = {1};
    return deletes;
  }

  std::vector<LiveFile> live_files(const TableMetadata& table, const Snapshot& snapshot) {
    std::vector<LiveFile> files;
    for (const ManifestFile& manifest : manifests_of(*io_, snapshot)) {
      const ManifestPtr entries = open_manifest(*io_, manifest)->entries();
      for (size_t i = 0; i < entries->size; ++i) {
        if (entries->status[i] == EntryStatus::kDeleted) continue;
        files.push_back({std::filesystem::path(entries->file_path[i]).filename(), entries->sequence_number[i],
                         entries->snapshot_id[i], entries->status[i], entries->first_row_id[i]});
      }
    }
    (void)table;
    return files;
  }

  std::set<std::string> live_names(const LoadedTable& table, const std::string& ref = "main") {
    std::set<std::string> names;
    const Snapshot* snapshot = snapshot_by_ref(*table.metadata, ref);
    if (!snapshot) return names;
    for (const LiveFile& live : live_files(*table.metadata, *snapshot)) names.insert(live.name);
    return names;
  }

  // The files of metadata that are there, and those that the snapshots refer to.
  std::set<std::string> metadata_files() {
    std::set<std::string> names;
    if (!std::filesystem::exists(folder_ / "t/metadata")) return names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "t/metadata")) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  std::set<std::string> referenced_metadata(const LoadedTable& table) {
    std::set<std::string> names;
    for (const auto& snapshot : table.metadata->snapshots) {
      names.insert(std::filesystem::path(snapshot->manifest_list).filename());
      for (const ManifestFile& manifest : manifests_of(*io_, *snapshot)) {
        names.insert(std::filesystem::path(manifest.manifest_path).filename());
      }
    }
    return names;
  }

  std::filesystem::path folder_;
  IoPtr io_;
};

}  // namespace floe
