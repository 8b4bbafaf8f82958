#include "floe/scan/changelog.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/error.h"
#include "floe/file/arrow_schema.h"
#include "floe/naming.h"
#include "floe/parallel.h"
#include "floe/scan/appends.h"
#include "floe/scan/manifests.h"
#include "floe/scan/plan_head.h"
#include "floe/scan/row_matches.h"
#include "floe/scan/scanner.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// --- what a changelog is made of -------------------------------------------------------------------------------------

const std::vector<Field>& change_fields() {
  static const std::vector<Field> kFields = {
      {.id = 2147483543, .name = "_change_type", .required = true, .type = primitive(TypeKind::kString)},
      {.id = 2147483542, .name = "_change_ordinal", .required = true, .type = primitive(TypeKind::kInt)},
      {.id = 2147483541, .name = "_commit_snapshot_id", .required = true, .type = primitive(TypeKind::kLong)}};
  return kFields;
}

bool is_change_field(const std::string& name) {
  return std::ranges::any_of(change_fields(), [&](const Field& field) { return field.name == name; });
}

struct Changelog {
  TableMetadataPtr table;
  ScanOptions options;  // of reading: in order, without a limit
  IoPtr io;
  ScanPlan head;                           // schema, columns, filter
  std::vector<const Snapshot*> snapshots;  // the oldest first
  bool with_updates = false;
  RowKey identity;  // of updates
};

// Its columns come after the scan's, whether it is asked for them or not.
std::vector<std::string> without_change_fields(std::vector<std::string> select) {
  std::erase_if(select, is_change_field);
  return select.empty() ? std::vector<std::string>{"*"} : select;
}

RowKey row_identity(const TableMetadata& table, const Schema& schema, const ChangelogOptions& changes,
                    const ScanOptions& options) {
  std::set<int32_t> ids(schema.identifier_field_ids.begin(), schema.identifier_field_ids.end());
  if (!changes.identifier_columns.empty()) ids.clear();
  for (const std::string& name : changes.identifier_columns) {
    const Field* field = find_field(schema, name, options.case_sensitive);
    if (!field) throw InvalidArgument(fmt::format("there is no column {} to identify rows by", name));
    ids.insert(field->id);
  }
  if (!ids.empty()) return {.fields = project(schema, ids).fields, .unique = true};
  if (table.format_version >= 3) return {.fields = {row_id_field()}, .nulls_match = false, .unique = true};
  throw InvalidArgument(
      "updates are found by identifier fields, and the table has none. Name columns that identify a row");
}

// --- one snapshot's changes ------------------------------------------------------------------------------------------

// Files, rows of which are a part of a changelog.
struct Rows {
  ScanPlan plan;
  Marks left_out;  // beside the plan's entries: of rows that are no change
  Marks updated;   // of those that are updates
  bool removed = false;

  bool empty() const { return plan.parts.empty(); }
  void add(ScanPlan::Part part, std::vector<std::shared_ptr<Positions>> without = {}) {
    without.resize(part.entries.size());
    updated.emplace_back(part.entries.size());
    plan.parts.push_back(std::move(part));
    left_out.push_back(std::move(without));
  }
  ScanPlan to_read() const {
    ScanPlan to_read = plan;
    for (size_t p = 0; p < left_out.size(); ++p)
      to_read.parts[p].without.assign(left_out[p].begin(), left_out[p].end());
    return to_read;
  }
};

// Finds what snapshots changed.
class SnapshotChanges {
 public:
  explicit SnapshotChanges(const Changelog& log) : log_(log), filter_(*log.table, log.head.filter, *log.head.schema) {}

