#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>

#include "floe/avro/container.h"
#include "floe/avro/program.h"
#include "floe/manifest/fields.h"
#include "floe/manifest/layout.h"
#include "floe/manifest/manifest.h"

namespace floe {

namespace {

using namespace manifest_fields;

// Where the value of a slot goes.
enum class Sink : uint8_t {
  kNone,
  kEntry,  // the record itself
  kStatus,
  kFileContent,
  kFileFormat,
  kLong,
  kBytes,
  kLongs,  // a list of longs, as bytes side by side
  kInts,
  kPartition,  // in the binary single-value form
  kMapKey,
  kMapLong,
  kMapBytes,
};

struct SlotSink {
  Sink kind = Sink::kNone;
  std::vector<int64_t>* longs = nullptr;
  BytesColumn* bytes = nullptr;
  TypeKind type = TypeKind::kUnknown;  // kPartition
  int32_t map = 0;                     // kMapLong, kMapBytes: which of the maps
};

std::vector<int64_t>* long_column(Manifest& manifest, int32_t field_id) {
  switch (field_id) {
    case kSnapshotId:
      return &manifest.snapshot_id;
    case kSequenceNumber:
      return &manifest.sequence_number;
    case kFileSequenceNumber:
      return &manifest.file_sequence_number;
    case kRecordCount:
      return &manifest.record_count;
    case kFileSizeInBytes:
      return &manifest.file_size_in_bytes;
    case kSortOrderId:
      return &manifest.sort_order_id;
    case kFirstRowId:
      return &manifest.first_row_id;
    case kContentOffset:
      return &manifest.content_offset;
    case kContentSizeInBytes:
      return &manifest.content_size_in_bytes;
    default:
      return nullptr;
  }
}

BytesColumn* bytes_column(Manifest& manifest, int32_t field_id) {
  switch (field_id) {
    case kFilePath:
      return &manifest.file_path;
    case kKeyMetadata:
      return &manifest.key_metadata;
    case kReferencedDataFile:
      return &manifest.referenced_data_file;
    case kSplitOffsets:
      return &manifest.split_offsets;
    case kEqualityIds:
      return &manifest.equality_ids;
    default:
      return nullptr;
  }
}

bool is_map(int32_t field_id) {
  return field_id == kColumnSizes || field_id == kValueCounts || field_id == kNullValueCounts ||
         field_id == kNanValueCounts || field_id == kLowerBounds || field_id == kUpperBounds;
}

// The sink of every slot of a program; those of the entry's columns go to `manifest`, which may be null if the program
// has none of them.
std::vector<SlotSink> sinks_of(const avro::Program& program, Manifest* manifest) {
  std::vector<SlotSink> sinks(program.slots.size());
  for (size_t i = 0; i < sinks.size(); ++i) {
    const avro::Slot& slot = program.slots[i];
    const int32_t parent = slot.parent < 0 ? -1 : program.slots[slot.parent].field_id;
    SlotSink& sink = sinks[i];
    if (slot.parent < 0) {
      sink.kind = Sink::kEntry;
    } else if (parent == kPartition) {
      sink = {.kind = Sink::kPartition, .bytes = &manifest->partition[slot.position], .type = slot.type.kind};
    } else if (parent == kSplitOffsets) {
      sink = {.kind = Sink::kLongs, .bytes = &manifest->split_offsets};
    } else if (parent == kEqualityIds) {
      sink = {.kind = Sink::kInts, .bytes = &manifest->equality_ids};
    } else if (is_map(parent)) {
      const Sink value = slot.type.kind == TypeKind::kBinary ? Sink::kMapBytes : Sink::kMapLong;
      sink = {.kind = slot.position == 0 ? Sink::kMapKey : value, .map = parent};
    } else if (slot.field_id == kStatus) {
      sink.kind = Sink::kStatus;
    } else if (slot.field_id == kContent) {
      sink.kind = Sink::kFileContent;
    } else if (slot.field_id == kFileFormat) {
      sink.kind = Sink::kFileFormat;
    } else if (manifest != nullptr) {
      sink.longs = long_column(*manifest, slot.field_id);
      sink.bytes = bytes_column(*manifest, slot.field_id);
      if (sink.longs) sink.kind = Sink::kLong;
      if (sink.bytes) sink.kind = Sink::kBytes;
      if (slot.field_id == kSplitOffsets) sink.kind = Sink::kLongs;
      if (slot.field_id == kEqualityIds) sink.kind = Sink::kInts;
    }
  }
  return sinks;
}

// The fewest bytes of two's complement, which the single-value form of decimals asks for.
std::string_view minimal_decimal(std::string_view bytes) {
  if (bytes.empty()) avro::corrupt("a decimal has no bytes");
  while (bytes.size() > 1) {
    const auto first = static_cast<uint8_t>(bytes[0]);
    const bool next_is_negative = (static_cast<uint8_t>(bytes[1]) & 0x80) != 0;
    if (!(first == 0x00 && !next_is_negative) && !(first == 0xff && next_is_negative)) break;
    bytes.remove_prefix(1);
  }
  if (bytes.size() > 16) avro::corrupt("a decimal has more than 38 digits");
  return bytes;
}

template <typename T>
std::string_view bytes_of(const T& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

bool is_32_bits(TypeKind type) { return type == TypeKind::kInt || type == TypeKind::kDate; }

// One entry's value of one map, for a column that is wanted.
struct MapItem {
  int32_t map;
  size_t row;
  int32_t key;
  size_t column;  // the position of the key among the wanted ones
};

// Fills a manifest's columns, and hands the items of maps to `Maps`:
//   int find(int32_t key);  // the wanted column, or -1
//   void put(const MapItem& item, int64_t value);
//   void put(const MapItem& item, std::string_view value);
template <typename Maps>
class EntryHandler {
 public:
  EntryHandler(const avro::Program& program, Manifest* manifest, Maps& maps)
      : sinks_(sinks_of(program, manifest)), manifest_(manifest), maps_(maps) {}

  size_t rows() const { return row_; }

  void null(int slot) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kLong) {
      sink.longs->push_back(kAbsent);
    } else if (sink.bytes != nullptr) {
      sink.bytes->append_absent();
    }
  }

