#include "scan.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/catalog/planning_mode.h"
#include "floe/catalog/reports.h"
#include "floe/error.h"
#include "floe/manifest/manifest.h"
#include "floe/scan/plan_tasks.h"
#include "floe/scan/scan_task.h"
#include "floe/spec/json_writer.h"
#include "interrupt.h"
#include "stream.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

ScanOptions with(ScanOptions options, const arrow::StopSource& stop) {
  options.stop = const_cast<arrow::StopSource&>(stop).token();
  return options;
}

// A plan as Python holds it. Its files are found as somebody asks for them, and kept. Safe from many threads; what may
// take long is called without the GIL.
class Plan final : public Background {
 public:
  // Reads what there is of deletes. The catalog gets a report of the plan when all of it is there, unless
  // `reported_filter` (JSON) is empty.
  Plan(const Scan& scan, arrow::StopSource stop, std::string reported_filter)
      : table_(scan.table),
        stop_(std::move(stop)),
        options_(with(scan.options, stop_)),
        io_(table_.io()),
        reported_filter_(std::move(reported_filter)) {
    check_clients_plan(*table_.catalog(), table_.loaded());
    const Stopwatch watch(planning_);
    planner_ = std::make_unique<Planner>(table_.metadata(), options_, *io_);
    head_ = planner_->plan();
  }
  ~Plan() override {
    stop_.RequestStop();
    destroy_without_gil(planner_);
  }

  const Table& table() const { return table_; }
  const ScanOptions& options() const { return options_; }
  const ScanPlan& head() const { return head_; }  // all but the files

  arrow::StopSource& stop() override { return stop_; }
  void end() override {
    const std::lock_guard guard(mutex_);
    planner_.reset();
  }

  // The files of the i-th manifest that has some.
  std::optional<ScanPlan::Part> part(size_t i) {
    const std::lock_guard guard(mutex_);
    while (i >= found_.parts.size() && find_more()) {
    }
    return i < found_.parts.size() ? std::optional(found_.parts[i]) : std::nullopt;
  }

  // Everything, which never changes then.
  const ScanPlan& all() {
    if (complete_) return found_;
    const std::lock_guard guard(mutex_);
    while (find_more()) {
    }
    return found_;
  }
  bool complete() const { return complete_; }

  // Where a planned file is. To be called when all are found.
  struct Place {
    size_t part;
    uint32_t entry;
  };
  Place place_of(int64_t index) const {
    if (index < 0 || ends_.empty() || index >= ends_.back()) throw InvalidArgument("the plan has no such file");
    const size_t part = std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin();
    return {part, found_.parts[part].entries[index - (part == 0 ? 0 : ends_[part - 1])]};
  }

  std::map<size_t, std::vector<DataFile>> whole;  // of the parts whose files were asked for; under the GIL
  std::map<size_t, std::vector<DataFile>> whole_deletes;

 private:
  // Adds what its life takes.
  class Stopwatch {
   public:
    explicit Stopwatch(std::chrono::nanoseconds& sum) : sum_(sum) {}
    Stopwatch(const Stopwatch&) = delete;
    ~Stopwatch() { sum_ += std::chrono::steady_clock::now() - start_; }

   private:
    std::chrono::nanoseconds& sum_;
    const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

  bool find_more() {
    if (complete_) return false;
    if (!planner_) throw Cancelled("the plan was closed: the interpreter ends");
    if (find_part()) return true;
    complete_ = true;
    ReportTaker* const taker = reported_filter_.empty() ? nullptr : report_taker(*table_.catalog());
    if (taker != nullptr) taker->report(table_.identifier(), report());
    return false;
  }

  bool find_part() {
    const Stopwatch watch(planning_);
    if (std::optional<ScanPlan::Part> part = planner_->next()) {
      ends_.push_back((ends_.empty() ? 0 : ends_.back()) + static_cast<int64_t>(part->entries.size()));
      found_.parts.push_back(*std::move(part));
      return true;
    }
    std::vector<ScanPlan::Part> parts = std::move(found_.parts);
    found_ = planner_->plan();
    found_.parts = std::move(parts);
    planner_.reset();
    return false;
  }

