// Where arrow::Status and arrow::Result become exceptions of error.h.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <fmt/format.h>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "floe/error.h"

namespace floe {

// An exception on its way through Arrow code that speaks arrow::Status (a RecordBatchReader's ReadNext).
struct ExceptionDetail : arrow::StatusDetail {
  explicit ExceptionDetail(std::exception_ptr e) : exception(std::move(e)) {}
  const char* type_id() const override { return "floe::ExceptionDetail"; }
  std::string ToString() const override { return "see the message"; }
  std::exception_ptr exception;
};

// The exception as a status of the code that fits, for RecordBatchReaders and other Arrow interfaces that we implement.
// throw_status turns it into the very same exception again.
inline arrow::Status to_status(const std::exception_ptr& exception) {
  auto status = [&](arrow::StatusCode code, const char* message) {
    return arrow::Status(code, message, std::make_shared<ExceptionDetail>(exception));
  };
  try {
    std::rethrow_exception(exception);
  } catch (const Cancelled& e) {
    return status(arrow::StatusCode::Cancelled, e.what());
  } catch (const NotSupported& e) {
    return status(arrow::StatusCode::NotImplemented, e.what());
  } catch (const CorruptFile& e) {
    return status(arrow::StatusCode::Invalid, e.what());
  } catch (const InvalidArgument& e) {
    return status(arrow::StatusCode::Invalid, e.what());
  } catch (const NotFound& e) {
    return status(arrow::StatusCode::IOError, e.what());
  } catch (const IoError& e) {
    return status(arrow::StatusCode::IOError, e.what());
  } catch (const std::bad_alloc& e) {
    return status(arrow::StatusCode::OutOfMemory, e.what());
  } catch (const std::exception& e) {
    return status(arrow::StatusCode::UnknownError, e.what());
  }
}

// Throws Cancelled, NotFound, IoError, CorruptFile (Invalid and SerializationError), NotSupported, or Error with
// "<what>: <the status's message>". `what` names the file or the step. A status of to_status gives its exception.
[[noreturn]] inline void throw_status(const arrow::Status& status, std::string_view what) {
  if (auto detail = std::dynamic_pointer_cast<ExceptionDetail>(status.detail())) {
    std::rethrow_exception(detail->exception);
  }
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
