#include <arrow/api.h>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/scan/scan.h"
#include "floe/scan/scanner.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class ScanReader final : public arrow::RecordBatchReader {
 public:
  ScanReader(std::shared_ptr<arrow::Schema> schema, std::shared_ptr<Scanner> scanner)
      : schema_(std::move(schema)), scanner_(std::move(scanner)) {}
  ~ScanReader() override { scanner_->close(); }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    try {
      *out = scanner_->next().batch;
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

  arrow::Status Close() override {
    scanner_->close();
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<Scanner> scanner_;
};

}  // namespace

std::unique_ptr<arrow::RecordBatchReader> read(const TableMetadata& table, ScanPlan plan, const ScanOptions& options,
                                               IoPtr io, std::shared_ptr<ScanCounters> counters) {
  const auto schema = to_arrow_schema(plan.projection);
  auto files = std::make_unique<ScanFiles>(table, std::move(plan), options, std::move(io), std::move(counters));
  return std::make_unique<ScanReader>(schema, std::make_shared<Scanner>(std::move(files), options));
}

void read_mapped(const TableMetadata& table, ScanPlan plan, const ScanOptions& options, IoPtr io, const BatchMap& map,
                 const std::function<void(size_t part, size_t index, const arrow::RecordBatch&)>& found) {
  ScanOptions ordered = options;
  ordered.ordered = true;
  ordered.limit.reset();
  auto files = std::make_unique<ScanFiles>(table, std::move(plan), ordered, std::move(io), nullptr);
  const auto scanner = std::make_shared<Scanner>(std::move(files), ordered, map);
  try {
    for (Scanner::Rows rows = scanner->next(); rows.batch; rows = scanner->next()) {
      const ScanFiles::Place place = scanner->files().place(rows.file);
      found(place.part, place.index, *rows.batch);
    }
  } catch (...) {
    scanner->close();
    throw;
  }
  scanner->close();
}

}  // namespace floe
