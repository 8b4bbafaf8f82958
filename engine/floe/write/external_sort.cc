#include "floe/write/external_sort.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/api.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/batch.h"
#include "floe/io/temporary_file.h"
#include "floe/parallel.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using BatchStream = std::function<BatchPtr()>;

constexpr int64_t kMergedRuns = 256;          // at a time
constexpr int64_t kMergedBytes = 128 << 10;   // of a batch in a run that is to be merged
constexpr int64_t kUnorderedBytes = 8 << 20;  // of a batch in a run that is not
constexpr int64_t kOutputBytes = 8 << 20;     // of a batch that comes out
constexpr int64_t kOutputRows = 131'072;
constexpr size_t kAtATime = 16;  // batches of a run made at once
constexpr const char* kStep = "sorting rows";

// A row to be sorted.
struct Place {
  uint64_t prefix;  // of the key
  int32_t partition;
  uint32_t row;
};
constexpr int64_t kBytesOfRow = sizeof(Place) + sizeof(int32_t) + sizeof(uint64_t);

uint64_t prefix_of(std::string_view key) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, key.data(), std::min(key.size(), sizeof bytes));
  return __builtin_bswap64(bytes);
}

BatchPtr take(const arrow::RecordBatch& batch, const arrow::UInt32Array& rows) {
  arrow::ArrayVector columns;
  for (const auto& column : batch.columns()) {
    columns.push_back(check(arrow::compute::Take(*column, rows, arrow::compute::TakeOptions::NoBoundsCheck()), kStep));
  }
  return arrow::RecordBatch::Make(batch.schema(), rows.length(), std::move(columns));
}

// A batch of a run, in the temporary file.
struct Piece {
  int32_t partition = 0;
  int64_t rows = 0;
  int64_t offset = 0, size = 0;
  int64_t bytes = 0;  // in memory
};
using Run = std::vector<Piece>;  // by partition, and in order within each

std::pair<const Piece*, const Piece*> pieces_of(const Run& run, int32_t partition) {
  const auto [begin, end] = std::equal_range(run.begin(), run.end(), Piece{.partition = partition},
                                             [](const Piece& a, const Piece& b) { return a.partition < b.partition; });
  return {run.data() + (begin - run.begin()), run.data() + (end - run.begin())};
}

// Runs of batches in one temporary file. Their schema ends with the column of keys where there are any.
class Runs {
 public:
  Runs(std::shared_ptr<arrow::Schema> schema, const std::string& folder) : schema_(std::move(schema)), file_(folder) {
    ipc_.codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOr(nullptr);
    ipc_.use_threads = false;
  }

  std::shared_ptr<arrow::Buffer> serialize(const arrow::RecordBatch& batch) const {
    return check(arrow::ipc::SerializeRecordBatch(batch, ipc_), kStep);
  }
  // Appends to the last run.
  void append(Piece piece, const arrow::Buffer& batch) {
    piece.offset = file_.append(std::string_view(batch));
    piece.size = batch.size();
    runs.back().push_back(piece);
  }
  BatchPtr read(const Piece& piece) const {
    arrow::io::BufferReader in(file_.read(piece.offset, piece.size));
    const arrow::ipc::DictionaryMemo* const no_dictionaries = nullptr;
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    return check(arrow::ipc::ReadRecordBatch(schema_, no_dictionaries, options, &in), kStep);
  }

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  std::vector<Run> runs;

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  TemporaryFile file_;
  arrow::ipc::IpcWriteOptions ipc_ = arrow::ipc::IpcWriteOptions::Defaults();
};

// The rows of one partition in several runs, merged by their keys. Rows of equal keys come in the order of the runs.
class Merge {
 public:
  Merge(const Runs& file, size_t first_run, size_t end_run, int32_t partition) : file_(file) {
    for (size_t run = first_run; run < end_run; ++run) {
      const auto [begin, end] = pieces_of(file.runs[run], partition);
      if (begin == end) continue;
      bytes_per_row_ = std::max(bytes_per_row_, begin->bytes / std::max<int64_t>(begin->rows, 1));
      cursors_.push_back({.next = begin, .end = end});
    }
    for (size_t i = 0; i < cursors_.size(); ++i) {
      load(cursors_[i]);
      heap_.push_back(i);
    }
    std::make_heap(heap_.begin(), heap_.end(), after());
  }

