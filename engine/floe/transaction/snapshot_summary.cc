#include "floe/transaction/snapshot_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "floe/error.h"
#include "floe/transaction/entries.h"

namespace floe {
namespace {

// What one kind of file counts as when it is added, when it is removed, and in the totals.
struct Names {
  std::string_view added, removed, total;
};

constexpr Names kDataFiles{"added-data-files", "deleted-data-files", "total-data-files"};
constexpr Names kRecords{"added-records", "deleted-records", "total-records"};
constexpr Names kFilesSize{"added-files-size", "removed-files-size", "total-files-size"};
constexpr Names kDeleteFiles{"added-delete-files", "removed-delete-files", "total-delete-files"};
constexpr Names kPositionDeletes{"added-position-deletes", "removed-position-deletes", "total-position-deletes"};
constexpr Names kEqualityDeletes{"added-equality-deletes", "removed-equality-deletes", "total-equality-deletes"};
constexpr Names kPositionDeleteFiles{"added-position-delete-files", "removed-position-delete-files", ""};
constexpr Names kEqualityDeleteFiles{"added-equality-delete-files", "removed-equality-delete-files", ""};
constexpr Names kDeletionVectors{"added-dvs", "removed-dvs", ""};

constexpr std::array kAllNames{kDataFiles,       kRecords,         kFilesSize,           kDeleteFiles,
                               kPositionDeletes, kEqualityDeletes, kPositionDeleteFiles, kEqualityDeleteFiles,
                               kDeletionVectors};

constexpr std::string_view kChangedPartitions = "changed-partition-count";
constexpr std::string_view kPartitionSummaries = "partition-summaries-included";
constexpr std::string_view kPartitionPrefix = "partitions.";

constexpr std::array<std::string_view, 8> kOtherReserved{
    "operation",      "deleted-duplicate-files", kChangedPartitions,  "manifests-created",
    "manifests-kept", "manifests-replaced",      "entries-processed", kPartitionSummaries};

int64_t value_of(const std::map<std::string_view, int64_t>& counts, std::string_view name) {
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

std::optional<int64_t> summary_number(const Summary& summary, std::string_view name) {
  const auto found = summary.find(name);
  if (found == summary.end()) return std::nullopt;
  const std::string_view text = found->second;
  int64_t total = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), total);
  if (error != std::errc() || end != text.data() + text.size() || total < 0) return std::nullopt;
  return total;
}

void SummaryCounter::count(const DataFile& file, bool added) {
  const PartitionSpec* spec = spec_by_id(table_, file.spec_id);
  if (!spec || spec->fields.size() != file.partition.size()) {
    throw InvalidArgument(
        fmt::format("{}: its partition does not fit the table's partition spec {}", file.file_path, file.spec_id));
  }
  const Schema& schema = *current_schema(table_);
  auto [partition, is_new] =
      partitions_.try_emplace(partition_key(file.spec_id, file.partition, partition_type(*spec, schema)));
  if (is_new) partition->second.first = partition_path(*spec, schema, file.partition);
  auto count = [&](const Names& names, int64_t n) {
    for (Counts* counts : {&counts_, &partition->second.second}) (*counts)[added ? names.added : names.removed] += n;
  };
  count(kFilesSize, file.file_size_in_bytes);
  if (file.content == FileContent::kData) {
    count(kDataFiles, 1);
    count(kRecords, file.record_count);
    return;
  }
  count(kDeleteFiles, 1);
  if (file.content == FileContent::kEqualityDeletes) {
    count(kEqualityDeleteFiles, 1);
    count(kEqualityDeletes, file.record_count);
  } else {
    count(file.file_format == FileFormat::kPuffin ? kDeletionVectors : kPositionDeleteFiles, 1);
    count(kPositionDeletes, file.record_count);
  }
}

Properties SummaryCounter::summary(const Summary* parent) const {
  Properties summary;
  for (const auto& [name, n] : counts_) {
    if (n != 0) summary.emplace(name, std::to_string(n));
  }
  for (const Names& names : kAllNames) {
    if (names.total.empty()) continue;
    const std::optional<int64_t> before = parent ? summary_number(*parent, names.total) : 0;
    if (!before) continue;
    const int64_t total = *before + value_of(counts_, names.added) - value_of(counts_, names.removed);
    if (total >= 0) summary.emplace(names.total, std::to_string(total));
  }
  summary.emplace(kChangedPartitions, std::to_string(partitions_.size()));

  const int64_t limit = int_property(table_.properties, "write.summary.partition-limit", 0);
  if (!partitions_.empty() && static_cast<int64_t>(partitions_.size()) <= limit) {
    summary.emplace(kPartitionSummaries, "true");
    for (const auto& [key, partition] : partitions_) {
      std::string counts;
      for (const auto& [name, n] : partition.second) {
        if (n != 0) counts += fmt::format("{}{}={}", counts.empty() ? "" : ",", name, n);
      }
      summary.emplace(fmt::format("{}{}", kPartitionPrefix, partition.first), counts);
    }
  }
  return summary;
}

void check_snapshot_properties(const Properties& properties) {
  auto reserved = [](std::string_view key) {
    return key.starts_with(kPartitionPrefix) || std::ranges::find(kOtherReserved, key) != kOtherReserved.end() ||
           std::ranges::any_of(kAllNames, [&](const Names& names) {
             return key == names.added || key == names.removed || (key == names.total && !key.empty());
           });
  };
  for (const auto& [key, value] : properties) {
    if (reserved(key)) {
      throw InvalidArgument(
          fmt::format("snapshot property '{}' is written by the engine and cannot be set; choose another name", key));
    }
  }
}

}  // namespace floe
