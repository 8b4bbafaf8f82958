#include "floe/file/parquet_reader.h"

#include <arrow/api.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/expression.h>
#include <arrow/util/bit_run_reader.h>
#include <arrow/util/bit_util.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>
#include <parquet/size_statistics.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "floe/arrow_compute.h"
#include "floe/arrow_status.h"
#include "floe/expression/arrow.h"
#include "floe/expression/evaluate.h"
#include "floe/file/arrow_schema.h"
#include "floe/file/arrow_value.h"
#include "floe/file/keep_rows.h"
#include "floe/file/parquet_bloom.h"
#include "floe/file/parquet_columns.h"
#include "floe/file/parquet_pages.h"
#include "floe/file/parquet_stats.h"
#include "floe/parallel.h"
#include "floe/spec/metadata_columns.h"
#include "floe/spec/projection.h"

namespace floe {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

// Skipping pages pays when at most one row in so many matches.
constexpr int64_t kSparse = 4;

// Arrow has one code for a store that fails and for bytes that do not decode; only the first comes with a detail.
[[noreturn]] void throw_parquet_status(const arrow::Status& status, const std::string& location) {
  if (status.IsIOError() && !status.detail()) throw CorruptFile(fmt::format("{}: {}", location, status.message()));
  throw_status(status, location);
}

template <typename T>
T check_parquet(arrow::Result<T> result, const std::string& location) {
  if (!result.ok()) throw_parquet_status(result.status(), location);
  return std::move(result).ValueUnsafe();
}

// Calls a part of Arrow that may throw Parquet's exceptions.
template <typename F>
auto guarded(const std::string& location, F&& call) {
  try {
    return call();
  } catch (const parquet::ParquetStatusException& e) {
    throw_parquet_status(e.status(), location);
  } catch (const parquet::ParquetException& e) {
    throw CorruptFile(fmt::format("{}: {}", location, e.what()));
  }
}

struct RowGroup {
  int index = 0;
  int64_t rows = 0;
  int64_t first_row = 0;  // its position in the file: row groups that are not read count
  bool filtered = false;  // by its rows; otherwise all of them match
  bool deletes = false;   // some of its rows may be deleted
};

// What a column has where the file has nothing.
enum class Computed : uint8_t {
  kNothing,
  kPosition,   // the row's position in the file, plus `base`
  kConstant,   // `base`
  kIsDeleted,  // whether the row is deleted
};

// A column that comes out: found in the file, or one of the deciding columns, decoded already.
struct OutputColumn {
  ColumnPlan plan;
  int deciding = -1;
  Computed computed = Computed::kNothing;
  int64_t base = 0;
};

parquet::ReaderProperties reader_properties() {
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  return properties;
}

parquet::ArrowReaderProperties arrow_reader_properties(int64_t batch_rows) {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_batch_size(batch_rows);
  properties.set_pre_buffer(false);
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  return properties;
}

}  // namespace

struct ParquetFile::State {
  std::string location;
  std::shared_ptr<const ParquetReadOptions> options;
  FileContext context;
  std::shared_ptr<ParquetScanCounters> counters;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  ParquetColumns columns;
  int64_t batch_rows = 0;

  // What decides whether a row comes out: the filter's columns, then those of equality deletes.
  std::vector<ColumnPlan> deciding;
  Schema filter_schema;
  std::optional<arrow::compute::Expression> filter;
  std::vector<std::vector<int>> delete_keys;  // for each of `context.deletes.equality`, which of `deciding`

  std::vector<OutputColumn> output;
  bool marks_deleted = false;  // deleted rows come out too
  std::shared_ptr<arrow::Schema> output_schema;
  std::vector<RowGroup> row_groups;

  const parquet::FileMetaData& footer() const { return *reader->parquet_reader()->metadata(); }