  // The next rows, with their keys; null at the end.
  BatchPtr next() {
    if (heap_.empty()) return nullptr;
    const auto most = static_cast<size_t>(std::clamp<int64_t>(kOutputBytes / (bytes_per_row_ + 1), 1, kOutputRows));
    std::vector<std::pair<uint32_t, uint32_t>> picked;  // source, row
    while (picked.size() < most && !heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), after());
      Cursor& cursor = cursors_[heap_.back()];
      picked.emplace_back(cursor.source, cursor.row);
      if (advance(cursor)) {
        std::push_heap(heap_.begin(), heap_.end(), after());
      } else {
        heap_.pop_back();
      }
    }
    return gather(picked);
  }

 private:
  struct Cursor {
    const Piece* next = nullptr;
    const Piece* end = nullptr;
    BatchPtr batch;
    const arrow::LargeBinaryArray* keys = nullptr;
    std::string_view key;
    uint32_t source = 0;  // which of sources_ the batch is
    uint32_t row = 0;
  };

  // Of two cursors, whether the first one's row comes later: the heap's top is the one that comes first.
  std::function<bool(size_t, size_t)> after() const {
    return [this](size_t a, size_t b) {
      const int order = cursors_[a].key.compare(cursors_[b].key);
      return order != 0 ? order > 0 : a > b;
    };
  }

  void load(Cursor& cursor) {
    cursor.batch = file_.read(*cursor.next++);
    cursor.source = static_cast<uint32_t>(sources_.size());
    sources_.push_back(cursor.batch);
    const int last = cursor.batch->num_columns() - 1;
    cursor.keys = static_cast<const arrow::LargeBinaryArray*>(cursor.batch->column(last).get());
    cursor.row = 0;
    cursor.key = cursor.keys->GetView(0);
  }

  bool advance(Cursor& cursor) {
    if (++cursor.row < cursor.batch->num_rows()) {
      cursor.key = cursor.keys->GetView(cursor.row);
      return true;
    }
    if (cursor.next == cursor.end) return false;
    load(cursor);
    return true;
  }

  BatchPtr gather(const std::vector<std::pair<uint32_t, uint32_t>>& picked) {
    std::vector<uint32_t> begins;
    uint32_t rows = 0;
    for (const BatchPtr& source : sources_) {
      begins.push_back(rows);
      rows += static_cast<uint32_t>(source->num_rows());
    }
    std::vector<uint32_t> indices;
    indices.reserve(picked.size());
    for (const auto& [source, row] : picked) indices.push_back(begins[source] + row);
    const BatchPtr all = sources_.size() == 1 ? sources_[0] : check(arrow::ConcatenateRecordBatches(sources_), kStep);
    sources_.clear();
    for (const size_t i : heap_) {
      cursors_[i].source = static_cast<uint32_t>(sources_.size());
      sources_.push_back(cursors_[i].batch);
    }
    return take(*all, arrow::UInt32Array(static_cast<int64_t>(indices.size()), arrow::Buffer::Wrap(indices)));
  }

  const Runs& file_;
  int64_t bytes_per_row_ = 1;
  std::vector<Cursor> cursors_;
  std::vector<size_t> heap_;       // cursors that have rows left
  std::vector<BatchPtr> sources_;  // of which the next batch is made
};

// Rows of one partition within what is sorted in memory.
struct Range {
  int32_t partition;
  int64_t begin, end;
};

}  // namespace

struct ExternalSort::State {
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<arrow::Schema> run_schema;  // with the keys
  const RowOrder* order;
  ExternalSortOptions options;

  // What is in memory.
  std::vector<arrow::ArrayVector> columns;
  std::vector<int32_t> partitions;
  RowKeys keys;
  int64_t bytes = 0;
  // And, once it is sorted:
  BatchPtr sorted_from;
  std::vector<uint32_t> sorted;
  std::vector<Range> ranges;

  std::unique_ptr<Runs> runs;

  void sort();
  void spill();
  void merge_runs();
  BatchPtr rows_of(const std::vector<uint32_t>& rows, int64_t begin, int64_t end, bool with_keys) const;
  void write_run(const std::vector<Piece>& pieces, const std::function<BatchPtr(size_t)>& batch);
  int64_t rows_within(int64_t piece_bytes) const;
  void poll() const {
    if (options.stop.IsStopRequested()) throw Cancelled(fmt::format("table {}: write stopped", options.table_name));
  }
};

// How many rows take so many bytes.
int64_t ExternalSort::State::rows_within(int64_t piece_bytes) const {
  const int64_t rows = std::max<int64_t>(static_cast<int64_t>(partitions.size()), 1);
  return std::clamp<int64_t>(piece_bytes / std::max<int64_t>(bytes / rows, 1), 1, kOutputRows);
}

