#include "floe/transaction/upsert.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/arrow_schema.h"
#include "floe/naming.h"
#include "floe/parallel.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"
#include "floe/transaction/row_difference.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr std::string_view kStep = "merging rows";
constexpr int64_t kOutputRows = 65'536;

// A row of the table and the new row of the same key.
struct KeyMatch {
  int64_t position = 0;  // in its data file
  int64_t source = 0;    // among the new rows
};

// The matches of one planned file, by position.
struct FileMatches {
  size_t part = 0;   // of the plan
  size_t index = 0;  // of the part's entries
  std::vector<KeyMatch> matches;
  std::vector<uint8_t> changed;  // which of them differ from the new row
  std::vector<int64_t> row_ids;  // of all of them; -1: none. Empty where the table keeps no lineage
};

template <typename F>
void for_each_batch(arrow::RecordBatchReader& reader, F&& visit) {
  for (BatchPtr batch;;) {
    check(reader.ReadNext(&batch), kStep);
    if (!batch) return;
    visit(*batch);
  }
}

const int64_t* int64s(const arrow::Array& column) { return column.data()->GetValues<int64_t>(1); }

// The rows of a batch, whose last column is their position, that have one of the keys: their position, and the number
// of the key.
BatchPtr matches_in(const arrow::RecordBatch& batch, const arrow::ArrayVector& keys, const KeyIndex& index) {
  static const auto kSchema =
      arrow::schema({arrow::field("position", arrow::int64()), arrow::field("source", arrow::int64())});
  std::vector<int64_t> found;
  index.find(keys, found);
  const int64_t* all = int64s(*batch.column(batch.num_columns() - 1));
  arrow::Int64Builder positions, rows;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] < 0) continue;
    check(positions.Append(all[i]), kStep);
    check(rows.Append(found[i]), kStep);
  }
  const int64_t count = rows.length();
  return arrow::RecordBatch::Make(kSchema, count, {check(positions.Finish(), kStep), check(rows.Finish(), kStep)});
}

// The columns in which rows of the same key may differ, first those that are cheap to read and seldom the same.
std::vector<int> columns_to_compare(const Schema& schema, const KeyColumns& keys) {
  const auto is_float = [](const Type& type) {
    return type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble;  // of which -0.0 and 0.0 are one key
  };
  const std::vector<int32_t> ids = keys.ids();
  std::vector<int> columns;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    const Field& field = schema.fields[i];
    if (std::ranges::find(ids, field.id) != ids.end() && !is_float(field.type)) continue;
    columns.push_back(static_cast<int>(i));
  }
  std::ranges::stable_partition(columns, [&](int column) {
    const TypeKind kind = schema.fields[static_cast<size_t>(column)].type.kind;
    return kind >= TypeKind::kInt && kind <= TypeKind::kTimestampTzNs;
  });
  return columns;
}

// Joins new rows with the rows of the table as they are in one snapshot.
class Join {
 public:
  // `rows` has the files that may have one of the keys, and outlives this like all others.
  Join(const LeavingRows& rows, const KeyColumns& keys, const UpsertOptions& options, IoPtr io)
      : table_(rows.table), plan_(rows.plan), scan_(rows.scan), keys_(keys), options_(options), io_(std::move(io)) {
    if (plan_.schema) compared_ = columns_to_compare(*plan_.schema, keys);
  }

  // The matches of all files that have any.
  std::vector<FileMatches> run(const MergeSource& source) const {
    std::vector<FileMatches> files = candidates(source);
    if (files.empty()) return files;
    find_matches(source, files);
    std::erase_if(files, [](const FileMatches& file) { return file.matches.empty(); });
    if (options_.update_matched && !options_.delete_matched) {
      parallel_for(files.size(), [&](size_t i) { compare(source, files[i]); }, scan_.stop);
    }
    return files;
  }

  // One of these files that has a key, as a part of the plan and an index of its entries.
  template <typename F>
  std::optional<std::pair<size_t, size_t>> any(const MergeSource& source, const F& is_asked_for) const {
    std::vector<FileMatches> files = candidates(source);
    std::erase_if(files, [&](const FileMatches& file) { return !is_asked_for(path_of(file)); });
    if (!files.empty()) find_matches(source, files);
    for (const FileMatches& file : files) {
      if (!file.matches.empty()) return std::pair(file.part, file.index);
    }
    return std::nullopt;
  }

