// A table made by hand for the tests of this folder: files, manifests and snapshots on disk, metadata in memory.
#pragma once

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "floe/arrow_compute.h"
#include "floe/arrow_status.h"
#include "floe/expression/random_data.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/parquet_writer.h"
#include "floe/manifest/manifest.h"
#include "floe/scan/plan_tasks.h"
#include "floe/scan/scan.h"
#include "floe/scan/scan_task.h"

namespace floe::scan_test {

using random_data::Row;

inline Field field(int32_t id, std::string name, Type type, bool required = false) {
  return Field{.id = id, .name = std::move(name), .required = required, .type = std::move(type)};
}

// Rows as a batch of the schema's Arrow schema.
inline std::shared_ptr<arrow::RecordBatch> to_batch(const std::vector<Row>& rows, const Schema& schema) {
  const auto arrow_schema = to_arrow_schema(schema);
  arrow::ArrayVector columns;
  for (int i = 0; i < arrow_schema->num_fields(); ++i) {
    const Field& column = schema.fields[i];
    std::vector<Value> values;
    for (const Row& from : rows) {
      const auto value_of = random_data::values_of(from);
      if (column.type.kind != TypeKind::kStruct) {
        values.push_back(value_of(column.id));
        continue;
      }
      std::vector<Value> members;
      for (const Field& member : *column.type.children) members.push_back(value_of(member.id));
      values.emplace_back(std::move(members));
    }
    columns.push_back(to_array(values, column.type, arrow_schema->field(i)->type()));
  }
  return arrow::RecordBatch::Make(arrow_schema, static_cast<int64_t>(rows.size()), columns);
}

struct TestTable {
  explicit TestTable(Schema schema, PartitionSpec spec = {}) {
    std::string name = (std::filesystem::temp_directory_path() / "floe_scan_XXXXXX").string();
    dir = ::mkdtemp(name.data());
    metadata.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1";
    metadata.location = dir.string();
    metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
    metadata.partition_specs.push_back(std::move(spec));
    metadata.sort_orders.emplace_back();
  }
  ~TestTable() { std::filesystem::remove_all(dir); }
  TestTable(const TestTable&) = delete;

  std::string path(const std::string& name) const { return (dir / name).string(); }

  // One data file of these rows, of the partition of the first.
  DataFile write(const std::vector<Row>& rows, const Properties& properties = {}) {
    const Schema& schema = *current_schema(metadata);
    const PartitionSpec& spec = default_spec(metadata);
    ParquetWriter writer(*io, path(fmt::format("data-{}.parquet", ++files)), schema,
                         parquet_write_options(properties, schema), false);
    writer.write(*to_batch(rows, schema));
    DataFile file = writer.finish();
    file.spec_id = spec.spec_id;
    for (const PartitionField& part : spec.fields) {
      const Type& type = find_field(schema, part.source_id())->type;
      file.partition.push_back(apply(part.transform, type, random_data::values_of(rows.front())(part.source_id())));
    }
    return file;
  }

  // A snapshot that adds one manifest of these files to those of the current one.
  const Snapshot& append(const std::vector<DataFile>& added, ManifestContent content = ManifestContent::kData) {
    std::vector<ManifestEntry> entries;
    for (const DataFile& file : added) entries.push_back({.file = file});
    return append_entries(std::move(entries), content);
  }

