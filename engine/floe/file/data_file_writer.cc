#include "floe/file/data_file_writer.h"

#include <fmt/format.h>

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
