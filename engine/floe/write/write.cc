#include "floe/write/write.h"

#include <arrow/util/byte_size.h>
#include <arrow/util/thread_pool.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/batch.h"
#include "floe/file/data_file_writer.h"
#include "floe/file/equality_delete.h"
#include "floe/parallel.h"
#include "floe/spec/metadata_columns.h"
#include "floe/write/external_sort.h"
#include "floe/write/partitioner.h"
#include "floe/write/row_order.h"

namespace floe {
namespace {

// Batches are worked on in pieces: what is copied at a time (to fit the table, to split by partition) is one piece.
constexpr int64_t kPieceRows = 131'072;
constexpr int64_t kPieceBytes = 32 << 20;
// Where rows of a piece fall into many partitions, pieces are put together until each gets about so many rows: files
// take few rows at a time at a much higher price.
constexpr int64_t kPartRows = 2'048;
constexpr int64_t kTogetherBytes = 48 << 20;
constexpr int64_t kTargetFileBytes = 512 << 20;
constexpr int64_t kTargetDeleteFileBytes = 64 << 20;
constexpr double kSlack = 0.05;      // a file may be larger than its target by this part of it
constexpr double kFirstGuess = 0.5;  // encoded bytes of a byte in memory, before the first rows are encoded
constexpr int64_t kLeastRows = 1'024;

void refuse_unsupported(const TableMetadata& table, const WriteOptions& options) {
  for (const char* key : {"write.location-provider.impl", "write.py-location-provider.impl", "encryption.key-id"}) {
    if (table.properties.contains(key)) {
      throw NotSupported(fmt::format("table {}: property '{}' is not supported; remove it to write with this engine",
                                     options.table_name, key));
    }
  }
  if (options.max_open_writers < 1) {
    throw InvalidArgument(fmt::format("max_open_writers is {}; it must be at least 1", options.max_open_writers));
  }
}

FileFormat format_of(const Properties& properties, const WriteOptions& options) {
  FileFormat format = FileFormat::kPuffin;
  const std::string text = string_property(properties, "write.format.default", "parquet");
  try {
    format = options.format ? *options.format : parse_file_format(text);
  } catch (const InvalidArgument&) {
    // said below
  }
  if (format == FileFormat::kPuffin) {
    throw NotSupported(
        fmt::format("table {}: property 'write.format.default' is '{}'; data files are parquet, avro or orc",
                    options.table_name, text));
  }
  return format;
}

// How many rows of a batch make a piece.
int64_t piece_rows(const arrow::RecordBatch& batch) {
  const auto bytes = arrow::util::ReferencedBufferSize(batch);
  if (!bytes.ok() || batch.num_rows() == 0) return kPieceRows;
  const int64_t bytes_per_row = std::max<int64_t>(*bytes / batch.num_rows(), 1);
  return std::clamp<int64_t>(kPieceBytes / bytes_per_row, 1, kPieceRows);
}

// A partition's path with every folder's name short enough for file systems (and S3's 1024 bytes for all). Nobody reads
// partition values from paths, and file names are unique without them.
std::string with_short_names(const std::string& path) {
  constexpr size_t kLongest = 200;
  std::string shortened;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    size_t length = std::min(end - begin, kLongest);
    const size_t escape = path.find('%', begin + length - std::min<size_t>(length, 2));
    if (length < end - begin && escape < begin + length) length = escape - begin;  // not within a %xx
    shortened.append(shortened.empty() ? "" : "/").append(path, begin, length);
    begin = end + 1;
  }
  return shortened;
}

Schema schema_of_files(const TableMetadata& table, const WriteOptions& options) {
  Schema schema = *current_schema(table);
  if (!options.row_lineage) return schema;
  for (Field field : {row_id_field(), last_updated_sequence_number_field()}) {
    if (std::ranges::find(schema.fields, field.name, &Field::name) != schema.fields.end()) {
      throw NotSupported(
          fmt::format("table {}: its column {} has the name of a metadata column, which rows keep when "
                      "they are written anew; rename it",
                      options.table_name, field.name));
    }
    schema.fields.push_back(std::move(field));
  }
  return schema;
}

// What one write makes: data files, or equality delete files.
struct Layout {
  Schema schema;
  PartitionSpec spec;
  SortOrder order;
  std::vector<ZOrderColumn> z_order;  // in place of `order`
  Curve curve = Curve::kZOrder;
  Properties properties;
  int64_t target_bytes = 0;
  FileContent content = FileContent::kData;
  std::vector<int32_t> equality_ids;
};

Layout data_layout(const TableMetadata& table, const WriteOptions& options) {
  return {.schema = schema_of_files(table, options),
          .spec = default_spec(table),
          .order = options.z_order.empty() ? default_sort_order(table) : SortOrder{},
          .z_order = options.z_order,
          .curve = options.curve,
          .properties = table.properties,
          .target_bytes = int_property(table.properties, "write.target-file-size-bytes", kTargetFileBytes)};
}

Layout delete_layout(const TableMetadata& table, const PartitionSpec& spec, const std::vector<int32_t>& equality_ids) {
  SortOrder by_key;  // which is none of the table's
  for (const int32_t id : equality_ids) by_key.fields.push_back({.source_ids = {id}, .transform = {}});
  return {.schema = equality_delete_schema(*current_schema(table), equality_ids),
          .spec = spec,
          .order = std::move(by_key),
          .properties = delete_properties(table.properties),
          .target_bytes = int_property(table.properties, "write.delete.target-file-size-bytes", kTargetDeleteFileBytes),
          .content = FileContent::kEqualityDeletes,
          .equality_ids = equality_ids};
}

// The files of one partition: those that are complete, and at most one being written.
struct PartitionOutput {
  std::vector<Value> partition;
  std::string path;  // "a=1/b=2"
  std::unique_ptr<DataFileWriter> writer;
  int64_t rows = 0;  // in the file being written
  std::vector<DataFile> files;
};

// The files of one write. Partitions are written by different threads, each by one at a time.
class Outputs {
 public:
  Outputs(const TableMetadata& table, const Layout& layout, Io& io, DataFileWriters writers)
      : table_(table), io_(io), layout_(layout), writers_(std::move(writers)), uuid_(new_uuid()) {}