 private:
  std::vector<FileMatches> candidates(const MergeSource& source) const {
    std::vector<FileMatches> files;
    for (size_t p = 0; p < plan_.parts.size(); ++p) {
      const std::vector<uint8_t> may = source.may_have_keys(*plan_.parts[p].reader);
      const std::vector<uint32_t>& entries = plan_.parts[p].entries;
      for (size_t i = 0; i < entries.size(); ++i) {
        if (may[entries[i]]) files.push_back({.part = p, .index = i});
      }
    }
    return files;
  }

  // A plan of some of the files (in order), with other columns and another filter. Deletes are up to the caller.
  ScanPlan only(std::span<const FileMatches> files, Schema projection, BoundExpression filter) const {
    ScanPlan plan;
    plan.schema = plan_.schema;
    plan.projection = std::move(projection);
    plan.filter = std::move(filter);
    plan.snapshot_id = plan_.snapshot_id;
    for (size_t i = 0; i < files.size(); ++i) {
      const ScanPlan::Part& from = plan_.parts[files[i].part];
      if (i == 0 || files[i].part != files[i - 1].part) plan.parts.push_back({{from.reader, from.manifest, {}}, {}});
      plan.parts.back().entries.push_back(from.entries[files[i].index]);
    }
    return plan;
  }

  void find_matches(const MergeSource& source, std::vector<FileMatches>& files) const {
    const std::vector<int32_t> ids = keys_.ids();
    const Schema keys = project(*plan_.schema, {ids.begin(), ids.end()});
    Schema projection = keys;
    projection.fields.push_back(pos_field());
    ScanPlan plan = only(files, std::move(projection), bind(in_ranges(keys_, source.ranges()), *plan_.schema));
    plan.keys = source.keys();
    plan.deletes = plan_.deletes;
    std::vector<size_t> first;  // of the files, in each part
    for (size_t i = 0, n = 0; i < plan.parts.size(); n += plan.parts[i++].entries.size()) first.push_back(n);
    read_mapped(
        table_, std::move(plan), scan_, io_,
        [&](const arrow::RecordBatch& batch) { return matches_in(batch, keys_.of(batch, keys), source.index()); },
        [&](size_t part, size_t index, const arrow::RecordBatch& batch) {
          const int64_t* positions = int64s(*batch.column(0));
          const int64_t* rows = int64s(*batch.column(1));
          std::vector<KeyMatch>& matches = files[first[part] + index].matches;
          for (int64_t i = 0; i < batch.num_rows(); ++i) matches.push_back({positions[i], rows[i]});
        });
  }

  // Compares the rows that matched with the new ones: a few columns of them first, more of those that are the same in
  // these, and so on. Where most rows are updated, most columns are not read.
  void compare(const MergeSource& source, FileMatches& file) const {
    file.changed.resize(file.matches.size());
    std::vector<size_t> same(file.matches.size());  // so far
    std::iota(same.begin(), same.end(), size_t{0});
    size_t begin = 0, columns = 1;
    while (begin < compared_.size() && !same.empty()) {
      const std::span group = std::span(compared_).subspan(begin, std::min(columns, compared_.size() - begin));
      compare(source, group, same, begin == 0 && table_.format_version >= 3, file);
      const size_t before = same.size();
      std::erase_if(same, [&](size_t match) { return file.changed[match]; });
      begin += group.size();
      columns = 2 * same.size() > before ? compared_.size() : 2 * columns;
    }
  }

