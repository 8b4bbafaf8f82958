#include "transaction.h"

#include <arrow/util/cancel.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "floe/table.h"
#include "interrupt.h"
#include "stream.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

UpsertOptions upsert_options(std::vector<std::string> keys, bool case_sensitive, bool update_matched,
                             bool delete_matched, bool insert_unmatched, const Properties& snapshot_properties,
                             const std::string& branch, const std::optional<std::string>& mode) {
  return {.keys = std::move(keys),
          .case_sensitive = case_sensitive,
          .update_matched = update_matched,
          .delete_matched = delete_matched,
          .insert_unmatched = insert_unmatched,
          .mode = mode ? std::optional(parse_delete_mode(*mode)) : std::nullopt,
          .branch = branch,
          .snapshot_properties = snapshot_properties};
}

nb::dict to_dict(const UpsertCounts& counts) {
  nb::dict out;
  out["updated"] = counts.updated;
  out["inserted"] = counts.inserted;
  out["deleted"] = counts.deleted;
  out["unchanged"] = counts.unchanged;
  return out;
}

// A transaction and what it needs to live.
class TransactionHandle {
 public:
  explicit TransactionHandle(const Table& table) : catalog_(table.catalog()), transaction_(*catalog_, table.loaded()) {}

  void append(const nb::object& source, const Properties& snapshot_properties, const std::string& branch,
              std::optional<bool> merge_manifests, bool stage_only) {
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      floe::append(transaction_, batches,
                   {.snapshot_properties = snapshot_properties,
                    .branch = branch,
                    .stage_only = stage_only,
                    .merge_manifests = merge_manifests},
                   std::move(write));
    });
  }

  void overwrite(const nb::object& source, const std::string& filter_json, bool case_sensitive,
                 const Properties& snapshot_properties, const std::string& branch,
                 const std::optional<std::string>& isolation, const std::optional<std::string>& mode) {
    const OverwriteOptions options =
        overwrite_options(filter_json, case_sensitive, snapshot_properties, branch, isolation, mode);
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      floe::overwrite(transaction_, batches, options, std::move(write));
    });
  }

  bool overwrite_partitions(const nb::object& source, const Properties& snapshot_properties, const std::string& branch,
                            const std::optional<std::string>& isolation) {
    bool any = false;
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      any = floe::overwrite_partitions(
          transaction_, batches,
          {.branch = branch, .isolation = level(isolation), .snapshot_properties = snapshot_properties},
          std::move(write));
    });
    return any;
  }

  bool delete_rows(const std::string& filter_json, bool case_sensitive, const Properties& snapshot_properties,
                   const std::string& branch, const std::optional<std::string>& isolation,
                   const std::optional<std::string>& mode) {
    const OverwriteOptions options =
        overwrite_options(filter_json, case_sensitive, snapshot_properties, branch, isolation, mode);
    arrow::StopSource stop;
    return interruptible(stop, [&] { return floe::delete_rows(transaction_, options, {.stop = stop.token()}); });
  }

  nb::dict upsert(const nb::object& source, std::vector<std::string> keys, bool case_sensitive, bool update_matched,
                  bool delete_matched, bool insert_unmatched, const Properties& snapshot_properties,
                  const std::string& branch, const std::optional<std::string>& mode) {
    const UpsertOptions options = upsert_options(std::move(keys), case_sensitive, update_matched, delete_matched,
                                                 insert_unmatched, snapshot_properties, branch, mode);
    UpsertCounts counts;
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      counts = Upsert(transaction_.staged(), batches, options, std::move(write)).add_to(transaction_);
    });
    return to_dict(counts);
  }

  bool apply_changes(const nb::object& upserts, const nb::object& deletes, std::vector<std::string> keys,
                     bool case_sensitive, const Properties& snapshot_properties, const std::string& branch) {
    arrow::StopSource stop;
    Call call(stop);
    const auto rows_of = [&](const nb::object& source) {
      return source.is_none() ? std::unique_ptr<arrow::RecordBatchReader>() : import_stream(source, call);
    };
    const std::unique_ptr<arrow::RecordBatchReader> upserted = rows_of(upserts), deleted = rows_of(deletes);
    bool any = false;
    call.run([&] {
      any = floe::apply_changes(transaction_, {.upserts = upserted.get(), .deletes = deleted.get()},
                                {.keys = std::move(keys),
                                 .case_sensitive = case_sensitive,
                                 .branch = branch,
                                 .snapshot_properties = snapshot_properties},
                                {.stop = stop.token()});
    });
    return any;
  }

  void add_files(const std::vector<std::string>& locations, bool refuse_duplicates,
                 const Properties& snapshot_properties, const std::string& branch) {
    arrow::StopSource stop;
    Call(stop).run([&] {
      floe::add_files(
          transaction_, locations,
          {.branch = branch, .refuse_duplicates = refuse_duplicates, .snapshot_properties = snapshot_properties},
          stop.token());
    });
  }

  void update(const std::string& requirements_json, const std::string& updates_json) {
    transaction_.add(TableCommit{.requirements = requirements_from_json(requirements_json),
                                 .updates = updates_from_json(updates_json)});
  }

  Table staged() const { return {catalog_, transaction_.staged()}; }

  Table commit() {
    arrow::StopSource stop;
    return interruptible(stop, [&] { return Table(catalog_, transaction_.commit(stop.token())); });
  }

  void drop() { transaction_.drop(); }

 private:
  static std::optional<Isolation> level(const std::optional<std::string>& text) {
    return text ? std::optional(parse_isolation(*text)) : std::nullopt;
  }

  static OverwriteOptions overwrite_options(const std::string& filter_json, bool case_sensitive,
                                            const Properties& snapshot_properties, const std::string& branch,
                                            const std::optional<std::string>& isolation,
                                            const std::optional<std::string>& mode) {
    return {.filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
            .case_sensitive = case_sensitive,
            .branch = branch,
            .isolation = level(isolation),
            .mode = mode ? std::optional(parse_delete_mode(*mode)) : std::nullopt,
            .snapshot_properties = snapshot_properties};
  }

  template <typename Work>
  static void with_rows(const nb::object& source, const Work& work) {
    arrow::StopSource stop;
    Call call(stop);
    const std::unique_ptr<arrow::RecordBatchReader> batches = import_stream(source, call);
    call.run([&] { work(*batches, {.stop = stop.token()}); });
  }

  CatalogPtr catalog_;
  Transaction transaction_;
};

}  // namespace

