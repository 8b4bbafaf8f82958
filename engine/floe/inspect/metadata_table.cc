#include "floe/inspect/metadata_table.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <deque>
#include <optional>
#include <utility>

#include "floe/arrow_compute.h"
#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/read_ahead.h"

namespace floe {
namespace {

constexpr std::string_view kWhat = "a metadata table as Arrow";

// Sources that are read at a time.
constexpr size_t kWindow = 16;
// What a source gives in one turn: all of a small one.
constexpr int64_t kTurnRows = 8 << 10;
// Small batches go together into one, up to this many rows: each costs its consumer as much as many rows.
constexpr int64_t kBatchRows = 1000;

using Batches = std::deque<std::shared_ptr<arrow::RecordBatch>>;

class OrderedReader final : public arrow::RecordBatchReader {
 public:
  OrderedReader(const InspectionPtr& inspection, size_t n, std::function<BatchStream(size_t)> open)
      : schema_(to_arrow_schema(inspection->columns)),
        sources_(n, [open = std::move(open)](size_t i) { return begin(open(i)); }, kWindow, inspection->stop) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      arrow::RecordBatchVector batches;
      const size_t last_source = begun_ + kWindow;
      for (int64_t rows = 0; rows < kBatchRows && begun_ <= last_source; rows += batches.back()->num_rows()) {
        auto batch = next_batch();
        if (!batch) break;
        batches.push_back(std::move(batch));
      }
      *out = batches.empty()       ? nullptr
             : batches.size() == 1 ? batches[0]
                                   : check(arrow::ConcatenateRecordBatches(batches), kWhat);
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  struct Source {
    Batches turn;
    BatchStream more;  // null: that was all
  };

  static Source begin(BatchStream batches) {
    Source source{.turn = {}, .more = std::move(batches)};
    take_turn(source);
    return source;
  }

  static void take_turn(Source& source) {
    for (int64_t rows = 0; rows < kTurnRows; rows += source.turn.back()->num_rows()) {
      auto batch = source.more();
      if (!batch) {
        source.more = nullptr;
        return;
      }
      source.turn.push_back(std::move(batch));
    }
  }

  // Null: the end.
  std::shared_ptr<arrow::RecordBatch> next_batch() {
    while (source_.turn.empty()) {
      if (source_.more) {
        take_turn(source_);
        continue;
      }
      std::optional<Source> next = sources_.next();
      if (!next) return nullptr;
      source_ = *std::move(next);
      ++begun_;
    }
    auto batch = std::move(source_.turn.front());
    source_.turn.pop_front();
    return batch;
  }

  const std::shared_ptr<arrow::Schema> schema_;
  ReadAhead<Source> sources_;
  Source source_;
  size_t begun_ = 0;
};

}  // namespace

BatchReaderPtr read_in_order(const InspectionPtr& inspection, size_t n, std::function<BatchStream(size_t)> open) {
  initialize_compute();
  return std::make_unique<OrderedReader>(inspection, n, std::move(open));
}

BatchReaderPtr read_batches(const InspectionPtr& inspection, arrow::RecordBatchVector batches) {
  return read_in_order(inspection, 1, [batches = std::move(batches)](size_t) -> BatchStream {
    return [batches, next = size_t{0}]() mutable { return next < batches.size() ? batches[next++] : nullptr; };
  });
}

int64_t to_micros(int64_t ms) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(ms, 1000, &micros)) throw CorruptFile(fmt::format("the time {} ms is out of range", ms));
  return micros;
}

}  // namespace floe
