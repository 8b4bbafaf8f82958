#include "floe/maintenance/expire_snapshots.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "floe/error.h"
#include "floe/maintenance/garbage.h"
#include "floe/maintenance/unreachable_files.h"
#include "floe/parallel.h"
#include "floe/transaction/commit.h"
#include "floe/transaction/snapshot_producer.h"
#include "floe/transaction/transaction.h"

namespace floe {
namespace {

constexpr int64_t kMaxSnapshotAgeMs = int64_t{5} * 24 * 60 * 60 * 1000;

using SnapshotsById = std::unordered_map<int64_t, const Snapshot*>;

// By name; main without a ref of its own is the current snapshot.
std::map<std::string, SnapshotRef> refs_of(const TableMetadata& table) {
  std::map<std::string, SnapshotRef> refs(table.refs.begin(), table.refs.end());
  const Snapshot* current = current_snapshot(table);
  if (current) refs.try_emplace(std::string(kMainBranch), SnapshotRef{.snapshot_id = current->snapshot_id});
  return refs;
}

// The time of what is older; ages may be greater than all times.
int64_t before(int64_t now_ms, int64_t age_ms) {
  return age_ms > now_ms ? std::numeric_limits<int64_t>::min() : now_ms - age_ms;
}

class Retention {
 public:
  Retention(const LoadedTable& loaded, const ExpireSnapshotsOptions& options, int64_t now_ms)
      : name_(to_string(loaded.identifier)), table_(*loaded.metadata), options_(options), now_(now_ms) {
    for (const auto& snapshot : table_.snapshots) by_id_.emplace(snapshot->snapshot_id, snapshot.get());
    const Properties& properties = table_.properties;
    older_than_ = options.older_than_ms.value_or(
        before(now_, int_property(properties, "history.expire.max-snapshot-age-ms", kMaxSnapshotAgeMs)));
    retain_last_ = options.retain_last.value_or(int_property(properties, "history.expire.min-snapshots-to-keep", 1));
    max_ref_age_ = int_property(properties, "history.expire.max-ref-age-ms", std::numeric_limits<int64_t>::max());
    if (options.retain_last && *options.retain_last < 1) {
      throw InvalidArgument(fmt::format("table {}: Number of snapshots to retain must be at least 1, cannot be: {}",
                                        name_, *options.retain_last));
    }
  }

  Expired decide() {
    Expired expired;
    const std::map<std::string, SnapshotRef> all = refs_of(table_);
    std::map<std::string, SnapshotRef> retained;
    for (const auto& [name, ref] : all) {
      if (!options_.by_retention || is_retained(name, ref)) {
        retained.emplace(name, ref);
      } else {
        expired.refs.push_back(name);
      }
    }
    check_not_referenced(retained);
    std::set<int64_t> gone(options_.snapshot_ids.begin(), options_.snapshot_ids.end());
    if (options_.by_retention) {
      const std::set<int64_t> kept = kept_by(retained);
      for (const auto& snapshot : table_.snapshots) {
        if (!kept.contains(snapshot->snapshot_id)) gone.insert(snapshot->snapshot_id);
      }
    }
    for (const auto& snapshot : table_.snapshots) {
      if (gone.contains(snapshot->snapshot_id)) expired.snapshots.push_back(snapshot->snapshot_id);
    }
    return expired;
  }

 private:
  const Snapshot* find(int64_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }

  bool is_retained(const std::string& name, const SnapshotRef& ref) const {
    if (name == kMainBranch) return true;
    const Snapshot* snapshot = find(ref.snapshot_id);
    return snapshot && now_ - snapshot->timestamp_ms <= ref.max_ref_age_ms.value_or(max_ref_age_);
  }

  void check_not_referenced(const std::map<std::string, SnapshotRef>& retained) const {
    for (const int64_t id : options_.snapshot_ids) {
      std::vector<std::string> names;
      for (const auto& [name, ref] : retained) {
        if (ref.snapshot_id == id) names.push_back(name);
      }
      if (names.empty()) continue;
      throw InvalidArgument(
          fmt::format("table {}: Cannot expire {}. Still referenced by refs: [{}]. Remove or move them first", name_,
                      id, fmt::join(names, ", ")));
    }
  }

  // A chain that leads in a circle ends.
  template <typename F>
  void for_each_ancestor(int64_t id, const F& visit) const {
    std::set<int64_t> seen;
    for (const Snapshot* s = find(id); s && seen.insert(s->snapshot_id).second;
         s = s->parent_snapshot_id ? find(*s->parent_snapshot_id) : nullptr) {
      if (!visit(*s)) return;
    }
  }

