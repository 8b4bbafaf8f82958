#include "table.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/catalog/reports.h"
#include "floe/table.h"
#include "interrupt.h"
#include "scan.h"
#include "stream.h"
#include "transaction.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

std::vector<std::string> identifier(const Table& table) {
  std::vector<std::string> levels = table.identifier().ns;
  levels.push_back(table.identifier().name);
  return levels;
}

std::optional<int64_t> id_of(const Snapshot* snapshot) {
  return snapshot == nullptr ? std::nullopt : std::optional(snapshot->snapshot_id);
}

Scan scan(const Table& table, const std::string& filter_json, std::vector<std::string> select, bool case_sensitive,
          std::optional<int64_t> snapshot_id, std::optional<int64_t> as_of_ms, std::optional<std::string> ref,
          std::optional<std::pair<std::optional<int64_t>, bool>> appended_since, std::optional<int64_t> limit,
          std::optional<int64_t> batch_rows, std::optional<int64_t> read_ahead_bytes, bool ordered) {
  ScanOptions options{.filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
                      .select = std::move(select),
                      .case_sensitive = case_sensitive,
                      .snapshot_id = snapshot_id,
                      .as_of_ms = as_of_ms,
                      .ref = std::move(ref),
                      .limit = limit,
                      .ordered = ordered,
                      .table_name = to_string(table.identifier())};
  if (appended_since) {
    options.appended_since =
        ScanOptions::AppendedSince{.snapshot_id = appended_since->first, .inclusive = appended_since->second};
  }
  if (batch_rows) options.batch_rows = *batch_rows;
  if (read_ahead_bytes) options.read_ahead_bytes = *read_ahead_bytes;
  return {table, std::move(options)};
}

std::shared_ptr<OpenStream> inspect(const Table& table, const std::string& name, std::optional<int64_t> snapshot_id,
                                    std::optional<int64_t> as_of_ms, std::optional<std::string> ref,
                                    std::vector<std::string> columns, const std::string& filter_json,
                                    bool case_sensitive) {
  arrow::StopSource stop;
  const InspectOptions options{.snapshot_id = snapshot_id,
                               .as_of_ms = as_of_ms,
                               .ref = std::move(ref),
                               .columns = std::move(columns),
                               .filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
                               .case_sensitive = case_sensitive,
                               .stop = stop.token()};
  auto reader = interruptible(stop, [&] { return table.inspect(name, options); });
  return OpenStream::make(std::move(reader), std::move(stop));
}

nb::dict io_counters(const Table& table) {
  const IoCounters& counters = table.io()->counters();
  nb::dict out;
  out["files_opened"] = counters.files_opened.load();
  out["reads"] = counters.reads.load();
  out["bytes_read"] = counters.bytes_read.load();
  out["files_written"] = counters.files_written.load();
  out["bytes_written"] = counters.bytes_written.load();
  out["files_deleted"] = counters.files_deleted.load();
  return out;
}

// Sequence numbers and times of a table do not go back. Where a commit changed neither, it still names what was before.
bool came_before(const Table& table, const Table& other) {
  const TableMetadata &mine = table.metadata(), &theirs = other.metadata();
  if (mine.last_sequence_number != theirs.last_sequence_number) {
    return mine.last_sequence_number < theirs.last_sequence_number;
  }
  if (mine.last_updated_ms != theirs.last_updated_ms) return mine.last_updated_ms < theirs.last_updated_ms;
  return std::ranges::any_of(theirs.metadata_log, [&](const MetadataLogEntry& entry) {
    return entry.metadata_file == table.loaded().metadata_location;
  });
}

}  // namespace

