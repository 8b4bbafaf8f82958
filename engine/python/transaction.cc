#include "transaction.h"

#include <arrow/util/cancel.h>
#include <fmt/format.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/table.h"
#include "floe/transaction/append.h"
#include "floe/transaction/written_files.h"
#include "floe/write/write.h"
#include "interrupt.h"
#include "stream.h"

namespace nb = nanobind;

namespace floe::python {
namespace {

std::optional<Isolation> level(const std::optional<std::string>& text) {
  return text ? std::optional(parse_isolation(*text)) : std::nullopt;
}

std::optional<DeleteMode> delete_mode(const std::optional<std::string>& text) {
  return text ? std::optional(parse_delete_mode(*text)) : std::nullopt;
}

nb::dict to_dict(const UpsertCounts& counts) {
  nb::dict out;
  out["updated"] = counts.updated;
  out["inserted"] = counts.inserted;
  out["deleted"] = counts.deleted;
  out["unchanged"] = counts.unchanged;
  return out;
}

// None: the snapshot is staged, of no branch yet, on what the main branch has.
using Branch = std::optional<std::string>;
std::string name_of(const Branch& branch) { return branch.value_or(std::string(kMainBranch)); }

// A transaction and what it needs to live.
class TransactionHandle {
 public:
  explicit TransactionHandle(const Table& table) : catalog_(table.catalog()), transaction_(*catalog_, table.loaded()) {}

  void append(const nb::object& source, const Properties& snapshot_properties, const Branch& branch,
              std::optional<bool> merge_manifests) {
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      floe::append(*in_turn(), batches,
                   {.snapshot_properties = snapshot_properties,
                    .branch = name_of(branch),
                    .stage_only = !branch,
                    .merge_manifests = merge_manifests},
                   std::move(write));
    });
  }

  void append_written(const std::vector<nb::bytes>& written, const Properties& snapshot_properties,
                      const Branch& branch) {
    std::vector<std::string> parts;
    for (const nb::bytes& each : written) parts.emplace_back(each.c_str(), each.size());
    const nb::gil_scoped_release released;
    const Turn transaction = in_turn();
    std::vector<DataFile> files;
    for (const std::string& part : parts) {
      for (DataFile& file : written_files_from_bytes(*transaction->staged().metadata, part)) {
        files.push_back(std::move(file));
      }
    }
    floe::append(*transaction, std::move(files),
                 {.snapshot_properties = snapshot_properties,
                  .branch = name_of(branch),
                  .stage_only = !branch,
                  .refuse_duplicates = true});
  }