  // What left, and what came, as far as there is any.
  std::vector<Rows> find(const Snapshot& snapshot) {
    const auto manifests = listed_manifests(snapshot, *log_.io);
    std::vector<const ManifestFile*> own;
    bool deletes = false;  // whether it added any
    for (const ManifestFile& manifest : *manifests) {
      if (manifest.added_snapshot_id != snapshot.snapshot_id) continue;
      if (manifest.content == ManifestContent::kData) own.push_back(&manifest);
      deletes |= manifest.content == ManifestContent::kDeletes && manifest.added_files_count != 0;
    }
    const auto of_snapshot = [&](EntryStatus status) {
      return [status, id = snapshot.snapshot_id](const Manifest& manifest, size_t entry) {
        return manifest.status[entry] == status && manifest.snapshot_id[entry] == id;
      };
    };
    Rows added = rows_of(snapshot, false), removed = rows_of(snapshot, true);
    bool younger = true;  // whether no older delete may apply to what was added
    for (ManifestPart& part : read(own, of_snapshot(EntryStatus::kAdded))) {
      for (const uint32_t entry : part.entries) {
        younger &= part.manifest->sequence_number[entry] == snapshot.sequence_number;
      }
      added.add({std::move(part)});
    }
    for (ManifestPart& part : read(own, of_snapshot(EntryStatus::kDeleted))) removed.add({std::move(part)});
    if (deletes || (!added.empty() && !younger)) added.plan.deletes = deletes_of(snapshot);
    if (deletes && added.plan.deletes) add_deleted(snapshot, *manifests, added.plan.deletes, removed);
    if (!removed.empty()) removed.plan.deletes = deletes_before(snapshot);
    if (!removed.empty() && !added.empty()) compare(removed, added);

    std::vector<Rows> found;
    if (!removed.empty()) found.push_back(std::move(removed));
    if (!added.empty()) found.push_back(std::move(added));
    return found;
  }

 private:
  Rows rows_of(const Snapshot& snapshot, bool removed) const {
    Rows rows{.plan = log_.head, .removed = removed};
    rows.plan.snapshot_id = snapshot.snapshot_id;
    return rows;
  }

  std::vector<ManifestPart> read(const std::vector<const ManifestFile*>& manifests, const EntryChoice& choice,
                                 const std::vector<int32_t>& more_columns = {}) const {
    std::vector<ManifestPart> parts(manifests.size());
    parallel_for(
        parts.size(),
        [&](size_t i) { parts[i] = filter_.read_data(*manifests[i], more_columns, *log_.io, choice).part; },
        log_.options.stop);
    std::erase_if(parts, [](const ManifestPart& part) { return part.entries.empty(); });
    return parts;
  }

  // The deletes that hold in a snapshot; null: none.
  std::shared_ptr<const DeleteIndex> deletes_of(const Snapshot& snapshot) {
    if (known_of_ == snapshot.snapshot_id) return known_;
    const auto manifests = listed_manifests(snapshot, *log_.io);
    std::vector<const ManifestFile*> deletes = filter_.prune(*manifests);
    std::erase_if(deletes, [](const ManifestFile* each) { return each->content != ManifestContent::kDeletes; });
    known_ = read_deletes(*log_.table, log_.head.schema, deletes, filter_, *log_.io, log_.options.stop);
    known_of_ = snapshot.snapshot_id;
    return known_;
  }

  std::shared_ptr<const DeleteIndex> deletes_before(const Snapshot& snapshot) {
    if (!snapshot.parent_snapshot_id) return nullptr;
    const Snapshot* parent = snapshot_by_id(*log_.table, *snapshot.parent_snapshot_id);
    if (parent) return deletes_of(*parent);
    throw NotFound(
        fmt::format("table {}: the changes of snapshot {} are not known, because the snapshot before it, {}, was "
                    "expired. Begin after it",
                    log_.options.table_name, snapshot.snapshot_id, *snapshot.parent_snapshot_id));
  }