  void open(Io& io, const DataFile& file);
  void find_columns(const DataFile& file, const std::string& name_mapping_json);
  void find_deciding_columns();
  OutputColumn output_column(const DataFile& file, const Field& field);
  void find_row_groups();
  void prune(std::vector<uint8_t>& may, std::vector<uint8_t>& must) const;
  void set_batch_rows();
  bool in_split(int row_group) const;
  bool may_delete(const RowGroup& group) const;
  int deciding_column(const Field& field) const;
  void count_bytes(const RowGroup& group, const ColumnPlan& plan) const;
};

namespace {

using State = ParquetFile::State;

// One column of a row group, decoded bit by bit.
class ColumnStream {
 public:
  ColumnStream(const State& file, const RowGroup& group, const ColumnPlan& plan)
      : file_(file), group_(group), plan_(plan) {}

  ArrayPtr next(int64_t rows) {
    if (!plan_.node) return constant(rows);
    arrow::ArrayVector pieces;
    while (rows > 0) {
      if (!pending_ || pending_->length() == 0) pending_ = decode();
      const int64_t take = std::min(rows, pending_->length());
      pieces.push_back(pending_->Slice(0, take));
      pending_ = take < pending_->length() ? pending_->Slice(take) : nullptr;
      rows -= take;
    }
    if (pieces.size() == 1) return pieces[0];
    auto joined = arrow::Concatenate(pieces);
    if (joined.ok()) return *joined;
    throw NotSupported(
        fmt::format("{}: column {} has more than an Arrow array holds in one batch ({}). Scan with fewer "
                    "rows a batch",
                    file_.location, plan_.field->name, joined.status().message()));
  }

 private:
  ArrayPtr constant(int64_t rows) {
    if (!pending_ || pending_->length() < rows) pending_ = repeat(plan_.constant, plan_.field->type, plan_.type, rows);
    return pending_->Slice(0, rows);
  }

  ArrayPtr decode() {
    return guarded(file_.location, [&] {
      if (!batches_) {
        file_.count_bytes(group_, plan_);
        batches_ = check_parquet(file_.reader->GetRecordBatchReader({group_.index}, leaves(plan_)), file_.location);
      }
      const BatchPtr batch = check_parquet(batches_->Next(), file_.location);
      if (!batch || batch->num_rows() == 0) {
        throw CorruptFile(fmt::format("{}: column {} ends before the {} rows of row group {}", file_.location,
                                      plan_.field->name, group_.rows, group_.index));
      }
      return convert(batch->column(0), plan_, file_.columns);
    });
  }

  const State& file_;
  const RowGroup& group_;
  const ColumnPlan& plan_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  ArrayPtr pending_;
};

// Reads one row group. The columns that decide which rows come out are decoded first: those of a filter for the whole
// row group, and then, of the other columns, only what matches, page by page where few rows do, else batch by batch. Of
// rows that are only deleted by key most remain, so that is all done batch by batch.
class RowGroupStream {
 public:
  RowGroupStream(std::shared_ptr<const State> file, const RowGroup& group)
      : file_(std::move(file)), group_(group), decides_(group.filtered || group.deletes) {
    find_needed();
    for (const ColumnPlan& plan : file_->deciding) deciding_.emplace_back(*file_, group_, plan);
    bool others = false;
    for (const OutputColumn& column : file_->output) {
      const bool reused = column.deciding >= 0 && needed_[column.deciding];
      reused_.push_back(reused ? column.deciding : -1);
      output_.emplace_back(*file_, group_, column.plan);
      others |= !reused && column.plan.node;
    }
    const bool by_key = group_.deletes && !file_->delete_keys.empty();
    late_ = decides_ && others && (group_.filtered || !by_key);
  }

  BatchPtr next() {
    check(file_->options->stop.Poll(), "reading was stopped");
    if (!started_) {
      started_ = true;
      start();
    }
    while (at_ < group_.rows || !ready_.empty()) {
      const BatchPtr batch = !ready_.empty() ? take_ready() : next_batch();
      if (batch && batch->num_rows() > 0) return batch;
      check(file_->options->stop.Poll(), "reading was stopped");
    }
    return nullptr;
  }

