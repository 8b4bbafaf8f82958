#include "floe/file/orc_writer.h"

#include <arrow/adapters/orc/adapter.h>
#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/batch.h"
#include "floe/file/batch_metrics.h"
#include "floe/file/orc_schema.h"
#include "floe/file/parquet_schema.h"
#include "floe/spec/utf8.h"

namespace floe {
namespace {

namespace orc = arrow::adapters::orc;

constexpr int64_t kMostRowsAtOnce = 1 << 20;
constexpr double kExpectedCompression = 0.3;  // of what is not yet encoded, before there is experience

struct OrcOptions {
  Schema table_schema;
  Schema file_schema;  // without columns of type unknown
  std::shared_ptr<arrow::Schema> orc_schema;
  orc::WriteOptions write;
  ByFieldId<MetricsMode> metrics;
};

arrow::Compression::type codec_of(const Properties& properties) {
  using C = arrow::Compression;
  constexpr std::pair<std::string_view, C::type> kCodecs[] = {
      {"zlib", C::GZIP}, {"snappy", C::SNAPPY}, {"lz4", C::LZ4}, {"zstd", C::ZSTD}, {"none", C::UNCOMPRESSED}};
  const std::string text = string_property(properties, "write.orc.compression-codec", "zlib");
  for (const auto& [name, codec] : kCodecs) {
    if (fold_case(text) == name) return codec;
  }
  throw NotSupported(
      fmt::format("write.orc.compression-codec={}: ORC files are written with zlib, zstd, snappy, lz4 or none", text));
}

orc::CompressionStrategy strategy_of(const Properties& properties) {
  const std::string text = string_property(properties, "write.orc.compression-strategy", "speed");
  if (fold_case(text) == "speed") return orc::CompressionStrategy::kSpeed;
  if (fold_case(text) == "compression") return orc::CompressionStrategy::kCompression;
  throw InvalidArgument(fmt::format("write.orc.compression-strategy={}: it is speed or compression", text));
}

int64_t positive(const Properties& properties, std::string_view key, int64_t otherwise, int64_t most) {
  const int64_t value = int_property(properties, key, otherwise);
  if (value < 1 || value > most) throw InvalidArgument(fmt::format("{}={}: it must be from 1 to {}", key, value, most));
  return value;
}

// The ORC library's exceptions, which Arrow lets through while it writes, as ours: the store failed.
template <typename F>
auto orc_call(const std::string& location, F&& call) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw IoError(fmt::format("{}: {}", location, e.what()));
  }
}

bool has_offset(const arrow::ArrayData& data) {
  return data.offset != 0 || std::any_of(data.child_data.begin(), data.child_data.end(),
                                         [](const auto& child) { return has_offset(*child); });
}

class OrcWriter final : public DataFileWriter {
 public:
  OrcWriter(Io& io, std::string location, std::shared_ptr<const OrcOptions> options)
      : location_(std::move(location)),
        options_(std::move(options)),
        metrics_(options_->file_schema),
        output_(io.create(location_)),
        writer_(check(orc::ORCFileWriter::Open(output_->stream().get(), options_->write), location_)) {}
  ~OrcWriter() override {
    if (output_) output_->abort();
  }

  void write(const arrow::RecordBatch& batch) override {
    if (batch.num_columns() != static_cast<int>(options_->table_schema.fields.size())) {
      throw InvalidArgument(fmt::format("{}: a batch has {} columns, the table has {}", location_, batch.num_columns(),
                                        options_->table_schema.fields.size()));
    }
    if (batch.num_rows() == 0) return;
    const arrow::ArrayVector known =
        known_columns(batch.columns(), options_->file_schema.fields, options_->table_schema.fields);
    metrics_.add(*arrow::RecordBatch::Make(options_->orc_schema, batch.num_rows(), known));
    arrow::ArrayVector columns;
    for (size_t i = 0; i < known.size(); ++i) {
      const auto& field = options_->orc_schema->field(static_cast<int>(i));
      columns.push_back(to_orc(*known[i], field->type(), field->name()));
      // Arrow's adapter loses the nulls of structs in slices.
      if (has_offset(*columns.back()->data())) columns.back() = check(arrow::Concatenate({columns.back()}), location_);
    }
    const int64_t before = bytes_on_disk();
    const auto rows = arrow::RecordBatch::Make(options_->orc_schema, batch.num_rows(), std::move(columns));
    orc_call(location_, [&] { check(writer_->Write(*rows), location_); });
    if (bytes_on_disk() > before) buffered_ = 0;  // the stripe was written
    buffered_ += arrow::util::ReferencedBufferSize(batch).ValueOr(0);
  }

  int64_t bytes_written() const override {
    return bytes_on_disk() + static_cast<int64_t>(static_cast<double>(buffered_) * kExpectedCompression);
  }
  int64_t bytes_in_memory() const override { return buffered_; }
  void end_row_group() override {}

  DataFile finish() override {
    if (metrics_.rows() == 0) {  // a file needs a schema
      check(writer_->Write(*check(arrow::RecordBatch::MakeEmpty(options_->orc_schema), location_)), location_);
    }
    orc_call(location_, [&] { check(writer_->Close(), location_); });
    DataFile file;
    file.file_path = location_;
    file.file_format = FileFormat::kOrc;
    file.file_size_in_bytes = bytes_on_disk();
    metrics_.fill_in(file, options_->metrics);
    output_->close();
    return file;
  }

 private:
  int64_t bytes_on_disk() const { return output_->stream()->Tell().ValueOr(0); }

  const std::string location_;
  const std::shared_ptr<const OrcOptions> options_;
  BatchMetrics metrics_;
  std::unique_ptr<OutputFile> output_;
  std::unique_ptr<orc::ORCFileWriter> writer_;
  int64_t buffered_ = 0;  // of rows since the last stripe
};

}  // namespace

DataFileWriters orc_writers(const Properties& table_properties, const Schema& schema) {
  refuse_unknown_properties(
      table_properties, "write.orc.",
      {"compression-codec", "compression-strategy", "stripe-size-bytes", "vectorized.batch-size"});
  auto options = std::make_shared<OrcOptions>();
  options->table_schema = schema;
  options->file_schema = without_unknown(schema);
  options->orc_schema = to_orc_schema(options->file_schema);
  options->write.compression = codec_of(table_properties);
  options->write.compression_strategy = strategy_of(table_properties);
  options->write.stripe_size = positive(table_properties, "write.orc.stripe-size-bytes", 64 << 20, INT64_MAX);
  options->write.batch_size = positive(table_properties, "write.orc.vectorized.batch-size", 1024, kMostRowsAtOnce);
  options->metrics = metrics_modes(table_properties, schema);
  const int64_t stripe = options->write.stripe_size;
  return {.format = FileFormat::kOrc,
          .make = [options = std::shared_ptr<const OrcOptions>(std::move(options))](
                      Io& io, const std::string& location,
                      bool) { return std::make_unique<OrcWriter>(io, location, options); },
          .memory_each = stripe};
}

}  // namespace floe
