#include "scan.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/manifest/manifest.h"
#include "interrupt.h"
#include "stream.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

// A plan as Python holds it, with the options it was made with.
struct Plan {
  Table table;
  ScanOptions options;
  ScanPlan plan;
  std::vector<int64_t> ends;                      // of each part's files, in the order of the stream
  std::map<size_t, std::vector<DataFile>> whole;  // of the parts whose files were asked for
  std::map<size_t, std::vector<DataFile>> whole_deletes;
};

ScanOptions with(ScanOptions options, const arrow::StopSource& stop) {
  options.stop = const_cast<arrow::StopSource&>(stop).token();
  return options;
}

std::shared_ptr<Plan> make_plan(const Scan& scan) {
  arrow::StopSource stop;
  auto made = std::make_shared<Plan>(Plan{.table = scan.table, .options = scan.options});
  made->plan =
      interruptible(stop, [&] { return plan(scan.table.metadata(), with(scan.options, stop), *scan.table.io()); });
  int64_t end = 0;
  for (const ScanPlan::Part& part : made->plan.parts) {
    end += static_cast<int64_t>(part.entries.size());
    made->ends.push_back(end);
  }
  return made;
}

std::shared_ptr<OpenStream> read_plan(const Plan& self) {
  arrow::StopSource stop;
  const ScanOptions options = with(self.options, stop);
  auto counters = std::make_shared<ScanCounters>();
  auto reader =
      interruptible(stop, [&] { return read(self.table.metadata(), self.plan, options, self.table.io(), counters); });
  return OpenStream::make(std::move(reader), std::move(stop), std::move(counters));
}

int64_t count_rows(const Plan& self) {
  arrow::StopSource stop;
  const ScanOptions options = with(self.options, stop);
  return interruptible(stop, [&] { return count(self.table.metadata(), self.plan, options, self.table.io()); });
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

// Where a planned file is.
struct Place {
  size_t part;
  uint32_t entry;
};

Place place_of(const Plan& self, int64_t index) {
  if (index < 0 || self.ends.empty() || index >= self.ends.back()) throw InvalidArgument("the plan has no such file");
  const size_t part = std::upper_bound(self.ends.begin(), self.ends.end(), index) - self.ends.begin();
  return {part, self.plan.parts[part].entries[index - (part == 0 ? 0 : self.ends[part - 1])]};
}

nb::dict file_at(Plan& self, int64_t index) {
  const auto [part, entry] = place_of(self, index);
  const ScanPlan::Part& from = self.plan.parts[part];
  return file_dict(*from.manifest, whole_file(self.whole, part, from, entry));
}

nb::list delete_files_at(Plan& self, int64_t index) {
  const auto [part, entry] = place_of(self, index);
  nb::list out;
  if (!self.plan.deletes) return out;
  const ScanPlan::Part& from = self.plan.parts[part];
  DeleteFinder finder(*self.plan.deletes, *from.reader, from.manifest);
  for (const DeleteEntry& file : finder.find(entry).files()) {
    const ManifestPart& of = self.plan.deletes->parts()[file.part];
    out.append(file_dict(*of.manifest, whole_file(self.whole_deletes, file.part, of, file.entry)));
  }
  return out;
}

}  // namespace

void bind_scan(nb::module_& m) {
  nb::class_<Plan>(m, "Plan", "The files that a scan has to read, as an Arrow stream of one row per file.")
      .def_prop_ro("snapshot_id", [](const Plan& self) { return self.plan.snapshot_id; })
      .def_prop_ro("files", [](const Plan& self) { return self.plan.files(); })
      .def_prop_ro(
          "rows", [](const Plan& self) { return self.plan.rows(); }, "In the files, before the filter.")
      .def_prop_ro("manifests_total", [](const Plan& self) { return self.plan.manifests_total; })
      .def_prop_ro("manifests_pruned", [](const Plan& self) { return self.plan.manifests_pruned; })
      .def_prop_ro(
          "files_total", [](const Plan& self) { return self.plan.files_total; }, "In the manifests that were read.")
      .def_prop_ro("files_pruned", [](const Plan& self) { return self.plan.files_pruned; })
      .def(
          "__arrow_c_stream__",
          [](const std::shared_ptr<Plan>& self, const nb::object&) { return export_stream(to_arrow(self->plan)); },
          nb::arg("requested_schema") = nb::none())
      .def("file", &file_at, nb::arg("index"),
           "One file with its statistics, by the names of the specification; bounds and partition values in binary.")
      .def("delete_files", &delete_files_at, nb::arg("index"), "The delete files that apply to one file.")
      .def("read", &read_plan, "The rows, as a stream.")
      .def("count", &count_rows, "The number of rows that match, from metadata alone where that is right.");

  nb::class_<Scan>(m, "Scan", "What to read of one state of a table.")
      .def("plan", &make_plan, "Finds the files to read.");
}

}  // namespace floe::python
