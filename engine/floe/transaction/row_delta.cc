#include "floe/transaction/row_delta.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/batch.h"
#include "floe/file/equality_delete.h"
#include "floe/file/key_index.h"
#include "floe/naming.h"
#include "floe/scan/delete_index.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/merge_source.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr std::string_view kStep = "collecting the keys of changes";
constexpr size_t kShownKeys = 5;

// The top-level columns that have the key, wholly.
Schema columns_around(const Schema& schema, const KeyColumns& keys) {
  std::vector<int32_t> ids;
  for (const int32_t id : keys.ids()) ids.push_back(path_to(schema, id).front()->id);
  return equality_delete_schema(schema, ids);
}

// Takes the key columns out of rows in any form that fits the table.
class KeyReader {
 public:
  KeyReader(const Schema& schema, const KeyColumns& keys, const arrow::Schema& incoming, std::string_view rows,
            const std::string& table_name)
      : keys_(keys), columns_(columns_around(schema, keys)) {
    for (size_t i = 0; i < keys.fields().size(); ++i) {
      if (has(incoming, path_to(schema, keys.fields()[i].id))) continue;
      throw InvalidArgument(fmt::format("table {}: the rows to {} have no column {}, which is of their key", table_name,
                                        rows, keys.name(i)));
    }
    arrow::FieldVector chosen;
    for (const Field& field : columns_.fields) {
      at_.push_back(incoming.GetFieldIndex(field.name));
      chosen.push_back(incoming.field(at_.back()));
    }
    fitter_.emplace(columns_, arrow::Schema(std::move(chosen)), table_name);
  }

  arrow::ArrayVector keys_of(const arrow::RecordBatch& batch) const {
    return keys_.of(*fitter_->fit(*check(batch.SelectColumns(at_), kStep)), columns_);
  }

 private:
  static bool has(const arrow::Schema& incoming, const std::vector<const Field*>& path) {
    std::shared_ptr<arrow::Field> field = incoming.GetFieldByName(path.front()->name);
    for (size_t i = 1; field && i < path.size(); ++i) {
      if (field->type()->id() != arrow::Type::STRUCT) return true;  // of a wrong type, which is said where it is fitted
      field = static_cast<const arrow::StructType&>(*field->type()).GetFieldByName(path[i]->name);
    }
    return field != nullptr;
  }

  const KeyColumns& keys_;
  const Schema columns_;
  std::vector<int> at_;  // the columns in the incoming batches
  std::optional<BatchFitter> fitter_;
};

// The keys of a change, each once, as the columns of equality delete files.
class ChangedKeys {
 public:
  ChangedKeys(const Schema& schema, const KeyColumns& keys, std::string table_name)
      : keys_(keys),
        table_name_(std::move(table_name)),
        columns_(equality_delete_schema(schema, keys.ids())),
        arrow_schema_(to_arrow_schema(columns_)),
        index_(keys.types(), {.nulls_equal = true, .zeros_equal = false}) {}

  bool empty() const { return batches_.empty(); }

  // Rows of upserts come before those to delete.
  void add(const arrow::ArrayVector& keys, bool upserted) {
    const int64_t first = index_.rows();
    index_.add(keys);
    std::vector<int64_t> found;
    index_.find(keys, found);
    arrow::Int64Builder fresh;
    for (size_t i = 0; i < found.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (found[i] == first + row) {
        check(fresh.Append(row), kStep);
      } else if (upserted || found[i] < upserts_) {
        repeated_.insert(key_text(keys_, keys, row));
        if (repeated_.size() == kShownKeys) refuse_repeated();
      }
    }
    if (upserted) upserts_ += static_cast<int64_t>(found.size());
    if (fresh.length() > 0) keep(keys, *check(fresh.Finish(), kStep));
  }

  void refuse_repeated() const {
    if (repeated_.empty()) return;
    throw InvalidArgument(fmt::format(
        "table {}: a key may stand in one row of the changes, and these stand in several upserts, or both in "
        "an upsert and a delete: {}; keep the last change of each key",
        table_name_, fmt::join(repeated_, ", ")));
  }

  std::unique_ptr<arrow::RecordBatchReader> read() const { return std::make_unique<Reader>(arrow_schema_, batches_); }

 private:
  class Reader final : public arrow::RecordBatchReader {
   public:
    Reader(std::shared_ptr<arrow::Schema> schema, const arrow::RecordBatchVector& batches)
        : schema_(std::move(schema)), batches_(batches) {}
    std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
    arrow::Status ReadNext(BatchPtr* out) override {
      *out = at_ < batches_.size() ? batches_[at_++] : nullptr;
      return arrow::Status::OK();
    }