  void add_partition(std::vector<Value> values) {
    PartitionOutput output;
    output.path = with_short_names(partition_path(layout_.spec, layout_.schema, values));
    output.partition = std::move(values);
    outputs_.push_back(std::move(output));
  }
  size_t partitions() const { return outputs_.size(); }
  const DataFileWriters& writers() const { return writers_; }

  void write(size_t partition, const arrow::RecordBatch& rows) {
    PartitionOutput& output = outputs_[partition];
    for (int64_t begin = 0; begin < rows.num_rows();) {
      if (!output.writer) begin_file(output, partition);
      const int64_t end = std::min(begin + rows_to_target(output, rows, begin), rows.num_rows());
      output.writer->write(*rows.Slice(begin, end - begin));
      output.rows += end - begin;
      if (output.writer->bytes_written() >= layout_.target_bytes) finish_file(output);
      begin = end;
    }
  }

  // All rows of one partition, whose row groups may take `limit` in memory.
  void write_all(size_t partition, const std::function<std::shared_ptr<arrow::RecordBatch>()>& rows, int64_t limit) {
    PartitionOutput& output = outputs_[partition];
    while (const auto batch = rows()) {
      write(partition, *batch);
      if (output.writer && output.writer->bytes_in_memory() > limit) output.writer->end_row_group();
    }
    if (output.writer) finish_file(output);
  }

  // Ends the largest row groups until the rest take half of `limit`, if all of them take more than that.
  void free_memory(int64_t limit) {
    std::vector<std::pair<int64_t, DataFileWriter*>> writers;
    int64_t total = 0;
    for (const PartitionOutput& output : outputs_) {
      if (!output.writer) continue;
      writers.emplace_back(output.writer->bytes_in_memory(), output.writer.get());
      total += writers.back().first;
    }
    if (total <= limit) return;
    std::sort(writers.begin(), writers.end(), std::greater<>());
    size_t ended = 0;
    while (ended < writers.size() && total > limit / 2) total -= writers[ended++].first;
    parallel_for(ended, [&](size_t i) { writers[i].second->end_row_group(); });
  }

  // Completes the files that are open.
  void finish_open() {
    parallel_for(outputs_.size(), [&](size_t i) {
      if (outputs_[i].writer) finish_file(outputs_[i]);
    });
  }

  // The files, all complete, partition by partition.
  std::vector<DataFile> take_files() {
    std::vector<DataFile> files;
    for (PartitionOutput& output : outputs_) {
      std::move(output.files.begin(), output.files.end(), std::back_inserter(files));
    }
    return files;
  }

  void discard() noexcept {
    for (PartitionOutput& output : outputs_) {
      output.writer.reset();
      remove_data_files(io_, output.files);
    }
  }