  bool overwrite(const nb::object& source, const std::string& filter_json, bool case_sensitive,
                 const Properties& snapshot_properties, const Branch& branch,
                 const std::optional<std::string>& isolation, const std::optional<std::string>& mode) {
    const OverwriteOptions options =
        overwrite_options(filter_json, case_sensitive, snapshot_properties, branch, isolation, mode);
    bool any = false;
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      any = floe::overwrite(*in_turn(), batches, options, std::move(write));
    });
    return any;
  }

  bool overwrite_partitions(const nb::object& source, const Properties& snapshot_properties, const Branch& branch,
                            const std::optional<std::string>& isolation) {
    bool any = false;
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      any = floe::overwrite_partitions(*in_turn(), batches,
                                       {.branch = name_of(branch),
                                        .stage_only = !branch,
                                        .isolation = level(isolation),
                                        .snapshot_properties = snapshot_properties},
                                       std::move(write));
    });
    return any;
  }

  bool delete_rows(const std::string& filter_json, bool case_sensitive, const Properties& snapshot_properties,
                   const Branch& branch, const std::optional<std::string>& isolation,
                   const std::optional<std::string>& mode) {
    const OverwriteOptions options =
        overwrite_options(filter_json, case_sensitive, snapshot_properties, branch, isolation, mode);
    arrow::StopSource stop;
    return interruptible(stop, [&] { return floe::delete_rows(*in_turn(), options, {.stop = stop.token()}); });
  }

  nb::dict upsert(const nb::object& source, const UpsertOptions& options) {
    UpsertCounts counts;
    with_rows(source, [&](arrow::RecordBatchReader& batches, WriteOptions write) {
      const Turn transaction = in_turn();
      counts = Upsert(transaction->staged(), batches, options, std::move(write)).add_to(*transaction);
    });
    return to_dict(counts);
  }

  bool apply_changes(const nb::object& upserts, const nb::object& deletes, std::vector<std::string> keys,
                     bool case_sensitive, const Properties& snapshot_properties, const Branch& branch) {
    arrow::StopSource stop;
    Call call(stop);
    const auto rows_of = [&](const nb::object& source) {
      return source.is_none() ? std::unique_ptr<arrow::RecordBatchReader>() : import_stream(source, call);
    };
    const std::unique_ptr<arrow::RecordBatchReader> upserted = rows_of(upserts), deleted = rows_of(deletes);
    bool any = false;
    call.run([&] {
      any = floe::apply_changes(*in_turn(), {.upserts = upserted.get(), .deletes = deleted.get()},
                                {.keys = std::move(keys),
                                 .case_sensitive = case_sensitive,
                                 .branch = name_of(branch),
                                 .stage_only = !branch,
                                 .snapshot_properties = snapshot_properties},
                                {.stop = stop.token()});
    });
    return any;
  }

  void add_files(const std::vector<std::string>& locations, bool refuse_duplicates,
                 const Properties& snapshot_properties, const Branch& branch) {
    arrow::StopSource stop;
    Call(stop).run([&] {
      floe::add_files(*in_turn(), locations,
                      {.branch = name_of(branch),
                       .stage_only = !branch,
                       .refuse_duplicates = refuse_duplicates,
                       .snapshot_properties = snapshot_properties},
                      stop.token());
    });
  }

  void update(const std::string& requirements_json, const std::string& updates_json) {
    in_turn()->add(TableCommit{.requirements = requirements_from_json(requirements_json),
                               .updates = updates_from_json(updates_json)});
  }

  void update_schema(const SchemaUpdate& update) { floe::update_schema(*in_turn(), update); }
  void update_spec(const SpecUpdate& update) { floe::update_spec(*in_turn(), update); }
  void update_sort_order(const std::string& order_json) {
    floe::update_sort_order(*in_turn(), sort_order_from_json(order_json).fields);
  }

  void set_ref(const std::string& name, int64_t snapshot_id, bool is_branch, const std::string& change,
               std::optional<int32_t> min_snapshots_to_keep, std::optional<int64_t> max_snapshot_age_ms,
               std::optional<int64_t> max_ref_age_ms) {
    floe::set_ref(*in_turn(), name,
                  {.snapshot_id = snapshot_id,
                   .is_branch = is_branch,
                   .min_snapshots_to_keep = min_snapshots_to_keep,
                   .max_snapshot_age_ms = max_snapshot_age_ms,
                   .max_ref_age_ms = max_ref_age_ms},
                  ref_change(change));
  }
  void remove_ref(const std::string& name, bool is_branch) { floe::remove_ref(*in_turn(), name, is_branch); }
  void rename_branch(const std::string& name, const std::string& new_name) {
    floe::rename_branch(*in_turn(), name, new_name);
  }
  void fast_forward(const std::string& branch, const std::string& to) { floe::fast_forward(*in_turn(), branch, to); }
  void set_retention(const std::string& ref, std::optional<int32_t> min_snapshots_to_keep,
                     std::optional<int64_t> max_snapshot_age_ms, std::optional<int64_t> max_ref_age_ms) {
    floe::set_retention(*in_turn(), ref, {min_snapshots_to_keep, max_snapshot_age_ms, max_ref_age_ms});
  }
  void set_current_snapshot(int64_t snapshot_id) { floe::set_current_snapshot(*in_turn(), snapshot_id); }
  void rollback_to_snapshot(int64_t snapshot_id) { floe::rollback_to_snapshot(*in_turn(), snapshot_id); }
  void rollback_to_timestamp(int64_t timestamp_ms) { floe::rollback_to_timestamp(*in_turn(), timestamp_ms); }
  void cherry_pick(int64_t snapshot_id) { floe::cherry_pick(*in_turn(), snapshot_id); }
  int64_t publish_changes(const std::string& wap_id) { return floe::publish_changes(*in_turn(), wap_id); }
  int64_t create_snapshot(const std::string& branch, const Properties& snapshot_properties) {
    return floe::create_snapshot(*in_turn(), branch, snapshot_properties);
  }

  Table staged() { return {catalog_, in_turn()->staged()}; }

  Table commit(const CatalogPtr& by) {
    arrow::StopSource stop;
    const CatalogPtr catalog = by ? by : catalog_;
    return interruptible(stop, [&] { return Table(catalog, in_turn()->commit(*catalog, stop.token())); });
  }

  void drop() { in_turn()->drop(); }

  // Of several tables of `catalog`, as one commit.
  static std::vector<Table> commit_together(const CatalogPtr& catalog, const std::vector<TransactionHandle*>& handles) {
    const std::set<TransactionHandle*> distinct(handles.begin(), handles.end());
    if (distinct.contains(nullptr)) throw InvalidArgument("None is no transaction");
    if (distinct.size() < handles.size()) throw InvalidArgument("a transaction is given twice");
    arrow::StopSource stop;
    return interruptible(stop, [&] {
      std::vector<Turn> turns;
      std::vector<Transaction*> transactions;
      for (TransactionHandle* handle : handles) {
        turns.push_back(handle->in_turn());
        transactions.push_back(&*turns.back());
      }
      std::vector<Table> tables;
      for (LoadedTable& committed : floe::commit_together(*catalog, transactions, stop.token())) {
        tables.emplace_back(catalog, std::move(committed));
      }
      return tables;
    });
  }

  std::vector<int64_t> snapshots() {
    const std::set<int64_t>& ids = in_turn()->snapshots();
    return {ids.begin(), ids.end()};
  }

 private:
  // The transaction, for one call at a time. Nobody waits for another one: that may be what reads this one's rows.
  class Turn {
   public:
    Turn(Transaction& transaction, std::mutex& in_use) : transaction_(transaction), lock_(in_use, std::try_to_lock) {
      if (lock_) return;
      throw InvalidArgument(fmt::format(
          "table {}: the transaction is in use by another thread, or by the call that reads these rows; it is for one "
          "call at a time",
          to_string(transaction.base().identifier)));
    }
    Transaction& operator*() const { return transaction_; }
    Transaction* operator->() const { return &transaction_; }

   private:
    Transaction& transaction_;
    std::unique_lock<std::mutex> lock_;
  };
  Turn in_turn() { return {transaction_, in_use_}; }

  static RefChange ref_change(const std::string& text) {
    if (text == "create") return RefChange::kCreate;
    if (text == "replace") return RefChange::kReplace;
    if (text == "create-or-replace") return RefChange::kCreateOrReplace;
    throw InvalidArgument("the change is '" + text + "'; it is one of create, replace and create-or-replace");
  }

  static OverwriteOptions overwrite_options(const std::string& filter_json, bool case_sensitive,
                                            const Properties& snapshot_properties, const Branch& branch,
                                            const std::optional<std::string>& isolation,
                                            const std::optional<std::string>& mode) {
    return {.filter = filter_json.empty() ? Expression{} : expression_from_json(filter_json),
            .case_sensitive = case_sensitive,
            .branch = name_of(branch),
            .stage_only = !branch,
            .isolation = level(isolation),
            .mode = delete_mode(mode),
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
  std::mutex in_use_;
};

}  // namespace