  void boolean(int slot, bool value) { sinks_[slot].bytes->append(value ? "\x01" : std::string_view("\0", 1)); }
  void real(int slot, float value) { sinks_[slot].bytes->append(bytes_of(value)); }
  void real(int slot, double value) { sinks_[slot].bytes->append(bytes_of(value)); }

  void integer(int slot, int64_t value) {
    const SlotSink& sink = sinks_[slot];
    switch (sink.kind) {
      case Sink::kLong:
        sink.longs->push_back(value);
        break;
      case Sink::kMapKey:
        key(slot, static_cast<int32_t>(value));
        break;
      case Sink::kMapLong:
        if (column_ >= 0) maps_.put(item(sink), value);
        break;
      case Sink::kStatus:
        if (value < 0 || value > 2) avro::corrupt("an entry's status is unknown");
        manifest_->status.push_back(static_cast<EntryStatus>(value));
        break;
      case Sink::kFileContent:
        if (value < 0 || value > 2) avro::corrupt("the content of a file is unknown");
        manifest_->file_content.push_back(static_cast<FileContent>(value));
        break;
      case Sink::kLongs:
        sink.bytes->data.append(bytes_of(value));
        break;
      case Sink::kInts:
        sink.bytes->data.append(bytes_of(static_cast<int32_t>(value)));
        break;
      case Sink::kPartition:
        sink.bytes->append(is_32_bits(sink.type) ? bytes_of(static_cast<int32_t>(value)) : bytes_of(value));
        break;
      default:
        break;
    }
  }

