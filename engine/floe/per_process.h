// Something that a forked child must not use as its parent left it: a lock that another thread held at the fork, a
// database handle.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace floe {

// One T a process, made when first asked for. In a forked child, the parent's is left alone for good.
template <typename T>
class PerProcess {
 public:
  PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  ~PerProcess() {
    if (owner_ == ::getpid()) delete value_;
  }

  // `make(T* parents)` gives a new T; `parents` is null unless this is a child.
  template <typename Make>
  T& get(Make make) {
    const pid_t self = ::getpid();
    pid_t owner = owner_.load(std::memory_order_acquire);
    while (owner != self) {
      if (owner != kMaking && owner_.compare_exchange_strong(owner, kMaking)) {
        try {
          value_ = make(value_);
        } catch (...) {
          owner_ = owner;
          throw;
        }
        owner_.store(self, std::memory_order_release);
        break;
      }
      std::this_thread::yield();
      owner = owner_.load(std::memory_order_acquire);
    }
    return *value_;
  }
  T& get() {
    return get([](T*) { return new T(); });
  }

 private:
  static constexpr pid_t kMaking = -1;

  std::atomic<pid_t> owner_{0};
  T* value_ = nullptr;
};

}  // namespace floe
