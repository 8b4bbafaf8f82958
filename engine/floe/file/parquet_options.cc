#include "floe/file/parquet_options.h"

#include <fmt/format.h>
#include <parquet/bloom_filter.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

#include "floe/arrow_status.h"

namespace floe {
namespace {

constexpr std::string_view kPrefix = "write.parquet.";

std::string key_of(std::string_view name) { return std::string(kPrefix) + std::string(name); }

int64_t positive(const Properties& properties, std::string_view name, int64_t otherwise, int64_t most = INT64_MAX) {
  const std::string key = key_of(name);
  const int64_t value = int_property(properties, key, otherwise);
  if (value < 1 || value > most) throw InvalidArgument(fmt::format("{}={}: it must be from 1 to {}", key, value, most));
  return value;
}

arrow::Compression::type codec_of(const Properties& properties) {
  using C = arrow::Compression;
  constexpr std::pair<std::string_view, C::type> kCodecs[] = {
      {"zstd", C::ZSTD}, {"snappy", C::SNAPPY}, {"gzip", C::GZIP},         {"brotli", C::BROTLI},
      {"lz4", C::LZ4},   {"lz4_raw", C::LZ4},   {"none", C::UNCOMPRESSED}, {"uncompressed", C::UNCOMPRESSED}};
  const std::string key = key_of("compression-codec");
  const std::string text = string_property(properties, key, "zstd");
  std::string name = text;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [known, codec] : kCodecs) {
    if (name != known) continue;
    if (!arrow::util::Codec::IsAvailable(codec)) throw NotSupported(fmt::format("{}={}: Arrow has it not", key, text));
    return codec;
  }
  throw NotSupported(
      fmt::format("{}={}: Parquet files are written with zstd, snappy, gzip, brotli, lz4 or uncompressed", key, text));
}

std::optional<int> level_of(const Properties& properties, arrow::Compression::type codec) {
  const std::string key = key_of("compression-level");
  const auto found = properties.find(key);
  if (found == properties.end() || found->second.empty() || found->second == "null") return std::nullopt;
  const int64_t level = int_property(properties, key, 0);
  const std::string name = arrow::util::Codec::GetCodecAsString(codec);
  if (!arrow::util::Codec::SupportsCompressionLevel(codec))
    throw InvalidArgument(fmt::format("{}={}: {} has no levels; remove the property", key, level, name));
  const int least = check(arrow::util::Codec::MinimumCompressionLevel(codec), key);
  const int most = check(arrow::util::Codec::MaximumCompressionLevel(codec), key);
  if (level < least || level > most)
    throw InvalidArgument(fmt::format("{}={}: levels of {} go from {} to {}", key, level, name, least, most));
  return static_cast<int>(level);
}

double fraction(const Properties& properties, const std::string& key, double otherwise) {
  const auto found = properties.find(key);
  if (found == properties.end()) return otherwise;
  const std::string& text = found->second;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0 && value < 1))
    throw InvalidArgument(fmt::format("{}={}: it must be a number between 0 and 1", key, text));
  return value;
}

// `<prefix><column>=true` for columns that the schema has. A property of a column that was dropped or renamed stays
// behind without effect.
template <typename F>
void for_each_column(const Properties& properties, std::string_view name, const Schema& schema, F&& visit) {
  const std::string prefix = key_of(name);
  for (auto it = properties.lower_bound(prefix); it != properties.end() && it->first.starts_with(prefix); ++it) {
    const std::string column = it->first.substr(prefix.size());
    if (const Field* field = find_field(schema, column)) visit(*field, column, it->first);
  }
}

