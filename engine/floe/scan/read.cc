#include <arrow/api.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/thread_pool.h>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/parquet_reader.h"
#include "floe/scan/partition.h"
#include "floe/scan/scan.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// How often a waiting consumer looks at its stop token.
constexpr std::chrono::milliseconds kPoll{50};

// Opens the files of a plan. Refers to itself: not to be moved.
class Files {
 public:
  Files(const Files&) = delete;
  Files(const TableMetadata& table, ScanPlan plan, const ScanOptions& options, IoPtr io,
        std::shared_ptr<ScanCounters> counters)
      : plan_(std::move(plan)),
        table_name_(options.table_name),
        name_mapping_(string_property(table.properties, "schema.name-mapping.default", "")),
        io_(std::move(io)),
        counters_(counters ? std::move(counters) : std::make_shared<ScanCounters>()) {
    ParquetReadOptions read;
    read.schema = plan_.schema;
    read.projection = plan_.projection;
    read.filter = plan_.filter;
    read.batch_rows = std::max<int64_t>(options.batch_rows, 1);
    read.batch_bytes = std::max<int64_t>(options.read_ahead_bytes / 2, 1 << 20);
    read.stop = options.stop;
    if (options.limit && unfiltered()) read.batch_rows = std::clamp<int64_t>(*options.limit, 1, read.batch_rows);
    options_ = std::make_shared<const ParquetReadOptions>(std::move(read));
    choose(options.limit);
  }

  size_t size() const { return files_.size(); }
  ScanCounters& counters() const { return *counters_; }

  ParquetFile open(size_t i) const {
    const auto& [part, entry] = files_[i];
    const Manifest& manifest = *part->manifest;
    const std::vector<Value> partition = partition_values(manifest, entry, *plan_.schema);
    DataFile file;
    file.file_path = manifest.file_path[entry];
    file.file_size_in_bytes = manifest.file_size_in_bytes[entry];
    if (manifest.key_metadata.has(entry)) file.key_metadata = manifest.key_metadata[entry];
    ++counters_->files_read;
    try {
      return ParquetFile(*io_, file, options_for(manifest, partition),
                         {.partition_values = identity_values(manifest, partition)}, name_mapping_, counters_);
    } catch (const NotFound& e) {
      throw NotFound(
          fmt::format("table {}, snapshot {}: the data file {} is gone ({}). If the snapshot was expired, "
                      "read a later one",
                      table_name_, plan_.snapshot_id.value_or(-1), file.file_path, e.what()));
    }
  }

 private:
  bool unfiltered() const { return plan_.filter.kind == ExprKind::kTrue; }

  // Lists the files, or of an unfiltered scan as many as surely have the rows asked for.
  void choose(std::optional<int64_t> limit) {
    int64_t rows = 0;
    for (const ScanPlan::Part& part : plan_.parts) {
      for (const uint32_t entry : part.entries) {
        if (limit && (*limit <= 0 || (unfiltered() && rows >= *limit))) return;
        if (part.manifest->file_format[entry] != FileFormat::kParquet) {
          throw NotSupported(fmt::format("{}: data files of format {} are not read yet",
                                         part.manifest->file_path[entry],
                                         to_string(part.manifest->file_format[entry])));
        }
        files_.emplace_back(&part, entry);
        rows += std::max<int64_t>(part.manifest->record_count[entry], 0);
      }
    }
  }

  // What the partition's values leave of the filter.
  std::shared_ptr<const ParquetReadOptions> options_for(const Manifest& manifest,
                                                        const std::vector<Value>& partition) const {
    if (unfiltered() || partition.empty()) return options_;
    BoundExpression left = residual(plan_.filter, manifest.spec, *plan_.schema, partition);
    if (left == plan_.filter) return options_;
    auto options = std::make_shared<ParquetReadOptions>(*options_);
    options->filter = std::move(left);
    return options;
  }