nb::tuple upsert(const Table& table, const nb::object& source, const UpsertOptions& options) {
  arrow::StopSource stop;
  Call call(stop);
  const std::unique_ptr<arrow::RecordBatchReader> batches = import_stream(source, call);
  Table merged = table;
  UpsertCounts counts;
  call.run([&] { counts = merged.upsert(*batches, options, {.stop = stop.token()}); });
  return nb::make_tuple(std::move(merged), to_dict(counts));
}

// Writes the rows as data files of the table that no snapshot has yet.
nb::bytes write_files(const Table& table, const nb::object& source) {
  arrow::StopSource stop;
  Call call(stop);
  const std::unique_ptr<arrow::RecordBatchReader> batches = import_stream(source, call);
  std::string bytes;
  call.run([&] {
    const WriteOptions options{.table_name = to_string(table.identifier()), .stop = stop.token()};
    const auto files = write_data_files(table.metadata(), *batches, *table.io(), options);
    bytes = written_files_to_bytes(table.metadata(), files);
  });
  return nb::bytes(bytes.data(), bytes.size());
}

void bind_transaction(nb::module_& m) {
  using nogil = nb::call_guard<nb::gil_scoped_release>;

  nb::class_<UpsertOptions>(m, "UpsertOptions", "How an upsert is done.")
      .def(
          "__init__",
          [](UpsertOptions* self, std::vector<std::string> keys, bool case_sensitive, bool update_matched,
             bool delete_matched, bool insert_unmatched, Properties snapshot_properties, const Branch& branch,
             const std::optional<std::string>& mode, const std::optional<std::string>& isolation,
             std::optional<int64_t> source_bytes) {
            new (self) UpsertOptions{.keys = std::move(keys),
                                     .case_sensitive = case_sensitive,
                                     .update_matched = update_matched,
                                     .delete_matched = delete_matched,
                                     .insert_unmatched = insert_unmatched,
                                     .isolation = level(isolation),
                                     .mode = delete_mode(mode),
                                     .branch = name_of(branch),
                                     .stage_only = !branch,
                                     .snapshot_properties = std::move(snapshot_properties)};
            if (source_bytes) self->source_bytes = *source_bytes;
          },
          nb::kw_only(), nb::arg("keys"), nb::arg("case_sensitive"), nb::arg("update_matched"),
          nb::arg("delete_matched"), nb::arg("insert_unmatched"), nb::arg("snapshot_properties"), nb::arg("branch"),
          nb::arg("mode") = nb::none(), nb::arg("isolation") = nb::none(), nb::arg("source_bytes") = nb::none());

  nb::class_<TransactionHandle>(m, "Transaction",
                                "Several changes of one table that become one commit. One call at a time.")
      .def(nb::init<const Table&>(), nb::arg("table"), nogil())
      .def("append", &TransactionHandle::append, nb::arg("batches"), nb::kw_only(), nb::arg("snapshot_properties"),
           nb::arg("branch"), nb::arg("merge_manifests") = nb::none(),
           "Appends the rows of an Arrow stream as one snapshot.")
      .def("append_written", &TransactionHandle::append_written, nb::arg("written"), nb::kw_only(),
           nb::arg("snapshot_properties"), nb::arg("branch"), "Appends what write_files wrote as one snapshot.")
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
      .def("upsert", &TransactionHandle::upsert, nb::arg("batches"), nb::arg("options"),
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
      .def("update_schema", &TransactionHandle::update_schema, nb::arg("update"), nogil(),
           "Makes the schema with these changes current.")
      .def("update_spec", &TransactionHandle::update_spec, nb::arg("update"), nogil(),
           "Makes the partition spec with these changes the default.")
      .def("update_sort_order", &TransactionHandle::update_sort_order, nb::arg("order_json"), nogil(),
           "Makes a sort order of these fields the default.")
      .def("set_ref", &TransactionHandle::set_ref, nb::arg("name"), nb::arg("snapshot_id"), nb::kw_only(),
           nb::arg("is_branch"), nb::arg("change"), nb::arg("min_snapshots_to_keep") = nb::none(),
           nb::arg("max_snapshot_age_ms") = nb::none(), nb::arg("max_ref_age_ms") = nb::none(), nogil(),
           "Points a branch or tag at a snapshot.")
      .def("remove_ref", &TransactionHandle::remove_ref, nb::arg("name"), nb::kw_only(), nb::arg("is_branch"), nogil(),
           "Removes a branch or tag.")
      .def("rename_branch", &TransactionHandle::rename_branch, nb::arg("name"), nb::arg("new_name"), nogil())
      .def("fast_forward", &TransactionHandle::fast_forward, nb::arg("branch"), nb::arg("to"), nogil(),
           "Moves a branch to where a ref is that descends from it.")
      .def("set_retention", &TransactionHandle::set_retention, nb::arg("ref"), nb::kw_only(),
           nb::arg("min_snapshots_to_keep") = nb::none(), nb::arg("max_snapshot_age_ms") = nb::none(),
           nb::arg("max_ref_age_ms") = nb::none(), nogil(), "Changes what a ref keeps; None leaves it.")
      .def("set_current_snapshot", &TransactionHandle::set_current_snapshot, nb::arg("snapshot_id"), nogil())
      .def("rollback_to_snapshot", &TransactionHandle::rollback_to_snapshot, nb::arg("snapshot_id"), nogil())
      .def("rollback_to_timestamp", &TransactionHandle::rollback_to_timestamp, nb::arg("timestamp_ms"), nogil())
      .def("cherry_pick", &TransactionHandle::cherry_pick, nb::arg("snapshot_id"), nogil(),
           "Brings what a snapshot changed onto the main branch.")
      .def("publish_changes", &TransactionHandle::publish_changes, nb::arg("wap_id"), nogil(),
           "Cherry-picks the snapshot that was staged with this wap.id. Returns its id.")
      .def("create_snapshot", &TransactionHandle::create_snapshot, nb::arg("branch"), nb::arg("snapshot_properties"),
           nogil(), "A snapshot that changes no rows. Returns its id.")
      .def_prop_ro("staged", &TransactionHandle::staged, "The table with all changes so far.")
      .def_prop_ro("snapshots", &TransactionHandle::snapshots, "Those that the changes so far make, by id.")
      .def("commit", &TransactionHandle::commit, nb::arg("by") = nb::none(),
           "Commits all changes at once, with retries, by the table's catalog or another one. Called once.")
      .def("drop", &TransactionHandle::drop, nogil(), "Gives up, unless it is over: removes all that was written.");
  m.def("commit_together", &TransactionHandle::commit_together, nb::arg("catalog"), nb::arg("transactions"),
        "Commits the transactions of several tables of a catalog at once: all of them or none.");
  m.def("write_files", &write_files, nb::arg("table"), nb::arg("batches"),
        "Writes rows as files that no snapshot has yet. Returns what append_written takes, in any process.");
}

}  // namespace floe::python
