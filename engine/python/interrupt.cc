#include "interrupt.h"

#include <nanobind/nanobind.h>

#include <chrono>
#include <exception>
#include <optional>
#include <thread>

#include "floe/stop.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

constexpr auto kSlice = std::chrono::milliseconds(100);

// Lets Python run its signal handlers, and catches what one of them raised. Nothing happens but on the main thread.
void handle_signals(std::optional<nb::python_error>& raised) {
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) raised.emplace();
}

}  // namespace

arrow::Status Call::on_calling_thread(const std::function<arrow::Status()>& step) {
  std::unique_lock lock(mutex_);
  if (interrupted_) return arrow::Status::Cancelled("interrupted");
  step_ = &step;
  answered_ = false;
  changed_.notify_all();
  changed_.wait(lock, [&] { return answered_; });
  return answer_;
}

void Call::serve(std::unique_lock<std::mutex>& lock) {
  const std::function<arrow::Status()>& step = *std::exchange(step_, nullptr);
  const bool refuse = interrupted_;
  lock.unlock();
  arrow::Status answer = refuse ? arrow::Status::Cancelled("interrupted") : step();
  lock.lock();
  answer_ = std::move(answer);
  answered_ = true;
  changed_.notify_all();
}

void Call::run(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::optional<nb::python_error> raised;
  {
    const nb::gil_scoped_release nogil;
    std::thread worker([&] {
      const StopScope scope(stop_.token());
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard guard(mutex_);
      done_ = true;
      changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    while (!done_) {
      changed_.wait_for(lock, kSlice, [&] { return done_ || step_ != nullptr; });
      if (done_) break;
      if (step_ != nullptr) serve(lock);
      if (interrupted_) continue;
      lock.unlock();
      handle_signals(raised);
      if (raised) stop_.RequestStop();
      lock.lock();
      interrupted_ = raised.has_value();
    }
    lock.unlock();
    worker.join();
  }
  if (raised) throw nb::python_error(*raised);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace floe::python
