// The data files of benchmarks of metadata: ten columns with statistics, partitioned by day.
#pragma once

#include <fmt/format.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "floe/manifest/data_file.h"
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

}  // namespace floe::bench
