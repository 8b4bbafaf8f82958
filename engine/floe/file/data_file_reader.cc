#include "floe/file/data_file_reader.h"

#include <fmt/format.h>

#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/avro_reader.h"
#include "floe/file/orc_reader.h"

namespace floe {
namespace {

class StreamReader final : public arrow::RecordBatchReader {
 public:
  StreamReader(std::shared_ptr<arrow::Schema> schema, std::vector<BatchStream> streams)
      : schema_(std::move(schema)), streams_(std::move(streams)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      *out = nullptr;
      while (!*out && next_ < streams_.size()) {
        *out = streams_[next_]();
        if (!*out) streams_[next_++] = nullptr;
      }
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  std::vector<BatchStream> streams_;
  size_t next_ = 0;
};

}  // namespace

std::vector<BatchStream> open_data_file(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                                        FileContext context, const std::string& name_mapping_json,
                                        std::shared_ptr<ParquetScanCounters> counters) {
  switch (file.file_format) {
    case FileFormat::kParquet: {
      const ParquetFile parquet(io, file, std::move(options), std::move(context), name_mapping_json,
                                std::move(counters));
      std::vector<BatchStream> streams;
      for (size_t i = 0; i < parquet.row_groups(); ++i) streams.push_back(parquet.read(i));
      return streams;
    }
    case FileFormat::kAvro:
      return {open_avro(io, file, std::move(options), std::move(context), name_mapping_json, std::move(counters))};
    case FileFormat::kOrc:
      return {open_orc(io, file, std::move(options), std::move(context), name_mapping_json, std::move(counters))};
    case FileFormat::kPuffin:
      break;
  }
  throw NotSupported(fmt::format("{}: files of format {} have no rows", file.file_path, to_string(file.file_format)));
}

std::unique_ptr<arrow::RecordBatchReader> read_data_file(Io& io, const DataFile& file,
                                                         const ParquetReadOptions& options, const FileContext& context,
                                                         const std::string& name_mapping_json,
                                                         std::shared_ptr<ParquetScanCounters> counters) {
  return std::make_unique<StreamReader>(to_arrow_schema(options.projection),
                                        open_data_file(io, file, std::make_shared<const ParquetReadOptions>(options),
                                                       context, name_mapping_json, std::move(counters)));
}

}  // namespace floe
