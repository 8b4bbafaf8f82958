#include "floe/file/parquet_writer.h"

#include <arrow/api.h>
#include <arrow/util/key_value_metadata.h>
#include <arrow/util/thread_pool.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/batch.h"
#include "floe/file/parquet_dictionary.h"
#include "floe/file/parquet_metrics.h"
#include "floe/file/parquet_options.h"
#include "floe/file/parquet_schema.h"

namespace floe {
namespace {

constexpr int64_t kSampleRows = 16'384;       // to look at before the first row is encoded
constexpr int64_t kSampleBytes = 4 << 20;     // or so many bytes, if the rows are wide
constexpr int64_t kEncodeBytes = 32 << 20;    // encoded before the size of the row group is looked at again
constexpr int64_t kSmallBytes = 64 << 10;     // of a batch: encoded by the caller's thread alone
constexpr int64_t kGatherBytes = 256 << 10;   // of small batches, which are encoded as one
constexpr double kExpectedCompression = 0.5;  // of what is not yet encoded, before there is experience

// Gives the columns of a batch to Arrow's CPU pool, those that took longest in the batch before first, so that no
// thread begins a long one when the others are done. On a thread of the pool they are done at once: no task of the pool
// may wait for another one.
class ColumnTasks final : public arrow::internal::Executor {
 public:
  explicit ColumnTasks(size_t columns) : costs_(std::make_shared<Costs>(columns)) {}

  // Of the batches to come: so small that a change of threads costs more than it gains.
  void set_small(bool small) { small_ = small; }

  int GetCapacity() override { return pool()->GetCapacity(); }
  bool OwnsThisThread() override { return pool()->OwnsThisThread(); }

 protected:
  // Arrow's writer spawns one task a column, in their order, then waits for all.
  arrow::Status SpawnReal(arrow::internal::TaskHints, arrow::internal::FnOnce<void()> task, arrow::StopToken,
                          StopCallback&&) override {
    if (small_ || pool()->OwnsThisThread()) {
      std::move(task)();
      return arrow::Status::OK();
    }
    tasks_.push_back(std::move(task));
    if (tasks_.size() == costs_->size()) spawn_all();
    return arrow::Status::OK();
  }

 private:
  using Costs = std::vector<std::atomic<int64_t>>;  // nanoseconds

  void spawn_all() {
    std::vector<size_t> order(tasks_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return (*costs_)[a] > (*costs_)[b]; });
    for (const size_t i : order) {
      // Whoever waits for the task may go on, and destroy this, before its cost is stored.
      auto shared = std::make_shared<arrow::internal::FnOnce<void()>>(std::move(tasks_[i]));
      const auto run = [shared, i, costs = costs_] {
        const auto begin = std::chrono::steady_clock::now();
        std::move (*shared)();
        (*costs)[i] = (std::chrono::steady_clock::now() - begin).count();
      };
      if (!pool()->Spawn(run).ok()) run();  // the pool shuts down
    }
    tasks_.clear();
  }
  static arrow::internal::ThreadPool* pool() { return arrow::internal::GetCpuThreadPool(); }

  const std::shared_ptr<Costs> costs_;
  std::vector<arrow::internal::FnOnce<void()>> tasks_;
  bool small_ = false;
};

// Where encoded pages are kept until their row group is written. They are many buffers that grow by doubling; jemalloc
// keeps half as much memory for that as mimalloc, Arrow's default, and is faster at it. Who chose an allocator by
// Arrow's environment variable gets it.
arrow::MemoryPool* page_pool() {
  static arrow::MemoryPool* const pool = [] {
    arrow::MemoryPool* chosen = arrow::default_memory_pool();
    if (std::getenv("ARROW_DEFAULT_MEMORY_POOL") == nullptr) (void)arrow::jemalloc_memory_pool(&chosen);
    return chosen;
  }();
  return pool;
}

// Passes everything on to a ParquetFileWriter, and keeps hold of the row group being written: Arrow's writer does not
// show it, and its size is needed.
class RowGroupTap final : public parquet::ParquetFileWriter::Contents {
 public:
  RowGroupTap(std::unique_ptr<parquet::ParquetFileWriter> inner, std::shared_ptr<parquet::schema::GroupNode> schema)
      : Contents(std::move(schema), nullptr), inner_(std::move(inner)) {}

