#include "floe/maintenance/mentioned_files.h"

#include <algorithm>
#include <cctype>

#include "floe/maintenance/location.h"
#include "floe/manifest/manifest.h"
#include "floe/parallel.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "a, b" -> c becomes a -> c and b -> c.
void add_each(const std::map<std::string, std::string>& given, std::map<std::string, std::string>& to) {
  for (const auto& [keys, value] : given) {
    for (std::string_view rest = keys; !rest.empty();) {
      const size_t comma = rest.find(',');
      to[lower(trimmed(rest.substr(0, comma)))] = lower(trimmed(value));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
}

std::string in_one_spelling(const std::string& text, const std::map<std::string, std::string>& equal) {
  const auto found = equal.find(text);
  return found == equal.end() ? text : found->second;
}

}  // namespace

Equivalences::Equivalences(const std::map<std::string, std::string>& schemes,
                           const std::map<std::string, std::string>& authorities) {
  add_each({{"s3n,s3a", "s3"}}, schemes_);
  add_each(schemes, schemes_);
  add_each(authorities, authorities_);
}

// A plain path is a local file.
Prefix Equivalences::prefix_of(std::string_view location) const {
  const LocationParts parts = parts_of(location);
  const std::string scheme = parts.scheme.empty() ? "file" : lower(parts.scheme);
  std::string authority = lower(parts.authority);
  if (scheme == "file" && authority == "localhost") authority.clear();
  return {in_one_spelling(scheme, schemes_), in_one_spelling(authority, authorities_)};
}

MentionedFiles::File MentionedFiles::file_of(std::string_view location) {
  Prefix prefix = equal_.prefix_of(location);
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = prefix_numbers_.try_emplace(std::move(prefix), prefixes_.size());
  if (is_new) prefixes_.push_back(found->first);
  return {path_hash(location), found->second};
}

void MentionedFiles::mention(std::string_view location) { take({file_of(location)}); }

void MentionedFiles::take(std::vector<File> files) {
  constexpr size_t kBeforeSorting = 1 << 20;
  const std::lock_guard lock(mutex_);
  files_.insert(files_.end(), files.begin(), files.end());
  // Manifests of several snapshots have most files in common.
  if (files_.size() > 2 * sorted_ + kBeforeSorting) sort();
}

void MentionedFiles::sort() {
  std::ranges::sort(files_);
  const auto repeated = std::ranges::unique(files_);
  files_.erase(repeated.begin(), repeated.end());
  sorted_ = files_.size();
}

void MentionedFiles::add(Io& io, const LoadedTable& table, const Progress& progress, const arrow::StopToken& stop) {
  const TableMetadata& metadata = *table.metadata;
  if (!table.metadata_location.empty()) mention(table.metadata_location);
  for (const MetadataLogEntry& entry : metadata.metadata_log) mention(entry.metadata_file);
  mention(metadata_folder(metadata) + "/version-hint.text");
  for (const StatisticsFile& file : metadata.statistics) mention(file.statistics_path);
  for (const PartitionStatisticsFile& file : metadata.partition_statistics) mention(file.statistics_path);

  std::vector<const Snapshot*> snapshots;
  for (const auto& snapshot : metadata.snapshots) {
    if (!snapshots_.insert(snapshot->snapshot_id).second) continue;
    snapshots.push_back(snapshot.get());
    if (!snapshot->manifest_list.empty()) mention(snapshot->manifest_list);
  }
  std::vector<ManifestFile> manifests;
  {
    ProgressMeter meter(progress, "manifest lists", static_cast<int64_t>(snapshots.size()));
    std::mutex mutex;
    const auto read_list = [&](size_t i) {
      std::vector<ManifestFile> lines = manifests_of(io, *snapshots[i]);
      const std::lock_guard lock(mutex);
      for (ManifestFile& line : lines) {
        if (!manifests_.insert(path_hash(line.manifest_path)).second) continue;
        mention(line.manifest_path);
        line.partitions.reset();
        manifests.push_back(std::move(line));
      }
      meter.add(1);
    };
    parallel_for(snapshots.size(), read_list, stop);
  }
  ProgressMeter meter(progress, "manifests", static_cast<int64_t>(manifests.size()));
  const auto read = [&](size_t i) {
    const ManifestPtr entries = open_manifest(io, manifests[i])->entries();
    std::vector<File> files;
    files.reserve(entries->size);
    for (size_t entry = 0; entry < entries->size; ++entry) {
      if (entries->status[entry] != EntryStatus::kDeleted) files.push_back(file_of(entries->file_path[entry]));
    }
    take(std::move(files));
    meter.add(1);
  };
  parallel_for(manifests.size(), read, stop);
  sort();
}

MentionedFiles::Found MentionedFiles::find(std::string_view location, const Prefix& prefix, Prefix* other) const {
  const uint64_t hash = path_hash(location);
  auto file = std::ranges::lower_bound(files_, hash, {}, &File::hash);
  Found found = Found::kNot;
  for (; file != files_.end() && file->hash == hash; ++file) {
    const auto& [scheme, authority] = prefixes_[file->prefix];
    if (scheme == prefix.first && (authority.empty() || authority == prefix.second)) return Found::kSame;
    found = Found::kOtherPrefix;
    *other = prefixes_[file->prefix];
  }
  return found;
}

}  // namespace floe
