#include "floe/transaction/manifest_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/transaction/entries.h"

namespace floe {
namespace {

constexpr int64_t kTargetBytes = 8 << 20;
constexpr int64_t kMinCountToMerge = 100;

std::optional<int64_t> explicit_number(const std::vector<int64_t>& numbers, size_t i, const Manifest& manifest,
                                       const ManifestFile& file) {
  if (numbers[i] != kAbsent) return numbers[i];
  throw CorruptFile(fmt::format("{}: the entry of {} is not new and has no sequence number", file.manifest_path,
                                manifest.file_path[i]));
}

// The schema to write by: a single manifest's own, in which its partition values are surely known; for several the
// table's.
const Schema& schema_for(const TableMetadata& table, const std::vector<ManifestSource>& sources) {
  const ManifestPtr first = sources.front().reader->entries();
  return sources.size() == 1 && first->schema ? *first->schema : *current_schema(table);
}

class Rewriter {
 public:
  Rewriter(ManifestWriter& writer, int64_t snapshot_id, std::optional<int64_t> data_sequence_number, Type partition)
      : writer_(writer),
        snapshot_id_(snapshot_id),
        data_sequence_number_(data_sequence_number),
        partition_(std::move(partition)) {}

  void add(const ManifestSource& source) {
    const ManifestPtr manifest = source.reader->entries();
    std::vector<DataFile> files = source.reader->data_files();
    for (size_t i = 0; i < manifest->size; ++i) {
      const bool ours = manifest->snapshot_id[i] == snapshot_id_;
      if (manifest->status[i] == EntryStatus::kDeleted && !ours) continue;
      ManifestEntry entry{.status = manifest->status[i], .snapshot_id = manifest->snapshot_id[i]};
      if (!source.removed.empty() && source.removed[i]) {
        entry.status = EntryStatus::kDeleted;
        entry.snapshot_id = snapshot_id_;
      } else if (entry.status == EntryStatus::kAdded && !ours) {
        entry.status = EntryStatus::kExisting;
      }
      if (entry.status != EntryStatus::kAdded) {
        entry.sequence_number = explicit_number(manifest->sequence_number, i, *manifest, source.file);
        entry.file_sequence_number = explicit_number(manifest->file_sequence_number, i, *manifest, source.file);
      } else if (files[i].content == FileContent::kData) {
        entry.sequence_number = data_sequence_number_;
      }
      entry.file = std::move(files[i]);
      entry.file.partition = partition_of(*manifest, i, partition_);
      writer_.add(entry);
    }
  }

 private:
  ManifestWriter& writer_;
  const int64_t snapshot_id_;
  const std::optional<int64_t> data_sequence_number_;
  const Type partition_;
};

// Partition values of a column that the table's schema does not have any more cannot be written by it.
bool is_known(const PartitionSpec& spec, const Schema& schema) {
  const Type partition = partition_type(spec, schema);
  return std::ranges::none_of(*partition.children, [](const Field& f) { return f.type.kind == TypeKind::kUnknown; });
}

// Where a live file is: in which of the sources, and which entry there.
struct Place {
  uint32_t partition, source, entry;
};

// The partitions of files, each once.
class Partitions {
 public:
  explicit Partitions(Type type) : type_(std::move(type)) {}

  uint32_t number_of(const Manifest& manifest, size_t entry) {
    std::string key;
    for (const BytesColumn& column : manifest.partition) {
      key += column.has(entry) ? fmt::format("{}:", column[entry].size()) : "-";
      if (column.has(entry)) key += column[entry];
    }
    const auto [found, is_new] = numbers_.try_emplace(std::move(key), static_cast<uint32_t>(values_.size()));
    if (is_new) values_.push_back(partition_of(manifest, entry, type_));
    return found->second;
  }

  // The place of each in the order of their values, nulls first.
  std::vector<uint32_t> ranks() const {
    std::vector<uint32_t> order(values_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](uint32_t a, uint32_t b) { return compare(values_[a], values_[b]) < 0; });
    std::vector<uint32_t> ranks(order.size());
    for (uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = rank;
    return ranks;
  }

