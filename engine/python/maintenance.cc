#include "maintenance.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/maintenance/expire_snapshots.h"
#include "floe/maintenance/orphan_files.h"
#include "floe/maintenance/partition_stats.h"
#include "floe/maintenance/rewrite_data_files.h"
#include "floe/maintenance/rewrite_manifests.h"
#include "floe/maintenance/table_stats.h"
#include "floe/naming.h"
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

nb::dict remove_orphan_files(const Table& table, std::optional<int64_t> older_than_ms, bool allow_recent,
                             std::optional<std::string> location, bool outside,
                             std::map<std::string, std::string> equal_schemes,
                             std::map<std::string, std::string> equal_authorities,
                             const std::string& prefix_mismatch_mode, std::optional<std::string> trash, bool dry_run,
                             std::optional<int64_t> most_listed, int64_t max_concurrent_deletes, nb::object progress) {
  arrow::StopSource stop;
  Call call(stop);
  PythonProgress told(std::move(progress), call, stop);
  OrphanFilesOptions options{.older_than_ms = older_than_ms,
                             .allow_recent = allow_recent,
                             .location = std::move(location),
                             .outside = outside,
                             .equal_schemes = std::move(equal_schemes),
                             .equal_authorities = std::move(equal_authorities),
                             .prefix_mismatch = parse_prefix_mismatch(prefix_mismatch_mode),
                             .trash = std::move(trash),
                             .dry_run = dry_run,
                             .max_concurrent_deletes = max_concurrent_deletes,
                             .progress = told.callback(),
                             .stop = stop.token()};
  if (most_listed) options.most_listed = static_cast<size_t>(std::max<int64_t>(*most_listed, 0));
  OrphanFilesResult result;
  told.run([&] { result = floe::remove_orphan_files(*table.catalog(), table.loaded(), options); });
  nb::dict out;
  out["locations"] = to_list(result.locations);
  out["looked_at"] = result.looked_at;
  out["orphans"] = result.orphans;
  out["bytes"] = result.bytes;
  out["removed"] = result.removed;
  out["failed"] = result.failed;
  out["problems"] = to_list(result.problems);
  return out;
}

nb::tuple rewrite_manifests(const Table& table, std::optional<int32_t> spec_id, const std::string& branch,
                            const Properties& snapshot_properties) {
  arrow::StopSource stop;
  const RewriteManifestsOptions options{
      .spec_id = spec_id, .branch = branch, .snapshot_properties = snapshot_properties, .stop = stop.token()};
  RewriteManifestsResult result =
      interruptible(stop, [&] { return floe::rewrite_manifests(*table.catalog(), table.loaded(), options); });
  return nb::make_tuple(Table(table.catalog(), std::move(result.table)), result.rewritten, result.added);
}

nb::tuple compute_partition_stats(const Table& table, std::optional<int64_t> snapshot_id) {
  arrow::StopSource stop;
  const PartitionStatsOptions options{.snapshot_id = snapshot_id, .stop = stop.token()};
  PartitionStatsResult result =
      interruptible(stop, [&] { return floe::compute_partition_stats(*table.catalog(), table.loaded(), options); });
  const nb::object location = result.file ? to_text(result.file->statistics_path) : nb::none();
  return nb::make_tuple(Table(table.catalog(), std::move(result.table)), location);
}

nb::tuple compute_table_stats(const Table& table, std::optional<std::vector<std::string>> columns,
                              std::optional<int64_t> snapshot_id) {
  arrow::StopSource stop;
  const TableStatsOptions options{.columns = std::move(columns), .snapshot_id = snapshot_id, .stop = stop.token()};
  TableStatsResult result =
      interruptible(stop, [&] { return floe::compute_table_stats(*table.catalog(), table.loaded(), options); });
  const nb::object location = result.file ? to_text(result.file->statistics_path) : nb::none();
  return nb::make_tuple(Table(table.catalog(), std::move(result.table)), location);
}

