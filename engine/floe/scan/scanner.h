// Decodes the files of a plan ahead of whoever takes their batches. Internal to
// scan/.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <memory>
#include <mutex>

#include "floe/scan/scan_files.h"

namespace floe {

// Decodes files on Arrow's CPU pool, ahead of the consumer, up to a number of
// bytes.
//
// The work is a list of units in the plan's order: a file that is not open yet,
// or one row group. A task of the pool takes the first unit that may run and
// decodes it batch by batch; it never waits. When too much is waiting for the
// consumer the task leaves its unit parked and ends; so it does with a file
// whose deletes another thread is reading. The consumer, when it finds nothing
// ready, decodes the unit whose turn it is itself unless a task is at it, so
// that the stream advances even if the pool has no thread to give.
class Scanner : public std::enable_shared_from_this<Scanner> {
 public:
  // `map`, if any, is applied to every batch where it is decoded.
  Scanner(std::unique_ptr<ScanFiles> files, const ScanOptions& options, BatchMap map = {});

  // A batch of rows of the i-th of the files; no batch: the end.
  struct Rows {
    std::shared_ptr<arrow::RecordBatch> batch;
    size_t file = 0;
  };
  Rows next();

  // Stops the tasks, and waits for those that are at a batch.
  void close();

  const ScanFiles& files() const { return *files_; }

 private:
  // kBlocked: another unit's step is reading deletes that this one needs.
  enum class Stage { kIdle, kRunning, kBlocked, kDone };
  struct Unit {
    size_t file = 0;
    ScanFiles::Opening opening;
    bool opened = false;
    BatchStream stream;
    Stage stage = Stage::kIdle;
    std::deque<std::shared_ptr<arrow::RecordBatch>> ready;
    std::exception_ptr error;
  };
  using Units = std::list<Unit>;
  struct Outcome;

  // The consumer's side; the mutex is held.
  Rows take();
  bool finished() const { return units_.empty() && next_file_ == files_->size(); }
  Unit* idle_unit();
  Rows limited(Rows rows);

  // The pool's side; the mutex is held where there is no `lock`.
  void schedule();
  bool full() const { return waiting_bytes_ >= read_ahead_; }
  bool may_run(const Unit& unit) const;
  Unit* next_unit();
  void work();
  void step(std::unique_lock<std::mutex>& lock, Unit& unit);
  Outcome run(Unit& unit) const;
  std::shared_ptr<arrow::RecordBatch> next_batch(Unit& unit) const;
  void finish_step(Unit& unit, Outcome outcome);

  const std::unique_ptr<ScanFiles> files_;
  const bool ordered_;
  const int64_t read_ahead_;
  const BatchMap map_;
  const arrow::StopToken stop_;
  const int tasks_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Units units_;
  size_t next_file_ = 0;
  int spawned_ = 0;   // tasks that have not ended
  int stepping_ = 0;  // threads inside a step
  int blocked_ = 0;   // units of that stage
  int64_t waiting_bytes_ = 0;
  int64_t rows_left_;
  bool cancelled_;
};

}  // namespace floe
