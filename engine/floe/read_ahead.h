// Results in order, of work that is done ahead on Arrow's CPU pool, in which no task of the pool waits for another one.
#pragma once

#include <arrow/util/cancel.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "floe/arrow_status.h"

namespace floe {

// work(0), ..., work(n - 1). At most `ahead` results wait to be taken. A result that nobody is at when it is asked for
// is made by the thread that asks, so that this is safe on a pool thread too, and on a pool without a thread to give.
template <typename T>
class ReadAhead {
 public:
  ReadAhead(size_t n, std::function<T(size_t)> work, size_t ahead,
            arrow::StopToken stop = arrow::StopToken::Unstoppable())
      : state_(std::make_shared<State>()) {
    state_->n = n;
    state_->work = std::move(work);
    state_->ahead = std::max<size_t>(ahead, 1);
    state_->stop = std::move(stop);
  }
  ReadAhead(const ReadAhead&) = delete;

  // Waits for the work that runs.
  ~ReadAhead() {
    std::unique_lock lock(state_->mutex);
    state_->closed = true;
    state_->changed.wait(lock, [&] { return state_->running == 0; });
  }

  // The next result; nullopt after the last. Throws what its work threw, then and whenever it is asked again, or
  // Cancelled.
  std::optional<T> next() {
    std::unique_lock lock(state_->mutex);
    if (state_->failed) std::rethrow_exception(state_->failed);
    if (state_->taken == state_->n) return std::nullopt;
    schedule();
    while (state_->slots.empty() || !state_->slots.front().done) {
      check(state_->stop.Poll(), "stopped");
      if (state_->slots.empty()) {
        state_->run_next(lock);
      } else {
        state_->changed.wait_for(lock, std::chrono::milliseconds(50));
      }
    }
    Slot slot = std::move(state_->slots.front());
    state_->slots.pop_front();
    ++state_->taken;
    if (slot.error) {
      state_->closed = true;
      state_->failed = slot.error;
      std::rethrow_exception(slot.error);
    }
    schedule();
    return std::move(slot.value);
  }

 private:
  struct Slot {
    bool done = false;
    std::optional<T> value;
    std::exception_ptr error;
  };
  struct State {
    size_t n = 0;
    std::function<T(size_t)> work;  // valid while the reader is there, which is while `running` counts
    size_t ahead = 0;
    arrow::StopToken stop = arrow::StopToken::Unstoppable();

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Slot> slots;  // begun and not taken
    size_t taken = 0;
    int spawned = 0;
    int running = 0;
    bool closed = false;
    std::exception_ptr failed;

    bool may_begin() const { return !closed && taken + slots.size() < n && slots.size() < ahead; }

    void run_next(std::unique_lock<std::mutex>& lock) {
      const size_t i = taken + slots.size();
      Slot& slot = slots.emplace_back();
      ++running;
      lock.unlock();
      std::optional<T> value;
      std::exception_ptr error;
      try {
        check(stop.Poll(), "stopped");
        value = work(i);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      slot.value = std::move(value);
      slot.error = std::move(error);
      slot.done = true;
      --running;
      changed.notify_all();
    }
  };

  void schedule() {
    arrow::internal::ThreadPool* pool = arrow::internal::GetCpuThreadPool();
    const int most = std::max(pool->GetCapacity(), 1);
    for (size_t idle = state_->slots.size();
         state_->spawned < most && idle < state_->ahead && state_->taken + idle < state_->n && !state_->closed;
         ++idle) {
      ++state_->spawned;
      const auto spawned = pool->Spawn([state = state_] {
        std::unique_lock lock(state->mutex);
        while (state->may_begin()) state->run_next(lock);
        --state->spawned;
      });
      if (spawned.ok()) continue;
      --state_->spawned;  // the pool shuts down: who asks does it all
      return;
    }
  }

  const std::shared_ptr<State> state_;
};

}  // namespace floe
