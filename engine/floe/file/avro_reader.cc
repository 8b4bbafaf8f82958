#include "floe/file/avro_reader.h"

#include <arrow/io/buffered.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "floe/arrow_status.h"
#include "floe/avro/container.h"
#include "floe/avro/encoding.h"
#include "floe/file/avro_columns.h"
#include "floe/file/decoded_rows.h"
#include "floe/file/name_mapping.h"

namespace floe {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using PartitionValues = std::vector<std::pair<int32_t, Value>>;

constexpr int64_t kHeaderBytes = 64 << 10;    // read at first
constexpr int64_t kLongestHeader = 64 << 20;  // that is believed
constexpr int64_t kReadBytes = 4 << 20;       // from the store at a time
constexpr int64_t kLongestLengths = 20;       // of a block's two numbers
constexpr size_t kSyncSize = 16;
constexpr int32_t kUnmapped = -2;  // the id of a field that no mapping names

const Value* find_value(const PartitionValues& values, int32_t id) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& each) { return each.first == id; });
  return found == values.end() ? nullptr : &found->second;
}

bool any_id(const avro::AvroType& type) {
  return std::any_of(type.fields.begin(), type.fields.end(),
                     [](const avro::AvroField& field) { return field.id.has_value() || any_id(*field.type); }) ||
         std::any_of(type.inner.begin(), type.inner.end(), [](const auto& inner) { return any_id(*inner); });
}

// A schema whose fields have the ids that a name mapping gives them. Partition values come before it.
avro::AvroTypePtr mapped(const avro::AvroTypePtr& type, const NameMapping& mapping, const PartitionValues& values) {
  const auto below = [&](std::string_view name) {
    const MappedField* found = find_name(mapping, name);
    return found ? found->fields : NameMapping{};
  };
  auto out = std::make_shared<avro::AvroType>(*type);
  switch (type->kind) {
    case avro::Kind::kRecord:
      for (avro::AvroField& field : out->fields) {
        const MappedField* found = find_name(mapping, field.name);
        field.id = found ? found->field_id.value_or(kUnmapped) : kUnmapped;
        if (find_value(values, *field.id)) field.id = kUnmapped;
        field.type = mapped(field.type, found ? found->fields : NameMapping{}, values);
      }
      break;
    case avro::Kind::kUnion:
      for (auto& branch : out->inner) branch = mapped(branch, mapping, values);
      break;
    case avro::Kind::kMap:
      out->inner[0] = mapped(type->inner[0], below("value"), values);
      break;
    case avro::Kind::kArray: {
      const avro::AvroType& items = *type->inner[0];
      if (type->logical_type != "map" || items.kind != avro::Kind::kRecord || items.fields.size() != 2) {
        out->inner[0] = mapped(type->inner[0], below("element"), values);
        break;
      }
      auto entry = std::make_shared<avro::AvroType>(items);
      entry->fields[0].type = mapped(items.fields[0].type, below("key"), values);
      entry->fields[1].type = mapped(items.fields[1].type, below("value"), values);
      out->inner[0] = std::move(entry);
      break;
    }
    default:
      break;
  }
  return out;
}

// Fields that a file lacks have their partition's value, before any default of their own.
std::vector<Field> with_partition_values(const std::vector<Field>& fields, const PartitionValues& values) {
  std::vector<Field> out = fields;
  for (Field& field : out) {
    if (const Value* value = find_value(values, field.id)) field.initial_default = *value;
    if (field.type.kind == TypeKind::kStruct) {
      field.type.children =
          std::make_shared<const std::vector<Field>>(with_partition_values(*field.type.children, values));
    }
  }
  return out;
}

// What is wrong with a schema, with the file's name.
template <typename F>
auto naming_file(const std::string& location, F&& call) {
  try {
    return call();
  } catch (const CorruptFile& e) {
    throw CorruptFile(fmt::format("{}: {}", location, e.what()));
  } catch (const NotSupported& e) {
    throw NotSupported(fmt::format("{}: {}", location, e.what()));
  }
}

// One file being read.
class AvroFile {
 public:
  AvroFile(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options, FileContext context,
           const std::string& name_mapping_json, std::shared_ptr<ParquetScanCounters> counters)
      : location_(file.file_path), options_(std::move(options)), counters_(std::move(counters)) {
    if (file.key_metadata) throw NotSupported(fmt::format("{} is encrypted, which is not read yet", location_));
    source_ = io.open(location_, file.file_size_in_bytes > 0 ? file.file_size_in_bytes : -1);
    size_ = check(source_->GetSize(), location_);
    read_header();
    const PartitionValues values = context.partition_values;
    auto schema = naming_file(location_, [&] { return avro::parse_schema(schema_json_); });
    const bool has_ids = any_id(*schema);
    if (!has_ids) schema = mapped(schema, mapping_of(name_mapping_json), values);
    rows_.emplace(file, options_, std::move(context), has_ids);
    fields_ = with_partition_values(rows_->fields(), values);
    program_ = naming_file(location_, [&] { return avro::compile(*schema, fields_); });
    columns_.emplace(program_, fields_);
    decoder_.emplace(program_, *columns_);
    const auto blocks = check(arrow::io::RandomAccessFile::GetStream(source_, at_, size_ - at_), location_);
    stream_ =
        check(arrow::io::BufferedInputStream::Create(kReadBytes, arrow::default_memory_pool(), blocks), location_);
    ++counters_->row_groups_read;
  }

