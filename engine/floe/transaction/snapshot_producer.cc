#include "floe/transaction/snapshot_producer.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/transaction/commit.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

int64_t unused_snapshot_id(const TableMetadata& table) {
  for (;;) {
    const int64_t id = new_snapshot_id();
    if (!snapshot_by_id(table, id)) return id;
  }
}

// A line for a manifest list of a manifest that version 1 listed in the snapshot itself.
ManifestFile line_of(Io& io, const std::string& path, const Snapshot& snapshot) {
  const auto bytes = io.read(path);
  ManifestFile line;
  line.manifest_path = path;
  line.manifest_length = bytes->size();
  line.added_snapshot_id = snapshot.snapshot_id;
  const ManifestPtr entries = ManifestReader(bytes, line).entries();
  line.partition_spec_id = entries->spec_id;
  count_entries(*entries, line);
  for (size_t i = 0; i < entries->size; ++i) {
    if (entries->status[i] == EntryStatus::kAdded) line.added_snapshot_id = entries->snapshot_id[i];
  }
  return line;
}

// What lines of version 1 may leave out, and those of later versions have to say.
void count_where_not_known(Io& io, std::vector<ManifestFile>& manifests) {
  parallel_for(manifests.size(), [&](size_t i) {
    ManifestFile& file = manifests[i];
    const bool known = file.added_files_count != kNotKnown && file.existing_files_count != kNotKnown &&
                       file.deleted_files_count != kNotKnown && file.added_rows_count != kNotKnown &&
                       file.existing_rows_count != kNotKnown && file.deleted_rows_count != kNotKnown;
    if (!known) count_entries(*open_manifest(io, file)->entries(), file);
  });
}

void check_no_duplicates(const std::vector<DataFile>& files, const std::string& table_name) {
  std::set<FileId> ids;
  for (const DataFile& file : files) {
    if (!ids.insert(id_of(file)).second) {
      throw InvalidArgument(
          fmt::format("table {}: {} is given twice; a file can be added only once", table_name, file.file_path));
    }
  }
}

void remove_quietly(Io& io, const std::string& location) noexcept {
  try {
    io.remove(location);
  } catch (...) {  // it stays as a file that nothing refers to
  }
}

}  // namespace

void check_branch(const LoadedTable& base, const std::string& branch) {
  const TableMetadata& table = *base.metadata;
  const auto ref = table.refs.find(branch);
  if (ref != table.refs.end() && !ref->second.is_branch) {
    throw InvalidArgument(
        fmt::format("table {}: '{}' is a tag; only a branch can be written to", to_string(base.identifier), branch));
  }
  if (branch != kMainBranch && !current_snapshot(table) && ref == table.refs.end()) {
    throw CommitFailed(fmt::format("table {}: Table has no snapshots and can only be written to the main BRANCH.",
                                   to_string(base.identifier)));
  }
}

FileId id_of(const DataFile& file) {
  return {file.file_path, is_deletion_vector(file) ? file.content_offset : std::nullopt};
}

FileId id_of(const Manifest& manifest, size_t entry) {
  const int64_t offset = manifest.content_offset[entry];
  return {std::string(manifest.file_path[entry]), offset == kAbsent ? std::nullopt : std::optional(offset)};
}

Removal removal_of(const Manifest& manifest, size_t entry) {
  return {.id = id_of(manifest, entry),
          .content = manifest.file_content[entry],
          .spec_id = manifest.spec_id,
          .partition = partition_bytes(manifest, entry)};
}

const Snapshot* parent_snapshot(const TableMetadata& table, const std::string& branch) {
  const Snapshot* head = snapshot_by_ref(table, branch);
  return head ? head : current_snapshot(table);
}

std::vector<ManifestFile> manifests_of(Io& io, const Snapshot& snapshot) {
  if (!snapshot.manifest_list.empty()) return *open_manifest_list(io, snapshot.manifest_list);
  std::vector<ManifestFile> manifests;
  for (const std::string& path : snapshot.manifests) manifests.push_back(line_of(io, path, snapshot));
  return manifests;
}

