#include "floe/file/data_file_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "floe/error.h"
#include "floe/file/avro_writer.h"
#include "floe/file/orc_writer.h"
#include "floe/file/parquet_writer.h"

namespace floe {

DataFileWriters data_file_writers(FileFormat format, const Properties& table_properties, const Schema& schema) {
  switch (format) {
    case FileFormat::kParquet:
      return {.format = format,
              .make = [schema, options = parquet_write_options(table_properties, schema)](
                          Io& io, const std::string& location, bool use_threads) {
                return std::make_unique<ParquetWriter>(io, location, schema, options, use_threads);
              }};
    case FileFormat::kAvro:
      return avro_writers(table_properties, schema);
    case FileFormat::kOrc:
      return orc_writers(table_properties, schema);
    case FileFormat::kPuffin:
      break;
  }
  throw InvalidArgument(fmt::format("{} is no format of data files", to_string(format)));
}

Properties delete_properties(const Properties& table_properties) {
  constexpr std::string_view kDelete = "write.delete.", kWrite = "write.";
  Properties properties;
  for (const auto& [key, value] : table_properties) {
    if (!key.starts_with("write.metadata.metrics.") && !key.starts_with("write.parquet.bloom-filter-enabled.")) {
      properties.emplace(key, value);
    }
  }
  for (const auto& [key, value] : table_properties) {
    if (key.starts_with(kDelete)) properties.insert_or_assign(std::string(kWrite) + key.substr(kDelete.size()), value);
  }
  return properties;
}

void refuse_unknown_properties(const Properties& properties, std::string_view prefix,
                               std::initializer_list<std::string_view> known) {
  for (auto it = properties.lower_bound(prefix); it != properties.end() && it->first.starts_with(prefix); ++it) {
    const std::string_view name = std::string_view(it->first).substr(prefix.size());
    if (std::ranges::find(known, name) != known.end()) continue;
    throw NotSupported(
        fmt::format("{}={}: this engine does not do that when it writes; remove the property", it->first, it->second));
  }
}

std::string_view file_extension(FileFormat format) {
  switch (format) {
    case FileFormat::kParquet:
      return "parquet";
    case FileFormat::kAvro:
      return "avro";
    case FileFormat::kOrc:
      return "orc";
    case FileFormat::kPuffin:
      break;
  }
  return "puffin";
}

}  // namespace floe