  // Some columns of some of the matches.
  void compare(const MergeSource& source, std::span<const int> columns, const std::vector<size_t>& matches,
               bool with_row_ids, FileMatches& file) const {
    Schema projection;
    for (const int column : columns) projection.fields.push_back(plan_.schema->fields[column]);
    if (with_row_ids) projection.fields.push_back(row_id_field());
    ScanPlan plan = only({&file, 1}, std::move(projection), {});  // of rows that are not deleted
    plan.parts.front().without = {std::make_shared<const Positions>(all_but(file, matches))};
    const BatchPtr rows = check(source.rows()->SelectColumns({columns.begin(), columns.end()}), kStep);
    size_t at = 0;
    for_each_batch(*read(table_, std::move(plan), scan_, io_), [&](const arrow::RecordBatch& batch) {
      const auto count = static_cast<size_t>(batch.num_rows());
      if (count > matches.size() - at) throw Error("more rows came back than had matched");
      const std::span these = std::span(matches).subspan(at, count);
      const BatchPtr wanted = take(rows, file, these);
      std::vector<uint8_t> differs(count);
      for (int i = 0; i < wanted->num_columns(); ++i) mark_differences(*batch.column(i), *wanted->column(i), differs);
      for (size_t i = 0; i < count; ++i) file.changed[these[i]] = differs[i];
      if (with_row_ids) add_row_ids(*batch.column(batch.num_columns() - 1), file.row_ids);
      at += count;
    });
    if (at != matches.size()) {
      throw CorruptFile(fmt::format("{}: {} of its rows matched, and {} came back when they were read again",
                                    path_of(file), matches.size(), at));
    }
  }

  uint32_t entry_of(const FileMatches& file) const { return plan_.parts[file.part].entries[file.index]; }
  std::string_view path_of(const FileMatches& file) const {
    return plan_.parts[file.part].manifest->file_path[entry_of(file)];
  }
  int64_t rows_of(const FileMatches& file) const {
    return plan_.parts[file.part].manifest->record_count[entry_of(file)];
  }

  Positions all_but(const FileMatches& file, const std::vector<size_t>& matches) const {
    Positions others;
    int64_t next = 0;
    for (const size_t match : matches) {
      const int64_t position = file.matches[match].position;
      others.add_range(next, position);
      next = position + 1;
    }
    others.add_range(next, std::max(next, rows_of(file)));
    return others;
  }

  static void add_row_ids(const arrow::Array& column, std::vector<int64_t>& row_ids) {
    const int64_t* values = int64s(column);
    for (int64_t i = 0; i < column.length(); ++i) row_ids.push_back(column.IsNull(i) ? -1 : values[i]);
  }

  static BatchPtr take(const BatchPtr& source, const FileMatches& file, std::span<const size_t> matches) {
    arrow::Int64Builder rows;
    check(rows.Reserve(static_cast<int64_t>(matches.size())), kStep);
    for (const size_t match : matches) rows.UnsafeAppend(file.matches[match].source);
    return check(arrow::compute::Take(source, check(rows.Finish(), kStep)), kStep).record_batch();
  }

  const TableMetadata& table_;
  const ScanPlan& plan_;
  const ScanOptions& scan_;
  const KeyColumns& keys_;
  const UpsertOptions& options_;
  const IoPtr io_;
  std::vector<int> compared_;  // columns
};