  void bytes(int slot, std::string_view value) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kMapBytes) {
      if (column_ >= 0) maps_.put(item(sink), value);
    } else if (sink.kind == Sink::kFileFormat) {
      manifest_->file_format.push_back(format_of(value));
    } else if (sink.type == TypeKind::kDecimal) {
      sink.bytes->append(minimal_decimal(value));
    } else {
      sink.bytes->append(value);
    }
  }

  void begin(int) {}

  bool key(int, int32_t key) {
    key_ = key;
    column_ = maps_.find(key);
    return column_ >= 0;
  }

  void end(int slot) {
    const SlotSink& sink = sinks_[slot];
    if (sink.kind == Sink::kEntry) {
      ++row_;
    } else if (sink.kind == Sink::kLongs || sink.kind == Sink::kInts) {
      sink.bytes->append({});
    }
  }

 private:
  MapItem item(const SlotSink& sink) const {
    return {.map = sink.map, .row = row_, .key = key_, .column = static_cast<size_t>(column_)};
  }

  FileFormat format_of(std::string_view name) {  // the same as before, almost always
    if (name == last_format_name_) return last_format_;
    try {
      last_format_ = parse_file_format(name);
    } catch (const InvalidArgument& e) {
      throw CorruptFile(e.what());
    }
    last_format_name_ = name;
    return last_format_;
  }

  std::vector<SlotSink> sinks_;
  Manifest* manifest_;
  Maps& maps_;
  size_t row_ = 0;
  int32_t key_ = 0;
  int column_ = -1;
  std::string last_format_name_;
  FileFormat last_format_ = FileFormat::kParquet;
};

// Statistics of the wanted columns.
class StatsMaps {
 public:
  explicit StatsMaps(const std::vector<int32_t>& sorted_ids) : ids_(sorted_ids) {
    for (const int32_t id : ids_) columns_.push_back({.field_id = id});
  }

  int find(int32_t key) const {
    if (ids_.size() == 1) return ids_[0] == key ? 0 : -1;
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), key);
    return found == ids_.end() || *found != key ? -1 : static_cast<int>(found - ids_.begin());
  }

  void put(const MapItem& item, int64_t count) {
    std::vector<int64_t>& counts = counts_of(columns_[item.column], item.map);
    if (counts.size() > item.row) return;  // a key that occurs twice: the first counts
    counts.resize(item.row, kNotKnown);
    counts.push_back(count < 0 ? kNotKnown : count);
  }

  void put(const MapItem& item, std::string_view bound) {
    ColumnStats& column = columns_[item.column];
    BytesColumn& bounds = item.map == kLowerBounds ? column.lower_bounds : column.upper_bounds;
    if (bounds.size() > item.row) return;
    pad(bounds, item.row);
    bounds.append(bound);
  }

  // All columns of which anything is known, each filled up to `rows`.
  std::vector<ColumnStats> finish(size_t rows) {
    std::vector<ColumnStats> result;
    for (ColumnStats& column : columns_) {
      const bool known = !column.value_counts.empty() || !column.null_counts.empty() || !column.nan_counts.empty() ||
                         column.lower_bounds.size() > 0 || column.upper_bounds.size() > 0;
      if (!known) continue;
      column.value_counts.resize(rows, kNotKnown);
      column.null_counts.resize(rows, kNotKnown);
      column.nan_counts.resize(rows, kNotKnown);
      pad(column.lower_bounds, rows);
      pad(column.upper_bounds, rows);
      result.push_back(std::move(column));
    }
    return result;
  }

 private:
  static std::vector<int64_t>& counts_of(ColumnStats& column, int32_t map) {
    return map == kValueCounts ? column.value_counts : map == kNullValueCounts ? column.null_counts : column.nan_counts;
  }
  static void pad(BytesColumn& column, size_t rows) {
    while (column.size() < rows) column.append_absent();
  }

  const std::vector<int32_t>& ids_;
  std::vector<ColumnStats> columns_;
};