std::vector<std::string> locations_of(const std::vector<DataFile>& files) {
  std::vector<std::string> locations;
  for (const DataFile& file : files) locations.push_back(file.file_path);
  return locations;
}

void remove_files(Io& io, const std::vector<std::string>& locations) noexcept {
  for (const std::string& location : locations) remove_quietly(io, location);
}

SnapshotProducer::SnapshotProducer(IoPtr io, const LoadedTable& base, SnapshotChange change, size_t manifest_bytes)
    : io_(std::move(io)),
      change_(std::move(change)),
      snapshot_id_(unused_snapshot_id(*base.metadata)),
      uuid_(new_uuid()),
      room_(manifest_bytes) {
  check_snapshot_properties(change_.snapshot_properties);
  check_no_duplicates(change_.added, to_string(base.identifier));
  for (const Removal& removal : change_.removed) {
    removed_.try_emplace(removal.id, true).first->second &= removal.may_be_gone;
    removed_paths_.insert(removal.id.path);
    removed_from_.insert(removal.spec_id, removal.partition);
    if (removal.content == FileContent::kData) data_removed_from_.insert(removal.spec_id, removal.partition);
  }
  for (const DataFile& file : change_.added) {
    if (is_deletion_vector(file) && !vectors_for_.insert(file.referenced_data_file.value_or("")).second) {
      throw InvalidArgument(fmt::format("table {}: {} is given two deletion vectors; a data file has one",
                                        to_string(base.identifier), file.referenced_data_file.value_or("a file")));
    }
  }
}

TableCommit SnapshotProducer::build(const LoadedTable& base) {
  const TableMetadata& table = *base.metadata;
  check_branch(base, change_.branch);
  if (encoded_version_ != table.format_version) encode_manifests(table);

  const Snapshot* parent = parent_snapshot(table, change_.branch);
  check_conflicts(base, parent, change_.checks, *io_);
  const std::vector<ManifestFile> before = parent ? manifests_of(*io_, *parent) : std::vector<ManifestFile>();
  std::vector<DataFile> removed;
  std::vector<ManifestFile> manifests = without_removed(base, before, removed);
  check_added(base, manifests);
  manifests.insert(manifests.begin(), manifests_.begin(), manifests_.end());
  if (change_.merge_manifests.value_or(bool_property(table.properties, "commit.manifest-merge.enabled", false))) {
    manifests = merged(table, manifests);
  }
  if (change_.cluster_spec) manifests = clustered(table, manifests);

  if (table.format_version >= 2) count_where_not_known(*io_, manifests);

  Snapshot snapshot = next_snapshot(table, parent, removed);
  int64_t created = 0;
  for (ManifestFile& manifest : manifests) {
    if (manifest.added_snapshot_id != snapshot_id_) continue;
    ++created;
    manifest.sequence_number = snapshot.sequence_number;
    manifest.min_sequence_number = std::min(manifest.min_sequence_number, snapshot.sequence_number);
  }
  const auto kept = static_cast<int64_t>(manifests.size()) - created;
  snapshot.summary.add("manifests-created", std::to_string(created));
  snapshot.summary.add("manifests-kept", std::to_string(kept));
  snapshot.summary.add("manifests-replaced", std::to_string(static_cast<int64_t>(before.size()) - kept));

  snapshot.manifest_list =
      fmt::format("{}/snap-{}-{}-{}.avro", metadata_folder(table), snapshot_id_, list_locations_.size(), uuid_);
  list_locations_.push_back(snapshot.manifest_list);
  int64_t next_row_id = table.next_row_id;
  if (table.format_version >= 3) snapshot.first_row_id = next_row_id;
  std::string list = write_manifest_list(table.format_version, snapshot, manifests, &next_row_id);
  if (table.format_version >= 3) snapshot.added_rows = next_row_id - table.next_row_id;
  write_files(manifests, snapshot.manifest_list, std::move(list));
  keep_manifest_list(*io_, snapshot.manifest_list, std::move(manifests));
  return commit_of(base, std::move(snapshot));
}

