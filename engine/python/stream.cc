#include "stream.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <utility>
#include <vector>

#include "floe/arrow_status.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

std::mutex registry_mutex;
std::vector<std::weak_ptr<Background>> registry;

// A stream that the caller handed in.
class CallersStream final : public arrow::RecordBatchReader {
 public:
  CallersStream(std::shared_ptr<arrow::RecordBatchReader> inner, Call& call)
      : inner_(std::move(inner)), call_(call), schema_(inner_->schema()) {}
  ~CallersStream() override { destroy_without_gil(inner_); }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    return call_.on_calling_thread([&] { return inner_->ReadNext(batch); });
  }

 private:
  std::shared_ptr<arrow::RecordBatchReader> inner_;
  Call& call_;
  std::shared_ptr<arrow::Schema> schema_;
};

template <typename Struct>
void release_capsule(void* pointer) noexcept {
  auto* data = static_cast<Struct*>(pointer);
  if (data->release != nullptr) data->release(data);
  delete data;
}

template <typename Struct>
nb::capsule capsule(std::unique_ptr<Struct> data, const char* name) {
  return nb::capsule(data.release(), name, &release_capsule<Struct>);
}

nb::capsule export_schema(const arrow::Schema& schema) {
  auto out = std::make_unique<ArrowSchema>();
  check(arrow::ExportSchema(schema, out.get()), "exporting a schema to Python");
  return capsule(std::move(out), "arrow_schema");
}

// A record batch on its way to Python.
struct Batch {
  std::shared_ptr<arrow::RecordBatch> batch;

  nb::tuple to_capsules() const {
    auto array = std::make_unique<ArrowArray>();
    auto schema = std::make_unique<ArrowSchema>();
    check(arrow::ExportRecordBatch(*batch, array.get(), schema.get()), "exporting a record batch to Python");
    return nb::make_tuple(capsule(std::move(schema), "arrow_schema"), capsule(std::move(array), "arrow_array"));
  }
};

std::optional<Batch> read_next(OpenStream& stream) {
  auto batch = interruptible(stream.stop(), [&] { return stream.next(); });
  if (!batch) return std::nullopt;
  return Batch{std::move(batch)};
}

nb::dict counters(const OpenStream& stream) {
  nb::dict out;
  if (const ScanCounters* counted = stream.counters()) {
    out["files_read"] = counted->files_read.load();
    out["row_groups_read"] = counted->row_groups_read.load();
    out["row_groups_pruned"] = counted->row_groups_pruned.load();
    out["rows_out"] = counted->rows_out.load();
  }
  return out;
}

// Everything that is left, as a stream over what is now in memory.
std::shared_ptr<OpenStream> read_all(OpenStream& stream) {
  auto batches = interruptible(stream.stop(), [&] {
    arrow::RecordBatchVector all;
    while (auto batch = stream.next()) all.push_back(std::move(batch));
    return all;
  });
  auto reader = check(arrow::RecordBatchReader::Make(std::move(batches), stream.schema()), "reading a stream");
  return OpenStream::make(std::move(reader), arrow::StopSource());
}

}  // namespace

void remember(const std::shared_ptr<Background>& background) {
  const std::lock_guard guard(registry_mutex);
  std::erase_if(registry, [](const auto& other) { return other.expired(); });
  registry.push_back(background);
}

std::shared_ptr<OpenStream> OpenStream::make(std::shared_ptr<arrow::RecordBatchReader> inner, arrow::StopSource stop,
                                             std::shared_ptr<const ScanCounters> counters) {
  std::shared_ptr<OpenStream> stream(new OpenStream(std::move(inner), std::move(stop), std::move(counters)));
  remember(stream);
  return stream;
}

OpenStream::~OpenStream() {
  stop_.RequestStop();
  destroy_without_gil(inner_);
}

arrow::Status OpenStream::ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) {
  const std::lock_guard guard(mutex_);
  if (inner_ == nullptr) return arrow::Status::Cancelled("the stream is closed");
  try {
    return inner_->ReadNext(batch);
  } catch (...) {
    return to_status(std::current_exception());
  }
}

arrow::Status OpenStream::Close() {
  stop_.RequestStop();
  const std::lock_guard guard(mutex_);
  inner_.reset();
  return arrow::Status::OK();
}

std::shared_ptr<arrow::RecordBatch> OpenStream::next() {
  std::shared_ptr<arrow::RecordBatch> batch;
  check(ReadNext(&batch), "reading a table");
  return batch;
}

void close_all_streams() {
  std::vector<std::weak_ptr<Background>> open;
  {
    const std::lock_guard guard(registry_mutex);
    open.swap(registry);
  }
  for (const auto& weak : open) {
    if (const auto background = weak.lock()) background->stop().RequestStop();
  }
  for (const auto& weak : open) {
    if (const auto background = weak.lock()) background->end();
  }
}

std::unique_ptr<arrow::RecordBatchReader> import_stream(const nb::handle& source, Call& call) {
  if (!nb::hasattr(source, "__arrow_c_stream__")) {
    const std::string type = nb::cast<std::string>(source.type().attr("__name__"));
    throw InvalidArgument("expected an Arrow stream (an object with __arrow_c_stream__, such as a pyarrow.Table, a " +
                          std::string("pyarrow.RecordBatchReader or a Polars data frame), not ") + type);
  }
  const nb::object held = source.attr("__arrow_c_stream__")();
  auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(held.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  auto reader = arrow::ImportRecordBatchReader(stream);
  if (!reader.ok()) throw InvalidArgument("not an Arrow stream of record batches: " + reader.status().message());
  return std::make_unique<CallersStream>(*std::move(reader), call);
}

nb::capsule export_stream(std::shared_ptr<arrow::RecordBatchReader> reader) {
  auto out = std::make_unique<ArrowArrayStream>();
  check(arrow::ExportRecordBatchReader(std::move(reader), out.get()), "exporting a stream to Python");
  return capsule(std::move(out), "arrow_array_stream");
}

void bind_stream(nb::module_& m) {
  nb::class_<Batch>(m, "Batch", "One record batch; `pyarrow.record_batch` takes it.")
      .def(
          "__arrow_c_array__", [](const Batch& self, const nb::object&) { return self.to_capsules(); },
          nb::arg("requested_schema") = nb::none())
      .def_prop_ro("num_rows", [](const Batch& self) { return self.batch->num_rows(); });

  nb::class_<OpenStream>(m, "BatchStream", "A stream of record batches; anything that takes Arrow streams takes it.")
      .def(
          "__arrow_c_stream__",
          [](const std::shared_ptr<OpenStream>& self, const nb::object&) { return export_stream(self); },
          nb::arg("requested_schema") = nb::none(),
          "What is left of the stream. Reading it through the capsule does not see Ctrl-C within one batch.")
      .def("__arrow_c_schema__", [](const OpenStream& self) { return export_schema(*self.schema()); })
      .def_prop_ro("counters", &counters, "What reading has done so far: files, row groups and rows.")
      .def("read_next", &read_next, "The next batch, or None at the end.")
      .def("read_all", &read_all, "What is left, in memory.")
      .def(
          "close", [](OpenStream& self) { check(self.Close(), "closing a stream"); },
          nb::call_guard<nb::gil_scoped_release>(), "Stops reading and lets go of what was read ahead.");
}

}  // namespace floe::python