   private:
    const std::shared_ptr<arrow::Schema> schema_;
    const arrow::RecordBatchVector& batches_;
    size_t at_ = 0;
  };

  void keep(const arrow::ArrayVector& keys, const arrow::Array& rows) {
    arrow::ArrayVector leaves;
    for (const auto& column : keys) leaves.push_back(check(arrow::compute::Take(*column, rows), kStep));
    arrow::ArrayVector columns;
    for (const Field& field : columns_.fields) columns.push_back(column_of(field, leaves));
    batches_.push_back(arrow::RecordBatch::Make(arrow_schema_, rows.length(), std::move(columns)));
  }

  // A null in a struct is the same key as a null struct.
  std::shared_ptr<arrow::Array> column_of(const Field& field, const arrow::ArrayVector& leaves) const {
    if (field.type.kind != TypeKind::kStruct) {
      const auto key = std::ranges::find(keys_.fields(), field.id, &Field::id);
      return leaves[static_cast<size_t>(key - keys_.fields().begin())];
    }
    arrow::ArrayVector children;
    for (const Field& child : children_of(field.type)) children.push_back(column_of(child, leaves));
    return std::make_shared<arrow::StructArray>(to_arrow_type(field.type), leaves.front()->length(), children);
  }

  const KeyColumns& keys_;
  const std::string table_name_;
  const Schema columns_;
  const std::shared_ptr<arrow::Schema> arrow_schema_;
  KeyIndex index_;
  int64_t upserts_ = 0;
  std::set<std::string> repeated_;  // some of the keys that stand where they may not
  arrow::RecordBatchVector batches_;
};

// The rows of a stream, whose keys are noted as they pass.
class NotedRows final : public arrow::RecordBatchReader {
 public:
  NotedRows(arrow::RecordBatchReader& rows, const Schema& table_schema, const KeyColumns& key_columns,
            ChangedKeys& keys, const std::string& table_name)
      : rows_(rows), table_schema_(table_schema), key_columns_(key_columns), keys_(keys), table_name_(table_name) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_.schema(); }
  arrow::Status ReadNext(BatchPtr* out) override {
    ARROW_RETURN_NOT_OK(rows_.ReadNext(out));
    if (!*out || (*out)->num_rows() == 0) return arrow::Status::OK();
    // Not earlier: whoever writes the rows says first which of all their columns do not fit.
    if (!reader_) reader_.emplace(table_schema_, key_columns_, *rows_.schema(), "upsert", table_name_);
    keys_.add(reader_->keys_of(**out), true);
    return arrow::Status::OK();
  }

 private:
  arrow::RecordBatchReader& rows_;
  const Schema& table_schema_;
  const KeyColumns& key_columns_;
  ChangedKeys& keys_;
  const std::string& table_name_;
  std::optional<KeyReader> reader_;
};

// A partition field that rows of one key may have several values of, or whose value the key does not tell; or null.
const PartitionField* field_beside(const KeyColumns& keys, const PartitionSpec& spec) {
  const std::vector<int32_t> ids = keys.ids();
  const auto beside = std::ranges::find_if(spec.fields, [&](const PartitionField& field) {
    if (field.transform.kind == TransformKind::kVoid) return false;
    return field.transform.kind == TransformKind::kUnknown || field.source_ids.empty() ||
           std::ranges::any_of(field.source_ids, [&](int32_t id) { return std::ranges::find(ids, id) == ids.end(); });
  });
  return beside == spec.fields.end() ? nullptr : &*beside;
}

std::set<int32_t> specs_with_rows(const Transaction& transaction, const std::string& branch) {
  const TableMetadata& table = *transaction.staged().metadata;
  std::set<int32_t> specs = {table.default_spec_id};
  const Snapshot* head = parent_snapshot(table, branch);
  if (!head) return specs;
  for (const ManifestFile& file : manifests_of(*transaction.io(), *head)) {
    if (file.content == ManifestContent::kData && may_have_files(file)) specs.insert(file.partition_spec_id);
  }
  return specs;
}

