#include "floe/transaction/snapshot_producer.h"

#include <arrow/buffer.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

int64_t unused_snapshot_id(const TableMetadata& table) {
  for (;;) {
    const int64_t id = new_snapshot_id();
    if (!snapshot_by_id(table, id)) return id;
  }
}

// The branch's head; a branch that does not exist begins where the table is.
const Snapshot* parent_snapshot(const TableMetadata& table, const std::string& branch) {
  const Snapshot* head = snapshot_by_ref(table, branch);
  return head ? head : current_snapshot(table);
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

std::vector<ManifestFile> manifests_of(Io& io, const Snapshot& snapshot) {
  if (!snapshot.manifest_list.empty()) return *open_manifest_list(io, snapshot.manifest_list);
  std::vector<ManifestFile> manifests;
  for (const std::string& path : snapshot.manifests) manifests.push_back(line_of(io, path, snapshot));
  return manifests;
}

void check_no_duplicates(const std::vector<DataFile>& files, const std::string& table_name) {
  std::unordered_set<std::string_view> paths;
  for (const DataFile& file : files) {
    if (!paths.insert(file.file_path).second) {
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

SnapshotProducer::SnapshotProducer(IoPtr io, const LoadedTable& base, SnapshotChange change)
    : io_(std::move(io)),
      change_(std::move(change)),
      snapshot_id_(unused_snapshot_id(*base.metadata)),
      uuid_(new_uuid()) {
  check_snapshot_properties(change_.snapshot_properties);
  check_no_duplicates(change_.added, to_string(base.identifier));
}

TableCommit SnapshotProducer::build(const LoadedTable& base) {
  const TableMetadata& table = *base.metadata;
  check_branch(base, change_.branch);
  const bool first_attempt = manifests_.empty() && list_locations_.empty();
  if (first_attempt) encode_manifests(table);

  const Snapshot* parent = parent_snapshot(table, change_.branch);
  Snapshot snapshot = next_snapshot(table, parent);
  snapshot.manifest_list =
      fmt::format("{}/snap-{}-{}-{}.avro", metadata_folder(table), snapshot_id_, list_locations_.size(), uuid_);

  std::vector<ManifestFile> manifests;
  for (ManifestFile manifest : manifests_) {
    manifest.sequence_number = snapshot.sequence_number;
    manifest.min_sequence_number = snapshot.sequence_number;
    manifests.push_back(std::move(manifest));
  }
  if (parent) {
    for (ManifestFile& kept : manifests_of(*io_, *parent)) manifests.push_back(std::move(kept));
  }
  snapshot.summary.add("manifests-created", std::to_string(manifests_.size()));
  snapshot.summary.add("manifests-kept", std::to_string(manifests.size() - manifests_.size()));
  snapshot.summary.add("manifests-replaced", "0");

  int64_t next_row_id = table.next_row_id;
  if (table.format_version >= 3) snapshot.first_row_id = next_row_id;
  unwritten_.emplace_back(snapshot.manifest_list,
                          write_manifest_list(table.format_version, snapshot, manifests, &next_row_id));
  if (table.format_version >= 3) snapshot.added_rows = next_row_id - table.next_row_id;
  list_locations_.push_back(snapshot.manifest_list);
  write_files();
  keep_manifest_list(*io_, snapshot.manifest_list, std::move(manifests));
  return commit_of(base, std::move(snapshot));
}

TableCommit SnapshotProducer::commit_of(const LoadedTable& base, Snapshot snapshot) const {
  const TableMetadata& table = *base.metadata;
  const auto found = table.refs.find(change_.branch);
  SnapshotRef ref = found == table.refs.end() ? SnapshotRef{} : found->second;
  ref.snapshot_id = snapshot.snapshot_id;

  const Snapshot* head = snapshot_by_ref(table, change_.branch);
  TableCommit commit;
  if (!table.table_uuid.empty()) commit.requirements.emplace_back(AssertTableUuid{table.table_uuid});
  commit.requirements.emplace_back(
      AssertRefSnapshotId{change_.branch, head ? std::optional(head->snapshot_id) : std::nullopt});
  commit.updates.emplace_back(AddSnapshot{std::move(snapshot)});
  commit.updates.emplace_back(SetSnapshotRef{change_.branch, std::move(ref)});
  return commit;
}

Snapshot SnapshotProducer::next_snapshot(const TableMetadata& table, const Snapshot* parent) const {
  SummaryCounter counter(table);
  for (const DataFile& file : change_.added) counter.add(file);

  Snapshot snapshot;
  snapshot.snapshot_id = snapshot_id_;
  if (parent) snapshot.parent_snapshot_id = parent->snapshot_id;
  snapshot.sequence_number = table.format_version == 1 ? 0 : table.last_sequence_number + 1;
  snapshot.timestamp_ms = std::max(now_ms(), table.last_updated_ms);
  snapshot.schema_id = table.current_schema_id;
  snapshot.summary.add("operation", change_.operation);
  for (const auto& [key, value] : counter.summary(parent ? &parent->summary : nullptr))
    snapshot.summary.add(key, value);
  for (const auto& [key, value] : change_.snapshot_properties) snapshot.summary.add(key, value);
  return snapshot;
}

// One manifest for each spec among the files.
void SnapshotProducer::encode_manifests(const TableMetadata& table) {
  std::map<int32_t, std::vector<const DataFile*>> by_spec;
  for (const DataFile& file : change_.added) by_spec[file.spec_id].push_back(&file);
  for (const auto& [spec_id, files] : by_spec) {
    const PartitionSpec* spec = spec_by_id(table, spec_id);
    if (!spec) {
      throw InvalidArgument(fmt::format("{}: the table has no partition spec {}", files.front()->file_path, spec_id));
    }
    ManifestWriter writer(table.format_version, *current_schema(table), *spec, ManifestContent::kData, snapshot_id_);
    for (const DataFile* file : files) {
      writer.add({.status = EntryStatus::kAdded, .snapshot_id = snapshot_id_, .file = *file});
    }
    const std::string location = fmt::format("{}/{}-m{}.avro", metadata_folder(table), uuid_, manifests_.size());
    auto [bytes, manifest] = writer.finish(location, 0);
    unwritten_.emplace_back(location, std::move(bytes));
    manifests_.push_back(std::move(manifest));
  }
}

// Side by side: each waits for the disk.
void SnapshotProducer::write_files() {
  parallel_for(unwritten_.size(), [&](size_t i) { io_->write(unwritten_[i].first, unwritten_[i].second); });
  unwritten_.clear();
}

void SnapshotProducer::succeeded(const TableMetadata& table) noexcept {
  const Snapshot* snapshot = snapshot_by_id(table, snapshot_id_);
  if (!snapshot) return;
  for (const std::string& location : list_locations_) {
    if (location != snapshot->manifest_list) remove_quietly(*io_, location);
  }
}

void SnapshotProducer::failed() noexcept {
  for (const std::string& location : list_locations_) remove_quietly(*io_, location);
  for (const ManifestFile& manifest : manifests_) remove_quietly(*io_, manifest.manifest_path);
}

}  // namespace floe