void bind_table(nb::module_& m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  nb::class_<Table>(m, "Table", "One state of a table. It never changes; what changes a table returns a new one.")
      .def_prop_ro("identifier", &identifier)
      .def_prop_ro("metadata_location", [](const Table& self) { return self.loaded().metadata_location; })
      .def_prop_ro("config", [](const Table& self) { return self.loaded().config; })
      .def_prop_ro("uuid", [](const Table& self) { return self.metadata().table_uuid; })
      .def_prop_ro("format_version", [](const Table& self) { return self.metadata().format_version; })
      .def_prop_ro("current_snapshot_id", [](const Table& self) { return self.metadata().current_snapshot_id; })
      .def_prop_ro("properties", [](const Table& self) { return self.metadata().properties; })
      .def_prop_ro("io_counters", &io_counters)
      .def(
          "metadata_json", [](const Table& self) { return to_json(self.metadata()); }, nogil(),
          "The metadata, as the text of metadata.json.")
      .def_prop_ro("snapshot_ids",
                   [](const Table& self) {
                     std::vector<int64_t> ids;
                     for (const auto& snapshot : self.metadata().snapshots) ids.push_back(snapshot->snapshot_id);
                     return ids;
                   })
      .def(
          "snapshot_json",
          [](const Table& self, int64_t id) -> std::optional<std::string> {
            const Snapshot* const snapshot = snapshot_by_id(self.metadata(), id);
            if (snapshot == nullptr) return std::nullopt;
            return to_json(*snapshot, self.metadata().format_version);
          },
          nb::arg("snapshot_id"), "A snapshot, as metadata.json has it.")
      .def_prop_ro("takes_reports", [](const Table& self) { return report_taker(*self.catalog()) != nullptr; })
      .def(
          "report",
          [](const Table& self, const std::string& json) {
            if (ReportTaker* const taker = report_taker(*self.catalog())) taker->report(self.identifier(), json);
          },
          nb::arg("json"), nogil(), "Sends the catalog's server a report (metrics), in the background.")
      .def(
          "report_trouble",
          [](const Table& self) -> std::optional<std::string> {
            ReportTaker* const taker = report_taker(*self.catalog());
            return taker == nullptr ? std::nullopt : taker->report_trouble();
          },
          "What went wrong with the first report that did not arrive; said once.")
      .def(
          "snapshot_as_of", [](const Table& self, int64_t ms) { return id_of(snapshot_as_of(self.metadata(), ms)); },
          nb::arg("timestamp_ms"), "The id of the snapshot that was current at a time (Unix time in milliseconds).")
      .def(
          "snapshot_of_ref",
          [](const Table& self, const std::string& ref) { return id_of(snapshot_by_ref(self.metadata(), ref)); },
          nb::arg("ref"), "The id of the snapshot that a branch or tag names.")
      .def(
          "of_catalog", [](const Table& self, const CatalogPtr& catalog) { return Table(catalog, self.loaded()); },
          nb::arg("catalog"), nogil(), "This state of the table, to be committed to by another catalog.")
      .def("came_before", &came_before, nb::arg("other"), "Whether `other` is a later state of this table.")
      .def("upsert", &upsert, nb::arg("batches"), nb::arg("options"),
           "Updates the rows that have the same key as one of the stream, and inserts those that have none.")
      .def("scan", &scan, nb::kw_only(), nb::arg("filter_json") = "", nb::arg("select") = std::vector<std::string>{"*"},
           nb::arg("case_sensitive") = true, nb::arg("snapshot_id") = nb::none(), nb::arg("as_of_ms") = nb::none(),
           nb::arg("ref") = nb::none(), nb::arg("appended_since") = nb::none(), nb::arg("limit") = nb::none(),
           nb::arg("batch_rows") = nb::none(), nb::arg("read_ahead_bytes") = nb::none(), nb::arg("ordered") = true,
           "A scan of this state of the table.")
      .def("inspect", &inspect, nb::arg("name"), nb::kw_only(), nb::arg("snapshot_id") = nb::none(),
           nb::arg("as_of_ms") = nb::none(), nb::arg("ref") = nb::none(),
           nb::arg("columns") = std::vector<std::string>{"*"}, nb::arg("filter_json") = "",
           nb::arg("case_sensitive") = true, "A metadata table, as a stream.");
}

}  // namespace floe::python