  // As the REST protocol has it: a ReportMetricsRequest.
  std::string report() const {
    json::Writer out;
    out.begin_object();
    out.member("report-type", "scan-report");
    out.member("table-name", to_string(table_.identifier()));
    out.member("snapshot-id", found_.snapshot_id.value_or(-1));
    out.key("filter");
    out.raw(reported_filter_);
    out.member("schema-id", found_.schema->schema_id);
    out.key("projected-field-ids");
    out.begin_array();
    for (const Field& field : found_.projection.fields) out.value(field.id);
    out.end_array();
    out.key("projected-field-names");
    out.begin_array();
    for (const Field& field : found_.projection.fields) out.value(std::string_view(field.name));
    out.end_array();
    out.key("metrics");
    out.begin_object();
    out.key("total-planning-duration");
    out.begin_object();
    out.member("count", 1);
    out.member("time-unit", "nanoseconds");
    out.member("total-duration", static_cast<int64_t>(planning_.count()));
    out.end_object();
    const std::pair<std::string_view, int64_t> counters[] = {
        {"result-data-files", found_.files()},
        {"skipped-data-files", found_.files_pruned},
        {"indexed-delete-files", found_.deletes ? static_cast<int64_t>(found_.deletes->size()) : 0},
        {"total-manifests", found_.manifests_total},
        {"scanned-manifests", found_.manifests_total - found_.manifests_pruned},
        {"skipped-manifests", found_.manifests_pruned},
        {"result-records", found_.rows()},
    };
    for (const auto& [name, value] : counters) {
      out.key(name);
      out.begin_object();
      out.member("unit", "count");
      out.member("value", value);
      out.end_object();
    }
    out.end_object();
    out.end_object();
    return out.take();
  }

  const Table table_;
  arrow::StopSource stop_;
  const ScanOptions options_;
  const IoPtr io_;
  const std::string reported_filter_;
  ScanPlan head_;

