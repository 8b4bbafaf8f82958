#include "floe/inspect/metadata_table.h"

#include <arrow/api.h>
#include <arrow/compute/initialize.h>
#include <fmt/format.h>

#include <deque>
#include <set>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/parallel.h"
#include "floe/scan/metadata_columns.h"

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
  OrderedReader(InspectionPtr inspection, size_t n, std::function<BatchStream(size_t)> open)
      : inspection_(std::move(inspection)),
        schema_(to_arrow_schema(inspection_->columns)),
        size_(n),
        open_(std::move(open)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* out) override {
    try {
      while (ready_.empty() && (next_ < size_ || !window_.empty())) read_more();
      arrow::RecordBatchVector batches;
      for (int64_t rows = 0; !ready_.empty() && rows < kBatchRows; rows += batches.back()->num_rows()) {
        batches.push_back(std::move(ready_.front()));
        ready_.pop_front();
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
    size_t index = 0;
    BatchStream next;  // null: not open yet
    Batches turn;
    bool done = false;
  };

  void read_more() {
    while (next_ < size_ && window_.size() < kWindow) window_.push_back({.index = next_++});
    parallel_for(window_.size(), [&](size_t i) { take_turn(window_[i]); }, inspection_->stop);
    while (!window_.empty()) {
      Source& first = window_.front();
      for (auto& batch : first.turn) ready_.push_back(std::move(batch));
      first.turn.clear();
      if (!first.done) return;
      window_.pop_front();
    }
  }

  void take_turn(Source& source) {
    if (source.done || !source.turn.empty()) return;
    if (!source.next) source.next = open_(source.index);
    for (int64_t rows = 0; rows < kTurnRows; rows += source.turn.back()->num_rows()) {
      auto batch = source.next();
      if (!batch) {
        source.done = true;
        source.next = nullptr;
        return;
      }
      source.turn.push_back(std::move(batch));
    }
  }

  const InspectionPtr inspection_;
  const std::shared_ptr<arrow::Schema> schema_;
  const size_t size_;
  const std::function<BatchStream(size_t)> open_;
  size_t next_ = 0;
  std::deque<Source> window_;
  Batches ready_;
};

}  // namespace

Type union_partition_type(const TableMetadata& table) {
  const Schema& schema = *current_schema(table);
  std::set<int32_t> active;
  for (const PartitionSpec& spec : table.partition_specs) {
    for (const PartitionField& field : spec.fields) {
      const auto& ids = field.source_ids;
      if (std::all_of(ids.begin(), ids.end(), [&](int32_t id) { return find_field(schema, id) != nullptr; })) {
        active.insert(field.field_id);
      }
    }
  }
  const Field all = *metadata_column(table, schema, "_partition");
  std::vector<Field> fields;
  for (const Field& field : *all.type.children) {
    if (active.contains(field.id)) fields.push_back(field);
  }
  return struct_type(std::move(fields));
}

BatchReaderPtr read_in_order(const InspectionPtr& inspection, size_t n, std::function<BatchStream(size_t)> open) {
  static const arrow::Status initialized = arrow::compute::Initialize();
  check(initialized, "Arrow's compute functions");
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
