#include "floe/transaction/manage_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "floe/error.h"
#include "floe/parallel.h"
#include "floe/transaction/commit.h"
#include "floe/transaction/entries.h"
#include "floe/transaction/snapshot_summary.h"

namespace floe {
namespace {

constexpr std::string_view kWapId = "wap.id";
constexpr std::string_view kPublishedWapId = "published-wap-id";
constexpr std::string_view kSourceSnapshotId = "source-snapshot-id";

const TableMetadata& staged(const Transaction& transaction) { return *transaction.staged().metadata; }

std::string named(const Transaction& transaction) {
  return fmt::format("table {}", to_string(transaction.base().identifier));
}

std::string_view kind_of(bool is_branch) { return is_branch ? "branch" : "tag"; }

const Snapshot& need_snapshot(const Transaction& transaction, int64_t snapshot_id, std::string_view what) {
  if (const Snapshot* snapshot = snapshot_by_id(staged(transaction), snapshot_id)) return *snapshot;
  throw NotFound(fmt::format("{}: {} unknown snapshot id: {}", named(transaction), what, snapshot_id));
}

// Main without a ref of its own is the current snapshot.
const SnapshotRef* find_ref(const TableMetadata& table, const std::string& name) {
  const auto found = table.refs.find(name);
  return found == table.refs.end() ? nullptr : &found->second;
}

const SnapshotRef& need_ref(const Transaction& transaction, const std::string& name) {
  if (const SnapshotRef* ref = find_ref(staged(transaction), name)) return *ref;
  throw NotFound(fmt::format("{}: there is no branch or tag {}", named(transaction), name));
}

const SnapshotRef& need_ref(const Transaction& transaction, const std::string& name, bool is_branch) {
  const SnapshotRef& ref = need_ref(transaction, name);
  if (ref.is_branch == is_branch) return ref;
  throw InvalidArgument(
      fmt::format("{}: {} is a {}, not a {}", named(transaction), name, kind_of(ref.is_branch), kind_of(is_branch)));
}

TableRequirement is_where_it_is(const TableMetadata& table, const std::string& name) {
  const Snapshot* at = snapshot_by_ref(table, name);
  return AssertRefSnapshotId{name, at ? std::optional(at->snapshot_id) : std::nullopt};
}

void add(Transaction& transaction, std::vector<TableRequirement> requirements, std::vector<TableUpdate> updates) {
  TableCommit commit = commit_on(staged(transaction));
  std::ranges::move(requirements, std::back_inserter(commit.requirements));
  commit.updates = std::move(updates);
  transaction.add(std::move(commit));
}

void put(Transaction& transaction, const std::string& name, const SnapshotRef& ref) {
  add(transaction, {is_where_it_is(staged(transaction), name)}, {SetSnapshotRef{name, ref}});
}

// A ref at another snapshot, and with what it is to keep from now on.
SnapshotRef moved(SnapshotRef ref, int64_t snapshot_id, const Retention& retention) {
  ref.snapshot_id = snapshot_id;
  if (retention.min_snapshots_to_keep) ref.min_snapshots_to_keep = retention.min_snapshots_to_keep;
  if (retention.max_snapshot_age_ms) ref.max_snapshot_age_ms = retention.max_snapshot_age_ms;
  if (retention.max_ref_age_ms) ref.max_ref_age_ms = retention.max_ref_age_ms;
  return ref;
}

// The snapshots from one down to the first, or to one that was expired.
std::vector<const Snapshot*> ancestors(const TableMetadata& table, const Snapshot* snapshot) {
  std::vector<const Snapshot*> found;
  while (snapshot != nullptr && found.size() <= table.snapshots.size()) {
    found.push_back(snapshot);
    snapshot = snapshot->parent_snapshot_id ? snapshot_by_id(table, *snapshot->parent_snapshot_id) : nullptr;
  }
  return found;
}

bool is_ancestor(const TableMetadata& table, int64_t ancestor, const Snapshot* of) {
  return std::ranges::any_of(ancestors(table, of), [&](const Snapshot* s) { return s->snapshot_id == ancestor; });
}

// --- cherry-pick -----------------------------------------------------------------------------------------------------

// The data files that a snapshot itself added and removed.
struct Changes {
  std::vector<DataFile> added;
  std::vector<Removal> removed;
};

Changes changes_of(const LoadedTable& base, const Snapshot& snapshot, Io& io) {
  const TableMetadata& table = *base.metadata;
  std::vector<ManifestFile> manifests = manifests_of(io, snapshot);
  std::erase_if(manifests, [&](const ManifestFile& m) { return m.added_snapshot_id != snapshot.snapshot_id; });
  std::vector<Changes> parts(manifests.size());
  parallel_for(manifests.size(), [&](size_t m) {
    if (manifests[m].content == ManifestContent::kDeletes) {
      // A merge of older manifests writes a new one, and changes nothing.
      if (manifests[m].added_files_count == 0 && manifests[m].deleted_files_count == 0) return;
      throw NotSupported(fmt::format("table {}: snapshot {} has delete files and cannot be cherry-picked",
                                     to_string(base.identifier), snapshot.snapshot_id));
    }
    const ManifestReaderPtr reader = open_manifest(io, manifests[m]);
    const ManifestPtr entries = reader->entries();
    const PartitionSpec* spec = spec_by_id(table, entries->spec_id);
    if (!spec) {
      throw CorruptFile(
          fmt::format("{}: the table has no partition spec {}", manifests[m].manifest_path, entries->spec_id));
    }
    const Type partition = partition_type(*spec, *current_schema(table));
    std::vector<DataFile> files = reader->data_files();
    for (size_t i = 0; i < files.size(); ++i) {
      if (entries->snapshot_id[i] != snapshot.snapshot_id) continue;
      if (entries->status[i] == EntryStatus::kDeleted) parts[m].removed.push_back(removal_of(*entries, i));
      if (entries->status[i] != EntryStatus::kAdded) continue;
      files[i].partition = partition_of(*entries, i, partition);
      files[i].first_row_id.reset();  // rows get their ids when they come to the branch
      parts[m].added.push_back(std::move(files[i]));
    }
  });
  Changes all;
  for (Changes& part : parts) {
    std::ranges::move(part.added, std::back_inserter(all.added));
    std::ranges::move(part.removed, std::back_inserter(all.removed));
  }
  return all;
}

class CherryPickStep : public Step {
 public:
  CherryPickStep(IoPtr io, int64_t snapshot_id) : io_(std::move(io)), snapshot_id_(snapshot_id) {}

