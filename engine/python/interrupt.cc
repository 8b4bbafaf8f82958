#include "interrupt.h"

#include <nanobind/nanobind.h>

#include <chrono>
#include <exception>
#include <thread>

#include "floe/stop.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

constexpr auto kSlice = std::chrono::milliseconds(100);

thread_local Call* call_here = nullptr;

// Lets Python run its signal handlers, and returns what one of them raised. Nothing happens but on the main thread.
std::exception_ptr handle_signals() {
  const nb::gil_scoped_acquire gil;
  return PyErr_CheckSignals() == 0 ? nullptr : std::make_exception_ptr(nb::python_error());
}

}  // namespace

Call* Call::current() { return call_here; }

arrow::Status Call::on_calling_thread(const std::function<arrow::Status()>& step) {
  std::unique_lock lock(mutex_);
  if (interrupted_) return arrow::Status::Cancelled("interrupted");
  step_ = &step;
  answered_ = false;
  changed_.notify_all();
  changed_.wait(lock, [&] { return answered_; });
  return answer_;
}

void Call::interrupt(std::exception_ptr raised) {
  stop_.RequestStop();
  const std::lock_guard guard(mutex_);
  raised_ = std::move(raised);
  interrupted_ = true;
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
  {
    const nb::gil_scoped_release nogil;
    std::thread worker([&] {
      const StopScope scope(stop_.token());
      call_here = this;
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
      if (std::exception_ptr raised = handle_signals()) interrupt(std::move(raised));
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (raised_) std::rethrow_exception(raised_);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace floe::python