  std::set<int64_t> kept_by(const std::map<std::string, SnapshotRef>& refs) const {
    std::set<int64_t> kept, reached;
    for (const auto& [name, ref] : refs) {
      kept.insert(ref.snapshot_id);
      reached.insert(ref.snapshot_id);
      if (!ref.is_branch) continue;
      const int64_t older_than = ref.max_snapshot_age_ms ? before(now_, *ref.max_snapshot_age_ms) : older_than_;
      const int64_t least = ref.min_snapshots_to_keep ? *ref.min_snapshots_to_keep : retain_last_;
      int64_t count = 0;
      for_each_ancestor(ref.snapshot_id, [&](const Snapshot& snapshot) {
        if (count++ >= least && snapshot.timestamp_ms < older_than) return false;
        kept.insert(snapshot.snapshot_id);
        return true;
      });
      for_each_ancestor(ref.snapshot_id, [&](const Snapshot& snapshot) {
        reached.insert(snapshot.snapshot_id);
        return true;
      });
    }
    for (const auto& snapshot : table_.snapshots) {
      if (!reached.contains(snapshot->snapshot_id) && snapshot->timestamp_ms >= older_than_) {
        kept.insert(snapshot->snapshot_id);
      }
    }
    return kept;
  }

  const std::string name_;
  const TableMetadata& table_;
  const ExpireSnapshotsOptions& options_;
  const int64_t now_;
  SnapshotsById by_id_;
  int64_t older_than_ = 0;
  int64_t retain_last_ = 1;
  int64_t max_ref_age_ = 0;
};

// What the last attempt was to commit, and on what.
struct Attempt {
  LoadedTable base;
  Expired expired;
  std::vector<int32_t> schemas, specs;
};

class ExpireStep : public Step {
 public:
  ExpireStep(IoPtr io, const ExpireSnapshotsOptions& options, std::shared_ptr<Attempt> attempt)
      : io_(std::move(io)), options_(options), attempt_(std::move(attempt)) {}

  TableCommit build(const LoadedTable& base) override {
    check_garbage_collection(base, "expire snapshots");
    if (std::exchange(is_first_, false)) check_ids(base);
    *attempt_ = {.base = base, .expired = expired_by(base, options_, now_), .schemas = {}, .specs = {}};
    TableCommit commit = commit_on(*base.metadata);
    for (const std::string& name : attempt_->expired.refs) {
      commit.requirements.push_back(is_where_it_is(*base.metadata, name));
      commit.updates.emplace_back(RemoveSnapshotRef{name});
    }
    if (!attempt_->expired.snapshots.empty()) commit.updates.emplace_back(RemoveSnapshots{attempt_->expired.snapshots});
    if (options_.clean_expired_metadata) clean_metadata(*base.metadata, commit);
    return commit;
  }

 private:
  void check_ids(const LoadedTable& base) const {
    for (const int64_t id : options_.snapshot_ids) {
      if (snapshot_by_id(*base.metadata, id)) continue;
      throw NotFound(fmt::format("table {}: it has no snapshot {} to expire", to_string(base.identifier), id));
    }
  }

  static TableRequirement is_where_it_is(const TableMetadata& table, const std::string& name) {
    const Snapshot* at = snapshot_by_ref(table, name);
    return AssertRefSnapshotId{name, at ? std::optional(at->snapshot_id) : std::nullopt};
  }

  // Nobody may begin to use one of them meanwhile: branches, current schema and default spec stay where they are.
  void clean_metadata(const TableMetadata& table, TableCommit& commit) {
    std::vector<const Snapshot*> kept;
    const std::set<int64_t> gone(attempt_->expired.snapshots.begin(), attempt_->expired.snapshots.end());
    for (const auto& snapshot : table.snapshots) {
      if (!gone.contains(snapshot->snapshot_id)) kept.push_back(snapshot.get());
    }
    const std::set<int32_t> specs = specs_of(table, kept);
    for (const PartitionSpec& spec : table.partition_specs) {
      if (!specs.contains(spec.spec_id)) attempt_->specs.push_back(spec.spec_id);
    }
    std::set<int32_t> schemas{table.current_schema_id};
    for (const Snapshot* snapshot : kept) schemas.insert(snapshot->schema_id.value_or(table.current_schema_id));
    for (const SchemaPtr& schema : table.schemas) {
      if (!schemas.contains(schema->schema_id)) attempt_->schemas.push_back(schema->schema_id);
    }
    if (attempt_->specs.empty() && attempt_->schemas.empty()) return;
    const std::set<std::string> removed(attempt_->expired.refs.begin(), attempt_->expired.refs.end());
    for (const auto& [name, ref] : refs_of(table)) {
      if (ref.is_branch && !removed.contains(name)) commit.requirements.push_back(is_where_it_is(table, name));
    }
    if (!attempt_->specs.empty()) {
      commit.requirements.emplace_back(AssertDefaultSpecId{table.default_spec_id});
      commit.updates.emplace_back(RemovePartitionSpecs{attempt_->specs});
    }
    if (!attempt_->schemas.empty()) {
      commit.requirements.emplace_back(AssertCurrentSchemaId{table.current_schema_id});
      commit.updates.emplace_back(RemoveSchemas{attempt_->schemas});
    }
  }