 private:
  // Which rows of one batch come out, and their values in the deciding columns.
  struct Matches {
    int64_t begin = 0;  // the first row's place in the row group
    int64_t rows = 0;
    int64_t selected = 0;
    arrow::ArrayVector columns;  // as `deciding`, rows that come out; empty slots where nobody asks for them
  };

  void find_needed() {
    needed_.resize(file_->deciding.size(), false);
    if (group_.filtered) std::fill_n(needed_.begin(), file_->filter_schema.fields.size(), true);
    if (!group_.deletes) return;
    for (const std::vector<int>& key : file_->delete_keys) {
      for (const int i : key) needed_[i] = true;
    }
  }

  void start() {
    if (late_) {
      match_all();
      if (selection_.selected == 0) {
        at_ = group_.rows;
        ++file_->counters->row_groups_pruned;
        file_->counters->rows_decoded += group_.rows;
        return;
      }
    }
    ++file_->counters->row_groups_read;
    file_->counters->rows_decoded += group_.rows;
    if (late_ && is_sparse()) read_sparse();
  }

  BatchPtr next_batch() {
    const int64_t rows = std::min(file_->batch_rows, group_.rows - at_);
    const Matches matches = late_      ? std::move(matches_[next_match_++])
                            : decides_ ? match(rows)
                                       : Matches{at_, rows, rows, {}};
    at_ += matches.rows;
    arrow::ArrayVector columns(output_.size());
    each_column(columns.size(), [&](size_t i) { columns[i] = output(i, matches); });
    return make(matches.selected, std::move(columns));
  }

  // A column's values in the rows that come out.
  ArrayPtr output(size_t i, const Matches& matches) {
    const OutputColumn& column = file_->output[i];
    if (reused_[i] >= 0) return matches.columns[reused_[i]];
    ArrayPtr stored;
    if (column.plan.node) {
      stored = filter(output_[i].next(matches.rows), matches.begin);
    } else if (column.computed == Computed::kNothing) {
      stored = output_[i].next(matches.selected);
    }
    return computed(column, std::move(stored), matches.begin, matches.rows);
  }

  // Decides about the next rows.
  Matches match(int64_t rows) {
    arrow::ArrayVector columns(deciding_.size());
    each_column(columns.size(), [&](size_t i) {
      if (needed_[i]) columns[i] = deciding_[i].next(rows);
    });
    const int64_t before = selection_.selected;
    const int64_t begin = selection_.rows;
    apply_filter(columns, rows);
    if (group_.deletes) apply_deletes(columns, begin, rows);
    Matches matches{begin, rows, selection_.selected - before, arrow::ArrayVector(columns.size())};
    for (const int i : reused_) {
      if (i < 0 || matches.columns[i]) continue;
      matches.columns[i] = filter(columns[i], begin);
    }
    return matches;
  }

  void apply_filter(const arrow::ArrayVector& columns, int64_t rows) {
    if (!group_.filtered) return selection_.append(true, rows);
    const auto filters = columns.begin() + static_cast<int64_t>(file_->filter_schema.fields.size());
    const arrow::Datum found = check(arrow::compute::ExecuteScalarExpression(
                                         *file_->filter, arrow::compute::ExecBatch({columns.begin(), filters}, rows)),
                                     file_->location);
    if (found.is_scalar()) {
      const auto& answer = found.scalar_as<arrow::BooleanScalar>();
      selection_.append(answer.is_valid && answer.value, rows);
    } else {
      selection_.append(static_cast<const arrow::BooleanArray&>(*found.make_array()));
    }
  }