 private:
  int compare(const std::vector<Value>& a, const std::vector<Value>& b) const {
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].is_null() || b[i].is_null()) {
        if (a[i].is_null() != b[i].is_null()) return a[i].is_null() ? -1 : 1;
      } else if (const int difference = floe::compare(a[i], b[i], (*type_.children)[i].type)) {
        return difference;
      }
    }
    return 0;
  }

  const Type type_;
  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::vector<Value>> values_;
};

class Clustering {
 public:
  Clustering(const TableMetadata& table, int64_t snapshot_id, const std::vector<ManifestFile>& sources,
             const ManifestSink& sink)
      : table_(table),
        snapshot_id_(snapshot_id),
        sources_(sources),
        sink_(sink),
        spec_(known_spec(table, sources.front().partition_spec_id)),
        partition_(partition_type(spec_, *current_schema(table))) {}

  std::vector<ManifestFile> run() {
    find_places();
    const auto manifests = static_cast<size_t>(clustered_count(table_, sources_));
    const size_t each = std::max<size_t>((places_.size() + manifests - 1) / manifests, 1);
    std::vector<ManifestFile> written((places_.size() + each - 1) / each);
    parallel_for(written.size(),
                 [&](size_t i) { written[i] = write(i * each, std::min((i + 1) * each, places_.size())); });
    return written;
  }

  static int64_t clustered_count(const TableMetadata& table, const std::vector<ManifestFile>& sources) {
    const int64_t target =
        std::max<int64_t>(int_property(table.properties, "commit.manifest.target-size-bytes", kTargetBytes), 1);
    int64_t bytes = 0;
    for (const ManifestFile& file : sources) bytes += file.manifest_length;
    return std::max<int64_t>((bytes + target - 1) / target, 1);
  }

 private:
  static const PartitionSpec& known_spec(const TableMetadata& table, int32_t spec_id) {
    const PartitionSpec* spec = spec_by_id(table, spec_id);
    if (!spec) throw InvalidArgument(fmt::format("table {}: it has no partition spec {}", table.location, spec_id));
    if (is_known(*spec, *current_schema(table))) return *spec;
    throw NotSupported(
        fmt::format("table {}: the manifests of partition spec {} cannot be written anew, since the schema has lost a "
                    "column that it needs",
                    table.location, spec_id));
  }

  void find_places() {
    Partitions partitions(partition_);
    std::mutex mutex;
    parallel_for(sources_.size(), [&](size_t source) {
      const ManifestPtr manifest = sink_.open(sources_[source])->entries();
      const std::lock_guard lock(mutex);
      for (size_t i = 0; i < manifest->size; ++i) {
        if (manifest->status[i] == EntryStatus::kDeleted) continue;
        places_.push_back({.partition = partitions.number_of(*manifest, i),
                           .source = static_cast<uint32_t>(source),
                           .entry = static_cast<uint32_t>(i)});
      }
    });
    const std::vector<uint32_t> ranks = partitions.ranks();
    for (Place& place : places_) place.partition = ranks[place.partition];
    std::ranges::sort(places_, [](const Place& a, const Place& b) {
      return std::tie(a.partition, a.source, a.entry) < std::tie(b.partition, b.source, b.entry);
    });
  }

  // One manifest, of the files at [begin, end).
  ManifestFile write(size_t begin, size_t end) {
    constexpr size_t kTogether = 20'000;
    ManifestWriter writer(table_.format_version, *current_schema(table_), spec_, sources_.front().content,
                          snapshot_id_);
    for (; begin < end; begin += std::min(kTogether, end - begin)) {
      for (const ManifestEntry& entry : read(begin, std::min(begin + kTogether, end))) writer.add(entry);
    }
    const std::string location = sink_.next_location();
    auto [bytes, file] = writer.finish(location, table_.format_version == 1 ? 0 : INT64_MAX);
    file.sequence_number = 0;
    sink_.write(location, std::move(bytes));
    return file;
  }

