// How to write Parquet, from a table's properties.
#pragma once

#include <arrow/util/compression.h>
#include <parquet/properties.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "floe/file/metrics.h"
#include "floe/file/parquet_writer.h"

namespace floe {

struct ParquetWriteOptions {
  arrow::Compression::type codec = arrow::Compression::ZSTD;
  std::optional<int> level;
  int64_t row_group_bytes = 128 << 20;
  int64_t row_group_rows = 1 << 20;
  int64_t page_bytes = 1 << 20;
  int64_t page_rows = 20'000;
  int64_t dictionary_bytes = 2 << 20;
  parquet::ParquetDataPageVersion page_version = parquet::ParquetDataPageVersion::V1;
  ByFieldId<parquet::BloomFilterOptions> bloom_filters;
  std::vector<int32_t> without_statistics;  // field ids
  ByFieldId<MetricsMode> metrics;
};

// For one file. `dictionary` says of each leaf column whether it gets one.
std::shared_ptr<parquet::WriterProperties> writer_properties(const ParquetWriteOptions& options,
                                                             const parquet::SchemaDescriptor& schema,
                                                             const std::vector<bool>& dictionary,
                                                             arrow::MemoryPool* pool);

}  // namespace floe