TableCommit SnapshotProducer::commit_of(const LoadedTable& base, Snapshot snapshot) const {
  const TableMetadata& table = *base.metadata;
  const auto found = table.refs.find(change_.branch);
  SnapshotRef ref = found == table.refs.end() ? SnapshotRef{} : found->second;
  ref.snapshot_id = snapshot.snapshot_id;

  const Snapshot* head = snapshot_by_ref(table, change_.branch);
  TableCommit commit = commit_on(table);
  commit.requirements.emplace_back(
      AssertRefSnapshotId{change_.branch, head ? std::optional(head->snapshot_id) : std::nullopt});
  commit.updates.emplace_back(AddSnapshot{std::move(snapshot)});
  if (!change_.stage_only) commit.updates.emplace_back(SetSnapshotRef{change_.branch, ref});
  return commit;
}

std::string SnapshotProducer::operation(bool removes) const {
  if (!change_.operation.empty()) return change_.operation;
  const bool adds_data =
      std::ranges::any_of(change_.added, [](const DataFile& file) { return file.content == FileContent::kData; });
  const bool adds_deletes =
      std::ranges::any_of(change_.added, [](const DataFile& file) { return file.content != FileContent::kData; });
  if (!adds_data) return "delete";
  return adds_deletes || removes ? "overwrite" : "append";
}

Snapshot SnapshotProducer::next_snapshot(const TableMetadata& table, const Snapshot* parent,
                                         const std::vector<DataFile>& removed) const {
  SummaryCounter counter(table);
  for (const DataFile& file : change_.added) counter.add(file);
  for (const DataFile& file : removed) counter.remove(file);

  Snapshot snapshot;
  snapshot.snapshot_id = snapshot_id_;
  if (parent) snapshot.parent_snapshot_id = parent->snapshot_id;
  snapshot.sequence_number = table.format_version == 1 ? 0 : table.last_sequence_number + 1;
  snapshot.timestamp_ms = std::max(now_ms(), table.last_updated_ms);
  snapshot.schema_id = table.current_schema_id;
  snapshot.summary.add("operation", operation(!removed.empty()));
  for (const auto& [key, value] : counter.summary(parent ? &parent->summary : nullptr))
    snapshot.summary.add(key, value);
  for (const auto& [key, value] : change_.snapshot_properties) snapshot.summary.add(key, value);
  return snapshot;
}

std::string SnapshotProducer::manifest_location(const TableMetadata& table) {
  const std::lock_guard lock(mutex_);
  manifest_locations_.push_back(
      fmt::format("{}/{}-m{}.avro", metadata_folder(table), uuid_, manifest_locations_.size()));
  return manifest_locations_.back();
}

// One manifest for each content and spec among the files.
void SnapshotProducer::encode_manifests(const TableMetadata& table) {
  // Somebody upgraded the table between attempts: what files inherit differs from version to version.
  manifests_.clear();
  filtered_.clear();
  merged_.clear();
  clustered_.clear();
  std::map<std::pair<ManifestContent, int32_t>, std::vector<const DataFile*>> groups;
  for (const DataFile& file : change_.added) {
    const auto content = file.content == FileContent::kData ? ManifestContent::kData : ManifestContent::kDeletes;
    groups[{content, file.spec_id}].push_back(&file);
  }
  for (const auto& [key, files] : groups) {
    const auto& [content, spec_id] = key;
    const PartitionSpec* spec = spec_by_id(table, spec_id);
    if (!spec) {
      throw InvalidArgument(fmt::format("{}: the table has no partition spec {}", files.front()->file_path, spec_id));
    }
    ManifestWriter writer(table.format_version, *current_schema(table), *spec, content, snapshot_id_);
    for (const DataFile* file : files) {
      const bool is_data = file->content == FileContent::kData;
      writer.add({.status = EntryStatus::kAdded,
                  .snapshot_id = snapshot_id_,
                  .sequence_number = is_data ? change_.data_sequence_number : std::nullopt,
                  .file = *file});
    }
    const std::string location = manifest_location(table);
    auto [bytes, manifest] = writer.finish(location, table.format_version == 1 ? 0 : INT64_MAX);
    manifest.sequence_number = 0;
    keep(location, std::move(bytes));
    manifests_.push_back(std::move(manifest));
  }
  encoded_version_ = table.format_version;
}