  std::vector<ManifestEntry> read(size_t begin, size_t end) {
    std::map<uint32_t, std::vector<size_t>> by_source;
    for (size_t i = begin; i < end; ++i) by_source[places_[i].source].push_back(i);
    std::vector<ManifestEntry> entries(end - begin);
    for (const auto& [source, wanted] : by_source) {
      const ManifestReaderPtr reader = sink_.open(sources_[source]);
      const ManifestPtr manifest = reader->entries();
      std::vector<DataFile> files = reader->data_files();
      for (const size_t i : wanted) {
        const size_t at = places_[i].entry;
        ManifestEntry& entry = entries[i - begin];
        entry = {
            .status = EntryStatus::kExisting,
            .snapshot_id = manifest->snapshot_id[at],
            .sequence_number = explicit_number(manifest->sequence_number, at, *manifest, sources_[source]),
            .file_sequence_number = explicit_number(manifest->file_sequence_number, at, *manifest, sources_[source]),
            .file = std::move(files[at])};
        entry.file.partition = partition_of(*manifest, at, partition_);
      }
    }
    return entries;
  }

  const TableMetadata& table_;
  const int64_t snapshot_id_;
  const std::vector<ManifestFile>& sources_;
  const ManifestSink& sink_;
  const PartitionSpec& spec_;
  const Type partition_;
  std::vector<Place> places_;
};

}  // namespace

std::pair<std::string, ManifestFile> rewrite_manifests(const TableMetadata& table, int64_t snapshot_id,
                                                       std::optional<int64_t> data_sequence_number,
                                                       const std::vector<ManifestSource>& sources,
                                                       const std::string& location) {
  const ManifestPtr first = sources.front().reader->entries();
  const Schema& schema = schema_for(table, sources);
  ManifestWriter writer(table.format_version, schema, first->spec, first->content, snapshot_id);
  Rewriter rewriter(writer, snapshot_id, data_sequence_number, partition_type(first->spec, schema));
  for (const ManifestSource& source : sources) rewriter.add(source);
  auto [bytes, file] = writer.finish(location, table.format_version == 1 ? 0 : INT64_MAX);
  file.sequence_number = 0;
  return {std::move(bytes), std::move(file)};
}

std::vector<std::vector<ManifestFile>> bins_to_merge(const TableMetadata& table, int64_t snapshot_id,
                                                     const std::vector<ManifestFile>& manifests) {
  const int64_t target = int_property(table.properties, "commit.manifest.target-size-bytes", kTargetBytes);
  const int64_t min_count = int_property(table.properties, "commit.manifest.min-count-to-merge", kMinCountToMerge);

  // Data before deletes, and the latest specs first, as Java lists them.
  std::map<std::pair<ManifestContent, int32_t>, std::vector<const ManifestFile*>> groups;
  for (const ManifestFile& file : manifests) groups[{file.content, -file.partition_spec_id}].push_back(&file);

  std::vector<std::vector<ManifestFile>> result;
  for (const auto& [key, group] : groups) {
    const PartitionSpec* spec = spec_by_id(table, -key.second);
    const bool mergeable = spec != nullptr && is_known(*spec, *current_schema(table));
    std::vector<std::vector<ManifestFile>> bins;  // from the end
    int64_t bytes = 0;
    for (auto file = group.rbegin(); file != group.rend(); ++file) {
      if (bins.empty() || bytes + (*file)->manifest_length > target) {
        bins.emplace_back();
        bytes = 0;
      }
      bins.back().push_back(**file);
      bytes += (*file)->manifest_length;
    }
    for (auto bin = bins.rbegin(); bin != bins.rend(); ++bin) {
      std::reverse(bin->begin(), bin->end());
      const bool is_new =
          std::ranges::any_of(*bin, [&](const ManifestFile& f) { return f.added_snapshot_id == snapshot_id; });
      if (mergeable && !(is_new && static_cast<int64_t>(bin->size()) < min_count)) {
        result.push_back(std::move(*bin));
      } else {
        for (ManifestFile& file : *bin) result.push_back({std::move(file)});
      }
    }
  }
  return result;
}

bool can_cluster(const TableMetadata& table, const std::vector<ManifestFile>& sources) {
  return sources.size() > 1 || (!sources.empty() && Clustering::clustered_count(table, sources) > 1);
}

std::vector<ManifestFile> cluster_manifests(const TableMetadata& table, int64_t snapshot_id,
                                            const std::vector<ManifestFile>& sources, const ManifestSink& sink) {
  return Clustering(table, snapshot_id, sources, sink).run();
}

}  // namespace floe
