// Planning a table of a million data files and a hundred thousand delete files: 60 % deletion vectors, 35 % position
// delete files of one data file, 5 % equality deletes of a day. The limit to compare with is how long zlib takes to
// inflate the blocks of all manifests on one thread. FLOE_BENCH_FILES makes another number of data files.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "bench_files.h"
#include "floe/scan/scan.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

constexpr int kManifests = 100;

DataFile delete_file(const DataFile& data, int number, std::mt19937_64& random) {
  DataFile file;
  file.content = FileContent::kPositionDeletes;
  file.partition = data.partition;
  file.record_count = 100;
  file.file_size_in_bytes = 2000;
  const int kind = number % 20;
  if (kind < 12) {
    file.file_path = fmt::format("s3://warehouse/analytics/events/data/{:05}-deletes.puffin", number / 1000);
    file.file_format = FileFormat::kPuffin;
    file.referenced_data_file = data.file_path;
    file.content_offset = 4 + 200 * (number % 1000);
    file.content_size_in_bytes = 200;
  } else if (kind < 19) {
    file.file_path = fmt::format("s3://warehouse/analytics/events/data/{:016x}-deletes.parquet", random());
    file.lower_bounds = {{kDeleteFilePathId, data.file_path}};
    file.upper_bounds = {{kDeleteFilePathId, data.file_path}};
  } else {
    file.content = FileContent::kEqualityDeletes;
    file.file_path = fmt::format("s3://warehouse/analytics/events/data/{:016x}-keys.parquet", random());
    file.equality_ids = {1};
    const auto low = static_cast<int64_t>(random() % 1'000'000'000);
    file.value_counts = {{1, 100}};
    file.null_value_counts = {{1, 0}};
    file.lower_bounds = {{1, bench::bytes_of(low)}};
    file.upper_bounds = {{1, bench::bytes_of(low + 5'000'000)}};
  }
  return file;
}

struct Data {
  bench::Folder folder;
  IoPtr io = make_io({});
  TableMetadata table;
  std::vector<ManifestFile> manifests;

  Data() {
    const int per_manifest = bench::file_count(1'000'000) / kManifests;
    table.format_version = 3;
    table.schemas = {std::make_shared<const Schema>(bench::bench_schema())};
    table.partition_specs = {bench::bench_spec()};
    std::mt19937_64 random(42);
    for (int m = 0; m < kManifests; ++m) {
      std::vector<DataFile> data, deletes;
      for (int i = 0; i < per_manifest; ++i) {
        data.push_back(bench::bench_file(m * per_manifest + i, random));
        if (i % 10 == 0) deletes.push_back(delete_file(data.back(), (m * per_manifest + i) / 10, random));
      }
      write(data, ManifestContent::kData, 1);
      write(deletes, ManifestContent::kDeletes, 2);
    }
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->snapshot_id = 7;
    snapshot->sequence_number = 2;
    snapshot->first_row_id = 0;
    snapshot->manifest_list = folder.file("list.avro");
    int64_t next_row_id = 0;
    io->write(snapshot->manifest_list, write_manifest_list(3, *snapshot, manifests, &next_row_id));
    table.snapshots = {snapshot};
    table.current_snapshot_id = 7;
  }

  void write(const std::vector<DataFile>& files, ManifestContent content, int64_t sequence_number) {
    ManifestWriter writer(3, *table.schemas[0], table.partition_specs[0], content, 7);
    for (const DataFile& file : files) writer.add({.file = file});
    auto [bytes, manifest] = writer.finish(folder.file(fmt::format("{}.avro", manifests.size())), sequence_number);
    manifest.sequence_number = sequence_number;
    io->write(manifest.manifest_path, bytes);
    manifests.push_back(std::move(manifest));
  }
};

Data& data() {
  static Data data;
  return data;
}

void zlib_limit(benchmark::State& state) {
  data();  // made before anything is timed
  for (auto _ : state) bench::inflate_all(*data().io, data().manifests);
}

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

void cold_plan(benchmark::State& state) {
  data();
  for (auto _ : state) {
    clear_manifest_cache();
    const ScanPlan planned = plan(data().table, {}, *data().io);
    state.counters["files"] = static_cast<double>(planned.files());
    state.counters["delete_files"] = static_cast<double>(planned.deletes->size());
  }
  state.counters["peak_bytes"] = peak_bytes();
}

// What applies to each of the files.
void find_deletes(benchmark::State& state) {
  const ScanPlan planned = plan(data().table, {}, *data().io);
  for (auto _ : state) {
    size_t found = 0;
    for (const ScanPlan::Part& part : planned.parts) {
      DeleteFinder finder(*planned.deletes, *part.reader, part.manifest);
      for (const uint32_t entry : part.entries) found += finder.find(entry).files().size();
    }
    state.counters["applied"] = static_cast<double>(found);
  }
}

BENCHMARK(zlib_limit)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(cold_plan)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(find_deletes)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace floe