SnapshotProducer::ManifestKey SnapshotProducer::key_of(const ManifestFile& file) {
  return {file.manifest_path, file.sequence_number, file.first_row_id.value_or(kAbsent)};
}

// A manifest is written with the list, side by side, since each waits for the disk; if there is no room for it,
// now.
void SnapshotProducer::keep(const std::string& location, std::string bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (bytes.size() <= room_) {
      room_ -= bytes.size();
      unwritten_.emplace(location, std::move(bytes));
      return;
    }
  }
  io_->write(location, bytes);
}

ManifestReaderPtr SnapshotProducer::open(const ManifestFile& file) {
  std::unique_lock lock(mutex_);
  const auto found = unwritten_.find(file.manifest_path);
  if (found == unwritten_.end()) {
    lock.unlock();
    return open_manifest(*io_, file);
  }
  return std::make_shared<ManifestReader>(arrow::Buffer::FromString(found->second), file);
}

std::vector<uint8_t> SnapshotProducer::entries_to_remove(const ManifestFile& file, ManifestReader& reader) const {
  std::shared_ptr<const Stats> stats;
  if (file.content == ManifestContent::kDeletes) stats = reader.stats({kDeleteFilePathId});
  const ColumnStats* paths = stats ? stats->column(kDeleteFilePathId) : nullptr;
  const ManifestPtr manifest = reader.entries();
  std::vector<uint8_t> remove(manifest->size);
  for (size_t i = 0; i < manifest->size; ++i) {
    if (manifest->status[i] == EntryStatus::kDeleted) continue;
    const std::string_view path = manifest->file_path[i];
    if (removed_paths_.contains(path)) {
      const int64_t offset = manifest->content_offset[i];
      remove[i] = removed_.contains({std::string(path), offset == kAbsent ? std::nullopt : std::optional(offset)});
    }
    if (!remove[i] && removed_paths_.contains(only_data_file(*manifest, paths, i))) remove[i] = 1;
  }
  return remove;
}

// Looks through the manifests that may have files to be removed and were not looked through before.
void SnapshotProducer::filter(const TableMetadata& table, const std::vector<ManifestFile>& manifests) {
  const std::vector<uint8_t> data = data_removed_from_.may_have(table, manifests);
  const std::vector<uint8_t> deletes = removed_from_.may_have(table, manifests);
  std::vector<const ManifestFile*> sources;
  for (size_t i = 0; i < manifests.size(); ++i) {
    const bool may = (manifests[i].content == ManifestContent::kData ? data[i] : deletes[i]) != 0;
    if (may && !filtered_.contains(key_of(manifests[i]))) sources.push_back(&manifests[i]);
  }
  std::vector<Filtered> results(sources.size());
  parallel_for(sources.size(), [&](size_t i) { results[i] = filtered(table, *sources[i]); });
  for (size_t i = 0; i < sources.size(); ++i) filtered_.emplace(key_of(*sources[i]), std::move(results[i]));
}

// A manifest without the files to be removed, if it has any.
SnapshotProducer::Filtered SnapshotProducer::filtered(const TableMetadata& table, const ManifestFile& file) {
  ManifestSource source{.file = file, .reader = open(file), .removed = {}};
  source.removed = entries_to_remove(file, *source.reader);
  if (std::ranges::count(source.removed, 1) == 0) return {};
  const ManifestPtr manifest = source.reader->entries();
  const PartitionSpec* spec = spec_by_id(table, manifest->spec_id);
  if (!spec) {
    throw CorruptFile(fmt::format("{}: the table has no partition spec {}", file.manifest_path, manifest->spec_id));
  }
  auto [bytes, line] =
      rewrite_manifests(table, snapshot_id_, change_.data_sequence_number, {source}, manifest_location(table));
  keep(line.manifest_path, std::move(bytes));
  Filtered result{.replacement = std::move(line), .removed = {}};
  const Type partition = partition_type(*spec, *current_schema(table));
  for (size_t i = 0; i < manifest->size; ++i) {
    if (!source.removed[i]) continue;
    result.removed.push_back(data_file(*manifest, i));
    result.removed.back().partition = partition_of(*manifest, i, partition);
  }
  return result;
}