  TableCommit build(const LoadedTable& base) override {
    const TableMetadata& table = *base.metadata;
    const Snapshot* picked = snapshot_by_id(table, snapshot_id_);
    if (!picked) {
      throw NotFound(fmt::format("table {}: cannot cherry-pick unknown snapshot id: {}", to_string(base.identifier),
                                 snapshot_id_));
    }
    check_not_there(base, *picked);
    const Snapshot* head = current_snapshot(table);
    if (picked->parent_snapshot_id == (head ? std::optional(head->snapshot_id) : std::nullopt)) {
      return forward(base, *picked);
    }
    if (!producer_) producer_ = std::make_unique<SnapshotProducer>(io_, base, change_of(base, *picked));
    return producer_->build(base);
  }

  void succeeded(const TableMetadata& table) noexcept override {
    if (!producer_) return;
    if (snapshot_by_id(table, producer_->snapshot_id())) {
      producer_->succeeded(table);
    } else {
      producer_->failed();  // a later attempt could move forward
    }
  }

  void failed() noexcept override {
    if (producer_) producer_->failed();
  }

 private:
  void check_not_there(const LoadedTable& base, const Snapshot& picked) const {
    const TableMetadata& table = *base.metadata;
    const std::string_view wap_id = picked.summary.get(kWapId);
    const std::string id = std::to_string(picked.snapshot_id);
    for (const Snapshot* ancestor : ancestors(table, current_snapshot(table))) {
      const bool itself = ancestor->snapshot_id == picked.snapshot_id;
      if (!itself && !wap_id.empty() &&
          (ancestor->summary.get(kWapId) == wap_id || ancestor->summary.get(kPublishedWapId) == wap_id)) {
        throw InvalidArgument(fmt::format("table {}: the changes of wap.id {} are published already, by snapshot {}",
                                          to_string(base.identifier), wap_id, ancestor->snapshot_id));
      }
      if (itself || ancestor->summary.get(kSourceSnapshotId) == id) {
        throw InvalidArgument(fmt::format("table {}: snapshot {} is on the main branch already{}",
                                          to_string(base.identifier), picked.snapshot_id,
                                          itself ? std::string() : fmt::format(", as {}", ancestor->snapshot_id)));
      }
    }
  }