// The new rows that are to be written, joined part after part as they are asked for; afterwards it is known which rows
// of the table they replace. With lineage where the table keeps one: rows that are updated keep their id, all of them
// are updated now.
class MergedRows final : public arrow::RecordBatchReader {
 public:
  MergedRows(const LeavingRows& table, const MergeParts& parts, const KeyColumns& keys, const UpsertOptions& options,
             IoPtr io)
      : parts_(parts),
        options_(options),
        join_(table, keys, options, std::move(io)),
        lineage_(table.table.format_version >= 3) {
    arrow::FieldVector fields = parts.schema()->fields();
    if (lineage_) {
      const auto extra = to_arrow_schema({.fields = {row_id_field(), last_updated_sequence_number_field()}});
      fields.insert(fields.end(), extra->fields().begin(), extra->fields().end());
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    try {
      *out = next();
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

  const UpsertCounts& counts() const { return counts_; }
  // Of all files in which keys matched, the rows that leave: none, where they are as the new rows have them.
  std::vector<FoundRows> matched() {
    std::vector<FoundRows> matched;
    for (auto& [file, positions] : matched_) {
      matched.push_back({.part = file.first, .index = file.second, .positions = std::move(positions)});
    }
    return matched;
  }

 private:
  BatchPtr next() {
    while (at_ == rows_.size()) {
      source_ = nullptr;
      if (next_part_ == parts_.size()) return nullptr;
      source_ = parts_.part(next_part_++);
      merge();
    }
    const auto rows = static_cast<int64_t>(std::min(rows_.size() - at_, static_cast<size_t>(kOutputRows)));
    const auto indices = std::make_shared<arrow::Int64Array>(rows, arrow::Buffer::Wrap(rows_.data() + at_, rows));
    const arrow::Datum taken = check(arrow::compute::Take(source_->rows(), indices), kStep);
    arrow::ArrayVector columns = taken.record_batch()->columns();
    if (lineage_) {
      arrow::Int64Builder ids;
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t id = row_ids_[at_ + i];
        check(id < 0 ? ids.AppendNull() : ids.Append(id), kStep);
      }
      columns.push_back(check(ids.Finish(), kStep));
      columns.push_back(check(arrow::MakeArrayOfNull(arrow::int64(), rows), kStep));
    }
    at_ += rows;
    return arrow::RecordBatch::Make(schema_, rows, std::move(columns));
  }

  // What becomes of the rows that matched the part's, and of those of the part that did not.
  void merge() {
    rows_.clear();
    row_ids_.clear();
    at_ = 0;
    std::vector<uint8_t> found(static_cast<size_t>(source_->rows()->num_rows()));
    for (const FileMatches& file : join_.run(*source_)) {
      Positions& leaving = matched_[{file.part, file.index}];
      for (size_t i = 0; i < file.matches.size(); ++i) {
        const KeyMatch& match = file.matches[i];
        found[match.source] = 1;
        const bool changed = !file.changed.empty() && file.changed[i];
        if (options_.delete_matched || changed) leaving.add(match.position);
        if (changed) add(match.source, file.row_ids.empty() ? -1 : file.row_ids[i]);
        ++(options_.delete_matched ? counts_.deleted : changed ? counts_.updated : counts_.unchanged);
      }
    }
    for (size_t row = 0; options_.insert_unmatched && row < found.size(); ++row) {
      if (found[row]) continue;
      add(static_cast<int64_t>(row), -1);
      ++counts_.inserted;
    }
  }

  void add(int64_t row, int64_t row_id) {
    rows_.push_back(row);
    if (lineage_) row_ids_.push_back(row_id);
  }

  const MergeParts& parts_;
  const UpsertOptions& options_;
  const Join join_;
  const bool lineage_;
  std::shared_ptr<arrow::Schema> schema_;
  std::map<std::pair<size_t, size_t>, Positions> matched_;  // by part and index in the plan
  UpsertCounts counts_;

  size_t next_part_ = 0;
  std::shared_ptr<MergeSource> source_;  // the part that is joined
  std::vector<int64_t> rows_;            // of it, to be written
  std::vector<int64_t> row_ids_;         // of each; -1: it gets a new one
  size_t at_ = 0;
};

WriteOptions named(WriteOptions write, const LoadedTable& table) {
  if (write.table_name.empty()) write.table_name = to_string(table.identifier);
  return write;
}

void check_options(const UpsertOptions& options, const std::string& table_name) {
  if (options.source_bytes <= 0) {
    throw InvalidArgument(
        fmt::format("table {}: source_bytes is {}; an upsert needs some memory", table_name, options.source_bytes));
  }
  if (!options.update_matched && !options.delete_matched && !options.insert_unmatched) {
    throw InvalidArgument(fmt::format(
        "table {}: no upsert options selected: update or delete what matches, insert what does not, or both",
        table_name));
  }
}

}  // namespace

// What stays the same however often the rows are joined.
struct Upsert::Source {
  Source(const LoadedTable& table, arrow::RecordBatchReader& new_rows, UpsertOptions given, WriteOptions how)
      : options(std::move(given)),
        write(named(std::move(how), table)),
        schema(*current_schema(*table.metadata)),
        keys(schema, options.keys, options.case_sensitive, write.table_name) {
    check_options(options, write.table_name);
    check_snapshot_properties(options.snapshot_properties);
    rows = std::make_unique<MergeParts>(new_rows, schema, keys, options.source_bytes, write);
  }