// No maps at all.
struct NoMaps {
  static int find(int32_t) { return -1; }
  static void put(const MapItem&, int64_t) {}
  static void put(const MapItem&, std::string_view) {}
};

// All maps of whole data files.
class FileMaps {
 public:
  explicit FileMaps(std::vector<DataFile>& files) : files_(files) {}

  static int find(int32_t) { return 0; }
  void put(const MapItem& item, int64_t value) {
    DataFile& file = at(item);
    (item.map == kColumnSizes       ? file.column_sizes
     : item.map == kValueCounts     ? file.value_counts
     : item.map == kNullValueCounts ? file.null_value_counts
                                    : file.nan_value_counts)
        .emplace_back(item.key, value);
  }
  void put(const MapItem& item, std::string_view value) {
    DataFile& file = at(item);
    (item.map == kLowerBounds ? file.lower_bounds : file.upper_bounds).emplace_back(item.key, value);
  }

 private:
  DataFile& at(const MapItem& item) {
    if (item.row >= files_.size()) avro::corrupt("a manifest has changed while it was read");
    return files_[item.row];
  }

  std::vector<DataFile>& files_;
};

template <typename T>
void sort_by_id(ByFieldId<T>& map) {
  const auto by_id = [](const auto& a, const auto& b) { return a.first < b.first; };
  if (!std::is_sorted(map.begin(), map.end(), by_id)) std::stable_sort(map.begin(), map.end(), by_id);
  const auto same_id = [](const auto& a, const auto& b) { return a.first == b.first; };
  map.erase(std::unique(map.begin(), map.end(), same_id), map.end());
}

// "Sequence Number Inheritance": null means the manifest's own for added files; for others nothing is inherited, but
// manifests of version 1 have no sequence numbers, and all of theirs are 0.
void inherit_sequence_numbers(const ManifestFile& file, const Manifest& manifest, bool has_numbers,
                              std::vector<int64_t>& numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != kAbsent) continue;
    if (!has_numbers) {
      numbers[i] = 0;
    } else if (manifest.status[i] == EntryStatus::kAdded || file.sequence_number == 0) {
      numbers[i] = file.sequence_number;
    }
  }
}

// "First Row ID Inheritance": files without one follow one another from the manifest's on. Entries of deleted files get
// none: the range that was set aside for the manifest is as long as its live rows.
void inherit_first_row_ids(const ManifestFile& file, Manifest& manifest) {
  if (manifest.content == ManifestContent::kDeletes) {
    std::fill(manifest.first_row_id.begin(), manifest.first_row_id.end(), kAbsent);
    return;
  }
  int64_t next = file.first_row_id.value_or(kAbsent);
  for (size_t i = 0; i < manifest.size && next != kAbsent; ++i) {
    if (manifest.first_row_id[i] != kAbsent || manifest.status[i] == EntryStatus::kDeleted) continue;
    manifest.first_row_id[i] = next;
    // What follows a file of unknown length has no known ids either.
    if (manifest.record_count[i] < 0 || __builtin_add_overflow(next, manifest.record_count[i], &next)) next = kAbsent;
  }
}

size_t memory_of(const BytesColumn& column) {
  return column.data.capacity() + column.offsets.capacity() * sizeof(int64_t) + column.present.capacity();
}

size_t memory_of(const Manifest& manifest) {
  size_t bytes = sizeof(Manifest) + manifest.size * (sizeof(EntryStatus) + sizeof(FileContent) + sizeof(FileFormat));
  for (const auto* longs : {&manifest.snapshot_id, &manifest.sequence_number, &manifest.file_sequence_number,
                            &manifest.record_count, &manifest.file_size_in_bytes, &manifest.sort_order_id,
                            &manifest.first_row_id, &manifest.content_offset, &manifest.content_size_in_bytes}) {
    bytes += longs->capacity() * sizeof(int64_t);
  }
  for (const auto* column : {&manifest.file_path, &manifest.split_offsets, &manifest.equality_ids,
                             &manifest.referenced_data_file, &manifest.key_metadata}) {
    bytes += memory_of(*column);
  }
  for (const BytesColumn& column : manifest.partition) bytes += memory_of(column);
  return bytes;
}