nb::bytes to_python(const std::string& bytes) { return nb::bytes(bytes.data(), bytes.size()); }
std::string_view view(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

nb::dict to_dict(const RewriteCounts& counts) {
  nb::dict out;
  out["rewritten_data_files"] = counts.rewritten_data_files;
  out["added_data_files"] = counts.added_data_files;
  out["rewritten_bytes"] = counts.rewritten_bytes;
  out["failed_data_files"] = counts.failed_data_files;
  out["removed_delete_files"] = counts.removed_delete_files;
  out["commits"] = counts.commits;
  out["failures"] = to_list(counts.failures);
  return out;
}

RewriteDataFilesOptions rewrite_options(const Table& table, const std::string& strategy, const std::string& sort_order,
                                        const Properties& values, const std::string& filter_json, bool case_sensitive,
                                        std::string branch, Properties snapshot_properties) {
  RewriteDataFilesOptions options{.filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
                                  .case_sensitive = case_sensitive,
                                  .branch = std::move(branch),
                                  .snapshot_properties = std::move(snapshot_properties)};
  naming(to_string(table.identifier()), [&] {
    set_options(options, values);
    set_strategy(options, strategy, sort_order, table.metadata());
  });
  return options;
}

nb::tuple rewrite_data_files(const Table& table, const std::string& strategy, const std::string& sort_order,
                             const Properties& options, const std::string& filter_json, bool case_sensitive,
                             const std::string& branch, const Properties& snapshot_properties,
                             std::optional<int64_t> memory, nb::object progress) {
  arrow::StopSource stop;
  Call call(stop);
  PythonProgress told(std::move(progress), call, stop);
  RewriteDataFilesOptions all =
      rewrite_options(table, strategy, sort_order, options, filter_json, case_sensitive, branch, snapshot_properties);
  all.memory = memory.value_or(all.memory);
  all.progress = told.callback();
  all.stop = stop.token();
  Table rewritten = table;
  RewriteCounts counts;
  told.run([&] { counts = rewritten.rewrite_data_files(all); });
  return nb::make_tuple(std::move(rewritten), to_dict(counts));
}

std::vector<RewriteTask> plan_rewrite(const Table& table, const std::string& strategy, const std::string& sort_order,
                                      const Properties& options, const std::string& filter_json, bool case_sensitive,
                                      const std::string& branch, const Properties& snapshot_properties) {
  arrow::StopSource stop;
  RewriteDataFilesOptions all =
      rewrite_options(table, strategy, sort_order, options, filter_json, case_sensitive, branch, snapshot_properties);
  all.stop = stop.token();
  return interruptible(stop, [&] { return floe::plan_rewrite(table.loaded(), all, *table.io()).tasks; });
}

nb::bytes run(const RewriteTask& task, const Properties& properties, std::optional<int64_t> memory) {
  arrow::StopSource stop;
  RewriteTaskOptions options{.stop = stop.token()};
  options.memory = memory.value_or(options.memory);
  return to_python(interruptible(stop, [&] { return to_bytes(floe::run(task, make_io(properties), options)); }));
}

nb::tuple commit_rewrite(const Table& table, const std::vector<nb::bytes>& results) {
  std::vector<RewriteResult> all;
  for (const nb::bytes& result : results) all.push_back(rewrite_result_from_bytes(view(result)));
  arrow::StopSource stop;
  RewriteCounts counts;
  LoadedTable committed = interruptible(stop, [&] {
    return floe::commit_rewrite(*table.catalog(), table.loaded(), std::move(all), counts, stop.token());
  });
  return nb::make_tuple(Table(table.catalog(), std::move(committed)), to_dict(counts));
}

nb::tuple rewrite_position_deletes(const Table& table, const Properties& values, const std::string& filter_json,
                                   bool case_sensitive, std::string branch, Properties snapshot_properties) {
  arrow::StopSource stop;
  RewritePositionDeletesOptions options{
      .filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
      .case_sensitive = case_sensitive,
      .branch = std::move(branch),
      .snapshot_properties = std::move(snapshot_properties)};
  naming(to_string(table.identifier()), [&] { set_options(options, values); });
  options.stop = stop.token();
  Table rewritten = table;
  const RewrittenDeletes counts = interruptible(stop, [&] { return rewritten.rewrite_position_deletes(options); });
  nb::dict out;
  out["rewritten_delete_files"] = counts.rewritten_delete_files;
  out["added_delete_files"] = counts.added_delete_files;
  out["rewritten_bytes"] = counts.rewritten_bytes;
  out["added_bytes"] = counts.added_bytes;
  out["commits"] = counts.commits;
  return nb::make_tuple(std::move(rewritten), out);
}

void bind_rewrite(nb::module_& m) {
  nb::class_<RewriteTask>(m, "RewriteTask", "A group of data files to be written again. Runs anywhere.")
      .def_ro("group", &RewriteTask::group)
      .def_ro("input_files", &RewriteTask::input_files)
      .def_ro("input_bytes", &RewriteTask::input_bytes)
      .def("run", &run, nb::arg("properties"), nb::arg("memory") = nb::none(),
           "Writes the files anew. Returns what commit_rewrite takes.")
      .def(
          "to_bytes", [](const RewriteTask& self) { return to_python(to_bytes(self)); },
          "The task as bytes, for another process.")
      .def_static(
          "from_bytes", [](const nb::bytes& bytes) { return rewrite_task_from_bytes(view(bytes)); }, nb::arg("bytes"));
  m.def("rewrite_data_files", &rewrite_data_files, nb::arg("table"), nb::kw_only(), nb::arg("strategy"),
        nb::arg("sort_order"), nb::arg("options"), nb::arg("filter_json"), nb::arg("case_sensitive"), nb::arg("branch"),
        nb::arg("snapshot_properties"), nb::arg("memory") = nb::none(), nb::arg("progress") = nb::none(),
        "Compaction: plans, runs and commits.");
  m.def("plan_rewrite", &plan_rewrite, nb::arg("table"), nb::kw_only(), nb::arg("strategy"), nb::arg("sort_order"),
        nb::arg("options"), nb::arg("filter_json"), nb::arg("case_sensitive"), nb::arg("branch"),
        nb::arg("snapshot_properties"), "The tasks of a compaction.");
  m.def("rewrite_position_deletes", &rewrite_position_deletes, nb::arg("table"), nb::kw_only(), nb::arg("options"),
        nb::arg("filter_json"), nb::arg("case_sensitive"), nb::arg("branch"), nb::arg("snapshot_properties"),
        "Small position delete files become fewer, or deletion vectors; equality deletes too, if asked.");
  m.def("commit_rewrite", &commit_rewrite, nb::arg("table"), nb::arg("results"),
        "Puts what tasks of one plan wrote in the place of what they read.");
}

}  // namespace