  static TableCommit forward(const LoadedTable& base, const Snapshot& picked) {
    const TableMetadata& table = *base.metadata;
    const std::string main(kMainBranch);
    const SnapshotRef* found = find_ref(table, main);
    SnapshotRef ref = found ? *found : SnapshotRef{};
    ref.snapshot_id = picked.snapshot_id;
    TableCommit commit = commit_on(table);
    commit.requirements.push_back(is_where_it_is(table, main));
    commit.updates.emplace_back(SetSnapshotRef{main, ref});
    return commit;
  }

  SnapshotChange change_of(const LoadedTable& base, const Snapshot& picked) const {
    const std::string_view operation = picked.summary.get("operation");
    const bool replaces = operation == "overwrite" && picked.summary.get(kReplacePartitions) == "true";
    if (operation != "append" && !replaces) {
      throw NotSupported(fmt::format(
          "table {}: cannot cherry-pick snapshot {}, whose operation is \"{}\": it is neither an append, nor "
          "an overwrite of partitions, nor the next snapshot of the main branch",
          to_string(base.identifier), picked.snapshot_id, operation));
    }
    Changes changes = changes_of(base, picked, *io_);
    SnapshotChange change{.operation = std::string(operation)};
    change.snapshot_properties.emplace(kSourceSnapshotId, std::to_string(picked.snapshot_id));
    if (const std::string_view wap_id = picked.summary.get(kWapId); !wap_id.empty()) {
      change.snapshot_properties.emplace(kPublishedWapId, wap_id);
    }
    if (replaces) {
      change.snapshot_properties.emplace(kReplacePartitions, "true");
      change.removed = std::move(changes.removed);
      change.checks.starting_snapshot = picked.parent_snapshot_id;
      for (const DataFile& file : changes.added) change.checks.no_added_in.push_back({file.spec_id, file.partition});
    } else if (!changes.removed.empty()) {
      throw CorruptFile(fmt::format("table {}: snapshot {} is an append, but removes {}", to_string(base.identifier),
                                    picked.snapshot_id, changes.removed.front().id.path));
    }
    change.added = std::move(changes.added);
    return change;
  }

