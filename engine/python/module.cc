#include <arrow/buffer.h>
#include <arrow/compute/expression.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>

#include "catalog.h"
#include "errors.h"
#include "evolve.h"
#include "floe/arrow_status.h"
#include "floe/catalog/reports.h"
#include "floe/expression/expression.h"
#include "floe/expression/from_arrow.h"
#include "floe/inspect/inspect.h"
#include "floe/manifest/manifest.h"
#include "maintenance.h"
#include "python_catalog.h"
#include "scan.h"
#include "stream.h"
#include "table.h"
#include "transaction.h"

namespace nb = nanobind;

namespace {

std::optional<std::string> filter_from_arrow(const nb::bytes& serialized, bool nan_is_greatest) {
  const std::string bytes(serialized.c_str(), serialized.size());
  const nb::gil_scoped_release nogil;
  const auto expression =
      floe::check(arrow::compute::Deserialize(arrow::Buffer::FromString(bytes)), "a serialized Arrow expression");
  const auto nan = nan_is_greatest ? floe::NanOrder::kGreatest : floe::NanOrder::kNone;
  const auto filter = floe::from_arrow(expression, nan);
  return filter ? std::optional(floe::to_json(*filter)) : std::nullopt;
}

}  // namespace

NB_MODULE(_core, m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  nb::set_leak_warnings(false);  // tables and streams may live in modules until the very end
  m.doc() = "The engine's classes as Python sees them. Use them through floe_engine.";
  floe::python::bind_errors(m);
  floe::python::bind_stream(m);
  floe::python::bind_scan(m);
  floe::python::bind_table(m);
  floe::python::bind_evolve(m);
  floe::python::bind_transaction(m);
  floe::python::bind_catalog(m);
  floe::python::bind_python_catalog(m);
  floe::python::bind_maintenance(m);

  m.def(
      "filter_to_json", [](const std::string& text) { return floe::to_json(floe::parse_filter(text)); },
      nb::arg("text"), nogil(), "A filter's text as the JSON of the REST protocol.");
  m.def("filter_from_arrow", &filter_from_arrow, nb::arg("serialized"), nb::arg("nan_is_greatest"),
        "A serialized Arrow expression as a filter's JSON, or None if filters cannot say it.");
  m.def("metadata_table_names", &floe::metadata_table_names, nogil(), "What Table.inspect takes.");
  m.def("set_manifest_cache_bytes", &floe::set_manifest_cache_bytes, nb::arg("bytes"), nogil(),
        "Bounds the process-wide cache of manifests. 0 turns it off.");
  m.def("clear_manifest_cache", &floe::clear_manifest_cache, nogil());
  m.def("manifest_cache_stats", [] {
    const floe::CacheStats stats = floe::manifest_cache_stats();
    nb::dict out;
    out["hits"] = stats.hits;
    out["misses"] = stats.misses;
    out["evictions"] = stats.evictions;
    out["bytes"] = stats.bytes;
    return out;
  });
  m.def("finish_reports", &floe::finish_reports, nogil(), "Gives reports on their way a second to arrive.");
  m.def("close_all_streams", &floe::python::close_all_streams, nogil(), "Stops every stream that is still read.");
}