  std::mutex mutex_;  // guards what follows until all is found
  std::unique_ptr<Planner> planner_;
  ScanPlan found_;
  std::vector<int64_t> ends_;  // of each part's files, in the order of the stream
  std::chrono::nanoseconds planning_{0};
  std::atomic<bool> complete_ = false;
};
using PlanPtr = std::shared_ptr<Plan>;

PlanPtr make_plan(const Scan& scan, const std::string& reported_filter) {
  arrow::StopSource stop;
  PlanPtr plan = interruptible(stop, [&] { return std::make_shared<Plan>(scan, stop, reported_filter); });
  remember(plan);
  return plan;
}

const ScanPlan& all_of(Plan& self) {
  if (!self.complete()) Call(self.stop()).run([&] { self.all(); });
  return self.all();
}

NextPart parts_of(const PlanPtr& plan) {
  return [plan, i = size_t{0}]() mutable { return plan->part(i++); };
}

// What can be read: a plan, or a task of one.
struct Readable {
  TableMetadataPtr table;
  ScanPlan plan;
  ScanOptions options;
  IoPtr io;
};

Readable readable(Plan& plan) {
  return {plan.table().loaded().metadata, all_of(plan), plan.options(), plan.table().io()};
}

std::shared_ptr<OpenStream> read_rows(const Readable& self) {
  arrow::StopSource stop;
  const ScanOptions options = with(self.options, stop);
  auto counters = std::make_shared<ScanCounters>();
  auto reader = interruptible(stop, [&] { return read(*self.table, self.plan, options, self.io, counters); });
  return OpenStream::make(std::move(reader), std::move(stop), std::move(counters));
}

std::shared_ptr<OpenStream> read_changelog(const Scan& self, bool updates,
                                           std::vector<std::string> identifier_columns) {
  arrow::StopSource stop;
  const ChangelogOptions changes{.since = self.options.appended_since.value_or(ScanOptions::AppendedSince()),
                                 .updates = updates,
                                 .identifier_columns = std::move(identifier_columns)};
  auto reader = interruptible(stop, [&] { return self.table.changelog(changes, with(self.options, stop)); });
  return OpenStream::make(std::move(reader), std::move(stop));
}

int64_t count_rows(const Readable& self) {
  arrow::StopSource stop;
  const ScanOptions options = with(self.options, stop);
  return interruptible(stop, [&] { return count(*self.table, self.plan, options, self.io); });
}

nb::bytes bytes(const std::string& value) { return nb::bytes(value.data(), value.size()); }

template <typename T>
nb::dict by_field_id(const ByFieldId<T>& values) {
  nb::dict out;
  for (const auto& [id, value] : values) {
    if constexpr (std::is_same_v<T, std::string>) {
      out[nb::int_(id)] = bytes(value);
    } else {
      out[nb::int_(id)] = value;
    }
  }
  return out;
}

nb::list partition_values(const Manifest& manifest, const DataFile& file) {
  nb::list out;
  for (size_t i = 0; i < file.partition.size(); ++i) {
    const Value& value = file.partition[i];
    if (value.is_null()) {
      out.append(nb::none());
    } else {
      out.append(bytes(to_bytes(value, manifest.partition_types[i])));
    }
  }
  return out;
}

// All files of a manifest, with their statistics, kept.
const DataFile& whole_file(std::map<size_t, std::vector<DataFile>>& kept, size_t part, const ManifestPart& from,
                           size_t entry) {
  auto found = kept.find(part);
  if (found == kept.end()) found = kept.emplace(part, from.reader->data_files()).first;
  return found->second.at(entry);
}

template <typename T>
nb::list list_of(const std::vector<T>& values) {
  nb::list out;
  for (const T& value : values) out.append(value);
  return out;
}

// By the names of the specification; bounds and partition values in binary.
nb::dict file_dict(const Manifest& manifest, const DataFile& file) {
  nb::dict out;
  out["content"] = static_cast<int>(file.content);
  out["file_path"] = file.file_path;
  out["file_format"] = to_string(file.file_format);
  out["spec_id"] = manifest.spec_id;
  out["partition"] = partition_values(manifest, file);
  nb::list types;
  for (const Type& type : manifest.partition_types) types.append(to_string(type));
  out["partition_types"] = types;
  out["record_count"] = file.record_count;
  out["file_size_in_bytes"] = file.file_size_in_bytes;
  out["column_sizes"] = by_field_id(file.column_sizes);
  out["value_counts"] = by_field_id(file.value_counts);
  out["null_value_counts"] = by_field_id(file.null_value_counts);
  out["nan_value_counts"] = by_field_id(file.nan_value_counts);
  out["lower_bounds"] = by_field_id(file.lower_bounds);
  out["upper_bounds"] = by_field_id(file.upper_bounds);
  out["key_metadata"] = file.key_metadata ? nb::object(bytes(*file.key_metadata)) : nb::none();
  out["split_offsets"] = list_of(file.split_offsets);
  out["equality_ids"] = list_of(file.equality_ids);
  out["sort_order_id"] = nb::cast(file.sort_order_id);
  out["first_row_id"] = nb::cast(file.first_row_id);
  out["referenced_data_file"] = nb::cast(file.referenced_data_file);
  out["content_offset"] = nb::cast(file.content_offset);
  out["content_size_in_bytes"] = nb::cast(file.content_size_in_bytes);
  return out;
}

nb::dict file_at(Plan& self, int64_t index) {
  const ScanPlan& plan = all_of(self);
  const auto [part, entry] = self.place_of(index);
  const ScanPlan::Part& from = plan.parts[part];
  return file_dict(*from.manifest, whole_file(self.whole, part, from, entry));
}

nb::list delete_files_at(Plan& self, int64_t index) {
  const ScanPlan& plan = all_of(self);
  const auto [part, entry] = self.place_of(index);
  nb::list out;
  if (!plan.deletes) return out;
  const ScanPlan::Part& from = plan.parts[part];
  DeleteFinder finder(*plan.deletes, *from.reader, from.manifest);
  for (const DeleteEntry& file : finder.find(entry).files()) {
    const ManifestPart& of = plan.deletes->parts()[file.part];
    out.append(file_dict(*of.manifest, whole_file(self.whole_deletes, file.part, of, file.entry)));
  }
  return out;
}

// --- tasks -----------------------------------------------------------------------------------------------------------

struct Task : Readable {};

// Tasks as they are found.
struct Tasks {
  PlanPtr plan;
  std::mutex mutex;
  std::unique_ptr<TaskPlanner> planner;
};

std::shared_ptr<Tasks> make_tasks(const PlanPtr& plan, const Properties& properties,
                                  std::optional<int64_t> parallelism) {
  const TaskOptions options = task_options(plan->table().metadata(), properties, parallelism);
  auto tasks = std::make_shared<Tasks>();
  tasks->plan = plan;
  Call(plan->stop()).run([&] {
    tasks->planner = std::make_unique<TaskPlanner>(plan->head(), options, parts_of(plan));
  });
  return tasks;
}

Task next_task(Tasks& self) {
  auto next = interruptible(self.plan->stop(), [&] {
    const std::lock_guard guard(self.mutex);
    return self.planner->next();
  });
  if (!next) throw nb::stop_iteration();
  const Plan& plan = *self.plan;
  return {{plan.table().loaded().metadata, *std::move(next), plan.options(), plan.table().io()}};
}

nb::bytes task_to_bytes(const Task& self) {
  std::string written;
  {
    const nb::gil_scoped_release nogil;
    written = to_bytes(*self.table, self.plan, self.options);
  }
  return bytes(written);
}

Task task_from_bytes(const nb::bytes& data, const Properties& properties) {
  const std::string_view view(data.c_str(), data.size());
  const nb::gil_scoped_release nogil;
  ScanTask task = scan_task_from_bytes(view);
  for (const auto& [key, value] : properties) task.io.insert_or_assign(key, value);
  return {{std::make_shared<const TableMetadata>(std::move(task.table)), std::move(task.plan), std::move(task.options),
           make_io(task.io)}};
}

nb::list projected_fields(const Plan& plan) {
  nb::list out;
  for (const Field& field : plan.head().projection.fields) {
    out.append(nb::make_tuple(field.id, nb::str(field.name.data(), field.name.size())));
  }
  return out;
}

}  // namespace

