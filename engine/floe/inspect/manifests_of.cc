#include "floe/inspect/manifests_of.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "floe/parallel.h"
#include "floe/transaction/snapshot_producer.h"

namespace floe {

std::vector<ManifestFile> manifests_of_snapshot(const Inspection& inspection) {
  if (!inspection.snapshot) return {};
  return of_table(inspection, [&] { return manifests_of(*inspection.io, *inspection.snapshot); });
}

std::vector<ManifestFile> manifests_of_all(const Inspection& inspection) {
  constexpr size_t kTogether = 64;
  const auto& snapshots = inspection.metadata().snapshots;
  std::vector<ManifestFile> found;
  std::unordered_map<std::string, size_t> places;
  for (size_t begin = 0; begin < snapshots.size(); begin += kTogether) {
    std::vector<std::vector<ManifestFile>> lists(std::min(kTogether, snapshots.size() - begin));
    parallel_for(
        lists.size(),
        [&](size_t i) {
          lists[i] = of_table(inspection, [&] { return manifests_of(*inspection.io, *snapshots[begin + i]); });
        },
        inspection.stop);
    for (std::vector<ManifestFile>& list : lists) {
      for (ManifestFile& manifest : list) {
        const auto [place, is_new] = places.try_emplace(manifest.manifest_path, found.size());
        if (is_new) {
          found.push_back(std::move(manifest));
        } else {
          found[place->second] = std::move(manifest);
        }
      }
    }
  }
  return found;
}

EntryFilter::EntryFilter(const Inspection& inspection) : filter_(inspection.filter) {
  if (keeps_all()) return;
  const TableMetadata& table = inspection.metadata();
  for (const PartitionSpec& spec : table.partition_specs) {
    by_spec_.emplace(spec.spec_id, OfSpec{&spec, project_inclusive(filter_, spec, *current_schema(table))});
  }
}

bool EntryFilter::may_match(const ManifestFile& manifest) const {
  const auto found = by_spec_.find(manifest.partition_spec_id);
  if (keeps_all() || found == by_spec_.end() || !manifest.partitions) return true;
  return floe::may_match(found->second.filter, partition_stats({&manifest}, *found->second.spec)).front() != 0;
}

std::vector<uint8_t> EntryFilter::may_match(ManifestReader& manifest) const {
  std::vector<uint8_t> keep = floe::may_match(filter_, *manifest.stats(field_ids(filter_)));
  const auto found = by_spec_.find(manifest.entries()->spec_id);
  if (found == by_spec_.end()) return keep;
  const std::vector<uint8_t> by_partition = floe::may_match(found->second.filter, *manifest.partition_stats());
  for (size_t i = 0; i < keep.size(); ++i) keep[i] &= by_partition[i];
  return keep;
}

}  // namespace floe