 private:
  void begin_file(PartitionOutput& output, size_t partition) {
    const std::string name =
        fmt::format("00000-{}-{}-{:05}{}.{}", partition, uuid_, output.files.size() + 1,
                    layout_.content == FileContent::kData ? "" : "-deletes", file_extension(writers_.format));
    // Columns in parallel where this is the only file at work. Two files at once, taking pieces in turn, were a tenth
    // faster, but their row groups overlap, and every filter on a sorted column reads twice as many.
    output.writer = writers_.make(io_, data_location(table_, output.path, name), /*use_threads=*/true);
    output.rows = 0;
  }

  // About how many of the rows from `begin` on bring the file to its target, by what its rows took so far. All of them
  // if that is not much more: a small rest would become a small file.
  int64_t rows_to_target(const PartitionOutput& output, const arrow::RecordBatch& rows, int64_t begin) const {
    const int64_t left = rows.num_rows() - begin;
    const double bytes_per_row =
        output.rows > 0 ? static_cast<double>(output.writer->bytes_written()) / static_cast<double>(output.rows)
                        : kFirstGuess * static_cast<double>(arrow::util::ReferencedBufferSize(rows).ValueOr(0)) /
                              static_cast<double>(rows.num_rows());
    const auto missing = static_cast<double>(layout_.target_bytes - output.writer->bytes_written());
    const double slack = kSlack * static_cast<double>(layout_.target_bytes);
    if (bytes_per_row * static_cast<double>(left) <= missing + slack) return left;
    // A few rows too many are better than pieces of a few rows, unless files are to have no more.
    const auto least = std::clamp<int64_t>(
        static_cast<int64_t>(static_cast<double>(layout_.target_bytes) / bytes_per_row), 1, kLeastRows);
    return std::max(static_cast<int64_t>(missing / bytes_per_row), least);
  }

  void finish_file(PartitionOutput& output) {
    DataFile file = std::exchange(output.writer, nullptr)->finish();
    file.content = layout_.content;
    file.equality_ids = layout_.equality_ids;
    file.spec_id = layout_.spec.spec_id;
    file.partition = output.partition;
    if (layout_.order.order_id != 0) file.sort_order_id = layout_.order.order_id;
    output.files.push_back(std::move(file));
  }

  const TableMetadata& table_;
  Io& io_;
  const Layout& layout_;
  const DataFileWriters writers_;
  const std::string uuid_;
  std::vector<PartitionOutput> outputs_;
};

// One stream on its way into files.
class Writing {
 public:
  Writing(const TableMetadata& table, Layout layout, const arrow::Schema& incoming, Io& io, const WriteOptions& options)
      : options_(options),
        layout_(std::move(layout)),
        fitter_(layout_.schema, incoming, options.table_name),
        partitioner_(layout_.schema, layout_.spec),
        outputs_(table, layout_, io,
                 data_file_writers(format_of(layout_.properties, options), layout_.properties, layout_.schema)) {
    max_open_ = options.max_open_writers;
    if (const int64_t each = outputs_.writers().memory_each; each > 0) {
      max_open_ = static_cast<int32_t>(std::clamp<int64_t>(options.row_group_memory / each, 1, max_open_));
    }
    if (!layout_.order.fields.empty()) order_.emplace(layout_.order, layout_.schema);
    if (!layout_.z_order.empty()) order_.emplace(layout_.z_order, layout_.schema, layout_.curve);
  }

  void write(const arrow::RecordBatch& piece) {
    poll();
    BatchPtr rows = fitter_.fit(piece);
    if (order_ || (together_.empty() && rows->num_rows() >= last_parts_ * kPartRows))
      return distribute(std::move(rows));
    rows_together_ += rows->num_rows();
    bytes_together_ += bytes_of(*rows);
    together_.push_back(std::move(rows));
    if (rows_together_ >= last_parts_ * kPartRows || bytes_together_ >= kTogetherBytes) distribute_together();
  }

  std::vector<DataFile> finish() {
    poll();
    if (!together_.empty()) distribute_together();
    outputs_.finish_open();
    if (aside_) write_aside();
    return outputs_.take_files();
  }

  void discard() noexcept { outputs_.discard(); }

 private:
  using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

  void distribute_together() {
    rows_together_ = bytes_together_ = 0;
    distribute(check(arrow::ConcatenateRecordBatches(std::exchange(together_, {})),
                     fmt::format("table {}: splitting rows by partition", options_.table_name)));
  }