nb::tuple upsert(const Table& table, const nb::object& source, std::vector<std::string> keys, bool case_sensitive,
                 bool update_matched, bool delete_matched, bool insert_unmatched, const Properties& snapshot_properties,
                 const std::string& branch, const std::optional<std::string>& mode) {
  const UpsertOptions options = upsert_options(std::move(keys), case_sensitive, update_matched, delete_matched,
                                               insert_unmatched, snapshot_properties, branch, mode);
  arrow::StopSource stop;
  Call call(stop);
  const std::unique_ptr<arrow::RecordBatchReader> batches = import_stream(source, call);
  Table merged = table;
  UpsertCounts counts;
  call.run([&] { counts = merged.upsert(*batches, options, {.stop = stop.token()}); });
  return nb::make_tuple(std::move(merged), to_dict(counts));
}

void bind_transaction(nb::module_& m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  nb::class_<TransactionHandle>(m, "Transaction",
                                "Several changes of one table that become one commit. Not for concurrent use.")
      .def(nb::init<const Table&>(), nb::arg("table"), nogil())
      .def("append", &TransactionHandle::append, nb::arg("batches"), nb::kw_only(), nb::arg("snapshot_properties"),
           nb::arg("branch"), nb::arg("merge_manifests") = nb::none(), nb::arg("stage_only") = false,
           "Appends the rows of an Arrow stream as one snapshot.")
      .def("overwrite", &TransactionHandle::overwrite, nb::arg("batches"), nb::kw_only(), nb::arg("filter_json"),
           nb::arg("case_sensitive"), nb::arg("snapshot_properties"), nb::arg("branch"),
           nb::arg("isolation") = nb::none(), nb::arg("mode") = nb::none(),
           "The rows that match leave and those of the stream come, as one snapshot. An empty filter: all leave.")
      .def("overwrite_partitions", &TransactionHandle::overwrite_partitions, nb::arg("batches"), nb::kw_only(),
           nb::arg("snapshot_properties"), nb::arg("branch"), nb::arg("isolation") = nb::none(),
           "Replaces the partitions into which the stream's rows fall. False if there are no rows.")
      .def("delete", &TransactionHandle::delete_rows, nb::kw_only(), nb::arg("filter_json"), nb::arg("case_sensitive"),
           nb::arg("snapshot_properties"), nb::arg("branch"), nb::arg("isolation") = nb::none(),
           nb::arg("mode") = nb::none(), "Deletes the rows that match. False if none does.")
      .def("upsert", &TransactionHandle::upsert, nb::arg("batches"), nb::kw_only(), nb::arg("keys"),
           nb::arg("case_sensitive"), nb::arg("update_matched"), nb::arg("delete_matched"), nb::arg("insert_unmatched"),
           nb::arg("snapshot_properties"), nb::arg("branch"), nb::arg("mode") = nb::none(),
           "Updates the rows that have the same key as one of the stream, and inserts those that have none.")
      .def("apply_changes", &TransactionHandle::apply_changes, nb::arg("upserts") = nb::none(),
           nb::arg("deletes") = nb::none(), nb::kw_only(), nb::arg("keys"), nb::arg("case_sensitive"),
           nb::arg("snapshot_properties"), nb::arg("branch"),
           "Deletes and replaces rows by key, without reading the table. False if there are no changes.")
      .def("add_files", &TransactionHandle::add_files, nb::arg("locations"), nb::kw_only(),
           nb::arg("refuse_duplicates"), nb::arg("snapshot_properties"), nb::arg("branch"),
           "Adds Parquet files that are there already, as one snapshot.")
      .def("update", &TransactionHandle::update, nb::arg("requirements_json"), nb::arg("updates_json"), nogil(),
           "Plain changes of metadata, as the REST protocol has them.")
      .def_prop_ro("staged", &TransactionHandle::staged, "The table with all changes so far.")
      .def("commit", &TransactionHandle::commit, "Commits all changes at once, with retries. Called once.")
      .def("drop", &TransactionHandle::drop, nogil(), "Gives up, unless it is over: removes all that was written.");
}

}  // namespace floe::python