size_t memory_of(const Stats& stats) {
  size_t bytes = sizeof(Stats);
  for (const ColumnStats& column : stats.columns) {
    bytes += sizeof(ColumnStats) + memory_of(column.lower_bounds) + memory_of(column.upper_bounds);
    for (const auto* counts : {&column.value_counts, &column.null_counts, &column.nan_counts}) {
      bytes += counts->capacity() * sizeof(int64_t);
    }
  }
  return bytes;
}

template <typename T>
std::vector<T> numbers(std::string_view bytes) {
  std::vector<T> result(bytes.size() / sizeof(T));
  if (!result.empty()) std::memcpy(result.data(), bytes.data(), result.size() * sizeof(T));
  return result;
}

template <typename T>
std::optional<T> known(int64_t value) {
  return value == kAbsent ? std::nullopt : std::optional<T>(static_cast<T>(value));
}

std::optional<std::string> known(const BytesColumn& column, size_t i) {
  return column.has(i) ? std::optional<std::string>(column[i]) : std::nullopt;
}

bool is_nan(std::string_view bytes, TypeKind type) {
  if (type == TypeKind::kFloat) {
    float value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return std::isnan(value);
  }
  if (type == TypeKind::kDouble) {
    double value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return std::isnan(value);
  }
  return false;
}

// A partition value is the only value that its column has in the file.
Stats stats_of_partitions(const Manifest& manifest) {
  Stats stats{.size = manifest.size};
  for (size_t k = 0; k < manifest.partition.size(); ++k) {
    const BytesColumn& values = manifest.partition[k];
    ColumnStats column{.field_id = manifest.spec.fields[k].field_id};
    column.value_counts.assign(manifest.size, 1);
    column.null_counts.assign(manifest.size, 0);
    column.nan_counts.assign(manifest.size, 0);
    for (size_t i = 0; i < manifest.size; ++i) {
      const bool null = !values.has(i);
      const bool nan = !null && is_nan(values[i], manifest.partition_types[k].kind);
      column.null_counts[i] = null;
      column.nan_counts[i] = nan;
      for (BytesColumn* bounds : {&column.lower_bounds, &column.upper_bounds}) {
        null || nan ? bounds->append_absent() : bounds->append(values[i]);
      }
    }
    stats.columns.push_back(std::move(column));
  }
  return stats;
}

}  // namespace

DataFile data_file(const Manifest& manifest, size_t i) {
  DataFile file;
  file.content = manifest.file_content[i];
  file.file_path = manifest.file_path[i];
  file.file_format = manifest.file_format[i];
  file.spec_id = manifest.spec_id;
  for (size_t k = 0; k < manifest.partition.size(); ++k) {
    const BytesColumn& column = manifest.partition[k];
    file.partition.push_back(column.has(i) ? from_bytes(column[i], manifest.partition_types[k]) : Value());
  }
  file.record_count = manifest.record_count[i];
  file.file_size_in_bytes = manifest.file_size_in_bytes[i];
  file.key_metadata = known(manifest.key_metadata, i);
  file.split_offsets = numbers<int64_t>(manifest.split_offsets[i]);
  file.equality_ids = numbers<int32_t>(manifest.equality_ids[i]);
  file.sort_order_id = known<int32_t>(manifest.sort_order_id[i]);
  file.first_row_id = known<int64_t>(manifest.first_row_id[i]);
  file.referenced_data_file = known(manifest.referenced_data_file, i);
  file.content_offset = known<int64_t>(manifest.content_offset[i]);
  file.content_size_in_bytes = known<int64_t>(manifest.content_size_in_bytes[i]);
  return file;
}