  // Rows of files that stay, which the snapshot's deletes take out of them: those that it does not have any more.
  void add_deleted(const Snapshot& snapshot, const std::vector<ManifestFile>& manifests,
                   const std::shared_ptr<const DeleteIndex>& deletes, Rows& removed) const {
    std::vector<const ManifestFile*> data = filter_.prune(manifests);
    std::erase_if(data, [](const ManifestFile* each) { return each->content != ManifestContent::kData; });
    const auto stays = [id = snapshot.snapshot_id](const Manifest& manifest, size_t entry) {
      return is_live(manifest, entry) &&
             (manifest.status[entry] != EntryStatus::kAdded || manifest.snapshot_id[entry] != id);
    };
    ScanPlan left = log_.head;
    left.filter = {};
    left.projection.fields = {pos_field()};
    left.snapshot_id = snapshot.snapshot_id;
    left.deletes = deletes;
    for (ManifestPart& part : read(data, stays, deletes->equality_ids())) {
      DeleteFinder finder(*deletes, *part.reader, part.manifest);
      std::erase_if(part.entries, [&](uint32_t entry) {
        return std::ranges::none_of(finder.find(entry).files(), [&](const DeleteEntry& file) {
          return deletes->manifest(file).snapshot_id[file.entry] == snapshot.snapshot_id;
        });
      });
      if (!part.entries.empty()) left.parts.push_back({std::move(part)});
    }
    Marks rows_left = no_marks(left);
    const auto same = [](const arrow::RecordBatch& batch) {
      return arrow::RecordBatch::Make(batch.schema(), batch.num_rows(), batch.columns());
    };
    read_mapped(*log_.table, left, log_.options, log_.io, same,
                [&](size_t part, size_t index, const arrow::RecordBatch& batch) {
                  const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(0));
                  std::shared_ptr<Positions>& marks = rows_left[part][index];
                  if (!marks) marks = std::make_shared<Positions>();
                  marks->add(std::span(positions.raw_values(), static_cast<size_t>(positions.length())));
                });
    for (size_t p = 0; p < left.parts.size(); ++p) removed.add(std::move(left.parts[p]), std::move(rows_left[p]));
  }

  // Leaves out rows that only went from one file to another, and finds updates.
  void compare(Rows& removed, Rows& added) const {
    const auto match = [&](const RowKey& key, Marks Rows::* marks) {
      RowMatches matches = match_rows(*log_.table, removed.to_read(), added.to_read(), key, log_.options, log_.io);
      add(removed.*marks, matches.left);
      add(added.*marks, matches.right);
      return matches.left_alone > 0 && matches.right_alone > 0;
    };
    bool more = true;
    if (log_.table->format_version >= 3) {  // tells most of them by two small columns
      more = match({.fields = {row_id_field(), last_updated_sequence_number_field()}, .nulls_match = false},
                   &Rows::left_out);
    }
    if (more) more = match({.fields = log_.head.schema->fields}, &Rows::left_out);
    if (more && log_.with_updates) match(log_.identity, &Rows::updated);
  }

  const Changelog& log_;
  const ManifestFilter filter_;
  std::optional<int64_t> known_of_;  // of which snapshot the last deletes are
  std::shared_ptr<const DeleteIndex> known_;
};

// --- the stream ------------------------------------------------------------------------------------------------------