// The manifests without the files to be removed, which are added to `removed`.
std::vector<ManifestFile> SnapshotProducer::without_removed(const LoadedTable& base,
                                                            std::vector<ManifestFile> manifests,
                                                            std::vector<DataFile>& removed) {
  if (removed_.empty()) return manifests;
  std::erase_if(manifests, [](const ManifestFile& file) { return !may_have_files(file); });
  filter(*base.metadata, manifests);
  std::map<FileId, bool> missing = removed_;
  for (ManifestFile& file : manifests) {
    const auto found = filtered_.find(key_of(file));
    if (found == filtered_.end() || !found->second.replacement) continue;
    file = *found->second.replacement;
    for (const DataFile& gone : found->second.removed) {
      missing.erase(id_of(gone));
      removed.push_back(gone);
    }
  }
  std::erase_if(missing, [](const auto& file) { return file.second; });
  if (!missing.empty()) {
    throw ConflictFound(
        fmt::format("table {}: {} of the files to be removed are not in the table any more, such as {}; another writer "
                    "removed them. "
                    "Read the table again and repeat the change",
                    to_string(base.identifier), missing.size(), missing.begin()->first.path));
  }
  return manifests;
}

// That nothing is added which cannot be beside what is in the manifests.
void SnapshotProducer::check_added(const LoadedTable& base, const std::vector<ManifestFile>& manifests) {
  const std::string table_name = to_string(base.identifier);
  std::set<std::string_view> added;
  PartitionSet with_vectors;
  for (const DataFile& file : change_.added) {
    if (base.metadata->format_version >= 3 && file.content == FileContent::kPositionDeletes &&
        !is_deletion_vector(file)) {
      throw InvalidArgument(
          fmt::format("table {}: {}: tables of format version 3 take deletion vectors, not position "
                      "delete files",
                      table_name, file.file_path));
    }
    if (file.content == FileContent::kData) added.insert(file.file_path);
    if (is_deletion_vector(file)) {
      const PartitionSpec& spec = *spec_by_id(*base.metadata, file.spec_id);
      const Type partition = partition_type(spec, *current_schema(*base.metadata));
      with_vectors.insert(file.spec_id, partition_bytes(file.partition, partition));
    }
  }
  const bool look_at_data = change_.refuse_duplicates && !added.empty();
  const std::vector<uint8_t> may_have_vectors = with_vectors.may_have(*base.metadata, manifests);
  const auto check_manifest = [&](size_t m) {
    const ManifestFile& file = manifests[m];
    const bool is_data = file.content == ManifestContent::kData;
    if (!may_have_files(file) || !(is_data ? look_at_data : may_have_vectors[m] != 0)) return;
    const ManifestPtr manifest = open(file)->entries();
    for (size_t i = 0; i < manifest->size; ++i) {
      if (manifest->status[i] == EntryStatus::kDeleted) continue;
      if (is_data && added.contains(manifest->file_path[i])) {
        throw InvalidArgument(fmt::format("table {}: Cannot add files that are already referenced by table, files: {}",
                                          table_name, manifest->file_path[i]));
      }
      if (!is_data && manifest->file_format[i] == FileFormat::kPuffin && manifest->referenced_data_file.has(i) &&
          vectors_for_.contains(manifest->referenced_data_file[i])) {
        throw ConflictFound(
            fmt::format("table {}: another writer deleted rows of {}. Read the table again and repeat "
                        "the change",
                        table_name, manifest->referenced_data_file[i]));
      }
    }
  };
  parallel_for(manifests.size(), check_manifest);
}

