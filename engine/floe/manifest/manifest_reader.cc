#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>

#include "floe/avro/container.h"
#include "floe/avro/program.h"
#include "floe/manifest/entry_decoder.h"
#include "floe/manifest/fields.h"
#include "floe/manifest/layout.h"
#include "floe/manifest/manifest.h"

namespace floe {

namespace {

using namespace manifest_fields;

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

  void end(int32_t, bool) {}

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

// Of a field of a struct some writers (Java, for ORC) count only the values where there is a struct, and leave out the
// rows where it is null, which are nulls of the field too. Such counts tell nothing of the rows.
void forget_partial_counts(const Manifest& manifest, ColumnStats& column) {
  for (size_t i = 0; i < manifest.size; ++i) {
    int64_t& values = column.value_counts[i];
    if (values == kNotKnown || manifest.record_count[i] < 0 || values == manifest.record_count[i]) continue;
    values = column.null_counts[i] = kNotKnown;
  }
}

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
  void end(int32_t, bool) {}

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

  std::shared_ptr<Manifest> new_manifest() const { return empty_manifest(*layout, file); }

  void set_entries(std::shared_ptr<Manifest> manifest, size_t rows) {
    Inheritance(file, *layout).complete(*manifest, 0, rows);
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
  state_->header = manifest_header(state_->bytes(), file.manifest_path);
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
    for (ColumnStats& column : state_->decode_stats(missing)) {
      forget_partial_counts(*state_->entries, column);
      stats->columns.push_back(std::move(column));
    }
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