class ChangelogReader final : public arrow::RecordBatchReader {
 public:
  ChangelogReader(Changelog log, int64_t limit) : log_(std::move(log)), changes_(log_), rows_left_(limit) {
    Schema schema = log_.head.projection;
    columns_ = static_cast<int>(schema.fields.size());
    schema.fields.insert(schema.fields.end(), change_fields().begin(), change_fields().end());
    schema_ = to_arrow_schema(schema);
    if (!log_.with_updates) return;
    std::vector<Field>& fields = log_.head.projection.fields;
    const auto pos = std::ranges::find(fields, kPosId, &Field::id);
    pos_column_ = static_cast<int>(pos - fields.begin());
    if (pos == fields.end()) fields.push_back(pos_field());
  }
  ~ChangelogReader() override { stop(); }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    try {
      *out = next();
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

  arrow::Status Close() override {
    stop();
    rows_left_ = 0;
    return arrow::Status::OK();
  }

 private:
  void stop() {
    if (scanner_) scanner_->close();
    scanner_ = nullptr;
  }

  BatchPtr next() {
    while (rows_left_ > 0) {
      if (scanner_) {
        if (const Scanner::Rows rows = scanner_->next(); rows.batch) return labelled(rows);
        stop();
        waiting_.pop_front();
      }
      if (waiting_.empty()) {
        if (next_ == log_.snapshots.size()) return nullptr;
        check(log_.options.stop.Poll(), "the scan was stopped");
        for (Rows& rows : changes_.find(*log_.snapshots[next_++])) waiting_.push_back(std::move(rows));
      }
      if (!waiting_.empty()) {
        scanner_ = std::make_shared<Scanner>(
            std::make_unique<ScanFiles>(*log_.table, waiting_.front().to_read(), log_.options, log_.io, nullptr),
            log_.options);
      }
    }
    return nullptr;
  }

  // The batch with what changed; of several updates and others, row by row.
  BatchPtr labelled(const Scanner::Rows& found) {
    const Rows& rows = waiting_.front();
    const ScanFiles::Place place = scanner_->files().place(found.file);
    const BatchPtr batch = found.batch->Slice(0, std::min(rows_left_, found.batch->num_rows()));
    rows_left_ -= batch->num_rows();
    const auto ordinal = std::make_shared<arrow::Int32Scalar>(static_cast<int32_t>(next_ - 1));
    const auto id = std::make_shared<arrow::Int64Scalar>(*rows.plan.snapshot_id);
    arrow::ArrayVector columns = batch->columns();
    const auto types = change_types(rows, rows.updated[place.part][place.index].get(), *batch);
    columns.resize(static_cast<size_t>(columns_));
    columns.push_back(types);
    columns.push_back(check(arrow::MakeArrayFromScalar(*ordinal, batch->num_rows()), "a changelog"));
    columns.push_back(check(arrow::MakeArrayFromScalar(*id, batch->num_rows()), "a changelog"));
    return arrow::RecordBatch::Make(schema_, batch->num_rows(), std::move(columns));
  }

  std::shared_ptr<arrow::Array> change_types(const Rows& rows, const Positions* updated,
                                             const arrow::RecordBatch& batch) const {
    const char* type = rows.removed ? "DELETE" : "INSERT";
    if (!updated) {
      return check(arrow::MakeArrayFromScalar(arrow::StringScalar(type), batch.num_rows()), "a changelog");
    }
    const auto& positions = static_cast<const arrow::Int64Array&>(*batch.column(pos_column_));
    arrow::StringBuilder types;
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      const bool update = updated->contains(positions.Value(i));
      check(types.Append(!update ? type : rows.removed ? "UPDATE_BEFORE" : "UPDATE_AFTER"), "a changelog");
    }
    return check(types.Finish(), "a changelog");
  }

  Changelog log_;
  SnapshotChanges changes_;
  std::shared_ptr<arrow::Schema> schema_;
  int columns_ = 0;     // of the scan
  int pos_column_ = 0;  // `_pos`, where updates are marked by it
  int64_t rows_left_;
  size_t next_ = 0;  // of the snapshots
  std::deque<Rows> waiting_;
  std::shared_ptr<Scanner> scanner_;  // of the first that waits
};

}  // namespace

std::unique_ptr<arrow::RecordBatchReader> changelog(TableMetadataPtr table, const ChangelogOptions& changes,
                                                    const ScanOptions& options, IoPtr io) {
  Changelog log{.table = std::move(table), .options = options, .io = std::move(io)};
  log.options.appended_since = changes.since;
  log.options.select = without_change_fields(options.select);
  naming(options.table_name, [&] {
    const Origin origin = find_origin(*log.table, log.options);
    log.head = plan_head(*log.table, origin.schema, log.options);
    for (const Field& field : log.head.projection.fields) {
      if (is_change_field(field.name)) {
        throw InvalidArgument(fmt::format("a changelog adds a column {}, which the table has already", field.name));
      }
    }
    if (changes.updates) log.identity = row_identity(*log.table, *origin.schema, changes, options);
    if (!origin.snapshot) return;
    log.snapshots = snapshots_since(changes.since, *log.table, *origin.snapshot, options.table_name);
  });
  log.with_updates = changes.updates;
  std::erase_if(log.snapshots, [](const Snapshot* each) { return each->summary.get("operation") == "replace"; });
  std::reverse(log.snapshots.begin(), log.snapshots.end());
  const int64_t limit = options.limit.value_or(INT64_MAX);
  log.options.limit.reset();
  log.options.ordered = true;
  return std::make_unique<ChangelogReader>(std::move(log), limit);
}

}  // namespace floe