  void Close() override {
    row_group_ = nullptr;
    inner_->Close();
    file_metadata_ = inner_->metadata();
  }
  parquet::RowGroupWriter* AppendRowGroup() override { return row_group_ = inner_->AppendRowGroup(); }
  parquet::RowGroupWriter* AppendBufferedRowGroup() override { return row_group_ = inner_->AppendBufferedRowGroup(); }
  int64_t num_rows() const override { return inner_->num_rows(); }
  int num_columns() const override { return inner_->num_columns(); }
  int num_row_groups() const override { return inner_->num_row_groups(); }
  const std::shared_ptr<parquet::WriterProperties>& properties() const override { return inner_->properties(); }
  void AddKeyValueMetadata(const std::shared_ptr<const arrow::KeyValueMetadata>& metadata) override {
    inner_->AddKeyValueMetadata(metadata);
  }

  parquet::RowGroupWriter* row_group() const { return row_group_; }

 private:
  std::unique_ptr<parquet::ParquetFileWriter> inner_;
  parquet::RowGroupWriter* row_group_ = nullptr;
};

// Parquet's exceptions as ours.
template <typename F>
auto parquet_call(const std::string& location, F&& call) {
  try {
    return call();
  } catch (const parquet::ParquetStatusException& e) {
    throw_status(e.status(), location);
  } catch (const parquet::ParquetException& e) {
    throw Error(fmt::format("{}: {}", location, e.what()));
  }
}

}  // namespace

struct ParquetWriter::State {
  State(const std::string& where, const Schema& schema, std::shared_ptr<const ParquetWriteOptions> how, bool threads)
      : location(where),
        table_schema(schema),
        file_schema(without_unknown(schema)),
        arrow_schema(to_arrow_schema(file_schema)),
        options(std::move(how)),
        use_threads(threads),
        nans(file_schema) {}

  // First, so that it goes last: what the file has in memory, counted where it is allocated. Of buffers that grow by
  // doubling, and of what encoders keep, sizes of encoded bytes tell half.
  arrow::ProxyMemoryPool memory{page_pool()};

  const std::string location;
  const Schema table_schema;
  const Schema file_schema;  // without columns of type unknown
  const std::shared_ptr<arrow::Schema> arrow_schema;
  const std::shared_ptr<const ParquetWriteOptions> options;
  const bool use_threads;

  NanCounter nans;
  std::vector<std::shared_ptr<arrow::RecordBatch>> sample;  // until the file is begun
  int64_t sample_rows = 0;
  int64_t sample_bytes = 0;

  std::vector<std::shared_ptr<arrow::RecordBatch>> gathered;  // small batches, once the file is begun
  int64_t gathered_bytes = 0;

  std::unique_ptr<OutputFile> output;
  std::unique_ptr<ColumnTasks> column_tasks;
  const RowGroupTap* tap = nullptr;  // belongs to `writer`
  bool row_group_ended = false;      // the next rows begin another one
  std::unique_ptr<parquet::arrow::FileWriter> writer;

  ~State() {
    if (output) output->abort();  // before the writer goes, which would still write a footer
  }

  // In the file's columns, whatever the caller's batch calls them.
  std::shared_ptr<arrow::RecordBatch> file_columns(const arrow::RecordBatch& batch) const {
    if (batch.num_columns() != static_cast<int>(table_schema.fields.size()))
      throw InvalidArgument(fmt::format("{}: a batch has {} columns, the table has {}", location, batch.num_columns(),
                                        table_schema.fields.size()));
    return arrow::RecordBatch::Make(arrow_schema, batch.num_rows(),
                                    known_columns(batch.columns(), file_schema.fields, table_schema.fields));
  }

  void begin(bool whole_file) {
    auto schema = to_parquet_schema(file_schema);
    parquet::SchemaDescriptor descriptor;
    descriptor.Init(schema);
    const std::vector<bool> dictionary =
        choose_dictionaries(sample, descriptor.num_columns(), whole_file,
                            {.dictionary_bytes = options->dictionary_bytes, .rows = options->row_group_rows});
    auto properties = writer_properties(*options, descriptor, dictionary, &memory);
    auto metadata = arrow::key_value_metadata({"iceberg.schema"}, {to_json(table_schema)});
    auto tapped = std::make_unique<RowGroupTap>(
        parquet::ParquetFileWriter::Open(output->stream(), schema, std::move(properties), std::move(metadata)), schema);
    const RowGroupTap* opened = tapped.get();
    auto file = std::make_unique<parquet::ParquetFileWriter>();
    file->Open(std::move(tapped));
    column_tasks = std::make_unique<ColumnTasks>(file_schema.fields.size());
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.set_use_threads(use_threads)->set_executor(column_tasks.get());
    check(parquet::arrow::FileWriter::Make(&memory, std::move(file), arrow_schema, arrow_properties.build(), &writer),
          location);
    tap = opened;
    for (const auto& batch : std::exchange(sample, {})) encode(batch);
    sample_bytes = 0;
  }