  // Takes deleted rows out of the selection, or of `kept_` where they come out with a mark.
  void apply_deletes(const arrow::ArrayVector& columns, int64_t begin, int64_t rows) {
    if (file_->marks_deleted) kept_.append(true, rows);
    RowSelection& left = file_->marks_deleted ? kept_ : selection_;
    const RowDeletes& deletes = file_->context.deletes;
    if (deletes.positions) deletes.positions->clear_bits(group_.first_row + begin, rows, left.bits.data(), begin);
    for (size_t i = 0; i < deletes.equality.size(); ++i) {
      arrow::ArrayVector key;
      for (const int column : file_->delete_keys[i]) key.push_back(columns[column]);
      deletes.equality[i]->clear_bits(key, file_->context.data_sequence_number.value_or(0), left.bits.data(), begin);
    }
    left.recount();
  }

  void match_all() {
    while (selection_.rows < group_.rows) {
      check(file_->options->stop.Poll(), "reading was stopped");
      matches_.push_back(match(std::min(file_->batch_rows, group_.rows - selection_.rows)));
    }
  }

  // Few rows match, and they fit into one batch.
  bool is_sparse() const {
    return selection_.selected <= group_.rows / kSparse && selection_.selected <= file_->batch_rows;
  }

  void read_sparse() {
    SparseRowGroup pages(*file_->reader->parquet_reader(), group_.index, selection_,
                         arrow_reader_properties(file_->batch_rows));
    const int64_t rows = selection_.selected;
    arrow::ArrayVector columns(output_.size());
    for (size_t i = 0; i < columns.size(); ++i) {
      check(file_->options->stop.Poll(), "reading was stopped");
      const OutputColumn& column = file_->output[i];
      const ColumnPlan& plan = column.plan;
      if (reused_[i] >= 0) {
        columns[i] = gather(reused_[i]);
        continue;
      }
      if (!plan.node) {
        if (column.computed == Computed::kNothing) columns[i] = output_[i].next(rows);
      } else if (plan.node->is_leaf()) {
        file_->count_bytes(group_, plan);
        columns[i] = guarded(file_->location, [&] {
          return check_parquet(
              pages.read(plan.node->column_index,
                         [&](const ArrayPtr& decoded) { return convert(decoded, plan, file_->columns); }),
              file_->location);
        });
      } else {
        columns[i] = read_filtered(output_[i]);
      }
      columns[i] = computed(column, columns[i], 0, group_.rows);
    }
    at_ = group_.rows;
    matches_.clear();
    ready_.push_back(make(rows, std::move(columns)));
  }

  // The matching rows of a deciding column.
  ArrayPtr gather(int column) const {
    arrow::ArrayVector pieces;
    for (const Matches& matches : matches_) {
      if (matches.selected > 0) pieces.push_back(matches.columns[column]);
    }
    return pieces.size() == 1 ? pieces[0] : check(arrow::Concatenate(pieces), file_->location);
  }

  // The matching rows of a column whose pages cannot be skipped.
  ArrayPtr read_filtered(ColumnStream& column) const {
    arrow::ArrayVector pieces;
    for (const Matches& matches : matches_) {
      const ArrayPtr all = column.next(matches.rows);
      if (matches.selected > 0) pieces.push_back(filter(all, matches.begin));
    }
    return check(arrow::Concatenate(pieces), file_->location);
  }

  // --- metadata columns ----------------------------------------------------------------------------------------------

  // Calls `visit(first, count)` for the runs of rows in [begin, begin + rows) that come out.
  template <typename F>
  void each_run(int64_t begin, int64_t rows, F&& visit) const {
    if (!decides_) return visit(begin, rows);
    arrow::internal::VisitSetBitRunsVoid(selection_.bits.data(), begin, rows,
                                         [&](int64_t first, int64_t count) { visit(begin + first, count); });
  }

  int64_t count_selected(int64_t begin, int64_t rows) const {
    return decides_ ? selection_.count(begin, begin + rows) : rows;
  }