// The specs whose equality deletes together reach all rows of the branch.
std::vector<PartitionSpec> specs_of_deletes(const Transaction& transaction, const std::string& branch,
                                            const KeyColumns& keys, const std::string& table_name) {
  const TableMetadata& table = *transaction.staged().metadata;
  const std::set<int32_t> with_rows = specs_with_rows(transaction, branch);
  const auto global = std::ranges::find_if(table.partition_specs, deletes_globally);
  const bool has_global = global != table.partition_specs.end();
  std::vector<PartitionSpec> specs;
  for (const int32_t id : with_rows) {
    const PartitionSpec* spec = spec_by_id(table, id);
    if (!spec) {
      throw CorruptFile(fmt::format("table {}: a manifest is of the partition spec {}, which the table does not have",
                                    table_name, id));
    }
    const PartitionField* beside = field_beside(keys, *spec);
    if (has_global && (beside || deletes_globally(*spec))) return {*global};
    if (beside) {
      throw NotSupported(fmt::format(
          "table {}: the key does not tell the partition field {} of partition spec {}, and a delete by key "
          "applies within one partition. Name the partition columns as part of the key, or use upsert and "
          "delete, which read the table",
          table_name, beside->name, id));
    }
    specs.push_back(*spec);
  }
  return specs;
}

KeyColumns key_columns(const Schema& schema, const KeyChangeOptions& options, const std::string& table_name) {
  KeyColumns keys(schema, options.keys, options.case_sensitive, table_name);
  for (size_t i = 0; i < keys.fields().size(); ++i) {
    const Type& type = keys.fields()[i].type;
    if (type.kind != TypeKind::kFloat && type.kind != TypeKind::kDouble) continue;
    throw InvalidArgument(
        fmt::format("table {}: rows cannot be deleted by {}, which is {}: the specification has no "
                    "equality deletes by floating point; use upsert",
                    table_name, keys.name(i), to_string(type)));
  }
  return keys;
}

void write_changes(const Transaction& transaction, const KeyChanges& changes, const KeyColumns& keys,
                   const WriteOptions& write, SnapshotChange& change) {
  const TableMetadata& table = *transaction.staged().metadata;
  const Schema& schema = *current_schema(table);
  const std::vector<PartitionSpec> specs = specs_of_deletes(transaction, change.branch, keys, write.table_name);
  const auto add = [&](std::vector<DataFile> files) {
    std::ranges::move(locations_of(files), std::back_inserter(change.discard));
    std::ranges::move(files, std::back_inserter(change.added));
  };

  ChangedKeys changed(schema, keys, write.table_name);
  if (changes.upserts) {
    NotedRows rows(*changes.upserts, schema, keys, changed, write.table_name);
    add(write_data_files(table, rows, *transaction.io(), write));
  }
  if (changes.deletes) {
    const KeyReader reader(schema, keys, *changes.deletes->schema(), "delete", write.table_name);
    for (BatchPtr batch;;) {
      check(changes.deletes->ReadNext(&batch), fmt::format("table {}: reading the rows to delete", write.table_name));
      if (!batch) break;
      check(write.stop.Poll(), fmt::format("table {}: delete stopped", write.table_name));
      if (batch->num_rows() > 0) changed.add(reader.keys_of(*batch), false);
    }
  }
  changed.refuse_repeated();
  if (changed.empty()) return;
  for (const PartitionSpec& spec : specs) {
    add(write_equality_deletes(table, spec, keys.ids(), *changed.read(), *transaction.io(), write));
  }
  if (deletes_globally(specs.front())) return;
  change.checks.only_specs.emplace();
  for (const PartitionSpec& spec : specs) change.checks.only_specs->insert(spec.spec_id);
}

}  // namespace

bool apply_changes(Transaction& transaction, const KeyChanges& changes, const KeyChangeOptions& options,
                   WriteOptions write) {
  if (write.table_name.empty()) write.table_name = to_string(transaction.base().identifier);
  return naming(write.table_name, [&] {
    const TableMetadata& table = *transaction.staged().metadata;
    if (table.format_version < 2) {
      throw NotSupported(
          "format version 1 has no deletes by key; use upsert and delete, or upgrade the table to version 2");
    }
    check_branch(transaction.staged(), options.branch);
    check_snapshot_properties(options.snapshot_properties);
    const KeyColumns keys = key_columns(*current_schema(table), options, write.table_name);
    SnapshotChange change{.branch = options.branch,
                          .stage_only = options.stage_only,
                          .checks = transaction.checks_for(options.branch),
                          .snapshot_properties = options.snapshot_properties};
    try {
      write_changes(transaction, changes, keys, write, change);
    } catch (...) {
      remove_files(*transaction.io(), change.discard);
      throw;
    }
    if (change.added.empty()) return false;
    transaction.add(std::move(change));
    return true;
  });
}

}  // namespace floe
