// Decoding manifests: 100,000 data files in 100 manifests, with statistics of ten columns, as PyIceberg writes them
// (one entry in each Avro block) and as this engine does (blocks of 64 KiB). The limit to compare with is how long zlib
// takes to inflate the blocks of the first kind on one thread. FLOE_BENCH_FILES makes another number of data files.
#include <arrow/buffer.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <zlib.h>

#include <random>
#include <thread>
#include <vector>

#include "bench_files.h"
#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/io/io.h"
#include "floe/manifest/manifest.h"

namespace floe {
namespace {

using bench::bench_file;
using bench::bench_schema;
using bench::bench_spec;

constexpr int kManifests = 100;
constexpr int kThreads = 2;

// The same records in blocks of one each, compressed by zlib and with the rest of its checksum behind, as PyIceberg
// does.
std::string one_entry_a_block(const std::vector<std::string>& entries, const avro::Header& header) {
  std::string file(header.raw);
  file += header.sync;
  std::string deflated;
  for (const std::string& entry : entries) {
    uLongf size = compressBound(entry.size());
    deflated.resize(size);
    compress(reinterpret_cast<Bytef*>(deflated.data()), &size, reinterpret_cast<const Bytef*>(entry.data()),
             entry.size());
    avro::append_long(file, 1);
    avro::append_bytes(file, std::string_view(deflated).substr(2, size - 3));
    file += header.sync;
  }
  return file;
}

struct Manifests {
  std::vector<ManifestFile> files;
  size_t bytes = 0;
};

// All manifests, written once into a temporary folder.
struct Data {
  bench::Folder folder;
  IoPtr io = make_io({});
  Manifests foreign, own;

  Data() {
    const int per_manifest = bench::file_count(100'000) / kManifests;
    std::mt19937_64 random(42);
    for (int m = 0; m < kManifests; ++m) {
      const auto own_writer = new_writer("deflate");
      std::unique_ptr<ManifestWriter> raw_writer;
      std::vector<int64_t> sizes;
      std::vector<std::string> entries;
      for (int i = 0; i < per_manifest; ++i) {
        const DataFile file = bench_file(m * per_manifest + i, random);
        own_writer->add({.file = file});
        // Uncompressed, and too few for a block to be full, so that what is added is the entry alone.
        if (i % 50 == 0) raw_writer = new_writer("null");
        const int64_t start = raw_writer->bytes_written();
        raw_writer->add({.file = file});
        sizes.push_back(raw_writer->bytes_written() - start);
        if (i % 50 == 49 || i + 1 == per_manifest) {
          const std::string block = first_block(raw_writer->finish("", 1).first);
          size_t at = 0;
          for (const int64_t size : sizes) {
            entries.push_back(block.substr(at, size));
            at += size;
          }
          sizes.clear();
        }
      }
      add(own, own_writer->finish(folder.file(fmt::format("own-{}.avro", m)), 1));
      const std::string empty = new_writer("deflate")->finish("", 1).first;
      ManifestFile file = own.files.back();
      file.manifest_path = folder.file(fmt::format("foreign-{}.avro", m));
      std::string bytes = one_entry_a_block(entries, avro::read_header(empty, ""));
      file.manifest_length = static_cast<int64_t>(bytes.size());
      add(foreign, {std::move(bytes), file});
    }
  }

  static std::unique_ptr<ManifestWriter> new_writer(const std::string& codec) {
    return std::make_unique<ManifestWriter>(2, bench_schema(), bench_spec(), ManifestContent::kData, 7, codec);
  }

  static std::string first_block(const std::string& bytes) {
    std::string block;
    avro::for_each_block(bytes, avro::read_header(bytes, ""), "",
                         [&](int64_t, std::string_view data) { block = data; });
    return block;
  }

  void add(Manifests& manifests, std::pair<std::string, ManifestFile> written) {
    io->write(written.second.manifest_path, written.first);
    manifests.bytes += written.first.size();
    manifests.files.push_back(std::move(written.second));
  }
};

Data& data() {
  static Data data;
  return data;
}

const Manifests& manifests(const benchmark::State& state) { return state.range(0) == 0 ? data().foreign : data().own; }

// Calls `work` for every manifest, on two threads.
void on_threads(const Manifests& manifests, const std::function<void(const ManifestFile&)>& work) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < manifests.files.size(); i += kThreads) work(manifests.files[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void zlib_limit(benchmark::State& state) {
  data();  // made before anything is timed
  for (auto _ : state) {
    const size_t total = bench::inflate_all(*data().io, manifests(state).files);
    state.counters["uncompressed_bytes"] = static_cast<double>(total);
    state.counters["file_bytes"] = static_cast<double>(manifests(state).bytes);
  }
}

void decompress_only(benchmark::State& state) {
  for (auto _ : state) {
    on_threads(manifests(state), [](const ManifestFile& file) {
      const auto buffer = data().io->read(file.manifest_path);
      const std::string_view bytes(reinterpret_cast<const char*>(buffer->data()), buffer->size());
      avro::for_each_block(bytes, avro::read_header(bytes, ""), "",
                           [](int64_t, std::string_view block) { benchmark::DoNotOptimize(block.size()); });
    });
  }
}

void cold_entries(benchmark::State& state) {
  for (auto _ : state) {
    clear_manifest_cache();
    on_threads(manifests(state), [](const ManifestFile& file) { open_manifest(*data().io, file)->entries(); });
    state.counters["memory_bytes"] = static_cast<double>(manifest_cache_stats().bytes);
  }
}

void cold_entries_and_one_column(benchmark::State& state) {
  for (auto _ : state) {
    clear_manifest_cache();
    on_threads(manifests(state), [](const ManifestFile& file) {
      const auto reader = open_manifest(*data().io, file);
      reader->stats({1});
      reader->entries();
    });
    state.counters["memory_bytes"] = static_cast<double>(manifest_cache_stats().bytes);
  }
}

void warm_entries_and_one_column(benchmark::State& state) {
  const auto all = [&] {
    on_threads(manifests(state), [](const ManifestFile& file) {
      const auto reader = open_manifest(*data().io, file);
      reader->stats({1});
      reader->entries();
    });
  };
  all();
  for (auto _ : state) all();
}

void whole_data_files(benchmark::State& state) {
  for (auto _ : state) {
    clear_manifest_cache();
    on_threads(manifests(state), [](const ManifestFile& file) {
      benchmark::DoNotOptimize(open_manifest(*data().io, file)->data_files());
    });
  }
}

// Argument 0: as PyIceberg writes them; 1: our own.
BENCHMARK(zlib_limit)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(decompress_only)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(cold_entries)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(cold_entries_and_one_column)
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK(warm_entries_and_one_column)
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK(whole_data_files)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace floe
