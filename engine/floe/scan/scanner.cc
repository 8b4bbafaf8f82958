#include "floe/scan/scanner.h"

#include <arrow/util/byte_size.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <utility>

#include "floe/arrow_status.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// How often a waiting consumer looks at its stop token.
constexpr std::chrono::milliseconds kPoll{50};

int64_t size_of(const arrow::RecordBatch& batch) { return arrow::util::ReferencedBufferSize(batch).ValueOr(0); }

}  // namespace

// What a step came to: a batch, or the row groups of a file that is open now,
// or nothing more.
struct Scanner::Outcome {
  BatchPtr batch;
  std::vector<BatchStream> streams;
  bool blocked = false;
  std::exception_ptr error;
};

Scanner::Scanner(std::unique_ptr<ScanFiles> files, const ScanOptions& options, BatchMap map)
    : files_(std::move(files)),
      ordered_(options.ordered),
      read_ahead_(options.read_ahead_bytes),
      map_(std::move(map)),
      stop_(options.stop),
      tasks_(std::max(arrow::internal::GetCpuThreadPool()->GetCapacity(), 1)),
      rows_left_(std::max<int64_t>(options.limit.value_or(INT64_MAX), 0)),
      cancelled_(rows_left_ == 0) {}

Scanner::Rows Scanner::next() {
  std::unique_lock lock(mutex_);
  while (true) {
    check(stop_.Poll(), "the scan was stopped");
    if (cancelled_) return {};
    schedule();
    if (Rows rows = take(); rows.batch) return limited(std::move(rows));
    if (finished()) return {};
    if (Unit* unit = idle_unit()) {
      step(lock, *unit);
    } else {
      changed_.wait_for(lock, kPoll);
    }
  }
}

void Scanner::close() {
  std::unique_lock lock(mutex_);
  cancelled_ = true;
  changed_.wait(lock, [&] { return stepping_ == 0; });
  units_.clear();
}

// --- the consumer's side
// ---------------------------------------------------------------------------------------------

Scanner::Rows Scanner::take() {
  for (auto unit = units_.begin(); unit != units_.end();) {
    if (!unit->ready.empty()) {
      Rows rows{std::move(unit->ready.front()), unit->file};
      unit->ready.pop_front();
      waiting_bytes_ -= size_of(*rows.batch);
      schedule();
      return rows;
    }
    if (unit->error) {
      cancelled_ = true;
      std::rethrow_exception(unit->error);
    }
    if (unit->stage == Stage::kDone) {
      unit = units_.erase(unit);
    } else if (ordered_) {
      return {};
    } else {
      ++unit;
    }
  }
  return {};
}

// The unit whose turn it is, if nobody works on it.
Scanner::Unit* Scanner::idle_unit() {
  if (units_.empty()) return next_unit();
  return units_.front().stage == Stage::kIdle ? &units_.front() : nullptr;
}

Scanner::Rows Scanner::limited(Rows rows) {
  BatchPtr& batch = rows.batch;
  if (batch->num_rows() > rows_left_) batch = batch->Slice(0, rows_left_);
  rows_left_ -= batch->num_rows();
  if (rows_left_ == 0) cancelled_ = true;
  files_->counters().rows_out += batch->num_rows();
  return rows;
}

// --- the pool's side
// -------------------------------------------------------------------------------------------------

// Starts tasks while there is work that may begin.
void Scanner::schedule() {
  while (!cancelled_ && spawned_ < tasks_ && next_unit() != nullptr) {
    ++spawned_;
    const auto spawned = arrow::internal::GetCpuThreadPool()->Spawn([self = shared_from_this()] { self->work(); });
    if (!spawned.ok()) {  // the pool shuts down; the consumer does it all
      --spawned_;
      return;
    }
  }
}

// Whether the read-ahead allows a step of this unit.
bool Scanner::may_run(const Unit& unit) const {
  if (unit.stage != Stage::kIdle) return false;
  return !full() || (&unit == &units_.front() && unit.ready.empty());
}

// The first unit that may run; opens a place for the next file if there is
// none.
Scanner::Unit* Scanner::next_unit() {
  for (Unit& unit : units_) {
    if (may_run(unit)) return &unit;
  }
  if ((full() && !units_.empty()) || blocked_ >= tasks_ || next_file_ == files_->size()) return nullptr;
  units_.emplace_back().file = next_file_++;
  return &units_.back();
}

// A task.
void Scanner::work() {
  std::unique_lock lock(mutex_);
  while (!cancelled_) {
    Unit* unit = next_unit();
    if (!unit) break;
    step(lock, *unit);
  }
  --spawned_;
}

// Opens the unit's file or decodes its next batch, without the mutex.
void Scanner::step(std::unique_lock<std::mutex>& lock, Unit& unit) {
  unit.stage = Stage::kRunning;
  ++stepping_;
  lock.unlock();
  Outcome outcome = run(unit);
  lock.lock();
  --stepping_;
  finish_step(unit, std::move(outcome));
  changed_.notify_all();
}

BatchPtr Scanner::next_batch(Unit& unit) const {
  BatchPtr batch = unit.stream();
  while (map_ && batch) {
    if (BatchPtr mapped = map_(*batch); mapped->num_rows() > 0) return mapped;
    batch = unit.stream();
  }
  return batch;
}

Scanner::Outcome Scanner::run(Unit& unit) const {
  Outcome outcome;
  try {
    if (unit.opened) {
      outcome.batch = next_batch(unit);
    } else if (auto streams = files_->open(unit.file, unit.opening)) {
      outcome.streams = *std::move(streams);
    } else {
      outcome.blocked = true;
    }
  } catch (...) {
    outcome.error = std::current_exception();
  }
  return outcome;
}

void Scanner::finish_step(Unit& unit, Outcome outcome) {
  // Whatever others were reading when they blocked, this step may have been it.
  for (auto blocked = units_.begin(); blocked_ > 0 && blocked != units_.end(); ++blocked) {
    if (blocked->stage != Stage::kBlocked) continue;
    blocked->stage = Stage::kIdle;
    --blocked_;
  }
  if (outcome.error) {
    unit.error = std::move(outcome.error);
    unit.stage = Stage::kDone;
  } else if (outcome.blocked) {
    // Another step that still runs wakes it. If none does, what it waited for
    // is there already.
    const bool waits = stepping_ > 0;
    unit.stage = waits ? Stage::kBlocked : Stage::kIdle;
    blocked_ += waits;
  } else if (outcome.batch) {
    waiting_bytes_ += size_of(*outcome.batch);
    unit.ready.push_back(std::move(outcome.batch));
    unit.stage = Stage::kIdle;
  } else {
    // Row groups take the file's place in the order.
    const auto at = std::find_if(units_.begin(), units_.end(), [&](const Unit& each) { return &each == &unit; });
    for (BatchStream& stream : outcome.streams) {
      Unit& group = *units_.emplace(at);
      group.file = unit.file;
      group.opened = true;
      group.stream = std::move(stream);
    }
    unit.stream = nullptr;
    unit.stage = Stage::kDone;
  }
}

}  // namespace floe