std::vector<ManifestFile> SnapshotProducer::merged(const TableMetadata& table,
                                                   const std::vector<ManifestFile>& manifests) {
  std::vector<ManifestFile> result;
  for (std::vector<ManifestFile>& bin : bins_to_merge(table, snapshot_id_, manifests)) {
    if (bin.size() == 1) {
      result.push_back(std::move(bin.front()));
      continue;
    }
    std::vector<ManifestKey> key;
    for (const ManifestFile& file : bin) key.push_back(key_of(file));
    auto found = merged_.find(key);
    if (found == merged_.end()) {
      std::vector<ManifestSource> sources(bin.size());
      parallel_for(bin.size(), [&](size_t i) {
        sources[i] = {.file = bin[i], .reader = open(bin[i])};
        sources[i].reader->entries();
      });
      auto [bytes, file] =
          rewrite_manifests(table, snapshot_id_, change_.data_sequence_number, sources, manifest_location(table));
      keep(file.manifest_path, std::move(bytes));
      found = merged_.emplace(std::move(key), std::move(file)).first;
    }
    result.push_back(found->second);
  }
  return result;
}

// What others add meanwhile stays beside what was clustered; if they change that, it is done again.
std::vector<ManifestFile> SnapshotProducer::clustered(const TableMetadata& table,
                                                      const std::vector<ManifestFile>& manifests) {
  std::set<ManifestKey> there;
  std::map<ManifestContent, std::vector<ManifestFile>> sources;
  for (const ManifestFile& file : manifests) {
    there.insert(key_of(file));
    if (file.partition_spec_id == *change_.cluster_spec) sources[file.content].push_back(file);
  }
  std::vector<ManifestFile> result;
  std::set<ManifestKey> replaced;
  for (const auto& [content, files] : sources) {
    Clustered& before = clustered_[content];
    if (before.sources.empty() || !std::ranges::includes(there, before.sources)) {
      if (!can_cluster(table, files)) continue;
      before = {};
      before.manifests =
          cluster_manifests(table, snapshot_id_, files,
                            {.open = [&](const ManifestFile& file) { return open(file); },
                             .next_location = [&] { return manifest_location(table); },
                             .write = [&](const std::string& to, std::string bytes) { keep(to, std::move(bytes)); }});
      for (const ManifestFile& file : files) before.sources.insert(key_of(file));
    }
    replaced.insert(before.sources.begin(), before.sources.end());
    result.insert(result.end(), before.manifests.begin(), before.manifests.end());
  }
  for (const ManifestFile& file : manifests) {
    if (!replaced.contains(key_of(file))) result.push_back(file);
  }
  return result;
}

// What the list names and the list itself, side by side: each waits for the disk.
void SnapshotProducer::write_files(const std::vector<ManifestFile>& manifests, const std::string& list_location,
                                   std::string list) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const ManifestFile& manifest : manifests) {
    auto bytes = unwritten_.extract(manifest.manifest_path);
    if (bytes.empty()) continue;
    room_ += bytes.mapped().size();
    files.emplace_back(manifest.manifest_path, std::move(bytes.mapped()));
  }
  files.emplace_back(list_location, std::move(list));
  parallel_for(files.size(), [&](size_t i) { io_->write(files[i].first, files[i].second); });
}

void SnapshotProducer::succeeded(const TableMetadata& table) noexcept {
  const Snapshot* snapshot = snapshot_by_id(table, snapshot_id_);
  if (!snapshot) return;
  for (const std::string& location : list_locations_) {
    if (location != snapshot->manifest_list) remove_quietly(*io_, location);
  }
  if (manifest_locations_.size() == manifests_.size()) return;  // nothing was rewritten
  try {
    std::set<std::string_view> committed;
    const auto list = open_manifest_list(*io_, snapshot->manifest_list);
    for (const ManifestFile& file : *list) committed.insert(file.manifest_path);
    for (const std::string& location : manifest_locations_) {
      if (!committed.contains(location) && !unwritten_.contains(location)) remove_quietly(*io_, location);
    }
  } catch (...) {  // they stay as files that nothing refers to
  }
}

void SnapshotProducer::failed() noexcept {
  remove_files(*io_, list_locations_);
  for (const std::string& location : manifest_locations_) {
    if (!unwritten_.contains(location)) remove_quietly(*io_, location);
  }
  remove_files(*io_, change_.discard);
}

}  // namespace floe
