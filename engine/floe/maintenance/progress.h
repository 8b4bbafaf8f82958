// How far a long operation is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace floe {

// Told what is being done ("manifests"), how many of it are done, and of how many (-1: not known). One call at a time,
// from any thread.
using Progress = std::function<void(std::string_view phase, int64_t done, int64_t total)>;

// Passes on how far one phase is, ten times a second at most, and its end. Safe from many threads.
class ProgressMeter {
 public:
  ProgressMeter(const Progress& to, std::string phase, int64_t total)
      : to_(to), phase_(std::move(phase)), total_(total) {}

  void add(int64_t n) {
    if (!to_) return;
    const std::lock_guard lock(mutex_);
    done_ += n;
    const auto now = std::chrono::steady_clock::now();
    if (done_ != total_ && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    to_(phase_, done_, total_);
  }

 private:
  const Progress& to_;
  const std::string phase_;
  const int64_t total_;
  std::mutex mutex_;
  int64_t done_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace floe