  // Each column of a batch costs something whatever its size, and files of many partitions get small ones.
  void gather_or_encode(const std::shared_ptr<arrow::RecordBatch>& batch) {
    const int64_t bytes = bytes_of(*batch);
    if (bytes < kSmallBytes) {
      gathered.push_back(compact(batch));
      gathered_bytes += bytes;
      if (gathered_bytes >= kGatherBytes) encode_gathered();
      return;
    }
    encode_gathered();
    encode(batch);
  }

  void encode_gathered() {
    if (gathered.empty()) return;
    const auto batch = check(arrow::ConcatenateRecordBatches(std::exchange(gathered, {})), location);
    gathered_bytes = 0;
    encode(batch);
  }

  // In steps, so that neither a huge batch nor wide rows take a row group far beyond its size.
  void encode(const std::shared_ptr<arrow::RecordBatch>& batch) {
    const int64_t bytes = std::max<int64_t>(bytes_of(*batch), 1);
    const int64_t steps = std::min(batch->num_rows(), (bytes + kEncodeBytes - 1) / kEncodeBytes);
    column_tasks->set_small(bytes < kSmallBytes);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t begin = batch->num_rows() * step / steps;
      const int64_t end = batch->num_rows() * (step + 1) / steps;
      if (std::exchange(row_group_ended, false)) check(writer->NewBufferedRowGroup(), location);
      check(writer->WriteRecordBatch(*batch->Slice(begin, end - begin)), location);
      if (row_group_bytes() >= options->row_group_bytes) end_row_group();
    }
  }

  // Writes the row group. The next one is not begun before there are rows for it, so that none is empty.
  void end_row_group() {
    if (!writer) {
      if (sample.empty()) return;
      begin(false);
    }
    encode_gathered();
    if (row_group_bytes() == 0) return;
    tap->row_group()->Close();
    row_group_ended = true;
  }

  // What the row group being written will take.
  int64_t row_group_bytes() const {
    const parquet::RowGroupWriter* group = tap && !row_group_ended ? tap->row_group() : nullptr;
    if (group == nullptr) return 0;
    const auto buffered = group->estimated_buffered_stats();
    const auto waiting = static_cast<double>(buffered.def_level_bytes + buffered.rep_level_bytes +
                                             buffered.value_bytes + buffered.dict_bytes);
    return group->total_compressed_bytes() + group->total_compressed_bytes_written() +
           static_cast<int64_t>(waiting * kExpectedCompression);
  }
};

ParquetWriter::ParquetWriter(Io& io, const std::string& location, const Schema& schema,
                             std::shared_ptr<const ParquetWriteOptions> options, bool use_threads)
    : state_(std::make_unique<State>(location, schema, std::move(options), use_threads)) {
  state_->output = io.create(location);
}

ParquetWriter::~ParquetWriter() = default;

void ParquetWriter::write(const arrow::RecordBatch& batch) {
  if (batch.num_rows() == 0) return;
  parquet_call(state_->location, [&] {
    const auto columns = state_->file_columns(batch);
    state_->nans.add(*columns);
    if (state_->writer) return state_->gather_or_encode(columns);
    state_->sample_rows += columns->num_rows();
    state_->sample_bytes += bytes_of(*columns);
    state_->sample.push_back(compact(columns));
    if (state_->sample_rows >= kSampleRows || state_->sample_bytes >= kSampleBytes) state_->begin(false);
  });
}

int64_t ParquetWriter::bytes_written() const {
  const int64_t flushed = state_->output->stream()->Tell().ValueOr(0);
  const auto waiting =
      static_cast<int64_t>(static_cast<double>(state_->sample_bytes + state_->gathered_bytes) * kExpectedCompression);
  return flushed + waiting + state_->row_group_bytes();
}

int64_t ParquetWriter::bytes_in_memory() const {
  return state_->sample_bytes + state_->gathered_bytes + state_->memory.bytes_allocated();
}

void ParquetWriter::end_row_group() {
  parquet_call(state_->location, [&] { state_->end_row_group(); });
}

DataFile ParquetWriter::finish() {
  State& state = *state_;
  return parquet_call(state.location, [&] {
    if (!state.writer) state.begin(true);
    state.encode_gathered();
    check(state.writer->Close(), state.location);
    state.tap = nullptr;
    DataFile file;
    file.file_path = state.location;
    file.file_format = FileFormat::kParquet;
    file.file_size_in_bytes = check(state.output->stream()->Tell(), state.location);
    add_parquet_metrics(file, *state.writer->metadata(), state.file_schema, state.options->metrics, state.nans);
    state.output->close();
    return file;
  });
}

}  // namespace floe