void bind_scan(nb::module_& m) {
  nb::class_<Task>(m, "ScanTask", "A piece of a scan that can be read by itself, also elsewhere.")
      .def_prop_ro("table_name", [](const Task& self) { return self.options.table_name; })
      .def_prop_ro("snapshot_id", [](const Task& self) { return self.plan.snapshot_id; })
      .def_prop_ro(
          "files", [](const Task& self) { return self.plan.files(); }, "Some may be read in part.")
      .def(
          "read", [](const Task& self) { return read_rows(self); }, "The rows, as a stream.")
      .def(
          "count", [](const Task& self) { return count_rows(self); }, "The number of rows that match.")
      .def("to_bytes", &task_to_bytes, "What from_bytes() takes in another process. There are no secrets in it.")
      .def_static("from_bytes", &task_from_bytes, nb::arg("data"), nb::arg("properties") = Properties(),
                  "A task of these bytes, to be read with these properties of the store.");

  nb::class_<Tasks>(m, "ScanTasks", "The tasks of a plan, as they are found.")
      .def("__iter__", [](const std::shared_ptr<Tasks>& self) { return self; })
      .def("__next__", &next_task);

  nb::class_<Plan>(m, "Plan", "The files that a scan has to read, as an Arrow stream of one row per file.")
      .def_prop_ro("snapshot_id", [](const Plan& self) { return self.head().snapshot_id; })
      .def_prop_ro("schema_id", [](const Plan& self) { return self.head().schema->schema_id; })
      .def_prop_ro("projected_fields", &projected_fields, "The columns that come out: id and name.")
      .def_prop_ro("files", [](Plan& self) { return all_of(self).files(); })
      .def_prop_ro(
          "rows", [](Plan& self) { return all_of(self).rows(); }, "In the files, before the filter.")
      .def_prop_ro("manifests_total", [](const Plan& self) { return self.head().manifests_total; })
      .def_prop_ro("manifests_pruned", [](const Plan& self) { return self.head().manifests_pruned; })
      .def_prop_ro(
          "files_total", [](Plan& self) { return all_of(self).files_total; }, "In the manifests that were read.")
      .def_prop_ro("files_pruned", [](Plan& self) { return all_of(self).files_pruned; })
      .def(
          "__arrow_c_stream__",
          [](const PlanPtr& self, const nb::object&) { return export_stream(to_arrow(self->head(), parts_of(self))); },
          nb::arg("requested_schema") = nb::none())
      .def("file", &file_at, nb::arg("index"),
           "One file with its statistics, by the names of the specification; bounds and partition values in binary.")
      .def("delete_files", &delete_files_at, nb::arg("index"), "The delete files that apply to one file.")
      .def("tasks", &make_tasks, nb::arg("properties") = Properties(), nb::arg("parallelism") = nb::none(),
           "The plan as tasks of about one size.")
      .def(
          "read", [](Plan& self) { return read_rows(readable(self)); }, "The rows, as a stream.")
      .def(
          "count", [](Plan& self) { return count_rows(readable(self)); },
          "The number of rows that match, from metadata alone where that is right.");

  nb::class_<Scan>(m, "Scan", "What to read of one state of a table.")
      .def_prop_ro("takes_reports", [](const Scan& self) { return report_taker(*self.table.catalog()) != nullptr; })
      .def("plan", &make_plan, nb::arg("reported_filter") = "", "Begins to find the files to read.")
      .def("changelog", &read_changelog, nb::kw_only(), nb::arg("updates"), nb::arg("identifier_columns"),
           "The rows that came and went, as a stream.");
}

}  // namespace floe::python