  // Of the default spec, or another one.
  const Snapshot& append_entries(std::vector<ManifestEntry> entries, ManifestContent content = ManifestContent::kData,
                                 const PartitionSpec* spec = nullptr) {
    const int32_t version = metadata.format_version;
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->snapshot_id = 1000 + static_cast<int64_t>(metadata.snapshots.size());
    snapshot->parent_snapshot_id = metadata.current_snapshot_id;
    snapshot->summary.add("operation", operation);
    snapshot->sequence_number = ++metadata.last_sequence_number;
    snapshot->timestamp_ms = 1'000'000 + 1000 * snapshot->sequence_number;
    snapshot->schema_id = metadata.current_schema_id;
    snapshot->manifest_list = path(fmt::format("snap-{}.avro", snapshot->snapshot_id));
    if (version >= 3) snapshot->first_row_id = metadata.next_row_id;
    ManifestWriter writer(version, *current_schema(metadata), spec ? *spec : default_spec(metadata), content,
                          snapshot->snapshot_id);
    for (ManifestEntry& entry : entries) {
      if (entry.snapshot_id == 0) entry.snapshot_id = snapshot->snapshot_id;
      writer.add(entry);
    }
    auto [bytes, manifest] = writer.finish(path(fmt::format("manifest-{}.avro", ++files)), snapshot->sequence_number);
    manifest.sequence_number = snapshot->sequence_number;
    io->write(manifest.manifest_path, bytes);
    manifests.push_back(manifest);
    io->write(snapshot->manifest_list, write_manifest_list(version, *snapshot, manifests, &metadata.next_row_id));
    metadata.snapshots.push_back(snapshot);
    metadata.current_snapshot_id = snapshot->snapshot_id;
    metadata.snapshot_log.push_back({snapshot->timestamp_ms, snapshot->snapshot_id});
    metadata.refs[std::string(kMainBranch)] = {.snapshot_id = snapshot->snapshot_id};
    return *snapshot;
  }

  std::shared_ptr<arrow::Table> scan(const ScanOptions& options = {},
                                     std::shared_ptr<ScanCounters> counters = nullptr) {
    auto reader = read(metadata, plan(metadata, options, *io), options, io, std::move(counters));
    auto table = check(reader->ToTable(), "scan");
    check(table->ValidateFull(), "scan");
    return check(table->CombineChunks(), "scan");
  }

  std::filesystem::path dir;
  IoPtr io = make_io({});
  TableMetadata metadata;
  std::string operation = "append";  // of the next snapshots
  std::vector<ManifestFile> manifests;
  int files = 0;
};

// Rows in one order, whatever order they came in: by file and position, which they must have.
inline std::shared_ptr<arrow::Table> by_position(const std::shared_ptr<arrow::Table>& rows) {
  using arrow::compute::SortKey;
  const arrow::compute::SortOptions order({SortKey("_file"), SortKey("_pos")});
  initialize_compute();
  const auto indices = check(arrow::compute::SortIndices(rows, order), "sort");
  return check(check(arrow::compute::Take(rows, indices), "sort").table()->CombineChunks(), "sort");
}

// The rows of a scan's tasks, each of which goes through bytes and is read with nothing but those.
inline std::shared_ptr<arrow::Table> read_tasks(const TestTable& table, const ScanOptions& options,
                                                int64_t target_bytes) {
  const ScanPlan planned = plan(table.metadata, options, *table.io);
  const TaskOptions tasks{.target_bytes = target_bytes, .open_file_bytes = 0};
  std::vector<std::shared_ptr<arrow::Table>> read_elsewhere = {
      check(arrow::Table::MakeEmpty(to_arrow_schema(planned.projection)), "tasks")};
  for (const ScanPlan& task : plan_tasks(planned, tasks)) {
    const ScanTask there = scan_task_from_bytes(to_bytes(table.metadata, task, options));
    const auto reader = read(there.table, there.plan, there.options, make_io({}));
    read_elsewhere.push_back(check(reader->ToTable(), "tasks"));
  }
  return check(arrow::ConcatenateTables(read_elsewhere), "tasks");
}

// Tasks of any size have the rows of the scan, each once.
inline void check_tasks(TestTable& table, ScanOptions options, int64_t target_bytes) {
  options.select = {"*", "_file", "_pos"};
  const auto expected = by_position(table.scan(options));
  const auto found = by_position(read_tasks(table, options, target_bytes));
  ASSERT_TRUE(found->Equals(*expected, arrow::EqualOptions::Defaults().nans_equal(true)))
      << "tasks of " << target_bytes << " bytes\n"
      << found->ToString() << "\ninstead of\n"
      << expected->ToString();
}

}  // namespace floe::scan_test