  BatchPtr next() {
    while (true) {
      check(options_->stop.Poll(), "reading was stopped");
      if (!ready_.empty()) {
        BatchPtr batch = std::move(ready_.front());
        ready_.pop_front();
        if (batch->num_rows() > 0) return batch;
        continue;
      }
      if (at_ == size_) return nullptr;
      decode();
    }
  }

 private:
  NameMapping mapping_of(const std::string& json) const {
    NameMapping mapping = parse_name_mapping(json);
    if (!mapping.empty()) return mapping;
    throw CorruptFile(
        fmt::format("{}: the file has no field ids. Set the table property schema.name-mapping.default to say which "
                    "column is which field",
                    location_));
  }

  void read_header() {
    for (int64_t bytes = std::min(kHeaderBytes, size_);; bytes = std::min(bytes * 16, size_)) {
      const auto buffer = check(source_->ReadAt(0, bytes), location_);
      try {
        const avro::Header header = avro::read_header(std::string_view(*buffer), location_);
        schema_json_ = header.schema;
        sync_ = header.sync;
        codec_ = header.codec;
        at_ = static_cast<int64_t>(header.size);
        return;
      } catch (const CorruptFile&) {
        if (bytes == size_ || bytes >= kLongestHeader) throw;  // else it may only have been cut
      }
    }
  }

  // Decodes blocks until there is a batch of rows, or the file ends.
  void decode() {
    int64_t rows = 0, bytes = 0;
    while (at_ < size_ && rows < options_->batch_rows && bytes < options_->batch_bytes) {
      const int64_t begin = at_;
      try {
        const auto [records, size] = block_of();
        rows += records;
        bytes += size;
      } catch (const CorruptFile& e) {
        throw CorruptFile(fmt::format("{}: {} (in the block at byte {})", location_, e.what(), begin));
      } catch (const NotSupported& e) {
        throw NotSupported(fmt::format("{}: {}", location_, e.what()));
      }
    }
    counters_->rows_decoded += rows;
    const arrow::ArrayVector columns = columns_->finish();
    for (int64_t begin = 0; begin < rows; begin += options_->batch_rows) {
      const int64_t count = std::min(options_->batch_rows, rows - begin);
      arrow::ArrayVector slices;
      for (const auto& column : columns) slices.push_back(column->Slice(begin, count));
      ready_.push_back(rows_->output(slices, first_row_ + begin, count));
    }
    first_row_ += rows;
  }

  // Decodes the next block; returns its records and bytes.
  std::pair<int64_t, int64_t> block_of() {
    const std::string_view lengths = check(stream_->Peek(std::min(kLongestLengths, size_ - at_)), location_);
    avro::Cursor in(lengths);
    const int64_t records = in.read_long();
    const int64_t size = in.read_long();
    const auto taken = static_cast<int64_t>(lengths.size() - in.left());
    if (records < 0) avro::corrupt("a block's count of records is negative");
    if (size < 0 || size > size_ - at_ - taken - static_cast<int64_t>(kSyncSize)) {
      avro::corrupt("the data ends within a block");
    }
    check(stream_->Advance(taken), location_);
    const auto buffer = check(stream_->Read(size + static_cast<int64_t>(kSyncSize)), location_);
    const std::string_view block(*buffer);
    if (block.size() != static_cast<size_t>(size) + kSyncSize) avro::corrupt("the data ends within a block");
    if (block.substr(static_cast<size_t>(size)) != sync_) avro::corrupt("a block's sync marker is wrong");
    at_ += taken + buffer->size();
    counters_->bytes_read += size;
    const size_t limit = avro::kUncompressedBase + avro::kUncompressedRatio * static_cast<size_t>(size);
    const std::string_view data = avro::decompress(codec_, block.substr(0, static_cast<size_t>(size)), limit, scratch_);
    decoder_->block(records, data);
    return {records, static_cast<int64_t>(data.size())};
  }

  const std::string location_;
  const std::shared_ptr<const ParquetReadOptions> options_;
  const std::shared_ptr<ParquetScanCounters> counters_;
  std::shared_ptr<arrow::io::RandomAccessFile> source_;
  int64_t size_ = 0;
  int64_t at_ = 0;  // the next block
  std::string schema_json_;
  std::string sync_;
  avro::Codec codec_ = avro::Codec::kNull;
  std::shared_ptr<arrow::io::BufferedInputStream> stream_;

  std::optional<DecodedRows> rows_;
  std::vector<Field> fields_;
  avro::Program program_;
  std::optional<AvroColumns> columns_;
  std::optional<avro::Decoder<AvroColumns>> decoder_;
  avro::Scratch scratch_;
  int64_t first_row_ = 0;  // of the next block
  std::deque<BatchPtr> ready_;
};

}  // namespace

BatchStream open_avro(Io& io, const DataFile& file, std::shared_ptr<const ParquetReadOptions> options,
                      FileContext context, const std::string& name_mapping_json,
                      std::shared_ptr<ParquetScanCounters> counters) {
  if (options->split_start > 0) return [] { return BatchPtr(); };
  if (!counters) counters = std::make_shared<ParquetScanCounters>();
  auto avro = std::make_shared<AvroFile>(io, file, std::move(options), std::move(context), name_mapping_json,
                                         std::move(counters));
  return [avro] { return avro->next(); };
}

}  // namespace floe