  // Those under which snapshots have manifests, and the default.
  std::set<int32_t> specs_of(const TableMetadata& table, const std::vector<const Snapshot*>& snapshots) const {
    std::set<int32_t> specs{table.default_spec_id};
    if (table.partition_specs.size() == 1) return specs;
    std::mutex mutex;
    const auto read = [&](size_t i) {
      const std::vector<ManifestFile> manifests = manifests_of(*io_, *snapshots[i]);
      const std::lock_guard lock(mutex);
      for (const ManifestFile& manifest : manifests) specs.insert(manifest.partition_spec_id);
    };
    parallel_for(snapshots.size(), read, options_.stop);
    return specs;
  }

  const IoPtr io_;
  const ExpireSnapshotsOptions& options_;
  const std::shared_ptr<Attempt> attempt_;
  const int64_t now_ = now_ms();
  bool is_first_ = true;
};

// After an answer that was lost: the table, if it surely has the commit. Snapshots that are gone never come back.
std::optional<LoadedTable> found_committed(Catalog& catalog, const Attempt& attempt) noexcept {
  try {
    LoadedTable table = catalog.load_table(attempt.base.identifier);
    if (attempt.expired.snapshots.empty() || table.metadata->table_uuid != attempt.base.metadata->table_uuid) return {};
    for (const int64_t id : attempt.expired.snapshots) {
      if (snapshot_by_id(*table.metadata, id)) return {};
    }
    return table;
  } catch (...) {
    return {};
  }
}

void remove_unreachable(Io& io, const Attempt& attempt, const ExpireSnapshotsOptions& options,
                        ExpireSnapshotsResult& result) {
  ProgressMeter progress(options.progress, options.dry_run ? "files to remove" : "files removed", -1);
  UnreachableSearch search;
  search.take = [&](std::vector<TableFile> files) {
    if (!options.dry_run) {
      return remove_files(io, files, options.max_concurrent_deletes, result.files, progress, options.stop);
    }
    for (TableFile& file : files) {
      result.files.add(file);
      result.listed.push_back(std::move(file));
    }
    progress.add(static_cast<int64_t>(files.size()));
  };
  search.problem = [&](std::string text) { result.files.add_problem(std::move(text)); };
  search.progress = options.progress;
  search.stop = options.stop;
  find_unreachable_files(io, *attempt.base.metadata, attempt.expired.snapshots, *result.table.metadata, search);
}

}  // namespace

Expired expired_by(const LoadedTable& table, const ExpireSnapshotsOptions& options, int64_t now_ms) {
  return Retention(table, options, now_ms).decide();
}

ExpireSnapshotsResult expire_snapshots(Catalog& catalog, const LoadedTable& table,
                                       const ExpireSnapshotsOptions& options) {
  ExpireSnapshotsResult result;
  const auto attempt = std::make_shared<Attempt>();
  Transaction transaction(catalog, load_same(catalog, table));
  transaction.add(std::make_unique<ExpireStep>(transaction.io(), options, attempt));
  if (options.dry_run) {
    result.table = transaction.staged();
  } else {
    try {
      result.table = transaction.commit(options.stop);
    } catch (const CommitStateUnknown&) {
      std::optional<LoadedTable> found = found_committed(catalog, *attempt);
      if (!found) throw;
      result.table = std::move(*found);
    }
  }
  result.expired = attempt->expired;
  result.schemas = attempt->schemas;
  result.specs = attempt->specs;
  if (options.dry_run) {
    remove_unreachable(*transaction.io(), *attempt, options, result);
    result.table = transaction.base();
  } else if (options.delete_files) {
    try {
      remove_unreachable(*transaction.io(), *attempt, options, result);
    } catch (const std::exception& e) {
      result.files.add_problem(e.what());
    }
  }
  return result;
}

}  // namespace floe
