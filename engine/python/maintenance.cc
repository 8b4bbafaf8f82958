#include "maintenance.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/maintenance/expire_snapshots.h"
#include "floe/table.h"
#include "interrupt.h"
#include "progress.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

nb::list to_list(const std::vector<std::string>& texts) {
  nb::list out;
  for (const std::string& text : texts) out.append(nb::str(text.data(), text.size()));
  return out;
}

nb::object to_text(std::string_view text) { return nb::str(text.data(), text.size()); }

void add_to(nb::dict& out, const RemovedFiles& files) {
  nb::dict counts;
  for (size_t kind = 0; kind < kFileKinds; ++kind) {
    counts[to_text(to_string(static_cast<FileKind>(kind)))] = files.counts[kind];
  }
  out["counts"] = counts;
  out["bytes"] = files.bytes;
  out["failed"] = files.failed;
  out["problems"] = to_list(files.problems);
}

nb::list to_list(const std::vector<TableFile>& files) {
  nb::list out;
  for (const TableFile& file : files) {
    out.append(nb::make_tuple(to_text(file.location), to_text(to_string(file.kind)), file.size));
  }
  return out;
}

nb::tuple expire_snapshots(const Table& table, bool by_retention, std::optional<int64_t> older_than_ms,
                           std::optional<int64_t> retain_last, std::vector<int64_t> snapshot_ids,
                           bool clean_expired_metadata, bool delete_files, bool dry_run, int64_t max_concurrent_deletes,
                           nb::object progress) {
  arrow::StopSource stop;
  Call call(stop);
  PythonProgress told(std::move(progress), call, stop);
  const ExpireSnapshotsOptions options{.by_retention = by_retention,
                                       .older_than_ms = older_than_ms,
                                       .retain_last = retain_last,
                                       .snapshot_ids = std::move(snapshot_ids),
                                       .clean_expired_metadata = clean_expired_metadata,
                                       .delete_files = delete_files,
                                       .dry_run = dry_run,
                                       .max_concurrent_deletes = max_concurrent_deletes,
                                       .progress = told.callback(),
                                       .stop = stop.token()};
  ExpireSnapshotsResult result;
  told.run([&] { result = floe::expire_snapshots(*table.catalog(), table.loaded(), options); });
  nb::dict out;
  out["snapshots"] = result.expired.snapshots;
  out["refs"] = to_list(result.expired.refs);
  out["schemas"] = result.schemas;
  out["specs"] = result.specs;
  add_to(out, result.files);
  out["listed"] = to_list(result.listed);
  return nb::make_tuple(Table(table.catalog(), std::move(result.table)), out);
}

}  // namespace

void bind_maintenance(nb::module_& m) {
  m.def("expire_snapshots", &expire_snapshots, nb::arg("table"), nb::kw_only(), nb::arg("by_retention") = true,
        nb::arg("older_than_ms") = nb::none(), nb::arg("retain_last") = nb::none(),
        nb::arg("snapshot_ids") = std::vector<int64_t>(), nb::arg("clean_expired_metadata") = false,
        nb::arg("delete_files") = true, nb::arg("dry_run") = false, nb::arg("max_concurrent_deletes") = 0,
        nb::arg("progress") = nb::none(),
        "Forgets the snapshots that the table does not keep, and removes the files that only they reach.");
}

}  // namespace floe::python