  // To the partitions' files, or aside.
  void distribute(BatchPtr rows) {
    std::vector<int32_t> numbers = partitioner_.number(*rows);
    while (outputs_.partitions() < partitioner_.size()) {
      outputs_.add_partition(partitioner_.values(outputs_.partitions()));
    }
    if (order_) return put_aside(rows, numbers);
    std::vector<int32_t> aside;
    if (partitioner_.size() > static_cast<size_t>(max_open_)) aside = cap(numbers);
    std::vector<PartitionRows> parts = split(rows, numbers);
    if (!aside.empty()) {
      put_aside(parts.back().rows, aside);
      parts.pop_back();
    }
    rows.reset();
    last_parts_ = static_cast<int64_t>(parts.size());
    parallel_for(parts.size(), [&](size_t i) { outputs_.write(parts[i].partition, *parts[i].rows); });
    outputs_.free_memory(options_.row_group_memory);
  }

  void poll() const {
    if (options_.stop.IsStopRequested()) throw Cancelled(fmt::format("table {}: write stopped", options_.table_name));
  }

  // Makes all partitions without an open file one, and returns the numbers that its rows had.
  std::vector<int32_t> cap(std::vector<int32_t>& numbers) const {
    std::vector<int32_t> capped;
    for (int32_t& number : numbers) {
      if (number < max_open_) continue;
      capped.push_back(number);
      number = max_open_;
    }
    return capped;
  }

  void put_aside(const BatchPtr& rows, const std::vector<int32_t>& partitions) {
    if (!aside_) {
      aside_.emplace(fitter_.schema(), order_ ? &*order_ : nullptr,
                     ExternalSortOptions{.memory = options_.sort_memory,
                                         .folder = options_.sort_folder,
                                         .table_name = options_.table_name,
                                         .stop = options_.stop});
    }
    aside_->add(rows, partitions);
  }

  // Writes as many partitions at once as there are threads, and room for a row group of each.
  void write_aside() {
    const std::vector<ExternalSort::Partition> partitions = aside_->finish();
    int64_t largest = 1;
    for (const auto& partition : partitions) largest = std::max(largest, partition.bytes);
    const int64_t threads = std::max(arrow::internal::GetCpuThreadPool()->GetCapacity(), 1);
    largest = std::max(largest, outputs_.writers().memory_each);
    const int64_t at_once = std::clamp<int64_t>(options_.row_group_memory / largest, 1, threads);
    std::atomic<size_t> next = 0;
    const auto write_next = [&](size_t i) {
      const auto rows = aside_->read(partitions[i]);
      const auto polled = [&] {
        poll();
        return rows();
      };
      outputs_.write_all(partitions[i].number, polled, options_.row_group_memory / at_once);
    };
    parallel_for(static_cast<size_t>(at_once), [&](size_t) {
      try {
        for (size_t i = next++; i < partitions.size(); i = next++) write_next(i);
      } catch (...) {
        next = partitions.size();
        throw;
      }
    });
  }

  const WriteOptions& options_;
  const Layout layout_;
  const BatchFitter fitter_;
  Partitioner partitioner_;
  std::optional<RowOrder> order_;
  std::optional<ExternalSort> aside_;
  int32_t max_open_ = 1;
  int64_t last_parts_ = 1;  // into how many partitions the last rows fell
  std::vector<BatchPtr> together_;
  int64_t rows_together_ = 0;
  int64_t bytes_together_ = 0;
  Outputs outputs_;
};

std::vector<DataFile> write_files(const TableMetadata& table, Layout layout, arrow::RecordBatchReader& batches, Io& io,
                                  const WriteOptions& options) {
  refuse_unsupported(table, options);
  Writing writing(table, std::move(layout), *batches.schema(), io, options);
  try {
    const std::string step = fmt::format("table {}: reading the rows to write", options.table_name);
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      check(batches.ReadNext(&batch), step);
      if (!batch) break;
      const int64_t rows = piece_rows(*batch);
      for (int64_t begin = 0; begin < batch->num_rows(); begin += rows) writing.write(*batch->Slice(begin, rows));
    }
    return writing.finish();
  } catch (...) {
    writing.discard();
    throw;
  }
}

}  // namespace

std::vector<DataFile> write_data_files(const TableMetadata& table, arrow::RecordBatchReader& batches, Io& io,
                                       const WriteOptions& options) {
  return write_files(table, data_layout(table, options), batches, io, options);
}

std::vector<DataFile> write_equality_deletes(const TableMetadata& table, const PartitionSpec& spec,
                                             const std::vector<int32_t>& equality_ids, arrow::RecordBatchReader& keys,
                                             Io& io, const WriteOptions& options) {
  return write_files(table, delete_layout(table, spec, equality_ids), keys, io, options);
}

void remove_data_files(Io& io, const std::vector<DataFile>& files) noexcept {
  for (const DataFile& file : files) {
    try {
      io.remove(file.file_path);
    } catch (...) {  // it stays as a file that nothing refers to
    }
  }
}

}  // namespace floe