void bind_maintenance(nb::module_& m) {
  bind_rewrite(m);
  m.def("expire_snapshots", &expire_snapshots, nb::arg("table"), nb::kw_only(), nb::arg("by_retention") = true,
        nb::arg("older_than_ms") = nb::none(), nb::arg("retain_last") = nb::none(),
        nb::arg("snapshot_ids") = std::vector<int64_t>(), nb::arg("clean_expired_metadata") = false,
        nb::arg("delete_files") = true, nb::arg("dry_run") = false, nb::arg("max_concurrent_deletes") = 0,
        nb::arg("progress") = nb::none(),
        "Forgets the snapshots that the table does not keep, and removes the files that only they reach.");
  m.def("remove_orphan_files", &remove_orphan_files, nb::arg("table"), nb::kw_only(),
        nb::arg("older_than_ms") = nb::none(), nb::arg("allow_recent") = false, nb::arg("location") = nb::none(),
        nb::arg("outside") = false, nb::arg("equal_schemes") = std::map<std::string, std::string>(),
        nb::arg("equal_authorities") = std::map<std::string, std::string>(), nb::arg("prefix_mismatch_mode") = "error",
        nb::arg("trash") = nb::none(), nb::arg("dry_run") = false, nb::arg("most_listed") = nb::none(),
        nb::arg("max_concurrent_deletes") = 0, nb::arg("progress") = nb::none(),
        "Removes the files below the table's location that its metadata does not mention.");
  m.def("rewrite_manifests", &rewrite_manifests, nb::arg("table"), nb::kw_only(), nb::arg("spec_id") = nb::none(),
        nb::arg("branch") = std::string(kMainBranch), nb::arg("snapshot_properties") = Properties(),
        "Writes the manifests of a branch anew, by partition. The table afterwards, and how many were replaced and "
        "made.");
  m.def("compute_partition_stats", &compute_partition_stats, nb::arg("table"), nb::kw_only(),
        nb::arg("snapshot_id") = nb::none(),
        "Writes and commits the statistics of a snapshot's partitions. The table afterwards, and where they are.");
  m.def("compute_table_stats", &compute_table_stats, nb::arg("table"), nb::kw_only(), nb::arg("columns") = nb::none(),
        nb::arg("snapshot_id") = nb::none(),
        "Writes and commits the statistics of a snapshot's columns. The table afterwards, and where they are.");
}

}  // namespace floe::python
