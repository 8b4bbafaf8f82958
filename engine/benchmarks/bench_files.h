// What benchmarks of metadata share: data files with statistics of ten columns, partitioned by day, and the limit to
// compare with.
#pragma once

#include <arrow/buffer.h>
#include <fmt/format.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/error.h"
#include "floe/io/io.h"
#include "floe/manifest/data_file.h"
#include "floe/manifest/manifest_list.h"
#include "floe/spec/partition_spec.h"
#include "floe/spec/schema.h"

namespace floe::bench {

constexpr int kColumns = 10;

template <typename T>
inline std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

inline Schema bench_schema() {
  Schema schema{.fields = {{.id = 1, .name = "id", .required = true, .type = primitive(TypeKind::kLong)},
                           {.id = 2, .name = "small", .type = primitive(TypeKind::kInt)},
                           {.id = 3, .name = "ratio", .type = primitive(TypeKind::kDouble)},
                           {.id = 4, .name = "category", .type = primitive(TypeKind::kString)},
                           {.id = 5, .name = "text", .type = primitive(TypeKind::kString)},
                           {.id = 6, .name = "at", .type = primitive(TypeKind::kTimestampTz)},
                           {.id = 7, .name = "day", .type = primitive(TypeKind::kDate)},
                           {.id = 8, .name = "flag", .type = primitive(TypeKind::kBoolean)},
                           {.id = 9, .name = "price", .type = decimal_type(18, 2)},
                           {.id = 10, .name = "other", .type = primitive(TypeKind::kLong)}}};
  return schema;
}

inline PartitionSpec bench_spec() {
  return {.spec_id = 0,
          .fields = {{.source_ids = {6}, .field_id = 1000, .name = "at_day", .transform = parse_transform("day")}}};
}

inline DataFile bench_file(int number, std::mt19937_64& random) {
  DataFile file;
  const int32_t day = 19'000 + number % 30;
  file.file_path = fmt::format("s3://warehouse/analytics/events/data/at_day={}/{:05}-{:016x}-{:016x}.parquet", day,
                               number % 1000, random(), random());
  file.partition = {day};
  file.record_count = 50'000 + static_cast<int64_t>(random() % 1000);
  file.file_size_in_bytes = 4'000'000 + static_cast<int64_t>(random() % 500'000);
  for (int32_t id = 1; id <= kColumns; ++id) {
    file.column_sizes.emplace_back(id, 1000 + random() % 400'000);
    file.value_counts.emplace_back(id, file.record_count);
    file.null_value_counts.emplace_back(id, id == 1 ? 0 : random() % 50);
  }
  file.nan_value_counts = {{3, 0}};
  const auto low = static_cast<int64_t>(random() % 1'000'000'000);
  const std::vector<std::pair<std::string, std::string>> bounds = {
      {bytes_of(low), bytes_of(low + 5'000'000)},
      {bytes_of<int32_t>(3), bytes_of<int32_t>(99'000)},
      {bytes_of(0.0001), bytes_of(0.9999)},
      {"category_01", "category_49"},
      {fmt::format("{:016x}", random()), fmt::format("{:016x}", random())},
      {bytes_of(int64_t{day} * 86'400'000'000), bytes_of(int64_t{day + 1} * 86'400'000'000 - 1)},
      {bytes_of(day), bytes_of(day)},
      {bytes_of(false), bytes_of(true)},
      {std::string("\x01\x02", 2), std::string("\x7f\xff\x02", 3)},
      {bytes_of(static_cast<int64_t>(random())), bytes_of(static_cast<int64_t>(random()))}};
  for (int32_t id = 1; id <= kColumns; ++id) {
    file.lower_bounds.emplace_back(id, bounds[id - 1].first);
    file.upper_bounds.emplace_back(id, bounds[id - 1].second);
  }
  file.split_offsets = {4};
  return file;
}

// How many data files there are: FLOE_BENCH_FILES, unless that is not set.
inline int file_count(int otherwise) {
  const char* count = std::getenv("FLOE_BENCH_FILES");
  return count != nullptr ? std::atoi(count) : otherwise;
}

// A temporary folder that lives as long as this.
class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "floe-benchmark.XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw Error("no temporary folder");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The limit: the manifests are read, and their blocks inflated by zlib, on one thread. Returns the bytes that come out.
inline size_t inflate_all(Io& io, const std::vector<ManifestFile>& manifests) {
  std::vector<Bytef> out(1 << 20);
  size_t total = 0;
  z_stream stream{};
  inflateInit2(&stream, -15);
  for (const ManifestFile& file : manifests) {
    const auto buffer = io.read(file.manifest_path);
    const std::string_view bytes(reinterpret_cast<const char*>(buffer->data()), buffer->size());
    avro::Cursor in(bytes.substr(avro::read_header(bytes, "").size));
    while (in.left() > 0) {
      in.read_long();
      const std::string_view block = in.read_bytes();
      in.read_fixed(16);
      inflateReset(&stream);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
      stream.avail_in = static_cast<uInt>(block.size());
      stream.next_out = out.data();
      stream.avail_out = static_cast<uInt>(out.size());
      inflate(&stream, Z_FINISH);
      total += stream.total_out;
    }
  }
  inflateEnd(&stream);
  return total;
}

}  // namespace floe::bench
