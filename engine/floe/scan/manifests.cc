#include "floe/scan/manifests.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "floe/parallel.h"
#include "floe/spec/metadata_columns.h"

namespace floe {
namespace {

// A snapshot of format version 1 that lists its manifests itself: their lengths (0: not known), specs and counts are
// found when they are opened.
std::vector<ManifestFile> embedded_manifests(const Snapshot& snapshot) {
  std::vector<ManifestFile> manifests;
  for (const std::string& path : snapshot.manifests) {
    ManifestFile manifest;
    manifest.manifest_path = path;
    manifest.partition_spec_id = kNotKnown;
    manifest.added_snapshot_id = snapshot.snapshot_id;
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

// Counts of v1 may not be known.
bool may_have_files(const ManifestFile& manifest) {
  return manifest.added_files_count != 0 || manifest.existing_files_count != 0;
}

void keep_only(std::vector<uint8_t>& keep, const std::vector<uint8_t>& may) {
  for (size_t i = 0; i < keep.size(); ++i) keep[i] &= may[i];
}

bool any(const std::vector<uint8_t>& keep) { return std::find(keep.begin(), keep.end(), 1) != keep.end(); }

std::vector<uint32_t> kept_entries(const std::vector<uint8_t>& keep) {
  std::vector<uint32_t> entries(static_cast<size_t>(std::count(keep.begin(), keep.end(), 1)));
  if (entries.size() == keep.size()) {
    std::iota(entries.begin(), entries.end(), 0);
    return entries;
  }
  size_t next = 0;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (keep[i]) entries[next++] = static_cast<uint32_t>(i);
  }
  return entries;
}

}  // namespace

std::shared_ptr<const std::vector<ManifestFile>> listed_manifests(const Snapshot& snapshot, Io& io) {
  if (!snapshot.manifest_list.empty()) return open_manifest_list(io, snapshot.manifest_list);
  return std::make_shared<const std::vector<ManifestFile>>(embedded_manifests(snapshot));
}

bool is_live(const Manifest& manifest, size_t entry) { return manifest.status[entry] != EntryStatus::kDeleted; }

struct ManifestFilter::Open {
  ManifestReaderPtr reader;
  ManifestPtr manifest;
  std::vector<uint8_t> keep;  // of its entries
  int64_t chosen = 0;
};

ManifestFilter::ManifestFilter(const TableMetadata& table, const BoundExpression& filter, const Schema& schema)
    : filter_(filter), columns_(field_ids(filter)) {
  for (const PartitionSpec& spec : table.partition_specs) {
    by_spec_.emplace(spec.spec_id, Projected{&spec, project_inclusive(filter, spec, schema)});
  }
}

// Null if the spec is not known or its partitions tell nothing.
const ManifestFilter::Projected* ManifestFilter::find(int32_t spec_id) const {
  const auto found = by_spec_.find(spec_id);
  return found == by_spec_.end() || found->second.filter.kind == ExprKind::kTrue ? nullptr : &found->second;
}

std::vector<const ManifestFile*> ManifestFilter::prune(const std::vector<ManifestFile>& manifests) const {
  std::vector<uint8_t> keep(manifests.size());
  std::map<int32_t, std::vector<size_t>> by_spec;
  for (size_t i = 0; i < manifests.size(); ++i) {
    keep[i] = may_have_files(manifests[i]);
    if (keep[i] && manifests[i].partitions) by_spec[manifests[i].partition_spec_id].push_back(i);
  }
  for (const auto& [spec_id, members] : by_spec) {
    const Projected* projected = find(spec_id);
    if (!projected) continue;
    std::vector<const ManifestFile*> files;
    for (const size_t i : members) files.push_back(&manifests[i]);
    const std::vector<uint8_t> may = may_match(projected->filter, partition_stats(files, *projected->spec));
    for (size_t k = 0; k < members.size(); ++k) keep[members[k]] = may[k];
  }
  std::vector<const ManifestFile*> kept;
  for (size_t i = 0; i < manifests.size(); ++i) {
    if (keep[i]) kept.push_back(&manifests[i]);
  }
  return kept;
}

// Decodes a manifest and drops the entries that are not chosen or whose partitions cannot match.
ManifestFilter::Open ManifestFilter::open(ManifestReaderPtr reader, const EntryChoice& choice) const {
  Open open;
  open.reader = std::move(reader);
  open.manifest = open.reader->entries();
  const Manifest& manifest = *open.manifest;
  open.keep.resize(manifest.size);
  for (size_t i = 0; i < manifest.size; ++i) {
    open.keep[i] = choice(manifest, i);
    open.chosen += open.keep[i];
  }
  const Projected* projected = find(manifest.spec_id);
  if (projected && open.chosen > 0) keep_only(open.keep, may_match(projected->filter, *open.reader->partition_stats()));
  return open;
}

ManifestFilter::Read ManifestFilter::read_data(const ManifestFile& file, const std::vector<int32_t>& more_columns,
                                               Io& io, const EntryChoice& choice) const {
  const ManifestReaderPtr reader = open_manifest(io, file);
  if (!more_columns.empty()) {
    std::vector<int32_t> all = more_columns;
    all.insert(all.end(), columns_.begin(), columns_.end());
    reader->stats(all);
  }
  Open opened = open(reader, choice);
  if (!columns_.empty() && any(opened.keep)) keep_only(opened.keep, may_match(filter_, *reader->stats(columns_)));
  return {{reader, opened.manifest, kept_entries(opened.keep)}, opened.chosen};
}

ManifestPart ManifestFilter::read_deletes(const ManifestFile& file, Io& io) const {
  const ManifestReaderPtr reader = open_manifest(io, file);
  reader->stats({kDeleteFilePathId});  // with the entries, in one pass
  const Open opened = open(reader, is_live);
  ManifestPart part{reader, opened.manifest, kept_entries(opened.keep)};
  delete_stats(part);
  return part;
}

std::shared_ptr<const DeleteIndex> read_deletes(const TableMetadata& table, const SchemaPtr& schema,
                                                const std::vector<const ManifestFile*>& manifests,
                                                const ManifestFilter& filter, Io& io, const arrow::StopToken& stop) {
  std::vector<ManifestPart> parts(manifests.size());
  parallel_for(parts.size(), [&](size_t i) { parts[i] = filter.read_deletes(*manifests[i], io); }, stop);
  std::erase_if(parts, [](const ManifestPart& part) { return part.entries.empty(); });
  if (parts.empty()) return nullptr;
  return std::make_shared<const DeleteIndex>(table, schema, std::move(parts));
}

}  // namespace floe
