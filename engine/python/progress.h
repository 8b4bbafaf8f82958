// A Python function that is told how far a call is.
#pragma once

#include <arrow/util/cancel.h>
#include <nanobind/nanobind.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "interrupt.h"

namespace floe::python {

// What the engine tells of progress, handed to `function` (None: to nobody) on the calling thread. What that raises is
// raised by the call, which it ends as Ctrl-C does: an exception of the work gives way to it.
class PythonProgress {
 public:
  PythonProgress(nanobind::object function, Call& call, arrow::StopSource& stop)
      : function_(std::move(function)), call_(call), stop_(stop) {}

  std::function<void(std::string_view, int64_t, int64_t)> callback() {
    if (function_.is_none()) return {};
    return [this](std::string_view phase, int64_t done, int64_t total) {
      (void)call_.on_calling_thread([&] {
        const nanobind::gil_scoped_acquire gil;
        if (raised_) return arrow::Status::OK();
        try {
          function_(nanobind::str(phase.data(), phase.size()), done, total);
        } catch (nanobind::python_error& error) {
          raised_.emplace(error);
          stop_.RequestStop();
        }
        return arrow::Status::OK();
      });
    };
  }

  // Runs the work of the call.
  void run(const std::function<void()>& work) {
    try {
      call_.run(work);
    } catch (...) {
      if (!raised_) throw;
    }
    if (raised_) throw nanobind::python_error(*raised_);
  }

 private:
  const nanobind::object function_;
  Call& call_;
  arrow::StopSource& stop_;
  std::optional<nanobind::python_error> raised_;
};

}  // namespace floe::python
