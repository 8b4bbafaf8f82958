// Long engine calls that Python can interrupt.
#pragma once

#include <arrow/status.h>
#include <arrow/util/cancel.h>

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace floe::python {

// One call. The work runs on a thread of its own without the GIL, while the calling thread waits in slices of 100 ms
// and lets Python handle its signals. When a handler raises (Ctrl-C), the work is told to stop through `stop`, which is
// also its thread's StopScope, waited for, and the handler's exception goes on, whatever the work ended with.
class Call {
 public:
  explicit Call(arrow::StopSource& stop) : stop_(stop) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Called with the GIL held. An exception of the work goes on.
  void run(const std::function<void()>& work);

  // The call whose work runs on this thread, or null.
  static Call* current();

  // For the work: runs `step` on the calling thread, without the GIL, and waits for it. Streams that the caller handed
  // in are read there, because what makes them may belong to that thread (a cursor of sqlite3, a generator that Ctrl-C
  // is to reach). Cancelled once the call is interrupted.
  arrow::Status on_calling_thread(const std::function<arrow::Status()>& step);

  // For such a step: ends the call as Ctrl-C does, with this exception.
  void interrupt(std::exception_ptr raised);

 private:
  void serve(std::unique_lock<std::mutex>& lock);

  arrow::StopSource& stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<arrow::Status()>* step_ = nullptr;
  arrow::Status answer_;
  bool answered_ = false;
  std::exception_ptr raised_;  // what interrupted
  bool interrupted_ = false;
  bool done_ = false;
};

// `work()` as one interruptible call, with its result.
template <typename F>
auto interruptible(arrow::StopSource& stop, F&& work) {
  std::optional<decltype(work())> result;
  Call(stop).run([&] { result.emplace(work()); });
  return std::move(*result);
}

}  // namespace floe::python