// What is kept besides the decoded parts is the compressed file, not its uncompressed blocks, which are three to ten
// times as large: the statistics of a column that was not asked for before cost one more pass of decompression, once.
struct ManifestReader::State {
  std::shared_ptr<arrow::Buffer> buffer;
  ManifestFile file;
  std::function<void(size_t)> grew;
  avro::Header header;
  std::shared_ptr<const ManifestLayout> layout;

  std::mutex mutex;  // guards what follows
  ManifestPtr entries;
  std::shared_ptr<const Stats> stats;
  std::vector<int32_t> stats_ids;  // sorted; asked for so far, whether there are any statistics or not
  std::shared_ptr<const Stats> partitions;
  std::atomic<size_t> memory{0};

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size())};
  }

  void add_memory(size_t bytes) {
    memory += bytes;
    if (grew) grew(bytes);
  }

  template <typename Maps>
  size_t decode(const avro::Program& program, Manifest* manifest, Maps& maps) const {
    EntryHandler<Maps> handler(program, manifest, maps);
    avro::Decoder decoder(program, handler);
    avro::for_each_block(bytes(), header, file.manifest_path,
                         [&](int64_t records, std::string_view data) { decoder.block(records, data); });
    return handler.rows();
  }

  std::shared_ptr<Manifest> new_manifest() const {
    auto manifest = std::make_shared<Manifest>();
    manifest->spec_id = layout->spec_id.value_or(file.partition_spec_id);
    manifest->schema = layout->schema;
    manifest->spec = layout->spec;
    manifest->spec.spec_id = manifest->spec_id;
    manifest->content = layout->content.value_or(file.content);
    manifest->partition_types = layout->partition_types;
    manifest->partition.resize(layout->partition_types.size());
    return manifest;
  }

  void set_entries(std::shared_ptr<Manifest> manifest, size_t rows) {
    manifest->size = rows;
    for (int64_t& id : manifest->snapshot_id) {
      if (id == kAbsent) id = file.added_snapshot_id;
    }
    for (auto* numbers : {&manifest->sequence_number, &manifest->file_sequence_number}) {
      inherit_sequence_numbers(file, *manifest, layout->has_sequence_numbers, *numbers);
    }
    inherit_first_row_ids(file, *manifest);
    add_memory(memory_of(*manifest));
    entries = std::move(manifest);
  }

  void decode_entries() {
    auto manifest = new_manifest();
    NoMaps maps;
    const size_t rows = decode(layout->entries, manifest.get(), maps);
    set_entries(std::move(manifest), rows);
  }

  // Decodes the statistics of these columns, and the entries in the same pass if they are not known yet.
  std::vector<ColumnStats> decode_stats(const std::vector<int32_t>& sorted_ids) {
    StatsMaps maps(sorted_ids);
    if (entries != nullptr) return maps.finish(decode(layout->stats, nullptr, maps));
    auto manifest = new_manifest();
    const size_t rows = decode(layout->entries_and_stats, manifest.get(), maps);
    set_entries(std::move(manifest), rows);
    return maps.finish(rows);
  }
};

ManifestReader::ManifestReader(std::shared_ptr<arrow::Buffer> bytes, const ManifestFile& file,
                               std::function<void(size_t)> grew)
    : state_(std::make_unique<State>()) {
  state_->buffer = std::move(bytes);
  state_->file = file;
  state_->grew = std::move(grew);
  state_->memory = static_cast<size_t>(state_->buffer->size()) + sizeof(State) + file.manifest_path.size();
  if (state_->bytes().starts_with("AGS1")) {
    throw NotSupported(fmt::format("{}: encrypted manifests are not supported", file.manifest_path));
  }
  state_->header = avro::read_header(state_->bytes(), file.manifest_path);
  state_->layout = manifest_layout(state_->header, file.manifest_path);
}