  // What the column has in the rows of [begin, begin + rows) that come out; `stored` is what the file has of it.
  ArrayPtr computed(const OutputColumn& column, ArrayPtr stored, int64_t begin, int64_t rows) const {
    if (column.computed == Computed::kNothing || (stored && stored->null_count() == 0)) return stored;
    if (column.computed == Computed::kIsDeleted) return is_deleted(begin, rows);
    const int64_t selected = count_selected(begin, rows);
    std::shared_ptr<arrow::Buffer> buffer =
        check(arrow::AllocateBuffer(selected * static_cast<int64_t>(sizeof(int64_t))), file_->location);
    auto* const out = reinterpret_cast<int64_t*>(buffer->mutable_data());
    if (column.computed == Computed::kPosition) {
      int64_t* at = out;
      each_run(begin, rows, [&](int64_t first, int64_t count) {
        std::iota(at, at + count, column.base + group_.first_row + first);
        at += count;
      });
    } else {
      std::fill_n(out, selected, column.base);
    }
    if (stored) {
      const auto& own = static_cast<const arrow::Int64Array&>(*stored);
      for (int64_t i = 0; i < selected; ++i) {
        if (own.IsValid(i)) out[i] = own.Value(i);
      }
    }
    return std::make_shared<arrow::Int64Array>(selected, std::move(buffer));
  }

  ArrayPtr is_deleted(int64_t begin, int64_t rows) const {
    arrow::BooleanBuilder builder;
    check(builder.Reserve(count_selected(begin, rows)), file_->location);
    each_run(begin, rows, [&](int64_t first, int64_t count) {
      for (int64_t i = first; i < first + count; ++i) {
        builder.UnsafeAppend(group_.deletes && !arrow::bit_util::GetBit(kept_.bits.data(), i));
      }
    });
    return check(builder.Finish(), file_->location);
  }

  // The rows of the column that come out; its first one is at `begin` of the row group.
  ArrayPtr filter(const ArrayPtr& column, int64_t begin) const {
    return decides_ ? check(keep_rows(column, selection_, begin), file_->location) : column;
  }

  void each_column(size_t n, const std::function<void(size_t)>& work) const {
    if (file_->options->use_threads && n > 1) {
      parallel_for(n, work, file_->options->stop);
    } else {
      for (size_t i = 0; i < n; ++i) work(i);
    }
  }

  BatchPtr make(int64_t rows, arrow::ArrayVector columns) const {
    return arrow::RecordBatch::Make(file_->output_schema, rows, std::move(columns));
  }

  BatchPtr take_ready() {
    BatchPtr batch = std::move(ready_.back());
    ready_.pop_back();
    return batch;
  }

  const std::shared_ptr<const State> file_;
  const RowGroup& group_;
  const bool decides_;  // not all rows come out, or some are marked
  std::vector<ColumnStream> deciding_;
  std::vector<bool> needed_;  // which of the deciding columns
  std::vector<ColumnStream> output_;
  std::vector<int> reused_;  // which of the deciding columns an output column is, or -1
  bool late_ = false;        // some columns wait until it is decided about the whole row group
  bool started_ = false;
  int64_t at_ = 0;
  RowSelection selection_;  // which rows come out
  RowSelection kept_;       // which are not deleted, where deleted ones come out too
  std::vector<Matches> matches_;
  size_t next_match_ = 0;
  std::vector<BatchPtr> ready_;
};

// Whether the columns outside lists have one value a row. (The others are found out when they are decoded.)
bool columns_agree(const parquet::RowGroupMetaData& group) {
  for (int leaf = 0; leaf < group.num_columns(); ++leaf) {
    if (group.schema()->Column(leaf)->max_repetition_level() == 0 &&
        group.ColumnChunk(leaf)->num_values() != group.num_rows()) {
      return false;
    }
  }
  return true;
}

// About what a column takes once decoded, as far as the footer tells: strings of a dictionary may be much more than
// their pages.
int64_t decoded_bytes(const parquet::ColumnChunkMetaData& chunk) {
  int64_t bytes = chunk.total_uncompressed_size();
  if (const auto sizes = chunk.size_statistics()) {
    bytes = std::max(bytes, sizes->unencoded_byte_array_data_bytes.value_or(0));
  }
  return std::clamp<int64_t>(bytes, 0, int64_t{1} << 40);
}

bool reads_rows(const BoundExpression& filter) { return filter.kind != ExprKind::kTrue; }

int64_t start_of(const parquet::RowGroupMetaData& group) {
  if (group.num_columns() == 0) return group.file_offset();
  const auto chunk = group.ColumnChunk(0);
  const int64_t dictionary = chunk->has_dictionary_page() ? chunk->dictionary_page_offset() : 0;
  return dictionary > 0 ? std::min(dictionary, chunk->data_page_offset()) : chunk->data_page_offset();
}

}  // namespace