  const ScanPlan plan_;
  const std::string table_name_;
  const std::string name_mapping_;
  const IoPtr io_;
  const std::shared_ptr<ScanCounters> counters_;
  std::shared_ptr<const ParquetReadOptions> options_;
  std::vector<std::pair<const ScanPlan::Part*, uint32_t>> files_;
};

// Decodes files on Arrow's CPU pool, ahead of the consumer, up to a number of bytes.
//
// The work is a list of units in the plan's order: a file that is not open yet, or one row group. A task of the pool
// takes the first unit that may run and decodes it batch by batch; it never waits. When too much is waiting for the
// consumer the task leaves its unit parked and ends. The consumer, when it finds nothing ready, decodes the unit whose
// turn it is itself unless a task is at it, so that the stream advances even if the pool has no thread to give.
class Scanner : public std::enable_shared_from_this<Scanner> {
 public:
  Scanner(std::unique_ptr<const Files> files, const ScanOptions& options)
      : files_(std::move(files)),
        ordered_(options.ordered),
        read_ahead_(options.read_ahead_bytes),
        stop_(options.stop),
        tasks_(std::max(arrow::internal::GetCpuThreadPool()->GetCapacity(), 1)),
        rows_left_(std::max<int64_t>(options.limit.value_or(INT64_MAX), 0)),
        cancelled_(rows_left_ == 0) {}

  // The next batch, or null at the end.
  BatchPtr next() {
    std::unique_lock lock(mutex_);
    while (true) {
      check(stop_.Poll(), "the scan was stopped");
      if (cancelled_) return nullptr;
      schedule();
      if (BatchPtr batch = take()) return limited(std::move(batch));
      if (finished()) return nullptr;
      if (Unit* unit = idle_unit()) {
        step(lock, *unit);
      } else {
        changed_.wait_for(lock, kPoll);
      }
    }
  }

  // Stops the tasks, and waits for those that are at a batch.
  void close() {
    std::unique_lock lock(mutex_);
    cancelled_ = true;
    changed_.wait(lock, [&] { return stepping_ == 0; });
    units_.clear();
  }

 private:
  enum class Stage { kIdle, kRunning, kDone };
  struct Unit {
    size_t file = 0;
    bool opened = false;
    BatchStream stream;
    Stage stage = Stage::kIdle;
    std::deque<BatchPtr> ready;
    std::exception_ptr error;
  };
  using Units = std::list<Unit>;

  // --- the consumer's side; the mutex is held ------------------------------------------------------------------------

  BatchPtr take() {
    for (auto unit = units_.begin(); unit != units_.end();) {
      if (!unit->ready.empty()) {
        BatchPtr batch = std::move(unit->ready.front());
        unit->ready.pop_front();
        waiting_bytes_ -= size_of(*batch);
        schedule();
        return batch;
      }
      if (unit->error) {
        cancelled_ = true;
        std::rethrow_exception(unit->error);
      }
      if (unit->stage == Stage::kDone) {
        unit = units_.erase(unit);
      } else if (ordered_) {
        return nullptr;
      } else {
        ++unit;
      }
    }
    return nullptr;
  }

  bool finished() const { return units_.empty() && next_file_ == files_->size(); }

  // The unit whose turn it is, if nobody works on it.
  Unit* idle_unit() {
    if (units_.empty()) return next_unit();
    return units_.front().stage == Stage::kIdle ? &units_.front() : nullptr;
  }

  BatchPtr limited(BatchPtr batch) {
    if (batch->num_rows() > rows_left_) batch = batch->Slice(0, rows_left_);
    rows_left_ -= batch->num_rows();
    if (rows_left_ == 0) cancelled_ = true;
    files_->counters().rows_out += batch->num_rows();
    return batch;
  }

  // --- the pool's side -----------------------------------------------------------------------------------------------

  // Starts tasks while there is work that may begin. The mutex is held.
  void schedule() {
    while (!cancelled_ && spawned_ < tasks_ && has_work()) {
      ++spawned_;
      const auto spawned = arrow::internal::GetCpuThreadPool()->Spawn([self = shared_from_this()] { self->work(); });
      if (!spawned.ok()) {  // the pool shuts down; the consumer does it all
        --spawned_;
        return;
      }
    }
  }

