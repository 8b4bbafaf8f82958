// Where arrow::Status and arrow::Result become exceptions of error.h.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "floe/error.h"

namespace floe {

// Throws Cancelled, NotFound, IoError, CorruptFile (Invalid and SerializationError), NotSupported, or Error with
// "<what>: <the status's message>". `what` names the file or the step.
[[noreturn]] inline void throw_status(const arrow::Status& status, std::string_view what) {
  const std::string message = fmt::format("{}: {}", what, status.message());
  switch (status.code()) {
    case arrow::StatusCode::Cancelled:
      throw Cancelled(message);
    case arrow::StatusCode::IOError:
      throw IoError(message);
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::SerializationError:
      throw CorruptFile(message);
    case arrow::StatusCode::NotImplemented:
      throw NotSupported(message);
    case arrow::StatusCode::AlreadyExists:
      throw AlreadyExists(message);
    default:
      throw Error(message);
  }
}

inline void check(const arrow::Status& status, std::string_view what) {
  if (!status.ok()) [[unlikely]]
    throw_status(status, what);
}

template <typename T>
T check(arrow::Result<T> result, std::string_view what) {
  if (!result.ok()) [[unlikely]]
    throw_status(result.status(), what);
  return std::move(result).ValueUnsafe();
}

}  // namespace floe
