#include "floe/transaction/manifest_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "floe/error.h"
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

}  // namespace floe