ManifestReader::~ManifestReader() = default;

ManifestPtr ManifestReader::entries() {
  std::lock_guard lock(state_->mutex);
  if (state_->entries == nullptr) state_->decode_entries();
  return state_->entries;
}

std::shared_ptr<const Stats> ManifestReader::stats(const std::vector<int32_t>& field_ids) {
  std::lock_guard lock(state_->mutex);
  std::vector<int32_t> wanted = field_ids;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<int32_t> missing;
  std::set_difference(wanted.begin(), wanted.end(), state_->stats_ids.begin(), state_->stats_ids.end(),
                      std::back_inserter(missing));
  if (state_->stats != nullptr && missing.empty()) return state_->stats;

  auto stats = std::make_shared<Stats>();
  if (state_->stats != nullptr) stats->columns = state_->stats->columns;
  const size_t before = state_->stats == nullptr ? 0 : memory_of(*state_->stats);
  if (missing.empty() && state_->entries == nullptr) state_->decode_entries();
  if (!missing.empty()) {
    for (ColumnStats& column : state_->decode_stats(missing)) stats->columns.push_back(std::move(column));
  }
  stats->size = state_->entries->size;
  state_->add_memory(std::max(memory_of(*stats), before) - before);
  state_->stats = std::move(stats);
  state_->stats_ids.insert(state_->stats_ids.end(), missing.begin(), missing.end());
  std::sort(state_->stats_ids.begin(), state_->stats_ids.end());
  return state_->stats;
}

std::shared_ptr<const Stats> ManifestReader::partition_stats() {
  const ManifestPtr manifest = entries();
  std::lock_guard lock(state_->mutex);
  if (state_->partitions == nullptr) {
    state_->partitions = std::make_shared<Stats>(stats_of_partitions(*manifest));
    state_->add_memory(memory_of(*state_->partitions));
  }
  return state_->partitions;
}

std::vector<DataFile> ManifestReader::data_files() {
  const ManifestPtr manifest = entries();
  std::vector<DataFile> files;
  files.reserve(manifest->size);
  for (size_t i = 0; i < manifest->size; ++i) files.push_back(data_file(*manifest, i));
  FileMaps maps(files);
  state_->decode(state_->layout->all_maps, nullptr, maps);
  for (DataFile& file : files) {
    sort_by_id(file.column_sizes);
    sort_by_id(file.value_counts);
    sort_by_id(file.null_value_counts);
    sort_by_id(file.nan_value_counts);
    sort_by_id(file.lower_bounds);
    sort_by_id(file.upper_bounds);
  }
  return files;
}

size_t ManifestReader::memory_use() const { return state_->memory; }

void count_entries(const Manifest& manifest, ManifestFile& file) {
  int64_t files[3] = {}, rows[3] = {};
  for (size_t i = 0; i < manifest.size; ++i) {
    const auto status = static_cast<size_t>(manifest.status[i]);
    ++files[status];
    // Counts that are not known (-1) add nothing, as in ManifestWriter.
    if (manifest.record_count[i] > 0 && __builtin_add_overflow(rows[status], manifest.record_count[i], &rows[status])) {
      throw CorruptFile(fmt::format("{}: its record counts are out of range", file.manifest_path));
    }
  }
  file.existing_files_count = files[static_cast<size_t>(EntryStatus::kExisting)];
  file.added_files_count = files[static_cast<size_t>(EntryStatus::kAdded)];
  file.deleted_files_count = files[static_cast<size_t>(EntryStatus::kDeleted)];
  file.existing_rows_count = rows[static_cast<size_t>(EntryStatus::kExisting)];
  file.added_rows_count = rows[static_cast<size_t>(EntryStatus::kAdded)];
  file.deleted_rows_count = rows[static_cast<size_t>(EntryStatus::kDeleted)];
}

}  // namespace floe
