// Loops over Arrow's CPU pool in which no task of the pool waits for another one.
#pragma once

#include <arrow/util/cancel.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

#include "floe/arrow_status.h"

namespace floe {

// Calls work(0), ..., work(n - 1) in any order: on the calling thread, and on as many tasks of Arrow's CPU pool as it
// has threads to spare. The caller does what no task has begun, and waits only for tasks that run already, so this is
// safe on a pool thread too. The first exception ends the loop and is thrown. Throws Cancelled if `stop` asks for it.
inline void parallel_for(size_t n, const std::function<void(size_t)>& work,
                         const arrow::StopToken& stop = arrow::StopToken::Unstoppable()) {
  struct Loop {
    const size_t n;
    const std::function<void(size_t)>* work;  // valid while the caller is here, which is while `running` counts
    const arrow::StopToken stop;
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::condition_variable idle;
    int running = 0;
    bool closed = false;
    std::exception_ptr error;

    void run() {
      try {
        for (size_t i = next++; i < n; i = next++) {
          check(stop.Poll(), "stopped");
          (*work)(i);
        }
      } catch (...) {
        next = n;
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
    void help() {
      {
        std::lock_guard lock(mutex);
        if (closed) return;
        ++running;
      }
      run();
      std::lock_guard lock(mutex);
      if (--running == 0) idle.notify_all();
    }
  };
  auto loop = std::make_shared<Loop>(n, &work, stop);
  arrow::internal::ThreadPool* pool = arrow::internal::GetCpuThreadPool();
  const size_t helpers = std::min<size_t>(n, std::max(pool->GetCapacity(), 1)) - (n > 0 ? 1 : 0);
  for (size_t i = 0; i < helpers; ++i) {
    if (!pool->Spawn([loop] { loop->help(); }).ok()) break;  // the pool shuts down: the caller does it all
  }
  loop->run();
  std::unique_lock lock(loop->mutex);
  loop->closed = true;
  loop->idle.wait(lock, [&] { return loop->running == 0; });
  if (loop->error) std::rethrow_exception(loop->error);
}

}  // namespace floe
