#include "floe/transaction/merge_parts.h"

#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/batch.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// Rows are put aside in so many partitions, and several of these are a part.
constexpr uint64_t kPartitions = 1024;
constexpr int64_t kRowsAtATime = 65'536;
constexpr std::string_view kStep = "collecting the rows to merge";

BatchPtr combined(const std::shared_ptr<arrow::Schema>& schema, const arrow::RecordBatchVector& batches) {
  if (batches.empty()) return check(arrow::RecordBatch::MakeEmpty(schema), kStep);
  return check(check(arrow::Table::FromRecordBatches(schema, batches), kStep)->CombineChunksToBatch(), kStep);
}

}  // namespace

MergeParts::MergeParts(arrow::RecordBatchReader& rows, const Schema& schema, const KeyColumns& keys, int64_t memory,
                       const WriteOptions& write)
    : schema_(schema), keys_(keys), write_(write), memory_(memory) {
  const BatchFitter fitter(schema, *rows.schema(), write.table_name);
  arrow_schema_ = fitter.schema();
  arrow::RecordBatchVector batches;
  int64_t bytes = 0;
  for (BatchPtr batch;;) {
    check(rows.ReadNext(&batch), fmt::format("table {}: reading the rows to merge", write.table_name));
    if (!batch) break;
    check(write.stop.Poll(), fmt::format("table {}: merge stopped", write.table_name));
    batches.push_back(fitter.fit(*batch));
    bytes += arrow::util::ReferencedBufferSize(*batches.back()).ValueOr(0);
    if (bytes <= memory) continue;
    for (const BatchPtr& each : batches) put_aside(*each);
    batches.clear();
  }
  if (!aside_) {
    whole_ = std::make_shared<MergeSource>(combined(arrow_schema_, batches), schema, keys, write.table_name);
    ranges_ = whole_->ranges();
    return;
  }
  int64_t part_bytes = 0;
  for (const ExternalSort::Partition& partition : aside_->finish()) {
    if (parts_.empty() || part_bytes + partition.bytes > memory / 2) {
      parts_.emplace_back();
      part_bytes = 0;
    }
    part_bytes += partition.bytes;
    parts_.back().push_back(partition);
  }
}

MergeParts::~MergeParts() = default;

void MergeParts::put_aside(const arrow::RecordBatch& rows) {
  if (!aside_) {
    hasher_ = std::make_unique<KeyIndex>(keys_.types(), kJoinKeys);
    ranges_.resize(keys_.fields().size());
    // Putting them in order takes as much again.
    aside_ = std::make_unique<ExternalSort>(
        arrow_schema_, nullptr,
        ExternalSortOptions{
            .memory = memory_ / 2, .folder = write_.sort_folder, .table_name = write_.table_name, .stop = write_.stop});
  }
  std::vector<uint64_t> hashes;
  std::vector<int32_t> partitions;
  for (int64_t begin = 0; begin < rows.num_rows(); begin += kRowsAtATime) {
    const BatchPtr batch = rows.Slice(begin, kRowsAtATime);
    const arrow::ArrayVector columns = keys_.of(*batch, schema_);
    for (size_t c = 0; c < columns.size(); ++c) ranges_[c].add(*columns[c], keys_.fields()[c].type);
    hasher_->hash(columns, hashes);
    partitions.clear();
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      // Those that match nothing may be anywhere, and there may be many.
      const bool matchless = std::ranges::any_of(columns, [&](const auto& column) { return column->IsNull(row); });
      const uint64_t place = matchless ? static_cast<uint64_t>(matchless_++) : hashes[row];
      partitions.push_back(static_cast<int32_t>(place % kPartitions));
    }
    aside_->add(batch, partitions);
  }
}

std::shared_ptr<MergeSource> MergeParts::part(size_t i) const {
  if (whole_) return whole_;
  arrow::RecordBatchVector batches;
  for (const ExternalSort::Partition& partition : parts_[i]) {
    const auto next = aside_->read(partition);
    while (BatchPtr batch = next()) batches.push_back(std::move(batch));
  }
  return std::make_shared<MergeSource>(combined(arrow_schema_, batches), schema_, keys_, write_.table_name);
}

}  // namespace floe