  bool full() const { return waiting_bytes_ >= read_ahead_; }

  // Whether the read-ahead allows a step of this unit.
  bool may_run(const Unit& unit) const {
    if (unit.stage != Stage::kIdle) return false;
    return !full() || (&unit == &units_.front() && unit.ready.empty());
  }

  bool has_work() { return next_unit() != nullptr; }

  // The first unit that may run; opens a place for the next file if there is none.
  Unit* next_unit() {
    for (Unit& unit : units_) {
      if (may_run(unit)) return &unit;
    }
    if ((full() && !units_.empty()) || next_file_ == files_->size()) return nullptr;
    units_.emplace_back().file = next_file_++;
    return &units_.back();
  }

  // A task.
  void work() {
    std::unique_lock lock(mutex_);
    while (!cancelled_) {
      Unit* unit = next_unit();
      if (!unit) break;
      step(lock, *unit);
    }
    --spawned_;
  }

  // Opens the unit's file or decodes its next batch, without the mutex.
  void step(std::unique_lock<std::mutex>& lock, Unit& unit) {
    unit.stage = Stage::kRunning;
    ++stepping_;
    lock.unlock();
    BatchPtr batch;
    std::vector<BatchStream> streams;
    std::exception_ptr error;
    try {
      if (unit.opened) {
        batch = unit.stream();
      } else {
        streams = open(unit.file);
      }
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    finish_step(unit, std::move(batch), std::move(streams), std::move(error));
    --stepping_;
    changed_.notify_all();
  }

  std::vector<BatchStream> open(size_t i) const {
    const ParquetFile file = files_->open(i);
    std::vector<BatchStream> streams;
    for (size_t group = 0; group < file.row_groups(); ++group) streams.push_back(file.read(group));
    return streams;
  }

  void finish_step(Unit& unit, BatchPtr batch, std::vector<BatchStream> streams, std::exception_ptr error) {
    if (error) {
      unit.error = std::move(error);
      unit.stage = Stage::kDone;
    } else if (batch) {
      waiting_bytes_ += size_of(*batch);
      unit.ready.push_back(std::move(batch));
      unit.stage = Stage::kIdle;
    } else {
      // Row groups take the file's place in the order.
      const auto at = std::find_if(units_.begin(), units_.end(), [&](const Unit& each) { return &each == &unit; });
      for (BatchStream& stream : streams) {
        Unit& group = *units_.emplace(at);
        group.opened = true;
        group.stream = std::move(stream);
      }
      unit.stream = nullptr;
      unit.stage = Stage::kDone;
    }
  }

  static int64_t size_of(const arrow::RecordBatch& batch) {
    return arrow::util::ReferencedBufferSize(batch).ValueOr(0);
  }

  const std::unique_ptr<const Files> files_;
  const bool ordered_;
  const int64_t read_ahead_;
  const arrow::StopToken stop_;
  const int tasks_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Units units_;
  size_t next_file_ = 0;
  int spawned_ = 0;   // tasks that have not ended
  int stepping_ = 0;  // threads inside a step
  int64_t waiting_bytes_ = 0;
  int64_t rows_left_;
  bool cancelled_;
};

class ScanReader final : public arrow::RecordBatchReader {
 public:
  ScanReader(std::shared_ptr<arrow::Schema> schema, std::shared_ptr<Scanner> scanner)
      : schema_(std::move(schema)), scanner_(std::move(scanner)) {}
  ~ScanReader() override { scanner_->close(); }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    try {
      *out = scanner_->next();
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
  auto files = std::make_unique<const Files>(table, std::move(plan), options, std::move(io), std::move(counters));
  return std::make_unique<ScanReader>(schema, std::make_shared<Scanner>(std::move(files), options));
}

}  // namespace floe