void ParquetFile::State::open(Io& io, const DataFile& file) {
  if (file.key_metadata) throw NotSupported(fmt::format("{} is encrypted, which is not read yet", location));
  const auto source = io.open(location, file.file_size_in_bytes > 0 ? file.file_size_in_bytes : -1);
  guarded(location, [&] {
    auto raw = parquet::ParquetFileReader::Open(source, reader_properties());
    reader = check_parquet(parquet::arrow::FileReader::Make(arrow::default_memory_pool(), std::move(raw),
                                                            arrow_reader_properties(options->batch_rows)),
                           location);
  });
}

// The deciding column that is the same as this one, or -1.
int ParquetFile::State::deciding_column(const Field& field) const {
  for (size_t i = 0; i < deciding.size(); ++i) {
    const Field& other = *deciding[i].field;
    if (other.id == field.id && other.type == field.type && (other.required || !field.required)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void ParquetFile::State::find_deciding_columns() {
  if (reads_rows(options->filter)) {
    const auto ids = field_ids(options->filter);
    filter_schema = project(*options->schema, {ids.begin(), ids.end()});
    for (const Field& field : filter_schema.fields) deciding.push_back(plan_column(field, columns));
    initialize_compute();
    filter = check(to_arrow(options->filter, filter_schema).Bind(*to_arrow_schema(filter_schema)), location);
  }
  for (const auto& deletes : context.deletes.equality) {
    std::vector<int>& key = delete_keys.emplace_back();
    for (const Field& field : deletes->columns().fields) {
      int at = deciding_column(field);
      if (at < 0) {
        at = static_cast<int>(deciding.size());
        deciding.push_back(plan_column(field, columns));
      }
      key.push_back(at);
    }
  }
}

OutputColumn ParquetFile::State::output_column(const DataFile& file, const Field& field) {
  const auto expect = [&](const Field& metadata_column) {
    if (field.type == metadata_column.type) return;
    throw InvalidArgument(fmt::format("the metadata column {} is of type {}, and not {}", metadata_column.name,
                                      to_string(metadata_column.type), to_string(field.type)));
  };
  // The file's own values first, where it has the column; then what rows without a value inherit.
  const auto inherited = [&](Computed computed, std::optional<int64_t> base) {
    OutputColumn column;
    column.plan = columns.has_ids ? plan_column(field, columns) : constant_column(field, Value());
    if (base) column.computed = computed, column.base = *base;
    return column;
  };
  const auto constant = [&](Value value) { return OutputColumn{.plan = constant_column(field, std::move(value))}; };
  switch (field.id) {
    case kFileId:
      expect(file_field());
      return constant(Value(file.file_path));
    case kSpecIdId:
      expect(spec_id_field());
      return constant(Value(file.spec_id));
    case kPartitionId:
      if (!fits(context.partition, field.type)) {
        throw InvalidArgument(fmt::format("{}: its partition is no {}", location, to_string(field.type)));
      }
      return constant(context.partition);
    case kPosId:
      expect(pos_field());
      return {.plan = constant_column(field, Value()), .computed = Computed::kPosition};
    case kDeletedId:
      expect(deleted_field());
      marks_deleted = true;
      return {.plan = constant_column(field, Value()), .computed = Computed::kIsDeleted};
    case kRowIdId:
      expect(row_id_field());
      return inherited(Computed::kPosition, file.first_row_id);
    case kLastUpdatedSequenceNumberId:
      expect(last_updated_sequence_number_field());
      return inherited(Computed::kConstant, file.first_row_id ? context.data_sequence_number : std::nullopt);
    default:
      return {.plan = plan_column(field, columns), .deciding = field.type.is_nested() ? -1 : deciding_column(field)};
  }
}

void ParquetFile::State::find_columns(const DataFile& file, const std::string& name_mapping_json) {
  columns = parquet_columns(location, reader->manifest(), parse_name_mapping(name_mapping_json),
                            context.partition_values, context.has_values);
  find_deciding_columns();
  for (const Field& field : options->projection.fields) output.push_back(output_column(file, field));
  output_schema = to_arrow_schema(options->projection);
}

bool ParquetFile::State::in_split(int row_group) const {
  if (options->split_start == 0 && options->split_length == INT64_MAX) return true;
  const int64_t start = start_of(*footer().RowGroup(row_group));
  return start >= options->split_start && start - options->split_start < options->split_length;
}

bool ParquetFile::State::may_delete(const RowGroup& group) const {
  const RowDeletes& deletes = context.deletes;
  return !deletes.equality.empty() ||
         (deletes.positions && deletes.positions->count(group.first_row, group.first_row + group.rows) > 0);
}

// By statistics, and where these do not decide by bloom filters.
void ParquetFile::State::prune(std::vector<uint8_t>& may, std::vector<uint8_t>& must) const {
  const BloomFilters blooms(*reader->parquet_reader());
  if (reads_rows(options->filter)) {
    const auto end = deciding.begin() + static_cast<int64_t>(filter_schema.fields.size());
    const std::vector<ColumnPlan> plans(deciding.begin(), end);
    const Stats stats = row_group_stats(plans, footer());
    may = may_match(options->filter, stats);
    must = must_match(options->filter, stats);
    for (int i = 0; i < footer().num_row_groups(); ++i) {
      if (may[i] && !must[i] && in_split(i)) may[i] = blooms.may_match(options->filter, plans, stats, i);
    }
  }
  if (options->keys) {
    std::set<int32_t> ids;
    for (size_t i = 0; i < options->keys->columns(); ++i) ids.insert(options->keys->field(i).id);
    const Schema schema = project(*options->schema, ids);
    std::vector<ColumnPlan> plans;
    for (const Field& field : schema.fields) plans.push_back(plan_column(field, columns));
    const Stats stats = row_group_stats(plans, footer());
    const std::vector<uint8_t> may_have = options->keys->may_have(stats);
    for (int i = 0; i < footer().num_row_groups(); ++i) {
      if (may[i] && in_split(i)) may[i] = may_have[i] && blooms.may_have(*options->keys, plans, stats, i);
    }
  }
}

void ParquetFile::State::find_row_groups() {
  const int n = footer().num_row_groups();
  std::vector<uint8_t> may(n, 1), must(n, 1);
  prune(may, must);
  int64_t rows = 0;
  for (int i = 0; i < n; ++i) {
    const int64_t group_rows = footer().RowGroup(i)->num_rows();
    if (group_rows < 0 || !columns_agree(*footer().RowGroup(i))) {
      throw CorruptFile(fmt::format("{}: row group {} has {} rows, and its columns have not", location, i, group_rows));
    }
    RowGroup group{i, group_rows, rows, !must[i], false};
    rows += group_rows;
    if (!in_split(i) || group_rows == 0) continue;
    if (may[i]) {
      group.deletes = may_delete(group);
      row_groups.push_back(group);
    } else {
      ++counters->row_groups_pruned;
    }
  }
  if (rows != footer().num_rows()) {
    throw CorruptFile(
        fmt::format("{}: its row groups have {} rows, and its footer says {}", location, rows, footer().num_rows()));
  }
}

void ParquetFile::State::count_bytes(const RowGroup& group, const ColumnPlan& plan) const {
  const auto metadata = footer().RowGroup(group.index);
  for (const int leaf : leaves(plan)) counters->bytes_read += metadata->ColumnChunk(leaf)->total_compressed_size();
}

// Rows of a batch: as many as asked for, fewer where they are wide.
void ParquetFile::State::set_batch_rows() {
  batch_rows = std::max<int64_t>(options->batch_rows, 1);
  std::set<int> read;
  for (const OutputColumn& column : output) {
    for (const int leaf : leaves(column.plan)) read.insert(leaf);
  }
  int64_t bytes = 0, rows = 0;
  for (const RowGroup& group : row_groups) {
    const auto metadata = footer().RowGroup(group.index);
    rows += group.rows;
    for (const int leaf : read) bytes += decoded_bytes(*metadata->ColumnChunk(leaf));
  }
  if (rows > 0 && bytes > 0) {
    const double row_bytes = static_cast<double>(bytes) / static_cast<double>(rows);
    const auto most = static_cast<int64_t>(static_cast<double>(options->batch_bytes) / row_bytes);
    batch_rows = std::clamp<int64_t>(most, 1, batch_rows);
  }
  reader->set_batch_size(batch_rows);
}

ParquetFile::ParquetFile(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                         FileContext context, const std::string& name_mapping_json,
                         std::shared_ptr<ParquetScanCounters> counters)
    : state_(std::make_shared<State>()) {
  state_->location = file.file_path;
  state_->options = std::move(options);
  state_->context = std::move(context);
  state_->counters = counters ? std::move(counters) : std::make_shared<ParquetScanCounters>();
  guarded(state_->location, [&] {
    state_->open(io, file);
    state_->find_columns(file, name_mapping_json);
    state_->find_row_groups();
    state_->set_batch_rows();
  });
}

size_t ParquetFile::row_groups() const { return state_->row_groups.size(); }
int64_t ParquetFile::rows(size_t i) const { return state_->row_groups[i].rows; }
bool ParquetFile::filters(size_t i) const {
  const RowGroup& group = state_->row_groups[i];
  return group.filtered || group.deletes;
}

BatchStream ParquetFile::read(size_t i) const {
  auto stream = std::make_shared<RowGroupStream>(state_, state_->row_groups[i]);
  return [stream] { return stream->next(); };
}

namespace {

class FileBatchReader final : public arrow::RecordBatchReader {
 public:
  FileBatchReader(std::shared_ptr<arrow::Schema> schema, ParquetFile file)
      : schema_(std::move(schema)), file_(std::move(file)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(BatchPtr* out) override {
    try {
      *out = next();
      return arrow::Status::OK();
    } catch (...) {
      return to_status(std::current_exception());
    }
  }

 private:
  BatchPtr next() {
    while (true) {
      if (stream_) {
        if (BatchPtr batch = stream_()) return batch;
        stream_ = nullptr;
      }
      if (next_ == file_.row_groups()) return nullptr;
      stream_ = file_.read(next_++);
    }
  }

  std::shared_ptr<arrow::Schema> schema_;
  ParquetFile file_;
  size_t next_ = 0;
  BatchStream stream_;
};

}  // namespace

std::unique_ptr<arrow::RecordBatchReader> read_parquet(Io& io, const DataFile& file, const ParquetReadOptions& options,
                                                       const FileContext& context, const std::string& name_mapping_json,
                                                       std::shared_ptr<ParquetScanCounters> counters) {
  ParquetFile parquet(io, file, std::make_shared<const ParquetReadOptions>(options), context, name_mapping_json,
                      std::move(counters));
  return std::make_unique<FileBatchReader>(to_arrow_schema(options.projection), std::move(parquet));
}

}  // namespace floe