parquet::BloomFilterOptions bloom_filter(const Properties& properties, const Field& field, const std::string& column) {
  if (field.type.kind == TypeKind::kBoolean || field.type.is_nested() || field.type.kind == TypeKind::kVariant)
    throw InvalidArgument(fmt::format("write.parquet.bloom-filter-enabled.column.{}: a {} has no bloom filter", column,
                                      to_string(field.type)));
  parquet::BloomFilterOptions filter;
  filter.fpp = fraction(properties, key_of("bloom-filter-fpp.column." + column), 0.01);
  const int64_t most = positive(properties, "bloom-filter-max-bytes", 1 << 20, 128 << 20);
  const int64_t rows = positive(properties, "row-group-limit", 1 << 20);
  // Arrow has no limit of bytes, so the number of distinct values is brought down until the filter is small enough.
  int64_t ndv = positive(properties, "bloom-filter-ndv.column." + column, rows);
  while (ndv > 1 && parquet::BlockSplitBloomFilter::OptimalNumOfBytes(static_cast<uint64_t>(ndv), filter.fpp) > most)
    ndv = ndv / 4 * 3;
  filter.ndv = std::max<int64_t>(ndv, 1);
  return filter;
}

void refuse_what_is_not_done(const Properties& properties) {
  if (const auto key = properties.find("encryption.key-id"); key != properties.end())
    throw NotSupported("encryption.key-id: this engine does not write encrypted files");
  if (bool_property(properties, "write.parquet.shred-variants", false))
    throw NotSupported("write.parquet.shred-variants=true: this engine writes variants unshredded");
}

}  // namespace

std::shared_ptr<const ParquetWriteOptions> parquet_write_options(const Properties& table_properties,
                                                                 const Schema& schema) {
  refuse_what_is_not_done(table_properties);
  auto options = std::make_shared<ParquetWriteOptions>();
  const auto read = [&](std::string_view name, int64_t& value, int64_t most = INT64_MAX) {
    value = positive(table_properties, name, value, most);
  };
  options->codec = codec_of(table_properties);
  options->level = level_of(table_properties, options->codec);
  read("row-group-size-bytes", options->row_group_bytes);
  read("row-group-limit", options->row_group_rows);
  read("page-size-bytes", options->page_bytes, 1 << 30);
  read("page-row-limit", options->page_rows);
  read("dict-size-bytes", options->dictionary_bytes, 1 << 30);
  const std::string version_key = key_of("page-version");
  const std::string version = string_property(table_properties, version_key, "v1");
  if (version == "v2") {
    options->page_version = parquet::ParquetDataPageVersion::V2;
  } else if (version != "v1") {
    throw InvalidArgument(fmt::format("{}={}: it is v1 or v2", version_key, version));
  }
  for_each_column(table_properties, "bloom-filter-enabled.column.", schema,
                  [&](const Field& field, const std::string& column, const std::string& key) {
                    if (bool_property(table_properties, key, false))
                      options->bloom_filters.emplace_back(field.id, bloom_filter(table_properties, field, column));
                  });
  for_each_column(table_properties, "stats-enabled.column.", schema,
                  [&](const Field& field, const std::string&, const std::string& key) {
                    if (!bool_property(table_properties, key, true)) options->without_statistics.push_back(field.id);
                  });
  options->metrics = metrics_modes(table_properties, schema);
  return options;
}

std::shared_ptr<parquet::WriterProperties> writer_properties(const ParquetWriteOptions& options,
                                                             const parquet::SchemaDescriptor& schema,
                                                             const std::vector<bool>& dictionary,
                                                             arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(pool)
      ->compression(options.codec)
      ->data_pagesize(options.page_bytes)
      ->max_rows_per_page(options.page_rows)
      ->dictionary_pagesize_limit(options.dictionary_bytes)
      ->max_row_group_length(options.row_group_rows)
      ->data_page_version(options.page_version)
      ->enable_store_decimal_as_integer()
      ->enable_page_checksum()
      ->enable_write_page_index();
  if (options.level) builder.compression_level(*options.level);
  for (int i = 0; i < schema.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *schema.Column(i);
    const int32_t id = column.schema_node()->field_id();
    if (!dictionary[static_cast<size_t>(i)]) builder.disable_dictionary(column.path());
    for (const auto& [field, filter] : options.bloom_filters)
      if (field == id) builder.enable_bloom_filter(column.path(), filter);
    if (std::count(options.without_statistics.begin(), options.without_statistics.end(), id) > 0)
      builder.disable_statistics(column.path());
  }
  return builder.build();
}

}  // namespace floe
