#include "floe/write/write.h"

#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/file/batch.h"
#include "floe/file/parquet_writer.h"
#include "floe/parallel.h"
#include "floe/write/partitioner.h"

namespace floe {
namespace {

// Batches are worked on in pieces: what is copied at a time (to fit the table, to split by partition) is one piece.
constexpr int64_t kPieceRows = 131'072;
constexpr int64_t kPieceBytes = 32 << 20;
constexpr int64_t kTargetFileBytes = 512 << 20;

void refuse_unsupported(const TableMetadata& table, const WriteOptions& options) {
  for (const char* key : {"write.location-provider.impl", "write.py-location-provider.impl", "encryption.key-id"}) {
    if (table.properties.contains(key)) {
      throw NotSupported(fmt::format("table {}: property '{}' is not supported; remove it to write with this engine",
                                     options.table_name, key));
    }
  }
  const std::string format = string_property(table.properties, "write.format.default", "parquet");
  bool parquet = false;
  try {
    parquet = parse_file_format(format) == FileFormat::kParquet;
  } catch (const InvalidArgument&) {
    // said below
  }
  if (!parquet) {
    throw NotSupported(fmt::format("table {}: property 'write.format.default' is '{}', but only parquet is written",
                                   options.table_name, format));
  }
  if (options.max_open_writers < 1) {
    throw InvalidArgument(fmt::format("max_open_writers is {}; it must be at least 1", options.max_open_writers));
  }
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

// The files of one partition: those that are complete, and at most one being written.
struct PartitionOutput {
  std::vector<Value> partition;
  std::string path;  // "a=1/b=2"
  std::unique_ptr<ParquetWriter> writer;
  std::vector<DataFile> files;
};

// The files of one write. Partitions are written by different threads, each by one at a time.
class Outputs {
 public:
  Outputs(const TableMetadata& table, Io& io)
      : table_(table),
        io_(io),
        schema_(*current_schema(table)),
        spec_(default_spec(table)),
        parquet_(parquet_write_options(table.properties, schema_)),
        target_bytes_(int_property(table.properties, "write.target-file-size-bytes", kTargetFileBytes)),
        uuid_(new_uuid()) {}

  void add_partition(std::vector<Value> values) {
    PartitionOutput output;
    output.path = with_short_names(partition_path(spec_, schema_, values));
    output.partition = std::move(values);
    outputs_.push_back(std::move(output));
  }
  size_t partitions() const { return outputs_.size(); }

  void write(size_t partition, const arrow::RecordBatch& rows) {
    PartitionOutput& output = outputs_[partition];
    if (!output.writer) {
      const std::string name = fmt::format("00000-{}-{}-{:05}.parquet", partition, uuid_, output.files.size() + 1);
      // Columns in parallel where this is the only file at work. Two files at once, taking pieces in turn, were a tenth
      // faster, but their row groups overlap, and every filter on a sorted column reads twice as many.
      output.writer = std::make_unique<ParquetWriter>(io_, data_location(table_, output.path, name), schema_, parquet_,
                                                      /*use_threads=*/true);
    }
    output.writer->write(rows);
    if (output.writer->bytes_written() >= target_bytes_) finish_file(output);
  }

  // Ends the largest row groups until the rest take half of `limit`, if all of them take more than that.
  void free_memory(int64_t limit) {
    std::vector<std::pair<int64_t, ParquetWriter*>> writers;
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

  // All the files, complete, partition by partition.
  std::vector<DataFile> finish() {
    parallel_for(outputs_.size(), [&](size_t i) {
      if (outputs_[i].writer) finish_file(outputs_[i]);
    });
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
  void finish_file(PartitionOutput& output) {
    DataFile file = std::exchange(output.writer, nullptr)->finish();
    file.spec_id = spec_.spec_id;
    file.partition = output.partition;
    output.files.push_back(std::move(file));
  }

  const TableMetadata& table_;
  Io& io_;
  const Schema& schema_;
  const PartitionSpec& spec_;
  const std::shared_ptr<const ParquetWriteOptions> parquet_;
  const int64_t target_bytes_;
  const std::string uuid_;
  std::vector<PartitionOutput> outputs_;
};

}  // namespace

std::vector<DataFile> write_data_files(const TableMetadata& table, arrow::RecordBatchReader& batches, Io& io,
                                       const WriteOptions& options) {
  refuse_unsupported(table, options);
  const Schema& schema = *current_schema(table);
  const BatchFitter fitter(schema, *batches.schema(), options.table_name);
  Partitioner partitioner(schema, default_spec(table), options.max_open_writers, options.table_name);
  Outputs outputs(table, io);
  try {
    auto write_piece = [&](const arrow::RecordBatch& piece) {
      const std::shared_ptr<arrow::RecordBatch> rows = fitter.fit(piece);
      const std::vector<PartitionRows> parts = split(rows, partitioner.number(*rows));
      while (outputs.partitions() < partitioner.size()) {
        outputs.add_partition(partitioner.values(outputs.partitions()));
      }
      parallel_for(parts.size(), [&](size_t i) { outputs.write(parts[i].partition, *parts[i].rows); });
      outputs.free_memory(options.row_group_memory);
    };
    const std::string step = fmt::format("table {}: reading the rows to write", options.table_name);
    for (std::shared_ptr<arrow::RecordBatch> batch;;) {
      check(batches.ReadNext(&batch), step);
      if (!batch) break;
      const int64_t rows = piece_rows(*batch);
      for (int64_t begin = 0; begin < batch->num_rows(); begin += rows) {
        if (options.stop.IsStopRequested()) throw Cancelled(fmt::format("table {}: write stopped", options.table_name));
        write_piece(*batch->Slice(begin, rows));
      }
    }
    if (options.stop.IsStopRequested()) throw Cancelled(fmt::format("table {}: write stopped", options.table_name));
    return outputs.finish();
  } catch (...) {
    outputs.discard();
    throw;
  }
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
