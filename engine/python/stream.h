// Arrow data in and out, by the PyCapsule form of the C data interface.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/util/cancel.h>
#include <nanobind/nanobind.h>

#include <functional>
#include <memory>
#include <mutex>

#include "floe/scan/scan.h"
#include "interrupt.h"

namespace floe::python {

// What reads for Python in the background. All of it can be stopped from outside, so that nothing is at work when the
// interpreter ends.
class Background {
 public:
  virtual ~Background() = default;
  virtual arrow::StopSource& stop() = 0;
  virtual void end() = 0;  // waits for what runs
};
void remember(const std::shared_ptr<Background>& background);

// A stream of the engine's, as Python holds it.
class OpenStream final : public arrow::RecordBatchReader, public Background {
 public:
  // `stop` is what the inner reader listens to; `counters` is what it counts, if it does.
  static std::shared_ptr<OpenStream> make(std::shared_ptr<arrow::RecordBatchReader> inner, arrow::StopSource stop,
                                          std::shared_ptr<const ScanCounters> counters = nullptr);
  ~OpenStream() override;

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override;  // never throws
  arrow::Status Close() override;

  // The next batch, null at the end. Throws what the inner reader threw.
  std::shared_ptr<arrow::RecordBatch> next();

  arrow::StopSource& stop() override { return stop_; }
  void end() override { (void)Close(); }
  const ScanCounters* counters() const { return counters_.get(); }

 private:
  OpenStream(std::shared_ptr<arrow::RecordBatchReader> inner, arrow::StopSource stop,
             std::shared_ptr<const ScanCounters> counters)
      : inner_(std::move(inner)), stop_(std::move(stop)), schema_(inner_->schema()), counters_(std::move(counters)) {}

  std::mutex mutex_;
  std::shared_ptr<arrow::RecordBatchReader> inner_;  // null once closed
  arrow::StopSource stop_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<const ScanCounters> counters_;
};

// Stops and ends all that is remembered.
void close_all_streams();

// Destroys what may wait for the engine's tasks without keeping other Python threads waiting.
template <typename T>
void destroy_without_gil(T& value) {
  if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) {
    const nanobind::gil_scoped_release nogil;
    value.reset();
  } else {
    value.reset();
  }
}

// What `source.__arrow_c_stream__()` gives, read on the thread that runs `call`. `call` must outlive it.
std::unique_ptr<arrow::RecordBatchReader> import_stream(const nanobind::handle& source, Call& call);

// A capsule "arrow_array_stream" that owns the reader.
nanobind::capsule export_stream(std::shared_ptr<arrow::RecordBatchReader> reader);

void bind_stream(nanobind::module_& m);

}  // namespace floe::python