  const IoPtr io_;
  const int64_t snapshot_id_;
  std::unique_ptr<SnapshotProducer> producer_;  // where main cannot just move forward
};

}  // namespace

void set_ref(Transaction& transaction, const std::string& name, const SnapshotRef& ref, RefChange change) {
  const SnapshotRef* existing = find_ref(staged(transaction), name);
  if (existing && change == RefChange::kCreate) {
    throw AlreadyExists(
        fmt::format("{}: there is a {} {} already", named(transaction), kind_of(existing->is_branch), name));
  }
  if (existing || change == RefChange::kReplace) need_ref(transaction, name, ref.is_branch);
  need_snapshot(transaction, ref.snapshot_id, fmt::format("cannot set {} {} to", kind_of(ref.is_branch), name));
  const Retention retention{ref.min_snapshots_to_keep, ref.max_snapshot_age_ms, ref.max_ref_age_ms};
  put(transaction, name, change == RefChange::kReplace ? moved(*existing, ref.snapshot_id, retention) : ref);
}

void remove_ref(Transaction& transaction, const std::string& name, bool is_branch) {
  if (name == kMainBranch) {
    throw InvalidArgument(fmt::format("{}: the main branch cannot be removed", named(transaction)));
  }
  need_ref(transaction, name, is_branch);
  add(transaction, {is_where_it_is(staged(transaction), name)}, {RemoveSnapshotRef{name}});
}

void rename_branch(Transaction& transaction, const std::string& name, const std::string& new_name) {
  if (name == kMainBranch) {
    throw InvalidArgument(fmt::format("{}: the main branch cannot be renamed", named(transaction)));
  }
  const SnapshotRef ref = need_ref(transaction, name, true);
  if (find_ref(staged(transaction), new_name)) {
    throw AlreadyExists(fmt::format("{}: there is a branch or tag {} already", named(transaction), new_name));
  }
  const TableMetadata& table = staged(transaction);
  add(transaction, {is_where_it_is(table, name), is_where_it_is(table, new_name)},
      {RemoveSnapshotRef{name}, SetSnapshotRef{new_name, ref}});
}

void fast_forward(Transaction& transaction, const std::string& branch, const std::string& to) {
  const int64_t target = need_ref(transaction, to).snapshot_id;
  const TableMetadata& table = staged(transaction);
  const SnapshotRef* existing = find_ref(table, branch);
  SnapshotRef ref = existing ? need_ref(transaction, branch, true) : SnapshotRef{};
  if (existing && ref.snapshot_id == target) return;
  if (existing && !is_ancestor(table, ref.snapshot_id, snapshot_by_id(table, target))) {
    throw InvalidArgument(
        fmt::format("{}: cannot fast-forward: {} is not an ancestor of {}", named(transaction), branch, to));
  }
  ref.snapshot_id = target;
  put(transaction, branch, ref);
}

void set_retention(Transaction& transaction, const std::string& name, const Retention& retention) {
  const SnapshotRef& ref = need_ref(transaction, name);
  put(transaction, name, moved(ref, ref.snapshot_id, retention));
}

void set_current_snapshot(Transaction& transaction, int64_t snapshot_id) {
  need_snapshot(transaction, snapshot_id, "Cannot set current snapshot to");
  const SnapshotRef* main = find_ref(staged(transaction), std::string(kMainBranch));
  SnapshotRef ref = main ? *main : SnapshotRef{};
  ref.snapshot_id = snapshot_id;
  put(transaction, std::string(kMainBranch), ref);
}

void rollback_to_snapshot(Transaction& transaction, int64_t snapshot_id) {
  need_snapshot(transaction, snapshot_id, "Cannot roll back to");
  const TableMetadata& table = staged(transaction);
  if (!is_ancestor(table, snapshot_id, current_snapshot(table))) {
    throw InvalidArgument(fmt::format("{}: Cannot roll back to snapshot, not an ancestor of the current state: {}",
                                      named(transaction), snapshot_id));
  }
  set_current_snapshot(transaction, snapshot_id);
}

void rollback_to_timestamp(Transaction& transaction, int64_t timestamp_ms) {
  const TableMetadata& table = staged(transaction);
  const Snapshot* latest = nullptr;
  for (const Snapshot* ancestor : ancestors(table, current_snapshot(table))) {
    if (ancestor->timestamp_ms >= timestamp_ms) continue;
    if (!latest || ancestor->timestamp_ms > latest->timestamp_ms) latest = ancestor;
  }
  if (!latest) {
    throw InvalidArgument(
        fmt::format("{}: Cannot roll back, no valid snapshot older than: {}", named(transaction), timestamp_ms));
  }
  set_current_snapshot(transaction, latest->snapshot_id);
}

void cherry_pick(Transaction& transaction, int64_t snapshot_id) {
  transaction.add(std::make_unique<CherryPickStep>(transaction.io(), snapshot_id));
}

int64_t publish_changes(Transaction& transaction, const std::string& wap_id) {
  for (const auto& snapshot : staged(transaction).snapshots) {
    if (wap_id.empty() || snapshot->summary.get(kWapId) != wap_id) continue;
    const int64_t id = snapshot->snapshot_id;
    cherry_pick(transaction, id);
    return id;
  }
  throw NotFound(fmt::format("{}: there is no snapshot with the wap.id \"{}\"", named(transaction), wap_id));
}

int64_t create_snapshot(Transaction& transaction, const std::string& branch, const Properties& snapshot_properties) {
  const std::set<int64_t> before = transaction.snapshots();
  transaction.add(SnapshotChange{.operation = "append", .branch = branch, .snapshot_properties = snapshot_properties});
  std::vector<int64_t> made;
  std::ranges::set_difference(transaction.snapshots(), before, std::back_inserter(made));
  return made.front();
}

}  // namespace floe