  // Of files that others added, one that has a key of the new rows. Asked again it leaves out those that have none.
  std::optional<ConflictChecks::Added> find_added(const LoadedTable& base, const std::vector<ManifestPart>& files,
                                                  const IoPtr& io, std::set<std::string, std::less<>>& cleared) const {
    if (!same_fields(*current_schema(*base.metadata), schema)) return ConflictChecks::Added(0, 0);  // who knows
    LeavingRows others{.table = *base.metadata, .scan = {.table_name = write.table_name, .stop = write.stop}};
    others.plan.schema = current_schema(*base.metadata);
    for (const ManifestPart& part : files) {
      others.plan.parts.push_back({part, {}});
    }
    const Join join(others, keys, options, io);
    const auto unknown = [&](std::string_view path) { return !cleared.contains(path); };
    for (size_t i = 0; i < rows->size(); ++i) {
      if (const auto found = join.any(*rows->part(i), unknown)) return found;
    }
    for (const ManifestPart& part : files) {
      for (const uint32_t entry : part.entries) cleared.emplace(part.manifest->file_path[entry]);
    }
    return std::nullopt;
  }

  const UpsertOptions options;
  const WriteOptions write;
  const Schema schema;
  const KeyColumns keys;
  std::unique_ptr<MergeParts> rows;
};

Upsert::Upsert(const LoadedTable& table, arrow::RecordBatchReader& rows, UpsertOptions options, WriteOptions write)
    : source_(naming(to_string(table.identifier), [&] {
        return std::make_shared<const Source>(table, rows, std::move(options), std::move(write));
      })) {}

UpsertCounts Upsert::add_to(Transaction& transaction) {
  return naming(to_string(transaction.base().identifier), [&] { return merge_into(transaction); });
}

UpsertCounts Upsert::merge_into(Transaction& transaction) const {
  const UpsertOptions& options = source_->options;
  const WriteOptions& how = source_->write;
  const TableMetadata& table = *transaction.staged().metadata;
  if (!same_fields(*current_schema(table), source_->schema)) {
    throw CommitFailed(fmt::format("table {}: its schema changed while rows were merged into it", how.table_name));
  }
  check_branch(transaction.staged(), options.branch);
  const DeleteMode mode = delete_mode(table, "write.merge.mode", options.mode);
  const Isolation isolation = options.isolation.value_or(isolation_level(table, "write.merge.isolation-level"));
  SnapshotChange change{.branch = options.branch,
                        .stage_only = options.stage_only,
                        .checks = transaction.checks_for(options.branch),
                        .snapshot_properties = options.snapshot_properties};
  change.checks.no_added_data = source_->rows->key_range();
  change.checks.find_added = [source = source_, io = transaction.io(), cleared = std::set<std::string, std::less<>>()](
                                 const LoadedTable& base, const std::vector<ManifestPart>& files) mutable {
    return source->find_added(base, files, io, cleared);
  };

  LeavingRows leaving = plan_removal(transaction, options.branch, source_->rows->key_range(), true, how);
  MergedRows merged(leaving, *source_->rows, source_->keys, options, transaction.io());
  try {
    WriteOptions write = how;
    write.row_lineage = table.format_version >= 3;
    change.added = write_data_files(table, merged, *transaction.io(), write);
    change.discard = locations_of(change.added);
    for (FoundRows& rows : merged.matched()) {
      if (isolation == Isolation::kSerializable) {
        change.checks.still_there.insert(leaving.path(rows));
        change.checks.no_new_deletes.push_back(leaving.data_file(rows));
      }
      if (!rows.positions.empty()) leaving.add(std::move(rows));
    }
    if (change.added.empty() && leaving.whole.empty() && leaving.part.empty()) return merged.counts();
    remove_rows(transaction, std::move(leaving), mode, how, change);
  } catch (...) {
    remove_files(*transaction.io(), change.discard);
    throw;
  }
  transaction.add(std::move(change));
  return merged.counts();
}

}  // namespace floe