// Puts what is in memory in order.
void ExternalSort::State::sort() {
  std::vector<Place> places(partitions.size());
  for (size_t i = 0; i < places.size(); ++i) {
    places[i] = {order ? prefix_of(keys[i]) : 0, partitions[i], static_cast<uint32_t>(i)};
  }
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
    if (a.partition != b.partition) return a.partition < b.partition;
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    if (order) {
      const int compared = keys[a.row].compare(keys[b.row]);
      if (compared != 0) return compared < 0;
    }
    return a.row < b.row;
  });
  sorted.clear();
  ranges.clear();
  for (size_t i = 0; i < places.size(); ++i) {
    if (ranges.empty() || ranges.back().partition != places[i].partition) {
      ranges.push_back({places[i].partition, static_cast<int64_t>(i), static_cast<int64_t>(i)});
    }
    ++ranges.back().end;
    sorted.push_back(places[i].row);
  }
  arrow::ArrayVector joined(columns.size());
  parallel_for(columns.size(), [&](size_t i) {
    joined[i] = check(arrow::Concatenate(columns[i]), kStep);
    columns[i].clear();
  });
  sorted_from = arrow::RecordBatch::Make(schema, static_cast<int64_t>(sorted.size()), std::move(joined));
}

BatchPtr ExternalSort::State::rows_of(const std::vector<uint32_t>& rows, int64_t begin, int64_t end,
                                      bool with_keys) const {
  const arrow::UInt32Array indices(end - begin, arrow::Buffer::Wrap(rows.data() + begin, end - begin));
  BatchPtr batch = take(*sorted_from, indices);
  if (!with_keys) return batch;
  arrow::LargeBinaryBuilder builder;
  for (int64_t i = begin; i < end; ++i) check(builder.Append(keys[rows[i]]), kStep);
  return arrow::RecordBatch::Make(run_schema, end - begin, [&] {
    arrow::ArrayVector all = batch->columns();
    all.push_back(check(builder.Finish(), kStep));
    return all;
  }());
}

// Appends a run, some of its batches made at once.
void ExternalSort::State::write_run(const std::vector<Piece>& pieces, const std::function<BatchPtr(size_t)>& batch) {
  runs->runs.emplace_back();
  for (size_t first = 0; first < pieces.size(); first += kAtATime) {
    poll();
    const size_t count = std::min(kAtATime, pieces.size() - first);
    std::vector<std::shared_ptr<arrow::Buffer>> buffers(count);
    std::vector<int64_t> sizes(count);
    parallel_for(count, [&](size_t i) {
      const BatchPtr rows = batch(first + i);
      sizes[i] = arrow::util::ReferencedBufferSize(*rows).ValueOr(0);
      buffers[i] = runs->serialize(*rows);
    });
    for (size_t i = 0; i < count; ++i) {
      Piece piece = pieces[first + i];
      piece.bytes = sizes[i];
      runs->append(piece, *buffers[i]);
    }
  }
}

// What is in memory becomes a run.
void ExternalSort::State::spill() {
  if (partitions.empty()) return;
  if (!runs) runs = std::make_unique<Runs>(run_schema, options.folder);
  const int64_t most = rows_within(order ? kMergedBytes : kUnorderedBytes);
  sort();
  std::vector<Piece> pieces;
  std::vector<int64_t> begins;
  for (const Range& range : ranges) {
    for (int64_t begin = range.begin; begin < range.end; begin += most) {
      pieces.push_back({.partition = range.partition, .rows = std::min(most, range.end - begin)});
      begins.push_back(begin);
    }
  }
  write_run(pieces, [&](size_t i) { return rows_of(sorted, begins[i], begins[i] + pieces[i].rows, order != nullptr); });
  sorted_from = nullptr;
  partitions.clear();
  keys = {};
  sorted.clear();
  ranges.clear();
  bytes = 0;
}

// Merges runs to fewer until they can be merged at once.
void ExternalSort::State::merge_runs() {
  while (static_cast<int64_t>(runs->runs.size()) > kMergedRuns) {
    auto merged = std::make_unique<Runs>(run_schema, options.folder);
    for (size_t first = 0; first < runs->runs.size(); first += kMergedRuns) {
      const size_t end = std::min(first + kMergedRuns, runs->runs.size());
      merged->runs.emplace_back();
      std::vector<int32_t> numbers;
      for (size_t run = first; run < end; ++run) {
        for (const Piece& piece : runs->runs[run]) numbers.push_back(piece.partition);
        std::sort(numbers.begin(), numbers.end());
        numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
      }
      for (const int32_t partition : numbers) {
        Merge merge(*runs, first, end, partition);
        while (const BatchPtr batch = merge.next()) {
          poll();
          const int64_t bytes_of_all = arrow::util::ReferencedBufferSize(*batch).ValueOr(0);
          const int64_t rows =
              std::max<int64_t>(kMergedBytes * batch->num_rows() / std::max<int64_t>(bytes_of_all, 1), 1);
          for (int64_t begin = 0; begin < batch->num_rows(); begin += rows) {
            const BatchPtr slice = batch->Slice(begin, rows);
            merged->append({.partition = partition,
                            .rows = slice->num_rows(),
                            .bytes = arrow::util::ReferencedBufferSize(*slice).ValueOr(0)},
                           *merged->serialize(*slice));
          }
        }
      }
    }
    runs = std::move(merged);
  }
}

ExternalSort::ExternalSort(std::shared_ptr<arrow::Schema> schema, const RowOrder* order, ExternalSortOptions options)
    : state_(std::make_unique<State>()) {
  state_->run_schema = schema;
  if (order) {
    // The last column, whatever the others are called.
    state_->run_schema =
        check(schema->AddField(schema->num_fields(), arrow::field("key", arrow::large_binary(), false)), kStep);
  }
  state_->columns.resize(schema->num_fields());
  state_->schema = std::move(schema);
  state_->order = order;
  state_->options = std::move(options);
}

ExternalSort::~ExternalSort() = default;

void ExternalSort::add(const BatchPtr& batch, const std::vector<int32_t>& partitions) {
  State& state = *state_;
  if (batch->num_rows() == 0) return;
  const size_t keys_before = state.keys.bytes.size();
  if (state.order) state.order->append_keys(*batch, state.keys);
  const BatchPtr rows = compact(batch);
  for (int i = 0; i < rows->num_columns(); ++i) state.columns[i].push_back(rows->column(i));
  state.partitions.insert(state.partitions.end(), partitions.begin(), partitions.end());
  state.bytes += arrow::util::ReferencedBufferSize(*rows).ValueOr(0) + kBytesOfRow * rows->num_rows() +
                 static_cast<int64_t>(state.keys.bytes.size() - keys_before);
  if (state.bytes >= state.options.memory) state.spill();
}

std::vector<ExternalSort::Partition> ExternalSort::finish() {
  State& state = *state_;
  std::vector<Partition> partitions;
  if (!state.runs) {
    if (state.partitions.empty()) return partitions;
    const int64_t per_row = state.bytes / static_cast<int64_t>(state.partitions.size());
    state.sort();
    for (const Range& range : state.ranges) {
      const int64_t rows = range.end - range.begin;
      partitions.push_back({.number = range.partition, .rows = rows, .bytes = rows * per_row});
    }
    return partitions;
  }
  state.spill();
  if (state.order) state.merge_runs();
  std::map<int32_t, Partition> by_number;
  for (const Run& run : state.runs->runs) {
    for (const Piece& piece : run) {
      Partition& partition = by_number[piece.partition];
      partition.number = piece.partition;
      partition.rows += piece.rows;
      partition.bytes += piece.bytes;
    }
  }
  for (const auto& [number, partition] : by_number) partitions.push_back(partition);
  return partitions;
}

namespace {

// Batch after batch of the runs, which are in order one after the other.
BatchStream read_in_turn(const Runs& runs, int32_t partition) {
  std::vector<const Piece*> pieces;
  for (const Run& run : runs.runs) {
    const auto [begin, end] = pieces_of(run, partition);
    for (const Piece* piece = begin; piece != end; ++piece) pieces.push_back(piece);
  }
  return [&runs, pieces = std::move(pieces), next = size_t{0}]() mutable -> BatchPtr {
    // Small ones are joined, for whoever takes them has some work with each.
    std::vector<BatchPtr> joined;
    for (int64_t bytes = 0; next < pieces.size() && bytes < kOutputBytes; bytes += pieces[next++]->bytes) {
      joined.push_back(runs.read(*pieces[next]));
    }
    if (joined.size() <= 1) return joined.empty() ? nullptr : joined[0];
    return check(arrow::ConcatenateRecordBatches(joined), kStep);
  };
}

}  // namespace

BatchStream ExternalSort::read(const Partition& partition) const {
  const State& state = *state_;
  if (!state.runs) {
    const auto range = std::lower_bound(state.ranges.begin(), state.ranges.end(), partition.number,
                                        [](const Range& each, int32_t number) { return each.partition < number; });
    const int64_t most = state.rows_within(kOutputBytes);
    return [&state, most, at = range->begin, end = range->end]() mutable -> BatchPtr {
      if (at == end) return nullptr;
      const int64_t begin = std::exchange(at, std::min(at + most, end));
      return state.rows_of(state.sorted, begin, at, false);
    };
  }
  if (!state.order) return read_in_turn(*state.runs, partition.number);
  auto merge = std::make_shared<Merge>(*state.runs, 0, state.runs->runs.size(), partition.number);
  return [&state, merge]() -> BatchPtr {
    const BatchPtr batch = merge->next();
    if (!batch) return nullptr;
    arrow::ArrayVector columns = batch->columns();
    columns.pop_back();
    return arrow::RecordBatch::Make(state.schema, batch->num_rows(), std::move(columns));
  };
}

}  // namespace floe
